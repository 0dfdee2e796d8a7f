"""The picture of a page: what is lit and what appears in each step, without a browser."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from test_steps import worksheet

import tinygrad_lite as tl
from tinygrad_lite.show import page, slim
from tinygrad_lite.show.draw import draw
from tinygrad_lite.show.engine import Picture
from tinygrad_lite.show.marks import marked
from tinygrad_lite.show.steps import forward, steps
from tinygrad_lite.show.whole import visible


def picture_of(root: tl.Value, **options: Any) -> str:
    """The picture as a page has it."""
    stops = page._stops(steps(root))
    return marked(draw(root, **options), forward(visible(root)), page._when(stops))[0]


def element(picture: str, id: str) -> str:
    found = re.search(rf"<g id={id} .*?</g>", picture)
    assert found, id
    return found[0]


def lit(picture: str, id: str) -> str:
    found = re.search(r' data-lit="?([\d ]*)"?>', element(picture, id))
    return found[1] if found else ""


def texts(picture: str, id: str) -> list[tuple[str, str, str, str]]:
    """Of each text its class, the step when it appears, the number that it shows, and what it says."""
    found = re.findall(r"<text ([^>]*)>(.*?)</text>", element(picture, id))
    rows = []
    for attributes, inside in found:
        every = f"{attributes} {inside}"
        parts = [re.search(pattern, every) for pattern in (r"class=(\w+)", r"data-from=(\d+)", r"data-n=(\w+)")]
        rows.append((*(part[1] if part else "" for part in parts), re.sub("<[^>]*>", "", inside)))
    return rows


@pytest.fixture(scope="module")
def sheet() -> str:
    return picture_of(worksheet()[0])


def test_a_box_is_lit_when_it_is_computed_and_when_its_derivative_is(sheet: str) -> None:
    # Step 1: a and b are given; 2 to 4: c, d, e; 5 to 9: e, d, c, b, a.
    assert [lit(sheet, f"n{i}") for i in (0, 1, 2, 4, 5)] == ["1 9", "1 8", "2 7", "3 6", "4 5"]
    assert lit(sheet, "n3") == ""  # the constant


def test_an_edge_is_lit_forth_and_back(sheet: str) -> None:
    assert {id: lit(sheet, id) for id in ("e2_0", "e2_1", "e4_0", "e4_1", "e5_0", "e5_1")} == {
        "e2_0": "2 9", "e2_1": "2 8", "e4_0": "3 8", "e4_1": "3", "e5_0": "4 7", "e5_1": "4 6",
    }  # fmt: skip


def test_a_box_says_formula_value_and_derivative_each_from_its_step(sheet: str) -> None:
    assert texts(sheet, "n2") == [
        ("", "", "", "c = a + b"), ("value", "2", "v2", "3"), ("derivative", "7", "a2", "∂e/∂c = 2"),
    ]  # fmt: skip
    assert texts(sheet, "n1") == [("", "", "", "b"), ("value", "1", "v1", "1"), ("derivative", "8", "a1", "∂e/∂b = 5")]
    assert texts(sheet, "n3") == [("", "", "", "1")]


def test_an_edge_says_its_derivative_from_the_step_back(sheet: str) -> None:
    assert texts(sheet, "e2_1") == [("", "8", "q2_1", "∂c/∂b = 1")]
    assert texts(sheet, "e4_1") == []  # from the constant


def test_only_what_follows_the_last_equals_sign_is_the_number(sheet: str) -> None:
    assert ">∂e/∂c = <tspan data-n=a2>2</tspan></text>" in element(sheet, "n2")
    assert "data-n=v2>3</text>" in element(sheet, "n2")


def test_the_edge_of_a_stopped_gradient_is_lit_forth_alone_and_says_nothing_before() -> None:
    x = tl.Value(0.5, "x")
    picture = picture_of((tl.stop_gradient(x).named("s") * x).named("q"))
    # Steps: x, s, q; q, s, x.
    assert lit(picture, "e1_0") == "2"
    assert [row[1] for row in texts(picture, "e1_0")] == ["6"]
    assert [row[1] for row in texts(picture, "e2_0")] == ["5"]


def grouped() -> tl.Value:
    x, w, b = tl.Value(1.0, "x"), tl.Value(2.0, "h.w"), tl.Value(3.0, "h.b")
    return ((x * w + b).tanh().named("h.y") * 2 + x).named("z")


def test_a_group_is_lit_while_one_of_its_nodes_is_at_work() -> None:
    root = grouped()
    picture = picture_of(root, group=".")
    names = [step.name for step in steps(root)]
    # h.w, x and h.b are given at once, then all but z are in the group; back all but x and z.
    assert names == ["x", "h.w", "v1", "h.b", "v2", "h.y", "v3", "z", "z", "v3", "h.y", "v2", "h.b", "v1", "h.w", "x"]
    assert lit(picture, "g0") == "1 2 3 4 5 8 9 10 11 12 13"
    assert (lit(picture, "n0"), lit(picture, "n8")) == ("1 14", "6 7")


def test_a_group_shows_the_numbers_of_its_output_when_they_are_known() -> None:
    picture = picture_of(grouped(), group=".")
    assert texts(picture, "g0") == [
        ("", "", "", "h: 7 nodes"), ("value", "5", "v7", "2"), ("derivative", "8", "a7", "∂z/∂v3 = 1"),
    ]  # fmt: skip


def test_the_edges_of_a_group_are_lit_when_a_number_goes_along_them() -> None:
    picture = picture_of(grouped(), group=".")
    lit_edges = {found[1] for found in re.finditer(r'<g id=edge\d+ class=edge data-lit="([\d ]*)">', picture)}
    assert lit_edges == {"2 14", "6 8"}  # x goes into v1, v3 into z
    assert lit(picture, "e8_1") == "6 14"


def test_a_group_without_a_single_output_shows_no_numbers() -> None:
    x, a, b = tl.Value(1.0, "x"), tl.Value(2.0, "h.a"), tl.Value(3.0, "h.b")
    picture = picture_of(((x * a) * b).named("z"), group=lambda node: "h" if node.label in ("h.a", "h.b") else None)
    assert texts(picture, "g0") == [("", "", "", "h: 3 nodes")]
    assert lit(picture, "g0")


def test_a_group_with_the_root_shows_the_roots_numbers() -> None:
    a, b = tl.Value(2.0, "h.a"), tl.Value(3.0, "h.b")
    picture = picture_of((a * b).named("h.c"), group=".")
    assert texts(picture, "g0")[1:] == [("value", "2", "v2", "6"), ("derivative", "3", "a2", "∂h.c/∂h.c = 1")]


def test_a_constant_of_a_group_is_no_output() -> None:
    x = tl.Value(2.0, "h.x")
    picture = picture_of(((x + 1).named("h.y") * 5).named("z"), group=lambda node: None if node.label == "z" else "h")
    assert texts(picture, "g0")[1:] == [("value", "2", "v2", "3"), ("derivative", "5", "a2", "∂z/∂h.y = 5")]


def test_what_depth_cut_is_lit_while_it_is_computed() -> None:
    picture = picture_of(worksheet()[0], depth=1)
    assert lit(picture, "more") == "1 8 9"
    assert texts(picture, "more") == [("", "", "", "… 3 more")]
    assert lit(picture, "n2") == "2 7"
    assert {found[1] for found in re.finditer(r'id=edge\d+ class=edge data-lit="([\d ]*)"', picture)} == {"2 8 9", "3 8"}


def test_the_picture_says_what_it_is_and_how_large_it_may_be(sheet: str) -> None:
    attributes = sheet[: sheet.index(">")]
    width, height = map(float, re.findall(r"viewBox=\"0.00 0.00 ([\d.]+) ([\d.]+)\"", attributes)[0])
    assert ' role=img aria-label="The graph of e, from its leaves to its root" ' in attributes
    assert f" width={1.7 * width:.0f} " in attributes
    assert f'"min-width: {0.85 * width:.0f}px; max-height: max({0.85 * height:.0f}px, 60vh)"' in attributes
    assert " height=" not in attributes
    assert "<title>" not in sheet


def test_its_height_in_pixels_is_given(sheet: str) -> None:
    root = worksheet()[0]
    height = marked(draw(root), forward(visible(root)), {})[1]
    assert height == round(1.7 * float(re.findall(r"viewBox=\"[\d.]+ [\d.]+ [\d.]+ ([\d.]+)\"", sheet)[0]))


# In few bytes


def slimmed(svg: str) -> str:
    written = slim.written(ElementTree.fromstring(f'<svg xmlns="{slim.SVG[1:-1]}">{svg}</svg>'))
    return re.sub("^<svg[^>]*>|</svg>$", "", written)


@pytest.mark.parametrize(("svg", "written"), [
    ('<g id="n1" class="node leaf"/>', '<g id=n1 class="node leaf"/>'),
    ('<g class="edge"/>', '<g class="edge"/>'),  # a / would belong to the value
    ('<text x="12.50" y="-7.46" fill="red" font-size="3" text-anchor="start">a="b" &lt;c&gt;</text>', '<text x=12 y=-7>a="b" &lt;c&gt;</text>'),
    ('<g id="a&quot;b">x</g>', '<g id=a&quot;b>x</g>'),
    ('<g id="a=b">x</g>', '<g id="a=b">x</g>'),
    ("<g>\n<text>two  words</text>\n</g>", "<g><text>two  words</text></g>"),
    ('<g class="edge x"><path d="M10.44,-20C11,-21 12.6,-22.2 13,-23"/></g>', '<g class="edge x"><path d="M10.4-20c.6-1 2.2-2.2 2.6-3"/></g>'),
    ('<g><path d="M1,2C3,4 5,6 7,8 9,10 11,12 13,14"/><polygon points="1,2 3,4 5,6"/></g>', '<g><path d="M1 2c2 2 4 4 6 6 2 2 4 4 6 6"/></g>'),
    ('<g class="node group"><polygon points="10.4,-7 10.4,-20.6 3,-20.6 3,-7 10.4,-7"/></g>', '<g class="node group"><rect x=3 y=-21 width=7 height="14"/></g>'),
])  # fmt: skip
def test_elements_in_few_bytes(svg: str, written: str) -> None:
    assert slimmed(svg) == written


def test_a_box_is_a_rectangle() -> None:
    root = worksheet()[0]
    svg = draw(root).pipe(encoding="utf-8")
    found = re.search(r'id="n2".*? d="([^"]*)"', svg, re.DOTALL)
    assert found
    numbers = [(float(x), float(y)) for x, y in re.findall(r"(-?[.\d]+),(-?[.\d]+)", found[1])]
    left, right = min(x for x, _ in numbers), max(x for x, _ in numbers)
    top, bottom = min(y for _, y in numbers), max(y for _, y in numbers)
    parts = re.search(r'<rect x=(\d+) y=(-\d+) width=(\d+) height=(\d+) rx="12"/>', element(picture_of(root), "n2"))
    assert parts
    x, y, width, height = map(int, parts.groups())
    assert (x, y, x + width, y + height) == pytest.approx((left, top, right, bottom), abs=0.6)


def test_a_spline_ends_where_it_did() -> None:
    path = "M10.44,-3.3C11.6,5.2 20.7,7.7 31.5,-8.8 40.1,-1.2 52.3,3.3 60.4,-5.5"
    moves = [float(x) for x in re.findall(r"-?[.\d]+", slim._curve(path))]
    start, *others = zip(moves[::2], moves[1::2], strict=True)
    assert start == (10.4, -3.3)
    assert (start[0] + others[2][0] + others[5][0], start[1] + others[2][1] + others[5][1]) == pytest.approx((60.4, -5.5), abs=0.06)


def test_titles_are_those_of_the_engine() -> None:
    """What `marks` finds the edges of groups by."""
    assert isinstance(draw(grouped(), group="."), Picture)
    assert "<title>g0&#45;&gt;n8</title>" in draw(grouped(), group=".").pipe(encoding="utf-8")
