"""Data to train on: an array for each input, looked at before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..value import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parameters import Array


def checked_arrays(name: str, data: Sequence[Any], inputs: Sequence[Any]) -> list[Array]:
    """The data as arrays of floats, if they are one for each input, with a row for each point.

    Raises ValueError for data that do not fit or hold nan, TypeError for what are no real numbers.
    """
    if len(data) != len(inputs):
        expected = f"{len(inputs)} arrays in {name}, one for each input"
        raise ValueError(f"fit: expected {expected}, got {len(data)}")
    shapes = [() if isinstance(each, Value) else np.shape(each) for each in inputs]
    pairs = zip(data, shapes, strict=True)
    arrays = [_checked_array(f"{name}[{i}]", rows, shape) for i, (rows, shape) in enumerate(pairs)]
    counts = [len(array) for array in arrays]
    if len(set(counts)) != 1:
        got = " and ".join(map(str, counts))
        raise ValueError(f"fit: expected arrays of one length in {name}, got {got} rows")
    return arrays


def _checked_array(name: str, rows: Any, shape: tuple[int, ...]) -> Array:
    """The rows as floats, if each has that shape and none holds nan."""
    array = _array_or_none(rows)
    if array is not None and array.shape[:1] in ((), (0,)):
        raise ValueError(f"fit: expected at least one row in {name}, got {rows!r}")
    if array is None or array.shape[1:] != shape:
        i, got = next((i, each) for i, each in enumerate(map(_shape, rows)) if each != shape)
        raise ValueError(f"fit: expected rows of shape {shape} in {name}, got {got} in row {i}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"fit: expected real numbers in {name}, got dtype {array.dtype}")
    with_nan = np.flatnonzero(np.isnan(array).reshape(len(array), -1).any(axis=1))
    if len(with_nan):
        problem = f"{name} holds nan in row {with_nan[0]}"
        raise ValueError(f"fit: {problem}; leave the point out, or replace the number")
    return array.astype(float, copy=False)


def _shape(row: Any) -> tuple[int, ...] | str:
    array = _array_or_none(row)
    return "lists of several lengths" if array is None else array.shape


def _array_or_none(rows: Any) -> Array | None:
    """None if the rows are of several lengths."""
    try:
        return np.asarray(rows)
    except ValueError:
        return None
