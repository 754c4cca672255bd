"""The machine in the hall without a line: nothing is lost, nothing is sent twice, nothing of anybody can be read on it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Playwright, Route, expect

from app.tables import help_request
from tests.browser.browsing import ARGUMENTS, KIOSK
from tests.browser.kiosk import (
    CARD,
    PHONE_NUMBER,
    Hall,
    arrived,
    empties,
    everything_kept,
    fill_in,
    found,
    holds,
    pair,
    send,
    until,
)
from tests.watching import count

CUT, BACK = True, False


class Machine:
    """A browser of its own on a disk that stays, as a machine starts it, and as a power cut ends it."""

    def __init__(self, playwright: Playwright, chromium: str, disk: Path) -> None:
        self._port = disk / "DevToolsActivePort"
        self._port.unlink(missing_ok=True)
        command = [chromium, *ARGUMENTS, "--headless=new", f"--user-data-dir={disk}", "--remote-debugging-port=0"]
        self._process = subprocess.Popen(
            [*command, "--window-size=1080,1920", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while not self._port.exists() or not self._port.read_text().strip():
            assert time.monotonic() < deadline, "the browser does not start"
            time.sleep(0.05)
        port = self._port.read_text().split()[0]
        self._browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        self.context = self._browser.contexts[0]
        self.context.set_default_timeout(15_000)
        self.page = self.context.pages[0]

    def power_cut(self) -> None:
        """kill -9 in the middle of whatever it does."""
        if self._process.poll() is None:
            self._browser.close()  # we let go of it; it goes on until it is killed
            assert self._process.poll() is None
            self._process.kill()
            self._process.wait()


def reads_nobody(kept: str, number: str) -> None:
    assert found(kept, CARD, "110105", "张桂英", PHONE_NUMBER, number, number.replace(" ", "")) == []


@pytest.fixture
def machine(hall: Hall, playwright: Playwright, chromium: str, tmp_path: Path) -> Iterator[Callable[[], Machine]]:
    """Starts the machine on its disk; whatever a test leaves is ended, and the service is there again."""
    started: list[Machine] = []

    def start() -> Machine:
        started.append(Machine(playwright, chromium, tmp_path))
        return started[-1]

    yield start
    for each in started:
        each.power_cut()
    if hall.process.has_ended:
        hall.mend()


def test_a_cut_line_a_reload_and_a_power_cut_leave_one_request_with_the_number_that_was_printed(
    hall: Hall, machine: Callable[[], Machine]
) -> None:
    first = machine()
    pair(first.page, hall)
    before = count(hall.running.url, help_request)
    for name in ("开始求助", "我自己", "没钱吃饭", "继续"):
        first.page.get_by_role("button", name=name).click()
    first.page.get_by_label("身份证号").fill(CARD)
    hall.cut()
    first.page.reload()
    reads_nobody(everything_kept(first.page), "nothing yet")
    fill_in(first.page)
    number = send(first.page)
    assert holds(first.page, "queue") == 1
    first.power_cut()

    second = machine()
    second.page.goto(f"{hall.address}/kiosk/")
    expect(second.page.locator("#line")).to_contain_text("待发送 1 件")
    reads_nobody(everything_kept(second.page), number)
    assert count(hall.running.url, help_request) == before
    hall.mend()
    second.page.evaluate("dispatchEvent(new Event('online'))")
    empties(second.page)
    assert hall.taken(number)["person"]["applicant"]["id_number"] == CARD
    assert count(hall.running.url, help_request)["help_request"] == before["help_request"] + 1


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_the_browser_itself_says_that_the_page_can_be_installed(hall: Hall, machine: Callable[[], Machine]) -> None:
    page = machine().page  # on a disk that stays: a profile of a test is private, in which nothing is installed
    page.goto(f"{hall.address}/kiosk/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    devtools = page.context.new_cdp_session(page)
    manifest = devtools.send("Page.getAppManifest")
    assert (manifest["url"], manifest["errors"]) == (f"{hall.address}/kiosk/manifest.webmanifest", [])
    assert devtools.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
    assert devtools.send("Page.getAppId")["appId"] == f"{hall.address}/kiosk/"
    # The icon is drawn under the page's own policy.
    drawn = "async () => { const icon = new Image(); icon.src = '/kiosk/icon.svg'; await icon.decode(); return icon.width; }"
    assert page.evaluate(drawn) > 0


@pytest.fixture
def page(new_page: Any, hall: Hall) -> Page:
    page: Page = new_page(viewport=KIOSK)
    pair(page, hall)
    return page


def test_two_tabs_send_what_waits_once(page: Page, hall: Hall) -> None:
    other = page.context.new_page()
    other.goto(f"{hall.address}/kiosk/")
    page.bring_to_front()
    posted: list[str] = []
    page.context.on(
        "response",
        lambda each: (
            posted.append(each.url) if (each.url.endswith("/v1/requests"), each.status) == (True, 201) else None
        ),
    )
    page.context.set_offline(CUT)
    fill_in(page)
    number = send(page)
    page.context.set_offline(BACK)
    empties(other)
    assert hall.taken(number)
    assert len(posted) == 1


def test_an_answer_that_was_lost_is_asked_for_again_and_makes_no_second_request(page: Page, hall: Hall) -> None:
    keys = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            assert route.fetch().status == 201  # stored, and nobody hears of it
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/requests", lose)
    before = len(hall.requests())
    fill_in(page)
    number = send(page)
    expect(page.locator("#line")).to_contain_text("待发送 1 件")
    page.evaluate("dispatchEvent(new Event('online'))")
    arrived(page)
    assert hall.taken(number)
    assert len(hall.requests()) == before + 1
    assert len(keys) == 2
    assert len(set(keys)) == 1


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_what_the_service_refuses_stays_is_shown_and_is_sent_when_a_clerk_says_so(page: Page, hall: Hall) -> None:
    page.route("**/v1/requests", lambda route: route.fulfill(status=422, json={"code": "validation_failed"}))
    fill_in(page)
    number = send(page)
    expect(page.locator("#line")).to_contain_text("需要工作人员处理 1 件")
    page.get_by_role("button", name="办完了，清空").click()
    expect(page.locator("#line")).to_contain_text("需要工作人员处理 1 件")
    page.unroute("**/v1/requests")
    page.get_by_text("工作人员", exact=True).click()
    page.get_by_role("button", name="再发送一次").click()
    empties(page)
    assert hall.taken(number)


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_a_machine_that_was_revoked_keeps_what_waits_and_says_so_until_it_is_paired_again(
    page: Page, hall: Hall
) -> None:
    before = len(hall.requests())
    page.context.set_offline(CUT)
    fill_in(page)
    number = send(page)
    (ours, *_) = hall.running.client("township").get("/v1/kiosks").json()["items"]
    hall.revoke(ours["kiosk_id"])
    key = page.evaluate("import('/kiosk/device.js').then(m => m.device.key)")
    its_own = {"Authorization": f"Bearer {key}"}
    until(page, lambda: httpx.get(f"{hall.address}/v1/kiosk", headers=its_own, timeout=30).status_code == 401)
    page.context.set_offline(BACK)
    expect(page.locator("#line")).to_contain_text("这台机器已停用，请告诉工作人员")
    assert holds(page, "queue") == 1
    expect(page.locator(".sent")).to_have_text("已经在这台机器上存好，但这台机器已停用：请到窗口说一声。")
    page.get_by_role("button", name="办完了，清空").click()
    expect(page.get_by_role("alert")).to_have_text("这台机器已停用，请到窗口办理。")
    expect(page.get_by_role("button", name="开始求助")).to_have_count(0)
    page.get_by_text("工作人员", exact=True).click()
    page.get_by_role("button", name="重新配对").click()
    page.get_by_label("配对码").fill(hall.code())
    page.get_by_role("button", name="配对", exact=True).click()
    empties(page)
    assert len(hall.requests()) == before + 1
    expect(page.locator("#line")).not_to_contain_text("停用")
    assert hall.taken(number)
    expect(page.locator("#line")).not_to_contain_text("换了编号")
    expect(page.get_by_role("button", name="开始求助")).to_have_count(1)


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_a_number_that_could_not_be_had_stands_on_the_clerks_list_until_the_person_was_told(
    page: Page, hall: Hall
) -> None:
    """The body that the device sends holds the same number as the one before: it was used already."""
    page.evaluate("import('/kiosk/store.js').then(async store => { window.again = await store.takeNumber(); })")
    page.evaluate("import('/kiosk/store.js').then(store => store.addNumbers([window.again]))")
    fill_in(page)
    number = send(page)
    arrived(page)
    page.get_by_role("button", name="办完了，清空").click()
    page.evaluate(
        "import('/kiosk/store.js').then(async store => { while (await store.takeNumber()); await store.addNumbers([window.again]); })"
    )
    fill_in(page)
    page.get_by_role("button", name="提交求助").click()
    expect(page.locator("#line")).to_contain_text("换了编号 1 件")
    expect(page.locator("main")).to_contain_text("编号换了，请用这个新的：")
    page.reload()
    page.get_by_text("工作人员", exact=True).click()
    (new,) = {each["receipt_number"] for each in hall.requests()} & set(
        re.findall(r"\d{12}", page.locator("details").inner_text().replace(" ", ""))
    )
    assert new != number.replace(" ", "")
    page.get_by_role("button", name="已经告诉本人").click()
    expect(page.locator("#line")).not_to_contain_text("换了编号")


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_without_numbers_and_without_a_line_nobody_is_sent_away(page: Page, hall: Hall) -> None:
    page.context.set_offline(CUT)
    page.evaluate("import('/kiosk/store.js').then(async store => { while (await store.takeNumber()); })")
    fill_in(page)
    page.get_by_role("button", name="提交求助").click()
    expect(page.locator("main")).to_contain_text("编号以后打电话告诉您，也可以到窗口来问。")
    page.context.set_offline(BACK)
    arrived(page)
    number = page.locator(".number strong").inner_text()
    assert hall.taken(number)["person"]["applicant"]["phone"] == PHONE_NUMBER
    page.get_by_role("button", name="办完了，清空").click()
    page.get_by_text("工作人员", exact=True).click()
    expect(page.locator("details")).to_contain_text(f"这些求助有了新编号，请告诉本人：{number}")


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_an_alarm_goes_ahead_of_a_photograph_that_hangs_and_says_so_when_it_was_not_sent(
    page: Page, hall: Hall
) -> None:
    page.route("**/attachments", lambda route: None)  # no answer comes
    refused: list[Route] = []

    def refuse_once(route: Route) -> None:
        refused.append(route)
        route.abort() if len(refused) == 1 else route.continue_()

    page.route("**/v1/emergencies", refuse_once)
    with page.expect_request("**/attachments"):
        page.evaluate(
            """import('/kiosk/queue.js').then(async queue => {
              await queue.put([{ id: crypto.randomUUID(), kind: 'photo', at: 1, sealed: 'x', request_id: crypto.randomUUID() }]);
              queue.sendWaiting();
            })"""
        )
    page.get_by_role("button", name="急难求助").click()
    expect(page.locator("main")).to_contain_text("会马上有人打电话或赶过来")
    page.get_by_role("button", name="说不清").click()
    expect(page.locator("#heading")).to_have_text("急难求助还没有送到")
    expect(page.locator("main")).to_contain_text("还没送到：请马上打电话，叫工作人员！")
    number = page.locator(".number strong").inner_text()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#heading")).to_have_text("急难求助已经送到")
    assert hall.taken(number)["emergency"] == "undetermined"
    page.context.set_offline(CUT)
    page.get_by_role("button", name="办完了，清空").click()
    page.get_by_role("button", name="急难求助").click()
    expect(page.locator("main")).to_contain_text("现在送不出去：请马上打电话，叫工作人员！")
    expect(page.locator("main")).not_to_contain_text("会马上有人")


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_a_disk_that_takes_nothing_does_not_keep_an_alarm_from_being_sent(page: Page, hall: Hall) -> None:
    page.evaluate(
        "() => void (IDBDatabase.prototype.transaction = () => { throw new DOMException('full', 'QuotaExceededError'); })"
    )
    before = len(hall.requests())
    lost: list[Route] = []

    def lose_once(route: Route) -> None:
        lost.append(route)
        if len(lost) == 1:
            assert route.fetch().status == 201  # stored, and nobody hears of it
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/emergencies", lose_once)
    page.get_by_role("button", name="急难求助").click()
    page.get_by_role("button", name="说不清").click()
    expect(page.get_by_role("alert")).to_have_text("没能发出，请马上打电话，叫工作人员。")
    page.get_by_role("button", name="说不清").click()
    expect(page.locator("#heading")).to_have_text("急难求助已经送到")
    assert len(lost) == 2
    assert len(hall.requests()) == before + 1
