"""New numbers in a page: in a browser, everything follows as the engine has it."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from test_steps import worksheet

import tinygrad_lite as tl
from tinygrad_lite.op import RESERVED, Op
from tinygrad_lite.show.javascript import MOST_NODES, literal, terms, value
from tinygrad_lite.show.naming import shown
from tinygrad_lite.show.page import Page, explore
from tinygrad_lite.show.textbook import (
    BINARY,
    cross_entropy_of,
    cross_entropy_to,
    log_softmax_at,
    softmax_at,
)

NUMBERS = [-30.0, -7.5, -2.0, -1.0, -0.6, -0.1, 0.0, 0.3, 0.5, 1.0, 1.7, 2.0, 3.0, 4.25, 10.0, 26.0]
EDGES = [
    -0.0, 5e-324, -5e-324, 1e-310, -1e-310, 1e-20, -1e-8, 0.84, 6.0, 36.5, -38.0, 710.5, -745.0,
    1e154, 1e200, -1e200, 1.7e308, -1.7e308, math.inf, -math.inf, math.nan,
]  # fmt: skip
SIZES: dict[str, Sequence[int]] = {"dot": (2, 6), "where": (3,)}
WHOLE = [
    (softmax_at(0, 1), 1), (softmax_at(1, 2), 2), (softmax_at(2, 4), 4), (log_softmax_at(0, 2), 2), (log_softmax_at(1, 3), 3),
    (cross_entropy_to(1, 2), 2), (cross_entropy_to(0, 4), 4), (cross_entropy_of((0, 1), 2, sums_to_1=True), 4),
    (cross_entropy_of((2, 0), 3, sums_to_1=False), 5), (BINARY, 2),
]  # fmt: skip


def cases() -> Iterator[Any]:
    for name in sorted(RESERVED):
        op = tl.OPS[name]
        for count in SIZES.get(name, (op.arity,) if op.arity else (1, 2, 4)):
            yield pytest.param(op, count, id=f"{name}-{count}")
    for op, count in WHOLE:
        yield pytest.param(op, count, id=f"{op.name}-{count}")


def points(count: int) -> list[tuple[float, ...]]:
    every = list(itertools.product(NUMBERS + EDGES, repeat=count)) if count < 3 else []
    source = random.Random(count)
    return every or [tuple(source.choices(NUMBERS * 3 + EDGES, k=count)) for _ in range(400)]


def by_engine(op: Op, point: Sequence[float]) -> tuple[str, list[float | None]]:
    """Why there is no value, or the value and the partials."""
    try:
        out = float(op.scalar(*point))
    except ZeroDivisionError:
        return "division by zero", []
    except OverflowError:
        return "too large", []
    except ValueError:
        return str(op.domain), []
    wanted = [True] * len(point)
    try:
        return "", [out, *op.terms(1.0, out, point, wanted)]
    except (ArithmeticError, ValueError):
        return "", [out, *op.terms_at_floats(1.0, out, point, wanted)]


def agree(found: float | None, right: float | None) -> bool:
    if found is None or right is None:
        return found is right
    if math.isnan(right):
        return math.isnan(found)
    # σ(-x) is 1/(1 + e^x), which is 0 where e^x overflows.
    return math.isclose(found, right, rel_tol=1e-9, abs_tol=1e-308)


@pytest.mark.parametrize(("op", "count"), [*cases()])
def test_every_operation_follows_as_the_engine_has_it(
    op: Op, count: int, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if browser.current_url == "data:," or "functions" not in browser.current_url:
        path = explore(worksheet()[0]).save(tmp_path_factory.mktemp("page") / "functions.html")
        browser.get(f"file://{path}")
    every = points(count)
    script = f"""const value = {value(op, count)}, terms = {terms(op, [True] * count)};
        const rule = [{literal(op.name)}, {literal(op.domain or "")}, value, terms];
        const written = x => x === null ? null : String(x);
        return {literal(every)}.map(point => {{
            const found = {{ errors: new Map() }};
            const out = valueOf(rule, point, found, 0);
            return [found.errors.get(0) || "", [out, ...terms(1, out, ...point)].map(written)];
        }})"""
    known = {"Infinity": "inf", "-Infinity": "-inf", "NaN": "nan"}
    for point, (error, texts) in zip(every, browser.execute_script(script), strict=True):
        found = [None if text is None else float(known.get(text, text)) for text in texts]
        reason, right = by_engine(op, point)
        if op.name == "exp_difference" and point[0] > point[1]:
            continue  # softmax records none
        if op is BINARY and math.isinf(point[0]):
            continue  # a label is a probability
        if all(map(math.isfinite, point)):  # as those of a field are
            assert error.partition("): ")[2] == reason, point
        assert all(map(agree, found, right)), (point, found, right)


@pytest.mark.parametrize("x", [
    0.0, -0.0, 1 / 3, 12345.0, 123456.7, 999999.0, 1e6, 2.5e6, 1e-17, -1e-5, 0.0001, 9999.5, 0.99999, 1e20, math.inf, -math.inf, math.nan,
    1000.5, 1001.5, -1000.5, 0.15625, 0.21875, 1000500.0, 1001500.0, 1000500.0001, 1.00049999, 1.0005, 5e-324, 1.7e308,
])  # fmt: skip
def test_numbers_are_written_as_the_package_writes_them(x: float, reader: Any, tmp_path: Path) -> None:
    reader.open(explore(worksheet()[0]).save(tmp_path / "steps.html"))
    assert reader.run(f"return shown({literal(x)})") == shown(x)


# All of a page


def network(numbers: Sequence[float]) -> tl.Value:
    """The worksheet's network, its largest output's share."""
    labels = [f"w{i}" for i in range(10)] + ["x1", "x2", "x3"]
    leaves = [tl.Value(x, label) for x, label in zip(numbers, labels, strict=True)]
    hidden = [tl.dot(leaves[i : i + 3], leaves[10:]).named(f"a{i}").relu() for i in (0, 3)]
    logits = [tl.dot(leaves[i : i + 2], hidden).named(f"z{i}") for i in (6, 8)]
    return tl.softmax(logits)[0].named("p")


def mixture(numbers: Sequence[float]) -> tl.Value:
    x, y, z = (tl.Value(number, label) for number, label in zip(numbers, "xyz", strict=True))
    parts = [
        (x - y * 2) / (z**2 + 1), tl.maximum(x, y, 0.5), (x * x).named("s"), -(x * y).sin(),
        tl.exp(-y) * tl.erf(z), tl.where(x > y, x * z, y), abs(z) ** 1.5, (y + z).sigmoid(),
    ]  # fmt: skip
    return tl.sum(parts).named("m")


def hooks(page: Page) -> list[str]:
    """What stands at each hook of the page."""
    return re.findall(r"data-n=\"?\w+\"?(?: data-[dt](?:=\d+)?)*>([^<]*)<", page.html)


@pytest.mark.parametrize(("make", "count"), [(network, 13), (mixture, 3)])
@pytest.mark.parametrize("seed", range(4))
def test_everything_in_the_page_follows(
    make: Callable[[Sequence[float]], tl.Value], count: int, seed: int, reader: Any, tmp_path: Path
) -> None:
    source = random.Random(seed)
    first, second = ([source.choice([-2.5, -1.0, 0.25, 1.0, 3.0]) + source.random() for _ in range(count)] for _ in "12")
    reader.open(explore(make(first)).save(tmp_path / "steps.html"))
    assert reader.run("return hooks.map(hook => hook.textContent)") == hooks(explore(make(first)))
    fields = reader.run("return [...fields.keys()].length")
    assert fields == count
    names = [node.label for node in tl.topological_order(make(second)) if not node.args]
    numbers = {leaf.label: leaf.data for leaf in tl.topological_order(make(second)) if not leaf.args}
    assert set(numbers) >= set(names)
    reader.run(
        """for (const [i, field] of fields) {
            field.value = arguments[0][graph.nodes[i][0]];
            field.onchange();
        }""",
        {label: repr(x) for label, x in numbers.items() if label},
    )
    right = explore(make(second))
    assert reader.run("return hooks.map(hook => hook.textContent)") == hooks(right)
    spoken = reader.run("return formulas.map(each => each.getAttribute('aria-label'))")
    reader.run("reset.click()")
    assert reader.run("return hooks.map(hook => hook.textContent)") == hooks(explore(make(first)))
    reader.open(right.save(tmp_path / "right.html"))
    assert reader.run("return formulas.map(each => each.getAttribute('aria-label'))") == spoken


def test_typing_into_a_box_changes_the_page(reader: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    reader.open(explore(worksheet()[0]).save(tmp_path / "steps.html"), 8)
    field = reader.find("#n0 input")[0]
    assert (field.accessible_name, field.get_property("value")) == ("a", "2")
    field.clear()
    field.send_keys("-0,5", Keys.ENTER)
    assert reader.shown == ["∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 0.5·1 = 2.5"]
    reader.find("#reset")[0].click()
    assert reader.shown == ["∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5"]
    assert not reader.find("#reset")[0].is_displayed()


def test_a_field_shows_four_digits_and_all_to_who_is_in_it(reader: Any, tmp_path: Path) -> None:
    root = (tl.Value(1 / 3, "a") * tl.Value(2.0, "b")).named("c")
    reader.open(explore(root).save(tmp_path / "steps.html"))
    field, other = reader.find("#picture input")
    assert field.get_property("value") == "0.3333"
    field.click()
    assert field.get_property("value") == repr(1 / 3)
    other.click()
    assert field.get_property("value") == "0.3333"
    assert reader.run("return numbers.values[0]") == 1 / 3
    assert not reader.find("#reset")[0].is_displayed()


def test_the_derivative_that_is_nan_stays_so(reader: Any, tmp_path: Path) -> None:
    def make(x: float) -> tl.Value:
        a = tl.Value(x, "a")
        return (a.sqrt() * 0.0 + a).named("r")

    reader.open(explore(make(4.0)).save(tmp_path / "steps.html"))
    reader.run("const field = fields.get(0); field.value = '0'; field.onchange()")
    assert reader.run("return hooks.map(hook => hook.textContent)") == hooks(explore(make(0.0)))
    assert reader.run("return shown(numbers.adjoints[0])") == "nan"


@pytest.mark.parametrize("text", ["", "x", "1/", "1,2,3", "1/0/2", "--1"])
def test_what_is_no_number_changes_nothing(text: str, reader: Any, tmp_path: Path) -> None:
    reader.open(explore(worksheet()[0]).save(tmp_path / "steps.html"), 2)
    reader.run("const field = fields.get(0); field.value = arguments[0]; field.onchange()", text)
    assert reader.shown == ["c = a + b = 2 + 1 = 3"]
    field = reader.find("#n0 input")[0]
    assert field.get_attribute("aria-invalid") == "true"
    reader.find("#reset")[0].click()
    assert (field.get_attribute("aria-invalid"), field.get_property("value")) == (None, "2")


@pytest.mark.parametrize(("make", "entered", "message"), [
    (lambda a: a.log(), "-1", "log(-1): x > 0"),
    (lambda a: 1 / a, "0", "div(1, 0): division by zero"),
    (lambda a: a.exp(), "1000", "exp(1000): too large"),
    (lambda a: a**0.5, "-2", "pow(-2, 0.5): a base >= 0 or a whole exponent"),
])  # fmt: skip
def test_an_error_shows_in_the_box(
    make: Callable[[tl.Value], tl.Value], entered: str, message: str, reader: Any, tmp_path: Path
) -> None:
    root = (make(tl.Value(2.0, "a")).named("b") * 3).named("c")
    reader.open(explore(root).save(tmp_path / "steps.html"), 9)
    reader.run("const field = fields.values().next().value; field.value = arguments[0]; field.onchange()", entered)
    texts = [text.text for text in reader.find("#picture .error")]
    assert texts == [message]
    root_box = reader.find("#picture .root")[0]
    assert "–" in root_box.text
    assert reader.run("return numberOf('v0')") == float(entered) or reader.run("return numberOf('v1')") == float(entered)
    reader.find("#reset")[0].click()
    assert not reader.find("#picture .error")


# What cannot follow


def through_an_if() -> tl.Value:
    x, y = tl.Value(2.0, "x"), tl.Value(5.0, "y")
    return ((x * 3 if x > 1 else x) + y).named("z")


def with_an_operation_of_the_users() -> tl.Value:
    opaque = tl.declare("opaque", lambda x: x + 1, (1.0,))
    try:
        x, y = tl.Value(2.0, "x"), tl.Value(5.0, "y")
        return (opaque(x) * y).named("z")
    finally:
        del tl.OPS["opaque"]


@pytest.mark.parametrize(("make", "why"), [
    (through_an_if, "x fixed: the program took an `if` on x"),
    (with_an_operation_of_the_users, "x fixed: opaque has no formula in JavaScript"),
])  # fmt: skip
def test_what_cannot_follow_stays_fixed_and_says_why(
    make: Callable[[], tl.Value], why: str, reader: Any, tmp_path: Path
) -> None:
    reader.open(explore(make()).save(tmp_path / "steps.html"))
    assert reader.find("#fixed")[0].text == why
    assert reader.run("return [...fields.keys()].map(i => graph.nodes[i][0])") == ["y"]
    reader.run("const field = fields.values().next().value; field.value = '7'; field.onchange()")
    assert reader.run("return numbers.values.at(-1)") == {"x": 13, "o": 21}[why[9] if why[9] == "o" else "x"]


def test_a_large_graph_stays_fixed(reader: Any, tmp_path: Path) -> None:
    x = tl.Value(0.5, "x")
    root = x
    while len(tl.topological_order(root)) <= MOST_NODES:
        root = root.sin()
    reader.open(explore(root).save(tmp_path / "steps.html"))
    assert reader.find("#fixed")[0].text == f"x fixed: the graph has more than {MOST_NODES} nodes"
    assert not reader.find("#picture input")
    assert not reader.find("#draw")[0].is_displayed()


def test_many_fixed_leaves_are_counted(reader: Any, tmp_path: Path) -> None:
    root = tl.sum([tl.Value(float(i), f"x{i}") for i in range(MOST_NODES)])
    reader.open(explore(root).save(tmp_path / "steps.html"))
    why = f"the graph has more than {MOST_NODES} nodes"
    assert reader.find("#fixed")[0].text == f"x0, x1, x2, x3, x4 and {MOST_NODES - 5} more fixed: {why}"


def test_a_graph_without_such_numbers_says_so(reader: Any, tmp_path: Path) -> None:
    x = tl.Value(0.5, "x")
    root = (1 - x * x - 0.7).sqrt().asin() + (x - 0.45).log()  # neither a whole number nor a tenth but 0.5
    reader.open(explore(root).save(tmp_path / "steps.html"))
    reader.find("#draw")[0].click()
    assert reader.find("#fixed")[0].text == "no numbers were found that stay in the domain"
    assert reader.find("#n0 input, #n1 input, #n2 input")[0].get_property("value") == "0.5"


def test_a_leaf_without_a_label_has_no_field(reader: Any, tmp_path: Path) -> None:
    reader.open(explore(tl.Value(2.0) * tl.Value(3.0, "a")).save(tmp_path / "steps.html"))
    assert [field.accessible_name for field in reader.find("#picture input")] == ["a"]


# New numbers


@pytest.mark.parametrize(("make", "least", "most"), [
    (lambda a, b: a * b + a, -4, 9), (lambda a, b: (a - b).log() / b, -4, 9), (lambda a, b: (a + b).asin(), -1, 9),
])  # fmt: skip
def test_new_numbers_stay_in_the_domain(
    make: Callable[..., tl.Value], least: float, most: float, reader: Any, tmp_path: Path
) -> None:
    root = make(tl.Value(0.5, "a"), tl.Value(0.25, "b"))
    reader.open(explore(root).save(tmp_path / "steps.html"))
    for _ in range(20):
        reader.find("#draw")[0].click()
        numbers = reader.run("return [...fields.values()].map(field => Number(field.value))")
        assert all(least <= x <= most and (10 * x).is_integer() if isinstance(x, float) else True for x in numbers)
        assert reader.run("return numbers.errors.size === 0 && numbers.values.every(Number.isFinite)")
    assert reader.step == 1


# What a reader compares


def saturated(x: float) -> tl.Value:
    t = tl.Value(x, "x").tanh().named("t")
    return (1 - t * t + t.exp() * (tl.Value(100.12345, "k") * t).exp()).named("L")


ENTER = """const i = [...fields.keys()].find(i => graph.nodes[i][0] === "x");
    fields.get(i).value = arguments[0]; fields.get(i).onchange();"""
VISIBLE = "return [...document.querySelectorAll('.formula, .local')].map(each => each.getAttribute('aria-label'))"


@pytest.mark.parametrize("first", [0.5, 11.0])
def test_numbers_have_the_digits_that_make_a_formula_true(first: float, reader: Any, tmp_path: Path) -> None:
    reader.open(explore(saturated(first)).save(tmp_path / "steps.html"))
    before = reader.run(VISIBLE)
    for x in (11.0, 18.5, 25.0, 0.5):
        reader.run(ENTER, x)
        followed = reader.run(VISIBLE)
        (local,) = {each for each in followed if each.startswith("∂t/∂x = 1")} if x < 12 else {None}
        if x == 11:
            assert local == "∂t/∂x = 1 - t^2 = 1 - 0.999999999442^2 = 1.116e-09"
        fresh = tmp_path / "fresh.html"
        explore(saturated(x)).save(fresh)
        reader.open(fresh)
        assert followed == reader.run(VISIBLE)
        reader.open(tmp_path / "steps.html")
    reader.run(f"{ENTER} reset.click()", 25)
    assert reader.run(VISIBLE) == before


def test_a_side_that_no_digits_make_true_is_hidden(reader: Any, tmp_path: Path) -> None:
    reader.open(explore(saturated(25.0)).save(tmp_path / "steps.html"))
    (said,) = {each for each in reader.run(VISIBLE) if each.startswith("∂t/∂x")}
    assert said == "∂t/∂x = 1 - t^2 = 7.715e-22"
    reader.run(ENTER, 1)
    (said,) = {each for each in reader.run(VISIBLE) if each.startswith("∂t/∂x")}
    assert said == "∂t/∂x = 1 - t^2 = 1 - 0.7616^2 = 0.42"
