"""Rolling up: alike scalars of a graph become rows of one array, where their arguments lie well.

Scalars that are as deep in the graph and of one operation are one node of Rows if their arguments
are: the same row, rows that follow each other, or k rows n times each; where they are many, in any
case. Sums of products become rows of matrix products.
"""

from __future__ import annotations

import itertools
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
    nodes: Sequence[Value],
    outputs: Sequence[Value],
    groups: Sequence[Sequence[Value]],
    tails: list[tuple[int, ...]],
    order: Sequence[Value] | None = None,
) -> tuple[Rolled, list[Value]]:
    """The graph that computes the outputs, and its parameters in the given order or that of use.

    `nodes` are all that the outputs depend on, arguments first.
    """
    scalars = Scalars(nodes, {value for group in groups for value in group})
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
        """Alike scalars as one node; few of them only if their arguments lie well."""
        if op == MATMUL:
            self.multiply(members)
            return
        args_of = {i: [self.row(arg) for arg in self.scalars.args[i]] for i in members}
        if len(members) > 1:
            members.sort(key=lambda i: [_offset(*row) for row in args_of[i]])
        args = self.arguments(op, [*zip(*[args_of[i] for i in members], strict=True)])
        if args is None:
            for member in members:
                self.join(op, [member])
            return
        out = self.graph.result(op, tuple(args))
        for i, member in enumerate(members):
            self.at[member] = out, i if out.size > 1 else 0

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

    def arguments(self, op: Any, columns: Sequence[Sequence[Row]]) -> list[Rows] | None:
        """The arguments of a node for scalars whose arguments are in columns, if it is worth it."""
        n, size = len(columns) // (op.lists or 1), len(columns[0])
        if op in BUNDLED and (n >= LIST or op is OPS["logsumexp"]):
            lists = [zip(*columns[i : i + n], strict=True) for i in range(0, len(columns), n)]
            return [self.operand([*itertools.chain(*each)], n, spread=True) for each in lists]
        if size == 1:
            return [self.graph.row(row) for (row,) in columns]
        # One argument of n operands is a list of them, not rows that are there n times.
        alike = [len([*itertools.takewhile(_is(c[0]), c)]) for c in columns] if n > 1 else [1]
        times = max([run for run in alike if size % run == 0 and run < size], default=1)
        found = [self.lying(column, times) for column in columns]
        lying = [each for each in found if each is not None]
        return lying if len(lying) == len(found) else None

    def lying(self, column: Sequence[Row], n: int) -> Rows | None:
        """A column as it lies: one row, rows that follow each other or n times each, once a call.

        Many are gathered if they lie otherwise.
        """
        graph, size, (node, first) = self.graph, len(column), column[0]
        rows = [i - first for other, i in column if other is node]
        if len(rows) == size and not any(rows):
            return graph.row(column[0])
        if rows == [*range(size)]:
            return graph.view(node, first, size // n, n)
        if rows == [i // n for i in range(size)]:
            return graph.view(node, first, size // n)
        if size < LIST and any(each.phase == VARYING for each, _ in column):
            return None
        return graph.view(self.operand(column), 0, size // n, n)

    def operand(self, rows: Sequence[Row], n: int = 1, *, spread: bool = False) -> Rows:
        """Rows as one argument."""
        numbers = [node.number for node, _ in rows if node.number is not None]
        if len(numbers) == len(rows) and n == 1 and any(node is not rows[0][0] for node, _ in rows):
            return self.graph.constants(numbers)
        return self.graph.pick(rows, n, spread=spread and len(rows) > 1)


def _offset(node: Rows, i: int) -> int:
    """Where a row lies, for sorting; what is uniform lies as well anywhere."""
    return (node.index << 20) + i if node.phase == VARYING else 0


def _is(row: Row) -> Callable[[Row], bool]:
    """Whether another row is that one; == would compute the equality of Rows."""
    return lambda other: other[0] is row[0] and other[1] == row[1]
