"""What is let in: numbers, whole numbers, arguments, declarations; and what is said of the rest."""

from __future__ import annotations

import itertools
import math
import numbers
import operator
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import CodeType


def number(x: Any) -> float:
    """`x` as a float, if it is one real number: int, bool, Fraction, Decimal, of NumPy, 0-d.

    Raises TypeError for anything else (a str, None, a list, a complex, another Value) and
    OverflowError for an int above 1.8e308.
    """
    if type(x) is float:
        return x
    if isinstance(x, (int, numbers.Real)) or _is_decimal(x):  # int first: it is found at once
        try:
            return float(x)
        except OverflowError:
            raise OverflowError("a Value holds a float, got an integer above 1.8e308") from None
    shape = getattr(x, "shape", None)
    if shape == () and not isinstance(x, numbers.Complex):
        return number(x.item())
    if shape:
        advice = "to evaluate a graph over arrays, compile it"
        raise TypeError(f"a Value holds one number, got an array of shape {shape}; {advice}")
    raise TypeError(f"a Value holds one number, got {type(x).__name__}")


def _is_decimal(x: Any) -> bool:
    """Decimal alone is registered as a Number that is neither Real nor Complex."""
    return isinstance(x, numbers.Number) and not isinstance(x, numbers.Complex)


def checked_label(label: Any) -> str | None:
    """`label`, if it is a text or None."""
    if not (label is None or isinstance(label, str)):
        raise TypeError(f"a label is a str, got {type(label).__name__}")
    return label


def listed(values: Any) -> list[Any]:
    """What a sequence, or an array of any number of axes, holds; or the one that it is."""
    if not hasattr(values, "__iter__"):
        return [values]
    return list(getattr(values, "flat", values))


class Elsewhere:
    """What is often looked for under another name: its AttributeError says where it is."""

    def __init__(self, advice: str) -> None:
        self.advice = advice

    def __get__(self, node: Any, owner: Any) -> Any:
        raise AttributeError(f"a Value has no such attribute: {self.advice}")


def check_whole(name: str, what: str, x: Any, least: int = 1) -> int:
    """`x` as an int, if it is a whole number of at least `least`; True and 1.0 are none.

    >>> check_whole("fit", "epochs", 0)
    Traceback (most recent call last):
    ...
    ValueError: fit: expected epochs to be a whole number >= 1, got 0

    Raises TypeError for what is no whole number, ValueError for one that is too small.
    """
    if not isinstance(x, bool) and hasattr(x, "__index__"):
        whole = operator.index(x)
        if whole >= least:
            return whole
        error: type[Exception] = ValueError
    else:
        error = TypeError
    raise error(f"{name}: expected {what} to be a whole number >= {least}, got {x!r}")


def check_number(
    name: str, what: str, x: Any, fits: Callable[[float], bool] = lambda x: True
) -> float:
    """`x` as a float, if it is a number that fits: then it is `what` was expected.

    >>> check_number("SGD", "a learning rate > 0", -1, lambda x: x > 0)
    Traceback (most recent call last):
    ...
    ValueError: SGD: expected a learning rate > 0, got -1

    Raises TypeError for what is no number, ValueError for one that does not fit.
    """
    message = f"{name}: expected {what}, got {x!r}"
    try:
        found = number(x)
    except TypeError:
        raise TypeError(message) from None
    if not fits(found):
        raise ValueError(message)
    return found


def number_for(name: str, arity: int | None, lists: int, x: Any) -> float:
    """`number`, which for what is none says how the operation of that name is called."""
    try:
        return number(x)
    except TypeError:
        pass
    kind = type(x).__name__
    if not hasattr(x, "__iter__") or isinstance(x, str | bytes) or hasattr(x, "shape"):
        raise TypeError(f"{name}: expected numbers or Values, got {kind}")
    call = _CALLS_OF_LISTS.get(lists, "{}(*xs)").format(name)
    if arity is not None:
        letters = "xyzuvw"[:arity]
        one, several = ", ".join(letters), ", ".join(f"{letter}s" for letter in letters)
        call = f"[{name}({one}) for {one} in {several if arity == 1 else f'zip({several})'}]"
    raise TypeError(f"{name}: expected numbers or Values, got a {kind}; write {call}")


