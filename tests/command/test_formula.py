"""The formula language: what a formula is worth, what it is not, and what the reader of an error is told."""

from __future__ import annotations

import builtins
import math
import pickle
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_lite import OPS, Value, explain
from tinygrad_lite.command.formula import parse
from tinygrad_lite.command.names import SPELLINGS, functions
from tinygrad_lite.command.tokens import FormulaError, is_name

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
        ("00 + 0.5 + 05.0 + 01e1", 15.5),
        ("1e-999", 0.0),
        ("9**9**9**9", float("inf")),
        ("sum(1, 2, 3)", 6.0),
        ("maximum(1, 3) - minimum(1, 3)", 2.0),
        ("where(less(1, 2), 3, 4)", 3.0),
        (" sqrt\t(\n4 ) ", 2.0),
        ("c = 2; d = c * 3; c + d", 8.0),
        ("exp = 1; exp + 1", 2.0),
        ("α = 1; α + 1", 2.0),
        ("max(1, 3) - min(1, 3)", 2.0),
        ("pow(2, 3) + abs(-1)", 9.0),
        ("(1 < 2) + (1 <= 1) + (2 > 1) + (2 >= 2) + equal(1, 1) + (1 != 2)", 6.0),
        ("(2 < 1) + (2 <= 1) + (1 > 2) + (1 >= 2) + equal(1, 2) + (1 != 1)", 0.0),
        ("1 + 2 > 2 * 1", 1.0),
        ("-1 < -2**2 + 4", 1.0),
        ("(1 < 2) < 2", 1.0),
        ("7 % 4 * 2", 6.0),
        ("-7 % 4", 1.0),
        ("floordiv(-7, 2) + floor(7 / -2)", -8.0),
        ("2 ** 7 / 2 ** 4 % 5", 3.0),
        ("7 mod 4 + 7 mod (2 * 2)", 6.0),
        ("mod(7, 4) + floor(-1.5)", 1.0),
    ],
)
def test_a_formula_has_the_value_that_python_gives_it(text: str, expected: float) -> None:
    assert value(text) == expected


numbers = st.sampled_from(["0.", "1.", ".5", "2e0", "3.25", "1E2", "1e-3", "7.0e+1"])
formulas = st.recursive(
    numbers | st.sampled_from("abc"),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "**", " - "]), inner).map("".join),
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


