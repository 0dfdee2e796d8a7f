"""`compile` and `vectorize`: a recorded graph of scalars, replayed over arrays at the speed of arrays.

Three steps lead from Values to NumPy. `_flattened` writes the graph down as a `Trace`, operations of the table in
order, and finds the sums of products that are matrix products, however they were written. The trace runs the rules
of the table on `Symbol`s, for values and for derivatives; this leaves a `Tape`, one NumPy function a row, equal rows
once. `Plan` joins alike rows into one instruction on many and lays them out in memory.

A `Program` works through the points block by block: the rows of a block stay in the cache, memory is used again
after a row's last use, and a derivative that nobody asked for is never computed. Results follow IEEE 754: inf and
nan where a point leaves the domain, never an exception or a warning.
"""

from __future__ import annotations

import array
import functools
import inspect
import itertools
import math
import operator
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from . import ops
from .ops import Op, Operand
from .value import Value, topological_order, truths

UNIFORM, VARYING, REDUCED = range(3)
"""Phases: computed once a call, for each point, once from sums over all points."""
PACKED = {"add.reduce", "maximum.reduce", "minimum.reduce", "inner", "matmul", "matmul_transposed", "outer"}
"""Functions of lists of rows; the others work row by row."""
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
LIST = 8
"""From this length on, a list is worth an instruction of its own."""


# Recorded rows


class Step(NamedTuple):
    """One row of a tape: a function, the rows it takes, what else it needs, and its phase."""

    function: str | Op
    args: tuple[int, ...]
    detail: Any
    phase: int


class Symbol(Operand):
    """A row of a tape, as the rules of the table see it."""

    __slots__ = ("row", "tape")

    def __init__(self, tape: Tape, row: int) -> None:
        self.tape, self.row = tape, row

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Symbol:
        """The row of `op` at symbols and numbers."""
        tape: Tape = next(arg.tape for arg in args if isinstance(arg, Symbol))
        return Symbol(tape, tape.apply(op, [tape.row(arg) for arg in args]))


