"""The shape of the package: who imports whom, what an import costs, how long the files are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_lite as tl

PACKAGE = Path(tl.__file__).parent
MAY_IMPORT = {
    "op": set(),
    "ops": {"op"},
    "value": {"op", "ops"},
    "functional": {"op", "ops", "value"},
    "derivatives": {"op", "ops", "value"},
    "kernels": {"op"},
    "tape": {"op", "ops", "kernels"},
    "flatten": {"op", "ops", "value", "tape"},
    "registers": {"kernels", "tape"},
    "plan": {"kernels", "tape", "registers"},
    "replay": {"kernels", "plan"},
    "program": {"op", "ops", "value", "kernels", "tape", "flatten", "plan", "replay", "distributed"},
    "branching": {"ops", "value", "kernels", "flatten", "replay", "program"},
    "distributed": {"kernels", "replay"},
    "naming": {"op", "value"},
    "steps": {"op", "value", "naming"},
    "symbols": {"op", "naming"},
    "explain": {"op", "value", "steps", "symbols"},
    "layout": set(),
    "draw": {"op", "value", "naming", "steps", "layout"},
    "files": set(),
    "page": {"steps", "symbols", "explain", "draw", "files"},
    "explore": {"value", "steps", "draw", "page"},
    "nn": {"op", "ops", "value", "functional", "kernels", "program", "files"},
    "expression": {"op", "ops", "value"},
}
IMPORTED_LATE = {"layout", "page"}
FREE = {"cli", "__main__", "__init__"}
LATE = {"numpy", "graphviz", "latex2mathml", "tqdm", "dask"}


def imports(path: Path, *, top_only: bool) -> list[tuple[str, int]]:
    """The modules that a file imports, with how many dots; at module level only, or anywhere."""
    tree = ast.parse(path.read_text())
    found = []
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name.partition(".")[0], 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module.partition(".")[0]] if node.module else [alias.name for alias in node.names]
            found += [(name, node.level) for name in names]
    return found


MODULES = sorted(PACKAGE.glob("*.py"))


def test_every_module_has_a_layer() -> None:
    assert {path.stem for path in MODULES} <= set(MAY_IMPORT) | FREE


@pytest.mark.parametrize("path", [path for path in MODULES if path.stem not in FREE], ids=lambda path: path.stem)
def test_imports_point_down(path: Path) -> None:
    own = {name for name, level in imports(path, top_only=False) if level}
    assert own <= MAY_IMPORT[path.stem]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_what_is_heavy_is_imported_where_it_is_used(path: Path) -> None:
    if path.stem not in IMPORTED_LATE:
        assert not LATE & {name for name, level in imports(path, top_only=True) if not level}


def test_importing_the_package_imports_neither_numpy_nor_graphviz() -> None:
    code = f"import sys, tinygrad_lite; print(sorted({LATE!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_public_name_is_listed_and_documented() -> None:
    assert list(tl.__all__) == sorted(tl.__all__)
    for name in tl.__all__:
        assert getattr(tl, name).__doc__, name


def lines(*names: str) -> int:
    return sum(len((PACKAGE / f"{name}.py").read_text().splitlines()) for name in names)


def test_the_core_and_the_package_keep_to_their_lengths() -> None:
    assert lines("op", "ops", "value") <= 950
    assert lines(*(path.stem for path in MODULES)) <= 6000


def test_functions_are_short() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 40, f"{path.stem}.{node.name}"
