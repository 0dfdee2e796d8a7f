"""The table of operations: each is declared once, and everything else in the package derives from its declaration.

A declaration gives an operation's value at floats and its partial derivatives. The rules for the partials are
written in the table's own language, arithmetic and other entries of the table, so that one rule runs on whatever
the table runs on: floats (`Value.backward`), Values (`grad`), arrays (`Program`), power series (`taylor`) and
symbols (`explain`). A class derived from `Operand` joins them.

An entry is also the public function: `tanh(0.3)` is a float, `tanh(Value(0.3))` a Value, `tanh(array)` an array.
"""

from __future__ import annotations

import builtins
import functools
import itertools
import math
import numbers
import operator
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
Rule = Callable[..., Any]
"""A partial derivative: takes the operation's result, then its arguments."""
Template = str | Callable[[Sequence[str]], str]

OPS: dict[str, Op] = {}
"""Every operation by name, in the order of declaration."""


def number(x: Any) -> float:
    """`x` as a float, if it is one real number: int, bool, Fraction, Decimal, a NumPy scalar or 0-d array.

    Raises TypeError for anything else (a str, None, a list, a complex) and OverflowError for an int over 1.8e308.
    """
    # Decimal alone is registered as a Number that is neither Real nor Complex.
    if isinstance(x, numbers.Real) or (isinstance(x, numbers.Number) and not isinstance(x, numbers.Complex)):
        try:
            return float(x)  # type: ignore[arg-type]  # a Number has __float__, though its type does not say so
        except OverflowError:
            raise OverflowError("a Value holds a float, got an integer above 1.8e308") from None
    shape = getattr(x, "shape", None)
    if shape == () and not isinstance(x, numbers.Complex):
        return number(x.item())
    if shape:
        advice = "to evaluate a graph over arrays, compile it"
        raise TypeError(f"a Value holds one number, got an array of shape {shape}; {advice}")
    raise TypeError(f"a Value holds one number, got {type(x).__name__}")


class Method:
    """An operator or a named method of `Operand`: `x + y` is `add(x, y)`, and so is `y.__radd__(x)`."""

    def __init__(self, op: str, *, reflected: bool = False) -> None:
        self.op, self.reflected = op, reflected

    def __get__(self, operand: T, owner: type[T]) -> Callable[..., T]:
        op = OPS[self.op]
        return lambda *others: op(*others, operand) if self.reflected else op(operand, *others)


