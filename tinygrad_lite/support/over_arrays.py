"""Operations over NumPy's arrays, and NumPy's functions of operands."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .checks import number
from .special import OVER_ARRAYS

if TYPE_CHECKING:
    from ..op import Op


def at_arrays(op: Op, args: Sequence[Any]) -> Any:
    """The result over arrays that broadcast, by IEEE 754: inf and nan, no exception, no warning."""
    import numpy as np

    # A Python number stays one: as a 0-d array it would turn float32 into float64.
    arrays: list[Any] = [arg if type(arg) is float else np.asarray(arg) for arg in args]
    for each in arrays:
        if type(each) is not float and each.dtype.kind not in "biuf":
            raise TypeError(f"{op.name}: expected arrays of real numbers, got dtype {each.dtype}")
    with np.errstate(all="ignore"):
        if op.array is None:
            result = _over_arrays(op.scalar, len(arrays))(*arrays)
        elif not isinstance(op.array, str):
            result = op.array(*arrays)
        elif op.arity is None:
            result = functools.reduce(getattr(np, op.array), arrays)
        else:
            result = getattr(np, op.array)(*arrays)
    result = np.asarray(result)
    return result if result.dtype.kind == "f" else result.astype(float)


def _over_arrays(scalar: Callable[..., float], count: int) -> Callable[..., Any]:
    """A function of floats as one of arrays: ours if there is one, else called at each element."""
    import numpy as np

    known = OVER_ARRAYS.get(scalar)
    return known or np.frompyfunc(functools.partial(_or_nan, scalar), count, 1)


def _or_nan(scalar: Callable[..., float], *args: float) -> float:
    try:
        return scalar(*args)
    except (ArithmeticError, ValueError):
        return math.nan


def by_ieee(op: Op, numbers: Sequence[float]) -> float:
    """The result at floats by IEEE 754: a derivative may be inf or nan where there is a value."""
    try:
        return number(op.scalar(*numbers))
    except (ArithmeticError, ValueError):
        return float(at_arrays(op, [[x] for x in numbers]).ravel()[0])


def terms_at_arrays(
    op: Op, t: float, out: float, args: Sequence[float], wanted: Sequence[bool]
) -> list[float | None]:
    """`Op.terms` at floats, by way of arrays of one element."""
    import numpy as np

    t_array, out_array, *arrays = (np.array([x]) for x in (t, out, *args))
    with np.errstate(all="ignore"):
        terms = op.terms(t_array, out_array, arrays, wanted)
    return [None if term is None else float(np.ravel(term)[0]) for term in terms]


def elementwise(op: Op, operands: Sequence[Any]) -> Any:
    """An operation at each element of arrays that broadcast, as an array of objects."""
    length = len(operands) // (op.lists or 1)

    def call(*elements: Any) -> Any:
        if not op.lists:
            return op(*elements)
        return op(*(elements[i : i + length] for i in range(0, len(elements), length)))

    return at_elements(call, operands)


def at_elements(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    """A function at each element of arrays that broadcast, an array of objects; at scalars, one."""
    if not any(_is_array(arg) for arg in args):
        return function(*args)
    import numpy as np

    arrays = []
    for arg in args:
        array = np.empty(np.shape(arg) if _is_array(arg) else (), object)
        array[...] = arg
        arrays.append(array)
    return np.frompyfunc(function, len(arrays), 1)(*arrays)


def arrays_among(operands: Sequence[Any], types: Iterable[type]) -> list[Any]:
    """Those of the given types that have elements."""
    kinds = [kind for kind in types if hasattr(kind, "shape")]
    return [x for x in operands if type(x) in kinds and _has_elements(x)] if kinds else []


def _is_array(x: Any) -> bool:
    """Whether it has elements. Only its class is asked: an operand may have methods of any name."""
    return hasattr(type(x), "shape") and _has_elements(x)


def _has_elements(array: Any) -> bool:
    """Whether it has axes, or is one object: a number of NumPy without axes is a number."""
    return bool(array.shape) or str(getattr(array, "dtype", "")) == "object"


def at_ufunc(
    ops: Iterable[Op], name: str, method: str, inputs: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """A function of NumPy where an operand is among its arguments: the operation of that name.

    Raises TypeError if there is none, for a reduction, or for a place that holds floats only.
    """
    there = _by_numpy_name(ops)
    options = dict(options)
    (place,) = options.pop("out", (None,))
    if name not in there or method != "__call__" or options:
        call = name if method == "__call__" else f"{name}.{method}"
        given = "".join(f", {option}=" for option in options)
        known = ", ".join(sorted(there))
        raise TypeError(f"np.{call}(x{given}): no such operation; on Values there are {known}")
    import numpy as np

    arrays = [np.asarray(x) if isinstance(x, list | tuple) else x for x in inputs]
    result = at_elements(there[name], arrays)
    if place is None:
        return result
    if place.dtype != object:
        advice = "make a new array, or this one of objects"
        raise TypeError(f"np.{name}: an array of {place.dtype} cannot hold Values; {advice}")
    place[...] = result
    return place


def _by_numpy_name(ops: Iterable[Op]) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {
        "positive": operator.pos,
        "square": lambda x: x * x,
        "reciprocal": lambda x: 1 / x,
    }
    for op in ops:
        if isinstance(op.array, str):
            found.setdefault(op.array, op)
    return found
