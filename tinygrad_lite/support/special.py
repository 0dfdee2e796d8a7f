"""erf, erfc and the normal distribution over NumPy's arrays, in the pieces of Sun's fdlibm.

Near 0 and near 1 they are rational functions, beyond that e^(-x²)/x times one. NumPy lacks them;
`accurate.py` has them for floats, and splits squares in the same way (Dekker 1971).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .. import accurate
from ..accurate import ROOT_HALF, ROOT_HALF_REST, SLOPE_OF_ERF, product_tail, square_tail

# Coefficients from the constant upwards: numerators and denominators of the four pieces.
_NEAR_0 = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
     -5.77027029648944159157e-03, -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
_NEAR_1 = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
     3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
     -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
_MIDDLE = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
     -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
     -8.12874355063065934246e+01, -9.81432934416914548592e+00),
    (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
     6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
     6.57024977031928170135e+00, -6.04244152148580987438e-02),
)  # fmt: skip
_FAR = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
     -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
     -4.83519191608651397019e+02),
    (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
     3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
     -2.24409524465858183362e+01),
)  # fmt: skip
_ERF_OF_1 = 8.45062911510467529297e-01  # in few digits: what is added to it is exact
_BOUNDS = (0.84375, 1.25, 1 / 0.35)  # between the pieces, in |x|
_BLOCK = 2**13  # points that stay in the cache


def erf(x: Any) -> Any:
    """2/√π ∫ e^(-t²) dt from 0 to x, within 1.5 ulp."""
    return _in_pieces(x, _erf_pieces)


def erfc(x: Any) -> Any:
    """1 - erf(x), within 3.5 ulp also where it is tiny."""
    return _in_pieces(x, _erfc_pieces)


def norm_cdf(x: Any) -> Any:
    """The normal distribution up to x, erfc(-x/√2)/2, with what -x/√2 lost in rounding."""
    import numpy as np

    x = np.asarray(x)
    double = x.astype(float)
    z = -double * ROOT_HALF
    lost = -double * ROOT_HALF_REST + product_tail(-double, ROOT_HALF, z)
    lost = np.where(np.abs(double) < 40, lost, 0.0)  # beyond, the tail is 0 and the split overflows
    result = (erfc(z) - SLOPE_OF_ERF * np.exp(-z * z) * lost) / 2
    return result.astype(x.dtype) if x.dtype.kind == "f" else result


Pieces = Callable[[int, Any, Any], Any]
"""The result in piece 0 to 3, at the sizes |x| in it; and the signs there."""


def _in_pieces(x: Any, pieces: Pieces) -> Any:
    """A function at each point by the piece that it lies in, block by block; nan stays nan."""
    import numpy as np

    x = np.asarray(x)
    flat = x.astype(float).ravel()  # a copy, whose blocks are written over
    for start in range(0, len(flat), _BLOCK):
        block = flat[start : start + _BLOCK]
        size = np.abs(block)
        negative = np.signbit(block)
        piece: Any = sum(size >= bound for bound in _BOUNDS)
        for i in range(len(_BOUNDS) + 1):
            places = np.flatnonzero(piece == i)
            if len(places):
                block[places] = pieces(i, size[places], negative[places])
    shaped = flat.reshape(x.shape)
    return shaped.astype(x.dtype) if x.dtype.kind == "f" else shaped


def _erf_pieces(piece: int, size: Any, negative: Any) -> Any:
    import numpy as np

    if piece == 0:
        result = size + size * _ratio(_NEAR_0, size * size)
    elif piece == 1:
        result = _ERF_OF_1 + _ratio(_NEAR_1, size - 1)
    else:
        result = 1 - _tail(piece, size)
    return np.where(negative, -result, result)


def _erfc_pieces(piece: int, size: Any, negative: Any) -> Any:
    import numpy as np

    if piece == 0:
        part = size * _ratio(_NEAR_0, size * size)
        below = np.where(size < 0.25, 1 - (size + part), 0.5 - (size - 0.5 + part))
        return np.where(negative, 1 + (size + part), below)
    if piece == 1:
        part = _ratio(_NEAR_1, size - 1)
        return np.where(negative, 1 + (_ERF_OF_1 + part), (1 - _ERF_OF_1) - part)
    tail = _tail(piece, size)
    return np.where(negative, 2 - tail, tail)


def _tail(piece: int, size: Any) -> Any:
    """erfc beyond 1.25: e^(-x² - 0.5625 + r(1/x²))/x; 0 beyond 28."""
    import numpy as np

    x = np.minimum(size, 28.0)
    square = x * x
    rest = square_tail(x, square)
    r = _ratio(_MIDDLE if piece == 2 else _FAR, 1 / square)
    return np.exp(-square) * (np.exp(r - 0.5625 - rest) / x)


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Any) -> Any:
    numerator, denominator = coefficients
    return _polynomial(numerator, x) / _polynomial(denominator, x)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """By Horner's rule, in place."""
    result = coefficients[-1] * x
    for coefficient in coefficients[-2:0:-1]:
        result += coefficient
        result *= x
    result += coefficients[0]
    return result


OVER_ARRAYS: dict[Callable[[float], float], Callable[[Any], Any]] = {
    math.erf: erf,
    accurate.erfc: erfc,
    accurate.norm_cdf: norm_cdf,
}
"""Of a function of floats, the one of arrays."""
