"""Who lays a picture out, and the files it is written to: what the name says, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from test_draw import worksheet

from tinygrad_lite.show.draw import draw
from tinygrad_lite.show.engine import layout_engine, render


def test_notebooks_show_svg() -> None:
    bundle = draw(worksheet())._repr_mimebundle_()
    assert list(bundle) == ["image/svg+xml"]
    assert "∂e/∂b = 5" in bundle["image/svg+xml"]


def test_pipe_gives_bytes_or_text() -> None:
    picture = draw(worksheet())
    assert picture.pipe(format="png").startswith(b"\x89PNG")
    assert picture.pipe("svg", encoding="utf-8") == picture.pipe().decode()


def test_render_writes_source_and_picture(tmp_path: Path) -> None:
    picture = draw(worksheet())
    folder = tmp_path / "new" / "one"
    assert picture.render("e", folder, format="svg") == str(folder / "e.svg")
    assert (folder / "e").read_text(encoding="utf-8") == picture.source
    assert (folder / "e.svg").read_bytes() == picture.pipe("svg")
    assert picture.render(outfile=tmp_path / "f.png", cleanup=True) == str(tmp_path / "f.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.png", "new"]


def test_a_failed_render_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'^render: .* -Tbmp2 failed: .*"bmp2" not recognized'):
        draw(worksheet()).render(tmp_path / "e", format="bmp2")
    assert not list(tmp_path.iterdir())


def test_the_message_of_the_engine_is_passed_on() -> None:
    with pytest.raises(RuntimeError, match=r"^render: graphviz-pure\S* -Tsvg failed: .*syntax error"):
        render("digraph {")


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", missing)


def test_the_engine_of_the_wheel_is_found_without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert Path(layout_engine()).stem == "graphviz-pure"


def test_the_dot_of_the_system_comes_second(monkeypatch: pytest.MonkeyPatch, no_wheel: None) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert layout_engine() == "/somewhere/dot"


def test_without_an_engine_the_error_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, no_wheel: None) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    message = "render: found no layout engine; `pip install graphviz-pure` or install the system package graphviz"
    with pytest.raises(RuntimeError, match=f"^{message}$"):
        draw(worksheet()).pipe()


def test_the_engine_can_be_chosen() -> None:
    with pytest.raises(RuntimeError, match=r"^render: layout engine 'nowhere/dot' not found; give its path, or None"):
        draw(worksheet(), engine="nowhere/dot").pipe()
    path = layout_engine()
    assert draw(worksheet(), engine=path).pipe() == draw(worksheet()).pipe(engine=path) == draw(worksheet()).pipe()


def test_a_layout_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(command: list[str], **options: Any) -> None:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", never)
    with pytest.raises(RuntimeError, match=r"^render: no layout after 20 s; draw less, with depth or group$"):
        render("digraph {}")


def test_dot_of_others_is_left_as_it_is() -> None:
    assert b'text-anchor="middle"' in render("digraph { a -> b }")


# Files


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("e.svg", b"<?xml"), ("e.png", b"\x89PNG"), ("e.SVG", b"<?xml"), ("e.dot", b"digraph computation {"), ("e.gv", b"digraph computation {"),
    ],
)  # fmt: skip
def test_save_writes_what_the_name_ends_in(tmp_path: Path, name: str, begins: bytes) -> None:
    assert draw(worksheet()).save(tmp_path / "new" / name) == tmp_path / "new" / name
    assert (tmp_path / "new" / name).read_bytes().startswith(begins)
    assert draw(worksheet()).save(name, directory=tmp_path) == tmp_path / name


def test_a_pdf_is_written_by_the_systems_graphviz_or_the_message_says_so(tmp_path: Path) -> None:
    path = tmp_path / "e.pdf"
    if shutil.which("dot"):
        assert draw(worksheet()).save(path).read_bytes().startswith(b"%PDF")
    else:
        with pytest.raises(ValueError, match=r'"pdf" not recognized.*; the system package graphviz writes it$'):
            draw(worksheet()).save(path)
        assert not path.exists()


def test_a_pdf_comes_from_another_engine_than_the_one_that_does_not_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho %PDF\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert draw(worksheet()).save(tmp_path / "e.pdf").read_bytes() == b"%PDF\n"


@pytest.mark.parametrize("name", ["e", "e.bmp", "e.svg.", "svg"])
def test_save_refuses_a_name_that_does_not_say_what_to_write(tmp_path: Path, name: str) -> None:
    endings = ".svg, .png, .pdf, .dot, .gv"
    with pytest.raises(ValueError, match=rf"^save: expected a name that ends in {endings}, got {name!r}$"):
        draw(worksheet()).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def write(how: str, path: Path) -> None:
    picture = draw(worksheet())
    if how == "save":
        picture.save(path)
    elif how == "render":
        picture.render(path)
    else:
        picture.render(outfile=path)


@pytest.mark.parametrize("how", ["save", "render", "outfile"])
@pytest.mark.parametrize("before", [None, "before"])
def test_a_picture_is_written_whole_or_not_at_all(
    tmp_path: Path, how: str, before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *args: Any, **options: Any) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, "no space left on device")

    path = tmp_path / "e.svg"
    if before:
        path.write_text(before)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="no space left"):
            write(how, path)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == ({"e.svg": before} if before else {})
    write(how, path)
    assert path.read_bytes() == draw(worksheet()).pipe()


def test_if_the_source_cannot_be_written_the_picture_is_not_either(tmp_path: Path) -> None:
    (tmp_path / "e.gv").mkdir()
    with pytest.raises(OSError, match=r"e\.gv"):
        draw(worksheet()).render(tmp_path / "e.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["e.gv"]


def test_render_takes_the_format_from_the_name(tmp_path: Path) -> None:
    picture = draw(worksheet())
    assert picture.render(tmp_path / "e.svg") == str(tmp_path / "e.svg")
    assert picture.render("e.png", tmp_path, cleanup=True) == str(tmp_path / "e.png")
    assert picture.render(tmp_path / "e.svg", format="png") == str(tmp_path / "e.svg.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.gv", "e.png", "e.svg", "e.svg.png"]
