"""Every operation of the table against finite differences, closed forms, edges and its own other forms."""

from __future__ import annotations

import math
import pickle
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from reference import finite_difference, load, ulps

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value
from tinygrad_lite.op import Op, constant
from tinygrad_lite.ops import HELPERS
from tinygrad_lite.support.checks import number

INF, NAN = math.inf, math.nan
NO_SLOPE = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "sign", "step", "stop_gradient", "floor", "floordiv"}
OPERATIONS = list(OPS.values())


def flat(op: Op, *xs: Any) -> Any:
    """The operation at arguments given singly, whatever its function takes."""
    return op(*(xs[i :: op.lists] for i in range(op.lists))) if op.lists else op(*xs)


def quotients(xs: list[float]) -> list[float]:
    """x, or x/y, with each argument as it is and a little changed."""
    near = [[x - 0.01, x + 0.01] for x in [*xs, 1.0][:2]]
    return [x / y for x in near[0] for y in near[1]]


def points(op: Op, count: int = 20, seed: int = 0) -> list[list[float]]:
    """Arguments inside the domain, away from kinks and poles."""
    rng, found = random.Random(f"{op.name}{seed}"), []
    while len(found) < count:
        xs = [rng.uniform(0.1, 3.0) * rng.choice([1, 1, -1]) for _ in range(op.arity or 4)]
        if op.name == "where":
            xs[0] = float(rng.random() < 0.5)
        try:
            around = [flat(op, *(x + h for x in xs)) for h in (-0.01, 0.0, 0.01)]
            if op.name in ("mod", "floordiv", "floor") and len({*map(math.floor, quotients(xs))}) > 1:
                continue
        except (ValueError, ArithmeticError):
            continue
        if all(map(math.isfinite, around)):
            found.append(xs)
    return found


def gradient(op: Op, xs: list[float]) -> list[float]:
    values = [Value(x) for x in xs]
    flat(op, *values).backward()
    return [value.grad for value in values]


def disagreements(op: Op) -> list[str]:
    """Where the rules of an operation differ from finite differences."""
    found = []
    for xs in points(op):
        for i, got in enumerate(gradient(op, xs)):
            truth = finite_difference(lambda *at: flat(op, *at), xs, i)
            if not (got == pytest.approx(truth, rel=1e-6, abs=1e-6) or (op.name == "pow" and math.isnan(got))):
                found.append(f"{op.name}{xs}: ∂{i} = {got}, difference {truth}")
    return found


@pytest.mark.parametrize("name", sorted(set(OPS) - NO_SLOPE))
def test_rules_agree_with_finite_differences(name: str) -> None:
    assert not disagreements(OPS[name])


@pytest.mark.parametrize("name", sorted(NO_SLOPE))
def test_piecewise_constants_have_derivative_0(name: str) -> None:
    for xs in points(OPS[name]):
        assert gradient(OPS[name], xs) == [0.0] * len(xs)


@pytest.mark.parametrize("name", sorted(set(OPS) - NO_SLOPE))
def test_every_broken_partial_is_caught(name: str) -> None:
    op = OPS[name]
    rules = op.partials if isinstance(op.partials, tuple) else [op.partials]
    for i, rule in enumerate(rules):
        if rule is None:
            continue

        def broken(*at: Any, rule: Any = rule) -> Any:
            value = rule(*at) if callable(rule) else rule
            return [p * 1.001 for p in value] if isinstance(value, list | tuple) else value * 1.001

        changed = tuple(broken if j == i else each for j, each in enumerate(rules))
        partials = changed if isinstance(op.partials, tuple) else broken
        assert disagreements(Op(name, op.scalar, partials, lists=op.lists)), f"partial {i} of {name}"


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.textbook])
def test_the_textbooks_rule_is_the_accurate_one_where_both_are_accurate(name: str) -> None:
    op = OPS[name]
    for xs in points(op):
        out = flat(op, *xs)
        wanted = [not (name == "pow" and i == 1 and xs[0] < 0) for i in range(len(xs))]  # no log of a negative base
        textbook = op.differentiate(out, xs, wanted, textbook=True)
        for p, q in zip(op.differentiate(out, xs, wanted), textbook, strict=True):
            assert p == q or p == pytest.approx(q, rel=1e-12)


SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, 20.0, -40.0, 800.0, -800.0, 5e-324, 1e308, INF, -INF, NAN]


def same(x: float, y: float) -> bool:
    return x == y or (x != x and y != y) or math.isclose(x, y, rel_tol=1e-13, abs_tol=5e-324)


