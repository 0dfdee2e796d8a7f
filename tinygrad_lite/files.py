"""Files that are written as a whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = ".tinygrad-lite-"
"""How the names of files begin that are not whole yet."""


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write beside `path`, through links: at the end it takes its place.

    If something was raised it goes, and what was there stays. A file that is there keeps its
    permissions; a folder or a protected file raises OSError before anything is written. What a
    process that was killed has left in that folder is removed.
    """
    target = Path(path).resolve()
    if target.exists():
        target.open("r+b").close()
    _remove_abandoned(target.parent)
    try:
        part, holder = _begun(target.parent)
    except OSError as error:  # it names the part, of which nobody has heard
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        yield part
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        holder.close()


# Whoever writes a part holds a lock on it, which the system releases when the process ends, however
# it ends. So a part that can be locked is nobody's. (Windows has no such lock: there parts stay.)


def _begun(folder: Path) -> tuple[Path, IO[bytes]]:
    """A new file with a name of its own, and what holds its lock until it is closed."""
    while True:
        part = folder / f"{PREFIX}{os.urandom(8).hex()}"
        holder = part.open("xb")
        if sys.platform == "win32":
            holder.close()
            return part, holder
        import fcntl

        with contextlib.suppress(OSError):  # a file system without locks: parts stay there, too
            fcntl.flock(holder, fcntl.LOCK_EX)
        # Before it was locked, another process may have taken it for abandoned.
        if part.exists():
            return part, holder
        holder.close()


def _remove_abandoned(folder: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    for part in folder.glob(f"{PREFIX}*"):
        # Someone is writing it, or another is removing it too.
        with contextlib.suppress(OSError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
