"""A minimal scalar autograd engine: write arithmetic on `Value`s, call `backward()`, read `grad`.

>>> import tinygrad_lite as tl
>>> a, b = tl.Value(2.0, "a"), tl.Value(1.0, "b")
>>> e = (a + b) * (b + 1)
>>> e.backward()
>>> a.grad, b.grad
(2.0, 5.0)
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from . import fast, ops
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
    norm,
    prod,
    softmax,
)
from .op import OPS, Op, declare
from .ops import *  # noqa: F403  # the table names its operations
from .value import Value, topological_order

if TYPE_CHECKING:
    from . import nn
    from .arrays.objects import data_of, grad_of, values
    from .arrays.program import Program, compile
    from .arrays.vectorize import vectorize
    from .derivatives.check import check_grad
    from .derivatives.functions import value_and_grad
    from .derivatives.grad import grad, hessian, hvp, jacobian
    from .derivatives.taylor import jvp, taylor
    from .show.draw import draw
    from .show.explain import explain
    from .show.page import explore
    from .show.steps import steps

if not os.environ.get("TINYGRAD_LITE_PLAIN"):  # to see that speed has no meaning of its own
    fast.install()

_ROOMS = {
    "arrays.objects": ("data_of", "grad_of", "values"),
    "arrays.program": ("Program", "compile"),
    "arrays.vectorize": ("vectorize",),
    "derivatives.check": ("check_grad",),
    "derivatives.functions": ("value_and_grad",),
    "derivatives.grad": ("grad", "hessian", "hvp", "jacobian"),
    "derivatives.taylor": ("jvp", "taylor"),
    "nn": ("nn",),
    "show.draw": ("draw",),
    "show.explain": ("explain",),
    "show.page": ("explore",),
    "show.steps": ("steps",),
}
_LATE = {name: module for module, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    """What a folder gives, imported on first use: the engine alone takes half of the time."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f".{_LATE[name]}", __name__)
    globals()[name] = module if name == "nn" else getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    """Every public name, the late ones too."""
    return __all__


__all__ = [
    "OPS",
    "Op",
    "Program",
    "Value",
    "argmax",
    "binary_cross_entropy",
    "check_grad",
    "clip",
    "compile",
    "cross_entropy",
    "data_of",
    "declare",
    "draw",
    "explain",
    "explore",
    "grad",
    "grad_of",
    "hessian",
    "hinge",
    "hvp",
    "jacobian",
    "jvp",
    "log_softmax",
    "logsumexp",
    "mean",
    "mean_squared_error",
    "nn",
    "norm",
    "prod",
    "softmax",
    "steps",
    "taylor",
    "topological_order",
    "value_and_grad",
    "values",
    "vectorize",
]
__all__ += ops.__all__  # type: ignore[attr-defined]  # there, but not for a checker
__all__.sort()
