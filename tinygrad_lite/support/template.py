"""How an operation is written: templates that say which arguments need parentheses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

Template = str | Callable[[Sequence["Part"]], str] | None
"""`"{0:1} + {1:2}"`, or a function of the arguments, or None for a call by name."""


class Part(NamedTuple):
    """A formula inside another one, and how tightly it holds together."""

    text: str
    precedence: float
    enclosed: Callable[[str], str] = "({})".format
    lead: str = ""
    """The negative number it begins with: `-3·2`, which as a later term of a sum is `(-3)·2`."""
    rest: float = 0.0
    """How tightly it holds together when that number is in parentheses."""

    def __format__(self, needed: str) -> str:
        """As a template's `{0:2}` asks: in parentheses if it holds less tightly than that."""
        if self.precedence >= float(needed or 0):
            return self.text
        if self.lead and self.rest >= float(needed):
            return self.enclosed(self.lead) + self.text.removeprefix(self.lead)
        return self.enclosed(self.text)


def fill(template: Template, name: str, args: Sequence[str | Part], *, latex: bool) -> str:
    """The operation of that name at arguments; a text stands as it is, a `Part` as it needs to.

    >>> fill("{0:1.5}·{1:3}", "mul", [Part("a + b", 1), "c"], latex=False)
    '(a + b)·c'
    """
    parts = [Part(arg, math.inf) if isinstance(arg, str) else arg for arg in args]
    if template is None:
        function = rf"\mathrm{{{name}}}".replace("_", r"\_") if latex else name
        inside = ", ".join(map(format, parts))
        tall = r"\frac" in inside
        return rf"{function}\left({inside}\right)" if tall else f"{function}({inside})"
    return template.format(*parts) if isinstance(template, str) else template(parts)
