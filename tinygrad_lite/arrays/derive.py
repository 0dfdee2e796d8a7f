"""Derivatives of a graph of Rows, as more Rows: the table's rules run once for each node.

`adjoints` goes from a root back to its arguments, `tangents` from the inputs on. Where a node
takes, shows or multiplies rows of others (pick, view, matmul) its own rule is in `BACK` and
`FORTH`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..op import Op
from .rows import LIST, REDUCED, VARYING, Graph, Row, Rows


class Term(NamedTuple):
    """A part of the adjoint of a node, or of some of its rows."""

    node: Rows
    rows: Rows
    which: Sequence[int] | None = None
    summed: bool = False
    """Whether the sum over the points is in it already."""


def terms(
    graph: Graph, op: Op, t: Rows, out: Rows, args: Sequence[Rows], wanted: Sequence[bool]
) -> list[Rows | None]:
    """t · ∂out/∂arg for each argument that is wanted."""
    if op.arity is None:
        return _terms(graph, op, t, out, args, wanted)
    rows = [t, out, *args]
    digits = [None if each.number is None else each.detail for each in rows]
    calls, results = _written_out(op, tuple(wanted), tuple(digits))
    for function, places in calls:
        if isinstance(function, float):
            rows.append(graph.constant(function))
        else:
            rows.append(graph.elementwise(function, tuple([rows[i] for i in places])))
    return [None if i is None else rows[i] for i in results]


Call = tuple[str | Op | float, tuple[int, ...]]


@functools.lru_cache(512)
def _written_out(
    op: Op, wanted: tuple[bool, ...], digits: tuple[str | None, ...]
) -> tuple[list[Call], list[int | None]]:
    """The terms of an operation as calls of NumPy functions, and which of them are the results.

    A long formula has few operations and many nodes: a rule is run once, on rows that stand for
    any.
    """
    graph = Graph()
    t, out, *args = [
        graph.node("input", (), i, phase=VARYING)
        if each is None
        else graph.constant(float.fromhex(each))
        for i, each in enumerate(digits)
    ]
    found = _terms(graph, op, t, out, args, wanted)
    places = {leaf.index: i for i, leaf in enumerate((t, out, *args))}
    calls: list[Call] = []
    for node in graph.reached([each for each in found if each is not None]):
        if node.index not in places:
            places[node.index] = len(digits) + len(calls)
            function = node.function if node.number is None else node.number
            calls.append((function, tuple([places[arg.index] for arg in node.args])))
    return calls, [None if each is None else places[each.index] for each in found]


def _terms(
    graph: Graph, op: Op, t: Rows, out: Rows, args: Sequence[Rows], wanted: Sequence[bool]
) -> list[Rows | None]:
    if op.term_rules is not None:
        found = op.terms(t, out, tuple(args), wanted)
        return [None if each is None else graph.rows(each) for each in found]
    found = op.differentiate(out, tuple(args), wanted)
    return [None if each is None else _term(graph, t, graph.rows(each)) for each in found]


def _term(graph: Graph, t: Rows, partial: Rows) -> Rows:
    if partial.number == 1.0:
        return t
    if partial.function == "divide" and partial.args[0].number == 1.0:
        return graph.elementwise("divide", (t, partial.args[1]))
    return graph.times(t, partial)


def active(graph: Graph, targets: Iterable[Rows]) -> list[bool]:
    """For each node, whether it depends on a target."""
    found = [False] * len(graph.nodes)
    for target in targets:
        found[target.index] = True
    for node in graph.nodes:
        if node.number is None and True in [found[arg.index] for arg in node.operands or node.args]:
            found[node.index] = True
    return found


# Back


def adjoints(
    graph: Graph, root: Row, seed: Rows, targets: Sequence[Rows], *, summed: bool = True
) -> list[Rows | None]:
    """∂root/∂target times the seed, for targets that are whole nodes; None where it is 0.

    For a target that is uniform it is summed over the points, unless `summed` is False.
    """
    node, i = root
    sweep = _Sweep(graph, active(graph, targets), summed=summed)
    sweep.give(Term(node, seed, None if node.size == 1 else [i]), varying=node.phase == VARYING)
    for out in graph.nodes[node.index :: -1]:
        if out in sweep.given and (out.op or out.function in BACK):
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

    def give(self, term: Term, *, varying: bool) -> None:
        """Keep a term, if it is one of an active node."""
        node = term.node
        if self.active[node.index]:
            unsummed = self.summed and varying and node.phase != VARYING and not term.summed
            self.given.setdefault(node, ([], []))[unsummed].append(term)

    def through(self, out: Rows) -> None:
        """From a node to its arguments."""
        adjoint, varying = self.adjoint(out), out.phase == VARYING
        if adjoint is None:
            return
        if out.op is None:
            for term in BACK[str(out.function)](self, out, adjoint):
                self.give(term, varying=varying)
            return
        args = out.operands
        wanted = [self.active[arg.index] for arg in args]
        k, n = max([out.k, *[arg.k for arg in args]]), max([out.n, *[arg.n for arg in args]])
        found = terms(self.graph, out.op, adjoint, out, args, wanted)
        for arg, rows in zip(args, found, strict=True):
            if rows is not None:
                self.give(Term(arg, self.fitted(rows, arg, k * n)), varying=varying)

    def fitted(self, term: Rows, arg: Rows, size: int) -> Rows:
        """A term of `size` rows, summed where the argument is one row for several."""
        if arg.size == size:
            return term
        if term.size in (1, arg.size):
            return self.graph.times(term, self.graph.constant(size // arg.size))
        return self.graph.times(
            self.graph.reduced("add", term, arg.size), self.graph.constant(size // term.size)
        )

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
    places: list[list[Row]] | None = None
    for _, rows, which, _ in terms:
        if which is None:
            found = graph.plus(found, graph.shaped(rows, node))
        elif node.size == 1:  # a pick may have the one row several times
            times = graph.constant(len(which))
            found = graph.plus(
                found, graph.reduced("add", rows, 1) if rows.size > 1 else graph.times(rows, times)
            )
        else:
            places = places or [[] for _ in range(node.size)]
            for i, row in enumerate(which):
                places[row].append((rows, 0 if rows.size == 1 else i))
    if places is None:
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
            out = graph.reduced(
                "add",
                graph.pick([place for row in rows for place in places[row]], count, spread=True),
            )
        at.update({row: (out, i if out.size > 1 else 0) for i, row in enumerate(rows)})
    return graph.pick([at[row] for row in range(len(places))])


def _row_of(adjoint: Rows, out: Rows, i: int) -> Row:
    """Row i of an adjoint that may be one for all rows, or one for each list."""
    return adjoint, i * adjoint.size // out.size


def _back_view(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterable[Term]:
    (base,) = out.args
    if adjoint.size not in (1, out.size):
        adjoint = sweep.graph.spread(adjoint, out.size)
    yield Term(
        base, adjoint, None if out.size == base.size else range(out.detail, out.detail + out.size)
    )


def _back_pick(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterable[Term]:
    rows: dict[Rows, tuple[list[int], list[Row]]] = {}
    for i, (source, number) in enumerate(out.places):
        numbers, places = rows.setdefault(source, ([], []))
        numbers.append(number)
        places.append(_row_of(adjoint, out, i))
    for source, (numbers, places) in rows.items():
        if sweep.active[source.index]:
            yield Term(source, sweep.graph.pick(places), numbers)


def _back_matmul(sweep: _Sweep, out: Rows, adjoint: Rows) -> Iterable[Term]:
    graph, (w, x) = sweep.graph, out.args
    if sweep.active[x.index]:
        yield Term(x, graph.node("matmul.T", (w, graph.spread(adjoint, out.k)), None, x.size))
    if sweep.active[w.index]:
        above = graph.spread(adjoint, out.k)
        if sweep.summed and above.phase != VARYING:  # as where the product is the root
            x = graph.total(x)
        if sweep.summed and above.phase == VARYING:
            yield Term(
                w, graph.node("outer", (above, x), None, w.size, 1, REDUCED), None, summed=True
            )
        else:
            product = graph.times(above, graph.view(x, 0, 1, x.size))
            yield Term(w, graph.view(product, 0, w.size), None, summed=sweep.summed)


BACK: dict[str, Callable[[_Sweep, Rows, Rows], Iterable[Term]]] = {
    "view": _back_view,
    "pick": _back_pick,
    "matmul": _back_matmul,
}

# Forth


def tangents(graph: Graph, roots: Sequence[Row], directions: dict[Rows, Rows]) -> list[Rows]:
    """The derivative of each root in the direction that says how every target moves."""
    found = dict(directions)
    moving = active(graph, directions)
    for out in graph.nodes[: max([node.index for node, _ in roots]) + 1]:
        if moving[out.index] and out not in found:
            tangent = _through_operation(graph, found, out) if out.op else None
            if out.op is None:
                tangent = (
                    FORTH[str(out.function)](graph, found, out) if out.function in FORTH else None
                )
            if tangent is not None:
                found[out] = graph.shaped(tangent, out)
    zero = graph.constant(0.0)
    rows = [(found.get(node, zero), i) for node, i in roots]
    return [tangent if tangent.size == 1 else graph.row((tangent, i)) for tangent, i in rows]


def _through_operation(graph: Graph, found: dict[Rows, Rows], out: Rows) -> Rows | None:
    total: Rows | None = None
    for i, arg in enumerate(out.operands):
        if (t := found.get(arg)) is not None:
            wanted = [j == i for j in range(len(out.operands))]
            term = terms(graph, out.op, t, out, out.operands, wanted)[i]  # type: ignore[arg-type]  # it has one
            if term is not None:
                total = graph.plus(total, _gathered(graph, term, arg, out))
    return total


def _gathered(graph: Graph, term: Rows, arg: Rows, out: Rows) -> Rows:
    """A term for each operand of a list as one for the result."""
    if arg.n == 1 or out.n == arg.n:
        return term
    if term.n == 1:
        return graph.times(term, graph.constant(arg.n))
    return graph.reduced("add", term, term.k)


def _whole(graph: Graph, found: dict[Rows, Rows], node: Rows) -> Rows:
    """The tangent of a node, with as many rows as it has."""
    return graph.shaped(graph.spread(found.get(node, graph.constant(0.0)), node.size), node)


def _forth_view(graph: Graph, found: dict[Rows, Rows], out: Rows) -> Rows | None:
    (base,) = out.args
    tangent = found.get(base)
    if tangent is None or tangent.size == 1:
        return tangent
    return graph.view(graph.spread(tangent, base.size), out.detail, out.k, out.n)


def _forth_pick(graph: Graph, found: dict[Rows, Rows], out: Rows) -> Rows | None:
    zero = graph.constant(0.0)
    places = [_row_of(found.get(node, zero), node, i) for node, i in out.places]
    return graph.pick(places, out.n)


def _forth_matmul(graph: Graph, found: dict[Rows, Rows], out: Rows) -> Rows | None:
    total: Rows | None = None
    w, x = out.args
    if x in found:
        total = graph.node("matmul", (w, _whole(graph, found, x)), None, out.k, 1, VARYING)
    if w in found:
        slopes = graph.view(_whole(graph, found, w), 0, out.k, x.size)
        total = graph.plus(
            total, graph.reduced("add", graph.times(slopes, graph.view(x, 0, 1, x.size)))
        )
    return total


FORTH: dict[str, Callable[[Graph, dict[Rows, Rows], Rows], Rows | None]] = {
    "view": _forth_view,
    "pick": _forth_pick,
    "matmul": _forth_matmul,
}
