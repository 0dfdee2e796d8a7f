"""Parameters together: as a list, as an array of numbers, by the names that their labels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..support.checks import listed, number
from ..value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]


def leaves(name: str, parameters: Iterable[Any]) -> list[Value]:
    """The parameters as a list, if they can be trained; arrays of Values give what they hold.

    Raises TypeError for what is no Value, ValueError for the result of an operation, for one that
    is there twice, and for none.
    """
    if not hasattr(parameters, "__iter__"):
        kind = type(parameters).__name__
        raise TypeError(f"{name}: expected a list of Values as the parameters, got {kind}")
    found: list[Any] = []
    for each in listed(parameters):
        found += listed(each) if hasattr(each, "flat") else [each]
    for parameter in found:
        if not isinstance(parameter, Value):
            kind = type(parameter).__name__
            raise TypeError(f"{name}: expected Values as the parameters, got {kind}")
        if parameter.op is not None:
            what = f"the result of {parameter.op.name}"
            raise ValueError(f"{name}: expected leaves as the parameters, got {what}")
    if not found or len(set(found)) < len(found):
        got = "one twice" if found else "none"
        raise ValueError(f"{name}: expected parameters, each once, got {got}")
    return found


def read(parameters: Sequence[Value]) -> Array:
    """Their numbers."""
    return np.array([parameter.data for parameter in parameters])


def gradient(name: str, parameters: Sequence[Value]) -> Array:
    """Their `grad`, if it is a number of each."""
    found = [parameter.grad for parameter in parameters]
    if {*map(type, found)} <= {float}:
        return np.array(found)
    for parameter, x in zip(parameters, found, strict=True):
        try:
            number(x)
        except TypeError:
            expected = f"expected the grad of {parameter!r} to be a number, got {x!r}"
            raise TypeError(f"{name}: {expected}; zero_grad makes it 0") from None
    return np.array(found, float)


def write(parameters: Sequence[Value], numbers: Array) -> None:
    """Give each its number."""
    for parameter, x in zip(parameters, numbers.tolist(), strict=True):
        parameter.data = x


def by_name(parameters: Iterable[Value]) -> dict[str, list[Value]]:
    """The parameters by what their labels have before the last dot: those of a neuron together."""
    named: dict[str, list[Value]] = {}
    for parameter in parameters:
        label = parameter.label or "unnamed"
        named.setdefault(label.rpartition(".")[0] or label, []).append(parameter)
    return named
