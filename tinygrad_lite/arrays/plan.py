"""`Plan`: instructions and the memory that they work on; it prints, `run.py` carries it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .kernels import np
from .rows import PHASES

Shape = tuple[int, ...]
Instruction = tuple[Any, ...]
"""A function, the slots of its arguments and that of the result."""


class Number(NamedTuple):
    """A number, as an array without axes."""

    digits: str

    def array(self, memory: Any) -> Any:
        """It, in memory."""
        return np().array(float.fromhex(self.digits), memory.dtype)

    def __str__(self) -> str:
        return f"{float.fromhex(self.digits):g}"


class Indices(NamedTuple):
    """Numbers of rows in memory."""

    rows: tuple[int, ...]

    def array(self, memory: Any) -> Any:
        """They, in memory."""
        return np().array(self.rows)

    def __str__(self) -> str:
        shown = [str(row) for row in self.rows[:3]] + ["…"] * (len(self.rows) > 3)
        return f"[{', '.join(shown)}]"


class Place(NamedTuple):
    """Rows of a block, or of what is computed once, in a shape in which -1 is the width."""

    varying: bool
    first: int
    size: int
    shape: Shape

    def array(self, memory: Any) -> Any:
        """They, in memory."""
        rows = memory.block if self.varying else memory.once
        return rows[self.first : self.first + self.size].reshape(self.shape)

    def __str__(self) -> str:
        rows = f"{'r' if self.varying else 'u'}{self.first}" + f":{self.first + self.size}" * (
            self.size > 1
        )
        inner = [each for each in self.shape if each != -1]
        return rows + f"({'×'.join(map(str, inner))})" * (len(inner) > 1)


Slot = Number | Indices | Place


class Plan(NamedTuple):
    """Instructions, and what of memory they take."""

    slots: list[Slot]
    """The arrays that instructions work on."""
    code: tuple[list[Instruction], list[Instruction], list[Instruction]]
    """Done once a call, once from sums over the points, for each block of points."""
    ready: list[list[tuple[Callable[..., Any], Callable[[Any], Any]]]]
    height: int
    once: int
    filled: list[tuple[bool, int, list[float]]]
    """Numbers that stay in memory: of a block or once, from which row on."""
    inputs: list[tuple[int, int, bool]]
    """Of each input its number, its slot and whether it must be copied there."""
    leaves: dict[str, int]
    """The slots of the parameters and of the number of points."""
    results: list[tuple[int, bool]]
    """Of each result the slot, and whether the last instruction can write elsewhere instead."""
    sums: list[int]
    """Rows that hold sums over the points of a block."""
    totals: int | None
    width: int

    def __str__(self) -> str:
        names = [str(slot) for slot in self.slots]
        lines = []
        for place, first, numbers in self.filled:
            shown = f"{numbers[0]:g}" if len(numbers) == 1 else f"[{numbers[0]:g}, …]"
            lines.append(f"{Place(place, first, len(numbers), (-1,))} = {shown}")
        for phase in (0, 2, 1):
            if self.code[phase]:
                lines.append(f"{PHASES[phase]}:")
            for function, *args, out in self.code[phase]:
                lines.append(
                    f"  {names[out]} = {function}({', '.join(names[arg] for arg in args)})"
                )
        return "\n".join(lines)
