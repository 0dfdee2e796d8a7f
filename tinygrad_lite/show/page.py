"""The page that `explore` gives: the picture, the steps as mathematics, a script to walk them."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ..files import replaced
from .draw import DERIVATIVE, VALUE
from .explain import MOST_TERMS, Writer
from .notation import LATEX, TEXT
from .steps import Backward, Forward

_SVG = "{http://www.w3.org/2000/svg}"
_PIXELS, _AT_LEAST = 1.7, 0.85
"""How many pixels a point of the picture takes where there is room, and where there is none, before it scrolls."""


class Page:
    """What `explore` gives: `html` is the whole page, `save` writes it, a notebook shows it in a frame."""

    def __init__(self, html: str, count: int, height: int) -> None:
        self.html, self._count, self._height = html, count, height

    def __repr__(self) -> str:
        return f"<page of {self._count} steps>"

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self._height}px; border: 0"
        source = html.escape(self.html)
        return f'<iframe title="Steps" sandbox="allow-scripts" style="{style}" srcdoc="{source}"></iframe>'

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to a file, which any browser opens without a network; give its path."""
        with replaced(path) as part:
            part.write_bytes(self.html.encode())
        return Path(path)


def page_of(svg: bytes, taken: Sequence[Forward | Backward]) -> Page:
    """The page of a picture and the steps through it."""
    picture, height = _picture(svg, taken)
    name = html.escape(next(step.name for step in taken if isinstance(step, Backward)))
    parts = {"title": f"{name}, step by step", "picture": picture, "steps": _items(taken), "count": str(len(taken))}
    template = Path(__file__).with_suffix(".html").read_text(encoding="utf-8")
    # All at once: a label may contain {{steps}}.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
    return Page(page, len(taken), min(height, 560) + 260)


def _picture(svg: bytes, taken: Sequence[Forward | Backward]) -> tuple[str, int]:
    """The picture with each element's steps, in `data-from` when it appears and in `data-lit` when it is lit."""
    picture = ElementTree.fromstring(svg)  # noqa: S314  # it is our own
    height = _prepare(picture)
    groups = {group.get("id", ""): group for group in picture.iter(f"{_SVG}g")}
    slots = {step.index: [arg.index for arg in step.args] for step in taken if isinstance(step, Forward)}
    lit: dict[str, list[str]] = {}
    for number, step in enumerate(taken, 1):
        if isinstance(step, Forward):
            edges = [f"e{step.index}_{k}" for k in range(len(step.args))]
        else:
            users = [term.user for term in step.terms]
            edges = [f"e{user}_{k}" for user in users for k, i in enumerate(slots[user]) if i == step.index]
        kind, color = ("value", VALUE) if isinstance(step, Forward) else ("derivative", DERIVATIVE)
        for name in (f"n{step.index}", *edges):
            lit.setdefault(name, []).append(str(number))
            for text in groups[name].findall(f"{_SVG}text") if name in groups else []:
                if text.get("fill", "").upper() == color:
                    text.attrib |= {"class": kind, "data-from": str(number)}
    for name in lit.keys() & groups.keys():
        groups[name].set("data-lit", " ".join(lit[name]))
    ElementTree.register_namespace("", _SVG[1:-1])
    return ElementTree.tostring(picture, encoding="unicode"), height


def _prepare(picture: ElementTree.Element) -> int:
    """Size the picture, take out what the page says itself, and give its height."""
    width, height = (float(side) for side in picture.get("viewBox", "").split()[2:])
    del picture.attrib["height"]
    picture.attrib |= {"width": f"{_PIXELS * width:.0f}", "style": f"min-width: {_AT_LEAST * width:.0f}px"}
    picture.attrib |= {"role": "img", "aria-label": "The graph, from its leaves on the left to its root on the right"}
    for element in picture.iter():
        for title in element.findall(f"{_SVG}title"):
            element.remove(title)
        for name in ("font-family", "{http://www.w3.org/XML/1998/namespace}space"):
            element.attrib.pop(name, None)
    return round(_PIXELS * height)


def _items(taken: Sequence[Forward | Backward]) -> str:
    latex, text = Writer(taken, LATEX), Writer(taken, TEXT)
    items = []
    for number, step in enumerate(taken, 1):
        note = _note(step)
        if isinstance(step, Forward):
            phase, formula = "forward", _math(latex.value(step), text.value(step))
        else:
            phase, formula = "backward", _math(latex.adjoint(step), text.adjoint(step))
            if step.terms and not latex.is_direct(step):  # a chain rule, with its local derivatives
                terms = step.terms[:MOST_TERMS]
                parts = [_math(latex.local(term, step.index), text.local(term, step.index)) for term in terms]
                note += f"; with {' '.join(parts)}"
        items.append(f'<li value="{number}" data-phase="{phase}"><div>{formula}<small>{note}</small></div></li>')
    return "\n".join(items)


def _note(step: Forward | Backward) -> str:
    """What happens in a step, in a sentence."""
    name = html.escape(step.name)
    if isinstance(step, Forward):
        return f"forward: compute {name}" if step.args else f"forward: {name} is given"
    if not step.terms:
        return "backward: it starts here" if step.adjoint else f"backward: no derivative reaches {name}"
    if len(step.terms) == 1:
        return f"backward: {html.escape(step.terms[0].name)} uses {name}"
    return f"backward: the sum over the {len(step.terms)} nodes that use {name}"


def _math(sides: Sequence[str], spoken: Sequence[str]) -> str:
    """A formula as MathML, and as text for who hears it."""
    try:
        from latex2mathml.converter import convert_to_element
    except ImportError:
        raise ImportError('explore: latex2mathml is missing; pip install "tinygrad_lite[notebook]"') from None
    math = convert_to_element(" = ".join(sides))
    math.attrib.clear()
    math.set("alttext", " = ".join(spoken))
    for parent in math.iter():
        before = "mo"
        for element in parent:
            # It comes escaped, `&#x0003D;`, and is escaped again below.
            element.text = html.unescape(element.text or "")
            if element.text == "−" and before == "mo":
                element.set("form", "prefix")  # the sign of a number, not a difference
            elif element.tag == "mo" and not element.text:
                element.attrib |= {"lspace": "0", "rspace": "0"}  # `\left.`, nothing
            before = element.tag
    return str(ElementTree.tostring(math, encoding="unicode"))
