"""The derivative of a function as a function: `value_and_grad`, and `grad` of a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..op import Operand, constant, is_scalar
from ..support.checks import check_whole, number
from ..value import Value, topological_order
from .graphs import gradients
from .taylor import jvp

Function = Callable[..., Any]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives the value of `f` and its derivative, with the arguments of `f`.

    The derivative is that for the first argument, or for those in `argnums`, then in a tuple. An
    argument may be a number, or a list, a tuple, a dict or an array of numbers: the derivative is
    of the same form.

    >>> value_and_grad(lambda w, x: w * w * x)(3.0, 2.0)
    (18.0, 12.0)
    >>> value_and_grad(lambda w: w[0] * w[1])([3.0, 2.0])
    (6.0, [2.0, 3.0])

    Numbers give numbers. Where the arguments or what else `f` uses are Values, so are the results,
    which can be differentiated again: so such functions nest. Within `jvp`, `taylor` and a
    function that is vectorized they go forwards, once for each number that they differentiate for.
    Raises TypeError if `f` does not give one number.
    """
    return _with_gradient("value_and_grad", f, argnums)


def gradient_function(f: Function, argnums: int | Sequence[int]) -> Function:
    """The function that gives the derivative of `f`: what `grad` of a function is."""
    both = _with_gradient("grad", f, argnums)
    return lambda *args, **options: both(*args, **options)[1]


def _with_gradient(name: str, f: Function, argnums: int | Sequence[int]) -> Function:
    several = hasattr(argnums, "__iter__")
    places = _checked_places(name, argnums if several else [argnums])

    def both(*args: Any, **options: Any) -> tuple[Any, Any]:
        if (most := max(places, default=-1)) >= len(args):
            what = f"expected argument {most} to differentiate for, got {len(args)} arguments"
            raise TypeError(f"{name}: {what}")
        chosen = [args[i] for i in places]
        xs: list[Any] = []
        _each(xs.append, chosen)

        def of_numbers(*numbers: Any) -> Any:
            given = [*args]
            for i, arg in zip(places, _refilled(chosen, numbers), strict=True):
                given[i] = arg
            output = f(*given, **options)
            if not is_scalar(output):
                what = f"expected a function that gives one number, got {output!r}"
                raise TypeError(f"{name}: {what}")
            return output

        value, slopes = _differentiated(name, of_numbers, xs)
        found = tuple(_refilled(chosen, slopes))
        return value, found if several else found[0]

    return both


def _checked_places(name: str, argnums: Any) -> list[int]:
    places = [check_whole(name, "argnums", i, 0) for i in argnums]
    if len(set(places)) < len(places):
        raise ValueError(f"{name}: expected argnums, each once, got {argnums!r}")
    return places


def _refilled(form: Any, numbers: Sequence[Any]) -> Any:
    """The numbers, in that form."""
    following = iter(numbers)
    return _each(lambda x: next(following), form)


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    """What a function makes of each number in `x`, in the form of `x`."""
    if isinstance(x, dict):
        return {key: _each(function, each) for key, each in x.items()}
    if isinstance(x, list | tuple):
        make = getattr(x, "_make", type(x))  # a tuple with names has it
        return make([_each(function, each) for each in x])
    if getattr(x, "shape", ()):
        import numpy as np

        found = [function(each) for each in x.ravel()]
        kind = object if any(isinstance(each, Operand) for each in found) else float
        return np.array(found, kind).reshape(x.shape)
    return function(x)


def _differentiated(name: str, f: Function, xs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The value and the derivatives of f at xs: numbers, Values if there are other leaves."""
    if any(map(_is_of_a_walk, xs)):
        return _forwards(f, xs)
    leaves = [_variable(name, x) for x in xs]
    output = f(*leaves)
    if _is_of_a_walk(output):
        return _forwards(f, xs)
    if not isinstance(output, Value):
        return number(output), [0.0] * len(leaves)
    own = set(leaves)
    if any(node.op is None and node not in own for node in topological_order(output)):
        slopes = gradients(name, [output], leaves, {})[0]
        for leaf in own:  # what a number stood for is one again, in the graph of the derivative
            leaf.op = leaf.op or constant
        return output, slopes
    output.backward()
    return output.data, [leaf.grad for leaf in leaves]


def _is_of_a_walk(x: Any) -> bool:
    """Whether it is a number of `jvp`, `taylor` or `vectorize`, which has no graph to go back."""
    return isinstance(x, Operand) and not isinstance(x, Value)


def _forwards(f: Function, xs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The same by `jvp`, once for each number: it can be part of those walks."""
    count = len(xs)
    found = [jvp(f, xs, [float(i == j) for j in range(count)]) for i in range(count)]
    return found[0][0] if found else f(), [slope for _, slope in found]


def _variable(name: str, x: Any) -> Value:
    # A node of its own: a Value given for two arguments, or used inside, is not this variable.
    if isinstance(x, Value):
        return 1.0 * x
    try:
        return Value(x)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers or Values to differentiate for, got {x!r}"
        ) from None
