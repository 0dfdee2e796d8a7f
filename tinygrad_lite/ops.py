"""The table of operations: each is declared once; everything else in the package derives from here.

A declaration gives the value at floats and the partial derivatives. The rules are written in the
table's own language, arithmetic and other entries, so that one rule runs on all that the table runs
on (`op.py` lists the kinds). A rule gets the result first: ∂out/∂x of out = e^x is out.

`terms` instead of `partials`: rules that get t and give t·∂out/∂x, where that is not just a
product. 1/x overflows at 1e-310 where t/x does not; and a choice hands exactly 0 to what it did
not choose, even where t is infinite or nan.

An entry is also the public function: `tanh(0.3)` is a float, `tanh(Value(0.3))` a Value,
`tanh(array)` an array. In rules `abs`, `pow` and `sum` are the table's, not Python's.
"""

from __future__ import annotations

import builtins
import functools
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import accurate
from .op import OPS, RESERVED, Op, declare

# fmt: off

# Arithmetic

add: Op = declare(
    "add", operator.add, (1.0, 1.0), array="add",
    text="{0:1} + {1:2}", latex="{0:1} + {1:2}", precedence=1)
sub: Op = declare(
    "sub", operator.sub, (1.0, -1.0), array="subtract",
    text="{0:1} - {1:2}", latex="{0:1} - {1:2}", precedence=1)
mul: Op = declare(
    "mul", operator.mul, (lambda out, x, y: y, lambda out, x, y: x), array="multiply",
    text="{0:1.5}·{1:3}", latex=r"{0:1.5} \cdot {1:3}", precedence=2)
div: Op = declare(
    "div", operator.truediv, array="divide",
    terms=(lambda t, out, x, y: t / y, lambda t, out, x, y: -(t * out) / y),  # x/y² would overflow
    textbook=(lambda out, x, y: 1 / y, lambda out, x, y: -x / y**2),
    text="{0:1.5}/{1:3}", latex=r"\frac{{{0:0}}}{{{1:0}}}", precedence=2, latex_precedence=3)
floordiv: Op = declare(
    "floordiv", operator.floordiv, (None, None), array="floor_divide",
    text="floor({0:1.5}/{1:3})", latex=r"\lfloor {0:1.5} / {1:3} \rfloor")
mod: Op = declare(
    "mod", operator.mod, (1.0, lambda out, x, y: -floordiv(x, y)), array="remainder",
    text="{0:1.5} mod {1:3}", latex=r"{0:1.5} \bmod {1:3}", precedence=2)
neg: Op = declare(
    "neg", operator.neg, (-1.0,), array="negative", text="-{0:2}", latex="-{0:2}", precedence=1)
pow: Op = declare(
    "pow", accurate.power, array="power",
    # At y = 0 it is y·x**y/x, by another x where 1/x is infinite or nan. The logarithm at x = 0 is
    # that of 1: 0 times a number.
    partials=(
        lambda out, x, y: y * x ** (y - not_equal(y, 0))
        / where(equal(y, 0), where(greater(abs(x), 0), x, 1.0), 1.0),
        lambda out, x, y: out * log(x + equal(x, 0)),
    ),
    textbook=(lambda out, x, y: y * x ** (y - 1), lambda out, x, y: out * log(x)),
    text="{0:5}^{1:5}", latex="{0:5}^{{{1:0}}}", precedence=4,
    domain="a base >= 0 or a whole exponent")

# Comparisons: 1.0 where it holds, else 0.0; no derivative


def _comparison(name: str, holds: Callable[[float, float], bool], sign: str, latex: str) -> Op:
    return declare(
        name, holds, (None, None), array=name,
        text=f"{{0:1}} {sign} {{1:1}}", latex=f"{{0:1}} {latex} {{1:1}}", precedence=0)


less: Op = _comparison("less", operator.lt, "<", "<")
less_equal: Op = _comparison("less_equal", operator.le, "≤", r"\le")
greater: Op = _comparison("greater", operator.gt, ">", ">")
greater_equal: Op = _comparison("greater_equal", operator.ge, "≥", r"\ge")
equal: Op = _comparison("equal", operator.eq, "=", "=")
not_equal: Op = _comparison("not_equal", operator.ne, "≠", r"\ne")

