"""Derivatives as graphs (`grad`, hence any order), as power series (`taylor`, `jvp`), and checked by differences.

All of them run the rules of the table on another kind of operand: `grad` on `_Term`, which records a Value but
simplifies first; `taylor` on `Series`, since y = f(x) has y' = f'(x)·x', so that a coefficient of y needs only
lower ones of the partial.
"""

from __future__ import annotations

import math

from ..checks import number
from ..op import Op, Operand, constant
from ..ops import add, dot, neg, stop_gradient
from ..simplify import BUT_FOR_SIGN_OF_ZERO, simpler
from ..value import Value, node_of, topological_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Coefficient = Value | float
    Memo = dict[Any, Value]
    Outputs = Callable[[list[float]], list[float]]


def grad(output: Value, inputs: Sequence[Value]) -> list[Value]:
    """∂output/∂input for each of `inputs`, as Values that can be differentiated again; no `grad` is touched.

    An input may be any node; one that the output does not depend on gives 0. The graph of the result is simplified
    as it is made: structural 0 and 1, constants folded, a shared part made once.

    >>> x = Value(3.0)
    >>> (first,) = grad(x**3, [x])
    >>> (second,) = grad(first, [x])
    >>> first, second
    (Value(27.0), Value(18.0))

    Raises TypeError if `output` or an input is no Value, ValueError if a leaf's `data` was changed since recording.
    """
    return _gradient(output, _values("grad", inputs), {})


def jacobian(outputs: Sequence[Value], inputs: Sequence[Value]) -> list[list[Value]]:
    """∂output/∂input, a row for each output.

    >>> x, y = Value(2.0), Value(3.0)
    >>> jacobian([x * y, x + y], [x, y])
    [[Value(3.0), Value(2.0)], [Value(1.0), Value(1.0)]]
    """
    memo: Memo = {}
    inputs = _values("jacobian", inputs)
    return [_gradient(output, inputs, memo) for output in _values("jacobian", outputs)]


def hessian(output: Value, inputs: Sequence[Value]) -> list[list[Value]]:
    """∂²output/∂input∂input, square.

    >>> x, y = Value(2.0), Value(3.0)
    >>> hessian(x * x * y, [x, y])
    [[Value(6.0), Value(4.0)], [Value(4.0), Value(0.0)]]
    """
    memo: Memo = {}
    inputs = _values("hessian", inputs)
    return [_gradient(first, inputs, memo) for first in _gradient(output, inputs, memo)]


def hvp(output: Value, inputs: Sequence[Value], vector: Sequence[Value | float]) -> list[Value]:
    """The Hessian times a vector, without the Hessian: the gradient of the gradient's product with it.

    >>> x, y = Value(2.0), Value(3.0)
    >>> hvp(x * x * y, [x, y], [1.0, 10.0])
    [Value(46.0), Value(4.0)]

    Raises ValueError if the vector's length is not that of `inputs`.
    """
    memo: Memo = {}
    inputs = _values("hvp", inputs)
    if len(vector) != len(inputs):
        raise ValueError(f"hvp: expected a vector of {len(inputs)} numbers, got {len(vector)}")
    first = _gradient(output, inputs, memo)
    return _gradient(dot(first, [stop_gradient(v) for v in vector]), inputs, memo)


def _values(name: str, nodes: Iterable[Value]) -> list[Value]:
    if isinstance(nodes, Value):
        raise TypeError(f"{name}: expected a sequence of Values, got one Value; put it in a list")
    found = list(nodes)
    for node in found:
        if not isinstance(node, Value):
            raise TypeError(f"{name}: expected Values, got {type(node).__name__}")
    return found


class _Term(Operand):
    """A Value, or a number that does not depend on any, on which rules record with simplification."""

    __slots__ = ("memo", "value")

    def __init__(self, value: Value | float, memo: Memo) -> None:
        self.value, self.memo = value, memo

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> _Term:
        """The simplified node of `op`, or the number."""
        memo = next(arg.memo for arg in args if isinstance(arg, _Term))
        return cls(_record(op, [arg.value if isinstance(arg, _Term) else number(arg) for arg in args], memo), memo)


