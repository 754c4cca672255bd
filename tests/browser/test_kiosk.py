"""Somebody in front of the machine in the hall, who touches it. By keys alone: test_kiosk_keyboard; by ear: test_kiosk_read_out."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests import calendars
from tests.browser.browsing import KIOSK, PHONE
from tests.browser.kiosk import (
    CARD,
    DIGITS,
    PHONE_NUMBER,
    TOWN,
    Hall,
    arrived,
    empties,
    fill_in,
    heading,
    pair,
    send,
)


@pytest.fixture
def page(new_page: Any, hall: Any) -> Page:
    page: Page = new_page(viewport=KIOSK, has_touch=True)
    pair(page, hall)
    return page


def test_the_whole_way_by_touch_ends_with_a_receipt_and_one_request_of_that_number(page, hall) -> None:
    asked = fill_in(page, press="tap")
    assert 6 <= len(asked) <= 12
    number = send(page, press="tap")
    assert DIGITS.fullmatch(number)
    assert number.startswith("1")
    expect(page.get_by_role("img", name="二维码：用手机扫一扫，看办到哪里了")).to_be_visible()
    for told in ("接下来", "期限：", "电话：", "有事打县协调员电话："):
        assert told in page.locator("main").inner_text()
    arrived(page)
    taken = hall.taken(number)
    person = taken["person"]
    assert person["applicant"]["id_number"] == CARD
    assert (person["applicant"]["name"], person["applicant"]["phone"]) == ("张桂英", PHONE_NUMBER)
    assert taken["division_code"] == TOWN
    assert [each["code"] for each in person["needs"]] == ["medical_assistance_applied"]


def test_the_receipt_is_there_before_the_service_has_seen_anything(page, hall) -> None:
    page.context.set_offline(True)
    fill_in(page)
    number = send(page)
    expect(page.locator(".sent")).to_have_text("已经在这台机器上存好，有网络就自动送出。")
    assert not [each for each in hall.requests() if each["receipt_number"] == number.replace(" ", "")]
    page.context.set_offline(False)
    arrived(page)
    assert hall.taken(number)


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_a_screen_reader_is_told_the_name_and_state_of_everything(page) -> None:
    expect(page.locator("body")).to_match_aria_snapshot("""
      - banner:
        - button "English"
        - button "大字"
        - button "高对比"
        - button "再听一遍"
      - main:
        - heading "遇到难处，来这里说" [level=1]
        - button "开始求助"
      - contentinfo:
        - button "急难求助"
    """)
    page.get_by_role("button", name="开始求助").click()
    page.get_by_role("button", name="我自己").click()
    page.get_by_role("button", name="房子坏了").click()
    expect(page.locator("main")).to_match_aria_snapshot("""
      - main:
        - paragraph: 第 2 题，共 6 题
        - heading "遇到了什么难处？" [level=1]
        - group "遇到了什么难处？":
          - button "生病了，看不起病"
          - button "没钱吃饭"
          - button "房子坏了" [pressed]
          - button "孩子上学难"
          - button "残疾"
          - button "年老没人照顾"
          - button "没了工作"
          - button "火灾、水灾"
          - button "挨打、受欺负"
          - button "不知道找谁"
        - button "继续"
        - button "返回"
    """)
    page.get_by_role("button", name="房子坏了").click()
    page.get_by_role("button", name="继续").click()
    expect(page.locator("main")).to_match_aria_snapshot("""
      - main:
        - alert:
          - heading "有个地方要改" [level=2]
          - paragraph:
            - link "请至少选一样；说不清就选“不知道找谁”。"
    """)
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_what_is_written_wrong_is_said_above_linked_to_its_field_and_beside_it(page) -> None:
    for name in ("开始求助", "我自己", "不知道找谁", "继续"):
        page.get_by_role("button", name=name).click()
    field, summary = page.get_by_label("身份证号"), page.get_by_role("alert")
    for wrong, told in ((CARD[:17] + "1", "身份证号有一位不对"), ("123", "身份证号是 18 位")):
        field.fill(wrong)
        page.get_by_role("button", name="继续").click()
        expect(summary).to_contain_text(told)
        assert page.evaluate("document.activeElement === document.querySelector('[role=alert]')")
        summary.get_by_role("link").click()
        assert page.evaluate("document.activeElement.id") == "field"
        assert field.get_attribute("aria-invalid") == "true"
        expect(page.locator("#field-wrong")).to_contain_text(told)
        assert page.url.endswith("/kiosk/"), "nothing of it stands in the address"


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
@pytest.mark.parametrize("typed", [CARD, f"张桂英,{CARD}"])
def test_a_card_reader_types_a_card_wherever_the_focus_is_and_presses_nothing(page, hall, typed) -> None:
    for name in ("开始求助", "我自己", "没钱吃饭", "继续"):
        page.get_by_role("button", name=name).click()
    page.locator("#skip").focus()
    page.evaluate(
        """typed => [...typed, "Enter"].forEach((key, at) => {
          const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
          Object.defineProperty(event, "timeStamp", { value: 10 * at }); // a card's, however busy the machine is
          document.activeElement.dispatchEvent(event);
        })""",
        typed,
    )
    expect(page.locator("#heading")).to_have_text("您家在哪里？" if "," in typed else "您叫什么名字？")
    while heading(page) != "请核对":
        page.locator("#skip, #go, main .choice").last.click()
    expect(page.locator("main")).to_contain_text("110105 19491231 002X")
    number = send(page)
    arrived(page)
    assert hall.taken(number)["person"]["applicant"]["id_number"] == CARD


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_two_touches_of_a_trembling_hand_count_once_but_on_number_keys(new_page, hall) -> None:
    page: Page = new_page(viewport=KIOSK, has_touch=True)
    page.clock.install()
    pair(page, hall)
    page.get_by_role("button", name="开始求助").click()
    place = page.get_by_role("button", name="我自己").bounding_box()
    page.get_by_role("button", name="我自己").dblclick()
    under = "([x, y]) => document.elementFromPoint(x, y).closest('button')?.innerText"
    assert page.evaluate(under, [place["x"] + place["width"] / 2, place["y"] + place["height"] / 2]), (
        "a button is there"
    )
    expect(page.locator("#heading")).to_have_text("遇到了什么难处？")
    expect(page.locator("main .choice[aria-pressed=true]")).to_have_count(0)
    page.get_by_role("button", name="不知道找谁").dblclick()
    expect(page.locator("main .choice[aria-pressed=true]")).to_have_count(1)  # and not taken back
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 5)  # however slow the machine is
    page.get_by_role("button", name="继续").click()
    key, field = page.locator(".key", has_text="1"), page.get_by_label("身份证号")
    key.dblclick()
    expect(field).to_have_value("1")  # the second touch was meant for the screen before
    page.clock.run_for(600)
    key.dblclick()
    expect(field).to_have_value("111")


def test_a_helper_and_a_guardian_say_who_they_are_and_whose_telephone_it_is(page, hall) -> None:
    ways = {
        "我替别人": ("village_worker", {"您是他（她）的什么人？": "村（社区）干部"}),
        "我替孩子": ("mother", {"您是孩子的什么人？": "妈妈"}),
    }
    for who, (relation, more) in ways.items():
        answers = {"您替谁求助？": who, **more, "您叫什么名字？": "李四", "打哪个电话找您？（您自己的）": PHONE_NUMBER}
        asked = fill_in(page, answers)
        assert len(asked) <= 12
        said = page.locator("main").inner_text()
        assert ("监护人" in said) == (who == "我替孩子")
        number = send(page)
        assert "在这里没有替您同意任何事" in page.locator("main").inner_text()
        arrived(page)
        person = hall.taken(number)["person"]
        assert person["helper"] == {
            "id_type": "resident_id",
            "name": "李四",
            "relation": relation,
            "phone": PHONE_NUMBER,
        }
        assert person.get("consents") in (None, [])
        page.get_by_role("button", name="办完了，清空").click()


def test_an_answer_is_changed_from_the_check_and_what_it_asks_anew_is_asked(page, hall) -> None:
    fill_in(page)
    page.get_by_role("button", name="修改：遇到了什么难处？").click()
    page.get_by_role("button", name="生病了，看不起病").click()
    page.get_by_role("button", name="不知道找谁").click()
    page.get_by_role("button", name="继续").click()
    expect(page.locator("#heading")).to_have_text("您有什么难处？")
    page.get_by_label("您的话").fill("屋顶漏了，不知道找谁")
    page.get_by_role("button", name="继续").click()
    expect(page.locator("#heading")).to_have_text("请核对")
    number = send(page)
    arrived(page)
    person = hall.taken(number)["person"]
    assert [each["code"] for each in person["needs"]] == ["undetermined"]
    assert person["narrative"] == "屋顶漏了，不知道找谁"


def test_the_red_button_sends_an_emergency_by_two_touches_from_any_screen(page, hall) -> None:
    page.get_by_role("button", name="开始求助").tap()
    page.get_by_role("button", name="急难求助").tap()
    for number in ("120", "110", "119"):
        expect(page.locator(".numbers")).to_contain_text(number)
    page.get_by_role("button", name="说不清").tap()
    expect(page.locator("#heading")).to_have_text("急难求助已经送到")
    number = page.locator(".number strong").inner_text()
    taken = hall.taken(number)
    assert (taken["emergency"], taken["division_code"]) == ("undetermined", TOWN)
    page.get_by_role("button", name="办完了，清空").tap()
    expect(page.locator("#heading")).to_have_text("遇到难处，来这里说")


def a_large_picture() -> bytes:
    written = io.BytesIO()
    Image.linear_gradient("L").resize((3000, 2000)).save(written, "PNG", compress_level=1)
    return written.getvalue()


def test_photographs_by_the_camera_and_from_a_file_follow_their_request_sealed_and_small(
    new_context: Any, hall: Hall
) -> None:
    page = new_context(viewport=PHONE, permissions=["camera"]).new_page()
    pair(page, hall, "/kiosk/?files")
    for name in ("开始求助", "我自己", "生病了，看不起病", "继续"):
        page.get_by_role("button", name=name).click()
    while "asks-papers" not in (page.locator("main").get_attribute("class") or ""):
        page.locator("#skip, main .choice").last.click()
    page.locator("main .choice").first.click()
    page.get_by_role("button", name="拍照").click()
    expect(page.get_by_role("img", name="拍好的照片")).to_be_visible()
    page.get_by_role("button", name="大字").click()
    expect(page.get_by_role("img", name="拍好的照片")).to_be_visible()
    page.get_by_role("button", name="大字").click()
    page.get_by_role("button", name="重拍").click()
    page.get_by_role("button", name="拍照").click()
    page.get_by_role("button", name="用这张").click()
    page.locator("main .choice").nth(1).click()
    page.locator("#file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": a_large_picture()})
    preview = page.get_by_role("img", name="拍好的照片")
    expect(preview).to_be_visible()
    assert preview.evaluate("canvas => [canvas.width, canvas.height]") == [1600, 1067]
    page.get_by_role("button", name="用这张").click()
    page.get_by_role("button", name="继续").click()
    number = send(page)
    arrived(page)
    empties(page)
    request_id = hall.taken(number)["request_id"]
    listed = hall.running.client("coordinator").get(f"/v1/requests/{request_id}/attachments").json()["items"]
    assert [each["kind"] for each in listed] == ["image/jpeg", "image/jpeg"]
    assert sorted(each["material"] for each in listed) == ["diagnosis", "verification_authorization"]


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_what_was_chosen_and_written_stays_when_the_letters_or_the_language_change(page, hall) -> None:
    for name in ("开始求助", "我自己", "没钱吃饭", "不知道找谁"):
        page.get_by_role("button", name=name).tap()
    page.get_by_role("button", name="大字").tap()
    assert page.locator("main [aria-pressed=true]").all_inner_texts() == ["没钱吃饭", "不知道找谁"]
    page.get_by_role("button", name="继续").tap()
    page.get_by_label("身份证号").fill(CARD[:10])
    page.get_by_role("button", name="English").tap()
    assert page.locator("#field").input_value() == CARD[:10]


def test_two_presses_at_once_send_one_request(page, hall) -> None:
    before = len(hall.requests())
    fill_in(page)
    page.evaluate(
        """() => {
          document.getElementById("send").click();
          document.getElementById("size").click();
          document.getElementById("send").click();
        }"""
    )
    expect(page.locator("#heading")).to_have_text("已经收下您的求助")
    arrived(page)
    empties(page)
    assert len(hall.requests()) == before + 1


def test_words_that_are_not_asked_for_any_more_and_what_a_helper_was_are_not_sent(page, hall) -> None:
    said = {"您替谁求助？": "我替别人", "遇到了什么难处？": ["不知道找谁"], "您有什么难处？": "屋顶漏了"}
    fill_in(page, {**said, "您是他（她）的什么人？": "邻居、朋友"})
    page.get_by_role("button", name="修改：您替谁求助？").tap()
    page.get_by_role("button", name="我替孩子").tap()
    expect(page.locator("#heading")).to_have_text("您是孩子的什么人？")
    page.get_by_role("button", name="妈妈").tap()
    page.get_by_role("button", name="修改：遇到了什么难处？").tap()
    page.get_by_role("button", name="不知道找谁").tap()
    page.get_by_role("button", name="没钱吃饭").tap()
    page.get_by_role("button", name="继续").tap()
    page.get_by_role("button", name="没带，以后再交").tap()
    expect(page.locator("#heading")).to_have_text("请核对")
    number = send(page)
    arrived(page)
    person = hall.taken(number)["person"]
    assert person["helper"]["relation"] == "mother"
    assert not person.get("narrative")


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_a_photograph_of_a_paper_that_is_not_asked_for_any_more_is_neither_counted_nor_sent(
    new_context: Any, hall: Hall
) -> None:
    page = new_context(viewport=KIOSK, permissions=["camera"]).new_page()
    pair(page, hall)
    fill_in(page)
    page.get_by_role("button", name="修改：要拍照交材料吗？").click()
    page.get_by_role("button", name="诊断证明").click()
    page.get_by_role("button", name="拍照").click()
    page.get_by_role("button", name="用这张").click()
    page.locator("#go").click()
    expect(page.locator("main")).to_contain_text("已拍 1 张")
    page.get_by_role("button", name="修改：遇到了什么难处？").click()
    page.get_by_role("button", name="生病了，看不起病").click()
    page.get_by_role("button", name="孩子上学难").click()
    page.get_by_role("button", name="继续").click()
    expect(page.locator("#heading")).to_have_text("请核对")
    expect(page.locator("main")).not_to_contain_text("已拍")
    number = send(page)
    arrived(page)
    empties(page)
    request_id = hall.taken(number)["request_id"]
    assert hall.running.client("coordinator").get(f"/v1/requests/{request_id}/attachments").json()["items"] == []


@pytest.mark.parametrize("hall", ["sqlite"], indirect=True)
def test_what_was_answered_is_sent_and_is_asked_of_those_whose_age_it_depends_on(page, hall) -> None:
    care, chose = "生活能否自理?", {"遇到了什么难处？": ["年老没人照顾"]}
    this_year = calendars.today().year

    def ended() -> dict[str, Any]:
        number = send(page)
        arrived(page)
        page.get_by_role("button", name="办完了，清空").click()
        return hall.taken(number)["person"]

    asked = fill_in(page, {**chose, "请刷您的身份证": card_of(this_year - 70)})
    assert not {care, "您是哪一天出生的？"} & set(asked)
    assert not ended()["facts"].get("self_care")

    fill_in(page, {**chose, "请刷您的身份证": card_of(this_year - 81), care: "半失能"})
    assert ended()["facts"]["self_care"] == "partial"

    asked = fill_in(page, {**chose, "请刷您的身份证": None, "您是哪一天出生的？": f"{this_year - 70}-01-31"})
    assert care not in asked
    person = ended()
    assert person["applicant"]["birth_date"] == f"{this_year - 70}-01-31"

    asked = fill_in(page, {**chose, "请刷您的身份证": None})
    assert {"您是哪一天出生的？", care} <= set(asked), "where nobody knows the age, it is asked"
    assert "birth_date" not in ended()["applicant"]

    assert "您是哪一天出生的？" not in fill_in(page, {"请刷您的身份证": None}), "nothing that nobody waits for"


def card_of(year: int) -> str:
    """The number of somebody who was born on the first of January."""
    number = f"110105{year}0101002"
    weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
    return number + "10X98765432"[sum(w * int(n) for w, n in zip(weights, number, strict=True)) % 11]
