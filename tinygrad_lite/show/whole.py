"""What is shown as one step although it was recorded as several: softmax and the losses made of it.

Their arithmetic is shifted by the maximum so that nothing overflows; a reader wants what a textbook
has, p_i = exp(z_i)/Σ exp(z_k) with ∂p_i/∂z_j = p_i·(δ_ij - p_j), and a cross-entropy with
∂L/∂z = p - y. Here the nodes that `functional.py` records are recognised by their form, and each
group of them gets an operation of its own, with rules in the table's language like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .. import functional, ops
from ..op import Op, constant
from ..value import Value, topological_order
from .textbook import BINARY, cross_entropy_of, cross_entropy_to, log_softmax_at, softmax_at


class Whole(NamedTuple):
    """A node as the result of one operation: its arguments and the numbers that they had."""

    op: Op | None
    args: tuple[Value, ...]
    numbers: tuple[float, ...]


def visible(root: Value) -> list[Value]:
    """The topological order without the nodes that only serve one that is shown as a whole.

    >>> zs = [Value(1.0, "z1"), Value(2.0, "z2")]
    >>> len(topological_order(functional.softmax(zs)[0])), len(visible(functional.softmax(zs)[0]))
    (8, 3)
    """
    order = topological_order(root)
    needed = {root}
    for node in reversed(order):  # a node comes after all its users
        if node in needed:
            found = whole(node)
            needed.update(node.args if found is None else found.args)
    return [node for node in order if node in needed]


def whole(node: Value) -> Whole | None:
    """What a node is the result of, if it is the last of nodes that are shown as one."""
    find = _FINDERS.get(node.op.name) if node.op is not None else None
    return find(node) if find is not None else None


# Finding them


def _quotient(node: Value) -> Whole | None:
    """exp(z_i - m) / Σ exp(z_k - m)."""
    power, total = node.args
    if total.op is not ops.sum or (i := _index(power, total.args)) is None:
        return None
    zs = _shifted(total.args, ops.exp_difference)
    return zs and Whole(softmax_at(i, len(zs.args)), *zs[1:])


def _difference(node: Value) -> Whole | None:
    """Of log Σ exp(z_k - m) and z_i - m: a cross-entropy, or the other way round log p_i."""
    left, right = node.args
    total, part = (left, right) if left.op is functional.logsumexp else (right, left)
    if total.op is not functional.logsumexp or (i := _index(part, total.args)) is None:
        return None
    zs = _shifted(total.args, ops.sub)
    make = cross_entropy_to if total is left else log_softmax_at
    return zs and Whole(make(i, len(zs.args)), *zs[1:])


def _mixture(node: Value) -> Whole | None:
    """Σ y_k · -log p_k, without the classes whose y is the number 0."""
    count = len(node.args) // 2
    ys, logs = node.args[:count], node.args[count:]
    parts = [_difference(each) if each.op is ops.sub else None for each in logs]
    first = parts[0]
    if first is None or any(part is None or not _same(part.args, first.args) for part in parts):
        return None
    indices = [i for part in parts if part and (i := _class_of(part.op)) is not None]
    if len(indices) < count:
        return None
    numbers = node.numbers[:count]
    sums_to_1 = all(y.op is constant for y in ys) and math.isclose(math.fsum(numbers), 1.0)
    op = cross_entropy_of(tuple(indices), len(first.args), sums_to_1)
    return Whole(op, (*ys, *first.args), (*numbers, *first.numbers))


def _binary(node: Value) -> Whole | None:
    """y·softplus(-z) + (1 - y)·softplus(z)."""
    left, right = node.args
    if left.op is not ops.mul or right.op is not ops.mul:
        return None
    (y, lost), (rest, won) = left.args, right.args
    if lost.op is not ops.softplus or won.op is not ops.softplus:
        return None
    opposite, z = lost.args[0], won.args[0]
    if opposite.op is not ops.neg or opposite.args[0] is not z or not _complement(rest, y):
        return None
    return Whole(BINARY, (y, z), (left.numbers[0], won.numbers[0]))


_FINDERS: dict[str, Callable[[Value], Whole | None]] = {
    "div": _quotient,
    "sub": _difference,
    "dot": _mixture,
    "add": _binary,
}


def _complement(rest: Value, y: Value) -> bool:
    """Whether it is 1 - y."""
    if rest.op is ops.sub:
        one, other = rest.args
        return one.op is constant and one.data == 1 and other is y
    return rest.op is constant and y.op is constant and rest.data == 1 - y.data


def _shifted(nodes: Sequence[Value], op: Op) -> Whole | None:
    """The z of op(z, m) with m their maximum, for each of the nodes."""
    if any(node.op is not op for node in nodes):
        return None
    shift = nodes[0].args[1]
    if shift.op is not ops.stop_gradient or shift.args[0].op is not ops.maximum:
        return None
    zs = tuple(node.args[0] for node in nodes)
    if any(node.args[1] is not shift for node in nodes) or not _same(zs, shift.args[0].args):
        return None
    return Whole(op, zs, tuple(node.numbers[0] for node in nodes))


def _same(some: Sequence[Value], others: Sequence[Value]) -> bool:
    """Whether they are the same nodes; a number in a formula is a new constant at each use."""
    return len(some) == len(others) and all(
        x is y or (x.op is y.op is constant and x.data == y.data)
        for x, y in zip(some, others, strict=True)
    )


def _index(node: Value, among: Sequence[Value]) -> int | None:
    return next((i for i, each in enumerate(among) if each is node), None)


def _class_of(op: Op | None) -> int | None:
    """The class of a cross-entropy to one."""
    name, _, i = (op.name if op else "").rpartition("_")
    return int(i) if name == "cross_entropy" else None
