"""NumPy's functions by the names of instructions: each takes arguments and the result's array."""

from __future__ import annotations

import contextlib
import functools
import gc
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..op import Op

COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}

FEW = 2048
"""Of how few numbers calls of NumPy cost more than branches."""


class Kernels:
    """What the names of instructions mean. NumPy is imported when they are made, on first use."""

    def __init__(self) -> None:
        import numpy as np

        self.np = np
        # The C library gives fresh pages, half of the time of many points, for all that is larger
        # than what was freed before, up to 32 MB. This touches no page.
        np.empty(30_000_000, np.int8)
        dot, take, einsum = np.dot, np.take, np.einsum
        self.none = np.empty(0)
        self.ones: dict[Any, Any] = {}
        self.named: dict[str, Callable[..., Any]] = {
            "copy": np.positive,
            "maximum": lambda x, y, out: np.maximum(x, y, out=out),
            "minimum": lambda x, y, out: np.minimum(x, y, out=out),
            "where": lambda condition, *more: _select(np, np.not_equal, condition, 0, *more),
            "take": lambda x, indices, out: take(x, indices, 0, out, "clip"),
            "move": _move,
            "matmul": dot,  # the same, and a microsecond faster
            "matmul.T": lambda w, x, out: dot(w.T, x, out),
            "outer": lambda x, y, out: dot(x, y.T, out),
            "inner": lambda x, y, out: einsum("...ij,...ij->...j", x, y, out=out),
            "total": lambda x, out: dot(x, self.ones_for(x), out),  # half the time of add.reduce
        }
        for name, function in (("add", np.add), ("maximum", np.maximum), ("minimum", np.minimum)):
            self.named[f"{name}.reduce"] = functools.partial(_reduce, function.reduce)
        for name in COMPARISONS:
            self.named[f"where.{name}"] = functools.partial(_select, np, getattr(np, name))

    def ones_for(self, x: Any) -> Any:
        """As many ones as `x` has columns, out of one array for all."""
        count, ones = x.shape[-1], self.ones.get(x.dtype)
        if ones is None or len(ones) < count:
            ones = self.ones[x.dtype] = self.np.ones(count, x.dtype)
        return ones[:count]


def _move(sources: Any, targets: Any, rows: Any) -> None:
    rows[targets] = rows[sources]


def _select(np: Any, holds: Any, x: Any, y: Any, chosen: Any, others: Any, out: Any) -> None:
    """What is chosen where it holds, by the bits: np.where branches, four times as slow, mixed."""
    if out.size < FEW:
        out[...] = np.where(holds(x, y), chosen, others)
        return
    bits = np.int64 if out.dtype.itemsize == 8 else np.int32
    others, out = others.view(bits), out.view(bits)
    np.bitwise_xor(chosen.view(bits), others, out)
    np.multiply(out, holds(x, y), out)
    np.bitwise_xor(out, others, out)


def _reduce(reduce: Callable[..., Any], x: Any, out: Any) -> None:
    reduce(x, -2, None, out)


@functools.cache
def kernels() -> Kernels:
    """They are made once."""
    return Kernels()


def np() -> Any:
    """NumPy, imported on first use."""
    return kernels().np


@functools.cache
def kernel(function: str | Op) -> Callable[..., Any]:
    """The function of that name; of an operation without an array form, one for each element."""
    if isinstance(function, str):
        return kernels().named.get(function) or getattr(np(), function)
    return lambda *args: np().copyto(args[-1], function.at_arrays(*args[:-1]), casting="same_kind")


def packed(numbers: Sequence[float]) -> Any:
    """The numbers as an array, in half the time that NumPy needs for a list."""
    if not numbers:  # most programs have none, and calls with few points feel it
        return kernels().none
    return np().frombuffer(_doubles(len(numbers)).pack(*numbers))


@functools.lru_cache(64)
def _doubles(count: int) -> struct.Struct:
    return struct.Struct(f"{count}d")


def at_numbers(function: str | Op, numbers: Sequence[Any]) -> float:
    """A function at floats, by IEEE 754."""
    out = np().empty(1)
    with np().errstate(all="ignore"):
        kernel(function)(*np().array(numbers)[:, None], out)
    return float(out[0])


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: for what makes many objects and no cycles that it drops.

    Python would look through all of them again whenever there are a quarter more, which takes as
    long as the rest.
    """
    was_enabled = gc.isenabled()
    try:
        gc.disable()
        yield
    finally:
        if was_enabled:
            gc.enable()
