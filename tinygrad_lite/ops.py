"""The table of operations: each is declared once, and everything else in the package derives from its declaration.

A declaration gives an operation's value at floats and its partial derivatives. The rules for the partials are
written in the table's own language, arithmetic and other entries of the table, so that one rule runs on whatever
the table runs on: floats (`Value.backward`), Values (`grad`), arrays (`Program`), power series (`taylor`) and
symbols (`explain`).

An entry is also the public function: `tanh(0.3)` is a float, `tanh(Value(0.3))` a Value, `tanh(array)` an array.
"""

from __future__ import annotations

import builtins
import functools
import itertools
import math
import operator

from .op import OPS, RESERVED, Method, Op, Operand, constant, declare, number, pull_any, pull_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["OPS", "RESERVED", "Method", "Op", "Operand", "constant", "declare", "number", "pull_any"]

add: Op = declare("add", operator.add, (1.0, 1.0), "add", text="{0} + {1}", latex="{0} + {1}", precedence=1)
sub: Op = declare("sub", operator.sub, (1.0, -1.0), "subtract", text="{0} - {1}", latex="{0} - {1}", precedence=1)
mul: Op = declare(
    "mul",
    operator.mul,
    (lambda out, x, y: y, lambda out, x, y: x),
    "multiply",
    text="{0}·{1}",
    latex=r"{0} \cdot {1}",
    precedence=2,
)
div: Op = declare(
    "div",
    operator.truediv,
    (lambda out, x, y: 1 / y, lambda out, x, y: -out / y),  # -x/y² would over- and underflow
    "divide",
    (lambda out, x, y: 1 / y, lambda out, x, y: -x / y**2),
    text="{0}/{1}",
    latex=r"\frac{{{0}}}{{{1}}}",
    precedence=2,
)
neg: Op = declare("neg", operator.neg, (lambda out, x: -1.0,), "negative", text="-{0}", latex="-{0}", precedence=1)


def _pow(x: float, y: float) -> float:
    try:
        out: float | complex = x**y
    except OverflowError:  # inf, as x*x is: the derivative of x² may still be an ordinary number
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    if isinstance(out, complex):
        raise ValueError
    return out


pow: Op = declare(
    "pow",
    _pow,
    # At y = 0 the exponent stays 0, at x = 0 the logarithm is that of 1: 0 times a number, not 0 times infinity.
    (lambda out, x, y: y * x ** (y - not_equal(y, 0)), lambda out, x, y: out * log(x + equal(x, 0))),
    "power",
    (lambda out, x, y: y * x ** (y - 1), lambda out, x, y: out * log(x)),
    text="{0}^{1}",
    latex="{0}^{{{1}}}",
    precedence=4,
    domain="a base >= 0 or a whole exponent",
)


def _comparison(name: str, holds: Callable[[float, float], bool], sign: str, latex: str) -> Op:
    """1.0 where it holds, else 0.0; no derivative."""
    text, latex = f"{{0}} {sign} {{1}}", f"{{0}} {latex} {{1}}"
    return declare(name, lambda x, y: float(holds(x, y)), (None, None), name, None, text, latex, precedence=0)


less: Op = _comparison("less", operator.lt, "<", "<")
less_equal: Op = _comparison("less_equal", operator.le, "≤", r"\le")
greater: Op = _comparison("greater", operator.gt, ">", ">")
greater_equal: Op = _comparison("greater_equal", operator.ge, "≥", r"\ge")
equal: Op = _comparison("equal", operator.eq, "=", "=")
not_equal: Op = _comparison("not_equal", operator.ne, "≠", r"\ne")
where: Op = declare(
    "where",
    lambda condition, x, y: x if condition else y,
    (None, lambda out, condition, x, y: not_equal(condition, 0), lambda out, condition, x, y: equal(condition, 0)),
    "where",
)


def _atan_slope(x: Any) -> Any:
    """1/(1 + x²), beyond 1 in the form that rounds less."""
    far = less(1.0, abs(x))
    near_x, far_x = where(far, 0.0, x), where(far, x, 1.0)
    return where(far, 1 / ((far_x + 1 / far_x) * far_x), 1 / (1 + near_x * near_x))


