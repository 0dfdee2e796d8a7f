"""The page that `explore` gives: the picture, the steps as mathematics, a script to walk them.

Elements of the page that other code may rely on: `#picture` holds the SVG that `draw` describes,
`#steps > li` a step each, with `data-phase` forward or backward and in `data-asks` the number that
it computes. Numbers are in elements with `data-n`; `hooks.py` says how it names them. In the
picture `data-from` is the step when an element appears, `data-lit` are the steps when it is lit.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..files import replaced
from ..value import Value
from .draw import draw
from .hooks import MATHML, essential, hooked, sides
from .javascript import MOST_NODES, Graph
from .marks import marked
from .notation import MOST_TERMS
from .steps import Backward, Forward, check_root, forward, steps
from .whole import visible
from .writer import Writer

_BYTES = 2_500
"""How many bytes a page may have for each box: 150 kB for 60, and so many for fewer."""
_SCRIPTS = ("functions.js", "digits.js", "page.js", "numbers.js", "spoken.js", "practice.js")


def explore(root: Value, *, practice: bool = False, **options: Any) -> Page:
    """The graph of `root` as a page to step through, forward and backward; `options` as in `draw`.

    It loads nothing from anywhere. Buttons, slider and arrow keys walk the steps, a click on a node
    goes to its step, and `steps.html#7` opens at the seventh; without scripts all steps are shown.
    The numbers of labelled leaves are fields: with new ones everything is computed anew.

    With `practice`, or at `steps.html#practice`, it asks for each number instead of showing it.

    >>> from tinygrad_lite.value import Value
    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> page = explore((a + b) * (b + 1))
    >>> page
    <page of 9 steps>

    Raises what `draw` raises.
    """
    check_root("explore", root)
    taken = steps(root)
    stops = _stops(taken)
    order = visible(root)
    every = forward(order)
    svg, height = marked(draw(root, **options), every, _when(stops))
    branched = {i: node.branched for i, node in enumerate(order) if node.branched}
    labelled = [i for i, node in enumerate(order) if node.label and not node.args]
    parts = {
        "title": f"{html.escape(every[-1].name)}, step by step",
        "style": _style(),
        "script": "".join(map(_part, _SCRIPTS)),
        "picture": svg,
        "count": str(len(stops)),
        "practice": str(bool(practice)).lower(),
        "graph": Graph(every, labelled, branched).written(),
    }
    whole = _part("page.html")
    room = _BYTES * max(len(every), MOST_NODES) - _size(whole, *parts.values())
    parts["steps"] = _fitting(Writer(hooked(taken), MATHML), stops, room)
    # All at once: a label may contain {{steps}}.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], whole)
    return Page(page, len(stops), min(height, 560) + 300)


def _size(*texts: str) -> int:
    """How many bytes the texts are in a file."""
    return sum(len(text.encode()) for text in texts)


def _style() -> str:
    return re.sub(r"\s*([{};,])\s*|(?<=:) ", r"\1", _part("page.css"))


def _part(name: str) -> str:
    """A file of the page, without its comments and indentation."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return re.sub(r"^\s*//.*\n|^\s*/\*.*\*/\n|^\s+", "", text, flags=re.MULTILINE)


