"""Derivatives of any order: as graphs, as series, by forward mode, and against differences."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from graphs import SMOOTH, functions, swept
from hypothesis import given
from reference import build, load, relative_error

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value, topological_order


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


def test_a_vector_that_depends_on_the_inputs_counts_as_numbers() -> None:
    x, y = Value(2.0), Value(3.0)
    f = tl.sin(x * y) + x**3
    assert data(tl.hvp(f, [x, y], [x * y, y.exp()])) == data(tl.hvp(f, [x, y], [6.0, math.exp(3.0)]))


def test_inputs_may_come_from_a_generator() -> None:
    x, y = Value(2.0), Value(3.0)
    assert data(tl.grad(x * y, (node for node in (x, y)))) == [3.0, 2.0]  # type: ignore[arg-type]


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


# Arrays of Values


def test_arrays_of_values_give_arrays_of_derivatives() -> None:
    w = np.array([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]], object)
    output = w[0, 0] * w[0, 1] * w[1, 0] + w[1, 1] ** 2
    assert data(tl.grad(output, w).tolist()) == [[6.0, 3.0], [2.0, 8.0]]
    assert tl.hessian(output, w).shape == tl.jacobian(2 * w, w).shape == (2, 2, 2, 2)
    assert tl.hessian(output, w)[0, 1, 1, 0].data == 1.0
    assert tl.jacobian([output], w).shape == (1, 2, 2)
    assert tl.jacobian(w, [w[0, 0]]).shape == (2, 2, 1)
    none = w[:0]
    assert tl.jacobian(none, w).shape == (0, 2, 2, 2)
    assert tl.jacobian(w, none).shape == (2, 2, 0, 2)
    assert tl.jacobian(none, [output]).shape == (0, 2, 1)
    assert tl.hessian(output, none).shape == (0, 2, 0, 2)
    product = tl.hvp(output, w, np.array([[1.0, 0.0], [0.0, 0.5]]))
    assert data(product.tolist()) == [[0.0, 3.0], [2.0, 1.0]]


# Many outputs


@given(functions(40, sorted(OPS)))
def test_the_walk_forth_gives_what_the_walk_back_gives(pair: Any) -> None:
    f, point = pair
    xs = [Value(x) for x in point]
    output = f(*xs)
    if not isinstance(output, Value):
        return
    outputs = [output, *(output * k for k in range(2, 3 + len(xs)))]
    back = data(tl.grad(output, xs))
    scale = max(map(abs, back))
    assert data(tl.jacobian(outputs, xs)[0]) == pytest.approx(back, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.relu().sqrt(),
        lambda x: (x.relu() + tl.relu(x - 1)).sqrt(),
        lambda x: tl.where(x > 0, x, 0) ** 0.5,
        lambda x: tl.maximum(x, 0.0).sqrt(),
        lambda x: tl.where(x > -2, x.relu(), x).sqrt(),
        lambda x: (2 * x.relu() - tl.maximum(x, 0.0) / 3).sqrt(),
    ],
)
def test_a_choice_hands_nothing_on_to_what_it_did_not_choose(f: Any) -> None:
    x = Value(-1.0)
    y = f(x)
    assert data(tl.grad(y, [x])) == [0.0]
    assert data(tl.jacobian([y, 2 * y], [x])) == [[0.0], [0.0]]  # one walk forth
    assert data(tl.hessian(y, [x])) == [[0.0]]


def test_the_jacobian_of_inner_nodes_counts_all_ways() -> None:
    a = Value(2.0)
    c = a * a
    outputs = [c * c + a, c, a, Value(9.0) * 1]
    assert data(tl.jacobian(outputs, [c, a])) == [[8.0, 33.0], [1.0, 4.0], [0.0, 1.0], [0.0, 0.0]]


# Functions


def test_grad_of_a_function_is_a_function() -> None:
    assert tl.grad(lambda x: x**3)(3.0) == 27.0
    assert tl.grad(tl.grad(tl.grad(lambda x: x**3)))(2) == 6.0
    assert tl.grad(lambda x, y: x * y * y)(2.0, 3.0) == 9.0
    assert tl.grad(lambda x, y: x * y * y, argnums=1)(2.0, 3.0) == 12.0
    assert tl.grad(lambda x, y: x * y * y, argnums=(0, 1))(2.0, 3.0) == (9.0, 12.0)
    assert tl.grad(lambda x, y: x * y * y, argnums=np.array([1, 0]))(2.0, 3.0) == (12.0, 9.0)
    assert tl.grad(lambda x, *, k: x * k)(2.0, k=5.0) == 5.0
    assert tl.grad(lambda x: 5)(1.0) == 0.0
    assert tl.value_and_grad(tl.exp)(0.0) == (1.0, 1.0)


def test_the_derivative_for_an_argument_has_its_form() -> None:
    value, slopes = tl.value_and_grad(lambda w: (w * w).sum())(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert value == 30.0
    assert slopes.dtype == float
    assert slopes.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    parameters = {"a": 2.0, "b": [1.0, (4.0,)]}
    assert tl.grad(lambda p, x: p["a"] * x + p["b"][0] * p["b"][1][0])(parameters, 3.0) == {"a": 3.0, "b": [4.0, (1.0,)]}


def test_derivatives_of_functions_keep_their_variables_apart() -> None:
    assert tl.grad(lambda x: x * tl.grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert tl.grad(lambda x: x * tl.grad(lambda y: x * y)(x))(3.0) == 6.0
    assert tl.grad(lambda x: x * tl.grad(lambda y: x * y)(2.0))(3.0) == 6.0
    assert tl.grad(lambda x: x * tl.jvp(lambda y: x * y, [x], [1.0])[1])(3.0) == 6.0
    x = Value(3.0)
    assert data(tl.grad(lambda a, b: a * a * b, argnums=(0, 1))(x, x)) == [18.0, 9.0]


def test_what_a_function_uses_besides_may_be_values() -> None:
    w = Value(2.0)
    slope = tl.grad(lambda x: w * x * x)(3.0)
    assert data(slope) == 12.0
    assert data(tl.grad(slope, [w])) == [6.0]
    assert w.grad == 0.0


def test_a_mixed_derivative_at_numbers_is_a_number() -> None:
    mixed = tl.grad(tl.grad(lambda x, y: x**3 * y**2), argnums=1)(2.0, 5.0)
    assert type(mixed) is float
    assert mixed == 120.0
    third = tl.value_and_grad(tl.grad(tl.grad(lambda x, y: x**3 * y**2, argnums=1)))(2.0, 5.0)
    assert third == (120.0, 120.0)
    assert set(map(type, third)) == {float}


class Line(NamedTuple):
    slope: float
    height: float


def test_a_tuple_with_names_gives_one_with_names() -> None:
    assert tl.grad(lambda line, x: line.slope * x + line.height)(Line(2.0, 1.0), 3.0) == Line(3.0, 1.0)


def g(x: Any, y: Any) -> Any:
    return tl.exp(x * y) * tl.sin(y) + tl.where(x > y, x * x, y)


def test_what_the_graph_has_already_is_not_recorded_again() -> None:
    x = Value(0.7, "x")
    (slope,) = tl.grad(tl.sin(x) * tl.cos(x), [x])
    made = [node.op.name for node in tl.topological_order(slope) if node.op in (tl.sin, tl.cos)]
    assert sorted(made) == ["cos", "sin"]


@pytest.mark.parametrize("argnums", [0, 1])
def test_grad_of_a_function_within_jvp_taylor_and_vectorize_is_that_of_values(argnums: int) -> None:
    slope = tl.grad(g, argnums=argnums)
    for x, y in [(0.5, 0.25), (-0.5, 0.75)]:
        expected = [tl.grad(slope, argnums=i)(x, y) for i in range(2)]
        moved = tl.jvp(slope, [x, y], [1.0, 10.0])
        assert moved == pytest.approx((slope(x, y), expected[0] + 10 * expected[1]), rel=1e-13)
        along = tl.taylor(lambda h, x=x, y=y: slope(x + h, y), 0.0, 2)
        assert along[1] == pytest.approx(expected[0], rel=1e-13)
        assert along[2] * 2 == pytest.approx(tl.grad(tl.grad(slope))(x, y), rel=1e-13)
        values, (by_x, _) = tl.vectorize(slope).value_and_grad([x, x], [y, y])
        assert values == pytest.approx(slope(x, y), rel=1e-13)
        assert by_x == pytest.approx(expected[0], rel=1e-13)


def test_grad_within_jvp_keeps_its_variable_apart() -> None:
    assert tl.jvp(lambda x: x * tl.grad(lambda y: x + y)(1.0), [1.0], [1.0])[1] == 1.0
    assert tl.jvp(lambda x: x * tl.grad(lambda y: x * y)(2.0), [3.0], [1.0])[1] == 6.0
    assert tl.jvp(lambda x: tl.grad(lambda w: w[0] * w[1] * x)([x, 3.0])[1], [2.0], [1.0]) == (4.0, 4.0)
    assert tl.taylor(lambda x: tl.value_and_grad(lambda: x * x, argnums=())()[0], 3.0, 1) == [9.0, 6.0]
    with pytest.raises(TypeError, match="grad: expected a function that gives one number, got "):
        tl.jvp(lambda x: tl.grad(lambda y: [x, y])(x), [1.0], [1.0])


def test_a_0_in_the_vector_of_hvp_is_no_change() -> None:
    x, y = Value(0.0), Value(2.0)
    f = x.sqrt() + y * y
    assert data(tl.hvp(f, [x, y], [0.0, 1.0])) == [0.0, 2.0]
    assert data(tl.hvp(f, [x, y], [0.0, 0.0])) == [0.0, 0.0]
    assert data(tl.hvp(f, [x, y], np.array([1.0, 0.0]))) == [-math.inf, 0.0]


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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.grad(5.0, []), TypeError, "grad: expected a Value to differentiate, got float"),
        (lambda: tl.grad([Value(1.0)], []), TypeError, "grad: expected a Value to differentiate, got list"),
        (lambda: tl.grad(Value(1.0), Value(1.0)), TypeError, "grad: expected a sequence of Values, got one Value; put it in a list"),
        (lambda: tl.grad(Value(1.0), [1.0]), TypeError, "grad: expected Values, got float"),
        (lambda: tl.hvp(Value(1.0), [Value(1.0)], []), ValueError, "hvp: expected a vector of 1 numbers, got 0"),
        (lambda: tl.jacobian([5.0], []), TypeError, "jacobian: expected Values, got float"),
        (lambda: tl.hessian(5.0, []), TypeError, "hessian: expected Values, got float"),
        (lambda: tl.hessian(Value(1.0), 5.0), TypeError, "hessian: expected Values, got float"),
        (lambda: tl.hvp(Value(1.0), [Value(1.0)], "ab"), ValueError, "hvp: expected a vector of 1 numbers, got 2"),
        (
            lambda: tl.hessian(tl.exp, [1.0]),
            TypeError,
            "hessian: expected Values, got a function; give what it gives for Values",
        ),
        (
            lambda: tl.jacobian(tl.softmax, [1.0]),
            TypeError,
            "jacobian: expected Values, got a function; give what it gives for Values",
        ),
        (
            lambda: tl.jvp(lambda x: tl.grad(x * x, [x])[0], [1.0], [1.0]),
            TypeError,
            "grad: expected Values, got Series; within jvp, taylor and vectorize write grad(f)(x)",
        ),
        (
            lambda: tl.vectorize(lambda x: tl.hessian(x * x, [x])[0][0])([1.0]),
            TypeError,
            "hessian: expected Values, got Traced; within jvp, taylor and vectorize write grad(f)(x)",
        ),
        (lambda: tl.grad(Value(1.0)), TypeError, "grad: expected Values to differentiate for; write grad(output, [x])"),
        (
            lambda: tl.grad(tl.exp, 3.0),
            TypeError,
            "grad: of a function it gives a function; write grad(f)(3.0), or with argnums= the argument to differentiate for",
        ),
        (lambda: tl.grad(lambda x: [x])(1.0), TypeError, "grad: expected a function that gives one number, got [Value(1.0)]"),
        (lambda: tl.value_and_grad(tl.exp)("2"), TypeError, "value_and_grad: expected numbers or Values to differentiate for, got '2'"),
        (lambda: tl.grad(tl.exp, argnums=1)(2.0), TypeError, "grad: expected argument 1 to differentiate for, got 1 arguments"),
        (lambda: tl.grad(tl.mul, argnums=(0, 0)), ValueError, "grad: expected argnums, each once, got (0, 0)"),
        (lambda: tl.grad(tl.mul, argnums=-1), ValueError, "grad: expected argnums to be a whole number >= 0, got -1"),
        (lambda: tl.grad(tl.mul, argnums="xy"), TypeError, "grad: expected argnums to be a whole number >= 0, got 'x'"),
        (lambda: tl.value_and_grad(tl.mul, [1.0]), TypeError, "value_and_grad: expected argnums to be a whole number >= 0, got 1.0"),
    ],
)
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


# Second derivatives at special points: those of smooth points beside the kinks

LISTS = {
    "prod": tl.prod,
    "norm": tl.norm,
    "logsumexp": tl.logsumexp,
    "softmax": lambda xs: tl.softmax(xs)[0],
    "log_softmax": lambda xs: tl.log_softmax(xs)[0],
    "dot": lambda xs: tl.dot(xs, xs[::-1]),
}
FUNCTIONS: dict[str, tuple[Any, int]] = {
    **{name: (op, op.arity) for name, op in tl.OPS.items() if op.arity in (1, 2)},
    **{name: (lambda *xs, f=f: f(xs), 2) for name, f in LISTS.items()},
}
SPECIAL = [-2.0, -0.5, 0.0, 0.5, 1.0, 2.0]


def slopes(f: Any, point: Sequence[float]) -> list[float]:
    xs = [*map(Value, point)]
    return [x.data for x in tl.grad(f(*xs), xs)]


def differences(f: Any, point: Sequence[float], j: int) -> list[float]:
    """∂²f/∂x∂x_j where two step sizes agree about it, else nan."""
    found = []
    for h in (1e-4, 1e-5):
        above, below = ([*point[:j], point[j] + sign * h, *point[j + 1 :]] for sign in (1, -1))
        found.append([(x - y) / (2 * h) for x, y in zip(slopes(f, above), slopes(f, below), strict=True)])
    return [y if abs(x - y) <= 1e-3 * (1 + abs(y)) else math.nan for x, y in zip(*found, strict=True)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives_are_differences_of_first_ones_at_special_points(name: str) -> None:
    f, count = FUNCTIONS[name]
    compared = 0
    for point in itertools.product(SPECIAL, repeat=count):
        try:
            xs = [*map(Value, point)]
            hessian = [[x.data for x in row] for row in tl.hessian(f(*xs), xs)]
            columns = [differences(f, point, j) for j in range(count)]
            has_slopes = all(map(math.isfinite, slopes(f, point)))
        except (ArithmeticError, ValueError):
            continue
        if not has_slopes:  # atan2(0, 0)
            continue
        for i, j in itertools.product(range(count), repeat=2):
            if not math.isnan(columns[j][i]):
                assert hessian[i][j] == pytest.approx(columns[j][i], rel=1e-3, abs=1e-3), (point, i, j)
                compared += 1
    assert compared > 0