def _exp_difference(x: float, y: float) -> float:
    difference = x - y
    # What x - y lost in rounding (Knuth's TwoSum) would cost up to 30 ulp; nan where an infinity is involved.
    part = difference - x
    lost = (x - (difference - part)) - (y + part)
    return math.exp(difference) * (1 + lost if lost == lost else 1.0)


exp: Op = declare("exp", math.exp, (lambda out, x: out,), "exp", latex=r"\mathrm{{e}}^{{{0}}}")
exp_difference: Op = declare(
    "exp_difference",
    _exp_difference,
    (lambda out, x, y: out, lambda out, x, y: -out),
    lambda x, y: exp(x - y),
    text="exp({0} - {1})",
    latex=r"\mathrm{{e}}^{{{0} - {1}}}",
)
log: Op = declare("log", math.log, (lambda out, x: 1 / x,), "log", domain="x > 0")
sqrt: Op = declare("sqrt", math.sqrt, (lambda out, x: 0.5 / out,), "sqrt", domain="x >= 0", latex=r"\sqrt{{{0}}}")
expm1: Op = declare("expm1", math.expm1, (lambda out, x: exp(x),), "expm1")
log1p: Op = declare("log1p", math.log1p, (lambda out, x: 1 / (1 + x),), "log1p", domain="x > -1")
sin: Op = declare("sin", math.sin, (lambda out, x: cos(x),), "sin", domain="a finite x")
cos: Op = declare("cos", math.cos, (lambda out, x: -sin(x),), "cos", domain="a finite x")
tan: Op = declare("tan", math.tan, (lambda out, x: 1 + out * out,), "tan", domain="a finite x")
asin: Op = declare("asin", math.asin, (lambda out, x: 1 / sqrt((1 - x) * (1 + x)),), "arcsin", domain="-1 <= x <= 1")
acos: Op = declare("acos", math.acos, (lambda out, x: -1 / sqrt((1 - x) * (1 + x)),), "arccos", domain="-1 <= x <= 1")
atan: Op = declare("atan", math.atan, (lambda out, x: _atan_slope(x),), "arctan", (lambda out, x: 1 / (1 + x**2),))
sinh: Op = declare("sinh", math.sinh, (lambda out, x: cosh(x),), "sinh")
cosh: Op = declare("cosh", math.cosh, (lambda out, x: sinh(x),), "cosh")
tanh: Op = declare(
    "tanh",
    math.tanh,
    (lambda out, x: (1 / cosh(x)) * (1 / cosh(x)),),  # 1 - tanh² is 0 from x = 19 on
    "tanh",
    (lambda out, x: 1 - out**2,),
)
asinh: Op = declare("asinh", math.asinh, (lambda out, x: 1 / sqrt(1 + x * x),), "arcsinh")
acosh: Op = declare("acosh", math.acosh, (lambda out, x: 1 / sqrt((x - 1) * (x + 1)),), "arccosh", domain="x >= 1")
atanh: Op = declare("atanh", math.atanh, (lambda out, x: 1 / ((1 - x) * (1 + x)),), "arctanh", domain="-1 < x < 1")


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-math.fabs(x)))


sigmoid: Op = declare(
    "sigmoid",
    _sigmoid,
    (lambda out, x: out * sigmoid(-x),),  # 1 - σ(x) is 0 from x = 37 on
    lambda x: 1 / (1 + exp(-x)),
    (lambda out, x: out * (1 - out),),
    text="σ({0})",
    latex=r"\sigma({0})",
)
softplus: Op = declare(
    "softplus", _softplus, (lambda out, x: sigmoid(x),), lambda x: maximum(x, 0.0) + log1p(exp(-abs(x)))
)
relu: Op = declare(
    "relu",
    lambda x: x if x > 0 else 0.0 if x <= 0 else x,  # the last is nan
    (lambda out, x: sign(out),),  # over arrays half the work of step
    lambda x: maximum(x, 0.0),
    (lambda out, x: step(x),),
)
abs: Op = declare("abs", math.fabs, (lambda out, x: sign(x),), "absolute", text="|{0}|", latex=r"\left|{0}\right|")
sign: Op = declare("sign", lambda x: 1.0 if x > 0 else -1.0 if x < 0 else x, (None,), "sign")
step: Op = declare(
    "step",
    lambda x: 1.0 if x > 0 else 0.0 if x <= 0 else x,
    (None,),
    lambda x: minimum(greater(x, 0.0), maximum(x, 1.0)),  # nan stays nan
)