def _folded(node: Value) -> Value | float:
    return node.data if node.op is constant else node


def _key(op: Op | None, args: Sequence[Any]) -> tuple[Any, ...]:
    """What makes a recorded node the same as another; `repr` tells 0.0 from -0.0 and nan from itself."""
    return op, *(arg if isinstance(arg, Operand) else repr(arg) for arg in args)


def _record(op: Op, args: list[Value | float], memo: Memo) -> Value | float:
    """`op` at Values and constant numbers: what it simplifies to, else the node that is there, else a new one."""
    numbers = [arg.data if isinstance(arg, Value) else arg for arg in args]
    if not any(isinstance(arg, Value) for arg in args):
        return _ieee(op, numbers)
    if (found := _simplified(op, args, memo)) is not None:
        return found
    key = _key(op, args)
    if key not in memo:
        nodes = [arg if isinstance(arg, Value) else node_of(arg, constant, (), ()) for arg in args]
        memo[key] = node_of(_ieee(op, numbers), op, nodes, numbers)
    return memo[key]


def _ieee(op: Op, numbers: Sequence[float]) -> float:
    """A derivative may be infinite where the value is not: no exception here."""
    try:
        return op.scalar(*numbers)
    except (ArithmeticError, ValueError):
        return float(op.at_arrays(*([x] for x in numbers))[0])


def _simplified(op: Op, args: Sequence[Value | float], memo: Memo) -> Value | float | None:
    """What x + 0, 1·x, x^1, … are; None if there is nothing simpler."""
    if op is neg and isinstance(args[0], Value) and args[0].op is neg:
        return args[0].args[0]
    numbers = [None if isinstance(arg, Value) else arg for arg in args]
    found = simpler(op, numbers, BUT_FOR_SIGN_OF_ZERO)
    if not isinstance(found, tuple):
        return found
    kind, i = found
    return args[i] if kind == "same" else _record(neg, [args[i]], memo)


def _gradient(output: Value, inputs: list[Value], memo: Memo) -> list[Value]:
    if not isinstance(output, Value):
        raise TypeError(f"grad: expected a Value to differentiate, got {type(output).__name__}")
    order = topological_order(output)
    depends = set(inputs)
    for node in order:
        if node.args:
            _check_unchanged(node)
            memo.setdefault(_key(node.op, [_folded(arg) for arg in node.args]), node)
            if not depends.isdisjoint(node.args):
                depends.add(node)
    adjoints: dict[Value, Value | float] = {output: 1.0}
    for node in reversed(order):
        if (adjoint := adjoints.get(node)) is None or not node.args:
            continue
        wanted = [arg in depends for arg in node.args]
        args = [_Term(_folded(arg), memo) for arg in node.args]
        t = _Term(adjoint, memo)
        terms = node.op.terms(t, _Term(node, memo), args, wanted)  # type: ignore[union-attr]
        for arg, p in zip(node.args, terms, strict=True):
            if p is not None:
                term = p.value if isinstance(p, _Term) else number(p)
                adjoints[arg] = _record(add, [adjoints[arg], term], memo) if arg in adjoints else term
    recorded = set(order)
    return [_result(adjoints.get(node, 0.0), recorded) for node in inputs]


def _check_unchanged(node: Value) -> None:
    for arg, x in zip(node.args, node.numbers, strict=True):
        if not (arg.data is x or arg.data == x or x != x):
            name = repr(arg.label) if arg.label else "an argument"
            raise ValueError(f"grad: {name} was {x!r} when the graph was recorded and is {arg.data!r}; record it again")


def _result(adjoint: Value | float, recorded: set[Value]) -> Value:
    """A node of its own: the derivative of x·y is y, but naming it must not rename y."""
    if not isinstance(adjoint, Value):
        return node_of(adjoint, constant, (), ())
    return 1.0 * adjoint if adjoint in recorded else adjoint


