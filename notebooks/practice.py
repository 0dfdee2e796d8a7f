"""How the cells to fill in are marked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tinygrad_lite import Value


def mark(name: str, answer: Any, right: Any, hint: str, mistakes: Mapping[Any, str] = {}) -> None:
    """Say whether an answer, a number or a list of numbers, is right; if not, what is missing.

    An answer that is one of `mistakes` is told what it is; three digits are enough.

    >>> mark("∂e/∂b", ..., 5, "what comes along the path through d?")
    ∂e/∂b: not yet: what comes along the path through d?
    >>> mark("∂e/∂b", 2, 5, "", {2: "that is the path through c alone"})
    ∂e/∂b: not yet: that is the path through c alone
    >>> mark("∂e/∂b", 5, 5, "")
    ∂e/∂b: right
    """
    if _same(answer, right):
        print(f"{name}: right")
        return
    known = [what for mistake, what in mistakes.items() if _same(answer, mistake)]
    print(f"{name}: not yet: {[*known, hint][0]}")


def _same(answer: Any, right: Any) -> bool:
    if answer is ... or answer is None:
        return False
    try:
        pairs = list(zip(_listed(answer), _listed(right), strict=True))
        return all(math.isclose(x, y, rel_tol=1e-3, abs_tol=1e-9) for x, y in pairs)
    except (TypeError, ValueError):
        return False


def _listed(x: Any) -> list[float]:
    """The numbers of a number, a Value, or a sequence of them."""
    each = list(x) if isinstance(x, (list, tuple)) else [x]
    return [number.data if isinstance(number, Value) else float(number) for number in each]
