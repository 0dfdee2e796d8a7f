"""What is checked before it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_lite.support.checks import check_whole


@pytest.mark.parametrize("x", [2, 10**30, np.int8(2)])
def test_the_least_whole_number_and_all_above_pass(x: Any) -> None:
    whole = check_whole("fit", "epochs", x, 2)
    assert (whole, type(whole)) == (x, int)


@pytest.mark.parametrize(
    ("x", "error"), [(1, ValueError), (-3, ValueError), (2.0, TypeError), (True, TypeError), ("2", TypeError), (None, TypeError)]
)
def test_what_is_less_or_not_whole_is_refused(x: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        check_whole("fit", "epochs", x, 2)
    assert str(caught.value) == f"fit: expected epochs to be a whole number >= 2, got {x!r}"
