"""The steps of both passes as formulas: text for a terminal, Markdown for a notebook, LaTeX for a paper.

No derivative is written here by hand: the rules of the table run on `Symbol`s, and what they give is printed.
"""

from __future__ import annotations

import functools

from ..op import OPS, RESERVED, Op, constant
from ..ops import HELPERS
from ..value import Value, topological_order
from .notation import LATEX, TEXT, Notation, Symbol, differentiate, number_written, write
from .steps import Arg, Backward, Forward, Term, held, reached, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Section = tuple[str, list[list[str]]]

MOST_TERMS, MOST_PARTS, MOST_CLOSED_PARTS = 6, 60, 300
"""How many terms a sum shows, and how many names, numbers and operations a local derivative or a closed form may."""


def _total(symbols: Iterable[Symbol]) -> Symbol:
    terms = [symbol for symbol in symbols if symbol.constant != 0]
    return terms[0] if len(terms) == 1 else OPS["sum"](terms) if terms else Symbol(number=0.0)


def _shortened(items: Sequence[Any], rest: Any) -> list[Any]:
    return [*items] if len(items) <= MOST_TERMS else [*items[: MOST_TERMS - 2], rest, items[-1]]


class Writer:
    """The formulas of steps in one notation, each a list: the left side, then what it equals, symbols first."""

    def __init__(self, steps: Sequence[Forward | Backward], notation: Notation) -> None:
        self.notation = notation
        self.forward = {step.index: step for step in steps if isinstance(step, Forward)}
        self.backward = {step.index: step for step in steps if isinstance(step, Backward)}
        self.root = max(self.forward)
        self.sources = reached(self.forward.values(), self.forward)

    def depends(self, i: int, sources: Sequence[int]) -> bool:
        """Whether a derivative flows from node `i` to one of `sources`."""
        return any(self.sources[i] >> source & 1 for source in sources)

    def value(self, step: Forward) -> list[str]:
        """c = a + b = 2 + 1 = 3."""
        sides = []
        if step.op is not None and step.args:
            args, lists = [_symbol(arg) for arg in step.args], max(step.op.lists, 1)
            each = len(args) // lists
            parts = [_shortened(args[i * each : (i + 1) * each], Symbol(name="…")) for i in range(lists)]
            sides = self._both(Symbol(step.op, [symbol for part in parts for symbol in part]))
        return _distinct(self._name(step.index), *sides, self.notation.number(step.value))

    def local(self, term: Term, node: int) -> list[str]:
        """∂e/∂c = d = 2: the derivative of a user of the node, by the rule of its operation."""
        symbol = self._local[term.user][node]
        sides = self._both(symbol) if symbol.parts <= MOST_PARTS else []
        return _distinct(self._local_name(term.user, node), *sides, self.notation.number(term.partial))

    def adjoint(self, step: Backward) -> list[str]:
        """∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5."""
        if self.is_direct(step):
            return self.local(step.terms[0], step.index)
        names, numbers = [], []
        for term in step.terms:
            names.append(self._product(term, self.derivative(term.user), self._local_name(term.user, step.index)))
            numbers.append(self._product(term, self._factor(term.adjoint), self._factor(term.partial)))
        sides = [" + ".join(_shortened(terms, self.notation.ellipsis)) for terms in (names, numbers) if terms]
        return _distinct(self.derivative(step.index), *sides, self.notation.number(step.adjoint))

    def closed(self, node: int) -> list[str]:
        """∂e/∂b = (b + 1) + (a + b) = (1 + 1) + (2 + 1) = 5: from the leaves alone.

        Raises ValueError if it is too long to read.
        """
        symbol, name = self._closed[node], self.derivative(node)
        if symbol.parts > MOST_CLOSED_PARTS:
            size = f"more than {MOST_CLOSED_PARTS} names, numbers and operations"
            raise ValueError(f"explain: the closed form of {name} has {size}; leave closed=True out to go node by node")
        return _distinct(name, *self._both(symbol), self.notation.number(self.backward[node].adjoint))

    def is_direct(self, step: Backward) -> bool:
        """Whether the root alone uses this node, so that the local derivative is all there is."""
        return [term.user for term in step.terms] == [self.root]

    def derivative(self, node: int) -> str:
        """∂e/∂b, of the root."""
        return self.notation.derivative.format(self._name(self.root), self._name(node))

    def _name(self, i: int) -> str:
        return self.notation.name(self.forward[i].name)

    def _local_name(self, user: int, node: int) -> str:
        """∂c/∂b; but (∂e/∂b)|_c where e uses b directly and also through c, which is held."""
        others = [self.notation.name(name) for name in held(self.forward[user], node, self.sources)]
        if not others:
            return self.notation.derivative.format(self._name(user), self._name(node))
        named = ",".join(_shortened(others, self.notation.ellipsis))
        return self.notation.direct.format(self._name(user), self._name(node), named)

    def _product(self, term: Term, adjoint: str, partial: str) -> str:
        """A term; where the user is the root its adjoint, 1, goes without saying."""
        return partial if term.user == self.root else f"{adjoint}{self.notation.times}{partial}"

    def _factor(self, x: float) -> str:
        text, tightness = number_written(x, self.notation)
        return text if tightness >= 2 else self.notation.enclosed(text)

    def _both(self, symbol: Symbol) -> list[str]:
        return [write(symbol, self.notation), write(symbol, self.notation, numbers=True)]

    @functools.cached_property
    def _local(self) -> dict[int, dict[int, Symbol]]:
        """∂user/∂arg in the names of the nodes, by the indices of both."""
        return {
            i: _by_arg(step, Symbol(name=step.name, number=step.value), [_symbol(arg) for arg in step.args])
            for i, step in self.forward.items()
        }

    @functools.cached_property
    def _closed(self) -> dict[int, Symbol]:
        """∂root/∂node in the names of the leaves."""
        values: dict[int, Symbol] = {}
        args: dict[int, list[Symbol]] = {}
        for i, step in self.forward.items():
            args[i] = [_symbol(arg) if arg.constant else values[arg.index] for arg in step.args]
            named = Symbol(name=step.name, number=step.value)
            values[i] = Symbol.apply(step.op, args[i]) if step.op and step.args else named
        terms: dict[int, list[Symbol]] = {i: [] for i in self.forward} | {self.root: [Symbol(number=1.0)]}
        adjoints: dict[int, Symbol] = {}
        for i, step in reversed(self.forward.items()):
            adjoints[i] = _total(reversed(terms[i]))
            for node, partial in _by_arg(step, values[i], args[i]).items():
                terms[node].append(adjoints[i] * partial)
        return adjoints


