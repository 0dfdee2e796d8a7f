"""What an operation is: declared once and seen everywhere, what it is called with, what it hands on."""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value
from tinygrad_lite.op import RESERVED, Operand
from tinygrad_lite.ops import HELPERS
from tinygrad_lite.support.simplify import BUT_FOR_SIGN_OF_ZERO, EXACT, OF_FINITE_NUMBERS, simpler

INF, NAN = math.inf, math.nan


def gradient(f: Any, *xs: float) -> list[float]:
    values = [Value(x) for x in xs]
    f(*values).backward()
    return [value.grad for value in values]


# Declared once


def test_an_operation_that_is_declared_is_seen_everywhere() -> None:
    cube = tl.declare(
        "cube_of_test", lambda x: x**3, (lambda out, x: 3 * x**2,),
        text="{0:5}³", latex="{0:5}^3", precedence=4,
    )  # fmt: skip
    x = Value(2.0, "x")
    y = x.cube_of_test().named("y")
    y.backward()
    assert (y.data, x.grad) == (8.0, 12.0)
    assert cube(np.array([1.0, 2.0])).tolist() == [1.0, 8.0]
    assert [each.data for each in tl.grad(y, [x])] == [12.0]
    assert tl.taylor(cube, 2.0, 3) == [8.0, 12.0, 6.0, 1.0]
    assert tl.compile(cube(x), [x]).value_and_grad([2.0])[1][0].tolist() == [12.0]
    assert "y = x³" in str(tl.explain(y))
    assert "x³" in tl.draw(y).source
    assert cube(x + 1).op is cube


def test_an_operation_may_be_a_function_of_numpy() -> None:
    sine = tl.declare("sine", np.sin, (lambda out, x: cosine(x),))
    cosine = tl.declare("cosine", np.cos, (lambda out, x: -sine(x),))
    x = tl.Value(0.5)
    e = sine(x) * x
    e.backward()
    slope = math.sin(0.5) + 0.5 * math.cos(0.5)
    (first,) = tl.grad(e, [x])
    found = [sine(0.5), e.data, x.grad, first.data, *tl.taylor(lambda x: sine(x) * x, 0.5, 2)]
    curvature = 2 * math.cos(0.5) - 0.5 * math.sin(0.5)
    truth = [math.sin(0.5), 0.5 * math.sin(0.5), slope, slope]
    assert found == pytest.approx([*truth, 0.5 * math.sin(0.5), slope, curvature / 2])
    assert {type(each) for each in found} == {float}


def test_a_name_is_that_of_one_declaration() -> None:
    assert set(tl.ops.__all__) == RESERVED - set(HELPERS) - {"logsumexp", "norm"}
    for name in tl.ops.__all__:
        assert getattr(tl, name) is OPS[name]
    for name, op in OPS.items():
        if op.arity == 1:
            assert hasattr(Operand, name)


def test_a_method_taken_from_the_class_is_a_function_of_its_operand() -> None:
    own = tl.declare("own", lambda x: 2 * x, (2.0,))
    x = Value(0.5)
    assert Value.exp(x).op is tl.exp
    assert Value.__sub__(x, 1).data == Value.__rsub__(1 - x, 1.5).data - 1.5 == -0.5
    assert Value.own(x).op is own  # type: ignore[attr-defined]


def test_a_method_with_too_many_arguments_is_named() -> None:
    with pytest.raises(TypeError, match="exp"):
        Value(0.5).exp(1)


def test_a_method_of_numpys_name_serves_arrays_of_values() -> None:
    x = np.array([Value(0.5), Value(0.25)], object)
    assert [y.op.name for y in np.arctan(x)] == ["atan", "atan"]
    assert [y.op.name for y in np.exp(x)] == ["exp", "exp"]
    assert [y.op.name for y in np.arctan2(x, [1.0, 2.0])] == ["atan2", "atan2"]
    assert [y.op.name for y in np.hypot(x, x)] == ["hypot", "hypot"]


DECLARATIONS = [
    (lambda: tl.declare("own", math.exp), "declare: 'own' needs either partials or terms"),
    (
        lambda: tl.declare("own", lambda x, y: x, (lambda out, x: 1.0,)),
        "declare: 'own' has 1 rule(s), one for each argument of scalar",
    ),
    (
        lambda: tl.declare("own", lambda x: x, (lambda x: 1.0,)),
        "declare: rule 0 of 'own' must take out and 1 argument(s)",
    ),
    (
        lambda: tl.declare("own", lambda x: x, terms=(lambda out, x: 1.0,)),
        "declare: rule 0 of 'own' must take t, out and 1 argument(s)",
    ),
]


