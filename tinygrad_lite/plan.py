"""`Plan`: rows of a tape joined into instructions on many rows, in an order and at places in memory."""

from __future__ import annotations

import functools
import operator
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .kernels import Group, kernels
from .tape import LIST, PACKED, REDUCED, UNIFORM, VARYING, Step, Tape, uncollected

WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**17, 2**21
"""How many numbers a block should have, and may have to be that wide."""
WITH_BIAS = {"matmul", "outer"}
"""Functions whose second matrix may end in a row of ones."""
SUMMED = {"lane_sum", "outer"}
"""Functions that give sums over the points of a block."""


class Register:
    """Rows that one instruction computes, and where they are kept."""

    __slots__ = ("base", "columns", "last", "order", "size", "slot", "start", "step")

    def __init__(self, step: Step, size: int = 1, order: int = -1, columns: Sequence[Sequence[int]] = ()) -> None:
        self.step, self.size, self.order = step, size, order
        self.columns = columns  # the rows of each operand; of a row by itself they are in its step
        self.start: int | None = None  # the first row in a block's memory
        self.base: int | None = None  # the slot of the array that holds the rows, if they are not there
        self.slot: int | None = None  # the slot of the row, if it is one
        self.last = -1 if step.args else 0  # the place in the schedule of the last use, once it has one


Selection = tuple[Register, int, int]
"""Rows of a register: the first, and 1 if the others follow or 0 if all are that one."""


