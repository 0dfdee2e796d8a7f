"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write beside `path`, through links: at the end it takes its place, or goes if something was raised.

    A file that is there keeps its permissions; a folder or a protected file raises OSError before anything is written.
    """
    target = Path(path).resolve()
    part = target.with_name(f".tinygrad-lite-{os.urandom(8).hex()}")
    if target.exists():
        target.open("r+b").close()
    try:
        yield part
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
