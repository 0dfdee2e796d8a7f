"""Functions of floats that need care, each with its source."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

SLOPE_OF_ERF = 2 / math.sqrt(math.pi)
"""erf'(0)."""
_SPLITTER = 134217729.0  # 2^27 + 1
_LOG_OF_LEAST = 746.0  # e^-746 is 0


def power(x: float, y: float) -> float:
    """x**y; inf where it overflows, as x*x is: the derivative of x² may still be ordinary."""
    try:
        out: float | complex = x**y
    except OverflowError:
        if x < 0 and y % 1:
            raise ValueError from None
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    if isinstance(out, complex):
        raise ValueError
    return out


def xlogy(x: float, y: float) -> float:
    """x·log(y), and 0 at x = 0 whatever y >= 0 is, as in information theory."""
    if x == 0 and y >= 0:
        return 0.0
    return x * math.log(y)


def floor(x: float) -> float:
    """The largest whole number that is not above x, a float; of inf and nan themselves."""
    return float(math.floor(x)) if math.isfinite(x) else x


def sigmoid(x: float) -> float:
    """1/(1 + e^-x), without overflow."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


def silu(x: float) -> float:
    """x·σ(x); where e^x is subnormal, through e^(x + 37): e^-37 is all but a float."""
    if x < -700:
        return x * math.exp(x + 37) * _E_TO_MINUS_37
    return x / (1 + math.exp(-x))


_E_TO_MINUS_37 = 8.533047625744066e-17


def softplus(x: float) -> float:
    """log(1 + e^x), without overflow and without a threshold."""
    return max(x, 0.0) + math.log1p(math.exp(-math.fabs(x)))


def sech_squared(x: float) -> float:
    """1/cosh(x)², without overflow."""
    if math.fabs(x) > _LOG_OF_LEAST / 2:
        return 0.0
    sech = 1 / math.cosh(x)
    return sech * sech


def extremum(best: Callable[..., float]) -> Callable[..., float]:
    """`max` or `min` of floats that is nan where one of them is."""
    return lambda *xs: math.nan if any(x != x for x in xs) else best(xs)


def exp_difference(x: float, y: float) -> float:
    """e^(x - y) with what x - y lost in rounding (Knuth's TwoSum): it would cost up to 30 ulp."""
    difference = x - y
    part = difference - x
    lost = (x - (difference - part)) - (y + part)
    # lost is nan where an infinity is involved.
    return math.exp(difference) * (1 + lost if lost == lost else 1.0)


def square_tail(x: float, square: float) -> float:
    """What the rounded square of x lacks, exactly (Dekker 1971, splitting x in two halves)."""
    head = _SPLITTER * x
    head -= head - x
    tail = x - head
    return ((head * head - square) + 2 * head * tail) + tail * tail


def gaussian(x: float) -> float:
    """e^(-x²) through the exact square: its rounding alone would cost 300 ulp at x = 26."""
    square = x * x
    if not square < _LOG_OF_LEAST:
        return math.exp(-square)
    return math.exp(-square) * (1 - square_tail(x, square))


def norm_pdf(x: float) -> float:
    """The density of the normal distribution, e^(-x²/2)/√(2π), through the exact square."""
    square = x * x
    if not square < 2 * _LOG_OF_LEAST:
        return math.exp(-square / 2)
    return math.exp(-square / 2) * (1 - square_tail(x, square) / 2) / math.sqrt(2 * math.pi)


def norm_cdf(x: float) -> float:
    """The normal distribution up to x, erfc(-x/√2)/2, with what -x/√2 lost in rounding.

    The tail is as steep as e^(-x²/2): at -38 the rounding of the argument would cost 700 ulp.
    """
    z = -x * ROOT_HALF
    if not abs(x) < 40:
        return erfc(z) / 2
    lost = -x * ROOT_HALF_REST + product_tail(-x, ROOT_HALF, z)
    return (erfc(z) - SLOPE_OF_ERF * gaussian(z) * lost) / 2


ROOT_HALF = 0.7071067811865476
ROOT_HALF_REST = -4.833646656726457e-17
"""√½ in two parts."""


def product_tail(x: float, y: float, product: float) -> float:
    """What the rounded product of x and y lacks (Dekker's product)."""
    x_head = _SPLITTER * x
    x_head -= x_head - x
    x_tail = x - x_head
    y_head = _SPLITTER * y
    y_head -= y_head - y
    y_tail = y - y_head
    return ((x_head * y_head - product) + x_head * y_tail + x_tail * y_head) + x_tail * y_tail


def erfc(x: float) -> float:
    """1 - erf(x); near 1 by a series, where the C library's subtraction costs up to 2.7 ulp."""
    if not 0.84375 <= x < 1.25:
        return math.erfc(x)
    s = x - 1.0
    series = 0.0
    for coefficient in reversed(_ERFC_AT_1):
        series = series * s + coefficient
    # erfc(1) in two parts.
    return 0.15729920705028513 - (s * series + 2.954563826510312e-18)


def _series_of_erfc(terms: int = 25) -> list[float]:
    """The series of 2/√π·e^(-(1+s)²), integrated.

    By its differential equation, c[k] of e^(-(1+s)²) has (k+1) c[k+1] = -2 c[k] - 2 c[k-1].
    """
    c = [0.0, math.exp(-1.0)]
    for k in range(terms):
        c.append((-2 * c[-1] - 2 * c[-2]) / (k + 1))
    return [SLOPE_OF_ERF * x / (k + 1) for k, x in enumerate(c[1:])]


_ERFC_AT_1 = _series_of_erfc()


def dot(*args: float) -> float:
    """Σ w·x, of all w and then all x."""
    half = len(args) // 2
    return sum(map(operator.mul, args[:half], args[half:]), 0.0)


def logsumexp(xs: Sequence[float]) -> float:
    """log Σ e^x, shifted by the maximum; -inf where all are -inf, inf where one is."""
    peak = extremum(max)(*xs)
    if not -math.inf < peak < math.inf:
        return peak
    # The largest term is exactly 1: log1p keeps what the others add to it.
    others = sorted(math.exp(x - peak) for x in xs)[:-1]
    return peak + math.log1p(math.fsum(others))
