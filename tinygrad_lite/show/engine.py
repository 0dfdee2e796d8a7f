"""DOT text to SVG or PNG: finding the layout engine, running it, and the `Digraph` that uses it.

Imported when a picture is drawn: it needs graphviz.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from os import PathLike
from pathlib import Path
from typing import Any

import graphviz

from ..files import replaced

PATIENCE = 20
"""How many seconds a layout may take; one of 300 boxes takes at most 5."""
_FONTS = "Helvetica,Arial,Liberation Sans,sans-serif"
"""Letters of Helvetica's widths, which the engine reckons with, wherever there are any."""
FORMATS = ("svg", "png", "pdf", "dot", "gv")
"""What `save` writes, by the ending of the file's name."""


class Picture(graphviz.Digraph):  # type: ignore[misc]  # graphviz ships no types
    """A `graphviz.Digraph` that `save` and `render` lay out; a notebook shows it."""

    boxes: int = 0
    executable: str | None = None
    """The layout engine that `draw` was given."""
    home: Sequence[str] = ()
    """The id of the box that each node is in."""
    titles: Mapping[str, str] = {}
    """What each box and edge says, by its id; that of "" is the whole picture's."""

    def __repr__(self) -> str:
        return f"<picture of {self.boxes} boxes>"

    def pipe(
        self, format: str | None = None, *, engine: str | None = None, encoding: str | None = None
    ) -> Any:
        """The picture as bytes, or as text in that `encoding`; `engine` as in `draw`."""
        format = format or self.format
        drawn = render(self.source, format, engine or self.executable)
        if format == "svg":
            drawn = _titled(drawn.decode(), self.titles).encode()
        return drawn.decode(encoding) if encoding else drawn

    def save(
        self, filename: str | PathLike[str], directory: str | PathLike[str] | None = None
    ) -> Path:
        """Write the picture to a file, as its name ends; give its path.

        It ends in .svg, .png, .pdf, .dot or .gv; a .pdf needs the system's Graphviz. The file is
        written whole or not at all. Raises ValueError for another ending, RuntimeError if the
        layout fails.
        """
        path = Path(directory or "", filename)
        format = path.suffix[1:].lower()
        if format not in FORMATS:
            endings = ", ".join(f".{each}" for each in FORMATS)
            raise ValueError(f"save: expected a name that ends in {endings}, got {path.name!r}")
        drawn = self.source.encode() if format in ("dot", "gv") else self.pipe(format)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced(path) as part:
            part.write_bytes(drawn)
        return path

    def render(
        self, filename: str | PathLike[str] | None = None,
        directory: str | PathLike[str] | None = None,
        view: bool = False, cleanup: bool = False, format: str | None = None, *,
        outfile: str | PathLike[str] | None = None, engine: str | None = None,
    ) -> str:  # fmt: skip
        """Write the DOT text to `filename`, unless `cleanup`, and the picture to `filename.format`.

        Or the picture to `outfile`, and so for a `filename` such as "e.svg", which says the format:
        the DOT text is then in "e.gv". Gives the path of the picture. Both are written whole, or
        none if the layout fails or the disk is full. `view` opens the picture.
        """
        ending = Path(filename or "").suffix[1:].lower()
        if outfile is None and ending in FORMATS and format in (None, ending):
            filename, outfile = None, filename
        folder = Path(self.directory if directory is None else directory)
        format = format or Path(outfile or "").suffix[1:].lower() or self.format
        dot_name = filename or (Path(outfile).with_suffix(".gv") if outfile else self.filename)
        source = folder / dot_name
        target = folder / outfile if outfile else source.with_name(f"{source.name}.{format}")
        drawn = self.pipe(format, engine=engine)
        source.parent.mkdir(parents=True, exist_ok=True)
        with replaced(target) as part:
            part.write_bytes(drawn)
            if not cleanup:
                with replaced(source) as other:
                    other.write_text(self.source, encoding="utf-8")
        if view:
            graphviz.view(str(target))
        return str(target)


