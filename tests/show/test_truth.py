"""Every `=` of an explanation is true: both sides, as they are printed, are evaluated by NumPy."""

from __future__ import annotations

import contextlib
import functools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite.op import OPS
from tinygrad_lite.show.explain import explain
from tinygrad_lite.show.notation import TEXT
from tinygrad_lite.show.steps import steps
from tinygrad_lite.show.writer import Writer

SOFT = [1.0, 2.0, -1.0, 0.5, 0.3, 1e-9, 1.000001, 3.0, -2.0]
EDGES = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 1e-310, 5e-324, 1e200, -1e200, 1e-200, 1e308, 1e-9, 1.0000001, math.pi, -1 / 3]
WILD = [*EDGES, math.inf, -math.inf, math.nan]


def ieee(function: Callable[..., Any]) -> Callable[..., Ieee]:
    return lambda *xs: Ieee(function(*map(np.float64, xs)))


class Ieee(float):
    """A float with NumPy's arithmetic, whose comparisons are numbers too."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


for _name in ["add", "sub", "mul", "truediv", "pow", "neg", "lt", "le", "gt", "ge", "eq", "ne"]:
    setattr(Ieee, f"__{_name}__", ieee(getattr(np.float64, f"__{_name}__")))

def exp(x: float) -> float:
    """e^x; raises OverflowError where a softmax by mathematics and one by floats part."""
    if 30 < abs(x) < math.inf:
        raise OverflowError
    return float(np.exp(x))


FUNCTIONS: dict[str, Any] = {
    op.name: ieee(getattr(np, op.array)) for op in OPS.values() if isinstance(op.array, str) and op.arity
} | {
    "maximum": ieee(lambda *xs: functools.reduce(np.maximum, xs)),
    "minimum": ieee(lambda *xs: functools.reduce(np.minimum, xs)),
    "relu": ieee(lambda x: np.maximum(x, 0)),
    "step": ieee(lambda x: np.heaviside(x, 0)),
    "where": ieee(lambda c, x, y: x if c else y),
    "exp": ieee(lambda x: exp(x)), "σ": ieee(lambda x: 1 / (1 + exp(-x))),
    "abs": ieee(np.abs), "stop_gradient": ieee(float), "xlogy": ieee(lambda x, y: x * np.log(y) if x else 0.0),
    "softplus": ieee(lambda x: np.logaddexp(0, x)), "silu": ieee(lambda x: x / (1 + np.exp(-x))),
    "Ieee": Ieee, "inf": Ieee("inf"), "nan": Ieee("nan"),
}  # fmt: skip
PYTHON = {"·": "*", "^": "**", "²": "**2", " = ": " == ", "≤": "<=", "≥": ">=", "≠": "!="}


def evaluated(side: str) -> float:
    """The number that a side has as it is printed, by IEEE 754."""
    for sign, python in PYTHON.items():
        side = side.replace(sign, python)
    side = re.sub(r"\|([^|]*)\|", r"abs(\1)", side)
    side = re.sub(r"(?<![\w.])(\d+\.?\d*(?:e[-+]?\d+)?)", r"Ieee('\1')", side)
    with np.errstate(all="ignore"):
        return float(eval(side, dict(FUNCTIONS)))


def losses(source: random.Random, *xs: tl.Value) -> tl.Value:
    """A softmax or a loss of it."""
    return source.choice([
        lambda: tl.softmax(xs)[0], lambda: tl.log_softmax(xs)[1], lambda: tl.cross_entropy(xs, 2),
        lambda: tl.cross_entropy(xs, [0.2, 0.3, 0.5]), lambda: tl.binary_cross_entropy(xs[0], 0.3),
        lambda: tl.mean(xs), lambda: tl.dot(xs, xs), lambda: tl.sum(xs),
    ])()  # fmt: skip


NAMES = [
    "add", "sub", "mul", "div", "pow", "neg", "exp", "log", "sqrt", "tanh", "sin", "abs", "relu", "maximum", "minimum", "where",
    "sigmoid", "softplus", "less", "equal", "step", "sign", "log1p", "atan2", "hypot", "xlogy", "stop_gradient", "silu", "log2",
]  # fmt: skip


def graph(seed: int) -> tl.Value:
    """A few operations at numbers that may be edges: what has no value is left out."""
    source = random.Random(seed)
    pool = source.choices([SOFT, EDGES, WILD], [5, 4, 1])[0]
    nodes = [tl.Value(source.choice(pool), f"x{i}") for i in range(source.randrange(1, 5))]
    for i in range(source.randrange(1, 7)):
        args = [source.choice(nodes[-5:]) for _ in range(3)]
        op = OPS[source.choice(NAMES)]
        try:
            made = [
                lambda op=op, args=args: op(*args[: op.arity or 2]),
                lambda args=args: losses(source, *args),
                lambda args=args: args[0] ** source.choice([2, 0, 1, -1, 0.5, 3]),
                lambda args=args: source.choice(pool) * args[0] + source.choice(pool),
            ]
            node = source.choices(made, [6, 2, 1, 1])[0]()
        except (ArithmeticError, ValueError):
            continue
        nodes.append(node.named(f"y{i}") if source.random() < 0.4 and not node.label else node)
    return nodes[-1]


def equations(root: tl.Value) -> Iterator[list[str]]:
    """All that an explanation can say, also what it says only if asked."""
    writer = Writer(steps(root), TEXT)
    yield from map(writer.value, writer.forward.values())
    for step in writer.backward.values():
        yield from (writer.local(term, step.index) for term in step.terms)
        yield writer.adjoint(step)
        with contextlib.suppress(ValueError):  # too long to read
            yield writer.closed(step.index)


def is_true(sides: Sequence[str]) -> bool:
    """Whether the side in numbers, if there is one, gives the result to its digits."""
    *_, numbers, result = sides
    if len(sides) < 3 or "…" in numbers or re.search(r"∂|[xyv]\d", numbers):
        return True
    try:
        x, y = evaluated(numbers), evaluated(result)
    except OverflowError:
        return True
    size = max((abs(float(each)) for each in re.findall(r"\d+\.?\d*(?:e[-+]?\d+)?", numbers)), default=0.0)
    return x == y or (math.isnan(x) and math.isnan(y)) or abs(x - y) <= 4e-3 * abs(y) + 2e-15 * size


@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_both_sides_of_every_equation_are_equal(start: int) -> None:
    said = [sides for seed in range(start, start + 100) for sides in equations(graph(seed))]
    assert [sides for sides in said if not is_true(sides)] == []
    assert sum(len(sides) > 2 for sides in said) > 500


def test_an_equation_that_is_false_is_noticed() -> None:
    for wrong in [["y", "0·log(0)", "0"], ["y", "2·3", "5"], ["y", "inf·0", "0"], ["y", "(2 > 3)", "1"]]:
        assert not is_true(wrong)
    assert is_true(["y", "-(2 = 2)·|1 - 3|", "-2"])


@pytest.mark.parametrize(("make", "left", "says"), [
    (lambda x, y: tl.xlogy(x, y), "z", "z = xlogy(x, y) = xlogy(0, 0) = 0"),
    (lambda x, y: x**2 * y.sqrt(), "∂z/∂y", "∂z/∂y = 0.5·x^2/sqrt(y) = 0.5·0^2/sqrt(0) = nan"),
    (lambda x, y: (x * 3).sqrt() + y, "∂z/∂x", "∂z/∂x = 1.5/sqrt(x·3) = 1.5/sqrt(0·3) = inf"),
    (lambda x, y: (x + 2) ** y, "∂v1/∂x", "∂v1/∂x = 1"),
])  # fmt: skip
def test_at_a_pole_the_number_stands_alone_or_the_formula_is_true(make: Callable[..., tl.Value], left: str, says: str) -> None:
    text = str(explain(make(tl.Value(0.0, "x"), tl.Value(0.0, "y")).named("z"), closed=True))
    (*_, line) = [each.strip() for each in text.splitlines() if each.strip().startswith(f"{left} = ")]
    assert line == says