class Page:
    """What `explore` gives: `html` is the whole page; a notebook shows it in a frame."""

    def __init__(self, html: str, count: int, height: int) -> None:
        self.html = html
        self._count = count
        self._height = height

    def __repr__(self) -> str:
        return f"<page of {self._count} steps>"

    def _repr_html_(self) -> str:
        return self._frame("srcdoc", self.html)

    def iframe(self, src: str) -> str:
        """The HTML that shows this page, saved where `src` says, on another page.

        `src` may end in the step to begin with, `#7`, and in `#practice` or `#practice,7`.

        >>> from tinygrad_lite.value import Value
        >>> print(explore(Value(2.0, "a") * 3).iframe("steps.html#practice"))  # doctest: +ELLIPSIS
        <iframe title="Steps" sandbox="allow-scripts" ... src="steps.html#practice"></iframe>
        """
        return self._frame("src", src)

    def _frame(self, attribute: str, source: str) -> str:
        style = f"width: 100%; height: {self._height}px; border: 0"
        return (
            f'<iframe title="Steps" sandbox="allow-scripts" style="{style}" '
            f'{attribute}="{html.escape(source)}"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, which any browser opens without a network; give its path."""
        folder = Path(path).absolute().parent
        if not folder.is_dir():
            raise FileNotFoundError(f"save: there is no folder {str(folder)!r}; make it first")
        with replaced(path) as part:
            part.write_bytes(self.html.encode())
        return Path(path)


class _Stop(NamedTuple):
    """A step of the page: a step of a pass, or all the leaves that are given, at once."""

    phase: str
    steps: list[Forward | Backward]


def _stops(taken: Sequence[Forward | Backward]) -> list[_Stop]:
    given = [step for step in taken if isinstance(step, Forward) and not step.args]
    others = [step for step in taken if isinstance(step, Backward) or step.args]
    stops = [
        _Stop("forward" if isinstance(step, Forward) else "backward", [step]) for step in others
    ]
    return [_Stop("forward", list(given)), *stops] if given else stops


def _when(stops: Sequence[_Stop]) -> dict[tuple[str, int], str]:
    """The number of the step that computes each node's value, `forward`, and its derivative."""
    return {
        (stop.phase, step.index): str(number)
        for number, stop in enumerate(stops, 1)
        for step in stop.steps
    }


# The steps


def _fitting(writer: Writer, stops: Sequence[_Stop], room: int) -> str:
    """The steps; where nodes are used often, local derivatives are in names alone, or left out."""
    for most in (4, 2, 0):
        steps = "\n".join(_items(writer, stops, most))
        if _size(steps) <= room:
            break
    return steps


def _items(writer: Writer, stops: Sequence[_Stop], most: int = 4) -> Iterator[str]:
    """Each step; a local derivative has so many sides, without a number that the sum has too."""
    for number, (phase, together) in enumerate(stops, 1):
        shown = "\n".join(_formula(_main(writer, step)) for step in together)
        step = together[0]
        yield (
            f"<li value={number} data-phase={phase}{_asks(step)}><div>{shown}"
            f"<small>{phase}: {_note(together)}{_locals(writer, step, most)}</small></div>"
        )


def _formula(formula: Sequence[str], kind: str = "formula") -> str:
    return f"<span class={kind}>{' '.join(sides(formula))}</span>"


def _main(writer: Writer, step: Forward | Backward) -> list[str]:
    """What a step computes."""
    if isinstance(step, Forward):
        return essential(writer.value(writer.forward[step.index]))
    return essential(writer.adjoint(writer.backward[step.index]))


def _locals(writer: Writer, step: Forward | Backward, most: int) -> str:
    """The local derivatives of a chain rule."""
    if isinstance(step, Forward) or not step.terms or writer.is_direct(step):
        return ""
    terms = writer.backward[step.index].terms[:MOST_TERMS]
    every = [essential(writer.local(term, step.index)) for term in terms]
    shown = [each[:most] for each in every if most > 2 or len(each) > most > 0]
    formulas = [_formula(each, "local") for each in shown]
    return f"<span class=locals>; with {' '.join(formulas)}</span>" if formulas else ""


def _asks(step: Forward | Backward) -> str:
    """What practice asks for: no given number, nor that the derivative of the root for it is 1."""
    if isinstance(step, Forward):
        return f" data-asks=v{step.index}" if step.args else ""
    return f" data-asks=a{step.index}" if step.terms else ""


def _note(together: Sequence[Forward | Backward]) -> str:
    """What happens in a step, in a sentence."""
    step = together[0]
    name = html.escape(step.name)
    if isinstance(step, Forward):
        return f"compute {name}" if step.args else _given(together)
    if not step.terms:
        return "it starts here" if step.adjoint else f"no derivative reaches {name}"
    if len(step.terms) == 1:
        return f"{html.escape(step.terms[0].name)} uses {name}"
    return f"the sum over the {len(step.terms)} nodes that use {name}"


def _given(leaves: Sequence[Forward | Backward]) -> str:
    names = html.escape(", ".join(step.name for step in leaves[:MOST_TERMS]))
    more = ", …" if len(leaves) > MOST_TERMS else ""
    return f"{names}{more} {'is' if len(leaves) == 1 else 'are'} given"
