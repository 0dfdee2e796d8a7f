"""A bar for a person who watches."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    History = dict[str, list[float]]


@contextlib.contextmanager
def bar_of(epochs: int, progress: bool | None) -> Iterator[Callable[[History], None]]:
    """What shows the history after each epoch: a bar if a person watches."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    tqdm = _tqdm() if (watched if progress is None else progress) else None
    if tqdm is None:
        yield lambda history: None
        return
    with tqdm(total=epochs, unit="epoch") as bar:

        def show(history: History) -> None:
            last = {name: f"{losses[-1]:.4g}" for name, losses in history.items() if losses}
            bar.set_postfix(last, refresh=False)
            bar.update()

        yield show


def _tqdm() -> Any:
    try:
        return importlib.import_module("tqdm").tqdm
    except ImportError:
        return None
