"""The steps of both passes as formulas, in any notation.

No derivative is written here by hand: the rules of the table run on `Symbol`s, and what they give
is written down. Each `=` is true: a number gets as many digits as that takes, and what has no true
formula, such as 0·log(0) = 0, is not written.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..op import OPS
from ..ops import maximum, minimum
from .naming import ALL_DIGITS, DIGITS, few
from .notation import MOST_TERMS, Notation, write
from .steps import Arg, Backward, Forward, Term, held, reached
from .symbol import Symbol, differentiate, evaluated
from .textbook import WholeOp

MOST_PARTS, MOST_CLOSED_PARTS = 60, 300
"""How many parts a local derivative and a closed form may have."""
ENOUGH = (DIGITS, 6, 9, 12, ALL_DIGITS)
"""How many digits the numbers of a formula may get."""
CLOSE = 2e-3
"""How far a formula at rounded numbers may be from the result, relative to it."""

_EXTREMA = (maximum, minimum)


class Writer:
    """The formulas of steps in one notation.

    Each is a list: the left side, then what it equals, symbols first, the result last.
    """

    def __init__(self, steps: Sequence[Forward | Backward], notation: Notation) -> None:
        self.notation = notation
        self.forward = {step.index: step for step in steps if isinstance(step, Forward)}
        self.backward = {step.index: step for step in steps if isinstance(step, Backward)}
        self.root = max(self.forward)
        self._rest = Symbol(written=notation.ellipsis)
        self.sources = reached(self.forward.values(), self.forward)

    def depends(self, i: int, sources: Sequence[int]) -> bool:
        """Whether a derivative flows from node `i` to one of `sources`."""
        return any(self.sources[i] >> source & 1 for source in sources)

    def value(self, step: Forward) -> list[str]:
        """c = a + b = 2 + 1 = 3."""
        left = self.notation.name(step.name)
        if any(sign in step.name for sign in "=<>≤≥≠"):
            left = self.notation.enclosed(left)
        if step.op is None or not step.args:
            return [left, self.notation.number(step.value)]
        args = [*map(symbol_of, step.args)]
        shows = args if isinstance(step.op, WholeOp) else self._few_args(args, step.op.lists)
        return self._equation(left, Symbol(step.op, args), step.value, shows=Symbol(step.op, shows))

    def local(self, term: Term, node: int) -> list[str]:
        """∂e/∂c = d = 2: the derivative of a user of the node, by the rule of its operation."""
        left = self._local_name(term.user, node)
        if self.forward[term.user].op in _EXTREMA:  # which is chosen is said in a remark
            return [left, self.notation.number(term.partial)]
        return self._equation(left, self._local[term.user][node], term.partial, adds_up=False)

    def remark(self, term: Term, node: int) -> str:
        """What is to be said beside a local derivative: which argument was chosen, what is held."""
        user = self.forward[term.user]
        name = self.notation.name
        if user.op in _EXTREMA:
            chosen = {arg.name: None for arg in user.args if arg.number == user.value}
            if not chosen:  # the result is nan
                return ""
            what = "largest" if user.op is maximum else "smallest"
            verb = "are" if len(chosen) > 1 else "is"
            return self.notation.words(f"the {what} {verb} ", self.notation.listed(chosen))
        others = held(user, node, self.sources)
        if not others:
            return ""
        names = self.notation.listed(others)
        mine, its = name(user.name), name(self.forward[node].name)
        return self.notation.words(
            "with ", names, " held fixed: ", mine, " uses ", its, " directly and through ", names
        )

    def adjoint(self, step: Backward) -> list[str]:
        """∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5."""
        if self.is_direct(step):
            return self.local(step.terms[0], step.index)
        # What a choice did not choose gets nothing, also where 0 times its adjoint would be nan.
        terms = [t for t in step.terms if t.product != 0 or not math.isnan(t.adjoint * t.partial)]
        products = [self._product(term, step.index) for term in terms]
        left = self.derivative(step.index)
        if not products:
            return [left, self.notation.number(step.adjoint)]
        shows = _sum(few(products, self._rest, MOST_TERMS))
        return self._equation(left, _sum(products), step.adjoint, shows=shows)

    def closed(self, node: int) -> list[str]:
        """∂e/∂b = (b + 1) + (a + b) = (1 + 1) + (2 + 1) = 5: from the leaves alone.

        Raises ValueError if it is too long to read.
        """
        symbol = self._closed[node]
        name = self.derivative(node)
        if symbol.parts > MOST_CLOSED_PARTS:
            size = f"more than {MOST_CLOSED_PARTS} names, numbers and operations"
            advice = "leave closed=True out to go node by node"
            raise ValueError(f"explain: the closed form of {name} has {size}; {advice}")
        return self._equation(name, symbol, self.backward[node].adjoint, most=MOST_CLOSED_PARTS)

    def is_direct(self, step: Backward) -> bool:
        """Whether the root alone uses this node, so that the local derivative is all there is."""
        return [term.user for term in step.terms] == [self.root]

    def derivative(self, node: int) -> str:
        """∂e/∂b, of the root."""
        return self.notation.slope(self.forward[self.root].name, self.forward[node].name)

    def _equation(
        self,
        left: str,
        symbol: Symbol,
        result: float,
        *,
        shows: Symbol | None = None,
        most: int = MOST_PARTS,
        adds_up: bool = True,
    ) -> list[str]:
        """The sides; of the formula as it `shows`, if that is shorter than what it computes.

        `adds_up` says that the result was computed by it, and is 0 only up to rounding.
        """
        shows = symbol if shows is None else shows
        sides = [left]
        if shows.parts <= most:
            digits = _enough(symbol, result, _size(symbol) if adds_up else 0.0)
            if digits or self.notation.follows:
                sides.append(write(shows, self.notation))
                sides.append(write(shows, self.notation, numbers=True, digits=digits))
        sides.append(self.notation.number(result))
        return [side for side, _ in itertools.groupby(sides)]

    def _local_name(self, user: int, node: int) -> str:
        step = self.forward[user]
        others = held(step, node, self.sources)
        return self.notation.local(step.name, self.forward[node].name, others)

    def _product(self, term: Term, node: int) -> Symbol:
        """A term; where the user is the root its adjoint, 1, goes without saying."""
        partial = Symbol(written=self._local_name(term.user, node), number=term.partial)
        if term.user == self.root:
            return partial
        return Symbol(written=self.derivative(term.user), number=term.adjoint) * partial

    def _few_args(self, args: Sequence[Symbol], lists: int) -> list[Symbol]:
        """The arguments, of which each sequence has at most `MOST_TERMS`."""
        count = max(lists, 1)
        each = len(args) // count
        parts = (args[i * each : (i + 1) * each] for i in range(count))
        return [symbol for part in parts for symbol in few(part, self._rest, MOST_TERMS)]

    @functools.cached_property
    def _local(self) -> dict[int, dict[int, Symbol]]:
        """∂user/∂arg in the names of the nodes, by the indices of both."""
        wholes = {
            (step.op, tuple(arg.name for arg in step.args)): Symbol(
                name=step.name, number=step.value
            )
            for step in self.forward.values()
            if isinstance(step.op, WholeOp)
        }
        found: dict[int, dict[int, Symbol]] = {}
        for i, step in self.forward.items():
            out = Symbol(name=step.name, number=step.value)
            partials = _by_arg(step, out, [*map(symbol_of, step.args)])
            found[i] = {node: _renamed(symbol, wholes) for node, symbol in partials.items()}
        return found

    @functools.cached_property
    def _closed(self) -> dict[int, Symbol]:
        """∂root/∂node in the names of the leaves."""
        values: dict[int, Symbol] = {}
        args: dict[int, list[Symbol]] = {}
        for i, step in self.forward.items():
            args[i] = [symbol_of(arg) if arg.constant else values[arg.index] for arg in step.args]
            named = Symbol(name=step.name, number=step.value)
            values[i] = Symbol.apply(step.op, args[i]) if step.op and step.args else named
        terms: dict[int, list[Symbol]] = {i: [] for i in self.forward}
        terms[self.root] = [Symbol(number=1.0)]
        adjoints: dict[int, Symbol] = {}
        for i, step in reversed(self.forward.items()):
            adjoints[i] = _total(reversed(terms[i]))
            for node, partial in _by_arg(step, values[i], args[i]).items():
                terms[node].append(adjoints[i] * partial)
        return adjoints


def symbol_of(arg: Arg) -> Symbol:
    """An argument by its name, or as a number if it is one."""
    return Symbol(name=None if arg.constant else arg.name, number=arg.number)


def _by_arg(step: Forward, out: Symbol, args: Sequence[Symbol]) -> dict[int, Symbol]:
    """The local derivatives of a step; that for x of x·x is the sum over both edges, x + x."""
    if step.op is None or not args:
        return {}
    partials: list[Any]
    if step.op in _EXTREMA:
        partials = [
            None if arg.partial is None else Symbol(number=arg.partial) for arg in step.args
        ]
    else:
        partials = differentiate(step.op, out, args, [arg.partial is not None for arg in step.args])
    found: dict[int, list[Symbol]] = {}
    for arg, partial in zip(step.args, partials, strict=True):
        if partial is not None:
            found.setdefault(arg.index, []).append(partial)
    return {i: _total(symbols) for i, symbols in found.items()}


def _renamed(symbol: Symbol, wholes: dict[Any, Symbol]) -> Symbol:
    """The formula with p for the softmax that a node p of the graph is."""
    if symbol.op is None:
        return symbol
    if isinstance(symbol.op, WholeOp):
        return wholes.get((symbol.op, tuple(arg.name for arg in symbol.args)), symbol)
    return Symbol(symbol.op, [_renamed(arg, wholes) for arg in symbol.args])


def _total(symbols: Iterable[Symbol]) -> Symbol:
    return _sum([symbol for symbol in symbols if symbol.constant != 0])


def _sum(terms: Sequence[Symbol]) -> Symbol:
    if len(terms) == 1:
        return terms[0]
    return Symbol(OPS["sum"], terms) if terms else Symbol(number=0.0)


def _enough(symbol: Symbol, result: float, size: float) -> int:
    """How many digits make a formula's numbers give the result; 0 if no number of them does."""
    if not _agree(evaluated(symbol), result, size):
        return 0
    # What rounding leaves of numbers of that `size` is written as it is, if it can be.
    tries = ((digits, noise) for noise in (0.0, size) for digits in ENOUGH)
    return next((d for d, noise in tries if _agree(evaluated(symbol, d), result, noise)), 0)


def _agree(x: float, result: float, size: float) -> bool:
    if math.isnan(x) or math.isnan(result):
        return math.isnan(x) and math.isnan(result)
    return x == result or abs(x - result) <= max(CLOSE * abs(result), 1e-15 * size)


def _size(symbol: Symbol) -> float:
    """The size of what is added up: its rounding is no difference."""
    if symbol.op is None or symbol.op.precedence != 1:
        return 0.0
    sizes = [abs(evaluated(arg)) for arg in symbol.args]
    return max((size for size in sizes if math.isfinite(size)), default=0.0)
