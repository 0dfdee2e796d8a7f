"""The routes against each other on random graphs; `routes.py` makes and runs them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import routes

from tinygrad_lite import Value


@pytest.mark.parametrize("numbers", [routes.ORDINARY, routes.EDGES], ids=["ordinary", "edges"])
@pytest.mark.parametrize("first", range(0, 60, 20))
def test_all_routes_give_what_backward_gives(first: int, numbers: Any) -> None:
    for seed in range(first, first + 20):
        graph = routes.drawn(seed, 1 + seed % (10 if numbers is routes.ORDINARY else 2), numbers)
        assert not [*routes.disagreements(graph, numbers)], graph


@pytest.mark.parametrize("seed", range(24))
def test_all_routes_to_second_derivatives_agree(seed: int) -> None:
    graph = routes.drawn(seed, 1 + seed % 6)
    assert not [*routes.of_second_order(graph, graph.point)], graph


DYADIC = (0.0, 1.0, -1.0, 2.0, -0.5, 0.25, 3.0)


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_kinks_ties_and_choices_are_those_of_exact_arithmetic(first: int) -> None:
    for seed in range(first, first + 100):
        point, steps = routes.drawn(seed, 1 + seed % 12, DYADIC, sorted(routes.DUALS))
        point = tuple(map(sixteenths, point))
        steps = tuple(routes.Step(name, tuple(map(sixteenths, args))) for name, args in steps)
        graph = routes.Graph(point, steps)
        leaves = [Value(x) for x in point]
        assert routes.swept(graph(*leaves), leaves) == pytest.approx(routes.exact(graph), rel=1e-14, abs=1e-300), graph


def sixteenths(x: Any) -> Any:
    """An index as it is, a number with few digits."""
    return x if isinstance(x, int) else round(16 * x) / 16


def test_the_comparison_of_routes_can_fail() -> None:
    graph = routes.Graph((0.5,), (routes.Step("exp", (0,)),))
    right = routes.reference(graph, graph.point)
    assert not [*routes.told("grad", graph.point, [math.exp(0.5)] * 2, right)]
    assert [*routes.told("grad", graph.point, [math.exp(0.5), 1.6487], right)]
    assert [*routes.told("grad", graph.point, [math.exp(0.5), math.nan], right)]
    assert max(right.tolerance) < 1e-9


def test_most_numbers_of_the_random_graphs_are_compared() -> None:
    graphs = [routes.drawn(seed) for seed in range(60)]
    bounds = [bound for graph in graphs for bound in routes.reference(graph, graph.point).tolerance]
    assert np.mean(np.isfinite(bounds)) > 0.8
