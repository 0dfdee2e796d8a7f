"""Practice: the page asks, takes an answer as people write it, and says what was wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_steps import worksheet

import tinygrad_lite as tl
from tinygrad_lite.show.page import explore


@pytest.fixture
def student(reader: Any, tmp_path: Path) -> Any:
    """Somebody at the worksheet's page, at ∂e/∂b, who is asked."""
    reader.open(explore(worksheet()[0]).save(tmp_path / "steps.html"), "practice,8")
    return reader


def reply(student: Any, text: str) -> str:
    field = student.find("#ask input")[0]
    field.clear()
    field.send_keys(text, "\ue007")  # Enter
    return str(student.find("#ask output")[0].get_property("textContent"))


def seen(student: Any) -> str:
    """The formula as it stands there for somebody who looks."""
    script = """return [...document.querySelectorAll("[aria-current] .formula > math")]
        .filter(math => math.getClientRects().length)
        .map(math => spoken(math)).join(" ").replace(/ +/g, " ")"""
    return str(student.run(script))


def test_the_names_stay_and_the_numbers_of_the_step_hide(student: Any) -> None:
    assert seen(student) == "∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b"
    texts = {text for _, text in student.written}
    assert {"a", "b", "c = a + b", "d = b + 1", "e = c·d", "1", "2", "∂e/∂e = 1"} == texts
    student.find("#practice")[0].click()
    assert "= 5" in seen(student)
    assert "∂e/∂b = 5" in {text for _, text in student.written}


def test_what_is_hidden_is_not_read_out(student: Any) -> None:
    names = "∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b"
    assert student.status == f"step 8 of 9 · backward: {names}"
    assert [each.accessible_name for each in student.find("[aria-current] .formula, [aria-current] .local")] == [names, "", ""]
    hint = student.find("#ask button")[1]
    hint.click()
    hint.click()
    assert student.shown == [f"{names} = 2·1 + 3·1"]
    hint.click()
    assert student.status == f"step 8 of 9 · backward: {names} = 2·1 + 3·1 = 5"
    student.run("again()")
    assert student.status == f"step 8 of 9 · backward: {names}"


