"""`check_grad` passes what is right and finds what is not."""

from __future__ import annotations

import math
from typing import Any

import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS
from tinygrad_lite.op import Op


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
    tl.check_grad(wave, 0.5)
    with pytest.raises(AssertionError, match=r"check_grad: ∂²f/∂x0∂x0 at \(0\.5,\) is -0\.48"):
        tl.check_grad(wave, 0.5, order=2)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda x: 1 / x, 1e-3),
        (lambda x: 1 / x, 1e-12),
        (tl.sqrt, 1e-20),
        (tl.acosh, 1 + 1e-12),
        (tl.asin, 1 - 1e-12),
        (tl.tan, 1.5707963),
        (tl.exp, 700.0),
        (tl.exp, -700.0),
        (lambda x: 1e-200 * tl.sin(x), 0.5),
        (lambda x: (1 + 1e-8 * tl.sin(x)) - 1, 0.3),
        (lambda x: tl.sin(x) ** 2 + tl.cos(x) ** 2, 0.3),
        (lambda x: x + 1e20, 1.0),
        (lambda x: tl.sin(1e6 * x), 0.3),
        (lambda x: x**3, 1e100),
        (lambda x: x**3, 1e-100),
        (lambda x: tl.sqrt(x * x + 1e-20), 1e-11),
        (tl.sigmoid, 40.0),
        (tl.sigmoid, -710.0),
        (tl.softplus, -730.0),
        (lambda x: x * x, 0.0),
    ],
)
def test_check_grad_cries_no_wolf_at_hard_points(f: Any, at: float, order: int) -> None:
    tl.check_grad(f, at, order=order)


@pytest.mark.parametrize("f", [tl.relu, tl.abs, lambda x: tl.maximum(x, 0.0), lambda x: tl.where(x > 0, x, 2 * x)])
def test_check_grad_passes_the_slopes_between_those_of_the_two_sides_of_a_kink(f: Any) -> None:
    tl.check_grad(f, 0.0)


@pytest.mark.parametrize("bent", [lambda x: max(x, 0.0), lambda x: max(x, -x), lambda x: x - max(-x, 0.0) / 2])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_check_grad_catches_a_slope_beyond_those_of_the_two_sides_of_a_kink(bent: Any, side: float) -> None:
    op = Op("bent", lambda x: side * bent(x), (lambda out, x: tl.where(tl.equal(x, 0), 1.7 * side, 0.0),))
    with pytest.raises(AssertionError, match=r"is -?1\.7 by the rules"):
        tl.check_grad(op, 0.0)


@pytest.mark.parametrize("x", [-20.0, -7.3, 9.1, 14.6, 18.3, 20.7])
def test_check_grad_compares_routes_relative_to_the_size_of_numbers(x: float) -> None:
    tl.check_grad(lambda x: tl.exp(x) * tl.sin(x) + tl.cosh(x), x)
    wrong = Op("wrong", lambda x: 1e-8 * x, (1e-8,), array=lambda x: 1.01e-8 * x)
    with pytest.raises(AssertionError, match="by its array form"):
        tl.check_grad(wrong, x)


def test_check_grad_is_relative_where_the_derivative_is_small() -> None:
    half_right = Op("half_right", lambda x: 1e-8 * math.sin(x), (lambda out, x: 2e-8 * tl.cos(x),))
    with pytest.raises(AssertionError, match=r"is 1\.91\d+e-08 by the rules, 9\.55\d+e-09 by differences of step 0\.001"):
        tl.check_grad(half_right, 0.3)


def test_check_grad_catches_a_wrong_slope_where_the_right_one_is_0() -> None:
    tilted = Op("tilted", lambda x: 1.0 + math.sin(x) ** 2 + math.cos(x) ** 2, (lambda out, x: 0.01 * x,))
    with pytest.raises(AssertionError, match="by differences"):
        tl.check_grad(tilted, 0.3)


def test_check_grad_compares_the_array_form_of_values_and_rules() -> None:
    other_value = Op("other_value", math.sin, (lambda out, x: tl.cos(x),), array="cos")
    message = r"check_grad: other_value\(0\.3\) is 0\.2955\d+ by recording, 0\.9553\d+ by its array form"
    with pytest.raises(AssertionError, match=message):
        tl.check_grad(other_value, 0.3)
    other_slope = Op("other_slope", math.sin, (lambda out, x: other_cosine(x),))
    other_cosine = Op("other_cosine", math.cos, (lambda out, x: -tl.sin(x),), array="sin")
    message = r"check_grad: partial 0 of other_slope\(0\.3\) is 0\.9553\d+ by its rule, 0\.2955\d+ by that over arrays"
    with pytest.raises(AssertionError, match=message):
        tl.check_grad(other_slope, 0.3)


def test_check_grad_compares_grad() -> None:
    def rule(out: Any, x: Any) -> Any:
        return 2 * x if type(x) is float else 3 * x

    square = Op("square", lambda x: x * x, (rule,))
    with pytest.raises(AssertionError, match=r"check_grad: ∂f/∂x0 at \(2\.0,\) is 4\.0 by backward, 6\.0 by grad"):
        tl.check_grad(square, 2.0)


def test_check_grad_does_not_take_a_condition_in_a_rule_for_true() -> None:
    leaky = Op("leaky", lambda x: x if x > 0 else 0.1 * x, (lambda out, x: 1.0 if x > 0 else 0.1,))
    with pytest.raises(TypeError, match=r"tl\.where"):
        tl.check_grad(leaky, -2.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.check_grad(tl.exp, 1.0, order=3), ValueError, "check_grad: expected order 1 or 2, got 3"),
        (lambda: tl.check_grad(tl.exp, 1.0, step="a"), TypeError, "check_grad: expected a step > 0, got 'a'"),
        (lambda: tl.check_grad(tl.exp, 1.0, step=-1.0), ValueError, "check_grad: expected a step > 0, got -1.0"),
        (lambda: tl.check_grad(lambda x: 1.0, 1.0), TypeError, "check_grad: expected a function that gives a Value, got 1.0"),
        (
            lambda: tl.check_grad(tl.log, 0.5e-3, step=1e-3),
            ValueError,
            "check_grad: a step of 0.001 around x0 = 0.0005 leaves the domain (log(0.0): expected x > 0 (node 'x0')); choose another point or step",
        ),
        (
            lambda: tl.check_grad(lambda x: tl.sin(1e12 * x), 0.3),
            ValueError,
            "check_grad: ∂f/∂x0 at (0.3,) is -908535429831.636 by the rules; differences of step 1.5625e-05 do not converge",
        ),
    ],
)
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize("op", [tl.sin, tl.cos, tl.tan], ids=repr)
@pytest.mark.parametrize("x", [1e15, -1e16, 1e100, 1e300])
def test_where_rounding_of_the_argument_decides_the_value_nothing_is_said_of_the_rule(op: Any, x: float) -> None:
    with pytest.raises(ValueError, match="do not converge"):
        tl.check_grad(op, x)
