"""Functions of sequences, built from the table alone: softmax and its family, losses, the mean.

Every shift by the maximum is a node of the graph, `stop_gradient(maximum(...))`, so a compiled
program computes it anew at each point. With numbers alone the results are floats.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from . import accurate
from .op import RESERVED, Operand, declare
from .ops import (
    abs,
    dot,
    equal,
    exp,
    exp_difference,
    hypot,
    less,
    log1p,
    maximum,
    minimum,
    mul,
    relu,
    softplus,
    stop_gradient,
    sum,
    where,
)
from .support.checks import number
from .value import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Scalar = Operand | float


def _logsumexp(*xs: float) -> float:
    if not xs:
        raise ValueError
    return accurate.logsumexp(xs)


def _finite_shift(peak: Any) -> Any:
    return where(less(abs(peak), math.inf), peak, 0.0)


def _logsumexp_of_arrays(*xs: Any) -> Any:
    peak = maximum(*xs)
    shift, peaks = _finite_shift(peak), [equal(x, peak) for x in xs]
    others = sum([exp(x - shift) - is_peak for x, is_peak in zip(xs, peaks, strict=True)])
    return shift + log1p(others + (sum(peaks) - 1))


def _softmax_rule(out: Any, *xs: Any) -> list[Any]:
    shift = _finite_shift(stop_gradient(maximum(*xs)))
    powers = [exp_difference(x, shift) for x in xs]
    total = sum(powers)
    return [power / (total + equal(total, 0)) for power in powers]  # each 0 where all xs are -inf


logsumexp = declare(
    "logsumexp", _logsumexp, _softmax_rule, array=_logsumexp_of_arrays,
    textbook=lambda out, *xs: [exp(x - out) for x in xs],
    lists=1, domain="at least one number",
)  # fmt: skip
"""log Σ exp(x) of a sequence, without overflow; -inf where all are -inf, inf where one is.

>>> logsumexp([1000.0, 1000.0])
1000.6931471805599
"""

norm = declare(
    "norm", math.hypot,
    lambda out, *xs: [where(equal(out, 0), 0.0, x / (out + equal(out, 0))) for x in xs],
    array=lambda *xs: functools.reduce(hypot, xs, 0.0),
    textbook=lambda out, *xs: [x / out for x in xs], lists=1,
)  # fmt: skip
"""The length √Σ x² of a sequence, without overflow, 0 of none; at 0 its derivatives are 0.

