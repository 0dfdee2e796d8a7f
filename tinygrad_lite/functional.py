"""Functions of sequences of Values or numbers: softmax and its family, losses, the mean. Built from the table alone.

Every shift by the maximum is a node of the graph, `stop_gradient(maximum(...))`, so a compiled program computes it
anew at each point. With numbers alone the results are floats.
"""

from __future__ import annotations

import math

from .op import RESERVED, declare
from .ops import abs, dot, equal, exp, exp_difference, less, log1p, maximum, relu, softplus, stop_gradient, sum, where
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Scalar = Value | float


def _logsumexp(*xs: float) -> float:
    if not xs:
        raise ValueError
    peak: float = maximum(*xs)
    if not -math.inf < peak < math.inf:
        return peak
    # The largest term is exactly 1: log1p keeps what the others add to it.
    return peak + math.log1p(math.fsum(sorted(math.exp(x - peak) for x in xs)[:-1]))


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
    "logsumexp",
    _logsumexp,
    _softmax_rule,
    _logsumexp_of_arrays,
    textbook=lambda out, *xs: [exp(x - out) for x in xs],
    lists=1,
    domain="at least one number",
)
"""log Σ exp(x) of a sequence, without overflow; -inf where all are -inf, inf where one is.

>>> logsumexp([1000.0, 1000.0])
1000.6931471805599
"""
RESERVED.add("logsumexp")


def _peak(name: str, xs: Sequence[Scalar]) -> Any:
    """The maximum to shift by, a node, for the function of that name."""
    if not len(xs):
        raise ValueError(f"{name}: expected at least one number, got none")
    peak = stop_gradient(maximum(*xs))
    number = peak.data if isinstance(peak, Value) else peak
    if math.isinf(number):
        raise ValueError(f"{name}: the largest of the numbers is {number!r}, which leaves nothing to share out")
    return peak


def softmax(xs: Sequence[Scalar]) -> list[Any]:
    """exp(x) / Σ exp(x) for each x, shifted by the maximum.

    >>> softmax([1000.0, 1000.0]), softmax([-math.inf, 0.0])
    ([0.5, 0.5], [0.0, 1.0])

    Raises ValueError if the sequence is empty or its maximum infinite.
    """
    peak = _peak("softmax", xs)
    powers = [exp_difference(x, peak) for x in xs]
    total = sum(powers)
    return [power / total for power in powers]


def log_softmax(xs: Sequence[Scalar]) -> list[Any]:
    """The logarithms of `softmax`, accurate where it is 0 or 1.

    >>> log_softmax([0.0, 1000.0]), log_softmax([0.0, -40.0])[0]
    ([-1000.0, 0.0], -4.248354255291589e-18)

    Raises ValueError if the sequence is empty or its maximum infinite.
    """
    peak = _peak("log_softmax", xs)
    shifted = [x - peak for x in xs]
    total = logsumexp(shifted)
    return [x - total for x in shifted]


def cross_entropy(logits: Sequence[Any], target: Any, reduction: str = "mean") -> Any:
    """-Σ target · log_softmax(logits), in nats; the target is a class index or a probability for each class.

    Of a sequence of logits for each point and a sequence of their targets, the mean or the sum.

    >>> cross_entropy([1000.0, 0.0], 1), cross_entropy([0.0, 0.0], [0.5, 0.5])
    (1000.0, 0.6931471805599453)

    Probabilities may be Values, so that a compiled program can take them as inputs. A number 0 among them takes its
    class out of the sum, even at a logit of -inf. Raises TypeError for a target that is neither, ValueError for an
    index out of range, a wrong number of probabilities or a negative one.
    """
    if len(logits) and _is_list(logits[0]):
        return _reduced(cross_entropy, logits, target, reduction)
    peak = _peak("cross_entropy", logits)
    shifted = [x - peak for x in logits]
    if _is_list(target):
        if len(target) != len(shifted):
            raise ValueError(f"cross_entropy: expected {len(shifted)} probabilities, got {len(target)}")
        if any(not isinstance(p, Value) and p < 0 for p in target):
            raise ValueError(f"cross_entropy: expected probabilities >= 0, got {list(target)}")
        total = logsumexp(shifted)
        terms = [(p, total - x) for p, x in zip(target, shifted, strict=True) if isinstance(p, Value) or p != 0]
        return dot([p for p, _ in terms], [x for _, x in terms])
    if isinstance(target, bool) or not hasattr(target, "__index__"):
        raise TypeError(f"cross_entropy: expected a class index or a sequence of probabilities, got {target!r}")
    if not 0 <= target < len(shifted):
        raise ValueError(f"cross_entropy: expected a class from 0 to {len(shifted) - 1}, got {target}")
    return logsumexp(shifted) - shifted[target]


def binary_cross_entropy(logit: Any, target: Any, reduction: str = "mean") -> Any:
    """-y log σ(z) - (1-y) log(1-σ(z)) of a logit z and a probability y, in nats; of two sequences the mean or sum.

    >>> binary_cross_entropy(1000.0, 0), binary_cross_entropy([0.0, 0.0], [0, 1])
    (1000.0, 0.6931471805599453)

    Raises ValueError for a probability outside 0 to 1, and for sequences of different lengths.
    """
    if _is_list(logit):
        return _reduced(binary_cross_entropy, logit, target, reduction)
    if not isinstance(target, Value) and not 0 <= target <= 1:
        raise ValueError(f"binary_cross_entropy: expected a target from 0 to 1, got {target!r}")
    return target * softplus(-logit) + (1 - target) * softplus(logit)


def mean_squared_error(prediction: Any, target: Any, reduction: str = "mean") -> Any:
    """(prediction - target)²; of two sequences the mean or the sum.

    >>> mean_squared_error([1.0, 2.0], [1.0, 4.0]), mean_squared_error([1.0, 2.0], [1.0, 4.0], reduction="sum")
    (2.0, 4.0)

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
    if not isinstance(target, Value) and target not in (-1, 1):
        raise ValueError(f"hinge: expected a target of -1 or 1, got {target!r}")
    return relu(1.0 - score * target)


def _is_list(x: Any) -> bool:
    """Whether it is a sequence of numbers, not one of them: arrays without axes have `__len__` too."""
    return hasattr(x, "__len__") and getattr(x, "shape", None) != () and not isinstance(x, str)


def _reduced(loss: Callable[[Any, Any], Any], outputs: Sequence[Any], targets: Sequence[Any], reduction: str) -> Any:
    name = loss.__name__
    if reduction not in ("mean", "sum"):
        raise ValueError(f"{name}: expected 'mean' or 'sum' as the reduction, got {reduction!r}")
    if not _is_list(targets) or len(outputs) != len(targets):
        got = len(targets) if _is_list(targets) else repr(targets)
        raise ValueError(f"{name}: expected {len(outputs)} targets, got {got}")
    losses = [loss(output, target) for output, target in zip(outputs, targets, strict=True)]
    return sum(losses) if reduction == "sum" else mean(losses)


def mean(xs: Sequence[Scalar]) -> Any:
    """The arithmetic mean.

    >>> mean([1.0, 2.0, 6.0])
    3.0

    Raises ValueError if the sequence is empty.
    """
    if not len(xs):
        raise ValueError("mean: expected at least one number, got none")
    return sum(xs) / len(xs)
