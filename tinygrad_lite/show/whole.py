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
    find = _FINDERS.get(node.op)
    return find(node) if find is not None else None


# Finding them


class _Share(NamedTuple):
    """The place of a part among those of all z, which are shifted by their maximum."""

    i: int
    zs: tuple[Value, ...]
    numbers: tuple[float, ...]


def _share(part: Value, parts: Sequence[Value], op: Op) -> _Share | None:
    """Where a part is among op(z_k, m) for each z_k, with m the maximum of them."""
    places = [i for i, each in enumerate(parts) if each is part]
    if not places or any(each.op is not op for each in parts):
        return None
    shift = part.args[1]
    if shift.op is not ops.stop_gradient or shift.args[0].op is not ops.maximum:
        return None
    zs = tuple(each.args[0] for each in parts)
    if any(each.args[1] is not shift for each in parts) or not _same(zs, shift.args[0].args):
        return None
    return _Share(places[0], zs, tuple(each.numbers[0] for each in parts))


def _quotient(node: Value) -> Whole | None:
    """exp(z_i - m) / Σ exp(z_k - m)."""
    power, total = node.args
    found = _share(power, total.args, ops.exp_difference) if total.op is ops.sum else None
    return found and Whole(softmax_at(found.i, len(found.zs)), found.zs, found.numbers)


def _logarithm(total: Value, part: Value) -> _Share | None:
    """Of log Σ exp(z_k - m) and z_i - m."""
    return _share(part, total.args, ops.sub) if total.op is functional.logsumexp else None


def _difference(node: Value) -> Whole | None:
    """A cross-entropy, or the other way round log p_i."""
    left, right = node.args
    make, found = cross_entropy_to, _logarithm(left, right)
    if found is None:
        make, found = log_softmax_at, _logarithm(right, left)
    return found and Whole(make(found.i, len(found.zs)), found.zs, found.numbers)


def _mixture(node: Value) -> Whole | None:
    """Σ y_k · -log p_k, without the classes whose y is the number 0."""
    count = len(node.args) // 2
    ys, logs = node.args[:count], node.args[count:]
    found = [_logarithm(*each.args) for each in logs if each.op is ops.sub]
    shares = [each for each in found if each and found[0] and _same(each.zs, found[0].zs)]
    if len(shares) < count:
        return None
    (_, zs, numbers), *_ = shares
    weights = node.numbers[:count]
    sums_to_1 = all(y.op is constant for y in ys) and math.isclose(math.fsum(weights), 1.0)
    op = cross_entropy_of(tuple(each.i for each in shares), len(zs), sums_to_1)
    return Whole(op, (*ys, *zs), (*weights, *numbers))


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


_FINDERS: dict[Op | None, Callable[[Value], Whole | None]] = {
    ops.div: _quotient,
    ops.sub: _difference,
    ops.dot: _mixture,
    ops.add: _binary,
}


def _complement(rest: Value, y: Value) -> bool:
    """Whether it is 1 - y."""
    if rest.op is ops.sub:
        one, other = rest.args
        return one.op is constant and one.data == 1 and other is y
    return rest.op is constant and y.op is constant and rest.data == 1 - y.data


def _same(some: Sequence[Value], others: Sequence[Value]) -> bool:
    """Whether they are the same nodes; a number in a formula is a new constant at each use."""
    return len(some) == len(others) and all(
        x is y or (x.op is y.op is constant and x.data == y.data)
        for x, y in zip(some, others, strict=True)
    )
