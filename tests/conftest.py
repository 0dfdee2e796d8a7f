"""Shared settings of the tests."""

import signal
from collections.abc import Iterator

import hypothesis
import pytest

from tinygrad_lite import OPS
from tinygrad_lite.op import Operand

hypothesis.settings.register_profile("default", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("default")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what opens a browser: it is left out of the run after each change."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """What a test declares is gone after it."""
    before, methods = dict(OPS), set(vars(Operand))
    yield
    OPS.clear()
    OPS.update(before)
    for name in set(vars(Operand)) - methods:
        delattr(Operand, name)
