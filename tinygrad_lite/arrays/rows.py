"""`Rows`: a graph of arrays. What it computes is NumPy's functions; the table's rules run on it.

`roll.py` writes a graph of scalars down as Rows, `derive.py` adds those of derivatives, `place.py`
gives them memory. A graph prints as one line a node:

    3  multiply(1[0:4], 2)  4×1  at each point
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, cast

from .. import ops
from ..op import OPS, Op, Operand
from .kernels import at_numbers
from .simplify import shorter

UNIFORM, REDUCED, VARYING = range(3)
"""Phases: once a call, once from sums over the points, at each point; the arguments' latest."""
PHASES = ("once", "from sums", "at each point")
LIST = 8
"""From this length on, a list is worth an instruction of its own."""
BUNDLED = {ops.sum, ops.dot, ops.maximum, ops.minimum, OPS["logsumexp"]}
"""Operations of any number of operands whose rules may take all of them as one."""

Row = tuple["Rows", int]
"""One row: the node that it is in, and its number there."""


class Rows(Operand):
    """k × n rows, a row being a number for each point; n > 1 is a list of operands in one (`sum`).

    It is a NumPy function of other Rows. `op` and `operands` are set where it is what an operation
    of the table gave: there the operation's rule is applied on the way back.
    """

    __slots__ = (
        "args", "detail", "function", "graph", "index", "k", "n", "number", "op", "operands",
        "phase", "size",
    )  # fmt: skip
    rank: ClassVar[int] = 3

    def __init__(
        self, graph: Graph, function: str | Op, args: tuple[Rows, ...], detail: Any,
        k: int, n: int, phase: int,
    ) -> None:  # fmt: skip
        self.graph = graph
        self.index = len(graph.nodes)
        self.function: str | Op = function
        self.args: tuple[Rows, ...] = args
        self.detail = detail
        self.k, self.n, self.size = k, n, k * n
        self.phase = phase
        self.number = float.fromhex(detail) if function == "constant" else None
        self.op: Op | None = None
        self.operands: tuple[Rows, ...] = ()
        graph.nodes.append(self)

    @property
    def places(self) -> list[Row]:
        """Which rows a pick or a view takes."""
        if self.function == "view":
            return [(self.args[0], self.detail + i) for i in range(self.size)]
        return [(self.graph.nodes[index], i) for index, i in self.detail]

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Rows:
        """The result of an operation, in the graph that its operands are in."""
        graph = next(arg.graph for arg in args if type(arg) is Rows)
        return graph.apply(op, [graph.rows(arg) for arg in args])

    def __reduce__(self) -> tuple[Any, ...]:
        return _node_of, (self.graph, self.index)

    def __repr__(self) -> str:
        named = [str(arg.index) if arg.number is None else f"{arg.number:g}" for arg in self.args]
        detail = (
            "" if self.detail is None or self.number is not None else f"[{_shown(self.detail)}]"
        )
        call = f"{self.function}{detail}({', '.join(named)})"
        return f"{self.index}  {call}  {self.k}×{self.n}  {PHASES[self.phase]}"


def _shown(detail: Any) -> str:
    if not isinstance(detail, tuple):
        return str(detail)
    shown = [each if isinstance(each, str) else "{}.{}".format(*each) for each in detail]
    return " ".join(shown[:8] + ["…"] * (len(shown) > 8))


