"""Derivatives of a graph of Rows, as more Rows: the table's rules run once for each node.

`adjoints` goes from a root back to its arguments, `tangents` from the inputs on. Where a node
takes, shows or multiplies rows of others (pick, view, matmul) its own rule is in `BACK` and
`FORTH`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, cast

from ..op import Op
from .rows import LIST, REDUCED, VARYING, Graph, Row, Rows


def terms(graph: Graph, t: Rows, out: Rows, wanted: Sequence[bool]) -> list[Rows | None]:
    """t · ∂out/∂arg for each operand of an operation that is wanted."""
    op, given = cast("Op", out.op), [t, out, *out.operands]
    if op.arity is None:
        return _ruled(graph, op, given, wanted)
    digits = [None if each.number is None else each.detail for each in given]
    nodes, leaves, found = _written_out(op, tuple(wanted), tuple(digits))
    here = dict(zip(leaves, given, strict=True))
    for node in nodes:
        if node.number is None:
            here[node] = graph.elementwise(node.function, *[here[arg] for arg in node.args])
        else:
            here[node] = graph.constant(node.number)
    return [None if each is None else here[each] for each in found]


@functools.lru_cache(512)
def _written_out(
    op: Op, wanted: tuple[bool, ...], digits: tuple[str | None, ...]
) -> tuple[list[Rows], list[Rows], list[Rows | None]]:
    """The terms of an operation at leaves that stand for any: what computes them, leaves, terms.

    A long formula has few operations and many nodes, and a rule takes longer than what it gives.
    """
    graph = Graph()
    leaves = [
        graph.node("input", (), i, phase=VARYING)
        if each is None
        else graph.constant(float.fromhex(each))
        for i, each in enumerate(digits)
    ]
    found = _ruled(graph, op, leaves, wanted)
    nodes = graph.reached([each for each in found if each is not None])
    return [node for node in nodes if node.function != "input"], leaves, found


def _ruled(
    graph: Graph, op: Op, given: Sequence[Rows], wanted: Sequence[bool]
) -> list[Rows | None]:
    t, out, *args = given
    found = op.terms(t, out, args, wanted)
    return [None if each is None else graph.rows(each) for each in found]


def active(graph: Graph, targets: Iterable[Rows]) -> list[bool]:
    """For each node, whether it depends on a target."""
    found = [False] * len(graph.nodes)
    for target in targets:
        found[target.index] = True
    for node in graph.nodes:
        if node.number is None and True in [found[arg.index] for arg in node.operands or node.args]:
            found[node.index] = True
    return found


def _gathered(graph: Graph, term: Rows, size: int, count: int) -> Rows:
    """A term of `size` rows, or of fewer that stand for as many, in `count` sums."""
    if term.size > count:
        return _gathered(graph, graph.reduced("add", term, count), count * size // term.size, count)
    return graph.times(term, graph.constant(size // count))


# Back


class Term(NamedTuple):
    """A part of the adjoint of a node, or of some of its rows."""

    node: Rows
    rows: Rows
    which: Sequence[int] | None = None


def adjoints(
    graph: Graph, root: Row, seed: Rows, targets: Sequence[Rows], *, summed: bool = True
) -> list[Rows | None]:
    """∂root/∂target times the seed, for targets that are whole nodes; None where it is 0.

    For a target that is uniform it is summed over the points, unless `summed` is False.
    """
    node, i = root
    sweep = _Sweep(graph, active(graph, targets), summed=summed)
    sweep.give(Term(node, seed, None if node.size == 1 else [i]), node.phase)
    for out in graph.nodes[node.index :: -1]:
        if out in sweep.given:
            sweep.through(out)
    return [sweep.adjoint(target) for target in targets]


class _Sweep:
    """The terms found on the way back from one root."""

    def __init__(self, graph: Graph, active: list[bool], *, summed: bool) -> None:
        self.graph = graph
        self.active = active
        self.summed = summed
        self.given: dict[Rows, tuple[list[Term], list[Term]]] = {}
        """For each node the terms of its adjoint, and those still to be summed over the points."""

    def give(self, term: Term, phase: int) -> None:
        """Keep a term that comes from a node of that phase, if it is one of an active node."""
        node, rows, _ = term
        if self.active[node.index]:
            over_points = self.summed and phase == VARYING and node.phase != VARYING
            unsummed = over_points and rows.phase != REDUCED
            self.given.setdefault(node, ([], []))[unsummed].append(term)

    def through(self, out: Rows) -> None:
        """From a node to its arguments."""
        back = _back_operation if out.op else BACK.get(str(out.function))
        if back is not None and (adjoint := self.adjoint(out)) is not None:
            for term in back(self, out, adjoint):
                self.give(term, out.phase)

    def adjoint(self, node: Rows) -> Rows | None:
        """The adjoint of a node, once all its terms are there."""
        terms, unsummed = self.given.get(node, ([], []))
        found = _together(self.graph, node, terms)
        if unsummed and (more := _together(self.graph, node, unsummed)) is not None:
            found = self.graph.plus(found, self.graph.total(more))
        return found


def _together(graph: Graph, node: Rows, terms: Iterable[Term]) -> Rows | None:
    """The sum of terms, each of all rows or of some."""
    found: Rows | None = None
    places: list[list[Row]] = []
    for _, rows, which in terms:
        if which is None:
            found = graph.plus(found, graph.shaped(rows, node))
            continue
        places = places or [[] for _ in range(node.size)]
        for i, row in enumerate(which):
            places[row].append((rows, 0 if rows.size == 1 else i))
    if not places:
        return found
    return graph.plus(found, graph.shaped(_scattered(graph, places), node))


def _scattered(graph: Graph, places: Sequence[Sequence[Row]]) -> Rows:
    """Rows that get any number of terms: those of as many terms together."""
    alike: dict[int, list[int]] = defaultdict(list)
    at: dict[int, Row] = {}
    for row, terms in enumerate(places):
        alike[len(terms)].append(row)
    for count, rows in alike.items():
        if count <= 1:
            at.update({row: places[row][0] if count else (graph.constant(0.0), 0) for row in rows})
            continue
        if count < LIST // 2:
            parts = [graph.pick([places[row][i] for row in rows]) for i in range(count)]
            out = functools.reduce(graph.plus, parts)
        else:
            lists = [place for row in rows for place in places[row]]
            out = graph.reduced("add", graph.pick(lists, count, spread=True))
        at.update({row: (out, i if out.size > 1 else 0) for i, row in enumerate(rows)})
    return graph.pick([at[row] for row in range(len(places))])


def _back_operation(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterator[Term]:
    args = out.operands
    wanted = [sweep.active[arg.index] for arg in args]
    size = max([out.size, *[arg.size for arg in args]])
    found = terms(sweep.graph, adjoint, out, wanted)
    for arg, rows in zip(args, found, strict=True):
        if rows is not None:
            whole = rows if arg.size == size else _gathered(sweep.graph, rows, size, arg.size)
            yield Term(arg, whole)


def _row_of(adjoint: Rows, out: Rows, i: int) -> Row:
    """Row i of an adjoint that may be one for all rows, or one for each list."""
    return adjoint, i * adjoint.size // out.size


def _back_view(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterator[Term]:
    (base,) = out.args
    if adjoint.size != 1:
        adjoint = sweep.graph.spread(adjoint, out.size)
    which = None if out.size == base.size else range(out.detail, out.detail + out.size)
    yield Term(base, adjoint, which)


def _back_pick(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterator[Term]:
    taken: dict[Rows, tuple[list[int], list[Row]]] = {}
    for i, (source, number) in enumerate(out.places):
        numbers, places = taken.setdefault(source, ([], []))
        numbers.append(number)
        places.append(_row_of(adjoint, out, i))
    for source, (numbers, places) in taken.items():
        if sweep.active[source.index]:
            rows = sweep.graph.pick(places)
            if source.size == 1:
                yield Term(source, _gathered(sweep.graph, rows, len(places), 1))
            else:
                yield Term(source, rows, numbers)


def _back_matmul(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterator[Term]:
    graph, (w, x) = sweep.graph, out.args
    above = graph.spread(adjoint, out.k)
    if sweep.active[x.index]:
        yield Term(x, graph.node("matmul.T", (w, above), None, x.size))
    if sweep.active[w.index]:
        if sweep.summed and above.phase == VARYING:
            yield Term(w, graph.node("outer", (above, x), None, w.size, 1, REDUCED))
            return
        if sweep.summed:  # as where the product is the root
            x = graph.total(x)
        product = graph.times(above, graph.view(x, 0, 1, x.size))
        yield Term(w, graph.view(product, 0, w.size))


BACK: dict[str, Callable[[_Sweep, Rows, Rows], Iterator[Term]]] = {
    "view": _back_view,
    "pick": _back_pick,
    "matmul": _back_matmul,
}

# Forth

Tangents = dict[Rows, Rows]


def tangents(graph: Graph, roots: Sequence[Row], directions: Tangents) -> list[Rows]:
    """The derivative of each root in the direction that says how every target moves."""
    found = dict(directions)
    moving = active(graph, directions)
    for out in graph.nodes[: max([node.index for node, _ in roots]) + 1]:
        if moving[out.index] and out not in found:
            forth = _forth_operation if out.op else FORTH.get(str(out.function))
            if forth is not None and (tangent := forth(graph, found, out)) is not None:
                found[out] = graph.shaped(tangent, out)
    rows = [(found.get(node, graph.constant(0.0)), i) for node, i in roots]
    return [tangent if tangent.size == 1 else graph.row((tangent, i)) for tangent, i in rows]


def _forth_operation(graph: Graph, found: Tangents, out: Rows) -> Rows | None:
    total: Rows | None = None
    for i, arg in enumerate(out.operands):
        if (t := found.get(arg)) is not None:
            wanted = [j == i for j in range(len(out.operands))]
            term = terms(graph, t, out, wanted)[i]
            if term is not None:
                if arg.n > out.n:  # a term for each operand of a list
                    term = _gathered(graph, term, term.k * arg.n, term.k)
                total = graph.plus(total, term)
    return total


def _whole(graph: Graph, found: Tangents, node: Rows) -> Rows:
    """The tangent of a node, with as many rows as it has."""
    return graph.shaped(graph.spread(found.get(node, graph.constant(0.0)), node.size), node)


def _forth_pick(graph: Graph, found: Tangents, out: Rows) -> Rows | None:
    zero = graph.constant(0.0)
    places = [_row_of(found.get(node, zero), node, i) for node, i in out.places]
    return graph.pick(places, out.n)


def _forth_matmul(graph: Graph, found: Tangents, out: Rows) -> Rows | None:
    total: Rows | None = None
    w, x = out.args
    if x in found:
        total = graph.node("matmul", (w, _whole(graph, found, x)), None, out.k, 1, VARYING)
    if w in found:
        slopes = graph.view(_whole(graph, found, w), 0, out.k, x.size)
        products = graph.times(slopes, graph.view(x, 0, 1, x.size))
        total = graph.plus(total, graph.reduced("add", products))
    return total


FORTH: dict[str, Callable[[Graph, Tangents, Rows], Rows | None]] = {
    "view": _forth_pick,
    "pick": _forth_pick,
    "matmul": _forth_matmul,
}
