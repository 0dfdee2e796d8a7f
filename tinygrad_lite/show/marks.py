"""The picture of a page: when its elements appear and are lit, and which numbers they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..op import constant
from .draw import DERIVATIVE, VALUE
from .slim import SVG, written
from .steps import Forward

if TYPE_CHECKING:
    from .engine import Picture

_PIXELS, _AT_LEAST = 1.7, 0.85
"""How many pixels a point of the picture takes where there is room, and where it scrolls."""


_NUMBERS = (("value", VALUE, "forward", "v"), ("derivative", DERIVATIVE, "backward", "a"))
"""Of a box's numbers: class, colour, the phase that computes it, the letter of its key."""


def marked(
    picture: Picture, every: Sequence[Forward], when: Mapping[tuple[str, int], str]
) -> tuple[str, int]:
    """The picture as HTML with each element's steps and numbers, and its height in pixels.

    `when` gives the step of the page that computes a node's value or derivative.
    """
    svg = ElementTree.fromstring(picture.pipe(format="svg"))  # noqa: S314  # it is our own
    groups = {group.get("id", ""): group for group in svg.iter(f"{SVG}g")}
    for box in dict.fromkeys(picture.home):
        nodes = [i for i, each in enumerate(picture.home) if each == box]
        _mark_box(groups[box], nodes, every, picture.home, when)
    between = {group.findtext(f"{SVG}title", ""): group for group in groups.values()}
    for step in every:
        for k, arg in enumerate(step.args):
            ends = f"{picture.home[arg.index]}->{picture.home[step.index]}"
            if (edge := groups.get(f"e{step.index}_{k}")) is not None:
                _mark_edge(edge, step, k, when)
            elif (edge := between.get(ends)) is not None:  # that of a group, which many share
                _light(edge, _at_work(step, k, when))
    height = _prepare(svg, every[-1].name)
    return written(svg), height


def _mark_box(
    group: ElementTree.Element,
    nodes: Sequence[int],
    every: Sequence[Forward],
    home: Sequence[str],
    when: Mapping[tuple[str, int], str],
) -> None:
    """A box lights while one of its nodes is at work; its numbers are those of its output."""
    both = [(phase, i) for phase in ("forward", "backward") for i in nodes]
    _light(group, [when[each] for each in both if each in when])
    shows = nodes[0] if len(nodes) == 1 else _output(nodes, every, home)
    if shows is None:
        return
    for kind, color, phase, letter in _NUMBERS:
        for text in group.findall(f"{SVG}text"):
            if text.get("fill", "").upper() == color:
                text.set("class", kind)
                _appear(text, when.get((phase, shows)), f"{letter}{shows}")


def _output(nodes: Sequence[int], every: Sequence[Forward], home: Sequence[str]) -> int | None:
    """The node of a group that others use; `draw` shows its numbers if it is the only one."""
    here = set(nodes)
    used = {arg.index for step in every if step.index not in here for arg in step.args}
    outputs = [
        i for i in nodes if (i in used or i == len(every) - 1) and every[i].op is not constant
    ]
    return outputs[0] if len(outputs) == 1 else None


def _mark_edge(
    edge: ElementTree.Element, step: Forward, k: int, when: Mapping[tuple[str, int], str]
) -> None:
    """An edge lights when its node is computed, and when a derivative goes back along it."""
    _light(edge, _at_work(step, k, when))
    back = when.get(("backward", step.args[k].index))
    for text in edge.findall(f"{SVG}text"):
        _appear(text, back, f"q{step.index}_{k}")


def _at_work(step: Forward, k: int, when: Mapping[tuple[str, int], str]) -> list[str]:
    """When a number goes along an edge, forth and back."""
    arg = step.args[k]
    phases = [("forward", step.index)]
    if arg.partial is not None:
        phases.append(("backward", arg.index))
    return [when[phase] for phase in phases if phase in when]


def _light(group: ElementTree.Element, numbers: Sequence[str]) -> None:
    """Add to the steps when an element is lit."""
    if all_numbers := [*group.get("data-lit", "").split(), *numbers]:
        group.set("data-lit", " ".join(sorted(set(all_numbers), key=int)))


def _appear(text: ElementTree.Element, number: str | None, key: str) -> None:
    """A text that appears in a step; what stands after its last = is a number."""
    if number:
        text.set("data-from", number)
    left, equals, digits = (text.text or "").rpartition(" = ")
    if not equals:
        text.set("data-n", key)
        return
    text.text = left + equals
    hook = ElementTree.SubElement(text, f"{SVG}tspan", {"data-n": key})
    hook.text = digits


def _prepare(picture: ElementTree.Element, root: str) -> int:
    """Size the picture, take out what the page says itself, and give its height."""
    width, height = (float(side) for side in picture.get("viewBox", "").split()[2:])
    del picture.attrib["height"]
    picture.attrib |= {
        "width": f"{_PIXELS * width:.0f}",
        "style": f"min-width: {_AT_LEAST * width:.0f}px; "
        f"max-height: max({_AT_LEAST * height:.0f}px, 60vh)",
        "preserveAspectRatio": "xMinYMid",
        "role": "img",
        "aria-label": f"The graph of {root}, from its leaves to its root",
    }
    for element in picture.iter():
        for title in element.findall(f"{SVG}title"):
            element.remove(title)
    return round(_PIXELS * height)
