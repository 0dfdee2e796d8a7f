"""A picture in as few bytes as HTML allows: most of a page is its picture.

What the style sheet says goes, arrowheads too, and so do the parts of a point, but tenths of edges;
boxes are rectangles, curves are written from where they are, and attributes without quotes where
those are not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
_STYLED = (
    "fill",
    "stroke",
    "font-family",
    "font-size",
    "font-weight",
    "text-anchor",
    "{http://www.w3.org/XML/1998/namespace}space",
)


def written(picture: ElementTree.Element) -> str:
    """The picture as a part of an HTML page; it is changed on the way."""
    for group in picture.iter(f"{SVG}g"):
        _simplify(group, is_box=group.get("class", "").startswith("node"))
    for element in picture.iter():
        for name in _STYLED:
            element.attrib.pop(name, None)
        for name in ("x", "y"):
            if name in element.attrib:
                element.set(name, str(round(float(element.attrib[name]))))
    ElementTree.register_namespace("", SVG[1:-1])
    text = re.sub(r"(?<=>)\s+(?=<)", "", ElementTree.tostring(picture, encoding="unicode"))
    return re.sub(r"<[^>]*>", _without_quotes, text)


def _simplify(group: ElementTree.Element, *, is_box: bool) -> None:
    outlines = [each for each in group if each.tag in (f"{SVG}path", f"{SVG}polygon")]
    for outline in outlines:
        if is_box:
            _straighten(outline)
        elif path := outline.get("d"):
            outline.set("d", _curve(path))
        else:  # an arrowhead, or the ground
            group.remove(outline)


def _without_quotes(tag: re.Match[str]) -> str:
    """Not before `/>`, which would belong to the value."""
    return re.sub(r'="([^"\s=<>`\']+)"(?=[ >])', r"=\1", tag[0].replace(" />", "/>"))


def _straighten(outline: ElementTree.Element) -> None:
    """Make a rectangle of a box, which Graphviz writes by its corners, or as a curve if round."""
    points = _tenths(outline.attrib.pop("d", "") or outline.attrib.pop("points", ""))
    xs = [x for x, _ in points]
    ys = [y for _, y in points]
    left, top, right, bottom = (round(side / 10) for side in (min(xs), min(ys), max(xs), max(ys)))
    sides = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    if outline.tag == f"{SVG}path":
        sides["rx"] = round((max(xs) - xs[0]) / 10)
    outline.tag = f"{SVG}rect"
    outline.attrib |= {name: str(side) for name, side in sides.items()}


def _curve(path: str) -> str:
    """A spline with each piece from where it begins."""
    start, *others = _tenths(path)
    moves: list[int] = []
    x, y = start
    for k, (to_x, to_y) in enumerate(others, 1):
        moves += [to_x - x, to_y - y]
        if k % 3 == 0:
            x, y = to_x, to_y
    return f"M{_joined(start)}c{_joined(moves)}"


def _tenths(numbers: str) -> list[tuple[int, int]]:
    """The points of a path, in tenths."""
    pairs = re.findall(r"(-?[.\d]+),(-?[.\d]+)", numbers)
    return [(round(10 * float(x)), round(10 * float(y))) for x, y in pairs]


def _tenth(x: int) -> str:
    """A number of tenths in as few characters as there are.

    >>> [_tenth(x) for x in (5, -5, 20, 0, 123)]
    ['.5', '-.5', '2', '0', '12.3']
    """
    sign = "-" if x < 0 else ""
    whole, part = divmod(abs(x), 10)
    digits = f"{whole or '' if part else whole}"
    return f"{sign}{digits}{f'.{part}' if part else ''}"


def _joined(numbers: Iterable[int]) -> str:
    """Tenths in a row; a sign parts them too.

    >>> _joined([5, -10, 0, 3])
    '.5-1 0 .3'
    """
    return re.sub(" -", "-", " ".join(map(_tenth, numbers)))
