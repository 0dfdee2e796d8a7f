"""What a program is asked for: a kind of answer goes from the rolled graph to the wanted Rows.

Its results are numbers at each point, `totals` sums over all points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .derive import adjoints, tangents
from .roll import Rolled
from .rows import UNIFORM, VARYING, Row, Rows


class Form(NamedTuple):
    """How a result is given to the caller."""

    source: int | None = None
    """The input whose shape it takes, summed where that was broadcast; None: that of all points."""
    tail: tuple[int, ...] = ()
    """Its axes at each point, if it is no single number."""


Result = tuple[Rows, Form]
NUMBER = Form()


class Wanted(NamedTuple):
    """What an answer consists of."""

    results: list[Result]
    totals: Rows | None = None


Kind = Callable[[Rolled], Wanted]


def values(rolled: Rolled) -> Wanted:
    """The outputs."""
    return Wanted([(rolled.graph.row(output), NUMBER) for output in rolled.outputs])


def gradients(rolled: Rolled) -> Wanted:
    """The outputs, and for each the derivatives for each input, summed where that was broadcast."""
    forms = [Form(i, tail) for i, tail in enumerate(rolled.tails)]
    return Wanted([*values(rolled).results, *_slopes(rolled, rolled.inputs, forms)])


def slopes(rolled: Rolled) -> Wanted:
    """For each output the derivatives for each input, at each point."""
    return Wanted(_slopes(rolled, rolled.inputs, [Form(None, tail) for tail in rolled.tails]))


def parameter_slopes(rolled: Rolled) -> Wanted:
    """For each output the derivatives for the parameters, at each point."""
    leaf = rolled.parameters
    if leaf is None:
        return Wanted([(rolled.graph.constant(0.0), Form(None, (0,))) for _ in rolled.outputs])
    return Wanted(_slopes(rolled, [leaf], [Form(None, (leaf.size,))]))


def totals(rolled: Rolled) -> Wanted:
    """The sums over the points of the output, and of its derivatives for the parameters."""
    graph, (output,) = rolled.graph, rolled.outputs
    row = graph.row(output)
    seed = graph.constant(1.0) if row.phase == VARYING else graph.node("count", phase=UNIFORM)
    places: list[Row] = [(graph.total(row), 0)]
    if rolled.parameters is not None:
        (found,) = adjoints(graph, output, seed, [rolled.parameters])
        found = graph.constant(0.0) if found is None else found
        places += [(found, i if found.size > 1 else 0) for i in range(rolled.parameters.size)]
    return Wanted([], graph.pick(places, spread=True))


def directional(rolled: Rolled) -> Wanted:
    """The outputs and their derivatives in a direction, one more array for each input."""
    directions = {node: _further_input(rolled, i, node) for i, node in enumerate(rolled.inputs)}
    moved = tangents(rolled.graph, rolled.outputs, directions)
    return Wanted([*values(rolled).results, *[(tangent, NUMBER) for tangent in moved]])


def parameter_directional(rolled: Rolled) -> Wanted:
    """The derivatives of the outputs in a direction of the parameters, one more array."""
    directions = {
        node: _further_input(rolled, 0, node) for node in [rolled.parameters] if node is not None
    }
    return Wanted(
        [(tangent, NUMBER) for tangent in tangents(rolled.graph, rolled.outputs, directions)]
    )


def _further_input(rolled: Rolled, i: int, node: Rows) -> Rows:
    return rolled.graph.node("input", (), len(rolled.inputs) + i, node.k, 1, VARYING)


def _slopes(rolled: Rolled, targets: Sequence[Rows], forms: Sequence[Form]) -> list[Result]:
    """For each output its derivatives for the targets, each as many rows as the target has."""
    graph = rolled.graph
    one, zero = graph.constant(1.0), graph.constant(0.0)
    results = []
    for output in rolled.outputs:
        found = adjoints(graph, output, one, targets, summed=False)
        for node, target, form in zip(found, targets, forms, strict=True):
            results.append((graph.spread(zero if node is None else node, target.size), form))
    return results


def parted(results: list[Any], parts: int) -> list[list[Any]]:
    """Results in so many lists."""
    size = len(results) // parts
    return [results[i * size : (i + 1) * size] for i in range(parts)]
