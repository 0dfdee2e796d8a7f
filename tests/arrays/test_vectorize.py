"""`vectorize`: each point takes its own path, and nothing is frozen on the way."""

from __future__ import annotations

import copy
import math
import pickle
import random
import warnings

import numpy as np
import pytest
from graphs import eager

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.program import Program, compile
from tinygrad_lite.arrays.vectorize import vectorize


def each(f, *arrays):
    return np.array([f(*map(float, point)) for point in zip(*arrays, strict=True)])


def newton(a):
    x = a
    step = x
    while abs(step) > 1e-12:
        step = (x * x - a) / (2 * x)
        x = x - step
    return x


def test_newtons_method_runs_as_long_as_each_point_needs():
    a = np.random.default_rng(0).uniform(0.01, 1e4, 100_000)
    values, (slope,) = vectorize(newton).value_and_grad(a)
    np.testing.assert_allclose(values, np.sqrt(a), rtol=1e-14)
    np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-6)
    np.testing.assert_allclose(values[:50], each(newton, a[:50]), rtol=1e-15)


def escape(a, b):
    x, y = 0.0, 0.0
    for i in range(50):
        x, y = x * x - y * y + a, 2 * x * y + b
        if x * x + y * y > 4:
            return i
    return 50


def test_the_escape_time_is_that_of_each_point():
    a, b = np.meshgrid(np.linspace(-2, 1, 60), np.linspace(-1, 1, 40))
    times = vectorize(escape)(a, b)
    assert times.shape == a.shape
    assert times.ravel().tolist() == each(escape, a.ravel(), b.ravel()).tolist()


def tax(income):
    total, before = 0.0, 0.0
    for limit, rate in ((10_000, 0.1), (40_000, 0.2), (90_000, 0.3), (math.inf, 0.4)):
        if income <= limit:
            return total + (income - before) * rate
        total, before = total + (limit - before) * rate, limit
    raise AssertionError


def test_a_tax_schedule_takes_the_bracket_of_each_point():
    income = np.array([0.0, 5_000, 10_000, 10_001, 50_000, 90_000, 1e6])
    values, (rate,) = vectorize(tax).value_and_grad(income)
    np.testing.assert_allclose(values, each(tax, income), rtol=1e-14)
    assert rate.tolist() == [0.1, 0.1, 0.1, 0.2, 0.3, 0.3, 0.4]


def black_scholes(spot, strike, time, rate, volatility, kind):
    normal = lambda x: (1 + tl.erf(x / math.sqrt(2))) / 2  # noqa: E731
    spread = volatility * tl.sqrt(time)
    d1 = (tl.log(spot / strike) + (rate + volatility**2 / 2) * time) / spread
    d2 = d1 - spread
    if kind > 0:
        return spot * normal(d1) - strike * tl.exp(-rate * time) * normal(d2)
    return strike * tl.exp(-rate * time) * normal(-d2) - spot * normal(-d1)


def test_black_scholes_prices_calls_and_puts():
    chance = np.random.default_rng(0)
    ranges = ((80, 120), (90, 110), (0.1, 2), (0.0, 0.05), (0.1, 0.4), (-1, 1))
    points = [chance.uniform(low, high, 200) for low, high in ranges]
    values, gradients = vectorize(black_scholes).value_and_grad(*points)
    expected, slopes = eager(black_scholes, zip(*points, strict=True))
    np.testing.assert_allclose(values, expected, rtol=1e-11)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-9, atol=1e-12)


def test_python_max_abs_and_early_return_take_each_points_path():
    def f(x, y):
        if x < -1:
            return 7
        return max(x, y) * abs(x)

    x, y = np.meshgrid([-2.0, -0.5, 0.5, 2.0], [-1.0, 1.0])
    assert vectorize(f)(x, y).ravel().tolist() == each(f, x.ravel(), y.ravel()).tolist()


