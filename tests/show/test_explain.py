"""Explanations: what they say, that it is right, and that every notation takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_steps import graphs, worksheet

import tinygrad_lite as tl
from tinygrad_lite import ops
from tinygrad_lite.show.explain import explain, table
from tinygrad_lite.show.latex import addends
from tinygrad_lite.show.notation import LATEX, MOST_TERMS, TEXT, write
from tinygrad_lite.show.steps import Backward, steps
from tinygrad_lite.show.symbol import Symbol
from tinygrad_lite.show.writer import Writer

HOSTILE = [
    "<script>", "</svg>", "$x$", r"\input{a}", r"\N", "`code`", "a|b", "two\nlines", "{{steps}}", "#1%&~^", "*_*", "\"'",
    "&lt;", "x--y", "?`!`",
]  # fmt: skip


def line(explanation: object, left: str) -> str:
    """The line that begins with that left side."""
    (found,) = [each.strip() for each in str(explanation).splitlines() if each.strip().startswith(f"{left} = ")]
    return found


def shared() -> tuple[tl.Value, tl.Value]:
    """e = c·b with c = a·b: it uses b directly and through c."""
    a, b = tl.Value(2.0, "a"), tl.Value(-3.0, "b")
    return ((a * b).named("c") * b).named("e"), b


# What it says


def test_the_worksheet() -> None:
    root, *_ = worksheet()
    assert str(explain(root)) == """\
Values
  a = 2
  b = 1
  c = a + b = 2 + 1 = 3
  d = b + 1 = 1 + 1 = 2
  e = c·d = 3·2 = 6

Directly connected nodes
  ∂c/∂a = 1
  ∂c/∂b = 1
  ∂d/∂b = 1
  ∂e/∂c = d = 2
  ∂e/∂d = c = 3

Chain rule
  ∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5
  ∂e/∂a = ∂e/∂c·∂c/∂a = 2·1 = 2"""


def test_one_derivative_has_only_what_it_is_made_of() -> None:
    root, a, _ = worksheet()
    assert str(explain(root, wrt=a)) == """\
Directly connected nodes
  ∂c/∂a = 1
  ∂e/∂c = d = 2

