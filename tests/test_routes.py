"""Every way to a derivative gives the same, also at kinks, poles, ties and subnormal numbers.

Backwards these are the sweep, `grad` of a Value and of a function, programs, `vectorize` and the
steps of a page; forwards `jvp`, `taylor`, Jacobians of many outputs, eager and compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from graphs import Function, hard_functions, swept
from hypothesis import given

import tinygrad_lite as tl
from tinygrad_lite import Value, topological_order

Route = Callable[[Function, list[float]], Sequence[float]]


def units(count: int) -> list[list[float]]:
    return [[float(i == j) for j in range(count)] for i in range(count)]


def leaves(point: Sequence[float]) -> list[Value]:
    return [Value(x, f"x{i}") for i, x in enumerate(point)]


def columns(point: Sequence[float]) -> list[Any]:
    return [np.array([x]) for x in point]


def by_grad(f: Function, point: list[float]) -> list[float]:
    xs = leaves(point)
    return [slope.data for slope in tl.grad(f(*xs), xs)]


def by_grad_of_the_function(f: Function, point: list[float]) -> Sequence[float]:
    return tl.grad(f, argnums=range(len(point)))(*point)  # type: ignore[no-any-return]


def by_a_program(f: Function, point: list[float]) -> list[float]:
    xs = leaves(point)
    return [float(slope[0]) for slope in tl.compile(f(*xs), xs).value_and_grad(*columns(point))[1]]


def by_vectorize(f: Function, point: list[float]) -> list[float]:
    return [float(slope[0]) for slope in tl.vectorize(f).value_and_grad(*columns(point))[1]]


def by_steps(f: Function, point: list[float]) -> list[float]:
    found = {step.name: step.adjoint for step in tl.steps(f(*leaves(point))) if hasattr(step, "adjoint")}
    return [found.get(f"x{i}", 0.0) for i in range(len(point))]


def by_jvp(f: Function, point: list[float]) -> list[float]:
    return [tl.jvp(f, point, unit)[1] for unit in units(len(point))]


def by_taylor(f: Function, point: list[float]) -> list[float]:
    found = []
    for i, x in enumerate(point):
        before, after = point[:i], point[i + 1 :]
        found.append(tl.taylor(lambda t, b=before, a=after: f(*b, t, *a), x, 1)[1])
    return found


def many(f: Function, xs: list[Value]) -> list[Value]:
    """More outputs than inputs, so that their Jacobian is computed forwards."""
    return [f(*xs), *[xs[0] * k for k in range(len(xs))]]


def by_jacobian(f: Function, point: list[float]) -> list[float]:
    xs = leaves(point)
    return [slope.data for slope in tl.jacobian(many(f, xs), xs)[0]]


def by_a_programs_jacobian(f: Function, point: list[float]) -> list[float]:
    xs = leaves(point)
    return [float(slope[0]) for slope in tl.compile(many(f, xs), xs).jacobian(*columns(point))[0]]


BACK: dict[str, Route] = {
    "grad": by_grad,
    "grad of the function": by_grad_of_the_function,
    "program": by_a_program,
    "vectorize": by_vectorize,
    "steps": by_steps,
}
FORTH: dict[str, Route] = {
    "jvp": by_jvp,
    "taylor": by_taylor,
    "jacobian": by_jacobian,
    "jacobian of a program": by_a_programs_jacobian,
}


def is_tame(root: Value) -> bool:
    """Whether no derivative on the way is infinite, nan, or so large that sums cancel.

    Elsewhere the two directions differ by nature: 0·inf is nan in the one, in the other the 0 may
    come later, or the infinite derivative not at all.
    """
    partials = [x for node in topological_order(root) for x in node.partials() if x is not None]
    return all(abs(x) < 1e6 for x in partials)


@pytest.mark.parametrize("route", BACK)
@given(pair=hard_functions(5))
def test_backwards_every_route_gives_what_the_sweep_gives(route: str, pair: Any) -> None:
    f, point = pair
    root, xs = swept(f, point)
    expected = [x.grad for x in xs]
    np.testing.assert_allclose(BACK[route](f, point), expected, rtol=1e-9, atol=1e-290, err_msg=repr(point))
    assert root.data == pytest.approx(f(*point), nan_ok=True)


@pytest.mark.parametrize("route", FORTH)
@given(pair=hard_functions(5))
def test_forwards_every_route_gives_it_too_where_the_way_is_tame(route: str, pair: Any) -> None:
    f, point = pair
    root, xs = swept(f, point)
    if is_tame(root):
        expected = [x.grad for x in xs]
        np.testing.assert_allclose(FORTH[route](f, point), expected, rtol=1e-9, atol=1e-9, err_msg=repr(point))