class Operand:
    """What rules can run on besides floats and arrays: a subclass says what an operation does to it."""

    __slots__ = ()
    rank: ClassVar[int] = 1
    """Where kinds of operand meet, the one of the highest rank decides."""

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Any:
        """The result of `op` at `args`: one of them at least is of this class, the others may be numbers."""
        raise NotImplementedError

    __hash__ = object.__hash__  # by identity, though == is an operation

    __add__, __radd__ = Method("add"), Method("add", reflected=True)
    __sub__, __rsub__ = Method("sub"), Method("sub", reflected=True)
    __mul__, __rmul__ = Method("mul"), Method("mul", reflected=True)
    __truediv__, __rtruediv__ = Method("div"), Method("div", reflected=True)
    __pow__, __rpow__ = Method("pow"), Method("pow", reflected=True)
    __neg__, __abs__ = Method("neg"), Method("abs")
    __lt__, __le__, __gt__, __ge__ = map(Method, ("less", "less_equal", "greater", "greater_equal"))
    __eq__ = Method("equal")  # type: ignore[assignment]  # object's gives a bool, this a number
    __ne__ = Method("not_equal")  # type: ignore[assignment]
    exp, log, sqrt, expm1, log1p = map(Method, ("exp", "log", "sqrt", "expm1", "log1p"))
    sin, cos, tan, asin, acos, atan = map(Method, ("sin", "cos", "tan", "asin", "acos", "atan"))
    sinh, cosh, tanh, asinh, acosh, atanh = map(Method, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"))
    sigmoid, relu, softplus, erf, erfc = map(Method, ("sigmoid", "relu", "softplus", "erf", "erfc"))
    step, sign = map(Method, ("step", "sign"))


@dataclass(eq=False, repr=False)
class Op:
    """An operation of the table, and the public function of its name. `declare` makes one and describes its parts."""

    name: str
    scalar: Callable[..., float]
    partials: tuple[Rule | float | None, ...] | Rule
    array: str | Rule | None = None
    textbook: tuple[Rule | float | None, ...] | None = None
    text: Template | None = None
    latex: Template | None = None
    precedence: int = 9
    domain: str | None = None
    lists: int = 0

    def __post_init__(self) -> None:
        self.arity = len(self.partials) if isinstance(self.partials, tuple) else None
        self.pull = _pull(self, {})
        self.__doc__ = f"`{self.name}` of floats, Values or arrays" + (f", for {self.domain}." if self.domain else ".")

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _declared, (self.name,)

    def __call__(self, *args: Any) -> Any:
        """The result: a float of floats, an array of arrays, else of the kind of operand among the arguments."""
        if self.arity != 1 or len(args) != 1 or type(args[0]) is not float:  # else the short way, for rules at floats
            if self.lists:
                args = self._joined(args)
            elif len(args) != self.arity and (self.arity is not None or not args):
                raise TypeError(f"{self.name}: expected {self.arity or 'at least 1'} arguments, got {len(args)}")
            operands = [kind for kind in set(map(type, args)) if issubclass(kind, Operand)]
            if operands:
                return max(operands, key=lambda kind: kind.rank).apply(self, args)
            if any(getattr(arg, "shape", ()) for arg in args):
                return self.at_arrays(*args)
            args = tuple(map(number, args))
        try:
            return self.scalar(*args)
        except (ArithmeticError, ValueError) as error:
            raise self.complaint(error, args) from None

    def _joined(self, args: Sequence[Any]) -> tuple[Any, ...]:
        """The operands of a call such as `dot([w1, w2], [x1, x2])`: w1, w2, x1, x2."""
        if len(args) != self.lists:
            raise TypeError(f"{self.name}: expected {self.lists} sequence(s), got {len(args)} arguments")
        lists = [tuple(arg) for arg in args]
        if len(set(map(len, lists))) > 1:
            lengths = " and ".join(str(len(each)) for each in lists)
            raise ValueError(f"{self.name}: expected sequences of one length, got {lengths}")
        return tuple(itertools.chain(*lists))

    def at_arrays(self, *args: Any) -> Any:
        """The result over arrays that broadcast, by IEEE 754: inf and nan, never an exception or a warning."""
        import numpy as np

        # A Python number stays one: as a 0-d array it would turn float32 into float64.
        arrays: list[Any] = [arg if type(arg) is float else np.asarray(arg) for arg in args]
        for each in arrays:
            if type(each) is not float and each.dtype.kind not in "biuf":
                raise TypeError(f"{self.name}: expected arrays of real numbers, got dtype {each.dtype}")
        with np.errstate(all="ignore"):
            if self.array is None:
                result = np.frompyfunc(self._or_nan, len(arrays), 1)(*arrays)
            elif not isinstance(self.array, str):
                result = self.array(*arrays)
            elif self.arity is None:
                result = functools.reduce(getattr(np, self.array), arrays)
            else:
                result = getattr(np, self.array)(*arrays)
        return result if result.dtype.kind == "f" else result.astype(float)

    def _or_nan(self, *args: float) -> float:
        try:
            return self.scalar(*args)
        except (ArithmeticError, ValueError):
            return math.nan

    def differentiate(self, out: Any, args: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
        """The partials at operands of one kind (floats, Values, arrays, …); None where no derivative flows.

        The unwanted are not computed: of x**2 the partial for the exponent would need the logarithm of x.
        """
        if not isinstance(self.partials, tuple):
            return [p if want else None for p, want in zip(self.partials(out, *args), wanted, strict=True)]
        rules = zip(self.partials, wanted, strict=True)
        return [None if not want else rule(out, *args) if callable(rule) else rule for rule, want in rules]

    def differentiate_ieee(self, out: float, args: Sequence[float], wanted: Sequence[bool]) -> list[float | None]:
        """`differentiate` at floats where a rule meets a pole: inf or nan instead of an exception."""
        import numpy as np

        out_array, *arrays = (np.array([x]) for x in (out, *args))
        with np.errstate(all="ignore"):
            partials = self.differentiate(out_array, arrays, wanted)
        return [None if p is None else float(np.ravel(p)[0]) for p in partials]

    def complaint(self, error: Exception, args: Sequence[float], labels: Sequence[str] = ()) -> Exception:
        """The exception to raise instead of `error`: of its type, naming the operation, its arguments and labels."""
        reason = str(error)
        if isinstance(error, ZeroDivisionError):
            reason = "division by zero"
        elif isinstance(error, OverflowError):
            reason = "the result is too large for a float"
        elif self.domain:
            reason = f"expected {self.domain}"
        where = f" (node {', '.join(repr(label[:60]) for label in labels)})" if labels else ""
        return type(error)(f"{self.name}({', '.join(map(repr, args))}): {reason}{where}")

    def written(self, args: Sequence[str], *, latex: bool = False) -> str:
        """The operation at arguments given as text.

        >>> OPS["mul"].written(["c", "d"]), OPS["exp"].written(["x"])
        ('c·d', 'exp(x)')
        """
        template = self.latex if latex else self.text
        if template is None:
            name = rf"\operatorname{{{self.name}}}".replace("_", r"\_") if latex else self.name
            return f"{name}({', '.join(args)})"
        return template.format(*args) if isinstance(template, str) else template(args)


def _pull(op: Op, entries: dict[str, Any]) -> Callable[[Any], None]:
    """The function that adds a node's terms, adjoint times partial, to the `grad` of its arguments.

    It is `pull_any` written out for the common shapes, since `backward` spends its time here, with the names in the
    rules bound to `entries`. Partials come before terms: a rule that raises leaves nothing half-done.
    """
    partials: Any = op.partials
    if partials in ((1.0, 1.0), (1.0, -1.0)):
        sign = partials[1]

        def pull_signs(node: Any) -> None:
            node.left.grad += node.grad
            node.right.grad += sign * node.grad

        return pull_signs
    if not (isinstance(partials, tuple) and all(map(callable, partials)) and len(partials) <= 2):
        return functools.partial(pull_any, op.differentiate)
    rules = [types.FunctionType(rule.__code__, entries) if entries else rule for rule in partials]
    if len(rules) == 1:
        (only,) = rules

        def pull_one(node: Any) -> None:
            node.left.grad += node.grad * only(node.data, node.x)

        return pull_one
    first, second = rules

    def pull_two(node: Any) -> None:
        left, right, adjoint = node.left, node.right, node.grad
        out, x, y = node.data, node.x, node.y
        if right.op is constant:
            left.grad += adjoint * first(out, x, y)
        elif left.op is constant:
            right.grad += adjoint * second(out, x, y)
        else:
            p, q = first(out, x, y), second(out, x, y)
            left.grad += adjoint * p
            right.grad += adjoint * q

    return pull_two


def pull_any(differentiate: Callable[..., list[Any]], node: Any) -> None:
    """Adds the terms of a node of any shape, its partials as `differentiate` gives them."""
    args, adjoint = node.args, node.grad
    wanted = [arg.op is not constant for arg in args]
    for arg, p in zip(args, differentiate(node.data, node.numbers, wanted), strict=True):
        if p is not None:
            arg.grad += adjoint * p


def _declared(name: str) -> Op:
    if name == constant.name:
        return constant
    if name not in OPS:
        raise LookupError(f"operation {name!r} is unknown here; declare it before loading what uses it")
    return OPS[name]


def _registered(make: Callable[P, Op]) -> Callable[P, Op]:
    def declare(*args: P.args, **kwargs: P.kwargs) -> Op:
        """Add an operation to the table and return it: it works with Values, arrays, `grad`, `taylor`, pictures, …

        - `scalar`: the value at floats; ValueError, ZeroDivisionError or OverflowError where there is none.
        - `partials`: for each argument a rule `(out, *args)`, a number, or None where no derivative flows; or, for
          any number of arguments, one rule that gives all partials in a sequence.
        - `array`: NumPy's name of it, or a rule `(*args)`; without it, `scalar` is called for each element.
        - `textbook`: the partials as a textbook has them, where `partials` are written for accuracy.
        - `text`, `latex`: how it is written, a template (`"{0} + {1}"`) or a function of a list of texts;
          `precedence`: 9 for a call, 4 for a power, 2 for a product, 1 for a sum, 0 for a comparison.
        - `domain`: where it is defined, for the message of the ValueError.
        - `lists`: how many sequences the function takes (`sum` 1, `dot` 2); 0 if it takes its arguments singly.

        Rules are written with arithmetic and entries of the table: no `math`, no `if`.

        >>> cube = declare("cube", scalar=lambda x: x**3, partials=(lambda out, x: 3 * x**2,))
        >>> cube(2.0)
        8.0

        Raises ValueError if the name is not an identifier or is that of an operation of the package.
        """
        op = make(*args, **kwargs)
        if not (isinstance(op.name, str) and op.name.isidentifier()):
            raise ValueError(f"declare: expected an identifier as the name, got {op.name!r}")
        if op.name in RESERVED:
            raise ValueError(f"declare: {op.name!r} is an operation of the package; choose another name")
        rules = op.partials if isinstance(op.partials, tuple) else [op.partials]
        for part in (op.scalar, *rules):
            if not (callable(part) or (part is not op.scalar and isinstance(part, float | int | None))):
                raise TypeError(f"declare: {op.name!r} needs a function or a number for each part, got {part!r}")
        OPS[op.name] = op
        return op

    return declare


declare = _registered(Op)
RESERVED: set[str] = set()
"""The names of the package's own operations."""

constant = Op("constant", scalar=float, partials=lambda out: ())
"""The `op` of a number written in a formula: it gets no derivative. (The `op` of a leaf is None.)"""

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


exp: Op = declare("exp", math.exp, (lambda out, x: out,), "exp", latex="e^{{{0}}}")
exp_difference: Op = declare(
    "exp_difference",
    _exp_difference,
    (lambda out, x, y: out, lambda out, x, y: -out),
    lambda x, y: exp(x - y),
    text="exp({0} - {1})",
    latex="e^{{{0} - {1}}}",
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
    (lambda out, x: step(x),),
    lambda x: maximum(x, 0.0),
)
abs: Op = declare("abs", math.fabs, (lambda out, x: sign(x),), "absolute", text="|{0}|", latex=r"\left|{0}\right|")
sign: Op = declare("sign", lambda x: 1.0 if x > 0 else -1.0 if x < 0 else x, (None,), "sign")
step: Op = declare("step", lambda x: 1.0 if x > 0 else 0.0 if x <= 0 else x, (None,), lambda x: maximum(sign(x), 0.0))


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
    latex="e^{{-{0}^2}}",
)
erf: Op = declare("erf", math.erf, (lambda out, x: _SLOPE * gaussian(x),))
erfc: Op = declare("erfc", math.erfc, (lambda out, x: -_SLOPE * gaussian(x),))


def _ties(out: Any, *xs: Any) -> list[Any]:
    """1/k for each of the k arguments that are the extremum."""
    chosen = [equal(x, out) for x in xs]
    count = sum(chosen)
    return [each / count for each in chosen]


def _pairs(args: Sequence[T]) -> list[tuple[T, T]]:
    return list(zip(args[: len(args) // 2], args[len(args) // 2 :], strict=True))


def _extremum(best: Callable[..., float]) -> Callable[..., float]:
    return lambda *xs: math.nan if any(x != x for x in xs) else best(xs)


maximum: Op = declare("maximum", _extremum(max), _ties, "maximum")
minimum: Op = declare("minimum", _extremum(min), _ties, "minimum")
stop_gradient: Op = declare("stop_gradient", lambda x: x, (None,), "positive")
sum: Op = declare(
    "sum",
    lambda *xs: builtins.sum(xs, 0.0),
    lambda out, *xs: [1.0] * len(xs),
    "add",
    text=" + ".join,
    latex=" + ".join,
    precedence=1,
    lists=1,
)
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
    _op.pull = _pull(_op, _AT_FLOATS)
