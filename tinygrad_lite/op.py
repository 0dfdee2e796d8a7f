"""What an operation is, and what its rules run on.

`ops.py` declares the operations. A rule of theirs is written once, with arithmetic and other
operations, and runs on floats, on NumPy's arrays, and on every kind of `Operand`. The kinds, side
by side, each a subclass that says in `apply` what an operation does to it:

| kind | where | what an operation gives |
|---|---|---|
| `Value` | value.py | its number, and a node of the graph |
| `Simplified` | derivatives/graphs.py | a node, simplified first: derivatives as graphs |
| `Series` | derivatives/series.py | the next coefficients of a power series |
| `Symbol` | show/symbol.py | a formula to write down |
| `Rows` | arrays/rows.py | one more row of a program over many points |
| `Traced` | arrays/traced.py | a recording that follows a plain `if` |
| `Variable` | show/javascript.py | a line of JavaScript |
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .support import checks
from .support.checks import given, given_for_each, number
from .support.over_arrays import arrays_among, at_arrays, at_ufunc, elementwise, terms_at_arrays
from .support.template import Part, Template, fill

T = TypeVar("T")
Rule = Callable[..., Any]
Rules = tuple[Rule | float | None, ...] | Rule
"""A rule, a number or None (no derivative) for each argument; or one rule that gives them all."""

OPS: dict[str, Op] = {}
"""Every operation by name, in the order of declaration."""
RESERVED: set[str] = set()
"""The names of the package's own operations."""


# What rules run on


class Method:
    """An operator or a named method of `Operand`: `x + y` is `add(x, y)`, `x.exp()` is `exp(x)`."""

    def __init__(self, op: str, *, reflected: bool = False) -> None:
        self.op = op
        self.reflected = reflected

    def __get__(self, operand: T, owner: type[T]) -> Callable[..., T]:
        return self.call if operand is None else functools.partial(self.call, operand)

    def call(self, operand: Any, *others: Any) -> Any:
        """The operation; NotImplemented beside what is no number, as Python's operators give it."""
        if not all(map(is_scalar, others)):
            return NotImplemented
        return OPS[self.op](*others, operand) if self.reflected else OPS[self.op](operand, *others)


class Operand:
    """What rules run on besides floats and arrays; it has the operators and the table's methods."""

    __slots__ = ()
    rank: ClassVar[int] = 1
    """Where kinds of operand meet, the one of the highest rank decides."""

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Any:
        """The result of `op` at `args`, of which one at least is of this class."""
        raise NotImplementedError

    __hash__ = object.__hash__  # by identity, though == is an operation

    __add__, __radd__ = Method("add"), Method("add", reflected=True)
    __sub__, __rsub__ = Method("sub"), Method("sub", reflected=True)
    __mul__, __rmul__ = Method("mul"), Method("mul", reflected=True)
    __truediv__, __rtruediv__ = Method("div"), Method("div", reflected=True)
    __floordiv__, __rfloordiv__ = Method("floordiv"), Method("floordiv", reflected=True)
    __mod__, __rmod__ = Method("mod"), Method("mod", reflected=True)
    __pow__, __rpow__ = Method("pow"), Method("pow", reflected=True)
    __neg__, __abs__ = Method("neg"), Method("abs")
    __lt__, __le__ = Method("less"), Method("less_equal")
    __gt__, __ge__ = Method("greater"), Method("greater_equal")
    __eq__ = Method("equal")  # type: ignore[assignment]  # object's gives a bool, this a number
    __ne__ = Method("not_equal")  # type: ignore[assignment]

    def __pos__(self: T) -> T:
        return self

    conjugate = __pos__  # np.var and np.vdot ask for it

    if TYPE_CHECKING:  # at run time it would make every access to a slot twice as slow

        def __getattr__(self: T, name: str) -> Callable[..., T]:
            """The methods `x.exp()`, `x.arctan2(y)`, …, that `declare` adds for NumPy too."""

    # What leaves the graph leaves it with a word: a plain float has no derivative.

    no_float: ClassVar[str] = "a rule runs on more than floats: write tl.exp(x), not math.exp(x)"

    def _refuse(self, *_: Any) -> Any:
        raise TypeError(self.no_float)

    __float__ = __int__ = __complex__ = __round__ = __trunc__ = _refuse

    def __bool__(self) -> bool:
        raise TypeError("a rule cannot branch on its arguments; choose with tl.where(x > 0, y, z)")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """NumPy's functions: `np.exp(x)` is `exp(x)`; beside an array, element by element."""
        return at_ufunc(OPS.values(), ufunc.__name__, method, inputs, options)


