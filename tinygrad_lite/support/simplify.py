"""What is simpler and the same: x + 0, 1·x, x^1; for derivatives, programs and formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..op import Op

EXACT, BUT_FOR_SIGN_OF_ZERO, OF_FINITE_NUMBERS = range(3)
"""How exactly: to the bit; -0.0 may become 0.0; 0·inf, 0·nan and 0/0 may become 0."""

Simpler = tuple[str, int] | float | None

# Of an operation: which operand is which number, what it then is, and how exactly.
_SIMPLER: dict[str, list[tuple[int, float, Simpler, int]]] = {
    "add": [
        (0, -0.0, ("same", 1), EXACT),
        (1, -0.0, ("same", 0), EXACT),
        (0, 0.0, ("same", 1), BUT_FOR_SIGN_OF_ZERO),
        (1, 0.0, ("same", 0), BUT_FOR_SIGN_OF_ZERO),
    ],
    "sub": [
        (1, 0.0, ("same", 0), EXACT),
        (1, -0.0, ("same", 0), BUT_FOR_SIGN_OF_ZERO),
        (0, -0.0, ("neg", 1), EXACT),
        (0, 0.0, ("neg", 1), BUT_FOR_SIGN_OF_ZERO),
    ],
    "mul": [
        (0, 1.0, ("same", 1), EXACT),
        (1, 1.0, ("same", 0), EXACT),
        (0, -1.0, ("neg", 1), EXACT),
        (1, -1.0, ("neg", 0), EXACT),
        (0, 0.0, 0.0, OF_FINITE_NUMBERS),
        (1, 0.0, 0.0, OF_FINITE_NUMBERS),
    ],
    "div": [
        (1, 1.0, ("same", 0), EXACT),
        (1, -1.0, ("neg", 0), EXACT),
        (0, 0.0, 0.0, OF_FINITE_NUMBERS),
    ],
    "pow": [
        (1, 1.0, ("same", 0), EXACT),
        (1, 0.0, 1.0, EXACT),
        (1, -0.0, 1.0, EXACT),
    ],
}


def simpler(op: Op, numbers: Sequence[float | None], limit: int) -> Simpler:
    """What an operation is if it is something simpler: a number, an operand or its negative.

    `numbers` has the number of each operand that is a constant, else None; `limit` is how exactly
    it must be the same. The answer is a number, `("same", i)` for operand i, `("neg", i)` for its
    negative, or None.

    >>> from tinygrad_lite.ops import add, mul
    >>> simpler(mul, [1.0, None], EXACT), simpler(mul, [None, -1.0], EXACT)
    (('same', 1), ('neg', 0))
    >>> simpler(add, [None, 0.0], EXACT), simpler(add, [None, 0.0], BUT_FOR_SIGN_OF_ZERO)
    (None, ('same', 0))
    """
    if op.name == "where" and numbers[0] is not None:
        return "same", 1 if numbers[0] else 2
    for i, x, what, exactness in _SIMPLER.get(op.name, ()):
        given = numbers[i]
        if given == x and exactness <= limit and math.copysign(1.0, x) == math.copysign(1.0, given):
            return what
    return None
