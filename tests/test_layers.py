"""The shape of the package: the engine in front, each walk a room, and how large a reader finds them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_lite as tl

PACKAGE = Path(tl.__file__).parent
ROOT = "root"
# Which rooms the modules of a room may import besides their own; `__init__` and `__main__` stand in front of all.
MAY_IMPORT = {
    ROOT: set(),
    "derivatives": {ROOT},
    "show": {ROOT},
    "arrays": {ROOT},
    "nn": {ROOT, "arrays"},
    "command": {ROOT, "show"},
}
IN_FRONT = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
MODULES = sorted(set(PACKAGE.rglob("*.py")) - IN_FRONT)
WRITTEN = sorted(path for path in PACKAGE.rglob("*.*") if path.suffix in (".py", ".js", ".css", ".html"))
HEAVY = {"numpy", "graphviz", "tqdm", "dask"}


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


def room_of(path: Path) -> str:
    folder = path.relative_to(PACKAGE).parts[0]
    return ROOT if folder in (path.name, "support") else folder


def imported(path: Path) -> set[Path]:
    """The files of the package that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            base = folder.joinpath(*(node.module or "").split("."))
            within = [base / alias.name for alias in node.names]
            for each in [*within, base]:
                found |= {each.with_suffix(".py"), each / "__init__.py"}
    return {each for each in found if each.exists()}


@each_module
def test_a_room_imports_only_the_rooms_below_it(path: Path) -> None:
    rooms = {room_of(each) for each in imported(path) - IN_FRONT}
    assert rooms <= {room_of(path), *MAY_IMPORT[room_of(path)]}


def test_the_root_imports_no_folder() -> None:
    rooms = {room_of(each) for path in MODULES if room_of(path) == ROOT for each in imported(path)}
    assert rooms == {ROOT}


def test_importing_the_package_imports_neither_numpy_nor_graphviz() -> None:
    code = f"import sys, tinygrad_lite; print(sorted({HEAVY!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_folder_is_imported_when_a_name_of_it_is_used() -> None:
    seen = "print({name.split('.')[1] for name in sys.modules if name.startswith('tinygrad_lite.')})"
    code = f"import sys, tinygrad_lite as tl; {seen}; tl.grad; {seen}"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = (set(ast.literal_eval(line)) for line in answer.stdout.splitlines())
    root = {"accurate", "fast", "functional", "op", "ops", "support", "value"}
    assert (before, after) == (root, root | {"derivatives"})


def test_every_public_name_is_listed_and_documented() -> None:
    assert list(tl.__all__) == sorted(tl.__all__) == dir(tl)
    for name in tl.__all__:
        assert getattr(tl, name).__doc__, name


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_a_file_is_of_a_size_to_read(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 300
    assert max(map(len, lines), default=0) <= 100


@each_module
def test_functions_are_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, node.name
