"""Softmax and its family, losses and the mean, on Values and on numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import Value, topological_order
from tinygrad_lite.functional import hinge, mean_squared_error

INF = math.inf


def gradient(f: Any, xs: list[float]) -> tuple[float, list[float]]:
    values = [Value(x) for x in xs]
    y = f(values)
    y.backward()
    return y.data, [value.grad for value in values]


def test_numbers_alone_give_floats() -> None:
    assert [type(x) for x in tl.softmax([1.0, 2])] == [float, float]
    assert type(tl.cross_entropy([1.0, 2.0], 0)) is float
    assert tl.logsumexp([0.0, 0.0]) == math.log(2)


def test_values_and_numbers_mix() -> None:
    x = Value(0.0)
    p, q = tl.softmax([x, 0.0])
    p.backward()
    assert (p.data, q.data, x.grad) == (0.5, 0.5, 0.25)


def test_softmax_does_not_overflow_and_sums_to_1() -> None:
    assert [p.data for p in tl.softmax([Value(1000.0), Value(1000.0)])] == [0.5, 0.5]
    assert tl.softmax([-INF, 0.0]) == [0.0, 1.0]
    assert sum(tl.softmax([1.0, 2.0, 3.0, -4.0])) == pytest.approx(1.0, rel=1e-15)


def test_the_softmax_of_the_worksheet() -> None:
    p = tl.softmax([Value(54.0), Value(18.0)])
    assert p[1].data == pytest.approx(2.31952283024357e-16, rel=1e-14)
    assert p[0].data == 1 - 2.31952283024357e-16


@pytest.mark.parametrize("k", [0, 1, 2])
def test_the_gradient_of_softmax_is_its_jacobian(k: int) -> None:
    zs = [0.3, -1.2, 2.0]
    p = tl.softmax(zs)
    _, slopes = gradient(lambda xs: tl.softmax(xs)[k], zs)
    assert slopes == pytest.approx([p[k] * ((i == k) - p[i]) for i in range(3)], rel=1e-13)


def test_the_shift_is_a_node_that_gets_no_derivative() -> None:
    zs = [Value(1.0), Value(3.0)]
    order = topological_order(tl.softmax(zs)[0])
    (shift,) = (node for node in order if node.op is tl.stop_gradient)
    assert shift.data == 3.0
    assert shift.partials() == [None]


@pytest.mark.parametrize(
    ("logits", "target", "value", "slopes"),
    [
        ([1000.0, 0.0], 1, 1000.0, [1.0, -1.0]),
        ([-INF, 0.0], 0, INF, [-1.0, 1.0]),
        ([-INF, 0.0], 1, 0.0, [0.0, 0.0]),
        ([-INF, 0.0], [0.0, 1.0], 0.0, [0.0, 0.0]),
        ([0.0, 0.0], 0, math.log(2), [-0.5, 0.5]),
        ([0.0, 0.0], [0.25, 0.75], math.log(2), [0.25, -0.25]),
        ([40.0, 0.0], 0, math.exp(-40.0), None),
        ([0.0, 0.0], np.int64(1), math.log(2), [0.5, -0.5]),
    ],
)
def test_cross_entropy(logits: list[float], target: Any, value: float, slopes: list[float] | None) -> None:
    got, got_slopes = gradient(lambda zs: tl.cross_entropy(zs, target), logits)
    assert got == pytest.approx(value, rel=1e-14)
    assert slopes is None or got_slopes == pytest.approx(slopes)


def test_cross_entropy_takes_values_as_targets() -> None:
    zs, ts = [Value(0.1), Value(0.7)], [Value(0.25), Value(0.75)]
    loss = tl.cross_entropy(zs, ts)
    loss.backward()
    logs = tl.log_softmax([0.1, 0.7])
    assert loss.data == pytest.approx(-(0.25 * logs[0] + 0.75 * logs[1]), rel=1e-14)
    assert [t.grad for t in ts] == pytest.approx([-x for x in logs], rel=1e-14)


@pytest.mark.parametrize(
    ("z", "y", "value", "slope"),
    [(1000.0, 0, 1000.0, 1.0), (-1000.0, 1, 1000.0, -1.0), (40.0, 1, math.exp(-40), -math.exp(-40)), (0.0, 0.5, math.log(2), 0.0)],
)
def test_binary_cross_entropy(z: float, y: float, value: float, slope: float) -> None:
    got, slopes = gradient(lambda zs: tl.binary_cross_entropy(zs[0], y), [z])
    assert (got, slopes[0]) == pytest.approx((value, slope), rel=1e-13)


def test_binary_cross_entropy_of_sequences_is_the_mean() -> None:
    assert tl.binary_cross_entropy([0.0, 0.0], [0, 1]) == math.log(2)
    y = Value(0.5)
    loss = tl.binary_cross_entropy([1.0], [y])
    loss.backward()
    assert y.grad == pytest.approx(-1.0)


def test_log_softmax_is_accurate_where_softmax_is_1() -> None:
    assert [x.data for x in tl.log_softmax([Value(0.0), Value(-40.0)])] == [-math.exp(-40.0), -40.0]
    assert tl.log_softmax([0.0, 1000.0]) == [-1000.0, 0.0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tl.softmax([INF, 0.0]), ValueError, "softmax: the largest of the numbers is inf, which leaves nothing to share out"),
        (lambda: tl.softmax([-INF, -INF]), ValueError, "softmax: the largest of the numbers is -inf, which leaves nothing to share out"),
        (lambda: tl.softmax([]), ValueError, "softmax: expected at least one number, got none"),
        (lambda: tl.log_softmax([]), ValueError, "log_softmax: expected at least one number, got none"),
        (lambda: tl.mean([]), ValueError, "mean: expected at least one number, got none"),
        (lambda: tl.logsumexp([]), ValueError, "logsumexp(): expected at least one number"),
        (lambda: tl.softmax([Value(1.0), "x"]), TypeError, "a Value holds one number, got str"),
        (lambda: tl.cross_entropy([0.0, 0.0], 2), ValueError, "cross_entropy: expected a class from 0 to 1, got 2"),
        (lambda: tl.cross_entropy([0.0, 0.0], -1), ValueError, "cross_entropy: expected a class from 0 to 1, got -1"),
        (lambda: tl.cross_entropy([0.0, 0.0], 1.0), TypeError, "cross_entropy: expected a class index or a sequence of probabilities, got 1.0"),
        (lambda: tl.cross_entropy([0.0, 0.0], True), TypeError, "cross_entropy: expected a class index or a sequence of probabilities, got True"),
        (lambda: tl.cross_entropy([0.0, 0.0], None), TypeError, "cross_entropy: expected a class index or a sequence of probabilities, got None"),
        (lambda: tl.cross_entropy([0.0, 0.0], "01"), TypeError, "cross_entropy: expected a class index or a sequence of probabilities, got '01'"),
        (lambda: tl.cross_entropy([0.0, 0.0], [1.0]), ValueError, "cross_entropy: expected 2 probabilities, got 1"),
        (lambda: tl.cross_entropy([0.0, 0.0], [1.5, -0.5]), ValueError, "cross_entropy: expected probabilities >= 0, got [1.5, -0.5]"),
        (lambda: tl.binary_cross_entropy(0.0, 2), ValueError, "binary_cross_entropy: expected a target from 0 to 1, got 2"),
        (lambda: tl.binary_cross_entropy([0.0], [1, 0]), ValueError, "binary_cross_entropy: expected 1 targets, got 2"),
        (lambda: mean_squared_error([0.0, 1.0], [1.0]), ValueError, "mean_squared_error: expected 2 targets, got 1"),
        (lambda: mean_squared_error([0.0, 1.0], 1.0), ValueError, "mean_squared_error: expected 2 targets, got 1.0"),
        (lambda: mean_squared_error([0.0], [1.0], reduction="max"), ValueError, "mean_squared_error: expected 'mean' or 'sum' as the reduction, got 'max'"),
        (lambda: mean_squared_error([], []), ValueError, "mean: expected at least one number, got none"),
        (lambda: hinge(0.5, 0), ValueError, "hinge: expected a target of -1 or 1, got 0"),
        (lambda: hinge([0.5, 0.5], [1, 2]), ValueError, "hinge: expected a target of -1 or 1, got 2"),
        (lambda: tl.cross_entropy([[0.0, 0.0]], [2]), ValueError, "cross_entropy: expected a class from 0 to 1, got 2"),
        (lambda: tl.cross_entropy([[0.0, 0.0]], 1), ValueError, "cross_entropy: expected 1 targets, got 1"),
    ],
)
def test_complaint(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_nan_goes_through() -> None:
    assert all(math.isnan(p) for p in tl.softmax([math.nan, 0.0]))


def test_mean() -> None:
    assert gradient(tl.mean, [1.0, 2.0, 6.0]) == (3.0, [1 / 3] * 3)


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "each"),
    [
        (mean_squared_error, [1.0, 2.0, -1.0], [1.0, 4.0, 0.0], [0.0, 4.0, 1.0]),
        (hinge, [0.25, 3.0, 3.0], [1, 1, -1], [0.75, 0.0, 4.0]),
        (tl.binary_cross_entropy, [0.0, 1000.0], [1, 0], [math.log(2), 1000.0]),
        (tl.cross_entropy, [[0.0, 0.0], [1000.0, 0.0]], [0, [0.0, 1.0]], [math.log(2), 1000.0]),
    ],
    ids=lambda x: getattr(x, "__name__", None),
)
def test_a_loss_of_sequences_is_the_mean_or_the_sum_of_its_losses(loss: Any, outputs: Any, targets: Any, each: Any) -> None:
    assert [loss(output, target) for output, target in zip(outputs, targets, strict=True)] == pytest.approx(each)
    assert loss(outputs, targets) == pytest.approx(sum(each) / len(each))
    assert loss(outputs, targets, reduction="sum") == pytest.approx(sum(each))


@pytest.mark.parametrize(
    ("loss", "output", "target", "slope"),
    [
        (mean_squared_error, 1.0, 4.0, -6.0),
        (hinge, 0.25, 1.0, -1.0),
        (hinge, 0.25, -1.0, 1.0),
        (hinge, 1.5, 1.0, 0.0),
        (hinge, 1.0, 1.0, 0.0),
    ],
)
def test_the_slope_of_a_loss(loss: Any, output: float, target: float, slope: float) -> None:
    assert gradient(lambda xs: loss(xs[0], target), [output])[1] == [slope]
    assert gradient(lambda xs: loss(xs, [Value(target)]), [output])[1] == [slope]


def test_a_target_may_be_an_array_without_axes() -> None:
    z = [Value(0.5), Value(-1.0)]
    assert tl.cross_entropy(z, np.array(1)).data == tl.cross_entropy(z, 1).data
    assert tl.binary_cross_entropy(np.array(0.5), np.array(1)) == tl.binary_cross_entropy(0.5, 1)


# On every operand, and from any iterable


@pytest.mark.parametrize(
    "f",
    [
        lambda x, y: tl.softmax([x, y, 0.5])[0],
        lambda x, y: tl.log_softmax([x, y])[1],
        lambda x, y: tl.cross_entropy([x, y], 1),
        lambda x, y: tl.cross_entropy([x, y], [0.25, 0.75]),
        lambda x, y: tl.cross_entropy([0.0, x], [0.5, y]),
        lambda x, y: tl.cross_entropy([[x, y], [y, x]], [0, 1]),
        lambda x, y: tl.binary_cross_entropy(x, y),
        lambda x, y: mean_squared_error(x, y),
        lambda x, y: hinge(x, y),
        lambda x, y: tl.clip(x, 0.0, y),
        lambda x, y: tl.prod([x, y, x]),
        lambda x, y: tl.norm([x, y, x * y]),
        lambda x, y: tl.mean([x, y]) * tl.logsumexp([x, y]),
    ],
)
def test_series_go_through_all_of_it_as_values_do(f: Any) -> None:
    x, y = Value(0.3), Value(0.7)
    out = f(x, y)
    out.backward()
    assert tl.jvp(f, [0.3, 0.7], [2.0, 3.0]) == pytest.approx((out.data, 2 * x.grad + 3 * y.grad))


@pytest.mark.parametrize("f", [tl.softmax, tl.log_softmax, tl.mean, tl.prod, tl.norm, tl.argmax, lambda xs: tl.cross_entropy(xs, 1)])
def test_a_generator_is_a_sequence(f: Any) -> None:
    assert f(x for x in (0.5, 2.0)) == f([0.5, 2.0])


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "mean", "prod", "norm", "argmax"])
def test_arguments_one_by_one_are_told_how_to_be_written(name: str) -> None:
    f = getattr(tl, name)
    with pytest.raises(TypeError, match=rf"^{name}: expected one sequence, got 2 arguments; write {name}\(\[x, y\]\)$"):
        f(Value(1.0), Value(2.0))
    with pytest.raises(TypeError, match=rf"^{name}: expected one sequence, got Value; write {name}\(\[x, y\]\)$"):
        f(Value(1.0))


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_a_length_has_its_derivatives_near_and_far(scale: float) -> None:
    length, slopes = gradient(tl.norm, [3.0 * scale, 0.0, -4.0 * scale])
    assert length == pytest.approx(5.0 * scale, rel=1e-15)
    assert slopes == pytest.approx([0.6, 0.0, -0.8], rel=1e-15)


def test_a_length_of_0_has_derivatives_0() -> None:
    assert gradient(tl.norm, [0.0, 0.0]) == (0.0, [0.0, 0.0])
    assert gradient(tl.norm, [-2.0]) == (2.0, [-1.0])
    assert tl.norm([]) == 0.0


def test_a_product_has_its_derivatives_at_0_too() -> None:
    assert gradient(tl.prod, [2.0, 0.0, 3.0]) == (0.0, [0.0, 6.0, 0.0])
    assert tl.prod([]) == 1.0


@pytest.mark.parametrize(("x", "value", "slope"), [(-2.0, 0.0, 0.0), (0.25, 0.25, 1.0), (7.0, 1.0, 0.0), (1.0, 1.0, 0.5)])
def test_clip(x: float, value: float, slope: float) -> None:
    assert gradient(lambda xs: tl.clip(xs[0], 0.0, 1.0), [x]) == (value, [slope])


def test_clip_wants_its_bounds_in_order() -> None:
    with pytest.raises(ValueError, match=r"^clip: expected low <= high, got 1.0 and 0.0$"):
        tl.clip(Value(0.5), 1.0, 0.0)


@pytest.mark.parametrize("xs", [[1.0, 3.0, 3.0], [math.nan, 5.0], [5.0, math.nan, math.nan], [-INF, -INF], [-0.0, 0.0]])
def test_argmax_is_that_of_numpy(xs: list[float]) -> None:
    assert tl.argmax(map(Value, xs)) == tl.argmax(xs) == np.argmax(xs)


def test_argmax_of_nothing_and_of_what_has_no_number() -> None:
    with pytest.raises(ValueError, match=r"^argmax: expected at least one number, got none$"):
        tl.argmax([])
    with pytest.raises(TypeError, match=r"^argmax: an index cannot be followed to other points; use maximum or where$"):
        tl.jvp(lambda x: x * tl.argmax([x, 0.0]), [1.0], [1.0])
