"""NumPy's functions by the names of a tape, and the arrays of a call, checked."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..op import Op


class Kernels:
    """What the names of a tape mean: functions of arrays and the array for the result."""

    def __init__(self) -> None:
        import numpy as np

        self.np = np
        positive, select, dot, maximum, minimum = np.positive, np.where, np.dot, np.maximum, np.minimum
        self.ones: dict[Any, Any] = {}
        self.named: dict[str, Callable[..., Any]] = {
            "maximum": lambda x, y, out: maximum(x, y, out=out),
            "minimum": lambda x, y, out: minimum(x, y, out=out),
            "where": lambda condition, x, y, out: positive(select(condition, x, y), out),
            "take": lambda x, indices, out: np.take(x, indices, 0, out, "clip"),
            "matmul": dot,  # the same, and a microsecond faster
            "inner": lambda x, y, out: np.einsum("i...,i...->...", x, y, out=out),
            "add.reduce": lambda x, out: np.add.reduce(x, 0, None, out),
            "maximum.reduce": lambda x, out: np.maximum.reduce(x, 0, None, out),
            "minimum.reduce": lambda x, out: np.minimum.reduce(x, 0, None, out),
            "lane_sum": lambda x, out: dot(x, self.ones_for(x), out),  # half the time of add.reduce
        }

    def ones_for(self, x: Any) -> Any:
        """As many ones as `x` has columns, out of one array for all."""
        count, ones = x.shape[-1], self.ones.get(x.dtype)
        if ones is None or len(ones) < count:
            ones = self.ones[x.dtype] = self.np.ones(count, x.dtype)
        return ones[:count]

    def find(self, function: str | Op) -> Callable[..., Any]:
        """The function of that name; of an operation without an array form, one that goes through the elements."""
        if isinstance(function, str):
            return self.named.get(function) or getattr(self.np, function)
        return lambda *args: self.np.copyto(args[-1], function.at_arrays(*args[:-1]), casting="same_kind")

    def packed(self, numbers: Sequence[float]) -> Any:
        """The numbers as an array, in half the time that NumPy needs for a list."""
        return self.np.frombuffer(_doubles(len(numbers)).pack(*numbers))

    def at_numbers(self, function: str | Op, numbers: Sequence[Any]) -> float:
        """A function at floats."""
        out = self.np.empty(1)
        with self.np.errstate(all="ignore"):
            self.find(function)(*self.np.array(numbers)[:, None], out)
        return float(out[0])


@functools.lru_cache(64)
def _doubles(count: int) -> struct.Struct:
    return struct.Struct(f"{count}d")


@functools.cache
def kernels() -> Kernels:
    """They are made on first use: NumPy is imported there."""
    return Kernels()


def check_count(name: str, what: str, x: Any) -> None:
    """Raise ValueError unless `x` is a whole number, 1 or more."""
    if not hasattr(x, "__index__") or x < 1:
        raise ValueError(f"{name}: expected a whole number of {what} >= 1, got {x!r}")


class Group(NamedTuple):
    """An input: one Value, or a list of `size` Values, which takes an array of shape (…, size)."""

    size: int | None
    label: str | None

    def checked(self, i: int, array: Any) -> Any:
        """Array i of a call, if it can stand for this input."""
        given = kernels().np.asarray(array)
        if given.dtype.kind in "biuf" and (self.size is None or given.shape[-1:] == (self.size,)):
            return given
        name = f"array {i}" + (f" ({self.label[:60]!r})" if self.label else "")
        if given.dtype.kind not in "biuf":
            raise TypeError(f"program: {name}: expected real numbers, got dtype {given.dtype}")
        expected = f"expected an array of shape (..., {self.size}) for a list of {self.size} Values"
        raise ValueError(f"program: {name}: {expected}, got shape {given.shape}")

    @property
    def tail(self) -> tuple[int, ...]:
        """The axes of its arrays that are no points."""
        return () if self.size is None else (self.size,)
