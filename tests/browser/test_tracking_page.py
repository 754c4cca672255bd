"""A person's own page in a real browser, on a telephone: found, kept new, answered; with a script and without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.browser.browsing import PHONE, Looking
from tests.county import EDUCATION, County, Seen
from tests.own_page import JUSTICE, a_county, answer_back, browser, close, in_full, path_of
from tests.running import Running
from tests.test_attachments import a_photo

NewPage = Callable[..., Page]


@pytest.fixture
def new_page(new_page: NewPage) -> NewPage:
    """A page that notes when its stream is open."""

    def make(**options: Any) -> Page:
        page = new_page(**options)
        page.add_init_script(
            """window.EventSource = class extends EventSource {
              constructor(...given) {
                super(...given);
                this.addEventListener("open", () => (window.hears = true));
              }
            };"""
        )
        return page

    return make


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running], tmp_path: Path) -> County:
    return a_county(database_url, run_service, attachments=str(tmp_path / "papers"))


def address(county: County, receipt: Seen, query: str = "") -> str:
    return f"{county.running.address}{path_of(receipt)}{query}"


def waits_for_papers(county: County) -> Seen:
    receipt = in_full(county, "education_aid")
    lead = county.handoff(receipt, EDUCATION)
    county.told(lead, "received", "accepted", "information_requested", materials=["户口本复印件", "学校出具的在读证明"])
    return receipt


def is_live(page: Page) -> None:
    """Its stream is open: what happens from now on is heard."""
    page.wait_for_function("() => window.hears")


def test_the_whole_way_on_a_telephone(county: County, new_page: NewPage, looking: Looking) -> None:
    receipt = waits_for_papers(county)
    page = new_page(viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{county.running.address}/track")
    page.get_by_label("受理编号(12 位数字)").fill(receipt["receipt_number_spoken"])
    page.get_by_label("电话号码的最后 4 位").fill("0000")
    page.get_by_role("button", name="查询").tap()
    expect(page.get_by_role("alert")).to_contain_text("没有查到")
    page.get_by_label("电话号码的最后 4 位").fill("5678")
    page.get_by_role("button", name="查询").tap()
    page.wait_for_url(f"**{path_of(receipt)}")
    todo = page.locator("#todo")
    expect(todo).to_contain_text("学校出具的在读证明")
    page.get_by_label("照片或 PDF 文件").set_input_files(
        {"name": "IMG.jpg", "mimeType": "image/jpeg", "buffer": a_photo()}
    )
    page.get_by_role("button", name="上传").tap()
    expect(page.get_by_role("status")).to_contain_text("材料已收到")
    page.get_by_role("button", name="材料已交齐").tap()
    expect(page.get_by_role("status")).to_contain_text("材料交齐了")
    expect(todo).to_be_empty()
    is_live(page)
    close_all(county, receipt)
    question = page.get_by_role("group", name="您的问题解决了吗?")
    expect(question).to_be_visible()  # nobody has reloaded
    expect(page.get_by_role("status")).to_contain_text("页面已更新")
    looking.picture(page, "track-asks-if-solved")
    question.get_by_text("没有解决").tap()
    page.get_by_label("想说几句(可以不填)").fill("孩子的补助一直没有发")
    page.get_by_role("button", name="提交").tap()
    expect(page.get_by_role("status")).to_contain_text("您的反馈已收到")
    expect(page.locator("#solved")).to_contain_text("正在研究是否重新办理")
    (asked,) = county.coordinator.get("/v1/reopenings", params={"state": "open"}).json()["items"]
    assert (asked["receipt_number"], asked["words"]) == (receipt["receipt_number"], "孩子的补助一直没有发")
    is_live(page)
    path = f"/v1/reopenings/{asked['reopening_id']}/decline"
    county.coordinator.post(path, json={"reason": "补助于开学后统一发放"}).raise_for_status()
    expect(page.locator("#solved")).to_contain_text("补助于开学后统一发放")
    looking.picture(page, "track-declined")


def close_all(county: County, receipt: Seen) -> None:
    lead = county.handoff(receipt, EDUCATION)
    others = [each for each in county.request(receipt)["handoffs"] if each["status"] == "dispatched"]
    for each in others:
        county.told(each, "received", "accepted", "completed", outcome="granted")
    county.told(lead, "completed", outcome="granted")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # paper knows no database
def test_it_prints_on_a4_without_its_forms(county: County, new_page: NewPage, looking: Looking) -> None:
    receipt = waits_for_papers(county)
    page = new_page(viewport={"width": 794, "height": 1123})
    page.goto(address(county, receipt, "?size=large&contrast=high"))
    page.emulate_media(media="print")
    assert not page.get_by_role("button").first.is_visible()
    assert not page.get_by_role("link", name="English").is_visible()
    expect(page.locator("footer")).to_contain_text("打印")
    looking.picture(page, "track-print")
    printed = page.pdf(path=looking.folder / "track-print.pdf", prefer_css_page_size=True)
    assert 1 <= printed.count(b"/Type /Page\n") <= 3


def test_without_a_script_it_is_read_and_answered_all_the_same(county: County, new_context: Any) -> None:
    receipt = county.ask("legal_aid")
    close(county, receipt)
    page = new_context(java_script_enabled=False).new_page()
    page.goto(address(county, receipt))
    page.get_by_role("link", name="您的问题解决了吗?").click()
    page.get_by_label("解决了一部分").check()
    page.get_by_role("button", name="提交").click()
    expect(page.locator("#solved")).to_contain_text("正在研究是否重新办理")
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="My request for help")).to_be_visible()


def test_by_the_keyboard_alone_a_question_is_answered(county: County, new_page: NewPage) -> None:
    receipt = county.ask("legal_aid")
    close(county, receipt)
    page = new_page()
    page.goto(address(county, receipt, "?lang=en"))
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "solved":
            break
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("Thank you")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#solved")).to_contain_text("Yes, it is solved")


def test_what_somebody_is_writing_is_not_taken_from_them(county: County, new_page: NewPage) -> None:
    receipt = county.ask("legal_aid")
    county.told(county.handoff(receipt, JUSTICE), "received", "accepted")
    page = new_page()
    page.goto(address(county, receipt))
    page.get_by_label("这是什么材料(可以不填)").fill("诊断证明")
    is_live(page)
    county.told(county.handoff(receipt, JUSTICE), "information_requested", materials=["诊断证明"])
    expect(page.locator("#todo")).to_contain_text("诊断证明")
    assert page.get_by_label("这是什么材料(可以不填)").input_value() == "诊断证明"
    page.get_by_label("这是什么材料(可以不填)").fill("")
    page.get_by_label("这是什么材料(可以不填)").blur()
    expect(page.get_by_role("button", name="材料已交齐")).to_be_visible()  # what was left as it was is renewed now


def test_who_reads_on_by_the_keyboard_does_not_lose_their_place(county: County, new_page: NewPage) -> None:
    receipt = county.ask("legal_aid")
    page = new_page()
    page.goto(address(county, receipt))
    place = page.locator("#steps a").first
    place.focus()
    is_live(page)
    county.told(county.handoff(receipt, JUSTICE), "received", "accepted")
    expect(page.get_by_role("status")).to_contain_text("页面已更新")
    expect(place).to_be_focused()
    assert answer_back(browser(county), receipt, "no", closing=1).status_code == 412


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # what overtakes what is the page's own affair
def test_an_answer_that_was_overtaken_takes_nothing_back(county: County, new_page: NewPage) -> None:
    receipt = county.ask("legal_aid")
    held: list[tuple[Route, APIResponse]] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page = new_page()
    page.goto(address(county, receipt))
    is_live(page)
    page.route(f"**{path_of(receipt)}", hold_the_first)
    with page.expect_request(f"**{path_of(receipt)}"):
        county.told(county.handoff(receipt, JUSTICE), "received")
    while not held:
        page.wait_for_timeout(50)
    county.told(county.handoff(receipt, JUSTICE), "accepted")
    main, newest = page.locator("main"), str(len(county.events(receipt)))
    expect(main).to_have_attribute("data-sequence", newest)
    ((route, overtaken),) = held
    assert f'data-sequence="{newest}"' not in overtaken.text()
    with page.expect_event("requestfinished", lambda each: each == route.request):
        route.fulfill(response=overtaken)
    page.wait_for_timeout(300)
    expect(main).to_have_attribute("data-sequence", newest)
