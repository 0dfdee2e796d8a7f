"""Rows: the operations of a recorded graph, and of its derivatives, as NumPy functions of rows above them.

A `Trace` is the graph in operations of the table. It runs their rules on `Symbol`s, for values and for derivatives;
this leaves a `Tape`, one NumPy function a row, equal rows once.
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import ops
from ..op import Op, Operand
from .kernels import kernels

UNIFORM, REDUCED, VARYING = range(3)
"""Phases: computed once a call, once from sums over all points, for each point. A row has the latest of its args."""
PACKED = {"add.reduce", "maximum.reduce", "minimum.reduce", "inner", "matmul", "matmul_transposed", "outer"}
"""Functions of lists of rows; the others work row by row."""
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
LIST = 8
"""From this length on, a list is worth an instruction of its own."""


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: for what makes many objects and no cycles that it drops.

    Python would look through all of them again whenever there are a quarter more, which takes as long as the rest.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Step(NamedTuple):
    """One row of a tape: a function, the rows it takes, what else it needs, and its phase."""

    function: str | Op
    args: tuple[int, ...]
    detail: Any
    phase: int


class Symbol(Operand):
    """An argument of a rule of the table, or what one of the rule's calls gives."""

    __slots__ = ("place", "rule")

    def __init__(self, rule: Rule, place: int) -> None:
        self.rule, self.place = rule, place

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Symbol:
        """The symbol of `op` at symbols and numbers: its array form, written out."""
        rule: Rule = next(arg.rule for arg in args if isinstance(arg, Symbol))
        if op is ops.dot and len(args) >= 2 * LIST:
            return rule.call("inner", args)
        if op.arity is None and isinstance(op.array, str):
            if len(args) >= LIST:
                return rule.call(f"{op.array}.reduce", args)
            return rule.symbol(functools.reduce(lambda x, y: rule.call(str(op.array), (x, y)), args))
        if op.array is None or isinstance(op.array, str):
            return rule.call(op.array or op, args)
        return rule.symbol(op.array(*args))


class Rule:
    """A rule of the table as calls of NumPy functions: run once on symbols, it is applied to any rows."""

    def __init__(self, function: Callable[..., Sequence[Any]], count: int) -> None:
        self.calls: list[tuple[str | Op, Any]] = []
        """Functions and the places of their operands: the arguments come first, then what each call gives."""
        self.count = count
        results = function(*(Symbol(self, place) for place in range(count)))
        self.results = [None if result is None else self.symbol(result).place for result in results]

    def call(self, function: str | Op, args: Sequence[Any]) -> Symbol:
        """The result of one more call."""
        places = tuple([self.symbol(arg).place for arg in args])
        self.calls.append((function, places))
        return Symbol(self, self.count + len(self.calls) - 1)

    def symbol(self, operand: Any) -> Symbol:
        """The symbol itself, or one for a number."""
        if isinstance(operand, Symbol):
            return operand
        self.calls.append(("constant", float(operand)))
        return Symbol(self, self.count + len(self.calls) - 1)


def _kept(make: Callable[..., Rule]) -> Callable[..., Rule]:
    """`make`, which keeps the short rules that it made; those of long sums take megabytes."""
    cached = functools.lru_cache(256)(make)
    return lambda op, key: (make if op.arity is None else cached)(op, key)


@_kept
def _value(op: Op, count: int) -> Rule:
    return Rule(lambda *args: [Symbol.apply(op, args)], count)


@_kept
def _partials(op: Op, wanted: tuple[bool, ...]) -> Rule:
    return Rule(lambda out, *args: op.differentiate(out, args, wanted), len(wanted) + 1)


