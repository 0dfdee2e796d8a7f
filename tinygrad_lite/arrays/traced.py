"""What `vectorize` records on: an operand whose number cannot be read, only computed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

from ..op import Op, Operand
from ..value import Value


class Recording:
    """One run of a function at one point."""

    def __init__(self) -> None:
        self.asked: list[tuple[Value, bool | None]] = []
        """What it asked about and was told, in order; None where an operation raised."""
        self.over = False

    def check(self, numbers: Sequence[Traced]) -> None:
        """Raise TypeError for a number of another run, or of one that is over."""
        if self.over or any(each._recording is not self for each in numbers):
            kept = "a number that another run of a function kept"
            advice = "give it as an argument"
            raise TypeError(f"vectorize: {kept} would be frozen for all points; {advice}")


class Traced(Operand):
    """A number on one path through a function.

    Its truth is kept as what parts the path from others. What would freeze its number into the path
    (text, a hash, `.data`, a float) raises TypeError and says what to write.
    """

    __slots__ = ("_node", "_recording")
    rank: ClassVar[int] = 1
    no_float: ClassVar[str] = (
        "vectorize: the number of an argument would be frozen for all points; "
        "keep it as it is: tl.exp(x), not math.exp(x); tl.where to choose"
    )

    def __init__(self, node: Value, recording: Recording) -> None:
        self._node = node
        self._recording = recording

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Traced:
        """Record `op` on the path."""
        numbers = [arg for arg in args if isinstance(arg, Traced)]
        recording = numbers[0]._recording
        recording.check(numbers)
        nodes = [arg._node if isinstance(arg, Traced) else arg for arg in args]
        try:
            return cls(Value.apply(op, nodes), recording)
        except (ArithmeticError, ValueError):
            recording.asked.append((numbers[0]._node, None))
            raise

    def __bool__(self) -> bool:
        self._recording.check([])
        truth = bool(self._node._data)
        self._recording.asked.append((self._node, truth))
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