def render(dot_source: str, format: str = "svg", engine: str | None = None) -> bytes:
    """The picture that DOT text describes: "svg", "png" or what else the layout engine knows.

    `engine` is the path or name of a program with Graphviz's options; without it, that of the
    package graphviz-pure, else the system's `dot`, which also knows "pdf". Raises ValueError for an
    unknown format, RuntimeError if the engine is missing or fails.
    """
    path = layout_engine(engine)
    try:
        drawn = _run(path, dot_source, format)
    except ValueError as error:
        other = shutil.which("dot")
        if engine is not None or other is None or other == path:
            advice = "; the system package graphviz writes it" if format == "pdf" else ""
            raise ValueError(f"{error}{advice}") from None
        drawn = _run(other, dot_source, format)
    if format != "svg":
        return drawn
    svg = drawn.decode().replace('"Helvetica,sans-Serif"', f'"{_FONTS}"')
    return _BOX.sub(_centred, svg).encode()


def _run(engine: str, dot_source: str, format: str) -> bytes:
    command = [engine, f"-T{format}"]
    try:
        done = subprocess.run(  # noqa: S603  # a program that was found by `layout_engine`
            command, input=dot_source.encode(), capture_output=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        advice = "draw less, with depth or group"
        raise RuntimeError(f"render: no layout after {PATIENCE} s; {advice}") from None
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()
        kind = ValueError if "not recognized" in message else RuntimeError
        raise kind(f"render: {Path(engine).name} -T{format} failed: {message}")
    return done.stdout


_BOX = re.compile('<g id="[^"]*" class="node.*?</g>', re.DOTALL)


def _centred(box: re.Match[str]) -> str:
    """A box of the SVG, its rows set by their middle.

    Graphviz sets them by their start, at a width that it guesses.
    """
    outline = re.search(' (?:d|points)="([^"]*)"', box[0])
    rows = re.findall('<text [^>]* y="([^"]*)"', box[0])
    if outline is None or len(set(rows)) < len(rows):  # a row in several parts, or no box of ours
        return box[0]
    xs = [float(x) for x in re.findall("([-.0-9]+),", outline[1])]
    return re.sub('"start" x="[^"]*"', f'"middle" x="{(min(xs) + max(xs)) / 2:.2f}"', box[0])


_ELEMENT = re.compile(r'(<g id="([^"]*)" class="(?:node|edge)[^>]*>\n)<title>[^<]*</title>')


def _titled(svg: str, titles: Mapping[str, str]) -> str:
    """The SVG with a title for each element that has one, for who points at it or listens to it.

    The whole fits the width that there is: a notebook would cut it.
    """
    if not titles:
        return svg

    def title(found: re.Match[str]) -> str:
        text = titles.get(html.unescape(found[2]))
        return found[0] if text is None else f"{found[1]}<title>{html.escape(text)}</title>"

    label = html.escape(titles.get("", ""))
    style = f'<svg role="img" aria-label="{label}" style="max-width: 100%; height: auto"'
    return _ELEMENT.sub(title, svg).replace("<svg", style, 1)


def layout_engine(engine: str | None = None) -> str:
    """The path of `engine`, or of the layout engine that `render` finds without.

    Raises RuntimeError if there is none.
    """
    if engine is None:
        found = _from_wheel() or shutil.which("dot")
        problem = "found no layout engine"
        advice = "`pip install graphviz-pure` or install the system package graphviz"
    else:
        found = shutil.which(engine)
        problem = f"layout engine {engine!r} not found"
        advice = "give its path, or None for one that is found"
    if found is None:
        raise RuntimeError(f"render: {problem}; {advice}")
    return found


def _from_wheel() -> str | None:
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    # Not through PATH: under Jupyter it lacks the environment's programs.
    paths = [Path(str(file.locate())).resolve() for file in files if file.stem == "graphviz-pure"]
    return next(filter(None, map(shutil.which, paths)), None)
