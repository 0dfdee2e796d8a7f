"""Gradients whose length is bounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..support.checks import check_number
from .parameters import gradient, leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .parameters import Array


def clip_grad_norm(parameters: Iterable[Any], max_norm: float) -> float:
    """Shorten the gradient, all `grad` together, to `max_norm` if longer; gives its length before.

    >>> from tinygrad_lite import Value
    >>> p, q = Value(0.0), Value(0.0)
    >>> p.grad, q.grad = 3.0, 4.0
    >>> clip_grad_norm([p, q], 2.5), p.grad, q.grad
    (5.0, 1.5, 2.0)

    A gradient that is infinite or nan has no direction and stays as it is: `step` refuses it.
    """
    max_norm = check_number("clip_grad_norm", "a norm > 0", max_norm, lambda x: x > 0)
    found = leaves("clip_grad_norm", parameters)
    grad = gradient("clip_grad_norm", found)
    shorter, norm = clipped(grad, max_norm)
    if shorter is not grad:
        for parameter, x in zip(found, shorter.tolist(), strict=True):
            parameter.grad = x
    return norm


def clipped(grad: Array, max_norm: float) -> tuple[Array, float]:
    """The gradient, of that length if it was longer, and its length before."""
    largest = float(abs(grad).max())
    if largest == 0.0 or not math.isfinite(largest):
        return grad, largest
    direction = grad / largest  # its squares do not overflow
    length = math.sqrt(direction @ direction)
    norm = largest * length
    return (direction * (max_norm / length) if norm > max_norm else grad), norm
