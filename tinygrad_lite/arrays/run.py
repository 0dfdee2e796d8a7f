"""Running a plan: its memory, the blocks of points, which threads may share, and the results."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from .instruct import Plan
from .kernels import np
from .points import Points
from .rows import REDUCED, UNIFORM, VARYING

KEPT = 2
"""From how many memories on calls of another width take the room of one."""


class Memory:
    """The arrays of a plan: rows for blocks of one width, and what is computed once."""

    def __init__(self, plan: Plan, dtype: Any) -> None:
        self.plan = plan
        self.dtype = dtype
        self.width = 0
        self.room = np().empty(0, dtype)
        self.once = np().empty((plan.once, 1), dtype)
        for varying, first, numbers in plan.filled:
            if not varying:
                self.once[first : first + len(numbers), 0] = numbers
        self.arrays: list[Any] = [None] * len(plan.slots)
        self.wide = [i for i, slot in enumerate(plan.slots) if getattr(slot, "varying", False)]
        for i, slot in enumerate(plan.slots):
            if not getattr(slot, "varying", False):
                self.arrays[i] = slot.array(self)

    def widen(self, width: int) -> None:
        """Make the rows that wide, in the same room if there is enough of it."""
        plan, size = self.plan, self.plan.height * width
        if len(self.room) < size:
            whole = plan.height * plan.width if 2 * width > plan.width else 0
            self.room = np().empty(max(size, whole), self.dtype)
        # No room is left between rows: those that lie together are one loop for NumPy, three times
        # as fast.
        self.block = self.room[:size].reshape(plan.height, width)
        for varying, first, numbers in plan.filled:
            if varying:
                self.block[first : first + len(numbers)] = np().array(numbers)[:, None]
        for i in self.wide:
            self.arrays[i] = plan.slots[i].array(self)
        self.width = width
        self.home = {
            slot: self.arrays[slot]
            for slot in [i for _, i, _ in plan.inputs] + [i for i, _ in plan.results]
        }

    def run(self, phase: int) -> None:
        """Carry out the instructions of a phase."""
        arrays = self.arrays
        for function, operands in self.plan.ready[phase]:
            function(*operands(arrays))

    def let_go(self) -> None:
        """Forget the caller's arrays."""
        for slot, home in self.home.items():
            self.arrays[slot] = home


class Spare:
    """The memory of a plan that no call uses now."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.memories: list[Memory] = []

    def take(self, plan: Plan, width: int, dtype: Any) -> Memory:
        """Memory for blocks of that width: used before, for them or for others, or new."""
        with self.lock:
            for i, memory in enumerate(self.memories):
                if memory.width == width:
                    return self.memories.pop(i)
            memory = self.memories.pop(0) if len(self.memories) > KEPT else Memory(plan, dtype)
        memory.widen(width)
        return memory

    def give(self, memory: Memory) -> None:
        """Take memory back."""
        with self.lock:
            self.memories.append(memory)


class Run:
    """One call of a plan: its results, and the blocks that are left to do, which threads share."""

    def __init__(
        self,
        plan: Plan,
        spare: Spare,
        points: Points,
        results: Sequence[Any],
        numbers: Any,
        dtype: Any,
    ) -> None:
        self.plan = plan
        self.spare = spare
        self.dtype = dtype
        self.count = points.count
        self.flat = [_in_rows(array) for array in points.flat]
        self.results = [_in_rows(result) for result in results]
        self.numbers = numbers
        self.lock = threading.Lock()
        self.left: Iterator[tuple[int, int]] = iter(())
        self.sums: Any = None

    def run(self, threads: int) -> Any:
        """Do all blocks; gives the totals, if the plan has any."""
        if not self.count:
            return None
        with np().errstate(all="ignore"):
            if self.count <= self.plan.width:
                used = [self.memory(self.count)]
                self.block(slice(0, self.count), used[0])
            else:
                self.left = _blocks(self.count, self.plan.width)
                used = self.part() if threads == 1 else self.parts(threads)
            totals = None if self.plan.totals is None else self.totals(used[0])
        for memory in used:
            memory.let_go()
            self.spare.give(memory)
        return totals

    def parts(self, threads: int) -> list[Memory]:
        """The blocks, shared by threads."""
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and seldom needed

        part = np().errstate(all="ignore")(self.part)
        with ThreadPoolExecutor(threads) as pool:
            shares = [pool.submit(part) for _ in range(threads)]
            return [memory for share in shares for memory in share.result()]

    def part(self) -> list[Memory]:
        """What one thread does: blocks, until none is left."""
        memories: dict[int, Memory] = {}
        while True:
            with self.lock:
                first, stop = next(self.left, (0, 0))
            if first == stop:
                return [*memories.values()]
            width = stop - first
            if (memory := memories.get(width)) is None:
                memory = memories[width] = self.memory(width)
            self.block(slice(first, stop), memory)

    def memory(self, width: int) -> Memory:
        """Memory for blocks of this width, with all that is computed once a call."""
        memory = self.spare.take(self.plan, width, self.dtype)
        for name, slot in self.plan.leaves.items():
            memory.arrays[slot][...] = self.numbers if name == "parameters" else self.count
        memory.run(UNIFORM)
        return memory

    def block(self, index: slice, memory: Memory) -> None:
        """Do one block. Instructions write results where they are wanted, if that is possible."""
        arrays, home, plan = memory.arrays, memory.home, self.plan
        for i, slot, copied in plan.inputs:
            source = self.flat[i][index]
            if not copied and source.strides == home[slot].strides and source.dtype == self.dtype:
                arrays[slot] = source
            else:
                home[slot][...] = source.T
                arrays[slot] = home[slot]
        pending = []
        for (slot, direct), result in zip(plan.results, self.results, strict=True):
            if direct and result.ndim == 1:
                arrays[slot] = result[index]
            else:
                pending.append((slot, result))
        memory.run(VARYING)
        for slot, result in pending:
            result[index] = arrays[slot].reshape((*result.shape[1:], -1)).T
        if plan.sums and self.count > plan.width:
            part = memory.once[plan.sums]
            with self.lock:
                self.sums = part if self.sums is None else self.sums + part

    def totals(self, memory: Memory) -> Any:
        """What is computed from the sums over all points."""
        if self.sums is not None:
            memory.once[self.plan.sums] = self.sums
        memory.run(REDUCED)
        return memory.arrays[self.plan.totals].copy()  # type: ignore[index]  # it has totals


def _in_rows(array: Any) -> Any:
    """An array with one axis after that of the points, where it has several."""
    return array if array.ndim < 3 else array.reshape((len(array), math.prod(array.shape[1:])))


def _blocks(count: int, width: int) -> Iterator[tuple[int, int]]:
    """The points in blocks of at most this width, as equal as can be."""
    step = math.ceil(count / math.ceil(count / width))
    for first in range(0, count, step):
        yield first, min(first + step, count)
