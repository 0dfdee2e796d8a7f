"""`check_grad`: a function's derivatives held against each other and against finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..support.checks import check_number, number
from ..value import Value, topological_order
from .grad import grad, hessian


def check_grad(
    f: Callable[..., Any], *args: float, order: int = 1, step: float | None = None
) -> None:
    """Compare the derivatives of `f` at numbers with finite differences; with order 2 the Hessian.

    First `backward` and `grad` have to give the same, and so have the operations at floats and
    over arrays, as programs run them. Each difference is then taken to both sides, with `step` and
    half of it, extrapolated (Richardson). Without `step`, steps from 1e-3 of the argument's size
    downwards are tried until one stays in the domain and is seen to converge. At a kink every slope
    between those of the two sides passes.

    >>> check_grad(lambda x, y: x * y.exp(), 2.0, 0.5, order=2)

    Raises AssertionError naming the argument and both numbers, ValueError naming the steps where
    `f` has no values around the point or differences do not converge, TypeError if `f` does not
    give a Value.
    """
    if order not in (1, 2):
        raise ValueError(f"check_grad: expected order 1 or 2, got {order!r}")
    if step is not None:
        step = check_number("check_grad", "a step > 0", step, lambda x: 0 < x < math.inf)
    at = [number(x) for x in args]
    output, values = _recorded(f, at)
    slopes = _compare_routes(output, values, at)
    _compare("∂f/∂x{0}", lambda xs: [_recorded(f, xs)[0]], [slopes], at, step)
    if order == 2:
        second = [[each.data for each in row] for row in hessian(output, values)]
        _compare("∂²f/∂x{1}∂x{0}", lambda xs: grad(*_recorded(f, xs)), second, at, step)


def _recorded(f: Callable[..., Any], xs: Sequence[float]) -> tuple[Value, list[Value]]:
    values = [Value(x, f"x{i}") for i, x in enumerate(xs)]
    output = f(*values)
    if not isinstance(output, Value):
        raise TypeError(f"check_grad: expected a function that gives a Value, got {output!r}")
    return output, values


# The routes


def _compare_routes(output: Value, values: list[Value], at: list[float]) -> list[float]:
    """The slopes, if the routes to them agree."""
    output.backward()
    swept = [value.grad for value in values]
    sizes = _sizes(output)
    for i, slope in enumerate(grad(output, values)):
        what = f"∂f/∂x{i} at {tuple(at)}"
        _same(what, swept[i], "backward", slope.data, "grad", sizes.get(values[i], 0.0))
    for node in topological_order(output):
        if node.args:
            _compare_forms(node)
    return swept


def _compare_forms(node: Value) -> None:
    """Hold an operation's value and rules over arrays, which programs run, against the floats."""
    import numpy as np

    op: Any = node.op
    out, *args = (np.full(2, x) for x in (node.data, *node.numbers))
    call = f"{op.name}({', '.join(map(repr, node.numbers))})"
    value = op.at_arrays(*args)[0]
    _same(call, node.data, "recording", float(value), "its array form", node.data)
    partials = node.partials()
    with np.errstate(all="ignore"):
        found = op.differentiate(out, args, [partial is not None for partial in partials])
    for i, partial in enumerate(partials):
        if partial is not None:
            over_arrays, what = float(np.ravel(found[i])[0]), f"partial {i} of {call}"
            _same(what, partial, "its rule", over_arrays, "that over arrays", partial)


def _same(what: str, x: float, route: str, y: float, other: str, scale: float) -> None:
    # What is as small as that, one of the routes may have lost.
    near = abs(x - y) <= max(1e-9 * abs(scale), 1e-300)
    if not (near or x == y or x != x != y != y):
        raise AssertionError(f"check_grad: {what} is {x!r} by {route}, {y!r} by {other}")


def _sizes(output: Value) -> dict[Value, float]:
    """For each node the sum of the sizes of its terms: what rounding is relative to."""
    sizes = {output: 1.0}
    for node in reversed(topological_order(output)):
        if node in sizes:
            for arg, term in zip(node.args, node.terms(sizes[node]), strict=True):
                if term is not None:
                    sizes[arg] = sizes.get(arg, 0.0) + abs(term)
    return sizes


# Differences