def test_vectorized_gradients_have_the_shapes_of_the_arguments():
    g = vectorize(lambda x, y: x * y if x > y else x + y)
    values, (for_x, for_y) = g.value_and_grad(np.array([[1.0], [3.0]]), np.array([2.0, 0.5]))
    assert values.tolist() == [[3.0, 0.5], [6.0, 1.5]]
    assert for_x.tolist() == [[1.5], [2.5]]
    assert for_y.tolist() == [4.0, 4.0]


def test_a_closure_is_read_at_each_call():
    limit = [1.0]
    g = vectorize(lambda x: x if x < limit[0] else x * 0)
    assert g([0.5, 2.0]).tolist() == [0.5, 0.0]
    limit[0] = 3.0
    assert g([0.5, 2.0]).tolist() == [0.5, 2.0]


def test_what_computes_the_same_is_compiled_once(monkeypatch):
    compiled = []
    build = Program.__init__
    monkeypatch.setattr(Program, "__init__", lambda *args, **kwargs: compiled.append(1) or build(*args, **kwargs))
    limit, w = [1.0], Value(3.0)
    g = vectorize(lambda x: x * w if x < limit[0] else x * limit[0])
    assert g([0.5, 2.0]).tolist() == [1.5, 2.0]
    w.data, before = 5.0, len(compiled)
    assert g([0.25, 4.0, 0.5]).tolist() == [1.25, 4.0, 2.5]
    assert len(compiled) == before == 3
    limit[0] = 3.0
    assert g([2.0, 4.0]).tolist() == [10.0, 12.0]
    assert len(compiled) == 6
    w = Value(1.0)
    assert g([2.0, 4.0]).tolist() == [2.0, 12.0]


def test_a_vectorized_function_pickles_without_what_it_has_compiled():
    g = vectorize(newton)
    g([4.0, 9.0])
    assert pickle.loads(pickle.dumps(g))([4.0, 9.0]).tolist() == [2.0, 3.0]
    assert len(pickle.dumps(g)) == len(pickle.dumps(vectorize(newton)))


def test_a_point_where_recording_raises_gets_inf_or_nan():
    g = vectorize(lambda x: tl.log(x) if x < 5 else x)
    with np.errstate(all="raise"):
        values = g([-1.0, 0.0, 1.0, 6.0])
    assert np.isnan(values[0])
    assert values[1:].tolist() == [-math.inf, 0.0, 6.0]


def test_what_raises_at_every_point_raises():
    def wrong(x):
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own"):
        vectorize(wrong)([1.0, 2.0])


def test_too_many_paths_say_how_many_points_are_left_and_what_split_them():
    def count(x):
        i = 0
        while x > i:
            i += 1
        return i

    with pytest.raises(ValueError, match=r"vectorize: 5 paths taken and 15 points are left; the comparison x > \d splits them"):
        vectorize(count, max_paths=5)(np.arange(20.0))


@pytest.mark.parametrize(("most", "said"), [(1, "1 paths taken and 3 points are left; the comparison x > 1"), (2, "2 paths taken and 1 points are left; the comparison … > x")])
def test_the_comparison_named_is_that_of_the_last_path(most, said):
    def f(x, y):
        if x > 1:
            return x
        return y if y * 2 > x else x + y

    with pytest.raises(ValueError, match=f"^vectorize: {said} splits them; raise max_paths"):
        vectorize(f, max_paths=most)([2.0, 0.5, 0.5, 0.5], [1.0, 3.0, -1.0, 8.0])


def test_a_caught_error_is_no_branch():
    def f(x):
        try:
            return x.log()
        except ValueError:
            return 0.0

    with pytest.raises(TypeError, match=r"vectorize: the function caught the error of an operation, which other points m"):
        vectorize(f)([-1.0, 2.0])
    assert vectorize(f)([2.0, 3.0]).tolist() == pytest.approx([math.log(2.0), math.log(3.0)], rel=1e-15)


