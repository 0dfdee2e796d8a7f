"""Derivatives of any order: as graphs, as series, by forward mode, and against differences."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from graphs import SMOOTH, functions, swept
from hypothesis import given
from reference import build, load, relative_error

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value, topological_order
from tinygrad_lite.op import Op


def data(xs: Any) -> Any:
    return [data(x) for x in xs] if isinstance(xs, list | tuple) else x_data(xs)


def x_data(x: Any) -> float:
    return x.data if isinstance(x, Value) else x


def test_grad_touches_no_grad_and_gives_values() -> None:
    a, b = Value(2.0), Value(1.0)
    e = (a + b) * (b + 1)
    assert data(tl.grad(e, [a, b])) == [2.0, 5.0]
    assert [a.grad, b.grad, e.grad] == [0.0] * 3


def test_grad_of_inner_nodes_and_of_what_does_not_matter() -> None:
    a, other = Value(2.0), Value(9.0)
    c = a * a
    e = c * c + a
    assert data(tl.grad(e, [c, a, other, e])) == [8.0, 33.0, 0.0, 1.0]


def test_naming_a_derivative_renames_no_other_node() -> None:
    x, y = Value(2.0, "x"), Value(3.0, "y")
    (slope,) = tl.grad(x * y, [x])
    slope.named("∂(xy)/∂x")
    assert (slope.data, y.label) == (3.0, "y")
    assert data(tl.grad(slope, [y])) == [1.0]


def test_the_second_derivative_of_a_square_at_0_is_2_and_the_third_of_a_bell_curve_0() -> None:
    x = Value(0.0)
    (first,) = tl.grad(x**2, [x])
    (second,) = tl.grad(first, [x])
    assert (first.data, second.data) == (0.0, 2.0)
    y = tl.exp(-(x**2))
    for expected in (0.0, -2.0, 0.0, 12.0):
        (y,) = tl.grad(y, [x])
        assert y.data == expected


def test_infinite_derivatives_are_numbers_not_errors() -> None:
    x = Value(0.0)
    (slope,) = tl.grad(tl.sqrt(x), [x])
    assert slope.data == math.inf


def test_the_gradients_graph_is_simplified_as_it_is_made() -> None:
    x = Value(0.7)
    y = tl.tanh(x**2)
    for _ in range(6):
        (y,) = tl.grad(y, [x])
    with mpmath.workdps(30):
        exact = mpmath.diff(lambda t: mpmath.tanh(t**2), 0.7, 6)
    assert y.data == pytest.approx(float(exact), rel=1e-11)
    assert len(topological_order(y)) < 800


def test_a_shared_part_is_made_once() -> None:
    x = Value(0.5)
    gradients = tl.hessian(tl.exp(x) * tl.exp(x), [x])
    names = [node.op.name for node in topological_order(gradients[0][0]) if node.op]
    assert names.count("exp") == 2  # those of the formula


def test_a_leaf_changed_since_recording_is_refused() -> None:
    x = Value(2.0, "x")
    y = x * x
    x.data = 3.0
    with pytest.raises(ValueError, match=r"grad: 'x' was 2\.0 when the graph was recorded and is 3\.0; record it again"):
        tl.grad(y, [x])


def test_jacobian_and_hessian_have_a_row_for_each_output() -> None:
    x, y = Value(2.0), Value(3.0)
    assert data(tl.jacobian([x * y, x + y, x**2], [x, y])) == [[3.0, 2.0], [1.0, 1.0], [4.0, 0.0]]
    assert data(tl.hessian(x**3 * y, [x, y])) == [[36.0, 12.0], [12.0, 0.0]]
    assert data(tl.hessian(3.0 * x, [x])) == [[0.0]]


def test_the_hessian_times_a_vector() -> None:
    x, y = Value(2.0), Value(3.0)
    f = tl.sin(x * y) + x**3
    rows = data(tl.hessian(f, [x, y]))
    assert data(tl.hvp(f, [x, y], [0.5, Value(-2.0)])) == pytest.approx([r[0] * 0.5 - 2 * r[1] for r in rows])


def test_inputs_may_come_from_a_generator() -> None:
    x, y = Value(2.0), Value(3.0)
    assert data(tl.grad(x * y, (node for node in (x, y)))) == [3.0, 2.0]  # type: ignore[arg-type]


def test_jvp_of_one_and_of_several_outputs() -> None:
    assert tl.jvp(lambda x, y: x * tl.exp(y), [2.0, 0.0], [1.0, 3.0]) == (2.0, 7.0)
    assert tl.jvp(lambda x: [x, x * x], [3.0], [1.0]) == ([3.0, 9.0], [1.0, 6.0])
    assert tl.jvp(lambda x: 5.0, [3.0], [1.0]) == (5.0, 0.0)
    assert tl.jvp(lambda: 5.0, [], []) == (5.0, 0.0)


def test_nested_gradients_do_not_confuse_their_perturbations() -> None:
    x = Value(3.0)
    y = Value(2.0)
    (inner,) = tl.grad(x * y, [y])
    (outer,) = tl.grad(x * inner, [x])
    assert outer.data == 6.0


@pytest.mark.parametrize("case", [c for c in load("graphs.json") if "hessian_diag" in c], ids=lambda c: c["id"])
def test_second_derivatives_are_those_computed_to_60_digits(case: dict[str, Any]) -> None:
    inputs = [Value(x) for x in case["inputs"].values()]
    names = list(case["inputs"])
    rows = data(tl.hessian(build(case, inputs) + 0 * inputs[0], inputs))
    exact = [(i, i, case["hessian_diag"][name], name) for i, name in enumerate(names)]
    exact += [(*map(names.index, pair.split(",")), x, pair) for pair, x in case["hessian_offdiag"].items()]
    scale = max(abs(Fraction(x)) for _, _, x, _ in exact) + max(abs(Fraction(x)) for x in case["grads"].values()) + 1
    for i, j, x, key in exact:
        if x == "0":
            assert abs(rows[i][j]) <= 1e-9 * scale
        else:
            assert relative_error(rows[i][j], x) <= 1e-11 * case["hcond"].get(key, 1.0)


# Series


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


# Random graphs


@given(functions(200, sorted(OPS)))
def test_grad_is_backward_bit_for_bit(pair: Any) -> None:
    f, point = pair
    _, swept_leaves = swept(f, point)
    xs = [Value(x) for x in point]
    assert str(data(tl.grad(f(*xs) + 0.0, xs))).replace("-0.0", "0.0") == str([x.grad for x in swept_leaves]).replace("-0.0", "0.0")


@given(functions(12, SMOOTH))
def test_hessians_are_symmetric(pair: Any) -> None:
    f, point = pair
    xs = [Value(x) for x in point]
    rows = data(tl.hessian(f(*xs), xs))
    scale = max(1.0, *(abs(x) for row in rows for x in row))
    for i, row in enumerate(rows):
        for j in range(i):
            assert row[j] == pytest.approx(rows[j][i], rel=1e-7, abs=1e-9 * scale)


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


@given(functions(20, SMOOTH))
def test_backward_agrees_with_differences(pair: Any) -> None:
    f, point = pair
    root, xs = swept(f, point)
    if max(abs(x.grad) for x in xs) > 1e3 * max(1.0, abs(root.data)):
        return  # a difference of this step would leave the place where f is smooth
    for i, x in enumerate(xs):

        def along(h: float, i: int = i) -> float:
            return f(*(p + h * (j == i) for j, p in enumerate(point)))

        try:
            coarse, fine = ((along(h) - along(-h)) / (2 * h) for h in (1e-4, 5e-5))
        except (ValueError, ArithmeticError):
            continue
        truth = (4 * fine - coarse) / 3
        assert x.grad == pytest.approx(truth, rel=1e-4, abs=1e-5 + 10 * abs(fine - coarse))


# check_grad


def with_broken_partial(op: Op, i: int) -> Op:
    rules = op.partials if isinstance(op.partials, tuple) else [op.partials]

    def broken(*at: Any) -> Any:
        value = rules[i](*at) if callable(rules[i]) else rules[i]
        return [p * 1.01 for p in value] if isinstance(value, list | tuple) else value * 1.01

    changed = tuple(broken if j == i else rule for j, rule in enumerate(rules))
    return Op("broken_" + op.name, op.scalar, changed if isinstance(op.partials, tuple) else broken, lists=op.lists)


BREAKABLE = [
    (name, i)
    for name, op in OPS.items()
    for i, rule in enumerate(op.partials if isinstance(op.partials, tuple) else [op.partials])
    if rule is not None and name != "step"
]


@pytest.mark.parametrize(("name", "i"), BREAKABLE)
def test_check_grad_passes_each_rule_and_catches_each_broken_one(name: str, i: int) -> None:
    op = OPS[name]
    at = {"acosh": [1.7], "mod": [0.9, 0.4], "where": [float(i == 1), 0.8, 0.3]}.get(name, [0.4, 0.8, 0.3, 0.6][: op.arity or 4])

    def through(op: Op) -> Any:
        return lambda *xs: op(*(xs[k :: op.lists] for k in range(op.lists))) if op.lists else op(*xs)

    if name != "where":
        tl.check_grad(through(op), *at, order=2)
    with pytest.raises(AssertionError, match=r"check_grad: ∂f/∂x\d at .* by the rules, .* by differences of step 0\.001"):
        tl.check_grad(through(with_broken_partial(op, i)), *at)


def test_check_grad_catches_a_wrong_second_derivative() -> None:
    slope = tl.declare("test_slope", math.cos, (lambda out, x: -1.01 * tl.sin(x),))
    wave = tl.declare("test_wave", math.sin, (lambda out, x: slope(x),))
    try:
        tl.check_grad(wave, 0.5)
        with pytest.raises(AssertionError, match=r"check_grad: ∂²f/∂x0∂x0 at \(0\.5,\) is -0\.48"):
            tl.check_grad(wave, 0.5, order=2)
    finally:
        del OPS["test_slope"], OPS["test_wave"]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.grad(5.0, []), TypeError, "grad: expected a Value to differentiate, got float"),
        (lambda: tl.grad([Value(1.0)], []), TypeError, "grad: expected a Value to differentiate, got list"),
        (lambda: tl.grad(Value(1.0), Value(1.0)), TypeError, "grad: expected a sequence of Values, got one Value; put it in a list"),
        (lambda: tl.grad(Value(1.0), [1.0]), TypeError, "grad: expected Values, got float"),
        (lambda: tl.hvp(Value(1.0), [Value(1.0)], []), ValueError, "hvp: expected a vector of 1 numbers, got 0"),
        (lambda: tl.jvp(tl.add, [1.0, 2.0], [1.0]), ValueError, "jvp: expected a direction of 2 numbers, got 1"),
        (lambda: tl.taylor(tl.exp, 0.0, -1), ValueError, "taylor: expected an order >= 0, got -1"),
        (lambda: tl.taylor(tl.exp, 0.0, 1.5), TypeError, "taylor: expected a whole order, got 1.5"),
        (lambda: tl.taylor(tl.exp, 0.0, True), TypeError, "taylor: expected a whole order, got True"),
        (lambda: tl.taylor(lambda x: None, 0.0, 1), TypeError, "taylor: expected a function that gives one number, got None"),
        (lambda: tl.taylor(lambda x: [5, 5], 0.0, 1), TypeError, "taylor: expected a function that gives one number, got [5, 5]"),
        (lambda: tl.taylor(tl.log, -1.0, 1), ValueError, "log(-1.0): expected x > 0"),
        (
            lambda: tl.taylor(tl.sqrt, 0.0, 1),
            ValueError,
            "taylor: the function has no derivative of that order there (div(0.5, 0.0): division by zero)",
        ),
        (lambda: tl.check_grad(tl.exp, 1.0, order=3), ValueError, "check_grad: expected order 1 or 2, got 3"),
        (lambda: tl.check_grad(tl.exp, 1.0, step=-1.0), ValueError, "check_grad: expected a step > 0, got -1.0"),
        (lambda: tl.check_grad(lambda x: 1.0, 1.0), TypeError, "check_grad: expected a function that gives a Value, got 1.0"),
    ],
)
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
