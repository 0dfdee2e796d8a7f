"""What an operation is: how it is declared, what it is called with, and what follows from its rules.

`ops.py` declares the operations. A rule of theirs runs on floats, arrays and every class derived from `Operand`.
"""

from __future__ import annotations

import functools
import itertools
import math
import numbers
import types

TYPE_CHECKING = False  # importing typing would take as long as the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar, ParamSpec, TypeVar

    T = TypeVar("T")
    P = ParamSpec("P")
    Rule = Callable[..., Any]  # a partial derivative: takes the operation's result, then its arguments
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


class Op:
    """An operation of the table, and the public function of its name. `declare` makes one and describes its parts."""

    def __init__(
        self,
        name: str,
        scalar: Callable[..., float],
        partials: tuple[Rule | float | None, ...] | Rule,
        array: str | Rule | None = None,
        textbook: tuple[Rule | float | None, ...] | Rule | None = None,
        text: Template | None = None,
        latex: Template | None = None,
        precedence: int = 9,
        domain: str | None = None,
        lists: int = 0,
    ) -> None:
        self.name, self.scalar, self.partials, self.array, self.textbook = name, scalar, partials, array, textbook
        self.text, self.latex, self.precedence, self.domain, self.lists = text, latex, precedence, domain, lists
        self.arity = len(partials) if isinstance(partials, tuple) else None
        self.pull = pull_of(self, {})
        self.recorders: dict[type, Callable[[Any], Any]] = {}  # short ways for one operand of a kind
        self.__doc__ = f"`{name}` of floats, Values or arrays" + (f", for {domain}." if domain else ".")

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _declared, (self.name,)

    def __call__(self, *args: Any) -> Any:
        """The result: a float of floats, an array of arrays, else of the kind of operand among the arguments."""
        if self.arity != 1 or len(args) != 1 or type(args[0]) is not float:  # else the short way, for rules at floats
            if len(args) == 1 and type(args[0]) in self.recorders:
                return self.recorders[type(args[0])](args[0])
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
                result = np.asarray(np.frompyfunc(self._or_nan, len(arrays), 1)(*arrays), float)
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
            name = rf"\mathrm{{{self.name}}}".replace("_", r"\_") if latex else self.name
            return f"{name}({', '.join(args)})"
        return template.format(*args) if isinstance(template, str) else template(args)


def pull_of(op: Op, entries: dict[str, Any]) -> Callable[[Any], None]:
    """The function that adds a node's terms, adjoint times partial, to the `grad` of its arguments.

    It is `pull_any` written out for the common shapes, since `backward` spends its time here, with the names in the
    rules bound to `entries`. Partials come before terms: a rule that raises leaves nothing half-done.
    """
    partials: Any = op.partials
    if partials in ((1.0, 1.0), (1.0, -1.0)):
        return _pull_sum(partials[1])
    if not (isinstance(partials, tuple) and all(map(callable, partials)) and len(partials) <= 2):
        return functools.partial(pull_any, op.differentiate)
    rules = [types.FunctionType(rule.__code__, entries) if entries else rule for rule in partials]
    if len(rules) == 1:
        return _pull_one(*rules)
    return _pull_product if entries and _crosswise(*rules) else _pull_two(*rules)


def _pull_sum(sign: float) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
        left, right, adjoint = node.left, node.right, node.grad
        if left.op is not constant:
            left.grad += adjoint
        if right.op is not constant:
            right.grad += sign * adjoint

    return pull


def _pull_one(rule: Rule) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
        node.left.grad += node.grad * rule(node.data, node.x)

    return pull


def _crosswise(first: Rule, second: Rule) -> bool:
    """Whether the partials are the other argument each, as those of a product are."""
    x, y = object(), object()
    try:
        return first(None, x, y) is y and second(None, x, y) is x
    except TypeError:
        return False


def _pull_product(node: Any) -> None:
    left, right, adjoint = node.left, node.right, node.grad
    if left.op is not constant:
        left.grad += adjoint * node.y
    if right.op is not constant:
        right.grad += adjoint * node.x


def _pull_two(first: Rule, second: Rule) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
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

    return pull


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
