"""Power series and derivatives forward: one call, calls inside calls, and the other routes."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from graphs import SMOOTH, functions, swept
from hypothesis import given

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value


def data(xs: Any) -> Any:
    return [data(x) for x in xs] if isinstance(xs, list | tuple) else x_data(xs)


def x_data(x: Any) -> float:
    return x.data if isinstance(x, Value) else x


def test_jvp_of_one_and_of_several_outputs() -> None:
    assert tl.jvp(lambda x, y: x * tl.exp(y), [2.0, 0.0], [1.0, 3.0]) == (2.0, 7.0)
    assert tl.jvp(lambda x: [x, x * x], [3.0], [1.0]) == ([3.0, 9.0], [1.0, 6.0])
    assert tl.jvp(lambda x: 5.0, [3.0], [1.0]) == (5.0, 0.0)
    assert tl.jvp(lambda: 5.0, [], []) == (5.0, 0.0)


def test_the_worksheets_series_of_the_sigmoid() -> None:
    assert tl.taylor(tl.sigmoid, 0.0, 3) == [1 / 2, 1 / 4, 0, -1 / 48]
    assert tl.taylor(tl.sigmoid, 0.0, np.int64(3)) == [1 / 2, 1 / 4, 0, -1 / 48]
    assert tl.taylor(tl.sigmoid, 0.0, 5)[5] == pytest.approx(1 / 480, rel=1e-15)


@pytest.mark.parametrize(
    ("f", "exact", "at"),
    [
        (lambda x: tl.sin(x * tl.exp(x)), lambda x: mpmath.sin(x * mpmath.exp(x)), 0.0),
        (lambda x: 1 / (1 + x**2), lambda x: 1 / (1 + x**2), 0.5),
        (lambda x: tl.log(1 + tl.tanh(x)), lambda x: mpmath.log(1 + mpmath.tanh(x)), 0.0),
        (lambda x: tl.log(1 + tl.tanh(x)), lambda x: mpmath.log(1 + mpmath.tanh(x)), 0.3),
    ],
)
def test_thirty_coefficients(f: Any, exact: Any, at: float) -> None:
    with mpmath.workdps(60):
        truth = [float(c) for c in mpmath.taylor(exact, mpmath.mpf(at), 30)]
    for got, expected in zip(tl.taylor(f, at, 30), truth, strict=True):
        assert got == pytest.approx(expected, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_operation_has_a_series_that_repeated_grad_confirms(name: str) -> None:
    op = OPS[name]
    start = {"acosh": 1.7, "where": 1.0}.get(name, 0.4)

    def f(x: Any) -> Any:
        args = [x, 0.8 + x * x, 0.3, x][: op.arity or 4]
        return op(*(args[i :: op.lists] for i in range(op.lists))) if op.lists else op(*args)

    x = Value(start)
    y, expected = f(x), []
    for k in range(5):
        expected.append(y.data / math.factorial(k))
        (y,) = tl.grad(y, [x])
    assert tl.taylor(f, start, 4) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_values_may_be_parameters_of_a_series() -> None:
    a = Value(3.0)
    c0, c1, c2 = tl.taylor(lambda x: tl.exp(a * x), 0.0, 2)
    assert (c0.data, c1.data, c2.data) == (1.0, 3.0, 4.5)
    assert data(tl.grad(c2, [a])) == [3.0]


def test_a_high_order_takes_polynomial_time_and_a_deep_function_no_recursion() -> None:
    assert tl.taylor(tl.exp, 0.0, 60)[60] * math.factorial(60) == pytest.approx(1.0, rel=1e-12)

    def deep(x: Any) -> Any:
        y = x
        for _ in range(3000):
            y = y + 0.001 * y * x
        return y

    assert tl.taylor(deep, 0.0, 2) == pytest.approx([0.0, 1.0, 3.0])


def test_series_of_constants_kinks_and_branches() -> None:
    assert tl.taylor(lambda x: 5, 1.0, 2) == [5.0, 0.0, 0.0]
    assert tl.taylor(lambda x: x, 2.0, 2) == [2.0, 1.0, 0.0]
    assert tl.taylor(tl.relu, 0.0, 1) == [0.0, 0.0]
    assert tl.taylor(lambda x: x * x if x > 0 else -x, 3.0, 3) == [9.0, 6.0, 1.0, 0.0]
    assert tl.taylor(lambda x: x**0, 0.0, 1) == [1.0, 0.0]
    assert tl.taylor(lambda x: tl.sum([x, tl.maximum(x, 0.0)]), 1.0, 1) == [2.0, 2.0]


# Where no derivative flows


@pytest.mark.parametrize(
    ("f", "at", "coefficients"),
    [
        (lambda x: x.relu() ** 1.5, -1.0, [0.0, 0.0, 0.0]),
        (lambda x: x.relu().sqrt(), -1.0, [0.0, 0.0, 0.0]),
        (lambda x: (x.relu() + tl.relu(x - 1)).sqrt(), -1.0, [0.0, 0.0, 0.0]),
        (lambda x: tl.maximum(x, 0.0).sqrt(), -1.0, [0.0, 0.0, 0.0]),
        (lambda x: tl.where(x > 0, x, 0.0).sqrt(), -1.0, [0.0, 0.0, 0.0]),
        (lambda x: tl.where(x > 0, tl.sqrt(x), 0.0), 0.0, [0.0, 0.0, 0.0]),
        (lambda x: tl.stop_gradient(x.sqrt()) + x, 0.0, [0.0, 1.0, 0.0]),
        (lambda x: x.detach().sqrt() * x, 0.0, [0.0, 0.0, 0.0]),
        (lambda x: (x > 0).sqrt() + x, 0.0, [0.0, 1.0, 0.0]),
        (lambda x: x.named("x") ** 2, 3.0, [9.0, 6.0, 1.0]),
        (lambda x: tl.minimum(x, 2.0, x), 1.0, [1.0, 1.0, 0.0]),
    ],
)
def test_a_choice_hands_nothing_on_from_what_it_did_not_choose(f: Any, at: float, coefficients: Any) -> None:
    assert tl.taylor(f, at, 2) == coefficients
    assert tl.jvp(f, [at], [1.0]) == tuple(coefficients[:2])


def test_a_direction_of_0_is_no_change() -> None:
    assert tl.jvp(lambda x, y: tl.sqrt(x) + y, [0.0, 1.0], [0.0, 2.0]) == (1.0, 2.0)
    assert tl.jvp(lambda x, y: x * y, [math.inf, 2.0], [1.0, 0]) == (math.inf, 2.0)


@pytest.mark.parametrize(
    ("f", "at", "slope"),
    [
        (lambda y: (-2.0) ** y, 2.0, math.nan),
        (lambda y: Value(-2.0) ** y, 2.0, math.nan),
        (lambda x: tl.xlogy(x, 0.0), 0.0, -math.inf),
        (lambda x: tl.taylor(lambda y: x**y, 2.0, 1)[0], -2.0, -4.0),
        (lambda x: tl.taylor(lambda y: x**y, 2.0, 1)[1], -2.0, math.nan),
        (lambda x: tl.xlogy(tl.taylor(lambda y: x * y, 1.0, 1)[0], 0.0), 0.0, -math.inf),
    ],
)
def test_a_rule_at_a_pole_of_what_is_constant_raises_nothing(f: Any, at: float, slope: float) -> None:
    value, found = map(x_data, tl.jvp(f, [at], [1.0]))
    assert (value, found) == pytest.approx((x_data(f(at)), slope), nan_ok=True)


def test_an_infinite_derivative_is_a_coefficient_like_another() -> None:
    assert tl.jvp(tl.sqrt, [0.0], [1.0]) == (0.0, math.inf)
    assert tl.taylor(tl.sqrt, 0.0, 1) == [0.0, math.inf]


# Sequences and networks


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: tl.softmax([a, b, 0.5])[1],
        lambda a, b: tl.log_softmax([a, b])[0],
        lambda a, b: tl.cross_entropy([a, b, a * b], 2),
        lambda a, b: tl.logsumexp([a, b, 1.0]),
        lambda a, b: tl.mean_squared_error([a, b], [b, a * a]),
        lambda a, b: tl.binary_cross_entropy(a, 0.3) + tl.hinge(b, -1),
        lambda a, b: tl.dot([a, 2.0], [b, a]) + tl.mean([a, b]),
    ],
)
def test_functions_of_sequences_have_series(f: Any) -> None:
    point = [0.4, 0.9]
    _, (a, b) = swept(f, point)
    value, slope = tl.jvp(f, point, [1.0, 10.0])
    assert value == pytest.approx(f(*point), rel=1e-15)
    assert slope == pytest.approx(a.grad + 10 * b.grad, rel=1e-12)


def test_the_series_of_a_softmax_of_two_is_that_of_the_sigmoid() -> None:
    assert tl.taylor(lambda x: tl.softmax([x, 0.0])[0], 0.3, 6) == pytest.approx(tl.taylor(tl.sigmoid, 0.3, 6), rel=1e-12)


# Calls inside calls


def slope(f: Any, x: Any) -> Any:
    """The derivative forward, by `jvp`."""
    return tl.jvp(f, [x], [1.0])[1]


def first(f: Any, x: Any) -> Any:
    """The same by `taylor`."""
    return tl.taylor(f, x, 1)[1]


@pytest.mark.parametrize("inner", [slope, first])
@pytest.mark.parametrize("outer", [slope, first])
def test_calls_inside_calls_keep_their_variables_apart(outer: Any, inner: Any) -> None:
    assert outer(lambda x: x * inner(lambda y: x + y, 1.0), 1.0) == 1.0
    assert outer(lambda x: x * inner(lambda y: x * y, 2.0), 3.0) == 6.0
    assert outer(lambda x: x * inner(lambda y: x * y, x), 3.0) == 6.0
    assert outer(lambda x: inner(lambda y: x * y * y, x), 3.0) == 12.0  # (2x²)' = 4x
    assert outer(lambda x: inner(lambda y: inner(lambda z: x * y * y * z, x), x), 2.0) == 8.0  # (2x²)' again


def test_a_twelfth_mixed_derivative_by_four_nested_series() -> None:
    def f(x: Any, y: Any, z: Any, w: Any) -> Any:
        return tl.exp(x * y) * tl.sin(z * w + x) + tl.log(1 + x * x + y * y) * tl.tanh(z) * w / (1 + z * z * w * w)

    def third(g: Any, at: float) -> Any:
        return tl.taylor(g, at, 3)[3] * 6

    got = third(lambda x: third(lambda y: third(lambda z: third(lambda w: f(x, y, z, w), 0.7), 0.4), 0.3), 0.5)
    assert got == pytest.approx(-955.827900579034226401135143518630815, rel=1e-12)  # mpmath.diff with 60 digits


def test_nested_series_are_those_of_nested_grad() -> None:
    x, y = Value(0.7), Value(0.4)
    f = tl.sin(x * y) * tl.exp(y) + x / y
    (by_y,) = tl.grad(f, [y])
    (expected,) = tl.grad(by_y, [x])
    got = slope(lambda x: first(lambda y: tl.sin(x * y) * tl.exp(y) + x / y, 0.4), 0.7)
    assert got == pytest.approx(expected.data, rel=1e-14)


def test_series_of_values_can_be_differentiated_by_grad() -> None:
    x = Value(0.7)
    product = slope(lambda y: tl.sin(x * y), x)  # x cos(x²)
    (derivative,) = tl.grad(product, [x])
    assert derivative.data == pytest.approx(math.cos(0.49) - 2 * 0.49 * math.sin(0.49), rel=1e-14)


def leaked(x: Any) -> Any:
    """A series of the inner call, out of that call."""
    kept: list[Any] = []
    tl.jvp(lambda y: kept.append(x * y) or y, [1.0], [1.0])
    return kept[0]


@given(functions(6, SMOOTH))
def test_taylor_agrees_with_repeated_grad_to_order_4(pair: Any) -> None:
    f, point = pair
    x = Value(point[0])
    y, expected = f(x, *point[1:]), []
    if not isinstance(y, Value):
        return
    for k in range(5):
        expected.append(y.data / math.factorial(k))
        (y,) = tl.grad(y, [x])
    got = tl.taylor(lambda t: f(t, *point[1:]), point[0], 4)
    assert got == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(map(abs, expected)))


@given(functions(60, sorted(OPS)))
def test_jvp_agrees_with_grad(pair: Any) -> None:
    f, point = pair
    vs = [0.5 + i for i in range(len(point))]
    _, xs = swept(f, point)
    expected = math.fsum(x.grad * v for x, v in zip(xs, vs, strict=True))
    scale = max(abs(x.grad * v) for x, v in zip(xs, vs, strict=True))
    _, slope = tl.jvp(f, point, vs)
    assert slope == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.jvp(tl.add, [1.0, 2.0], [1.0]), ValueError, "jvp: expected a direction of 2 numbers, got 1"),
        (lambda: tl.jvp(tl.exp, 2.0, 1.0), TypeError, "jvp: expected a list of numbers, got 2.0; write jvp(f, [x], [v])"),
        (lambda: tl.jvp(tl.exp, [2.0], Value(1.0)), TypeError, "jvp: expected a list of numbers, got Value(1.0); write jvp(f, [x], [v])"),
        (lambda: tl.taylor(tl.exp, 0.0, -1), ValueError, "taylor: expected order to be a whole number >= 0, got -1"),
        (lambda: tl.taylor(tl.exp, 0.0, 1.5), TypeError, "taylor: expected order to be a whole number >= 0, got 1.5"),
        (lambda: tl.taylor(tl.exp, 0.0, True), TypeError, "taylor: expected order to be a whole number >= 0, got True"),
        (lambda: tl.taylor(lambda x: None, 0.0, 1), TypeError, "taylor: expected a function that gives one number, got None"),
        (lambda: tl.taylor(lambda x: [5, 5], 0.0, 1), TypeError, "taylor: expected a function that gives one number, got [5, 5]"),
        (lambda: tl.taylor(tl.log, -1.0, 1), ValueError, "log(-1.0): expected x > 0"),
        (lambda: tl.jvp(lambda x: leaked(x), [1.0], [1.0]), TypeError, "jvp: the function gives a series of another call of taylor or jvp"),
    ],
)
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
