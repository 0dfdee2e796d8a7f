"""Derivatives of graphs as graphs: `grad`, and with it any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from ..op import Operand
from ..ops import dot, stop_gradient
from ..support.checks import listed
from ..value import Value, constant_of
from .functions import Function, gradient_function
from .graphs import Memo, gradients

Values = Sequence[Value]


@overload
def grad(output: Value, inputs: Values) -> Any: ...
@overload
def grad(output: Function, *, argnums: int | Sequence[int] = 0) -> Function: ...
def grad(output: Any, inputs: Any = None, *, argnums: int | Sequence[int] = 0) -> Any:
    """Of a Value, ∂output/∂input for each of `inputs`; of a function, its derivative as a function.

    Of a Value, the results are Values, which can be differentiated again; no `grad` is touched. An
    input may be any node; one that the output does not depend on gives 0. Of an array of Values, an
    array of its shape. The graph is simplified as it is made: structural 0 and 1, constants folded,
    a shared part made once.

    >>> x = Value(3.0)
    >>> (first,) = grad(x**3, [x])
    >>> (second,) = grad(first, [x])
    >>> first, second
    (Value(27.0), Value(18.0))

    Of a function, `grad(f)` takes the arguments of f; the derivative is that for the first of them,
    or for those in `argnums` (see `value_and_grad`).

    >>> grad(lambda x: x**3)(3.0), grad(grad(lambda x: x**3))(3.0)
    (27.0, 18.0)

    Raises TypeError if `output` is neither or an input is no Value, ValueError if a leaf's `data`
    was changed since recording.
    """
    if callable(output):
        if inputs is not None:
            call = f"grad(f)({inputs!r}), or with argnums= the argument to differentiate for"
            raise TypeError(f"grad: of a function it gives a function; write {call}")
        return gradient_function(output, argnums)
    xs = _values("grad", [] if inputs is None else inputs)
    if not isinstance(output, Value):
        kind = type(output).__name__
        raise TypeError(f"grad: expected a Value to differentiate, got {kind}")
    if inputs is None:
        raise TypeError("grad: expected Values to differentiate for; write grad(output, [x])")
    return _shaped(gradients("grad", [output], xs, {})[0], (inputs, xs))


def jacobian(outputs: Values, inputs: Values) -> Any:
    """∂output/∂input, a row for each output.

    >>> x, y = Value(2.0), Value(3.0)
    >>> jacobian([x * y, x + y], [x, y])
    [[Value(3.0), Value(2.0)], [Value(1.0), Value(1.0)]]

    Of arrays of Values, an array of the outputs' shape and then the inputs'. Where there are fewer
    inputs than outputs, one walk forth for each input takes the place of one walk back for each
    output.
    """
    ys, xs = _values("jacobian", outputs), _values("jacobian", inputs)
    return _shaped(gradients("jacobian", ys, xs, {}), (outputs, ys), (inputs, xs))


def hessian(output: Value, inputs: Values) -> Any:
    """∂²output/∂input∂input, square.

    >>> x, y = Value(2.0), Value(3.0)
    >>> hessian(x * x * y, [x, y])
    [[Value(6.0), Value(4.0)], [Value(4.0), Value(0.0)]]
    """
    memo: Memo = {}
    (output,), xs = _values("hessian", [output]), _values("hessian", inputs)
    (first,) = gradients("hessian", [output], xs, memo)
    return _shaped(gradients("hessian", first, xs, memo), (inputs, xs), (inputs, xs))


def hvp(output: Value, inputs: Values, vector: Sequence[Value | float]) -> Any:
    """The Hessian times a vector, without the Hessian: the gradient of gradient times vector.

    >>> x, y = Value(2.0), Value(3.0)
    >>> hvp(x * x * y, [x, y], [1.0, 10.0])
    [Value(46.0), Value(4.0)]

    Raises ValueError if the vector's length is not that of `inputs`.
    """
    memo: Memo = {}
    (output,), xs = _values("hvp", [output]), _values("hvp", inputs)
    direction = listed(vector)
    if len(direction) != len(xs):
        raise ValueError(f"hvp: expected a vector of {len(xs)} numbers, got {len(direction)}")
    (first,) = gradients("hvp", [output], xs, memo)
    # A number 0 is no change at all: times an infinite derivative it would be nan.
    pairs = [(g, v) for g, v in zip(first, direction, strict=True) if isinstance(v, Value) or v]
    product = dot([g for g, _ in pairs], [stop_gradient(v) for _, v in pairs])
    if not isinstance(product, Value):  # nothing changes
        product = constant_of(product)
    return _shaped(gradients("hvp", [product], xs, memo)[0], (inputs, xs))


def _values(name: str, given: Any) -> list[Value]:
    if isinstance(given, Value):
        raise TypeError(f"{name}: expected a sequence of Values, got one Value; put it in a list")
    nodes = listed(given)
    for node in nodes:
        if callable(node):
            what = "a function; give what it gives for Values"
            raise TypeError(f"{name}: expected Values, got {what}")
        if not isinstance(node, Value):
            is_walk = isinstance(node, Operand)
            advice = "; within jvp, taylor and vectorize write grad(f)(x)" if is_walk else ""
            raise TypeError(f"{name}: expected Values, got {type(node).__name__}{advice}")
    return nodes


def _shaped(found: Any, *axes: tuple[Any, Values]) -> Any:
    """Nested lists, an axis for what was given as nodes; an array of its shapes if one is given."""
    if not any(hasattr(given, "shape") for given, _ in axes):
        return found
    import numpy as np

    shapes = [getattr(given, "shape", (len(nodes),)) for given, nodes in axes]
    return np.array(found, object).reshape([n for shape in shapes for n in shape])