def _symbol(arg: Arg) -> Symbol:
    return Symbol(name=None if arg.constant else arg.name, number=arg.number)


def _by_arg(step: Forward, out: Symbol, args: Sequence[Symbol]) -> dict[int, Symbol]:
    """The local derivatives of a step; that for x of x·x is the sum over both edges, x + x."""
    if step.op is None or not args:
        return {}
    partials = differentiate(step.op, out, args, [arg.partial is not None for arg in step.args])
    found: dict[int, list[Symbol]] = {}
    for arg, partial in zip(step.args, partials, strict=True):
        if partial is not None:
            found.setdefault(arg.index, []).append(partial)
    return {i: _total(symbols) for i, symbols in found.items()}


def _distinct(*sides: str) -> list[str]:
    return [side for i, side in enumerate(sides) if i == 0 or side != sides[i - 1]]


class Explanation:
    """What `explain` gives: its `str` is for a terminal, a notebook shows it as mathematics, `latex` is for a paper."""

    def __init__(self, sections: Callable[[Notation], list[Section]]) -> None:
        self._sections = functools.cache(sections)
        self._sections(TEXT)  # raises here, not when it is shown

    def __str__(self) -> str:
        sections = [[title, *("  " + " = ".join(sides) for sides in lines)] for title, lines in self._sections(TEXT)]
        return "\n\n".join(map("\n".join, sections))

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        formulas = "**{}**\n\n$$\n\\begin{{aligned}}\n{}\n\\end{{aligned}}\n$$\n"
        return "\n".join(formulas.format(title, _aligned(lines)) for title, lines in self._sections(LATEX))

    def latex(self) -> str:
        r"""An `align*`, which needs amsmath; for labels beyond Latin and Greek letters, XeLaTeX or LuaLaTeX.

        >>> a = Value(2.0, "a")
        >>> print(explain((a * 3).named("b")).latex())
        \begin{align*}
        a &= 2 \\
        b &= a \cdot 3 = 2 \cdot 3 = 6 \\
        \frac{\partial b}{\partial a} &= 3
        \end{align*}
        """
        lines = [line for _, section in self._sections(LATEX) for line in section]
        return f"\\begin{{align*}}\n{_aligned(lines)}\n\\end{{align*}}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    return " \\\\\n".join(" &= ".join([left, " = ".join(sides)]) for left, *sides in lines)


