"""Programs: what a compiled graph and a vectorized function give, against the eager engine and finite differences."""

import itertools
import math
import multiprocessing
import pickle
import random
import re
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from graphs import eager
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_lite as tl
from tinygrad_lite import OPS, Value, ops
from tinygrad_lite.arrays import answers
from tinygrad_lite.arrays.program import compile

EDGES = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 1e-300, -1e300, 30.0, -800.0, 800.0, math.inf, -math.inf, math.nan]
INSIDE = {"acosh": 1.7, "log": 0.8, "sqrt": 0.8}


def called(op, args):
    """An operation at any number of arguments, which it may want in lists."""
    if op.lists:
        size = len(args) // op.lists
        return op(*(args[i * size : (i + 1) * size] for i in range(op.lists)))
    return op(*args)


def arity(op):
    return op.arity or (4 if op.lists == 2 else 3)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_an_operation_and_its_derivatives_are_those_of_the_engine(op):
    count = arity(op)
    points = [[INSIDE.get(op.name, 0.4) + 0.1 * i + shift for i in range(count)] for shift in (0.0, 0.05, 0.11)]
    inputs = [Value(x) for x in points[0]]
    values, gradients = compile(called(op, inputs), inputs).value_and_grad(*np.array(points).T)
    expected, slopes = eager(lambda *args: called(op, args), points)
    np.testing.assert_allclose(values, expected, rtol=1e-14)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_an_operation_at_the_edges_follows_ieee_where_recording_raises(op):
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


def test_an_operation_that_a_user_declares_is_replayed():
    cube = ops.declare("cube_of_test", scalar=lambda x: x**3, partials=(lambda out, x: 3 * x**2,))
    try:
        x = Value(2.0)
        values, (slope,) = compile(cube(x), [x]).value_and_grad([1.0, 2.0, -3.0])
    finally:
        del OPS["cube_of_test"]
    assert values.tolist() == [1.0, 8.0, -27.0]
    assert slope.tolist() == [3.0, 12.0, 27.0]


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


def random_graph(choices, inputs):
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
def test_random_graphs_are_those_of_the_engine(choices, points):
    inputs = [Value(0.3), Value(-0.7), Value(1.1)]
    program = compile(random_graph(choices, inputs), inputs)
    values, gradients = program.value_and_grad(*np.array(points).T)
    expected, slopes = eager(lambda *args: random_graph(choices, args), points)
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, -1.0, 2.0, 3.0, 0.5], ids=str)
@pytest.mark.parametrize("op", [tl.add, tl.sub, tl.mul, tl.div, tl.pow, tl.not_equal], ids=lambda op: op.name)
def test_what_is_shorter_beside_a_number_is_equal(op, number):
    for f in (
        lambda x: op(number, x),
        lambda x: op(x, number),
        lambda x: op(-x, number),
        lambda x: op(number, -x),
        lambda x: op(-x, x) + op(x * number, -x) if op is not tl.pow else op(x, number) * op(x, number),
        lambda x: -op(x, number) - op(number, x > 0),
    ):
        assert_as_recorded(lambda x, f=f: f(x) * 1, [-2.0, -1.0, 0.0, 1.0, 3.0])


def assert_as_recorded(f, points):
    """That a program gives what is recorded, where it can be."""
    defined = [point for point in points if is_defined(f, point)]
    if defined:
        values, slopes = eager(f, [(point,) for point in defined])
        x = Value(defined[0])
        got, (slope,) = compile(f(x), [x]).value_and_grad(defined)
        np.testing.assert_allclose(got, values, rtol=1e-14)
        np.testing.assert_allclose(slope, slopes[0], rtol=1e-14)


def is_defined(f, point):
    try:
        f(Value(point))
    except (ValueError, ArithmeticError):
        return False
    return True


def test_a_part_of_a_long_sum_may_be_used_elsewhere_too():
    xs = [Value(float(i)) for i in range(12)]
    parts = list(itertools.accumulate(xs, tl.add))
    root = parts[-1] * parts[5] + parts[8]
    points = np.random.default_rng(0).uniform(-1, 1, (12, 4))
    value, slopes = compile(root, xs).value_and_grad(*points)
    whole, part = points.sum(0), points[:6].sum(0)
    np.testing.assert_allclose(value, whole * part + points[:9].sum(0), rtol=1e-13)
    for i, slope in enumerate(slopes):
        np.testing.assert_allclose(slope, part + whole * (i < 6) + (i < 9), rtol=1e-13)


@pytest.mark.parametrize("place", range(9))
def test_a_product_of_two_inputs_among_those_with_weights_is_no_weight(place):
    rng = np.random.default_rng(place)
    ws, xs = [Value(w) for w in rng.uniform(-1, 1, 9)], [Value(0.5) for _ in range(9)]
    left = list(ws)
    left[place] = xs[0]
    program = compile(tl.dot(left, xs), xs)
    points = rng.uniform(-1, 1, (9, 5))
    numbers = np.array([w.data for w in ws])[:, None] * np.ones((9, 5))
    numbers[place] = points[0]
    values, slopes = program.value_and_grad(*points)
    np.testing.assert_allclose(values, (numbers * points).sum(0), rtol=1e-13)
    numbers[0] += points[place]
    np.testing.assert_allclose(slopes, numbers, rtol=1e-13)


