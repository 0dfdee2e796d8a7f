"""A picture in as few bytes as HTML allows: most of a page is its picture.

What the style sheet says goes, and so do the parts of a point, but a tenth of arrowheads;
curves are written from where they are, boxes by their corners, and attributes without quotes where
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
    for element in picture.iter():
        for name in _STYLED:
            element.attrib.pop(name, None)
        for name in ("x", "y"):
            if name in element.attrib:
                element.set(name, str(round(float(element.attrib[name]))))
        if points := element.get("points"):
            element.set("points", _polygon(points))
        if path := element.get("d"):
            element.set("d", _box(path) or _curve(path))
    ElementTree.register_namespace("", SVG[1:-1])
    text = re.sub(r"(?<=>)\s+(?=<)", "", ElementTree.tostring(picture, encoding="unicode"))
    return re.sub(r"<[^>]*>", _without_quotes, text)


def _without_quotes(tag: re.Match[str]) -> str:
    """Not before `/>`, which would belong to the value."""
    return re.sub(r'="([^"\s=<>`\']+)"(?=[ >])', r"=\1", tag[0].replace(" />", "/>"))


def _polygon(points: str) -> str:
    """Without the last point, if it is the first: a polygon is closed by itself."""
    pairs = _tenths(points)
    corners = pairs[:-1] if pairs[-1] == pairs[0] else pairs
    return _joined(x for pair in corners for x in pair)


def _curve(path: str) -> str:
    """A spline with each piece from where it begins; anything else as it is."""
    if not re.fullmatch(r"M[-.\d,]+C[-.\d, ]+", path):
        return path
    start, *others = _wholes(path)
    written = f"M{_joined(start)}c"
    x, y = start
    moves: list[int] = []
    for k, (to_x, to_y) in enumerate(others, 1):
        moves += [to_x - x, to_y - y]
        if k % 3 == 0:
            x, y = to_x, to_y
    return written + _joined(moves)


def _box(path: str) -> str | None:
    """A box with round corners, which Graphviz writes as curves; None if it is none."""
    pairs = _wholes(path)
    if path.count("C") != 1 or len(pairs) != 25:
        return None
    xs = [x for x, _ in pairs]
    ys = [y for _, y in pairs]
    left, top = min(xs), min(ys)
    r = max(xs) - xs[0]
    width, height = max(xs) - left - 2 * r, max(ys) - top - 2 * r
    return (
        f"M{_joined([left + r, top])}h{_tenth(width)}q{_joined([r, 0, r, r])}v{_tenth(height)}"
        f"q{_joined([0, r, -r, r])}h{_tenth(-width)}q{_joined([-r, 0, -r, -r])}v{_tenth(-height)}"
        f"q{_joined([0, -r, r, -r])}z"
    )


def _tenths(numbers: str) -> list[tuple[int, int]]:
    """The points of a path, in tenths."""
    pairs = re.findall(r"(-?[.\d]+),(-?[.\d]+)", numbers)
    return [(round(10 * float(x)), round(10 * float(y))) for x, y in pairs]


def _wholes(numbers: str) -> list[tuple[int, int]]:
    """The points of a path, in tenths, without parts of a point."""
    return [(round(x, -1), round(y, -1)) for x, y in _tenths(numbers)]


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
