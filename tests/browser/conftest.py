"""A browser for all tests of a process, a new profile for each page, and the service that they look at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from tests.browser import browsing
from tests.browser.browsing import ARGUMENTS, PHONE, Looking
from tests.browser.kiosk import Hall, a_hall
from tests.conftest import BACKENDS


@pytest.fixture(scope="session")
def chromium() -> str:
    return browsing.chromium()


@pytest.fixture(scope="session")
def playwright(chromium: str) -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver
        asyncio._set_running_loop(driver._loop)
    asyncio._set_running_loop(None)


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium: str) -> Iterator[Browser]:
    asyncio._set_running_loop(playwright._loop)  # the first test that asks for a browser may not be the first of all
    browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
    yield browser
    asyncio._set_running_loop(playwright._loop)
    browser.close()


@pytest.fixture(autouse=True)
def _beside_the_loop(playwright: Playwright, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The loop that drives the browser counts as running in this thread for as long as a test of it lasts: what else
    needs a loop has its own thread, and the tests after this one find none running."""
    asyncio._set_running_loop(playwright._loop)
    monkeypatch.setattr(asyncio, "run", browsing.run_beside)
    yield
    asyncio._set_running_loop(None)


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A profile of its own: `new_context(viewport=KIOSK, locale="en-GB", has_touch=True, ...)`."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = browser.new_context(
            **{"viewport": PHONE, "locale": "zh-CN", "timezone_id": "Asia/Shanghai", **options}
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def new_page(new_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """A page in a profile of its own, whose scripts may not fail, nor break the page's own policy."""
    faults: list[str] = []

    def make(**options: Any) -> Page:
        page = new_context(**options).new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        return page

    yield make
    assert faults == []


@pytest.fixture
def language(backend: str) -> str:
    """One on each database: pages look alike on both, and a browser takes its time."""
    return {"sqlite": "zh", "postgresql": "en"}[backend]


@pytest.fixture(scope="session")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Looking:
    """Pictures are taken into the folder that ONE_WINDOW_TEST_SCREENSHOTS names; what is printed is else kept with the
    other files of the tests."""
    folder = os.environ.get(browsing.SCREENSHOTS)

    @cache
    def axe() -> str:
        return browsing.axe_source(tmp_path_factory.mktemp("axe"))

    return Looking(axe, Path(folder) if folder else tmp_path_factory.mktemp("pictures"), keeps=bool(folder))


@pytest.fixture(scope="session", params=BACKENDS)
def hall(request: pytest.FixtureRequest, templates: Callable[[str], str]) -> Iterator[Hall]:
    """The service as a process, for all tests of the kiosk: each pairs a device of its own."""
    with a_hall(request.param, templates, lambda: request.getfixturevalue("postgres_server")) as hall:
        yield hall
