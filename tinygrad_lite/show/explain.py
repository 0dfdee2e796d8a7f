"""How derivatives come about: text for a terminal, Markdown for a notebook, LaTeX for a paper."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..op import OPS, RESERVED, Op, constant
from ..ops import HELPERS
from ..support.checks import listed
from ..value import Value, topological_order
from .latex import addends
from .notation import LATEX, TEXT, Notation, write
from .steps import check_root, steps
from .symbol import Symbol, differentiate
from .whole import visible
from .writer import Writer


class Line(NamedTuple):
    """The sides of an equation, and what is to be said beside it."""

    sides: list[str]
    remark: str = ""


Section = tuple[str, list[Line]]
WIDTH = 55
"""How many characters of a formula, not counting commands, one row of LaTeX takes."""


class Explanation:
    """What `explain` gives: text for a terminal; a notebook shows it as mathematics.

    `latex` is for a paper, `markdown` for a page of a course.
    """

    def __init__(self, sections: Callable[[Notation], list[Section]]) -> None:
        self._sections = functools.cache(sections)
        self._sections(TEXT)  # raises here, not when it is shown

    def __str__(self) -> str:
        sections = [[title, *map(_text, lines)] for title, lines in self._sections(TEXT)]
        return "\n\n".join(map("\n".join, sections))

    __repr__ = __str__

    def markdown(self) -> str:
        r"""Markdown with formulas in `$$`, which notebooks, GitHub and course pages show.

        >>> a = Value(2.0, "a")
        >>> print(explain((a * 3).named("b"), wrt=a).markdown())
        **Directly connected nodes**
        <BLANKLINE>
        $$
        \begin{aligned}
        \frac{\partial b}{\partial a} &= 3
        \end{aligned}
        $$
        <BLANKLINE>
        """
        formulas = "**{}**\n\n$$\n\\begin{{aligned}}\n{}\n\\end{{aligned}}\n$$\n"
        sections = self._sections(LATEX)
        return "\n".join(formulas.format(title, _aligned(lines)) for title, lines in sections)

    _repr_markdown_ = markdown

    def latex(self) -> str:
        r"""An `align*` for each section, which may break between pages; it needs amsmath.

        For labels beyond Latin and Greek letters, XeLaTeX or LuaLaTeX.

        >>> a = Value(2.0, "a")
        >>> print(explain((a * 3).named("b"), wrt=a).latex())
        {\allowdisplaybreaks
        \paragraph{Directly connected nodes}
        \begin{align*}
        \frac{\partial b}{\partial a} &= 3
        \end{align*}
        }
        """
        formulas = "\\paragraph{{{}}}\n\\begin{{align*}}\n{}\n\\end{{align*}}"
        sections = self._sections(LATEX)
        blocks = [formulas.format(title, _aligned(lines)) for title, lines in sections]
        return "\n".join(["{\\allowdisplaybreaks", *blocks, "}"])


def _text(line: Line) -> str:
    return "  " + " = ".join(line.sides) + (f"  {line.remark}" if line.remark else "")


def _aligned(lines: Sequence[Line]) -> str:
    return " \\\\\n".join(row for line in lines for row in _rows(line))


def _rows(line: Line) -> Iterator[str]:
    """The rows of an equation: one, or if it is long one for each side, cut between its terms."""
    left, *sides = line.sides
    whole = " = ".join(sides)
    if _width(left + whole) <= WIDTH:
        yield f"{left} &= {whole}"
    else:
        for i, side in enumerate(sides):
            first, *others = _pieces(side)
            yield f"{left if i == 0 else ''} &= {first}".strip()
            yield from (rf"&\quad {piece}" for piece in others)
    if line.remark:
        yield rf"&\quad {line.remark}"


def _width(formula: str) -> int:
    return len(re.sub(r"\\[A-Za-z]+|[\\{}^_ ]", "", formula))


def _pieces(side: str) -> Iterator[str]:
    """A side in pieces that fit in a row, cut before a +."""
    piece = ""
    for term in addends(side):
        if piece and _width(piece + term) > WIDTH:
            yield piece.strip()
            piece = ""
        piece += term
    yield piece


def explain(
    root: Value,
    wrt: Value | str | Sequence[Value | str] | None = None,
    *,
    closed: bool = False,
) -> Explanation:
    """How the derivatives of `root` come about, by hand.

    First those of directly connected nodes, then the chain rule. With `wrt`, a node or its label or
    several of them, only what its derivative is made of; without, all nodes and their values.
    `closed` adds the derivative with respect to `wrt`, or to every leaf, in terms of the leaves.

    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> e = ((a + b).named("c") * (b + 1).named("d")).named("e")
    >>> explain(e, wrt="b", closed=True)
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
    Every `=` is true: where a textbook's formula is not, as 0·log(0) = 0, the number stands alone.
    Raises ValueError if `wrt` is a constant or no part of the graph, if several nodes have that
    label, or if a closed form is too long to read.
    """
    check_root("explain", root)
    taken = steps(root)
    sources = None
    if wrt is not None:
        wanted = [wrt] if isinstance(wrt, str) else listed(wrt)
        sources = [_place(root, each) for each in wanted]
    return Explanation(lambda notation: _sections(Writer(taken, notation), sources, closed))


def _place(root: Value, source: object) -> int:
    """Where a source is among the nodes that are shown."""
    order = visible(root)
    if isinstance(source, str):
        source = _labelled(source, order)
    if not isinstance(source, Value):
        kind = type(source).__name__
        raise TypeError(f"explain: wrt is a Value, a label or several of them, got {kind}")
    if source.op is constant:
        advice = "make it a Value to have a derivative for it"
        reason = f"is a constant, a number written in a formula; {advice}"
        raise ValueError(f"explain: {source!r} {reason}")
    place = {node: i for i, node in enumerate(order)}
    if source in place:
        return place[source]
    if source in set(topological_order(root)):
        reason = "is inside of a softmax or a loss, which is shown as one step"
        raise ValueError(f"explain: {source!r} {reason}; choose what goes into it")
    reason = f"is no part of the graph of {root!r}"
    raise ValueError(f"explain: {source!r} {reason}; choose a node that it depends on")


def _labelled(label: str, order: Sequence[Value]) -> Value:
    found = [node for node in order if node.label == label]
    if len(found) != 1:
        many = "no node has" if not found else f"{len(found)} nodes have"
        labels = ", ".join(repr(each.label) for each in order if each.label) or "none"
        advice = f"choose one of {labels}" if not found else "give the Value itself"
        raise ValueError(f"explain: {many} the label {label!r}; {advice}")
    return found[0]


def _sections(writer: Writer, sources: Sequence[int] | None, closed: bool) -> list[Section]:
    every = writer.backward.values()
    taken = [step for step in every if sources is None or writer.depends(step.index, sources)]
    pairs = [(term, step.index) for step in reversed(taken) for term in step.terms]
    pairs.sort(key=lambda pair: pair[0].user)
    asked = sources
    if sources is None:
        asked = [i for i, step in writer.forward.items() if step.op is None]
    values = [] if sources is not None else [Line(writer.value(s)) for s in writer.forward.values()]
    direct = [Line(writer.local(term, node), writer.remark(term, node)) for term, node in pairs]
    chain = [
        Line(writer.adjoint(step))
        for step in taken
        if not writer.is_direct(step)
        and (step.index != writer.root or step.index in (sources or ()))
    ]
    sections = [
        ("Values", values),
        ("Directly connected nodes", direct),
        ("Chain rule", chain),
        ("Closed form", [Line(writer.closed(i)) for i in asked or ()] if closed else []),
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
    operations = public_operations() if operations is None else operations
    rows = [
        [f"`{name}`", f"`{written}`", _quoted(slopes), domain]
        for name, written, slopes, domain in map(described, operations)
    ]
    lines = [" | ".join(cell.replace("|", r"\|") for cell in row) for row in [HEAD, *rows]]
    head, *others = [f"| {line} |".replace("|  |", "| |") for line in lines]
    return "\n".join([head, "|---|---|---|---|", *others])


HEAD = ("function", "is written", "derivative for each argument", "defined for")


def public_operations() -> list[Op]:
    """The operations of the package that are functions of its façade."""
    return [op for name, op in OPS.items() if name in RESERVED and name not in HELPERS]


def described(op: Op) -> tuple[str, str, list[str], str]:
    """The name of an operation, how it is written, its derivatives, and where it is defined."""
    names = ["x1", "x2", "y1", "y2"] if op.lists == 2 else ["x", "y", "z"][: op.arity or 2]
    args = [Symbol(name=name) for name in names]
    partials = differentiate(op, Symbol(op, args), args, [True] * len(args))
    slopes = ["none" if partial is None else write(partial, TEXT) for partial in partials]
    return op.name, op.written(names), slopes, op.domain or ""


def _quoted(slopes: Sequence[str]) -> str:
    return ", ".join(slope if slope == "none" else f"`{slope}`" for slope in slopes)
