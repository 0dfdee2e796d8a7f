"""Parameters: their numbers at each call, and the gradients of means and sums."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from graphs import STYLES, network

from tinygrad_lite import Value
from tinygrad_lite.arrays.program import compile


def by_hand(sizes: Sequence[int], parameters: Any, x: Any, y: Any) -> Any:
    """The same network in NumPy."""
    rows, first = x.T, 0
    for depth, (width, height) in enumerate(itertools.pairwise(sizes)):
        layer = np.reshape(parameters[first : first + (width + 1) * height], (height, width + 1))
        first += layer.size
        rows = layer[:, :-1] @ rows + layer[:, -1:]
        rows = rows if depth == len(sizes) - 2 else np.tanh(rows)
    return np.maximum(1 - y * rows[0], 0)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_backward_gives_the_gradient_of_the_parameters(style: str, reduction: str) -> None:
    sizes = [3, 8, 6, 1]
    xs, y, parameters, loss = network(sizes, style)
    chance = np.random.default_rng(1)
    x, target = chance.normal(size=(50, 3)), np.sign(chance.normal(size=50))
    value = compile(loss, [xs, y]).backward(x, target, reduction=reduction)
    numbers = np.array([p.data for p in parameters])
    total = getattr(np, reduction)
    assert value == pytest.approx(total(by_hand(sizes, numbers, x, target)), rel=1e-12)
    for i in range(0, len(parameters), 7):
        step = np.zeros_like(numbers)
        step[i] = 1e-6
        slope = total(by_hand(sizes, numbers + step, x, target) - by_hand(sizes, numbers - step, x, target)) / 2e-6
        assert parameters[i].grad == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_the_derivatives_of_a_network_for_its_inputs_are_those_of_the_engine() -> None:
    xs, y, _, loss = network([3, 8, 6, 1], "dot")
    points = np.random.default_rng(2).normal(size=(5, 4))
    values, (for_x, for_y) = compile(loss, [xs, y]).value_and_grad(points[:, :3], points[:, 3])
    for i, point in enumerate(points):
        xs, y, _, loss = network([3, 8, 6, 1], "dot")
        for leaf, number in zip([*xs, y], point, strict=True):
            leaf.data = float(number)
        again = compile(loss, [xs, y])
        assert again(point[None, :3], point[3:])[0] == pytest.approx(values[i], rel=1e-12)
        np.testing.assert_allclose(again.value_and_grad(point[None, :3], point[3:])[1][0][0], for_x[i], rtol=1e-12)
    assert for_y.shape == (5,)


def test_backward_reads_the_parameters_at_each_call_and_adds_to_their_grad() -> None:
    w, b, x = Value(2.0), Value(1.0), Value(0.0)
    program = compile((w * x + b) ** 2, [x])
    assert program.backward([1.0, 2.0]) == 17.0
    assert (w.grad, b.grad) == (13.0, 8.0)
    w.data = 0.0
    assert program.backward([1.0, 2.0]) == 1.0
    assert (w.grad, b.grad) == (13.0 + 3.0, 8.0 + 2.0)


def test_what_depends_on_parameters_alone_is_counted_once_in_a_mean_and_at_each_point_in_a_sum() -> None:
    ws, x = [Value(0.5 * i) for i in range(20)], Value(0.0)
    program = compile(ws[0] * x + sum(w * w for w in ws), [x])
    penalty = sum(w.data**2 for w in ws)
    assert program.backward([1.0, 3.0]) == pytest.approx(penalty)
    assert [w.grad for w in ws] == pytest.approx([2.0, *(2 * w.data for w in ws[1:])])
    assert program.backward([1.0, 3.0], reduction="sum") == pytest.approx(2 * penalty)
    assert ws[3].grad == pytest.approx(3 * 2 * ws[3].data)


def test_the_loss_and_its_gradient_at_given_numbers_touch_no_value() -> None:
    w, b, x, y = Value(3.0), Value(-1.0), Value(1.0), Value(1.0)
    program = compile((w * x + b - y) ** 2, [x, y])
    xs, ys = np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0, 0.0])
    for reduction in ("mean", "sum"):
        numbers = [dict(zip((w, b), (0.5, 0.25), strict=True))[p] for p in program.parameters]
        loss, gradient = program.loss_and_grad(numbers, xs, ys, reduction=reduction)
        assert (w.data, b.data, w.grad, b.grad) == (3.0, -1.0, 0.0, 0.0)
        before = w.data, b.data
        w.data, b.data = 0.5, 0.25
        assert program.backward(xs, ys, reduction=reduction) == loss
        assert [p.grad for p in program.parameters] == gradient.tolist()
        (w.data, b.data), w.grad, b.grad = before, 0.0, 0.0
    loss, gradient = program.loss_and_grad([0.5, 0.25], [], [], reduction="sum")
    assert (loss, gradient.tolist()) == (0.0, [0.0, 0.0])
    for numbers, shape in (([1.0], r"\(1,\)"), ([[1.0, 2.0]], r"\(1, 2\)"), (2.0, r"\(\)")):
        with pytest.raises(ValueError, match=rf"program: expected numbers of shape \(2,\), got {shape}"):
            program.loss_and_grad(numbers, xs, ys)


def test_a_graph_without_inputs_has_parameters_only() -> None:
    w = Value(3.0)
    program = compile(w * w, [])
    assert program() == 9.0
    assert program.backward() == 9.0
    assert w.grad == 6.0


def test_values_and_slopes_at_other_numbers_are_in_the_order_of_the_parameters() -> None:
    a, b, x = Value(2.0, "a"), Value(1.0, "b"), Value(0.0, "x")
    program = compile(a * x + b * b, [x], parameters=[b, a])
    np.testing.assert_array_equal(program.values_at([3.0, 5.0], [1.0, 2.0]), [14.0, 19.0])
    np.testing.assert_array_equal(program.jacobian_at([3.0, 5.0], [1.0, 2.0]), [[6.0, 1.0], [6.0, 2.0]])
    assert (a.data, b.data) == (2.0, 1.0)
    several = compile([a * x, b * x], [x], parameters=[b, a])
    np.testing.assert_array_equal(several.values_at([3.0, 5.0], [1.0, 2.0]), [[5.0, 10.0], [3.0, 6.0]])
    slopes = several.jacobian_at([3.0, 5.0], [1.0, 2.0])
    np.testing.assert_array_equal(slopes, [[[0.0, 1.0], [0.0, 2.0]], [[1.0, 0.0], [2.0, 0.0]]])


def test_a_program_without_parameters_has_no_slopes_for_them() -> None:
    x = Value(1.0)
    assert compile(x * x, [x]).jacobian_at([], [1.0, 2.0]).shape == (2, 0)


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("aab", r"Value\(2.0, 'a'\) is given twice, the second time as parameter 1"),
        ("ax", r"Value\(0.0, 'x'\) is parameter 1 and an input"),
        ("a", r"the output depends on Value\(1.0, 'b'\), which is neither an input nor among the parameters"),
    ],
)
def test_parameters_are_all_leaves_that_are_no_inputs_each_once(named: str, problem: str) -> None:
    leaves = {"a": Value(2.0, "a"), "b": Value(1.0, "b"), "x": Value(0.0, "x")}
    output = leaves["a"] * leaves["x"] + leaves["b"]
    with pytest.raises(ValueError, match=f"^compile: {problem}$"):
        compile(output, [leaves["x"]], parameters=[leaves[name] for name in named])
