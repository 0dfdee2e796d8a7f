"""The worksheet on maximum likelihood, the sigmoid and computational graphs: every line that these parts answer."""

from __future__ import annotations

import math

import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value

POINTS = [-40.0, -9.3, -2.0, -0.5, 0.0, 0.1, 1.0, 5.0, 9.3, 30.0]


# 6.2 The sigmoid


@pytest.mark.parametrize("at", POINTS)
def test_6_2a_the_derivative_is_the_product(at: float) -> None:
    x = Value(at)
    tl.sigmoid(x).backward()
    assert x.grad == pytest.approx(tl.sigmoid(at) * tl.sigmoid(-at), rel=1e-15)
    if abs(at) < 10:
        assert x.grad == pytest.approx(tl.sigmoid(at) * (1 - tl.sigmoid(at)), rel=1e-11)


@pytest.mark.parametrize("at", POINTS)
def test_6_2a_the_same_from_a_sigmoid_built_of_its_parts(at: float) -> None:
    x = Value(at)
    y = 1 / (1 + tl.exp(-x))
    y.backward()
    assert y.data == pytest.approx(tl.sigmoid(at), rel=1e-15)
    assert x.grad == pytest.approx(tl.sigmoid(at) * tl.sigmoid(-at), rel=1e-14)


def slope(at: float) -> float:
    x = Value(at)
    tl.sigmoid(x).backward()
    return x.grad


def test_6_2b_the_derivative_is_even_with_its_maximum_at_0() -> None:
    assert slope(0.0) == 0.25
    for at in (0.1, 1.0, 5.0, 30.0):
        assert slope(at) == pytest.approx(slope(-at), rel=1e-14)
        assert slope(at) < 0.25


def test_6_2b_the_derivative_vanishes_at_both_ends() -> None:
    assert slope(9.3) < 1e-4 < slope(9.2)
    assert slope(-9.3) < 1e-4 < slope(-9.2)
    assert slope(700.0) == pytest.approx(math.exp(-700.0), rel=1e-14)
    assert slope(1000.0) == slope(-1000.0) == 0.0


@pytest.mark.parametrize("at", POINTS)
def test_6_2c_the_sigmoid_is_symmetric_about_0_and_a_half(at: float) -> None:
    assert tl.sigmoid(at) + tl.sigmoid(-at) == pytest.approx(1.0, rel=3e-16)


# 6.3a The network 3-2-2


def network() -> tuple[list[Value], list[Value], list[Value], list[Value]]:
    x = [Value(3.0, "x1"), Value(1.0, "x2"), Value(-1.0, "x3")]
    hidden = [[2.0, 1.0, -2.0], [-1.0, -3.0, 5.0]]
    output = [[6.0, -1.0], [2.0, 8.0]]
    weights = [[Value(w) for w in row] for row in hidden + output]
    biases = [Value(0.0) for _ in range(4)]
    before = [tl.dot(row, x) + b for row, b in zip(weights[:2], biases[:2], strict=True)]
    h = [tl.relu(each) for each in before]
    z = [tl.dot(row, h) + b for row, b in zip(weights[2:], biases[2:], strict=True)]
    return before, h, z, [*sum(weights, []), *biases]


def test_6_3a_hidden_layer() -> None:
    before, h, _, _ = network()
    assert [each.data for each in before] == [9.0, -11.0]
    assert [each.data for each in h] == [9.0, 0.0]


def test_6_3a_outputs_and_softmax() -> None:
    _, _, z, _ = network()
    assert [each.data for each in z] == [54.0, 18.0]
    p = [each.data for each in tl.softmax(z)]
    assert p[0] == 1 - 2.31952283024357e-16
    assert p[1] == pytest.approx(2.31952283024357e-16, rel=1e-14)
    assert p.index(max(p)) + 1 == 1  # class 1; the sheet's [1, 0] twice is a misprint


def test_6_3a_learnable_parameters() -> None:
    *_, parameters = network()
    assert len(parameters) == (3 * 2 + 2 * 2) + (2 + 2) == 14


# 6.3b The graph


def graph() -> dict[str, Value]:
    a, b = Value(2.0, "a"), Value(1.0, "b")
    c, d = (a + b).named("c"), (b + 1).named("d")
    return {"a": a, "b": b, "c": c, "d": d, "e": (c * d).named("e")}


def test_6_3b_values() -> None:
    assert {name: node.data for name, node in graph().items()} == {"a": 2, "b": 1, "c": 3, "d": 2, "e": 6}


def test_6_3b_directly_connected_nodes() -> None:
    g = graph()
    assert g["c"].partials() == [1.0, 1.0]  # ∂c/∂a, ∂c/∂b
    assert g["d"].partials() == [1.0, None]  # ∂d/∂b
    assert g["e"].partials() == [g["d"].data, g["c"].data] == [2.0, 3.0]  # ∂e/∂c = d, ∂e/∂d = c


def test_6_3b_the_chain_rule() -> None:
    g = graph()
    g["e"].backward()
    assert {name: node.grad for name, node in g.items()} == {"a": 2, "b": 5, "c": 2, "d": 3, "e": 1}
    a, b = g["a"].data, g["b"].data
    assert g["a"].grad == b + 1
    assert g["b"].grad == 2 * b + a + 1


def test_6_3b_the_sheets_intermediate_line_is_a_misprint() -> None:
    a, b = 2.0, 1.0
    misprint = (b + a) * (1 + a) + (b + 1) * (1 + a)
    assert misprint == 15.0 != graph()["e"].data
    assert (b + a) * 1 + (b + 1) * 1 == 5.0
