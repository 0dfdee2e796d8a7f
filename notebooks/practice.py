"""How the cells to fill in are checked. What is right is written in questions.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from questions import QUESTIONS, Part

from tinygrad_lite import Value


def check(question: str, *answers: Any) -> None:
    """Say of each answer, a number or a list of numbers, whether it is right.

    If not, what is missing; a mistake that is known is named. Three digits are enough.

    >>> check("1.chain", 2, ...)
    ∂e/∂a: right
    ∂e/∂b: not yet: what comes along the path through d?
    >>> check("1.chain", 2, 2)
    ∂e/∂a: right
    ∂e/∂b: not yet: that is the path through c alone; b is used twice
    """
    for part, answer in zip(QUESTIONS[question], answers, strict=True):
        print(f"{part.name}: {verdict(part, answer)}")


def solution(question: str) -> list[Any]:
    """What is right, for the checks at a notebook's end."""
    return [part.right for part in QUESTIONS[question]]


def verdict(part: Part, answer: Any) -> str:
    """The words for one answer.

    >>> verdict(Part("x", 5, "both paths?", {2: "one path alone"}), 4)
    'not yet: both paths?'
    """
    if _same(answer, part.right):
        return "right"
    known = [what for mistake, what in part.mistakes.items() if _same(answer, mistake)]
    return f"not yet: {[*known, part.hint][0]}"


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
    each = list(x) if isinstance(x, (list, tuple, np.ndarray)) else [x]
    return [number.data if isinstance(number, Value) else float(number) for number in each]