def test_a_path_that_raises_is_one_path():
    def f(x):
        if x < 0:
            raise ValueError("negative")
        return x.sqrt()

    values, (slopes,) = vectorize(f, max_paths=2).value_and_grad(np.r_[4.0, -np.ones(5000), 9.0])
    assert [values[0], values[-1], slopes[0]] == [2.0, 3.0, 0.25]
    assert np.isnan(values[1:-1]).all()
    assert np.isnan(slopes[1:-1]).all()
    with pytest.raises(ValueError, match="negative"):
        vectorize(f)(-np.ones(5000))


def test_what_a_vectorized_function_carries_is_its_own():
    class Scaled:
        def __init__(self):
            self._f, self._known, self._max_paths = 5.0, {}, "many"

        def __call__(self, x):
            return x * self._f

    assert vectorize(Scaled())([1.0, 2.0]).tolist() == [5.0, 10.0]


def test_a_guard_in_a_vectorized_function_leaves_a_value_of_the_closure_as_it_was():
    w, x = Value(2.0), Value(1.0)
    assert vectorize(lambda x: x * w if x > w else x)([1.0, 3.0]).tolist() == [1.0, 6.0]
    assert compile(x * w, [x])([4.0]).tolist() == [8.0]


@pytest.mark.parametrize("max_paths", [0, -1, 1.5, None, True])
def test_max_paths_is_a_whole_number(max_paths):
    message = f"vectorize: expected max_paths to be a whole number >= 1, got {max_paths}"
    with pytest.raises((TypeError, ValueError), match=message):
        vectorize(abs, max_paths=max_paths)


def test_infinities_that_cancel_in_a_gradient_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, (for_x, for_y) = vectorize(lambda x, y: x * y).value_and_grad(1.0, [math.inf, -math.inf])
    assert for_x.shape == ()
    assert np.isnan(for_x)
    assert for_y.tolist() == [1.0, 1.0]


def test_vectorize_wants_a_function_that_returns_a_number():
    with pytest.raises(TypeError, match="vectorize: expected a function, got int"):
        vectorize(3)
    for wrong, kind in (({}, "dict"), ([[1.0]], "list"), ("1", "str")):
        message = f"vectorize: expected a function that gives a number, or a list of numbers, got {kind}"
        with pytest.raises(TypeError, match=message):
            vectorize(lambda x, wrong=wrong: wrong)([1.0])
    with pytest.raises(TypeError, match="vectorize: expected a function that gives numbers, got none"):
        vectorize(lambda x: [])([1.0])


def test_a_guard_that_depends_on_no_argument_holds_everywhere():
    w = Value(2.0)
    assert vectorize(lambda x: x * w if w > 0 else x)([1.0, 2.0]).tolist() == [2.0, 4.0]


def test_recording_may_raise_at_most_points():
    xs = np.linspace(-1, 1, 5001)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(vectorize(tl.log)(xs), np.log(xs))
    with pytest.raises(ValueError, match=r"^log\(-1.0\): expected x > 0"):
        vectorize(lambda x: tl.log(x) if x < 5 else x)(np.full(999, -1.0))
    with pytest.raises(ValueError, match=r"vectorize: recording raised at 1\d\d\d points and \d+ points are left; raise max"):
        vectorize(lambda x: tl.log(x) if x < 5 else x)(np.full(5000, -1.0))


def test_points_where_recording_raises_get_nan_wherever_they_are():
    def f(x):
        if x < 0:
            raise ValueError("negative")
        return 2 * x

    xs = np.array([-1.0, -2.0, -3.0, -4.0, -5.0, 0.5, -6.0, -7.0, 1.5])
    for start in range(len(xs)):
        rolled = np.roll(xs, start)
        np.testing.assert_array_equal(vectorize(f)(rolled), np.where(rolled < 0, math.nan, 2 * rolled))


