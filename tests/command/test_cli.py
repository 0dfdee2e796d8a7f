"""The command: what it prints and writes, and that no command line whatever ends in a traceback."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tinygrad_lite.command import cli
from tinygrad_lite.command.cli import main
from tinygrad_lite.op import RESERVED
from tinygrad_lite.ops import HELPERS

CASES = json.loads((Path(__file__).parents[1] / "data" / "cli_cases.json").read_text())
NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf|nan)(?![\w.])", re.I)
WORKSHEET = ["c = a + b; d = b + 1; e = c * d", "a=2", "b=1"]


class Answer(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """The command, run in this process in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *argv: Answer(main(argv), *capsys.readouterr())


def command(*argv: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    options = {"capture_output": True, "encoding": "utf-8"} | options
    return subprocess.run([sys.executable, "-m", "tinygrad_lite", *argv], check=False, timeout=60, **options)


def has(line: str, expected: float) -> bool:
    return any(math.isclose(float(x), expected, rel_tol=1e-9, abs_tol=1e-9) for x in NUMBER.findall(line))


def spelled(arg: str | list[tuple[str, int]]) -> str:
    """An argument of a case; a long one is stored as pieces, each with how often it comes."""
    return arg if isinstance(arg, str) else "".join(piece * times for piece, times in arg)


def judge(case: dict[str, Any], answer: Answer) -> None:
    expect, said = case["expect"], answer.out + answer.err
    assert "Traceback" not in said
    assert len(answer.err) < 4000
    assert not [text for text in case.get("forbid", []) if text in said]
    assert all(re.search(rf"\b{re.escape(name)}\b", said) for name in case.get("need", []))
    if "ok" in expect:
        assert answer.status == 0
        assert has(answer.out, expect["ok"])
        for name, grad in expect["grads"].items():
            lines = [x for x in answer.out.splitlines() if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", x)]
            assert any(has(line, grad) for line in lines), name
    elif answer.status == 0 and "either" in expect:
        assert any(has(answer.out, each) for each in case.get("allow", [])) or "allow" not in case
    else:
        assert answer.status != 0
        assert answer.err.startswith("tinygrad-lite: error: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_good_and_bad_command_lines(case: dict[str, Any], run: Callable[..., Answer], tmp_path: Path) -> None:
    judge(case, run(*map(spelled, case["argv"])))
    assert not list(tmp_path.iterdir())


def test_the_judge_can_fail() -> None:
    case = {"expect": {"ok": 6, "grads": {"a": 2}}}
    judge(case, Answer(0, "e = 6\n∂e/∂a = 2\n", ""))
    for wrong in (
        Answer(2, "e = 6\n∂e/∂a = 2\n", ""),
        Answer(0, "e = 16\n∂e/∂a = 2\n", ""),
        Answer(0, "e = 6\n∂e/∂ab = 2\n", ""),
        Answer(0, "e = 6\n∂e/∂a = 2.5\n", ""),
    ):
        with pytest.raises(AssertionError):
            judge(case, wrong)


def test_the_value_and_a_line_for_each_derivative_are_printed(run: Callable[..., Answer]) -> None:
    assert run("(a + b) * (b + 1)", "a=2", "b=1") == (0, "e = 6\n∂e/∂a = 2\n∂e/∂b = 5\n", "")


def test_intermediate_results_have_derivatives_too(run: Callable[..., Answer]) -> None:
    assert run(*WORKSHEET).out == "e = 6\n∂e/∂a = 2\n∂e/∂b = 5\n∂e/∂c = 2\n∂e/∂d = 3\n"


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        (["a / 3", "a=1"], "e = 0.3333333333333333\n∂e/∂a = 0.3333333333333333\n"),
        (["1e22 * a", "a=-0"], "e = -0\n∂e/∂a = 1e+22\n"),
        (["sqrt(a)", "a=0"], "e = 0\n∂e/∂a = inf\n"),
        (["a", "a=nan"], "a = nan\n∂a/∂a = 1\n"),
        (["a * 2", "a=-inf", "b=+.5"], "e = -inf\n∂e/∂a = 2\n∂e/∂b = 0\n"),
        (["a**b", "a=-2", "b=2"], "e = 4\n∂e/∂a = -4\n∂e/∂b = nan\n"),
        (["2**9"], "e = 512\n"),
        (["e = 3"], "e = 3\n"),
        (["e * f", "e=2", "f=3"], "g = 6\n∂g/∂e = 3\n∂g/∂f = 2\n"),
        (["e = a", "a=2"], "a = 2\n∂a/∂a = 1\n"),
        (["-a*-b", "a=2", "b=3"], "e = 6\n∂e/∂a = 3\n∂e/∂b = 2\n"),
        (["--a", "a=2"], "e = 2\n∂e/∂a = 1\n"),
        (["--", "-h", "h=2"], "e = -2\n∂e/∂h = -1\n"),
        (["-o*2", "o=2"], "e = -4\n∂e/∂o = -2\n"),
        (["-h*2", "h=2"], "e = -4\n∂e/∂h = -2\n"),
    ],
    ids=lambda argv: " ".join(argv) if isinstance(argv, list) else "",
)
def test_numbers_and_names_are_printed_in_full(argv: list[str], out: str, run: Callable[..., Answer]) -> None:
    assert run(*argv) == (0, out, "")


def test_a_root_without_a_name_gets_one_that_is_free(run: Callable[..., Answer]) -> None:
    assert run("e+f+g+h+e1", "e=1", "f=1", "g=1", "h=1", "e1=1").out.startswith("e2 = 5\n")


def test_json_is_laid_out_for_people_too(run: Callable[..., Answer]) -> None:
    out = '{\n  "name": "e",\n  "value": 6.0,\n  "derivatives": {\n    "a": 2.0,\n    "b": 3.0\n  }\n}\n'
    assert run("b * a", "a=3", "b=2", "--json").out == out


def test_json_is_for_programs_and_has_inf_and_nan_as_strings(run: Callable[..., Answer]) -> None:
    answer = json.loads(run("sqrt(a) + b", "a=0", "b=nan", "--json").out)
    assert answer == {"name": "e", "value": "nan", "derivatives": {"a": "inf", "b": 1.0}}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "expected a formula; tinygrad-lite -h explains"),
        (["--nope"], "unknown option '--nope'; tinygrad-lite -h lists them"),
        (["a", "a=1", "--json=1"], "unknown option '--json=1'; tinygrad-lite -h lists them"),
        (["a", "a=1", "-o"], "-o: expected a path that ends in .svg, .png or .dot, got ''"),
        (["a", "a=1", "-o", "e.gif"], "-o: expected a path that ends in .svg, .png or .dot, got 'e.gif'"),
        (["a", "a=1", "--html=e.svg"], "--html: expected a path that ends in .html or .htm, got 'e.svg'"),
        (["a", "a=1", "-o", "e.svg", "-o", "f.svg"], "-o: given twice"),
        (["a", "a=1", "a=2"], "a is given twice"),
        (["a", "b=1"], "no value for a; add a=NUMBER\n  a\n  ^"),
        (["a", "a=1e999"], "'a=1e999': the number is too large for a float"),
        (["a", "a=-1e999"], "'a=-1e999': the number is too large for a float"),
        (["a", "a=05"], "'a=05': the number has a leading zero; write 5"),
        (["a", "a=1", "--practice"], "--practice: expected --html PAGE with it, the page that asks"),
        *((["a", bad], f"expected NAME=NUMBER after the formula, got {bad!r}") for bad in (
            "a=", "a", "a=b", "a=1,5", "a=0x10", "a=1_0", "a=²", "a=١", "a=None", "a= 1 ", "a=1 ", "a=1\n", "=1", "a-b=3",
            "1=1", "if=1", "a·b=1", "a==1", "a=--1", "a=1e", "a=INF", "a=infinity", "a=\udcff", "a\u200b=1", "\x1b[0m=1",
        )),
        (["a", "a=" + "9" * 100_000 + "x"], f"expected NAME=NUMBER after the formula, got 'a={'9' * 58}…'"),
    ],
    ids=lambda part: ascii(part)[:60],
)  # fmt: skip
def test_what_is_wrong_with_the_command_is_said(argv: list[str], message: str, run: Callable[..., Answer]) -> None:
    assert run(*argv) == (2, "", f"tinygrad-lite: error: {message}\n")


