"""Both passes over a graph as plain data: what `explain` writes out and `explore` walks through."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Collection, Iterable, Mapping, Sequence

from ..op import Op, constant
from ..value import Value, topological_order
from .naming import names


class Arg(namedtuple("Arg", ("index", "name", "number", "partial", "constant"))):
    """An edge of the graph, as the operation saw it; `partial` is None where no derivative flows."""

    __slots__ = ()
    index: int
    name: str
    number: float
    partial: float | None
    constant: bool


class Forward(namedtuple("Forward", ("index", "name", "value", "op", "args"))):
    """The computation of one node: c = a + b = 2 + 1 = 3. `index` is its place in the topological order."""

    __slots__ = ()
    index: int
    name: str
    value: float
    op: Op | None
    args: tuple[Arg, ...]


class Term(namedtuple("Term", ("user", "name", "adjoint", "partials"))):
    """What one user of a node adds to its adjoint: ∂root/∂user · ∂user/∂node.

    `partials` has one entry for each edge from the node to this user (two in x·x); `partial` is their sum.
    """

    __slots__ = ()
    user: int
    name: str
    adjoint: float
    partials: tuple[float, ...]

    @property
    def partial(self) -> float:
        """∂user/∂node."""
        return sum(self.partials[1:], self.partials[0])

    @property
    def product(self) -> float:
        """The term itself: adjoint times partial."""
        return self.adjoint * self.partial


class Backward(namedtuple("Backward", ("index", "name", "adjoint", "terms"))):
    """The derivative of the root with respect to one node, and the terms that it is the sum of."""

    __slots__ = ()
    index: int
    name: str
    adjoint: float
    terms: tuple[Term, ...]


def steps(root: Value) -> list[Forward | Backward]:
    """The forward pass in topological order, then the backward pass in reverse; constants take part in neither.

    The backward pass is in pull form, one step a node with all its terms, and touches no `grad`: `adjoint` is what
    `root.backward()` would write there, to the last bit.

    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> e = ((a + b).named("c") * (b + 1).named("d")).named("e")
    >>> [step.name for step in steps(e)]
    ['a', 'b', 'c', 'd', 'e', 'e', 'd', 'c', 'b', 'a']
    >>> [(term.name, term.adjoint, term.partial) for term in steps(e)[8].terms]
    [('c', 2.0, 1.0), ('d', 3.0, 1.0)]

    Raises TypeError if the root is not a Value.
    """
    if not isinstance(root, Value):
        raise TypeError(f"steps: expected a Value, got {type(root).__name__}")
    every = forward(topological_order(root))
    taken = [step for step in every if step.op is not constant or step is every[-1]]
    return [*taken, *_backward(taken, adjoints(every))]


def forward(order: Sequence[Value]) -> list[Forward]:
    """The step of each node of a topological order, constants too."""
    name, place = names(order), {node: i for i, node in enumerate(order)}
    return [
        Forward(i, name[node], node.data, node.op, tuple(
            Arg(place[arg], name[arg], number, partial, arg.op is constant)
            for arg, number, partial in zip(node.args, node.numbers, node.partials(), strict=True)
        ))
        for i, node in enumerate(order)
    ]  # fmt: skip


def adjoints(forward: Sequence[Forward]) -> list[float]:
    """The derivative of the last node with respect to each, in the sums of `Value.backward`.

    No `grad` is read or written: explanations and pictures are right before `backward`, and after two.
    """
    found: dict[int, float] = {forward[-1].index: 1.0}
    for step in reversed(forward):
        if step.index in found and step.args:
            for arg, term in zip(step.args, terms(step, found[step.index]), strict=True):
                if term is not None:
                    found[arg.index] = found.get(arg.index, 0.0) + term
    return [found.get(step.index, 0.0) for step in forward]


def terms(step: Forward, adjoint: float) -> list[float | None]:
    """What a node adds to the adjoint of each of its arguments."""
    op = step.op
    assert op is not None  # noqa: S101  # it has arguments
    numbers = [arg.number for arg in step.args]
    wanted = [arg.partial is not None for arg in step.args]
    try:
        return op.terms(adjoint, step.value, numbers, wanted)
    except (ArithmeticError, ValueError):
        return op.terms_ieee(adjoint, step.value, numbers, wanted)


def reached(forward: Iterable[Forward], among: Collection[int]) -> dict[int, int]:
    """For each node the nodes `among` that a derivative flows to from it, as the bits of an int."""
    found: dict[int, int] = {}
    for step in forward:
        flows = [found[arg.index] for arg in step.args if arg.partial is not None]
        found[step.index] = functools.reduce(int.__or__, flows, (step.index in among) << step.index)
    return found


def held(step: Forward, node: int, reached: Mapping[int, int]) -> list[str]:
    """The names of the other arguments that depend on the node: c in (∂e/∂b)|_c, where e uses b directly and by c."""
    others = {arg.index: arg.name for arg in step.args if arg.partial is not None and arg.index != node}
    return [name for i, name in others.items() if reached[i] >> node & 1]


def _backward(forward: Sequence[Forward], adjoints: Sequence[float]) -> list[Backward]:
    terms: dict[int, list[Term]] = {step.index: [] for step in forward}
    found = []
    for step in reversed(forward):  # each node after all its users, whose terms are therefore complete
        adjoint = adjoints[step.index]
        found.append(Backward(step.index, step.name, adjoint, tuple(reversed(terms[step.index]))))
        partials: dict[int, list[float]] = {}
        for arg in step.args:
            if arg.partial is not None:
                partials.setdefault(arg.index, []).append(arg.partial)
        for index, each in partials.items():
            terms[index].append(Term(step.index, step.name, adjoint, tuple(each)))
    return found
