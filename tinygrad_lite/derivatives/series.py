"""`Series`: the operand on which the rules of the table compute power series.

For out = op(args), they give the terms of out' = Σ arg'·∂out/∂arg as series again, and coefficient
k of `out` needs theirs only up to k - 1.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..op import Op, Operand
from ..ops import add, div, mul, neg, stop_gradient, sub, where
from ..support.checks import number
from ..support.over_arrays import by_ieee
from ..support.simplify import EXACT, simpler
from ..value import Value
from .graphs import changes_of, key_of, record

Coefficient = Any
"""A number, a Value, a series of a lower level; None where nothing flows or is multiplied."""


class Level:
    """One call of `taylor` or `jvp`; a call inside it has a higher one, with its own variable."""

    serials = itertools.count()

    def __init__(self) -> None:
        self.serial = next(self.serials)
        self.is_open = True  # while the function is called, an operation that has no value raises
        self.made: dict[Any, Series] = {}
        self.nodes: dict[Any, Value] = {}

    def coefficient(self, x: Any, k: int) -> Coefficient:
        """Coefficient k of what is a constant here unless it is a series of this level."""
        if _is_of(self, x):
            return x[k]
        return x if k == 0 else None

    def first(self, x: Any, count: int) -> list[Coefficient]:
        """The first coefficients."""
        if not _is_of(self, x):
            return [x, *[None] * count][:count]
        if count:
            x[count - 1]  # it computes those before it, too
        return x.known[:count]  # type: ignore[no-any-return]

    def at(self, op: Op, *args: Coefficient) -> Coefficient:
        """`op` at coefficients, by IEEE 754: where the function has no value, it has raised."""
        kinds: set[Any] = set(map(type, args)) - {float}
        if not kinds:
            return by_ieee(op, args)
        if kinds == {Value}:
            return record(op, args, self.nodes)
        kind = max(kinds, key=lambda kind: kind.rank)
        if issubclass(kind, Series):
            return _series(op, args, raises=False)
        return kind.apply(op, args)

    def sum(self, found: Iterable[Coefficient]) -> Coefficient:
        """Their sum, None if there are none."""
        there = [x for x in found if x is not None]
        return functools.reduce(functools.partial(self.at, add), there) if there else None

    def product(self, x: Any, y: Any, k: int, least: int = 0) -> Coefficient:
        """Σ x[i]·y[k - i] for i from 0 to k - `least`."""
        xs, ys = self.first(x, k + 1 - least), self.first(y, k + 1)[least:]
        pairs = zip(xs, reversed(ys), strict=True)
        there = [(a, b) for a, b in pairs if a is not None and b is not None]
        if there and all(type(a) is type(b) is float for a, b in there):  # most of the time
            return functools.reduce(operator.add, itertools.starmap(operator.mul, there))
        return self.sum(self.at(mul, a, b) for a, b in there)


class Series(Operand):
    """A power series in the variable of a level; coefficients are computed when first asked for."""

    __slots__ = ("args", "changes", "flows", "known", "level", "op", "terms")
    rank = 3

    def __init__(
        self, known: list[Coefficient], level: Level, op: Op | None = None, args: Sequence[Any] = ()
    ) -> None:
        self.known = known
        self.level = level
        self.op = op  # None: nothing follows the coefficients that are known
        self.args = args
        self.flows = op is not None or len(known) > 1  # else it is a constant
        self.changes: Series | None = None
        self.terms: list[Any] | None = None

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Series:
        """The series of `op`, its first coefficient computed; the same one each time."""
        return _series(op, args)

    def __getitem__(self, k: int) -> Coefficient:
        """Coefficient k."""
        while len(self.known) <= k:
            self.known.append(self._next(len(self.known)))
        return self.known[k]

    def _next(self, k: int) -> Coefficient:
        if self.op is None:
            return None
        if self.op in _RULES:
            return _RULES[self.op](self.level, k, self, *self.args)
        level = self.level
        if self.terms is None:
            changes = [_change(arg, level) for arg in self.args]
            # Of numbers that are no series a rule may raise, as log(x) of the base in (-2)**y.
            args = [arg if _is_of(level, arg) else Series([arg], level) for arg in self.args]
            self.terms = list(changes_of(self.op, changes, self, args))
        total = level.sum(level.coefficient(term, k - 1) for term in self.terms)
        return None if total is None else level.at(div, total, float(k))

    def __bool__(self) -> bool:
        return bool(self.known[0])

    def __repr__(self) -> str:
        return f"Series({', '.join(map(repr, self.known))}, …)"

    def named(self, label: str) -> Series:
        """This series: a name changes nothing."""
        return self

    def detach(self) -> Series:
        """Its value, through which no derivative flows."""
        return stop_gradient(self)  # type: ignore[no-any-return]


class _Change(Series):
    """The derivative of a series for its variable: what it hands on to the terms it is in."""

    __slots__ = ("series",)

    def __init__(self, series: Series) -> None:
        super().__init__([series[1]], series.level)
        self.series = series
        self.flows = True

    def _next(self, k: int) -> Coefficient:
        following = self.series[k + 1]
        return None if following is None else self.level.at(mul, following, float(k + 1))


def _series(op: Op, args: Sequence[Any], *, raises: bool | None = None) -> Series:
    """What `op` is at series and constants: something simpler, what is there, or a new series."""
    args = [arg if isinstance(arg, Operand) else number(arg) for arg in args]
    levels = [arg.level for arg in args if isinstance(arg, Series)]
    level = max(levels, key=lambda level: level.serial)
    raises = level.is_open if raises is None else raises
    if op is where and isinstance(condition := level.coefficient(args[0], 0), float):
        return _chosen(level, args[1] if condition else args[2], raises)
    constants = [_constant(level, arg) for arg in args]
    match simpler(op, constants, EXACT) if None in constants else None:
        case "same", i:
            return args[i]  # type: ignore[no-any-return]
        case "neg", i:
            return _series(neg, [args[i]], raises=raises)
        case float() as result:
            return Series([result], level)
    # --x is x, so that rules like σ(x)·σ(-x) come back to where they began.
    if op is neg and args[0].op is neg:
        return args[0].args[0]  # type: ignore[no-any-return]
    key = key_of(op, args)
    if key not in level.made:
        level.made[key] = _new(op, args, level, raises)
    return level.made[key]


def _new(op: Op, args: Sequence[Any], level: Level, raises: bool) -> Series:
    starts = [level.coefficient(arg, 0) for arg in args]
    if any(x is None for x in starts) and op in _RULES:
        start = _RULES[op](level, 0, None, *args)
    else:
        starts = [0.0 if x is None else x for x in starts]
        start = _loudly(op, starts) if raises else level.at(op, *starts)
    flows = any(_flows(arg, level) for arg in args) and not _is_flat(op)
    return Series([start], level, op if flows else None, args)


def _loudly(op: Op, args: Sequence[Coefficient]) -> Coefficient:
    """`op` at coefficients, which raises where the function has no value."""
    operands = [arg for arg in args if isinstance(arg, Operand)]
    if not operands:
        return op.at_floats(args, args)
    return max(operands, key=lambda operand: operand.rank).apply(op, args)


def _is_of(level: Level, x: Any) -> bool:
    return isinstance(x, Series) and x.level is level


def _constant(level: Level, x: Any) -> float | None:
    """The number that it is at all points, None if there is no such."""
    if _is_of(level, x) and not x.flows:
        x = x.known[0]
    return x if isinstance(x, float) else None


def _flows(x: Any, level: Level) -> bool:
    """Whether coefficients after the first may be there."""
    return _is_of(level, x) and bool(x.flows)


def _is_flat(op: Op) -> bool:
    return isinstance(op.partials, tuple) and all(rule is None for rule in op.partials)


def _change(x: Any, level: Level) -> Series | None:
    if not _flows(x, level):
        return None
    if x.changes is None:
        x.changes = _Change(x)
    return x.changes  # type: ignore[no-any-return]


def _chosen(level: Level, x: Any, raises: bool) -> Series:
    """The chosen argument of a `where`; in a rule, 0 is no change, whatever it is multiplied by."""
    start = level.coefficient(x, 0)
    is_zero = isinstance(start, float) and start == 0
    if is_zero and not raises and not _flows(x, level):
        return Series([None], level)
    return x if _is_of(level, x) else Series([x], level)


# Coefficient k, for what has a shorter way to it than its derivative


def _difference(level: Level, a: Coefficient, b: Coefficient) -> Coefficient:
    if b is None:
        return a
    return level.at(neg, b) if a is None else level.at(sub, a, b)


def _div(level: Level, k: int, out: Any, x: Any, y: Any) -> Coefficient:
    """x = out·y, solved for the last coefficient of out."""
    known = level.product(out, y, k, least=1)
    rest = _difference(level, level.coefficient(x, k), known)
    return None if rest is None else level.at(div, rest, level.coefficient(y, 0))


def _where(level: Level, k: int, out: Any, condition: Any, x: Any, y: Any) -> Coefficient:
    a, b = level.coefficient(x, k), level.coefficient(y, k)
    if a is None and b is None:
        return None
    choices = [0.0 if each is None else each for each in (a, b)]
    return level.at(where, level.coefficient(condition, 0), *choices)


_RULES: dict[Op, Callable[..., Coefficient]] = {
    add: lambda level, k, out, x, y: level.sum([level.coefficient(x, k), level.coefficient(y, k)]),
    sub: lambda level, k, out, x, y: _difference(
        level, level.coefficient(x, k), level.coefficient(y, k)
    ),
    neg: lambda level, k, out, x: _difference(level, None, level.coefficient(x, k)),
    mul: lambda level, k, out, x, y: level.product(x, y, k),
    div: _div,
    where: _where,
}
