"""From Values to a `Trace`; sums of products that are matrix products are found, however they were written."""

from __future__ import annotations

import functools
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from .. import ops
from ..op import constant
from ..value import Value, node_of, topological_order
from .tape import LIST, UNIFORM, VARYING, Trace, uncollected


@uncollected()
def flattened(
    trace: Trace, outputs: Sequence[Value], inputs: Sequence[Sequence[Value]], lists: Sequence[bool]
) -> tuple[dict[Value, int], list[Value]]:
    """Write the graph down: the item of each Value, and the parameters in the order of their positions."""
    order = topological_order(*outputs)
    varying = dependents(order, {value for group in inputs for value in group})
    sums = _Sums(order, varying, outputs)
    items = {ONE: trace.item(trace.tape.constant(1.0))}
    for i, (group, is_list) in enumerate(zip(inputs, lists, strict=True)):
        for j, value in enumerate(group):
            items[value] = trace.item(trace.tape.add("input", (), (i, j if is_list else None), VARYING))
    leaves = [w for product in sums.products.values() for w in product.weights] + order
    parameters = [leaf for leaf in dict.fromkeys(leaves) if leaf.op is None and leaf not in items]
    for i, parameter in enumerate(parameters):
        items[parameter] = trace.item(trace.tape.add("parameters", (), i, UNIFORM))
    for node in sorted(order, key=varying.__contains__):  # what is uniform comes first: the weights of a product
        if node not in items and node not in sums.inside:
            items[node] = _item(trace, node, items, sums)
    return items, parameters


def _item(trace: Trace, node: Value, items: dict[Value, int], sums: _Sums) -> int:
    if node.op is constant:
        return trace.item(trace.tape.constant(node.data))
    found = sums.found.get(node)
    if found is None:
        return trace.apply(node.op, tuple([items[arg] for arg in node.args]))  # type: ignore[arg-type]
    terms = [items[term] for term in found.rest]
    if found.products:
        product = sums.products[found.xs]
        if not product.outs:
            product.outs = trace.matmul([items[w] for w in product.weights], [items[x] for x in found.xs])
        terms.append(product.outs[product.roots[node]])
    if len(terms) >= LIST:
        return trace.apply(ops.sum, tuple(terms))
    return functools.reduce(lambda x, y: trace.apply(ops.add, (x, y)), terms)


def dependents(order: Iterable[Value], inputs: set[Value]) -> set[Value]:
    """The inputs, and the nodes of a topological order that depend on them."""
    found = set(inputs)
    for node in order:
        if node.op is not None and not found.isdisjoint(node.args):
            found.add(node)
    return found


ONE = node_of(1.0, constant, (), ())
"""What the bias among the terms of a sum is multiplied by: then it is one more weight of a matrix product."""


class _Sum:
    """A sum taken apart: products of something uniform and something varying, and other terms."""

    def __init__(self, root: Value, varying: set[Value], uses: dict[Value, int]) -> None:
        self.products: list[tuple[Value, Value]] = []
        self.sources: list[Value] = []
        self.rest: list[Value] = []
        self.inside: list[Value] = []
        self.bias: list[Value] = []
        stack = [root]
        while stack:
            node = stack.pop()
            if node is not root and uses[node] > 1:
                self.rest.append(node)
            elif node.op is ops.add or node.op is ops.sum:
                self.inside.append(node)
                stack += reversed(node.args)
            elif (pairs := _uniform_first(node, varying)) is not None:
                self.products += pairs
                self.sources.append(node)
            else:
                self.rest.append(node)
        if len(self.products) == 1:
            self.without_products()
        uniform = [term for term in self.rest if term not in varying]
        if self.products and len(uniform) == 1:
            self.bias, self.rest = uniform, [term for term in self.rest if term in varying]
            self.products.append((uniform[0], ONE))
        self.xs = tuple(x for _, x in self.products)

    def without_products(self) -> None:
        """Let the products be ordinary terms."""
        self.rest += self.sources + self.bias
        self.products, self.sources, self.bias = [], [], []


def _uniform_first(node: Value, varying: set[Value]) -> list[tuple[Value, Value]] | None:
    """The products that a `mul` or a `dot` adds up, if each is of something uniform and something varying."""
    if node.op is not ops.mul and node.op is not ops.dot:
        return None
    args = node.args
    pairs = list(zip(args[: len(args) // 2], args[len(args) // 2 :], strict=True))
    if any((w in varying) == (x in varying) for w, x in pairs):
        return None
    return [(x, w) if w in varying else (w, x) for w, x in pairs]


class _Product:
    """W @ x: the sums of products that share the list x, and which row of W each is."""

    def __init__(self) -> None:
        self.roots: dict[Value, int] = {}
        self.weights: list[Value] = []
        self.outs: tuple[int, ...] = ()


class _Sums:
    """The sums of a graph that are worth being one instruction: long ones, and rows of a matrix product."""

    def __init__(self, order: Sequence[Value], varying: set[Value], outputs: Sequence[Value]) -> None:
        uses = Counter(itertools.chain(outputs, outputs, itertools.chain.from_iterable([node.args for node in order])))
        found: dict[Value, _Sum] = {}
        passed: set[Value] = set()
        for node in reversed(order):
            if node not in passed and (node.op is ops.add or node.op is ops.sum or node.op is ops.dot):
                found[node] = _Sum(node, varying, uses)
                passed.update(found[node].inside, found[node].sources)
        self.products: dict[tuple[Value, ...], _Product] = {}
        self.found = self._worthwhile({node: found[node] for node in order if node in found})
        self.inside = {n for root, each in self.found.items() for n in (*each.inside, *each.sources) if n is not root}

    def _worthwhile(self, found: dict[Value, _Sum]) -> dict[Value, _Sum]:
        together: dict[tuple[Value, ...], list[Value]] = defaultdict(list)
        for root, each in found.items():
            if each.products:
                together[each.xs].append(root)
        for xs, roots in together.items():
            if len(xs) * len(roots) < LIST // 2:
                for root in roots:
                    found[root].without_products()
                continue
            product = self.products[xs] = _Product()
            product.roots = {root: i for i, root in enumerate(roots)}
            product.weights = [w for root in roots for w, _ in found[root].products]
        return {root: each for root, each in found.items() if each.products or len(each.rest) >= LIST}