def test_points_take_their_paths_through_many_choices(monkeypatch):
    def f(x, y):
        total = x * 0
        for k in range(6):
            if tl.sin(x * (k + 1) + y) > 0:
                total = total + x * y
            elif y > k / 6:
                total = total - tl.cos(x)
        return total

    points = np.random.default_rng(0).uniform(-3, 3, (2, 2000))
    replayed = []
    replay = Program.__call__
    monkeypatch.setattr(Program, "__call__", lambda p, *arrays: replayed.append(len(arrays[0])) or replay(p, *arrays))
    assert vectorize(f)(*points).tolist() == pytest.approx(each(f, *points).tolist())
    assert sum(replayed) < 6 * 2000  # of 129 paths each point meets a few
    values, gradients = vectorize(f).value_and_grad(*points)
    expected, slopes = eager(f, points.T[:100])
    np.testing.assert_allclose(values[:100], expected)
    np.testing.assert_allclose([gradient[:100] for gradient in gradients], slopes)


def test_vectorize_of_no_points_is_empty():
    values, gradients = vectorize(lambda x: x if x > 0 else -x).value_and_grad([])
    assert values.shape == gradients[0].shape == (0,)


# What would be frozen


def by_backward(x):
    y = x * x
    y.backward()
    return x.grad


FREEZES = {
    "data": lambda x: x * x.data,
    "backward": by_backward,
    "partials": lambda x: (x * x).partials()[0],
    "numbers": lambda x: (x * x).numbers[0],
    "terms": lambda x: (x * x).terms(1.0)[0],
    "item": lambda x: x.item(),
    "args": lambda x: (x * x).args[0],
    "min of data": lambda x: min(x.data, 1.0),
    "steps": lambda x: tl.steps(x * x)[0].value,
    "explain": lambda x: len(str(tl.explain(x * x))),
    "draw": lambda x: len(tl.draw(x * x).source),
    "set": lambda x: x + 1 if x in {1.0, 2.0} else x - 1,
    "dict": lambda x: {1.0: 10.0}.get(x, 0.0) + x,
    "hash": lambda x: x * hash(x),
    "str": lambda x: x * len(str(x)),
    "repr": lambda x: x * len(repr(x)),
    "format": lambda x: x * float(f"{x:.1f}"),
    "float": lambda x: x * float(x),
    "int": lambda x: x * int(x),
    "round": lambda x: x * round(x),
    "complex": lambda x: x * complex(x).real,
    "math": lambda x: math.exp(x),
    "floor": lambda x: x * math.floor(x),
    "array": lambda x: np.zeros(1).__setitem__(0, x),
    "Value": lambda x: Value(x) * 2,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "topological order": lambda x: len(tl.topological_order(x)) * x,
}


@pytest.mark.parametrize("freeze", FREEZES)
def test_what_would_freeze_a_number_is_refused(freeze):
    with pytest.raises((TypeError, AttributeError)) as caught:
        vectorize(FREEZES[freeze])([1.0, 2.0, 3.0])
    assert isinstance(caught.value, TypeError) or freeze == "topological order"


def test_the_refusal_says_what_to_write():
    for f, message in (
        (lambda x: x * x.data, r"vectorize: \.data would be frozen for all points; compute with the argument itself"),
        (lambda x: math.exp(x), r"the number of an argument would be frozen for all points; keep it as it is: tl\.exp\(x\)"),
        (lambda x: x in {1.0}, "vectorize: what a set or a dict finds for it would be frozen for all points; compare, x == 1.0"),
        (lambda x: str(x), "vectorize: its text would be frozen for all points; print outside of the function"),
    ):
        with pytest.raises(TypeError, match=message):
            vectorize(f)([1.0])


