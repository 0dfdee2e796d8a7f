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
    is_sum,
    last_uses,
    summed_regions,
)
from .rows import LEAVES, PHASES, VARYING, Graph, Rows

WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**17, 2**21
"""How many numbers a block should have, and may have to be that wide."""
OF_LISTS = {"add.reduce", "maximum.reduce", "minimum.reduce", "inner"}
"""Functions that make one of each list."""
Shape = tuple[int, ...]
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
    shape: Shape

    def array(self, memory: Any) -> Any:
        """They, in memory."""
        rows = memory.block if self.varying else memory.once
        return rows[self.first : self.first + self.size].reshape(self.shape)

    def __str__(self) -> str:
        rows = f"{'r' if self.varying else 'u'}{self.first}" + f":{self.first + self.size}" * (
            self.size > 1
        )
        inner = [each for each in self.shape if each != -1]
        return rows + f"({'×'.join(map(str, inner))})" * (len(inner) > 1)


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
            (self.place(node, None if node.size == 1 else (node.size, -1)), node in direct)
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

    def place(self, node: Rows, shape: Shape | None) -> int:
        """All rows of a node, in a shape; without one, one row by itself, or a number."""
        if shape is None:
            if (found := self.singles.get(node)) is None:
                found = self.singles[node] = self.slot(
                    self.rows(node, (-1,) if node.phase == VARYING else ())
                    if node.number is None
                    else Number(node.number.hex())
                )
            return found
        return self.slot(self.rows(node, shape))

    def rows(self, node: Rows, shape: Shape) -> Place:
        return Place(node.phase == VARYING, self.first(node), node.size, shape)

    # Instructions

    def write(self, node: Rows) -> None:
        """What computes a node."""
        function = node.function
        if (special := SPECIAL.get(function)) is not None:
            special(self, node)
        else:
            each = zip((*node.args, node), shapes(node), strict=True)
            slots = [self.place(rows, shape) for rows, shape in each]
            self.code[VARYING if is_sum(node) else node.phase].append((function, *slots))

    def input(self, node: Rows) -> None:
        copied = node.size > 1 or node in self.where.piled
        shape = (node.size, -1) if copied else None
        self.inputs.append((node.detail, self.place(node, shape), copied))

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

    def nothing(self, node: Rows) -> None:
        """Rows of another are there."""


SPECIAL: dict[Any, Callable[[_Writer, Rows], None]] = {
    "input": _Writer.input,
    **dict.fromkeys(LEAVES - {"input"}, _Writer.leaf),
    "view": _Writer.nothing,
    "pick": _Writer.pick,
}


def shapes(node: Rows) -> list[Shape | None]:
    """How an instruction sees its arguments and, last, its result; None: as one row by itself."""
    args, x = node.args, node.args[-1]
    if node.function == "matmul":
        return [(node.size, x.size), (x.size, -1), (node.size, -1)]
    if node.function == "matmul.T":
        return [(x.size, node.size), (x.size, -1), (node.size, -1)]
    if node.function == "outer":
        return [(args[0].size, -1), (x.size, -1), (args[0].size, x.size)]
    if node.function == "total":
        return [(x.size, -1), (x.size,)] if x.size > 1 else [None, None]
    if node.function in OF_LISTS:  # along the last axis but that of the points
        k, n = node.size, x.size // node.size
        return [*[(n, -1) if k == 1 else (k, n, -1)] * len(args), (-1,) if k == 1 else (k, -1)]
    flat = all(arg.size == 1 or arg.size == node.size for arg in args)
    return [
        None if each.size == 1 else (each.size, -1) if flat else (each.k, each.n, -1)
        for each in (*args, node)
    ]