def test_one_weight_may_stand_before_all_inputs():
    w, xs = Value(3.0), [Value(0.5) for _ in range(9)]
    points = np.random.default_rng(0).uniform(-1, 1, (9, 5))
    program = compile(tl.dot([w] * 9, xs), xs)
    values, slopes = program.value_and_grad(*points)
    np.testing.assert_allclose(values, 3 * points.sum(0), rtol=1e-13)
    np.testing.assert_array_equal(slopes, np.full((9, 5), 3.0))
    loss, gradient = program.loss_and_grad([3.0], *points, reduction="sum")
    np.testing.assert_allclose([loss, *gradient], [3 * points.sum(), points.sum()], rtol=1e-13)


# Networks


def network(sizes, style, seed=0):
    """A perceptron with tanh and a hinge loss, its sums written in one of the ways people write them."""
    chance = random.Random(seed)
    xs, y, parameters = [Value(0.1 * i) for i in range(sizes[0])], Value(1.0), []
    layer = xs
    for depth, (width, height) in enumerate(itertools.pairwise(sizes)):
        after = []
        for _ in range(height):
            weights = [Value(chance.uniform(-1, 1)) for _ in range(width)]
            bias = Value(chance.uniform(-1, 1))
            parameters += [*weights, bias]
            if style == "dot":
                z = tl.dot(weights, layer) + bias
            elif style == "from the bias":
                z = sum((w * x for w, x in zip(weights, layer, strict=True)), bias)
            elif style == "inputs first":
                z = sum(x * w for w, x in zip(weights, layer, strict=True)) + bias
            else:
                z = tl.sum([w * x for w, x in zip(weights, layer, strict=True)]) + bias
            after.append(z if depth == len(sizes) - 2 else tl.tanh(z))
        layer = after
    return xs, y, parameters, tl.relu(1 - y * layer[0])


def by_hand(sizes, parameters, x, y):
    """The same network in NumPy."""
    rows, first = x.T, 0
    for depth, (width, height) in enumerate(itertools.pairwise(sizes)):
        layer = np.reshape(parameters[first : first + (width + 1) * height], (height, width + 1))
        first += layer.size
        rows = layer[:, :-1] @ rows + layer[:, -1:]
        rows = rows if depth == len(sizes) - 2 else np.tanh(rows)
    return np.maximum(1 - y * rows[0], 0)


STYLES = ["dot", "from the bias", "inputs first", "tl.sum"]


@pytest.mark.parametrize("style", STYLES)
def test_a_network_becomes_matrix_products_however_its_sums_are_written(style):
    xs, y, _, loss = network([3, 8, 6, 1], style)
    program = compile(loss, [xs, y])
    text = str(program)
    assert text.count("matmul") == 3
    assert text.count("tanh") == 2
    assert len(program) < 20


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_backward_gives_the_gradient_of_the_parameters(style, reduction):
    sizes = [3, 8, 6, 1]
    xs, y, parameters, loss = network(sizes, style)
    chance = np.random.default_rng(1)
    x, target = chance.normal(size=(50, 3)), np.sign(chance.normal(size=50))
    value = compile(loss, [xs, y]).backward(x, target, reduction=reduction)
    numbers = np.array([p.data for p in parameters])
    total = getattr(np, reduction)
    assert value == pytest.approx(total(by_hand(sizes, numbers, x, target)), rel=1e-12)
    for i in range(0, len(parameters), 7):
        step = np.zeros_like(numbers)
        step[i] = 1e-6
        slope = total(by_hand(sizes, numbers + step, x, target) - by_hand(sizes, numbers - step, x, target)) / 2e-6
        assert parameters[i].grad == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_the_derivatives_of_a_network_for_its_inputs_are_those_of_the_engine():
    xs, y, _, loss = network([3, 8, 6, 1], "dot")
    points = np.random.default_rng(2).normal(size=(5, 4))
    values, (for_x, for_y) = compile(loss, [xs, y]).value_and_grad(points[:, :3], points[:, 3])
    for i, point in enumerate(points):
        xs, y, _, loss = network([3, 8, 6, 1], "dot")
        for leaf, number in zip([*xs, y], point, strict=True):
            leaf.data = float(number)
        again = compile(loss, [xs, y])
        assert again(point[None, :3], point[3:])[0] == pytest.approx(values[i], rel=1e-12)
        np.testing.assert_allclose(again.value_and_grad(point[None, :3], point[3:])[1][0][0], for_x[i], rtol=1e-12)
    assert for_y.shape == (5,)


def test_backward_reads_the_parameters_at_each_call_and_adds_to_their_grad():
    w, b, x = Value(2.0), Value(1.0), Value(0.0)
    program = compile((w * x + b) ** 2, [x])
    assert program.backward([1.0, 2.0]) == 17.0
    assert (w.grad, b.grad) == (13.0, 8.0)
    w.data = 0.0
    assert program.backward([1.0, 2.0]) == 1.0
    assert (w.grad, b.grad) == (13.0 + 3.0, 8.0 + 2.0)


def test_what_depends_on_parameters_alone_is_counted_once_in_a_mean_and_at_each_point_in_a_sum():
    ws, x = [Value(0.5 * i) for i in range(20)], Value(0.0)
    program = compile(ws[0] * x + sum(w * w for w in ws), [x])
    penalty = sum(w.data**2 for w in ws)
    assert program.backward([1.0, 3.0]) == pytest.approx(penalty)
    assert [w.grad for w in ws] == pytest.approx([2.0, *(2 * w.data for w in ws[1:])])
    assert program.backward([1.0, 3.0], reduction="sum") == pytest.approx(2 * penalty)
    assert ws[3].grad == pytest.approx(3 * 2 * ws[3].data)


