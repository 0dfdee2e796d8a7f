"""The picture: what it says, what labels cannot break and how large it gets."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_lite.ops import dot, relu, tanh, where
from tinygrad_lite.ops import sum as sum_of
from tinygrad_lite.show.draw import DERIVATIVE, VALUE, draw, formula
from tinygrad_lite.show.naming import names, short, shown
from tinygrad_lite.show.notation import is_formula
from tinygrad_lite.show.steps import adjoints, forward
from tinygrad_lite.value import Value, topological_order

SVG = "{http://www.w3.org/2000/svg}"


def worksheet() -> Value:
    a, b = Value(2.0, "a"), Value(1.0, "b")
    c, d = (a + b).named("c"), (b + 1).named("d")
    return (c * d).named("e")


def network(inputs: int = 2, hidden: tuple[int, ...] = (16, 16)) -> Value:
    xs = [Value(0.1 * i, f"x{i}") for i in range(inputs)]
    for layer, width in enumerate([*hidden, 1], 1):
        sizes, before = range(len(xs)), xs
        xs = []
        for neuron in range(width):
            w = [Value(0.01 * (i + neuron), f"h{layer}_{neuron}.w{i}") for i in sizes]
            xs.append(tanh(dot(w, before) + Value(0.1, f"h{layer}_{neuron}.b")))
    return xs[0].named("out")


def elements(picture: Any, kind: str) -> dict[str, tuple[str, list[str]]]:
    """The `g` elements of the SVG by id, with their classes and texts."""
    root = ET.fromstring(picture.pipe("svg"))
    found = {}
    for g in root.iter(f"{SVG}g"):
        classes = g.get("class", "").split()
        if classes[0] == kind:
            texts = ["".join(text.itertext()) for text in g.iter(f"{SVG}text")]
            found[g.get("id", "")] = (" ".join(classes[1:]), texts)
    return dict(sorted(found.items(), key=lambda item: [int(digits) for digits in re.findall("[0-9]+", item[0])]))


def titles(picture: Any) -> list[str]:
    return [texts[0] for _, texts in elements(picture, "node").values()]


def test_the_worksheet_says_formula_value_and_derivative() -> None:
    assert elements(draw(worksheet()), "node") == {
        "n0": ("leaf", ["a", "2", "∂e/∂a = 2"]),
        "n1": ("leaf", ["b", "1", "∂e/∂b = 5"]),
        "n2": ("operation", ["c = a + b", "3", "∂e/∂c = 2"]),
        "n3": ("constant", ["1"]),
        "n4": ("operation", ["d = b + 1", "2", "∂e/∂d = 3"]),
        "n5": ("operation root", ["e = c·d", "6", "∂e/∂e = 1"]),
    }


def test_edges_say_the_local_derivative_except_from_constants() -> None:
    assert elements(draw(worksheet()), "edge") == {
        "e2_0": ("", ["∂c/∂a = 1"]),
        "e2_1": ("", ["∂c/∂b = 1"]),
        "e4_0": ("", ["∂d/∂b = 1"]),
        "e4_1": ("", []),
        "e5_0": ("", ["∂e/∂c = 2"]),
        "e5_1": ("", ["∂e/∂d = 3"]),
    }


def test_a_square_has_two_edges() -> None:
    x = Value(3.0, "x")
    picture = draw((x * x).named("y"))
    assert [texts for _, texts in elements(picture, "edge").values()] == [["∂y/∂x = 3"]] * 2
    assert elements(picture, "node")["n0"][1][2] == "∂y/∂x = 6"


def test_values_and_derivatives_have_their_colours_and_stand_in_the_middle() -> None:
    root = ET.fromstring(draw(worksheet()).pipe("svg"))
    texts = root.findall(f".//{SVG}g[@id='n2']/{SVG}text")
    assert [text.get("fill") for text in texts[1:]] == [VALUE.lower(), DERIVATIVE.lower()]
    assert {text.get("text-anchor") for text in texts} == {"middle"}
    assert len({text.get("x") for text in texts}) == 1


def test_shape_is_the_second_cue() -> None:
    source = {line.split()[0]: line for line in draw(worksheet()).source.splitlines()[4:-1] if " -> " not in line}
    assert 'style="rounded,filled"' in source["n0"]
    assert 'style="rounded,dashed"' in source["n3"]
    assert [id for id, line in source.items() if "peripheries=2" in line] == ["n5"]
    assert "record" not in "".join(source.values())


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("color", [VALUE, DERIVATIVE])
@pytest.mark.parametrize("ground", ["#FFFFFF", "#E3F0FA", "#F0F0F0"])
def test_text_is_readable_on_every_ground(color: str, ground: str) -> None:
    assert (luminance(ground) + 0.05) / (luminance(color) + 0.05) > 4.5


def test_drawing_neither_needs_nor_changes_grad() -> None:
    e = worksheet()
    before = draw(e).source
    e.backward()
    e.backward()
    assert draw(e).source == before
    assert [node.grad for node in topological_order(e) if node.label in ("a", "b")] == [4.0, 10.0]


def test_adjoints_are_those_of_backward() -> None:
    root = network(3, (4,)) * Value(2.0) ** 1.5
    order = topological_order(root)
    found = dict(zip(order, adjoints(forward(order)), strict=True))
    root.backward()
    assert {node: node.grad for node in order if node.op is None or node.args} == {
        node: found[node] for node in order if node.op is None or node.args
    }


def test_a_derivative_may_be_infinite() -> None:
    assert elements(draw(Value(0.0, "x").sqrt().named("y")), "node")["n0"][1] == ["x", "0", "∂y/∂x = inf"]


def test_the_same_graph_gives_the_same_bytes_and_no_address() -> None:
    first, second = draw(worksheet()), draw(worksheet())
    assert first.source == second.source
    assert first.pipe("svg") == second.pipe("svg")
    assert not re.search("0x[0-9a-f]{6}", first.source + repr(first))
    assert repr(first) == "<picture of 6 boxes>"


def test_a_leaf_and_a_constant_can_be_roots() -> None:
    assert elements(draw(Value(2.0, "a")), "node") == {"n0": ("leaf root", ["a", "2", "∂a/∂a = 1"])}
    assert elements(draw((Value(2.0) + 1).args[1]), "node") == {"n0": ("constant root", ["1"])}


@pytest.mark.parametrize("wrong", ["not a value", 2.0, None, [Value(1.0)]])
def test_only_a_value_can_be_drawn(wrong: Any) -> None:
    with pytest.raises(TypeError, match=rf"^draw: expected a Value, got {type(wrong).__name__}$"):
        draw(wrong)


# Names and numbers


def test_unlabelled_nodes_are_numbered_and_skip_taken_names() -> None:
    a = Value(1.0)
    order = topological_order(((a + 1) * Value(2.0, "v2")).exp() - 3)
    assert [names(order)[node] for node in order] == ["v1", "1", "v3", "v2", "v4", "v5", "3", "v6"]


@pytest.mark.parametrize(
    ("x", "text"),
    [(3.0, "3"), (2.5, "2.5"), (1 / 3, "0.3333"), (1e-17, "1e-17"), (-0.0, "-0"), (123456.0, "123456"),
     (1e300, "1e+300"), (float("inf"), "inf"), (float("-inf"), "-inf"), (float("nan"), "nan"), (-1.5, "-1.5")],
)  # fmt: skip
def test_numbers_are_short(x: float, text: str) -> None:
    assert shown(x) == text


def written(node: Value) -> str:
    return formula(forward(topological_order(node))[-1]).partition(" = ")[2]


def test_negative_constants_have_parentheses_between_operators_only() -> None:
    x = Value(2.0, "x")
    assert [written(y) for y in (x + -1, -2 * x, x**-1, relu(x - 3))] == ["x + (-1)", "-2·x", "x^(-1)", "relu(v1)"]


def test_a_long_sum_is_cut_between_terms() -> None:
    assert written(sum_of([Value(1.0, f"x{i}") for i in range(1000)])) == "x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 …"


def test_labels_are_one_short_line() -> None:
    assert short("x" * 10_000_000) == "x" * 39 + "…"
    assert short("x" * 40) == "x" * 40
    assert short("x" * 15 + " " + "y" * 40) == "x" * 15 + " " + "y" * 23 + "…"
    assert short("x" * 25 + " " + "y" * 40) == "x" * 25 + " …"
    assert short("two\r\n\tlines") == "two lines"
    assert short("a\x00b\x1bc\ud800d\ufffee\u202ef") == "a�b�c�d�e�f"
    assert short("👩\u200d👩\u200d👧") == "👩\u200d👩\u200d👧"


def test_a_number_stays_to_the_right_of_a_right_to_left_name() -> None:
    assert short("שלום") == "שלום\u200e"


# Labels of every kind


@pytest.mark.parametrize(
    "label",
    ['a"b', '"', "a\\", "\\", "\\\\", '\\"', r"\N \G \L \E \T \H", r"x\N", "<b>bold</b>", "<script>alert(1)</script>",
     "<>", "<", "]]>", "&", "&amp; &#x41; &lt;", "a -> b; n0 [color=red]; }", "--", "//", "/* */", "#", "graph", "node",
     "%s {0} {a}", "-Tpng -oCANARY", "-0.0", "0", "'", "n1", "損失", "שלום", "😀", "e\u0301", "ﬁ", "</TD></TR>", "{a|b}"],
)  # fmt: skip
def test_a_label_comes_out_as_text(label: Any) -> None:
    a = Value(2.0, label)
    texts = ["".join(texts) for _, texts in elements(draw((a * a).named("y")), "node").values()]
    assert len(texts) == 2
    name = f"({short(label)})" if is_formula(label) else short(label)
    assert texts[0].replace("\xa0", " ") == f"{short(label)}2∂y/∂{name} = 4"


@pytest.mark.parametrize("label", ["", "  ", "\n"])
def test_an_empty_label_is_no_label(label: Any) -> None:
    assert titles(draw(Value(2.0, label))) == ["v1"]


@given(st.text(st.characters(exclude_categories=[]), max_size=60))
def test_no_label_breaks_the_picture(label: Any) -> None:
    picture = draw(Value(2.0, label) * 3)
    assert "\0" not in picture.source
    (leaf, constant, _) = elements(picture, "node").values()
    assert (leaf[0], constant[1]) == ("leaf", ["3"])
    shows = short(label) or "v1"
    assert "".join("".join(leaf[1]).split()).startswith("".join(shows.split()))


def test_two_nodes_of_one_label_stay_two() -> None:
    assert titles(draw((Value(2.0, "x") * Value(3.0, "x")).named("y"))) == ["x₁", "x₂", "y = x₁·x₂"]


# Sizes


def chain(length: int) -> Value:
    y = Value(1.0, "x")
    for _ in range(length - 1):
        y = y.sin()
    return y


@pytest.mark.parametrize(("nodes", "label"), [(12, "∂v1/∂x = 0.5403"), (13, "0.5403"), (60, "0.5403"), (61, None)])
def test_edge_labels_shrink_with_the_size(nodes: int, label: Any) -> None:
    edge = next(line for line in draw(chain(nodes)).source.splitlines() if "n0 -> n1" in line)
    assert (f"[label=<{label}> " in edge) if label else "label" not in edge


def test_300_boxes_are_drawn_and_301_refused() -> None:
    assert len(elements(draw(chain(300)), "node")) == 300
    with pytest.raises(ValueError, match=r"^draw: 301 boxes, more than the 300 that can be read; draw a part with depth=4"):
        draw(chain(301))


def sums_of_all_before(boxes: int) -> Value:
    nodes = [Value(1.0, "x")]
    while len(nodes) < boxes:
        nodes.append(sum_of(nodes))
    return nodes[-1]


@pytest.mark.parametrize(("drawn", "refused", "edges"), [(53, 54, 1431), (66, 67, 2211)])
def test_edges_too_many_and_long_to_lay_out_are_refused(drawn: int, refused: int, edges: int) -> None:
    # They span n·(n² - 1)/6 ranks, and twice as many where they are labelled, up to 60 boxes.
    assert draw(sums_of_all_before(drawn)).boxes == drawn
    message = f"^draw: {edges} edges over {refused - 1} ranks, more than can be laid out and read; draw a part with depth=4"
    with pytest.raises(ValueError, match=message):
        draw(sums_of_all_before(refused))


def test_many_short_edges_are_drawn() -> None:
    xs = [Value(1.0, f"x{i}") for i in range(100)]
    assert draw(sum_of([sum_of(xs) for _ in range(100)])).source.count(" -> ") == 101 * 100


def test_a_leaf_is_laid_out_before_what_uses_it_first() -> None:
    y = Value(1.0, "x")
    for i in range(149):
        y = sum_of([y] + [Value(1.0, f"y{i}")] * 6)
    # From the first rank their edges would span 6·11,175.
    assert draw(y).source.count(" -> ") == 7 * 149


def test_a_graph_of_many_paths_has_each_node_once() -> None:
    y = Value(1.0, "x")
    for _ in range(60):
        y = y + y
    assert len(draw(y).source) < 40_000
    assert adjoints(forward(topological_order(y)))[0] == 2.0**60


def test_depth_draws_the_nodes_near_the_root_and_counts_the_rest() -> None:
    picture = draw(worksheet(), depth=1)
    nodes = elements(picture, "node")
    assert titles(picture) == ["… 3 more", "c = a + b", "d = b + 1", "e = c·d"]
    assert nodes["more"] == ("group", ["… 3 more"])
    assert nodes["n2"][1][2] == "∂e/∂c = 2"
    assert picture.source.count(" -> ") == 4
    assert titles(draw(chain(5000), depth=0)) == ["… 4999 more", "v4999 = sin(v4998)"]
    assert draw(worksheet(), depth=9).source == draw(worksheet()).source


@pytest.mark.parametrize(("depth", "error"), [(-1, ValueError), (1.5, TypeError), ("2", TypeError)])
def test_a_depth_is_a_whole_number(depth: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^draw: expected depth to be a whole number >= 0, got {depth!r}$"):
        draw(worksheet(), depth=depth)


def test_each_edge_counts_as_one_and_the_shortest_way_counts() -> None:
    x = Value(2.0, "x")
    y = ((x.sin().named("s")).cos().named("c") + x).named("y")
    assert titles(draw(y, depth=1)) == ["… 1 more", "x", "c = cos(s)", "y = c + x"]
    assert titles(draw(y, depth=2)) == ["x", "s = sin(x)", "c = cos(s)", "y = c + x"]


def test_the_depth_may_be_a_numpy_integer() -> None:
    x = Value(2.0, "x")
    assert draw(x * x + x, depth=np.int64(1)).source == draw(x * x + x, depth=1).source


def test_a_group_is_a_neuron_with_its_output() -> None:
    picture = draw(network(2, (2,)), group=".")
    nodes = elements(picture, "node")
    assert {title.split(":")[0] for title in titles(picture)} >= {"x0", "x1", "h1_0", "h1_1", "h2_0"}
    (neuron,) = (each for each in nodes.values() if each[1][0] == "h1_0: 6 nodes")
    assert neuron[0] == "group"
    assert re.fullmatch(r"∂out/∂v\d = -?\d\S*", neuron[1][2])
    assert picture.source.count(" -> ") == 7


def test_a_network_of_337_parameters_is_drawn_by_neuron() -> None:
    with pytest.raises(ValueError, match="438 boxes"):
        draw(network())
    assert len(elements(draw(network(), group="."), "node")) == 2 + 16 + 16 + 1 + 1  # the labelled output


def test_a_group_can_be_any_function_of_a_node() -> None:
    picture = draw(worksheet(), group=lambda node: "sums" if node.label in ("c", "d") else None)
    assert sorted(titles(picture)) == ["a", "b", "e = c·d", "sums: 3 nodes"]  # the third is the constant of d


@pytest.mark.parametrize("group", ["", 3])
def test_a_group_is_a_separator_or_a_function(group: Any) -> None:
    with pytest.raises(TypeError, match=r"^draw: expected a separator such as '\.' or a function of a node as the group"):
        draw(worksheet(), group=group)


# More


def test_importing_the_package_imports_no_graphviz() -> None:
    code = "import sys, tinygrad_lite; print([name for name in ('graphviz', 'numpy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_direct_derivative_is_told_from_the_whole_one() -> None:
    b = Value(2.0, "b")
    c = (b * 3).named("c")
    source = draw((b * c).named("e")).source
    assert "(∂e/∂b)|_c = 6" in source
    assert "∂e/∂b = 12" in source
    assert "∂e/∂c = 2" in source


def test_what_no_derivative_flows_through_is_not_held() -> None:
    x, y = Value(2.0, "x"), Value(1.0, "y")
    source = draw(where((x > y).named("t"), x, y).named("e")).source
    assert "∂e/∂x = 1" in source
    assert "|_t" not in source


def test_a_group_may_have_an_empty_name() -> None:
    x = Value(2.0, "x")
    picture = draw(x * x + x, group=lambda node: "" if node.args else None)
    assert list(elements(picture, "node")) == ["n0", "g0"]
    assert [texts for _, texts in elements(picture, "edge").values()] == [[]]


def test_a_node_with_the_number_of_the_root_is_not_the_root() -> None:
    a = Value(2.0, "a")
    b = (a * 1).named("b")
    picture = draw(b)
    assert picture.source.count("peripheries=2") == 1
    assert not any(node.branched for node in topological_order(b))


# What a picture says besides


def test_each_element_has_a_title_and_the_picture_a_text_for_who_cannot_see_it() -> None:
    svg = draw(worksheet()).pipe(encoding="utf-8")
    root = ET.fromstring(svg)
    found = {g.get("id"): g.findtext(f"{SVG}title") for g in root.iter(f"{SVG}g")}
    assert found["n1"] == "b = 1, ∂e/∂b = 5"
    assert found["n2"] == "c = a + b = 3, ∂e/∂c = 2"
    assert found["n3"] == "1"
    assert (found["e5_1"], found["e2_0"]) == ("∂e/∂d = 3", "∂c/∂a = 1")
    assert root.get("role") == "img"
    assert root.get("aria-label") == "The graph of e = c·d = 6, from leaves to root"
    assert root.get("style") == "max-width: 100%; height: auto"
    assert draw(worksheet())._repr_mimebundle_()["image/svg+xml"] == svg


def test_a_title_says_what_a_picture_has_no_room_for() -> None:
    root = ET.fromstring(draw(chain(61)).pipe())
    found = {g.get("id"): g for g in root.iter(f"{SVG}g")}
    assert found["e1_0"].find(f"{SVG}text") is None
    assert found["e1_0"].findtext(f"{SVG}title") == "∂v1/∂x = 0.5403"
    root = ET.fromstring(draw(worksheet(), depth=1).pipe())
    assert [g.findtext(f"{SVG}title") for g in root.iter(f"{SVG}g") if g.get("id") == "more"] == ["… 3 more"]


# How wide it is


def width(picture: Any) -> float:
    """In pixels; Graphviz counts points."""
    return float(ET.fromstring(picture.pipe()).get("width", "").removesuffix("pt")) * 4 / 3


@pytest.mark.parametrize(("length", "direction"), [(3, "LR"), (30, "TB")])
def test_what_would_be_wide_goes_down(length: int, direction: str) -> None:
    picture = draw(chain(length))
    assert f"rankdir={direction} " in picture.source
    assert width(picture) < 1000
    other = "LR" if direction == "TB" else "TB"
    assert f"rankdir={other} " in draw(chain(length), direction=other).source


def test_what_would_be_wider_down_goes_to_the_right() -> None:
    wide = sum_of([Value(1.0, f"x{i}").sin().cos().sin().cos().sin().cos().sin() for i in range(30)])
    assert "rankdir=LR " in draw(wide).source
    assert width(draw(wide)) < width(draw(wide, direction="TB"))


@pytest.mark.parametrize(("letters", "direction"), [(11, "LR"), (14, "TB")])
def test_the_widest_box_of_a_rank_counts_in_it_alone(letters: int, direction: str) -> None:
    a, b = Value(1.0, "a" * letters), Value(1.0, "b")
    picture = draw((a + b).named("y").sin().named("z"))
    assert f"rankdir={direction} " in picture.source
    assert width(picture) < 1000


def test_a_direction_is_one_of_two() -> None:
    with pytest.raises(ValueError, match=r"^draw: expected 'LR' or 'TB' as the direction, got 'RL'$"):
        draw(worksheet(), direction="RL")


@pytest.mark.parametrize(("terms", "limited"), [(10, False), (40, True)])
def test_a_layout_of_many_edges_has_limits(terms: int, limited: bool) -> None:
    xs = [Value(0.1 * i, f"x{i}") for i in range(6)]
    source = draw(sum_of([dot(xs, [y, *xs[1:]]) for y in xs for _ in range(terms // 6)])).source
    assert all((limit in source) == limited for limit in ("nslimit=0.1", "mclimit=0.1", "splines=line"))


def test_a_box_is_wider_for_a_long_text() -> None:
    margins = re.findall(r'n\d \[.* margin="([.\d]+),0.06"', draw((Value(1.0, "x") * Value(2.0, "y" * 30)).named("z")).source)
    assert margins == ["0.14", "0.30", "0.29"]
