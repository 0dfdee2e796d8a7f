"""The command `tinygrad-lite`: a formula's value and derivatives, its picture and explanation."""

from __future__ import annotations

import itertools
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..files import replaced
from ..show.draw import draw
from ..show.explain import explain
from ..show.page import explore
from ..value import Value
from .formula import parse
from .names import functions
from .report import CommandError, as_json, as_text, complain, operations, print_text
from .tokens import NUMBER, FormulaError, is_name, read_number, shortened, words

HELP = """\
usage: tinygrad-lite FORMULA [NAME=NUMBER ...] [-o PICTURE] [--html PAGE [--practice]]
                     [--explain] [--json]

Compute a formula, differentiate it with respect to every name, and draw how it is computed.

  tinygrad-lite "(a + b) * (b + 1)" a=2 b=1 -o graph.svg
  tinygrad-lite "c = a + b; d = b + 1; e = c * d" a=2 b=1 --explain --html steps.html

  FORMULA       an expression of numbers, names, + - * / ** %, comparisons, parentheses and
                functions, as in Python; assignments before it, each ended by a semicolon, name
                intermediate results; pi and e are numbers unless they are given or assigned
  NAME=NUMBER   the value of a name: 2, -1.5e3, inf or nan

  -o PICTURE    write the graph to a file: .svg, .png or .dot
  --html PAGE   write a page that goes through the computation and its derivatives step by step
  --practice    let the page ask for the numbers instead of showing them
  --explain     print how every derivative comes about
  --json        print {"name": "e", "value": 6.0, "derivatives": {"a": 2.0, "b": 5.0}} instead of
                text, with "explanation" if asked for; infinities and nan, which JSON lacks, are
                "inf", "-inf" and "nan"
  --functions   print the table of operations: how they are written, their derivatives and domains
  --version     print the version
  -h, --help    print this help
  --            what follows is no option

A formula may begin with a minus sign: tinygrad-lite "-a" a=2

functions:
"""
_ENDINGS = {"-o": (".svg", ".png", ".dot"), "--html": (".html", ".htm")}
_FLAGS = (
    "--explain",
    "--functions",
    "--json",
    "--practice",
    "--version",
    "-h",
    "--help",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its status.

    It is 0, or 2 for what cannot be understood or computed, or 1 if an output fails.
    """
    try:
        _run(sys.argv[1:] if argv is None else argv)
    except FormulaError as error:
        return complain(str(error), 2)
    except CommandError as error:
        return complain(*error.args)
    except KeyboardInterrupt:
        return 130
    return 0


def _run(argv: Sequence[str]) -> None:
    positional, options = _split(argv)
    if "-h" in options or "--help" in options:
        print_text(_help())
    elif "--functions" in options:
        print_text(operations())
    elif "--version" in options:
        print_text(f"tinygrad-lite {_version()}")
    elif not positional:
        raise CommandError("expected a formula; tinygrad-lite -h explains")
    elif "--practice" in options and "--html" not in options:
        raise CommandError("--practice: expected --html PAGE with it, the page that asks")
    else:
        _answer(positional[0], _assigned(positional[1:]), options)


def _answer(formula: str, values: Mapping[str, float], options: Mapping[str, str]) -> None:
    """Print what was asked for and write the files."""
    root, names = parse(formula, values)
    root.named(root.label or _free_name({*names, *words(formula)}))
    root.backward()
    # After `e = a`, e is a: of the names of the root, those given are what it is differentiated by.
    derivatives = {
        name: node.grad for name, node in names.items() if node is not root or name in values
    }
    explanation = None
    if "--explain" in options:
        with _reported("explain the formula"):
            explanation = str(explain(root))
    try:
        _write(_files(root, options))
    finally:  # what was computed is not lost with a file that cannot be written
        report = as_json if "--json" in options else as_text
        print_text(report(root, derivatives, explanation))


def _free_name(taken: set[str]) -> str:
    candidates = itertools.chain("efgh", (f"e{i}" for i in itertools.count(1)))
    return next(name for name in candidates if name not in taken)


def _split(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The formula and its assignments, and the options with their paths.

    Not by `argparse`, to which the formulas `-a*-b` and `-o*2` would be options.
    """
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
            options[name] = _checked_path(name, path if equals else next(rest, ""))
        elif _is_option(arg, argv):
            raise CommandError(f"unknown option {shortened(arg)!r}; tinygrad-lite -h lists them")
        else:
            positional.append(arg)
    return positional, options


def _checked_path(option: str, path: str) -> str:
    """The path, if its ending says what the option can write."""
    if Path(path).suffix.lower() not in _ENDINGS[option]:
        expected = " or ".join(", ".join(_ENDINGS[option]).rsplit(", ", 1))
        got = repr(shortened(path))
        raise CommandError(f"{option}: expected a path that ends in {expected}, got {got}")
    return path


def _is_option(arg: str, argv: Sequence[str]) -> bool:
    """Whether it looks like one, as --nope; but --a is a formula if a has a value."""
    given = {each.partition("=")[0] for each in argv}
    looks = re.match(r"--[A-Za-z][\w-]*(=|\Z)", arg)
    return bool(looks) and not given.issuperset(re.findall(r"\w+", arg))


def _assigned(assignments: Sequence[str]) -> dict[str, float]:
    """The numbers that are given, by their names."""
    values: dict[str, float] = {}
    for each in assignments:
        name, _, number = each.partition("=")
        parts = re.fullmatch(rf"([-+]?)({NUMBER}|inf|nan)", number)
        if not (is_name(name) and parts):
            raise CommandError(f"expected NAME=NUMBER after the formula, got {shortened(each)!r}")
        if name in values:
            raise CommandError(f"{shortened(name)} is given twice")
        sign, digits = parts.groups()
        try:
            x = float(digits) if digits in ("inf", "nan") else read_number(digits)
        except ValueError as error:
            raise CommandError(f"{shortened(each)!r}: the number {error}") from None
        values[name] = -x if sign == "-" else x
    return values


def _files(root: Value, options: Mapping[str, str]) -> dict[Path, bytes]:
    """What to write to each file."""
    files = {}
    if "-o" in options:
        path = Path(options["-o"])
        ending = path.suffix.lower()[1:]
        with _reported("draw the graph"):
            picture = draw(root)
            is_text = ending == "dot"
            files[path] = picture.source.encode() if is_text else picture.pipe(format=ending)
    if "--html" in options:
        with _reported("make the page"):
            page = explore(root, practice=True) if "--practice" in options else explore(root)
            files[Path(options["--html"])] = page.html.encode()
    return files


def _write(files: Mapping[Path, bytes]) -> None:
    """Write all files or, if one cannot be written, none."""
    with ExitStack() as written:
        for path, content in files.items():
            written.enter_context(_reported(f"write {shortened(str(path))!r}"))
            written.enter_context(replaced(path)).write_bytes(content)


@contextmanager
def _reported(task: str) -> Iterator[None]:
    """Turn what goes wrong inside, an import too, into a message of this command."""
    try:
        yield
    except CommandError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise CommandError(f"cannot {task}: {shortened(reason, 1000)}", 1) from None


def _help() -> str:
    names = " ".join(functions())
    return HELP + textwrap.fill(names, 100, initial_indent="  ", subsequent_indent="  ")


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("tinygrad_lite")
    except metadata.PackageNotFoundError:
        return "(not installed)"