@pytest.mark.parametrize("name", sorted(OPS))
def test_the_float_form_raises_where_the_array_is_not_finite_or_both_agree(name: str) -> None:
    op = OPS[name]
    rng = random.Random(name)
    if op.arity == 1:
        rows = [[x] for x in SPECIAL]
    elif op.arity == 2:
        rows = [[x, y] for x in SPECIAL for y in SPECIAL]
    else:
        rows = [[rng.choice(SPECIAL) for _ in range(op.arity or 4)] for _ in range(300)]
    arrays = flat(op, *np.array(rows).T)
    assert arrays.shape == (len(rows),)
    for row, got in zip(rows, arrays.tolist(), strict=True):
        try:
            expected = flat(op, *row)
        except (ValueError, ArithmeticError):
            assert not math.isfinite(got), f"{name}{row}: raised, array {got}"
        else:
            assert same(got, expected) or abs(expected) < 3e-308, f"{name}{row}: {expected}, array {got}"


CORE = ["neg", "exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sigmoid", "relu", "abs", "softplus", "erf"]


@pytest.mark.parametrize("name", sorted(load("points.json")))
def test_hard_points_are_accurate_to_the_last_places(name: str) -> None:
    values = slopes = 0.0
    for text, value, slope, kind in load("points.json")[name]:
        if kind not in ("finite", "overflow"):
            continue
        x = Value(float(text))
        try:
            y = OPS[name](x)
        except (ValueError, ArithmeticError):
            assert kind == "overflow", f"{name}({text}) raised"
            continue
        y.backward()
        values, slopes = max(values, ulps(y.data, value)), max(slopes, ulps(x.grad, slope) if name in CORE else 0.0)
    assert values <= 1.5
    assert slopes <= 3


@pytest.mark.parametrize(
    ("call", "exact"),
    [  # to 20 digits, from 50
        (lambda: tl.ops.exp_difference(700.001, 1 / 3), "7.2745611591427145874e303"),
        (lambda: tl.ops.exp_difference(-700.001, 1 / 3), "7.0577057199845815506e-305"),
        (lambda: tl.logsumexp([0.0] + [-36.0] * 400), "9.2780913209738471384e-14"),
        (lambda: tl.logsumexp([-36.0] * 400 + [0.0]), "9.2780913209738471384e-14"),
        (lambda: tl.logsumexp([1000.0] + [964.0] * 400), "1000.0000000000000928"),
        (lambda: tl.ops.gaussian(23.7), "1.1511514364506901105e-244"),
        (lambda: tl.ops.norm_pdf(26.3), "2.5254278878273841048e-151"),
        (lambda: tl.ops.norm_pdf(-31.7), "2.4650123866479897472e-219"),
    ],
)
def test_what_cancels_is_accurate_to_the_last_places(call: Any, exact: str | None) -> None:
    assert ulps(call(), exact) <= 2


