"""How a program comes about: rules are written out once, and the garbage collector is left as it was."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from graphs import eager

import tinygrad_lite as tl
from tinygrad_lite import Value, ops
from tinygrad_lite.arrays.program import compile


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_compiling_leaves_the_garbage_collector_as_it_was(enabled: bool, collector: None) -> None:
    (gc.enable if enabled else gc.disable)()
    x = Value(1.0)
    compile(tl.sin(x), [x]).value_and_grad([1.0])
    assert gc.isenabled() == enabled


def test_a_rule_that_raises_leaves_the_garbage_collector_as_it_was(collector: None) -> None:
    bad = ops.declare("test_bad", lambda x: x, (lambda out, x: x / None,))
    x = Value(1.0)
    program = compile(bad(x), [x])
    with pytest.raises(TypeError):
        program.value_and_grad([1.0])
    assert gc.isenabled()


def test_a_rule_is_run_once_however_many_nodes_have_it() -> None:
    runs = []

    def rule(out: Any, x: Any) -> Any:
        runs.append(x)
        return 2 * x

    square = ops.declare("test_square", lambda x: x * x, (rule,), array=lambda x: x * x)
    x = Value(1.0)
    y = x
    for _ in range(5):
        y = square(y)
    value, (gradient,) = compile(y, [x]).value_and_grad([1.5])
    np.testing.assert_allclose([value, gradient], [[1.5**32], [32 * 1.5**31]], rtol=1e-13)
    assert len(runs) <= 2  # at the root the adjoint is 1, a number


def woven(seed: int, xs: Sequence[Value]) -> Any:
    """Vectors that become vectors, their elements chosen in the ways in which arrays are indexed."""
    chance = random.Random(seed)
    vectors = [list(xs[: len(xs) // 2]), list(xs[len(xs) // 2 :])]
    two = [
        tl.add, tl.sub, tl.mul, tl.maximum, lambda x, y: tl.where(x > y, x, y * 0.5), lambda x, y: x / (2 + y * y),
        lambda x, y: tl.dot([x], [y]), lambda x, y: tl.dot([x, y], [y, y]), lambda x, y: tl.sum([x, y, x]),
        lambda x, y: tl.logsumexp([x, y]),
    ]  # fmt: skip

    def chosen(vector: Any, size: int) -> Any:
        n, shift = chance.choice([1, 2, 3, size]), chance.randrange(len(vector))
        step = chance.choice([lambda i: i, lambda i: i // n, lambda i: i % n, lambda i: -i, lambda i: 0])
        if chance.random() < 0.2:
            return [chance.choice([*vector, 0.5, 0.0]) for _ in range(size)]
        return [vector[(step(i) + shift) % len(vector)] for i in range(size)]

    for _ in range(6):
        size, op = chance.choice([2, 3, 6, 8, 12]), chance.choice(two)
        left, right = (chosen(chance.choice(vectors), size) for _ in range(2))
        new = [tl.tanh(op(x, y)) for x, y in zip(left, right, strict=True)]
        if chance.random() < 0.4:
            n = chance.choice([1, 2, size])
            reduce = chance.choice([tl.sum, tl.logsumexp, lambda row: tl.dot(row, row), lambda row: sum(row)])
            new = [tl.tanh(reduce(new[i : i + n])) for i in range(0, size, n)]
        vectors.append(new)
    return tl.sum([x for vector in vectors for x in vector])


@pytest.mark.parametrize("seed", range(150))
def test_vectors_however_they_are_indexed_are_those_of_the_engine(seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-1, 1, (3, 10))
    xs = [Value(x) for x in points[0]]
    program = compile(woven(seed, xs), xs)
    values, slopes = program.value_and_grad(*points.T)
    expected, gradients = eager(lambda *args: woven(seed, args), points.tolist())
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(slopes, gradients, rtol=1e-10, atol=1e-12)
    _, moved = program.jvp([*points.T], [1.0] * 10)
    np.testing.assert_allclose(moved, np.sum(gradients, 0), rtol=1e-10, atol=1e-12)


def test_a_product_of_two_matrices_of_inputs() -> None:
    a, b = [[[Value(0.1 * i - 0.03 * j) for j in range(n)] for i in range(m)] for m, n in ((5, 7), (7, 6))]
    product = [sum(a[i][k] * b[k][j] for k in range(7)) for i in range(5) for j in range(6)]
    program = compile(product, [[x for row in each for x in row] for each in (a, b)])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 5, 7)), rng.normal(size=(4, 7, 6))
    values = np.transpose(program(x.reshape(4, 35), y.reshape(4, 42)))
    np.testing.assert_allclose(values.reshape(4, 5, 6), x @ y, rtol=1e-12, atol=1e-14)
    assert len(program) < 10