# Choices


def _to_extrema(t: Any, out: Any, *xs: Any) -> list[Any]:
    """t/k to each of the k arguments that are the extremum; nan to all if one is nan."""
    chosen = [equal(x, out) for x in xs]
    count = sum(chosen)  # 0 if one is nan, which equals nothing: then 0/0 is the nan for all
    return [where(each, t / count, each / count) for each in chosen]


where: Op = declare(
    "where", lambda condition, x, y: x if condition else y, array="where",
    terms=(
        None,
        lambda t, out, condition, x, y: where(condition, t, 0.0),
        lambda t, out, condition, x, y: where(condition, 0.0, t),
    ),
    textbook=(None, lambda out, c, x, y: not_equal(c, 0), lambda out, c, x, y: equal(c, 0)))
maximum: Op = declare(
    "maximum", accurate.extremum(max), terms=_to_extrema, array="maximum")
minimum: Op = declare(
    "minimum", accurate.extremum(min), terms=_to_extrema, array="minimum")
relu: Op = declare(
    "relu", lambda x: x if x > 0 else 0.0 if x <= 0 else x,  # the last is nan
    # Where x is not positive, out is 0, or nan if x is.
    terms=(lambda t, out, x: where(greater(out, 0.0), t, stop_gradient(out)),),
    array=lambda x: maximum(x, 0.0),
    textbook=(lambda out, x: step(x),))
stop_gradient: Op = declare("stop_gradient", operator.pos, (None,), array="positive")

# Steps

sign: Op = declare("sign", lambda x: 1.0 if x > 0 else -1.0 if x < 0 else x, (None,), array="sign")
step: Op = declare(
    "step", lambda x: 1.0 if x > 0 else 0.0 if x <= 0 else x, (None,),
    array=lambda x: minimum(greater(x, 0.0), maximum(x, 1.0)))  # nan stays nan
floor: Op = declare("floor", accurate.floor, (None,), array="floor", latex=r"\lfloor {0:0} \rfloor")
abs: Op = declare(
    "abs", math.fabs, (lambda out, x: sign(x),), array="absolute",
    text="|{0:0}|", latex=r"\left|{0:0}\right|")

# Powers, exponentials and logarithms

sqrt: Op = declare(
    "sqrt", math.sqrt, (lambda out, x: 0.5 / out,), array="sqrt",
    latex=r"\sqrt{{{0:0}}}", domain="x >= 0")
hypot: Op = declare(
    "hypot", math.hypot, array="hypot",
    partials=(  # at (0, 0) 0, as the slope of abs
        lambda out, x, y: where(equal(out, 0), 0.0, x / (out + equal(out, 0))),
        lambda out, x, y: where(equal(out, 0), 0.0, y / (out + equal(out, 0))),
    ),
    textbook=(lambda out, x, y: x / out, lambda out, x, y: y / out))
exp: Op = declare(
    "exp", math.exp, (lambda out, x: out,), array="exp",
    latex=r"\mathrm{{e}}^{{{0:0}}}", latex_precedence=4)
exp_difference: Op = declare(
    "exp_difference", accurate.exp_difference, (lambda out, x, y: out, lambda out, x, y: -out),
    array=lambda x, y: exp(x - y),
    text="exp({0:1} - {1:2})", latex=r"\mathrm{{e}}^{{{0:1} - {1:2}}}", latex_precedence=4)
expm1: Op = declare("expm1", math.expm1, (lambda out, x: exp(x),), array="expm1")
log: Op = declare("log", math.log, terms=(lambda t, out, x: t / x,), array="log", domain="x > 0")
log2: Op = declare(
    "log2", math.log2, terms=(lambda t, out, x: t / x / log(2),), array="log2",
    textbook=(lambda out, x: 1 / (x * log(2)),), domain="x > 0")
