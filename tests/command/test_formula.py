"""The formula language: what a formula is worth, what it is not, and what the reader of an error is told."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_lite import OPS, Value
from tinygrad_lite.command.formula import FormulaError, functions, parse

NAMES = {"a": 2.0, "b": -0.5, "c": 0.0}


def value(text: str, **values: float) -> float:
    return parse(text, values)[0].data


def attempt(text: str, **values: float) -> float | FormulaError:
    try:
        return value(text, **values)
    except FormulaError as error:
        return error


def failure(text: str, **values: float) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        parse(text, values)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2**2", -4.0),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("2**-3**2", 2.0**-9),
        ("-2**-2", -0.25),
        ("12/3/2", 2.0),
        ("12-3-2", 7.0),
        ("2-3*4", -10.0),
        ("2*-3+1", -5.0),
        ("- -+-3", -3.0),
        ("(1 + 2) * 3", 9.0),
        ("1.+.5+1E2+1e+1+1e-1", 111.6),
        ("0777", 777.0),
        ("1e-999", 0.0),
        ("9**9**9**9", float("inf")),
        ("sum(1, 2, 3)", 6.0),
        ("maximum(1, 3) - minimum(1, 3)", 2.0),
        ("where(less(1, 2), 3, 4)", 3.0),
        (" sqrt\t(\n4 ) ", 2.0),
        ("c = 2; d = c * 3; c + d", 8.0),
        ("exp = 1; exp + 1", 2.0),
        ("α = 1; α + 1", 2.0),
    ],
)
def test_a_formula_has_the_value_that_python_gives_it(text: str, expected: float) -> None:
    assert value(text) == expected


numbers = st.sampled_from(["0.", "1.", ".5", "2e0", "3.25", "1E2", "1e-3", "7.0e+1"])
formulas = st.recursive(
    numbers | st.sampled_from("abc"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**", " - "]), inner).map("".join),
        st.tuples(st.sampled_from(["-", "+", "- "]), inner).map("".join),
        inner.map("({})".format),
    ),
    max_leaves=12,
)


@given(formulas)
def test_random_arithmetic_agrees_with_python(text: str) -> None:
    try:
        expected = eval(text, {}, NAMES)  # the text is the grammar's above
    except ZeroDivisionError:
        expected = None
    except OverflowError:
        assume(False)  # a power that is inf here
    if isinstance(expected, float):
        assert repr(value(text, **NAMES)) == repr(expected)
    else:
        failure(text, **NAMES)


pieces = ["a", "b", "exp", "max", "if", "1", ".", "e", "=", ";", "(", ")", ",", "+", "-", "**", "/", "²", "а", "\ud800", "\n"]


@given(st.text() | st.lists(st.sampled_from(pieces)).map("".join))
def test_any_text_has_a_value_or_is_a_formula_error(text: str) -> None:
    answer = attempt(text, **NAMES)
    if isinstance(answer, FormulaError):
        assert 0 <= answer.position <= len(text)
        assert len(str(answer)) < 4000
        assert str(answer).replace("\n", "").isprintable()
    else:
        assert type(answer) is float


@pytest.mark.parametrize(
    ("text", "problem", "position"),
    [
        ("", "expected a number, a name or '(', got the end", 0),
        ("a +", "expected a number, a name or '(', got the end", 3),
        ("a*/a", "expected a number, a name or '(', got '/'", 2),
        ("()", "expected a number, a name or '(', got ')'", 1),
        ("exp(a,)", "expected a number, a name or '(', got ')'", 6),
        ("exp(-)", "expected a number, a name or '(', got ')'", 5),
        ("c = ; a", "expected a number, a name or '(', got ';'", 4),
        ("2a", "expected an operator, got 'a'; a product is written with *", 1),
        ("(a)(a)", "expected an operator, got '('; a product is written with *", 3),
        ("0x10", "expected an operator, got 'x10'; a product is written with *", 1),
        ("1_000", "expected an operator, got '_000'; a product is written with *", 1),
        ("1e", "expected an operator, got 'e'; a product is written with *", 1),
        ("1.5.2", "expected an operator, got '.2'; a product is written with *", 3),
        ("((a)", "'(' is never closed; add ')'", 0),
        ("exp(a; a", "'exp(' is never closed; add ')'", 0),
        ("a)", "unexpected ')'; no parenthesis is open", 1),
        ("a,a", "unexpected ','; it stands between the arguments of a function", 1),
        ("exp((a,a))", "unexpected ','; it stands between the arguments of a function", 6),
        ("a;a", "expected NAME = before this; only the last statement needs none", 0),
        ("a+c = 3", "expected one name before '=', at the start of a statement", 2),
        ("+c = 3", "expected one name before '=', at the start of a statement", 1),
        ("a = 3", "a is given and assigned; drop one of the two", 0),
        ("c = a; c = a", "c is assigned twice; rename one", 7),
        ("a + b", "no value for b; add b=NUMBER", 4),
        ("c = c", "no value for c; add c=NUMBER", 4),
        ("а+1", "no value for а (U+0430 CYRILLIC SMALL LETTER A); add а=NUMBER", 0),
        ("a + ａb", "no value for ａb (U+FF41 FULLWIDTH LATIN SMALL LETTER A); add ａb=NUMBER", 4),
        ("e\u0301", "no value for e\u0301 (U+0301 COMBINING ACUTE ACCENT); add e\u0301=NUMBER", 0),
        ("n" * 100, f"no value for {'n' * 60}…; add {'n' * 60}…=NUMBER", 0),
        ("exp + 1", "exp is a function; write exp(...)", 0),
        ("a(1)", "a is a number here and cannot be called", 0),
        ("max(a, 1)", "unknown function 'max'; did you mean 'maximum'?", 0),
        ("ln(a)", "unknown function 'ln'; did you mean 'log'?", 0),
        ("pow(a, 2)", "unknown function 'pow'; did you mean '**'?", 0),
        ("dot(a, a)", "unknown function 'dot'", 0),
        ("print(a)", "unknown function 'print'", 0),
        ("ехр(a)", "unknown function 'ехр' (U+0435 CYRILLIC SMALL LETTER IE, U+0445 CYRILLIC SMALL LETTER HA, "
         "U+0440 CYRILLIC SMALL LETTER ER)", 0),
        ("exp()", "exp: expected 1 argument, got 0", 0),
        ("exp(a, a)", "exp: expected 1 argument, got 2", 0),
        ("where(a)", "where: expected 3 arguments, got 1", 0),
        ("1 + sum()", "sum: expected at least 1 argument, got 0", 4),
        ("maximum()", "maximum: expected at least 1 argument, got 0", 0),
        ("1e999", "1e999 is too large for a float", 0),
        ("not a", "'not' is a keyword of Python, not a name", 0),
        ("a if a else a", "'if' is a keyword of Python, not a name", 2),
        ("lambda: 1", "'lambda' is a keyword of Python, not a name", 0),
        ("a^2", "unexpected '^'; did you mean '**'?", 1),
        ("a−1", "unexpected '−' (U+2212 MINUS SIGN); did you mean '-'?", 1),
        ("2²", "unexpected '²' (U+00B2 SUPERSCRIPT TWO); did you mean '**2'?", 1),
        ("a//a", "unexpected '//'; a formula is names, numbers, + - * / **, calls", 1),
        ("a == a", "unexpected '=='; a formula is names, numbers, + - * / **, calls", 2),
        ("(a := 5)", "unexpected ':='; a formula is names, numbers, + - * / **, calls", 3),
        ("a.b", "unexpected '.'; a formula is names, numbers, + - * / **, calls", 1),
        ("a[0]", "unexpected '['; a formula is names, numbers, + - * / **, calls", 1),
        ("'abc'", 'unexpected "\'"; a formula is names, numbers, + - * / **, calls', 0),
        ("a # b", "unexpected '#'; a formula is names, numbers, + - * / **, calls", 2),
        ("a\x07", r"unexpected '\x07'; a formula is names, numbers, + - * / **, calls", 1),
        ("a\u200b", r"unexpected '\u200b' (U+200B ZERO WIDTH SPACE); a formula is names, numbers, + - * / **, calls", 1),
        ("a\udcff", r"unexpected '\udcff' (U+DCFF); a formula is names, numbers, + - * / **, calls", 1),
        ("1 + log(0)", "log(0.0): expected x > 0", 4),
        ("1/0", "div(1.0, 0.0): division by zero", 1),
        ("log(a - 3)", "log(-1.0): expected x > 0", 0),
        ("c = a - 3; sqrt(c)", "sqrt(-1.0): expected x >= 0 (node 'c')", 11),
        ("exp(1e4)", "exp(10000.0): the result is too large for a float", 0),
        ("(-8)**(1/3)", "pow(-8.0, 0.3333333333333333): expected a base >= 0 or a whole exponent", 4),
    ],
)  # fmt: skip
def test_an_error_names_what_is_wrong_and_where(text: str, problem: str, position: int) -> None:
    error = failure(text, a=2.0)
    assert (error.problem, error.position) == (problem, position)


def test_an_error_shows_the_place_with_a_caret_under_it() -> None:
    assert str(failure("a +\t* a", a=2.0)) == "expected a number, a name or '(', got '*'\n  a + * a\n      ^"
    shown = str(failure("a+" * 50_000 + "q" + "+a" * 50_000, a=2.0)).splitlines()
    assert shown[1:] == ["  …" + "a+" * 18 + "q" + "+a" * 17 + "+…", " " * 39 + "^"]


def test_an_error_survives_pickling() -> None:
    error = failure("a^2", a=2.0)
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.position) == (str(error), 1)


@pytest.mark.parametrize(
    "text",
    [
        "+".join(["a"] * 10_000),
        "(" * 1_000 + "a" + ")" * 1_000,
        "-" * 5_000 + "a",
        "sin(" * 5_000 + "a" + ")" * 5_000,
        "a" + "**a" * 5_000,
        "(" * 50_000,
        "9" * 100_000,
        "x" * 100_000 + "(",
        "²" * 100_000,
        " " * 100_000,
        "9" * 100_000 + "x",
    ],
    ids=lambda text: f"{len(text)} characters {text[:5]!r}",
)
def test_long_and_deep_formulas_answer_within_a_second(text: str) -> None:
    start = time.process_time()
    assert len(str(attempt(text, a=1.0))) < 4000
    assert time.process_time() - start < 1


def test_names_become_labels_and_numbers_become_leaves() -> None:
    root, names = parse("c = a + 1; k = 2; e = c * k", {"a": 2})
    root.backward()
    assert [(name, node.label, node.data, node.grad) for name, node in names.items()] == [
        ("a", "a", 2.0, 2.0), ("c", "c", 3.0, 2.0), ("k", "k", 2.0, 3.0), ("e", "e", 6.0, 1.0),
    ]  # fmt: skip
    assert root is names["e"]


def test_a_second_name_is_the_same_node_with_its_first_label() -> None:
    root, names = parse("c = a; c * c", {"a": 3.0})
    assert names["c"] is names["a"]
    assert names["a"].label == "a"
    assert root.args == (names["a"], names["a"])


def test_values_that_are_given_are_the_leaves() -> None:
    a = Value(3.0)
    root, _ = parse("a * a", {"a": a})
    root.backward()
    assert a.grad == 6.0


def test_constant_parts_are_numbers_and_not_nodes() -> None:
    root, names = parse("a ** -(1 + 2 * 0.5)", {"a": 2.0})
    assert [arg.data for arg in root.args] == [2.0, -2.0]
    root.backward()
    assert names["a"].grad == -0.25


def test_an_intermediate_result_that_is_not_used_has_derivative_0() -> None:
    root, names = parse("c = a * 3; a", {"a": 2.0})
    root.backward()
    assert (names["a"].grad, names["c"].grad) == (1.0, 0.0)


def test_names_are_compared_without_normalisation() -> None:
    names = {"\u00e9": 5.0, "e\u0301": 3.0}
    assert value("\u00e9 - e\u0301", **names) == 2.0


@pytest.mark.parametrize("name", functions())
def test_every_function_of_the_table_can_be_called(name: str) -> None:
    op = OPS[name]
    args = [1.5] * (op.arity or 2) if name not in ("asin", "acos", "atanh") else [0.5]
    text = f"{name}({', '.join(map(repr, args))})"
    assert value(text) == (op(args) if op.lists else op(*args))
