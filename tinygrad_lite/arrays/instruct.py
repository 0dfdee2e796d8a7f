"""Writing the instructions for a graph of Rows whose nodes have their places in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .place import Homes, Places, allocated, direct_results, homes, is_sum, last_uses, piled
from .plan import Code, Indices, Number, Place, Plan, Shape, Slot
from .rows import LEAVES, VARYING, Graph, Rows

WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**17, 2**21
"""How many numbers a block should have, and may have to be that wide."""
OF_LISTS = {"add.reduce", "maximum.reduce", "minimum.reduce", "inner"}
"""Functions that make one of each list."""


class Run(NamedTuple):
    """Rows that a pick copies: whether they are of a block, the first, where to, how many."""

    varying: bool
    source: int
    at: int
    size: int


def planned(graph: Graph, results: Sequence[Rows], totals: Rows | None) -> Plan:
    """The instructions that compute results at each point, and totals once."""
    wanted = [*results, *([] if totals is None else [totals])]
    order = graph.reached(wanted)
    order.sort(key=lambda node: node.function != "input")  # inputs are there before all else
    home = homes(order)
    taken = piled(order, home)
    direct = direct_results(results, home, taken)
    alone = direct | {
        node
        for node in order
        if (node.function == "input" and node.size == 1 and node not in taken)
        or (node.function == "pick" and any(arg.number is not None for arg in node.args))
    }
    places = allocated(order, home, last_uses(order, home, wanted), alone, taken)
    writer = _Writer(home, taken, places)
    for node in order:
        writer.write(node)
    return writer.plan(order, results, totals, direct)


class _Writer:
    """Writes instructions for one node after the other."""

    def __init__(self, home: Homes, piled: set[Rows], places: Places) -> None:
        self.home = home
        self.piled = piled
        self.places = places
        self.slots: dict[Slot, int] = {}
        self.single: dict[Rows, int] = {}
        """The slots of what is one row, by itself, or a number."""
        self.alone: dict[tuple[bool, int], int] = {}
        self.code = Code(), Code(), Code()
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
        sums = [self.first(node) + i for node in order if is_sum(node) for i in range(node.size)]
        height = max(1, self.places.height)
        return Plan(
            list(self.slots), self.code, height,
            self.places.once, self.filled, self.inputs, self.leaves,
            shown, sums, total,
            max(16, min(2**14, CACHE // height), min(WIDE, BOUND // height)),
        )  # fmt: skip

    # Slots

    def slot(self, slot: Slot) -> int:
        return self.slots.setdefault(slot, len(self.slots))

    def first(self, node: Rows) -> int:
        """The first row of a node in memory."""
        base, offset = self.home[node]
        return self.places.start[base] + offset

    def place(self, node: Rows, shape: Shape | None) -> int:
        """All rows of a node, in a shape; without one, what is one row by itself."""
        if shape is None:
            return self.single[node]
        return self.slot(Place(node.phase == VARYING, self.first(node), node.size, shape))

    def row(self, first: int, *, varying: bool) -> int:
        """A row of memory by itself, which many nodes have one after the other."""
        if (varying, first) not in self.alone:
            place = Place(varying, first, 1, (-1,) if varying else ())
            self.alone[varying, first] = self.slot(place)
        return self.alone[varying, first]

    def rows(self, first: int, size: int, *, varying: bool) -> int:
        """Rows of memory."""
        return self.slot(Place(varying, first, size, (size, -1)))

    # Instructions

    def write(self, node: Rows) -> None:
        """What computes a node; rows of another are there."""
        function = node.function
        if node.number is not None:
            self.single[node] = self.slot(Number(node.number.hex()))
        elif node.size == 1:
            self.single[node] = self.row(self.first(node), varying=node.phase == VARYING)
        if function == "pick":
            self.pick(node)
        elif function in LEAVES:
            self.leaf(node)
        elif function != "view":
            given, seen = (*node.args, node), shapes(node)
            if seen is None:
                slots = [self.single[rows] for rows in given]
            else:
                pairs = zip(given, seen, strict=True)
                slots = [self.place(rows, shape) for rows, shape in pairs]
            self.code[VARYING if is_sum(node) else node.phase].add(function, *slots)

    def leaf(self, node: Rows) -> None:
        """What is given: numbers are written once, if they have to be in memory."""
        base, _ = self.home[node]
        if node.function == "input":
            copied = node.size > 1 or base in self.piled or base is not node
            shape = (node.size, -1) if copied else None
            self.inputs.append((node.detail, self.place(node, shape), copied))
        elif node.function == "constants":
            self.filled.append((False, self.first(node), [float.fromhex(x) for x in node.detail]))
        elif node.number is None:
            self.leaves[str(node.function)] = self.place(node, (node.size,))
        elif node in self.piled:
            self.filled.append((False, self.first(node), [node.number]))

    def pick(self, node: Rows) -> None:
        """Numbers are written once, runs of rows copied if they are not computed in their place."""
        varying, code = node.phase == VARYING, self.code[node.phase]
        start = {
            arg.index: (arg.phase == VARYING, self.first(arg))
            for arg in node.args
            if arg.number is None
        }
        runs: list[Run] = []
        for at, (index, i) in enumerate(node.detail, self.first(node)):
            if index not in start:
                self.filled.append((varying, at, [node.graph.nodes[index].number]))
                continue
            source_varying, first = start[index]
            if (source_varying, first + i) != (varying, at):
                _follow(runs, Run(source_varying, first + i, at, 1))
        near = [run for run in runs if run.varying == varying]
        if len(near) > 2:
            self.gather(near, code, varying=varying)
            runs = [run for run in runs if run.varying != varying]
        for source_varying, first, at, size in runs:
            there = self.rows(first, size, varying=source_varying)
            here = self.rows(at, size, varying=varying)
            code.add("copy", there, here)

    def gather(self, runs: Sequence[Run], code: Code, *, varying: bool) -> None:
        """Copy many rows of one memory at once, out of no more of it than needed.

        If the result is not among those, NumPy need not copy them.
        """
        sources = [run.source + i for run in runs for i in range(run.size)]
        targets = [run.at + i for run in runs for i in range(run.size)]
        together = targets == [*range(targets[0], targets[-1] + 1)]
        around = sources if together else sources + targets
        low = min(around)
        rows = self.rows(low, max(around) + 1 - low, varying=varying)
        index = self.slot(Indices(tuple([i - low for i in sources])))
        if together:
            result = self.rows(targets[0], len(targets), varying=varying)
            code.add("take", rows, index, result)
        else:
            places = self.slot(Indices(tuple([i - low for i in targets])))
            code.add("move", index, places, rows)


def _follow(runs: list[Run], row: Run) -> None:
    """Let a row be part of the last run, or a run of its own."""
    if runs:
        varying, source, at, size = runs[-1]
        if (varying, source + size, at + size) == row[:3]:
            runs[-1] = Run(varying, source, at, size + 1)
            return
    runs.append(row)


def shapes(node: Rows) -> list[Shape | None] | None:
    """How an instruction sees its arguments and, last, its result; None: as one row by itself.

    None instead of a list where all are.
    """
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
    if node.size == 1:
        return None
    flat = all(arg.size == 1 or arg.size == node.size for arg in args)
    return [
        None if each.size == 1 else (each.size, -1) if flat else (each.k, each.n, -1)
        for each in (*args, node)
    ]
