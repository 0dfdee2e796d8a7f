"""Formulas: a `Symbol` is one more kind of operand that the rules of the table run on, and it can be written down."""

from __future__ import annotations

import functools

from ..checks import number
from ..op import OPS, Op, Operand
from .naming import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Symbol(Operand):
    """A name, a number or an operation on Symbols: what a rule gives when it runs on names.

    Numbers are computed at once, and a 0 or 1 that a rule is certain of disappears: `0 + x`, `1·x`, `x^1` are x.

    >>> x = Symbol(name="x")
    >>> write(x**3 * 1, TEXT), write((x + 1) * x.tanh(), LATEX)
    ('x^3', '(x + 1) \\\\cdot \\\\mathrm{tanh}(x)')
    """

    __slots__ = ("args", "name", "number", "op", "parts")

    def __init__(
        self, op: Op | None = None, args: Sequence[Symbol] = (), *, name: str | None = None, number: float | None = None
    ) -> None:
        self.op, self.args, self.name, self.number = op, tuple(args), name, number
        self.parts: int = min(1 + sum(arg.parts for arg in args), 10**9)  # of shared symbols it grows exponentially

    @property
    def constant(self) -> float | None:
        """Its number, if it is nothing else."""
        return self.number if self.op is None and self.name is None else None

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Symbol:
        """The operation at symbols and numbers, folded if it can be."""
        symbols = [arg if isinstance(arg, Symbol) else Symbol(number=number(arg)) for arg in args]
        constants = [symbol.constant for symbol in symbols]
        if None not in constants:
            try:
                return Symbol(number=number(op.scalar(*constants)))
            except (ArithmeticError, ValueError):
                return Symbol(op, symbols)
        return _folded(op, symbols, constants)

    def __bool__(self) -> bool:
        raise TypeError(f"cannot decide whether {write(self, TEXT)} while writing a rule out; use tl.where in the rule")


def _folded(op: Op, symbols: Sequence[Symbol], constants: Sequence[float | None]) -> Symbol:
    match op.name, *constants:
        case ("add" | "sub", _, 0) | ("mul" | "div" | "pow", _, 1):
            return symbols[0]
        case ("add", 0, _) | ("mul", 1, _):
            return symbols[1]
        case ("mul", 0, _) | ("mul", _, 0) | ("div", 0, _):
            return Symbol(number=0.0)
        case ("pow", _, 0):
            return Symbol(number=1.0)
        case ("sub", 0, _) | ("mul", -1, _):
            return Symbol(OPS["neg"], symbols[1:])
        case ("mul" | "div", _, -1):
            return Symbol(OPS["neg"], symbols[:1])
    return Symbol(op, symbols)


class Notation:
    """How formulas are spelled: in a terminal."""

    latex = False
    times, ellipsis = "·", "…"
    derivative, direct = "∂{}/∂{}", "(∂{}/∂{})|_{}"
    name: Callable[[str], str] = staticmethod(str)
    number: Callable[[float], str] = staticmethod(shown)

    def enclosed(self, formula: str) -> str:
        """The formula in parentheses, which grow only around a fraction."""
        return rf"\left({formula}\right)" if self.latex and r"\frac" in formula else f"({formula})"


_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
# No `<` before a letter, no backtick and no `$` but as `\$`: Markdown reads the formula before TeX does.
_ESCAPES = {char: rf"\{char}" for char in "_&#%${}"} | {
    "\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim ", "`": r"\grave{}", "|": r"\vert ", "<": "{<}", ">": "{>}",
    "*": r"\ast ", "·": r"\cdot ", "∂": r"\partial ", "…": r"\ldots ", "�": "?",
}  # fmt: skip


def _latex_name(name: str) -> str:
    r"""A label in LaTeX that renders in TeX, MathJax, KaTeX and on GitHub, where it is text whatever it holds.

    >>> _latex_name("b"), _latex_name("w₁"), _latex_name("σ_max"), _latex_name("loss"), _latex_name("a_b <c>")
    ('b', 'w_{1}', '\\sigma_{\\text{max}}', '\\text{loss}', '\\text{a}\\_\\text{b }{<}\\text{c}{>}')
    """
    import re

    name = name.translate(_SUBSCRIPTS)
    if found := re.fullmatch(r"([A-Za-z]+|[α-ωΓ-Ω])(?:_?(\d+)|_([A-Za-z]+))", name):
        base, digits, word = found.groups()
        return f"{_latex_name(base)}_{{{digits or _latex_name(word)}}}"
    if re.fullmatch(r"[A-Za-z]|\d+", name):
        return name
    pieces = re.split(rf"([{re.escape(''.join([*_ESCAPES, *_GREEK]))}])", name)
    special = _ESCAPES | {char: rf"\{word} " for char, word in _GREEK.items()}
    return "".join(special.get(piece) or rf"\text{{{piece}}}" for piece in pieces if piece).strip()


