"""What is equal to a NumPy function of Rows and shorter: x for 1·x, x·x for x**2, y/x for y·1/x.

Beside a number the table decides (`support/simplify.py`); here is what concerns arrays alone.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence

from .. import ops
from ..support.simplify import EXACT, simpler
from .kernels import COMPARISONS

if typing.TYPE_CHECKING:
    from ..op import Op
    from .rows import Graph, Rows

Args = tuple["Rows", ...]
Numbers = Sequence[float | None]


def _multiply(graph: Graph, args: Args, numbers: Numbers) -> Rows | None:
    for x, y in (args, args[::-1]):
        if x.function == "negative" and x.size >= y.size:
            return graph.elementwise("negative", graph.times(x.args[0], y))
    return None


def _add(graph: Graph, args: Args, numbers: Numbers) -> Rows | None:
    for x, y in (args, args[::-1]):
        if y.function == "negative":
            return graph.elementwise("subtract", x, y.args[0])
    return None


def _divide(graph: Graph, args: Args, numbers: Numbers) -> Rows | None:
    if args[0].function == "negative":
        quotient = graph.elementwise("divide", args[0].args[0], args[1])
        return graph.elementwise("negative", quotient)
    return None


def _power(graph: Graph, args: Args, numbers: Numbers) -> Rows | None:
    x, exponent = args[0], numbers[1]
    if exponent == 2.0:
        return graph.elementwise("square", x)
    if exponent == 3.0:
        return graph.times(graph.elementwise("square", x), x)
    return graph.elementwise("divide", graph.constant(1.0), x) if exponent == -1.0 else None


def _where(graph: Graph, args: Args, numbers: Numbers) -> Rows | None:
    """A choice by a comparison, which need not become numbers."""
    condition, *choices = args
    if condition.function not in COMPARISONS:
        return None
    return graph.elementwise(f"where.{condition.function}", *condition.args, *choices)


def _exp(graph: Graph, args: Args, numbers: Numbers) -> Rows | None:
    """1/exp(-x) where exp(-x) is there already: σ(x) and σ(-x) need one exponential."""
    x = args[0]
    opposite = (
        x.args[0]
        if x.function == "negative"
        else graph.known.get(("negative", None, x.k, x.n, x.index))
    )
    there = None if opposite is None else graph.known.get(("exp", None, x.k, x.n, opposite.index))
    return None if there is None else graph.elementwise("divide", graph.constant(1.0), there)


_SHORTER: dict[str | Op, Callable[[Graph, Args, Numbers], Rows | None]] = {
    "multiply": _multiply,
    "add": _add,
    "divide": _divide,
    "power": _power,
    "exp": _exp,
    "where": _where,
    "positive": lambda _, args, numbers: args[0],
    "negative": lambda _, args, numbers: (
        args[0].args[0] if args[0].function == "negative" else None
    ),
    "not_equal": lambda _, args, numbers: (
        args[0] if numbers[1] == 0.0 and args[0].function in COMPARISONS else None
    ),
}

_IN_THE_TABLE: dict[str | Op, Op] = {
    str(op.array): op for op in (ops.add, ops.sub, ops.mul, ops.div, ops.pow, ops.where)
}


def shorter(graph: Graph, function: str | Op, args: Args, numbers: Numbers) -> Rows | None:
    """What a function of Rows, some of which are numbers, is if there is something shorter."""
    if function in _IN_THE_TABLE and numbers.count(None) < len(numbers):
        match simpler(_IN_THE_TABLE[function], numbers, EXACT):
            case "same", i:
                return args[i]
            case "neg", i:
                return graph.elementwise("negative", args[i])
        # x**0 stays: its derivative is 0, and 0·inf below it nan, as in backward.
    rule = _SHORTER.get(function)
    return None if rule is None else rule(graph, args, numbers)
