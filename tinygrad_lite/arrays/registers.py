"""`Registers`: alike rows of a tape joined, so that one instruction computes them, and the order of the registers."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .kernels import Group
from .tape import LIST, PACKED, VARYING, Step, Tape


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


class Registers:
    """Where the rows are that the wanted ones depend on: row r is number `numbers[r]` of the register `of[r]`."""

    def __init__(self, tape: Tape, groups: Sequence[Group], wanted: Iterable[int]) -> None:
        self.tape, self.groups = tape, groups
        self.of: list[Register] = [None] * len(tape.steps)  # type: ignore[list-item]  # if they are reached
        self.numbers = [0] * len(tape.steps)
        self.leaves: dict[Any, Register] = {}
        self.schedule = self._scheduled(self._grouped(wanted))
        """In the order of computation, each with those that it needs: for one row, one for each argument."""

    def place(self, row: int) -> tuple[Register, int]:
        """The register of a row, and its number there."""
        return self.of[row], self.numbers[row]

    def selected(self, rows: Sequence[int]) -> Selection | None:
        """The rows as a part of one register, if they are that."""
        if rows[0] in self.tape.numbers:
            return None
        register, first = self.place(rows[0])
        step = int(len(rows) == 1 or self.place(rows[1]) != (register, first))
        places = [(register, first + step * i) for i in range(len(rows))]
        return (register, first, step) if [self.place(row) for row in rows] == places else None

    def before_one(self, rows: Sequence[int]) -> Register | None:
        """The register that these rows are, at each point, if they end in the number 1."""
        *rows, last = rows
        if not rows or self.tape.numbers.get(last) != 1.0 or (selection := self.selected(rows)) is None:
            return None
        register, first, step = selection
        whole = (register.size, first, step) == (len(rows), 0, 1) and register.step.phase == VARYING
        return register if whole else None

    def consecutive(self, rows: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Rows in parts that follow each other in one register, with the number of the first."""
        parts: list[tuple[int, list[int]]] = []
        before: tuple[Any, int] | None = None
        for i, row in enumerate(rows):
            place = (None, i) if row in self.tape.numbers else self.place(row)
            if before is None or place != (before[0], before[1] + 1):
                parts.append((i, []))
            parts[-1][1].append(row)
            before = place
        return parts

    # Which rows go together, and in which order

    def _grouped(self, wanted: Iterable[int]) -> list[Register]:
        """Alike rows at one depth as one register, in the order of the first; the others by themselves."""
        steps, registers, depth = self.tape.steps, self.of, [0] * len(self.tape.steps)
        computed: list[int] = []
        first_at = defaultdict[Any, dict[int, int]](dict)
        several: dict[int, list[int]] = {}
        for row in _reached(steps, wanted):
            function, args, detail, _ = step = steps[row]
            if not args:
                self._leaf(row)
                continue
            if function == "row":
                registers[row], self.numbers[row], depth[row] = registers[args[0]], detail, depth[args[0]]
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
            alike[phase, *[arg in self.tape.numbers or id(self.of[arg]) for arg in args]].append(row)
        for run in [run for group in alike.values() for part in self._parts(group) for run in self._runs(part)]:
            if len(run) > 1:
                columns = [*zip(*[steps[row].args for row in run], strict=True)]
                register = Register(steps[run[0]], len(run), max(run), columns)
                for i, row in enumerate(run):
                    self.of[row], self.numbers[row] = register, i

    def _leaf(self, row: int) -> None:
        step = self.tape.steps[row]
        if step.function == "constant":
            self.of[row] = Register(step)
            return
        i, column = step.detail if step.function == "input" else (-1, step.detail)
        if (register := self.leaves.get((step.function, i))) is None:
            register = self.leaves[step.function, i] = Register(step)
            if column is not None and step.function == "input":
                register.size = self.groups[i].size or 0
        self.of[row], self.numbers[row] = register, column or 0

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
            row: [self.numbers[arg] if steps[arg].phase == VARYING else 0 for arg in steps[row].args] for row in rows
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
            return [self.of[arg] for arg in register.step.args]
        return [*dict.fromkeys([self.of[row] for rows in register.columns for row in rows])]


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
