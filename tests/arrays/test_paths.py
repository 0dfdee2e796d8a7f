"""Each point takes its own path through a function, also where others raise."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import numpy as np
import pytest
from graphs import each, eager

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.program import Program
from tinygrad_lite.arrays.vectorize import vectorize


def newton(a: Any) -> Any:
    x = a
    step = x
    while abs(step) > 1e-12:
        step = (x * x - a) / (2 * x)
        x = x - step
    return x


def test_newtons_method_runs_as_long_as_each_point_needs() -> None:
    a = np.random.default_rng(0).uniform(0.01, 1e4, 100_000)
    values, (slope,) = vectorize(newton).value_and_grad(a)
    np.testing.assert_allclose(values, np.sqrt(a), rtol=1e-14)
    np.testing.assert_allclose(slope, 0.5 / np.sqrt(a), rtol=1e-6)
    np.testing.assert_allclose(values[:50], each(newton, a[:50]), rtol=1e-15)


def escape(a: Any, b: Any) -> Any:
    x, y = 0.0, 0.0
    for i in range(50):
        x, y = x * x - y * y + a, 2 * x * y + b
        if x * x + y * y > 4:
            return i
    return 50


def test_the_escape_time_is_that_of_each_point() -> None:
    a, b = np.meshgrid(np.linspace(-2, 1, 60), np.linspace(-1, 1, 40))
    times = vectorize(escape)(a, b)
    assert times.shape == a.shape
    assert times.ravel().tolist() == each(escape, a.ravel(), b.ravel()).tolist()


def tax(income: Any) -> Any:
    total, before = 0.0, 0.0
    for limit, rate in ((10_000, 0.1), (40_000, 0.2), (90_000, 0.3), (math.inf, 0.4)):
        if income <= limit:
            return total + (income - before) * rate
        total, before = total + (limit - before) * rate, limit
    raise AssertionError


def test_a_tax_schedule_takes_the_bracket_of_each_point() -> None:
    income = np.array([0.0, 5_000, 10_000, 10_001, 50_000, 90_000, 1e6])
    values, (rate,) = vectorize(tax).value_and_grad(income)
    np.testing.assert_allclose(values, each(tax, income), rtol=1e-14)
    assert rate.tolist() == [0.1, 0.1, 0.1, 0.2, 0.3, 0.3, 0.4]


def black_scholes(spot: Any, strike: Any, time: Any, rate: Any, volatility: Any, kind: Any) -> Any:
    normal = lambda x: (1 + tl.erf(x / math.sqrt(2))) / 2  # noqa: E731
    spread = volatility * tl.sqrt(time)
    d1 = (tl.log(spot / strike) + (rate + volatility**2 / 2) * time) / spread
    d2 = d1 - spread
    if kind > 0:
        return spot * normal(d1) - strike * tl.exp(-rate * time) * normal(d2)
    return strike * tl.exp(-rate * time) * normal(-d2) - spot * normal(-d1)


def test_black_scholes_prices_calls_and_puts() -> None:
    chance = np.random.default_rng(0)
    ranges = ((80, 120), (90, 110), (0.1, 2), (0.0, 0.05), (0.1, 0.4), (-1, 1))
    points = [chance.uniform(low, high, 200) for low, high in ranges]
    values, gradients = vectorize(black_scholes).value_and_grad(*points)
    expected, slopes = eager(black_scholes, zip(*points, strict=True))
    np.testing.assert_allclose(values, expected, rtol=1e-11)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-9, atol=1e-12)


def test_python_max_abs_and_early_return_take_each_points_path() -> None:
    def f(x: Any, y: Any) -> Any:
        if x < -1:
            return 7
        return max(x, y) * abs(x)

    x, y = np.meshgrid([-2.0, -0.5, 0.5, 2.0], [-1.0, 1.0])
    assert vectorize(f)(x, y).ravel().tolist() == each(f, x.ravel(), y.ravel()).tolist()


def test_a_point_where_recording_raises_gets_inf_or_nan() -> None:
    g = vectorize(lambda x: tl.log(x) if x < 5 else x)
    with np.errstate(all="raise"):
        values = g([-1.0, 0.0, 1.0, 6.0])
    assert np.isnan(values[0])
    assert values[1:].tolist() == [-math.inf, 0.0, 6.0]


def test_what_raises_at_every_point_raises() -> None:
    def wrong(x: Any) -> Any:
        raise ValueError("my own")

    with pytest.raises(ValueError, match="my own"):
        vectorize(wrong)([1.0, 2.0])


def test_too_many_paths_say_how_many_points_are_left_and_what_split_them() -> None:
    def count(x: Any) -> Any:
        i = 0
        while x > i:
            i += 1
        return i

    with pytest.raises(ValueError, match=r"vectorize: 5 paths taken and 15 points are left; the comparison x > \d splits them"):
        vectorize(count, max_paths=5)(np.arange(20.0))


@pytest.mark.parametrize(("most", "said"), [(1, "1 paths taken and 3 points are left; the comparison x > 1"), (2, "2 paths taken and 1 points are left; the comparison … > x")])
def test_the_comparison_named_is_that_of_the_last_path(most: int, said: str) -> None:
    def f(x: Any, y: Any) -> Any:
        if x > 1:
            return x
        return y if y * 2 > x else x + y

    with pytest.raises(ValueError, match=f"^vectorize: {said} splits them; raise max_paths"):
        vectorize(f, max_paths=most)([2.0, 0.5, 0.5, 0.5], [1.0, 3.0, -1.0, 8.0])


def test_a_caught_error_is_no_branch() -> None:
    def f(x: Any) -> Any:
        try:
            return x.log()
        except ValueError:
            return 0.0

    with pytest.raises(TypeError, match=r"vectorize: the function caught the error of an operation, which other points m"):
        vectorize(f)([-1.0, 2.0])
    assert vectorize(f)([2.0, 3.0]).tolist() == pytest.approx([math.log(2.0), math.log(3.0)], rel=1e-15)


def test_a_path_that_raises_is_one_path() -> None:
    def f(x: Any) -> Any:
        if x < 0:
            raise ValueError("negative")
        return x.sqrt()

    values, (slopes,) = vectorize(f, max_paths=2).value_and_grad(np.r_[4.0, -np.ones(5000), 9.0])
    assert [values[0], values[-1], slopes[0]] == [2.0, 3.0, 0.25]
    assert np.isnan(values[1:-1]).all()
    assert np.isnan(slopes[1:-1]).all()
    with pytest.raises(ValueError, match="negative"):
        vectorize(f)(-np.ones(5000))


def test_recording_may_raise_at_most_points() -> None:
    xs = np.linspace(-1, 1, 5001)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(vectorize(tl.log)(xs), np.log(xs))
    with pytest.raises(ValueError, match=r"^log\(-1.0\): expected x > 0"):
        vectorize(lambda x: tl.log(x) if x < 5 else x)(np.full(999, -1.0))
    with pytest.raises(ValueError, match=r"vectorize: recording raised at 1\d\d\d points and \d+ points are left; raise max"):
        vectorize(lambda x: tl.log(x) if x < 5 else x)(np.full(5000, -1.0))


    with pytest.raises(ValueError, match="recording raised") as caught:
        vectorize(lambda x: tl.log(x) if x < 5 else x)(np.r_[np.full(5000, -1.0), 6.0, 7.0])
    raised, left = (int(number) for number in re.findall(r"\d+", str(caught.value)))
    assert raised + left == 5002


def test_points_on_a_path_on_which_recording_raised_everywhere_get_nan() -> None:
    f = vectorize(lambda x: tl.log(x - 5) if x < 0 else x * 2)
    np.testing.assert_array_equal(f([-1.0, 2.0, -3.0]), [math.nan, 4.0, math.nan])
    values, (slopes,) = f.value_and_grad([-1.0, 2.0, -3.0])
    np.testing.assert_array_equal(values, [math.nan, 4.0, math.nan])
    np.testing.assert_array_equal(slopes, [math.nan, 2.0, math.nan])


def test_points_where_recording_raises_get_nan_wherever_they_are() -> None:
    def f(x: Any) -> Any:
        if x < 0:
            raise ValueError("negative")
        return 2 * x

    xs = np.array([-1.0, -2.0, -3.0, -4.0, -5.0, 0.5, -6.0, -7.0, 1.5])
    for start in range(len(xs)):
        rolled = np.roll(xs, start)
        np.testing.assert_array_equal(vectorize(f)(rolled), np.where(rolled < 0, math.nan, 2 * rolled))


def test_points_take_their_paths_through_many_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any, y: Any) -> Any:
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


def test_outputs_are_as_many_on_each_path() -> None:
    with pytest.raises(TypeError, match="vectorize: expected as many outputs on each path, got others on another"):
        vectorize(lambda x: [x, x] if x > 0 else x)([1.0, -1.0])


def tangled(rng: Any, depth: int) -> Any:
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
def test_random_functions_with_branches_are_those_of_python(seed: int) -> None:
    rng = random.Random(seed)
    f = tangled(rng, 3)
    xs, ys = np.random.default_rng(seed).uniform(-2, 2, (2, 60))
    values, gradients = vectorize(f).value_and_grad(xs, ys)
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        a, b = Value(x), Value(y)
        out = f(a, b)
        out.backward()
        assert (values[i], gradients[0][i], gradients[1][i]) == pytest.approx((out.data, a.grad, b.grad), rel=1e-12)


def test_more_paths_than_are_kept_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinygrad_lite.arrays.vectorize.KEPT", 3)

    def halved(x: Any) -> Any:
        count = 0
        while x > 1:
            x = x / 2
            count += 1
        return x + count

    f = vectorize(halved)
    points = 2.0 ** np.arange(9)
    for _ in range(2):
        np.testing.assert_array_equal(f(points), 1 + np.arange(9))
        assert len(f._known) <= 3
