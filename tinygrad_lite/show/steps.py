"""Both passes over a graph as plain data: what `explain` writes out and `explore` walks through.

What they say is the graph as it was recorded: a leaf whose `data` was changed since has the number
that its users saw.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ..op import Op, constant
from ..value import Value, topological_order
from .naming import names
from .whole import Whole, visible, whole


class Arg(NamedTuple):
    """An edge of the graph, as the operation saw it; `partial` is None if no derivative flows."""

    index: int  # type: ignore[assignment]  # tuple has a method of that name
    name: str
    number: float
    partial: float | None
    constant: bool


class Forward(NamedTuple):
    """The computation of one node: c = a + b = 2 + 1 = 3.

    `index` is its place in `visible(root)`.
    """

    index: int  # type: ignore[assignment]  # tuple has a method of that name
    name: str
    value: float
    op: Op | None
    args: tuple[Arg, ...]


class Term(NamedTuple):
    """What one user of a node adds to its adjoint: ∂root/∂user · ∂user/∂node.

    `partials` has one entry for each edge from the node to this user (two in x·x); `partial` is
    their sum. `product` is the term itself; the product of the two but where an operation chooses:
    what it did not choose gets 0, whatever the adjoint is.
    """

    user: int
    name: str
    adjoint: float
    partials: tuple[float, ...]
    product: float

    @property
    def partial(self) -> float:
        """∂user/∂node."""
        return sum(self.partials[1:], self.partials[0])


class Backward(NamedTuple):
    """The derivative of the root with respect to one node, and the terms that it is the sum of."""

    index: int  # type: ignore[assignment]  # tuple has a method of that name
    name: str
    adjoint: float
    terms: tuple[Term, ...]


def steps(root: Value) -> list[Forward | Backward]:
    """The forward pass in topological order, then the backward pass in reverse.

    Constants take part in neither; softmax and the losses made of it are one step each. The
    backward pass is in pull form, one step a node with all its terms, and touches no `grad`:
    `adjoint` is what `root.backward()` would write there, to the last bit, or where a softmax is
    one step to rounding.

    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> e = ((a + b).named("c") * (b + 1).named("d")).named("e")
    >>> [step.name for step in steps(e)]
    ['a', 'b', 'c', 'd', 'e', 'e', 'd', 'c', 'b', 'a']
    >>> [(term.name, term.adjoint, term.partial) for term in steps(e)[8].terms]
    [('c', 2.0, 1.0), ('d', 3.0, 1.0)]

    Raises TypeError if the root is not a Value.
    """
    check_root("steps", root)
    every = forward(visible(root))
    shown = [step for step in every if step.op is not constant or step is every[-1]]
    return [*shown, *backward(shown)]


def check_root(asked: str, root: object) -> None:
    """Raise TypeError if it is not a Value."""
    if not isinstance(root, Value):
        raise TypeError(f"{asked}: expected a Value, got {type(root).__name__}")


def forward(order: Sequence[Value]) -> list[Forward]:
    """The step of each node of `visible(root)`, constants too; or of a whole topological order."""
    name = names(order)
    place = {node: i for i, node in enumerate(order)}
    recorded = _recorded(order[-1])
    found = []
    for i, node in enumerate(order):
        op, nodes, numbers = _seen(node, place)
        value = recorded.get(node, node.data)
        wanted = [arg.op is not constant for arg in nodes]
        partials = _terms(op, 1.0, value, numbers, wanted)
        args = (
            Arg(place[arg], name[arg], number, partial, arg.op is constant)
            for arg, number, partial in zip(nodes, numbers, partials, strict=True)
        )
        found.append(Forward(i, name[node], value, op, tuple(args)))
    return found


def _recorded(root: Value) -> dict[Value, float]:
    """The number that each node had when its first user was recorded."""
    found: dict[Value, float] = {}
    for node in topological_order(root):
        for arg, number in zip(node.args, node.numbers, strict=True):
            found.setdefault(arg, number)
    return found


def _seen(node: Value, among: Collection[Value]) -> Whole:
    """What a node is computed from; as a whole where what it was recorded from is not shown."""
    if any(arg not in among for arg in node.args) and (found := whole(node)) is not None:
        return found
    return Whole(node.op, node.args, node.numbers)


def _terms(
    op: Op | None, t: float, out: float, args: Sequence[float], wanted: Sequence[bool]
) -> list[float | None]:
    """As `Value.terms`: t·∂out/∂arg for each argument."""
    if op is None or not args:
        return []
    return op.terms_at_floats(t, out, args, wanted)


def backward(forward: Sequence[Forward]) -> list[Backward]:
    """The step of each node on the way back, from the last one on.

    No `grad` is read or written: explanations and pictures are right before `backward`, and after
    two.
    """
    root = forward[-1].index
    terms: dict[int, list[Term]] = {step.index: [] for step in forward}
    adjoints = dict.fromkeys(terms, 0.0) | {root: 1.0}
    found = []
    for step in reversed(forward):  # each after all its users, whose terms are complete by then
        adjoint = adjoints[step.index]
        mine = tuple(reversed(terms[step.index]))
        found.append(Backward(step.index, step.name, adjoint, mine))
        if not mine and step.index != root:
            continue  # nothing to hand on: 0 times an infinite partial is nan
        wanted = [arg.partial is not None for arg in step.args]
        numbers = [arg.number for arg in step.args]
        products = _terms(step.op, adjoint, step.value, numbers, wanted)
        edges: dict[int, list[tuple[float, float]]] = {}
        for arg, product in zip(step.args, products, strict=True):
            if product is not None and arg.partial is not None and arg.index in terms:
                adjoints[arg.index] += product
                edges.setdefault(arg.index, []).append((arg.partial, product))
        for index, each in edges.items():
            partials, parts = zip(*each, strict=True)
            term = Term(step.index, step.name, adjoint, partials, sum(parts[1:], parts[0]))
            terms[index].append(term)
    return found


def adjoints(forward: Sequence[Forward]) -> list[float]:
    """The derivative of the last node with respect to each, in their order.

    >>> x = Value(3.0, "x")
    >>> adjoints(forward(topological_order(x * x)))
    [6.0, 1.0]
    """
    return [step.adjoint for step in reversed(backward(forward))]


def reached(forward: Iterable[Forward], among: Collection[int]) -> dict[int, int]:
    """For each node the nodes `among` that a derivative flows to from it, as the bits of an int."""
    found: dict[int, int] = {}
    for step in forward:
        flows = [found[arg.index] for arg in step.args if arg.partial is not None]
        mine = (step.index in among) << step.index
        found[step.index] = functools.reduce(int.__or__, flows, mine)
    return found


def held(step: Forward, node: int, reached: Mapping[int, int]) -> list[str]:
    """The names of the other arguments that depend on the node.

    That is c in (∂e/∂b)|_c, where e uses b directly and by c.
    """
    others = {arg.index: arg.name for arg in step.args if arg.partial is not None}
    return [name for i, name in others.items() if i != node and reached[i] >> node & 1]
