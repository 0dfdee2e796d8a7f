"""The picture of a page: when its elements appear and are lit, and which numbers they show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ..op import constant
from .draw import DERIVATIVE, VALUE
from .steps import Forward

if TYPE_CHECKING:
    from .engine import Picture

_SVG = "{http://www.w3.org/2000/svg}"
_PIXELS, _AT_LEAST = 1.7, 0.85
"""How many pixels a point of the picture takes where there is room, and where it scrolls."""
_STYLED = (
    "fill",
    "stroke",
    "font-family",
    "font-size",
    "font-weight",
    "text-anchor",
    "{http://www.w3.org/XML/1998/namespace}space",
)


def marked(
    picture: Picture, every: Sequence[Forward], when: Mapping[tuple[str, int], str]
) -> tuple[str, int]:
    """The picture as SVG with each element's steps and numbers, and its height in pixels.

    `when` gives the step of the page that computes a node's value or derivative.
    """
    svg = ElementTree.fromstring(picture.pipe(format="svg"))  # noqa: S314  # it is our own
    height = _prepare(svg)
    groups = {group.get("id", ""): group for group in svg.iter(f"{_SVG}g")}
    for box in dict.fromkeys(picture.home):
        _mark_box(groups[box], _nodes_of(box, picture.home), every, picture.home, when)
    for step in every:
        for k in range(len(step.args)):
            if (edge := groups.get(f"e{step.index}_{k}")) is not None:
                _mark_edge(edge, step, k, when)
    for element in svg.iter():
        _slim(element)
    ElementTree.register_namespace("", _SVG[1:-1])
    written = ElementTree.tostring(svg, encoding="unicode")
    return re.sub(r"(?<=>)\s+(?=<)| (?=/>)", "", written), height


def _nodes_of(box: str, home: Sequence[str]) -> list[int]:
    return [i for i, each in enumerate(home) if each == box]


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
    for kind, color, phase in (("value", VALUE, "forward"), ("derivative", DERIVATIVE, "backward")):
        for text in _texts(group, color):
            _appear(text, kind, when.get((phase, shows)), f"{kind[0].replace('d', 'a')}{shows}")


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
    arg = step.args[k]
    back = when.get(("backward", arg.index))
    lit = [when.get(("forward", step.index)), back if arg.partial is not None else None]
    _light(edge, [number for number in lit if number])
    for text in edge.findall(f"{_SVG}text"):
        _appear(text, "derivative", back, f"q{step.index}_{k}")


def _light(group: ElementTree.Element, numbers: Sequence[str]) -> None:
    if numbers:
        group.set("data-lit", " ".join(dict.fromkeys(numbers)))


def _texts(group: ElementTree.Element, color: str) -> Iterator[ElementTree.Element]:
    for text in group.findall(f"{_SVG}text"):
        if text.get("fill", "").upper() == color:
            yield text


def _appear(text: ElementTree.Element, kind: str, number: str | None, key: str) -> None:
    """A text that appears in a step; what stands after its last = is a number."""
    text.set("class", kind)
    if number:
        text.set("data-from", number)
    left, equals, digits = (text.text or "").rpartition(" = ")
    text.text = left + equals
    hook = ElementTree.SubElement(text, f"{_SVG}tspan", {"data-n": key})
    hook.text = digits


def _prepare(picture: ElementTree.Element) -> int:
    """Size the picture, take out what the page says itself, and give its height."""
    width, height = (float(side) for side in picture.get("viewBox", "").split()[2:])
    del picture.attrib["height"]
    label = "The graph, from its leaves on the left to its root on the right"
    picture.attrib |= {
        "width": f"{_PIXELS * width:.0f}",
        "style": f"min-width: {_AT_LEAST * width:.0f}px",
        "role": "img",
        "aria-label": label,
    }
    for element in picture.iter():
        for title in element.findall(f"{_SVG}title"):
            element.remove(title)
    return round(_PIXELS * height)


def _slim(element: ElementTree.Element) -> None:
    """Leave out what the style sheet says, digits beyond a tenth, and corners drawn as curves."""
    for name in _STYLED:
        element.attrib.pop(name, None)
    for name in ("d", "points", "x", "y"):
        if found := element.get(name):
            element.set(name, re.sub(r"(\.\d)\d+", r"\1", found).replace(".0", ""))
    if len(path := element.get("d", "")) > 200 and path.count("C") == 1:
        element.set("d", _rounded(path))


def _rounded(path: str) -> str:
    """A box with round corners: Graphviz writes its sides as curves too."""
    points = [(float(x), float(y)) for x, y in re.findall(r"([-.\d]+),([-.\d]+)", path)]
    xs = [x for x, _ in points]
    ys = [y for _, y in points]
    if len(points) != 25:
        return path
    left, top = min(xs), min(ys)
    radius = max(xs) - xs[0]
    width = _tenths(max(xs) - left - 2 * radius)
    height = _tenths(max(ys) - top - 2 * radius)
    r, half = _tenths(radius), _tenths(radius / 2)
    return (
        f"M{_tenths(left + radius)},{_tenths(top)}h{width}c{half},0 {r},{half} {r},{r}v{height}"
        f"c0,{half}-{half},{r}-{r},{r}h-{width}c-{half},0-{r}-{half}-{r}-{r}v-{height}"
        f"c0-{half} {half}-{r} {r}-{r}z"
    )


def _tenths(x: float) -> str:
    return f"{x:.1f}".removesuffix(".0")