EDGES = [  # operation, arguments, value, derivatives
    ("relu", [0.0], 0.0, [0.0]),
    ("relu", [-0.0], 0.0, [0.0]),
    ("relu", [NAN], NAN, [NAN]),
    ("abs", [0.0], 0.0, [0.0]),
    ("abs", [-0.0], 0.0, [0.0]),
    ("abs", [NAN], NAN, [NAN]),
    ("sign", [0.0], 0.0, [0.0]),
    ("sign", [NAN], NAN, [0.0]),
    ("step", [0.0], 0.0, [0.0]),
    ("maximum", [2.0, 2.0], 2.0, [0.5, 0.5]),
    ("minimum", [2.0, 2.0], 2.0, [0.5, 0.5]),
    ("maximum", [3.0, 1.0, 3.0, 3.0], 3.0, [1 / 3, 0.0, 1 / 3, 1 / 3]),
    ("maximum", [1.0, NAN], NAN, [NAN, NAN]),
    ("maximum", [NAN, 1.0], NAN, [NAN, NAN]),
    ("minimum", [1.0, NAN], NAN, [NAN, NAN]),
    ("pow", [0.0, 0.0], 1.0, [0.0, 0.0]),
    ("pow", [5.0, 0.0], 1.0, [0.0, math.log(5)]),
    ("pow", [NAN, 0.0], 1.0, [0.0, NAN]),
    ("pow", [0.0, 2.0], 0.0, [0.0, 0.0]),
    ("pow", [0.0, 1.0], 0.0, [1.0, 0.0]),
    ("pow", [0.0, 0.5], 0.0, [INF, 0.0]),
    ("pow", [-2.0, 3.0], -8.0, [12.0, NAN]),
    ("pow", [-2.0, 2.0], 4.0, [-4.0, NAN]),
    ("pow", [1e200, 2.0], INF, [2e200, INF]),
    ("pow", [-1e200, 3.0], -INF, [INF, NAN]),
    ("sqrt", [0.0], 0.0, [INF]),
    ("div", [1e-200, 1e-200], 1.0, [1e200, -1e200]),
    ("div", [1e200, 1e200], 1.0, [1e-200, -1e-200]),
    ("mul", [1e200, 1e200], INF, [1e200, 1e200]),
    ("exp", [-INF], 0.0, [0.0]),
    ("exp", [INF], INF, [INF]),
    ("sigmoid", [1000.0], 1.0, [0.0]),
    ("sigmoid", [-1000.0], 0.0, [0.0]),
    ("sigmoid", [40.0], 1.0, [math.exp(-40.0)]),
    ("sigmoid", [-700.0], math.exp(-700.0), [math.exp(-700.0)]),
    ("tanh", [20.0], 1.0, [4 * math.exp(-40.0)]),
    ("tanh", [INF], 1.0, [0.0]),
    ("tanh", [-1000.0], -1.0, [0.0]),
    ("asinh", [-1e200], -461.21016579355057, [1e-200]),
    ("asinh", [INF], INF, [0.0]),
    ("acosh", [1e200], 461.21016579355057, [1e-200]),
    ("acosh", [1.0], 0.0, [INF]),
    ("acosh", [INF], INF, [0.0]),
    ("softplus", [20.5], 20.500000001250156, [0.99999999874984624]),
    ("softplus", [1000.0], 1000.0, [1.0]),
    ("softplus", [-745.0], 5e-324, [5e-324]),
    ("softplus", [INF], INF, [1.0]),
    ("softplus", [-INF], 0.0, [0.0]),
    ("softplus", [NAN], NAN, [NAN]),
    ("erf", [26.0], 1.0, [2.9470349932662693e-294]),
    ("expm1", [1e-300], 1e-300, [1.0]),
    ("xlogy", [0.0, 0.0], 0.0, [-INF, 0.0]),
    ("xlogy", [0.0, 2.0], 0.0, [math.log(2), 0.0]),
    ("xlogy", [2.0, 4.0], 2 * math.log(4), [math.log(4), 0.5]),
    ("hypot", [0.0, 0.0], 0.0, [0.0, 0.0]),
    ("hypot", [1e200, 0.0], 1e200, [1.0, 0.0]),
    ("atan2", [1e200, 1e200], math.pi / 4, [5e-201, -5e-201]),
    ("floor", [-0.5], -1.0, [0.0]),
    ("floor", [INF], INF, [0.0]),
    ("floor", [NAN], NAN, [0.0]),
    ("mod", [-7.0, 2.0], 1.0, [1.0, 4.0]),
    ("floordiv", [-7.0, 2.0], -4.0, [0.0, 0.0]),
    ("leaky_relu", [0.0], 0.0, [0.01]),
    ("leaky_relu", [NAN], NAN, [NAN]),
    ("norm_cdf", [-38.0], 2.88542836006878430e-316, [1.09722105200759296e-314]),
    ("norm_cdf", [INF], 1.0, [0.0]),
    ("norm_cdf", [-INF], 0.0, [0.0]),
    ("silu", [-709.0], -709 * math.exp(-709), None),
    ("gelu", [0.0], 0.0, [0.5]),
    ("log2", [8.0], 3.0, [1 / (8 * math.log(2))]),
    ("log10", [0.001], -3.0, [1000 / math.log(10)]),
    ("log10", [3e-309], -308.52287874528034, [1.4476482730108394e308]),  # 1/x would overflow
    ("log1p", [1e-300], 1e-300, [1.0]),
    ("asin", [1.0], math.pi / 2, [INF]),
    ("where", [1.0, 3.0, 4.0], 3.0, [0.0, 1.0, 0.0]),
    ("where", [0.0, 3.0, 4.0], 4.0, [0.0, 0.0, 1.0]),
    ("logsumexp", [-INF, -INF], -INF, [0.0, 0.0]),
    ("logsumexp", [INF, 0.0], INF, None),
    ("logsumexp", [-INF, 0.0], 0.0, [0.0, 1.0]),
    ("logsumexp", [1000.0, 1000.0], 1000.6931471805599, [0.5, 0.5]),
    ("exp_difference", [1000.0, 1000.0], 1.0, [1.0, -1.0]),
    ("exp_difference", [-INF, 0.0], 0.0, [0.0, 0.0]),
]


def close(x: float, y: float) -> bool:
    return (x != x and y != y) or x == pytest.approx(y, rel=2e-10, abs=0)


