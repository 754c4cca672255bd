"""How fast the kiosk's page is on a slow machine and a slow line (1.6 Mbit/s, a quarter of the processor).

    python -m tests.benchmarks.kiosk [--seconds 20] [--json FILE]

By the clock on the wall: the first paint, and each step from the touch until the next screen is painted; median and
longest of all visits. Limits measured in the same run: the first paint of a page of one line, and how long a step takes
that changes one word. Asked: a first paint within a second, each step within a tenth.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests import serving
from tests.browser import browsing
from tests.browser.kiosk import Hall, a_hall
from tests.browser.slow import FIRST_PAINT, SLOWER, STEP, Slow

ONE_LINE, ONE_WORD = "first paint of one line", "one word"  # the limits
_CHANGE = """() => new Promise(done => {
  const start = performance.now();
  document.getElementById("heading").textContent += "。";
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})"""


def measure(hall: Hall, seconds: float) -> dict[str, list[float]]:
    """Times by name, in milliseconds."""
    took: dict[str, list[float]] = {}
    code = hall.code()  # before the loop that drives the browser runs in this thread
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browsing.chromium(), args=browsing.ARGUMENTS)
        context = browser.new_context(viewport=browsing.KIOSK, locale="zh-CN", service_workers="block")
        page = context.new_page()
        slow = Slow(page)
        took[ONE_LINE] = [slow.first_paint(f"{hall.address}/health/live") for _ in range(5)]
        took["first paint"] = [slow.first_paint(f"{hall.address}/kiosk/") for _ in range(5)]
        page.locator("#field").fill(code)
        page.locator("form .go").click()
        page.locator("#begin").wait_for()
        slow.brake(SLOWER)
        took[ONE_WORD] = [page.evaluate(_CHANGE) for _ in range(5)]
        until = time.monotonic() + seconds
        while not any(name.startswith("step") for name in took) or time.monotonic() < until:
            for name, each in slow.steps().items():
                took.setdefault(f"step {name}", []).append(each)
        browser.close()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="one-window-bench-") as folder:
        url = f"sqlite:///{folder}/bench.sqlite3"
        serving.prepare(url)
        with a_hall("sqlite", lambda _: url, lambda: "") as hall:
            took = measure(hall, options.seconds)
    middle = {name: statistics.median(times) for name, times in took.items()}
    for name, times in took.items():
        limit, asked = (ONE_LINE, FIRST_PAINT) if name == "first paint" else (ONE_WORD, STEP)
        beside = (
            "" if name in (ONE_LINE, ONE_WORD) else f"{middle[name] / middle[limit]:5.1f} x {limit}, asked < {asked}"
        )
        print(f"{name:<28} median {middle[name]:6.0f} ms   longest {max(times):6.0f} ms   {beside}")
    if options.json:
        options.json.write_text(json.dumps(took, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
