"""What is shorter is equal: operations beside numbers, and what is folded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import eager

import tinygrad_lite as tl
from tinygrad_lite import Value
from tinygrad_lite.arrays.program import compile
from tinygrad_lite.op import Op


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, -1.0, 2.0, 3.0, 0.5], ids=str)
@pytest.mark.parametrize("op", [tl.add, tl.sub, tl.mul, tl.div, tl.pow, tl.not_equal], ids=lambda op: op.name)
def test_what_is_shorter_beside_a_number_is_equal(op: Op, number: float) -> None:
    formulas: list[Callable[[Any], Any]] = [lambda x: op(number, x), lambda x: op(number, -x)]
    if (op, number) != (tl.div, 0.0):  # which has no value anywhere
        formulas += [
            lambda x: op(x, number),
            lambda x: op(-x, number),
            lambda x: op(-x, x) + op(x * number, -x) if op is not tl.pow else op(x, number) * op(x, number),
            lambda x: -op(x, number) - op(number, x > 0),
        ]
    for f in formulas:
        assert_as_recorded(lambda x, f=f: f(x) * 1, [-2.0, -1.0, 0.0, 1.0, 3.0])


def assert_as_recorded(f: Callable[..., Any], points: Any) -> None:
    """That a program gives what is recorded, where it can be."""
    defined = [point for point in points if is_defined(f, point)]
    values, slopes = eager(f, [(point,) for point in defined])
    x = Value(defined[0])
    got, (slope,) = compile(f(x), [x]).value_and_grad(defined)
    np.testing.assert_allclose(got, values, rtol=1e-14)
    np.testing.assert_allclose(slope, slopes[0], rtol=1e-14)


def is_defined(f: Callable[..., Any], point: float) -> bool:
    try:
        f(Value(point))
    except (ValueError, ArithmeticError):
        return False
    return True


def test_what_is_folded_to_a_constant_has_no_derivative() -> None:
    x, w = Value(2.0), Value(3.0)
    values, (slopes,) = compile(x**0 * w * x, [x]).value_and_grad([1.0, 2.0])
    assert (values.tolist(), slopes.tolist()) == ([3.0, 6.0], [3.0, 3.0])


def test_constants_among_uniform_rows_stay_what_they_are() -> None:
    p, x = Value(1.0), [Value(0.0) for _ in range(11)]
    for weights in ([p] * 5 + [0.5] + [p] * 5, [0.5] + [p] * 10):
        assert compile(tl.dot(weights, x), [x])(np.ones((1, 11))) == [10.5]
    assert compile(tl.sum([p] * 4 + [0.5] + [p] * 5) * x[0], [x[0]])([1.0]) == [9.5]