Chain rule
  ∂e/∂a = ∂e/∂c·∂c/∂a = 2·1 = 2"""


def test_several_derivatives_at_once() -> None:
    root, a, b = worksheet()
    assert "Values" not in str(explain(root, wrt=[a, b]))
    assert str(explain(root)).endswith(str(explain(root, wrt=[a, b])))


def test_the_derivatives_for_an_array_of_values() -> None:
    w = tl.values([[1.0, 2.0]], "w")
    root = w[0, 0] * w[0, 1]
    assert str(explain(root, wrt=w)) == str(explain(root, wrt=[*w[0]]))


def test_the_closed_form_is_simplified_no_further_than_0_and_1() -> None:
    root, _, b = worksheet()
    closed = str(explain(root, wrt=b, closed=True)).splitlines()[-1]
    assert closed == "  ∂e/∂b = (b + 1) + (a + b) = (1 + 1) + (2 + 1) = 5"


def test_without_wrt_the_closed_forms_are_those_of_the_leaves() -> None:
    root, *_ = worksheet()
    assert re.findall(r"∂e/∂.", str(explain(root, closed=True)).partition("Closed form")[2]) == ["∂e/∂a", "∂e/∂b"]


def test_a_closed_form_too_long_to_read_is_refused() -> None:
    x = root = tl.Value(1.0, "x")
    for _ in range(60):
        root = root * root
    with pytest.raises(ValueError, match=r"^explain: the closed form of ∂v60/∂x has more than 300 names, numbers and op"):
        explain(root, wrt=x, closed=True)
    explain(root, wrt=x)


def test_the_direct_derivative_is_told_from_the_total() -> None:
    root, b = shared()
    explanation = explain(root, wrt=b)
    assert line(explanation, "(∂e/∂b)|_c") == "(∂e/∂b)|_c = c = -6  (with c held fixed: e uses b directly and through c)"
    assert line(explanation, "∂e/∂b") == "∂e/∂b = ∂e/∂c·∂c/∂b + (∂e/∂b)|_c = -3·2 + (-6) = -12"
    assert r"\left.\frac{\partial e}{\partial b}\right|_{c}" in explanation.latex()


def test_two_edges_to_one_user_are_one_local_derivative() -> None:
    x = tl.Value(3.0, "x")
    assert line(explain((x * x).named("y")), "∂y/∂x") == "∂y/∂x = x + x = 3 + 3 = 6"


def test_more_than_six_terms_are_shortened() -> None:
    x = tl.Value(1.0, "x")
    for count in (MOST_TERMS, MOST_TERMS + 1):
        root = tl.sum([(x * i).named(f"u{i}") for i in range(count)]).named("s")
        sums = line(explain(root, wrt=x), "∂s/∂x").split(" = ")[1:3]
        assert [("…" in each, each.count("+") < MOST_TERMS) for each in sums] == [(count > MOST_TERMS, True)] * 2


def test_operations_of_many_arguments_are_shortened() -> None:
    ws, xs = ([tl.Value(i, f"{name}{i}") for i in range(9)] for name in "wx")
    written = line(explain(tl.dot(ws, xs).named("z")), "z")
    assert written == "z = w0·x0 + w1·x1 + w2·x2 + w3·x3 + …·… + w8·x8 = 0·0 + 1·1 + 2·2 + 3·3 + …·… + 8·8 = 204"


def test_which_argument_is_chosen_is_said() -> None:
    x, y = tl.Value(3.0, "x"), tl.Value(5.0, "y")
    explanation = explain((tl.maximum(x, y).named("m") * 3).named("z"), closed=True)
    assert line(explanation, "∂m/∂y") == "∂m/∂y = 1  (the largest is y)"
    assert line(explanation, "∂m/∂x") == "∂m/∂x = 0  (the largest is y)"
    assert str(explanation).endswith("∂z/∂x = 0\n  ∂z/∂y = 3")
    assert line(explain(tl.minimum(x, x).named("m")), "∂m/∂x") == "∂m/∂x = 1  (the smallest is x)"
    assert line(explain(tl.minimum(x, 3).named("m")), "∂m/∂x") == "∂m/∂x = 0.5  (the smallest are x, 3)"


def test_where_the_result_is_nan_nothing_is_chosen() -> None:
    x, y = tl.Value(float("nan"), "x"), tl.Value(5.0, "y")
    assert line(explain(tl.maximum(x, y).named("m")), "∂m/∂y") == "∂m/∂y = nan"


def test_a_long_row_is_cut_before_a_plus() -> None:
    xs = [tl.Value(1.0, f"x{i}") for i in range(6)]
    rows = explain(tl.sum([(x * x).named(f"square{i}") for i, x in enumerate(xs)]).named("s")).latex().splitlines()
    (at,) = [i for i, row in enumerate(rows) if row.startswith("s &= ")]
    names = [rf"\text{{square}}_{{{i}}}" for i in range(6)]
    assert [row.removesuffix(r" \\") for row in rows[at : at + 3]] == ["s &= " + " + ".join(names), "&= 1 + 1 + 1 + 1 + 1 + 1", "&= 6"]
    many = explain(tl.sum([(x * x).named(f"square{i}_{'z' * 12}") for i, x in enumerate(xs)]).named("s")).latex().splitlines()
    (at,) = [i for i, row in enumerate(many) if row.startswith("s &= ")]
    assert [row.count("square") for row in many[at : at + 4]] == [2, 2, 2, 0]
    assert [row.partition(r"\text")[0] for row in many[at : at + 3]] == ["s &= ", r"&\quad + ", r"&\quad + "]


@pytest.mark.parametrize(("side", "pieces"), [
    ("a + b", ["a ", "+ b"]), ("(a + (b + c)) + d", ["(a + (b + c)) ", "+ d"]), (r"\text{b+c} + d", [r"\text{b+c} ", "+ d"]),
    (r"\frac{a + {b + 1}}{c}", [r"\frac{a + {b + 1}}{c}"]), (r"\text{(} + b", [r"\text{(} ", "+ b"]), (r"a\{ + b", [r"a\{ ", "+ b"]),
])  # fmt: skip
def test_a_side_is_cut_before_a_plus_outside_of_parentheses_and_braces(side: str, pieces: list[str]) -> None:
    assert list(addends(side)) == pieces


def test_the_textbooks_rule_is_shown_where_there_is_one() -> None:
    x = tl.Value(0.0, "x")
    assert line(explain(x.sigmoid().named("s")), "∂s/∂x") == "∂s/∂x = s·(1 - s) = 0.5·(1 - 0.5) = 0.25"
    assert line(explain(x.tanh().named("t")), "∂t/∂x") == "∂t/∂x = 1 - t^2 = 1 - 0^2 = 1"


def test_the_root_and_what_it_does_not_depend_on() -> None:
    x = tl.Value(1.0, "x")
    root = (tl.stop_gradient(x) * tl.Value(2.0, "y")).named("z")
    assert str(explain(root, wrt=root)) == "Chain rule\n  ∂z/∂z = 1"
    assert str(explain(root, wrt=x)) == "Chain rule\n  ∂z/∂x = 0"


def test_comparisons_stand_in_parentheses_as_numbers() -> None:
    x = tl.Value(2.0, "x")
    assert line(explain((x > 0).named("p")), "p") == "p = (x > 0) = (2 > 0) = 1"


def test_repr_is_the_text_and_has_no_address() -> None:
    root, *_ = worksheet()
    assert repr(explain(root)) == str(explain(root))


def test_an_explanation_stays_what_it_was() -> None:
    root, a, _ = worksheet()
    explanation = explain(root)
    before, a.data = explanation.latex(), 9.0
    assert explanation.latex() == before
    assert a.grad == 0.0


def test_what_cannot_be_explained() -> None:
    root, *_ = worksheet()
    with pytest.raises(ValueError, match=r"^explain: Value\(1.0, 'x'\) is no part of the graph of Value\(6.0, 'e'\); ch"):
        explain(root, wrt=tl.Value(1.0, "x"))
    with pytest.raises(ValueError, match=r"^explain: Value\(1.0\) is a constant, a number written in a formula; make it"):
        explain(root, wrt=root.args[1].args[1])
    with pytest.raises(TypeError, match=r"^explain: wrt is a Value, a label or several of them, got float$"):
        explain(root, wrt=[2.0])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"^explain: wrt is a Value, a label or several of them, got int$"):
        explain(root, wrt=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^explain: expected a Value, got int$"):
        explain(3)  # type: ignore[arg-type]


@pytest.fixture
def declared() -> Iterator[None]:
    before = dict(ops.OPS)
    yield
    ops.OPS.clear()
    ops.OPS.update(before)


@pytest.mark.usefixtures("declared")
def test_a_label_is_that_of_one_node() -> None:
    x, y = tl.Value(1.0, "x"), tl.Value(2.0, "x")
    root = (x * y).named("z")
    with pytest.raises(ValueError, match=r"^explain: 2 nodes have the label 'x'; give the Value itself$"):
        explain(root, "x")
    with pytest.raises(ValueError, match=r"^explain: no node has the label 'q'; choose one of 'x', 'x', 'z'$"):
        explain(root, "q")


def test_a_users_operation_is_explained_like_any_other() -> None:
    squared = tl.declare("squared", lambda x: x * x, (lambda out, x: 2 * x,), text="{0}²", latex="{0}^2")
    x = tl.Value(3.0, "x")
    assert line(explain(squared(x + 1).named("y"), closed=True), "y") == "y = v1² = 4² = 16"
    assert str(explain(squared(x + 1).named("y"), closed=True)).endswith("∂y/∂x = 2·(x + 1) = 2·(3 + 1) = 8")


@pytest.mark.usefixtures("declared")
def test_a_rule_that_branches_says_so() -> None:
    bad = tl.declare("bad", lambda x: x, (lambda out, x: 1 if x > 0 else 0,))
    with pytest.raises(TypeError, match=r"^cannot decide whether \(x > 0\) while writing a rule out; use tl.where in the "):
        explain(bad(tl.Value(1.0, "x")))


@given(graphs())
def test_the_terms_that_are_shown_sum_to_the_derivative(root: tl.Value) -> None:
    taken = steps(root)
    writer = Writer(taken, TEXT)
    for step in taken:
        if isinstance(step, Backward) and 1 < len(step.terms) <= MOST_TERMS:
            _, *sums, result = writer.adjoint(step)
            written = sums[-1].replace("·", "*").replace("inf", "1e999").replace("nan", "(1e999-1e999)")
            size = sum(abs(term.product) for term in step.terms)
            if size < 1e6:  # four digits are shown
                assert float(eval(written)) == pytest.approx(float(result), abs=2e-3 * size + 1e-6)


# Symbols


@st.composite
def formulas(draw: st.DrawFn) -> Symbol:
    """An expression in arithmetic over x, y and numbers; the ones without folding too."""
    leaves = [Symbol(name=name, number=number) for name, number in [("x", -2.0), ("y", 3.0)]]
    made = [*leaves, Symbol(number=-1.5), Symbol(number=2.0)]
    for _ in range(draw(st.integers(1, 8))):
        op = ops.OPS[draw(st.sampled_from(["add", "sub", "mul", "div", "pow", "neg"]))]
        made.append(Symbol(op, [draw(st.sampled_from(made)) for _ in range(op.arity or 0)]))
    return made[-1]


def evaluated(symbol: Symbol) -> float:
    return symbol.number if symbol.op is None else symbol.op.scalar(*map(evaluated, symbol.args))  # type: ignore[return-value]


@given(formulas())
def test_parentheses_are_where_python_needs_them_too(symbol: Symbol) -> None:
    python = write(symbol, TEXT, numbers=True).replace("·", "*").replace("^", "**")
    try:
        expected = evaluated(symbol)
    except (ArithmeticError, ValueError):
        return
    assert eval(python) == pytest.approx(expected, rel=1e-9)


X, Y = Symbol(name="x", number=2.0), Symbol(name="y", number=3.0)


@pytest.mark.parametrize(
    ("symbol", "text", "latex"),
    [
        (0 + X, "x", "x"),
        (1 * X, "x", "x"),
        (0 * X + Y, "y", "y"),
        (X**1 - 0, "x", "x"),
        (X**0, "1", "1"),
        (X * (Y - 1), "x·(y - 1)", r"x \cdot (y - 1)"),
        ((X + 1) + (Y + X), "(x + 1) + (y + x)", r"(x + 1) + (y + x)"),
        (X + 1 + Y, "x + 1 + y", "x + 1 + y"),
        (X - (Y - X), "x - (y - x)", r"x - (y - x)"),
        (X * (Y * X), "x·(y·x)", r"x \cdot (y \cdot x)"),
        (X / Y * X, "(x/y)·x", r"\frac{x}{y} \cdot x"),
        (X / (Y * X), "x/(y·x)", r"\frac{x}{y \cdot x}"),
        ((X / Y) ** 2, "(x/y)^2", r"\left(\frac{x}{y}\right)^{2}"),
        (X.exp() ** 2, "exp(x)^2", r"(\mathrm{e}^{x})^{2}"),
        (X ** (Y - 1), "x^(y - 1)", "x^{y - 1}"),
        (-(X + Y), "-(x + y)", r"-(x + y)"),
        (X + -Y, "x - y", "x - y"),
        (X - -Y, "x + y", "x + y"),
        (-(-1 / X), "1/x", r"\frac{1}{x}"),
        (-X / -Y, "x/y", r"\frac{x}{y}"),
        (X * (-1 / Y), "-x/y", r"-\frac{x}{y}"),
        (-X * Y, "-x·y", r"-x \cdot y"),
        (X * -2, "x·(-2)", r"x \cdot (-2)"),
        (X * 1e-17, "x·1e-17", r"x \cdot 10^{-17}"),
        (abs(X + Y), "|x + y|", r"\left|x + y\right|"),
        ((X / Y).tanh(), "tanh(x/y)", r"\mathrm{tanh}\left(\frac{x}{y}\right)"),
        (X > Y, "(x > y)", r"(x > y)"),
        (ops.gaussian(X + Y), "exp(-(x + y)²)", r"\mathrm{e}^{-(x + y)^2}"),
        (ops.sech_squared(X + Y), "sech(x + y)²", r"\mathrm{sech}^2(x + y)"),
        (ops.exp_difference(X, X + Y), "exp(x - (x + y))", r"\mathrm{e}^{x - (x + y)}"),
        ((X + Y).tanh(), "tanh(x + y)", r"\mathrm{tanh}(x + y)"),
        ((X + Y).leaky_relu(), "leaky_relu(x + y)", r"\mathrm{leaky\_relu}(x + y)"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_writing(symbol: Symbol, text: str, latex: str) -> None:
    assert (write(symbol, TEXT), write(symbol, LATEX)) == (text, latex)


def test_numbers_that_have_no_result_stay_written() -> None:
    assert write(Symbol(number=1.0) / Symbol(number=0.0), TEXT) == "1/0"


@pytest.mark.parametrize("op", [op for op in ops.OPS.values() if op.textbook], ids=lambda op: op.name)
@pytest.mark.parametrize("numbers", [(0.7, 1.3, 0.4), (2.5, -2.0, 0.4)])
def test_the_textbooks_rule_agrees_with_the_accurate_one(op: ops.Op, numbers: tuple[float, ...]) -> None:
    numbers = (numbers[0], abs(numbers[1])) if op.name == "xlogy" else numbers[: op.arity or 2]
    numbers = (1.0 + numbers[0],) if op.name == "acosh" else numbers
    out, wanted = op.scalar(*numbers), [True] * len(numbers)
    textbook = op.differentiate(out, numbers, wanted, textbook=True)
    for p, q in zip(textbook, op.differentiate(out, numbers, wanted), strict=True):
        assert p == q or p == pytest.approx(q, rel=1e-12)


# Notations


def operations() -> list[tl.Value]:
    """Every operation of the package once, at arguments where it is defined."""
    roots = []
    for name in sorted(ops.RESERVED):
        op = ops.OPS[name]
        args = [tl.Value(number, label) for number, label in [(0.5, "x"), (0.25, "y_1"), (2.0, "σ")]][: op.arity or 2]
        if name == "acosh":
            args[0].data = 1.5
        roots.append((op(*[args] * op.lists) if op.lists else op(*args)).named("out"))
    return roots


def compiled(tmp_path: Path, body: str) -> str:
    """The text of the PDF's log, if LaTeX takes it; the test is skipped where there is no LaTeX."""
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex is not installed")
    source = tmp_path / "all.tex"
    source.write_text(rf"\documentclass{{article}}\usepackage{{amsmath}}\begin{{document}}{body}\end{{document}}")
    command = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", source.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def test_the_latex_of_every_operation_compiles(tmp_path: Path) -> None:
    log = compiled(tmp_path, "\n\n".join(explain(root, closed=True).latex() for root in operations()))
    assert "Missing character" not in log


