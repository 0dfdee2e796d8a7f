"""The command `tinygrad-lite`: a formula's value and derivatives, its picture and its explanation."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..files import replaced
from ..show.draw import draw
from ..show.explain import explain
from ..show.explore import explore
from ..value import Value
from .formula import NUMBER, FormulaError, functions, is_name, parse, shortened

HELP = """\
usage: tinygrad-lite FORMULA [NAME=NUMBER ...] [-o PICTURE] [--html PAGE] [--explain] [--json]

Compute a formula, differentiate it with respect to every name, and draw how it is computed.

  tinygrad-lite "(a + b) * (b + 1)" a=2 b=1 -o graph.svg
  tinygrad-lite "c = a + b; d = b + 1; e = c * d" a=2 b=1 --explain --html steps.html

  FORMULA       an expression of numbers, names, + - * / **, parentheses and functions, as in Python;
                assignments before it, each ended by a semicolon, name intermediate results
  NAME=NUMBER   the value of a name: 2, -1.5e3, inf or nan

  -o PICTURE    write the graph to a file: .svg, .png or .dot
  --html PAGE   write a page that goes through the computation and its derivatives step by step
  --explain     print how every derivative comes about
  --json        print {"name": "e", "value": 6.0, "derivatives": {"a": 2.0, "b": 5.0}} instead of text, with
                "explanation" if asked for; infinities and nan, which JSON lacks, are "inf", "-inf" and "nan"
  --version     print the version
  -h, --help    print this help
  --            what follows is no option

A formula may begin with a minus sign: tinygrad-lite "-a" a=2

functions:
"""
_ENDINGS = {"-o": (".svg", ".png", ".dot"), "--html": (".html", ".htm")}
_FLAGS = ("--explain", "--json", "--version", "-h", "--help")
_ASCII = str.maketrans({"∂": "d", "·": "*", "²": "^2", "σ": "sigmoid", "≤": "<=", "≥": ">=", "≠": "!=", "…": "..."})


class CommandError(Exception):
    """What is wrong with a command, and the status it ends with."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message, status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its status: 0, 2 if it cannot be understood or computed, 1 if an output fails."""
    try:
        text, files = _answer(sys.argv[1:] if argv is None else argv)
        _write(files)
        _print(text)
    except FormulaError as error:
        return _complain(str(error), 2)
    except CommandError as error:
        return _complain(*error.args)
    except KeyboardInterrupt:
        return 130
    return 0


def _answer(argv: Sequence[str]) -> tuple[str, dict[Path, bytes]]:
    """What to print, and what to write to each file."""
    positional, options = _split(argv)
    if "-h" in options or "--help" in options:
        return HELP + textwrap.fill(" ".join(functions()), 100, initial_indent="  ", subsequent_indent="  "), {}
    if "--version" in options:
        return f"tinygrad-lite {_version()}", {}
    if not positional:
        raise CommandError("expected a formula; tinygrad-lite -h explains")
    formula, *assignments = positional
    values = _assigned(assignments)
    root, names = parse(formula, values)
    free = (name for name in itertools.chain("efgh", (f"e{i}" for i in itertools.count(1))) if name not in names)
    root.named(root.label or next(free))
    root.backward()
    # After `e = a`, e is a: of the names of the root, those that were given are what it is differentiated by.
    derivatives = {name: node.grad for name, node in names.items() if node is not root or name in values}
    return _report(root, derivatives, options), _files(root, options)


