"""DOT text to SVG or PNG: finding the layout engine, running it, and the `graphviz.Digraph` that uses it.

Imported when a picture is drawn: it needs graphviz.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib import metadata
from os import PathLike
from pathlib import Path
from typing import Any

import graphviz

PATIENCE = 60
"""How many seconds a layout may take."""


class Picture(graphviz.Digraph):  # type: ignore[misc]  # graphviz ships no types
    """A `graphviz.Digraph` that `render` lays out."""

    boxes: int = 0
    home: Sequence[str] = ()
    """The id of the box that each node of the topological order is in."""
    executable: str | None = None
    """The layout engine that `draw` was given."""

    def __repr__(self) -> str:
        return f"<picture of {self.boxes} boxes>"

    def pipe(
        self, format: str | None = None, renderer: str | None = None, formatter: str | None = None,
        neato_no_op: bool | int | None = None, quiet: bool = False, *,
        engine: str | None = None, encoding: str | None = None,
    ) -> Any:  # fmt: skip
        """The picture as bytes, or as text in that `encoding`; `engine` as in `draw`."""
        full_format = ":".join(part for part in (format or self.format, renderer, formatter) if part)
        drawn = render(self.source, full_format, engine or self.executable)
        return drawn.decode(encoding) if encoding else drawn

    def render(
        self, filename: str | PathLike[str] | None = None, directory: str | PathLike[str] | None = None,
        view: bool = False, cleanup: bool = False, format: str | None = None, *,
        outfile: str | PathLike[str] | None = None, quiet_view: bool = False, **options: Any,
    ) -> str:  # fmt: skip
        """Write the DOT text to `filename`, unless `cleanup`, and the picture to `filename.format` or to `outfile`.

        Gives the path of the picture. Nothing is written if the layout fails; `options` are those of `pipe`.
        """
        folder = Path(self.directory if directory is None else directory)
        format = format or Path(outfile or "").suffix[1:] or self.format
        source = folder / (filename or (Path(outfile).with_suffix(".gv") if outfile else self.filename))
        target = folder / outfile if outfile else source.with_name(f"{source.name}.{format}")
        drawn = self.pipe(format, **options)
        source.parent.mkdir(parents=True, exist_ok=True)
        if not cleanup:
            source.write_text(self.source, encoding="utf-8")
        target.write_bytes(drawn)
        if view or quiet_view:
            graphviz.view(str(target), quiet=quiet_view)
        return str(target)


def render(dot_source: str, format: str = "svg", engine: str | None = None) -> bytes:
    """The picture that DOT text describes, as "svg", "png" or in another format that the layout engine knows.

    `engine` is the path or name of a program with Graphviz's options; without it, that of the package graphviz-pure,
    else the system's `dot`. Raises ValueError for an unknown format, RuntimeError if the engine is missing or fails.
    """
    command = [layout_engine(engine), f"-T{format}"]
    try:
        done = subprocess.run(command, input=dot_source.encode(), capture_output=True, timeout=PATIENCE)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"render: no layout after {PATIENCE} s; draw less, with depth or group") from None
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        kind = ValueError if "not recognized" in message else RuntimeError
        raise kind(f"render: {Path(command[0]).name} {command[1]} failed: {message}")
    return _BOX.sub(_centred, done.stdout.decode()).encode() if format == "svg" else done.stdout


_BOX = re.compile('<g id="[^"]*" class="node.*?</g>', re.DOTALL)


def _centred(box: re.Match[str]) -> str:
    """A box of the SVG, its rows set by their middle: Graphviz sets them by their start, at a width that it guesses."""
    outline = re.search(' (?:d|points)="([^"]*)"', box[0])
    rows = re.findall('<text [^>]* y="([^"]*)"', box[0])
    if outline is None or len(set(rows)) < len(rows):  # a row in several parts, or no box of ours
        return box[0]
    xs = [float(x) for x in re.findall("([-.0-9]+),", outline[1])]
    return re.sub('"start" x="[^"]*"', f'"middle" x="{(min(xs) + max(xs)) / 2:.2f}"', box[0])


def layout_engine(engine: str | None = None) -> str:
    """The path of `engine`, or of the layout engine that `render` finds without; RuntimeError if there is none."""
    if found := shutil.which(engine) if engine is not None else _from_wheel() or shutil.which("dot"):
        return found
    if engine is not None:
        raise RuntimeError(f"render: layout engine {engine!r} not found; give its path, or None for one that is found")
    advice = "`pip install graphviz-pure` or install the system package graphviz"
    raise RuntimeError(f"render: found no layout engine; {advice}")


def _from_wheel() -> str | None:
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    # Not through PATH: under Jupyter it lacks the environment's programs.
    paths = [Path(str(file.locate())).resolve() for file in files if file.stem == "graphviz-pure"]
    return next(filter(None, map(shutil.which, paths)), None)
