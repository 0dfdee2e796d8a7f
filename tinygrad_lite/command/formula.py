"""The formula language, read without `eval`: Python's arithmetic, names, calls of the table.

A formula is one expression, or statements between semicolons that name intermediate results:
`c = a + b; d = b + 1; e = c * d`. It is computed while it is read (operator precedence with an
explicit stack, Dijkstra 1961), so that nesting is limited by nothing, and every number in it is a
float. The signs that an explanation is written with, as in `|a|·b^2 ≤ σ(c)`, are read too.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..op import OPS, Op
from ..value import Value
from .names import ADVICE, CONSTANTS, SPELLINGS, functions
from .tokens import FormulaError, Token, code_points, read_number, shortened, targets, tokens

_COMPARISON, _SUM, _PRODUCT, _NEGATION, _POWER = 1, 2, 3, 4, 5
SIGNS = {
    "<": ("less", _COMPARISON),
    "<=": ("less_equal", _COMPARISON),
    "≤": ("less_equal", _COMPARISON),
    ">": ("greater", _COMPARISON),
    ">=": ("greater_equal", _COMPARISON),
    "≥": ("greater_equal", _COMPARISON),
    "!=": ("not_equal", _COMPARISON),
    "≠": ("not_equal", _COMPARISON),
    "+": ("add", _SUM),
    "-": ("sub", _SUM),
    "*": ("mul", _PRODUCT),
    "·": ("mul", _PRODUCT),
    "×": ("mul", _PRODUCT),
    "/": ("div", _PRODUCT),
    "%": ("mod", _PRODUCT),
    "mod": ("mod", _PRODUCT),
    "**": ("pow", _POWER),
    "^": ("pow", _POWER),
}
"""The operations between two operands, and how tightly they bind: -2**2 is -(2**2), -2*3 (-2)*3."""


class _Pending(NamedTuple):
    """What waits on the stack for its end: an operator, a call, or (without `op`) a parenthesis."""

    token: Token
    op: Op | None
    precedence: int
    first: int
    """Its operands are those from here on."""

    @property
    def is_call(self) -> bool:
        return self.token.kind == "call"

    @property
    def closer(self) -> str:
        """What ends it, if it is no operator."""
        return "|" if self.token.text == "|" else ")"


def parse(text: str, values: Mapping[str, Value | float]) -> tuple[Value, dict[str, Value]]:
    """The root of the graph that a formula stands for, and its names: those given, those assigned.

    >>> root, names = parse("c = a + b; c * (b + 1)", {"a": 2, "b": 1})
    >>> root.backward()
    >>> root, [(name, value.grad) for name, value in names.items()]
    (Value(6.0), [('a', 2.0), ('b', 5.0), ('c', 2.0)])

    A name becomes the label of its node, unless that has one already: after `c = a`, c is a.
    `pi` and `e` are numbers where they are neither given nor assigned. Raises FormulaError for a
    formula that is not in the language, and for one that has no value, as `log(0)`.
    """
    names = {
        name: value if isinstance(value, Value) else Value(value, name)
        for name, value in values.items()
    }
    taken = names.keys() | targets(text)
    constants = {name: x for name, x in CONSTANTS.items() if name not in taken}
    rest = tokens(text)
    while True:
        first = next(rest)
        target = first.name if first.kind == "target" else None
        if target in names:
            given = "given and assigned; drop one of the two"
            advice = given if target in values else "assigned twice; rename one"
            raise FormulaError(f"{shortened(first.name)} is {advice}", text, first.start)
        statement = itertools.chain([first], rest) if target is None else rest
        result, end = _Expression(text, names, constants).read(statement)
        node = result if isinstance(result, Value) else Value(result)
        if target is not None:
            names[target] = node if node.label else node.named(target)
        elif end.kind != "end":
            problem = "expected NAME = before this; only the last statement needs none"
            raise FormulaError(problem, text, first.start)
        if end.kind == "end":
            return node, names


class _Expression:
    """One expression on its way: the operands that are computed, and what is pending between."""

    def __init__(
        self, text: str, names: Mapping[str, Value], constants: Mapping[str, float]
    ) -> None:
        self.text = text
        self.names = names
        self.constants = constants
        self.operands: list[Value | float] = []
        self.pending: list[_Pending] = []

    def read(self, statement: Iterator[Token]) -> tuple[Value | float, Token]:
        """The value of the expression, and the token that ends it."""
        operand_is_next = True
        for token in statement:
            if operand_is_next:
                operand_is_next = self.read_operand(token)
            elif token.kind == "end" or token.text == ";":
                break
            else:
                operand_is_next = self.read_operator(token)
        self.compute(_COMPARISON)
        if self.pending:
            raise self.unclosed(self.pending[-1])
        return self.operands.pop(), token

    def read_operand(self, token: Token) -> bool:
        """Take what may stand where an operand is expected, and say whether one still is."""
        count = len(self.operands)
        if token.kind == "number":
            self.operands.append(self.number(token))
        elif token.kind == "name":
            self.operands.append(self.variable(token))
        elif token.kind == "target":
            raise self.error("expected one name before '=', at the start of a statement", token)
        elif token.kind == "call":
            self.pending.append(_Pending(token, self.function(token), 0, count))
        elif token.text == "(":
            self.pending.append(_Pending(token, None, 0, count))
        elif token.text == "|":
            self.pending.append(_Pending(token, OPS["abs"], 0, count))
        elif token.text == "-":
            self.pending.append(_Pending(token, OPS["neg"], _NEGATION, count))
        elif token.text == ")" and self.is_open_call(count):
            return self.close()
        elif token.text != "+":
            got = "the end" if token.kind == "end" else repr(shortened(token.text))
            raise self.error(f"expected a number, a name or '(', got {got}", token)
        return token.kind not in ("number", "name")

    def is_open_call(self, count: int) -> bool:
        """Whether a call was opened just now, so that it may end without arguments."""
        return bool(self.pending) and self.pending[-1].is_call and self.pending[-1].first == count

    def read_operator(self, token: Token) -> bool:
        """Take what may follow an operand, and say whether another is expected."""
        sign = token.name if token.kind == "call" else token.text  # a mod (b + c) looks like a call
        if sign in SIGNS:
            return self.read_sign(token, *SIGNS[sign])
        if token.text not in (",", ")", "|"):
            got = repr(shortened(token.text))
            raise self.error(f"expected an operator, got {got}; a product is written with *", token)
        self.compute(_COMPARISON)
        if token.text == ",":
            if not (self.pending and self.pending[-1].is_call):
                advice = "it stands between the arguments of a function"
                raise self.error(f"unexpected ','; {advice}", token)
            return True
        innermost = self.pending[-1].closer if self.pending else ""
        if token.text == innermost:
            return self.close()
        if innermost == "|":
            raise self.unclosed(self.pending[-1])
        opened = "parenthesis" if token.text == ")" else "bar"
        raise self.error(f"unexpected {token.text!r}; no {opened} is open", token)

    def read_sign(self, token: Token, name: str, precedence: int) -> bool:
        """Take an operator, after those that bind more tightly; an operand is expected after it."""
        self.compute(precedence + (precedence in (_POWER, _COMPARISON)))
        # ** alone groups from the right. A comparison of a comparison is no chain as in Python.
        if self.pending and self.pending[-1].precedence == precedence == _COMPARISON:
            advice = "comparisons do not chain: write (a < b) * (b < c) for a < b < c"
            raise self.error(f"unexpected {token.text!r}; {advice}", token)
        count = len(self.operands)
        self.pending.append(_Pending(token, OPS[name], precedence, count - 1))
        if token.kind == "call":
            opened = Token("sign", "(", token.start + len(token.text) - 1)
            self.pending.append(_Pending(opened, None, 0, count))
        return True

    def compute(self, precedence: int) -> None:
        """Apply the pending operators that bind so tightly, down to the innermost parenthesis."""
        while self.pending and self.pending[-1].precedence >= precedence:
            self.apply(self.pending.pop())

    def close(self) -> bool:
        """End the innermost parenthesis, its operators being applied; no operand comes after it."""
        group = self.pending.pop()
        count = len(self.operands) - group.first
        if group.op:
            arity = group.op.arity
            if count != arity and (arity is not None or not count):
                expected = "at least 1 argument" if arity is None else f"{arity} argument"
                plural = "s" * (arity is not None and arity != 1)
                problem = f"{group.token.name}: expected {expected}{plural}, got {count}"
                raise self.error(problem, group.token)
        self.apply(group)
        return False

    def apply(self, pending: _Pending) -> None:
        """Replace the operands of what is pending by its result."""
        op = pending.op
        if op is None:  # a parenthesis is what stands in it
            return
        args = self.operands[pending.first :]
        try:
            self.operands[pending.first :] = [op(args) if op.lists else op(*args)]
        except (ArithmeticError, ValueError) as error:
            raise self.error(str(error), pending.token) from None

    def number(self, token: Token) -> float:
        try:
            return read_number(token.text)
        except ValueError as error:
            raise self.error(f"{shortened(token.text)} {error}", token) from None

    def variable(self, token: Token) -> Value | float:
        if token.name in self.names:
            return self.names[token.name]
        if token.name in self.constants:
            return self.constants[token.name]
        name = shortened(token.name)
        if token.name in functions() or token.name in SPELLINGS:
            raise self.error(f"{name} is a function; write {name}(...)", token)
        raise self.error(f"no value for {name}{code_points(token.name)}; add {name}=NUMBER", token)

    def function(self, token: Token) -> Op:
        known = functions()
        name = token.name
        if name in self.names or name in self.constants:
            raise self.error(f"{shortened(name)} is a number here and cannot be called", token)
        if (op := known.get(SPELLINGS.get(name, name))) is not None:
            return op
        near = difflib.get_close_matches(name[:40], known, 1)
        advice = f"; did you mean {near[0]!r}?" if near else ""
        if name in ADVICE:
            advice = f"; {ADVICE[name]}"
        raise self.error(f"unknown function {shortened(name)!r}{code_points(name)}{advice}", token)

    def unclosed(self, opened: _Pending) -> FormulaError:
        problem = f"{shortened(opened.token.text)!r} is never closed; add {opened.closer!r}"
        return self.error(problem, opened.token)

    def error(self, problem: str, token: Token) -> FormulaError:
        return FormulaError(problem, self.text, token.start)