def explain(
    root: Value, wrt: Value | list[Value] | tuple[Value, ...] | None = None, *, closed: bool = False
) -> Explanation:
    """How the derivatives of `root` come about, by hand: those of directly connected nodes, then the chain rule.

    With `wrt`, a node or several, only what its derivative is made of; without, all nodes and their values.
    `closed` adds the derivative with respect to `wrt`, or to every leaf, in terms of the leaves.

    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> e = ((a + b).named("c") * (b + 1).named("d")).named("e")
    >>> explain(e, wrt=b, closed=True)
    Directly connected nodes
      ∂c/∂b = 1
      ∂d/∂b = 1
      ∂e/∂c = d = 2
      ∂e/∂d = c = 3
    <BLANKLINE>
    Chain rule
      ∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5
    <BLANKLINE>
    Closed form
      ∂e/∂b = (b + 1) + (a + b) = (1 + 1) + (2 + 1) = 5

    (∂e/∂b)|_c is the derivative of e for b with c held, where e uses b both directly and through c.
    Raises ValueError if `wrt` is a constant or no part of the graph, or if a closed form is too long to read.
    """
    taken = steps(root)
    sources = None if wrt is None else _places(root, wrt if isinstance(wrt, list | tuple) else [wrt])
    return Explanation(lambda notation: _sections(Writer(taken, notation), sources, closed))


def _places(root: Value, sources: Sequence[Value]) -> list[int]:
    """Where the sources are in the topological order."""
    place = {node: i for i, node in enumerate(topological_order(root))}
    for node in sources:
        if not isinstance(node, Value):
            raise TypeError(f"explain: wrt is a Value or a sequence of Values, got {type(node).__name__}")
        if node.op is constant:
            advice = "make it a Value to have a derivative for it"
            raise ValueError(f"explain: {node!r} is a constant, a number written in a formula; {advice}")
        if node not in place:
            raise ValueError(f"explain: {node!r} is no part of the graph of {root!r}; choose a node that it depends on")
    return [place[node] for node in sources]


def _sections(writer: Writer, sources: Sequence[int] | None, closed: bool) -> list[Section]:
    taken = [step for step in writer.backward.values() if sources is None or writer.depends(step.index, sources)]
    pairs = [(term, step.index) for step in reversed(taken) for term in step.terms]
    direct = [writer.local(term, node) for term, node in sorted(pairs, key=lambda pair: pair[0].user)]
    chain = [
        writer.adjoint(step)
        for step in taken
        if not writer.is_direct(step) and (step.index != writer.root or step.index in (sources or ()))
    ]
    asked = [i for i, step in writer.forward.items() if step.op is None] if sources is None else sources
    sections = [
        ("Values", [writer.value(step) for step in writer.forward.values()] if sources is None else []),
        ("Directly connected nodes", direct),
        ("Chain rule", chain),
        ("Closed form", [writer.closed(i) for i in asked] if closed else []),
    ]
    return [section for section in sections if section[1]]


def table(operations: Iterable[Op] | None = None) -> str:
    """The operations as a table in Markdown; without an argument, those of the package.

    >>> print(table([OPS["mul"], OPS["tanh"]]))
    | function | is written | derivative for each argument | defined for |
    |---|---|---|---|
    | `mul` | `x·y` | `y`, `x` | |
    | `tanh` | `tanh(x)` | `1 - tanh(x)^2` | |
    """
    if operations is None:
        operations = [op for name, op in OPS.items() if name in RESERVED and name not in HELPERS]
    head = "| function | is written | derivative for each argument | defined for |\n|---|---|---|---|"
    return "\n".join([head, *map(_row, operations)])


def _row(op: Op) -> str:
    names = ["x1", "x2", "y1", "y2"] if op.lists == 2 else ["x", "y", "z"][: op.arity or 2]
    args = [Symbol(name=name) for name in names]
    partials = differentiate(op, Symbol(op, args), args, [True] * len(args))
    derivatives = ", ".join("none" if p is None else f"`{write(p, TEXT)}`" for p in partials)
    cells = [f"`{op.name}`", f"`{op.written(names)}`", derivatives, op.domain or ""]
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |".replace("|  |", "| |")
