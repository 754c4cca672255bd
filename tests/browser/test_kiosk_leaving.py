"""Who has gone is forgotten: after a minute, after "done", and for whoever comes next."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import KIOSK
from tests.browser.kiosk import CARD, PHONE_NUMBER, Hall, arrived, everything_kept, fill_in, found, pair, send

# Whether nothing is left is asked on both databases; how it comes to that is the page's own affair.
on_one = pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
THEIRS = (CARD, "110105", "19491231", "张桂英", PHONE_NUMBER, "屋顶漏了")
SAID = {"遇到了什么难处？": ["不知道找谁"], "您有什么难处？": "屋顶漏了"}


def holds_nothing_of(page: Page, *secrets: str) -> None:
    assert found(everything_kept(page), *secrets) == []
    assert page.url.endswith("/kiosk/")
    page.emulate_media(media="print")
    assert [each for each in secrets if each in page.locator("body").inner_text()] == []
    page.emulate_media(media="screen")


@pytest.fixture
def page(new_page: Any, hall: Hall) -> Page:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install()
    pair(page, hall)
    return page


def test_after_a_minute_it_warns_after_fifteen_seconds_more_nothing_is_left(page: Page) -> None:
    fill_in(page, SAID)
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 5)  # however slow the machine is
    page.get_by_role("button", name="English").click()
    assert "110105 19491231 002X" in page.locator("main").inner_text()
    page.clock.fast_forward(58_000)
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    page.clock.fast_forward(3_000)
    stay = page.get_by_role("alertdialog", name="Are you still here?").get_by_role("button", name="I am still here")
    expect(stay).to_be_focused()
    stay.click()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "language", "the focus is where it was"
    assert "110105 19491231 002X" in page.locator("main").inner_text()
    page.clock.fast_forward(61_000)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.clock.fast_forward(13_000)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.clock.fast_forward(3_000)
    expect(page.locator("#heading")).to_have_text("遇到难处，来这里说")
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    holds_nothing_of(page, *THEIRS)
    assert page.evaluate("performance.getEntriesByName('step').length") <= 1
    page.go_back()
    page.go_forward()
    expect(page.locator("#heading")).to_have_text("遇到难处，来这里说")
    holds_nothing_of(page, *THEIRS)


@on_one
def test_a_touch_anywhere_is_reason_enough_to_stay(page: Page) -> None:
    page.get_by_role("button", name="开始求助").click()
    for _ in range(3):
        page.clock.fast_forward(50_000)
        page.keyboard.press("Shift")
    expect(page.locator("#heading")).to_have_text("您替谁求助？")
    page.clock.fast_forward(61_000)
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(page.locator("#heading")).to_have_text("您替谁求助？")


def test_the_answers_are_gone_when_the_receipt_is_there_and_the_receipt_when_it_is_done_with(page: Page) -> None:
    fill_in(page, SAID)
    number = send(page)
    arrived(page)
    holds_nothing_of(page, *THEIRS)
    token = page.locator(".code path").get_attribute("d") or ""
    page.get_by_role("button", name="办完了，清空").click()
    holds_nothing_of(page, *THEIRS, number, number.replace(" ", ""), token)


@on_one
def test_whoever_comes_next_sees_nothing_of_whoever_was_before(page: Page) -> None:
    fill_in(page, SAID)
    number = send(page)
    page.clock.fast_forward(61_000)
    page.clock.fast_forward(16_000)
    expect(page.locator("#heading")).to_have_text("遇到难处，来这里说")
    for name in ("开始求助", "我自己", "不知道找谁", "继续"):
        holds_nothing_of(page, *THEIRS, number)
        page.get_by_role("button", name=name).click()
    while page.locator("#skip").count():
        holds_nothing_of(page, *THEIRS, number)
        page.locator("#skip").click()
    holds_nothing_of(page, *THEIRS, number)


@on_one
def test_a_language_that_somebody_left_on_is_chinese_again_for_the_next(page: Page) -> None:
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Large").click()
    page.clock.fast_forward(61_000)
    expect(page.locator("#heading")).to_have_text("遇到难处，来这里说")
    assert page.evaluate("document.documentElement.className") == ""


@on_one
def test_a_page_that_is_loaded_anew_keeps_the_language_and_the_letters_until_the_visit_is_wiped(page: Page) -> None:
    def looks() -> list[str]:
        return list(page.evaluate("[document.documentElement.lang, document.documentElement.className]"))

    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Large").click()
    page.reload()
    begin = page.get_by_role("button", name="Begin")
    expect(begin).to_be_visible()
    assert looks() == ["en", "large"]
    begin.click()
    page.reload()
    expect(begin).to_be_visible()  # what was answered is gone, and how it is answered stays
    page.clock.fast_forward(61_000)
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
    assert looks() == ["zh-CN", ""]


@on_one
def test_a_touch_that_ends_the_warning_touches_nothing_that_lies_beneath(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK, has_touch=True)
    page.clock.install()
    pair(page, hall)
    page.get_by_role("button", name="急难求助").tap()
    beneath = page.get_by_role("button", name="说不清").bounding_box()
    assert beneath
    page.clock.fast_forward(61_000)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.evaluate(
        """() => {
          window.touched = [];
          document.addEventListener("click", ({ target }) => touched.push(target.closest("#idle") !== null), true);
        }"""
    )
    page.touchscreen.tap(beneath["x"] + beneath["width"] / 2, beneath["y"] + beneath["height"] / 2)
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert page.evaluate("touched") == [True]
    expect(page.locator("#heading")).to_have_text("出了什么急事？")


@on_one
def test_the_red_button_works_in_its_place_while_the_warning_is_there(page: Page) -> None:
    page.get_by_role("button", name="开始求助").click()
    place = page.locator("#emergency").bounding_box()
    assert place
    page.clock.fast_forward(61_000)
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    expect(page.locator("#heading")).to_have_text("出了什么急事？")
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "heading"


@on_one
def test_a_voice_and_the_clerks_part_that_somebody_left_are_as_at_first_for_the_next(page: Page) -> None:
    page.get_by_text("工作人员", exact=True).click()
    page.clock.fast_forward(61_000)
    expect(page.locator("details[open]")).to_have_count(0)
    page.get_by_role("button", name="声音：普通话").click()
    expect(page.get_by_role("button", name="声音：普通话")).to_have_count(0)
    page.clock.fast_forward(61_000)
    expect(page.get_by_role("button", name="声音：普通话")).to_have_count(1)


@on_one
def test_newer_files_run_once_the_visit_is_over_and_at_once_where_there_is_none(page: Page) -> None:
    def newer(mark: str) -> None:
        """Another worker of the same files, as a new version of the service sends one."""
        page.evaluate("mark => navigator.serviceWorker.register(`/kiosk/sw.js?${mark}`, { scope: '/kiosk/' })", mark)

    page.evaluate("window.runs = true")
    page.get_by_role("button", name="开始求助").click()
    newer("second")
    page.wait_for_function("() => navigator.serviceWorker.controller?.scriptURL.endsWith('second')")
    expect(page.locator("#heading")).to_have_text("您替谁求助？")
    assert page.evaluate("window.runs"), "nobody is interrupted"
    page.clock.fast_forward(61_000)
    page.clock.fast_forward(16_000)
    page.wait_for_function("() => !window.runs")
    # The page asks for its own worker again, which is another once more: on the first screen it is taken at once.
    page.wait_for_function("() => navigator.serviceWorker.controller?.scriptURL.endsWith('sw.js')")
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
