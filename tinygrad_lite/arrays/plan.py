"""`Plan`: instructions and the memory that they work on; it prints, `run.py` carries it out."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from ..op import Op
from .kernels import kernel, np
from .rows import PHASES, REDUCED, UNIFORM, VARYING

Shape = tuple[int, ...]


class Code:
    """Instructions: what `run.py` calls, and what each is called."""

    def __init__(self) -> None:
        self.names: list[str | Op] = []
        self.calls: list[tuple[Callable[..., Any], Callable[[Any], Any]]] = []
        """A function, and what takes its arguments and, last, its result out of all arrays."""

    def add(self, name: str | Op, *slots: int) -> None:
        """One more, of the arrays in some slots, that of its result last."""
        self.names.append(name)
        self.calls.append((kernel(name), operator.itemgetter(*slots)))


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
    code: tuple[Code, Code, Code]
    """Done once a call, once from sums over the points, for each block of points."""
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
        for phase in (UNIFORM, VARYING, REDUCED):
            code = self.code[phase]
            if code.names:
                lines.append(f"{PHASES[phase]}:")
            for name, (_, operands) in zip(code.names, code.calls, strict=True):
                *args, out = operands(names)
                lines.append(f"  {out} = {name}({', '.join(args)})")
        return "\n".join(lines)
