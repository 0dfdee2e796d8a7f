"""Programs in forward mode: `jvp`, `jacobian`, `jacobian_at`, which go backwards where they must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import SMOOTH, functions
from hypothesis import given

import tinygrad_lite as tl
from tinygrad_lite import Value


def outputs_of(f: Any, xs: list[Value]) -> list[Any]:
    """Of more outputs than inputs, so that the Jacobian is computed forwards."""
    return [f(*xs), *[xs[0] * k for k in range(1, len(xs) + 1)]]


@given(functions(12, SMOOTH))
def test_forwards_is_as_backwards(pair: Any) -> None:
    f, point = pair
    xs = [Value(x) for x in point]
    outputs = outputs_of(f, xs)
    expected = [[slope.data for slope in row] for row in tl.jacobian(outputs, xs)]
    program = tl.compile(outputs, xs)
    found = [[float(slope) for slope in row] for row in program.jacobian(*point)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    direction = [0.5 + i for i in range(len(xs))]
    moved = program.jvp(point, direction)[1]
    np.testing.assert_allclose(moved, np.array(expected) @ direction, rtol=1e-9, atol=1e-11)


HARD = {  # a function, points in columns, the derivative for each input at each point
    "a choice before a pole": (lambda x, y: x.relu().sqrt() + y, [[-1.0, 1.0], [2.0, 2.0]], [[0.0, 0.5], [1.0, 1.0]]),
    "the other one": (lambda x, y: tl.where(x > 0, x, y).sqrt(), [[1.0, 0.0], [0.0, 4.0]], [[0.5, 0.0], [0.0, 0.25]]),
    "what does not move": (lambda x, y: x.asin() * y, [[1.0, 0.0], [2.0, 2.0]], [[np.inf, 2.0], [np.pi / 2, 0.0]]),
    "a whole power": (lambda x, y: x**y, [[-2.0, 2.0], [2.0, 1.0]], [[-4.0, 1.0], [np.nan, 2 * np.log(2)]]),
    "an extremum": (lambda x, y: tl.minimum(x, y).sqrt(), [[0.0, 1.0], [1.0, 0.0]], [[np.inf, 0.0], [0.0, np.inf]]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", HARD)
def test_a_0_hands_nothing_on_forwards_either(case: str) -> None:
    f, points, slopes = HARD[case]
    xs = [Value(1.0), Value(0.5)]
    program = tl.compile(outputs_of(f, xs), xs)
    np.testing.assert_allclose(program.jacobian(*points)[0], slopes)
    for i, expected in enumerate(slopes):
        direction = [float(i == j) for j in range(2)]
        assert len(program.jvp(points, direction)[1]) == 3
        np.testing.assert_allclose(program.jvp(points, direction)[1][0], expected)
        alone = tl.compile(f(*xs), xs)
        np.testing.assert_allclose(alone.jvp(points, direction)[1], expected)
        for point, slope in zip(zip(*points, strict=True), expected, strict=True):
            np.testing.assert_allclose(tl.jvp(f, point, direction)[1], slope)


def test_parameters_that_were_not_chosen_have_slope_0_forwards_too() -> None:
    x, w, b = Value(1.0), Value(-1.0), Value(2.0)
    program = tl.compile([w.relu().sqrt() * x + b, x, b * x, w * b], [x], parameters=[w, b])
    found = program.jacobian_at([-1.0, 2.0], [3.0])
    np.testing.assert_array_equal(found[0], [[0.0, 1.0]])
    np.testing.assert_array_equal(found[3], [[2.0, -1.0]])


def test_a_list_of_inputs_moves_by_an_array_with_its_axis() -> None:
    xs, y = [Value(1.0), Value(2.0)], Value(3.0)
    program = tl.compile(xs[0].relu().sqrt() * y + xs[1], [xs, y])
    values, moved = program.jvp([[-1.0, 5.0], 3.0], [[[1.0, 10.0], [0.0, 1.0]], 1.0])
    np.testing.assert_array_equal(values, [5.0, 5.0])
    np.testing.assert_array_equal(moved, [10.0, 1.0])


def test_a_point_without_a_value_leaves_the_others_theirs() -> None:
    x, y = Value(1.0), Value(1.0)
    program = tl.compile([(x * y).sqrt(), x + y, x * y], [x, y])
    with np.errstate(all="raise"):
        found = program.jacobian([-1.0, 4.0, np.nan], 1.0)
    np.testing.assert_array_equal(found[0][0], [np.nan, 0.25, np.nan])
    np.testing.assert_array_equal(found[2][0][:2], [1.0, 1.0])


def test_the_number_of_arrays_is_that_of_the_inputs() -> None:
    x, y, w = Value(1.0), Value(2.0), Value(3.0)
    for outputs in ([x * y * w], [x * y * w, x, y]):  # backwards and forwards
        program = tl.compile(outputs, [x, y])
        for call in (lambda p: p.jacobian(1.0), lambda p: p.jacobian_at([3.0], 1.0), lambda p: p.jvp([1.0], [1.0, 2.0])):
            with pytest.raises(TypeError, match=r"^program: expected 2 arrays, got 1$"):
                call(program)
        with pytest.raises(TypeError, match=r"^program: expected 2 directions, got 3$"):
            program.jvp([1.0, 2.0], [1.0, 2.0, 3.0])


def test_arrays_of_dask_are_refused_in_forward_mode_with_advice() -> None:
    array = pytest.importorskip("dask.array").from_array(np.arange(4.0), chunks=2)
    x = Value(1.0)
    program = tl.compile([x * x, x + 1], [x])
    message = r"^program: expected arrays of NumPy, got Dask's; map it over the blocks$"
    with pytest.raises(TypeError, match=message):
        program.jvp([array], [1.0])
    with pytest.raises(TypeError, match=message):
        program.jvp([[1.0, 2.0]], [array])
    for several in (program, tl.compile([x * x, x, x], [x])):  # backwards and forwards
        with pytest.raises(TypeError, match=message):
            several.jacobian(array)


@pytest.mark.parametrize("shape", [(), (5,), (2, 5), (1, 0)], ids=str)
def test_the_jacobian_of_a_list_has_its_axis_last_forwards_too(shape: tuple[int, ...]) -> None:
    xs, y = [Value(0.1 * i) for i in range(3)], Value(2.0)
    outputs = [tl.dot(xs, xs) * y, xs[0] * xs[1], tl.sin(xs[2] * y), xs[1] / y, tl.exp(xs[0])]
    points = np.random.default_rng(0).uniform(1, 2, (*shape, 3)), np.full(shape, 1.5)
    rows = tl.compile(outputs, [xs, y]).jacobian(*points)
    assert len(rows) == 5
    for output, row in zip(outputs, rows, strict=True):
        expected = tl.compile(output, [xs, y]).jacobian(*points)  # of one output: backwards
        assert [slope.shape for slope in row] == [(*shape, 3), shape]
        for slope, other in zip(row, expected, strict=True):
            np.testing.assert_allclose(slope, other, rtol=1e-13)


def test_a_matrix_that_moves_with_few_parameters_moves_its_products() -> None:
    u, v, xs = Value(0.3), Value(0.7), [Value(0.0) for _ in range(5)]
    outputs = [tl.dot([(u * (i + 1) + v * j).sin() for j in range(5)], xs) for i in range(6)]
    program = tl.compile(outputs, [xs], parameters=[u, v])
    assert "matmul" in str(program)
    x = np.arange(10.0).reshape(2, 5) / 7
    i, j = np.indices((6, 5))
    slopes = np.cos(0.3 * (i + 1) + 0.7 * j)
    expected = np.stack([(slopes * (i + 1)) @ x.T, (slopes * j) @ x.T], axis=-1)
    np.testing.assert_allclose(program.jacobian_at([0.3, 0.7], x), expected, rtol=1e-13)


@pytest.mark.parametrize(("arrays", "directions", "said"), [([1.0], [1.0, 2.0], "directions, got 2"), ([], [1.0], "arrays, got 0")])
def test_jvp_takes_an_array_and_a_direction_for_each_input(arrays: Any, directions: Any, said: str) -> None:
    x = Value(1.0)
    with pytest.raises(TypeError, match=f"^program: expected 1 {said}$"):
        tl.compile(x * x, [x]).jvp(arrays, directions)
