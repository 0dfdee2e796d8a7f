"""The graph in JavaScript: what a page needs to compute values and derivatives anew, by itself.

No rule is written here: those of the table run on `Variable`s, which write down what is done to
them. What floats and NumPy do by functions of their own has its name in JavaScript below.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..op import Op, Operand
from ..support.simplify import EXACT, simpler
from .steps import Forward

MOST_NODES = 60
"""How many nodes a page computes anew: it gets a function for each kind of them."""

FUNCTIONS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "floor_divide": "quotient({0}, {1})",
    "remainder": "remainder({0}, {1})",
    "negative": "-{0}",
    "positive": "{0}",
    "power": "power({0}, {1})",
    "absolute": "Math.abs({0})",
    "sign": "Math.sign({0})",
    "floor": "Math.floor({0})",
    "less": "+({0} < {1})",
    "less_equal": "+({0} <= {1})",
    "greater": "+({0} > {1})",
    "greater_equal": "+({0} >= {1})",
    "equal": "+({0} === {1})",
    "not_equal": "+({0} !== {1})",
    "where": "{0} === 0 ? {2} : {1}",
    "maximum": "Math.max({0}, {1})",
    "minimum": "Math.min({0}, {1})",
    "exp": "Math.exp({0})",
    "expm1": "Math.expm1({0})",
    "log": "Math.log({0})",
    "log1p": "Math.log1p({0})",
    "log2": "Math.log2({0})",
    "log10": "Math.log10({0})",
    "sqrt": "Math.sqrt({0})",
    "cbrt": "Math.cbrt({0})",
    "hypot": "Math.hypot({0}, {1})",
    "sin": "Math.sin({0})",
    "cos": "Math.cos({0})",
    "tan": "Math.tan({0})",
    "arcsin": "Math.asin({0})",
    "arccos": "Math.acos({0})",
    "arctan": "Math.atan({0})",
    "arctan2": "Math.atan2({0}, {1})",
    "sinh": "Math.sinh({0})",
    "cosh": "Math.cosh({0})",
    "tanh": "Math.tanh({0})",
    "arcsinh": "Math.asinh({0})",
    "arccosh": "Math.acosh({0})",
    "arctanh": "Math.atanh({0})",
}
"""By NumPy's names. What is not Math's is in `functions.js`."""
OWN = {"erf": "erf({0})", "erfc": "erfc({0})", "norm_cdf": "erfc(-{0} / Math.SQRT2) / 2"}
"""By the operations' names, of those of the package that have neither NumPy's name nor a rule."""


class Variable(Operand):
    """A variable of JavaScript; an operation on it adds a line that computes another one.

    >>> from ..op import OPS
    >>> x = Variable("x", [])
    >>> OPS["tanh"](x * 2 + 1).lines
    ['x0 = x * 2', 'x1 = x0 + 1', 'x2 = Math.tanh(x1)']
    """

    __slots__ = ("lines", "name")

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Any:
        """One more line, or those of the operation's own rule for arrays, or what is simpler."""
        constants = [None if isinstance(arg, Variable) else float(arg) for arg in args]
        if isinstance(simple := simpler(op, constants, EXACT), tuple):
            kind, i = simple
            return args[i] if kind == "same" else _line(FUNCTIONS["negative"], args[i])
        if not isinstance(op.array, str) and op.array is not None:
            return op.array(*args)
        template = OWN.get(op.name, "") if op.array is None else FUNCTIONS.get(str(op.array), "")
        if not template:
            raise LookupError(f"{op.name} has no formula in JavaScript")
        step = functools.partial(_line, template)
        return functools.reduce(step, args) if op.arity is None else step(*args)


def _line(template: str, *args: Any) -> Variable:
    lines: list[str] = next(arg.lines for arg in args if isinstance(arg, Variable))
    formula = template.format(*map(_operand, args))
    for line in lines:
        name, _, known = line.partition(" = ")
        if known == formula:
            return Variable(name, lines)
    name = f"x{len(lines)}"
    lines.append(f"{name} = {formula}")
    return Variable(name, lines)


def _operand(x: Any) -> str:
    return x.name if isinstance(x, Variable) else literal(float(x))


def literal(x: Any) -> str:
    """Plain data as JavaScript, which knows inf and nan as JSON does not; safe inside `<script>`.

    >>> literal([2.0, math.inf, -0.5, "</script>"])
    '[2,Infinity,-0.5,"\\\\u003c/script>"]'
    """
    if isinstance(x, float) and math.isfinite(x):
        return repr(x).removesuffix(".0")
    if isinstance(x, list | tuple):
        return f"[{','.join(map(literal, x))}]"
    return json.dumps(x).replace("<", "\\u003c")