def _split(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The formula and its assignments, and the options with their paths. A formula may begin with a minus sign."""
    positional: list[str] = []
    options: dict[str, str] = {}
    rest = iter(argv)
    for arg in rest:
        name, equals, path = arg.partition("=")
        if arg == "--":
            positional += rest
        elif arg in _FLAGS:
            options[arg] = ""
        elif arg in _ENDINGS or (name == "--html" and equals):
            if name in options:
                raise CommandError(f"{name}: given twice")
            options[name] = path if equals else next(rest, "")
            if Path(options[name]).suffix.lower() not in _ENDINGS[name]:
                expected = " or ".join(", ".join(_ENDINGS[name]).rsplit(", ", 1))
                raise CommandError(f"{name}: expected a path that ends in {expected}, got {shortened(options[name])!r}")
        elif _is_option(arg, argv):
            raise CommandError(f"unknown option {shortened(arg)!r}; tinygrad-lite -h lists them")
        else:
            positional.append(arg)
    return positional, options


def _is_option(arg: str, argv: Sequence[str]) -> bool:
    """Whether it looks like one, as --nope; but --a is a formula if a has a value."""
    given = {each.partition("=")[0] for each in argv}
    return bool(re.match(r"--[A-Za-z][\w-]*(=|\Z)", arg)) and not given.issuperset(re.findall(r"\w+", arg))


def _assigned(assignments: Sequence[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for each in assignments:
        name, _, number = each.partition("=")
        if not (is_name(name) and re.fullmatch(rf"[-+]?(?:{NUMBER}|inf|nan)", number)):
            raise CommandError(f"expected NAME=NUMBER after the formula, got {shortened(each)!r}")
        if name in values:
            raise CommandError(f"{shortened(name)} is given twice")
        values[name] = float(number)
        if math.isinf(values[name]) and "inf" not in number:
            raise CommandError(f"{shortened(each)!r}: the number is too large for a float")
    return values


def _report(root: Value, derivatives: Mapping[str, float], options: Mapping[str, str]) -> str:
    explanation = None
    if "--explain" in options:
        with _reported("explain the formula"):
            explanation = str(explain(root))
    if "--json" in options:
        numbers = {name: _json(x) for name, x in derivatives.items()}
        report = {"name": root.label, "value": _json(root.data), "derivatives": numbers}
        return json.dumps(report | ({"explanation": explanation} if explanation else {}), indent=2)
    equations = {f"{root.label}": root.data} | {f"∂{root.label}/∂{name}": x for name, x in derivatives.items()}
    lines = [f"{left} = {repr(x).removesuffix('.0')}" for left, x in equations.items()]
    return "\n".join(lines + (["", explanation] if explanation else []))


def _json(x: float) -> float | str:
    return x if math.isfinite(x) else repr(x)


def _files(root: Value, options: Mapping[str, str]) -> dict[Path, bytes]:
    files = {}
    if "-o" in options:
        path = Path(options["-o"])
        with _reported("draw the graph"):
            picture, ending = draw(root), path.suffix.lower()[1:]
            files[path] = picture.source.encode() if ending == "dot" else picture.pipe(format=ending)
    if "--html" in options:
        with _reported("make the page"):
            files[Path(options["--html"])] = explore(root).html.encode()
    return files


def _write(files: Mapping[Path, bytes]) -> None:
    """Write all files or, if one cannot be written, none."""
    with ExitStack() as written:
        for path, content in files.items():
            written.enter_context(_reported(f"write {shortened(str(path))!r}"))
            written.enter_context(replaced(path)).write_bytes(content)


@contextmanager
def _reported(task: str) -> Iterator[None]:
    """Turn what goes wrong inside into a message of this command."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CommandError(f"cannot {task}: {shortened(reason, 1000)}", 1) from None


def _print(text: str) -> None:
    if sys.stdout is None:
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(text, flush=True)
    except OSError as error:
        with suppress(OSError):  # or Python would try, and complain, again on its way out
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        message = "" if isinstance(error, BrokenPipeError) else f"cannot print the answer: {error.strerror}"
        raise CommandError(message, 1) from None


def _complain(message: str, status: int) -> int:
    if message and sys.stderr is not None:
        safe = "".join(char if char.isprintable() or char == "\n" else "�" for char in message)
        with suppress(OSError):
            print(f"tinygrad-lite: error: {safe}", file=sys.stderr)
    return status


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("tinygrad_lite")
    except metadata.PackageNotFoundError:
        return "(not installed)"
