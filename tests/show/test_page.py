"""The page, used as a person would: in a browser, with its buttons, its keys, its slider, and without its script."""

from __future__ import annotations

import json
import operator
import re
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from test_explain import HOSTILE, hostile, shared
from test_steps import worksheet

import tinygrad_lite as tl
from tinygrad_lite.show.hooks import MATHML, hooked
from tinygrad_lite.show.page import Page, _stops, explore
from tinygrad_lite.show.page import _items as page_items
from tinygrad_lite.show.steps import steps
from tinygrad_lite.show.writer import Writer

# The steps of the worksheet: what the formula says, what is lit, and what appears.
STEPS = [
    ("a = 2, b = 1", {"n0", "n1"}, set()),
    ("c = a + b = 2 + 1 = 3", {"n2", "e2_0", "e2_1"}, {"3"}),
    ("d = b + 1 = 1 + 1 = 2", {"n4", "e4_0", "e4_1"}, {"2"}),
    ("e = c·d = 3·2 = 6", {"n5", "e5_0", "e5_1"}, {"6"}),
    ("∂e/∂e = 1", {"n5"}, {"∂e/∂e = 1"}),
    ("∂e/∂d = c = 3", {"n4", "e5_1"}, {"∂e/∂d = 3"}),
    ("∂e/∂c = d = 2", {"n2", "e5_0"}, {"∂e/∂c = 2"}),
    (
        "∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5",
        {"n1", "e2_1", "e4_0"},
        {"∂e/∂b = 5", "∂c/∂b = 1", "∂d/∂b = 1"},
    ),
    ("∂e/∂a = ∂e/∂c·∂c/∂a = 2·1 = 2", {"n0", "e2_0"}, {"∂e/∂a = 2", "∂c/∂a = 1"}),
]


@pytest.fixture(scope="module")
def page() -> Page:
    return explore(worksheet()[0])


# The file


def test_the_page_of_the_worksheet_is_small(page: Page) -> None:
    assert 15_000 < len(page.html.encode()) < 45_000


def network_of_sixty_boxes() -> tl.Value:
    layer = [tl.Value(0.25, "x1"), tl.Value(-0.5, "x2")]
    for depth, count in enumerate((4, 3, 1), 1):
        weights = [[tl.Value(0.1 * i - 0.2 * j, f"w{depth}{i}{j}") for j in range(len(layer))] for i in range(count)]
        biases = [tl.Value(0.1 * i, f"b{depth}{i}") for i in range(count)]
        layer = [(tl.dot(w, layer) + b).tanh().named(f"h{depth}{i}") for i, (w, b) in enumerate(zip(weights, biases, strict=True))]
    return layer[0] - tl.Value(1.0, "y")


def formula_of_sixty_boxes() -> tl.Value:
    layer = [tl.Value(0.25 + i / 8, f"x{i}") for i in range(16)]
    while len(layer) > 1:
        layer = [(x * y - x / y).sigmoid() if i % 2 else x.exp() + y for i, (x, y) in enumerate(zip(layer[::2], layer[1::2], strict=True))]
    return layer[0]


def quotients_of_sixty_boxes() -> tl.Value:
    """Each divided by the one before: every node is used twice."""
    nodes = [tl.Value(1.5, "a"), tl.Value(2.5, "b")]
    while len(nodes) < 60:
        nodes.append(nodes[-1] / nodes[-2])
    return nodes[-1]


