"""Recording and sweeping written out for one and two arguments: speed, and no meaning of its own.

`value.py` and `op.py` say what happens, for any number of arguments. Most of the time goes into
operations of one or two, so here are `Op.__call__`, `Value.apply` and `Op.pull` once more, for
these. `install` puts them in place; without it everything gives the same, several times slower.
"""

from __future__ import annotations

import functools
import itertools
import types
from collections.abc import Callable
from typing import Any

from . import ops
from .op import OPS, Method, Op, Operand, Rule, constant, is_scalar
from .support.checks import number
from .value import Value, constant_of, node_of

new: Callable[[type[Value]], Value] = object.__new__
"""A Value without its constructor: no slot of it is set."""
NO_VALUE = ArithmeticError, ValueError
"""What an operation raises where it has no value."""
NO_TERM = *NO_VALUE, TypeError
"""What a rule raises where it meets a pole, or is wrong: the general form knows what to do."""

_call_in_general = Op.__call__
_pull_in_general = Op.pull


def install() -> None:
    """Put what is written out here in place of the general forms."""
    for name, method in list(vars(Operand).items()):
        if isinstance(method, Method):
            op = OPS[method.op]
            record = _unary if op.arity == 1 else _reflected if method.reflected else _binary
            setattr(Value, name, record(op))
            setattr(Operand, name, _applied(op, method))
    setattr(Value, "__pow__", _with_modulus(Value.__pow__))  # noqa: B010
    for name, made in (("record", _unary), ("pull", _pull_of)):
        kept = functools.cached_property(made)  # made at the first use, for declared operations too
        kept.__set_name__(Op, name)
        setattr(Op, name, kept)
    setattr(Op, "__call__", _call)  # noqa: B010  # a type checker would take it for another method


def _call(op: Any, *args: Any) -> Any:
    """`Op.__call__`: one float, as rules call it, or one Value go a short way."""
    if len(args) == 1 and op.arity == 1:
        (x,) = args
        if type(x) is float:
            try:
                data = op.scalar(x)
            except NO_VALUE as error:
                raise op.complaint(error, args) from None
            return data if type(data) is float else number(data)
        if type(x) is Value:
            return op.record(x)
        if isinstance(x, Operand):
            return x.apply(op, args)
    return _call_in_general(op, *args)


def _applied(op: Op, method: Method) -> Callable[..., Any]:
    """An operator of a kind of operand, whose rules meet operands of that kind and numbers."""
    if op.arity == 1:
        return _called_like(op, lambda self: self.apply(op, (self,)))
    call, is_reflected = method.call, method.reflected

    def operator(self: Any, *others: Any) -> Any:
        if len(others) == 1:
            (other,) = others
            if type(other) in (type(self), float, int):
                return self.apply(op, (other, self) if is_reflected else (self, other))
        return call(self, *others)

    return _called_like(op, operator)


# Recording


def _unary(op: Op) -> Callable[[Value], Value]:
    scalar = op.scalar

    def record(self: Value) -> Value:
        x = self._data
        try:
            data = scalar(x)
        except NO_VALUE as error:
            raise op.complaint(error, [self]) from None
        node = new(Value)
        node._data = data if type(data) is float else number(data)
        node.grad, node.op = 0.0, op
        node.left, node.x, node.branched = self, x, 0
        node.right = node.y = node.label = None
        return node

    return _called_like(op, record)


def _binary(op: Op) -> Callable[..., Any]:
    scalar = op.scalar

    def record(self: Value, other: Any) -> Any:
        if type(other) is not Value:
            other = _operand(other)
            if other is NotImplemented:
                return NotImplemented
        x, y = self._data, other._data
        try:
            data = scalar(x, y)
        except NO_VALUE as error:
            raise op.complaint(error, [self, other]) from None
        node = new(Value)
        node._data = data if type(data) is float else number(data)
        node.grad, node.op = 0.0, op
        node.left, node.right, node.branched = self, other, 0
        node.x, node.y, node.label = x, y, None
        return node

    return _called_like(op, record)


def _called_like(op: Op, record: Callable[..., Any]) -> Callable[..., Any]:
    """`record`, by the operation's name in tracebacks."""
    record.__name__ = record.__qualname__ = op.name
    return record


def _reflected(op: Op) -> Callable[[Value, Any], Any]:
    record = _binary(op)

    def reflected(self: Value, other: Any) -> Any:
        other = _operand(other)
        return other if other is NotImplemented else record(other, self)

    return reflected


