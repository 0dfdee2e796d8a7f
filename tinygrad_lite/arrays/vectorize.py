"""`vectorize`: a plain Python function of scalars, branches and loops included, over arrays.

`traced.py` has what it is recorded on, `paths.py` how each point finds its path through the code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

from ..op import Operand
from ..support.checks import check_whole
from . import dask
from .answers import NUMBER, Form
from .kernels import kernels
from .paths import Call, Path, Work
from .points import Group, Points
from .program import Program

KEPT = 256
"""How many paths of a function are kept compiled."""


class Vectorized:
    """A function of numbers that works over arrays, each point on its own path through the code."""

    def __init__(
        self, f: Callable[..., Any], max_paths: int, static: Collection[str | int] = ()
    ) -> None:
        functools.update_wrapper(self, f)
        self._f = f
        self._max_paths = max_paths
        self._static = frozenset(static)
        self._known: dict[Hashable, Path] = {}

    def __reduce__(self) -> Any:
        return Vectorized, (self._f, self._max_paths, self._static)  # what was compiled stays here

    def __call__(self, *arrays: Any, **named: Any) -> Any:
        """The values of the function at the points of the arrays, which broadcast.

        A list of arrays if the function gives a list or a tuple.
        """
        arguments = _Arguments(self._f, arrays, named, self._static)
        columns = arguments.taken()
        if any(isinstance(array, Operand) for array in columns):
            return self._f(*arrays, **named)  # within another function of numbers
        if dask.is_lazy(columns):
            return dask.at_elements(functools.partial(self._one_value, arguments), columns)
        return self._values(arguments, *columns)

    def value_and_grad(self, *arrays: Any, **named: Any) -> tuple[Any, Any]:
        """The values, and for each array the derivative in its shape, summed where broadcast.

        Of a function that gives several numbers a list of values, and a list of such lists.
        """
        arguments = _Arguments(self._f, arrays, named, self._static)
        columns = arguments.taken()
        if dask.is_lazy(columns):
            raise TypeError(
                "vectorize: value_and_grad takes arrays, got Dask's; "
                "map it over the blocks, or call the function for its values"
            )
        forms = [NUMBER, *[Form(i) for i in range(len(columns))]]
        results, several = self._followed(arguments, columns, _value_and_grad, forms)
        width = len(forms)
        values = results[::width]
        gradients = [results[i + 1 : i + width] for i in range(0, len(results), width)]
        return (values, gradients) if several else (values[0], gradients[0])

    def _values(self, arguments: _Arguments, *arrays: Any) -> Any:
        results, several = self._followed(arguments, arrays, _value, [NUMBER])
        return results if several else results[0]

    def _one_value(self, arguments: _Arguments, *arrays: Any) -> Any:
        result = self._values(arguments, *arrays)
        if isinstance(result, list):
            problem = f"of Dask's arrays it gives one number, got {len(result)}"
            raise TypeError(f"vectorize: {problem}; vectorize a function for each")
        return result

    def _followed(
        self, arguments: _Arguments, arrays: Sequence[Any], replay: Work, forms: list[Form]
    ) -> tuple[list[Any], bool]:
        """The results of a call, as many as `forms` for each number that the function gives."""
        for name, array in zip(arguments.names, arrays, strict=True):
            _check_real(name, array)
        points = Points(arrays, [Group()] * len(arrays))
        columns = [column.astype(float, copy=False) for column in points.flat]
        record = functools.partial(self._recorded, arguments)
        call = Call(record, columns, replay, self._max_paths)
        if points.count:
            call.run()
        else:  # then there is no path to say how many results there are
            call.results = [kernels().np.empty(0) for _ in forms]
        forms = forms * (len(call.results) // len(forms))
        return points.shaped(call.results, forms, None), bool(call.several)

    def _recorded(self, arguments: _Arguments, point: Sequence[float]) -> Path:
        """The path at a point; one that was compiled before if it computes the same."""
        path = Path(arguments.call, arguments.names, point)
        if path.problem:
            return path
        if len(self._known) >= KEPT:
            self._known.clear()
        return self._known.setdefault(path.key(), path)


class _Arguments:
    """The arguments of one call: arrays, and what the function gets as it is given."""

    def __init__(
        self,
        f: Callable[..., Any],
        given: Sequence[Any],
        named: Mapping[str, Any],
        static: Collection[str | int],
    ) -> None:
        self.f = f
        self.given = [*given]
        self.named = dict(named)
        names = [name for name, each in _parameters(f).items() if not _is_open(each)]
        places: list[tuple[int | str, str]] = []
        for i in range(len(given)):
            name = names[i] if i < len(names) else f"argument {i}"
            places.append((i, name))
        places += [(name, name) for name in named]
        self.places = [place for place, name in places if not {place, name} & set(static)]
        self.names = [name for place, name in places if place in self.places]
        if not self.places:
            raise TypeError("vectorize: expected at least one array, got none that is not static")

    def taken(self) -> list[Any]:
        """The arrays, which are kept here no longer: what is left is small enough to be sent."""
        arrays = []
        for place in self.places:
            holder: Any = self.given if isinstance(place, int) else self.named
            arrays.append(holder[place])
            holder[place] = None
        return arrays

    def call(self, *point: Any) -> Any:
        """The function with the numbers of a point in place of the arrays."""
        given = [*self.given]
        named = dict(self.named)
        for place, x in zip(self.places, point, strict=True):
            if isinstance(place, int):
                given[place] = x
            else:
                named[place] = x
        return self.f(*given, **named)


def _parameters(f: Callable[..., Any]) -> Mapping[str, Any]:
    import inspect

    try:
        return inspect.signature(f).parameters
    except (TypeError, ValueError):  # some functions of C have none
        return {}


def _is_open(parameter: Any) -> bool:
    """Whether it takes any number of arguments."""
    return parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _check_static(f: Callable[..., Any], static: Collection[str | int]) -> None:
    """Refuse a name that the function does not have: what was meant would be taken for an array."""
    parameters = _parameters(f)
    if not parameters or any(map(_is_open, parameters.values())):
        return
    for name in static:
        if isinstance(name, str) and name not in parameters:
            expected = f"expected static to name some of {[*parameters]}"
            raise ValueError(f"vectorize: {expected}, got {name!r}")


def _check_real(name: str, array: Any) -> None:
    dtype = kernels().np.asarray(array).dtype
    if dtype.kind not in "biuf":
        expected = f"expected argument {name!r} as real numbers, got dtype {dtype}"
        advice = f"what is given as it is, name in static=[{name!r}]"
        raise TypeError(f"vectorize: {expected}; {advice}")


def _value(program: Program, columns: Sequence[Any]) -> list[Any]:
    values: list[Any] = program(*columns)
    return values


def _value_and_grad(program: Program, columns: Sequence[Any]) -> list[Any]:
    values, gradients = program.value_and_grad(*columns)
    results = []
    for value, gradient in zip(values, gradients, strict=True):
        results += [value, *gradient]
    return results


def vectorize(
    f: Callable[..., Any], *, max_paths: int = 1000, static: str | int | Collection[str | int] = ()
) -> Vectorized:
    """A plain function of numbers, `if` and `while` included, as a function of arrays.

    >>> g = vectorize(lambda x: x * x if x > 0 else -x)
    >>> g([-2.0, 3.0])
    array([2., 9.])
    >>> g.value_and_grad([-2.0, 3.0])
    (array([2., 9.]), [array([-1.,  6.])])
    >>> power = vectorize(lambda x, n: x**n if n > 1 else x, static="n")
    >>> power([2.0, 3.0], n=2)
    array([4., 9.])

    Each point takes its own path. `f` runs at one point of each path, with operands whose truth is
    kept; other points are replayed while they agree. What would freeze a number into the path
    (`float(x)`, its text, `x.data`) raises TypeError, and more than `max_paths` paths ValueError.
    Arguments that are `static`, by name or by place, are given to `f` as they are. A point where
    `f` raises ArithmeticError or ValueError gets inf or nan. An error of an operation is no truth
    that `f` asked about: where it is seen to be caught, TypeError.
    """
    if not callable(f):
        raise TypeError(f"vectorize: expected a function, got {type(f).__name__}")
    static = (static,) if isinstance(static, str | int) else static
    _check_static(f, static)
    return Vectorized(f, check_whole("vectorize", "max_paths", max_paths), static)