class Series(Operand):
    """A power series in one variable; its coefficients are computed on demand, by the rules of the table, and kept.

    For out = op(args), out' = Σ partial·arg': coefficient k of `out` needs the partials only up to k - 1.
    """

    __slots__ = ("args", "known", "made", "op", "products")

    def __init__(
        self, known: list[Any], made: dict[Any, Series], op: Op | None = None, args: Sequence[Any] = ()
    ) -> None:
        self.known, self.made, self.op, self.args = known, made, op, args
        self.products: list[tuple[Any, Any]] | None = None

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Series:
        """The series of `op`, its first coefficient computed; the same one each time it is asked for."""
        made = next(arg.made for arg in args if isinstance(arg, Series))
        key = _key(op, args)
        if op is neg and args[0].op is neg:  # so that rules like σ(x)σ(-x) come back to where they began
            return args[0].args[0]  # type: ignore[no-any-return]
        if key not in made:
            # The sequences of an n-ary operation are already one tuple here, as its scalar form takes them.
            constants = [arg.known[0] if isinstance(arg, Series) else arg for arg in args]
            at_0 = Value.apply(op, constants)
            depends = any(isinstance(each, Value) for each in constants)
            made[key] = cls([at_0 if depends else at_0.data], made, op, args)
        return made[key]

    def __bool__(self) -> bool:
        return bool(self.known[0])

    def __getitem__(self, k: int) -> Any:
        """Coefficient k."""
        while len(self.known) <= k:
            self.known.append(self._next(len(self.known)))
        return self.known[k]

    def _next(self, k: int) -> Any:
        if self.op is None:
            return 0.0
        x, y = (*self.args, None)[:2]
        match self.op.name:
            case "add" | "sub" | "neg":
                return self.op(*(_coefficient(arg, k) for arg in self.args))
            case "mul":
                return sum((_coefficient(x, i) * _coefficient(y, k - i) for i in range(k + 1)), 0.0)
            case "div":
                known = sum((self[i] * _coefficient(y, k - i) for i in range(k)), 0.0)
                return (_coefficient(x, k) - known) / _coefficient(y, 0)
        if self.products is None:
            wanted = [isinstance(arg, Series) for arg in self.args]
            partials = self.op.differentiate(self, self.args, wanted)
            self.products = [(p, arg) for p, arg in zip(partials, self.args, strict=True) if p is not None]
        terms = (_coefficient(p, k - i) * (arg[i] * i) for p, arg in self.products for i in range(1, k + 1))
        return sum(terms, 0.0) / k


def _coefficient(x: Any, k: int) -> Any:
    return x[k] if isinstance(x, Series) else x if k == 0 else 0.0


def taylor(f: Callable[[Any], Any], x0: Coefficient, order: int) -> list[Any]:
    """The coefficients c0, …, c_order of f(x0 + h) = Σ c_k h^k, from the rules of the table by power series.

    `f` is written with arithmetic and operations of the table, and may use Values as parameters: then the
    coefficients are Values. At a kink the table's derivative there counts (abs and relu have slope 0 at 0).

    >>> taylor(lambda x: x.sigmoid(), 0.0, order=3) == [1 / 2, 1 / 4, 0, -1 / 48]
    True

    Raises TypeError if `f` does not give one number or `order` is no int, ValueError if `order` is negative or `f`
    has no Taylor series at x0 (sqrt at 0).
    """
    if isinstance(order, bool) or not hasattr(order, "__index__"):
        raise TypeError(f"taylor: expected a whole order, got {order!r}")
    if order < 0:
        raise ValueError(f"taylor: expected an order >= 0, got {order}")
    return _expand("taylor", f, [(x0, 1.0)], order)[0]


def _expand(
    name: str, f: Callable[..., Any], beginnings: Iterable[tuple[Coefficient, Coefficient]], order: int
) -> list[list[Any]]:
    """The coefficients of each output of `f` at series that begin so."""
    made: dict[Any, Series] = {}
    result = f(*(Series([x if isinstance(x, Value) else number(x) for x in known], made) for known in beginnings))
    outputs = result if isinstance(result, list | tuple) and name == "jvp" else [result]
    for output in outputs:
        if not isinstance(output, Series | Value):
            try:
                number(output)
            except TypeError:
                raise TypeError(f"{name}: expected a function that gives one number, got {output!r}") from None
    try:
        # Level by level in the order of recording, so that no coefficient is asked for far from where it is known.
        recorded = list(made.values())
        for k in range(order + 1):
            for series in recorded:
                series[k]
        return [[_coefficient(output, k) for k in range(order + 1)] for output in outputs]
    except ZeroDivisionError as error:
        raise ValueError(f"{name}: the function has no derivative of that order there ({error})") from None


