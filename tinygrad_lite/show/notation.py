"""How formulas are spelled: in a terminal and in LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from ..op import Op
from ..support.template import Part
from .latex import latex_name, latex_number
from .naming import DIGITS, few, shown
from .symbol import Symbol, in_order
from .textbook import WholeOp

MOST_TERMS = 6
"""How many terms a sum shows, and how many names a list."""


class Notation:
    """How formulas are spelled: in a terminal."""

    latex = False
    follows = False
    """Whether its numbers may change after they were written."""
    ellipsis = "…"
    derivative, direct = "∂{}/∂{}", "(∂{}/∂{})|_{}"
    name: Callable[[str], str] = staticmethod(str)
    number: Callable[..., str] = staticmethod(shown)

    def enclosed(self, formula: str) -> str:
        """The formula in parentheses, which grow only around a fraction."""
        tall = self.latex and r"\frac" in formula
        return rf"\left({formula}\right)" if tall else f"({formula})"

    def inside(self, label: str) -> str:
        """A name in a larger formula."""
        name = self.name(label)
        return self.enclosed(name) if is_formula(label) else name

    def slope(self, of: str, by: str) -> str:
        """∂e/∂b."""
        return self.derivative.format(self.inside(of), self.inside(by))

    def local(self, user: str, node: str, held: Sequence[str]) -> str:
        """∂c/∂b; but (∂e/∂b)|_c where e uses b directly and also through c, which is held."""
        if not held:
            return self.slope(user, node)
        return self.direct.format(self.inside(user), self.inside(node), self.listed(held, ","))

    def listed(self, labels: Iterable[str], comma: str = ", ") -> str:
        """Names, with commas between them."""
        return comma.join(few([*map(self.name, labels)], self.ellipsis, MOST_TERMS))

    def words(self, *pieces: str) -> str:
        """Words beside a formula, then a name, words, a name, …."""
        return f"({''.join(pieces)})"


class Latex(Notation):
    """How they are spelled in LaTeX."""

    latex = True
    ellipsis = r"\cdots"
    derivative = r"\frac{{\partial {}}}{{\partial {}}}"
    direct = r"\left.\frac{{\partial {}}}{{\partial {}}}\right|_{{{}}}"
    name = staticmethod(latex_name)
    number = staticmethod(latex_number)

    def words(self, *pieces: str) -> str:
        """Words beside a formula, then a name, words, a name, …."""
        written = [name if i % 2 else rf"\text{{{name}}}" for i, name in enumerate(pieces)]
        return rf"\text{{(}}{''.join(written)}\text{{)}}"


TEXT, LATEX = Notation(), Latex()
_OPERATORS = re.compile("[-+−*/·^=<>≤≥≠|]")
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def write(root: Symbol, notation: Notation, *, numbers: bool = False, digits: int = DIGITS) -> str:
    """A symbol as a formula with the parentheses it needs; its names as their numbers if asked.

    >>> x, y = Symbol(name="x", number=-2.0), Symbol(name="y", number=3.0)
    >>> write((x + y) / (2 * y) - x, TEXT), write((x + y) / (2 * y) - x, TEXT, numbers=True)
    ('(x + y)/(2·y) - x', '(-2 + 3)/(2·3) - (-2)')
    """
    text, precedence, *_ = _written(root, notation, {}, numbers, digits)
    is_name = root.name is not None
    return text if precedence >= 1 or is_name else notation.enclosed(text)  # (x > 0) = 1


def _written(
    root: Symbol,
    notation: Notation,
    done: dict[Symbol, Part],
    numbers: bool = False,
    digits: int = DIGITS,
) -> Part:
    for symbol in in_order(root):
        if symbol in done:
            continue
        if symbol.op is not None:
            done[symbol] = _operation(symbol.op, [done[arg] for arg in symbol.args], notation)
        elif symbol.number is None or (symbol.constant is None and not numbers):
            done[symbol] = _name(symbol, notation)
        else:
            done[symbol] = number_written(symbol.number, notation, digits)
    return done[root]


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
        return Part(text, 1.5, notation.enclosed, lead=text, rest=9)
    return Part(text, 2 if r"\cdot" in text else 4 if "^" in text else 9, notation.enclosed)


def _operation(op: Op, parts: list[Part], notation: Notation) -> Part:
    """The formula: as tight as the operation's precedence, but 1.5 for what begins with -."""
    if isinstance(op, WholeOp):
        known = {Symbol(written=part.text): part for part in parts}
        formula = op.formula(Symbol(written=notation.ellipsis), *known)
        return _written(formula, notation, known)
    first, *others = parts
    inner = [part.precedence for part in parts]
    if op.precedence == inner[0] == 1 and 1 in inner[1:]:
        first = Part(notation.enclosed(first.text), 9)  # (a + b) + (c + d), not a + b + (c + d)
    if op.precedence == inner[0] == 2 and "/" in first.text and others:
        first = Part(notation.enclosed(first.text), 9)  # (a/b)·c, clearer than a/b·c
    text = op.written([first, *others], latex=notation.latex)
    precedence = (op.latex_precedence if notation.latex else op.precedence) or 0
    if not text.startswith("-") or (precedence <= 1 and others):
        return Part(text, precedence, notation.enclosed)
    lead = first.lead if text.startswith(first.lead) else ""
    return Part(text, 1.5, notation.enclosed, lead, precedence)