class Graph:
    """Rows in order of computation, each on those before it; the same of the same Rows once."""

    def __init__(self) -> None:
        self.nodes: list[Rows] = []
        self.known: dict[Any, Rows] = {}
        self.kept = 0

    def __str__(self) -> str:
        return "\n".join(repr(node) for node in self.nodes if node.number is None)

    def keep(self) -> None:
        """Let what is here now be what `restore` leaves."""
        self.kept = len(self.nodes)

    def restore(self) -> None:
        """Drop what was added since `keep`, or half added: it may be interrupted anywhere."""
        del self.nodes[self.kept :]
        self.known = {key: node for key, node in self.known.items() if node.index < self.kept}

    def __reduce__(self) -> tuple[Any, ...]:
        # A flat list, since pickle recurses.
        lines = [
            (node.function, [arg.index for arg in node.args], node.detail, node.k, node.n,
             node.phase, node.op, [arg.index for arg in node.operands])
            for node in self.nodes[: self.kept]
        ]  # fmt: skip
        return _rebuilt, (lines,)

    def reached(self, wanted: Iterable[Rows]) -> list[Rows]:
        """The nodes that the wanted ones depend on, in order."""
        marked = bytearray(len(self.nodes))
        for node in wanted:
            marked[node.index] = 1
        for node in reversed(self.nodes):
            if marked[node.index]:
                for arg in node.args:
                    marked[arg.index] = 1
        return [node for node in self.nodes if marked[node.index]]

    # Making nodes

    def node(
        self, function: str | Op, args: tuple[Rows, ...] = (), detail: Any = None,
        k: int = 1, n: int = 1, phase: int | None = None,
    ) -> Rows:  # fmt: skip
        """A function of Rows, as k × n rows."""
        key = (function, detail, k, n, *[arg.index for arg in args])
        found = self.known.get(key)
        if found is None:
            if phase is None:
                phase = max([arg.phase for arg in args])
            found = self.known[key] = Rows(self, function, args, detail, k, n, phase)
        return found

    def constant(self, x: float) -> Rows:
        """A number, the same in all rows."""
        # By digits: 0.0 == -0.0, nan != nan.
        return self.node("constant", (), float(x).hex(), phase=UNIFORM)

    def constants(self, xs: Sequence[float]) -> Rows:
        """Numbers, one for each row."""
        return self.node("constants", (), tuple(map(float.hex, xs)), len(xs), phase=UNIFORM)

    def rows(self, operand: Any) -> Rows:
        """Rows themselves, or a number as a constant."""
        return operand if type(operand) is Rows else self.constant(operand)

    def result(self, op: Op, operands: tuple[Rows, ...]) -> Rows:
        """What an operation of the recorded graph gives: a node that remembers it."""
        out = self.rows(self.apply(op, operands))
        if out.number is not None or (out.op is op and _same(out.operands, operands)):
            return out
        # relu(x) and maximum(x, 0) are one array with two derivatives; maximum(x) is x itself; x +
        # -y is x - y, which may be there before -y. Derivatives go through the nodes in order.
        if out.op or out.index <= max([arg.index for arg in operands]):
            out = Rows(self, "view", (out,), 0, out.k, out.n, out.phase)
        out.op = op
        out.operands = operands
        return out

    def apply(self, op: Op, args: Sequence[Rows]) -> Rows:
        """An operation of the table at Rows: its array form, written out."""
        if op is ops.dot:
            half = len(args) // 2
            if len(args) == 2 and args[0].n > 1:
                return self.node("inner", tuple(args), None, max(args[0].k, args[1].k))
            args = [self.times(x, y) for x, y in zip(args[:half], args[half:], strict=True)]
        if op.arity is None and (type(op.array) is str or op is ops.dot):
            name = "add" if op is ops.dot else str(op.array)
            if len(args) == 1:
                return self.reduced(name, args[0])
            return functools.reduce(functools.partial(self.elementwise, name), args)
        if op.array is None or type(op.array) is str:
            return self.elementwise(op.array or op, *args)
        return cast("Rows", op.array(*args))  # type: ignore[operator]  # a rule

    def elementwise(self, function: str | Op, *args: Rows) -> Rows:
        """A NumPy function of Rows that broadcast, or its equal: x for 1·x, a number of numbers."""
        numbers = [arg.number for arg in args]
        if None not in numbers:
            return self.constant(at_numbers(function, numbers))
        if (found := shorter(self, function, args, numbers)) is not None:
            return found
        k, n, phase = args[0].k, args[0].n, args[0].phase
        for arg in args[1:]:  # a long formula has many nodes, and `max` takes three times as long
            k = arg.k if arg.k > k else k
            n = arg.n if arg.n > n else n
            phase = arg.phase if arg.phase > phase else phase
        return self.node(function, args, None, k, n, phase)

    def times(self, x: Rows, y: Rows) -> Rows:
        """A product."""
        return self.elementwise("multiply", x, y)

    def plus(self, x: Rows | None, y: Rows) -> Rows:
        """A sum, of which the first part may be missing yet."""
        return y if x is None else self.elementwise("add", x, y)

    def reduced(self, name: str, x: Rows, k: int | None = None) -> Rows:
        """The rows of x in k rows, n that follow each other added up (or the like) by default."""
        k = x.k if k is None else k
        return x if x.size == k else self.node(f"{name}.reduce", (x,), None, k)

    def total(self, x: Rows) -> Rows:
        """The sums over the points, of each row."""
        if x.phase == VARYING:
            return self.node("total", (x,), None, x.k, x.n, REDUCED)
        return self.times(self.node("count", phase=UNIFORM), x)

    # Taking rows

    def view(self, base: Rows, start: int, k: int, n: int = 1) -> Rows:
        """Rows of another that follow each other."""
        if start == 0 and (k, n) == (base.k, base.n):
            return base
        if base.function == "view" and base.op is None:
            base, start = base.args[0], base.detail + start
        return self.node("view", (base,), start, k, n, base.phase)

    def row(self, row: Row) -> Rows:
        """One row by itself."""
        node, i = row
        return node if node.size == 1 else self.view(node, i, 1)

    def pick(self, rows: Sequence[Row], n: int = 1, *, spread: bool = False) -> Rows:
        """Rows, in lists of n: a view if they follow each other; one if all are it."""
        base, first = rows[0]
        size = len(rows)
        if all(node is base for node, _ in rows):
            numbers = [i for _, i in rows]
            if not spread and n == 1 and numbers.count(first) == size:
                return self.row(rows[0])
            if base.number is None and numbers == list(range(first, first + size)):
                return self.view(base, first, size // n, n)
        traced = [_traced(*row) for row in rows]
        sources = tuple(dict.fromkeys([node for node, _ in traced]))
        detail = tuple([(node.index, i) for node, i in traced])
        return self.node("pick", sources, detail, size // n, n)

    def spread(self, x: Rows, size: int) -> Rows:
        """As many rows: of one, or of one for each list, copies."""
        if x.size == size:
            return x
        times = size // x.size
        return self.pick([(x, i // times) for i in range(size)], spread=True)

    def shaped(self, x: Rows, node: Rows) -> Rows:
        """All rows of x in the shape of a node, if it has as many."""
        return self.view(x, 0, node.k, node.n) if x.size == node.size and x.k != node.k else x


LEAVES = {"input", "parameters", "constants", "constant", "count"}


def _same(some: Sequence[Rows], others: Sequence[Rows]) -> bool:
    """Whether they are the same Rows; == would compute their equality."""
    return [node.index for node in some] == [node.index for node in others]


def _traced(node: Rows, i: int) -> Row:
    """Where a row is that a view shows or a pick has copied."""
    while node.op is None and node.function in ("view", "pick"):
        if node.function == "view":
            node, i = node.args[0], node.detail + i
        else:
            index, i = node.detail[i]
            node = node.graph.nodes[index]
    return node, i


def _node_of(graph: Graph, index: int) -> Rows:
    return graph.nodes[index]


def _rebuilt(lines: Sequence[Any]) -> Graph:
    graph = Graph()
    nodes = graph.nodes
    for function, args, detail, k, n, phase, op, operands in lines:
        node = Rows(graph, function, tuple([nodes[i] for i in args]), detail, k, n, phase)
        node.op, node.operands = op, tuple([nodes[i] for i in operands])
        graph.known.setdefault((function, detail, k, n, *args), node)
    graph.keep()
    return graph