def jvp(f: Callable[..., Any], xs: Sequence[Coefficient], vs: Sequence[Coefficient]) -> tuple[Any, Any]:
    """`f` at xs and its derivative in the direction vs, in one pass forward; lists if `f` gives several numbers.

    >>> jvp(lambda x, y: x * y, [2.0, 3.0], [1.0, 10.0])
    (6.0, 23.0)

    Raises ValueError if xs and vs differ in length.
    """
    if len(xs) != len(vs):
        raise ValueError(f"jvp: expected a direction of {len(xs)} numbers, got {len(vs)}")
    result = _expand("jvp", f, zip(xs, vs, strict=True), 1)
    values, slopes = [value for value, _ in result], [slope for _, slope in result]
    return (values[0], slopes[0]) if len(result) == 1 else (values, slopes)


def check_grad(f: Callable[..., Any], *args: float, order: int = 1, step: float | None = None) -> None:
    """Compare the derivatives of `f` at numbers with finite differences; order 2 compares the Hessian too.

    Each difference is central, of `step` (by default 1e-3 of the argument's size) and of half of it, extrapolated
    (Richardson); how far the two are apart tells how far the result can be trusted.

    >>> check_grad(lambda x, y: x * y.exp(), 2.0, 0.5, order=2)

    Raises AssertionError naming the argument, both numbers and the step, TypeError if `f` does not give a Value.
    """
    if order not in (1, 2):
        raise ValueError(f"check_grad: expected order 1 or 2, got {order!r}")
    if step is not None and not 0 < number(step) < math.inf:
        raise ValueError(f"check_grad: expected a step > 0, got {step!r}")
    at = [number(x) for x in args]
    _compare("∂f/∂x{0}", lambda xs: [_first(f, xs)[0].data], [_slopes(f, at)], at, step)
    if order == 2:
        second = [[h.data for h in row] for row in hessian(*_first(f, at))]
        _compare("∂²f/∂x{1}∂x{0}", lambda xs: _slopes(f, xs), second, at, step)


def _first(f: Callable[..., Any], xs: Sequence[float]) -> tuple[Value, list[Value]]:
    values = [Value(x, f"x{i}") for i, x in enumerate(xs)]
    output = f(*values)
    if not isinstance(output, Value):
        raise TypeError(f"check_grad: expected a function that gives a Value, got {output!r}")
    return output, values


def _slopes(f: Callable[..., Any], xs: Sequence[float]) -> list[float]:
    output, values = _first(f, xs)
    output.backward()
    return [value.grad for value in values]


def _compare(name: str, f: Outputs, by_rules: list[list[float]], at: list[float], step: float | None) -> None:
    """Hold the derivatives of f's outputs (rows) with respect to each argument (columns) against differences."""
    for i, x in enumerate(at):
        h = step or 1e-3 * max(1.0, abs(x))
        whole, half = (_central(f, at, i, size) for size in (h, h / 2))
        for j, row in enumerate(by_rules):
            truth = (4 * half[j] - whole[j]) / 3
            doubt = abs(half[j] - whole[j]) + 1e-6 * max(1.0, abs(truth))
            if not abs(row[i] - truth) <= doubt:
                what = f"{name.format(i, j)} at {tuple(at)} is {row[i]!r} by the rules"
                raise AssertionError(f"check_grad: {what}, {truth!r} by differences of step {h:g}")


def _central(f: Outputs, at: list[float], i: int, h: float) -> list[float]:
    up, down = [*at], [*at]
    up[i] += h
    down[i] -= h
    return [(a - b) / (up[i] - down[i]) for a, b in zip(f(up), f(down), strict=True)]