def _operand(x: Any) -> Any:
    """What stands beside a Value in an operator: a Value as it is, a number as a constant."""
    kind = type(x)
    if kind is float or kind is int:
        return node_of(number(x), constant, (), ())
    if isinstance(x, Value):
        return x
    # Another kind of operand is of a higher rank: its own operator decides.
    return constant_of(x) if is_scalar(x) and not isinstance(x, Operand) else NotImplemented


def _with_modulus(power: Callable[[Value, Any], Any]) -> Callable[..., Any]:
    """`__pow__`, which Python's pow(x, y, modulus) calls with three arguments."""

    def __pow__(self: Value, other: Any, *modulus: Any) -> Any:  # noqa: N807
        return Method("pow").call(self, other, *modulus) if modulus else power(self, other)

    return __pow__


# Sweeping: all terms of a node are computed before one is added, so that a rule may raise.


def _pull_of(op: Op) -> Callable[[Any], None]:
    """`Op.pull` for the shape of this operation's rules."""
    general: Callable[[Any], None] = functools.partial(_pull_in_general, op)
    takes_t = op.term_rules is not None
    rules = op.partials if op.term_rules is None else op.term_rules
    if not isinstance(rules, tuple):
        return _pull_all(general, _at_floats(rules), takes_t=takes_t)
    if rules in ((1.0, 1.0), (1.0, -1.0)):
        return _pull_sum(rules[1])
    if not (len(rules) <= 2 and all(map(callable, rules))):
        return general
    at_floats = [_at_floats(rule) for rule in rules]  # type: ignore[arg-type]
    if len(rules) == 2 and _crosswise(*at_floats):
        return _pull_product
    return (_pull_one if len(rules) == 1 else _pull_two)(general, *at_floats, takes_t=takes_t)


def _at_floats(rule: Rule) -> Rule:
    """A rule of the table with functions of floats for operations: its cos is math.cos itself."""
    if not isinstance(rule, types.FunctionType) or rule.__module__ != ops.__name__:
        return rule  # what a rule of a user's names may change
    code, closure = rule.__code__, rule.__closure__
    return types.FunctionType(code, _names_at_floats(), rule.__name__, rule.__defaults__, closure)


@functools.cache
def _names_at_floats() -> dict[str, Any]:
    return {name: _function_of_floats(x) for name, x in vars(ops).items()}


def _function_of_floats(x: Any) -> Any:
    if not isinstance(x, Op):
        return x
    return (lambda *lists: x.scalar(*itertools.chain(*lists))) if x.lists else x.scalar


def _crosswise(first: Rule, second: Rule) -> bool:
    """Whether the partials are the other argument each, as those of a product are."""
    x, y = object(), object()
    try:
        return first(None, x, y) is y and second(None, x, y) is x
    except TypeError:
        return False


def _pull_sum(sign: float) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
        left, right, adjoint = node.left, node.right, node.grad
        if left.op is not constant:
            left.grad += adjoint
        if right.op is not constant:
            right.grad += sign * adjoint

    return pull


def _pull_product(node: Any) -> None:
    left, right, adjoint = node.left, node.right, node.grad
    if left.op is not constant:
        left.grad += adjoint * node.y
    if right.op is not constant:
        right.grad += adjoint * node.x


def _pull_one(
    general: Callable[[Any], None], rule: Rule, *, takes_t: bool
) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
        left = node.left
        if left.op is constant:
            return
        try:
            if takes_t:
                term = rule(node.grad, node._data, node.x)
            else:
                term = node.grad * rule(node._data, node.x)
        except NO_TERM:
            general(node)
        else:
            left.grad += term

    return pull


def _pull_two(
    general: Callable[[Any], None], first: Rule, second: Rule, *, takes_t: bool
) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
        left, right, adjoint = node.left, node.right, node.grad
        out, x, y = node._data, node.x, node.y
        p = q = None
        try:
            if left.op is not constant:
                p = first(adjoint, out, x, y) if takes_t else adjoint * first(out, x, y)
            if right.op is not constant:
                q = second(adjoint, out, x, y) if takes_t else adjoint * second(out, x, y)
        except NO_TERM:
            general(node)
            return
        if p is not None:
            left.grad += p
        if q is not None:
            right.grad += q

    return pull


def _pull_all(
    general: Callable[[Any], None], rule: Rule, *, takes_t: bool
) -> Callable[[Any], None]:
    def pull(node: Any) -> None:
        adjoint = node.grad
        try:
            if takes_t:
                terms = [*rule(adjoint, node._data, *node.x)]
            else:
                terms = [adjoint * partial for partial in rule(node._data, *node.x)]
            if len(terms) != len(node.left):
                raise TypeError
        except NO_TERM:
            general(node)
        else:
            for arg, term in zip(node.left, terms, strict=True):
                if arg.op is not constant:
                    arg.grad += term

    return pull
