"""NumPy's arrays of Values: made with labels, and read back as arrays of floats.

NumPy itself computes with them element by element: `W @ x`, `np.tanh(h)`, `h.sum()`, `h > 0`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..op import Operand
from ..support.checks import number
from ..value import Value
from .kernels import np


def values(array: Any, label: str | None = None) -> Any:
    """An array of leaves with the numbers and the shape of `array`, each labelled with its place.

    >>> W = values([[1.0, 2.0], [3.0, 4.0]], "w")
    >>> W.shape, W[0, 1]
    ((2, 2), Value(2.0, 'w[0,1]'))
    >>> (W @ values([1.0, 10.0], "x"))[0].data
    21.0

    Raises TypeError for what are no real numbers.
    """
    numbers = np().asarray(array)
    if numbers.dtype.kind not in "biuf":
        raise TypeError(f"values: expected real numbers, got dtype {numbers.dtype}")
    leaves = np().empty(numbers.shape, object)
    for place in np().ndindex(numbers.shape):
        name = label and f"{label}[{','.join(map(str, place))}]" if place else label
        leaves[place] = Value(numbers[place], name)
    return leaves


def data_of(array: Any) -> Any:
    """The numbers of an array of Values, as an array of floats of its shape.

    >>> data_of(values([1.0, 2.0]) * 2)
    array([2., 4.])
    """
    return _read("data_of", array, lambda x: x.data if isinstance(x, Value) else number(x))


def grad_of(array: Any) -> Any:
    """The `grad` of each of an array of Values, as an array of floats of its shape; 0 of a number.

    >>> w = values([1.0, 2.0])
    >>> (w * w).sum().backward()
    >>> grad_of(w)
    array([2., 4.])
    """
    return _read("grad_of", array, lambda x: x.grad if isinstance(x, Value) else number(x) * 0.0)


def _read(name: str, array: Any, read: Callable[[Any], float]) -> Any:
    objects = np().asarray(array, object)
    floats = np().empty(objects.shape)
    for place in np().ndindex(objects.shape):
        x = objects[place]
        if isinstance(x, Operand) and not isinstance(x, Value):
            raise TypeError(f"{name}: expected Values or numbers, got {type(x).__name__}")
        floats[place] = read(x)
    return floats