@pytest.mark.parametrize(("name", "xs", "value", "slopes"), EDGES, ids=lambda x: str(x))
def test_edge(name: str, xs: list[float], value: float, slopes: list[float] | None) -> None:
    values = [Value(x) for x in xs]
    y = flat(OPS[name], *values)
    y.backward()
    assert close(y.data, value)
    if value == 0:
        assert math.copysign(1.0, y.data) == math.copysign(1.0, value)
    for x, slope in zip(values, slopes or [], strict=False):
        assert close(x.grad, slope)


@pytest.mark.parametrize(
    ("name", "x", "second"),
    [  # closed forms: -2 tanh sech², -x/(1 + x²)^(3/2), -x/(x² - 1)^(3/2), -4/√π x e^(-x²)
        ("tanh", 745.0, 0.0),
        ("tanh", -20.0, 8 * math.exp(-40.0)),
        ("asinh", 1e100, -1e-200),
        ("acosh", 1e120, -1e-240),
        ("erf", 1.7e308, 0.0),
        ("erf", 1.0, -4 / math.sqrt(math.pi) * math.exp(-1)),
    ],
)
def test_second_derivatives_do_not_overflow_on_the_way(name: str, x: float, second: float) -> None:
    v = Value(x)
    found = tl.hessian(OPS[name](v), [v])[0][0]
    replayed = tl.compile(found, [v])(np.array([x]))[0]
    assert found.data == pytest.approx(second, rel=1e-13, abs=0)
    assert replayed == pytest.approx(second, rel=1e-13, abs=0)
    assert tl.taylor(OPS[name], x, 2)[2] * 2 == pytest.approx(second, rel=1e-13, abs=1e-300)


def test_a_constant_exponent_costs_no_logarithm() -> None:
    x = Value(-3.0)
    y = x**2
    assert y.partials() == [-6.0, None]
    y.backward()
    assert x.grad == -6.0


COMPLAINTS = [
    (lambda: tl.log(-1.0), ValueError, "log(-1.0): expected x > 0"),
    (lambda: tl.log(Value(0.0, "p")), ValueError, "log(0.0): expected x > 0 (node 'p')"),
    (lambda: Value(0.0, "p").log(), ValueError, "log(0.0): expected x > 0 (node 'p')"),
    (lambda: tl.sqrt(-1.0), ValueError, "sqrt(-1.0): expected x >= 0"),
    (lambda: tl.asin(1.5), ValueError, "asin(1.5): expected -1 <= x <= 1"),
    (lambda: tl.acosh(0.5), ValueError, "acosh(0.5): expected x >= 1"),
    (lambda: tl.atanh(1.0), ValueError, "atanh(1.0): expected -1 < x < 1"),
    (lambda: tl.log1p(-1.0), ValueError, "log1p(-1.0): expected x > -1"),
    (lambda: tl.sin(INF), ValueError, "sin(inf): expected a finite x"),
    (lambda: Value(1.0, "a") / Value(0.0, "b"), ZeroDivisionError, "div(1.0, 0.0): division by zero (node 'a', 'b')"),
    (lambda: 1 / Value(0.0), ZeroDivisionError, "div(1.0, 0.0): division by zero"),
    (lambda: Value(0.0) ** -1, ZeroDivisionError, "pow(0.0, -1.0): division by zero"),
    (lambda: Value(-8.0) ** 0.5, ValueError, "pow(-8.0, 0.5): expected a base >= 0 or a whole exponent"),
    (lambda: Value(-30.0) ** 710.5, ValueError, "pow(-30.0, 710.5): expected a base >= 0 or a whole exponent"),
    (lambda: tl.exp(Value(1000.0)), OverflowError, "exp(1000.0): the result is too large for a float"),
    (lambda: tl.add(1.0), TypeError, "add: expected 2 arguments, got 1"),
    (lambda: tl.exp(1.0, 2.0), TypeError, "exp: expected 1 arguments, got 2"),
    (lambda: tl.maximum(), TypeError, "maximum: expected at least 1 arguments, got 0"),
    (lambda: tl.dot([1.0]), TypeError, "dot: expected two sequences, got list; write dot([v, w], [x, y])"),
    (lambda: tl.dot([1.0], [1.0, 2.0]), ValueError, "dot: expected sequences of one length, got 1 and 2"),
    (lambda: tl.exp("1"), TypeError, "exp: expected numbers or Values, got str"),
    (lambda: tl.exp(np.array(["a"])), TypeError, "exp: expected arrays of real numbers, got dtype <U1"),
    (lambda: tl.exp(np.array([1j])), TypeError, "exp: expected arrays of real numbers, got dtype complex128"),
    (lambda: tl.declare("2x", math.exp, (None,)), ValueError, "declare: expected an identifier as the name, got '2x'"),
    (
        lambda: tl.declare("exp", math.exp, (None,)),
        ValueError,
        "declare: 'exp' is an operation of the package; choose another name",
    ),
    (
        lambda: tl.declare("own", math.exp, ("x",)),  # type: ignore[arg-type]
        TypeError,
        "declare: 'own' needs a function or a number for each part, got 'x'",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), COMPLAINTS, ids=[each[2] for each in COMPLAINTS])
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == message


