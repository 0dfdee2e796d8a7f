"""Put small faults in, one at a time, and see whether the tests notice: a tool to run by hand.

    python tests/faults.py tinygrad_lite/derivatives tests/derivatives --count 20 --seed 0

The first argument is a file or a folder of the package, the rest are tests as pytest takes them. In a
copy of the tree each fault is put in, the tests run until one fails, and the fault is taken out again.
What no test notices, nor then those of `--then`, is printed as a line of the file before and after. A survivor is a missing test, or
code without effect, or a fault that changes nothing (a bound that is never met, a faster way that gives
the same).
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
COPIED = ("tinygrad_lite", "tests", "notebooks", "README.md", "CHANGELOG.md", "pyproject.toml", "LICENSE")
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "//",
    ast.BitOr: "&", ast.BitAnd: "|",
}  # fmt: skip


class Fault(NamedTuple):
    """A part of a file and what stands there instead."""

    path: Path
    start: int
    end: int
    text: str

    def put_in(self, source: bytes) -> bytes:
        """The file with it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


class Finder(ast.NodeVisitor):
    """All faults of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path.read_bytes()
        self.lines = [0]
        for line in self.source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.found: list[Fault] = []
        self.visit(ast.parse(self.source))

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends, in bytes."""
        start = self.lines[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self.lines[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def instead(self, node: ast.AST, text: str) -> None:
        self.found.append(Fault(self.path, *self.span(node), text))

    def between(self, left: ast.AST, right: ast.AST, text: str) -> None:
        """Another operator between two operands, if nothing but it stands there."""
        start, end = self.span(left)[1], self.span(right)[0]
        if b"(" not in self.source[start:end] and b")" not in self.source[start:end]:
            self.found.append(Fault(self.path, start, end, f" {text} "))

    def visit(self, node: ast.AST) -> None:
        """The faults of a node, then those below it; annotations and docstrings have none."""
        self.of_operators(node)
        self.of_constants(node)
        self.of_statements(node)
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not is_docstring(child) and not is_typing(child):
                    self.visit(child)

    def of_operators(self, node: ast.AST) -> None:
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                self.between(left, right, COMPARISONS[type(op)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                self.between(left, right, ARITHMETIC[type(op)])
            case ast.BoolOp(op=op, values=[left, right, *_]):
                self.between(left, right, "and" if isinstance(op, ast.Or) else "or")
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                self.instead(node, f"({self.text(operand)})")

    def of_constants(self, node: ast.AST) -> None:
        match node:
            case ast.Constant(value=bool() as value):
                self.instead(node, str(not value))
            case ast.Constant(value=int() as value):
                self.instead(node, str(value + 1))
            case ast.Constant(value=float() as value) if value == value:
                self.instead(node, repr(value * 1.001 if value else 1.0))

    def of_statements(self, node: ast.AST) -> None:
        match node:
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                self.instead(test, f"(not ({self.text(test)}))")
            case ast.Call(args=[first, second, *_]) if not isinstance(second, ast.Starred):
                start, end = self.span(first)[0], self.span(second)[1]
                swapped = f"{self.text(second)}, {self.text(first)}"
                self.found.append(Fault(self.path, start, end, swapped))
            case ast.Expr(value=ast.Call()):
                self.instead(node, "pass")
            case ast.AugAssign(target=target, value=value):
                self.instead(node, f"{self.text(target)} = {self.text(value)}")


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def faults(where: Path, count: int, seed: int) -> list[Fault]:
    """Some of the faults of a file or a folder, whichever the seed draws."""
    paths = sorted(where.rglob("*.py")) if where.is_dir() else [where]
    found = [fault for path in paths for fault in Finder(path).found]
    return random.Random(seed).sample(found, min(count, len(found)))


def survivors(chosen: list[Fault], suites: list[list[str]]) -> Iterator[tuple[Fault, bytes]]:
    """The faults with which all tests pass, and the file each is in, as it was at the start."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            copy_one = shutil.copytree if source.is_dir() else shutil.copy
            copy_one(source, copy / name)
        environment = os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not browser and not slow"]
        commands = [[sys.executable, "-m", "pytest", *options, *tests] for tests in suites if tests]

        def passed(seconds: float | None) -> bool:
            runs = (
                subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False)
                for command in commands
            )
            return all(run.returncode == 0 for run in runs)

        start = time.perf_counter()
        if not passed(None):
            raise SystemExit("the tests do not pass without a fault")
        seconds = 20 + 5 * (time.perf_counter() - start)  # a run that takes longer has noticed
        for fault in chosen:
            place = copy / fault.path.resolve().relative_to(ROOT)
            source_bytes = place.read_bytes()
            place.write_bytes(fault.put_in(source_bytes))
            try:
                survives = passed(seconds)
            except subprocess.TimeoutExpired:
                survives = False
            place.write_bytes(source_bytes)
            if survives:
                yield fault, source_bytes


def line_of(source: bytes, position: int) -> tuple[int, str]:
    """The number and the text of the line there."""
    number = source[:position].count(b"\n")
    return number + 1, source.splitlines()[number].decode().strip()


def main() -> int:
    """Run it, and end with 1 if a fault survives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("where", type=Path)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--then", nargs="+", default=[], help="more tests, for what the others do not notice")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = faults(options.where, options.count, options.seed)
    left = 0
    for fault, source in survivors(chosen, [options.tests, options.then]):
        left += 1
        number, before = line_of(source, fault.start)
        _, after = line_of(fault.put_in(source), fault.start)
        print(f"{fault.path}:{number}\n  - {before}\n  + {after}", flush=True)
    print(f"{len(chosen) - left} of {len(chosen)} noticed")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
