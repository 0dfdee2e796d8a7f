"""`Value`: a number that remembers how it was computed; and `backward`, the walk back over that.

A node is data: its number, its operation, its arguments. An operation on Values looks its rule up
in the table (`ops.py`), computes the number and records a node. `backward` finds the topological
order of the graph below a root and lets each operation, from the root down, add its terms to the
`grad` of its arguments.

What runs for one and two arguments is `fast.py`, the same written out for speed; with
TINYGRAD_LITE_PLAIN=1 in the environment what stands here runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from .op import Op, Operand, constant
from .support import flat
from .support.checks import Elsewhere, checked_label, number

UNREACHED = float("0")
"""A `grad` of 0 to which no term was added: this very object, as no sum and no literal 0.0 is."""


class Value(Operand):
    """A number in a graph: a leaf if you make it, a node with arguments if an operation made it.

    `data` is its number, `grad` the derivative of the root of the last `backward` with respect to
    it, `op` and `args` how it was computed, `label` its name in pictures and explanations. `data`
    may be an int, float, bool, Fraction, Decimal, NumPy scalar or 0-d array; anything else raises
    TypeError.

    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> e = (a + b) * (b + 1)
    >>> e.backward()
    >>> e.data, a.grad, b.grad
    (6.0, 2.0, 5.0)

    Operators, comparisons included, are operations of the table and record nodes: `Operand` in
    op.py has them all. `hash` is by identity. Asked for its truth (`if x > 0`), a Value answers
    with its number. A subclass may carry attributes; operations on it record plain Values. Threads
    may share Values to read; a `grad` that two threads write is not protected.
    """

    # The first two arguments and their numbers have slots of their own: in tuples they would cost
    # 27 % of recording, 41 % of `backward` and half as much memory again.
    __slots__ = ("_data", "branched", "grad", "label", "left", "op", "right", "x", "y")
    rank: ClassVar[int] = 0
    no_float: ClassVar[str] = (
        "a Value is not a float: its number is .data; x.exp() or tl.exp(x) keeps the derivative"
    )

    _data: float
    """The slot behind `data`: for what runs once for each node, where a property would be felt."""
    grad: float
    op: Op | None
    """None for a leaf, `constant` for a number that was written in a formula."""
    left: Any
    right: Value | None
    """The first two arguments; if `op.arity` is neither 1 nor 2, `left` is a tuple of them all."""
    x: Any
    y: float | None
    """The numbers of `left` and `right` at recording: the derivatives are taken there."""
    label: str | None
    branched: int
    """2 if an `if` has asked for its truth, or for that of `x > 0` made of it; 1 if for that of
    what depends on it: see `compile`."""

    def __init__(self, data: Any, label: str | None = None) -> None:
        self._data = number(data)
        self.grad = 0.0
        self.op = None
        self.left = self.right = None
        self.x = self.y = None
        self.label = checked_label(label)
        self.branched = 0

    @property
    def data(self) -> float:
        """Its number. A leaf's may be assigned: derivatives are taken at what was recorded."""
        return self._data

    @data.setter
    def data(self, x: Any) -> None:
        if self.left is not None:
            raise AttributeError(f"data: {self!r} was computed; assign to a leaf and record anew")
        self._data = number(x)

    value = Elsewhere("its number is v.data")
    name = Elsewhere("its name is v.label, and v.named('x') gives it one")

    # Recording

    @classmethod
    def apply(cls, op: Op, args: Sequence[Any]) -> Value:
        """Record `op` at Values and numbers, the latter as constants."""
        nodes = [arg if isinstance(arg, Value) else constant_of(arg) for arg in args]
        numbers = [node._data for node in nodes]
        return node_of(op.at_floats(numbers, nodes), op, nodes, numbers)

    @property
    def args(self) -> tuple[Value, ...]:
        """The arguments, in order; `x * x` has x twice."""
        return _in_order(self.left, self.right)

    @property
    def numbers(self) -> tuple[float, ...]:
        """What the `data` of the arguments were when this node was recorded."""
        return _in_order(self.x, self.y)

    def named(self, label: str) -> Value:
        """This node, with that label.

        >>> (Value(2.0) + 1).named("c")
        Value(3.0, 'c')
        """
        self.label = checked_label(label)
        return self

    def detach(self) -> Value:
        """A leaf with the same number, outside the graph."""
        return Value(self._data, self.label)

    # Derivatives

    def partials(self) -> list[float | None]:
        """∂self/∂arg for each of `args` at `numbers`; None, as for a constant, if there is none.

        >>> (Value(2.0) * Value(3.0)).partials(), (Value(2.0) + 1).partials()
        ([3.0, 2.0], [1.0, None])
        """
        return self.terms(1.0)

    def terms(self, t: float) -> list[float | None]:
        """t·∂self/∂arg for each of `args`: at t = ∂root/∂self what `backward` adds to `grad`.

        Infinite or nan where the derivative is.
        """
        if self.op is None:
            return []
        wanted = [arg.op is not constant for arg in self.args]
        return self.op.terms_at_floats(t, self._data, self.numbers, wanted)

    def backward(self, seed: float = 1.0) -> None:
        """Compute the derivative of this node with respect to all it depends on, times `seed`.

        On leaves it is added to `grad`, until `zero_grad`; on other nodes it replaces what an
        earlier call left there. Derivatives are infinite where they are (sqrt at 0). If a rule
        raises, every `grad` is as before.
        """
        seed = number(seed)
        order = topological_order(self)
        before = [node.grad for node in order]
        try:
            for node in order:
                if node.left is not None:
                    node.grad = UNREACHED
            self.grad += seed
            for node in reversed(order):
                # What no term was added to has nothing to hand on: 0·inf would be nan.
                if node.left is not None and node.grad is not UNREACHED:
                    node.op.pull(node)  # type: ignore[union-attr]  # None on leaves only
        except BaseException:
            for node, grad in zip(order, before, strict=True):
                node.grad = grad
            raise

    def zero_grad(self) -> None:
        """Set `grad` to 0 on every node that this one depends on, and on itself."""
        for node in topological_order(self):
            node.grad = 0.0

    # As an object of Python

    def __bool__(self) -> bool:
        # All below is marked, each node once: what is recorded now may depend on it by this alone.
        stack = [self]
        while stack:
            node = stack.pop()
            if not node.branched:
                node.branched = 1
                stack += node.args
        for node in (self, *self.args):
            node.branched = 2
        return bool(self._data)

    def item(self) -> float:
        """Its number, as NumPy's and PyTorch's scalars give it."""
        return self._data

    def __format__(self, spec: str) -> str:
        return format(self._data, spec)

    def __repr__(self) -> str:
        label = f", {self.label!r}" if self.label else ""
        return f"Value({self._data!r}{label})"

    def __copy__(self) -> Value:
        return flat.twin(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        return flat.copied(self, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if type(self) is not Value:  # a leaf, with attributes of its own
            return super().__reduce_ex__(protocol)
        return flat.rebuilt, (flat.rows_below(self),)


def topological_order(*roots: Value) -> list[Value]:
    """Every node that the roots depend on, each once, its arguments before it; without recursion.

    >>> a = Value(2.0, "a")
    >>> topological_order(a * a + a)
    [Value(2.0, 'a'), Value(4.0), Value(6.0)]
    """
    order: list[Value] = []
    seen: set[Value] = set()
    # Below a None on the stack is a node whose arguments lie above it.
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


# Nodes


def node_of(
    data: float, op: Op | None, args: Sequence[Value], numbers: Sequence[float],
    grad: float = 0.0, label: str | None = None, branched: int = 0,
) -> Value:  # fmt: skip
    """A node as it is said to be: for those who record in their own way."""
    node = object.__new__(Value)  # without the constructor: no slot is set
    node._data = data
    node.grad = grad
    node.op = op
    node.label = label
    node.branched = branched
    if op is not None and op.arity in (1, 2):
        node.left, node.right = (*args, None)[:2]
        node.x, node.y = (*numbers, None)[:2]
    else:
        node.left = tuple(args) or None
        node.x = tuple(numbers) or None
        node.right = node.y = None
    return node


def constant_of(x: Any) -> Value:
    """A number that is written in a formula, as a node."""
    return node_of(number(x), constant, (), ())


def _in_order(first: Any, second: Any) -> tuple[Any, ...]:
    if second is not None:
        return first, second
    if type(first) is tuple:
        return first
    return () if first is None else (first,)
