"""The notebooks: each is run in a fresh kernel, and must give the outputs that are committed.

`python tests/test_notebooks.py` runs them all and writes the outputs; with paths, only those.

Three tags say what a cell is. `plot`: that it shows what it showed is checked, but not that it is
the same picture, which depends on the version of Matplotlib. `timing`: what it shows depends on the
machine, so nothing of it is committed. `exercise`: a cell to fill in; it is run as it stands, and
once more with the answer that is folded below it.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import importlib.metadata
import io
import itertools
import json
import math
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_lite
from tinygrad_lite import Value

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
NEEDED = ["nbclient", "ipykernel", "matplotlib", "scipy", "tqdm", "graphviz-pure"]
COMPARED = ["text/plain", "text/markdown", "image/svg+xml"]
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def missing() -> list[str]:
    """The packages that running the notebooks needs and that are not installed."""
    found = {
        name.lower().replace("_", "-")
        for d in importlib.metadata.distributions()
        if (name := d.name)
    }
    return [name for name in NEEDED if name not in found]


runs = pytest.mark.skipif(
    bool(missing()), reason=f"running the notebooks needs {', '.join(missing())}"
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def executed(notebook: Any) -> Any:
    """The notebook after Run All in a fresh kernel."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(json.dumps(notebook), as_version=4)
    for left in (2, 1, 0):
        client = NotebookClient(
            notebook,
            timeout=120,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(NOTEBOOKS)}},
        )
        try:
            client.execute()
            break
        except RuntimeError as error:
            # Of two kernels that start at once and choose the same port, one dies: begin anew.
            if not left or "Kernel died before replying" not in str(error):
                raise
    notebook.metadata = METADATA
    return json.loads(nbformat.writes(notebook))


def write(path: Path, notebook: Any) -> None:
    for cell in tagged(notebook, "timing"):
        cell["outputs"] = []
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    path.write_text(text, encoding="utf-8")


def text_of(part: str | list[str]) -> str:
    return "".join(part)


def stripped(text: str | list[str]) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", text_of(text)).strip()


def shown(cell: Any) -> list[Any]:
    """What a cell's outputs are compared by."""
    found: list[Any] = []
    if is_tagged(cell, "timing"):
        return found
    for output in cell["outputs"]:
        data = output.get("data", {})
        kinds = [output["output_type"], output.get("name"), *sorted(data)]
        contents = [stripped(data[kind]) for kind in COMPARED if kind in data] + [
            stripped(output.get("text", ""))
        ]
        found.append(kinds if is_tagged(cell, "plot") else kinds + contents)
    return found


def is_tagged(cell: Any, tag: str) -> bool:
    return tag in cell["metadata"].get("tags", [])


def tagged(notebook: Any, tag: str) -> list[Any]:
    return [cell for cell in notebook["cells"] if is_tagged(cell, tag)]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def differences(committed: Any, now: Any) -> list[str]:
    """The cells, by id, whose outputs are not those that are committed."""
    pairs = zip(code_cells(committed), code_cells(now), strict=True)
    return [
        old["id"] for old, new in pairs if shown(old) != shown(new) or not new["execution_count"]
    ]


@each
@runs
def test_a_notebook_runs_and_gives_the_committed_outputs(path: Path) -> None:
    assert differences(read(path), executed(read(path))) == []


def folded_code(markdown: Any) -> list[str]:
    """The code of the folded answers in a cell, one string an answer."""
    answers = re.findall(
        "<summary>Answer</summary>(.*?)</details>", text_of(markdown["source"]), re.DOTALL
    )
    assert sum(answer.count("```python") for answer in answers) == len(
        re.findall("^ *```python\n.*?^ *```$", "".join(answers), re.DOTALL | re.MULTILINE)
    )
    blocks = [
        re.findall("^ *```python\n(.*?)^ *```$", answer, re.DOTALL | re.MULTILINE)
        for answer in answers
    ]
    return [textwrap.dedent("\n".join(each)) for each in blocks]