class Plan:
    """Instructions that compute rows of a tape: `results` at each point, a list of rows together, `totals` once."""

    @uncollected
    def __init__(
        self, tape: Tape, groups: Sequence[Group], results: Sequence[int | Sequence[int]], totals: Sequence[int] = ()
    ) -> None:
        self.tape, self.groups = tape, groups
        self.slots: dict[tuple[Any, ...], int] = {}
        """Where arrays are, described: what a block's memory is made from."""
        self.once: list[tuple[Any, ...]] = []
        self.each: list[tuple[Any, ...]] = []
        self.end: list[tuple[Any, ...]] = []
        """Functions, the slots of their arguments and that of the result: once a call, for each block, after all."""
        self.ones: list[int] = []
        """Rows of ones in a block's memory."""
        self.height = self.sums = 0
        self.inputs: dict[int, int] = {}
        self._registers: list[Register] = [None] * len(tape.steps)  # type: ignore[list-item]  # if they are reached
        self._numbers = [0] * len(tape.steps)
        """Where rows are: the register, and the number there."""
        self._leaves: dict[Any, Register] = {}
        self._free: dict[int, list[int]] = defaultdict(list)
        self._gathered: dict[tuple[int, ...], Register] = {}
        self._borrowed: list[Register] = []
        wanted = [row for rows in results for row in ([rows] if isinstance(rows, int) else rows)]
        schedule = self._scheduled(self._grouped([*wanted, *totals]))
        factors = [each.columns[1] for each in schedule if each.step.function in WITH_BIAS]
        self._padded = {register for rows in factors if (register := self._before_one(rows))}
        for register in (*self._leaves.values(), *[self._registers[row] for row in wanted], *self._padded):
            register.last = len(schedule)
        self._bring_in()
        bound = self._bound(results)
        for i, (register, needs) in enumerate(schedule.items()):
            self._emit(register, needs, i)
        self.results = [bound[i] if i in bound else self._result(rows) for i, rows in enumerate(results)]
        self.totals = self._uniform(totals, self.end) if totals else None
        height = max(1, self.height)
        self.width = max(16, min(2**14, CACHE // height), min(WIDE, BOUND // height))
        find = functools.cache(kernels().find)
        self.ready = [
            [(find(function), operator.itemgetter(*slots)) for function, *slots in code]
            for code in (self.once, self.each, self.end)
        ]
        # A plan is kept; what was only for making it takes more memory than the rest.
        del self._registers, self._numbers, self._leaves, self._free, self._gathered, self._borrowed, self._padded

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

    # Which rows go together

    def _grouped(self, wanted: Iterable[int]) -> list[Register]:
        """Alike rows at one depth as one register, in the order of the first; the others by themselves."""
        steps, registers, depth = self.tape.steps, self._registers, [0] * len(self.tape.steps)
        computed: list[int] = []
        first_at = defaultdict[Any, dict[int, int]](dict)
        several: dict[int, list[int]] = {}
        for row in _reached(steps, wanted):
            function, args, detail, _ = step = steps[row]
            if not args:
                self._leaf(row)
                continue
            if function == "row":
                registers[row], self._numbers[row], depth[row] = registers[args[0]], detail, depth[args[0]]
                continue
            computed.append(row)
            depth[row] = 1 + max([depth[arg] for arg in args])
            if function in PACKED:
                columns, size = _operands(step)
                registers[row] = Register(step, size, row, columns)
            else:
                registers[row] = Register(step, 1, row)
                if (first := first_at[function].setdefault(depth[row], row)) != row:
                    several.setdefault(first, [first]).append(row)
        for first in sorted(several, key=depth.__getitem__):
            self._join(several[first])
        return [*dict.fromkeys([registers[row] for row in computed])]

    def _join(self, rows: list[int]) -> None:
        """One register for those that are alike: in their phase, and in the registers that the arguments are in."""
        steps, alike = self.tape.steps, defaultdict[Any, list[int]](list)
        for row in rows:
            _, args, _, phase = steps[row]
            alike[phase, *[arg in self.tape.numbers or id(self._registers[arg]) for arg in args]].append(row)
        for run in [run for group in alike.values() for part in self._parts(group) for run in self._runs(part)]:
            if len(run) > 1:
                columns = [*zip(*[steps[row].args for row in run], strict=True)]
                register = Register(steps[run[0]], len(run), max(run), columns)
                for i, row in enumerate(run):
                    self._registers[row], self._numbers[row] = register, i

    def _leaf(self, row: int) -> None:
        step = self.tape.steps[row]
        if step.function == "constant":
            self._registers[row] = Register(step)
            return
        i, column = step.detail if step.function == "input" else (-1, step.detail)
        if (register := self._leaves.get((step.function, i))) is None:
            register = self._leaves[step.function, i] = Register(step)
            if step.function == "count":
                register.slot = self._slot(("count",))
            elif step.function == "parameters":
                register.base = self._slot(("parameters",))
            elif column is not None:
                register.size = self.groups[i].size or 0
        self._registers[row], self._numbers[row] = register, column or 0

    def _parts(self, rows: list[int]) -> list[list[int]]:
        """Alike rows by the constants they take, if many take the same."""
        parts = defaultdict[Any, list[int]](list)
        for row in rows:
            parts[tuple([arg in self.tape.numbers and arg for arg in self.tape.steps[row].args])].append(row)
        return list(parts.values()) if len(parts) * 2 <= len(rows) else [rows]

    def _runs(self, rows: list[int]) -> list[list[int]]:
        """Alike rows in parts, so that the arguments of each part are consecutive or one; unless that is many parts."""
        steps = self.tape.steps
        if len(rows) == 1 or steps[rows[0]].phase != VARYING:
            return [rows]
        # Where varying rows are in their registers.
        offsets = {
            row: [self._numbers[arg] if steps[arg].phase == VARYING else 0 for arg in steps[row].args] for row in rows
        }
        rows.sort(key=offsets.__getitem__)
        runs = [[rows[0]]]
        for row in rows[1:]:
            steps_taken = [y - x for x, y in zip(offsets[runs[-1][-1]], offsets[row], strict=True)]
            if len(runs[-1]) == 1 and set(steps_taken) <= {0, 1} and any(steps_taken):
                delta = steps_taken
            elif len(runs[-1]) == 1 or steps_taken != delta:
                runs.append([])
            runs[-1].append(row)
        return [rows] if len(rows) >= LIST and len(runs) * 4 > len(rows) else runs

    def _place(self, row: int) -> tuple[Register, int]:
        """The register of a row, and its number there."""
        return self._registers[row], self._numbers[row]

    def _scheduled(self, registers: list[Register]) -> dict[Register, Sequence[Register]]:
        """In the order of recording, as far as the arguments of alike rows allow, with those; sets the last uses."""
        schedule: dict[Register, Sequence[Register]] = {}
        stack = sorted(registers, key=operator.attrgetter("order"), reverse=True)
        while stack:
            register = stack[-1]
            needs = self._needs(register)
            missing = [need for need in needs if need.last < 0]
            stack += missing
            if not missing and stack.pop().last < 0:
                for need in (register, *needs):
                    need.last = len(schedule)
                schedule[register] = needs
        return schedule

    def _needs(self, register: Register) -> Sequence[Register]:
        """The registers that the arguments are in: of one row, one for each."""
        if not register.columns:
            return [self._registers[arg] for arg in register.step.args]
        return [*dict.fromkeys([self._registers[row] for rows in register.columns for row in rows])]

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
        """Memory for the inputs."""
        for (function, i), register in self._leaves.items():
            if function == "input" and self.groups[i].size is None:
                register.slot = self.inputs[i] = self._slot(("row", self._allocated(1, alone=True)))
            elif function == "input":
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
            register.base = self._slot(("sums", self.sums, register.size))
            self.sums += register.size
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

    def _selected(self, rows: Sequence[int]) -> Selection | None:
        """The rows as a part of one register, if they are that."""
        if rows[0] in self.tape.numbers:
            return None
        register, first = self._place(rows[0])
        step = int(len(rows) == 1 or self._place(rows[1]) != (register, first))
        places = [(register, first + step * i) for i in range(len(rows))]
        return (register, first, step) if [self._place(row) for row in rows] == places else None

    def _before_one(self, rows: Sequence[int]) -> Register | None:
        """The register that these rows are, at each point, if they end in the number 1."""
        *rows, last = rows
        if self.tape.numbers.get(last) != 1.0 or (selection := self._selected(rows)) is None:
            return None
        register, first, step = selection
        whole = (register.size, first, step) == (len(rows), 0, 1) and register.step.phase == VARYING
        return register if whole else None

    def _operand(self, rows: Sequence[int], *, varying: bool) -> int:
        """The slot of the arguments of alike rows."""
        if all(row in self.tape.numbers for row in rows):
            numbers = tuple([str(self.tape.numbers[row]) for row in rows])
            if len(set(rows)) > 1:
                return self._slot(("constants", numbers, varying))
            slot = self._registers[rows[0]].slot = self._slot(("constant", numbers[0]))
            return slot
        selection = self._selected(rows)
        if selection is None:
            several = varying and any(self.tape.steps[row].phase == VARYING for row in rows)
            selection = (self._stacked(rows) if several else self._collected(rows)), 0, 1
        return self._view(selection, len(rows), column=varying)

    def _stack(self, rows: Sequence[int], *, transposed: bool = False) -> int:
        """The slot of rows as a matrix over the points, one row below the other in memory."""
        before_one = self._before_one(rows)
        selection = self._selected(rows) if before_one not in self._padded else (before_one, 0, 1)
        if selection is None or selection[0].start is None or selection[2] == 0:
            selection = self._stacked(rows), 0, 1
        start = selection[0].start + selection[1]  # type: ignore[operator]
        return self._slot(("transposed" if transposed else "rows", start, len(rows)))

    def _stacked(self, rows: Sequence[int]) -> Register:
        """A copy of rows, in the memory of the block."""
        register = Register(Step("stack", (), None, VARYING), len(rows))
        register.start = self._allocated(len(rows))
        self._borrowed.append(register)
        for first, part in self._consecutive(rows):
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
            parts = self._consecutive(rows)
            if len(parts) > LIST and len({self._registers[row] for row in rows if row not in self.tape.numbers}) == 1:
                indices = self._slot(("indices", tuple(self._place(row)[1] for row in rows)))
                code.append(("take", self._place(rows[0])[0].base, indices, register.base))
            else:
                for first, part in parts:
                    source = self._operand(part, varying=False)
                    code.append(("positive", source, self._view((register, first, 1), len(part))))
        return self._gathered[key]

    def _consecutive(self, rows: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Rows in parts that follow each other in one register, with the number of the first."""
        parts: list[tuple[int, list[int]]] = []
        before: tuple[Any, int] | None = None
        for i, row in enumerate(rows):
            place = (None, i) if row in self.tape.numbers else self._place(row)
            if before is None or place != (before[0], before[1] + 1):
                parts.append((i, []))
            parts[-1][1].append(row)
            before = place
        return parts

    def _uniform(self, rows: Sequence[int], code: list[Any]) -> int:
        """The slot of uniform rows in one array, ready when `code` has run."""
        selection = self._selected(rows)
        register, first, step = (self._collected(rows), 0, 1) if selection is None else selection
        if step == 0 or register.step.function == "count":
            register, first = self._collected(rows), 0
        return self._slot(("flat", register.base, first, len(rows)))

    def _matrix(self, rows: Sequence[int], shape: tuple[int, int], *, transposed: bool = False) -> int:
        """The slot of uniform rows as a matrix."""
        flat = self._uniform(rows, self.once)
        return self._slot(("matrix_transposed" if transposed else "matrix", flat, *shape))

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
        weights, xs = register.columns
        matrix = self._matrix(weights, register.step.detail, transposed=register.step.function == "matmul_transposed")
        block = self._stack(xs)
        self._home(register)
        return [("matmul", matrix, block, self._slot(("rows", register.start, register.size)))]

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
        if not varying or len(self._consecutive(rows)) * 4 <= len(rows):
            return [(register.step.function, self._list(rows, varying=varying), self._home(register))]
        slots = [self._operand([row], varying=True) for row in rows]
        home, (function, _) = self._home(register), str(register.step.function).split(".")
        starts = (slots[0], *[home] * (len(slots) - 2))
        return [(function, x, y, home) for x, y in zip(starts, slots[1:], strict=True)]

    _add_reduce = _maximum_reduce = _minimum_reduce = _reduce

    # Results

    def _bound(self, results: Sequence[int | Sequence[int]]) -> dict[int, int]:
        """The results that an instruction can write where the caller wants them."""
        bound = {}
        for i, row in enumerate(results):
            if isinstance(row, int):
                register = self._registers[row]
                alone = register.step.phase == VARYING and register.size == 1 and register.slot is None
                if alone and register.step.args and register.step.function not in ("matmul", "matmul_transposed"):
                    bound[i] = register.slot = self._slot(("row", self._allocated(1, alone=True)))
        return bound

    def _result(self, rows: int | Sequence[int]) -> int:
        if not isinstance(rows, int):
            return self._stack(rows)
        slot = self._slot(("row", self._allocated(1, alone=True)))
        self.each.append(("positive", self._operand([rows], varying=True), slot))
        return slot


def _operands(step: Step) -> tuple[list[tuple[int, ...]], int]:
    """The lists that a function of lists takes, and how many rows it gives."""
    args, (k, m) = step.args, step.detail or (1, 0)
    if step.function == "matmul":
        return [args[: k * m], args[k * m :]], k
    if step.function == "matmul_transposed":
        return [args[: k * m], args[k * m :]], m
    if step.function == "outer":
        return [args[:k], args[k:]], k * m
    if step.function == "inner":
        return [args[: len(args) // 2], args[len(args) // 2 :]], 1
    return [args], 1


def _reached(steps: Sequence[Step], wanted: Iterable[int]) -> list[int]:
    """The rows that the wanted ones depend on, in order."""
    reached = bytearray(len(steps))
    for row in wanted:
        reached[row] = 1
    for row in range(len(steps) - 1, -1, -1):
        if reached[row]:
            for arg in steps[row].args:
                reached[arg] = 1
    return [row for row, is_reached in enumerate(reached) if is_reached]


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