class Tape:
    """NumPy functions in order of computation, each on rows above it; the same function of the same rows once."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.known: dict[Any, int] = {}
        self.numbers: dict[int, float] = {}
        """The constants among the rows."""

    def add(self, function: str | Op, args: tuple[int, ...] = (), detail: Any = None, phase: int | None = None) -> int:
        """The row of `function` at rows `args`."""
        key = function, args, detail
        row = self.known.get(key)
        if row is None:
            steps = self.steps
            if phase is None:
                phase = max([steps[arg].phase for arg in args])
            row = self.known[key] = len(steps)
            steps.append(Step(function, args, detail, phase))
        return row

    def constant(self, x: float) -> int:
        """The row of a number."""
        row = self.add("constant", (), float(x).hex(), UNIFORM)  # by digits: 0.0 == -0.0, and nan != nan
        self.numbers[row] = float(x)
        return row

    def apply(self, op: Op, args: Sequence[int]) -> int:
        """The row of an operation of the table."""
        (row,) = self.run(_value(op, len(args)), args)
        return row  # type: ignore[return-value]  # a value is never missing

    def run(self, rule: Rule, args: Iterable[int]) -> list[int | None]:
        """The rows of a rule's results."""
        rows = [*args]
        for function, places in rule.calls:
            if function == "constant":
                rows.append(self.constant(places))
            elif function in PACKED:
                rows.append(self.add(function, tuple([rows[place] for place in places])))
            else:
                rows.append(self.elementwise(function, tuple([rows[place] for place in places])))
        return [None if place is None else rows[place] for place in rule.results]

    def elementwise(self, function: str | Op, args: tuple[int, ...]) -> int:
        """The row of a NumPy function, or of one it is equal to: x for 1·x, x·x for x**2, a number for numbers."""
        numbers = [self.numbers.get(arg) for arg in args]
        if None not in numbers:
            return self.constant(kernels().at_numbers(function, numbers))
        short = _SHORTER.get(function)
        row = short(self, args, numbers) if short else None
        return self.add(function, args) if row is None else row

    def times(self, x: int, y: int) -> int:
        """The row of a product."""
        return self.elementwise("multiply", (x, y))

    def term(self, adjoint: int, partial: int) -> int:
        """The row of adjoint times partial, which for 1/x is a quotient."""
        if self.numbers.get(partial) == 1.0:
            return adjoint
        step = self.steps[partial]
        if step.function == "divide" and self.numbers.get(step.args[0]) == 1.0:
            return self.elementwise("divide", (adjoint, step.args[1]))
        return self.times(adjoint, partial)

    def plus(self, x: int | None, y: int) -> int:
        """The row of a sum, of which the first part may be missing yet."""
        return y if x is None else self.elementwise("add", (x, y))

    def total(self, row: int) -> int:
        """The sum of a row over the points."""
        if self.steps[row].phase == VARYING:
            return self.add("lane_sum", (row,), None, REDUCED)
        return self.times(self.add("count", (), None, UNIFORM), row)


def _short_multiply(tape: Tape, args: tuple[int, ...], numbers: Sequence[float | None]) -> int | None:
    for x, factor, y in zip(args, numbers, args[::-1], strict=True):
        if factor == 1.0:
            return y
        if factor == -1.0:
            return tape.elementwise("negative", (y,))
        if tape.steps[x].function == "negative":
            return tape.elementwise("negative", (tape.times(tape.steps[x].args[0], y),))
    return None


def _short_add(tape: Tape, args: tuple[int, ...], numbers: Sequence[float | None]) -> int | None:
    for x, y in (args, args[::-1]):
        if tape.steps[y].function == "negative":
            return tape.elementwise("subtract", (x, tape.steps[y].args[0]))
    return None


def _short_divide(tape: Tape, args: tuple[int, ...], numbers: Sequence[float | None]) -> int | None:
    step = tape.steps[args[0]]
    if step.function == "negative":
        return tape.elementwise("negative", (tape.elementwise("divide", (step.args[0], args[1])),))
    return args[0] if numbers[1] == 1.0 else None


def _short_power(tape: Tape, args: tuple[int, ...], numbers: Sequence[float | None]) -> int | None:
    x, exponent = args[0], numbers[1]
    if exponent == 3.0:
        return tape.times(tape.add("square", (x,)), x)
    if exponent == -1.0:
        return tape.elementwise("divide", (tape.constant(1.0), x))
    return {0.0: tape.constant(1.0), 1.0: x, 2.0: tape.add("square", (x,))}.get(exponent)  # type: ignore[arg-type]


def _short_negative(tape: Tape, args: tuple[int, ...], numbers: Sequence[float | None]) -> int | None:
    step = tape.steps[args[0]]
    return step.args[0] if step.function == "negative" else None


def _short_exp(tape: Tape, args: tuple[int, ...], numbers: Sequence[float | None]) -> int | None:
    """1/exp(-x) where exp(-x) is there already: σ(x) and σ(-x) need one exponential."""
    step = tape.steps[args[0]]
    opposite = step.args[0] if step.function == "negative" else tape.known.get(("negative", args, None))
    there = tape.known.get(("exp", (opposite,), None))
    return None if there is None else tape.elementwise("divide", (tape.constant(1.0), there))


_SHORTER: dict[str | Op, Callable[[Tape, tuple[int, ...], Sequence[float | None]], int | None]] = {
    "multiply": _short_multiply,
    "power": _short_power,
    "negative": _short_negative,
    "exp": _short_exp,
    "not_equal": lambda tape, args, numbers: (
        args[0] if numbers[1] == 0.0 and tape.steps[args[0]].function in COMPARISONS else None
    ),
    "subtract": lambda tape, args, numbers: args[0] if numbers[1] == 0.0 else None,
    "divide": _short_divide,
    "add": _short_add,
}


class Entry(NamedTuple):
    """One operation of a trace: its results and arguments are items of the trace; a matrix product has many results."""

    op: Op | None
    outs: tuple[int, ...]
    args: tuple[int, ...]


