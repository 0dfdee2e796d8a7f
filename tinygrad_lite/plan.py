"""`Plan`: rows of a tape joined into instructions on many rows, in an order and at places in memory."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from .kernels import Group, kernels
from .op import Op
from .tape import LIST, PACKED, REDUCED, UNIFORM, VARYING, Step, Tape

WIDE = 1024
"""The width of a block that makes up for calling its instructions."""
CACHE, BOUND = 2**16, 2**21
"""How many numbers a block should have, and may have to be that wide."""


class Register:
    """Rows that one instruction computes, and where they are kept."""

    __slots__ = ("detail", "function", "last", "needs", "operands", "order", "phase", "size", "slot", "start", "summed")

    def __init__(self, step: Step, operands: Sequence[Sequence[int]] = (), size: int = 1, order: int = -1) -> None:
        self.function, self.phase, self.detail = step.function, step.phase, step.detail
        self.operands, self.size, self.order = operands, size, order
        self.summed = step.function == "lane_sum" or step.function == "outer"
        # The first row in a block's memory, or else the slot of what holds the rows.
        self.start: int | None = None
        self.slot: int | None = None
        self.needs: list[Register] = []
        self.last = -1  # the place in the schedule of the last use


Selection = tuple[Register, int, int]
"""Rows of a register: the first, and 1 if the others follow or 0 if all are that one."""


class Plan:
    """Instructions that compute rows of a tape: `results` at each point, a list of rows together, `totals` once."""

    def __init__(
        self, tape: Tape, groups: Sequence[Group], results: Sequence[int | Sequence[int]], totals: Sequence[int] = ()
    ) -> None:
        self.tape, self.groups = tape, groups
        self.slots: dict[tuple[Any, ...], int] = {}
        """Where arrays are, described: what a block's memory is made from."""
        self.once: list[tuple[str | Op, tuple[int, ...]]] = []
        self.each: list[tuple[str | Op, tuple[int, ...]]] = []
        self.end: list[tuple[str | Op, tuple[int, ...]]] = []
        """Functions and the slots of their arguments and result: once a call, for each block, after all blocks."""
        self.height = self.sums = 0
        self.inputs: dict[int, int] = {}
        self._places: dict[int, tuple[Register, int]] = {}
        self._leaves: dict[Any, Register] = {}
        self._free: dict[int, list[int]] = defaultdict(list)
        self._gathered: dict[tuple[int, ...], Register] = {}
        self._borrowed: list[Register] = []
        wanted = [row for rows in results for row in ([rows] if isinstance(rows, int) else rows)]
        schedule = self._scheduled(self._grouped([*wanted, *totals]))
        for row in wanted:
            if tape.number(row) is None:
                self._place(row)[0].last = len(schedule)
        bound = self._bound(results)
        for i, register in enumerate(schedule):
            self._emit(register, i)
        self.results = [bound[i] if i in bound else self._result(rows) for i, rows in enumerate(results)]
        self.totals = self._uniform(totals, self.end) if totals else None
        height = max(1, self.height)
        self.width = max(16, min(2**14, CACHE // height), min(WIDE, BOUND // height))
        find = kernels().find
        self.ready = [
            [(find(function), operator.itemgetter(*slots)) for function, slots in code]
            for code in (self.once, self.each, self.end)
        ]

    def listing(self) -> list[str]:
        """The instructions as text."""
        names = [self._named(*description) for description in self.slots]
        lines = []
        for title, code in (("once:", self.once), ("at each point:", self.each), ("from sums:", self.end)):
            lines += [title] if code else []
            for function, (*args, out) in code:
                lines.append(f"  {names[out]} = {function}({', '.join(names[arg] for arg in args)})")
        return lines

    def _named(self, kind: str, first: Any = None, second: Any = None, third: Any = None) -> str:
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
        base = self._named(*list(self.slots)[first])
        if kind in ("matrix", "matrix_transposed"):
            return f"{base}({second}×{third})" + ".T" * (kind == "matrix_transposed")
        return f"{base}[{second}]" if kind == "scalar" else f"{base}[{second}:{second + third}]"

    # Which rows go together

    def _grouped(self, wanted: Iterable[int]) -> list[Register]:
        """Alike rows at one depth as one register."""
        steps, depth, at_depth = self.tape.steps, dict[int, int](), defaultdict[int, list[int]](list)
        for row in _reached(steps, wanted):
            function, args, _, _ = steps[row]
            if function == "row":
                depth[row] = depth[args[0]]
            elif args:
                depth[row] = 1 + max([depth[arg] for arg in args])
                at_depth[depth[row]].append(row)
            else:
                depth[row] = 0
                self._leaf(row)
        registers: list[Register] = []
        for _, rows in sorted(at_depth.items()):
            alike = defaultdict[Any, list[int]](list)
            for row in rows:
                alike[self._kind(row)].append(row)
            for group in alike.values():
                registers += [self._register(run) for part in self._parts(group) for run in self._runs(part)]
        return registers

    def _leaf(self, row: int) -> None:
        step = self.tape.steps[row]
        if step.function == "constant":
            return
        i, column = step.detail if step.function == "input" else (-1, step.detail)
        if (register := self._leaves.get((step.function, i))) is None:
            register = self._leaves[step.function, i] = Register(step)
            if step.function != "input":
                register.slot = self._slot((step.function,))
            elif column is None:
                register.slot = self.inputs[i] = self._slot(("row", self._allocated(1, alone=True)))
            else:
                register.size = self.groups[i].size or 0
                register.start = self._allocated(register.size)
                self.inputs[i] = self._slot(("rows", register.start, register.size))
        self._places[row] = register, column or 0

    def _kind(self, row: int) -> Any:
        """What alike rows have in common: the function, and the registers that the arguments are in."""
        function, args, _, phase = self.tape.steps[row]
        if function in PACKED:
            return row
        steps = self.tape.steps
        return function, phase, *[steps[arg].function == "constant" or id(self._place(arg)[0]) for arg in args]

    def _parts(self, rows: list[int]) -> list[list[int]]:
        """Alike rows by the constants they take, if many take the same."""
        if len(rows) == 1:
            return [rows]
        parts = defaultdict[Any, list[int]](list)
        for row in rows:
            parts[tuple(str(self.tape.number(arg)) for arg in self.tape.steps[row].args)].append(row)
        return list(parts.values()) if len(parts) * 2 <= len(rows) else [rows]

    def _runs(self, rows: list[int]) -> list[list[int]]:
        """Alike rows in parts, so that the arguments of each part are consecutive or one; unless that is many parts."""
        steps = self.tape.steps
        if len(rows) == 1 or steps[rows[0]].phase != VARYING:
            return [rows]
        offsets = {row: [self._offset(arg) for arg in steps[row].args] for row in rows}
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

    def _offset(self, row: int) -> int:
        """Where a varying row is in its register."""
        return self._place(row)[1] if self.tape.steps[row].phase == VARYING else 0

    def _register(self, rows: list[int]) -> Register:
        step = self.tape.steps[rows[0]]
        if step.function in PACKED:
            register = Register(step, *_operands(step), rows[0])
        elif len(rows) == 1:
            register = Register(step, [(arg,) for arg in step.args], 1, rows[0])
        else:
            columns = zip(*(self.tape.steps[row].args for row in rows), strict=True)
            register = Register(step, [list(column) for column in columns], len(rows), max(rows))
        for i, row in enumerate(rows):
            self._places[row] = register, i
        return register

    def _place(self, row: int) -> tuple[Register, int]:
        """The register of a row, and its number there."""
        if (place := self._places.get(row)) is None:  # one of the rows of a matrix product
            _, (product,), i, _ = self.tape.steps[row]
            place = self._places[row] = self._places[product][0], i
        return place

    def _scheduled(self, registers: list[Register]) -> list[Register]:
        """In the order of recording, as far as the arguments of alike rows allow; sets the last uses."""
        steps = self.tape.steps
        for register in registers:
            rows = [row for operand in register.operands for row in operand if steps[row].function != "constant"]
            register.needs = list({self._place(row)[0]: None for row in rows})
        schedule: dict[Register, int] = {}
        stack = sorted(registers, key=lambda register: -register.order)
        while stack:
            register = stack[-1]
            missing = [need for need in register.needs if need not in schedule and need.operands]
            stack += missing
            if not missing and stack.pop() not in schedule:
                schedule[register] = len(schedule)
                for need in register.needs:
                    need.last = schedule[register]
        return list(schedule)

    # Where they are kept

    def _slot(self, description: tuple[Any, ...]) -> int:
        return self.slots.setdefault(description, len(self.slots))

    def _allocated(self, size: int, *, alone: bool = False) -> int:
        """The first of `size` rows; `alone` if nothing else may ever be kept there."""
        if self._free[size] and not alone:
            return self._free[size].pop()
        self.height += size
        return self.height - size

    def _release(self, registers: Iterable[Register], now: int) -> None:
        for register in registers:
            if register.last == now and register.start is not None:
                register.last = -1
                if register.operands:
                    self._free[register.size].append(register.start)

    def _home(self, register: Register) -> int:
        """Memory for a register: the slot of all its rows."""
        if register.phase == VARYING:
            if register.slot is None:
                register.start = self._allocated(register.size)
            return self._view((register, 0, 1), register.size)
        if register.summed:
            register.slot = self._slot(("sums", self.sums, register.size))
            self.sums += register.size
        else:
            register.slot = self._slot(("own", len(self.slots), register.size))
        return self._view((register, 0, 1), register.size)

    def _view(self, selection: Selection, count: int, *, column: bool = False) -> int:
        """The slot of rows of a register; `column` is for uniform ones beside varying ones."""
        register, first, step = selection
        if register.start is not None:
            start = register.start + first
            return self._slot(("row", start) if count == 1 or step == 0 else ("rows", start, count))
        if register.phase == VARYING or register.function == "count":
            return register.slot  # type: ignore[return-value]  # set where it has no start
        if count == 1 or step == 0:
            return self._slot(("scalar", register.slot, first))
        return self._slot(("column" if column else "flat", register.slot, first, count))

    def _selected(self, rows: Sequence[int]) -> Selection | None:
        """The rows as a part of one register, if they are that."""
        if any(self.tape.number(row) is not None for row in rows):
            return None
        register, first = self._place(rows[0])
        step = int(len(rows) == 1 or self._place(rows[1]) != (register, first))
        places = [(register, first + step * i) for i in range(len(rows))]
        return (register, first, step) if [self._place(row) for row in rows] == places else None

    def _operand(self, rows: Sequence[int], *, varying: bool) -> int:
        """The slot of the arguments of alike rows."""
        if len(rows) == 1 and self.tape.steps[rows[0]].function != "constant":
            return self._view((*self._place(rows[0]), 1), 1)
        numbers = [self.tape.number(row) for row in rows]
        if None not in numbers:
            if len(set(map(str, numbers))) == 1:
                return self._slot(("constant", str(numbers[0])))
            return self._slot(("constants", tuple(map(str, numbers)), varying))
        selection = self._selected(rows)
        if selection is None:
            several = varying and any(self.tape.steps[row].phase == VARYING for row in rows)
            selection = (self._stacked(rows) if several else self._collected(rows)), 0, 1
        return self._view(selection, len(rows), column=varying)

    def _stack(self, rows: Sequence[int], *, transposed: bool = False) -> int:
        """The slot of rows as a matrix over the points, one row below the other in memory."""
        selection = self._selected(rows)
        if selection is None or selection[0].start is None or selection[2] == 0:
            selection = self._stacked(rows), 0, 1
        start = selection[0].start + selection[1]  # type: ignore[operator]
        return self._slot(("transposed" if transposed else "rows", start, len(rows)))

    def _stacked(self, rows: Sequence[int]) -> Register:
        """A copy of rows, in the memory of the block."""
        register = Register(Step("stack", (), None, VARYING), [rows], len(rows))
        register.start = self._allocated(len(rows))
        self._borrowed.append(register)
        for first, part in self._consecutive(rows):
            source = self._operand(part, varying=True)
            self.each.append(("positive", (source, self._view((register, first, 1), len(part)))))
        return register

    def _collected(self, rows: Sequence[int]) -> Register:
        """A copy of uniform rows."""
        key = tuple(rows)
        if key not in self._gathered:
            register = self._gathered[key] = Register(Step("stack", (), None, UNIFORM), [rows], len(rows))
            register.slot = self._slot(("own", len(self.slots), len(rows)))
            code = self.end if any(self.tape.steps[row].phase == REDUCED for row in rows) else self.once
            parts = self._consecutive(rows)
            if len(parts) > LIST and len({self._place(row)[0] for row in rows if self.tape.number(row) is None}) == 1:
                indices = self._slot(("indices", tuple(self._place(row)[1] for row in rows)))
                code.append(("take", (self._place(rows[0])[0].slot, indices, register.slot)))  # type: ignore[arg-type]
            else:
                for first, part in parts:
                    source = self._operand(part, varying=False)
                    code.append(("positive", (source, self._view((register, first, 1), len(part)))))
        return self._gathered[key]

    def _consecutive(self, rows: Sequence[int]) -> list[tuple[int, list[int]]]:
        """Rows in parts that follow each other in one register, with the number of the first."""
        parts: list[tuple[int, list[int]]] = []
        before: tuple[Any, int] | None = None
        for i, row in enumerate(rows):
            place = (None, i) if self.tape.number(row) is not None else self._place(row)
            if before is None or place != (before[0], before[1] + 1):
                parts.append((i, []))
            parts[-1][1].append(row)
            before = place
        return parts

    def _uniform(self, rows: Sequence[int], code: list[Any]) -> int:
        """The slot of uniform rows in one array, ready when `code` has run."""
        selection = self._selected(rows)
        register, first, step = (self._collected(rows), 0, 1) if selection is None else selection
        if step == 0 or register.function == "count":
            register, first = self._collected(rows), 0
        return self._slot(("flat", register.slot, first, len(rows)))

    def _matrix(self, rows: Sequence[int], shape: tuple[int, int], *, transposed: bool = False) -> int:
        """The slot of uniform rows as a matrix."""
        flat = self._uniform(rows, self.once)
        return self._slot(("matrix_transposed" if transposed else "matrix", flat, *shape))

    # Instructions

    def _emit(self, register: Register, now: int) -> None:
        code = self.each if register.phase == VARYING or register.summed else self.once
        if code is self.once and register.phase == REDUCED:
            code = self.end
        function = register.function
        if function in PACKED:
            code += getattr(self, f"_{str(function).replace('.', '_')}")(register)
        else:
            slots = [self._operand(rows, varying=code is self.each) for rows in register.operands]
            if isinstance(function, str) and function not in ("where", "lane_sum"):
                # NumPy works in place, so the result may take the memory of an argument.
                self._release([need for need in register.needs if need.size == register.size], now)
            code.append((function, (*slots, self._home(register))))
        self._release(register.needs, now)
        for borrowed in self._borrowed:
            self._free[borrowed.size].append(borrowed.start)  # type: ignore[arg-type]  # they are in a block's memory
        self._borrowed = []

    def _matmul(self, register: Register) -> list[Any]:
        weights, xs = register.operands
        matrix = self._matrix(weights, register.detail, transposed=register.function == "matmul_transposed")
        block = self._stack(xs)
        self._home(register)
        return [("matmul", (matrix, block, self._slot(("rows", register.start, register.size))))]

    _matmul_transposed = _matmul

    def _outer(self, register: Register) -> list[Any]:
        above, xs = register.operands
        slots = self._stack(above), self._stack(xs, transposed=True)
        self._home(register)
        return [("matmul", (*slots, self._slot(("matrix", register.slot, *register.detail))))]

    def _inner(self, register: Register) -> list[Any]:
        slots = [self._list(rows, varying=register.phase == VARYING) for rows in register.operands]
        return [("inner", (*slots, self._home(register)))]

    def _list(self, rows: Sequence[int], *, varying: bool) -> int:
        if varying and any(self.tape.steps[row].phase == VARYING for row in rows):
            return self._stack(rows)
        flat = self._uniform(rows, self.end)
        return self._slot(("column", flat, 0, len(rows))) if varying else flat

    def _reduce(self, register: Register) -> list[Any]:
        """One instruction if the rows lie together, else one after the other."""
        (rows,) = register.operands
        varying = register.phase == VARYING
        if not varying or len(self._consecutive(rows)) * 4 <= len(rows):
            return [(register.function, (self._list(rows, varying=varying), self._home(register)))]
        slots = [self._operand([row], varying=True) for row in rows]
        home, (function, _) = self._home(register), str(register.function).split(".")
        starts = (slots[0], *[home] * (len(slots) - 2))
        return [(function, (x, y, home)) for x, y in zip(starts, slots[1:], strict=True)]

    _add_reduce = _maximum_reduce = _minimum_reduce = _reduce

    # Results

    def _bound(self, results: Sequence[int | Sequence[int]]) -> dict[int, int]:
        """The results that an instruction can write where the caller wants them."""
        bound = {}
        for i, row in enumerate(results):
            if isinstance(row, int) and self.tape.number(row) is None:
                register, _ = self._place(row)
                alone = register.phase == VARYING and register.size == 1 and register.slot is None
                if alone and register.operands and register.function not in ("matmul", "matmul_transposed"):
                    bound[i] = register.slot = self._slot(("row", self._allocated(1, alone=True)))
        return bound

    def _result(self, rows: int | Sequence[int]) -> int:
        if not isinstance(rows, int):
            return self._stack(rows)
        slot = self._slot(("row", self._allocated(1, alone=True)))
        self.each.append(("positive", (self._operand([rows], varying=True), slot)))
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