def test_constants_among_uniform_rows_stay_what_they_are():
    p, x = Value(1.0), [Value(0.0) for _ in range(11)]
    for weights in ([p] * 5 + [0.5] + [p] * 5, [0.5] + [p] * 10):
        assert compile(tl.dot(weights, x), [x])(np.ones((1, 11))) == [10.5]
    assert compile(tl.sum([p] * 4 + [0.5] + [p] * 5) * x[0], [x[0]])([1.0]) == [9.5]


def test_one_point_may_be_a_row_of_another_array():
    x = [Value(1.0), Value(2.0)]
    assert compile(x[0] * x[1], [x])(np.asfortranarray([[2.0, 3.0], [4.0, 5.0]])[1]) == 20.0


def test_a_list_of_one_may_have_a_constant_derivative():
    x, w = Value(1.0), Value(2.0)
    values, (slopes,) = compile(x + w, [[x]]).value_and_grad([[1.0], [2.0]])
    assert (values.tolist(), slopes.tolist()) == ([3.0, 4.0], [[1.0], [1.0]])


def test_an_operation_without_an_array_form_works_on_parameters():
    x, w = Value(1.0), Value(2.0)
    assert compile(tl.erf(w) * x, [x])([1.0, 2.0]) == pytest.approx([math.erf(2), 2 * math.erf(2)])


def test_what_is_folded_to_a_constant_has_no_derivative():
    x, w = Value(2.0), Value(3.0)
    values, (slopes,) = compile(x**0 * w * x, [x]).value_and_grad([1.0, 2.0])
    assert (values.tolist(), slopes.tolist()) == ([3.0, 6.0], [3.0, 3.0])


def test_a_sum_over_points_keeps_no_memory_for_each_size():
    w, x = Value(1.0), Value(1.0)
    program = compile(w * x, [x])
    for count in (300, 3, 7000, 10):
        assert program.backward(np.ones(count), reduction="sum") == count
    from tinygrad_lite.arrays.kernels import kernels

    assert 1 <= len(kernels().ones) <= 2


