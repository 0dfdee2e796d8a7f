"""The formula language, read without `eval`: Python's arithmetic, names, and calls of the table's functions.

A formula is one expression, or statements between semicolons that name intermediate results:
`c = a + b; d = b + 1; e = c * d`. It is computed while it is read (operator precedence with an explicit stack, Dijkstra
1961), so that nesting is limited by nothing, and every number in it is a float.
"""

from __future__ import annotations

import difflib
import itertools
import keyword
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..ops import OPS, Op
from ..value import Value

# Possessive (*+), so that a text of 100,000 characters is not read again and again.
NUMBER = r"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+"
_SPACE = r"[ \t\r\n]*+"
_NAME = r"[A-Za-z_\x80-\U0010ffff][0-9A-Za-z_\x80-\U0010ffff]*+"
_TOKEN = re.compile(
    rf"{_SPACE}(?:(?P<number>{NUMBER})|(?P<call>{_NAME}{_SPACE}\()|(?P<target>{_NAME}{_SPACE}=(?!=))|(?P<name>{_NAME})"
    r"|(?P<foreign>//|[<>=!:]=|<<|>>)|(?P<sign>\*\*|[-+*/(),;])|(?P<end>\Z)|(?P<unknown>.))",
    re.DOTALL,
)
_BINARY = {"+": ("add", 1), "-": ("sub", 1), "*": ("mul", 2), "/": ("div", 2), "**": ("pow", 4)}
_NEGATION = 3
"""-2**2 is -(2**2), and -2*3 is (-2)*3."""
_HINTS = {"^": "**", "−": "-", "×": "*", "÷": "/", "²": "**2", "ln": "log", "pow": "**"}