_CALLS_OF_LISTS = {
    1: "[{}(xs) for xs in rows]",
    2: "[{}(xs, ys) for xs, ys in zip(rows, others)]",
}
_SEQUENCES = {1: ("one sequence", "[x, y]"), 2: ("two sequences", "[v, w], [x, y]")}


def in_a_row(name: str, arity: int | None, lists: int, args: Sequence[Any]) -> Sequence[Any]:
    """The operands of a call, in a row: of `dot([w1, w2], [x1, x2])` w1, w2, x1, x2."""
    if not lists:
        if len(args) != arity and (arity is not None or not args):
            raise TypeError(f"{name}: expected {arity or 'at least 1'} arguments, got {len(args)}")
        return args
    if len(args) != lists or not all(hasattr(arg, "__iter__") for arg in args):
        sequences, call = _SEQUENCES[lists]
        got = f"{len(args)} arguments" if len(args) != 1 else type(args[0]).__name__
        raise TypeError(f"{name}: expected {sequences}, got {got}; write {name}({call})")
    found = [tuple(arg) for arg in args]
    if len(set(map(len, found))) > 1:
        lengths = " and ".join(str(len(each)) for each in found)
        raise ValueError(f"{name}: expected sequences of one length, got {lengths}")
    return tuple(itertools.chain(*found))


def complaint(error: Exception, name: str, args: Sequence[Any], domain: str | None) -> Exception:
    """What to raise instead of `error`: of its type, naming operation, arguments and labels."""
    numbers = [arg if isinstance(arg, float) else arg.data for arg in args]
    labels = [label for arg in args if (label := getattr(arg, "label", None))]
    reason = str(error)
    if isinstance(error, ZeroDivisionError):
        reason = "division by zero"
    elif isinstance(error, OverflowError):
        reason = "the result is too large for a float"
    elif domain:
        reason = f"expected {domain}"
    where = f" (node {', '.join(repr(label[:60]) for label in labels)})" if labels else ""
    return type(error)(f"{name}({', '.join(map(repr, numbers))}): {reason}{where}")


def given(result: Any) -> Any:
    """What a rule gave, unless that is None: a return is missing, which is no derivative of 0."""
    if result is None:
        raise TypeError("a rule gave None; let it return a number, or declare None in its place")
    return result


def given_for_each(results: Any, count: int) -> list[Any]:
    """What one rule gave for all arguments: a result for each."""
    found = list(given(results))
    if len(found) != count:
        advice = "one for each is due"
        raise TypeError(f"a rule gave {len(found)} results for {count} arguments; {advice}")
    return found


def check_declaration(
    name: Any, reserved: Collection[str], scalar: Any, partials: Any, terms: Any
) -> None:
    """Refuse a declaration whose name is taken or whose rules are none, or do not fit."""
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"declare: expected an identifier as the name, got {name!r}")
    if name in reserved:
        raise ValueError(f"declare: {name!r} is an operation of the package; choose another name")
    if (partials is None) == (terms is None):
        raise TypeError(f"declare: {name!r} needs either partials or terms")
    if terms is None:
        _check_rules(name, scalar, partials, 1)
    else:
        _check_rules(name, scalar, terms, 2)


def _check_rules(name: str, scalar: Any, rules: Any, before: int) -> None:
    """Rules take `before` operands, (out) or (t, out), and then the arguments."""
    parts = rules if isinstance(rules, tuple) else (rules,)
    for part in (scalar, *parts):
        is_number = part is not scalar and isinstance(part, float | int | None)
        if not (callable(part) or is_number):
            raise TypeError(
                f"declare: {name!r} needs a function or a number for each part, got {part!r}"
            )
    if not isinstance(rules, tuple):
        return
    count = len(rules)
    if not _takes(scalar, count):
        raise TypeError(f"declare: {name!r} has {count} rule(s), one for each argument of scalar")
    for i, rule in enumerate(rules):
        if callable(rule) and not _takes(rule, before + count):
            operands = ("t, out", "out")[before == 1]
            raise TypeError(
                f"declare: rule {i} of {name!r} must take {operands} and {count} argument(s)"
            )


def _takes(function: Any, count: int) -> bool:
    """Whether a function of Python takes so many arguments; of others it is not asked."""
    code: CodeType | None = getattr(function, "__code__", None)
    if code is None:
        return True
    most = math.inf if code.co_flags & 4 else code.co_argcount  # 4: it takes *args
    return code.co_argcount - len(function.__defaults__ or ()) <= count <= most