class _Difference(NamedTuple):
    """What differences of one step tell of a slope, also that to the left and that to the right."""

    slope: float
    least: float
    most: float
    spread: float
    """How far the differences of the whole and of half the step are apart."""
    noise: float
    """How far rounding may have moved them."""
    blurred: bool
    """Whether rounding moves the output by a good part of its size: sin at 1e15 has any value."""
    step: float

    def allows(self, slope: float) -> bool:
        """Whether the slope lies between those of the two sides, as far as they are known."""
        doubt = self.spread + self.noise + 1e-6 * abs(self.slope)
        return self.least - doubt <= slope <= self.most + doubt

    def doubt(self, slope: float) -> float:
        """Part of itself by which the slope, or that other one which is claimed, is unknown."""
        spread = max(0.0, self.spread - self.noise) / max(abs(self.least), abs(self.most), TINY)
        return spread + self.noise / max(abs(self.least), abs(self.most), abs(slope), TINY)

    def agrees(self, other: _Difference) -> bool:
        """Whether another step tells the same to a tenth."""
        size = max(abs(self.slope), abs(other.slope))
        return abs(self.slope - other.slope) <= 0.1 * size + self.noise + other.noise


TINY = 5e-324
Outputs = Callable[[list[float]], list[Value]]


def _compare(
    name: str, f: Outputs, by_rules: list[list[float]], at: list[float], step: float | None
) -> None:
    """Hold the derivatives of outputs (rows) for each argument (columns) against differences."""
    for i in range(len(at)):
        slopes = [row[i] for row in by_rules]
        for j, best in enumerate(_best(f, at, i, slopes, [step] if step else _steps(at[i]))):
            slope = slopes[j]
            if best.allows(slope):
                continue
            what = f"{name.format(i, j)} at {tuple(at)} is {slope!r} by the rules"
            h = best.step
            # A step over many waves may meet them alike by chance, but not parts of it too.
            others = [] if step else [_at_step(f, at, i, h / n)[j] for n in (3, 7)]
            known = best.doubt(slope) < 0.1 and not best.blurred
            if not (known and all(map(best.agrees, others))):
                raise ValueError(f"check_grad: {what}; differences of step {h:g} do not converge")
            raise AssertionError(f"check_grad: {what}, {best.slope!r} by differences of step {h:g}")


def _best(
    f: Outputs, at: list[float], i: int, slopes: list[float], steps: list[float]
) -> list[_Difference]:
    """For each output the differences along argument i that leave the least doubt of the slope."""
    best: list[_Difference] = []
    for h in steps:
        try:
            found = _at_step(f, at, i, h)
        except (ValueError, ArithmeticError) as error:
            outside = error
            continue
        rows = zip(best or found, found, slopes, strict=True)
        best = [min(old, new, key=lambda each: each.doubt(slope)) for old, new, slope in rows]
        if all(each.doubt(slope) <= 1e-5 for each, slope in zip(best, slopes, strict=True)):
            break
    if not best:
        tried = " to ".join(f"{h:g}" for h in dict.fromkeys((steps[0], steps[-1])))
        around = f"a step of {tried} around x{i} = {at[i]!r} leaves the domain"
        raise ValueError(f"check_grad: {around} ({outside}); choose another point or step")
    return best


def _at_step(f: Outputs, at: list[float], i: int, h: float) -> list[_Difference]:
    sides = [f([*at[:i], at[i] + d, *at[i + 1 :]]) for d in (h, h / 2, 0.0, -h / 2, -h)]
    return [_difference(ys, at[i], h) for ys in zip(*sides, strict=True)]


def _steps(x: float) -> list[float]:
    """From 1e-3 of the argument's size, or of 1, down to where x + step is x."""
    steps = [1e-3 * max(1.0, abs(x))]
    while len(steps) < 18 or (steps[-1] > 1e-4 * abs(x) > 0):
        steps.append(steps[-1] / 8)
    return steps


def _difference(ys: Sequence[Value], x: float, h: float) -> _Difference:
    y = ys[2].data
    up, up_half, _, down_half, down = (
        (each.data - y) / ((x + d) - x) if (x + d) - x else math.nan
        for each, d in zip(ys, (h, h / 2, 0.0, -h / 2, -h), strict=True)
    )
    whole, half = (up + down) / 2, (up_half + down_half) / 2
    slopes = (4 * half - whole) / 3, 2 * up_half - up, 2 * down_half - down
    least, most = min(slopes), max(slopes)
    spread = abs(half - whole)
    # A kink, if the two sides have settled.
    if not most - least <= 1e-3 * max(abs(least), abs(most)):
        spread = max(spread, abs(up_half - up), abs(down_half - down))
    noise = 8 * max(map(_noise, ys))
    data = [each.data for each in ys]
    blurred = noise > 0.1 * max(map(abs, data)) and len(set(data)) > 1
    return _Difference(slopes[0], least, most, spread, noise / h, blurred, h)


def _noise(output: Value) -> float:
    """How far rounding may move a value: that of each node, times its derivative (Iri 1984)."""
    output.backward()
    errors = (abs(node.grad) * math.ulp(node.data) for node in topological_order(output))
    return math.fsum(error for error in errors if error < math.inf)