def value(op: Op, count: int) -> str:
    """The function of an operation on so many arguments.

    >>> from ..op import OPS
    >>> value(OPS["sigmoid"], 1)
    '(a) => { const x0 = -a, x1 = Math.exp(x0), x2 = 1 + x1, x3 = 1 / x2; return x3; }'
    """
    return _function(_names(count), lambda *args: Variable.apply(op, args))


def terms(op: Op, wanted: Sequence[bool]) -> str:
    """The function of t, the result and the arguments that gives t·∂out/∂arg for the wanted."""
    names = ["t", "out", *_names(len(wanted))]
    return _function(names, lambda t, out, *args: op.terms(t, out, args, wanted))


def textbook(op: Op, wanted: Sequence[bool]) -> str:
    """The same for the partials as they are written, if those are computed otherwise."""
    if not op.textbook:
        return "null"
    return _function(
        ["t", "out", *_names(len(wanted))],
        lambda t, out, *args: op.differentiate(out, args, wanted, textbook=True),
    )


def _names(count: int) -> list[str]:
    """What a function calls so many arguments."""
    return ["a"] if count == 1 else [f"a{i}" for i in range(count)]


def _function(names: Sequence[str], rule: Callable[..., Any]) -> str:
    lines: list[str] = []
    result = rule(*(Variable(name, lines) for name in names))
    several = isinstance(result, list | tuple)
    written = [_result(each) for each in (result if several else [result])]
    answer = f"[{', '.join(written)}]" if several else written[0]
    head = f"({', '.join(names)}) =>"
    if not lines:
        return f"{head} {answer}"
    return f"{head} {{ const {', '.join(lines)}; return {answer}; }}"


def _result(x: Any) -> str:
    return "null" if x is None else _operand(x)


class Graph:
    """A graph in JavaScript: its nodes, the rules that they follow, and which leaves may change.

    A row of `nodes` is [name, number, rule, arguments] and, for a node that cannot follow, its
    partials: its rule is -1. A row of `rules` is [name, domain, value, terms, textbook].
    """

    def __init__(
        self, steps: Sequence[Forward], labelled: Sequence[int], branched: Mapping[int, int]
    ) -> None:
        self.steps = steps
        self.labelled = labelled
        self.branched = branched
        self.rules: dict[tuple[Op | None, tuple[bool, ...]], list[str]] = {}
        self.fixed: dict[int, str] = {}
        """Why a node cannot follow."""
        self.rule_of = [self._rule(step) for step in steps]
        for step in reversed(steps):  # and what it depends on must not change
            if step.index in self.fixed:
                for arg in step.args:
                    self.fixed.setdefault(arg.index, self.fixed[step.index])
        for i in labelled:
            if i in branched:
                what = f"what depends on {steps[i].name}"
                self.fixed.setdefault(i, f"the program took an `if` on {what}")

    def _rule(self, step: Forward) -> int:
        if reason := self._reason(step):
            self.fixed[step.index] = reason
            return -1
        return list(self.rules).index(_key(step)) if step.args else -1

    def _reason(self, step: Forward) -> str:
        """Why a step cannot follow new numbers; else its rule is kept."""
        if len(self.steps) > MOST_NODES:
            return f"the graph has more than {MOST_NODES} nodes"
        if self.branched.get(step.index) == 2:
            return f"the program took an `if` on {step.name}"
        if step.op is not None and step.args:
            try:
                self.rules.setdefault(_key(step), _rule(step.op, _key(step)[1]))
            except Exception:  # a rule of the user's may do anything
                return f"{step.op.name} has no formula in JavaScript"
        return ""

    def written(self) -> str:
        """The object as JavaScript."""
        nodes = ",\n".join(map(self._node, self.steps))
        rules = ",\n".join(f"[{', '.join(rule)}]" for rule in self.rules.values())
        fixed = [[i, self.fixed[i]] for i in self.labelled if i in self.fixed]
        parts = {
            "nodes": f"[{nodes}]",
            "rules": f"[{rules}]",
            "labelled": literal(self.labelled),
            "fixed": f"new Map({literal(fixed)})",
        }
        return "{" + ",\n".join(f"{name}: {part}" for name, part in parts.items()) + "}"

    def _node(self, step: Forward) -> str:
        rule = self.rule_of[step.index]
        row = [step.name, step.value, rule, [arg.index for arg in step.args]]
        return literal(
            [*row, [arg.partial for arg in step.args]] if rule < 0 and step.args else row
        )


def _key(step: Forward) -> tuple[Op | None, tuple[bool, ...]]:
    return step.op, tuple(arg.partial is not None for arg in step.args)


def _rule(op: Op, wanted: Sequence[bool]) -> list[str]:
    names = [literal(op.name), literal(op.domain or "")]
    return [*names, value(op, len(wanted)), terms(op, wanted), textbook(op, wanted)]
