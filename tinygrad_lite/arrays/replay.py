"""What running a plan takes: the rows in memory, the points in blocks, the results."""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .kernels import Group, kernels
from .plan import Plan

Shape = tuple[int, ...]
Block = tuple[Any, Shape, int]
"""Where a block is among the points, its shape and how many points that are."""

KEPT = 2
"""From how many memories on calls of another width take the room of one."""


class Memory:
    """The arrays of a plan: rows for blocks of one width, and what is no wider for wider blocks."""

    def __init__(self, plan: Plan, parameters: int) -> None:
        np, dtype = kernels().np, plan.dtype
        self.plan, self.room, self.width = plan, np.empty(0, dtype), 0
        self.sums, self.count = np.zeros(plan.sums, dtype), np.zeros((), dtype)
        self.parameters = np.empty(parameters, dtype)
        makers: dict[str, Callable[..., Any]] = {
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
        self.rows = [(i, slot) for i, slot in enumerate(plan.slots) if slot[0] not in makers]
        """The slots that are in the room, whose arrays `widen` makes."""
        for kind, *description in plan.slots:
            self.arrays.append(makers[kind](*description) if kind in makers else None)

    def widen(self, width: int) -> None:
        """Make the rows that wide, in the same room if there is enough of it."""
        plan, size = self.plan, self.plan.height * width
        if len(self.room) < size:
            whole = plan.height * plan.width if 2 * width > plan.width else 0
            self.room = kernels().np.empty(max(size, whole), plan.dtype)
        # No room is left between rows: those that lie together are one loop for NumPy, three times as fast.
        block = self.room[:size].reshape(plan.height, width)
        if plan.ones:
            block[plan.ones] = 1.0
        for slot, (kind, start, *count) in self.rows:
            rows = block[start : start + count[0]] if count else block[start]
            self.arrays[slot] = rows.T if kind == "transposed" else rows
        self.width, self.home = width, {slot: self.arrays[slot] for slot in (*plan.inputs.values(), *plan.results)}

    def run(self, code: Sequence[tuple[Callable[..., Any], Callable[[Any], Any]]]) -> None:
        """Carry out instructions."""
        arrays = self.arrays
        for function, operands in code:
            function(*operands(arrays))


class Layout:
    """How points of some shapes broadcast together, and the blocks that they are worked on in."""

    def __init__(self, shapes: tuple[Shape, ...]) -> None:
        self.shapes, self.alike = shapes, len({*shapes}) <= 1
        self.shape = shapes[0] if shapes and self.alike else _together(shapes)
        self.count = math.prod(self.shape)
        self.results: dict[tuple[int | None, int | None], Result] = {}

    def result(self, source: int | None, size: int | None) -> Result:
        """The form of a result."""
        if (found := self.results.get((source, size))) is None:
            found = self.results[source, size] = Result(self, source, size)
        return found

    def blocks(self, width: int) -> Iterator[Block]:
        """The points in blocks of at most this width."""
        inner = [math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape))]
        axis = next(i for i, size in enumerate(inner) if size <= width)
        length = self.shape[axis]
        step = math.ceil(length / math.ceil(length / (width // inner[axis])))
        for before in itertools.product(*map(range, self.shape[:axis])):
            for first in range(0, length, step):
                stop = min(first + step, length)
                shape = (stop - first, *self.shape[axis + 1 :])
                yield (*before, slice(first, stop)), shape, math.prod(shape)


layout = functools.lru_cache(maxsize=256)(Layout)


def _together(shapes: Sequence[Shape]) -> Shape:
    for (i, one), (j, other) in itertools.combinations(enumerate(shapes), 2):
        if any(m != n and 1 not in (m, n) for m, n in zip(one[::-1], other[::-1], strict=False)):
            problem = f"their points have shapes {one} and {other}"
            raise ValueError(f"program: arrays {i} and {j} do not broadcast: {problem}")
    return tuple(kernels().np.broadcast_shapes(*shapes))


class Points:
    """The arrays of a call, broadcast together."""

    def __init__(self, arrays: Sequence[Any], groups: Sequence[Group]) -> None:
        if len(arrays) != len(groups):
            raise TypeError(f"program: expected {len(groups)} arrays, got {len(arrays)}")
        self.given = given = [group.checked(i, array) for i, (group, array) in enumerate(zip(groups, arrays))]  # noqa: B905
        self.groups = groups
        shapes = [a.shape if g.size is None else a.shape[:-1] for a, g in zip(given, groups)]  # noqa: B905
        self.layout = layout(tuple(shapes))
        self.whole, self.count, self.arrays = self.layout.shape, self.layout.count, given
        if not self.layout.alike:
            broadcast = kernels().np.broadcast_to
            self.arrays = [broadcast(a, (*self.whole, *g.tail)) for a, g in zip(given, groups, strict=True)]
        elif not self.whole or (len(self.whole) > 1 and all(a.flags.c_contiguous for a in given)):
            self.arrays = [a.reshape(self.count, *group.tail) for a, group in zip(given, groups, strict=True)]
            self.layout = layout(((self.count,),) * max(1, len(given)))


class Result:
    """What a call fills block by block: a number a point, or the gradient of an input, summed where that broadcast."""

    def __init__(self, layout: Layout, source: int | None, size: int | None) -> None:
        shape = layout.shape if source is None else layout.shapes[source]
        shape = (1,) * (len(layout.shape) - len(shape)) + shape
        self.shared = [own != whole for own, whole in zip(shape, layout.shape, strict=True)]
        self.summed, self.is_list = any(self.shared), size is not None
        self.direct = len(shape) == 1 and not self.is_list and not self.summed
        """Whether the last instruction can write to it."""
        self.shape = (*shape, size) if size is not None else shape

    def store(self, array: Any, index: Any, shape: Shape, piece: Any) -> None:
        """Take over a block."""
        piece = piece.reshape(*piece.shape[:-1], *shape)
        if self.is_list:
            piece = piece.transpose(*range(1, len(shape) + 1), 0)
        if self.summed:
            before = len(self.shared) - len(shape)
            whole = [0 if isinstance(i, int) else slice(None) for i in index]
            index = tuple(w if s else i for w, i, s in zip(whole, index, self.shared, strict=False))
            axes = tuple(axis - before for axis in range(before, len(self.shared)) if self.shared[axis])
            piece = array[index] + piece.sum(axes, keepdims=True)
        array[index] = piece


class Spare:
    """The memory that no call uses now."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.memories: list[Memory] = []

    def take(self, plan: Plan, width: int, parameters: int) -> Memory:
        """Memory for blocks of that width: used before, for them or for others, or new."""
        with self.lock:
            for i, memory in enumerate(self.memories):
                if memory.width == width:
                    return self.memories.pop(i)
            memory = self.memories.pop(0) if len(self.memories) > KEPT else Memory(plan, parameters)
        memory.widen(width)
        return memory

    def give(self, memory: Memory) -> None:
        """Take memory back."""
        with self.lock:
            self.memories.append(memory)


class Replay:
    """One call of a plan: its results, and the blocks that are left to do, which threads share."""

    def __init__(self, plan: Plan, points: Points, sources: Sequence[int | None], numbers: Any, spare: Spare) -> None:
        self.plan, self.points, self.numbers, self.spare = plan, points, numbers, spare
        groups, layout = points.groups, points.layout
        self.several, self.lock = layout.count > plan.width, threading.Lock()
        self.left = layout.blocks(plan.width)
        self.results: list[Any] = []
        self.direct: list[tuple[int, Any]] = []
        self.others: list[tuple[int, Any, Any]] = []
        for slot, source in zip(plan.results, sources):  # noqa: B905
            form = layout.result(source, None if source is None else groups[source].size)
            array = (kernels().np.zeros if form.summed else kernels().np.empty)(form.shape, plan.dtype)
            self.results.append(array)
            if form.direct:
                self.direct.append((slot, array))
            else:
                self.others.append((slot, array, form))
        self.sums: Any = None
        self.totals: Any = None

    def run(self, threads: int, *, mean: bool = False) -> None:
        """Do all blocks, and then the totals, if the plan has any: sums over the points, or their `mean`s."""
        if not self.points.count:
            return
        with (errstate := kernels().np.errstate)(all="ignore"):
            if not self.several:
                used = [self.memory(self.points.count)]
                self.block((slice(None),), self.points.layout.shape, used[0])
            elif threads == 1:
                used = self.part()
            else:
                from concurrent.futures import ThreadPoolExecutor  # slow to import, and seldom needed

                with ThreadPoolExecutor(threads) as pool:
                    parts = [pool.submit(errstate(all="ignore")(self.part)) for _ in range(threads)]
                    used = [each for part in parts for each in part.result()]
            if self.plan.totals is not None:
                memory = used[0]
                if self.several:
                    memory.sums[...] = self.sums
                memory.run(self.plan.ready[2])
                self.totals = memory.arrays[self.plan.totals] / (self.points.count if mean else 1)
        for memory in used:
            for slot, home in memory.home.items():  # let go of the caller's arrays
                memory.arrays[slot] = home
            self.spare.give(memory)

    def part(self) -> list[Memory]:
        """What one thread does: blocks, until none is left."""
        memories: dict[int, Memory] = {}
        while True:
            with self.lock:
                index, shape, width = next(self.left, (None, (), 0))
            if not width:
                return [*memories.values()]
            if (memory := memories.get(width)) is None:
                memory = memories[width] = self.memory(width)
            self.block(index, shape, memory)

    def memory(self, width: int) -> Memory:
        """Memory for blocks of this width, with all that is computed once a call."""
        memory = self.spare.take(self.plan, width, len(self.numbers))
        memory.parameters[...], memory.count[...] = self.numbers, self.points.count
        memory.run(self.plan.ready[0])
        return memory

    def block(self, index: Any, shape: Shape, memory: Memory) -> None:
        """Replay one block. Instructions write results where they are wanted, if that is possible."""
        for i, slot in self.plan.inputs.items():
            source, home = self.points.arrays[i][index], memory.home[slot]
            if self.points.groups[i].size is not None:
                source = source.transpose(-1, *range(source.ndim - 1))
            elif source.ndim == 1 and source.dtype == home.dtype and source.strides == home.strides:
                memory.arrays[slot] = source
                continue
            home.reshape(source.shape)[...] = source
        for slot, array in self.direct:
            memory.arrays[slot] = array[index]
        memory.run(self.plan.ready[1])
        if self.others or (self.plan.sums and self.several):
            with self.lock:
                for slot, array, form in self.others:
                    form.store(array, index, shape, memory.arrays[slot])
                if self.plan.sums:
                    self.sums = memory.sums.copy() if self.sums is None else self.sums + memory.sums