pieces = [*"abe1.=;(),+-/|<>^·≤²аπ\ud800\n", "exp", "max", "if", "**", "==", "05"]


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
        ("n" * 60, f"no value for {'n' * 60}; add {'n' * 60}=NUMBER", 0),
        ("n" * 100, f"no value for {'n' * 60}…; add {'n' * 60}…=NUMBER", 0),
        ("exp + 1", "exp is a function; write exp(...)", 0),
        ("a(1)", "a is a number here and cannot be called", 0),
        ("ln + 1", "ln is a function; write ln(...)", 0),
        ("pi(a)", "pi is a number here and cannot be called", 0),
        ("exq(a)", "unknown function 'exq'; did you mean 'exp'?", 0),
        ("dot(a, a)", "unknown function 'dot'; write a*x + b*y", 0),
        ("softmax([a, 1])", "unknown function 'softmax'; it gives several numbers, a formula has one; "
         "the first of softmax([a, b]) is exp(a - logsumexp(a, b))", 0),
        ("log_softmax(a, 1)", "unknown function 'log_softmax'; it gives several numbers, a formula has one; "
         "the first of log_softmax([a, b]) is a - logsumexp(a, b)", 0),
        ("cross_entropy([a, 1], 0)", "unknown function 'cross_entropy'; "
         "that of the logits a, b with the class of a is logsumexp(a, b) - a", 0),
        ("mean(a, 1)", "unknown function 'mean'; that of a and b is sum(a, b) / 2", 0),
        ("sum([a, 1])", "unexpected '['; a list's numbers stand in the call itself: sum(a, b)", 4),
        ("print(a)", "unknown function 'print'", 0),
        ("ехр(a)", "unknown function 'ехр' (U+0435 CYRILLIC SMALL LETTER IE, U+0445 CYRILLIC SMALL LETTER HA, "
         "U+0440 CYRILLIC SMALL LETTER ER)", 0),
        ("exp()", "exp: expected 1 argument, got 0", 0),
        ("exp(a, a)", "exp: expected 1 argument, got 2", 0),
        ("where(a)", "where: expected 3 arguments, got 1", 0),
        ("1 + sum()", "sum: expected at least 1 argument, got 0", 4),
        ("maximum()", "maximum: expected at least 1 argument, got 0", 0),
        ("1e999", "1e999 is too large for a float", 0),
        ("05", "05 has a leading zero; write 5", 0),
        ("a + 0777", "0777 has a leading zero; write 777", 4),
        ("0" * 100 + "7", f"{'0' * 60}… has a leading zero; write 7", 0),
        ("0 < a < 3", "unexpected '<'; comparisons do not chain: write (a < b) * (b < c) for a < b < c", 6),
        ("a <= a != a", "unexpected '!='; comparisons do not chain: write (a < b) * (b < c) for a < b < c", 7),
        ("a <> a", "expected a number, a name or '(', got '>'", 3),
        ("<a", "expected a number, a name or '(', got '<'", 0),
        ("|a", "'|' is never closed; add '|'", 0),
        ("((|a))", "'|' is never closed; add '|'", 2),
        ("a|a", "unexpected '|'; no bar is open", 1),
        ("(a|a)", "unexpected '|'; no bar is open", 2),
        ("|a, a|", "unexpected ','; it stands between the arguments of a function", 2),
        ("a mod (a", "'(' is never closed; add ')'", 6),
        ("a mod (a, a)", "unexpected ','; it stands between the arguments of a function", 8),
        ("1/0 + 1", "div(1.0, 0.0): division by zero", 1),
        ("a % 0", "mod(2.0, 0.0): division by zero (node 'a')", 2),
        ("floordiv(a, 0)", "floordiv(2.0, 0.0): division by zero (node 'a')", 0),
        ("a // 2", "unexpected '//'; a whole quotient is written floor(a / b)", 2),
        ("//a", "unexpected '//'; a whole quotient is written floor(a / b)", 0),
        ("a == 2", "unexpected '=='; equality is written equal(a, b)", 2),
        ("c = a==2; c", "unexpected '=='; equality is written equal(a, b)", 5),
        ("a === 2", "unexpected '=='; equality is written equal(a, b)", 2),
        ("where(a == 2, 1, 0)", "unexpected '=='; equality is written equal(a, b)", 8),
        ("||", "expected a number, a name or '(', got the end", 2),
        ("e = e + 1", "no value for e; add e=NUMBER", 4),
        ("c = pi; pi = 3; c", "no value for pi; add pi=NUMBER", 4),
        ("exp_difference(a, a)", "unknown function 'exp_difference'", 0),
        ("if = 3", "'if' is a keyword of Python, not a name; write where(a > 0, a, 0)", 0),
        ("if(a, a, a)", "'if' is a keyword of Python, not a name; write where(a > 0, a, 0)", 0),
        ("not a", "'not' is a keyword of Python, not a name; write 1 - (a > 0)", 0),
        ("a if a else a", "'if' is a keyword of Python, not a name; write where(a > 0, a, 0)", 2),
        ("a > 0 and a < 1", "'and' is a keyword of Python, not a name; write (a > 0) * (a < 1)", 6),
        ("a < 0 or a > 1", "'or' is a keyword of Python, not a name; write max(a < 0, a > 1)", 6),
        ("True", "'True' is a keyword of Python, not a name; write 1", 0),
        ("clip(a, 0, 1)", "unknown function 'clip'; write min(max(a, low), high)", 0),
        ("prod(a, 1)", "unknown function 'prod'; write a*b", 0),
        ("ceil(a)", "unknown function 'ceil'; write -floor(-a)", 0),
        ("lambda: 1", "'lambda' is a keyword of Python, not a name", 0),
        ("a÷2", "unexpected '÷' (U+00F7 DIVISION SIGN); did you mean '/'?", 1),
        ("2⋅a", "unexpected '⋅' (U+22C5 DOT OPERATOR); did you mean '*'?", 1),
        ("a−1", "unexpected '−' (U+2212 MINUS SIGN); did you mean '-'?", 1),
        ("2²", "unexpected '²' (U+00B2 SUPERSCRIPT TWO); did you mean '**2'?", 1),
        ("a << a", "unexpected '<<'; a formula is names, numbers, + - * / **, calls", 2),
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
    for before, cut in [(" " * 36, " " * 36), (" " * 37, "…" + " " * 36)]:  # as much as is shown, and one more
        assert str(failure(before + "q")).splitlines()[1] == f"  {cut}q"


def test_an_error_survives_pickling() -> None:
    error = failure("a²", a=2.0)
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


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a·b", "a*b"),
        ("a×b", "a*b"),
        ("a^b^a", "a**b**a"),
        ("-a^2", "-a**2"),
        ("|a - b|·2", "abs(a - b)*2"),
        ("||a| - |b||", "abs(abs(a) - abs(b))"),
        ("|-a|", "abs(-a)"),
        ("(a ≤ b) + (a ≥ b) + (a ≠ b)", "(a <= b) + (a >= b) + (a != b)"),
        ("σ(a)", "sigmoid(a)"),
        ("π·a", "pi*a"),
        ("φ(a) + Φ(b)", "norm_pdf(a) + norm_cdf(b)"),
        ("b mod a + b mod (a·b)", "b % a + b % (a*b)"),
    ],
)
def test_the_signs_of_mathematics_are_read_too(text: str, same: str) -> None:
    assert value(text, a=1.5, b=2.25) == value(same, a=1.5, b=2.25)


