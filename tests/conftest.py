"""Shared settings of the tests."""

import signal

import hypothesis
import pytest

hypothesis.settings.register_profile("default", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("default")
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in the background without it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what opens a browser: it is left out of the run after each change."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