class Tape:
    """NumPy functions in order of computation, each on rows above it; the same function of the same rows once."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.known: dict[Any, int] = {}

    def add(self, function: str | Op, args: tuple[int, ...] = (), detail: Any = None, phase: int | None = None) -> int:
        """The row of `function` at rows `args`."""
        key = function, args, detail
        row = self.known.get(key)
        if row is None:
            if phase is None:
                phases = {self.steps[arg].phase for arg in args}
                phase = VARYING if VARYING in phases else max(phases)
            row = self.known[key] = len(self.steps)
            self.steps.append(Step(function, args, detail, phase))
        return row

    def constant(self, x: float) -> int:
        """The row of a number."""
        return self.add("constant", (), float(x).hex(), UNIFORM)  # by digits: 0.0 == -0.0, and nan != nan

    def number(self, row: int) -> float | None:
        """The number in a row, if it is a constant."""
        function, _, detail, _ = self.steps[row]
        return float.fromhex(detail) if function == "constant" else None

    def row(self, operand: Any) -> int:
        """The row of a symbol or of a number."""
        return operand.row if isinstance(operand, Symbol) else self.constant(operand)

    def apply(self, op: Op, args: Sequence[int]) -> int:
        """The row of an operation of the table: its array form, written out."""
        if op is ops.dot and len(args) >= 2 * LIST:
            return self.add("inner", tuple(args))
        if op.arity is None and isinstance(op.array, str):
            if len(args) >= LIST:
                return self.add(f"{op.array}.reduce", tuple(args))
            return functools.reduce(lambda x, y: self.elementwise(str(op.array), (x, y)), args)
        if op.array is None:
            return self.elementwise(op, tuple(args))
        if isinstance(op.array, str):
            return self.elementwise(op.array, tuple(args))
        return self.row(op.array(*(Symbol(self, arg) for arg in args)))

    def elementwise(self, function: str | Op, args: tuple[int, ...]) -> int:
        """The row of a NumPy function, or of one it is equal to: x for 1·x, x·x for x**2, a number for numbers."""
        numbers = [self.number(arg) for arg in args]
        if None not in numbers:
            return self.constant(_kernels().at_numbers(function, numbers))
        short = _SHORTER.get(function) if isinstance(function, str) else None
        row = short(self, args, numbers) if short else None
        return self.add(function, args) if row is None else row

    def times(self, x: int, y: int) -> int:
        """The row of a product."""
        return self.elementwise("multiply", (x, y))

    def term(self, adjoint: int, partial: int) -> int:
        """The row of adjoint times partial, which for 1/x is a quotient."""
        step = self.steps[partial]
        if step.function == "divide" and self.number(step.args[0]) == 1.0:
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
    for factor, other in zip(numbers, args[::-1], strict=True):
        if factor == 1.0:
            return other
        if factor == -1.0:
            return tape.elementwise("negative", (other,))
    for x, y in (args, args[::-1]):
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


_SHORTER: dict[str, Callable[[Tape, tuple[int, ...], Sequence[float | None]], int | None]] = {
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
        outs = tuple(self.item(row) for row in self.unpacked(product, size))
        self.entries.append(Entry(None, outs, args))
        return outs

    def unpacked(self, product: int, size: int) -> list[int]:
        """The rows of a result that has many."""
        phase = self.tape.steps[product].phase
        return [self.tape.add("row", (product,), i, phase) for i in range(size)]

    def adjoints(self, root: int, seed: int, targets: Sequence[int]) -> list[int]:
        """The rows of ∂root/∂target times `seed`; for a target that is uniform, summed over the points."""
        sweep = _Sweep(self, self.active(targets), root, seed)
        for entry in reversed(self.entries):
            if any(sweep.active[out] for out in entry.outs):
                sweep.through(entry.op, entry) if entry.op else sweep.through_matmul(entry)
        found = [sweep.adjoint(target) for target in targets]
        return [self.tape.constant(0.0) if row is None else row for row in found]

    def active(self, targets: Sequence[int]) -> bytearray:
        """For each item, whether it depends on one of the targets."""
        active = bytearray(len(self.rows))
        for target in targets:
            active[target] = 1
        for entry in self.entries:
            if any(active[arg] for arg in entry.args):
                for out in entry.outs:
                    active[out] = 1
        return active


class _Sweep:
    """The way back through a trace, from one root."""

    def __init__(self, trace: Trace, active: bytearray, root: int, seed: int) -> None:
        self.trace, self.tape, self.active = trace, trace.tape, active
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
        wanted = [bool(self.active[arg]) for arg in args]
        partials = op.differentiate(Symbol(tape, rows[out]), tuple(Symbol(tape, rows[arg]) for arg in args), wanted)
        for arg, partial, want in zip(args, partials, wanted, strict=True):
            if want and partial is not None:
                self.give(arg, tape.term(adjoint, tape.row(partial)), varying=varying)

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


# Flattening


def _flattened(
    trace: Trace, outputs: Sequence[Value], inputs: Sequence[Sequence[Value]], lists: Sequence[bool]
) -> tuple[dict[Value, int], list[Value]]:
    """Write the graph down: the item of each Value, and the parameters in the order of their positions."""
    order = topological_order(*outputs)
    varying = _varying(order, {value for group in inputs for value in group})
    sums = _Sums(order, varying, outputs)
    items: dict[Value, int] = {}
    for i, (group, is_list) in enumerate(zip(inputs, lists, strict=True)):
        for j, value in enumerate(group):
            items[value] = trace.item(trace.tape.add("input", (), (i, j if is_list else None), VARYING))
    leaves = [w for product in sums.products.values() for w in product.weights] + order
    parameters = [leaf for leaf in dict.fromkeys(leaves) if leaf.op is None and leaf not in items]
    for i, parameter in enumerate(parameters):
        items[parameter] = trace.item(trace.tape.add("parameters", (), i, UNIFORM))
    for node in sorted(order, key=varying.__contains__):  # what is uniform comes first: the weights of a product
        if node not in items and node not in sums.inside:
            items[node] = _item(trace, node, items, sums)
    return items, parameters


def _item(trace: Trace, node: Value, items: dict[Value, int], sums: _Sums) -> int:
    if node.op is ops.constant:
        return trace.item(trace.tape.constant(node.data))
    found = sums.found.get(node)
    if found is None:
        return trace.apply(node.op, tuple(items[arg] for arg in node.args))  # type: ignore[arg-type]
    terms = [items[term] for term in found.rest]
    if found.products:
        product = sums.products[found.xs]
        if not product.outs:
            product.outs = trace.matmul([items[w] for w in product.weights], [items[x] for x in found.xs])
        terms.append(product.outs[product.roots[node]])
    if len(terms) >= LIST:
        return trace.apply(ops.sum, tuple(terms))
    return functools.reduce(lambda x, y: trace.apply(ops.add, (x, y)), terms)


def _varying(order: Sequence[Value], inputs: set[Value]) -> set[Value]:
    varying = set(inputs)
    for node in order:
        if node not in varying and not varying.isdisjoint(node.args):
            varying.add(node)
    return varying


class _Sum:
    """A sum taken apart: products of something uniform and something varying, and other terms."""

    def __init__(self, root: Value, varying: set[Value], uses: dict[Value, int]) -> None:
        self.products: list[tuple[Value, Value]] = []
        self.sources: list[Value] = []
        self.rest: list[Value] = []
        self.inside: list[Value] = []
        stack = [root]
        while stack:
            node = stack.pop()
            if node is not root and uses[node] > 1:
                self.rest.append(node)
            elif node.op is ops.add or node.op is ops.sum:
                self.inside.append(node)
                stack += reversed(node.args)
            elif (pairs := _uniform_first(node, varying)) is not None:
                self.products += pairs
                self.sources.append(node)
            else:
                self.rest.append(node)
        if len(self.products) == 1:
            self.without_products()
        self.xs = tuple(x for _, x in self.products)

    def without_products(self) -> None:
        """Let the products be ordinary terms."""
        self.rest += self.sources
        self.products, self.sources = [], []


def _uniform_first(node: Value, varying: set[Value]) -> list[tuple[Value, Value]] | None:
    """The products that a `mul` or a `dot` adds up, if each is of something uniform and something varying."""
    if node.op is not ops.mul and node.op is not ops.dot:
        return None
    args = node.args
    pairs = list(zip(args[: len(args) // 2], args[len(args) // 2 :], strict=True))
    if any((w in varying) == (x in varying) for w, x in pairs):
        return None
    return [(x, w) if w in varying else (w, x) for w, x in pairs]


class _Product:
    """W @ x: the sums of products that share the list x, and which row of W each is."""

    def __init__(self) -> None:
        self.roots: dict[Value, int] = {}
        self.weights: list[Value] = []
        self.outs: tuple[int, ...] = ()


class _Sums:
    """The sums of a graph that are worth being one instruction: long ones, and rows of a matrix product."""

    def __init__(self, order: Sequence[Value], varying: set[Value], outputs: Sequence[Value]) -> None:
        uses = defaultdict(int, dict.fromkeys(outputs, 2))
        for node in order:
            for arg in node.args:
                uses[arg] += 1
        found: dict[Value, _Sum] = {}
        passed: set[Value] = set()
        for node in reversed(order):
            if node not in passed and (node.op is ops.add or node.op is ops.sum or node.op is ops.dot):
                found[node] = _Sum(node, varying, uses)
                passed.update(found[node].inside, found[node].sources)
        self.products: dict[tuple[Value, ...], _Product] = {}
        self.found = self._worthwhile({node: found[node] for node in order if node in found})
        self.inside = {n for root, each in self.found.items() for n in (*each.inside, *each.sources) if n is not root}

    def _worthwhile(self, found: dict[Value, _Sum]) -> dict[Value, _Sum]:
        together: dict[tuple[Value, ...], list[Value]] = defaultdict(list)
        for root, each in found.items():
            if each.products:
                together[each.xs].append(root)
        for xs, roots in together.items():
            if len(xs) * len(roots) < LIST // 2:
                for root in roots:
                    found[root].without_products()
                continue
            product = self.products[xs] = _Product()
            product.roots = {root: i for i, root in enumerate(roots)}
            product.weights = [w for root in roots for w, _ in found[root].products]
        return {root: each for root, each in found.items() if each.products or len(each.rest) >= LIST}


# Planning


class Register:
    """Rows that one instruction computes, and where they are kept."""

    __slots__ = ("detail", "function", "last", "needs", "operands", "order", "phase", "size", "slot", "start", "summed")

    def __init__(self, step: Step, operands: Sequence[Sequence[int]] = (), size: int = 1, order: int = -1) -> None:
        self.function, self.phase, self.detail = step.function, step.phase, step.detail
        self.operands, self.size, self.order = operands, size, order
        self.summed = step.function == "lane_sum" or step.function == "outer"
        # The first row in a block's memory, or else the slot of what holds the rows.
        self.start: int | None = None
        self.slot: int | None = None
        self.needs: list[Register] = []
        self.last = -1  # the place in the schedule of the last use


Selection = tuple[Register, int, int]
"""Rows of a register: the first, and 1 if the others follow or 0 if all are that one."""


class Plan:
    """Instructions that compute rows of a tape: `results` at each point, a list of rows together, `totals` once."""

    def __init__(
        self, tape: Tape, groups: Sequence[Group], results: Sequence[int | Sequence[int]], totals: Sequence[int] = ()
    ) -> None:
        self.tape, self.groups = tape, groups
        self.slots: dict[tuple[Any, ...], int] = {}
        """Where arrays are, described: what a block's memory is made from."""
        self.once: list[tuple[str | Op, tuple[int, ...]]] = []
        self.each: list[tuple[str | Op, tuple[int, ...]]] = []
        self.end: list[tuple[str | Op, tuple[int, ...]]] = []
        """Functions and the slots of their arguments and result: once a call, for each block, after all blocks."""
        self.height = self.sums = 0
        self.inputs: dict[int, int] = {}
        self._places: dict[int, tuple[Register, int]] = {}
        self._leaves: dict[Any, Register] = {}
        self._free: dict[int, list[int]] = defaultdict(list)
        self._gathered: dict[tuple[int, ...], Register] = {}
        self._borrowed: list[Register] = []
        wanted = [row for rows in results for row in ([rows] if isinstance(rows, int) else rows)]
        schedule = self._scheduled(self._grouped([*wanted, *totals]))
        for row in wanted:
            if tape.number(row) is None:
                self._place(row)[0].last = len(schedule)
        bound = self._bound(results)
        for i, register in enumerate(schedule):
            self._emit(register, i)
        self.results = [bound[i] if i in bound else self._result(rows) for i, rows in enumerate(results)]
        self.totals = self._uniform(totals, self.end) if totals else None
        height = max(1, self.height)
        self.width = max(16, min(2**14, CACHE // height), min(WIDE, BOUND // height))
        find = _kernels().find
        self.ready = [
            [(find(function), operator.itemgetter(*slots)) for function, slots in code]
            for code in (self.once, self.each, self.end)
        ]

    def listing(self) -> list[str]:
        """The instructions as text."""
        names = [self._named(*description) for description in self.slots]
        lines = []
        for title, code in (("once:", self.once), ("at each point:", self.each), ("from sums:", self.end)):
            lines += [title] if code else []
            for function, (*args, out) in code:
                lines.append(f"  {names[out]} = {function}({', '.join(names[arg] for arg in args)})")
        return lines

    def _named(self, kind: str, first: Any = None, second: Any = None, third: Any = None) -> str:
        if kind == "row":
            return f"r{first}"
        if kind in ("rows", "transposed"):
            return f"r{first}:{first + second}" + ".T" * (kind == "transposed")
        if kind in ("constant", "constants"):
            return str(first) if kind == "constant" else f"[{first[0]}, …]"
        if kind in ("parameters", "count", "indices"):
            return kind
        if kind in ("own", "sums"):
            return f"{kind[0]}{first}"
        base = self._named(*list(self.slots)[first])
        if kind in ("matrix", "matrix_transposed"):
            return f"{base}({second}×{third})" + ".T" * (kind == "matrix_transposed")
        return f"{base}[{second}]" if kind == "scalar" else f"{base}[{second}:{second + third}]"

    # Which rows go together

    def _grouped(self, wanted: Iterable[int]) -> list[Register]:
        """Alike rows at one depth as one register."""
        steps, depth, at_depth = self.tape.steps, dict[int, int](), defaultdict[int, list[int]](list)
        for row in _reached(steps, wanted):
            function, args, _, _ = steps[row]
            if function == "row":
                depth[row] = depth[args[0]]
            elif args:
                depth[row] = 1 + max([depth[arg] for arg in args])
                at_depth[depth[row]].append(row)
            else:
                depth[row] = 0
                self._leaf(row)
        registers: list[Register] = []
        for _, rows in sorted(at_depth.items()):
            alike = defaultdict[Any, list[int]](list)
            for row in rows:
                alike[self._kind(row)].append(row)
            for group in alike.values():
                registers += [self._register(run) for part in self._parts(group) for run in self._runs(part)]
        return registers

    def _leaf(self, row: int) -> None:
        step = self.tape.steps[row]
        if step.function == "constant":
            return
        i, column = step.detail if step.function == "input" else (-1, step.detail)
        if (register := self._leaves.get((step.function, i))) is None:
            register = self._leaves[step.function, i] = Register(step)
            if step.function != "input":
                register.slot = self._slot((step.function,))
            elif column is None:
                register.slot = self.inputs[i] = self._slot(("row", self._allocated(1, alone=True)))
            else:
                register.size = self.groups[i].size or 0
                register.start = self._allocated(register.size)
                self.inputs[i] = self._slot(("rows", register.start, register.size))
        self._places[row] = register, column or 0

    def _kind(self, row: int) -> Any:
        """What alike rows have in common: the function, and the registers that the arguments are in."""
        function, args, _, phase = self.tape.steps[row]
        if function in PACKED:
            return row
        steps = self.tape.steps
        return function, phase, *[steps[arg].function == "constant" or id(self._place(arg)[0]) for arg in args]

    def _parts(self, rows: list[int]) -> list[list[int]]:
        """Alike rows by the constants they take, if many take the same."""
        if len(rows) == 1:
            return [rows]
        parts = defaultdict[Any, list[int]](list)
        for row in rows:
            parts[tuple(str(self.tape.number(arg)) for arg in self.tape.steps[row].args)].append(row)
        return list(parts.values()) if len(parts) * 2 <= len(rows) else [rows]

    def _runs(self, rows: list[int]) -> list[list[int]]:
        """Alike rows in parts, so that the arguments of each part are consecutive or one; unless that is many parts."""
        steps = self.tape.steps
        if len(rows) == 1 or steps[rows[0]].phase != VARYING:
            return [rows]
        offsets = {row: [self._offset(arg) for arg in steps[row].args] for row in rows}
        rows.sort(key=offsets.__getitem__)
        runs = [[rows[0]]]
        for row in rows[1:]:
            steps_taken = [y - x for x, y in zip(offsets[runs[-1][-1]], offsets[row], strict=True)]
            if len(runs[-1]) == 1 and set(steps_taken) <= {0, 1} and any(steps_taken):
                delta = steps_taken
            elif len(runs[-1]) == 1 or steps_taken != delta:
                runs.append([])
            runs[-1].append(row)
        return [rows] if len(rows) >= LIST and len(runs) * 4 > len(rows) else runs

    def _offset(self, row: int) -> int:
        """Where a varying row is in its register."""
        return self._place(row)[1] if self.tape.steps[row].phase == VARYING else 0

    def _register(self, rows: list[int]) -> Register:
        step = self.tape.steps[rows[0]]
        if step.function in PACKED:
            register = Register(step, *_operands(step), rows[0])
        elif len(rows) == 1:
            register = Register(step, [(arg,) for arg in step.args], 1, rows[0])
        else:
            columns = zip(*(self.tape.steps[row].args for row in rows), strict=True)
            register = Register(step, [list(column) for column in columns], len(rows), max(rows))
        for i, row in enumerate(rows):
            self._places[row] = register, i
        return register

    def _place(self, row: int) -> tuple[Register, int]:
        """The register of a row, and its number there."""
        if (place := self._places.get(row)) is None:  # one of the rows of a matrix product
            _, (product,), i, _ = self.tape.steps[row]
            place = self._places[row] = self._places[product][0], i
        return place

    def _scheduled(self, registers: list[Register]) -> list[Register]:
        """In the order of recording, as far as the arguments of alike rows allow; sets the last uses."""
        steps = self.tape.steps
        for register in registers:
            rows = [row for operand in register.operands for row in operand if steps[row].function != "constant"]
            register.needs = list({self._place(row)[0]: None for row in rows})
        schedule: dict[Register, int] = {}
        stack = sorted(registers, key=lambda register: -register.order)
        while stack:
            register = stack[-1]
            missing = [need for need in register.needs if need not in schedule and need.operands]
            stack += missing
            if not missing and stack.pop() not in schedule:
                schedule[register] = len(schedule)
                for need in register.needs:
                    need.last = schedule[register]
        return list(schedule)

    # Where they are kept

    def _slot(self, description: tuple[Any, ...]) -> int:
        return self.slots.setdefault(description, len(self.slots))

    def _allocated(self, size: int, *, alone: bool = False) -> int:
        """The first of `size` rows; `alone` if nothing else may ever be kept there."""
        if self._free[size] and not alone:
            return self._free[size].pop()
        self.height += size
        return self.height - size

    def _release(self, registers: Iterable[Register], now: int) -> None:
        for register in registers:
            if register.last == now and register.start is not None:
                register.last = -1
                if register.operands:
                    self._free[register.size].append(register.start)

    def _home(self, register: Register) -> int:
        """Memory for a register: the slot of all its rows."""
        if register.phase == VARYING:
            if register.slot is None:
                register.start = self._allocated(register.size)
            return self._view((register, 0, 1), register.size)
        if register.summed:
            register.slot = self._slot(("sums", self.sums, register.size))
            self.sums += register.size
        else:
            register.slot = self._slot(("own", len(self.slots), register.size))
        return self._view((register, 0, 1), register.size)

    def _view(self, selection: Selection, count: int, *, column: bool = False) -> int:
        """The slot of rows of a register; `column` is for uniform ones beside varying ones."""
        register, first, step = selection
        if register.start is not None:
            start = register.start + first
            return self._slot(("row", start) if count == 1 or step == 0 else ("rows", start, count))
        if register.phase == VARYING or register.function == "count":
            return register.slot  # type: ignore[return-value]  # set where it has no start
        if count == 1 or step == 0:
            return self._slot(("scalar", register.slot, first))
        return self._slot(("column" if column else "flat", register.slot, first, count))

    def _selected(self, rows: Sequence[int]) -> Selection | None:
        """The rows as a part of one register, if they are that."""
        if any(self.tape.number(row) is not None for row in rows):
            return None
        register, first = self._place(rows[0])
        step = int(len(rows) == 1 or self._place(rows[1]) != (register, first))
        places = [(register, first + step * i) for i in range(len(rows))]
        return (register, first, step) if [self._place(row) for row in rows] == places else None

    def _operand(self, rows: Sequence[int], *, varying: bool) -> int:
        """The slot of the arguments of alike rows."""
        if len(rows) == 1 and self.tape.steps[rows[0]].function != "constant":
            return self._view((*self._place(rows[0]), 1), 1)
        numbers = [self.tape.number(row) for row in rows]
        if None not in numbers:
            if len(set(map(str, numbers))) == 1:
                return self._slot(("constant", str(numbers[0])))
            return self._slot(("constants", tuple(map(str, numbers)), varying))
        selection = self._selected(rows)
        if selection is None:
            several = varying and any(self.tape.steps[row].phase == VARYING for row in rows)
            selection = (self._stacked(rows) if several else self._collected(rows)), 0, 1
        return self._view(selection, len(rows), column=varying)

    def _stack(self, rows: Sequence[int], *, transposed: bool = False) -> int:
        """The slot of rows as a matrix over the points, one row below the other in memory."""
        selection = self._selected(rows)
        if selection is None or selection[0].start is None or selection[2] == 0:
            selection = self._stacked(rows), 0, 1
        start = selection[0].start + selection[1]  # type: ignore[operator]
        return self._slot(("transposed" if transposed else "rows", start, len(rows)))

    def _stacked(self, rows: Sequence[int]) -> Register:
        """A copy of rows, in the memory of the block."""
        register = Register(Step("stack", (), None, VARYING), [rows], len(rows))
        register.start = self._allocated(len(rows))
        self._borrowed.append(register)
        for first, part in self._consecutive(rows):
            source = self._operand(part, varying=True)
            self.each.append(("positive", (source, self._view((register, first, 1), len(part)))))
        return register

    def _collected(self, rows: Sequence[int]) -> Register:
        """A copy of uniform rows."""
        key = tuple(rows)
        if key not in self._gathered:
            register = self._gathered[key] = Register(Step("stack", (), None, UNIFORM), [rows], len(rows))
            register.slot = self._slot(("own", len(self.slots), len(rows)))
            code = self.end if any(self.tape.steps[row].phase == REDUCED for row in rows) else self.once
            parts = self._consecutive(rows)
            if len(parts) > LIST and len({self._place(row)[0] for row in rows if self.tape.number(row) is None}) == 1:
                indices = self._slot(("indices", tuple(self._place(row)[1] for row in rows)))
                code.append(("take", (self._place(rows[0])[0].slot, indices, register.slot)))  # type: ignore[arg-type]
            else:
                for first, part in parts:
                    source = self._operand(part, varying=False)
                    code.append(("positive", (source, self._view((register, first, 1), len(part)))))
        return self._gathered[key]

    def _consecutive(self, rows: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Rows in parts that follow each other in one register, with the number of the first."""
        parts: list[tuple[int, list[int]]] = []
        before: tuple[Any, int] | None = None
        for i, row in enumerate(rows):
            place = (None, i) if self.tape.number(row) is not None else self._place(row)
            if before is None or place != (before[0], before[1] + 1):
                parts.append((i, []))
            parts[-1][1].append(row)
            before = place
        return parts

    def _uniform(self, rows: Sequence[int], code: list[Any]) -> int:
        """The slot of uniform rows in one array, ready when `code` has run."""
        selection = self._selected(rows)
        register, first, step = (self._collected(rows), 0, 1) if selection is None else selection
        if step == 0 or register.function == "count":
            register, first = self._collected(rows), 0
        return self._slot(("flat", register.slot, first, len(rows)))

    def _matrix(self, rows: Sequence[int], shape: tuple[int, int], *, transposed: bool = False) -> int:
        """The slot of uniform rows as a matrix."""
        flat = self._uniform(rows, self.once)
        return self._slot(("matrix_transposed" if transposed else "matrix", flat, *shape))

    # Instructions

    def _emit(self, register: Register, now: int) -> None:
        code = self.each if register.phase == VARYING or register.summed else self.once
        if code is self.once and register.phase == REDUCED:
            code = self.end
        function = register.function
        if function in PACKED:
            code += getattr(self, f"_{str(function).replace('.', '_')}")(register)
        else:
            slots = [self._operand(rows, varying=code is self.each) for rows in register.operands]
            if isinstance(function, str) and function not in ("where", "lane_sum"):
                # NumPy works in place, so the result may take the memory of an argument.
                self._release([need for need in register.needs if need.size == register.size], now)
            code.append((function, (*slots, self._home(register))))
        self._release(register.needs, now)
        for borrowed in self._borrowed:
            self._free[borrowed.size].append(borrowed.start)  # type: ignore[arg-type]  # they are in a block's memory
        self._borrowed = []

    def _matmul(self, register: Register) -> list[Any]:
        weights, xs = register.operands
        matrix = self._matrix(weights, register.detail, transposed=register.function == "matmul_transposed")
        block = self._stack(xs)
        self._home(register)
        return [("matmul", (matrix, block, self._slot(("rows", register.start, register.size))))]

    _matmul_transposed = _matmul

    def _outer(self, register: Register) -> list[Any]:
        above, xs = register.operands
        slots = self._stack(above), self._stack(xs, transposed=True)
        self._home(register)
        return [("matmul", (*slots, self._slot(("matrix", register.slot, *register.detail))))]

    def _inner(self, register: Register) -> list[Any]:
        slots = [self._list(rows, varying=register.phase == VARYING) for rows in register.operands]
        return [("inner", (*slots, self._home(register)))]

    def _list(self, rows: Sequence[int], *, varying: bool) -> int:
        if varying and any(self.tape.steps[row].phase == VARYING for row in rows):
            return self._stack(rows)
        flat = self._uniform(rows, self.end)
        return self._slot(("column", flat, 0, len(rows))) if varying else flat

    def _reduce(self, register: Register) -> list[Any]:
        """One instruction if the rows lie together, else one after the other."""
        (rows,) = register.operands
        varying = register.phase == VARYING
        if not varying or len(self._consecutive(rows)) * 4 <= len(rows):
            return [(register.function, (self._list(rows, varying=varying), self._home(register)))]
        slots = [self._operand([row], varying=True) for row in rows]
        home, (function, _) = self._home(register), str(register.function).split(".")
        starts = (slots[0], *[home] * (len(slots) - 2))
        return [(function, (x, y, home)) for x, y in zip(starts, slots[1:], strict=True)]

    _add_reduce = _maximum_reduce = _minimum_reduce = _reduce

    # Results

    def _bound(self, results: Sequence[int | Sequence[int]]) -> dict[int, int]:
        """The results that an instruction can write where the caller wants them."""
        bound = {}
        for i, row in enumerate(results):
            if isinstance(row, int) and self.tape.number(row) is None:
                register, _ = self._place(row)
                alone = register.phase == VARYING and register.size == 1 and register.slot is None
                if alone and register.operands and register.function not in ("matmul", "matmul_transposed"):
                    bound[i] = register.slot = self._slot(("row", self._allocated(1, alone=True)))
        return bound

    def _result(self, rows: int | Sequence[int]) -> int:
        if not isinstance(rows, int):
            return self._stack(rows)
        slot = self._slot(("row", self._allocated(1, alone=True)))
        self.each.append(("positive", (self._operand([rows], varying=True), slot)))
        return slot


def _operands(step: Step) -> tuple[list[tuple[int, ...]], int]:
    """The lists that a function of lists takes, and how many rows it gives."""
    args, (k, m) = step.args, step.detail or (1, 0)
    if step.function == "matmul":
        return [args[: k * m], args[k * m :]], k
    if step.function == "matmul_transposed":
        return [args[: k * m], args[k * m :]], m
    if step.function == "outer":
        return [args[:k], args[k:]], k * m
    if step.function == "inner":
        return [args[: len(args) // 2], args[len(args) // 2 :]], 1
    return [args], 1


def _reached(steps: Sequence[Step], wanted: Iterable[int]) -> list[int]:
    """The rows that the wanted ones depend on, in order."""
    reached = bytearray(len(steps))
    for row in wanted:
        reached[row] = 1
    for row in range(len(steps) - 1, -1, -1):
        if reached[row]:
            for arg in steps[row].args:
                reached[arg] = 1
    return [row for row, is_reached in enumerate(reached) if is_reached]


# Replay


class Kernels:
    """What the names of a tape mean: functions of arrays and the array for the result."""

    def __init__(self) -> None:
        import numpy as np

        self.np = np
        positive, select = np.positive, np.where
        self.named: dict[str, Callable[..., Any]] = {
            "maximum": lambda x, y, out: np.maximum(x, y, out=out),
            "minimum": lambda x, y, out: np.minimum(x, y, out=out),
            "where": lambda condition, x, y, out: positive(select(condition, x, y), out),
            "take": lambda x, indices, out: np.take(x, indices, 0, out, "clip"),
            "inner": lambda x, y, out: np.einsum("i...,i...->...", x, y, out=out),
            "add.reduce": lambda x, out: np.add.reduce(x, 0, None, out),
            "maximum.reduce": lambda x, out: np.maximum.reduce(x, 0, None, out),
            "minimum.reduce": lambda x, out: np.minimum.reduce(x, 0, None, out),
            "lane_sum": lambda x, out: np.add.reduce(x, -1, None, out),
        }

    def find(self, function: str | Op) -> Callable[..., Any]:
        """The function of that name; of an operation without an array form, one that goes through the elements."""
        if isinstance(function, str):
            return self.named.get(function) or getattr(self.np, function)
        return lambda *args: self.np.copyto(args[-1], function.at_arrays(*args[:-1]), casting="same_kind")

    def at_numbers(self, function: str | Op, numbers: Sequence[Any]) -> float:
        """A function at floats."""
        out = self.np.empty(1)
        with self.np.errstate(all="ignore"):
            self.find(function)(*self.np.array(numbers)[:, None], out)
        return float(out[0])


@functools.cache
def _kernels() -> Kernels:
    return Kernels()


class Memory:
    """The arrays of a plan for blocks of one width."""

    def __init__(self, plan: Plan, width: int, parameters: Any) -> None:
        np, dtype = _kernels().np, parameters.dtype
        stride = width + 8 if width >= WIDE else width  # rows a power of two apart would share the cache's sets
        self.plan, self.width = plan, width
        self.block = np.empty((plan.height, stride), dtype)[:, :width]
        self.sums, self.count = np.zeros(plan.sums, dtype), np.zeros((), dtype)
        self.parameters = np.empty_like(parameters)
        makers: dict[str, Callable[..., Any]] = {
            "row": lambda i: self.block[i],
            "rows": lambda start, count: self.block[start : start + count],
            "transposed": lambda start, count: self.block[start : start + count].T,
            "constant": lambda x: np.array(x, dtype),
            "constants": lambda xs, column: np.array(xs, dtype)[:, None] if column else np.array(xs, dtype),
            "indices": np.array,
            "own": lambda _, count: np.empty(count, dtype),
            "sums": lambda start, count: self.sums[start : start + count],
            "parameters": lambda: self.parameters,
            "count": lambda: self.count,
            "scalar": lambda base, i: self.arrays[base][i, ...],
            "flat": lambda base, start, count: self.arrays[base][start : start + count],
            "column": lambda base, start, count: self.arrays[base][start : start + count, None],
            "matrix": lambda base, k, m: self.arrays[base].reshape(k, m),
            "matrix_transposed": lambda base, k, m: self.arrays[base].reshape(k, m).T,
        }
        self.arrays: list[Any] = []
        for kind, *description in plan.slots:
            self.arrays.append(makers[kind](*description))
        self.home = {slot: self.arrays[slot] for slot in (*plan.inputs.values(), *plan.results)}

    def run(self, code: Sequence[tuple[Callable[..., Any], Callable[[Any], Any]]]) -> None:
        """Carry out instructions."""
        arrays = self.arrays
        for function, operands in code:
            function(*operands(arrays))


class Group(NamedTuple):
    """An input: one Value, or a list of `size` Values, which takes an array of shape (…, size)."""

    size: int | None
    label: str | None

    def checked(self, i: int, array: Any) -> Any:
        """Array i of a call, if it can stand for this input."""
        given = _kernels().np.asarray(array)
        name = f"array {i}" + (f" ({self.label[:60]!r})" if self.label else "")
        if given.dtype.kind not in "biuf":
            raise TypeError(f"program: {name}: expected real numbers, got dtype {given.dtype}")
        if self.size is not None and given.shape[-1:] != (self.size,):
            expected = f"expected an array of shape (..., {self.size}) for a list of {self.size} Values"
            raise ValueError(f"program: {name}: {expected}, got shape {given.shape}")
        return given

    @property
    def tail(self) -> tuple[int, ...]:
        """The axes of its arrays that are no points."""
        return () if self.size is None else (self.size,)


class Points:
    """The arrays of a call, broadcast together, and how to cut them into blocks."""

    def __init__(self, arrays: Sequence[Any], groups: Sequence[Group]) -> None:
        if len(arrays) != len(groups):
            raise TypeError(f"program: expected {len(groups)} arrays, got {len(arrays)}")
        given = [group.checked(i, array) for i, (array, group) in enumerate(zip(arrays, groups, strict=True))]
        self.groups, self.given = groups, given
        self.shapes = [a.shape[: a.ndim - len(group.tail)] for a, group in zip(given, groups, strict=True)]
        self.whole = self.shape = _together(self.shapes)
        self.count = math.prod(self.whole)
        if all(s == self.whole and a.flags.c_contiguous for s, a in zip(self.shapes, given, strict=True)):
            self.shape = (self.count,)
            self.arrays = [a.reshape(self.count, *group.tail) for a, group in zip(given, groups, strict=True)]
            self.shapes = [self.shape] * len(given)
        else:
            broadcast = _kernels().np.broadcast_to
            self.arrays = [broadcast(a, (*self.shape, *g.tail)) for a, g in zip(given, groups, strict=True)]

    def blocks(self, width: int) -> list[tuple[Any, tuple[int, ...]]]:
        """Indices that cut the points into blocks of at most this width, with the shape of each."""
        if self.count <= width:
            return [((slice(0, self.shape[0]),), self.shape)] if self.count else []
        inner = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        axis = next(i for i, size in enumerate(inner) if size <= width)
        length = self.shape[axis]
        step = math.ceil(length / math.ceil(length * inner[axis] / width))
        parts = [slice(first, min(first + step, length)) for first in range(0, length, step)]
        return [
            ((*before, part), (part.stop - part.start, *self.shape[axis + 1 :]))
            for before in _kernels().np.ndindex(*self.shape[:axis])
            for part in parts
        ]

    def load(self, i: int, index: Any, memory: Memory) -> None:
        """Bring a block of array i into memory, or let the memory be the array's own."""
        source, slot = self.arrays[i][index], memory.plan.inputs[i]
        home = memory.home[slot]
        if self.groups[i].size is None:
            if source.ndim == 1 and source.dtype == home.dtype and source.strides == home.strides:
                memory.arrays[slot] = source
                return
        else:
            source = source.transpose(-1, *range(source.ndim - 1))
        _kernels().np.copyto(home.reshape(source.shape), source, "same_kind")


def _together(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    if len(set(shapes)) == 1:
        return shapes[0]
    for (i, one), (j, other) in itertools.combinations(enumerate(shapes), 2):
        if any(m != n and 1 not in (m, n) for m, n in zip(one[::-1], other[::-1], strict=False)):
            problem = f"their points have shapes {one} and {other}"
            raise ValueError(f"program: arrays {i} and {j} do not broadcast: {problem}")
    return tuple(_kernels().np.broadcast_shapes(*shapes))


class Result:
    """An array to fill block by block: a number a point, or the gradient of an input, summed where that broadcast."""

    def __init__(self, points: Points, source: int | None, dtype: Any) -> None:
        shape, tail = (points.shape, ()) if source is None else (points.shapes[source], points.groups[source].tail)
        shape = (1,) * (len(points.shape) - len(shape)) + shape
        self.shared = [own != size for own, size in zip(shape, points.shape, strict=True)]
        self.summed = any(self.shared)
        self.array = (_kernels().np.zeros if self.summed else _kernels().np.empty)((*shape, *tail), dtype)
        self.direct = len(shape) == 1 and not tail and not self.summed
        self.is_list = bool(tail)

    def store(self, index: Any, shape: tuple[int, ...], piece: Any) -> None:
        """Take over a block."""
        piece = piece.reshape(*piece.shape[:-1], *shape)
        if self.is_list:
            piece = piece.transpose(*range(1, len(shape) + 1), 0)
        if self.summed:
            before = len(self.shared) - len(shape)
            whole = [0 if isinstance(i, int) else slice(None) for i in index]
            index = tuple(w if s else i for w, i, s in zip(whole, index, self.shared, strict=False))
            axes = tuple(axis - before for axis in range(before, len(self.shared)) if self.shared[axis])
            piece = self.array[index] + piece.sum(axes, keepdims=True)
        self.array[index] = piece


WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**16, 2**21
"""How many numbers a block should have, and may have to be that wide."""


class Program:
    """A recorded graph that evaluates over arrays, and differentiates.

    Called with one array for each input, it gives the output at every point: arrays broadcast as in NumPy, a list of
    k inputs is an array of shape (…, k). Other leaves are parameters, whose `data` is read at each call. With
    `threads`, blocks of points are worked on in parallel; sums may then differ in the last bits from call to call.
    `print` shows the instructions, `len` counts them. A Program can be pickled, and threads may call it at once.

    >>> a, b = Value(2.0), Value(1.0)
    >>> program = compile(a * b + a, [a, b])
    >>> program([1.0, 2.0, 3.0], 10.0)
    array([11., 22., 33.])
    """

    def __init__(
        self,
        outputs: Sequence[Value],
        groups: Sequence[Sequence[Value]],
        lists: Sequence[bool],
        dtype: Any = float,
        *,
        several: bool = False,
    ) -> None:
        self._trace, self._dtype, self._several = Trace(), _kernels().np.dtype(dtype), several
        items, self._parameters = _flattened(self._trace, outputs, groups, lists)
        self._groups = [
            Group(len(group), None) if is_list else Group(None, group[0].label)
            for group, is_list in zip(groups, lists, strict=True)
        ]
        self._outputs = [items[output] for output in outputs]
        self._inputs = [[items[value] for value in group] for group in groups]
        self._parameter_items = [items[parameter] for parameter in self._parameters]
        self._forget()

    def _forget(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._spare: dict[tuple[str, int], list[Memory]] = defaultdict(list)
        self._lock = threading.Lock()

    def __call__(self, *arrays: Any, threads: int = 1) -> Any:
        """The output at each point; a list of arrays if there are several outputs."""
        points, results, _ = self._replayed("values", arrays, threads)
        values = [result.array.reshape(points.whole) for result in results]
        return values if self._several else values[0]

    def value_and_grad(self, *arrays: Any, threads: int = 1) -> tuple[Any, Any]:
        """The output, and for each input ∂output/∂input in that input's shape, summed where the input was broadcast.

        With several outputs, a list of outputs and a list of such lists, one for each output.

        >>> x = Value(1.0)
        >>> compile(x**3, [x]).value_and_grad([1.0, 2.0])
        (array([1., 8.]), [array([ 3., 12.])])
        """
        points, results, _ = self._replayed("gradients", arrays, threads)
        rest = iter(results)
        values = [next(rest).array.reshape(points.whole) for _ in self._outputs]
        gradients = [[next(rest).array.reshape(array.shape) for array in points.given] for _ in self._outputs]
        return (values, gradients) if self._several else (values[0], gradients[0])

    def backward(self, *arrays: Any, reduction: str = "mean", threads: int = 1) -> float:
        """The mean or the sum of the output over the points; its derivatives are added to the parameters' `grad`.

        >>> w, x = Value(3.0), Value(1.0)
        >>> compile(w * x, [x]).backward([1.0, 2.0, 6.0]), w.grad
        (9.0, 3.0)

        Of no points the sum is 0 and the mean nan, and no `grad` changes.
        """
        if reduction not in ("mean", "sum"):
            raise ValueError(f"backward: expected reduction 'mean' or 'sum', got {reduction!r}")
        if self._several:
            raise TypeError(f"backward: expected a program of one output, got {len(self._outputs)}; compile their sum")
        points, _, totals = self._replayed("totals", arrays, threads)
        if totals is None:
            return math.nan if reduction == "mean" else 0.0
        # An array makes its floats as they are asked for: faster than a list of them, for many parameters.
        numbers = array.array("d", (totals / (points.count if reduction == "mean" else 1)).astype(float).tobytes())
        for parameter, gradient in zip(self._parameters, itertools.islice(numbers, 1, None), strict=True):
            parameter.grad += gradient
        return float(numbers[0])

    def __len__(self) -> int:
        plan = self._plan("values")
        return len(plan.once) + len(plan.each)

    def __str__(self) -> str:
        return "\n".join([repr(self)[1:-1], *self._plan("values").listing()])

    def __repr__(self) -> str:
        counts = {"input": len(self._groups), "parameter": len(self._parameters), "output": len(self._outputs)}
        counted = [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items()]
        return f"<Program: {', '.join(counted)}, {self._dtype}>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_plans", "_spare", "_lock")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _plan(self, kind: str) -> Plan:
        with self._lock:
            if kind not in self._plans:
                self._plans[kind] = Plan(self._trace.tape, self._groups, *getattr(self, f"_{kind}")())
            return self._plans[kind]

    def _values(self) -> tuple[list[Any], list[int]]:
        return [self._trace.rows[output] for output in self._outputs], []

    def _gradients(self) -> tuple[list[Any], list[int]]:
        results, _ = self._values()
        seed = self._trace.tape.constant(1.0)
        for output in self._outputs:
            rows = iter(self._trace.adjoints(output, seed, [item for items in self._inputs for item in items]))
            for group, items in zip(self._groups, self._inputs, strict=True):
                taken = list(itertools.islice(rows, len(items)))
                results.append(taken[0] if group.size is None else taken)
        return results, []

    def _totals(self) -> tuple[list[Any], list[int]]:
        (output,), tape = self._outputs, self._trace.tape
        row = self._trace.rows[output]
        seed = tape.constant(1.0) if tape.steps[row].phase == VARYING else tape.add("count", (), None, UNIFORM)
        return [], [tape.total(row), *self._trace.adjoints(output, seed, self._parameter_items)]

    def _replayed(self, kind: str, arrays: Sequence[Any], threads: int) -> tuple[Points, list[Result], Any]:
        if not threads >= 1:
            raise ValueError(f"program: expected at least 1 thread, got {threads}")
        points, plan = Points(arrays, self._groups), self._plan(kind)
        sources = [None] * len(self._outputs) + list(range(len(arrays))) * len(self._outputs)
        results = [Result(points, source, self._dtype) for source in sources[: len(plan.results)]]
        numbers = [parameter.data for parameter in self._parameters]
        work = _Work(plan, points, results, _kernels().np.fromiter(numbers, self._dtype, len(numbers)))
        totals = work.done(threads, self._spare, kind)
        return points, results, totals


class _Work:
    """One call: the blocks that are left to do, which threads share."""

    def __init__(self, plan: Plan, points: Points, results: list[Result], parameters: Any) -> None:
        self.plan, self.points, self.results, self.lock = plan, points, results, threading.Lock()
        self.blocks = points.blocks(plan.width)
        self.left = iter(self.blocks)
        self.parameters = parameters
        self.direct = [(slot, each) for slot, each in zip(plan.results, results, strict=True) if each.direct]
        self.others = [(slot, each) for slot, each in zip(plan.results, results, strict=True) if not each.direct]
        self.sums: Any = None

    def done(self, threads: int, spare: dict[tuple[str, int], list[Memory]], kind: str) -> Any:
        """Do all blocks, and give the totals, if there are any."""

        def memory(width: int) -> Memory:
            try:
                return spare[kind, width].pop()
            except IndexError:
                return Memory(self.plan, width, self.parameters)

        if threads == 1 or len(self.blocks) <= 1:
            used = self.part(memory)
        else:
            from concurrent.futures import ThreadPoolExecutor  # slow to import, and seldom needed

            with ThreadPoolExecutor(threads) as pool:
                parts = [pool.submit(self.part, memory) for _ in range(threads)]
                used = [each for part in parts for each in part.result()]
        totals = self.totals(used[0]) if self.plan.totals is not None and used else None
        if len(spare) > 8:  # calls of ever new sizes
            spare.clear()
        for each in used:
            spare[kind, each.width].append(each)
        return totals

    def part(self, new: Callable[[int], Memory]) -> list[Memory]:
        """What one thread does: blocks, until none is left."""
        memories: dict[int, Memory] = {}
        with _kernels().np.errstate(all="ignore"):
            for index, shape in self.left:
                width = math.prod(shape)
                if (memory := memories.get(width)) is None:
                    memory = memories[width] = new(width)
                    memory.parameters[...], memory.count[...] = self.parameters, self.points.count
                    memory.run(self.plan.ready[0])
                self.block(index, shape, memory)
        for memory in memories.values():
            for slot, home in memory.home.items():  # let go of the caller's arrays
                memory.arrays[slot] = home
        return list(memories.values())

    def block(self, index: Any, shape: tuple[int, ...], memory: Memory) -> None:
        """Replay one block. Instructions write results where they are wanted, if that is possible."""
        for i in self.plan.inputs:
            self.points.load(i, index, memory)
        for slot, result in self.direct:
            memory.arrays[slot] = result.array[index]
        memory.run(self.plan.ready[1])
        if self.others or (self.plan.sums and len(self.blocks) > 1):
            with self.lock:
                for slot, result in self.others:
                    result.store(index, shape, memory.arrays[slot])
                self.sums = memory.sums.copy() if self.sums is None else self.sums + memory.sums

    def totals(self, memory: Memory) -> Any:
        """What follows from the sums over all points."""
        if len(self.blocks) > 1:
            memory.sums[...] = self.sums
        with _kernels().np.errstate(all="ignore"):
            memory.run(self.plan.ready[2])
        return memory.arrays[self.plan.totals or 0].copy()


def compile(
    output: Value | Sequence[Value], inputs: Sequence[Value | Sequence[Value]], *, dtype: Any = float
) -> Program:
    """The Program that computes an output, or several, from arrays in place of the inputs.

    Each input is a leaf, or a list of leaves, which takes an array of shape (…, k). All other leaves are parameters.

    >>> w, x = Value(3.0), Value(2.0)
    >>> print(compile(w * x + 1, [x]))
    Program: 1 input, 1 parameter, 1 output, float64
    at each point:
      r2 = multiply(parameters[0], r0)
      r1 = add(r2, 1.0)

    Raises ValueError for a graph that was recorded through an `if` on one of its Values: `vectorize` such a function.
    """
    outputs: list[Any] = [*output] if isinstance(output, list | tuple) else [output]
    if not isinstance(inputs, list | tuple):
        raise TypeError(f"compile: expected the inputs in a list, got {type(inputs).__name__}")
    if (name := _kernels().np.dtype(dtype).name) not in ("float64", "float32"):
        raise TypeError(f"compile: expected float64 or float32 as dtype, got {name!r}")
    lists = [isinstance(each, list | tuple) for each in inputs]
    groups: list[Any] = [each if is_list else [each] for each, is_list in zip(inputs, lists, strict=True)]
    _check(outputs, groups)
    for node in topological_order(*outputs):
        if node.branched:
            name = f"node {node.label[:60]!r}" if node.label else f"a node, {node!r}"
            problem = "the graph was recorded through a branch on"
            raise ValueError(f"compile: {problem} {name}, which would be frozen; use tl.vectorize, or tl.where")
    return Program(outputs, groups, lists, dtype, several=isinstance(output, list | tuple))


def _check(outputs: Sequence[Any], groups: Sequence[Sequence[Any]]) -> None:
    for i, output in enumerate(outputs):
        if not isinstance(output, Value):
            raise TypeError(f"compile: expected a Value as output {i}, got {type(output).__name__}")
    if not outputs:
        raise ValueError("compile: expected at least one output, got none")
    seen: set[Value] = set()
    for i, value in ((i, value) for i, group in enumerate(groups) for value in group):
        if not isinstance(value, Value):
            kind = type(value).__name__
            raise TypeError(f"compile: expected a Value or a list of Values as input {i}, got {kind}")
        if value.op is not None:
            what = "a constant" if value.op is ops.constant else f"the result of {value.op.name}"
            raise ValueError(f"compile: expected a leaf as input {i}, got {what}, {value!r}")
        if value in seen:
            raise ValueError(f"compile: {value!r} is given twice, the second time as input {i}")
        seen.add(value)


# Control flow


class _Path:
    """One path through a function: what it computes, and the truths that lead there."""

    def __init__(self, f: Callable[..., Any], names: Sequence[str], point: Sequence[float]) -> None:
        inputs = [Value(x, name) for x, name in zip(point, names, strict=True)]
        asked: list[tuple[Value, bool]] = []
        token = truths.set(asked)
        try:
            output = f(*inputs)
        finally:
            truths.reset(token)
        if not isinstance(output, Value):
            try:
                output = Value(output)
            except TypeError:
                kind = type(output).__name__
                raise TypeError(f"vectorize: expected a function that returns one Value, got {kind}") from None
        self.guards = list(dict.fromkeys(asked))
        holds = [ops.not_equal(node, 0) if truth else ops.equal(node, 0) for node, truth in self.guards]
        self.shape = [[x] for x in inputs], [False] * len(inputs)
        self.agreement = Program([functools.reduce(ops.mul, holds)], *self.shape) if holds else None
        self.program = Program([output], *self.shape)

    def split(self, columns: Sequence[Any]) -> str:
        """The first comparison that came out otherwise at one of the points."""
        for node, truth in self.guards:
            if ((Program([node], *self.shape)(*columns) != 0) != truth).any():
                texts = [f"{x.data:g}" if x.op is ops.constant else x.label or "…" for x in node.args]
                return node.op.written(texts) if node.op else str(node.label)
        return "none"


class Vectorized:
    """A function of numbers that works over arrays, each point on its own path through the code."""

    def __init__(self, f: Callable[..., Any], max_paths: int) -> None:
        self._f, self._max_paths = f, max_paths
        functools.update_wrapper(self, f)

    def __call__(self, *arrays: Any) -> Any:
        """The values of the function at the points of the arrays, which broadcast."""
        return self._followed(arrays, lambda program, columns: [program(*columns)])[0]

    def value_and_grad(self, *arrays: Any) -> tuple[Any, list[Any]]:
        """The values, and for each argument the derivative in its array's shape, summed where that was broadcast."""

        def replay(program: Program, columns: Sequence[Any]) -> list[Any]:
            value, gradients = program.value_and_grad(*columns)
            return [value, *gradients]

        value, *gradients = self._followed(arrays, replay)
        shapes = [_kernels().np.shape(array) for array in arrays]
        return value, [_summed(gradient, shape) for gradient, shape in zip(gradients, shapes, strict=True)]

    def _followed(self, arrays: Sequence[Any], replay: Callable[[Program, Sequence[Any]], list[Any]]) -> list[Any]:
        """Record a path at a point, replay it where its guards agree, until no point is left."""
        np = _kernels().np
        points = Points(arrays, [Group(None, None)] * len(arrays))
        columns = [np.broadcast_to(each, points.whole).reshape(-1).astype(float, copy=False) for each in points.given]
        results = [np.full(points.count, math.nan) for _ in range(1 + len(arrays))]
        names = self._names(len(arrays))
        left, aside, paths = np.arange(points.count), list[int](), list[_Path]()
        here = columns
        while left.size:
            if len(paths) + len(aside) >= self._max_paths:
                raise ValueError(self._too_many(paths, left, here))
            try:
                path = _Path(self._f, names, [float(column[0]) for column in here])
            except (ArithmeticError, ValueError):
                if not paths and left.size == 1:
                    raise
                aside.append(left[0])
                left, here = left[1:], [column[1:] for column in here]
            else:
                paths.append(path)
                left, here = _follow(path, left, here, results, replay, recorded=1)
        left, here = np.array(aside, int), [column[aside] for column in columns] if aside else columns
        for path in paths if aside else ():  # where recording raised, replay gives inf or nan
            left, here = _follow(path, left, here, results, replay)
        return [result.reshape(points.whole) for result in results]

    def _names(self, count: int) -> list[str]:
        try:
            names = list(inspect.signature(self._f).parameters)
        except (TypeError, ValueError):
            names = []
        return [*names, *(f"argument {i}" for i in range(len(names), count))][:count]

    def _too_many(self, paths: Sequence[_Path], left: Any, columns: Sequence[Any]) -> str:
        split = f"the comparison {paths[-1].split(columns)} splits them" if paths else "recording raised at each point"
        advice = "raise max_paths, or write the choice with tl.where"
        return f"vectorize: {self._max_paths} paths taken and {left.size} points are left; {split}; {advice}"


def _follow(
    path: _Path, left: Any, here: Sequence[Any], results: Sequence[Any], replay: Callable[..., Any], recorded: int = 0
) -> tuple[Any, list[Any]]:
    """Replay a path at the points that agree with it; the others, and the arguments there."""
    np = _kernels().np
    if not left.size:
        return left, [*here]
    agrees = np.ones(left.size, bool) if path.agreement is None else path.agreement(*here) != 0
    agrees[:recorded] = True  # where it was recorded, whatever the last bits say
    chosen, others = np.flatnonzero(agrees), np.flatnonzero(~agrees)  # taking these is faster than masking
    there = [column.take(chosen) for column in here] if others.size else here
    for result, values in zip(results, replay(path.program, there), strict=False):
        result[left.take(chosen)] = values
    return left.take(others), [column.take(others) for column in here]


def _summed(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Summed to a shape that broadcasts to its own."""
    summed = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    axes = tuple(i for i, size in enumerate(shape) if size == 1 != summed.shape[i])
    return summed.sum(axes, keepdims=True)


def vectorize(f: Callable[..., Any], *, max_paths: int = 1000) -> Vectorized:
    """A plain function of numbers, `if` and `while` included, as a function of arrays: each point on its own path.

    >>> g = vectorize(lambda x: x * x if x > 0 else -x)
    >>> g([-2.0, 3.0])
    array([2., 9.])
    >>> g.value_and_grad([-2.0, 3.0])
    (array([2., 9.]), [array([-1.,  6.])])

    The truth of every Value that `f` asks about is kept as a guard; other points are replayed while they agree. What
    would freeze a number into the path (`float(x)`, formatting) raises TypeError, and more than `max_paths` paths
    ValueError. A point where `f` raises ArithmeticError or ValueError gets inf or nan.
    """
    if not callable(f):
        raise TypeError(f"vectorize: expected a function, got {type(f).__name__}")
    return Vectorized(f, max_paths)
