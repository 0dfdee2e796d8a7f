"""`Value`: a number that remembers how it was computed, and the walk back over that graph, `backward`.

A node is data: its number, its operation, its arguments. An operation on Values looks its rule up in the table
(`ops.py`), computes the number and records a node. `backward` finds the topological order of the graph below a
root and lets each operation, from the root down, add its terms to the `grad` of its arguments.
"""

from __future__ import annotations

from contextvars import ContextVar

from .ops import OPS, Method, Op, Operand, constant, number, pull_any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar

truths: ContextVar[list[tuple[Value, bool | None]] | None] = ContextVar("truths", default=None)
"""While a program is recorded (`vectorize`), what the code asked about and was told; None where an operation raised."""


class Value(Operand):
    """A number in a graph: a leaf if you make it, a node with arguments if an operation made it.

    `data` is its number, `grad` the derivative of the root of the last `backward` with respect to it, `op` and `args`
    how it was computed, `label` its name in pictures and explanations. `data` may be an int, float, bool, Fraction,
    Decimal, NumPy scalar or 0-d array; anything else raises TypeError.

    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> e = (a + b) * (b + 1)
    >>> e.backward()
    >>> e.data, a.grad, b.grad
    (6.0, 2.0, 5.0)

    Operators, comparisons included, record nodes; `hash` is by identity. Asked for its truth (`if x > 0`), a Value
    answers with its number. Threads may share Values to read; a `grad` that two threads write is not protected.
    """

    __slots__ = ("branched", "data", "grad", "label", "left", "op", "right", "x", "y")
    __array_ufunc__ = None  # NumPy scalars on the left leave the operation to us
    rank: ClassVar[int] = 0

    data: float
    grad: float
    op: Op | None
    """None for a leaf, `ops.constant` for a number that was written in a formula."""
    left: Any
    right: Value | None
    """The first argument and the second. An operation of more, or of any number, has a tuple of them in `left`."""
    x: Any
    y: float | None
    """The numbers that `left` and `right` had when the node was recorded: its derivatives are taken there."""
    label: str | None
    branched: bool
    """Whether the program that recorded this node has branched on it."""

    def __init__(self, data: Any, label: str | None = None) -> None:
        if not (label is None or isinstance(label, str)):
            raise TypeError(f"a label is a str, got {type(label).__name__}")
        self.data, self.grad, self.op = number(data), 0.0, None
        self.left = self.right = self.x = self.y = None
        self.label, self.branched = label, False

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Value:
        """Record `op` at Values and numbers, the latter as constants."""
        nodes = [arg if isinstance(arg, Value) else _constant(arg) for arg in args]
        numbers = [node.data for node in nodes]
        try:
            return node_of(number(op.scalar(*numbers)), op, nodes, numbers)
        except (ArithmeticError, ValueError) as error:
            raise _complaint(op, error, nodes) from None

    @property
    def args(self) -> tuple[Value, ...]:
        """The arguments, in order; `x * x` has x twice."""
        return _together(self.left, self.right)

    @property
    def numbers(self) -> tuple[float, ...]:
        """What the `data` of the arguments were when this node was recorded."""
        return _together(self.x, self.y)

    def partials(self) -> list[float | None]:
        """∂self/∂arg for each of `args`, at `numbers`; None where no derivative flows, as to a constant.

        >>> (Value(2.0) * Value(3.0)).partials(), (Value(2.0) + 1).partials()
        ([3.0, 2.0], [1.0, None])
        """
        if self.op is None or not self.args:
            return []
        wanted = [arg.op is not constant for arg in self.args]
        try:
            return self.op.differentiate(self.data, self.numbers, wanted)
        except (ArithmeticError, ValueError):
            return self.op.differentiate_ieee(self.data, self.numbers, wanted)

    def named(self, label: str) -> Value:
        """This node, with that label.

        >>> (Value(2.0) + 1).named("c")
        Value(3.0, 'c')
        """
        self.label = label
        return self

    def detach(self) -> Value:
        """A leaf with the same number, outside the graph."""
        return Value(float(self), self.label)

    def backward(self, seed: float = 1.0) -> None:
        """Compute the derivative of this node with respect to every node it depends on, times `seed`.

        On leaves it is added to `grad`, until `zero_grad`; on other nodes it replaces what an earlier call left there.
        Derivatives are infinite where they are (sqrt at 0). If a rule raises, every `grad` is as before.
        """
        seed = number(seed)
        order = topological_order(self)
        before = [node.grad for node in order]
        try:
            for node in order:
                if node.left is not None:
                    node.grad = 0.0
            self.grad += seed
            for node in reversed(order):
                if node.left is not None:
                    try:
                        node.op.pull(node)  # type: ignore[union-attr]  # None on leaves only
                    except (ArithmeticError, ValueError):
                        pull_any(node.op.differentiate_ieee, node)  # type: ignore[union-attr]
        except BaseException:
            for node, grad in zip(order, before, strict=True):
                node.grad = grad
            raise

    def zero_grad(self) -> None:
        """Set `grad` to 0 on every node that this one depends on, and on itself."""
        for node in topological_order(self):
            node.grad = 0.0

    def __bool__(self) -> bool:
        truth = bool(self.data)
        if (asked := truths.get()) is not None:
            asked.append((self, truth))
            return truth
        for node in (self, *self.args):
            node.branched = True
        return truth

    def __float__(self) -> float:
        """The number alone: what is computed from it, `math.sin(x)` too, is outside the graph; use `x.sin()`."""
        if truths.get() is not None:
            raise TypeError(
                f"cannot turn {self.label or 'a Value'} into a float while recording a program: "
                f"the number {self.data!r} would be frozen into it; use tl.where or tl.stop_gradient"
            )
        return float(self.data)

    def __int__(self) -> int:
        return int(float(self))

    def __format__(self, spec: str) -> str:
        return format(float(self), spec)

    def __repr__(self) -> str:
        return f"Value({self.data!r}, {self.label!r})" if self.label else f"Value({self.data!r})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        for node in topological_order(self):  # float() here and below: no copies while a program is recorded
            if id(node) not in memo:
                memo[id(node)] = node_of(float(node), node.op, [memo[id(arg)] for arg in node.args], *node._rest())
        copied: Value = memo[id(self)]
        return copied

    def __reduce__(self) -> tuple[Any, ...]:
        # A flat list, since pickle recurses. Leaves go as objects: roots that are pickled together share them.
        order = topological_order(self)
        index = {node: i for i, node in enumerate(order)}
        rows = [
            node if not node.args and node is not self else
            (float(node), node.op, [index[arg] for arg in node.args], *node._rest())
            for node in order
        ]  # fmt: skip
        return _rebuilt, (rows,)

    def _rest(self) -> tuple[Any, ...]:
        return self.numbers, self.grad, self.label, self.branched


