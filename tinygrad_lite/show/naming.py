"""What nodes and numbers are called in pictures, steps and explanations."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeVar

from ..op import constant
from ..value import Value

T = TypeVar("T")

# Control, direction and non-characters, lone halves of surrogate pairs: they break XML, a terminal
# or the line.
_UNSHOWABLE = (
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200f\u202a-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]"
)
_RIGHT_TO_LEFT = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"
_LEFT_TO_RIGHT_MARK = "\u200e"
_LONGEST = 40
DIGITS, ALL_DIGITS = 4, 17


def shown(x: float, digits: int = DIGITS) -> str:
    """A number as a reader wants it: four digits, or so many; a whole one below a million in full.

    >>> [shown(x) for x in (3.0, -0.0, 1 / 3, 12345.0, 2.5e6, 1e-17, float("inf"))]
    ['3', '-0', '0.3333', '12345', '2.5e+06', '1e-17', 'inf']
    >>> [shown(0.1 + 0.2, digits) for digits in (DIGITS, ALL_DIGITS)]
    ['0.3', '0.30000000000000004']
    """
    if abs(x) < 1e6 and x == int(x):
        return f"{x:.0f}"
    # All, but no more than tell it from other floats.
    return f"{x:.{digits}g}" if digits < ALL_DIGITS else repr(float(x)).removesuffix(".0")


def short(text: str) -> str:
    """`text` as a line of at most 40 characters, cut with …; what cannot be shown becomes �.

    >>> short("two\\nlines"), short("w1·x1 + w2·x2 + w3·x3 + w4·x4 + w5·x5 + b")
    ('two lines', 'w1·x1 + w2·x2 + w3·x3 + w4·x4 + w5·x5 …')
    """
    import re

    line = re.sub(_UNSHOWABLE, "�", " ".join(text[: 4 * _LONGEST].split()))
    if len(line) > _LONGEST or len(text) > 4 * _LONGEST:
        head = line[: _LONGEST - 1]
        words = head.rpartition(" ")[0]
        line = f"{words} …" if 2 * len(words) > _LONGEST else f"{head}…"
    # Or " = 2" would be shown to the left of a Hebrew name.
    return line + _LEFT_TO_RIGHT_MARK if re.search(_RIGHT_TO_LEFT, line) else line


def few(items: Sequence[T], rest: T, most: int) -> list[T]:
    """At most so many of the items: the first ones, `rest` for what is left out, the last.

    >>> few("abcdefg", "…", 4)
    ['a', 'b', '…', 'g']
    """
    return [*items] if len(items) <= most else [*items[: most - 2], rest, items[-1]]


def names(order: Sequence[Value]) -> dict[Value, str]:
    """The name of each node of a topological order: its label, a constant's number, else v1, v2, …

    Labels are as `short` gives them. Several nodes of one label are told apart, x₁ and x₂; a name
    that is somebody's label is skipped.

    >>> from tinygrad_lite.value import Value, topological_order
    >>> a = Value(2.0, "a")
    >>> list(names(topological_order((a * a + 1).exp())).values())
    ['a', 'v1', '1', 'v2', 'v3']
    >>> list(names(topological_order(a * Value(3.0, "a"))).values())
    ['a₁', 'a₂', 'v1']
    """
    labels = {node: short(node.label) for node in order if node.label}
    count = Counter(labels.values())
    taken = {plain(label) for label in count}
    numbered = {
        label: _unused(taken, label + ("_" if label[-1].isdigit() else ""), _SUBSCRIPTS)
        for label in count
        if label
    }
    unnamed = _unused(taken, "v")
    found = {}
    for node in order:
        label = labels.get(node, "")
        if label:
            found[node] = label if count[label] == 1 else next(numbered[label])
        else:
            found[node] = shown(node.data) if node.op is constant else next(unnamed)
    return found


_DIGITS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def plain(label: str) -> str:
    """A label with plain digits: LaTeX writes both alike."""
    return label.translate(_DIGITS)


def _unused(
    taken: Collection[str], base: str, digits: Mapping[int, int] | None = None
) -> Iterator[str]:
    """`base` with 1, 2, …, without those that are taken."""
    for i in itertools.count(1):
        if f"{plain(base)}{i}" not in taken:
            yield base + str(i).translate(digits or {})