log10: Op = declare(
    "log10", math.log10, terms=(lambda t, out, x: t / log(10) / x,), array="log10",
    textbook=(lambda out, x: 1 / (x * log(10)),), domain="x > 0")
log1p: Op = declare(
    "log1p", math.log1p, terms=(lambda t, out, x: t / (1 + x),), array="log1p", domain="x > -1")
xlogy: Op = declare(
    "xlogy", accurate.xlogy,
    terms=(
        lambda t, out, x, y: t * log(y),
        lambda t, out, x, y: where(equal(x, 0) * equal(y, 0), 0.0, t * x / y),
    ),
    array=lambda x, y: where(equal(x, 0) * greater_equal(y, 0), 0.0, x * log(y)),
    textbook=(lambda out, x, y: log(y), lambda out, x, y: x / y),
    domain="y > 0, or y = 0 where x = 0")  # written as a call: 0·log(0) = 0 is not true

# Circular and hyperbolic functions

sin: Op = declare("sin", math.sin, (lambda out, x: cos(x),), array="sin", domain="a finite x")
cos: Op = declare("cos", math.cos, (lambda out, x: -sin(x),), array="cos", domain="a finite x")
tan: Op = declare(
    "tan", math.tan, (lambda out, x: 1 + out * out,), array="tan", domain="a finite x")
asin: Op = declare(
    "asin", math.asin, (lambda out, x: 1 / sqrt((1 - x) * (1 + x)),), array="arcsin",
    domain="-1 <= x <= 1")
acos: Op = declare(
    "acos", math.acos, (lambda out, x: -1 / sqrt((1 - x) * (1 + x)),), array="arccos",
    domain="-1 <= x <= 1")
atan: Op = declare(
    "atan", math.atan, (lambda out, x: 1 / (1 + x * x),), array="arctan",
    textbook=(lambda out, x: 1 / (1 + x**2),))
atan2: Op = declare(
    "atan2", math.atan2, array="arctan2",
    # Divided twice by the root: its square would overflow.
    partials=(
        lambda out, y, x: x / hypot(x, y) / hypot(x, y),
        lambda out, y, x: -y / hypot(x, y) / hypot(x, y),
    ),
    textbook=(lambda out, y, x: x / (x**2 + y**2), lambda out, y, x: -y / (x**2 + y**2)))
sinh: Op = declare("sinh", math.sinh, (lambda out, x: cosh(x),), array="sinh")
cosh: Op = declare("cosh", math.cosh, (lambda out, x: sinh(x),), array="cosh")
tanh: Op = declare(
    "tanh", math.tanh, (lambda out, x: sech_squared(x),), array="tanh",
    textbook=(lambda out, x: 1 - out**2,))  # 0 from x = 19 on
sech_squared: Op = declare(
    "sech_squared", accurate.sech_squared, (lambda out, x: -2 * tanh(x) * out,),
    array=lambda x: (1 / cosh(x)) * (1 / cosh(x)),
    text="sech({0:0})²", latex=r"\mathrm{{sech}}^2({0:0})")
# Of asinh and acosh the square would overflow where the slope is an ordinary number.
asinh: Op = declare(
    "asinh", math.asinh, (lambda out, x: 1 / hypot(1, x),), array="arcsinh",
    textbook=(lambda out, x: 1 / sqrt(1 + x**2),))
acosh: Op = declare(
    "acosh", math.acosh, array="arccosh",
    partials=(lambda out, x: where(less(x, 1e100), 1 / sqrt((x - 1) * (x + 1)), 1 / x),),
    textbook=(lambda out, x: 1 / sqrt(x**2 - 1),), domain="x >= 1")
atanh: Op = declare(
    "atanh", math.atanh, (lambda out, x: 1 / ((1 - x) * (1 + x)),), array="arctanh",
    domain="-1 < x < 1")

# The normal distribution

gaussian: Op = declare(
    "gaussian", accurate.gaussian, (lambda out, x: -2 * (x * out),),
    array=lambda x: exp(-x * x),
    text="exp(-{0:5}²)", latex=r"\mathrm{{e}}^{{-{0:5}^2}}", latex_precedence=4)
