"""The notebooks: each is run in a fresh kernel, and must give the outputs that are committed.

`python tests/test_notebooks.py` runs them all and writes the outputs; with paths, only those.

A cell with the tag `plot` or `timing` is checked to have run and to show the same kinds of output, which are not
compared: a plot depends on the version of Matplotlib, a time on the machine.
"""

from __future__ import annotations

import copy
import importlib.metadata
import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
NEEDED = ["nbclient", "ipykernel", "matplotlib", "tqdm", "graphviz-pure"]
COMPARED = ["text/plain", "text/markdown", "image/svg+xml"]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def missing() -> list[str]:
    """The packages that running the notebooks needs and that are not installed."""
    found = {name.lower().replace("_", "-") for d in importlib.metadata.distributions() if (name := d.name)}
    return [name for name in NEEDED if name not in found]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def executed(path: Path) -> Any:
    """The notebook after Run All in a fresh kernel, without what changes from machine to machine."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=120,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    notebook.metadata = METADATA
    return json.loads(nbformat.writes(notebook))


def write(path: Path, notebook: Any) -> None:
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def text_of(part: str | list[str]) -> str:
    return "".join(part)


def stripped(text: str | list[str]) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text_of(text)).strip()


def shown(cell: Any) -> list[Any]:
    """What a cell's outputs are compared by."""
    found: list[Any] = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        kinds = [output["output_type"], output.get("name"), *sorted(data)]
        contents = [stripped(data[kind]) for kind in COMPARED if kind in data] + [stripped(output.get("text", ""))]
        found.append(kinds if {"plot", "timing"} & set(cell["metadata"].get("tags", [])) else kinds + contents)
    return found


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def differences(committed: Any, now: Any) -> list[str]:
    """The cells, by id, whose outputs are not those that are committed."""
    pairs = zip(code_cells(committed), code_cells(now), strict=True)
    return [old["id"] for old, new in pairs if shown(old) != shown(new) or not new["execution_count"]]


@each
@pytest.mark.skipif(bool(missing()), reason=f"running the notebooks needs {', '.join(missing())}")
def test_a_notebook_runs_and_gives_the_committed_outputs(path: Path) -> None:
    assert differences(read(path), executed(path)) == []


def edited(tag: str | None, change: str) -> tuple[Any, Any]:
    """A notebook of one cell, and the same with something in its output changed."""
    data = {"text/plain": ["<Value at 0x7f00>"], "image/svg+xml": ["<svg>\n", "1</svg>"], "text/html": ["<i>1</i>"]}
    output = {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}
    stream = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
    tags = {"tags": [tag]} if tag else {}
    cell = {"cell_type": "code", "id": "a", "metadata": tags, "execution_count": 1, "outputs": [stream, output]}
    old = {"cells": [cell]}
    new = copy.deepcopy(old)
    outputs = new["cells"][0]["outputs"]
    match change:
        case "svg":
            outputs[1]["data"]["image/svg+xml"] = ["<svg>2</svg>"]
        case "text":
            outputs[1]["data"]["text/plain"] = ["2"]
        case "print":
            outputs[0]["text"] = ["2\n"]
        case "address":
            outputs[1]["data"]["text/plain"] = ["<Value at 0x7fff>"]
        case "missing":
            del outputs[1]["data"]["image/svg+xml"]
        case "not run":
            new["cells"][0]["execution_count"] = None
    return old, new


@pytest.mark.parametrize(
    ("tag", "change", "found"),
    [
        (None, "nothing", []),
        (None, "address", []),
        (None, "svg", ["a"]),
        (None, "text", ["a"]),
        (None, "print", ["a"]),
        (None, "missing", ["a"]),
        (None, "not run", ["a"]),
        ("plot", "svg", []),
        ("timing", "print", []),
        ("plot", "missing", ["a"]),
        ("timing", "not run", ["a"]),
    ],
)
def test_the_comparison_of_outputs_can_fail(tag: str | None, change: str, found: list[str]) -> None:
    assert differences(*edited(tag, change)) == found


@each
def test_a_notebook_is_clean(path: Path) -> None:
    notebook = read(path)
    assert notebook["metadata"] == METADATA
    assert [cell["execution_count"] for cell in code_cells(notebook)] == list(range(1, len(code_cells(notebook)) + 1))
    assert all(set(cell["metadata"]) <= {"tags"} for cell in notebook["cells"])
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not re.search(
        r"(?<![\w/.])/(home|root|tmp|usr|work|Users)/|[A-Z]:\\\\|0x[0-9a-f]{6}", path.read_text("utf-8")
    )


@each
def test_the_ids_of_cells_are_words_and_unique(path: Path) -> None:
    ids = [cell["id"] for cell in read(path)["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z][a-z-]*", id) for id in ids)


@each
def test_a_picture_or_plot_has_a_caption(path: Path) -> None:
    cells = read(path)["cells"]
    for cell, following in itertools.pairwise(cells):
        if any("image/svg+xml" in output.get("data", {}) for output in cell.get("outputs", [])):
            assert text_of(following["source"]).startswith("*Figure: "), cell["id"]


@each
def test_a_notebook_opens_with_its_question_and_ends_with_things_to_try(path: Path) -> None:
    first, *_, last = read(path)["cells"]
    assert text_of(first["source"]).startswith(f"# {path.stem[0]} · ")
    assert re.findall(r"^\d\. ", text_of(last["source"]), re.MULTILINE) == ["1. ", "2. ", "3. "]


if __name__ == "__main__":
    for path in [Path(name).resolve() for name in sys.argv[1:]] or PATHS:
        write(path, executed(path))
