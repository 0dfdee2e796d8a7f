"""What `vectorize` records on: an operand whose number cannot be read, only computed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from ..op import Op, Operand, constant
from ..support.checks import number
from ..value import Value, constant_of, node_of, topological_order

Line = tuple[Any, ...]
"""An operation and the lines of its operands; constant and its digits; of a leaf None and its place
among the arguments, or its `id`."""


class Recording:
    """One run of a function at one point: what it computed, line by line, and what it asked.

    Equal lines are one, and runs with the same lines compute the same.
    """

    def __init__(self, arguments: Sequence[Value]) -> None:
        self.lines: dict[Line, int] = {}
        self.numbers: list[float] = []
        """What each line gives at the point."""
        self.values: dict[int, Value] = {}
        """The arguments, and what else the function found that was no number: by their lines."""
        self.known: dict[Value, int] = {}
        """The lines of Values that the function found elsewhere."""
        self.asked: list[tuple[int, bool | None]] = []
        """The lines that it asked about and what it was told; None where an operation raised."""
        self.over = False
        for i, argument in enumerate(arguments):
            self.values[self.add((None, i), argument.data)] = argument

    def add(self, line: Line, x: float) -> int:
        """The place of a line, new or there already."""
        place = self.lines.setdefault(line, len(self.numbers))
        if place == len(self.numbers):
            self.numbers.append(x)
        return place

    def place(self, operand: Any) -> int:
        """The line of an operand: what was computed in this run, a Value or a number."""
        if type(operand) is Traced:
            if operand._recording is not self or self.over:
                kept = "a number that another run of a function kept"
                advice = "give it as an argument"
                raise TypeError(f"vectorize: {kept} would be frozen for all points; {advice}")
            return operand._line
        if isinstance(operand, Value):
            return self.place_of_value(operand)
        x = number(operand)
        return self.add((constant, x.hex()), x)

    def place_of_value(self, value: Value) -> int:
        """The line of a Value that the function found elsewhere."""
        for node in [] if value in self.known else topological_order(value):
            if node.op is constant:
                self.known[node] = self.place(node.data)
                continue
            operands = [self.known[arg] for arg in node.args] if node.op else [id(node)]
            self.known[node] = place = self.add((node.op, *operands), node.data)
            self.values[place] = node
        return self.known[value]

    def compute(self, line: Line) -> int:
        """The place of a new line, an operation at the lines of its operands."""
        op, *places = line
        try:
            x = number(op.scalar(*[self.numbers[i] for i in places]))
        except (ArithmeticError, ValueError) as error:
            self.asked.append((places[0], None))
            operands = [self.values.get(i, self.numbers[i]) for i in places]
            raise op.complaint(error, operands) from None
        self.lines[line] = place = len(self.numbers)
        self.numbers.append(x)
        return place

    def graph(self) -> list[Value]:
        """All lines as Values."""
        made: list[Value] = []
        for (op, *places), x in zip(self.lines, self.numbers, strict=True):
            node = self.values.get(len(made))
            if node is None and op is constant:
                node = constant_of(x)
            elif node is None:
                args = [made[i] for i in places]
                node = node_of(x, op, args, [arg.data for arg in args])
            made.append(node)
        return made


class Traced(Operand):
    """A number on one path through a function.

    Its truth is kept as what parts the path from others. What would freeze its number into the path
    (text, a hash, `.data`, a float) raises TypeError and says what to write.
    """

    __slots__ = ("_line", "_recording")
    rank: ClassVar[int] = 1
    no_float: ClassVar[str] = (
        "vectorize: the number of an argument would be frozen for all points; "
        "keep it as it is: tl.exp(x), not math.exp(x); tl.where to choose"
    )

    def __init__(self, line: int, recording: Recording) -> None:
        self._line = line
        self._recording = recording

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Traced:
        """Record `op` on the path."""
        first = args[0]
        if type(first) is not Traced:
            first = next(arg for arg in args if type(arg) is Traced)
        recording = first._recording
        line = (op, *[recording.place(arg) for arg in args])
        place = recording.lines.get(line)
        return cls(recording.compute(line) if place is None else place, recording)

    def __bool__(self) -> bool:
        line = self._recording.place(self)
        truth = bool(self._recording.numbers[line])
        self._recording.asked.append((line, truth))
        return truth

    def named(self, label: str) -> Traced:
        """The same: on a path names are for nobody."""
        return self

    def detach(self) -> Traced:
        """The same number, of which no derivative flows back."""
        from ..ops import stop_gradient

        return stop_gradient(self)  # type: ignore[no-any-return]

    def __copy__(self) -> Traced:
        return self

    def __deepcopy__(self, memo: Any) -> Traced:
        return self

    def _frozen(self, what: str, advice: str) -> NoReturn:
        raise TypeError(f"vectorize: {what} would be frozen for all points; {advice}")

    def __hash__(self) -> int:
        self._frozen("what a set or a dict finds for it", "compare, x == 1.0")

    def __repr__(self) -> str:
        self._frozen("its text", "print outside of the function")

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._frozen("its pickle", "pickle outside of the function")


def _unreadable(name: str) -> property:
    def read(self: Traced) -> NoReturn:
        self._frozen(f".{name}", "compute with the argument itself, or call tl.jvp")

    return property(read)


for _name in ("args", "backward", "data", "grad", "item", "numbers", "op", "partials", "terms"):
    setattr(Traced, _name, _unreadable(_name))