erf: Op = declare("erf", math.erf, (lambda out, x: accurate.SLOPE_OF_ERF * gaussian(x),))
erfc: Op = declare("erfc", accurate.erfc, (lambda out, x: -accurate.SLOPE_OF_ERF * gaussian(x),))
norm_pdf: Op = declare(
    "norm_pdf", accurate.norm_pdf, (lambda out, x: -x * out,),
    array=lambda x: exp(-x * x / 2) / math.sqrt(2 * math.pi),
    text="φ({0:0})", latex=r"\varphi({0:0})")
norm_cdf: Op = declare(
    "norm_cdf", accurate.norm_cdf, (lambda out, x: norm_pdf(x),),
    text="Φ({0:0})", latex=r"\Phi({0:0})")

# Activations

sigmoid: Op = declare(
    "sigmoid", accurate.sigmoid, (lambda out, x: out * sigmoid(-x),),
    array=lambda x: 1 / (1 + exp(-x)),
    textbook=(lambda out, x: out * (1 - out),),  # 0 from x = 37 on
    text="σ({0:0})", latex=r"\sigma({0:0})")
softplus: Op = declare(
    "softplus", accurate.softplus, (lambda out, x: sigmoid(x),),
    array=lambda x: maximum(x, 0.0) + log1p(exp(-abs(x))))

def _silu_slope(x: Any) -> Any:
    """σ(x)·(1 + x·σ(-x)); below 0, where the sum cancels, with its terms over one denominator."""
    below = sigmoid(-x) * ((1 + x) + exp(minimum(x, 0.0)))
    return sigmoid(x) * where(less(x, 0.0), below, 1 + x * sigmoid(-x))


leaky_relu: Op = declare(
    "leaky_relu", lambda x: x if x > 0 else 0.01 * x,
    (lambda out, x: where(less_equal(x, 0), 0.01, sign(x)),),  # the sign of nan is nan
    array=lambda x: where(greater(x, 0), x, 0.01 * x),
    textbook=(lambda out, x: where(greater(x, 0), 1.0, 0.01),))
silu: Op = declare(
    "silu", accurate.silu, (lambda out, x: _silu_slope(x),), array=lambda x: x * sigmoid(x),
    textbook=(lambda out, x: sigmoid(x) * (1 + x * sigmoid(-x)),))
gelu: Op = declare(
    "gelu", lambda x: x * accurate.norm_cdf(x), array=lambda x: x * norm_cdf(x),
    partials=(lambda out, x: norm_cdf(x) + x * norm_pdf(x),))

# Sums


def _pairs(args: Sequence[Any]) -> list[tuple[Any, Any]]:
    half = len(args) // 2
    return list(zip(args[:half], args[half:], strict=True))


def _written_sum(args: Sequence[Any]) -> str:
    first, *others = args
    return " + ".join([f"{first:1}", *(f"{x:2}" for x in others)])


sum: Op = declare(
    "sum", lambda *xs: builtins.sum(xs, 0.0), lambda out, *xs: [1.0] * len(xs), array="add",
    text=_written_sum, latex=_written_sum, precedence=1, lists=1)
dot: Op = declare(
    "dot", accurate.dot,
    lambda out, *args: args[len(args) // 2 :] + args[: len(args) // 2],
    array=lambda *args: functools.reduce(add, itertools.starmap(mul, _pairs(args))),
    text=lambda args: " + ".join(f"{w:2}·{x:3}" for w, x in _pairs(args)),
    latex=lambda args: " + ".join(rf"{w:2} \cdot {x:3}" for w, x in _pairs(args)),
    precedence=1, lists=2)

RESERVED.update(OPS)
HELPERS = ("exp_difference", "gaussian", "sech_squared")
"""What only serves the accuracy of others; it is no part of the public functions."""
if not TYPE_CHECKING:  # a checker cannot read the list and takes all names instead
    __all__ = [name for name in OPS if name not in HELPERS]
