"""What running a plan takes: NumPy's functions, the rows in memory, the points in blocks, the results."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from .kernels import Group, kernels
from .plan import WIDE, Plan


class Memory:
    """The arrays of a plan for blocks of one width."""

    def __init__(self, plan: Plan, width: int, parameters: Any) -> None:
        np, dtype = kernels().np, parameters.dtype
        stride = width + 8 if width >= WIDE else width  # rows a power of two apart would share the cache's sets
        self.plan, self.width = plan, width
        self.block = np.empty((plan.height, stride), dtype)[:, :width]
        self.sums, self.count = np.zeros(plan.sums, dtype), np.zeros((), dtype)
        self.parameters = np.empty_like(parameters)
        makers: dict[str, Callable[..., Any]] = {
            "row": lambda i: self.block[i],
            "rows": lambda start, count: self.block[start : start + count],
            "transposed": lambda start, count: self.block[start : start + count].T,
            "constant": lambda x: np.array(x, dtype),
            "constants": lambda xs, column: np.array(xs, dtype)[:, None] if column else np.array(xs, dtype),
            "indices": np.array,
            "own": lambda _, count: np.empty(count, dtype),
            "sums": lambda start, count: self.sums[start : start + count],
            "parameters": lambda: self.parameters,
            "count": lambda: self.count,
            "scalar": lambda base, i: self.arrays[base][i, ...],
            "flat": lambda base, start, count: self.arrays[base][start : start + count],
            "column": lambda base, start, count: self.arrays[base][start : start + count, None],
            "matrix": lambda base, k, m: self.arrays[base].reshape(k, m),
            "matrix_transposed": lambda base, k, m: self.arrays[base].reshape(k, m).T,
        }
        self.arrays: list[Any] = []
        for kind, *description in plan.slots:
            self.arrays.append(makers[kind](*description))
        self.home = {slot: self.arrays[slot] for slot in (*plan.inputs.values(), *plan.results)}

    def run(self, code: Sequence[tuple[Callable[..., Any], Callable[[Any], Any]]]) -> None:
        """Carry out instructions."""
        arrays = self.arrays
        for function, operands in code:
            function(*operands(arrays))


class Points:
    """The arrays of a call, broadcast together, and how to cut them into blocks."""

    def __init__(self, arrays: Sequence[Any], groups: Sequence[Group]) -> None:
        if len(arrays) != len(groups):
            raise TypeError(f"program: expected {len(groups)} arrays, got {len(arrays)}")
        given = [group.checked(i, array) for i, (array, group) in enumerate(zip(arrays, groups, strict=True))]
        self.groups, self.given = groups, given
        self.shapes = [a.shape[: a.ndim - len(group.tail)] for a, group in zip(given, groups, strict=True)]
        self.whole = self.shape = _together(self.shapes)
        self.count = math.prod(self.whole)
        if all(s == self.whole and a.flags.c_contiguous for s, a in zip(self.shapes, given, strict=True)):
            self.shape = (self.count,)
            self.arrays = [a.reshape(self.count, *group.tail) for a, group in zip(given, groups, strict=True)]
            self.shapes = [self.shape] * len(given)
        else:
            broadcast = kernels().np.broadcast_to
            self.arrays = [broadcast(a, (*self.shape, *g.tail)) for a, g in zip(given, groups, strict=True)]

    def blocks(self, width: int) -> list[tuple[Any, tuple[int, ...]]]:
        """Indices that cut the points into blocks of at most this width, with the shape of each."""
        if self.count <= width:
            return [((slice(0, self.shape[0]),), self.shape)] if self.count else []
        inner = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        axis = next(i for i, size in enumerate(inner) if size <= width)
        length = self.shape[axis]
        step = math.ceil(length / math.ceil(length * inner[axis] / width))
        parts = [slice(first, min(first + step, length)) for first in range(0, length, step)]
        return [
            ((*before, part), (part.stop - part.start, *self.shape[axis + 1 :]))
            for before in kernels().np.ndindex(*self.shape[:axis])
            for part in parts
        ]

    def load(self, i: int, index: Any, memory: Memory) -> None:
        """Bring a block of array i into memory, or let the memory be the array's own."""
        source, slot = self.arrays[i][index], memory.plan.inputs[i]
        home = memory.home[slot]
        if self.groups[i].size is None:
            if source.ndim == 1 and source.dtype == home.dtype and source.strides == home.strides:
                memory.arrays[slot] = source
                return
        else:
            source = source.transpose(-1, *range(source.ndim - 1))
        kernels().np.copyto(home.reshape(source.shape), source, "same_kind")


def _together(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    if len(set(shapes)) == 1:
        return shapes[0]
    for (i, one), (j, other) in itertools.combinations(enumerate(shapes), 2):
        if any(m != n and 1 not in (m, n) for m, n in zip(one[::-1], other[::-1], strict=False)):
            problem = f"their points have shapes {one} and {other}"
            raise ValueError(f"program: arrays {i} and {j} do not broadcast: {problem}")
    return tuple(kernels().np.broadcast_shapes(*shapes))


class Result:
    """An array to fill block by block: a number a point, or the gradient of an input, summed where that broadcast."""

    def __init__(self, points: Points, source: int | None, dtype: Any) -> None:
        shape, tail = (points.shape, ()) if source is None else (points.shapes[source], points.groups[source].tail)
        shape = (1,) * (len(points.shape) - len(shape)) + shape
        self.shared = [own != size for own, size in zip(shape, points.shape, strict=True)]
        self.summed = any(self.shared)
        self.array = (kernels().np.zeros if self.summed else kernels().np.empty)((*shape, *tail), dtype)
        self.direct = len(shape) == 1 and not tail and not self.summed
        self.is_list = bool(tail)

    def store(self, index: Any, shape: tuple[int, ...], piece: Any) -> None:
        """Take over a block."""
        piece = piece.reshape(*piece.shape[:-1], *shape)
        if self.is_list:
            piece = piece.transpose(*range(1, len(shape) + 1), 0)
        if self.summed:
            before = len(self.shared) - len(shape)
            whole = [0 if isinstance(i, int) else slice(None) for i in index]
            index = tuple(w if s else i for w, i, s in zip(whole, index, self.shared, strict=False))
            axes = tuple(axis - before for axis in range(before, len(self.shared)) if self.shared[axis])
            piece = self.array[index] + piece.sum(axes, keepdims=True)
        self.array[index] = piece
