"""Every operation over arrays: what the engine gives, and IEEE 754 where recording raises."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from graphs import eager
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value, ops
from tinygrad_lite.arrays.program import compile
from tinygrad_lite.op import Op

EDGES = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 1e-300, -1e300, 30.0, -800.0, 800.0, math.inf, -math.inf, math.nan]


INSIDE = {"acosh": 1.7, "log": 0.8, "sqrt": 0.8}


def called(op: Op, args: Sequence[Any]) -> Any:
    """An operation at any number of arguments, which it may want in lists."""
    if op.lists:
        size = len(args) // op.lists
        return op(*(args[i * size : (i + 1) * size] for i in range(op.lists)))
    return op(*args)


def arity(op: Op) -> int:
    return op.arity or (4 if op.lists == 2 else 3)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_an_operation_and_its_derivatives_are_those_of_the_engine(op: Op) -> None:
    count = arity(op)
    points = [[INSIDE.get(op.name, 0.4) + 0.1 * i + shift for i in range(count)] for shift in (0.0, 0.05, 0.11)]
    inputs = [Value(x) for x in points[0]]
    values, gradients = compile(called(op, inputs), inputs).value_and_grad(*np.array(points).T)
    expected, slopes = eager(lambda *args: called(op, args), points)
    np.testing.assert_allclose(values, expected, rtol=1e-14)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_an_operation_at_the_edges_follows_ieee_where_recording_raises(op: Op) -> None:
    count = arity(op)
    choices = EDGES if count < 3 else EDGES[::3]
    grid = np.array(np.meshgrid(*[choices] * count)).reshape(count, -1)
    inputs = [Value(INSIDE.get(op.name, 0.4) + 0.1 * i) for i in range(count)]
    program = compile(called(op, inputs), inputs)
    for point, value in zip(grid.T, program(*grid), strict=True):
        try:
            expected = called(op, [float(x) for x in point])
        except (ArithmeticError, ValueError):
            assert not math.isfinite(value), point
        else:
            np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-307, err_msg=str(point))


def test_an_operation_that_a_user_declares_is_replayed() -> None:
    cube = ops.declare("test_cube", scalar=lambda x: x**3, partials=(lambda out, x: 3 * x**2,))
    x = Value(2.0)
    values, (slope,) = compile(cube(x), [x]).value_and_grad([1.0, 2.0, -3.0])
    assert values.tolist() == [1.0, 8.0, -27.0]
    assert slope.tolist() == [3.0, 12.0, 27.0]


def test_an_operation_without_an_array_form_works_on_parameters() -> None:
    x, w = Value(1.0), Value(2.0)
    assert compile(tl.erf(w) * x, [x])([1.0, 2.0]) == pytest.approx([math.erf(2), 2 * math.erf(2)])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_choices_are_the_same_on_few_and_on_many_points(dtype: Any) -> None:
    x, y = Value(0.5), Value(-0.5)
    program = compile(tl.where(x > y, x * y, tl.relu(y) - x) + tl.log(tl.relu(x)), [x, y], dtype=dtype)
    xs, ys = (np.resize(each, 10_500) for each in (EDGES, EDGES[:-1]))
    values, slopes = program.value_and_grad(xs, ys)
    some = slice(0, 210)
    few, few_slopes = program.value_and_grad(xs[some], ys[some])
    for many, expected in ((values, few), (slopes[0], few_slopes[0]), (slopes[1], few_slopes[1])):
        np.testing.assert_array_equal(many, np.tile(expected, 50))


def test_nan_and_inf_stay_in_their_points() -> None:
    a = Value(1.0)
    values, (slope,) = compile(tl.log(a) / a, [a]).value_and_grad([1.0, 0.0, -1.0, math.nan, math.inf, 4.0])
    assert np.isfinite(values).tolist() == np.isfinite(slope).tolist() == [True, False, False, False, False, True]


def test_a_float32_program_warns_of_nothing() -> None:
    w, x = Value(1e300), Value(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compile(w * x, [x], dtype="float32")([1.0]) == [math.inf]


def test_a_power_of_0_hands_on_a_derivative_of_0_as_backward_does() -> None:
    x = Value(1.0)
    y = tl.acos(x) ** 0
    value, (slope,) = compile(y, [x]).value_and_grad([1.0, 0.5])
    y.backward()
    assert value.tolist() == [1.0, 1.0]
    assert math.isnan(x.grad)  # 0·inf, as in PyTorch
    np.testing.assert_array_equal(slope, [math.nan, 0.0])


def test_relu_and_maximum_in_one_program_keep_their_own_derivatives_at_the_tie() -> None:
    a, b = Value(1.0), Value(1.0)
    _, (for_a, for_b) = compile(tl.relu(a) + tl.maximum(b, 0.0), [a, b]).value_and_grad([0.0], [0.0])
    assert (for_a.tolist(), for_b.tolist()) == ([0.0], [0.5])
    _, (slope,) = compile(tl.relu(a) + tl.maximum(a, 0.0), [a]).value_and_grad([0.0])
    assert slope.tolist() == [0.5]


def test_a_softmax_recomputes_its_shift() -> None:
    xs = [Value(0.0), Value(1.0)]
    program = compile(tl.cross_entropy(xs, 0), [xs])
    np.testing.assert_allclose(program([[1000.0, 0.0], [0.0, 1000.0]]), [0.0, 1000.0])


SMOOTH = [tl.sin, tl.cos, tl.tanh, tl.sigmoid, tl.softplus, tl.exp, tl.relu, tl.atan, abs]


BINARY = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (2 + y * y),
    lambda x, y: tl.maximum(x, y),
    lambda x, y: tl.where(x > y, x, 2 * y),
    lambda x, y: tl.dot([x, y, x], [y, 3.0, x]),
    lambda x, y: tl.sum([x, y, x, 2.0]),
    lambda x, y: tl.softmax([x, y, x])[0],
    lambda x, y: tl.logsumexp([x, y]),
]


def random_graph(choices: Any, inputs: Sequence[Any]) -> Any:
    nodes = [*inputs, 0.5]
    for kind, i, j in choices:
        x, y = nodes[i % len(nodes)], nodes[j % len(nodes)]
        x = tl.tanh(x)  # keeps numbers small
        nodes.append(SMOOTH[kind](x) if kind < len(SMOOTH) else BINARY[kind - len(SMOOTH)](x, y))
    return nodes[-1] * inputs[0]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(SMOOTH) + len(BINARY) - 1), st.integers(0, 40), st.integers(0, 40)), max_size=25
    ),
    st.lists(st.tuples(*[st.floats(-3, 3, width=16)] * 3), min_size=1, max_size=5),
)
def test_random_graphs_are_those_of_the_engine(choices: Any, points: Any) -> None:
    inputs = [Value(0.3), Value(-0.7), Value(1.1)]
    program = compile(random_graph(choices, inputs), inputs)
    values, gradients = program.value_and_grad(*np.array(points).T)
    expected, slopes = eager(lambda *args: random_graph(choices, args), points)
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-8, atol=1e-10)
