"""Sums of products as matrix products, and lists that are reduced at once."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from graphs import STYLES, network

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.program import compile


def test_a_part_of_a_long_sum_may_be_used_elsewhere_too() -> None:
    xs = [Value(float(i)) for i in range(12)]
    parts = list(itertools.accumulate(xs, tl.add))
    root = parts[-1] * parts[5] + parts[8]
    points = np.random.default_rng(0).uniform(-1, 1, (12, 4))
    value, slopes = compile(root, xs).value_and_grad(*points)
    whole, part = points.sum(0), points[:6].sum(0)
    np.testing.assert_allclose(value, whole * part + points[:9].sum(0), rtol=1e-13)
    for i, slope in enumerate(slopes):
        np.testing.assert_allclose(slope, part + whole * (i < 6) + (i < 9), rtol=1e-13)


@pytest.mark.parametrize("place", range(9))
def test_a_product_of_two_inputs_among_those_with_weights_is_no_weight(place: int) -> None:
    rng = np.random.default_rng(place)
    ws, xs = [Value(w) for w in rng.uniform(-1, 1, 9)], [Value(0.5) for _ in range(9)]
    left = list(ws)
    left[place] = xs[0]
    program = compile(tl.dot(left, xs), xs)
    points = rng.uniform(-1, 1, (9, 5))
    numbers = np.array([w.data for w in ws])[:, None] * np.ones((9, 5))
    numbers[place] = points[0]
    values, slopes = program.value_and_grad(*points)
    np.testing.assert_allclose(values, (numbers * points).sum(0), rtol=1e-13)
    numbers[0] += points[place]
    np.testing.assert_allclose(slopes, numbers, rtol=1e-13)


def test_one_weight_may_stand_before_all_inputs() -> None:
    w, xs = Value(3.0), [Value(0.5) for _ in range(9)]
    points = np.random.default_rng(0).uniform(-1, 1, (9, 5))
    program = compile(tl.dot([w] * 9, xs), xs)
    values, slopes = program.value_and_grad(*points)
    np.testing.assert_allclose(values, 3 * points.sum(0), rtol=1e-13)
    np.testing.assert_array_equal(slopes, np.full((9, 5), 3.0))
    loss, gradient = program.loss_and_grad([3.0], *points, reduction="sum")
    np.testing.assert_allclose([loss, *gradient], [3 * points.sum(), points.sum()], rtol=1e-13)


@pytest.mark.parametrize("style", STYLES)
def test_a_network_becomes_matrix_products_however_its_sums_are_written(style: str) -> None:
    xs, y, _, loss = network([3, 8, 6, 1], style)
    program = compile(loss, [xs, y])
    text = str(program)
    assert text.count("matmul") == 3
    assert text.count("tanh") == 2
    assert len(program) < 20


def test_long_sums_and_maxima_become_one_instruction() -> None:
    xs = [Value(float(i)) for i in range(30)]
    x = np.random.default_rng(0).normal(size=(7, 30))
    for f, expected in ((tl.sum, x.sum(1)), (lambda xs: tl.maximum(*xs), x.max(1)), (lambda xs: tl.dot(xs, xs), (x * x).sum(1))):
        program = compile(f(xs), [xs])
        np.testing.assert_allclose(program(x), expected)
        assert len(program) == 1
    values, (gradient,) = compile(sum(xs), [xs]).value_and_grad(x)
    np.testing.assert_allclose(values, x.sum(1))
    assert (gradient == 1).all()


def test_extremes_and_sums_of_several_lists_are_reduced_together() -> None:
    xs = [Value(0.1 * i) for i in range(18)]
    lists = [xs[:6], xs[6:12], xs[12:]]
    points = np.random.default_rng(0).uniform(-1, 1, (5, 18))
    parts = points.reshape(5, 3, 6)
    for reduce, expected, slope in (
        (lambda some: tl.maximum(*some), parts.max(2), parts == parts.max(2, keepdims=True)),
        (lambda some: tl.minimum(*some), parts.min(2), parts == parts.min(2, keepdims=True)),
        (lambda some: tl.sum([x * x for x in some]), (parts**2).sum(2), 2 * parts),
    ):
        program = compile(tl.prod([tl.sin(reduce(some)) for some in lists]), [xs])
        value, (gradient,) = program.value_and_grad(points)
        sines = np.sin(expected)
        np.testing.assert_allclose(value, sines.prod(1), rtol=1e-12)
        others = sines.prod(1, keepdims=True) / sines * np.cos(expected)
        np.testing.assert_allclose(gradient, (others[:, :, None] * slope).reshape(5, 18), rtol=1e-9)


def test_a_convolution_shares_its_weights() -> None:
    kernel, xs = [Value(0.5), Value(-1.0), Value(2.0)], [Value(0.0) for _ in range(12)]
    out = tl.sum([tl.relu(tl.dot(kernel, xs[i : i + 3])) for i in range(10)])
    x = np.random.default_rng(0).normal(size=(6, 12))
    value = compile(out, [xs]).backward(x, reduction="sum")
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
    scores = windows @ [0.5, -1.0, 2.0]
    assert value == pytest.approx(np.maximum(scores, 0).sum())
    assert [w.grad for w in kernel] == pytest.approx(((scores > 0)[..., None] * windows).sum((0, 1)).tolist())


# Linear graphs: the adjoint of a product may be the same at all points


def slopes_by_hand(weights: Sequence[Value], xs: Sequence[Value], points: Any) -> tuple[Any, Any]:
    """Of Σ w·x the gradient for x at each point, and that for w summed over the points."""
    rows = np.tile(np.array([w.data for w in weights]), (len(points), 1))
    return rows, points.sum(0)


@pytest.mark.parametrize("count", [2, 4, 9])
def test_a_product_that_is_the_root_has_its_gradients(count: int) -> None:
    rng = np.random.default_rng(count)
    w, x = values_of(rng, count, "w"), values_of(rng, count, "x")
    points = rng.uniform(-1, 1, (5, count))
    program = compile(tl.dot(w, x), [x])
    for_x, for_w = slopes_by_hand(w, x, points)
    np.testing.assert_allclose(program.value_and_grad(points)[1][0], for_x)
    numbers = [each.data for each in program.parameters]
    np.testing.assert_allclose(program.loss_and_grad(numbers, points, reduction="sum")[1], for_w)


def test_a_sum_of_products_that_share_their_inputs_has_its_gradients() -> None:
    rng = np.random.default_rng(0)
    w, x = values_of(rng, 4, "w"), values_of(rng, 2, "x")
    points = rng.uniform(-1, 1, (5, 2))
    program = compile((w[0] * x[0] + w[1] * x[1]) + (w[2] * x[0] + w[3] * x[1]), [x])
    numbers = [each.data for each in program.parameters]
    _, gradient = program.loss_and_grad(numbers, points, reduction="sum")
    np.testing.assert_allclose(gradient, np.tile(points.sum(0), 2))


def test_two_products_of_one_list_under_a_linear_root_have_their_gradients() -> None:
    rng = np.random.default_rng(1)
    w, x = values_of(rng, 6, "w"), values_of(rng, 5, "x")
    one = tl.dot([w[4], w[3], w[2], w[1], w[3]], x)
    other = tl.dot([w[1], w[3], w[5], w[2], w[2]], x)
    root = tl.dot([w[2], w[5], w[0]], [one, other, tl.sum([x[2], x[2], w[5], x[0]])])
    points = rng.uniform(-1, 1, (4, 5))
    _, gradients = compile(root, x).value_and_grad(*points.T)
    root.backward()
    for got, each in zip(gradients, x, strict=True):
        np.testing.assert_allclose(got, np.full(4, each.grad))


def values_of(rng: Any, count: int, label: str) -> list[Value]:
    return [Value(x, f"{label}{i}") for i, x in enumerate(rng.uniform(-1, 1, count))]


def layered(rng: Any, xs: Sequence[Value], ws: Sequence[Value]) -> Value:
    """A random graph of sums of products, softmaxes and maxima over shared lists."""
    pool = [*xs, *ws, 0.5, -1.25]
    for _ in range(rng.randint(1, 12)):
        some = [rng.choice(pool) for _ in range(rng.randint(2, 9))]
        pool.append(
            rng.choice(
                [
                    lambda some=some: tl.dot([rng.choice(ws) for _ in some], some),
                    lambda some=some: tl.sum(some),
                    lambda: tl.dot([rng.choice(ws) for _ in xs], xs),
                    lambda some=some: tl.maximum(*some),
                    lambda some=some: tl.softmax(some)[0],
                    lambda some=some: some[0] * some[1] - some[-1],
                    lambda some=some: tl.tanh(some[0]),
                ]
            )()
        )
    return tl.dot([rng.choice(ws), 1.0], [pool[-1], rng.choice(xs)])


@pytest.mark.parametrize("seed", range(40))
def test_random_layered_graphs_are_those_of_the_engine(seed: int) -> None:
    rng, generator = random.Random(seed), np.random.default_rng(seed)
    xs, ws = values_of(generator, rng.randint(1, 5), "x"), values_of(generator, rng.randint(1, 7), "w")
    root = layered(rng, xs, ws)
    program = compile(root, [xs])
    points = generator.uniform(-1, 1, (3, len(xs)))
    values, (gradients,) = program.value_and_grad(points)
    numbers = [w.data for w in program.parameters]
    loss, for_parameters = program.loss_and_grad(numbers, points, reduction="sum")
    expected = np.zeros(len(numbers))
    for point, value, gradient in zip(points, values, gradients, strict=True):
        at = replayed(root, dict(zip(xs, point, strict=True)))
        at[root].backward()
        assert value == pytest.approx(at[root].data, rel=1e-10)
        assert gradient == pytest.approx([grad_at(at, x) for x in xs], rel=1e-9, abs=1e-12)
        expected += [grad_at(at, w) for w in program.parameters]
    assert loss == pytest.approx(values.sum(), rel=1e-10)
    assert for_parameters == pytest.approx(expected, rel=1e-9, abs=1e-12)


def grad_at(at: dict[Value, Any], leaf: Value) -> float:
    return at[leaf].grad if leaf in at else 0.0


def replayed(root: Value, numbers: dict[Value, float]) -> dict[Value, Any]:
    """The graph recorded again with other numbers in some leaves: the new node of each old one."""
    new: dict[Value, Any] = {}
    for node in tl.topological_order(root):
        if node.args:
            new[node] = Value.apply(node.op, [new[arg] for arg in node.args])
        else:
            new[node] = Value(numbers.get(node, node.data)) if node.op is None else node.data
    return new