def is_scalar(x: Any) -> bool:
    """Whether it can stand in arithmetic as one operand: an Operand or a real number."""
    if isinstance(x, (Operand, float, int)):  # three times as fast as |
        return True
    try:
        number(x)
    except TypeError:
        return False
    return True


# An operation


@dataclass(eq=False, repr=False)
class Op:
    """An operation of the table, and the public function of its name; `declare` makes one."""

    name: str
    scalar: Callable[..., float]
    """The value at floats; ValueError, ZeroDivisionError, OverflowError where there is none."""
    partials: Rules = ()
    """For each argument a rule `(out, *args)`, a number, or None where no derivative flows; or, for
    any number of arguments, one rule that gives all of them."""
    term_rules: Rules | None = None
    """Instead of `partials`: rules `(t, out, *args)` that give t·∂out/∂arg."""
    array: str | Rule | None = None
    """NumPy's name of it, or a rule `(*args)`; else `scalar` is called for each element."""
    textbook: Rules | None = None
    """The partials as a textbook has them, where the others are written for accuracy."""
    text: Template = None
    latex: Template = None
    """How it is written: `"{0:1} + {1:2}"`, or a function of a list of arguments. After the colon
    stands how tightly an argument must hold to go without parentheses: 1 is a sum, 1.5 what begins
    with -, 2 a product, 3 a fraction, 4 a power, 9 a name; without a number it stands as it is."""
    precedence: float = 9
    latex_precedence: float | None = None
    """How tightly the result holds: as above; 9 is a call, 0 a comparison."""
    domain: str | None = None
    """Where it is defined, for the message of the ValueError."""
    lists: int = 0
    """How many sequences the function takes (`sum` 1, `dot` 2); 0 if its arguments one by one."""

    def __post_init__(self) -> None:
        if self.term_rules is not None:
            self.partials = _at_one(self.term_rules)
        if self.latex_precedence is None:
            self.latex_precedence = self.precedence
        self.arity = len(self.partials) if isinstance(self.partials, tuple) else None  # None: any
        where = f", for {self.domain}" if self.domain else ""
        self.__doc__ = f"`{self.name}` of floats, Values or arrays{where}."

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "constant" if self is constant else (_declared, (self.name,))

    def __call__(self, *args: Any) -> Any:
        """A float of floats, an array of arrays, else of the kind of operand among them."""
        operands = checks.in_a_row(self.name, self.arity, self.lists, args)
        types = set(map(type, operands))
        kinds = {kind for kind in types if issubclass(kind, Operand)}
        if arrays := arrays_among(operands, types - kinds):
            if kinds or any(array.dtype == object for array in arrays):
                return elementwise(self, operands)
            return self.at_arrays(*operands)
        if kinds:
            return max(kinds, key=lambda kind: kind.rank).apply(self, operands)
        numbers = [checks.number_for(self.name, self.arity, self.lists, x) for x in operands]
        return self.at_floats(numbers, numbers)

    def at_floats(self, numbers: Sequence[float], args: Sequence[Any]) -> float:
        """The value at the numbers of `args`; if there is none, the message has their labels."""
        try:
            return number(self.scalar(*numbers))
        except (ArithmeticError, ValueError) as error:
            raise self.complaint(error, args) from None

    def at_arrays(self, *args: Any) -> Any:
        """The result over arrays that broadcast, by IEEE 754: inf and nan, no exception."""
        return at_arrays(self, args)

    def differentiate(
        self, out: Any, args: Sequence[Any], wanted: Sequence[bool], *, textbook: bool = False
    ) -> list[Any]:
        """∂out/∂arg for each argument, of one kind of operand; None where no derivative flows.

        The unwanted are not computed: of x**2, that for the exponent would need the logarithm of x.
        """
        rules = self.textbook if textbook and self.textbook is not None else self.partials
        return _run(rules, (out, *args), wanted)

    def terms(self, t: Any, out: Any, args: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
        """t·∂out/∂arg for each argument. On the way back t is ∂root/∂out, forth a change of out."""
        if self.term_rules is not None:
            return _run(self.term_rules, (t, out, *args), wanted)
        partials = self.differentiate(out, args, wanted)
        return [None if partial is None else t * partial for partial in partials]

    def terms_at_floats(
        self, t: float, out: float, args: Sequence[float], wanted: Sequence[bool]
    ) -> list[float | None]:
        """`terms`, but inf or nan where a rule meets a pole and Python would raise."""
        try:
            return self.terms(t, out, args, wanted)
        except (ArithmeticError, ValueError):
            return terms_at_arrays(self, t, out, args, wanted)

    def pull(self, node: Any) -> None:
        """Add a node's terms to the `grad` of its arguments: the step of `backward`."""
        for arg, term in zip(node.args, node.terms(node.grad), strict=True):
            if term is not None:
                arg.grad += term

    def complaint(self, error: Exception, args: Sequence[Any]) -> Exception:
        """What to raise instead of `error` at floats or Values: of its type, naming them."""
        return checks.complaint(error, self.name, args, self.domain)

    def written(self, args: Sequence[str | Part], *, latex: bool = False) -> str:
        """The operation at arguments given as text; a `Part` gets the parentheses it needs."""
        return fill(self.latex if latex else self.text, self.name, args, latex=latex)


def _run(rules: Rules, operands: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
    if not isinstance(rules, tuple):
        results = given_for_each(rules(*operands), len(wanted))
        return [result if want else None for result, want in zip(results, wanted, strict=True)]
    return [
        None if not want else given(rule(*operands)) if callable(rule) else rule
        for rule, want in zip(rules, wanted, strict=True)
    ]


def _at_one(terms: Rules) -> Rules:
    """The partials: the terms of t = 1."""
    if isinstance(terms, tuple):
        return tuple(functools.partial(rule, 1.0) if callable(rule) else rule for rule in terms)
    return functools.partial(terms, 1.0)


def _declared(name: str) -> Op:
    if name not in OPS:
        unknown = f"operation {name!r} is unknown here"
        raise LookupError(f"{unknown}; declare it before loading what uses it")
    return OPS[name]


def declare(
    name: str, scalar: Callable[..., float], partials: Rules | None = None, *,
    terms: Rules | None = None, array: str | Rule | None = None, textbook: Rules | None = None,
    text: Template = None, latex: Template = None, precedence: float = 9,
    latex_precedence: float | None = None, domain: str | None = None, lists: int = 0,
) -> Op:  # fmt: skip
    """Add an operation, whose parts `Op` describes, to the table: it works on every route.

    Rules are written with arithmetic and entries of the table: no `math`, no `if`.

    >>> cube = declare("cube", scalar=lambda x: x**3, partials=(lambda out, x: 3 * x**2,))
    >>> cube(2.0)
    8.0

    Raises ValueError if the name is not an identifier or is that of an operation of the package,
    TypeError if the rules do not fit the number of arguments.
    """
    checks.check_declaration(name, RESERVED, scalar, partials, terms)
    op = Op(
        name, scalar, partials or (), terms, array=array, textbook=textbook, text=text, latex=latex,
        precedence=precedence, latex_precedence=latex_precedence, domain=domain, lists=lists,
    )  # fmt: skip
    OPS[name] = op
    for method in {1: (name, array), 2: (array,)}.get(op.arity or 0, ()):
        if isinstance(method, str) and not hasattr(Operand, method):
            setattr(Operand, method, Method(name))
    return op


constant = Op("constant", float, partials=lambda out: ())
"""The `op` of a number written in a formula: it gets no derivative. That of a leaf is None."""
