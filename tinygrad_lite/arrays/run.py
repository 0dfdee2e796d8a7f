"""Running a plan: its memory, the blocks of points, which threads may share, and the results."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .kernels import np
from .plan import Plan
from .points import Points
from .rows import REDUCED, UNIFORM, VARYING

KEPT = 2
"""How many memories are kept for calls of other widths."""


class Memory:
    """The arrays of a plan: rows for blocks of one width, and what is computed once."""

    def __init__(self, plan: Plan, dtype: Any, width: int) -> None:
        self.plan = plan
        self.dtype = dtype
        self.width = width
        # No room is left between rows: those that lie together are one loop for NumPy, three times
        # as fast.
        self.block = np().empty((plan.height, width), dtype)
        self.once = np().empty((plan.once, 1), dtype)
        for varying, first, numbers in plan.filled:
            rows = self.block if varying else self.once
            rows[first : first + len(numbers)] = np().array(numbers)[:, None]
        self.arrays: list[Any] = [slot.array(self) for slot in plan.slots]
        replaced = [i for _, i, _ in plan.inputs] + [i for i, _ in plan.results]
        self.home = {slot: self.arrays[slot] for slot in replaced}

    def run(self, phase: int) -> None:
        """Carry out the instructions of a phase."""
        arrays = self.arrays
        for function, operands in self.plan.code[phase].calls:
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
        """Memory for blocks of that width, used before or new."""
        with self.lock:
            for i, memory in enumerate(self.memories):
                if memory.width == width:
                    return self.memories.pop(i)
            del self.memories[:-KEPT]
        return Memory(plan, dtype, width)

    def give(self, memory: Memory) -> None:
        """Take memory back."""
        memory.let_go()
        with self.lock:
            self.memories.append(memory)


class Replayed(NamedTuple):
    """What a call gives: an array for each result, and the totals (None of no points)."""

    results: list[Any]
    totals: Any
    points: int


@dataclass
class Run:
    """One call of a plan."""

    plan: Plan
    spare: Spare
    points: Points
    results: Sequence[Any]
    """The arrays to write them to, with one axis for the points."""
    numbers: Any
    dtype: Any

    def __post_init__(self) -> None:
        self.flat = [_in_rows(array) for array in self.points.flat]
        self.results = [_in_rows(result) for result in self.results]

    def run(self, threads: int) -> Any:
        """Do all blocks, which threads share; gives the totals, if the plan has any."""
        if not self.points.count:
            return None
        blocks = _blocks(self.points.count, self.plan.width)
        with np().errstate(all="ignore"):
            if threads == 1 or len(blocks) == 1:
                used, sums = self.part(blocks)
            else:
                used, sums = self.parts([blocks[i::threads] for i in range(threads)])
            totals = None if self.plan.totals is None else self.totals(used[0], sums)
        for memory in used:
            self.spare.give(memory)
        return totals

    def parts(self, shares: Sequence[Sequence[slice]]) -> tuple[list[Memory], Any]:
        """What threads do, together."""
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and seldom needed

        with ThreadPoolExecutor(len(shares)) as pool:
            done = [*pool.map(np().errstate(all="ignore")(self.part), shares)]
        return [memory for used, _ in done for memory in used], sum(sums for _, sums in done)

    def part(self, blocks: Sequence[slice]) -> tuple[list[Memory], Any]:
        """Do some blocks; gives the memory that they took, and their sums if there are others."""
        memories: dict[int, Memory] = {}
        sums: Any = 0
        for block in blocks:
            width = block.stop - block.start
            if (memory := memories.get(width)) is None:
                memory = memories[width] = self.memory(width)
            self.block(block, memory)
            if self.plan.sums and self.points.count > width:
                sums = sums + memory.once[self.plan.sums]
        return [*memories.values()], sums

    def memory(self, width: int) -> Memory:
        """Memory for blocks of this width, with all that is computed once a call."""
        memory = self.spare.take(self.plan, width, self.dtype)
        for name, slot in self.plan.leaves.items():
            given = self.numbers if name == "parameters" else self.points.count
            memory.arrays[slot][...] = given
        memory.run(UNIFORM)
        return memory

    def block(self, index: slice, memory: Memory) -> None:
        """Do one block. Instructions write results where they are wanted, if that is possible."""
        arrays, home = memory.arrays, memory.home
        for i, slot, copied in self.plan.inputs:
            source = self.flat[i][index]
            if not copied and source.strides == home[slot].strides and source.dtype == self.dtype:
                arrays[slot] = source
            else:
                home[slot][...] = source.T
                arrays[slot] = home[slot]
        pending = []
        for (slot, direct), result in zip(self.plan.results, self.results, strict=True):
            if direct and result.ndim == 1:
                arrays[slot] = result[index]
            else:
                pending.append((slot, result))
        memory.run(VARYING)
        for slot, result in pending:
            result[index] = arrays[slot].reshape((*result.shape[1:], -1)).T

    def totals(self, memory: Memory, sums: Any) -> Any:
        """What is computed from the sums over all points."""
        if self.points.count > memory.width:
            memory.once[self.plan.sums] = sums
        memory.run(REDUCED)
        return memory.arrays[self.plan.totals].copy()  # type: ignore[index]  # it has totals


def _in_rows(array: Any) -> Any:
    """An array with one axis after that of the points, where it has several."""
    return array if array.ndim < 3 else array.reshape((len(array), math.prod(array.shape[1:])))


@functools.lru_cache(64)
def _blocks(count: int, width: int) -> list[slice]:
    """The points in blocks of at most this width, as equal as can be."""
    step = math.ceil(count / math.ceil(count / width))
    return [slice(first, min(first + step, count)) for first in range(0, count, step)]