def test_what_is_wrong_with_the_formula_is_shown_with_its_place(run: Callable[..., Answer]) -> None:
    assert run("1 + log(0)") == (2, "", "tinygrad-lite: error: log(0.0): expected x > 0\n  1 + log(0)\n      ^\n")


def test_the_root_is_not_named_as_a_number_that_the_formula_uses(run: Callable[..., Answer]) -> None:
    assert run("e**x", "x=0") == (0, "f = 1\n∂f/∂x = 1\n", "")
    assert run("pi*r", "r=1").out == "e = 3.141592653589793\n∂e/∂r = 3.141592653589793\n"


def test_the_operations_are_listed_with_their_derivatives(run: Callable[..., Answer]) -> None:
    answer = run("--functions")
    assert (answer.status, answer.err) == (0, "")
    listed = {line.partition(" ")[0]: line for line in answer.out.splitlines()}
    assert RESERVED - set(HELPERS) <= set(listed)
    assert re.fullmatch(r"mul +x·y +y, x", listed["mul"])
    assert re.fullmatch(r"log +log\(x\) +1/x  \[x > 0\]", listed["log"])
    assert re.fullmatch(r"abs +\|x\| +sign\(x\)", listed["abs"])
    first, *_, numbers, python_only = answer.out.splitlines()
    assert re.fullmatch(r"function +is written +derivative for each argument  \[defined for\]", first)
    assert first.index("is written") == listed["mul"].index("x·y") == listed["logsumexp"].index("logsumexp(")
    assert "\nother names: ln = log, arcsin = asin, " in answer.out
    assert numbers == "numbers: pi = 3.141592653589793, π = 3.141592653589793, e = 2.718281828459045"
    assert python_only == "in Python only: dot"


