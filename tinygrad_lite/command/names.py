"""The names that a formula knows: of numbers, of functions, and of what it has in other words."""

from __future__ import annotations

import math

from ..op import OPS, Op
from ..ops import HELPERS

CONSTANTS = {"pi": math.pi, "π": math.pi, "e": math.e}
"""The numbers that have a name, unless the name is given or assigned."""

SPELLINGS = {
    "ln": "log",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "absolute": "abs",
    "fabs": "abs",
    "max": "maximum",
    "min": "minimum",
    "power": "pow",
    "remainder": "mod",
    "floor_divide": "floordiv",
    "σ": "sigmoid",
    "φ": "norm_pdf",
    "Φ": "norm_cdf",
}
"""Other names of operations: those of mathematics, of Python and of NumPy."""

_SEVERAL = "it gives several numbers, a formula has one; "
ADVICE = {
    "softmax": _SEVERAL + "the first of softmax([a, b]) is exp(a - logsumexp(a, b))",
    "log_softmax": _SEVERAL + "the first of log_softmax([a, b]) is a - logsumexp(a, b)",
    "cross_entropy": "that of the logits a, b with the class of a is logsumexp(a, b) - a",
    "mean": "that of a and b is sum(a, b) / 2",
    "dot": "write a*x + b*y",
    "prod": "write a*b",
    "clip": "write min(max(a, low), high)",
    "argmax": "compare, as in a > b",
    "ceil": "write -floor(-a)",
    "round": "write floor(a + 0.5)",
    "cbrt": "write sign(a)*abs(a)**(1/3)",
    "exp2": "write 2**a",
}
"""What to write for functions of lists, and for others that a formula does not have."""


def functions() -> dict[str, Op]:
    """The operations that a formula can call: those that take one list at most."""
    return {name: op for name, op in OPS.items() if op.lists < 2 and name not in HELPERS}
