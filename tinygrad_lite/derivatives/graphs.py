"""Derivatives as graphs: the walk back from each output, and the walk forth from each input.

Both run the rules of the table on nodes that are simplified as they are recorded, so that what they
give can be differentiated again.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..op import Op, Operand, constant
from ..ops import add, maximum, neg, not_equal, where
from ..support.checks import number
from ..support.over_arrays import by_ieee
from ..support.simplify import BUT_FOR_SIGN_OF_ZERO, simpler
from ..value import Value, constant_of, node_of, topological_order

Node = Value | float
"""A node, or a number that depends on none."""
Memo = dict[Any, Value]
"""The nodes that are there, by operation and arguments."""


class Simplified(Operand):
    """A Value, or a number that depends on none, on which rules record with simplification."""

    __slots__ = ("memo", "node")

    def __init__(self, node: Node, memo: Memo) -> None:
        self.node = node
        self.memo = memo

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Simplified:
        """The simplified node of `op`, or the number."""
        nodes, memo = _nodes_of(args)
        return cls(record(op, nodes, memo), memo)


class Tangent(Simplified):
    """A term on its way forth, and the condition under which choices have let it pass.

    On the way back a choice hands exactly 0 to what it did not choose, whatever comes from above
    it. On the way forth this 0 is there before the partials above, and 0 times an infinite one is
    nan: so it has to be known for what it is. Rules are linear in t: sums, multiples and choices of
    tangents.
    """

    __slots__ = ("passes",)
    rank = 2

    def __init__(self, node: Node, memo: Memo, passes: Node = 1.0) -> None:
        super().__init__(node, memo)
        self.passes = passes

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Tangent:
        """The simplified node of `op`, 0 where no tangent among `args` passes."""
        nodes, memo = _nodes_of(args)
        node = record(op, nodes, memo)
        if op is where:
            chosen = [_passes(arg, memo) for arg in args[1:]]
            return cls(node, memo, record(where, [nodes[0], *chosen], memo))
        passes = _either([arg.passes for arg in args if isinstance(arg, Tangent)], memo)
        return cls(record(where, [passes, node, 0.0], memo), memo, passes)


def _passes(arg: Any, memo: Memo) -> Node:
    """The condition of a tangent; what a choice has in the place of one passes unless it is 0."""
    return arg.passes if isinstance(arg, Tangent) else record(not_equal, [node_in(arg), 0.0], memo)


def _either(conditions: Sequence[Node], memo: Memo) -> Node:
    if any(not isinstance(each, Value) and each for each in conditions):
        return 1.0
    nodes = list(dict.fromkeys(each for each in conditions if isinstance(each, Value)))
    if len(nodes) < 2:
        return nodes[0] if nodes else 0.0
    return record(maximum, nodes, memo)


def node_in(arg: Any) -> Node:
    """What a Simplified holds, or the number that a rule wrote."""
    return arg.node if isinstance(arg, Simplified) else number(arg)


def _nodes_of(args: Sequence[Any]) -> tuple[list[Node], Memo]:
    """What is in each, and the memo that they share; of these there are thousands."""
    nodes = []
    for arg in args:
        if isinstance(arg, Simplified):
            nodes.append(arg.node)
            memo = arg.memo
        else:
            nodes.append(number(arg))
    return nodes, memo


def key_of(op: Op | None, args: Sequence[Any]) -> tuple[Any, ...]:
    """What makes one record of an operation the same as another; `repr` tells -0.0 from 0.0.

    Operands are known by their `id`, not their hash, which that of `vectorize` refuses: what is
    kept under the key holds them.
    """
    return op, *[id(arg) if isinstance(arg, Operand) else repr(arg) for arg in args]


def record(op: Op, args: Sequence[Node], memo: Memo) -> Node:
    """`op` at nodes: what it simplifies to, else the node that is there, else a new one."""
    constants = [None if isinstance(arg, Value) else arg for arg in args]
    if None not in constants:
        return by_ieee(op, constants)  # type: ignore[arg-type]
    match simpler(op, constants, BUT_FOR_SIGN_OF_ZERO):
        case "same", i:
            return args[i]
        case "neg", i:
            return record(neg, [args[i]], memo)
        case float() as result:
            return result
    if op is neg and args[0].op is neg:  # type: ignore[union-attr]
        return args[0].args[0]  # type: ignore[union-attr]
    key = key_of(op, args)
    if key not in memo:
        nodes = [arg if isinstance(arg, Value) else constant_of(arg) for arg in args]
        numbers = [node.data for node in nodes]
        memo[key] = node_of(by_ieee(op, numbers), op, nodes, numbers)
    return memo[key]


# The walks


class Subgraph(NamedTuple):
    """What is below some outputs, in topological order, and what of it depends on some inputs."""

    order: list[Value]
    depends: set[Value]
    memo: Memo


def subgraph_of(
    name: str, outputs: Sequence[Value], inputs: Sequence[Value], memo: Memo
) -> Subgraph:
    """The graph below `outputs`, if it is as it was recorded; its nodes go into `memo`."""
    order = topological_order(*outputs)
    depends = set(inputs)
    for node in order:
        if node.args:
            _check_unchanged(name, node)
            memo.setdefault(key_of(node.op, list(map(_folded, node.args))), node)
            if not depends.isdisjoint(node.args):
                depends.add(node)
    return Subgraph(order, depends, memo)


def _check_unchanged(name: str, node: Value) -> None:
    for arg, x in zip(node.args, node.numbers, strict=True):
        if not (arg.data is x or arg.data == x or x != x):
            which = repr(arg.label) if arg.label else "an argument"
            was = f"{which} was {x!r} when the graph was recorded and is {arg.data!r}"
            raise ValueError(f"{name}: {was}; record it again")


def _folded(node: Value) -> Node:
    return node.data if node.op is constant else node


def back(graph: Subgraph, output: Value, end: int) -> dict[Value, Node]:
    """∂output/∂node for each node it depends on; it is before position `end` of the order."""
    memo, depends = graph.memo, graph.depends
    adjoints: dict[Value, Node] = {output: 1.0}
    for node in reversed(graph.order[:end]):
        if node not in adjoints or node not in depends:
            continue
        args = node.args
        wanted = [arg in depends for arg in args]
        if True in wanted:
            t, out = Simplified(adjoints[node], memo), Simplified(node, memo)
            operands = [Simplified(_folded(arg), memo) for arg in args]
            found = node.op.terms(t, out, operands, wanted)  # type: ignore[union-attr]
            _add_terms(adjoints, args, found, memo)
    return adjoints


def _add_terms(
    sums: dict[Value, Node], nodes: Sequence[Value], found: Sequence[Any], memo: Memo
) -> None:
    for node, term in zip(nodes, found, strict=True):
        if term is not None:
            x = node_in(term)
            sums[node] = record(add, [sums[node], x], memo) if node in sums else x


def forth(graph: Subgraph, start: Value) -> dict[Value, Node]:
    """∂node/∂start for each node of the graph that depends on it."""
    memo = graph.memo
    tangents: dict[Value, Any] = {start: Tangent(1.0, memo)}
    for node in graph.order:
        if node is start or node not in graph.depends or tangents.keys().isdisjoint(node.args):
            continue
        changes = [tangents.get(arg) for arg in node.args]
        out, args = Simplified(node, memo), [Simplified(_folded(arg), memo) for arg in node.args]
        found = list(changes_of(node.op, changes, out, args))  # type: ignore[arg-type]
        if found:
            tangents[node] = functools.reduce(add, found)
    return {node: node_in(tangent) for node, tangent in tangents.items()}


def changes_of(op: Op, changes: Sequence[Any], out: Any, args: Sequence[Any]) -> Iterator[Any]:
    """The terms of a change of `out`: one for each argument that changes and has a derivative."""
    wanted = [change is not None for change in changes]
    if op.arity is None and op.term_rules is None:  # one rule gives all partials: it is run once
        for change, partial in zip(changes, op.differentiate(out, args, wanted), strict=True):
            if partial is not None:
                yield change * partial
        return
    for i, change in enumerate(changes):
        if change is not None:
            alone = [j == i for j in range(len(args))]
            term = op.terms(change, out, args, alone)[i]
            if term is not None:
                yield term


def gradients(
    name: str, outputs: Sequence[Value], inputs: list[Value], memo: Memo
) -> list[list[Value]]:
    """The derivatives of each output: walks back, or forth where there are fewer inputs."""
    graph = subgraph_of(name, outputs, inputs, memo)
    recorded = set(graph.order)
    if len(inputs) < len(outputs):
        columns = [forth(graph, x) for x in inputs]
        return [
            [_result(each.get(output, 0.0), recorded) for each in columns] for output in outputs
        ]
    place = {node: i for i, node in enumerate(graph.order)}
    adjoints = (back(graph, output, place[output] + 1) for output in outputs)
    return [[_result(each.get(x, 0.0), recorded) for x in inputs] for each in adjoints]


def _result(derivative: Node, recorded: set[Value]) -> Value:
    """A node of its own: the derivative of x·y is y, but naming it must not rename y."""
    if not isinstance(derivative, Value):
        return constant_of(derivative)
    return 1.0 * derivative if derivative in recorded else derivative