def test_help_names_options_and_functions(run: Callable[..., Answer]) -> None:
    answer = run("-h")
    assert answer == run("a", "--help")
    assert answer.status == 0
    for word in ("NAME=NUMBER", "-o", "--html", "--explain", "--json", "--practice", "--functions", "--version", '"-inf"', "tanh", "maximum"):
        assert word in answer.out
    assert max(map(len, answer.out.splitlines())) <= 100


def test_the_examples_of_the_help_run(run: Callable[..., Answer]) -> None:
    examples = re.findall(r"tinygrad-lite (.*\".*)$", run("-h").out, re.MULTILINE)
    assert len(examples) == 3
    for example in examples:
        answer = run(*shlex.split(example))
        assert (answer.status, answer.err) == (0, "")
    assert {path.name for path in Path().iterdir()} == {"graph.svg", "steps.html"}


def test_the_version_is_the_packages(run: Callable[..., Answer]) -> None:
    assert run("--version").out == f"tinygrad-lite {metadata.version('tinygrad_lite')}\n"


@pytest.mark.parametrize(("ending", "start"), [(".svg", b"<?xml"), (".PNG", b"\x89PNG"), (".dot", b"digraph")])
def test_the_picture_has_the_format_of_its_ending(
    ending: str, start: bytes, run: Callable[..., Answer], tmp_path: Path
) -> None:
    assert run(*WORKSHEET, "-o", f"e{ending}").status == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"e{ending}"]
    assert (tmp_path / f"e{ending}").read_bytes().startswith(start)


