"""`taylor`, and `jvp`, its first order: derivatives by power series, in one pass forward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..op import Operand
from ..support.checks import check_number, check_whole, number
from .series import Level, Series


def taylor(f: Callable[[Any], Any], x0: Any, order: int) -> list[Any]:
    """The coefficients c0, …, c_order of f(x0 + h) = Σ c_k h^k, by the rules of the table.

    `f` is written with arithmetic and operations of the table. It may use Values as parameters: the
    coefficients that depend on them are Values. It may call `taylor` and `jvp`: each call has a
    variable of its own. At a kink the table's derivative counts (abs and relu have slope 0 at 0),
    and where f has none, coefficients are infinite or nan, as in `backward`.

    >>> taylor(lambda x: x.sigmoid(), 0.0, order=3) == [1 / 2, 1 / 4, 0, -1 / 48]
    True
    >>> taylor(lambda x: taylor(lambda y: x * y, 2.0, order=1)[1], 3.0, order=1)  # d/dy (x·y) = x
    [3.0, 1.0]

    Raises TypeError if `f` does not give one number or `order` is no int, ValueError if `order` is
    negative.
    """
    order = check_whole("taylor", "order", order, 0)
    level = Level()
    return _coefficients("taylor", level, [f(_variable(level, x0, 1.0))], order)[0]


def jvp(f: Callable[..., Any], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, Any]:
    """`f` at xs and its derivative in the direction vs; two lists if `f` gives a sequence.

    >>> jvp(lambda x, y: x * y, [2.0, 3.0], [1.0, 10.0])
    (6.0, 23.0)

    As for `taylor`, xs, vs and what else `f` uses may be Values, and calls may nest. A number 0 in
    vs is no change at all: nothing flows from there. Raises ValueError if xs and vs differ in
    length.
    """
    for given in (xs, vs):
        if not hasattr(given, "__len__"):
            raise TypeError(
                f"jvp: expected a list of numbers, got {given!r}; write jvp(f, [x], [v])"
            )
    if len(xs) != len(vs):
        raise ValueError(f"jvp: expected a direction of {len(xs)} numbers, got {len(vs)}")
    level = Level()
    result = f(*(_variable(level, x, v) for x, v in zip(xs, vs, strict=True)))
    several = isinstance(result, list | tuple) or bool(getattr(result, "shape", ()))
    found = _coefficients("jvp", level, list(result) if several else [result], 1)
    values, slopes = [value for value, _ in found], [slope for _, slope in found]
    return (values, slopes) if several else (values[0], slopes[0])


def _variable(level: Level, x: Any, v: Any) -> Series:
    x, v = (each if isinstance(each, Operand) else number(each) for each in (x, v))
    return Series([x] if isinstance(v, float) and v == 0 else [x, v], level)


def _coefficients(name: str, level: Level, outputs: Sequence[Any], order: int) -> list[list[Any]]:
    """The first coefficients of what a function gave at the series of that level."""
    level.is_open = False
    outputs = [_checked(name, output, level) for output in outputs]
    # In the order of recording, so that no coefficient is asked for far from where it is known.
    needed = _below(outputs, level)
    recorded = [series for series in level.made.values() if series in needed]
    for k in range(order + 1):
        for series in recorded:
            series[k]
    found = [[level.coefficient(output, k) for k in range(order + 1)] for output in outputs]
    return [[0.0 if x is None else x for x in row] for row in found]


def _checked(name: str, output: Any, level: Level) -> Any:
    if isinstance(output, Series) and output.level.serial > level.serial:
        raise TypeError(f"{name}: the function gives a series of another call of taylor or jvp")
    if isinstance(output, Operand):
        return output
    return check_number(name, "a function that gives one number", output)


def _below(outputs: Iterable[Any], level: Level) -> set[Series]:
    """The outputs and the series of their level that they are made of."""
    found: set[Series] = set()
    stack = list(outputs)
    while stack:
        series = stack.pop()
        if isinstance(series, Series) and series.level is level and series not in found:
            found.add(series)
            stack += series.args
    return found