@pytest.mark.parametrize(("call", "message"), DECLARATIONS, ids=[row[1] for row in DECLARATIONS])
def test_rules_that_do_not_fit_are_refused_at_once(call: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message
    assert "own" not in OPS


# What rules run on


BRANCHES = [
    lambda out, x: 1.0 if x > 0 else 0.1,
    lambda out, x: 1.0 * ((x > -1) and (x < 1)),
    lambda out, x: (x > 0) or tl.exp(x),
    lambda out, x: 2 * x if x not in (0,) else 0.0,
    lambda out, x: max(x, 0.0),
]


@pytest.mark.parametrize("rule", BRANCHES, ids=range(len(BRANCHES)))
@pytest.mark.parametrize("route", ["grad", "hessian", "compile"])
def test_a_rule_that_branches_is_refused_on_every_route(rule: Any, route: str) -> None:
    op = tl.declare("own", lambda x: 2.0 * x, (rule,))
    x = Value(-2.0)
    routes = {
        "grad": lambda: tl.grad(op(x), [x]),
        "hessian": lambda: tl.hessian(op(x) ** 2, [x]),
        "compile": lambda: tl.compile(op(x), [x]).value_and_grad([1.0]),
    }
    with pytest.raises(TypeError, match=r"cannot branch on its arguments; choose with tl\.where"):
        routes[route]()


@pytest.mark.parametrize("given", ["partials", "terms"])
@pytest.mark.parametrize(
    ("results", "message"),
    [
        (lambda xs: [1.0], "a rule gave 1 results for 3 arguments; one for each is due"),
        (lambda xs: [1.0] * 4, "a rule gave 4 results for 3 arguments; one for each is due"),
        (lambda xs: None, "a rule gave None; let it return a number, or declare None in its place"),
    ],
    ids=["few", "many", "none"],
)
def test_one_rule_for_all_arguments_gives_a_result_for_each(given: str, results: Any, message: str) -> None:
    rules: dict[str, Any] = {
        "partials": {"partials": lambda out, *xs: results(xs)},
        "terms": {"terms": lambda t, out, *xs: results(xs)},
    }
    own = tl.declare("own", lambda *xs: math.fsum(xs), lists=1, **rules[given])
    xs = [tl.Value(1.0), tl.Value(2.0), tl.Value(4.0)]
    e = own(xs)
    routes: list[Any] = [
        e.backward,
        lambda: tl.grad(e, xs),
        lambda: tl.jvp(lambda *xs: own(xs), [1.0, 2.0, 4.0], [1.0, 1.0, 1.0]),
        lambda: tl.compile(e, xs).value_and_grad([1.0], [2.0], [4.0]),
        lambda: tl.steps(e),
    ]
    for route in routes:
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            route()
    assert [x.grad for x in xs] == [0.0, 0.0, 0.0]


def test_a_rule_that_returns_nothing_is_no_derivative_of_0() -> None:
    op = tl.declare("own", math.sin, (lambda out, x: None,))
    x = Value(0.5)
    routes = [
        lambda: op(x).terms(1.0),
        lambda: op(x).backward(),
        lambda: tl.grad(op(x), [x]),
        lambda: tl.compile(op(x), [x]).value_and_grad([1.0]),
        lambda: tl.jvp(op, [0.5], [1.0]),
        lambda: tl.explain(op(x), wrt=x),
    ]
    for route in routes:
        with pytest.raises(TypeError, match="a rule gave None; let it return a number, or declare None in its place"):
            route()


def test_a_rule_with_a_function_of_math_is_told_what_to_write() -> None:
    op = tl.declare("own", math.sin, (lambda out, x: math.cos(x),))
    x = Value(0.5)
    with pytest.raises(TypeError, match=r"write tl\.exp\(x\), not math\.exp\(x\)"):
        tl.grad(op(x), [x])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: pow(x, 2, 3), "pow: expected 2 arguments, got 3"),
        (lambda x: tl.maximum([x, x]), "maximum: expected numbers or Values, got a list; write maximum(*xs)"),
        (lambda x: tl.sum([[x], [x]]), "sum: expected numbers or Values, got a list; write [sum(xs) for xs in rows]"),
        (
            lambda x: tl.dot([[x]], [[x]]),
            "dot: expected numbers or Values, got a list; write [dot(xs, ys) for xs, ys in zip(rows, others)]",
        ),
        (lambda x: tl.exp(None), "exp: expected numbers or Values, got NoneType"),
        (lambda x: tl.maximum(y for y in [x]), "maximum: expected numbers or Values, got a generator; write maximum(*xs)"),
        (
            lambda x: tl.atan2([x], (1.0,)),
            "atan2: expected numbers or Values, got a list; write [atan2(x, y) for x, y in zip(xs, ys)]",
        ),
        (lambda x: tl.sum(x), "sum: expected one sequence, got Value; write sum([x, y])"),
        (lambda x: tl.logsumexp(x, x), "logsumexp: expected one sequence, got 2 arguments; write logsumexp([x, y])"),
        (lambda x: tl.dot([x], x), "dot: expected two sequences, got 2 arguments; write dot([v, w], [x, y])"),
        (lambda x: tl.exp([x]), "exp: expected numbers or Values, got a list; write [exp(x) for x in xs]"),
        (lambda x: np.add(x, 1, out=np.zeros(1)), "np.add: an array of float64 cannot hold Values; make a new array, or this one of objects"),
        (lambda x: np.add(x, 1, where=True), "np.add(x, where=): no such operation; on Values there are "),
        (lambda x: np.cbrt(x), "np.cbrt(x): no such operation; on Values there are absolute, add, "),
        (lambda x: np.multiply.outer(x, [1.0]), "np.multiply.outer(x): no such operation"),
    ],
)
def test_what_an_operation_cannot_take_is_said(call: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call(Value(2.0))
    assert str(caught.value).startswith(message)


# NumPy


@pytest.mark.parametrize("op", [op for op in OPS.values() if isinstance(op.array, str)], ids=lambda op: op.name)
def test_numpys_function_of_values_is_the_operation(op: Any) -> None:
    xs = [Value(x) for x in (0.5, 0.25, 0.75)[: op.arity or 2]]
    if op.name == "acosh":
        xs = [Value(1.5)]
    if op.name in ("where", "stop_gradient", "sum"):
        return
    y = getattr(np, op.array)(*xs)
    assert y.op is op
    assert y.args == tuple(xs)


def test_numpys_square_reciprocal_and_positive_are_arithmetic() -> None:
    x = Value(3.0)
    assert (np.square(x).data, np.reciprocal(x).data) == (9.0, 1 / 3)
    assert np.positive(x) is x
    assert +x is x


def test_beside_an_array_a_value_works_element_by_element() -> None:
    v = Value(3.0)
    for y in (v * np.array([1.0, 2.0]), np.array([1.0, 2.0]) * v):
        assert isinstance(y, np.ndarray)
        assert [each.data for each in y] == [3.0, 6.0]
    (v * np.array([1.0, 2.0])).sum().backward()
    assert v.grad == 3.0
    assert (np.float64(2.0) * v).data == 6.0
    assert [each.data for each in (v > np.array([1.0, 5.0]))] == [1.0, 0.0]
    assert [each.data for each in np.maximum(v, np.array([1.0, 5.0]))] == [3.0, 5.0]
    assert (v / np.ones((2, 2))).shape == (2, 2)
    assert [each.data for each in np.subtract([1.0, v], v)] == [-2.0, 0.0]


def test_functions_of_object_arrays_are_object_arrays() -> None:
    xs = np.array([[Value(0.0), Value(1.0)]], object)
    ys = tl.exp(xs)
    assert ys.shape == (1, 2)
    assert ys[0, 0].data == 1.0
    assert tl.add(xs, np.array([1.0, 2.0]))[0, 1].data == 3.0
    assert tl.where(xs, xs, 5.0)[0, 0].data == 5.0
    assert tl.dot([xs, xs], [xs, 1.0])[0, 1].data == 2.0


# A choice hands nothing to what it did not choose; a quotient does not overflow on the way


CHOICES = [
    (lambda a: a.relu().sqrt(), [-1.0], [0.0]),
    (lambda a, b: tl.where(a <= b, a, b).sqrt(), [0.0, 1.0], [INF, 0.0]),
    (lambda a, b: tl.minimum(a, b).sqrt(), [0.0, 1.0], [INF, 0.0]),
    (lambda a, b: tl.maximum(a, b).sqrt(), [0.0, -1.0], [INF, 0.0]),
    (lambda *xs: tl.minimum(*xs).log(), [0.5, 1e-320, 0.7], [0.0, INF, 0.0]),
    (lambda a: tl.where(a > 0, tl.maximum(a, 0.0) ** 0.5, 0.0), [-1.0], [0.0]),
    (lambda a: tl.where(a > 0, a, 0.0) * INF, [-1.0], [0.0]),
    (lambda a: tl.relu(a) ** -1.0 if a.data else a, [2.0], [-0.25]),
    (lambda a: tl.relu(a) * NAN, [-1.0], [0.0]),
    (lambda a, b: tl.maximum(a, b).sqrt(), [0.0, 0.0], [INF, INF]),
]
QUOTIENTS = [
    (lambda x: x.log().exp(), [5e-324], [1.0]),
    (lambda x: x.log2() * 1e-320, [1e-320], [1 / math.log(2)]),
    (lambda x: x.log10() * 1e-320, [1e-320], [1 / math.log(10)]),
    (lambda a, b: (a / b) * 1e-310, [1e-310, 2e-310], [0.5, -0.25]),
    (lambda x: tl.xlogy(x, x), [1e-310], [math.log(1e-310) + 1]),
]
UNREACHED = [
    (lambda a: tl.stop_gradient(a.sqrt()) + a, [0.0], [1.0]),
    (lambda a: (a.sqrt() > 1) + a, [0.0], [1.0]),
    (lambda a: a.sqrt().step() + a.sqrt().sign() * a, [0.0], [0.0]),
    (lambda a: tl.where(a.sqrt(), 1.0, 2.0) * a, [0.0], [2.0]),
    (lambda a: tl.floor(a.sqrt()) + a.sqrt() // 1 + a, [0.0], [1.0]),
]


@pytest.mark.parametrize(("f", "xs", "slopes"), [*CHOICES, *QUOTIENTS, *UNREACHED])
def test_the_sweep_at_choices_quotients_and_what_no_term_reaches(f: Any, xs: list[float], slopes: list[float]) -> None:
    got = gradient(f, *xs)
    for x, y in zip(got, slopes, strict=True):
        assert x == y or x == pytest.approx(y, rel=1e-3 if 0 < min(map(abs, xs)) < 1e-300 else 1e-12)


def test_a_product_of_0_and_inf_stays_nan() -> None:
    assert math.isnan(gradient(lambda a: (a * 0.0).sqrt(), 1.0)[0])


# What is simpler


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -1.5, INF, -INF, NAN], ids=str)
@pytest.mark.parametrize("y", [0.0, -0.0, 1.0, -1.0])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow"])
@pytest.mark.parametrize("place", [0, 1])
def test_what_is_simpler_is_the_same_as_exactly_as_it_says(name: str, x: float, y: float, place: int) -> None:
    op, operands = OPS[name], [x, x]
    operands[place] = y
    numbers: list[float | None] = [None, None]
    numbers[place] = y
    full = op.at_arrays(*(np.array([each]) for each in operands))[0]
    for level in (EXACT, BUT_FOR_SIGN_OF_ZERO, OF_FINITE_NUMBERS):
        found = simpler(op, numbers, level)
        if found is None or (level == OF_FINITE_NUMBERS and not (math.isfinite(x) and x)):
            continue
        value = found if isinstance(found, float) else {"same": 1, "neg": -1}[found[0]] * operands[found[1]]
        assert value == full or (value != value and full != full)
        if level == EXACT and value == 0:
            assert math.copysign(1, value) == math.copysign(1, full)


@pytest.mark.parametrize("condition", [0.0, 1.0])
def test_a_choice_by_a_number_is_what_it_chooses(condition: float) -> None:
    assert simpler(OPS["where"], [condition, None, None], EXACT) == ("same", 2 - int(condition))


# Without the fast forms


def test_everything_is_the_same_without_the_fast_forms() -> None:
    code = """
import tinygrad_lite as tl
from tinygrad_lite import Value
a, b = Value(2.0), Value(1.0)
e = ((a + b) * (b + 1) / 3 - 2**a).tanh().relu() + tl.maximum(a, b) ** 2
e.backward()
print(e.data.hex(), a.grad.hex(), b.grad.hex(), type(Value.__add__).__name__)
"""
    answers = []
    for plain in ("", "1"):
        environment = os.environ | {"TINYGRAD_LITE_PLAIN": plain}
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        answers.append(answer.stdout.split() or [answer.stderr])
    fast, general = answers
    assert fast[:3] == general[:3]
    assert fast[3:] != general[3:]


def test_the_mean_of_values_does_not_leave_the_graph() -> None:
    with pytest.raises(TypeError, match="a Value is not a float"):
        statistics.fmean([Value(1.0), Value(2.0)])
