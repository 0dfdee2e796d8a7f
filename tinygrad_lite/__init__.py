"""A minimal scalar autograd engine: write arithmetic on `Value`s, call `backward()`, read the derivatives.

>>> import tinygrad_lite as tl
>>> a, b = tl.Value(2.0, "a"), tl.Value(1.0, "b")
>>> e = (a + b) * (b + 1)
>>> e.backward()
>>> a.grad, b.grad
(2.0, 5.0)
"""

from __future__ import annotations  # noqa: I001  # the table: one name a line would be half of this file

from .derivatives.grad import check_grad, grad, hessian, hvp, jacobian, jvp, taylor
from .show.draw import draw
from .show.explain import explain
from .show.explore import explore
from .functional import (
    argmax,
    binary_cross_entropy,
    clip,
    cross_entropy,
    hinge,
    log_softmax,
    logsumexp,
    mean,
    mean_squared_error,
    prod,
    softmax,
)
from .op import OPS, Op, declare
from .ops import (
    abs, acos, acosh, add, asin, asinh, atan, atanh, cos, cosh, div, dot, equal, erf, erfc, exp, exp_difference,
    expm1, gaussian, greater, greater_equal, less, less_equal, log, log1p, maximum, minimum, mul, neg, not_equal, pow,
    relu, sigmoid, sign, sin, sinh, softplus, sqrt, step, stop_gradient, sub, sum, tan, tanh, where,
)  # fmt: skip
from .show.steps import steps
from .value import Value, topological_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import nn
    from .arrays.program import Program, compile
    from .arrays.vectorize import vectorize

_LATE = {"Program": "arrays.program", "compile": "arrays.program", "nn": "nn", "vectorize": "arrays.vectorize"}


def __getattr__(name: str) -> object:
    """Import on first use what half of the time of an import would go into."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f".{_LATE[name]}", __name__)
    globals()[name] = module if name == "nn" else getattr(module, name)
    return globals()[name]


__all__ = [
    "OPS", "Op", "Program", "Value", "abs", "acos", "acosh", "add", "argmax", "asin", "asinh", "atan", "atanh",
    "binary_cross_entropy", "check_grad", "clip", "compile", "cos", "cosh", "cross_entropy", "declare", "div", "dot",
    "draw",
    "equal", "erf", "erfc", "exp", "exp_difference", "explain", "explore", "expm1", "gaussian", "grad", "greater",
    "greater_equal", "hessian", "hinge", "hvp", "jacobian", "jvp", "less", "less_equal", "log", "log1p",
    "log_softmax", "logsumexp", "maximum", "mean", "mean_squared_error", "minimum", "mul", "neg", "nn", "not_equal",
    "pow", "prod", "relu", "sigmoid", "sign", "sin", "sinh", "softmax", "softplus", "sqrt", "step", "steps",
    "stop_gradient",
    "sub", "sum", "tan", "tanh", "taylor", "topological_order", "vectorize", "where",
]  # fmt: skip