def hostile(label: str) -> tl.Value:
    x, y = tl.Value(2.0, label), tl.Value(3.0, f"{label}2")
    return (x * y + x).named(f"out {label}")


def test_a_power_of_a_power_of_ten_stands_in_parentheses() -> None:
    latex = explain((tl.Value(1e6) ** 2).named("c")).latex()
    assert r"c &= v_{1}^{2} = (10^{6})^{2} = 10^{12}" in latex
    assert "(-10^{7})^{3} = -10^{21}" in explain(tl.Value(-1e7) ** 3).latex()


def test_hostile_labels_compile_to_text(tmp_path: Path) -> None:
    log = compiled(tmp_path, "\n\n".join(explain(hostile(label)).latex() for label in HOSTILE))
    assert "a.tex" not in log


def test_a_compiler_that_refuses_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        compiled(tmp_path, r"\undefined")


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_end_no_formula_and_start_no_markup(label: str) -> None:
    markdown = explain(hostile(label))._repr_markdown_()
    assert not re.search(r"<[A-Za-z/!?]", markdown)
    assert "`" not in markdown
    assert re.fullmatch(r"(\*\*[A-Z][a-z ]+\*\*\n\n\$\$\n[^$]*\n\$\$\n\n?)+", re.sub(r"\\\$", "", markdown))


