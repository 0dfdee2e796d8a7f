"""Formulas as data: a `Symbol` is one more kind of operand that rules run on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..op import OPS, Op, Operand
from ..support.checks import number
from ..support.over_arrays import by_ieee
from ..support.simplify import OF_FINITE_NUMBERS, simpler
from .naming import shown


class Symbol(Operand):
    """A name, a number or an operation on Symbols: what a rule gives when it runs on names.

    Numbers are computed at once, and what is certain disappears: `0 + x`, `1·x`, `--x` are x.

    >>> x = Symbol(name="x")
    >>> (0 + x * 1).name, (x - x**1 * -1).op, Symbol.apply(OPS["add"], [1.0, 2.0]).number
    ('x', <operation add>, 3.0)
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
        from .notation import TEXT, write

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


def in_order(root: Symbol) -> list[Symbol]:
    """The formulas that a formula is made of, each once, its arguments before it."""
    order: dict[Symbol, None] = {}
    stack = [root]
    while stack:
        symbol = stack.pop()
        if waiting := [arg for arg in symbol.args if arg not in order]:
            stack += [symbol, *waiting]
        else:
            order[symbol] = None
    return [*order]


def evaluated(root: Symbol, digits: int | None = None) -> float:
    """The number that a formula has at the numbers of its names; at rounded ones if asked.

    By IEEE 754: where Python raises, it is inf or nan.
    """
    done: dict[Symbol, float] = {}
    for symbol in in_order(root):
        if symbol.op is not None:
            done[symbol] = by_ieee(symbol.op, [done[arg] for arg in symbol.args])
        else:
            x = math.nan if symbol.number is None else float(symbol.number)
            done[symbol] = x if digits is None else float(shown(x, digits))
    return done[root]


def differentiate(
    op: Op, out: Symbol, args: Sequence[Symbol], wanted: Sequence[bool]
) -> list[Symbol | None]:
    """∂out/∂arg for each argument, as a textbook has it; None where no derivative flows."""
    partials = op.differentiate(out, args, wanted, textbook=True)
    return [p if p is None or isinstance(p, Symbol) else Symbol(number=float(p)) for p in partials]
