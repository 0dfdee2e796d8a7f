"""Running a plan: blocks, memory and threads."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from graphs import network, product

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays import answers
from tinygrad_lite.arrays.program import compile


def test_a_sum_over_points_keeps_no_memory_for_each_size() -> None:
    w, x = Value(1.0), Value(1.0)
    program = compile(w * x, [x])
    for count in (300, 3, 7000, 10):
        assert program.backward(np.ones(count), reduction="sum") == count
    from tinygrad_lite.arrays.kernels import kernels

    assert 1 <= len(kernels().ones) <= 2


def test_calls_of_ever_new_sizes_keep_no_more_memory() -> None:
    x = Value(1.0)
    program = compile(tl.exp(x) * x, [x])
    for count in range(100, 2, -1):
        xs = np.linspace(-1, 1, count)
        assert program(xs).tolist() == (np.exp(xs) * xs).tolist()
    assert len(program._plans.of(answers.values).spare.memories) <= 3


def test_thousands_of_rows_at_once_are_worked_on_in_whole_points() -> None:
    xs = [Value(0.1) for _ in range(2500)]
    points = np.random.default_rng(0).uniform(-1, 1, (1200, 2500))
    program = compile(tl.dot(tl.softmax(xs), xs), [xs])
    assert 16 < program._plans.of(answers.values).plan.width < 1024
    weights = np.exp(points)
    np.testing.assert_allclose(program(points), (weights * points).sum(1) / weights.sum(1), rtol=1e-12)


def test_memory_beyond_the_results_is_bounded() -> None:
    xs, y, _, loss = network([4, 32, 32, 1], "dot")
    program = compile(loss, [xs, y])
    x, ys = np.zeros((100_000, 4)), np.ones(100_000)  # 0.8 MB a row, of which there are 80
    tracemalloc.start()
    program.backward(x, ys)
    program.value_and_grad(x, ys)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - x.nbytes - 2 * ys.nbytes < 12 * 2**20


# Threads


def test_threads_give_the_same_sums_in_every_call() -> None:
    w, x = Value(0.3), Value(1.0)
    program = compile(tl.tanh(w * x), [x])
    points = np.random.default_rng(0).normal(size=200_000)
    alone, slope = program.loss_and_grad([0.3], points)
    found = [program.loss_and_grad([0.3], points, threads=3) for _ in range(5)]
    assert {(loss, gradient[0]) for loss, gradient in found} == {(found[0][0], found[0][1][0])}
    np.testing.assert_allclose([found[0][0], found[0][1][0]], [alone, slope[0]], rtol=1e-11)


def test_threads_may_call_one_program() -> None:
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


def test_work_on_threads_gives_the_same() -> None:
    program = product()
    x = np.random.default_rng(0).normal(size=100_000)
    for one, other in zip(program.value_and_grad(x, 2.0)[1], program.value_and_grad(x, 2.0, threads=3)[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    w, y = Value(2.0), Value(0.0)
    program = compile(tl.sin(w * y), [y])
    assert program.backward(x, threads=2) == pytest.approx(program.backward(x), rel=1e-12)