def test_hostile_labels_are_one_line_of_text() -> None:
    assert "two lines = 2" in str(explain(hostile("two\nlines")))
    assert r"\input{a} = 2" in str(explain(hostile(r"\input{a}")))


def commands(latex: str) -> set[str]:
    return set(re.findall(r"\\([A-Za-z]+)", latex))


def test_only_commands_that_github_and_katex_know() -> None:
    """GitHub refuses macros such as \\operatorname; TeX, MathJax and KaTeX share these."""
    known = {"begin", "end", "frac", "partial", "cdot", "cdots", "ldots", "left", "right", "mathrm", "text", "sqrt", "quad"}
    known |= {"sigma", "le", "ge", "ne", "infty", "backslash", "hat", "sim", "grave", "vert", "ast", "lfloor", "rfloor", "bmod", "Phi", "varphi"}
    every = "".join(explain(root, closed=True)._repr_markdown_() for root in [*operations(), *map(hostile, HOSTILE)])
    assert commands(every) <= known


def test_markdown_has_one_block_a_section() -> None:
    root, *_ = worksheet()
    markdown = explain(root)._repr_markdown_()
    assert re.findall(r"\*\*(.*)\*\*", markdown) == ["Values", "Directly connected nodes", "Chain rule"]
    assert markdown.count("\\begin{aligned}") == 3
    assert r"\frac{\partial e}{\partial c} &= d = 2 \\" in markdown


