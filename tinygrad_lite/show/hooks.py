"""Formulas whose numbers can follow: MathML is a third notation beside text and LaTeX.

It spells as LaTeX does, from the same templates, but for its numbers: each is a hook, which says
which number of the graph stands there. In the page a hook is `<mn data-n=v3>`; a script can then
put another number in its place. It has `data-d=12` if it needs twelve digits for its side to give
the result; a side that does not at any number of them is hidden.

- `v3` is the value of node 3 of the topological order, `a3` the derivative of the root for it;
- `p5_3` is the derivative of node 5 for node 3, the sum over the edges from one to the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .latex import addends
from .mathml import CLEAN, ELEMENT, END, HOOK, START, held, math, name
from .naming import DIGITS
from .notation import LATEX, Latex
from .steps import Backward, Forward


class Hooked(float):
    """A number that knows which of the graph's numbers it is."""

    __slots__ = ("key",)
    key: str

    def __new__(cls, x: float, key: str) -> Hooked:  # noqa: D102  # as the class says
        hooked = super().__new__(cls, x)
        hooked.key = key
        return hooked


def hooked(steps: Iterable[Forward | Backward]) -> list[Forward | Backward]:
    """The steps with a hook in place of each number that follows from the leaves."""
    return [_forward(step) if isinstance(step, Forward) else _backward(step) for step in steps]


def _forward(step: Forward) -> Forward:
    args = tuple(
        arg if arg.constant else arg._replace(number=Hooked(arg.number, f"v{arg.index}"))
        for arg in step.args
    )
    return step._replace(value=Hooked(step.value, f"v{step.index}"), args=args)


def _backward(step: Backward) -> Backward:
    terms = tuple(
        term._replace(
            adjoint=Hooked(term.adjoint, f"a{term.user}"),
            partials=(Hooked(term.partial, f"p{term.user}_{step.index}"),),
        )
        for term in step.terms
    )
    return step._replace(adjoint=Hooked(step.adjoint, f"a{step.index}"), terms=terms)


class _MathML(Latex):
    """As LaTeX, with a hook for each number that has a key."""

    follows = True

    @staticmethod
    def name(label: str) -> str:
        return ELEMENT.format(name(label.translate(CLEAN)))

    @staticmethod
    def number(x: float, digits: int = DIGITS) -> str:
        if not isinstance(x, Hooked):
            return LATEX.number(x, digits or DIGITS)
        # The sign says to who sets parentheses that the number may be negative; 1e+20 has no +,
        # which would part the side.
        return f"-{START}{x.key} {float(x)!r} {digits}{END}".replace("+", "")


MATHML = _MathML()


def essential(formula: Sequence[str]) -> list[str]:
    """The sides of an equation in `MATHML`, without those that are the result again.

    The first is what is computed, the last the result; a side without hooks is one in names.
    """
    left, *others, result = formula
    return [left, *(side for side in others if not _repeats(side, result)), result]


def sides(formula: Sequence[str]) -> list[str]:
    """Each side of an equation as a `<math>` of its own, so that lines break between."""
    left, *others = formula
    pieces = [piece for side in others for piece in addends(f"={side}")]
    return [math(piece) for piece in (left, *pieces)]


def _repeats(side: str, result: str) -> bool:
    """Whether a side is the result again, whatever the leaves are: a number and nothing else."""
    return bool(HOOK.fullmatch(side)) or (START not in side and _plain(side) == _plain(result))


def _plain(side: str) -> str:
    return HOOK.sub(lambda found: LATEX.number(held(found)[1]), side)