@pytest.mark.parametrize(
    "text",
    [
        "c = a*b + a**2; d = abs(a - c)**0.5/b; e = sigmoid(-d)*max(c, 1)",
        "c = a > b; d = where(c, a, b); e = (d <= a) + (d != b)*(c >= d)",
        "c = -(a + b)*(a - b); d = c**-2; e = a/(b/d)",
        "c = a % (b - 0.75) + 1; d = floordiv(c, b) + (a + b) % c; e = norm_cdf(d)*norm_pdf(c)",
    ],
)
def test_what_an_explanation_says_of_the_values_can_be_typed_back(text: str) -> None:
    values = {"a": 2.0, "b": 1.5}
    root, names = parse(text, values)
    lines = str(explain(root)).split("\n\n")[0].splitlines()[1:]
    read = dict(values)
    for line in lines:
        name, formula, *_ = line.strip().split(" = ")
        if name not in values:
            read[name] = value(formula, **read)
    assert read["e"] == root.data
    assert read["c"] == names["c"].data


smooth = st.recursive(
    st.sampled_from(["a", "b", "c", "(2 - a)", "(0.5*b)"]),
    lambda inner: st.one_of(
        st.tuples(st.just("("), inner, st.sampled_from(["+", "-", "*", "/"]), inner, st.just(")")).map("".join),
        st.tuples(st.sampled_from(["-", "sigmoid", "tanh", "exp", "abs", "cos"]), inner).map("{0[0]}({0[1]})".format),
        st.tuples(inner, st.sampled_from(["2", "3", "-1", "0.5"])).map("({0[0]})**{0[1]}".format),
    ),
    max_leaves=6,
)


@given(smooth)
def test_a_derivative_in_closed_form_can_be_typed_back(text: str) -> None:
    values = {"a": 0.7, "b": 1.5, "c": -1.25}
    try:
        root, names = parse(f"{text} + a*b*c", values)
        root.backward()
        lines = str(explain(root, wrt=[*names.values()], closed=True)).partition("Closed form\n")[2].splitlines()
    except ValueError:  # it has no value, or is too long
        assume(False)
    assume(all(math.isfinite(node.grad) for node in names.values()))
    for line, node in zip(lines, names.values(), strict=True):
        formula = line.split(" = ")[1]
        assert value(formula, **values) == pytest.approx(node.grad, rel=1e-6, abs=1e-6)


def test_pi_and_e_are_numbers_unless_they_are_given_or_assigned() -> None:
    assert value("pi") == math.pi
    assert value("π*e") == math.pi * math.e
    assert value("pi + e", pi=2.0, e=1.0) == 3.0
    assert value("e = 5; pi = 2*e; pi + e") == 15.0
    root, names = parse("a*pi", {"a": 2.0})
    assert root.args[1].op.name == "constant"
    assert list(names) == ["a"]


def test_a_name_has_no_sign_of_multiplication() -> None:
    assert "a·b".isidentifier()  # but not here
    assert not is_name("a·b")
    assert is_name("αβ")


@pytest.mark.parametrize(("name", "op"), SPELLINGS.items())
def test_other_spellings_are_those_of_mathematics_python_and_numpy(name: str, op: str) -> None:
    known = getattr(np, name, getattr(math, name, getattr(builtins, name, None)))
    args = [1.0] if OPS[op].arity == 1 else [0.5, 0.75]
    args = [0.5] if name == "arctanh" else args
    result = value(f"{name}({', '.join(map(repr, args))})")
    if known is None:
        assert (name, op) in [("ln", "log"), ("σ", "sigmoid"), ("φ", "norm_pdf"), ("Φ", "norm_cdf")]
    else:
        expected = known(args) if name in ("max", "min") else known(*args)
        assert result == pytest.approx(expected, rel=1e-15)
    assert result == OPS[op](*args)


@pytest.mark.parametrize("name", functions())
def test_every_function_of_the_table_can_be_called(name: str) -> None:
    op = OPS[name]
    args = [1.5] * (op.arity or 2) if name not in ("asin", "acos", "atanh") else [0.5]
    text = f"{name}({', '.join(map(repr, args))})"
    assert value(text) == (op(args) if op.lists else op(*args))
