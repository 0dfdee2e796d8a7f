"""Formulas: a `Symbol` is one more kind of operand that rules run on, and can be written down."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..op import OPS, Op, Operand
from ..support.checks import number
from ..support.simplify import OF_FINITE_NUMBERS, simpler
from ..support.template import Part
from .latex import latex_name, latex_number
from .naming import DIGITS, shown


class Symbol(Operand):
    """A name, a number or an operation on Symbols: what a rule gives when it runs on names.

    Numbers are computed at once, and what is certain disappears: `0 + x`, `1·x`, `--x` are x.

    >>> x = Symbol(name="x")
    >>> write(x**3 * 1, TEXT), write((x + 1) * x.tanh(), LATEX)
    ('x^3', '(x + 1) \\\\cdot \\\\mathrm{tanh}(x)')
    """

    __slots__ = ("args", "name", "number", "op", "parts", "written")

    def __init__(
        self,
        op: Op | None = None,
        args: Sequence[Symbol] = (),
        *,
        name: str | None = None,
        number: float | None = None,
        written: str | None = None,
    ) -> None:
        self.op = op
        self.args = tuple(args)
        self.name = name
        self.number = number
        self.written = written
        """Its name in the notation that it will be written in, if it is no label."""
        # Of shared symbols it grows exponentially.
        self.parts: int = min(1 + sum(arg.parts for arg in args), 10**9)

    @property
    def constant(self) -> float | None:
        """Its number, if it is nothing else."""
        named = self.op is not None or self.name is not None or self.written is not None
        return None if named else self.number

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Symbol:
        """The operation at symbols and numbers, simplified."""
        symbols = [arg if isinstance(arg, Symbol) else Symbol(number=number(arg)) for arg in args]
        constants = [symbol.constant for symbol in symbols]
        if None not in constants:
            try:
                return Symbol(number=number(op.scalar(*constants)))
            except (ArithmeticError, ValueError):
                return Symbol(op, symbols)
        match simpler(op, constants, OF_FINITE_NUMBERS):
            case ("same", int(i)):
                return symbols[i]
            case ("neg", int(i)):
                return _negative(symbols[i])
            case float(x):
                return Symbol(number=x)
        return _tidy(op, symbols)

    def __bool__(self) -> bool:
        advice = "use tl.where in the rule"
        raise TypeError(
            f"cannot decide whether {write(self, TEXT)} while writing a rule out; {advice}"
        )


def _tidy(op: Op, symbols: list[Symbol]) -> Symbol:
    """The operation without needless signs and fractions: x - y for x + (-y), x/y for x·(1/y)."""
    first, last = symbols[0], symbols[-1]
    match op.name:
        case "neg":
            return _negative(first)
        case "add" if _is(last, "neg"):
            return Symbol.apply(OPS["sub"], [first, last.args[0]])
        case "sub" if _is(last, "neg"):
            return Symbol.apply(OPS["add"], [first, last.args[0]])
        case "mul" | "div" if _is(first, "neg"):
            return _negative(Symbol.apply(op, [first.args[0], last]))
        case "mul" | "div" if _is(last, "neg"):
            return _negative(Symbol.apply(op, [first, last.args[0]]))
        case "mul" if _is(last, "div") and last.args[0].constant is not None:
            return Symbol.apply(OPS["div"], [last.args[0] * first, last.args[1]])
        case "mul" if _is(first, "div") and first.args[0].constant is not None:
            return Symbol.apply(OPS["div"], [first.args[0] * last, first.args[1]])
    return Symbol(op, symbols)


def _is(symbol: Symbol, name: str) -> bool:
    return symbol.op is OPS[name]


def _negative(symbol: Symbol) -> Symbol:
    """-x, but x of -x, and a fraction of numbers with the sign above."""
    if _is(symbol, "neg"):
        return symbol.args[0]
    if symbol.constant is not None:
        return Symbol(number=-symbol.constant)
    if _is(symbol, "div") and symbol.args[0].constant is not None:
        return Symbol(symbol.op, [_negative(symbol.args[0]), symbol.args[1]])
    return Symbol(OPS["neg"], [symbol])


def evaluated(root: Symbol, digits: int | None = None) -> float:
    """The number that a formula has at the numbers of its names; at rounded ones if asked.

    By IEEE 754: where Python raises, it is inf or nan.
    """
    done: dict[Symbol, float] = {}
    stack = [root]
    while stack:
        symbol = stack.pop()
        if waiting := [arg for arg in symbol.args if arg not in done]:
            stack += [symbol, *waiting]
        elif symbol.op is not None:
            done[symbol] = _computed(symbol.op, [done[arg] for arg in symbol.args])
        else:
            x = math.nan if symbol.number is None else float(symbol.number)
            done[symbol] = x if digits is None else float(shown(x, digits))
    return done[root]


def _computed(op: Op, args: Sequence[float]) -> float:
    try:
        return float(op.scalar(*args))
    except (ArithmeticError, ValueError):
        import numpy as np

        try:
            return float(np.ravel(op.at_arrays(*(np.array([x]) for x in args)))[0])
        except (ArithmeticError, ValueError):
            return math.nan


class Notation:
    """How formulas are spelled: in a terminal."""

    latex = False
    follows = False
    """Whether its numbers may change after they were written."""
    times, ellipsis = "·", "…"
    derivative, direct = "∂{}/∂{}", "(∂{}/∂{})|_{}"
    name: Callable[[str], str] = staticmethod(str)
    number: Callable[..., str] = staticmethod(shown)

    def enclosed(self, formula: str) -> str:
        """The formula in parentheses, which grow only around a fraction."""
        tall = self.latex and r"\frac" in formula
        return rf"\left({formula}\right)" if tall else f"({formula})"

    def words(self, *pieces: str) -> str:
        """Words beside a formula, then a name, words, a name, …."""
        return f"({''.join(pieces)})"


class _Latex(Notation):
    """How they are spelled in LaTeX."""

    latex = True
    times, ellipsis = r" \cdot ", r"\cdots"
    derivative = r"\frac{{\partial {}}}{{\partial {}}}"
    direct = r"\left.\frac{{\partial {}}}{{\partial {}}}\right|_{{{}}}"
    name = staticmethod(latex_name)
    number = staticmethod(latex_number)

    def words(self, *pieces: str) -> str:
        """Words beside a formula, then a name, words, a name, …."""
        written = [name if i % 2 else rf"\text{{{name}}}" for i, name in enumerate(pieces)]
        return rf"\text{{(}}{''.join(written)}\text{{)}}"


TEXT, LATEX = Notation(), _Latex()
_OPERATORS = re.compile("[-+−*/·^=<>≤≥≠|]")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def write(root: Symbol, notation: Notation, *, numbers: bool = False, digits: int = DIGITS) -> str:
    """A symbol as a formula with the parentheses it needs; its names as their numbers if asked.

    >>> x, y = Symbol(name="x", number=-2.0), Symbol(name="y", number=3.0)
    >>> write((x + y) / (2 * y) - x, TEXT), write((x + y) / (2 * y) - x, TEXT, numbers=True)
    ('(x + y)/(2·y) - x', '(-2 + 3)/(2·3) - (-2)')
    """
    done: dict[Symbol, Part] = {}
    stack = [root]
    while stack:
        symbol = stack.pop()
        if symbol in done:
            continue
        if waiting := [arg for arg in symbol.args if arg not in done]:
            stack += [symbol, *waiting]
        elif symbol.op is not None:
            done[symbol] = _operation(symbol.op, [done[arg] for arg in symbol.args], notation)
        elif symbol.number is None or (symbol.constant is None and not numbers):
            done[symbol] = _name(symbol, notation)
        else:
            done[symbol] = number_written(symbol.number, notation, digits)
    text, tightness, _ = done[root]
    is_name = root.name is not None
    return text if tightness >= 1 or is_name else notation.enclosed(text)  # (x > 0) = 1


def _name(symbol: Symbol, notation: Notation) -> Part:
    """A name; one that looks like a formula holds as loosely as the loosest formula."""
    if symbol.written is not None:
        return Part(symbol.written, 9, notation.enclosed)
    name = symbol.name or ""
    return Part(notation.name(name), 0.5 if is_formula(name) else 9, notation.enclosed)


def is_formula(name: str) -> bool:
    """Whether a label looks like a formula, so that beside an operator it needs parentheses.

    >>> is_formula("x1*w1 + b"), is_formula("f(x - 1)"), is_formula("h1.w2")
    (True, False, False)
    """
    count = 1
    while count:
        name, count = _BRACKETS.subn("", name)
    return bool(_OPERATORS.search(name))


def number_written(x: float, notation: Notation, digits: int = DIGITS) -> Part:
    """A number, and how tightly it holds together."""
    text = notation.number(x, digits)
    if text.startswith("-"):
        return _led(text, text, 9, notation)
    return Part(text, 2 if r"\cdot" in text else 4 if "^" in text else 9, notation.enclosed)


class _Led(Part):
    """What begins with a negative number: `-3·2`, which as a later term of a sum is `(-3)·2`."""

    lead: str
    """The number, as it is written."""
    rest: float
    """How tightly the formula holds together when its number is in parentheses."""

    def __format__(self, needed: str) -> str:
        if self.tightness >= float(needed or 0) or self.rest < float(needed or 0):
            return super().__format__(needed)
        return self.enclosed(self.lead) + self.text.removeprefix(self.lead)


def _led(text: str, lead: str, rest: float, notation: Notation) -> Part:
    part = _Led(text, 1.5, notation.enclosed)
    part.lead = lead
    part.rest = rest
    return part


def _operation(op: Op, parts: list[Part], notation: Notation) -> Part:
    """The formula: as tight as the operation's precedence, but 1.5 for what begins with -."""
    first, *others = parts
    if op.precedence == 1 and first.tightness == 1 and any(part.tightness == 1 for part in others):
        first = Part(notation.enclosed(first.text), 9)  # (a + b) + (c + d), not a + b + (c + d)
    if op.precedence == 2 and first.tightness == 2 and "/" in first.text and others:
        first = Part(
            notation.enclosed(first.text), 9
        )  # (a/b)·c, which a/b·c does not say as clearly
    text = op.written([first, *others], latex=notation.latex)
    tightness = (op.latex_precedence if notation.latex else op.precedence) or 0
    if not text.startswith("-") or (tightness <= 1 and others):
        return Part(text, tightness, notation.enclosed)
    if isinstance(first, _Led) and text.startswith(first.lead):
        return _led(text, first.lead, tightness, notation)
    return Part(text, 1.5, notation.enclosed)


def differentiate(
    op: Op, out: Symbol, args: Sequence[Symbol], wanted: Sequence[bool]
) -> list[Symbol | None]:
    """∂out/∂arg for each argument, as a textbook has it; None where no derivative flows."""
    partials = op.differentiate(out, args, wanted, textbook=True)
    return [p if p is None or isinstance(p, Symbol) else Symbol(number=float(p)) for p in partials]
