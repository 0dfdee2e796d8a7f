"""A recorded graph as lists, and its sums that are rows of one matrix product."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .. import ops
from ..op import constant
from ..value import Value
from .rows import LIST, UNIFORM, VARYING

NUMBER = -1
"""The kind of a number written in a formula, beside UNIFORM and VARYING."""


MATMUL = "matmul"
"""In place of an operation: a row of a matrix product. Its arguments: weights, then as many xs."""


class Scalars:
    """A graph of scalars, the same once: of each the operation, arguments, data and kind."""

    def __init__(self, nodes: Sequence[Value], inputs: set[Value]) -> None:
        self.leaves = [node for node in nodes if node.op is None]
        """They come first."""
        self.numbers = {leaf: i for i, leaf in enumerate(self.leaves)}
        self.ops: list[Any] = [None] * len(self.leaves)
        self.args: list[Sequence[int]] = [()] * len(self.leaves)
        self.data = [leaf.data for leaf in self.leaves]
        self.kinds = [VARYING if leaf in inputs else UNIFORM for leaf in self.leaves]
        known: dict[Any, int] = {}
        for node in nodes:
            if node.op is not None:
                args = tuple([self.numbers[arg] for arg in node.args])
                key = (node.op, args) if args else node.data.hex()
                if key not in known:
                    kind = max([UNIFORM if args else NUMBER, *[self.kinds[arg] for arg in args]])
                    known[key] = self.add(node.op, args, node.data, kind)
                self.numbers[node] = known[key]
        self.order = [*range(len(self.ops))]
        """All that is to be computed, arguments first."""

    def __str__(self) -> str:
        return "\n".join(
            f"{i} = {self.ops[i]}{tuple(self.args[i])}" for i in self.order if self.args[i]
        )

    def is_parameter(self, i: int) -> bool:
        """Whether it is a leaf that is no input."""
        return i < len(self.leaves) and self.kinds[i] == UNIFORM

    def add(self, op: Any, args: Sequence[int], data: float, kind: int) -> int:
        """The number of one more."""
        self.ops.append(op)
        self.args.append(args)
        self.data.append(data)
        self.kinds.append(kind)
        return len(self.ops) - 1


class _Sum(NamedTuple):
    """A sum taken apart: products of something uniform and something varying, and other terms."""

    weights: list[int]
    xs: list[int]
    rest: list[int]
    inside: list[int]
    """The operations that need not be done: sums and products within."""


def with_products(scalars: Scalars, outputs: Iterable[int]) -> None:
    """Make sums of products rows of matrix products, and other long sums one sum."""
    sums = _sums(scalars, outputs)
    together: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for root in sums:
        together[tuple(sums[root].xs)].append(root)
    before: dict[int, int] = {}
    done: set[int] = set()
    for xs, roots in together.items():
        if xs and len(xs) * len(roots) < LIST // 2:
            continue
        for root in roots:
            weights, _, rest, inside = sums[root]
            done.update(inside)
            product = MATMUL, (*weights, *xs)
            if xs and rest:
                before[root] = row = scalars.add(*product, 0.0, VARYING)
                rest = [row, *rest]
            scalars.ops[root], scalars.args[root] = (ops.sum, rest) if rest else product
    scalars.order = [
        i
        for root in scalars.order
        if root not in done
        for i in ((before[root], root) if root in before else (root,))
    ]


def _sums(scalars: Scalars, outputs: Iterable[int]) -> dict[int, _Sum]:
    """The sums that are worth an operation of their own, by their roots."""
    uses = Counter(itertools.chain.from_iterable(scalars.args))
    uses.update([*outputs] * 2)
    one = scalars.add(constant, (), 1.0, NUMBER)
    passed: set[int] = set()
    found: dict[int, _Sum] = {}
    for root in reversed(scalars.order):
        op = scalars.ops[root]
        if root in passed or not (op is ops.add or op is ops.sum or op is ops.dot):
            continue
        weights, xs, rest, inside = each = _taken_apart(scalars, root, uses)
        passed.update(inside)
        if xs:
            uniform = [i for i in rest if scalars.kinds[i] != VARYING]
            if len(uniform) == 1:  # then it is one more weight, of a row of ones
                weights.append(uniform[0])
                xs.append(one)
                rest.remove(uniform[0])
        elif len(rest) < LIST or op is ops.dot:
            continue
        found[root] = each
    return found


def _taken_apart(scalars: Scalars, root: int, uses: Counter[int]) -> _Sum:
    weights, xs, rest, inside, factors = [], [], [], [], []
    stack = [root]
    while stack:
        i = stack.pop()
        op = scalars.ops[i]
        if i != root and uses[i] > 1:
            rest.append(i)
        elif op is ops.add or op is ops.sum:
            inside.append(i)
            stack += scalars.args[i][::-1]
        elif pairs := _pairs(scalars, i):
            factors.append(i)
            weights += [w for w, _ in pairs]
            xs += [x for _, x in pairs]
        else:
            rest.append(i)
    if len(xs) < 2:
        weights, xs, rest, factors = [], [], rest + factors, []
    return _Sum(weights, xs, rest, [i for i in inside + factors if i != root])


def _pairs(scalars: Scalars, i: int) -> list[tuple[int, int]]:
    """The products that a `mul` or a `dot` adds up, if each is of a uniform and a varying one."""
    if scalars.ops[i] is not ops.mul and scalars.ops[i] is not ops.dot:
        return []
    args, kinds = scalars.args[i], scalars.kinds
    pairs = [*zip(args[: len(args) // 2], args[len(args) // 2 :], strict=True)]
    if any((kinds[w] == VARYING) == (kinds[x] == VARYING) for w, x in pairs):
        return []
    return [(x, w) if kinds[w] == VARYING else (w, x) for w, x in pairs]