>>> norm([3.0, 4.0]), norm([1e200, 0.0])
(5.0, 1e+200)
"""
RESERVED.update(("logsumexp", "norm"))


def _peak(name: str, xs: Sequence[Scalar]) -> Any:
    """The maximum to shift by, a node, for the function of that name."""
    peak = stop_gradient(maximum(*xs))
    number = peak.data if isinstance(peak, Value) else peak  # other operands have none to look at
    if isinstance(number, float) and math.isinf(number):
        raise ValueError(
            f"{name}: the largest of the numbers is {number!r}, which leaves nothing to share out"
        )
    return peak


def softmax(xs: Iterable[Scalar], *others: Any) -> list[Any]:
    """exp(x) / Σ exp(x) for each x, shifted by the maximum.

    >>> softmax([1000.0, 1000.0]), softmax([-math.inf, 0.0])
    ([0.5, 0.5], [0.0, 1.0])

    Raises ValueError if the sequence is empty or its maximum infinite.
    """
    xs = _listed("softmax", xs, others, least=1)
    peak = _peak("softmax", xs)
    powers = [exp_difference(x, peak) for x in xs]
    total = sum(powers)
    return [power / total for power in powers]


def log_softmax(xs: Iterable[Scalar], *others: Any) -> list[Any]:
    """The logarithms of `softmax`, accurate where it is 0 or 1.

    >>> log_softmax([0.0, 1000.0]), log_softmax([0.0, -40.0])[0]
    ([-1000.0, 0.0], -4.248354255291589e-18)

    Raises ValueError if the sequence is empty or its maximum infinite.
    """
    xs = _listed("log_softmax", xs, others, least=1)
    peak = _peak("log_softmax", xs)
    shifted = [x - peak for x in xs]
    total = logsumexp(shifted)
    return [x - total for x in shifted]


def cross_entropy(logits: Iterable[Any], target: Any, reduction: str = "mean") -> Any:
    """-Σ target · log_softmax(logits), in nats; the target is a class or a probability for each.

    Of a sequence of logits for each point and a sequence of their targets, the mean or the sum.

    >>> cross_entropy([1000.0, 0.0], 1), cross_entropy([0.0, 0.0], [0.5, 0.5])
    (1000.0, 0.6931471805599453)

    Probabilities may be Values, so that a compiled program can take them as inputs. A number 0
    among them takes its class out of the sum, even at a logit of -inf. Raises TypeError for a
    target that is neither, ValueError for an index out of range, a wrong number of probabilities or
    a negative one.
    """
    logits = _listed("cross_entropy", logits, least=1)
    if _is_list(logits[0]):
        return _reduced(cross_entropy, logits, target, reduction)
    peak = _peak("cross_entropy", logits)
    shifted = [x - peak for x in logits]
    if _is_list(target):
        return _to_probabilities(shifted, list(target))
    if isinstance(target, bool) or not hasattr(target, "__index__"):
        raise TypeError(
            f"cross_entropy: expected a class index or a sequence of probabilities, got {target!r}"
        )
    if not 0 <= target < len(shifted):
        raise ValueError(
            f"cross_entropy: expected a class from 0 to {len(shifted) - 1}, got {target}"
        )
    return logsumexp(shifted) - shifted[target]


def _to_probabilities(shifted: Sequence[Any], target: Sequence[Any]) -> Any:
    """The cross-entropy of logits whose maximum is 0 to a probability for each."""
    if len(target) != len(shifted):
        raise ValueError(f"cross_entropy: expected {len(shifted)} probabilities, got {len(target)}")
    if any(not isinstance(p, Operand) and p < 0 for p in target):
        raise ValueError(f"cross_entropy: expected probabilities >= 0, got {target}")
    total = logsumexp(shifted)
    pairs = zip(target, shifted, strict=True)
    terms = [(p, total - x) for p, x in pairs if isinstance(p, Operand) or p != 0]
    return dot([p for p, _ in terms], [x for _, x in terms])


def binary_cross_entropy(logit: Any, target: Any, reduction: str = "mean") -> Any:
    """-y log σ(z) - (1-y) log(1-σ(z)) of a logit z and a probability y, in nats.

    Of a sequence of logits and one of their targets, the mean or the sum.

    >>> binary_cross_entropy(1000.0, 0), binary_cross_entropy([0.0, 0.0], [0, 1])
    (1000.0, 0.6931471805599453)

    Raises ValueError for a probability outside 0 to 1, and for sequences of different lengths.
    """
    if _is_list(logit):
        return _reduced(binary_cross_entropy, logit, target, reduction)
    given = target.data if isinstance(target, Value) else target
    if not isinstance(given, Operand) and not 0 <= given <= 1:
        raise ValueError(f"binary_cross_entropy: expected a target from 0 to 1, got {target!r}")
    return target * softplus(-logit) + (1 - target) * softplus(logit)


def mean_squared_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """(prediction - target)²; of two sequences the mean or the sum.

    >>> mean_squared_error([1.0, 2.0], [1.0, 4.0], reduction="sum")
    4.0

    Raises ValueError for sequences of different lengths.
    """
    if _is_list(prediction):
        return _reduced(mean_squared_error, prediction, target, reduction)
    return (prediction - target) ** 2


def hinge(score: Any, target: Any, reduction: str = "mean") -> Any:
    """max(0, 1 - score·target) for a target of -1 or 1; of two sequences the mean or the sum.

    >>> hinge(0.25, 1), hinge([3.0, 3.0], [1, -1])
    (0.75, 2.0)

    Raises ValueError for another target, and for sequences of different lengths.
    """
    if _is_list(score):
        return _reduced(hinge, score, target, reduction)
    if not isinstance(target, Operand) and target not in (-1, 1):
        raise ValueError(f"hinge: expected a target of -1 or 1, got {target!r}")
    return relu(1.0 - score * target)


def mean(xs: Iterable[Scalar], *others: Any) -> Any:
    """The arithmetic mean.

    >>> mean([1.0, 2.0, 6.0]), mean(x * x for x in (1.0, 3.0))
    (3.0, 5.0)

    Raises ValueError if the sequence is empty.
    """
    xs = _listed("mean", xs, others, least=1)
    return sum(xs) / len(xs)


def prod(xs: Iterable[Scalar], *others: Any) -> Any:
    """The product, 1 of none.

    >>> prod([2.0, 3.0, 4.0]), prod([])
    (24.0, 1.0)
    """
    return functools.reduce(mul, _listed("prod", xs, others), 1.0)


def clip(x: Scalar, low: Scalar, high: Scalar) -> Any:
    """`x`, but `low` below it and `high` above it: min(max(x, low), high).

    >>> [clip(x, 0.0, 1.0) for x in (-2.0, 0.25, 7.0)]
    [0.0, 0.25, 1.0]

    At a bound itself half of the derivative goes to `x`, as of any maximum at a tie. Raises
    ValueError if the bounds are numbers and `low` is above `high`.
    """
    if not (isinstance(low, Operand) or isinstance(high, Operand)) and low > high:
        raise ValueError(f"clip: expected low <= high, got {low!r} and {high!r}")
    return minimum(maximum(x, low), high)


def argmax(xs: Iterable[Scalar], *others: Any) -> int:
    """The index of the largest, the first of several; a nan is the largest, as in NumPy.

    >>> argmax([Value(1.0), Value(3.0), Value(3.0)])
    1

    An index has no derivative, and none is recorded. Raises ValueError if the sequence is empty.
    """
    xs = _listed("argmax", xs, others, least=1)
    if any(isinstance(x, Operand) and not isinstance(x, Value) for x in xs):
        raise TypeError("argmax: an index cannot be followed to other points; use maximum or where")
    numbers = [x.data if isinstance(x, Value) else number(x) for x in xs]
    return max(range(len(xs)), key=lambda i: (numbers[i] != numbers[i], numbers[i], -i))


def _listed(name: str, xs: Any, others: Sequence[Any] = (), least: int = 0) -> list[Any]:
    """The numbers that a function of one sequence was called with."""
    if others or isinstance(xs, Operand) or not hasattr(xs, "__iter__"):
        got = f"{1 + len(others)} arguments" if others else type(xs).__name__
        raise TypeError(f"{name}: expected one sequence, got {got}; write {name}([x, y])")
    numbers = list(xs)
    if len(numbers) < least:
        raise ValueError(f"{name}: expected at least one number, got none")
    return numbers


def _is_list(x: Any) -> bool:
    """Whether it is a sequence of numbers; arrays without axes have `__len__` and are none."""
    is_one = isinstance(x, Operand | str) or getattr(x, "shape", None) == ()
    return not is_one and hasattr(x, "__iter__")


def _reduced(
    loss: Callable[[Any, Any], Any], outputs: Iterable[Any], targets: Any, reduction: str
) -> Any:
    name, outputs = loss.__name__, list(outputs)
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{name}: expected 'mean' or 'sum' as the reduction, got {reduction!r}")
    if not _is_list(targets):
        raise ValueError(f"{name}: expected {len(outputs)} targets, got {targets!r}")
    if len(outputs) != len(targets := list(targets)):
        raise ValueError(f"{name}: expected {len(outputs)} targets, got {len(targets)}")
    losses = list(map(loss, outputs, targets))
    return sum(losses) if reduction == "sum" else mean(losses)
