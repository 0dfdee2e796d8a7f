"""Independent truth for the tests: numbers computed elsewhere to many digits, and finite differences."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import tinygrad_lite as tl

DATA = Path(__file__).parent / "data"
ON_LISTS = {"logsumexp": 1, "softmax": 2, "log_softmax": 2, "cross_entropy": 2}
OPERATORS: dict[str, Callable[..., Any]] = {"min": tl.minimum, "max": tl.maximum}
LARGEST = Fraction(2) ** 1024 * (1 - Fraction(1, 2**54))


def load(name: str) -> Any:
    return json.loads((DATA / name).read_text())


def build(case: dict[str, Any], inputs: Sequence[Any]) -> Any:
    """The expression of a case of graphs.json at the given inputs."""
    nodes = list(inputs)
    for name, *operands in case["nodes"]:
        if name == "const":
            nodes.append(operands[0])
        elif name in ON_LISTS:
            position, indices = (None, operands) if ON_LISTS[name] == 1 else (operands[0], operands[1:])
            values = [nodes[i] for i in indices]
            if name == "logsumexp":
                nodes.append(tl.logsumexp(values))
            elif name == "cross_entropy":
                nodes.append(tl.cross_entropy(values, position))
            else:
                nodes.append(getattr(tl, name)(values)[position])
        else:
            function = OPERATORS.get(name) or tl.OPS[name]
            nodes.append(function(*(nodes[i] for i in operands)))
    return nodes[-1]


def relative_error(got: float, exact: str) -> float:
    reference = Fraction(exact)
    if reference == 0:
        return 0.0 if got == 0 else math.inf
    return float(abs((Fraction(got) - reference) / reference)) if math.isfinite(got) else math.inf


def ulps(got: float, exact: str) -> float:
    """The error in units of the last place of the exact number; inf for 0, inf or nan in the place of a number."""
    if exact in ("inf", "-inf") or abs(Fraction(exact)) >= LARGEST:
        return 0.0 if math.isinf(got) else math.inf
    reference = Fraction(exact)
    normal = abs(reference) >= Fraction(2) ** -1022
    if not math.isfinite(got) or (normal and got == 0):
        return math.inf
    return float(abs(Fraction(got) - reference) / Fraction(math.ulp(float(reference))))


def finite_difference(f: Callable[..., float], at: Sequence[float], i: int, step: float = 1e-3) -> float:
    """∂f/∂x_i by central differences of two steps, extrapolated (Richardson): the error is of order step⁴."""

    def central(h: float) -> float:
        up, down = list(at), list(at)
        up[i] += h
        down[i] -= h
        return (f(*up) - f(*down)) / (up[i] - down[i])

    return (4 * central(step / 2) - central(step)) / 3
