"""A browser for the tests of the page, and somebody who reads in it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    programs = [
        shutil.which("chromium") or shutil.which("google-chrome"),
        shutil.which("chromedriver"),
    ]
    if None in programs:
        pytest.skip("chromium or its driver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    flags = "headless no-sandbox disable-gpu no-first-run disable-background-networking disable-component-update"
    for flag in [
        *flags.split(),
        "disable-sync",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
    driver.set_window_size(1000, 800)
    yield driver
    driver.quit()


class Reader:
    """Somebody at the page."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def open(self, path: Path, at: int | str = "") -> None:
        self.browser.get("about:blank")
        self.browser.get(f"file://{path}{f'#{at}' if at else ''}")

    def run(self, script: str, *args: Any) -> Any:
        return self.browser.execute_script(script, *args)

    def find(self, css: str) -> list[Any]:
        found: list[Any] = self.browser.find_elements("css selector", css)
        return found

    def press(self, *keys: str, on: str = "body") -> None:
        self.find(on)[0].send_keys(*keys)

    @property
    def status(self) -> str:
        return str(self.find("#status")[0].get_property("textContent"))

    @property
    def step(self) -> int:
        return int(re.match(r"step (\d+) of", self.status)[1])  # type: ignore[index]

    @property
    def shown(self) -> list[str]:
        """The formulas that are visible, as they are read out."""
        visible = [item for item in self.find("#steps > li") if item.is_displayed()]
        return [self.run("return formulasOf(arguments[0])", item) for item in visible]

    @property
    def lit(self) -> set[str]:
        return {element.get_attribute("id") for element in self.find("#picture .lit")}

    @property
    def written(self) -> set[tuple[str, str]]:
        """Every text of the picture that can be seen, with the element it belongs to."""
        script = """return [...document.querySelectorAll("#picture text")]
            .filter(text => getComputedStyle(text).visibility === "visible")
            .map(text => [text.parentElement.id, text.textContent])
            .concat([...document.querySelectorAll("#picture input")]
              .map(field => [field.closest(".node").id, field.value]))"""
        return {(place, text) for place, text in self.run(script)}

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def requests(self) -> set[str]:
        events = [
            json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")
        ]
        sent = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return {url.partition("#")[0] for url in sent if url != "about:blank"}


@pytest.fixture
def reader(browser: Any, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(browser)
    reader.complaints()
    reader.requests()
    yield reader
    assert reader.complaints() == []
    assert reader.requests() <= {f"file://{each}" for each in tmp_path.iterdir()}
