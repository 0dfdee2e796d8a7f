"""`Plan`: rows of a tape joined into instructions on many rows, in an order and at places in memory."""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .kernels import Group, kernels
from .registers import Register, Registers, Selection
from .tape import LIST, PACKED, REDUCED, UNIFORM, VARYING, Step, Tape, uncollected

WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**17, 2**21
"""How many numbers a block should have, and may have to be that wide."""
WITH_BIAS = {"matmul", "outer"}
"""Functions whose second matrix may end in a row of ones."""
Instruction = tuple[Any, ...]
"""A function, the slots of its arguments and that of the result."""
Rows = int | Sequence[int]
SUMMED = {"lane_sum", "outer"}
"""Functions that give sums over the points of a block."""


class Plan:
    """Instructions that compute rows of a tape: `results` at each point, a list of rows together, `totals` once."""

    @uncollected()
    def __init__(self, tape: Tape, groups: list[Group], dtype: Any, results: list[Rows], totals: list[int]) -> None:
        self.tape, self.dtype = tape, dtype
        self.slots: dict[tuple[Any, ...], int] = {}
        """Where arrays are, described: what a block's memory is made from."""
        self.once, self.each, self.end = list[Instruction](), list[Instruction](), list[Instruction]()
        """What is done once a call, for each block, after all blocks."""
        self.ones: list[int] = []
        """Rows of ones in a block's memory."""
        self.height, self.sums, self.inputs = 0, len(totals), dict[int, int]()
        self._free: dict[int, list[int]] = defaultdict(list)
        self._gathered: dict[tuple[int, ...], Register] = {}
        self._borrowed: list[Register] = []
        wanted = [row for rows in results for row in ([rows] if isinstance(rows, int) else rows)]
        self._at = Registers(tape, groups, [*wanted, *totals])
        schedule = self._at.schedule
        factors = [each.columns[1] for each in schedule if each.step.function in WITH_BIAS]
        self._padded = {register for rows in factors if (register := self._at.before_one(rows))}
        for register in (*self._at.leaves.values(), *[self._at.of[row] for row in wanted], *self._padded):
            register.last = len(schedule)
        self._among_totals = self._in_order(totals)
        self._bring_in()
        bound = self._bound(results)
        for i, (register, needs) in enumerate(schedule.items()):
            self._emit(register, needs, i)
        self.results = [bound[i] if i in bound else self._result(rows) for i, rows in enumerate(results)]
        self.totals = self._totals(totals) if totals else None
        height = max(1, self.height)
        self.width = max(16, min(2**14, CACHE // height), min(WIDE, BOUND // height))
        find = functools.cache(kernels().find)
        self.ready = [
            [(find(function), operator.itemgetter(*slots)) for function, *slots in code]
            for code in (self.once, self.each, self.end)
        ]
        # A plan is kept; what was only for making it takes more memory than the rest.
        del self._at, self._free, self._gathered, self._borrowed, self._padded, self._among_totals

    def listing(self) -> list[str]:
        """The instructions as text."""
        names: list[str] = []
        for kind, *description in self.slots:
            names.append(_name(names, kind, *description))
        lines = [f"r{row} = 1.0" for row in self.ones]
        for title, code in (("once:", self.once), ("at each point:", self.each), ("from sums:", self.end)):
            lines += [title] if code else []
            for function, *args, out in code:
                lines.append(f"  {names[out]} = {function}({', '.join(names[arg] for arg in args)})")
        return lines

    # Where they are kept

    def _slot(self, description: tuple[Any, ...]) -> int:
        return self.slots.setdefault(description, len(self.slots))

    def _allocated(self, size: int, *, alone: bool = False) -> int:
        """The first of `size` rows; `alone` if nothing else may ever be kept there."""
        if self._free[size] and not alone:
            return self._free[size].pop()
        self.height += size
        return self.height - size

    def _started(self, register: Register) -> int:
        """The first of the rows for a register. Where a row of ones follows, nothing else is ever kept."""
        if register not in self._padded:
            return self._allocated(register.size)
        self.ones.append(self.height + register.size)
        return self._allocated(register.size + 1, alone=True)

    def _bring_in(self) -> None:
        """Memory for the inputs, slots for the other leaves."""
        for (function, i), register in self._at.leaves.items():
            if function == "count":
                register.slot = self._slot(("count",))
            elif function == "parameters":
                register.base = self._slot(("parameters",))
            elif self._at.groups[i].size is None:
                register.slot = self.inputs[i] = self._slot(("row", self._allocated(1, alone=True)))
            else:
                register.start = self._started(register)
                self.inputs[i] = self._slot(("rows", register.start, register.size))

    def _release(self, registers: Iterable[Register], now: int, size: int | None = None) -> None:
        for register in registers:
            if register.last == now and register.start is not None and size in (None, register.size):
                register.last = -1
                self._free[register.size].append(register.start)

    def _home(self, register: Register) -> int:
        """Memory for a register: the slot of all its rows."""
        if register.step.phase == VARYING:
            if register.slot is None:
                register.start = self._started(register)
        elif register.step.function in SUMMED:
            if (start := self._among_totals.get(register)) is None:
                start, self.sums = self.sums, self.sums + register.size
            register.base = self._slot(("sums", start, register.size))
        else:
            register.base = self._slot(("own", len(self.slots), register.size))
        slot = self._view((register, 0, 1), register.size)
        if register.size == 1:
            register.slot = slot
        return slot

    def _view(self, selection: Selection, count: int, *, column: bool = False) -> int:
        """The slot of rows of a register; `column` is for uniform ones beside varying ones."""
        register, first, step = selection
        if register.slot is not None:
            return register.slot
        if register.start is not None:
            start = register.start + first
            return self._slot(("row", start) if count == 1 or step == 0 else ("rows", start, count))
        if count == 1 or step == 0:
            return self._slot(("scalar", register.base, first))
        return self._slot(("column" if column else "flat", register.base, first, count))

    def _operand(self, rows: Sequence[int], *, varying: bool) -> int:
        """The slot of the arguments of alike rows."""
        if all(row in self.tape.numbers for row in rows):
            numbers = tuple([str(self.tape.numbers[row]) for row in rows])
            if len(set(rows)) > 1:
                return self._slot(("constants", numbers, varying))
            slot = self._at.of[rows[0]].slot = self._slot(("constant", numbers[0]))
            return slot
        selection = self._at.selected(rows)
        if selection is None:
            several = varying and any(self.tape.steps[row].phase == VARYING for row in rows)
            selection = (self._stacked(rows) if several else self._collected(rows)), 0, 1
        return self._view(selection, len(rows), column=varying)

    def _stack(self, rows: Sequence[int], *, transposed: bool = False) -> int:
        """The slot of rows as a matrix over the points, one row below the other in memory."""
        before_one = self._at.before_one(rows)
        selection = self._at.selected(rows) if before_one not in self._padded else (before_one, 0, 1)
        if selection is None or selection[0].start is None or selection[2] == 0:
            selection = self._stacked(rows), 0, 1
        start = selection[0].start + selection[1]  # type: ignore[operator]
        return self._slot(("transposed" if transposed else "rows", start, len(rows)))

    def _stacked(self, rows: Sequence[int]) -> Register:
        """A copy of rows, in the memory of the block."""
        register = Register(Step("stack", (), None, VARYING), len(rows))
        register.start = self._allocated(len(rows))
        self._borrowed.append(register)
        for first, part in self._at.consecutive(rows):
            source = self._operand(part, varying=True)
            self.each.append(("positive", source, self._view((register, first, 1), len(part))))
        return register

    def _collected(self, rows: Sequence[int]) -> Register:
        """A copy of uniform rows."""
        key = tuple(rows)
        if key not in self._gathered:
            register = self._gathered[key] = Register(Step("stack", (), None, UNIFORM), len(rows))
            register.base = self._slot(("own", len(self.slots), len(rows)))
            code = self.end if any(self.tape.steps[row].phase == REDUCED for row in rows) else self.once
            parts = self._at.consecutive(rows)
            if len(parts) > LIST and len({self._at.of[row] for row in rows}) == 1:
                indices = self._slot(("indices", tuple(self._at.place(row)[1] for row in rows)))
                code.append(("take", self._at.place(rows[0])[0].base, indices, register.base))
            else:
                for first, part in parts:
                    source = self._operand(part, varying=False)
                    code.append(("positive", source, self._view((register, first, 1), len(part))))
        return self._gathered[key]

    def _uniform(self, rows: Sequence[int], code: list[Any]) -> int:
        """The slot of uniform rows in one array, ready when `code` has run."""
        selection = self._at.selected(rows)
        register, first, step = (self._collected(rows), 0, 1) if selection is None else selection
        if step == 0 or register.step.function == "count":
            register, first = self._collected(rows), 0
        return self._slot(("flat", register.base, first, len(rows)))

    # Instructions

    def _emit(self, register: Register, needs: Sequence[Register], now: int) -> None:
        function, args, _, phase = register.step
        varying = phase == VARYING or function in SUMMED
        code = self.each if varying else self.once if phase == UNIFORM else self.end
        if function in PACKED:
            code += getattr(self, f"_{str(function).replace('.', '_')}")(register)
        else:
            if register.columns:
                slots = [self._operand(rows, varying=varying) for rows in register.columns]
            else:
                slots = [
                    self._operand([arg], varying=varying) if need.slot is None else need.slot
                    for arg, need in zip(args, needs, strict=True)
                ]
            if isinstance(function, str) and function not in ("where", "lane_sum"):
                # NumPy works in place, so the result may take the memory of an argument.
                self._release(needs, now, register.size)
            code.append((function, *slots, self._home(register)))
        self._release(needs, now)
        for borrowed in self._borrowed:
            self._free[borrowed.size].append(borrowed.start)  # type: ignore[arg-type]  # they are in a block's memory
        self._borrowed.clear()

    def _matmul(self, register: Register) -> list[Any]:
        (weights, xs), function = register.columns, "matmul"
        k, m = register.step.detail
        matrix = "matrix", self._uniform(weights, self.once), k, m
        if register.step.function == "matmul_transposed":
            matrix = "matrix_transposed", *matrix[1:]
            if k == 1:  # NumPy's product of a column and a row takes twice the time
                function, matrix = "multiply", ("column", matrix[1], 0, m)
        block = self._stack(xs)
        self._home(register)
        return [(function, self._slot(matrix), block, self._slot(("rows", register.start, register.size)))]

    _matmul_transposed = _matmul

    def _outer(self, register: Register) -> list[Any]:
        above, xs = register.columns
        slots = self._stack(above), self._stack(xs, transposed=True)
        self._home(register)
        return [("matmul", *slots, self._slot(("matrix", register.base, *register.step.detail)))]

    def _inner(self, register: Register) -> list[Any]:
        slots = [self._list(rows, varying=register.step.phase == VARYING) for rows in register.columns]
        return [("inner", *slots, self._home(register))]

    def _list(self, rows: Sequence[int], *, varying: bool) -> int:
        if varying and any(self.tape.steps[row].phase == VARYING for row in rows):
            return self._stack(rows)
        flat = self._uniform(rows, self.end)
        return self._slot(("column", flat, 0, len(rows))) if varying else flat

    def _reduce(self, register: Register) -> list[Any]:
        """One instruction if the rows lie together, else one after the other."""
        (rows,) = register.columns
        varying = register.step.phase == VARYING
        if not varying or len(self._at.consecutive(rows)) * 4 <= len(rows):
            return [(register.step.function, self._list(rows, varying=varying), self._home(register))]
        slots = [self._operand([row], varying=True) for row in rows]
        home, (function, _) = self._home(register), str(register.step.function).split(".")
        starts = (slots[0], *[home] * (len(slots) - 2))
        return [(function, x, y, home) for x, y in zip(starts, slots[1:], strict=True)]

    _add_reduce = _maximum_reduce = _minimum_reduce = _reduce

    # Results

    def _in_order(self, totals: Sequence[int]) -> dict[Register, int]:
        """The sums whose rows are wanted together and in their order, with the place of the first among the totals."""
        starts = defaultdict[Register, list[int]](list)
        for i, row in enumerate(totals):
            register, number = self._at.place(row)
            starts[register].append(i - number)
        return {
            register: found[0]
            for register, found in starts.items()
            if register.step.function in SUMMED and len(found) == register.size and len({*found}) == 1
        }

    def _totals(self, rows: Sequence[int]) -> int:
        """The slot of all totals: that of the sums, if they are nothing else."""
        if sum(register.size for register in self._among_totals) == len(rows):
            return self._slot(("sums", 0, len(rows)))
        return self._uniform(rows, self.end)

    def _bound(self, results: list[Rows]) -> dict[int, int]:
        """The results that an instruction can write where the caller wants them."""
        bound = {}
        for i, row in enumerate(results):
            if isinstance(row, int):
                register = self._at.of[row]
                alone = register.step.phase == VARYING and register.size == 1 and register.slot is None
                if alone and register.step.args and register.step.function not in ("matmul", "matmul_transposed"):
                    bound[i] = register.slot = self._slot(("row", self._allocated(1, alone=True)))
        return bound

    def _result(self, rows: Rows) -> int:
        if not isinstance(rows, int):
            return self._stack(rows)
        slot = self._slot(("row", self._allocated(1, alone=True)))
        self.each.append(("positive", self._operand([rows], varying=True), slot))
        return slot


def _name(names: Sequence[str], kind: str, first: Any = None, second: Any = None, third: Any = None) -> str:
    """What a listing calls a slot; `names` are those of the slots before."""
    if kind == "row":
        return f"r{first}"
    if kind in ("rows", "transposed"):
        return f"r{first}:{first + second}" + ".T" * (kind == "transposed")
    if kind in ("constant", "constants"):
        return str(first) if kind == "constant" else f"[{first[0]}, …]"
    if kind in ("parameters", "count", "indices"):
        return kind
    if kind in ("own", "sums"):
        return f"{kind[0]}{first}"
    if kind in ("matrix", "matrix_transposed"):
        return f"{names[first]}({second}×{third})" + ".T" * (kind == "matrix_transposed")
    return f"{names[first]}[{second}]" if kind == "scalar" else f"{names[first]}[{second}:{second + third}]"
