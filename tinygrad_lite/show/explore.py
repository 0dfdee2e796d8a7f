"""A graph as a page to step through."""

from __future__ import annotations

from .draw import draw
from .steps import steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..value import Value
    from .page import Page


def explore(root: Value, **options: Any) -> Page:
    """The graph of `root` as a page to step through: forward, node by node, then backward; `options` as in `draw`.

    It loads nothing from anywhere. Buttons, slider and arrow keys walk the steps, a click on a node goes to its step,
    and `steps.html#9` opens at the ninth; without scripts all steps are shown.

    >>> from tinygrad_lite.value import Value
    >>> a, b = Value(2.0, "a"), Value(1.0, "b")
    >>> page = explore((a + b) * (b + 1))
    >>> page
    <page of 10 steps>

    Raises ImportError without latex2mathml, which the extra `notebook` installs, and what `draw` raises.
    """
    from .page import page_of

    taken = steps(root)
    return page_of(draw(root, **options).pipe(format="svg"), taken)