def test_a_float32_program_warns_of_nothing():
    w, x = Value(1e300), Value(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compile(w * x, [x], dtype="float32")([1.0]) == [math.inf]


def test_a_list_of_no_inputs_and_half_a_thread_are_refused():
    x = Value(1.0)
    with pytest.raises(ValueError, match="compile: expected at least one Value in each list of inputs, got none"):
        compile(x * x, [x, []])
    with pytest.raises(TypeError, match=r"program: expected threads to be a whole number >= 1, got 1\.5"):
        compile(x * x, [x])(np.ones(100_000), threads=1.5)


def test_calls_of_ever_new_sizes_keep_no_more_memory():
    x = Value(1.0)
    program = compile(tl.exp(x) * x, [x])
    for count in range(100, 2, -1):
        xs = np.linspace(-1, 1, count)
        assert program(xs).tolist() == (np.exp(xs) * xs).tolist()
    assert len(program._plans.of(answers.values).spare.memories) <= 3


def test_the_loss_and_its_gradient_at_given_numbers_touch_no_value():
    w, b, x, y = Value(3.0), Value(-1.0), Value(1.0), Value(1.0)
    program = compile((w * x + b - y) ** 2, [x, y])
    xs, ys = np.array([1.0, 2.0, 4.0]), np.array([2.0, 3.0, 0.0])
    for reduction in ("mean", "sum"):
        numbers = [dict(zip((w, b), (0.5, 0.25), strict=True))[p] for p in program.parameters]
        loss, gradient = program.loss_and_grad(numbers, xs, ys, reduction=reduction)
        assert (w.data, b.data, w.grad, b.grad) == (3.0, -1.0, 0.0, 0.0)
        before = w.data, b.data
        w.data, b.data = 0.5, 0.25
        assert program.backward(xs, ys, reduction=reduction) == loss
        assert [p.grad for p in program.parameters] == gradient.tolist()
        (w.data, b.data), w.grad, b.grad = before, 0.0, 0.0
    loss, gradient = program.loss_and_grad([0.5, 0.25], [], [], reduction="sum")
    assert (loss, gradient.tolist()) == (0.0, [0.0, 0.0])
    for numbers, shape in (([1.0], r"\(1,\)"), ([[1.0, 2.0]], r"\(1, 2\)"), (2.0, r"\(\)")):
        with pytest.raises(ValueError, match=rf"program: expected numbers of shape \(2,\), got {shape}"):
            program.loss_and_grad(numbers, xs, ys)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_choices_are_the_same_on_few_and_on_many_points(dtype):
    x, y = Value(0.5), Value(-0.5)
    program = compile(tl.where(x > y, x * y, tl.relu(y) - x) + tl.log(tl.relu(x)), [x, y], dtype=dtype)
    xs, ys = (np.resize(each, 10_500) for each in (EDGES, EDGES[:-1]))
    values, slopes = program.value_and_grad(xs, ys)
    some = slice(0, 210)
    few, few_slopes = program.value_and_grad(xs[some], ys[some])
    for many, expected in ((values, few), (slopes[0], few_slopes[0]), (slopes[1], few_slopes[1])):
        np.testing.assert_array_equal(many, np.tile(expected, 50))


def test_threads_give_the_same_sums_in_every_call():
    w, x = Value(0.3), Value(1.0)
    program = compile(tl.tanh(w * x), [x])
    points = np.random.default_rng(0).normal(size=200_000)
    alone, slope = program.loss_and_grad([0.3], points)
    found = [program.loss_and_grad([0.3], points, threads=3) for _ in range(5)]
    assert {(loss, gradient[0]) for loss, gradient in found} == {(found[0][0], found[0][1][0])}
    np.testing.assert_allclose([found[0][0], found[0][1][0]], [alone, slope[0]], rtol=1e-11)


def test_a_graph_without_inputs_has_parameters_only():
    w = Value(3.0)
    program = compile(w * w, [])
    assert program() == 9.0
    assert program.backward() == 9.0
    assert w.grad == 6.0


def test_long_sums_and_maxima_become_one_instruction():
    xs = [Value(float(i)) for i in range(30)]
    x = np.random.default_rng(0).normal(size=(7, 30))
    for f, expected in ((tl.sum, x.sum(1)), (lambda xs: tl.maximum(*xs), x.max(1)), (lambda xs: tl.dot(xs, xs), (x * x).sum(1))):
        program = compile(f(xs), [xs])
        np.testing.assert_allclose(program(x), expected)
        assert len(program) == 1
    values, (gradient,) = compile(sum(xs), [xs]).value_and_grad(x)
    np.testing.assert_allclose(values, x.sum(1))
    assert (gradient == 1).all()


def test_thousands_of_rows_at_once_are_worked_on_in_whole_points():
    xs = [Value(0.1) for _ in range(2500)]
    points = np.random.default_rng(0).uniform(-1, 1, (1200, 2500))
    program = compile(tl.dot(tl.softmax(xs), xs), [xs])
    assert 16 < program._plans.of(answers.values).plan.width < 1024
    weights = np.exp(points)
    np.testing.assert_allclose(program(points), (weights * points).sum(1) / weights.sum(1), rtol=1e-12)


def test_extremes_and_sums_of_several_lists_are_reduced_together():
    xs = [Value(0.1 * i) for i in range(18)]
    lists = [xs[:6], xs[6:12], xs[12:]]
    points = np.random.default_rng(0).uniform(-1, 1, (5, 18))
    parts = points.reshape(5, 3, 6)
    for reduce, expected, slope in (
        (lambda some: tl.maximum(*some), parts.max(2), parts == parts.max(2, keepdims=True)),
        (lambda some: tl.minimum(*some), parts.min(2), parts == parts.min(2, keepdims=True)),
        (lambda some: tl.sum([x * x for x in some]), (parts**2).sum(2), 2 * parts),
    ):
        program = compile(tl.prod([tl.sin(reduce(some)) for some in lists]), [xs])
        value, (gradient,) = program.value_and_grad(points)
        sines = np.sin(expected)
        np.testing.assert_allclose(value, sines.prod(1), rtol=1e-12)
        others = sines.prod(1, keepdims=True) / sines * np.cos(expected)
        np.testing.assert_allclose(gradient, (others[:, :, None] * slope).reshape(5, 18), rtol=1e-9)


def test_a_convolution_shares_its_weights():
    kernel, xs = [Value(0.5), Value(-1.0), Value(2.0)], [Value(0.0) for _ in range(12)]
    out = tl.sum([tl.relu(tl.dot(kernel, xs[i : i + 3])) for i in range(10)])
    x = np.random.default_rng(0).normal(size=(6, 12))
    value = compile(out, [xs]).backward(x, reduction="sum")
    windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)
    scores = windows @ [0.5, -1.0, 2.0]
    assert value == pytest.approx(np.maximum(scores, 0).sum())
    assert [w.grad for w in kernel] == pytest.approx(((scores > 0)[..., None] * windows).sum((0, 1)).tolist())


# Shapes and types


def product():
    a, b = Value(1.0), Value(2.0)
    return compile(a * b + tl.sin(a), [a, b])


def test_gradients_have_the_shapes_of_broadcast_inputs():
    a, b = np.arange(6.0).reshape(2, 3, 1), np.arange(4.0)
    values, (for_a, for_b) = product().value_and_grad(a, b)
    np.testing.assert_allclose(values, a * b + np.sin(a))
    np.testing.assert_allclose(for_a, (b + np.cos(a)).sum(2, keepdims=True))
    np.testing.assert_allclose(for_b, np.broadcast_to(a, (2, 3, 4)).sum((0, 1)))


