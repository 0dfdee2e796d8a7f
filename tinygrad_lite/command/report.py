"""What the command prints: the derivatives as equations or as JSON, and the table of operations."""

from __future__ import annotations

import json
import math
import sys
import textwrap
from collections.abc import Mapping
from contextlib import suppress

from ..op import OPS
from ..ops import HELPERS
from ..show.explain import HEAD, described, public_operations
from ..value import Value
from .names import CONSTANTS, SPELLINGS, functions

_ASCII = str.maketrans(
    {
        "∂": "d",
        "·": "*",
        "²": "^2",
        "σ": "sigmoid",
        "π": "pi",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "…": "...",
    }
)


def as_text(root: Value, derivatives: Mapping[str, float], explanation: str | None) -> str:
    """A line for the value and one for each derivative; the explanation, if there is one, below."""
    equations = {f"{root.label}": root.data}
    equations |= {f"∂{root.label}/∂{name}": x for name, x in derivatives.items()}
    lines = [f"{left} = {repr(x).removesuffix('.0')}" for left, x in equations.items()]
    return "\n".join(lines + (["", explanation] if explanation else []))


def as_json(root: Value, derivatives: Mapping[str, float], explanation: str | None) -> str:
    """The same for programs; infinities and nan, which JSON lacks, are strings."""
    report = {
        "name": root.label,
        "value": _json(root.data),
        "derivatives": {name: _json(x) for name, x in derivatives.items()},
    }
    return json.dumps(report | ({"explanation": explanation} if explanation else {}), indent=2)


def _json(x: float) -> float | str:
    return x if math.isfinite(x) else repr(x)


def operations() -> str:
    """The table of operations in columns, and how else a formula may write them."""
    rows = [
        (name, written, ", ".join(slopes), f"  [{domain}]" if domain else "")
        for name, written, slopes, domain in map(described, public_operations())
    ]
    rows.insert(0, (*HEAD[:3], f"  [{HEAD[3]}]"))
    name_width, width = (max(len(row[column]) for row in rows) for column in range(2))
    lines = [f"{a:{name_width}}  {b:{width}}  {c}{d}" for a, b, c, d in rows]
    notes = {
        "other names": (f"{name} = {op}" for name, op in SPELLINGS.items()),
        "numbers": (f"{name} = {x!r}" for name, x in CONSTANTS.items()),
        "in Python only": (name for name in OPS if name not in {*functions(), *HELPERS}),
    }
    wrapped = (textwrap.fill(f"{title}: {', '.join(note)}", 100) for title, note in notes.items())
    return "\n".join([*lines, "", *wrapped])


class CommandError(Exception):
    """What is wrong with a command, and the status it ends with."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message, status)


def print_text(text: str) -> None:
    """Print, in ASCII where the terminal has no more.

    Raises CommandError if the answer cannot be printed, without words if nobody reads it any more.
    """
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, flush=True)
    except OSError as error:
        closed = isinstance(error, BrokenPipeError)
        message = "" if closed else f"cannot print the answer: {error.strerror}"
        raise CommandError(message, 1) from None


def complain(message: str, status: int) -> int:
    """Say on the error output what is wrong, and give the status to end with."""
    if message and sys.stderr is not None:
        safe = "".join(char if char.isprintable() or char == "\n" else "�" for char in message)
        with suppress(OSError):
            print(f"tinygrad-lite: error: {safe}", file=sys.stderr)
    return status
