"""Rolling up: alike scalars of a graph become rows of one array, where their arguments lie well.

Scalars that are as deep in the graph and of one operation are one node of Rows if their arguments
are: the same row, rows that follow each other, or k rows n times each. Sums of products become rows
of matrix products.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .. import ops
from ..op import OPS
from ..value import Value
from .rows import BUNDLED, LIST, UNIFORM, VARYING, Graph, Row, Rows
from .scalars import MATMUL, NUMBER, Scalars, with_products

Level = dict[tuple[Any, ...], list[int]]
"""Alike scalars of one depth, by what they have in common."""


class Rolled(NamedTuple):
    """A graph of Rows, and where what goes in and comes out is in it."""

    graph: Graph
    outputs: list[Row]
    inputs: list[Rows]
    parameters: Rows | None
    tails: list[tuple[int, ...]]
    """The axes that each input has at a point."""


def rolled(
    outputs: Sequence[Value],
    groups: Sequence[Sequence[Value]],
    tails: list[tuple[int, ...]],
    order: Sequence[Value] | None = None,
) -> tuple[Rolled, list[Value]]:
    """The graph that computes the outputs, and its parameters in the given order or that of use."""
    scalars = Scalars(outputs, {value for group in groups for value in group})
    with_products(scalars, [scalars.numbers[output] for output in outputs])
    steps = levels(scalars)
    products = [
        scalars.args[i]
        for level in steps
        for (op, *_), members in level.items()
        for i in members
        if op == MATMUL
    ]
    # Those that are a matrix lie together.
    used = [*[i for args in products for i in args[: len(args) // 2]], *range(len(scalars.leaves))]
    own = [i for i in dict.fromkeys(used) if scalars.is_parameter(i)]
    parameters = [scalars.leaves[i] for i in own] if order is None else [*order]
    graph = Graph()
    inputs = [graph.node("input", (), i, len(group), 1, VARYING) for i, group in enumerate(groups)]
    weights = (
        graph.node("parameters", (), None, len(parameters), 1, UNIFORM) if parameters else None
    )
    roll = _Roll(graph, scalars)
    for leaf, values in zip([*inputs, weights], [*groups, parameters], strict=True):
        roll.bring_in(leaf, [scalars.numbers.get(value) for value in values])
    for level in steps:
        for (op, *_), members in level.items():
            roll.join(op, members)
    places = [roll.row(scalars.numbers[output]) for output in outputs]
    graph.keep()
    return Rolled(graph, places, inputs, weights, tails), parameters


def levels(scalars: Scalars) -> list[Level]:
    """What is to be computed, by depth and likeness."""
    ops_of, args_of, kinds = scalars.ops, scalars.args, scalars.kinds
    depth = [0] * len(ops_of)
    found: dict[tuple[bool, int], Level] = defaultdict(lambda: defaultdict(list))
    for i in scalars.order:
        op, args = ops_of[i], args_of[i]
        if args:
            varying = kinds[i] == VARYING  # what is not comes before all that is
            depth[i] = 1 + max(
                [depth[arg] for arg in args if (kinds[arg] == VARYING) == varying], default=0
            )
            key = (op, *(args[len(args) // 2 :] if op == MATMUL else [kinds[arg] for arg in args]))
            if op is ops.pow and kinds[args[1]] == NUMBER:  # x**2 and x**3 are not alike
                key = (*key, scalars.data[args[1]].hex())
            found[varying, depth[i]][key].append(i)
    return [found[each] for each in sorted(found)]


class _Roll:
    """A graph that grows level by level, and the row that each scalar has become."""

    def __init__(self, graph: Graph, scalars: Scalars) -> None:
        self.graph = graph
        self.scalars = scalars
        self.at: list[Row | None] = [None] * len(scalars.ops)

    def bring_in(self, leaf: Rows | None, numbers: Iterable[int | None]) -> None:
        """Let scalars be the rows of a leaf."""
        for i, number in enumerate(numbers):
            if leaf is not None and number is not None:
                self.at[number] = leaf, i

    def row(self, i: int) -> Row:
        """Where scalar i is."""
        found = self.at[i]
        if found is None:
            found = self.at[i] = self.graph.constant(self.scalars.data[i]), 0
        return found

    def join(self, op: Any, members: list[int]) -> None:
        """Alike scalars as one node, or as several."""
        if op == MATMUL:
            self.multiply(members)
            return
        args = self.scalars.args
        columns = {i: [self.row(arg) for arg in args[i]] for i in members}
        for part in self.parts(members, columns) if len(members) > 1 else [members]:
            for run in self.runs(op, part, columns):
                self.finish(op, run, _table(run, columns))

    def multiply(self, members: Sequence[int]) -> None:
        """A matrix product; the members are its rows."""
        args = [self.scalars.args[i] for i in members]
        half = len(args[0]) // 2
        w, x = [
            self.operand([self.row(i) for i in each], spread=True)
            for each in ([i for each in args for i in each[:half]], args[0][half:])
        ]
        out = self.graph.node("matmul", (w, x), None, len(members), 1, VARYING)
        for i, member in enumerate(members):
            self.at[member] = out, i

    def parts(self, members: list[int], columns: dict[int, list[Row]]) -> list[list[int]]:
        """Members by the nodes that their arguments are in, unless that leaves few together."""
        parts: dict[Any, list[int]] = defaultdict(list)
        for i in members:
            parts[tuple([node.number is not None or node.index for node, _ in columns[i]])].append(
                i
            )
        return (
            [*parts.values()]
            if len(parts) * 4 <= len(members) or len(members) < LIST
            else [members]
        )

    def runs(self, op: Any, part: list[int], columns: dict[int, list[Row]]) -> list[list[int]]:
        """A part in runs, so that the arguments of each lie well; unless that is many runs."""
        if len(part) == 1:
            return [part]
        offsets = {i: [_offset(*row) for row in columns[i]] for i in part}
        part.sort(key=offsets.__getitem__)
        table = _table(part, columns)
        uniform = self.scalars.kinds[part[0]] != VARYING
        if uniform or len(table) > LIST or _lists(op, table) or self.repeated(table):
            return [part]
        runs, delta = [[part[0]]], [-1]
        for i in part[1:]:
            step = [y - x for x, y in zip(offsets[runs[-1][-1]], offsets[i], strict=True)]
            if len(runs[-1]) == 1 and {0, 1}.issuperset(step):
                delta = step
            elif len(runs[-1]) == 1 or step != delta:
                runs.append([])
            runs[-1].append(i)
        return [part] if len(part) >= LIST and len(runs) * 4 > len(part) else runs

    def finish(self, op: Any, members: Sequence[int], columns: list[tuple[Row, ...]]) -> None:
        """One node for members whose arguments are in columns."""
        if lists := _lists(op, columns):
            args = [self.operand(rows, n, spread=True) for rows, n in lists]
        else:
            args = self.repeated(columns) or [self.operand(column) for column in columns]
        out = self.graph.result(op, tuple(args))
        for i, member in enumerate(members):
            self.at[member] = out, i if out.size > 1 else 0

    def operand(self, rows: Sequence[Row], n: int = 1, *, spread: bool = False) -> Rows:
        """Rows as one argument."""
        numbers = [node.number for node, _ in rows if node.number is not None]
        if len(numbers) == len(rows) > len([*filter(_is(rows[0]), rows)]) and n == 1 and not spread:
            return self.graph.constants(numbers)
        return self.graph.pick(rows, n, spread=spread and len(rows) > 1)

    def repeated(self, columns: Sequence[Sequence[Row]]) -> list[Rows] | None:
        """Arguments in the shape (k, n), if some are k rows that are there n times each."""
        size = len(columns[0])
        if len(columns) == 1 or size < 3:
            return None
        n = max(
            [
                next((i for i, row in enumerate(column) if not _is(row)(column[0])), 1)
                for column in columns
            ]
        )
        shapes = [_shape(column, size, n) for column in columns if n > 1 and size % n == 0]
        if not shapes or None in shapes or all(k * m < size for _, _, k, m in shapes):  # type: ignore[misc]
            return None
        return [
            self.graph.view(*shape) if shape[0].number is None else shape[0]
            for shape in shapes
            if shape
        ]


def _table(members: Sequence[int], columns: dict[int, list[Row]]) -> list[tuple[Row, ...]]:
    return [*zip(*[columns[i] for i in members], strict=True)]


def _offset(node: Rows, i: int) -> int:
    """Where a row lies, for sorting; what is uniform lies as well anywhere."""
    return (node.index << 20) + i if node.phase == VARYING else 0


def _is(row: Row) -> Callable[[Row], bool]:
    """Whether another row is that one; == would compute the equality of Rows."""
    return lambda other: other[0] is row[0] and other[1] == row[1]


def _shape(column: Sequence[Row], size: int, n: int) -> tuple[Rows, int, int, int] | None:
    """A column as a view in the shape (k, n), if it is one."""
    node, first = column[0]
    if any(other is not node for other, _ in column):
        return None
    rows = [i - first for _, i in column]
    if rows == list(range(size)):
        return node, first, size // n, n
    if rows == [i // n for i in range(size)]:
        return node, first, size // n, 1
    return None if any(rows) else (node, first, 1, 1)


def _lists(op: Any, columns: Sequence[tuple[Row, ...]]) -> list[tuple[list[Row], int]]:
    """The lists that an operation of many operands takes, with their length; none if short."""
    if op not in BUNDLED or len(columns) < (4 if op is ops.dot else 2):
        return []
    n = len(columns) // op.lists if op.lists else len(columns)
    starts = range(0, len(columns), n)
    lists = [
        [row for rows in zip(*columns[i : i + n], strict=True) for row in rows] for i in starts
    ]
    if n >= LIST or op is OPS["logsumexp"] or (n > 2 and all(map(_consecutive, lists))):
        return [(rows, n) for rows in lists]
    return []


def _consecutive(rows: Sequence[Row]) -> bool:
    node, first = rows[0]
    alone = node.number is None and all(other is node for other, _ in rows)
    return alone and [i for _, i in rows] == list(range(first, first + len(rows)))