def test_a_picture_that_is_written_again_keeps_its_permissions(run: Callable[..., Answer], tmp_path: Path) -> None:
    picture = tmp_path / "e.dot"
    picture.write_text("old")
    picture.chmod(0o640)
    assert run(*WORKSHEET, "-o", "e.dot").status == 0
    assert picture.read_text().startswith("digraph")
    assert picture.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("bad", ["none/e.svg", "folder.svg", "file/e.svg"])
def test_a_file_that_cannot_be_written_leaves_all_as_it_was(bad: str, run: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    answer = run(*WORKSHEET, "-o", bad)
    assert (answer.status, answer.out) == (1, run(*WORKSHEET).out)
    assert re.fullmatch(rf"tinygrad-lite: error: cannot write '{bad}': \w[\w ]+\n", answer.err)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_graph_that_is_too_large_to_draw_is_an_error(run: Callable[..., Answer], tmp_path: Path) -> None:
    answer = run("+".join(["a"] * 1000), "a=1", "-o", "e.svg")
    assert answer.status == 1
    assert answer.err.startswith("tinygrad-lite: error: cannot draw the graph: ")
    assert not list(tmp_path.iterdir())


def test_the_explanation_follows_the_derivatives(run: Callable[..., Answer]) -> None:
    pytest.importorskip("tinygrad_lite.show.explain")
    answer = run(*WORKSHEET, "--explain")
    assert answer.out.startswith(run(*WORKSHEET).out + "\n")
    assert "∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b" in answer.out
    assert json.loads(run(*WORKSHEET, "--explain", "--json").out)["explanation"] in answer.out


def test_the_page_is_written_and_with_it_the_picture_or_neither(run: Callable[..., Answer], tmp_path: Path) -> None:
    assert run(*WORKSHEET, "--html", "none/steps.html", "-o", "e.svg").status == 1
    assert not list(tmp_path.iterdir())
    assert run(*WORKSHEET, "--html=steps.html", "-o", "e.svg").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.svg", "steps.html"]
    assert "<svg" in (tmp_path / "steps.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("asked", "practice"), [([], "false"), (["--practice"], "true")])
def test_the_page_asks_for_the_numbers_if_wanted(
    asked: list[str], practice: str, run: Callable[..., Answer], tmp_path: Path
) -> None:
    assert run(*WORKSHEET, *asked, "--html", "steps.html").status == 0
    assert f'data-practice="{practice}"' in (tmp_path / "steps.html").read_text(encoding="utf-8")


def test_the_command_runs_in_a_process_of_its_own() -> None:
    assert command("(a+b)*(b+1)", "a=2", "b=1", env=os.environ | {"PYTHONUTF8": "1"}).stdout.startswith("e = 6\n∂e/∂a = 2")
    failed = command("a+")
    assert (failed.returncode, failed.stdout) == (2, "")


def test_an_output_without_unicode_gets_ascii() -> None:
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    answer = command("sigmoid(α)", "α=0", env=ascii_only)
    assert (answer.returncode, answer.stdout) == (0, "e = 0.5\nde/d\\u03b1 = 0.25\n")
    signs = command("c = |α|·α; c ≤ σ(π)", "α=1", "--explain", env=ascii_only)
    assert "e = (c <= 0.9586) = (1 <= 0.9586) = 0" in signs.stdout
    long = command("sum(" + "a, " * 20 + "a)", "a=1", "--explain", env=ascii_only)
    assert "e = a + a + a + a + ... + a = 1 + 1 + 1 + 1 + ... + 1 = 21" in long.stdout
    named = command("π", "π=1", env=ascii_only)
    assert named.stdout == "pi = 1\ndpi/dpi = 1\n"
    failed = command("β", env=ascii_only)
    assert (failed.returncode, "Traceback" in failed.stderr) == (2, False)
    assert r"no value for \u03b2 (U+03B2 GREEK SMALL LETTER BETA)" in failed.stderr


@pytest.mark.skipif(os.name == "nt", reason="arguments are bytes on POSIX systems only")
def test_an_argument_that_is_not_utf_8_is_a_clean_error() -> None:
    argv: Sequence[Any] = [sys.executable, "-m", "tinygrad_lite", b"a\xff", "a=1"]
    failed = subprocess.run(argv, capture_output=True, check=False, timeout=60)
    assert failed.returncode == 2
    assert rb"unexpected '\udcff' (U+DCFF)" in failed.stderr
    assert b"Traceback" not in failed.stderr


@pytest.mark.parametrize("argv", [["-h"], WORKSHEET, ["+".join(["a"] * 1_000), "a=1", "--explain"]], ids=["help", "short", "long"])
def test_a_closed_pipe_is_quiet(argv: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = command(*argv, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_an_output_that_is_full_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        failed = command(*WORKSHEET, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    message = "tinygrad-lite: error: cannot print the answer: No space left on device\n"
    assert (failed.returncode, failed.stderr) == (1, message)


HEAVY = ("numpy", "graphviz", "graphviz_pure", "string")
ASKED = [*WORKSHEET, "--explain", "-o", "e.svg", "--html", "e.html"]
BROKEN = """
import runpy, sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise {error}
sys.meta_path.insert(0, Broken())
sys.modules.pop({missing!r}, None)
sys.argv = ["tinygrad-lite", *{argv!r}]
runpy.run_module("tinygrad_lite", run_name="__main__")
"""


@pytest.mark.parametrize("error", ["ModuleNotFoundError('No module named it')", "AttributeError('_ARRAY_API')"])
@pytest.mark.parametrize("missing", HEAVY)
def test_a_package_that_cannot_be_imported_is_no_traceback(missing: str, error: str, tmp_path: Path) -> None:
    code = BROKEN.format(missing=missing, error=error, argv=ASKED)
    run = [sys.executable, "-c", code]
    env = os.environ | {"PYTHONUTF8": "1"}
    answer = subprocess.run(run, capture_output=True, encoding="utf-8", env=env, cwd=tmp_path, check=False)
    assert "Traceback" not in answer.stderr
    assert "∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5" in answer.stdout
    if answer.returncode:
        assert re.fullmatch(r"tinygrad-lite: error: cannot (draw the graph|make the page): .*\n", answer.stderr)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("part", "task"), [("draw", "draw the graph"), ("explore", "make the page")])
@pytest.mark.parametrize("error", [ImportError("no engine here"), RuntimeError("no engine"), TypeError("odd"), KeyError()])
def test_what_was_explained_is_printed_though_an_output_fails(
    part: str, task: str, error: Exception, run: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    explained = run(*WORKSHEET, "--explain").out
    monkeypatch.setattr(cli, part, fail)
    reason = str(error) or "KeyError"
    message = f"tinygrad-lite: error: cannot {task}: {reason}\n"
    assert run(*ASKED) == (1, explained, message)
    assert json.loads(run(*ASKED, "--json").out)["explanation"] in explained
    assert not list(tmp_path.iterdir())


def test_the_reason_of_a_failure_is_not_endless(
    run: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(root: Any) -> None:
        raise RuntimeError("x" * 1001)

    monkeypatch.setattr(cli, "draw", fail)
    message = f"tinygrad-lite: error: cannot draw the graph: {'x' * 1000}…\n"
    assert run(*WORKSHEET, "-o", "e.svg").err == message


def test_importing_the_command_imports_neither_numpy_nor_graphviz() -> None:
    code = "import sys, tinygrad_lite.command.cli; print({'numpy', 'graphviz'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


def test_no_pair_of_odd_arguments_ends_in_a_traceback(run: Callable[..., Answer], tmp_path: Path) -> None:
    odd = ["", " ", "-", "--", "---", "=", "a", "a=1", "-a", "--a", "-o", "-o=", "--html", "--json", "--explain", "\udcff", "'"]
    for argv in itertools.product(odd, repeat=2):
        answer = run(*argv)
        assert answer.status == 0 or answer.err.startswith("tinygrad-lite: error: "), argv
    assert not list(tmp_path.iterdir())