def _rebuilt(rows: list[Any]) -> Value:
    order: list[Value] = []
    for row in rows:
        if not isinstance(row, Value):
            data, op, args, *rest = row
            row = node_of(data, op, [order[i] for i in args], *rest)
        order.append(row)
    return order[-1]


def topological_order(*roots: Value) -> list[Value]:
    """Every node that the roots depend on, each once, its arguments before it; without recursion.

    >>> a = Value(2.0, "a")
    >>> topological_order(a * a + a)
    [Value(2.0, 'a'), Value(4.0), Value(6.0)]
    """
    order: list[Value] = []
    seen: set[Value] = set()
    stack: list[Any] = [*reversed(roots)]
    while stack:
        node = stack.pop()
        if node is None:  # the arguments of the node below are done
            order.append(stack.pop())
            continue
        while node not in seen:
            seen.add(node)
            left, right = node.left, node.right
            if left is None:
                order.append(node)
                break
            stack.append(node)
            stack.append(None)
            if right is not None:
                stack.append(right)
            elif type(left) is tuple:
                left, *others = left
                stack += others[::-1]
            node = left  # the first argument comes first
    return order


def _complaint(op: Op, error: Exception, args: Sequence[Value]) -> Exception:
    if (asked := truths.get()) is not None:
        asked.append((args[0], None))
    return op.complaint(error, [arg.data for arg in args], [arg.label for arg in args if arg.label])


def _together(first: Any, second: Any) -> tuple[Any, ...]:
    if second is not None:
        return first, second
    return first if type(first) is tuple else () if first is None else (first,)


def node_of(
    data: float, op: Op | None, args: Sequence[Value], numbers: Sequence[float],
    grad: float = 0.0, label: str | None = None, branched: bool = False,
) -> Value:  # fmt: skip
    """A node as it is said to be: for those who record in their own way."""
    node = _new(Value)
    node.data, node.op, node.grad, node.label, node.branched = data, op, grad, label, branched
    if op is None or op.arity not in (1, 2):
        (node.left, node.x), node.right, node.y = (tuple(args), tuple(numbers)) if args else (None, None), None, None
    else:
        (node.left, node.right), (node.x, node.y) = (*args, None)[:2], (*numbers, None)[:2]
    return node


_new: Callable[[type[Value]], Value] = object.__new__


def _constant(x: Any) -> Value:
    return node_of(number(x), constant, (), ())


def _operand(x: Any) -> Any:
    """What stands beside a Value in an operator: a Value as it is, a number as a constant."""
    if isinstance(x, Value):
        return x
    try:
        return NotImplemented if isinstance(x, Operand) else _constant(x)
    except TypeError:
        if getattr(x, "shape", None):
            raise
        return NotImplemented  # Python then says which operator and which types


# What follows is `Value.apply` written out for one and two arguments: most of the time of recording is spent here.


def _unary(op: Op) -> Callable[[Value], Value]:
    scalar = op.scalar

    def record(self: Value) -> Value:
        x = self.data
        try:
            data = scalar(x)
        except (ArithmeticError, ValueError) as error:
            raise _complaint(op, error, [self]) from None
        node = _new(Value)
        node.data, node.grad, node.op = data, 0.0, op
        node.left, node.x, node.branched = self, x, False
        node.right = node.y = node.label = None
        return node

    return record


def _binary(op: Op) -> Callable[[Value, Any], Any]:
    scalar = op.scalar

    def record(self: Value, other: Any) -> Any:
        if type(other) is not Value:
            other = _operand(other)
            if other is NotImplemented:
                return NotImplemented
        x, y = self.data, other.data
        try:
            data = scalar(x, y)
        except (ArithmeticError, ValueError) as error:
            raise _complaint(op, error, [self, other]) from None
        node = _new(Value)
        node.data, node.grad, node.op = data, 0.0, op
        node.left, node.right, node.branched = self, other, False
        node.x, node.y, node.label = x, y, None
        return node

    return record


def _reflected(op: Op) -> Callable[[Value, Any], Any]:
    record = _binary(op)

    def reflected(self: Value, other: Any) -> Any:
        other = _operand(other)
        return other if other is NotImplemented else record(other, self)

    return reflected


for _name, _method in vars(Operand).items():
    if isinstance(_method, Method):
        _op = OPS[_method.op]
        _record: Callable[..., Any] = (_unary if _op.arity == 1 else _reflected if _method.reflected else _binary)(_op)
        setattr(Value, _name, _record)
        if _op.arity == 1:
            _op.recorders[Value] = _record