def _latex_number(x: float) -> str:
    r"""A number in LaTeX.

    >>> _latex_number(2.5), _latex_number(-1e-17), _latex_number(2.5e6)
    ('2.5', '-10^{-17}', '2.5 \\cdot 10^{6}')
    """
    mantissa, e, exponent = shown(x).partition("e")
    if not e:
        return mantissa.replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
    factor = {"1": "", "-1": "-"}.get(mantissa, rf"{mantissa} \cdot ")
    return f"{factor}10^{{{int(exponent)}}}"


class _Latex(Notation):
    """How they are spelled in LaTeX."""

    latex = True
    times, ellipsis = r" \cdot ", r"\cdots"
    derivative = r"\frac{{\partial {}}}{{\partial {}}}"
    direct = r"\left.\frac{{\partial {}}}{{\partial {}}}\right|_{{{}}}"
    name, number = staticmethod(_latex_name), staticmethod(_latex_number)


TEXT, LATEX = Notation(), _Latex()


def write(root: Symbol, notation: Notation, *, numbers: bool = False) -> str:
    """A symbol as a formula, its names replaced by their numbers if asked, with the parentheses it needs.

    >>> x, y = Symbol(name="x", number=-2.0), Symbol(name="y", number=3.0)
    >>> write((x + y) / (2 * y) - x, TEXT), write((x + y) / (2 * y) - x, TEXT, numbers=True)
    ('(x + y)/(2·y) - x', '(-2 + 3)/(2·3) - (-2)')
    """
    done: dict[Symbol, tuple[str, float]] = {}
    stack = [root]
    while stack:
        symbol = stack.pop()
        if symbol in done:
            continue
        if waiting := [arg for arg in symbol.args if arg not in done]:
            stack += [symbol, *waiting]
        elif symbol.op is not None:
            done[symbol] = _operation(symbol.op, [done[arg] for arg in symbol.args], notation)
        elif symbol.number is None or (symbol.name is not None and not numbers):
            done[symbol] = notation.name(symbol.name or ""), 9
        else:
            done[symbol] = number_written(symbol.number, notation)
    text, tightness = done[root]
    return text if tightness >= 1 else notation.enclosed(text)  # (x > 0) = 1


def number_written(x: float, notation: Notation) -> tuple[str, float]:
    """A number, and how tightly it holds together."""
    text = notation.number(x)
    return text, 1.5 if text.startswith("-") else 2 if r"\cdot" in text else 4 if "^" in text else 9


def _operation(op: Op, parts: Sequence[tuple[str, float]], notation: Notation) -> tuple[str, float]:
    """The formula and how tightly it holds together: the operation's precedence, but 1.5 for what begins with -."""
    needed, tightness = _frame(op, len(parts), notation.latex)
    loose = [mine < need for (_, mine), need in zip(parts, needed, strict=True)]
    others = list(zip(parts, loose, strict=True))[1:]
    if any(wrap and mine == op.precedence for (_, mine), wrap in others) and parts[0][1] == op.precedence:
        loose[0] = needed[0] > 0  # (a + b) + (c + d), not a + b + (c + d)
    if needed[0] == 1.5 and parts[0][1] <= 2 and "/" in parts[0][0]:
        loose[0] = True  # (a/b)·c, which a/b·c does not say as clearly
    args = [notation.enclosed(text) if wrap else text for (text, _), wrap in zip(parts, loose, strict=True)]
    text = op.written(args, latex=notation.latex)
    return text, 1.5 if text.startswith("-") and (tightness > 1 or len(parts) == 1) else tightness


@functools.cache
def _frame(op: Op, count: int, latex: bool) -> tuple[list[float], float]:
    """How tight each argument must be to stand without parentheses, seen from what surrounds it; and the result."""
    import re

    marks = [chr(0xE000 + i) for i in range(count)]
    written = op.written(marks, latex=latex)
    needed: list[float] = []
    for i, mark in enumerate(marks):
        before, _, after = written.partition(mark)
        if re.search(r"[([{|,]\s*$", before) and re.match(r"\s*(\\right)?[])}|,]", after) and mark not in after:
            needed.append(0)
            continue
        product = re.search(r"(·|\\cdot)\s*$", before) or re.match(r"\s*(·|\\cdot)", after)
        precedence: float = max(op.precedence, 2) if product else op.precedence
        first = i == 0 and count > 1
        needed.append({1.0: 1.0, 2.0: 1.5}[precedence] if first and precedence in (1, 2) else min(precedence + 1, 9))
    tightness: float = op.precedence
    if latex and "^" in written:
        tightness = min(4, tightness)  # (e^x)^2
    elif latex and not any(needed) and op.precedence == 2:
        tightness = 3  # a fraction stands in a product as it is, but not in a power
    return needed, tightness


def differentiate(op: Op, out: Symbol, args: Sequence[Symbol], wanted: Sequence[bool]) -> list[Symbol | None]:
    """∂out/∂arg for each argument, by the textbook's rule where there is one; None where no derivative flows."""
    partials = op.differentiate(out, args, wanted, textbook=True)
    return [p if p is None or isinstance(p, Symbol) else Symbol(number=float(p)) for p in partials]
