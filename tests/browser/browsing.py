"""A real browser for tests: Debian's Chromium, by Playwright, and axe-core from npm."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.conftest import BACKENDS
from tests.faults import LONG

CHROMIUM = "ONE_WINDOW_TEST_CHROMIUM"
AXE = "ONE_WINDOW_TEST_AXE"
NEEDED = "ONE_WINDOW_TEST_BROWSER"
SCREENSHOTS = "ONE_WINDOW_TEST_SCREENSHOTS"
_AXE_VERSION = "4.14.1"
KIOSK = {"width": 1080, "height": 1920}
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
# Nothing that is looked up or fetched by the browser itself: the network may be closed.
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"),
    *("--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--mute-audio"),
    "--use-fake-device-for-media-stream",  # a camera, for contexts that permit one
)


def alike_on_both(fixture: str) -> pytest.MarkDecorator:
    """For tests of what a browser does by itself: on SQLite, and in the long form on both databases. `fixture` says which
    (`hall`, `backend`)."""
    return pytest.mark.parametrize(fixture, BACKENDS if LONG else BACKENDS[:1], indirect=True)


def missing(what: str) -> None:
    """Skip, saying what to install; a failure where a browser is needed, as in CI."""
    if os.environ.get(NEEDED) == "needed":
        pytest.fail(f"{what} {NEEDED}=needed says that no browser test may be skipped.")
    pytest.skip(what)


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get(CHROMIUM) or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing(
            "No Chromium here: install the packages chromium and fonts-noto-cjk (Debian, Ubuntu), or name its program "
            f"in {CHROMIUM}."
        )
    return str(found)


def axe_source(folder: Path) -> str:
    """The script of axe-core: the file that is named, or the package of npm, fetched into `folder`."""
    if named := os.environ.get(AXE):
        return Path(named).read_text("utf-8")
    npm = shutil.which("npm")
    if npm is None:
        missing(f"No npm here, by which axe-core comes: install the package npm, or name axe.min.js in {AXE}.")
    packed = subprocess.run(
        [str(npm), "pack", "--silent", f"axe-core@{_AXE_VERSION}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if packed.returncode:
        missing(f"npm could not fetch axe-core {_AXE_VERSION}: name axe.min.js in {AXE}.")
    with tarfile.open(folder / packed.stdout.split()[-1]) as package:
        script = package.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode("utf-8")


def run_beside(running: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` in a thread of its own: the loop that drives the browser belongs to this one."""
    result: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            result.append(_run(running))
        except BaseException as error:  # it is raised where it was asked for
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return result[0]


_run = asyncio.run
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True, slots=True)
class Looking:
    """How a page is looked at: by axe-core, and as a picture."""

    axe: Callable[[], str]
    folder: Path
    keeps: bool  # a picture that nobody will look at is not taken

    def finds_no_fault(self, page: Page, *more_tags: str) -> None:
        found = self.faults(page, *more_tags)
        assert found == [], f"{page.title()}: {found}"

    def faults(self, page: Page, *more_tags: str) -> list[list[Any]]:
        """By axe-core's rules of WCAG 2.2 AA and of good practice, `[rule, what it asks, where it is broken]` each;
        `wcag2aaa` adds contrast of 7:1."""
        if page.evaluate("typeof axe === 'undefined'"):
            page.evaluate(self.axe())
        found: list[list[Any]] = page.evaluate(
            "async tags => (await axe.run(document, {runOnly: tags, resultTypes: ['violations']})).violations"
            ".map(each => [each.id, each.help, each.nodes.map(node => node.html + ' ' + node.failureSummary)])",
            [*_TAGS, *more_tags],
        )
        return found

    def picture(self, page: Page, name: str, *, whole: bool = True) -> None:
        """Also: nothing is wider than the screen."""
        if self.keeps:
            self.folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=self.folder / f"{name}.png", full_page=whole, animations="disabled")
        wide = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide[0] <= wide[1], f"{name} is {wide[0]} wide on a screen of {wide[1]}"
