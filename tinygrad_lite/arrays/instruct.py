"""`Plan`: instructions for a graph of Rows whose nodes have their places in memory."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .kernels import kernel, np
from .place import Homes, Places, allocated, direct_results, homes, is_sum, last_uses, piled
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


class Move(NamedTuple):
    """A row that a pick copies."""

    varying: bool
    source: int
    at: int


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
    sums: list[int]
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
    order.sort(key=_is_no_input)  # inputs are there before all else
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


def _is_no_input(node: Rows) -> bool:
    return node.function != "input"


class _Writer:
    """Writes instructions for one node after the other."""

    def __init__(self, home: Homes, piled: set[Rows], places: Places) -> None:
        self.home = home
        self.piled = piled
        self.places = places
        self.slots: dict[Slot, int] = {}
        self.known: dict[tuple[Rows, Shape | None], int] = {}
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
        sums = [self.first(node) + i for node in order if is_sum(node) for i in range(node.size)]
        height = max(1, self.places.height)
        ready = [
            [(kernel(name), operator.itemgetter(*slots)) for name, *slots in code]
            for code in self.code
        ]
        return Plan(
            list(self.slots), self.code, ready, height,  # type: ignore[arg-type]
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
        """All rows of a node, in a shape; without one, one row by itself, or a number."""
        if (node, shape) not in self.known:
            self.known[node, shape] = self.slot(self.described(node, shape))
        return self.known[node, shape]

    def described(self, node: Rows, shape: Shape | None) -> Slot:
        if shape is None and node.number is not None:
            return Number(node.number.hex())
        varying = node.phase == VARYING
        alone = (-1,) if varying else ()
        return Place(varying, self.first(node), node.size, alone if shape is None else shape)

    def rows(self, first: int, size: int, *, varying: bool) -> int:
        """Rows of memory."""
        return self.slot(Place(varying, first, size, (size, -1)))

    # Instructions

    def write(self, node: Rows) -> None:
        """What computes a node; rows of another are there."""
        function = node.function
        if function == "pick":
            self.pick(node)
        elif function in LEAVES:
            self.leaf(node)
        elif function != "view":
            each = zip((*node.args, node), shapes(node), strict=True)
            slots = [self.place(rows, shape) for rows, shape in each]
            self.code[VARYING if is_sum(node) else node.phase].append((function, *slots))

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
        """Numbers are written once, rows copied if they are not computed in their place."""
        varying, moves = node.phase == VARYING, list[Move]()
        for at, (source, i) in enumerate(node.places, self.first(node)):
            if source.number is not None:
                self.filled.append((varying, at, [source.number]))
                continue
            move = Move(source.phase == VARYING, self.first(source) + i, at)
            if move != (varying, at, at):
                moves.append(move)
        for stretch in _parted(moves, lambda i, move: (move.varying, move.at - i)):
            runs = _parted(stretch, lambda i, move: move.source - i)
            if len(runs) > 2 and stretch[0].varying == varying:
                self.take(stretch, self.code[node.phase])
                continue
            for run in runs:
                source_varying, first, at = run[0]
                there = self.rows(first, len(run), varying=source_varying)
                out = self.rows(at, len(run), varying=varying)
                self.code[node.phase].append(("copy", there, out))

    def take(self, moves: Sequence[Move], code: list[Instruction]) -> None:
        """Rows at once, out of no more than needed: NumPy copies those if the result is one."""
        varying, _, at = moves[0]
        sources = [move.source for move in moves]
        low = min(sources)
        rows = self.rows(low, max(sources) + 1 - low, varying=varying)
        index = self.slot(Indices(tuple([source - low for source in sources])))
        code.append(("take", rows, index, self.rows(at, len(moves), varying=varying)))


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


def _parted(moves: Sequence[Move], key: Callable[[int, Move], Any]) -> list[list[Move]]:
    """Moves in parts of one key, which is made of a move and its place in the list."""
    groups = itertools.groupby(enumerate(moves), lambda each: key(*each))
    return [[move for _, move in group] for _, group in groups]
