"""LaTeX read as MathML."""

from __future__ import annotations

import math as mathematics
import re

import pytest

import tinygrad_lite as tl
from tinygrad_lite.op import RESERVED
from tinygrad_lite.show.mathml import ELEMENT, END, START, math, name, number


def hook(key: str, x: float) -> str:
    return f"-{START}{key} {x!r} 4{END}"


E, B = (ELEMENT.format(name(label)) for label in ("e", "b1"))
NEGATIVE = "<mo form=prefix>−</mo>"
LEFT, RIGHT = "<mo stretchy=false>(</mo>", "<mo stretchy=false>)</mo>"


@pytest.mark.parametrize(("latex", "row"), [
    # Letters, numbers, operators
    ("a", "<mi>a</mi>"),
    ("ab", "<mi>a</mi><mi>b</mi>"),
    ("12.5", "<mn>12.5</mn>"),
    ("1 - 2", "<mn>1</mn><mo>−</mo><mn>2</mn>"),
    (r"\alpha + \Omega", "<mi>α</mi><mo>+</mo><mi>Ω</mi>"),
    (r"\varphi(x)", f"<mi>φ</mi>{LEFT}<mi>x</mi>{RIGHT}"),
    (r"a \le b \ne c", "<mi>a</mi><mo>≤</mo><mi>b</mi><mo>≠</mo><mi>c</mi>"),
    (r"x \bmod y", "<mi>x</mi><mo>mod</mo><mi>y</mi>"),
    (r"\infty", "<mi>∞</mi>"),
    (r"\cdots", "<mo>⋯</mo>"),
    (r"\unknown", "<mi>unknown</mi>"),
    (r"\%\{", "<mo>%</mo><mo>{</mo>"),
    (r"a\,b\;\!", "<mi>a</mi><mi>b</mi>"),
    ("a < b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
    ("a'", "<mi>a</mi><mo>&#x27;</mo>"),
    # A sign or a difference
    ("-a", f"{NEGATIVE}<mi>a</mi>"),
    ("(-a)", f"{LEFT}{NEGATIVE}<mi>a</mi>{RIGHT}"),
    ("{-a}", f"<mrow>{NEGATIVE}<mi>a</mi></mrow>"),
    (r"a \cdot -b", f"<mi>a</mi><mo>·</mo>{NEGATIVE}<mi>b</mi>"),
    ("a = -b", f"<mi>a</mi><mo>=</mo>{NEGATIVE}<mi>b</mi>"),
    ("(a) - b", f"{LEFT}<mi>a</mi>{RIGHT}<mo>−</mo><mi>b</mi>"),
    (r"\lfloor x \rfloor - y", "<mo stretchy=false>⌊</mo><mi>x</mi><mo stretchy=false>⌋</mo><mo>−</mo><mi>y</mi>"),
    ("[x] - y", "<mo stretchy=false>[</mo><mi>x</mi><mo stretchy=false>]</mo><mo>−</mo><mi>y</mi>"),
    ("+ a", "<mo form=infix>+</mo><mi>a</mi>"),
    (r"+ a \cdot b", "<mo form=infix>+</mo><mi>a</mi><mo>·</mo><mi>b</mi>"),
    ("a + b", "<mi>a</mi><mo>+</mo><mi>b</mi>"),
    # Indices and powers
    ("x_{12}", "<msub><mi>x</mi><mn>12</mn></msub>"),
    ("x_1", "<msub><mi>x</mi><mn>1</mn></msub>"),
    (r"\text{loss}_{1}", "<msub><mtext>loss</mtext><mn>1</mn></msub>"),
    (r"x_{\text{max}}", "<msub><mi>x</mi><mtext>max</mtext></msub>"),
    ("x_{1}^{2}", "<msup><msub><mi>x</mi><mn>1</mn></msub><mn>2</mn></msup>"),
    ("x^{-1}", f"<msup><mi>x</mi><mrow>{NEGATIVE}<mn>1</mn></mrow></msup>"),
    ("^2", "<msup><mrow></mrow><mn>2</mn></msup>"),
    ("a^", "<msup><mi>a</mi><mrow></mrow></msup>"),
    # Fractions, roots, fences
    (r"\frac{a}{b + c}", "<mfrac><mi>a</mi><mrow><mi>b</mi><mo>+</mo><mi>c</mi></mrow></mfrac>"),
    (r"\frac ab", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
    (r"\dfrac{a}{b}", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
    (r"\frac", "<mfrac><mrow></mrow><mrow></mrow></mfrac>"),
    (r"\sqrt{x}", "<msqrt><mi>x</mi></msqrt>"),
    (r"\left(\frac{a}{b}\right)", "<mrow><mo>(</mo><mfrac><mi>a</mi><mi>b</mi></mfrac><mo>)</mo></mrow>"),
    (r"\left\{x\right.", "<mrow><mo>{</mo><mi>x</mi></mrow>"),
    (r"\left\lfloor x\right\rfloor", "<mrow><mo>⌊</mo><mi>x</mi><mo>⌋</mo></mrow>"),
    (r"\left(a", "<mrow><mo>(</mo><mi>a</mi></mrow>"),
    # Names and words
    (r"\mathrm{tanh}(x)", f"<mi>tanh</mi>{LEFT}<mi>x</mi>{RIGHT}"),
    (r"\operatorname{erf}", "<mi>erf</mi>"),
    (r"\mathrm{e}^{x}", "<msup><mi mathvariant=normal>e</mi><mi>x</mi></msup>"),
    (r"\text{a \_ b}", "<mtext>a _ b</mtext>"),
    (r"\mathrm{log\_softmax}", "<mi>log_softmax</mi>"),
    (r"\text{a  b}c", "<mtext>a  b</mtext><mi>c</mi>"),
    (r"\text{a < \& b}", "<mtext>a &lt; &amp; b</mtext>"),
    (f"2{ELEMENT.format('<mi>a</mi>')}", "<mn>2</mn><mi>a</mi>"),
    # Derivatives
    (rf"\frac{{\partial {E}}}{{\partial {B}}}", "<mfrac><mi>𝜕𝑒</mi><mi>𝜕𝑏₁</mi></mfrac>"),
    (rf"\partial {ELEMENT.format('<mtext>loss</mtext>')}", "<mtext>𝜕loss</mtext>"),
    (rf"\left.\frac{{\partial {E}}}{{\partial {B}}}\right|_{{c}}", "<msub><mrow><mfrac><mi>𝜕𝑒</mi><mi>𝜕𝑏₁</mi></mfrac><mo>|</mo></mrow><mi>c</mi></msub>"),
    # Hooks
    (f"= {hook('v3', 2.0)}", "<mo>=</mo><mn data-n=v3>2</mn>"),
    (rf"{hook('v3', -2.5)} \cdot ({hook('a1', -0.5)})", "<mn data-n=v3>−2.5</mn><mo>·</mo><mn data-n=a1 data-t>(−0.5)</mn>"),
    (rf"\left({hook('v1', 2.0)}\right) + 1", "<mn data-n=v1 data-t>2</mn><mo>+</mo><mn>1</mn>"),
    (f"({hook('v1', 1e-9)})^{{2}}", "<msup><mn data-n=v1 data-t>(10⁻⁹)</mn><mn>2</mn></msup>"),
    (rf"\mathrm{{tanh}}({hook('v1', -3.0)})", f"<mi>tanh</mi>{LEFT}<mn data-n=v1>−3</mn>{RIGHT}"),
    (rf"\frac{{{hook('v1', 1.0)}}}{{b}}", "<mfrac><mn data-n=v1>1</mn><mi>b</mi></mfrac>"),
    (rf"\sigma({hook('v1', 1.0)})", f"<mi>σ</mi>{LEFT}<mn data-n=v1>1</mn>{RIGHT}"),
])  # fmt: skip
def test_a_formula(latex: str, row: str) -> None:
    assert math(latex) == f"<math>{row}</math>"


@pytest.mark.parametrize(("label", "written"), [
    ("x", "<mi>𝑥</mi>"), ("h", "<mi>ℎ</mi>"), ("x12", "<mi>𝑥₁₂</mi>"), ("w_2", "<mi>𝑤₂</mi>"), ("β₃", "<mi>𝛽₃</mi>"), ("Γ", "<mi>Γ</mi>"),
    ("a", "<mi>𝑎</mi>"), ("z1", "<mi>𝑧₁</mi>"), ("A1", "<mi>𝐴₁</mi>"), ("Z", "<mi>𝑍</mi>"), ("α", "<mi>𝛼</mi>"), ("ω", "<mi>𝜔</mi>"),
    ("σ_max", "<msub><mi>𝜎</mi><mtext>max</mtext></msub>"), ("é1", "<mtext>é1</mtext>"), ("loss_1", "<mtext>loss_1</mtext>"),
    ("a<b", "<mtext>a&lt;b</mtext>"), ("x_", "<mtext>x_</mtext>"), ("", "<mtext></mtext>"),
])  # fmt: skip
def test_a_name(label: str, written: str) -> None:
    assert name(label) == written


@pytest.mark.parametrize(("x", "loose", "tight"), [
    (3.0, "3", "3"), (-3.0, "−3", "(−3)"), (-0.0, "−0", "(−0)"), (1 / 3, "0.3333", "0.3333"), (1.5e-9, "1.5·10⁻⁹", "(1.5·10⁻⁹)"),
    (-1e20, "−10²⁰", "(−10²⁰)"), (1e6, "10⁶", "(10⁶)"), (1.234567e8, "1.235·10⁸", "(1.235·10⁸)"),
    (mathematics.inf, "∞", "∞"), (-mathematics.inf, "−∞", "(−∞)"), (mathematics.nan, "nan", "nan"),
])  # fmt: skip
def test_a_number(x: float, loose: str, tight: str) -> None:
    assert (number(x), number(x, tight=True)) == (loose, tight)


@pytest.mark.parametrize("operation", sorted(RESERVED))
def test_the_templates_of_the_table_are_read(operation: str) -> None:
    op = tl.OPS[operation]
    count = op.arity or (4 if op.lists == 2 else 3)
    written = math(op.written(["a", "b", "c", "d"][:count], latex=True))
    assert "\\" not in written
    assert "{" not in written
    depth = 0
    for tag in re.findall(r"<(/?)\w+[^>]*>", written):
        depth += -1 if tag else 1
        assert depth >= 0
    assert depth == 0