@pytest.mark.parametrize("shape", [(3, 40_000), (40_000, 3), (2, 3, 20_000), (50_000, 1), (1, 50_000)])
def test_broadcasting_is_right_across_blocks(shape):
    chance = np.random.default_rng(0)
    a, b = chance.normal(size=shape), chance.normal(size=shape[-1:])
    values, (for_a, for_b) = product().value_and_grad(a, b)
    np.testing.assert_allclose(values, a * b + np.sin(a), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(for_a, np.broadcast_to(b, shape) + np.cos(a), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(for_b, a.reshape(-1, shape[-1]).sum(0), rtol=1e-9, atol=1e-9)


def test_a_list_of_inputs_broadcasts_in_all_but_its_last_axis():
    xs, y = [Value(0.0) for _ in range(3)], Value(0.0)
    program = compile(xs[0] * xs[1] + xs[2] * y, [xs, y])
    x, other = np.arange(6.0).reshape(2, 1, 3), np.arange(4.0)
    values, (for_x, for_y) = program.value_and_grad(x, other)
    np.testing.assert_allclose(values, x[..., 0] * x[..., 1] + x[..., 2] * other)
    assert for_x.shape == x.shape
    np.testing.assert_allclose(for_x[..., 0, :], [[4.0, 0.0, 6.0], [16.0, 12.0, 6.0]])
    np.testing.assert_allclose(for_y, np.broadcast_to(x[..., 2], (2, 4)).sum(0))


def test_float32_stays_float32_and_is_about_right():
    a, b = Value(1.0), Value(2.0)
    program = compile(tl.sigmoid(a) * b**3 + tl.erf(a), [a, b], dtype=np.float32)
    x = np.linspace(-1, 1, 100)
    values, gradients = program.value_and_grad(x.astype(np.float32), x.astype(np.float32))
    assert {array.dtype for array in (values, *gradients)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(values, 1 / (1 + np.exp(-x)) * x**3 + [math.erf(t) for t in x], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [int, bool, np.float16, np.float32, np.int8, np.uint64])
def test_arrays_of_other_real_types_are_converted(dtype):
    a, b = np.array([0, 1, 1], dtype), np.array([1, 0, 1], dtype)
    np.testing.assert_allclose(product()(a, b), a.astype(float) * b + np.sin(a.astype(float)), rtol=1e-12)


def test_a_call_sees_nothing_of_the_call_before():
    x = Value(2.0)
    program = compile(x * x, [x])
    first = program(np.array([1.0, 2.0]))
    for array in (np.array([3, 4]), np.array([5.0, 6.0], "float32"), [7, 8], np.array([True, False])):
        assert program(array).tolist() == [float(each) ** 2 for each in array]
        assert program.value_and_grad(array)[1][0].tolist() == [2.0 * each for each in array]
    assert first.tolist() == [1.0, 4.0]


def test_inputs_may_be_read_only_or_strided_and_are_not_written():
    a, b = np.arange(12.0)[::3], np.arange(8.0).reshape(4, 2)[:, 1]
    a.flags.writeable = False
    before = a.copy(), b.copy()
    values, _ = product().value_and_grad(a, b)
    np.testing.assert_allclose(values, a * b + np.sin(a))
    assert (a == before[0]).all()
    assert (b == before[1]).all()


def test_results_go_where_the_caller_wants_them():
    a, b = Value(1.0), Value(2.0)
    one, several = compile(a * b + a, [a, b]), compile([a * b, a + b], [a, b])
    points = np.random.default_rng(0).uniform(-1, 1, (2, 30_000))
    place, places = np.empty(30_000), [np.empty(30_000) for _ in range(2)]
    assert one(*points, out=place) is place
    np.testing.assert_array_equal(place, one(*points))
    found = several(*points, out=places, threads=2)
    assert [x is y for x, y in zip(found, places, strict=True)] == [True, True]
    np.testing.assert_array_equal(places, several(*points))
    number = np.empty(())
    assert one(2.0, 3.0, out=number) is number
    assert number == 8.0


def test_a_place_for_results_may_be_that_of_an_input():
    a, b = Value(1.0), Value(2.0)
    program = compile([a * b, a + b], [a, b])
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 30_000))
    expected = program(x, y)
    place = x.copy()
    program(place, y, out=[place, np.empty(30_000)])
    np.testing.assert_array_equal(place, expected[0])
    both = [x.copy(), y.copy()]
    np.testing.assert_array_equal(program(*both, out=both), expected)
    np.testing.assert_array_equal(both, expected)
    shifted = np.append(x, 0.0)
    square = compile(a * a, [a])
    square(shifted[:-1], out=shifted[1:])
    np.testing.assert_array_equal(shifted[1:], x * x)
    row = np.random.default_rng(1).uniform(-1, 1, (3, 20_000))
    expected = compile(a * b, [a, b])(row[0].copy(), row.copy())
    compile(a * b, [a, b])(row[0], row, out=row)
    np.testing.assert_array_equal(row, expected)


def no_place(shape=(2,), dtype=float, **flags):
    array = np.empty(shape, dtype)
    array.setflags(**flags)
    return array


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (no_place((3,)), "program: out 0: expected float64 of shape (2,), got float64 of shape (3,)"),
        (no_place(dtype="float32"), "program: out 0: expected float64 of shape (2,), got float32 of shape (2,)"),
        ([1.0, 2.0], "program: out 0: expected float64 of shape (2,), got list of shape (2,)"),
        (3.0, "program: out 0: expected float64 of shape (2,), got float of shape ()"),
        (no_place((2, 2))[:, 0], "program: out 0: expected a contiguous array that can be written, got one that is not"),
        (no_place(write=False), "program: out 0: expected a contiguous array that can be written, got one that is not"),
    ],
)
def test_a_place_that_does_not_fit_is_refused(out, message):
    x = Value(1.0)
    with pytest.raises(ValueError, match=re.escape(message)):
        compile(x * x, [x])([1.0, 2.0], out=out)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_result_has_its_place(count):
    x = Value(1.0)
    with pytest.raises(ValueError, match=f"^program: out: expected 2 arrays, got {count}$"):
        compile([x * x, x], [x])([1.0, 2.0], out=[np.empty(2) for _ in range(count)])


def test_numbers_and_0d_arrays_give_0d_results():
    values, gradients = product().value_and_grad(3.0, np.array(2))
    assert values.shape == () == gradients[0].shape
    assert float(values) == pytest.approx(6 + math.sin(3))


