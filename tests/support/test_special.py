"""erf, erfc and the normal distribution over arrays: held to mpmath's digits and to IEEE 754."""

import math

import mpmath
import numpy as np
import pytest

from tinygrad_lite.ops import OPS
from tinygrad_lite.support import special

INF = math.inf
RANDOM = np.random.default_rng(5)
POINTS = np.concatenate(
    [
        RANDOM.uniform(-6, 6, 600),
        RANDOM.uniform(-40, 28, 300),
        10.0 ** RANDOM.uniform(-320, 0, 60),
        # Both sides of each bound between two pieces.
        [math.nextafter(bound, to) for bound in (0.25, 0.84375, 1.25, 1 / 0.35) for to in (0, 9)],
    ]
)


@pytest.mark.parametrize(
    ("name", "truth", "ulp"),
    [("erf", mpmath.erf, 1.5), ("erfc", mpmath.erfc, 3.5), ("norm_cdf", mpmath.ncdf, 4.0)],
)
def test_each_is_right_to_a_few_units_in_the_last_place(name, truth, ulp) -> None:
    with np.errstate(all="ignore"):
        results = getattr(special, name)(POINTS)
    with mpmath.workdps(60):
        for x, result in zip(POINTS.tolist(), results.tolist(), strict=True):
            exact = truth(mpmath.mpf(x))
            assert abs(mpmath.mpf(result) - exact) <= ulp * math.ulp(float(exact)), (name, x)


@pytest.mark.parametrize(
    ("name", "truth", "ulp"),
    [
        ("norm_cdf", lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2, 3),
        ("norm_pdf", mpmath.npdf, 4),
        ("gelu", lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2, 4),
        ("silu", lambda x: x / (1 + mpmath.exp(-x)), 3),
        ("softplus", lambda x: mpmath.log1p(mpmath.exp(x)), 2),
        ("gaussian", lambda x: mpmath.exp(-x * x), 2),
        ("erfc", mpmath.erfc, 2.5),
    ],
)
def test_floats_are_right_to_a_few_units_in_the_last_place(name, truth, ulp) -> None:
    with mpmath.workdps(60):
        for x in [*RANDOM.uniform(-37, 8, 200).tolist(), *RANDOM.uniform(-2, 2, 200).tolist()]:
            x = x % 26 if name in ("gaussian", "erfc") else x
            exact = truth(mpmath.mpf(x))
            assert abs(mpmath.mpf(OPS[name](x)) - exact) <= ulp * math.ulp(float(exact)), x


EDGES = [
    ("erf", [0.0, INF, -INF, 5e-324, 1e300, -1e300], [0.0, 1.0, -1.0, 5e-324, 1.0, -1.0]),
    ("erfc", [0.0, INF, -INF, 1e300, 28.5, -6.0], [1.0, 0.0, 2.0, 0.0, 0.0, 2.0]),
    ("norm_cdf", [0.0, INF, -INF, 1e300, -1e300, 9.0], [0.5, 1.0, 0.0, 1.0, 0.0, 1.0]),
]


@pytest.mark.parametrize(("name", "x", "expected"), EDGES)
def test_infinities_and_zeros_have_their_limits(name, x, expected) -> None:
    assert OPS[name].at_arrays(np.array(x)).tolist() == expected
    assert [OPS[name].scalar(each) for each in x] == expected


@pytest.mark.parametrize("name", ["erf", "erfc", "norm_cdf"])
def test_nan_stays_nan_among_its_neighbours(name) -> None:
    got = OPS[name].at_arrays(np.array([0.5, math.nan, 3.0]))
    assert np.isnan(got).tolist() == [False, True, False]


def test_erf_keeps_the_sign_of_zero() -> None:
    assert np.signbit(special.erf(np.array([-0.0, 0.0]))).tolist() == [True, False]


@pytest.mark.parametrize("name", ["erf", "erfc", "norm_cdf"])
@pytest.mark.parametrize("shape", [(), (0,), (3, 1, 5), (8200, 2)])
def test_any_shape_and_stride_has_each_element_s_result(name, shape) -> None:
    x = RANDOM.uniform(-5, 5, shape)
    before = x.copy()
    whole = OPS[name].at_arrays(x)
    assert whole.shape == shape
    assert np.array_equal(whole.T, OPS[name].at_arrays(x.T))
    assert np.array_equal(x, before)  # the argument is not written over
    for place in list(np.ndindex(shape))[:20]:
        assert whole[place] == pytest.approx(OPS[name].scalar(float(x[place])), rel=1e-14)


@pytest.mark.parametrize("name", ["erf", "erfc", "norm_cdf"])
def test_float32_and_whole_numbers_have_the_types_that_numpy_gives(name) -> None:
    x = np.array([-2.0, 0.0, 1.0])
    assert OPS[name].at_arrays(x.astype(np.float32)).dtype == np.float32
    assert np.array_equal(OPS[name].at_arrays(x.astype(int)), OPS[name].at_arrays(x))
