"""`Plan`: instructions for a graph of Rows whose nodes have their places in memory."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .kernels import kernel, np
from .place import (
    Homes,
    Places,
    Run,
    allocated,
    direct_results,
    homes,
    last_uses,
    summed_regions,
)
from .rows import LEAVES, PHASES, VARYING, Graph, Rows

WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**17, 2**21
"""How many numbers a block should have, and may have to be that wide."""
Instruction = tuple[Any, ...]
"""A function, the slots of its arguments and that of the result."""


class Number(NamedTuple):
    """A number, as an array without axes."""

    digits: str

    def array(self, memory: Any) -> Any:
        """It, in memory."""
        return np().array(float.fromhex(self.digits), memory.dtype)

    def __str__(self) -> str:
        return f"{float.fromhex(self.digits):g}"


class Indices(NamedTuple):
    """Numbers of rows in memory."""

    rows: tuple[int, ...]

    def array(self, memory: Any) -> Any:
        """They, in memory."""
        return np().array(self.rows)

    def __str__(self) -> str:
        shown = [str(row) for row in self.rows[:3]] + ["…"] * (len(self.rows) > 3)
        return f"[{', '.join(shown)}]"


class Place(NamedTuple):
    """Rows of a block, or of what is computed once, in a shape in which -1 is the width."""

    varying: bool
    first: int
    size: int
    shape: tuple[int, ...]
    transposed: bool = False

    def array(self, memory: Any) -> Any:
        """They, in memory."""
        rows = (memory.block if self.varying else memory.once)[self.first : self.first + self.size]
        array = rows.reshape(self.shape)
        return array.T if self.transposed else array

    def __str__(self) -> str:
        rows = f"{'r' if self.varying else 'u'}{self.first}" + f":{self.first + self.size}" * (
            self.size > 1
        )
        inner = [each for each in self.shape if each != -1]
        return rows + f"({'×'.join(map(str, inner))})" * (len(inner) > 1) + ".T" * self.transposed


Slot = Number | Indices | Place


class Plan(NamedTuple):
    """Instructions, and what of memory they take."""

    slots: list[Slot]
    """The arrays that instructions work on."""
    code: tuple[list[Instruction], list[Instruction], list[Instruction]]
    """Done once a call, once from sums over the points, for each block of points."""
    ready: list[list[tuple[Callable[..., Any], Callable[[Any], Any]]]]
    height: int
    once: int
    filled: list[tuple[bool, int, list[float]]]
    """Numbers that stay in memory: of a block or once, from which row on."""
    inputs: list[tuple[int, int, bool]]
    """Of each input its number, its slot and whether it must be copied there."""
    leaves: dict[str, int]
    """The slots of the parameters and of the number of points."""
    results: list[tuple[int, bool]]
    """Of each result the slot, and whether the last instruction can write elsewhere instead."""
    sums: list[tuple[int, int]]
    """Rows that hold sums over the points of a block."""
    totals: int | None
    width: int

    def __str__(self) -> str:
        names = [str(slot) for slot in self.slots]
        lines = []
        for place, first, numbers in self.filled:
            shown = f"{numbers[0]:g}" if len(numbers) == 1 else f"[{numbers[0]:g}, …]"
            lines.append(f"{Place(place, first, len(numbers), (-1,))} = {shown}")
        for phase in (0, 2, 1):
            if self.code[phase]:
                lines.append(f"{PHASES[phase]}:")
            for function, *args, out in self.code[phase]:
                lines.append(
                    f"  {names[out]} = {function}({', '.join(names[arg] for arg in args)})"
                )
        return "\n".join(lines)


def planned(graph: Graph, results: Sequence[Rows], totals: Rows | None) -> Plan:
    """The instructions that compute results at each point, and totals once."""
    wanted = [*results, *([] if totals is None else [totals])]
    order = graph.reached(wanted)
    where = homes(order)
    last = last_uses(order, where, wanted)
    direct = direct_results(results, where)
    given = {node for node in order if node.function == "input" and node.size == 1}
    alone = (
        direct | (given - where.piled) | {pick for pick, numbers in where.filled.items() if numbers}
    )
    places = allocated(order, where, last, alone)
    writer = _Writer(where, places)
    for node in order:
        writer.write(node)
    return writer.plan(order, results, totals, direct)


class _Writer:
    """Writes instructions for one node after the other."""

    def __init__(self, where: Homes, places: Places) -> None:
        self.where = where
        self.places = places
        self.slots: dict[Slot, int] = {}
        self.singles: dict[Rows, int] = {}
        self.code: tuple[list[Instruction], ...] = ([], [], [])
        self.filled: list[tuple[bool, int, list[float]]] = []
        self.inputs: list[tuple[int, int, bool]] = []
        self.leaves: dict[str, int] = {}

    def plan(
        self, order: Sequence[Rows], results: Sequence[Rows], totals: Rows | None, direct: set[Rows]
    ) -> Plan:
        """All that was written."""
        shown = [
            (self.single(node) if node.size == 1 else self.rows(node), node in direct)
            for node in results
        ]
        total = None if totals is None else self.place(totals, (totals.size,))
        height = max(1, self.places.height)
        ready = [
            [(kernel(name), operator.itemgetter(*slots)) for name, *slots in code]
            for code in self.code
        ]
        return Plan(
            list(self.slots), self.code, ready, height,  # type: ignore[arg-type]
            self.places.once, self.filled, self.inputs, self.leaves,
            shown, summed_regions(order, self.where, self.places.start), total,
            max(16, min(2**14, CACHE // height), min(WIDE, BOUND // height)),
        )  # fmt: skip

    # Slots

    def slot(self, slot: Slot) -> int:
        return self.slots.setdefault(slot, len(self.slots))

    def first(self, node: Rows) -> int:
        """The first row of a node in memory."""
        return self.places.start[self.where.home[node]] + self.where.offset[node]

    def place(self, node: Rows, shape: tuple[int, ...], *, transposed: bool = False) -> int:
        """All rows of a node, in a shape."""
        return self.slot(
            Place(node.phase == VARYING, self.first(node), node.size, shape, transposed)
        )

    def rows(self, node: Rows, *, transposed: bool = False) -> int:
        return self.place(node, (node.size, -1), transposed=transposed)

    def cube(self, node: Rows) -> int:
        return self.place(node, (node.k, node.n, -1))

    def single(self, node: Rows) -> int:
        """One row by itself, or a number."""
        if (found := self.singles.get(node)) is None:
            if node.number is not None:
                found = self.slot(Number(node.number.hex()))
            else:
                found = self.place(node, (-1,) if node.phase == VARYING else ())
            self.singles[node] = found
        return found

    # Instructions

    def write(self, node: Rows) -> None:
        """What computes a node."""
        function = node.function
        if (special := SPECIAL.get(function)) is not None:
            special(self, node)
        elif node.size == 1 and all(arg.size == 1 for arg in node.args):
            self.code[node.phase].append(
                (function, *[self.single(arg) for arg in node.args], self.single(node))
            )
        else:
            flat = all(arg.size == 1 or arg.size == node.size for arg in node.args)
            form = self.rows if flat else self.cube
            slots = [self.single(arg) if arg.size == 1 else form(arg) for arg in node.args]
            self.code[node.phase].append((function, *slots, form(node)))

    def input(self, node: Rows) -> None:
        copied = node.size > 1 or node in self.where.piled
        several = node.size > 1 or copied
        self.inputs.append((node.detail, self.rows(node) if several else self.single(node), copied))

    def leaf(self, node: Rows) -> None:
        if node.function == "constants":
            self.filled.append((False, self.first(node), [float.fromhex(x) for x in node.detail]))
        elif node.number is not None and node in self.where.piled:
            self.filled.append((False, self.first(node), [node.number]))
        elif node.number is None:
            self.leaves[str(node.function)] = self.place(node, (node.size,))

    def pick(self, node: Rows) -> None:
        """Runs of rows are copied; many in the same memory are gathered at once."""
        first, varying = self.first(node), node.phase == VARYING
        for run in self.where.filled[node]:
            self.filled.append((varying, first + run.at, [run.node.number] * run.size))  # type: ignore[list-item]
        runs = self.where.runs[node]
        near = [run for run in runs if (run.node.phase == VARYING) == varying]
        if len(near) > 2:
            self.gather(near, first, varying=varying, code=self.code[node.phase])
            runs = [run for run in runs if (run.node.phase == VARYING) != varying]
        for run in runs:
            shape = (-1,) if run.size == 1 else (run.size, -1)
            source = Place(
                run.node.phase == VARYING, self.first(run.node) + run.first, run.size, shape
            )
            out = Place(varying, first + run.at, run.size, shape)
            self.code[node.phase].append(("copy", self.slot(source), self.slot(out)))

    def gather(
        self, runs: Iterable[Run], first: int, *, varying: bool, code: list[Instruction]
    ) -> None:
        sources = [self.first(run.node) + run.first + i for run in runs for i in range(run.size)]
        targets = [first + run.at + i for run in runs for i in range(run.size)]
        together = targets == [*range(targets[0], targets[-1] + 1)]
        # Only the rows that it is about: if the result is not among them, NumPy need not copy it.
        around = sources if together else sources + targets
        low, size = min(around), max(around) + 1 - min(around)
        rows = self.slot(Place(varying, low, size, (size, -1)))
        index = self.slot(Indices(tuple([i - low for i in sources])))
        if together:
            out = Place(varying, targets[0], len(targets), (len(targets), -1))
            code.append(("take", rows, index, self.slot(out)))
        else:
            code.append(
                ("move", index, self.slot(Indices(tuple([i - low for i in targets]))), rows)
            )

    def matmul(self, node: Rows) -> None:
        w, x = node.args
        matrix = (w.size // x.size, x.size)
        if node.function == "matmul.T":
            matrix = matrix[::-1]
        transposed = node.function == "matmul.T"
        self.code[node.phase].append(  # an adjoint may be the same at all points
            ("matmul", self.place(w, matrix, transposed=transposed), self.rows(x), self.rows(node))
        )

    def outer(self, node: Rows) -> None:
        above, x = node.args
        out = self.place(node, (above.size, x.size))
        self.code[VARYING].append(("matmul", self.rows(above), self.rows(x, transposed=True), out))

    def total(self, node: Rows) -> None:
        (x,) = node.args
        slots = (
            (self.single(x), self.single(node))
            if x.size == 1
            else (self.rows(x), self.place(node, (x.size,)))
        )
        self.code[VARYING].append(("total", *slots))

    def reduce(self, node: Rows) -> None:
        """Of lists one row each: along the last axis but that of the points."""
        k, (x, *_) = node.size, node.args
        n = x.size // k
        slots = [self.place(arg, (n, -1) if k == 1 else (k, n, -1)) for arg in node.args]
        out = self.place(node, (-1,) if k == 1 else (k, -1))
        if k == 1 and node.phase == VARYING:
            out = self.single(node)
        self.code[node.phase].append((node.function, *slots, out))

    def nothing(self, node: Rows) -> None:
        """Rows of another are there."""


SPECIAL: dict[Any, Callable[[_Writer, Rows], None]] = {
    "input": _Writer.input,
    **dict.fromkeys(LEAVES - {"input"}, _Writer.leaf),
    **dict.fromkeys(("view", "alias"), _Writer.nothing),
    "pick": _Writer.pick,
    **dict.fromkeys(("matmul", "matmul.T"), _Writer.matmul),
    "outer": _Writer.outer,
    "total": _Writer.total,
    **dict.fromkeys(("add.reduce", "maximum.reduce", "minimum.reduce", "inner"), _Writer.reduce),
}