class Trace:
    """The recorded operations in order. Item i stands in row `rows[i]` of the tape.

    Items are finer than rows: relu(x) and maximum(x, 0) are one row with two derivatives.
    """

    def __init__(self) -> None:
        self.tape = Tape()
        self.rows: list[int] = []
        self.entries: list[Entry] = []
        self.known: dict[Any, int] = {}

    def item(self, row: int) -> int:
        """A new item, standing in that row."""
        self.rows.append(row)
        return len(self.rows) - 1

    def apply(self, op: Op, args: tuple[int, ...]) -> int:
        """The item of `op` at items."""
        if (known := self.known.get((op, args))) is None:
            known = self.known[op, args] = self.item(self.tape.apply(op, [self.rows[arg] for arg in args]))
            self.entries.append(Entry(op, (known,), args))
        return known

    def matmul(self, weights: Sequence[int], xs: Sequence[int]) -> tuple[int, ...]:
        """The items of W @ x, of which W is given row by row."""
        args = (*weights, *xs)
        size = len(weights) // len(xs)
        product = self.tape.add("matmul", tuple(self.rows[arg] for arg in args), (size, len(xs)), VARYING)
        outs = tuple(self.item(self.tape.add("row", (product,), i, VARYING)) for i in range(size))
        self.entries.append(Entry(None, outs, args))
        return outs

    @uncollected()
    def adjoints(self, root: int, seed: int, targets: Sequence[int]) -> list[int]:
        """The rows of ∂root/∂target times `seed`; for a target that is uniform, summed over the points."""
        active = [False] * len(self.rows)
        for target in targets:
            active[target] = True
        for _, outs, args in self.entries:
            if True in [active[arg] for arg in args]:
                for out in outs:
                    active[out] = self.rows[out] not in self.tape.numbers  # as x**0 is
        sweep = _Sweep(self, active, root, seed)
        for entry in reversed(self.entries):
            sweep.through(entry.op, entry) if entry.op else sweep.through_matmul(entry)
        found = [sweep.adjoint(target) for target in targets]
        return [self.tape.constant(0.0) if row is None else row for row in found]


class _Sweep:
    """The way back through a trace, from one root."""

    def __init__(self, trace: Trace, active: list[bool], root: int, seed: int) -> None:
        self.trace, self.tape = trace, trace.tape
        self.active = active  # for each item, whether it depends on a target
        self.found: dict[int, int] = {root: seed}
        self.unsummed: dict[int, int] = {}
        """The terms of uniform items that come from varying ones: still to be summed over the points."""

    def adjoint(self, item: int) -> int | None:
        """The row of an item's adjoint, once all its terms are there."""
        row = self.found.get(item)
        if item in self.unsummed:
            return self.tape.plus(row, self.tape.total(self.unsummed[item]))
        return row

    def give(self, item: int, term: int, *, varying: bool) -> None:
        """Add a term to an item's adjoint."""
        uniform = self.tape.steps[self.trace.rows[item]].phase != VARYING
        terms = self.unsummed if varying and uniform else self.found
        terms[item] = self.tape.plus(terms.get(item), term)

    def through(self, op: Op, entry: Entry) -> None:
        """From an operation's result to its arguments."""
        (out,), args, rows, tape = entry.outs, entry.args, self.trace.rows, self.tape
        adjoint = self.adjoint(out)
        if adjoint is None:
            return
        varying = tape.steps[rows[out]].phase == VARYING
        wanted = tuple([self.active[arg] for arg in args])
        partials = tape.run(_partials(op, wanted), [rows[out], *[rows[arg] for arg in args]])
        for arg, partial, want in zip(args, partials, wanted, strict=True):
            if want and partial is not None:
                self.give(arg, tape.term(adjoint, partial), varying=varying)

    def through_matmul(self, entry: Entry) -> None:
        """From W @ x to x, and to W if it is wanted."""
        rows, width = self.trace.rows, len(entry.args) // (len(entry.outs) + 1)
        weights, xs = entry.args[:-width], entry.args[-width:]
        adjoints = {i: adjoint for i, out in enumerate(entry.outs) if (adjoint := self.adjoint(out)) is not None}
        if not adjoints:
            return
        used = [arg for i in adjoints for arg in weights[i * width : (i + 1) * width]]
        shape, above = (len(adjoints), width), tuple(adjoints.values())
        if any(self.active[x] for x in xs):
            product = self.tape.add("matmul_transposed", (*(rows[w] for w in used), *above), shape, VARYING)
            for i, x in enumerate(xs):
                if self.active[x]:
                    self.give(x, self.tape.add("row", (product,), i, VARYING), varying=True)
        if any(self.active[w] for w in used):
            product = self.tape.add("outer", (*above, *(rows[x] for x in xs)), shape, REDUCED)
            for i, w in enumerate(used):
                if self.active[w]:
                    self.give(w, self.tape.add("row", (product,), i, REDUCED), varying=False)
