"""What a formula is made of: numbers, names, signs; and the error that shows where one is wrong."""

from __future__ import annotations

import itertools
import keyword
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# Possessive (*+), so that a text of 100,000 characters is not read again and again.
NUMBER = r"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+"
_SPACE = r"[ \t\r\n]*+"
# All that is not ASCII but · × ≠ ≤ ≥, which are signs; whether it is a letter is looked at later.
_LETTER = r"A-Za-z_\x80-\xb6\xb8-\xd6\xd8-\u225f\u2266-\U0010ffff"
_NAME = rf"[{_LETTER}][0-9{_LETTER}]*+"
_TOKEN = re.compile(
    rf"""{_SPACE}(?:
        (?P<number>{NUMBER})
        |(?P<call>{_NAME}{_SPACE}\()
        |(?P<target>{_NAME}{_SPACE}=(?!=))
        |(?P<name>{_NAME})
        |(?P<foreign>:=|<<|>>|==|//)
        |(?P<sign>\*\*|[<>!]=|[-+*/%^·×<>≤≥≠|(),;])
        |(?P<end>\Z)
        |(?P<unknown>.)
    )""",
    re.DOTALL | re.VERBOSE,
)
_ADVICE = {
    "==": "equality is written equal(a, b)",  # = assigns, and is one key away
    "//": "a whole quotient is written floor(a / b)",  # or a comment, where others read it
    "−": "did you mean '-'?",
    "⋅": "did you mean '*'?",
    "÷": "did you mean '/'?",
    "²": "did you mean '**2'?",
}
"""What to write for signs that a formula does not have."""
_KEYWORD_ADVICE = {
    "if": "write where(a > 0, a, 0)",
    "else": "write where(a > 0, a, 0)",
    "and": "write (a > 0) * (a < 1)",
    "or": "write max(a < 0, a > 1)",
    "not": "write 1 - (a > 0)",
    "True": "write 1",
    "False": "write 0",
}


class FormulaError(ValueError):
    """A formula that cannot be read or computed: what is wrong, below it the place with a caret.

    `position` is the index in the text; `problem` is the message without the place.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(problem, text, position)
        self.problem = problem
        self.text = text
        self.position = position

    def __str__(self) -> str:
        start = max(0, self.position - 36)
        shown = self.text[start : start + 72]
        window = "".join(char if char.isprintable() else " " for char in shown)
        before = "…" * (start > 0)
        after = "…" * (start + 72 < len(self.text))
        caret = " " * (len(before) + self.position - start) + "^"
        return f"{self.problem}\n  {before}{window}{after}\n  {caret}"


class Token(NamedTuple):
    """A piece of a formula; `kind` is number, call, target, name, sign or end."""

    kind: str
    text: str
    start: int

    @property
    def name(self) -> str:
        """The name alone, of `exp(` or of `c =`."""
        return self.text.rstrip("(=").rstrip(" \t\r\n")


def tokens(text: str) -> Iterator[Token]:
    """The pieces of a formula, the last of which is its end.

    >>> [token.text for token in tokens("c = 2*exp(a)")]
    ['c =', '2', '*', 'exp(', 'a', ')', '']
    """
    last = ""
    for token in _pieces(text):
        if token.kind in ("foreign", "unknown"):
            raise _unexpected(token.text, text, token.start, after=last)
        if token.kind in ("call", "target", "name") and not is_name(token.name):
            if keyword.iskeyword(token.name):
                advice = _KEYWORD_ADVICE.get(token.name)
                what = "a keyword of Python, not a name" + (f"; {advice}" if advice else "")
                problem = f"{token.name!r} is {what}"
                raise FormulaError(problem, text, token.start)
            wrong = _no_letter(token.name)
            raise _unexpected(token.name[wrong], text, token.start + wrong)
        last = token.text
        yield token


def _pieces(text: str) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        yield Token(kind, match[kind], match.start(kind))


def _no_letter(name: str) -> int:
    """Where a name has what no name can have: the first must be a letter, others may be digits."""
    # Each is looked at alone: the normalisation of the whole may change it.
    letters = [name[0], *("_" + char for char in name[1:])]
    return next(i for i, letter in enumerate(letters) if not letter.isidentifier())


def _unexpected(sign: str, text: str, position: int, after: str = "") -> FormulaError:
    advice = _ADVICE.get(sign, "a formula is names, numbers, + - * / **, calls")
    if sign == "[" and after.endswith("("):
        advice = f"a list's numbers stand in the call itself: {shortened(after)}a, b)"
    return FormulaError(f"unexpected {sign!r}{code_points(sign)}; {advice}", text, position)


def targets(text: str) -> set[str]:
    """The names that a formula assigns, were it right: its errors are not looked for."""
    return {token.name for token in _pieces(text) if token.kind == "target"}


def words(text: str) -> set[str]:
    """All names in a formula, of whatever kind."""
    return {token.name for token in _pieces(text) if token.kind in ("call", "target", "name")}


def read_number(text: str) -> float:
    """The float that a number stands for; raises ValueError, saying what the number is or has."""
    if text.isdigit() and text.startswith("0") and text.strip("0"):
        raise ValueError(f"has a leading zero; write {shortened(text.lstrip('0'))}")
    x = float(text)
    if math.isinf(x):
        raise ValueError("is too large for a float")
    return x


def is_name(text: str) -> bool:
    """Whether a formula can use a name: an identifier of Python that is no keyword, without ·."""
    is_one = re.fullmatch(_NAME, text) and text.isidentifier()
    return bool(is_one) and not keyword.iskeyword(text)


def shortened(text: str, limit: int = 60) -> str:
    """`text`, or its beginning."""
    return text if len(text) <= limit else text[:limit] + "…"


def code_points(text: str) -> str:
    """What is not ASCII in a text, by name: it may look like something else, as Cyrillic а does."""
    strange = itertools.islice((char for char in text if not char.isascii()), 3)
    points = [f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip() for char in strange]
    return f" ({', '.join(points)})" if points else ""