def test_no_points_give_empty_results():
    program = product()
    values, gradients = program.value_and_grad(np.zeros(0), np.zeros(0))
    assert values.shape == gradients[0].shape == (0,)
    _, (for_a, for_b) = program.value_and_grad(np.zeros((0, 3)), np.ones(3))
    assert for_a.shape == (0, 3)
    assert for_b.tolist() == [0, 0, 0]
    assert program.backward([], [], reduction="sum") == 0.0
    assert math.isnan(program.backward([], []))


def test_nan_and_inf_stay_in_their_points():
    a = Value(1.0)
    values, (slope,) = compile(tl.log(a) / a, [a]).value_and_grad([1.0, 0.0, -1.0, math.nan, math.inf, 4.0])
    assert np.isfinite(values).tolist() == np.isfinite(slope).tolist() == [True, False, False, False, False, True]


def test_an_input_that_the_output_does_not_use_has_gradient_0():
    a, b, unused = Value(1.0), Value(2.0), [Value(3.0), Value(4.0)]
    _, (for_a, for_unused, for_b) = compile(a * 2, [a, unused, b]).value_and_grad([1.0, 2.0], np.ones((2, 2)), 5.0)
    assert for_a.tolist() == [2, 2]
    assert for_unused.tolist() == [[0, 0], [0, 0]]
    assert for_b == 0


