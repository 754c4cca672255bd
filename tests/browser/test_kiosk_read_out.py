"""The machine in the hall for whoever hears it by a screen reader: the whole way by roles and names alone, and on each
screen what the browser itself tells a screen reader of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.pages.catalogues import english
from tests.browser.browsing import KIOSK, alike_on_both
from tests.browser.kiosk import CARD, Hall, until

pytestmark = alike_on_both("hall")
CHINESE = re.compile("[一-鿿]")
# What must have a name: whatever can be pressed or filled in, and what holds others together.
NAMED = {
    *(
        "button",
        "link",
        "textbox",
        "checkbox",
        "radio",
        "combobox",
        "spinbutton",
        "image",
        "img",
        "group",
        "radiogroup",
    ),
    *("heading", "alertdialog", "dialog", "DisclosureTriangle", "Video", "Canvas"),
}
# Names that are the same in both: places, signs on keys, the button that turns to the other language.
EITHER = re.compile(r"[0-9X.]+|[一-鿿]+(镇|乡|街道|区|场)|中文|English")


@dataclass
class Ears:
    """Somebody who hears the page, in a language, and presses what is called so."""

    page: Page
    language: str

    def __post_init__(self) -> None:
        self._devtools = self.page.context.new_cdp_session(self.page)
        self.screens: list[str] = []

    def said(self, chinese: str, **values: Any) -> str:
        return (english("kiosk")[chinese] if self.language == "en" else chinese).format(**values)

    def button(self, chinese: str) -> Locator:
        return self.page.get_by_role("button", name=self.said(chinese), exact=True)

    def press(self, *chinese: str) -> None:
        for each in chinese:
            self.button(each).click()

    def screen(self, title: str) -> None:
        """It begins at its heading, the only one of its kind, and everything on it is told by a name."""
        expect(self.page.get_by_role("heading", level=1, name=title, exact=True)).to_be_focused()
        expect(self.page.get_by_role("heading", level=1)).to_have_count(1)
        expect(self.page).to_have_title(f"{title} · {self.said('一门受理')}")
        self.screens.append(title)
        self.is_told("heading", title)

    def is_told(self, focused: str, name: str) -> list[dict[str, Any]]:
        """By the browser's own tree of what assistive technology is told, which follows the page a moment later."""
        nodes: list[dict[str, Any]] = []
        on: list[tuple[str, str]] = []

        def follows() -> bool:
            nodes[:] = self._tree()
            on[:] = [
                (each["role"], each["name"]) for each in nodes if each.get("focused") and each["role"] != "RootWebArea"
            ]
            return [role for role, _ in on] == [focused] and (name in on[0][1] or focused == "alert")

        until(self.page, follows)
        for each in nodes:
            if each["role"] not in NAMED:
                continue
            assert each["name"], f"{name}: a {each['role']} without a name"
            if not EITHER.fullmatch(each["name"]):
                assert bool(CHINESE.search(each["name"])) == (self.language == "zh"), f"{name}: {each}"
        return nodes

    def _tree(self) -> list[dict[str, Any]]:
        return [
            {
                "role": each["role"]["value"],
                "name": each.get("name", {}).get("value", ""),
                **{prop["name"]: prop["value"].get("value", prop["value"]) for prop in each.get("properties", ())},
            }
            for each in self._devtools.send("Accessibility.getFullAXTree")["nodes"]
            if not each["ignored"]
        ]

    def is_refused(self, field: Locator, sentence: str) -> None:
        """It is announced, leads to its field, and is told with it."""
        alert = self.page.get_by_role("alert")
        expect(alert).to_be_focused()
        expect(alert).to_contain_text(sentence)
        (told,) = [each for each in self.is_told("alert", sentence) if each["role"] == "alert"]
        assert told["live"] == "assertive"
        alert.get_by_role("link", name=sentence, exact=True).click()
        expect(field).to_be_focused()
        expect(field).to_have_accessible_description(sentence)
        assert [each["invalid"] for each in self.is_told("textbox", "") if each["role"] == "textbox"] == ["true"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_whole_way_by_roles_and_names_alone(new_page: Any, hall: Hall, language: str) -> None:
    page: Page = new_page(viewport=KIOSK, permissions=["camera"] if language == "zh" else [])
    page.clock.install()
    page.goto(f"{hall.address}/kiosk/")
    ears = Ears(page, language)
    said, press, screen = ears.said, ears.press, ears.screen
    group = page.get_by_role("group")

    def in_their_language() -> None:
        if language == "en":
            page.get_by_role("button", name="English").click()
            expect(page.get_by_role("button", name="中文")).to_be_focused()
            page.get_by_role("heading", level=1).focus()

    in_their_language()
    screen(said("配对这台机器"))
    code = page.get_by_role("textbox", name=said("配对码"))
    press("配对")
    ears.is_refused(code, said("配对码是 8 位数字。"))
    code.fill(hall.code())
    press("配对")
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()  # whatever was on before
    in_their_language()
    screen(said("遇到难处，来这里说"))
    expect(ears.button("大字")).to_have_attribute("aria-pressed", "false")
    press("开始求助")

    screen(said("您替谁求助？"))
    press("我自己")
    screen(said("遇到了什么难处？"))
    asked = page.get_by_role("group", name=said("遇到了什么难处？"))
    press("继续")
    missing = said("请至少选一样；说不清就选“不知道找谁”。")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(asked).to_have_accessible_description(re.compile(re.escape(missing)))
    ears.is_told("alert", missing)
    page.get_by_role("alert").get_by_role("link", name=missing).click()
    expect(ears.button("生病了，看不起病")).to_be_focused()
    press("生病了，看不起病")
    expect(asked.get_by_role("button", pressed=True)).to_have_accessible_name(said("生病了，看不起病"))
    page.clock.fast_forward(61_000)
    warning = page.get_by_role("alertdialog", name=said("您还在吗？"))
    expect(warning).to_have_accessible_description(said("没有人按，就要清空刚才写的内容了。"))
    ears.is_told("button", said("我还在"))
    warning.get_by_role("button", name=said("我还在")).click()
    press("继续")

    screen(said("请刷您的身份证"))
    number = page.get_by_role("textbox", name=said("身份证号"))
    number.fill("123")
    press("继续")
    ears.is_refused(number, said("身份证号是 18 位，请再看一遍。"))
    expect(page.get_by_role("group", name=said("数字键")).get_by_role("button")).to_have_count(12)
    number.fill(CARD)
    press("继续")
    screen(said("您叫什么名字？"))
    page.get_by_role("textbox", name=said("名字")).fill("张桂英")
    press("继续")
    screen(said("您家在哪里？"))
    page.get_by_role("button", name="值夏镇").click()
    phone = said("打哪个电话找您？")
    while not page.get_by_role("heading", level=1, name=phone).count():
        title = page.get_by_role("heading", level=1).inner_text()
        screen(title)
        press("不知道")
        expect(page.get_by_role("heading", level=1, name=title)).to_have_count(0)
    screen(phone)
    press("没有电话")

    screen(said("要拍照交材料吗？"))
    paper = group.filter(has=page.get_by_role("button")).get_by_role("button").first
    title = paper.inner_text()
    paper.click()
    screen(title)
    if language == "zh":
        press("拍照")
        expect(page.get_by_role("img", name="拍好的照片")).to_be_visible()
        ears.is_told("button", "用这张")
        press("用这张")
        screen("要拍照交材料吗？")
        expect(page.get_by_role("listitem").filter(has=ears.button("不要这张"))).to_contain_text(title)
        press("继续")
    else:
        expect(page.get_by_role("alert")).to_have_text("The camera can't be used. Bring the papers later.")
        screen(title)
        press("以后再交")

    screen(said("请核对"))
    expect(page.get_by_role("definition").filter(has_text="110105 19491231 002X")).to_have_count(1)
    for question in ("您替谁求助？", "遇到了什么难处？"):
        expect(page.get_by_role("button", name=said("修改：{question}", question=said(question)))).to_have_count(1)
    press("提交求助")
    screen(said("已经收下您的求助"))
    expect(page.get_by_role("status").filter(has_text=said("已经送到。"))).to_be_visible()
    expect(page.get_by_role("img")).to_have_accessible_name(said("二维码：用手机扫一扫，看办到哪里了"))
    receipt = re.search(r"\d{4} \d{4} \d{4}", page.get_by_role("main").inner_text())
    assert receipt
    assert hall.taken(receipt[0])["person"]["applicant"]["id_number"] == CARD

    press("急难求助")
    screen(said("出了什么急事？"))
    press("说不清")
    screen(said("急难求助已经送到"))
    receipt = re.search(r"\d{4} \d{4} \d{4}", page.get_by_role("main").inner_text())
    assert receipt
    assert hall.taken(receipt[0])["emergency"] == "undetermined"
    press("办完了，清空")
    ears.language = "zh"
    screen("遇到难处，来这里说")
    assert len(ears.screens) > 12