def test_digits_are_typed_into_the_field_and_enter_goes_on(student: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    student.press("5", Keys.ENTER)
    assert student.find("#ask output")[0].text == "Right."
    student.browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert student.step == 9
    student.browser.switch_to.active_element.send_keys("-2")
    assert student.find("#ask input")[0].get_property("value") == "-2"


@pytest.mark.parametrize("answer", ["5", "5.0", "5,0", "10/2", " 5 ", "+5", "0.5e1", "15/3"])
def test_a_right_answer_in_any_form(student: Any, answer: str) -> None:
    assert reply(student, answer) == "Right."
    assert seen(student).startswith("∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5")
    assert student.find("#score")[0].text == "1 of 7 right · 0 with hints · 0 shown"


@pytest.mark.parametrize(("answer", "said"), [
    ("2", "that is the path through c alone; b is used twice"),
    ("3", "that is the path through d alone; b is used twice"),
    ("6", "the paths are added, not multiplied"),
    ("-5", "the sign is the other one"),
    ("1", "that is ∂c/∂b; times ∂e/∂c is missing"),
    ("5.01", "close: four digits are asked for"),
    ("17", "not yet"),
    ("b", "a number, please: 5, 0.5, 1/3 or 2e-3"),
    ("", "a number, please: 5, 0.5, 1/3 or 2e-3"),
])  # fmt: skip
def test_a_wrong_answer_is_told_apart(student: Any, answer: str, said: str) -> None:
    assert reply(student, answer) == said
    assert student.find("#score")[0].text == "0 of 7 right · 0 with hints · 0 shown"


@pytest.mark.parametrize(("answer", "said"), [
    ("2", "that is a·b; c = a + b"), ("1", "that is a - b; c = a + b"), ("-1", "that is b - a; c = a + b"),
])  # fmt: skip
def test_another_operation_is_told(student: Any, answer: str, said: str) -> None:
    student.run("go(2)")
    assert reply(student, answer) == said


def test_one_edge_of_two_is_told(reader: Any, tmp_path: Path) -> None:
    x = tl.Value(3.0, "x")
    reader.open(explore((x * x).named("y")).save(tmp_path / "square.html"), "practice,4")
    assert reply(reader, "3") == "that is one of its places in y alone; it has 2"


def test_three_hints_one_after_the_other(student: Any) -> None:
    hint = student.find("#ask button")[1]
    hint.click()
    assert student.find("#ask output")[0].text.startswith("in names: ∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b")
    assert "2·1" not in seen(student)
    hint.click()
    assert seen(student).startswith("∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1")
    assert "= 5" not in seen(student)
    hint.click()
    assert "= 5" in seen(student)
    assert student.find("#score")[0].text == "0 of 7 right · 0 with hints · 1 shown"


def test_after_a_hint_it_counts_as_that(student: Any) -> None:
    student.find("#ask button")[1].click()
    assert reply(student, "5") == "Right."
    assert student.find("#score")[0].text == "0 of 7 right · 1 with hints · 0 shown"


def test_thirds_within_the_digits_that_are_shown(reader: Any, tmp_path: Path) -> None:
    root = (tl.Value(1.0, "a") / tl.Value(3.0, "b")).named("c")
    reader.open(explore(root, practice=True).save(tmp_path / "third.html"), 2)
    assert reader.find("#practice")[0].is_selected()
    assert reply(reader, "0.33") == "close: four digits are asked for"
    assert reply(reader, "0,3333") == "Right."
    reader.run("again()")
    assert reply(reader, "1/3") == "Right."


def test_large_numbers_within_the_digits_that_are_shown(reader: Any, tmp_path: Path) -> None:
    root = (tl.Value(1234.0, "a") * tl.Value(5678.0, "b")).named("c")  # 7006652, shown as 7.007e+06
    reader.open(explore(root, practice=True).save(tmp_path / "large.html"), 2)
    assert reply(reader, "7.02e6") == "close: four digits are asked for"
    assert reply(reader, "7.007e+06") == "Right."


def test_what_is_given_or_tiny_is_not_asked(reader: Any, tmp_path: Path) -> None:
    a = tl.Value(1e-12, "a")
    reader.open(explore((a * 3).named("b") + 1, practice=True).save(tmp_path / "tiny.html"))
    asked = reader.run("return steps.map((_, k) => isAsked(k + 1))")
    # a is given, b is 3e-12, the root is 1, its own derivative is not asked, those of b and a are.
    assert asked == [False, False, True, False, True, True]


def test_the_arrow_keys_stay_in_the_field(student: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    field = student.find("#ask input")[0]
    field.send_keys("15", Keys.LEFT, Keys.HOME, Keys.RIGHT, Keys.BACKSPACE)
    assert (student.step, field.get_property("value")) == (8, "5")


def test_the_address_says_practice_and_step(student: Any) -> None:
    student.find("#back")[0].click()
    assert student.run("return location.hash") == "#practice,7"
    assert student.find("#link")[0].get_attribute("href").endswith("#practice,7")
    student.find("#practice")[0].click()
    assert student.run("return location.hash") == "#7"


def test_new_numbers_are_asked_anew(student: Any) -> None:
    assert reply(student, "5") == "Right."
    student.find("#draw")[0].click()
    assert student.find("#score")[0].text.startswith("0 of ")
    student.run("go(2)")
    right = student.run("return shown(numbers.values[2])")
    if student.run("return isAsked(2)"):
        assert reply(student, right) == "Right."


def test_in_a_sandboxed_frame(student: Any, tmp_path: Path) -> None:
    page = explore(worksheet()[0], practice=True)
    outer = tmp_path / "notebook.html"
    outer.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{page._repr_html_()}", encoding="utf-8")
    student.open(outer)
    student.browser.switch_to.frame(student.find("iframe")[0])
    student.find("#next")[0].click()
    assert reply(student, "3") == "Right."
    student.find("#next")[0].click()
    student.find("#ask input")[0].send_keys("2")
    student.find("#ask button")[0].click()
    assert student.find("#ask output")[0].text == "Right."
    assert not student.find("#link")[0].is_displayed()
    student.browser.switch_to.default_content()


def test_without_script_nothing_is_hidden(student: Any, tmp_path: Path) -> None:
    page = explore(worksheet()[0], practice=True)
    before = page.html[: page.html.index("<script>")]
    assert "asked" not in before.partition("</style>")[2]
    assert "later" not in before.partition("</style>")[2]
