"""The derivative of a function as a function: `value_and_grad`, and `grad` of a function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..checks import number
from ..value import Value, topological_order
from .graphs import gradients

Function = Callable[..., Any]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives the value of `f` and its derivative, with the arguments of `f`.

    The derivative is that for the first argument, or for those in `argnums`, then in a tuple. An
    argument may be a number, or a list, a tuple, a dict or an array of numbers: the derivative is
    of the same form.

    >>> value_and_grad(lambda w, x: w * w * x)(3.0, 2.0)
    (18.0, 12.0)
    >>> value_and_grad(lambda w: w[0] * w[1])([3.0, 2.0])
    (6.0, [2.0, 3.0])

    Numbers give numbers. Where the arguments or what else `f` uses are Values, so are the results,
    which can be differentiated again: so such functions nest. Raises TypeError if `f` does not give
    one number.
    """
    return _derived("value_and_grad", f, argnums, lambda value, slopes: (value, slopes))


def grad_of(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that gives the derivative of `f`: what `grad` of a function is."""
    return _derived("grad", f, argnums, lambda value, slopes: slopes)


def _derived(
    name: str, f: Function, argnums: int | Sequence[int], result: Callable[[Any, Any], Any]
) -> Function:
    chosen = list(argnums) if isinstance(argnums, Sequence) else [argnums]

    def derived(*args: Any, **options: Any) -> Any:
        leaves: list[Value] = []

        def variable(x: Any) -> Value:
            leaves.append(_variable(name, x))
            return leaves[-1]

        given = list(args)
        for i in chosen:
            if not 0 <= i < len(args):
                raise TypeError(
                    f"{name}: expected argument {i} to differentiate for, got {len(args)} arguments"
                )
            given[i] = _each(variable, args[i])
        value, slopes = _differentiated(name, f(*given, **options), leaves)
        following = iter(slopes)
        found = tuple(_each(lambda x: next(following), args[i]) for i in chosen)
        return result(value, found if isinstance(argnums, Sequence) else found[0])

    return derived


def _variable(name: str, x: Any) -> Value:
    # A node of its own: a Value given for two arguments, or used inside, is not this variable.
    if isinstance(x, Value):
        return 1.0 * x
    try:
        return Value(x)
    except TypeError:
        raise TypeError(
            f"{name}: expected numbers or Values to differentiate for, got {x!r}"
        ) from None


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    """What a function makes of each number in `x`, in the form of `x`."""
    if isinstance(x, dict):
        return {key: _each(function, each) for key, each in x.items()}
    if isinstance(x, list | tuple):
        return type(x)([_each(function, each) for each in x])
    if getattr(x, "shape", ()):
        import numpy as np

        found = [function(each) for each in x.ravel()]
        kind = object if any(isinstance(each, Value) for each in found) else float
        return np.array(found, kind).reshape(x.shape)
    return function(x)


def _differentiated(name: str, output: Any, leaves: list[Value]) -> tuple[Any, list[Any]]:
    """The value and the derivatives for the leaves: numbers, Values if there are other leaves."""
    if not isinstance(output, Value):
        try:
            return number(output), [0.0] * len(leaves)
        except TypeError:
            got = f"got {output!r}"
            raise TypeError(f"{name}: expected a function that gives one number, {got}") from None
    own = set(leaves)
    if any(node.op is None and node not in own for node in topological_order(output)):
        return output, gradients(name, [output], leaves, {})[0]
    output.backward()
    return output.data, [leaf.grad for leaf in leaves]
