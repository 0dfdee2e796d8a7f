"""Both passes over a graph as plain data: what `explain` writes out and `explore` walks through."""

from __future__ import annotations

from .naming import names
from .op import Op, constant
from .value import Value, topological_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

    Partials = Mapping[Value, Sequence[float | None]]


class Record:
    """Plain data: the fields in order, equal if they are equal, not to be changed. (A NamedTuple without `typing`.)"""

    __slots__ = ()
    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *fields: Any) -> None:
        for name, field in zip(self.fields, fields, strict=True):
            object.__setattr__(self, name, field)

    def __setattr__(self, name: str, field: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is plain data, not to be changed")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.fields)})"


class Arg(Record):
    """An edge of the graph, as the operation saw it; `partial` is None where no derivative flows."""

    fields = __slots__ = ("index", "name", "number", "partial", "constant")
    index: int
    name: str
    number: float
    partial: float | None
    constant: bool


class Forward(Record):
    """The computation of one node: c = a + b = 2 + 1 = 3. `index` is its place in the topological order."""

    fields = __slots__ = ("index", "name", "value", "op", "args")
    index: int
    name: str
    value: float
    op: Op | None
    args: tuple[Arg, ...]


class Term(Record):
    """What one user of a node adds to its adjoint: ∂root/∂user · ∂user/∂node.

    `partials` has one entry for each edge from the node to this user (two in x·x); `partial` is their sum.
    """

    fields = __slots__ = ("user", "name", "adjoint", "partials")
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


class Backward(Record):
    """The derivative of the root with respect to one node, and the terms that it is the sum of."""

    fields = __slots__ = ("index", "name", "adjoint", "terms")
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
    order = topological_order(root)
    partials = {node: node.partials() for node in order}
    forward = _forward(order, partials)
    taken = [step for step in forward if step.op is not constant or step is forward[-1]]
    return [*taken, *_backward(taken, list(adjoints(order, partials).values()))]


def adjoints(order: Sequence[Value], partials: Partials | None = None) -> dict[Value, float]:
    """The derivative of the last node of a topological order with respect to each, in the sums of `Value.backward`.

    `partials` are those of each node, if they are known already.
    No `grad` is read or written: explanations and pictures are right before `backward`, and after two.
    """
    found = dict.fromkeys(order, 0.0)
    found[order[-1]] = 1.0
    for node in reversed(order):
        for arg, partial in zip(node.args, partials[node] if partials else node.partials(), strict=True):
            if partial is not None:
                found[arg] += found[node] * partial
    return found


def _forward(order: Sequence[Value], partials: Partials) -> list[Forward]:
    name, place = names(order), {node: i for i, node in enumerate(order)}
    return [
        Forward(i, name[node], node.data, node.op, tuple(
            Arg(place[arg], name[arg], number, partial, arg.op is constant)
            for arg, number, partial in zip(node.args, node.numbers, partials[node], strict=True)
        ))
        for i, node in enumerate(order)
    ]  # fmt: skip


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