@pytest.mark.parametrize(
    ("label", "latex"),
    [("a", "a"), ("x1", "x_{1}"), ("x_12", "x_{12}"), ("h₁", "h_{1}"), ("loss", r"\text{loss}"), ("θ", r"\theta"),
     ("σ_max", r"\sigma_{\text{max}}"), ("a_b_c", r"\text{a}\_\text{b}\_\text{c}"), ("Δx", r"\Delta \text{x}")],
)  # fmt: skip
def test_names_in_latex(label: str, latex: str) -> None:
    assert LATEX.name(label) == latex


# The table of operations


def test_the_table_has_every_operation_of_the_package_and_no_others() -> None:
    rows = table().splitlines()[2:]
    assert [re.match(r"\| `(\w+)`", row)[1] for row in rows] == [name for name in ops.OPS if name in ops.RESERVED and name not in ops.HELPERS]  # type: ignore[index]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


@pytest.mark.parametrize(
    "row",
    [
        "| `mul` | `x·y` | `y`, `x` | |",
        "| `div` | `x/y` | `1/y`, `-x/y^2` | |",
        "| `pow` | `x^y` | `y·x^(y - 1)`, `x^y·log(x)` | a base >= 0 or a whole exponent |",
        "| `sigmoid` | `σ(x)` | `σ(x)·(1 - σ(x))` | |",
        "| `where` | `where(x, y, z)` | none, `(x ≠ 0)`, `(x = 0)` | |",
        "| `sum` | `x + y` | `1`, `1` | |",
        r"| `abs` | `\|x\|` | `sign(x)` | |",
        "| `dot` | `x1·y1 + x2·y2` | `y1`, `y2`, `x1`, `x2` | |",
    ],
)
def test_rows_of_the_table(row: str) -> None:
    assert row in table().splitlines()


def test_an_extremum_says_which_argument_was_chosen() -> None:
    a, b = tl.Value(1.0, "a"), tl.Value(2.0, "b")
    for root, chosen in (
        (tl.maximum(a, b), "the largest is b"),
        (tl.minimum(a, b), "the smallest is a"),
        (tl.maximum(a, b, (a + 1).named("c")), "the largest are b, c"),
        (tl.minimum(a, a, b), "the smallest is a"),
    ):
        assert f"({chosen})" in str(explain(root))


def test_words_and_names_take_turns_in_latex() -> None:
    written = LATEX.words("the largest is ", "x", ", not ", "y", " here")
    assert written == r"\text{(}\text{the largest is }x\text{, not }y\text{ here}\text{)}"
    x, y = tl.Value(1.0, "x"), tl.Value(2.0, "y")
    assert r"\text{(}\text{the largest is }y\text{)}" in explain(tl.maximum(x, y)).latex()
