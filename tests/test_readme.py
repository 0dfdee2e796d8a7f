"""What the READMEs say is true: their commands, links and code. (Their examples are doctests.)"""

from __future__ import annotations

import json
import multiprocessing
import re
import shlex
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

import tinygrad_lite as tl
from tinygrad_lite.command.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "notebooks" / "README.md", ROOT / "tests" / "bench" / "README.md"]
README = PAGES[0].read_text(encoding="utf-8")
COMMANDS = [
    *re.findall(r"`(tinygrad-lite \"[^`]+)`", README),
    *(line for block in re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE) for line in block.splitlines()),
]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_its_first_two_blocks_are_the_two_commands() -> None:
    main, tests, *_ = blocks("sh")
    assert "tinygrad_lite" in main
    assert "pytest" in tests


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= 120
    assert len(README.split()) <= 900


@each_page
def test_every_file_it_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (page.parent / path).exists(), path
    for path in re.findall(r"`(tests/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
    modules = {path.name for path in Path(tl.__file__).parent.rglob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", text)) <= modules


@each_page
def test_every_heading_it_links_to_is_there(page: Path) -> None:
    for path, anchor in re.findall(r"\]\(([^)#]*\.md)?#([\w-]+)\)", page.read_text(encoding="utf-8")):
        headings = re.findall(r"^#+ (.*)$", (page.parent / path).read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_every_name_it_uses_is_public() -> None:
    for page in PAGES:
        for name in re.findall(r"\btl\.(\w+)", page.read_text(encoding="utf-8")):
            assert name in tl.__all__, name


def test_its_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session: dict[str, object] = {}
    lines = [line[4:] for block in blocks("python") for line in block.splitlines() if line.startswith((">>> ", "... "))]
    exec("\n".join(lines), session)
    for block in blocks("python"):
        if ">>>" not in block:
            exec(block, session)


def test_the_picture_is_that_of_its_code() -> None:
    session: dict[str, object] = {}
    exec(blocks("python")[0].replace(">>> ", "").rpartition("\n(")[0], session)
    shown = re.findall(r"<text[^>]*>([^<]*)</text>", (ROOT / "notebooks" / "graph.svg").read_text(encoding="utf-8"))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", tl.draw(session["e"]).pipe(format="svg").decode())
    assert sorted(shown) == sorted(drawn)


def test_the_map_of_the_worksheet_names_headings_of_the_notebooks() -> None:
    rows = re.findall(r"^\| 6\.(\d\w) .* \| (\d) \| (.*) \|$", PAGES[1].read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) == 17
    tests = (ROOT / "tests" / "test_worksheet.py").read_text(encoding="utf-8")
    assert {part for part, _, _ in rows} == set(re.findall(r"^def test_6_(\d\w)_", tests, re.MULTILINE))
    for _, number, heading in rows:
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        lines = [line.strip() for cell in cells if cell["cell_type"] == "markdown" for line in cell["source"]]
        assert [line for line in lines if line.startswith("## ") and heading in line], (number, heading)


def test_every_figure_names_a_benchmark_and_when_it_was_measured() -> None:
    text = PAGES[2].read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in PAGES[2].parent.glob("*.py"))
    rows = re.findall(r"^\| `([a-z_]+)` \|.*\| (\S+) \|$", text, re.MULTILINE)
    assert len(rows) >= 17
    for name, commit in rows:
        assert f"def {name}(" in sources
        assert re.fullmatch(r"[0-9a-f]{7}", commit)
    assert set(re.findall(r"^- `(\w+)`, ", README, re.MULTILINE)) <= {name for name, _ in rows}


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("tinygrad-lite ")])
def test_its_commands_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0, capsys.readouterr().err


def without_extras(pages: list[Path]) -> None:
    """Run in a process of its own: the examples of the package and of the pages, with nothing but what it depends on."""
    import doctest
    import importlib
    import pkgutil
    import sys

    needed = {"numpy", "graphviz", "graphviz_pure", "tinygrad_lite", *sys.stdlib_module_names}

    class Bare:
        """Finds no other package."""

        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if path is None and name not in needed:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Bare())  # type: ignore[arg-type]
    import tinygrad_lite as tl

    names = [each.name for each in pkgutil.walk_packages(tl.__path__, "tinygrad_lite.") if "__main__" not in each.name]
    found = [doctest.testmod(importlib.import_module(name)) for name in ("tinygrad_lite", *names)]
    found += [doctest.testfile(str(page), module_relative=False, encoding="utf-8") for page in pages]
    assert sum(each.attempted for each in found) > 150
    assert not sum(each.failed for each in found)


def test_its_examples_and_those_of_the_package_need_no_extras() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(without_extras, PAGES[:2]).result()
