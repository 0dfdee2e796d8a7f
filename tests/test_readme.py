"""README says what is true: its table of operations, its commands, its links. (Its examples are doctests.)"""

from __future__ import annotations

import re
from pathlib import Path

import tinygrad_lite as tl
from tinygrad_lite.show.explain import table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_operations_is_that_of_the_package() -> None:
    (found,) = re.findall(r"<!-- operations -->\n(.*?)\n<!-- end -->", README, re.DOTALL)
    assert found == table()


def test_its_first_two_blocks_are_the_two_commands() -> None:
    main, tests, *_ = re.findall(r"^```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert "tinygrad_lite" in main
    assert "pytest" in tests


def test_every_file_it_names_is_there() -> None:
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / path).exists(), path
    modules = {path.name for path in Path(tl.__file__).parent.rglob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", README)) <= modules | {"bench.py"}