def test_an_output_may_be_constant_or_an_input():
    a = Value(1.0)
    values, (slope,) = compile(a, [a]).value_and_grad([3.0, 4.0])
    assert (values.tolist(), slope.tolist()) == ([3.0, 4.0], [1.0, 1.0])
    constant = a**0
    values, (slope,) = compile(constant, [a]).value_and_grad([3.0, 4.0])
    assert (values.tolist(), slope.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_a_power_of_0_hands_on_a_derivative_of_0_as_backward_does():
    x = Value(1.0)
    y = tl.acos(x) ** 0
    value, (slope,) = compile(y, [x]).value_and_grad([1.0, 0.5])
    y.backward()
    assert value.tolist() == [1.0, 1.0]
    assert math.isnan(x.grad)  # 0·inf, as in PyTorch
    np.testing.assert_array_equal(slope, [math.nan, 0.0])


def test_several_outputs_give_lists():
    a, b = Value(1.0), Value(2.0)
    program = compile([a * b, a + b, a], [a, b])
    assert [v.tolist() for v in program([3.0], [4.0])] == [[12.0], [7.0], [3.0]]
    values, gradients = program.value_and_grad([3.0], [4.0])
    assert len(values) == 3
    assert np.array(gradients)[..., 0].tolist() == [[4.0, 3.0], [1.0, 1.0], [1.0, 0.0]]
    with pytest.raises(TypeError, match="program: expected one output, got 3; compile their sum"):
        program.backward([1.0], [1.0])


def test_relu_and_maximum_in_one_program_keep_their_own_derivatives_at_the_tie():
    a, b = Value(1.0), Value(1.0)
    _, (for_a, for_b) = compile(tl.relu(a) + tl.maximum(b, 0.0), [a, b]).value_and_grad([0.0], [0.0])
    assert (for_a.tolist(), for_b.tolist()) == ([0.0], [0.5])
    _, (slope,) = compile(tl.relu(a) + tl.maximum(a, 0.0), [a]).value_and_grad([0.0])
    assert slope.tolist() == [0.5]


def test_a_softmax_recomputes_its_shift():
    xs = [Value(0.0), Value(1.0)]
    program = compile(tl.cross_entropy(xs, 0), [xs])
    np.testing.assert_allclose(program([[1000.0, 0.0], [0.0, 1000.0]]), [0.0, 1000.0])


# Bad input


@pytest.mark.parametrize(
    ("arrays", "error", "text"),
    [
        (([1.0],), TypeError, "program: expected 2 arrays, got 1"),
        (([1.0], [1.0], [1.0]), TypeError, "program: expected 2 arrays, got 3"),
        ((np.zeros(3), np.zeros(4)), ValueError, "arrays 0 and 1 do not broadcast: their points have shapes (3,) and (4,)"),
        (([1j], [1.0]), TypeError, "program: array 0: expected real numbers, got dtype complex128"),
        (([1.0], None), TypeError, "program: array 1: expected real numbers, got dtype object"),
        ((Value(1.0), [1.0]), TypeError, "program: array 0: expected real numbers, got a Value; give its number, .data"),
        (
            ([1.0, Value(1.0)], [1.0]),
            TypeError,
            "program: array 0: expected real numbers, got Values; give their numbers, tl.data_of(values)",
        ),
        ((["a"], [1.0]), TypeError, "program: array 0: expected real numbers, got dtype <U1"),
        (([1.0], [object()]), TypeError, "program: array 1: expected real numbers, got dtype object"),
    ],
)
def test_bad_arrays_are_named(arrays, error, text):
    program = product()
    for method in (program, program.value_and_grad, program.backward):
        with pytest.raises(error) as raised:
            method(*arrays)
        assert text in str(raised.value)


def test_a_list_of_inputs_wants_its_length_as_the_last_axis():
    xs = [Value(0.0), Value(1.0)]
    program = compile(xs[0] * xs[1], [xs])
    with pytest.raises(ValueError, match=r"array 0: expected an array of shape .*, 2. for 2 Values, got shape .3,"):
        program(np.zeros(3))
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        program(1.0)


def test_compile_says_what_is_wrong_with_its_arguments():
    a, b = Value(1.0, "a"), Value(2.0)
    product = a * b
    for output in (1.0, None, "x", [product, 2.0]):
        with pytest.raises(TypeError, match="compile: expected a Value as output"):
            compile(output, [a])
    with pytest.raises(ValueError, match="compile: expected at least one output, got none"):
        compile([], [a])
    with pytest.raises(TypeError, match="compile: expected a Value or a list of Values as input 1, got float"):
        compile(product, [a, 2.0])
    with pytest.raises(TypeError, match="compile: expected the inputs in a list, got Value"):
        compile(product, a)
    with pytest.raises(ValueError, match=r"compile: Value\(1.0, 'a'\) is given twice, the second time as input 1"):
        compile(product, [a, [b, a]])
    with pytest.raises(ValueError, match=r"compile: expected a leaf as input 0, got the result of mul, Value\(2.0\)"):
        compile(product + 1, [product])
    with pytest.raises(ValueError, match=r"compile: expected a leaf as input 1, got a constant, Value\(3.0\)"):
        compile(a * 3, [a, (a * 3).args[1]])
    with pytest.raises(ValueError, match="program: expected reduction 'mean' or 'sum', got 'max'"):
        compile(product, [a]).backward([1.0], reduction="max")
    with pytest.raises(ValueError, match="program: expected threads to be a whole number >= 1, got 0"):
        compile(product, [a])([1.0], threads=0)
    with pytest.raises(TypeError, match="compile: expected float64 or float32 as dtype, got 'int64'"):
        compile(product, [a], dtype=int)


def test_compile_refuses_a_graph_that_branched_and_names_the_way_out():
    x = Value(1.0, "x")
    y = x * 2 if x > 0 else x
    with pytest.raises(ValueError, match=r"branch on node 'x', which would be frozen; use tl.vectorize, or tl.where"):
        compile(y, [x])


def test_compile_refuses_inputs_of_what_a_branch_was_taken_on_outside_of_the_graph():
    def root(x):
        guess = x / 2
        while abs(guess * guess - x) > 1e-9:
            guess = (guess + x / guess) / 2
        return guess

    x = Value(2.0, "x")
    with pytest.raises(ValueError, match=r"a branch on what depends on node 'x', which would be frozen; use tl.vectorize"):
        compile(root(x), [x])
    assert tl.vectorize(root)([4.0, 81.0]).tolist() == pytest.approx([2.0, 9.0])


def test_a_loop_that_trained_until_the_loss_was_small_leaves_parameters_to_compile():
    w, x = Value(0.0, "w"), Value(1.0)
    loss = (w - 3) ** 2
    while loss > 1e-3:
        loss.backward()
        w.data, w.grad = w.data - 0.1 * w.grad, 0.0
        loss = (w - 3) ** 2
    assert compile(w * x, [x])(2.0) == 2 * w.data
    if w > 0:
        with pytest.raises(ValueError, match="a branch on node 'w', which would be frozen"):
            compile(w * x, [x])


# Programs as objects


def test_print_shows_instructions_and_len_counts_them():
    program = product()
    assert str(program).splitlines()[0] == "Program: 2 inputs, 0 parameters, 1 output, float64"
    assert len(program) == 3
    assert sum(" = " in line for line in str(program).splitlines()) == 3
    assert repr(program) == "<Program: 2 inputs, 0 parameters, 1 output, float64>"


def test_labels_are_text_only():
    x = Value(2.0, "__import__('os').abort()\n#")
    program = pickle.loads(pickle.dumps(compile(x * 2, [x])))
    assert program([4.0]).tolist() == [8.0]


def replay(program, x):
    return program.backward(x), [p.grad for p in program.parameters]


def test_a_program_works_in_a_spawned_process():
    w, x = Value(3.0), Value(1.0)
    program = compile(tl.tanh(w * x), [x])
    x = np.linspace(-1, 1, 5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        value, gradients = pool.apply(replay, (program, x))
    assert value == program.backward(x)
    assert gradients == [w.grad]


def test_a_long_chain_compiles_and_pickles():
    x = y = Value(1.0)
    for _ in range(5_000):
        y = tl.sin(y) + 0.1
    program = pickle.loads(pickle.dumps(compile(y, [x])))
    y.backward()
    values, (slope,) = program.value_and_grad([1.0])
    assert values[0] == pytest.approx(y.data)
    assert slope[0] == pytest.approx(x.grad)


def test_threads_may_call_one_program():
    xs, y, parameters, loss = network([3, 8, 6, 1], "dot")
    program = compile(loss, [xs, y])
    chance = np.random.default_rng(3)
    sets = [(chance.normal(size=(n, 3)), np.ones(n)) for n in (10, 10, 500, 500, 30_000, 30_000) * 4]
    expected = [program.value_and_grad(*each) for each in sets]
    with ThreadPoolExecutor(8) as pool:
        for (values, gradients), (value, gradient) in zip(
            pool.map(lambda each: program.value_and_grad(*each), sets), expected, strict=True
        ):
            np.testing.assert_array_equal(values, value)
            np.testing.assert_array_equal(gradients[0], gradient[0])
    assert len(parameters) == 93


def test_work_on_threads_gives_the_same():
    program = product()
    x = np.random.default_rng(0).normal(size=100_000)
    for one, other in zip(program.value_and_grad(x, 2.0)[1], program.value_and_grad(x, 2.0, threads=3)[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    w, y = Value(2.0), Value(0.0)
    program = compile(tl.sin(w * y), [y])
    assert program.backward(x, threads=2) == pytest.approx(program.backward(x), rel=1e-12)


def test_memory_beyond_the_results_is_bounded():
    xs, y, _, loss = network([4, 32, 32, 1], "dot")
    program = compile(loss, [xs, y])
    x, ys = np.zeros((100_000, 4)), np.ones(100_000)  # 0.8 MB a row, of which there are 80
    tracemalloc.start()
    program.backward(x, ys)
    program.value_and_grad(x, ys)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - x.nbytes - 2 * ys.nbytes < 12 * 2**20


# Linear graphs: the adjoint of a product may be the same at all points


def slopes_by_hand(weights, xs, points):
    """Of Σ w·x the gradient for x at each point, and that for w summed over the points."""
    rows = np.tile(np.array([w.data for w in weights]), (len(points), 1))
    return rows, points.sum(0)


@pytest.mark.parametrize("count", [2, 4, 9])
def test_a_product_that_is_the_root_has_its_gradients(count):
    rng = np.random.default_rng(count)
    w, x = values_of(rng, count, "w"), values_of(rng, count, "x")
    points = rng.uniform(-1, 1, (5, count))
    program = compile(tl.dot(w, x), [x])
    for_x, for_w = slopes_by_hand(w, x, points)
    np.testing.assert_allclose(program.value_and_grad(points)[1][0], for_x)
    numbers = [each.data for each in program.parameters]
    np.testing.assert_allclose(program.loss_and_grad(numbers, points, reduction="sum")[1], for_w)


def test_a_sum_of_products_that_share_their_inputs_has_its_gradients():
    rng = np.random.default_rng(0)
    w, x = values_of(rng, 4, "w"), values_of(rng, 2, "x")
    points = rng.uniform(-1, 1, (5, 2))
    program = compile((w[0] * x[0] + w[1] * x[1]) + (w[2] * x[0] + w[3] * x[1]), [x])
    numbers = [each.data for each in program.parameters]
    _, gradient = program.loss_and_grad(numbers, points, reduction="sum")
    np.testing.assert_allclose(gradient, np.tile(points.sum(0), 2))


def test_two_products_of_one_list_under_a_linear_root_have_their_gradients():
    rng = np.random.default_rng(1)
    w, x = values_of(rng, 6, "w"), values_of(rng, 5, "x")
    one = tl.dot([w[4], w[3], w[2], w[1], w[3]], x)
    other = tl.dot([w[1], w[3], w[5], w[2], w[2]], x)
    root = tl.dot([w[2], w[5], w[0]], [one, other, tl.sum([x[2], x[2], w[5], x[0]])])
    points = rng.uniform(-1, 1, (4, 5))
    _, gradients = compile(root, x).value_and_grad(*points.T)
    root.backward()
    for got, each in zip(gradients, x, strict=True):
        np.testing.assert_allclose(got, np.full(4, each.grad))


def values_of(rng, count, label):
    return [Value(x, f"{label}{i}") for i, x in enumerate(rng.uniform(-1, 1, count))]


def layered(rng, xs, ws):
    """A random graph of sums of products, softmaxes and maxima over shared lists."""
    pool = [*xs, *ws, 0.5, -1.25]
    for _ in range(rng.randint(1, 12)):
        some = [rng.choice(pool) for _ in range(rng.randint(2, 9))]
        pool.append(
            rng.choice(
                [
                    lambda some=some: tl.dot([rng.choice(ws) for _ in some], some),
                    lambda some=some: tl.sum(some),
                    lambda: tl.dot([rng.choice(ws) for _ in xs], xs),
                    lambda some=some: tl.maximum(*some),
                    lambda some=some: tl.softmax(some)[0],
                    lambda some=some: some[0] * some[1] - some[-1],
                    lambda some=some: tl.tanh(some[0]),
                ]
            )()
        )
    return tl.dot([rng.choice(ws), 1.0], [pool[-1], rng.choice(xs)])


@pytest.mark.parametrize("seed", range(40))
def test_random_layered_graphs_are_those_of_the_engine(seed):
    rng, generator = random.Random(seed), np.random.default_rng(seed)
    xs, ws = values_of(generator, rng.randint(1, 5), "x"), values_of(generator, rng.randint(1, 7), "w")
    root = layered(rng, xs, ws)
    program = compile(root, [xs])
    points = generator.uniform(-1, 1, (3, len(xs)))
    values, (gradients,) = program.value_and_grad(points)
    numbers = [w.data for w in program.parameters]
    loss, for_parameters = program.loss_and_grad(numbers, points, reduction="sum")
    expected = np.zeros(len(numbers))
    for point, value, gradient in zip(points, values, gradients, strict=True):
        at = replayed(root, dict(zip(xs, point, strict=True)))
        at[root].backward()
        assert value == pytest.approx(at[root].data, rel=1e-10)
        assert gradient == pytest.approx([grad_at(at, x) for x in xs], rel=1e-9, abs=1e-12)
        expected += [grad_at(at, w) for w in program.parameters]
    assert loss == pytest.approx(values.sum(), rel=1e-10)
    assert for_parameters == pytest.approx(expected, rel=1e-9, abs=1e-12)


def grad_at(at, leaf):
    return at[leaf].grad if leaf in at else 0.0


def replayed(root, numbers):
    """The graph recorded again with other numbers in some leaves: the new node of each old one."""
    new = {}
    for node in tl.topological_order(root):
        if node.args:
            new[node] = Value.apply(node.op, [new[arg] for arg in node.args])
        else:
            new[node] = Value(numbers.get(node, node.data)) if node.op is None else node.data
    return new