@pytest.mark.parametrize("x", [2, True, Fraction(3, 2), Decimal("1.5"), np.float32(1.5), np.int8(3), np.array(1.5)])
def test_number_takes_what_is_one_real_number(x: Any) -> None:
    assert type(number(x)) is float
    assert number(x) == float(x)


@pytest.mark.parametrize("x", ["3", None, [1], b"1", object(), 1j, np.complex128(1), np.array("a"), {}, math.sin])
def test_number_refuses_what_is_not(x: Any) -> None:
    with pytest.raises(TypeError, match=r"a Value holds one number, got "):
        number(x)


def test_number_points_arrays_to_compile() -> None:
    with pytest.raises(TypeError, match=r"got an array of shape \(2,\); to evaluate a graph over arrays, compile it"):
        number(np.zeros(2))


def test_number_refuses_an_integer_too_large_for_a_float() -> None:
    with pytest.raises(OverflowError, match=r"a Value holds a float, got an integer above 1\.8e308"):
        number(10**400)


def test_functions_of_numbers_give_floats_and_of_arrays_arrays() -> None:
    assert tl.tanh(0) == 0.0
    assert type(tl.exp(np.float64(0.0))) is float
    assert tl.add(1, Fraction(1, 2)) == 1.5
    assert tl.exp(np.zeros((2, 3))).shape == (2, 3)
    assert tl.mul(np.ones((2, 1)), np.ones(3)).shape == (2, 3)
    assert tl.add(np.float32([1.0]), 2.0).dtype == np.float32
    assert tl.sum([np.ones(3), 2.0]).tolist() == [3.0] * 3
    assert tl.dot([2.0, 3.0], [np.ones(2), 1.0]).tolist() == [5.0, 5.0]


def test_an_operation_that_a_user_declares_works_like_the_others() -> None:
    cube = tl.declare("test_cube", lambda x: x**3, (lambda out, x: 3 * x**2,), text="{0}³")
    x = Value(2.0)
    y = cube(x)
    y.backward()
    assert (y.data, x.grad) == (8.0, 12.0)
    assert cube(np.array([1.0, 2.0])).tolist() == [1.0, 8.0]
    assert cube.written(["x"]) == "x³"
    assert pickle.loads(pickle.dumps(y)).data == 8.0
    assert tl.declare("test_cube", lambda x: x**3, (lambda out, x: 3 * x**2,)) is OPS["test_cube"]


def test_an_operation_without_an_array_form_gives_nan_where_it_raises() -> None:
    root = tl.declare("test_root", math.sqrt, (lambda out, x: 0.5 / out,))
    assert str(root(np.array([4.0, -1.0])).tolist()) == "[2.0, nan]"


def test_an_unknown_operation_cannot_be_unpickled() -> None:
    lost = tl.declare("test_lost", math.exp, (lambda out, x: out,))
    data = pickle.dumps(lost)
    del OPS["test_lost"]
    with pytest.raises(LookupError, match="operation 'test_lost' is unknown here; declare it before loading"):
        pickle.loads(data)


def test_an_operation_of_the_name_of_a_number_comes_back_as_itself() -> None:
    own = tl.declare("constant", lambda x: 2 * x, (2.0,))
    assert pickle.loads(pickle.dumps(own)) is own
    assert pickle.loads(pickle.dumps(constant)) is constant


def test_a_rule_that_gives_a_number_that_is_no_float_is_refused_at_once() -> None:
    wrong = tl.declare("test_wrong", lambda x: complex(x), (None,))  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="a Value holds one number, got complex"):
        wrong(Value(1.0))


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_each_operation_is_public_documented_and_written(op: Op) -> None:
    assert getattr(tl, op.name, op) is op
    assert hasattr(tl, op.name) is (op.name not in HELPERS)
    assert op.__doc__
    assert repr(op) == f"<operation {op.name}>"
    assert pickle.loads(pickle.dumps(op)) is op
    texts = ["x", "y", "z", "w"][: op.arity or 4]
    assert all(text in op.written(texts) and text in op.written(texts, latex=True) for text in texts)