def _gaussian(x: float) -> float:
    square = x * x
    if not square < 746:
        return math.exp(-square)
    # x² = square + rest exactly (Dekker 1971): the rounding of x² alone would cost 300 ulp at x = 26.
    head = 134217729.0 * x
    head -= head - x
    tail = x - head
    rest = ((head * head - square) + 2 * head * tail) + tail * tail
    return math.exp(-square) * (1 - rest)


_SLOPE = 2 / math.sqrt(math.pi)
gaussian: Op = declare(
    "gaussian",
    _gaussian,
    (lambda out, x: -2 * x * out,),
    lambda x: exp(-x * x),
    text="exp(-{0}²)",
    latex=r"\mathrm{{e}}^{{-{0}^2}}",
)
erf: Op = declare("erf", math.erf, (lambda out, x: _SLOPE * gaussian(x),))


def _series_at_1(terms: int = 25) -> list[float]:
    """The series of 2/√π·e^(-(1+s)²), integrated; e^(-(1+s)²) has (k+1) c[k+1] = -2 c[k] - 2 c[k-1]."""
    c = [0.0, math.exp(-1.0)]
    for k in range(terms):
        c.append((-2 * c[-1] - 2 * c[-2]) / (k + 1))
    return [_SLOPE * x / (k + 1) for k, x in enumerate(c[1:])]


_AT_1 = _series_at_1()


def _erfc(x: float) -> float:
    if not 0.84375 <= x < 1.25:
        return math.erfc(x)
    # Here the C library subtracts numbers of one size, which costs up to 2.7 ulp; erfc(1) has two parts.
    s = x - 1.0
    series = functools.reduce(lambda sum_, c: sum_ * s + c, reversed(_AT_1), 0.0)
    return 0.15729920705028513 - (s * series + 2.954563826510312e-18)


erfc: Op = declare("erfc", _erfc, (lambda out, x: -_SLOPE * gaussian(x),))


def _ties(out: Any, *xs: Any) -> list[Any]:
    """1/k for each of the k arguments that are the extremum."""
    chosen = [equal(x, out) for x in xs]
    count = sum(chosen)
    return [each / count for each in chosen]


def _pairs(args: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(args[: len(args) // 2], args[len(args) // 2 :], strict=True))


def _extremum(best: Callable[..., float]) -> Callable[..., float]:
    return lambda *xs: math.nan if any(x != x for x in xs) else best(xs)


maximum: Op = declare("maximum", _extremum(max), _ties, "maximum")
minimum: Op = declare("minimum", _extremum(min), _ties, "minimum")
stop_gradient: Op = declare("stop_gradient", lambda x: x, (None,), "positive")
sum: Op = declare(
    "sum", lambda *xs: builtins.sum(xs, 0.0), lambda out, *xs: [1.0] * len(xs), "add",
    text=" + ".join, latex=" + ".join, precedence=1, lists=1,
)  # fmt: skip
dot: Op = declare(
    "dot",
    lambda *args: builtins.sum(map(operator.mul, args[: len(args) // 2], args[len(args) // 2 :]), 0.0),
    lambda out, *args: args[len(args) // 2 :] + args[: len(args) // 2],
    lambda *args: functools.reduce(add, itertools.starmap(mul, _pairs(args))),
    text=lambda args: " + ".join(f"{w}·{x}" for w, x in _pairs(args)),
    latex=lambda args: " + ".join(rf"{w} \cdot {x}" for w, x in _pairs(args)),
    precedence=1,
    lists=2,
)

RESERVED.update(OPS)
# In the float sweep of `backward` a rule's cos is math.cos itself.
_AT_FLOATS = globals() | {name: op.scalar for name, op in OPS.items()}
for _op in OPS.values():
    _op.pull = pull_of(_op, _AT_FLOATS)
