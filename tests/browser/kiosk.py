"""The machine in the hall, for tests: the service as a process, a device that is paired, and somebody in front of it."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Page, expect
from sqlalchemy.engine import make_url

from tests import serving
from tests.running import Running

expect.set_options(timeout=20_000)  # a busy machine is no failure
TOWN = "360803101"
CARD = "11010519491231002X"  # the example of GB 11643
PHONE_NUMBER = "13800000000"
DIGITS = re.compile(r"\d{4} \d{4} \d{4}")

_COUNT = """(store) => new Promise(done => {
  const asked = indexedDB.open("one-window-kiosk");
  asked.onsuccess = () => {
    const found = asked.result.transaction(store).objectStore(store).count();
    found.onsuccess = () => { asked.result.close(); done(found.result); };
  };
})"""


@dataclass
class Hall:
    """The service that a device calls, and a clerk who reads out a code."""

    running: Running
    process: serving.Service
    settings: dict[str, Any]

    def cut(self) -> None:
        """The service is away, and with it every line."""
        self.process.stop()

    def mend(self) -> None:
        self.process = serving.Service(self.running.url, port=self.process.port, **self.settings)
        self.process.wait_until("/health/live", within=60)

    @property
    def address(self) -> str:
        return self.running.address

    def code(self) -> str:
        clerk = self.running.client("township", place=TOWN, **{"idempotency-key": str(uuid4())})
        answer = clerk.post("/v1/kiosks/pairings", json={"name": "一号机", "division_code": TOWN})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["code"])

    def revoke(self, kiosk_id: str) -> None:
        clerk = self.running.client("township", place=TOWN)
        assert clerk.post(f"/v1/kiosks/{kiosk_id}/revoke").status_code == 200

    def requests(self) -> list[dict[str, Any]]:
        """All that a coordinator sees listed."""
        items: list[dict[str, Any]] = self._coordinator.get("/v1/requests", params={"limit": 200}).json()["items"]
        return items

    def taken(self, number: str) -> dict[str, Any]:
        """The one request that has this number, as it was said."""
        (found,) = [each for each in self.requests() if each["receipt_number"] == number.replace(" ", "")]
        seen: dict[str, Any] = self._coordinator.get(f"/v1/requests/{found['request_id']}").json()
        return seen

    @cached_property
    def _coordinator(self) -> httpx.Client:
        return self.running.client("coordinator")


@contextmanager
def a_hall(backend: str, templates: Callable[[str], str], postgres: Callable[[], str]) -> Iterator[Hall]:
    with (
        ThreadPoolExecutor(1) as beside,  # the loop that drives the browser runs in this thread
        tempfile.TemporaryDirectory(prefix="one-window-hall-", dir=serving.memory()) as folder,
    ):
        template = beside.submit(templates, backend).result()
        if backend == "sqlite":
            url = f"sqlite:///{Path(folder, 'one-window.sqlite3')}"
            shutil.copy(make_url(template).database or "", Path(folder, "one-window.sqlite3"))
        else:
            url = beside.submit(serving.make_postgres_database, postgres(), make_url(template).database).result()
        papers, voices = Path(folder, "papers"), Path(folder, "voices")
        papers.mkdir()
        (voices / "gan").mkdir(parents=True)
        (voices / "gan" / "start.mp3").write_bytes(b"ID3 a recording")
        (voices / "gan" / "name.txt").write_text("赣语", "utf-8")
        settings = {"attachments": papers, "kiosk_voices": voices, "refresh_seconds": 0.2}
        service = serving.Service(url, **settings)
        hall = Hall(Running(url, service.address), service, settings)
        try:
            service.wait_until("/health/live", within=60)
            yield hall
        finally:
            hall.running.leave()
            hall.process.stop()
            if backend == "postgresql":
                beside.submit(serving.drop_postgres_database, postgres(), url).result()


def heading(page: Page) -> str:
    return page.locator("#heading").inner_text()


def pair(page: Page, hall: Hall, path: str = "/kiosk/") -> None:
    """The page as a machine shows it in the morning."""
    page.goto(f"{hall.address}{path}")
    page.get_by_label("配对码").fill(hall.code())
    page.get_by_role("button", name="配对", exact=True).click()
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
    page.wait_for_function("() => navigator.serviceWorker.controller?.state === 'activated'")
    until(page, lambda: holds(page, "numbers") >= 10)


ANSWERS: dict[str, Any] = {
    "您替谁求助？": "我自己",
    "遇到了什么难处？": ["生病了，看不起病"],
    "请刷您的身份证": CARD,
    "您叫什么名字？": "张桂英",
    "您家在哪里？": "值夏镇",
    "打哪个电话找您？": PHONE_NUMBER,
}


def fill_in(page: Page, answers: dict[str, Any] | None = None, press: str = "click") -> list[str]:
    """From the first screen to the check, each question answered as `answers` say or left out; the questions asked."""
    return list(filling_in(page, answers, press))


def filling_in(page: Page, answers: dict[str, Any] | None = None, press: str = "click") -> Iterator[str]:
    """The same, one question at a time: each as it stands, before it is answered."""
    said = {**ANSWERS, **(answers or {})}

    def push(name: str) -> None:
        getattr(page.get_by_role("button", name=name, exact=True), press)()

    push("开始求助")
    asked = set()
    while (title := heading(page)) != "请核对":
        assert title not in asked, f"{title} is asked twice"
        asked.add(title)
        yield title
        kind = (page.locator("main").get_attribute("class") or "").split("asks-")[-1]
        answer = said.get(title)
        if kind == "papers":
            getattr(page.locator("#go"), press)()
        elif answer is None:
            getattr(page.locator("#skip"), press)() if page.locator("#skip").count() else getattr(
                page.locator("main .choice").first, press
            )()
        elif kind == "choice":
            push(answer)
        elif kind == "choices":
            for each in answer:
                push(each)
            push("继续")
        elif kind == "date":
            for name, part in zip(("year", "month", "day"), answer.split("-"), strict=True):
                page.locator(f"#{name}").fill(part)
            push("继续")
        else:
            page.locator("#field").fill(answer)
            push("继续")
        page.wait_for_function("before => document.getElementById('heading').innerText !== before", arg=title)


def send(page: Page, press: str = "click") -> str:
    """The number on the receipt."""
    getattr(page.get_by_role("button", name="提交求助"), press)()
    expect(page.locator("#heading")).to_have_text("已经收下您的求助")
    return page.locator(".number strong").inner_text()


def arrived(page: Page) -> None:
    expect(page.locator(".sent")).to_have_text("已经送到。")


EVERYTHING_KEPT = """async () => {
  const rows = [];
  for (const { name } of await indexedDB.databases()) {
    const base = await new Promise(done => { const asked = indexedDB.open(name); asked.onsuccess = () => done(asked.result); });
    for (const store of base.objectStoreNames) {
      rows.push(await new Promise(done => {
        const asked = base.transaction(store).objectStore(store).getAll();
        asked.onsuccess = () => done([store, asked.result]);
      }));
    }
    base.close();
  }
  const cached = [];
  for (const name of await caches.keys())
    for (const request of await (await caches.open(name)).keys()) cached.push(request.url);
  const fields = [...document.querySelectorAll("input, textarea")].map(field => field.value);
  return JSON.stringify({ rows, cached, fields, html: document.documentElement.outerHTML, title: document.title,
    session: { ...sessionStorage }, local: { ...localStorage }, cookies: document.cookie, address: location.href,
    history: history.state });
}"""


def everything_kept(page: Page) -> str:
    """What the browser holds of the page, wherever it is."""
    return str(page.evaluate(EVERYTHING_KEPT))


def found(kept: str, *secrets: str) -> list[str]:
    """Those that stand in what is kept. A few digits may stand by chance in one of the numbers that a device has in stock."""
    others = re.sub(r"(?<!\d)\d{12}(?!\d)", "", kept)
    return [each for each in secrets if each in (kept if DIGITS.fullmatch(each) or len(each) == 12 else others)]


def holds(page: Page, store: str) -> int:
    """How many rows stand in a store of the device."""
    return int(page.evaluate(f"store => ({_COUNT})(store)", store))


def empties(page: Page) -> None:
    """Until nothing waits on the device."""
    until(page, lambda: holds(page, "queue") == 0)


def until(page: Page, holds_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds_true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
