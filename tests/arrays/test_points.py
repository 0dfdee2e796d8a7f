"""The arrays of a call: shapes, types, broadcasting, places for results, and what is refused."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from graphs import product

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.program import compile


def test_gradients_have_the_shapes_of_broadcast_inputs() -> None:
    a, b = np.arange(6.0).reshape(2, 3, 1), np.arange(4.0)
    values, (for_a, for_b) = product().value_and_grad(a, b)
    np.testing.assert_allclose(values, a * b + np.sin(a))
    np.testing.assert_allclose(for_a, (b + np.cos(a)).sum(2, keepdims=True))
    np.testing.assert_allclose(for_b, np.broadcast_to(a, (2, 3, 4)).sum((0, 1)))


@pytest.mark.parametrize("shape", [(3, 40_000), (40_000, 3), (2, 3, 20_000), (50_000, 1), (1, 50_000)])
def test_broadcasting_is_right_across_blocks(shape: Any) -> None:
    chance = np.random.default_rng(0)
    a, b = chance.normal(size=shape), chance.normal(size=shape[-1:])
    values, (for_a, for_b) = product().value_and_grad(a, b)
    np.testing.assert_allclose(values, a * b + np.sin(a), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(for_a, np.broadcast_to(b, shape) + np.cos(a), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(for_b, a.reshape(-1, shape[-1]).sum(0), rtol=1e-9, atol=1e-9)


def test_a_list_of_inputs_broadcasts_in_all_but_its_last_axis() -> None:
    xs, y = [Value(0.0) for _ in range(3)], Value(0.0)
    program = compile(xs[0] * xs[1] + xs[2] * y, [xs, y])
    x, other = np.arange(6.0).reshape(2, 1, 3), np.arange(4.0)
    values, (for_x, for_y) = program.value_and_grad(x, other)
    np.testing.assert_allclose(values, x[..., 0] * x[..., 1] + x[..., 2] * other)
    assert for_x.shape == x.shape
    np.testing.assert_allclose(for_x[..., 0, :], [[4.0, 0.0, 6.0], [16.0, 12.0, 6.0]])
    np.testing.assert_allclose(for_y, np.broadcast_to(x[..., 2], (2, 4)).sum(0))


def test_float32_stays_float32_and_is_about_right() -> None:
    a, b = Value(1.0), Value(2.0)
    program = compile(tl.sigmoid(a) * b**3 + tl.erf(a), [a, b], dtype=np.float32)
    x = np.linspace(-1, 1, 100)
    values, gradients = program.value_and_grad(x.astype(np.float32), x.astype(np.float32))
    assert {array.dtype for array in (values, *gradients)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(values, 1 / (1 + np.exp(-x)) * x**3 + [math.erf(t) for t in x], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [int, bool, np.float16, np.float32, np.int8, np.uint64])
def test_arrays_of_other_real_types_are_converted(dtype: Any) -> None:
    a, b = np.array([0, 1, 1], dtype), np.array([1, 0, 1], dtype)
    np.testing.assert_allclose(product()(a, b), a.astype(float) * b + np.sin(a.astype(float)), rtol=1e-12)


def test_one_point_may_be_a_row_of_another_array() -> None:
    x = [Value(1.0), Value(2.0)]
    assert compile(x[0] * x[1], [x])(np.asfortranarray([[2.0, 3.0], [4.0, 5.0]])[1]) == 20.0


def test_a_call_sees_nothing_of_the_call_before() -> None:
    x = Value(2.0)
    program = compile(x * x, [x])
    first = program(np.array([1.0, 2.0]))
    for array in (np.array([3, 4]), np.array([5.0, 6.0], "float32"), [7, 8], np.array([True, False])):
        assert program(array).tolist() == [float(each) ** 2 for each in array]
        assert program.value_and_grad(array)[1][0].tolist() == [2.0 * each for each in array]
    assert first.tolist() == [1.0, 4.0]


def test_inputs_may_be_read_only_or_strided_and_are_not_written() -> None:
    a, b = np.arange(12.0)[::3], np.arange(8.0).reshape(4, 2)[:, 1]
    a.flags.writeable = False
    before = a.copy(), b.copy()
    values, _ = product().value_and_grad(a, b)
    np.testing.assert_allclose(values, a * b + np.sin(a))
    assert (a == before[0]).all()
    assert (b == before[1]).all()


def test_numbers_and_0d_arrays_give_0d_results() -> None:
    values, gradients = product().value_and_grad(3.0, np.array(2))
    assert values.shape == () == gradients[0].shape
    assert float(values) == pytest.approx(6 + math.sin(3))


def test_no_points_give_empty_results() -> None:
    program = product()
    values, gradients = program.value_and_grad(np.zeros(0), np.zeros(0))
    assert values.shape == gradients[0].shape == (0,)
    _, (for_a, for_b) = program.value_and_grad(np.zeros((0, 3)), np.ones(3))
    assert for_a.shape == (0, 3)
    assert for_b.tolist() == [0, 0, 0]
    assert program.backward([], [], reduction="sum") == 0.0
    assert math.isnan(program.backward([], []))


# Places for results


def test_results_go_where_the_caller_wants_them() -> None:
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


def test_a_place_for_results_may_be_that_of_an_input() -> None:
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


def no_place(shape: Any = (2,), dtype: Any = float, **flags: bool) -> Any:
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
def test_a_place_that_does_not_fit_is_refused(out: Any, message: str) -> None:
    x = Value(1.0)
    with pytest.raises(ValueError, match=re.escape(message)):
        compile(x * x, [x])([1.0, 2.0], out=out)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_result_has_its_place(count: int) -> None:
    x = Value(1.0)
    with pytest.raises(ValueError, match=f"^program: out: expected 2 arrays, got {count}$"):
        compile([x * x, x], [x])([1.0, 2.0], out=[np.empty(2) for _ in range(count)])


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
def test_bad_arrays_are_named(arrays: Any, error: type[Exception], text: str) -> None:
    program = product()
    for method in (program, program.value_and_grad, program.backward):
        with pytest.raises(error) as raised:
            method(*arrays)
        assert text in str(raised.value)


def test_a_list_of_inputs_wants_its_length_as_the_last_axis() -> None:
    xs = [Value(0.0), Value(1.0)]
    program = compile(xs[0] * xs[1], [xs])
    with pytest.raises(ValueError, match=r"array 0: expected an array of shape .*, 2. for 2 Values, got shape .3,"):
        program(np.zeros(3))
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        program(1.0)