def filled(notebook: Any) -> Any:
    """The notebook with each exercise filled in as its folded answer says, then the things to try."""
    notebook = copy.deepcopy(notebook)
    cells = notebook["cells"]
    for cell, following in itertools.pairwise(cells):
        if is_tagged(cell, "exercise"):
            (answer,) = folded_code(following)
            source = text_of(cell["source"])
            at = source.rindex("\n\n", 0, source.index("\ncheck(") + 1)
            cell["source"] = f"{source[:at]}\n{answer}{source[at:]}"
    (things,) = [cell for cell in cells if cell["id"] == "try"]
    for i, answer in enumerate(folded_code(things)):
        code = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
        cells.append(code | {"id": f"tried-{i}", "source": answer})
    return notebook


@each
@runs
def test_the_folded_answers_are_right_and_their_code_runs(path: Path) -> None:
    done = executed(filled(read(path)))
    said = [
        "".join(text_of(output["text"]) for output in cell["outputs"])
        for cell in tagged(done, "exercise")
    ]
    wrong = [line for text in said for line in text.splitlines() if not line.endswith(": right")]
    assert said
    assert wrong == []


def edited(tag: str | None, change: str) -> tuple[Any, Any]:
    """A notebook of one cell, and the same with something in its output changed."""
    data = {
        "text/plain": ["<Value at 0x7f00>"],
        "image/svg+xml": ["<svg>\n", "1</svg>"],
        "text/html": ["<i>1</i>"],
    }
    output = {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": 1}
    stream = {"output_type": "stream", "name": "stdout", "text": ["1\n"]}
    tags = {"tags": [tag]} if tag else {}
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": tags,
        "execution_count": 1,
        "outputs": [stream, output],
    }
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
        ("timing", "missing", []),
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
    assert [cell["execution_count"] for cell in code_cells(notebook)] == list(
        range(1, len(code_cells(notebook)) + 1)
    )
    assert all(set(cell["metadata"]) <= {"tags"} for cell in notebook["cells"])
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    assert not [
        output
        for output in outputs
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert not re.search(
        r"(?<![\w/.])/(home|root|tmp|usr|work|Users)/|[A-Z]:\\\\|0x[0-9a-f]{6}",
        path.read_text("utf-8"),
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
def test_every_picture_fits_beside_the_side_bar_of_jupyterlab(path: Path) -> None:
    for cell in code_cells(read(path)):
        for output in cell["outputs"]:
            if picture := output.get("data", {}).get("image/svg+xml"):
                (width,) = re.findall(r'<svg[^>]* width="([\d.]+)pt"', text_of(picture))
                assert float(width) <= 636, cell["id"]  # 848 pixels of 1280


@each
def test_a_notebook_opens_with_its_question_and_ends_with_things_to_try_and_checks(
    path: Path,
) -> None:
    first, *_, things, note, checks = read(path)["cells"]
    assert text_of(first["source"]).startswith(f"# {path.stem[0]} · ")
    assert "Run All" in text_of(first["source"])
    assert re.findall(r"^\d\. ", text_of(things["source"]), re.MULTILINE) == ["1. ", "2. ", "3. "]
    folded = re.findall("<summary>(.*?)</summary>", text_of(things["source"]))
    assert folded == ["Hint", "Answer"] * 3
    assert [note["id"], checks["id"], things["id"]] == ["checks-note", "checks", "try"]


@each
def test_all_assertions_of_a_notebook_are_in_its_last_cell(path: Path) -> None:
    *cells, checks = code_cells(read(path))
    assert "assert " in text_of(checks["source"])
    assert [
        cell["id"] for cell in cells if re.search(r"\bassert\b|assert_", text_of(cell["source"]))
    ] == []


@each
def test_an_exercise_says_what_is_missing_and_has_a_folded_answer(path: Path) -> None:
    notebook = read(path)
    assert len(tagged(notebook, "exercise")) >= 2
    for cell, following in itertools.pairwise(notebook["cells"]):
        if is_tagged(cell, "exercise"):
            assert text_of(cell["source"]).startswith("# Yours: "), cell["id"]
            lines = text_of(cell["outputs"][0]["text"]).splitlines()
            assert [line for line in lines if ": not yet: " not in line] == [], cell["id"]
            assert len(folded_code(following)) == 1, cell["id"]


@each
def test_no_line_of_a_cell_is_longer_than_100_columns(path: Path) -> None:
    lines = [line for cell in read(path)["cells"] for line in text_of(cell["source"]).splitlines()]
    assert [line for line in lines if len(line) > 100 and not line.startswith("|")] == []


@each
def test_no_time_of_a_machine_is_committed(path: Path) -> None:
    assert [cell["id"] for cell in tagged(read(path), "timing") if cell["outputs"]] == []


@each
def test_the_check_of_an_exercise_shows_no_answer(path: Path) -> None:
    notebook = read(path)
    called = [
        re.search(r'^check\("([\w.-]+)", (.*)\)$', text_of(cell["source"]), re.MULTILINE)
        for cell in tagged(notebook, "exercise")
    ]
    names = [f"{path.stem[0]}.{cell['id']}" for cell in tagged(notebook, "exercise")]
    assert [call and call[1] for call in called] == names


def practice() -> Any:
    """`notebooks/practice.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(NOTEBOOKS))
        return importlib.import_module("practice")


def test_every_question_is_asked_in_a_notebook() -> None:
    asked = [
        f"{path.stem[0]}.{cell['id']}" for path in PATHS for cell in tagged(read(path), "exercise")
    ]
    assert asked == list(practice().QUESTIONS)


def test_no_mistake_of_a_question_is_what_is_right() -> None:
    parts = [part for parts in practice().QUESTIONS.values() for part in parts]
    said = [
        practice().verdict(part, mistake)
        for part in parts
        for mistake in [*part.mistakes, "?", ..., None]
    ]
    assert len(said) > 150
    assert [words for words in said if not words.startswith("not yet: ")] == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (..., "not yet: both paths?"),
        (None, "not yet: both paths?"),
        ("five", "not yet: both paths?"),
        ([5, 5], "not yet: both paths?"),
        (7, "not yet: both paths?"),
        (math.nan, "not yet: both paths?"),
        (2, "not yet: one path alone"),
        (5, "right"),
        ("5", "right"),
        (5.0001, "right"),
        (Value(5.0), "right"),
    ],
)
def test_an_answer_is_checked(answer: Any, says: str) -> None:
    part = practice().Part("x", 5, "both paths?", {2: "one path alone"})
    assert practice().verdict(part, answer) == says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([1.0, 2], "right"),
        ((1, 2), "right"),
        ([Value(1.0), np.float64(2.0)], "right"),
        ([2, 1], "not yet: the other way round"),
        ([1.0], "not yet: two numbers"),
        (1.0, "not yet: two numbers"),
    ],
)
def test_an_answer_of_several_numbers_is_checked(answer: Any, says: str) -> None:
    part = practice().Part("x", [1, 2.0], "two numbers", {(2, 1): "the other way round"})
    assert practice().verdict(part, answer) == says


def test_a_check_prints_a_line_for_each_part() -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        practice().check("1.chain", 2, 3)
    assert said.getvalue().splitlines() == [
        "∂e/∂a: right",
        "∂e/∂b: not yet: that is the path through d alone; b is used twice",
    ]


def test_notebook_6_shows_every_kind_of_operand() -> None:
    (path,) = NOTEBOOKS.glob("6_*.ipynb")
    (cell,) = [cell for cell in read(path)["cells"] if cell["id"] == "kinds-note"]
    rows = re.findall(r"^\| `(\w+)` \| `([\w/.]+)` \|", text_of(cell["source"]), re.MULTILINE)
    package = Path(tinygrad_lite.__file__).parent
    kinds = [
        (name, source.relative_to(package).as_posix())
        for source in package.rglob("*.py")
        for name in re.findall(r"^class (\w+)\(Operand\)", source.read_text("utf-8"), re.MULTILINE)
    ]
    assert sorted(rows) == sorted(kinds)


if __name__ == "__main__":
    for path in [Path(name).resolve() for name in sys.argv[1:]] or PATHS:
        write(path, executed(read(path)))
