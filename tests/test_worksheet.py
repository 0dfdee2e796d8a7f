"""The worksheet on maximum likelihood, the sigmoid and computational graphs: every line that these parts answer."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value

SAMPLES = [0, 1, 1, 2, 1, 0, 2, 1]  # eight draws of three classes
POINTS = [-40.0, -9.3, -2.0, -0.5, 0.0, 0.1, 1.0, 5.0, 9.3, 30.0]


# 6.1 Maximum likelihood and cross-entropy


def ascend(log_likelihood: Any, parameters: list[Value], rate: float, rounds: int) -> list[float]:
    """The parameters after that many steps up the gradient."""
    for _ in range(rounds):
        root = log_likelihood(*parameters)
        root.zero_grad()
        root.backward()
        for parameter in parameters:
            parameter.data += rate * parameter.grad
    return [parameter.data for parameter in parameters]


def test_6_1a_bernoulli_maximum_likelihood_is_the_mean() -> None:
    draws = [1, 0, 1, 1, 0, 1, 1, 1]

    def log_likelihood(theta: Value) -> Value:
        return tl.mean([tl.log(theta if x else 1 - theta) for x in draws])

    assert ascend(log_likelihood, [Value(0.5)], 0.1, 200) == pytest.approx([6 / 8], rel=1e-12)


def test_6_1a_gaussian_maximum_likelihood_divides_by_m() -> None:
    draws = [1.0, 2.5, 0.5, 4.0, 3.0]
    mean = sum(draws) / 5
    variance = sum((x - mean) ** 2 for x in draws) / 5

    def log_likelihood(mu: Value, log_variance: Value) -> Value:
        return tl.mean([-0.5 * ((x - mu) ** 2 / tl.exp(log_variance) + log_variance) for x in draws])

    mu, log_variance = ascend(log_likelihood, [Value(0.0), Value(0.0)], 0.5, 400)
    assert (mu, math.exp(log_variance)) == pytest.approx((mean, variance), rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_6_1b_the_empirical_distribution_approaches_the_data_generating_one(seed: int) -> None:
    rng = random.Random(seed)
    gaps = []
    for m in (10, 100, 10_000):
        draws = sorted(rng.gauss(5.0, 2.0) for _ in range(m))
        truth = [tl.norm_cdf((x - 5) / 2) for x in draws]
        gaps.append(max(abs(i / m - p) for i, p in enumerate(truth)))
        assert gaps[-1] < 2 / math.sqrt(m)  # beyond which one in 1,500 is (Kolmogorov)
    assert gaps[2] < gaps[0] / 5


def test_6_1c_the_logarithm_and_the_mean_change_the_value_but_not_the_place_of_the_maximum() -> None:
    draws = [1, 0, 1, 1]
    grid = [k / 1000 for k in range(1, 1000)]

    def likelihood(theta: float) -> float:
        return math.prod(theta if x else 1 - theta for x in draws)

    def mean_log(theta: float) -> float:
        return tl.mean([tl.log(theta if x else 1 - theta) for x in draws])

    assert max(grid, key=likelihood) == max(grid, key=mean_log) == 0.75


def test_6_1c_a_product_of_a_thousand_factors_underflows_and_its_logarithm_does_not() -> None:
    product, factors = Value(1.0), [Value(0.3) for _ in range(1000)]
    for factor in factors:
        product = product * factor
    assert product.data == 0.0
    assert tl.sum([tl.log(factor) for factor in factors]).data == pytest.approx(1000 * math.log(0.3), rel=1e-13)


def objectives(logits: list[Value]) -> tuple[Value, Value, Value]:
    """Mean log-likelihood, cross-entropy H(p̂, p) and D_KL(p̂‖p) of a categorical model, p = softmax(logits)."""
    shares = [SAMPLES.count(k) / len(SAMPLES) for k in range(3)]
    logs = tl.log_softmax(logits)
    mean_log_likelihood = tl.mean([logs[x] for x in SAMPLES])
    divergence = tl.sum([p * (math.log(p) - log) for p, log in zip(shares, logs, strict=True)])
    return mean_log_likelihood, tl.cross_entropy(logits, shares), divergence


def test_6_1d_the_cross_entropy_is_the_negative_mean_log_likelihood() -> None:
    likelihood, entropy, _ = objectives([Value(z) for z in (0.2, -0.5, 1.0)])
    assert entropy.data == pytest.approx(-likelihood.data, rel=1e-15)


def test_6_1d_the_three_objectives_have_one_gradient_up_to_sign() -> None:
    logits = [Value(z) for z in (0.2, -0.5, 1.0)]
    likelihood, entropy, divergence = objectives(logits)
    slopes = [[g.data for g in tl.grad(root, logits)] for root in (likelihood, entropy, divergence)]
    assert slopes[1] == pytest.approx([-g for g in slopes[0]], rel=1e-13)
    assert slopes[2] == pytest.approx(slopes[1], rel=1e-13)
    assert [g.data for g in tl.grad(divergence - entropy, logits)] == pytest.approx([0.0] * 3, abs=1e-16)


def test_6_1d_the_three_objectives_have_one_optimum() -> None:
    found = ascend(lambda *logits: objectives(list(logits))[0], [Value(0.0) for _ in range(3)], 1.0, 400)
    assert tl.softmax(found) == pytest.approx([2 / 8, 4 / 8, 2 / 8], rel=1e-10)
    descended = ascend(lambda *logits: -objectives(list(logits))[2], [Value(0.0) for _ in range(3)], 1.0, 400)
    assert descended == pytest.approx(found, rel=1e-10)


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


def test_6_2b_the_derivative_needs_the_forward_value_alone() -> None:
    y = tl.sigmoid(Value(0.5, "x")).named("y")
    assert "∂y/∂x = y·(1 - y) = 0.6225·(1 - 0.6225) = 0.235" in str(tl.explain(y))


@pytest.mark.parametrize("at", POINTS)
def test_6_2c_the_sigmoid_is_symmetric_about_0_and_a_half(at: float) -> None:
    assert tl.sigmoid(at) + tl.sigmoid(-at) == pytest.approx(1.0, rel=3e-16)


def test_6_2d_the_series_ends_in_x_cubed_over_48() -> None:
    assert tl.taylor(tl.sigmoid, 0.0, 3) == [1 / 2, 1 / 4, 0, -1 / 48]  # the sheet's -1/8 forgets the 3!
    x = Value(0.0)
    derivatives, y = [], tl.sigmoid(x)
    for _ in range(4):
        derivatives.append(y.data)
        (y,) = tl.grad(y, [x])
    assert derivatives == [1 / 2, 1 / 4, 0, -1 / 8]


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
    return before, h, z, [weight for row in weights for weight in row] + biases


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
    assert p.index(max(p)) + 1 == 1


def test_6_3a_the_sheets_two_vectors_come_of_the_edges_products() -> None:
    printed = [tl.softmax([6.0 * 9, -1.0 * 0]), tl.softmax([2.0 * 9, 8.0 * 0])]
    assert [[round(share) for share in vector] for vector in printed] == [[1, 0], [1, 0]]
    assert sum(map(sum, printed)) == pytest.approx(2.0)  # a softmax adds up to 1


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
    g = graph()
    g["e"].backward()
    a, b = g["a"].data, g["b"].data
    assert (b + a) * (1 + a) + (b + 1) * (1 + a) == 15 != g["b"].grad
    assert (b + a) * (1 + 0) + (b + 1) * (1 + 0) == 5 == g["b"].grad
