"""A slow machine on a slow line: 1.6 Mbit/s and a quarter of the processor."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.kiosk import arrived, filling_in, send

FIRST_PAINT, STEP = 1000, 100  # milliseconds
SLOWER = 4
_LINE = {"offline": False, "latency": 40, "downloadThroughput": 1.6e6 / 8, "uploadThroughput": 1.6e6 / 8}
_PAINTED = """new Promise(done => new PerformanceObserver(seen => {
  const [first] = seen.getEntriesByName("first-contentful-paint");
  if (first) done(first.startTime);
}).observe({ type: "paint", buffered: true }))"""
# Work of the kind that a page does, in a task of its own: what the developer's tools ask for isn't counted. It took 200 to 250
# milliseconds in an hour in which the service, too, was half as fast as in quiet ones.
_USUAL_WORK = 100
_WORK = """new Promise(done => setTimeout(() => {
  for (let round = 0; round < 40; round++) {
    const list = document.createElement("ul");
    list.innerHTML = "<li><label><input type=checkbox> 求助 <b>1</b></label></li>".repeat(50);
    document.body.append(list);
    list.getBoundingClientRect();
    list.remove();
  }
  done();
}))"""
_DRAWN = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"


class Slow:
    """A page of the kiosk in such a browser; all times are in milliseconds."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._devtools = page.context.new_cdp_session(page)
        self._tell("Network.enable")
        self._tell("Network.emulateNetworkConditions", _LINE)
        self._tell("Network.setCacheDisabled", {"cacheDisabled": True})
        # Of the thread that draws the page: waiting for a processor doesn't count.
        self._tell("Performance.enable", {"timeDomain": "threadTicks"})

    def brake(self, rate: int) -> None:
        self._tell("Emulation.setCPUThrottlingRate", {"rate": rate})

    def first_paint(self, address: str) -> float:
        """By the clock on the wall."""
        self.brake(SLOWER)
        self._page.goto(address, wait_until="commit", timeout=60_000)  # braked, on a machine that is busy besides
        painted = self._page.evaluate(_PAINTED)
        self.brake(1)
        return float(painted)

    def slowness(self) -> float:
        """How many times as long as usual this machine takes at the moment for what a page does; once if it is faster."""
        before = self._spent()
        self._page.evaluate(_WORK)
        return max(1.0, (self._spent() - before) / _USUAL_WORK)

    def costs(self) -> dict[str, float]:
        """A whole visit: what each screen takes until it is drawn, in time of the page's own thread if it were a slow one.
        (The browser's own brake turns by the clock on the wall, and so with whatever else the machine does.)"""
        titles, spent = [], [self._spent()]
        for title in filling_in(self._page):
            titles.append(title)
            spent.append(self._spent())
        spent.append(self._spent())
        send(self._page)
        spent.append(self._spent())
        self.end_visit()
        took = (after - before for before, after in pairwise(spent))
        titles += ["请核对", "已经收下您的求助"]
        return {title: round(each * SLOWER, 1) for title, each in zip(titles, took, strict=True)}

    def steps(self) -> dict[str, float]:
        """A whole visit: from each touch until the next screen was painted, by the clock on the wall."""
        self.brake(SLOWER)
        for _ in filling_in(self._page):
            pass
        send(self._page)
        self.brake(1)
        arrived(self._page)
        told = self._page.evaluate("performance.getEntriesByName('step').map(each => [each.detail, each.duration])")
        self._page.evaluate("performance.clearMeasures()")
        self.end_visit()
        return dict(told)

    def end_visit(self) -> None:
        self._page.get_by_role("button", name="办完了，清空").click()
        expect(self._page.get_by_role("button", name="开始求助")).to_be_visible()

    def _spent(self) -> float:
        """Once all is drawn; without what the test itself asks of the page."""
        self._page.evaluate(_DRAWN)
        told = {each["name"]: each["value"] for each in self._tell("Performance.getMetrics")["metrics"]}
        return float(told["TaskDuration"] - told["DevToolsCommandDuration"]) * 1000

    def _tell(self, name: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._devtools.send(name, given or {})
        return answer
