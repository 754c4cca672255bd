"""What a machine in a hall meets in the long run: a disk that fails or is cleared, a clock that is wrong, recordings and
cameras that are not there. And small things of the way: back from the check, keys for a day, words that stay Chinese."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.browsing import KIOSK, alike_on_both
from tests.browser.kiosk import CARD, PHONE_NUMBER, Hall, arrived, fill_in, heading, holds, pair, send, until
from tests.browser.test_kiosk_looks import asks_of_every_kind

pytestmark = alike_on_both("hall")
BORN_IN_2015 = "110105201503071235"
SPEAKS = """() => {
  window.spoken = [];
  speechSynthesis.getVoices = () => [{ lang: "zh-CN" }, { lang: "en-GB" }];
  window.SpeechSynthesisUtterance = function (text) { this.text = text; };
  speechSynthesis.speak = ({ text }) => window.spoken.push(text);
}"""


@pytest.fixture
def page(new_page: Any, hall: Hall) -> Page:
    page: Page = new_page(viewport=KIOSK)
    pair(page, hall)
    return page


def test_a_machine_that_can_keep_nothing_says_whom_to_call_and_tries_again_by_itself(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install()
    page.clock.pause_at(time.time() + 60)  # however slow the machine is
    page.add_init_script(
        """if (!window.name) {
          window.name = "tried once";
          IDBFactory.prototype.open = () => { throw new DOMException("broken", "UnknownError"); };
        }"""
    )
    page.goto(f"{hall.address}/kiosk/")
    expect(page.get_by_role("alert")).to_have_text("这台机器存不了东西，页面用不了：请叫工作人员。")
    for number in ("120", "110", "119"):
        expect(page.locator("main")).to_contain_text(number)
    page.get_by_role("button", name="急难求助").click()
    expect(page.locator("#heading")).to_have_text("出了什么急事？")
    page.get_by_role("button", name="返回").click()
    page.clock.fast_forward(58_000)
    expect(page.get_by_role("alert")).to_be_visible()
    page.clock.fast_forward(3_000)
    expect(page.locator("#heading")).to_have_text("配对这台机器")


def test_a_store_that_is_cleared_under_the_page_is_made_anew_and_the_visit_goes_on(page: Page, hall: Hall) -> None:
    before = len(hall.requests())
    devtools = page.context.new_cdp_session(page)
    devtools.send("Storage.clearDataForOrigin", {"origin": hall.address, "storageTypes": "indexeddb"})
    fill_in(page)
    page.get_by_role("button", name="提交求助").click()
    expect(page.locator("#heading")).to_have_text("已经收下您的求助")
    arrived(page)
    expect(page.locator(".number strong")).to_be_visible()  # it had none in stock, and has one from the service
    assert len(hall.requests()) == before + 1


@pytest.mark.parametrize("year", ["2001", "2093"])
def test_a_clock_that_is_wrong_keeps_nobody_from_asking(new_page: Any, hall: Hall, year: str) -> None:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install(time=f"{year}-01-02T03:04:05Z")
    pair(page, hall)
    fill_in(page, {"请刷您的身份证": BORN_IN_2015})
    number = send(page)
    arrived(page)
    taken = hall.taken(number)
    assert taken["person"]["applicant"]["id_number"] == BORN_IN_2015
    path = f"/v1/requests/{taken['request_id']}/timeline"
    first = hall.running.client("coordinator").get(path).json()["events"][0]
    assert first["data"]["taken_at"].startswith(f"{year}-01-0"), "as the device has it"
    assert not first["at"].startswith(year)


def test_a_recording_that_does_not_come_is_spoken_instead_and_one_that_was_left_says_nothing_more(
    page: Page, hall: Hall
) -> None:
    listed = {"zh": {"name": "zh", "screens": ["start", "who"]}}
    page.context.route("**/voices.json", lambda route: route.fulfill(json=listed))
    held: list[Route] = []
    page.context.route("**/*.mp3", lambda route: held.append(route) if "start" in route.request.url else route.abort())
    page.add_init_script(f"({SPEAKS})()")
    with page.expect_response("**/voices.json"):
        page.reload()
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
    page.get_by_role("button", name="再听一遍").click()
    page.get_by_role("button", name="开始求助").click()
    page.wait_for_function("() => window.spoken.some(each => each.startsWith('您替谁求助？'))")
    assert (
        page.evaluate("window.spoken.filter(each => each.startsWith('遇到难处')).length") <= 1
    )  # before it knew of any
    assert held, "the recording of the first screen was asked for, and never came"


def test_where_no_photograph_is_taken_none_is_asked_for_and_what_is_no_picture_is_refused(
    new_page: Any, hall: Hall
) -> None:
    page: Page = new_page(viewport=KIOSK, service_workers="block")
    takes = {"takes_photographs": True}

    def pack(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), **takes}) if answer.ok else route.fulfill(response=answer)

    page.route("**/v1/kiosk", pack)
    page.goto(f"{hall.address}/kiosk/?files")
    page.get_by_label("配对码").fill(hall.code())
    page.get_by_role("button", name="配对", exact=True).click()
    asked = fill_in(page)
    assert "要拍照交材料吗？" in asked
    page.get_by_role("button", name="返回").click()
    page.locator("main .choice").first.click()
    by_file = page.get_by_text("选一张照片", exact=True)
    expect(by_file).to_be_visible()  # there is no camera
    page.locator("#file").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    expect(page.locator("main")).to_contain_text("这个文件不是照片，请换一个。")
    expect(by_file).to_be_visible()
    page.get_by_role("button", name="返回").click()
    page.get_by_role("button", name="没带，以后再交").click()
    takes["takes_photographs"] = False
    page.evaluate("import('/kiosk/device.js').then(m => { m.device.tag = null; return m.freshen(); })")
    number = send(page)
    arrived(page)
    assert hall.taken(number)
    page.get_by_role("button", name="办完了，清空").click()
    assert "要拍照交材料吗？" not in fill_in(page)


def test_back_from_the_check_goes_through_the_answers_as_they_are_and_forward_to_it_again(page: Page) -> None:
    asked = fill_in(page)
    page.get_by_role("button", name="修改：打哪个电话找您？").click()
    page.get_by_role("button", name="返回").click()
    expect(page.locator("#heading")).to_have_text("请核对")
    seen = []
    while heading(page) != asked[0]:
        before = heading(page)
        page.get_by_role("button", name="返回").click()
        page.wait_for_function("before => document.getElementById('heading').innerText !== before", arg=before)
        seen.append(heading(page))
        assert len(seen) < len(asked) + 1, seen
        if seen[-1] == "打哪个电话找您？":
            expect(page.locator("#field")).to_have_value(PHONE_NUMBER)
        if seen[-1] == "请刷您的身份证":
            expect(page.locator("#field")).to_have_value(CARD)
        if seen[-1] == "遇到了什么难处？":
            expect(page.locator("[aria-pressed=true]", has_text="生病了")).to_have_count(1)
    assert seen == asked[::-1]
    assert fill_again(page) == asked[1:]
    expect(page.locator("main")).to_contain_text("张桂英")


def fill_again(page: Page) -> list[str]:
    """Forward, with what was answered."""
    seen = []
    while (title := heading(page)) != "请核对":
        go, chosen = page.locator("main .go"), page.locator("main .choice[aria-pressed=true]")
        (go if go.count() else chosen if chosen.count() else page.locator("#skip")).click()
        page.wait_for_function("before => document.getElementById('heading').innerText !== before", arg=title)
        seen.append(heading(page))
    return seen[:-1]


def test_a_day_is_written_by_keys_alone_from_field_to_field_and_back_whatever_the_clock_says(
    new_page: Any, hall: Hall
) -> None:
    page: Page = new_page(viewport=KIOSK, service_workers="block", has_touch=True)
    page.clock.install(time="2000-01-02T03:04:05Z")
    page.route("**/v1/kiosk", asks_of_every_kind)
    page.goto(f"{hall.address}/kiosk/")
    page.get_by_label("配对码").fill(hall.code())
    page.get_by_role("button", name="配对", exact=True).click()
    for name in ("开始求助", "我自己", "年老没人照顾", "继续"):
        page.get_by_role("button", name=name).tap()
    while "asks-date" not in (page.locator("main").get_attribute("class") or ""):
        before = heading(page)
        page.locator("#skip, main .choice").last.tap()
        expect(page.locator("#heading")).not_to_have_text(before)
    fields = [page.get_by_label(each, exact=True) for each in ("年", "月", "日")]

    def press(keys: str) -> None:
        page.clock.run_for(550)  # or they count as the same touch
        for key in keys:
            page.get_by_role("button", name="删掉一位" if key == "<" else key, exact=True).tap()

    def written() -> str:
        return "-".join(field.input_value() for field in fields)

    press("20230231")
    expect(fields[2]).to_have_value("31")
    assert written() == "2023-02-31"
    press("<<<<<4022")
    expect(fields[2]).to_have_value("2")
    assert written() == "2024-02-2"
    fields[1].tap()
    press("<1")
    expect(fields[1]).to_have_value("01")
    assert written() == "2024-01-2"
    fields[2].tap()
    press("99")
    expect(fields[2]).to_have_value("29")
    assert written() == "2024-01-29"
    page.get_by_role("button", name="继续").tap()
    while (before := heading(page)) != "请核对":
        page.locator("#skip, #go, main .choice").last.tap()
        expect(page.locator("#heading")).not_to_have_text(before)
    expect(page.locator("main")).to_contain_text("2024-01-29")


def test_what_happened_is_sent_in_chinese_whichever_language_is_on(page: Page, hall: Hall) -> None:
    page.get_by_role("button", name="English").click()
    page.locator("#begin").click()
    page.locator("main .choice").first.click()
    page.locator("#emergency").click()
    page.get_by_role("button", name="Fire").click()
    expect(page.locator("#over")).to_be_visible()
    expect(page.locator(".sent")).to_have_text("It has arrived.")
    taken = hall.taken(page.locator(".number strong").inner_text())
    assert taken["emergency"] == "fire"
    assert taken["person"]["narrative"].startswith("着火了（一号机")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_numbers_are_fetched_after_a_visit_and_a_look_at_the_line_that_fell_into_one_is_made_up(
    new_page: Any, hall: Hall
) -> None:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install()
    pair(page, hall)
    page.evaluate("import('/kiosk/store.js').then(async store => { while (await store.takeNumber()); })")
    page.get_by_role("button", name="开始求助").click()
    for _ in range(12):
        page.clock.fast_forward(51_000)
        page.keyboard.press("Shift")
    with page.expect_request("**/v1/kiosk"):
        page.clock.fast_forward(76_000)
    until(page, lambda: holds(page, "numbers") >= 10)
    page.evaluate("import('/kiosk/store.js').then(async store => { while (await store.takeNumber()); })")
    fill_in(page)
    page.get_by_role("button", name="提交求助").click()
    until(page, lambda: holds(page, "numbers") >= 10)


def test_a_slip_is_printed_by_itself_once_and_again_when_its_number_is_another(page: Page) -> None:
    page.evaluate(
        "() => { window.slips = []; window.print = () => slips.push(document.querySelector('.number').innerText); }"
    )
    page.get_by_text("工作人员", exact=True).click()
    page.get_by_role("button", name="自动打印凭条").click()
    expect(page.get_by_role("button", name="自动打印凭条")).to_have_attribute("aria-pressed", "true")
    page.evaluate(
        """import('/kiosk/store.js').then(async store => {
          while (await store.takeNumber());
        })"""
    )
    page.context.set_offline(True)
    page.get_by_role("button", name="急难求助").click()
    page.get_by_role("button", name="说不清").click()
    expect(page.locator("#heading")).to_have_text("急难求助还没有送到")
    page.context.set_offline(False)
    expect(page.locator("#heading")).to_have_text("急难求助已经送到")
    expect(page.locator(".number strong")).to_be_visible()
    page.wait_for_function("() => slips.length === 2")
    assert "编号以后打电话告诉您" in page.evaluate("slips[0]")
    assert page.locator(".number strong").inner_text() in page.evaluate("slips[1]")
    page.get_by_role("button", name="English").click()
    assert page.evaluate("slips.length") == 2
    page.locator("#over").click()
    fill_in(page)
    number = send(page)
    arrived(page)
    assert page.evaluate("slips.length") == 3
    assert number in page.evaluate("slips[2]")


def test_a_slip_that_whoever_hurts_somebody_may_find_says_nothing_of_what_it_is_about(page: Page) -> None:
    def tells(*words: str) -> list[str]:
        page.emulate_media(media="print")
        printed = page.locator("body").inner_text()
        page.emulate_media(media="screen")
        number = page.locator(".number strong").inner_text()
        assert number in printed
        printed = printed.replace(number, "")  # which may have an emergency number in it
        assert "有事打县协调员电话" in printed
        assert not [word for word in (*words, "110") if word in printed], printed
        return [word for word in words if word in page.locator("main").inner_text()]

    fill_in(page, {"遇到了什么难处？": ["挨打、受欺负"]})
    send(page)
    arrived(page)
    assert tells("法律援助", "办理：") == []
    page.locator("#more").click()
    assert tells("法律援助", "办理：") == ["法律援助", "办理："]
    page.locator("#over").click()
    page.get_by_role("button", name="急难求助").click()
    page.get_by_role("button", name="有人打人、伤人").click()
    expect(page.locator("#heading")).to_have_text("急难求助已经送到")
    assert tells("施暴") == []
    page.locator("#more").click()
    assert tells("施暴") == ["施暴"]


def test_a_recording_that_was_made_anew_is_heard_from_the_second_time_on(page: Page, hall: Hall) -> None:
    heard = "fetch('/kiosk/voices/gan/start.mp3').then(answer => answer.text())"
    folder = Path(hall.settings["kiosk_voices"])
    assert page.evaluate(heard) == "ID3 a recording"
    (folder / "gan" / "start.mp3").write_bytes(b"ID3 another one")
    (folder / "wu").mkdir()
    (folder / "wu" / "start.mp3").write_bytes(b"ID3 a recording")
    try:
        assert page.evaluate(heard) == "ID3 a recording"
        until(page, lambda: page.evaluate(heard) == "ID3 another one")
        with page.expect_response("**/voices.json"):
            page.evaluate("dispatchEvent(new Event('online'))")
        page.get_by_role("button", name="声音：普通话").click()
        page.get_by_role("button", name="声音：赣语").click()
        expect(page.get_by_role("button", name="声音：wu")).to_be_visible()
    finally:
        (folder / "gan" / "start.mp3").write_bytes(b"ID3 a recording")
        shutil.rmtree(folder / "wu")


def test_without_a_camera_a_machine_asks_for_no_photographs_and_shows_no_files(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK)
    pair(page, hall)
    fill_in(page)
    page.get_by_role("button", name="修改：要拍照交材料吗？").click()
    page.locator("main .choice").first.click()
    expect(page.locator("main")).to_contain_text("摄像头用不了，材料以后再交。")
    expect(page.locator("#file, label.button").locator("visible=true")).to_have_count(0)
    page.get_by_role("button", name="返回").click()
    page.evaluate(
        """() => {
          navigator.mediaDevices.enumerateDevices = async () => [];
          navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
        }"""
    )
    page.locator("#go").click()
    expect(page.locator("#heading")).to_have_text("请核对")
    expect(page.locator("main")).not_to_contain_text("要拍照交材料吗？")


@pytest.mark.parametrize("files", [False, True])
def test_a_camera_that_is_listed_and_fails_is_said_to_and_not_tried_again_in_the_visit(
    new_page: Any, hall: Hall, files: bool
) -> None:
    page: Page = new_page(viewport=KIOSK)
    page.add_init_script(
        """window.tried = 0;
        navigator.mediaDevices.enumerateDevices = async () => [{ kind: "videoinput" }];
        navigator.mediaDevices.getUserMedia = async () => {
          window.tried += 1;
          throw new DOMException("Could not start video source", "NotReadableError");
        };"""
    )
    pair(page, hall, "/kiosk/?files" if files else "/kiosk/")
    fill_in(page)
    page.get_by_role("button", name="返回").click()
    paper, alert, file = (
        page.locator("main .choice"),
        page.get_by_role("alert"),
        page.get_by_text("选一张照片", exact=True),
    )
    told = "摄像头用不了，可以选一张照片，或者以后再交。" if files else "摄像头用不了，材料以后再交。"

    paper.first.click()
    expect(alert).to_have_text(told)
    assert page.evaluate("document.activeElement.id") == "heading"
    expect(file).to_be_visible(visible=files)
    expect(page.locator("video")).to_be_hidden()
    page.get_by_role("button", name="返回").click()
    expect(page.locator("#heading")).to_have_text("要拍照交材料吗？")
    if files:
        paper.last.click()
        expect(alert).to_have_text(told)
        page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": page.screenshot()})
        expect(page.get_by_role("button", name="以后再交")).to_be_hidden()
        page.get_by_role("button", name="用这张").click()
        paper.first.click()
        page.get_by_role("button", name="以后再交").click()
    else:
        expect(paper).to_have_count(0)
        expect(page.locator("main")).to_contain_text(told)
        page.get_by_role("button", name="继续").click()
    expect(page.locator("#heading")).to_have_text("请核对")
    expect(page.locator("main")).to_contain_text("已拍 1 张" if files else "以后再交")
    assert page.evaluate("window.tried") == 1
    send(page)
    arrived(page)
    page.get_by_role("button", name="办完了，清空").click()
    fill_in(page)
    page.get_by_role("button", name="返回").click()
    paper.first.click()
    expect(alert).to_have_text(told)
    assert page.evaluate("window.tried") == 2, "whoever comes next may find it mended"
    page.get_by_role("button", name="以后再交").click()
    expect(page.locator("#heading")).to_have_text("请核对")


def test_a_camera_that_is_pulled_out_is_said_to_and_what_it_took_may_be_kept(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK, permissions=["camera"])
    page.add_init_script(
        """const { mediaDevices } = navigator, ask = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (wanted) => (window.camera = await ask(wanted));"""
    )
    pull_out = "camera.getTracks().forEach(track => track.dispatchEvent(new Event('ended')))"
    pair(page, hall)
    fill_in(page)
    page.get_by_role("button", name="返回").click()
    page.locator("main .choice").first.click()
    page.get_by_role("button", name="拍照").click()
    page.evaluate(pull_out)
    page.get_by_role("button", name="重拍").click()
    expect(page.get_by_role("alert")).to_have_text("摄像头用不了，材料以后再交。")
    page.get_by_role("button", name="以后再交").click()
    expect(page.locator("#heading")).to_have_text("请核对")
    send(page)
    page.get_by_role("button", name="办完了，清空").click()
    fill_in(page)
    page.get_by_role("button", name="返回").click()
    page.locator("main .choice").first.click()
    expect(page.get_by_role("button", name="拍照")).to_be_visible()
    page.evaluate(pull_out)
    expect(page.get_by_role("alert")).to_have_text("摄像头用不了，材料以后再交。")


def test_what_the_service_puts_off_is_sent_when_it_said_and_not_before(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install()
    pair(page, hall)
    tries: list[Route] = []

    def put_off_once(route: Route) -> None:
        tries.append(route)
        if len(tries) == 1:
            route.fulfill(status=429, headers={"Retry-After": "50"}, json={"code": "too_many_requests"})
        else:
            route.continue_()

    page.route("**/v1/requests", put_off_once)
    fill_in(page)
    page.evaluate(
        "import('/kiosk/queue.js').then(({ sent }) => sent.addEventListener('failed', () => (window.isPutOff = true)))"
    )
    send(page)
    page.wait_for_function("() => window.isPutOff")
    idle = "navigator.locks.request('one-window-queue', () => null)"  # whoever sends holds it, until there is an answer
    page.evaluate(idle)
    page.clock.fast_forward(40_000)
    page.evaluate(idle)
    assert len(tries) == 1
    page.clock.fast_forward(11_000)
    arrived(page)
    assert len(tries) == 2


def test_a_pack_that_comes_after_the_pairing_ends_the_pairing(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK, service_workers="block")
    page.clock.install()
    page.route("**/v1/kiosk", lambda route: route.abort())
    page.goto(f"{hall.address}/kiosk/")
    page.get_by_label("配对码").fill(hall.code())
    page.get_by_role("button", name="配对", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("现在连不上")
    page.unroute("**/v1/kiosk")
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