CAN_BE_FOLLOWED = {
    "np.exp": (lambda x: np.exp(x), math.exp),
    "tuple": (lambda x: x + 1 if x in (1.0, 2.0) else x - 1, lambda x: x + 1 if x in (1.0, 2.0) else x - 1),
    "copy": (lambda x: copy.copy(x) * copy.deepcopy([x])[0], lambda x: x * x),
    "named": (lambda x: (x * x).named("y") + 1, lambda x: x * x + 1),
    "detach": (lambda x: x.detach() * x, lambda x: x * x),
    "softmax": (lambda x: tl.softmax([x, 2 * x, 1.0])[0], lambda x: tl.softmax([x, 2 * x, 1.0])[0]),
    "cross_entropy": (lambda x: tl.cross_entropy([x, 0.0], 0), lambda x: tl.cross_entropy([x, 0.0], 0)),
    "max": (lambda x: max(x, 2.0) * sorted([x, 0.5])[0], lambda x: max(x, 2.0) * min(x, 0.5)),
    "sum": (lambda x: sum([x, x]) + tl.mean([x, 1.0]), lambda x: 2 * x + (x + 1) / 2),
    "mod": (lambda x: x % 2 + x // 2, lambda x: x % 2 + x // 2),
    "array": (lambda x: (np.array([1.0, 2.0]) * x).sum(), lambda x: 3 * x),
    "jvp": (lambda x: tl.jvp(lambda y: y * y, [x], [1.0])[1], lambda x: 2 * x),
}


@pytest.mark.parametrize("name", CAN_BE_FOLLOWED)
def test_what_can_be_followed_is(name):
    f, plain = CAN_BE_FOLLOWED[name]
    points = [0.25, 1.0, 2.0, 3.5]
    assert vectorize(f)(points) == pytest.approx([plain(x) for x in points], rel=1e-12)


# Several outputs, keywords, what is static


def parts(x, y=2.0, *, n=1):
    return (x**n, y - x) if x > 1 else (-x, y * n)


def test_several_outputs_are_several_arrays():
    points = np.array([0.5, 2.0, 3.0])
    g = vectorize(parts)
    assert [each.tolist() for each in g(points)] == [[-0.5, 2.0, 3.0], [2.0, 0.0, -1.0]]
    values, gradients = g.value_and_grad(points, 5.0)
    assert [each.tolist() for each in values] == [[-0.5, 2.0, 3.0], [5.0, 3.0, 2.0]]
    assert [[np.asarray(each).tolist() for each in row] for row in gradients] == [
        [[-1.0, 1.0, 1.0], 0.0],
        [[0.0, -1.0, -1.0], 3.0],
    ]


def test_outputs_are_as_many_on_each_path():
    with pytest.raises(TypeError, match="vectorize: expected as many outputs on each path, got others on another"):
        vectorize(lambda x: [x, x] if x > 0 else x)([1.0, -1.0])


def test_arguments_may_have_names():
    g = vectorize(parts)
    assert g([2.0], y=[5.0])[1].tolist() == [3.0]
    values, gradients = g.value_and_grad(x=[2.0], y=[5.0, 6.0])
    assert values[1].tolist() == [3.0, 4.0]
    assert [each.tolist() for each in gradients[1]] == [[-2.0], [1.0, 1.0]]


@pytest.mark.parametrize("static", ["n", ("n",), ["n"], {"n"}])
def test_what_is_static_is_given_as_it_is(static):
    g = vectorize(parts, static=static)
    assert [each.tolist() for each in g([0.5, 2.0], n=3)] == [[-0.5, 8.0], [6.0, 0.0]]
    assert [each.tolist() for each in g([0.5, 2.0], n=2)] == [[-0.5, 4.0], [4.0, 0.0]]
    assert pickle.loads(pickle.dumps(g))([2.0], n=3)[0].tolist() == [8.0]


def test_a_static_argument_may_be_a_value():
    w = Value(3.0)
    assert vectorize(lambda x, w: w * x, static="w")([1.0, 2.0], w).tolist() == [3.0, 6.0]


def test_static_names_arguments_that_there_are():
    with pytest.raises(ValueError, match=r"^vectorize: expected static to name some of \['x', 'n'\], got 'm'$"):
        vectorize(lambda x, n: x, static="m")
    assert vectorize(lambda x, **options: x * options["n"], static="n")([1.0], n=2).tolist() == [2.0]
    with pytest.raises(TypeError) as caught:
        vectorize(lambda x, mode: x)([1.0], mode="same")
    assert str(caught.value) == (
        "vectorize: expected argument 'mode' as real numbers, got dtype <U4; what is given as it is, name in static=['mode']"
    )


def test_of_dasks_arrays_a_function_gives_one_number():
    lazy = pytest.importorskip("dask.array").from_array(np.arange(4.0), chunks=2)
    with pytest.raises(TypeError, match=r"of Dask's arrays it gives one number, got 2; vectorize a function for each"):
        vectorize(lambda x: (x, -x))(lazy).compute()


def test_static_by_place_and_of_any_kind():
    g = vectorize(lambda x, mode: x if mode == "same" else -x, static=1)
    assert g([1.0, 2.0], "same").tolist() == [1.0, 2.0]
    assert g([1.0, 2.0], "other").tolist() == [-1.0, -2.0]
    with pytest.raises(TypeError, match="vectorize: expected at least one array, got none that is not static"):
        vectorize(lambda x: 1.0, static="x")(3.0)


def test_dask_arrays_stay_lazy():
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    x = da.from_array(np.linspace(-2.0, 2.0, 10), chunks=4)
    lazy = vectorize(newton_or_square)(x, 3.0)
    assert isinstance(lazy, da.Array)
    expected = vectorize(newton_or_square)(np.linspace(-2.0, 2.0, 10), 3.0)
    assert lazy.compute(scheduler="sync").tolist() == expected.tolist()
    with pytest.raises(TypeError, match="vectorize: value_and_grad takes arrays, got Dask's"):
        vectorize(newton_or_square).value_and_grad(x, 3.0)


def newton_or_square(x, y):
    return x * x if x > 0 else y - x


# At random, against plain evaluation


def tangled(rng, depth):
    """A random function of two numbers with branches, as a closure over its choices."""
    if depth == 0:
        return rng.choice([lambda x, y: x, lambda x, y: y, lambda x, y: x * y, lambda x, y: x - 2 * y])
    left, right, last = (tangled(rng, depth - 1) for _ in range(3))
    bound = rng.uniform(-1, 1)
    return rng.choice([
        lambda x, y: left(x, y) if right(x, y) > bound else last(x, y),
        lambda x, y: left(x, y) + (right(x, y) if x < y else last(y, x)),
        lambda x, y: max(left(x, y), right(x, y)) * 0.5,
        lambda x, y: left(right(x, y), last(x, y)) if not right(x, y) <= 0 else -last(x, y),
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_random_functions_with_branches_are_those_of_python(seed):
    rng = random.Random(seed)
    f = tangled(rng, 3)
    xs, ys = np.random.default_rng(seed).uniform(-2, 2, (2, 60))
    values, gradients = vectorize(f).value_and_grad(xs, ys)
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        a, b = Value(x), Value(y)
        out = f(a, b)
        out.backward()
        assert (values[i], gradients[0][i], gradients[1][i]) == pytest.approx((out.data, a.grad, b.grad), rel=1e-12)


def test_a_number_that_another_run_kept_is_refused():
    kept = []

    def with_the_first(x):
        kept.append(x)
        return kept[0] * x if x > 0 else x

    with pytest.raises(TypeError, match=r"^vectorize: a number that another run of a function kept would be frozen"):
        vectorize(with_the_first)([-1.0, 1.0])
    for use in (lambda x: kept[0], lambda x: x if kept[0] > 0 else -x, lambda x: x if kept[0] else -x):
        with pytest.raises(TypeError, match=r"; give it as an argument$"):
            vectorize(use)([1.0, 2.0])
    with pytest.raises(TypeError, match="kept would be frozen"):
        vectorize(lambda x: vectorize(lambda y: x * y)([1.0, 2.0])[0])([1.0, 2.0])


def test_a_vectorized_function_within_another_is_the_function_itself():
    size = vectorize(lambda x: x if x > 0 else -x)
    values, (slope,) = vectorize(lambda x: 2 * size(x - 1)).value_and_grad([0.0, 3.0])
    assert (values.tolist(), slope.tolist()) == ([2.0, 4.0], [-2.0, 2.0])
    x = Value(-3.0)
    size(x).backward()
    assert x.grad == -1.0