class FormulaError(ValueError):
    """A formula that cannot be read or computed: what is wrong, and below it the place with a caret.

    `position` is the index in the text; `problem` is the message without the place.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        super().__init__(problem, text, position)
        self.problem, self.text, self.position = problem, text, position

    def __str__(self) -> str:
        start = max(0, self.position - 36)
        window = "".join(char if char.isprintable() else " " for char in self.text[start : start + 72])
        before, after = "…" * (start > 0), "…" * (start + 72 < len(self.text))
        return f"{self.problem}\n  {before}{window}{after}\n  {' ' * (len(before) + self.position - start)}^"


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def name(self) -> str:
        """The name alone, of `exp(` or of `c =`."""
        return self.text.rstrip("(=").rstrip(" \t\r\n")


class _Pending(NamedTuple):
    """What waits on the stack for its end: an operator, a call, or (without `op`) an open parenthesis."""

    token: _Token
    op: Op | None
    precedence: int
    first: int
    """Its operands are those from here on."""


def parse(text: str, values: Mapping[str, Value | float]) -> tuple[Value, dict[str, Value]]:
    """The root of the graph that a formula stands for, and all its names: those given, then those it assigns.

    >>> root, names = parse("c = a + b; c * (b + 1)", {"a": 2, "b": 1})
    >>> root.backward()
    >>> root, [(name, value.grad) for name, value in names.items()]
    (Value(6.0), [('a', 2.0), ('b', 5.0), ('c', 2.0)])

    A name becomes the label of its node, unless that has one already: after `c = a`, c is a. Raises FormulaError
    for a formula that is not in the language, and for one that has no value, as `log(0)`.
    """
    names = {name: value if isinstance(value, Value) else Value(value, name) for name, value in values.items()}
    tokens = _tokens(text)
    while True:
        first = next(tokens)
        target = first.name if first.kind == "target" else None
        if target in names:
            advice = "given and assigned; drop one of the two" if target in values else "assigned twice; rename one"
            raise FormulaError(f"{shortened(first.name)} is {advice}", text, first.start)
        rest = itertools.chain([first], tokens) if target is None else tokens
        result, end = _Expression(text, names).read(rest)
        node = result if isinstance(result, Value) else Value(result)
        if target is not None:
            names[target] = node if node.label else node.named(target)
        elif end.kind != "end":
            raise FormulaError("expected NAME = before this; only the last statement needs none", text, first.start)
        if end.kind == "end":
            return node, names


class _Expression:
    """One expression on its way: the operands that are computed, and what is pending between them."""

    def __init__(self, text: str, names: Mapping[str, Value]) -> None:
        self.text, self.names = text, names
        self.operands: list[Value | float] = []
        self.pending: list[_Pending] = []

    def read(self, tokens: Iterator[_Token]) -> tuple[Value | float, _Token]:
        """The value of the expression, and the token that ends it."""
        operand_is_next = True
        for token in tokens:
            if operand_is_next:
                operand_is_next = self.read_operand(token)
            elif token.kind == "end" or token.text == ";":
                break
            else:
                operand_is_next = self.read_operator(token)
        self.compute(1)
        if self.pending:
            opened = self.pending[-1].token
            raise self.error(f"{shortened(opened.text)!r} is never closed; add ')'", opened)
        return self.operands.pop(), token

    def read_operand(self, token: _Token) -> bool:
        """Take what may stand where an operand is expected, and say whether one still is."""
        count = len(self.operands)
        if token.kind == "number":
            x = float(token.text)
            if math.isinf(x):
                raise self.error(f"{shortened(token.text)} is too large for a float", token)
            self.operands.append(x)
        elif token.kind == "name":
            self.operands.append(self.variable(token))
        elif token.kind == "target":
            raise self.error("expected one name before '=', at the start of a statement", token)
        elif token.kind == "call":
            self.pending.append(_Pending(token, self.function(token), 0, count))
        elif token.text == "(":
            self.pending.append(_Pending(token, None, 0, count))
        elif token.text == "-":
            self.pending.append(_Pending(token, OPS["neg"], _NEGATION, count))
        elif token.text == ")" and self.pending and self.pending[-1].op and self.pending[-1][2:] == (0, count):
            return self.close()  # a call without arguments
        elif token.text != "+":
            got = "the end" if token.kind == "end" else repr(shortened(token.text))
            raise self.error(f"expected a number, a name or '(', got {got}", token)
        return token.kind not in ("number", "name")

    def read_operator(self, token: _Token) -> bool:
        """Take what may follow an operand, and say whether another is expected."""
        if token.text in _BINARY:
            name, precedence = _BINARY[token.text]
            self.compute(precedence + (token.text == "**"))  # ** alone groups from the right
            self.pending.append(_Pending(token, OPS[name], precedence, len(self.operands) - 1))
            return True
        if token.text not in (",", ")"):
            raise self.error(f"expected an operator, got {shortened(token.text)!r}; a product is written with *", token)
        self.compute(1)
        if token.text == ")" and not self.pending:
            raise self.error("unexpected ')'; no parenthesis is open", token)
        if token.text == "," and not (self.pending and self.pending[-1].op):
            raise self.error("unexpected ','; it stands between the arguments of a function", token)
        return self.close() if token.text == ")" else True

    def compute(self, precedence: int) -> None:
        """Apply the pending operators that bind at least so tightly, down to the innermost open parenthesis."""
        while self.pending and self.pending[-1].precedence >= precedence:
            self.apply(self.pending.pop())

    def close(self) -> bool:
        """End the innermost parenthesis, all its operators being applied; no operand is expected after it."""
        group = self.pending.pop()
        arity, count = group.op and group.op.arity, len(self.operands) - group.first
        if group.op and count != arity and (arity is not None or not count):
            expected = "at least 1 argument" if arity is None else f"{arity} argument{'s' * (arity != 1)}"
            raise self.error(f"{group.token.name}: expected {expected}, got {count}", group.token)
        self.apply(group)
        return False

    def apply(self, pending: _Pending) -> None:
        """Replace the operands of what is pending by its result."""
        args, op = self.operands[pending.first :], pending.op
        if op is None:  # a parenthesis is what stands in it
            return
        try:
            self.operands[pending.first :] = [op(args) if op.lists else op(*args)]
        except (ArithmeticError, ValueError) as error:
            raise self.error(str(error), pending.token) from None

    def variable(self, token: _Token) -> Value:
        if token.name in self.names:
            return self.names[token.name]
        name = shortened(token.name)
        if token.name in functions():
            raise self.error(f"{name} is a function; write {name}(...)", token)
        raise self.error(f"no value for {name}{_code_points(token.name)}; add {name}=NUMBER", token)

    def function(self, token: _Token) -> Op:
        known, name = functions(), token.name
        if name in self.names:
            raise self.error(f"{shortened(name)} is a number here and cannot be called", token)
        if name in known:
            return known[name]
        near = [_HINTS[name]] if name in _HINTS else difflib.get_close_matches(name[:40], known, 1)
        advice = f"; did you mean {near[0]!r}?" if near else ""
        raise self.error(f"unknown function {shortened(name)!r}{_code_points(name)}{advice}", token)

    def error(self, problem: str, token: _Token) -> FormulaError:
        return FormulaError(problem, self.text, token.start)


def functions() -> dict[str, Op]:
    """The operations that a formula can call: those that have no sign of their own and take one list at most."""
    signs = {"neg", *(name for name, _ in _BINARY.values())}
    return {name: op for name, op in OPS.items() if name not in signs and op.lists < 2}


def is_name(text: str) -> bool:
    """Whether a formula can use this name: an identifier of Python that is not a keyword."""
    return text.isidentifier() and not keyword.iskeyword(text)


def shortened(text: str, limit: int = 60) -> str:
    """`text`, or its beginning."""
    return text if len(text) <= limit else text[:limit] + "…"


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        token = _Token(kind, match[kind], match.start(kind))
        if kind in ("foreign", "unknown"):
            raise _unexpected(token.text, text, token.start)
        if kind in ("call", "target", "name") and not is_name(token.name):
            if keyword.iskeyword(token.name):
                raise FormulaError(f"{token.name!r} is a keyword of Python, not a name", text, token.start)
            # The first may be a letter only, the others digits too; none is changed by normalisation.
            wrong = next(i for i, char in enumerate(token.name) if not (char if i == 0 else "_" + char).isidentifier())
            raise _unexpected(token.name[wrong], text, token.start + wrong)
        yield token


def _unexpected(sign: str, text: str, position: int) -> FormulaError:
    advice = f"did you mean {_HINTS[sign]!r}?" if sign in _HINTS else "a formula is names, numbers, + - * / **, calls"
    return FormulaError(f"unexpected {sign!r}{_code_points(sign)}; {advice}", text, position)


def _code_points(text: str) -> str:
    """What is not ASCII in a text, by name, since it may look like something else: Cyrillic а, a space of no width."""
    strange = itertools.islice((char for char in text if not char.isascii()), 3)
    points = [f"U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip() for char in strange]
    return f" ({', '.join(points)})" if points else ""