def mixture_of_sixty_boxes() -> tl.Value:
    leaves = [tl.Value(0.5 + i / 8, f"x{i}") for i in range(8)]
    nodes = leaves[:1]
    while len(tl.topological_order(nodes[-1])) < 60:
        make = (operator.add, operator.mul, operator.sub)[len(nodes) % 3]
        nodes.append(make(nodes[-1], (leaves + nodes)[7 * len(nodes) % len(nodes) + len(leaves) // 2]))
    return nodes[-1]


@pytest.mark.parametrize("make", [network_of_sixty_boxes, formula_of_sixty_boxes, quotients_of_sixty_boxes, mixture_of_sixty_boxes])
def test_a_page_of_sixty_boxes_has_less_than_150_kilobytes(make: Callable[[], tl.Value]) -> None:
    root = make()
    assert 59 <= len(tl.topological_order(root)) <= 60
    assert len(explore(root).html.encode()) < 150_000


def test_where_there_is_no_room_local_derivatives_are_in_names_or_left_out() -> None:
    x, y = tl.Value(2.0, "x"), tl.Value(3.0, "y")
    root = (x * y).named("p") * x + y
    taken = steps(root)
    writer = Writer(hooked(taken), MATHML)
    full, names, none = ("".join(page_items(writer, _stops(taken), most)) for most in (4, 2, 0))
    local = re.compile("<span class=local>(.*?)</span>")
    assert [len(local.findall(each)) for each in (full, names, none)] == [5, 4, 0]
    assert all("data-n" not in each and each.count("<math>") == 2 for each in local.findall(names))
    assert full.count("<li") == names.count("<li") == none.count("<li")


def test_large_numbers_are_numbers() -> None:
    page = explore((tl.Value(1e200, "x") * tl.Value(3e20, "y")).named("z"))
    assert re.findall(r"<mn data-n=v\d[^>]*>([^<]*)</mn>", page.html) == ["10²⁰⁰", "3·10²⁰", "10²⁰⁰", "(3·10²⁰)", "3·10²²⁰"]
    assert not re.search("[\ue000-\ue003]", page.html)


def test_nothing_in_it_points_elsewhere(page: Page) -> None:
    assert set(re.findall(r"\w+://[^\"'<> ]+", page.html)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|img|iframe|base|object)\b|@import|url\((?!#)|\bsrc=|\bhref=(?!.#)|fetch\(", page.html)
    assert "default-src 'none'" in page.html


def test_the_same_graph_gives_the_same_page(page: Page) -> None:
    assert explore(worksheet()[0]).html == page.html


def test_save_writes_the_whole_page_and_gives_its_path(page: Page, tmp_path: Path) -> None:
    path = page.save(str(tmp_path / "steps.html"))
    assert path.read_text(encoding="utf-8") == page.html
    assert [each.name for each in tmp_path.iterdir()] == ["steps.html"]


def test_a_failed_save_leaves_the_old_file(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "steps.html"
    path.write_text("old")

    def full(*args: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        page.save(path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["steps.html"]


def test_save_goes_through_a_link_and_keeps_permissions(page: Page, tmp_path: Path) -> None:
    path, link = tmp_path / "steps.html", tmp_path / "link.html"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    assert page.save(link) == link
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8") == page.html
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_notebook_shows_it_in_a_frame_of_its_own(page: Page) -> None:
    shown = page._repr_html_()
    assert re.fullmatch(r'<iframe title="Steps" sandbox="allow-scripts" style="[^"<>]*" srcdoc="[^"<>]*"></iframe>', shown)


def test_repr_has_no_address(page: Page) -> None:
    assert repr(page) == "<page of 9 steps>"


def test_no_grad_is_touched() -> None:
    root, a, b = worksheet()
    explore(root)
    assert (a.grad, b.grad) == (0.0, 0.0)


def test_the_root_must_be_a_value() -> None:
    with pytest.raises(TypeError, match=r"^explore: expected a Value, got int$"):
        explore(3)  # type: ignore[arg-type]


def test_options_are_those_of_draw() -> None:
    assert "more" in explore(worksheet()[0], depth=1).html


# The steps, as they stand in the file


def as_text(element: ElementTree.Element) -> str:
    parts = list(map(as_text, element))
    match element.tag:
        case "mfrac":
            return "/".join(parts)
        case "math" | "span" if parts:
            return "".join(parts)
        case "mn" if (key := element.get("data-n")):
            return f"[{key}{' t' if element.get('data-t') else ''}]{element.text}"
        case "msub":
            return "_".join(parts)
    return unicodedata.normalize("NFKC", "".join([element.text or "", *parts]))


def written_steps(root: tl.Value, **options: Any) -> list[tuple[str, str, list[str], str, list[str]]]:
    """Of each step its phase, what it asks for, its formulas, the note, and the local derivatives."""
    page = explore(root, **options).html
    items = page[page.index('<ol id="steps"') : page.index("</ol>")].split("<li ")[1:]
    found = []
    for number, item in enumerate(items, 1):
        attributes, _, content = item.partition(">")
        value, phase, *asks = attributes.split()
        assert value == f"value={number}"
        quoted = re.sub(r" data-t(?=>)", ' data-t="t"', re.sub(r"=([\w-]+)(?=[ >])", r'="\1"', content))
        box = ElementTree.fromstring(quoted)
        small = box.find("small")
        assert small is not None
        local = [as_text(each) for each in small.iter("span") if each.get("class") == "local"]
        formulas = [as_text(each) for each in box.findall("span")]
        found.append((phase.removeprefix("data-phase="), "".join(asks).removeprefix("data-asks="), formulas, small.text or "", local))
    return found


def test_the_steps_of_the_worksheet() -> None:
    chain = "∂e/∂b=∂e/∂c·∂c/∂b+∂e/∂d·∂d/∂b=[a2]2·[p2_1 t]1+[a4 t]3·[p4_1 t]1=[a1]5"
    assert written_steps(worksheet()[0]) == [
        ("forward", "", ["a=[v0]2", "b=[v1]1"], "forward: a, b are given", []),
        ("forward", "v2", ["c=a+b=[v0]2+[v1 t]1=[v2]3"], "forward: compute c", []),
        ("forward", "v4", ["d=b+1=[v1]1+1=[v4]2"], "forward: compute d", []),
        ("forward", "v5", ["e=c·d=[v2]3·[v4 t]2=[v5]6"], "forward: compute e", []),
        ("backward", "", ["∂e/∂e=[a5]1"], "backward: it starts here", []),
        ("backward", "a4", ["∂e/∂d=c=[p5_4]3"], "backward: e uses d", []),
        ("backward", "a2", ["∂e/∂c=d=[p5_2]2"], "backward: e uses c", []),
        ("backward", "a1", [chain], "backward: the sum over the 2 nodes that use b", ["∂c/∂b=[p2_1]1", "∂d/∂b=[p4_1]1"]),
        ("backward", "a0", ["∂e/∂a=∂e/∂c·∂c/∂a=[a2]2·[p2_0 t]1=[a0]2"], "backward: c uses a", ["∂c/∂a=[p2_0]1"]),
    ]


def test_of_many_leaves_and_terms_a_few_are_named() -> None:
    leaves = [tl.Value(float(i), f"x{i}") for i in range(7)]
    first, *_, last = written_steps(tl.sum(leaves).named("y"))
    assert len(first[2]) == 7
    assert first[3] == "forward: x0, x1, x2, x3, x4, x5, … are given"
    assert last[2] == ["∂y/∂x0=[p7_0]1"]
    assert written_steps(tl.sum(leaves[:6]).named("y"))[0][3] == "forward: x0, x1, x2, x3, x4, x5 are given"
    x = tl.Value(2.0, "x")
    *_, last = written_steps(tl.sum([(x * float(i)).named(f"t{i}") for i in range(2, 10)]).named("y"))
    assert last[3] == "backward: the sum over the 8 nodes that use x"
    assert [each.partition("=")[0] for each in last[4]] == [f"∂t{i}/∂x" for i in range(2, 8)]


def test_a_single_leaf_is_given() -> None:
    x = tl.Value(2.0, "x")
    assert written_steps((x * 3).named("y"))[0][2:4] == (["x=[v0]2"], "forward: x is given")
    assert written_steps(x) == [
        ("forward", "", ["x=[v0]2"], "forward: x is given", []), ("backward", "", ["∂x/∂x=[a0]1"], "backward: it starts here", []),
    ]  # fmt: skip


def test_what_no_derivative_reaches_is_not_asked_for() -> None:
    x = tl.Value(2.0, "x")
    taken = written_steps((tl.stop_gradient(x).named("s") * 3).named("y"))
    assert taken[-1] == ("backward", "", ["∂y/∂x=[a0]0"], "backward: no derivative reaches x", [])


def test_numbers_in_a_formula_follow_only_if_they_change() -> None:
    x = tl.Value(3.0, "x")
    taken = written_steps(((x * x).named("s") * 1.5 - 4.0).named("y"))
    assert [step[2][0] for step in taken[1:4]] == [
        "s=x·x=[v0]3·[v0 t]3=[v1]9", "v1=s·1.5=[v1]9·1.5=[v3]13.5", "y=v1-4=[v3]13.5-4=[v5]9.5".replace("-", "−"),
    ]  # fmt: skip
    assert taken[-1][4] == ["∂s/∂x=x+x=[v0]3+[v0 t]3=[p1_0]6"]
    assert taken[-2][2] == ["∂y/∂s=∂y/∂v1·∂v1/∂s=[a3]1·[p3_1 t]1.5=[a1]1.5"]


def test_a_formula_is_cut_at_its_equals_and_plus_signs_but_in_no_parentheses() -> None:
    x, y = tl.Value(3.0, "x"), tl.Value(2.0, "a + b")
    page = explore(tl.sum([x, y, 2 * tl.silu(x)]).named("z").tanh().named("t")).html
    pieces = [re.sub("<[^>]*>", "", piece) for piece in re.findall("<math>(.*?)</math>", page)]
    assert {"=𝑥", "+(a + b)", "+𝑣₂", "=σ(𝑥)·(1+𝑥·σ(−𝑥))"} <= set(pieces)
    assert all(piece.count("(") == piece.count(")") for piece in pieces)


@pytest.mark.parametrize(("label", "written"), [
    ("x", "<mi>𝑥</mi>"), ("x12", "<mi>𝑥₁₂</mi>"), ("w_2", "<mi>𝑤₂</mi>"), ("β₃", "<mi>𝛽₃</mi>"), ("loss", "<mtext>loss</mtext>"),
    ("σ_max", "<msub><mi>𝜎</mi><mtext>max</mtext></msub>"), ("h1.w2", "<mtext>h1.w2</mtext>"), ("two words", "<mtext>two words</mtext>"),
    (r"\frac{a}", r"<mtext>\frac{a}</mtext>"), ("a\ue002\ue003\ue000b", "<mtext>a���b</mtext>"),
])  # fmt: skip
def test_names_are_letters_with_an_index_or_text(label: str, written: str) -> None:
    page = explore(tl.Value(2.0, label) * 3).html
    assert f"<span class=formula><math>{written}</math> <math><mo>=</mo><mn data-n=v0>2</mn></math></span>" in page


def test_only_a_labelled_leaf_is_a_field() -> None:
    page = explore((tl.Value(2.0) * tl.Value(3.0, "a")).named("c")).html
    assert "labelled: [1]," in page


def test_the_page_is_named_after_its_root() -> None:
    assert "<title>e, step by step</title>" in explore(worksheet()[0]).html
    assert "<title>&lt;b&gt;, step by step</title>" in explore((tl.Value(1.0) * 2).named("<b>")).html


@pytest.mark.parametrize(("practice", "written"), [({}, "false"), ({"practice": True}, "true"), ({"practice": False}, "false")])
def test_practice_is_what_was_asked_for(practice: dict[str, bool], written: str) -> None:
    page = explore(worksheet()[0], **practice).html
    assert f'<html lang="en" data-practice="{written}">' in page
    assert 'type="range" min="1" max="9"' in page


def test_frames_are_as_high_as_the_picture_and_a_step(page: Page) -> None:
    height = int(re.findall(r"height: (\d+)px", page._repr_html_())[0])
    box = float(re.findall(r'viewBox="[\d.]+ [\d.]+ [\d.]+ ([\d.]+)"', page.html)[0])
    assert height == round(1.7 * box) + 300
    x = tl.Value(0.5, "x")
    tall = tl.sum([tl.tanh(x * i) for i in range(12)])
    assert "height: 860px;" in explore(tall).iframe("tall.html")


def test_the_frame_of_a_course_page(page: Page) -> None:
    frame = page.iframe('steps.html?a="b"#practice,7')
    assert re.fullmatch(
        r'<iframe title="Steps" sandbox="allow-scripts" style="width: 100%; height: \d+px; border: 0" '
        r'src="steps.html\?a=&quot;b&quot;#practice,7"></iframe>', frame,
    )  # fmt: skip


def test_save_needs_its_folder(page: Page, tmp_path: Path) -> None:
    missing = str(tmp_path / "nodir")
    with pytest.raises(FileNotFoundError) as caught:
        page.save(f"{missing}/x.html")
    assert str(caught.value) == f"save: there is no folder {missing!r}; make it first"


def test_comments_stay_at_home(page: Page) -> None:
    script = page.html[page.html.index("<script>") : page.html.index("</script>")]
    assert not re.search(r"^\s*//|/\*\*|^[ \t]|^\n", script, re.MULTILINE)
    assert ":root{color-scheme:light dark;--page:#fff;" in page.html


# In a browser


@pytest.fixture(autouse=True)
def opened(request: pytest.FixtureRequest) -> None:
    """The page of the worksheet, in the reader's browser if a test has one."""
    if "reader" in request.fixturenames:
        page, tmp_path, reader = map(request.getfixturevalue, ("page", "tmp_path", "reader"))
        reader.open(page.save(tmp_path / "steps.html"))


def test_every_step_has_its_formula_its_light_and_what_it_computes(reader: Any) -> None:
    before = {("n0", "a"), ("n1", "b"), ("n0", "2"), ("n1", "1"), ("n3", "1"), ("n2", "c = a + b"), ("n4", "d = b + 1"), ("n5", "e = c·d")}
    for number, (formula, lit, new) in enumerate(STEPS, 1):
        phase = "forward" if number <= 4 else "backward"
        assert reader.status == f"step {number} of 9 · {phase}: {formula}"
        assert reader.shown == [formula]
        assert reader.lit == lit
        appeared = {text for _, text in reader.written - before}
        assert new <= appeared
        assert appeared - new <= {"∂e/∂d = 3", "∂e/∂c = 2"}  # which the edge says too
        before |= reader.written
        reader.find("#next")[0].click()
    assert reader.step == 9


def test_back_and_next_stop_at_the_ends(reader: Any) -> None:
    back, forth = reader.find("#back")[0], reader.find("#next")[0]
    back.click()
    assert (reader.step, back.get_attribute("aria-disabled")) == (1, "true")
    forth.click()
    assert (reader.step, back.get_attribute("aria-disabled")) == (2, "false")
    back.click()
    assert reader.step == 1
    for _ in range(12):
        forth.click()
    assert (reader.step, forth.get_attribute("aria-disabled")) == (9, "true")


def test_keys(reader: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    for key, step in [(Keys.RIGHT, 2), (Keys.RIGHT, 3), (Keys.LEFT, 2), (Keys.END, 9), (Keys.RIGHT, 9), (Keys.HOME, 1)]:
        reader.press(key)
        assert reader.step == step
    reader.press(Keys.ALT, Keys.RIGHT)
    assert reader.step == 1


def test_slider(reader: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    slider = reader.find("#slider")[0]
    reader.press(Keys.RIGHT, Keys.RIGHT, on="#slider")
    assert (reader.step, slider.get_property("value"), slider.get_attribute("aria-valuetext")) == (3, "3", "step 3 of 9")
    reader.press(Keys.END, on="#slider")
    assert reader.step == 9
    reader.find("#back")[0].click()
    assert slider.get_property("value") == "8"


def test_all_steps(reader: Any) -> None:
    box = reader.find("#all")[0]
    box.click()
    assert reader.shown == [formula for formula, *_ in STEPS]
    reader.find("#steps > li")[6].click()
    assert (reader.step, reader.lit) == (7, STEPS[6][1])
    box.click()
    assert reader.shown == ["∂e/∂c = d = 2"]
    reader.find("#steps > li")[6].click()
    assert reader.step == 7


def test_a_click_on_a_node_goes_to_its_steps(reader: Any) -> None:
    for step in (2, 7, 2):
        reader.run(
            "document.querySelector('#n2 rect').dispatchEvent(new MouseEvent('click', {bubbles: true}))"
        )
        assert reader.step == step


def test_the_address_may_name_a_step(reader: Any, page: Page, tmp_path: Path) -> None:
    reader.open(tmp_path / "steps.html", 8)
    assert reader.step == 8
    reader.run("location.hash = '#4'")
    time.sleep(0.2)
    assert reader.step == 4
    for wrong in ("#99", "#0", "#x"):
        reader.run(f"location.hash = {wrong!r}")
        time.sleep(0.1)
        assert reader.step == (9 if wrong == "#99" else 1)


def test_a_screen_reader_finds_names_and_roles(reader: Any) -> None:
    roles = {(e.aria_role, e.accessible_name.strip()) for e in reader.find("#back, #next, #slider, #all, #steps, #picture svg")}
    assert roles == {
        ("button", "Back"), ("button", "Next"), ("slider", "Step"), ("checkbox", "all steps"),
        ("list", "Steps of both passes"), ("group", "The graph of e, from its leaves to its root"),
    }  # fmt: skip
    assert reader.find("#status")[0].aria_role == "status"  # a live region: it is read out when it changes
    assert [e.get_attribute("value") for e in reader.find("#steps > [aria-current=step]")] == ["1"]


def test_every_control_is_reached_with_the_tab_key(reader: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    reached = []
    for _ in range(8):
        reader.browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(reader.browser.switch_to.active_element.get_attribute("id"))
    assert reached == ["back", "next", "slider", "all", "practice", "draw", "link", "picture"]


def test_the_lit_node_can_be_told_without_colour(reader: Any) -> None:
    def width(css: str) -> float:
        return float(reader.find(css)[0].value_of_css_property("stroke-width").removesuffix("px"))

    assert width("#n0 rect") >= 2 * width("#n2 rect")


def contrast(first: str, second: str) -> float:
    """The ratio of two colours by WCAG 2."""

    def luminance(color: str) -> float:
        channels = [int(part) / 255 for part in re.findall(r"\d+", color)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted([luminance(first), luminance(second)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_can_be_read(reader: Any, tmp_path: Path, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    reader.open(tmp_path / "steps.html", 8)

    def color(css: str, name: str = "fill") -> str:
        return str(reader.find(css)[0].value_of_css_property(name))

    page_color = color("body", "background-color")
    assert (contrast(page_color, "rgb(255, 255, 255)") < 1.1) is (scheme == "light")
    for node in ("n0", "n1", "n2"):  # a leaf, the lit node, an operation
        for text in reader.find(f"#{node} text"):
            assert contrast(text.value_of_css_property("fill"), color(f"#{node} rect")) >= 4.5
    assert contrast(color("#e2_1 text"), page_color) >= 4.5
    assert contrast(color("#e2_0 path", "stroke"), page_color) >= 3
    item = "#steps > [aria-current]"
    assert contrast(color(f"{item} small", "color"), color(item, "background-color")) >= 4.5
    reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_without_script_every_step_and_the_whole_picture_show(reader: Any, tmp_path: Path) -> None:
    reader.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    reader.open(tmp_path / "steps.html")
    tree = reader.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    document = json.dumps(reader.browser.execute_cdp_cmd("DOM.getDocument", {"depth": -1}))
    reader.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    roles = [node["role"]["value"] for node in tree if not node["ignored"]]
    assert (roles.count("listitem"), roles.count("button"), roles.count("slider")) == (9, 0, 0)
    assert '"derivative"' in document
    assert '"derivative later"' not in document


def test_on_paper_every_step_shows(reader: Any) -> None:
    reader.run("go(8)")
    reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert len(reader.shown) == 9
    assert not reader.find("nav")[0].is_displayed()
    assert {"∂e/∂a = 2", "∂c/∂a = 1", "∂e/∂b = 5", "6"} <= {text for _, text in reader.written}
    assert len({box.value_of_css_property("fill") for box in reader.find("#n0 rect, #n1 rect")}) == 1  # neither is lit
    reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_in_a_frame_as_in_a_notebook(reader: Any, page: Page, tmp_path: Path) -> None:
    outer = tmp_path / "notebook.html"
    outer.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{page._repr_html_()}", encoding="utf-8")
    reader.open(outer)
    frame = reader.find("iframe")[0]
    height = frame.size["height"]
    reader.browser.switch_to.frame(frame)
    reader.find("#next")[0].click()
    assert reader.shown == ["c = a + b = 2 + 1 = 3"]
    assert reader.run("return document.body.scrollHeight") <= height
    reader.browser.switch_to.default_content()


def test_fields_stand_in_their_boxes_in_a_frame_that_is_shown_later(
    reader: Any, page: Page, tmp_path: Path
) -> None:
    outer = tmp_path / "notebook.html"
    hidden = f"<div style='display: none'>{page._repr_html_()}</div>"
    outer.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{hidden}", encoding="utf-8")
    reader.open(outer)
    reader.run("document.querySelector('div').style.display = ''")
    reader.browser.switch_to.frame(reader.find("iframe")[0])
    script = """const done = arguments[0];
        requestAnimationFrame(() => requestAnimationFrame(() => done(
          [...document.querySelectorAll("#picture input")].map(field => {
            const [inner, outer] = [field, field.closest(".node")].map(x => x.getBoundingClientRect());
            return inner.width > 20 && inner.left > outer.left && inner.right < outer.right &&
              inner.top > outer.top && inner.bottom < outer.bottom;
          }))))"""
    assert reader.browser.execute_async_script(script) == [True, True]
    reader.browser.switch_to.default_content()


def test_two_meanings_of_one_derivative_are_told_apart(reader: Any, tmp_path: Path) -> None:
    reader.open(explore(shared()[0]).save(tmp_path / "shared.html"), 6)
    assert reader.shown == ["∂e/∂b = ∂e/∂c·∂c/∂b + (∂e/∂b)|_c = -3·2 + (-6) = -12"]
    assert reader.lit == {"n1", "e2_1", "e3_1"}


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_are_text_everywhere(reader: Any, tmp_path: Path, label: str) -> None:
    reader.open(explore(hostile(label)).save(tmp_path / "hostile.html"))
    label = " ".join(label.split())
    assert reader.browser.title == f"out {label}, step by step"
    assert "".join(text.get_property("textContent") for text in reader.find("#n0 text")).startswith(label)
    label = f"({label})" if {*label} & {*"<>"} else label  # `a < b = 2` would say something else
    assert reader.shown[0].startswith(f"{label} = 2, ")
    mathematics = reader.find("#steps > [aria-current] math")[0].get_property("textContent")
    assert re.sub(r"\s", "", mathematics).startswith(re.sub(r"\s", "", label))
    assert len(reader.find("script")) == len(reader.find("main > svg")) == len(reader.find("ol")) == 1
    assert not reader.find("#picture script, #steps script, merror")
    reader.find("#next")[0].click()
    assert reader.step == 2


def test_three_hundred_nodes_are_fluent(reader: Any, tmp_path: Path) -> None:
    layer = [tl.Value(0.5, "x1"), tl.Value(-1.0, "x2")]
    for count in (8, 8, 4, 1):
        layer = [tl.sum([x * tl.Value(0.1 * i - 0.3) for x in layer]).tanh() for i in range(count)]
    (root,) = layer
    assert 250 < len(tl.topological_order(root)) <= 300
    before = time.perf_counter()
    path = explore(root).save(tmp_path / "large.html")
    assert time.perf_counter() - before < 20
    reader.open(path, 300)
    walk = """const start = performance.now();
        for (let i = 0; i < 50; i++) { document.getElementById("next").click(); document.body.offsetHeight; }
        return (performance.now() - start) / 50"""
    assert reader.run(walk) < 100  # ms a step
    assert reader.step == 350
    pane, node = (reader.find(css)[0].rect for css in ("#picture", "#picture .node.lit"))
    assert pane["x"] - 1 <= node["x"] <= pane["x"] + pane["width"]  # it was brought into view
