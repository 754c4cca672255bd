"""The machine in the hall by its keys alone: nothing here is focused or pressed but by a key that somebody presses."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import FileChooser, Page, expect

from tests.browser.browsing import KIOSK
from tests.browser.kiosk import CARD, Hall, arrived, empties, heading, until

FOCUSED = """() => {
  const { activeElement: on } = document;
  return (on.getAttribute("aria-label") ?? on.labels?.[0]?.innerText ?? on.innerText ?? "").trim();
}"""


class Hands:
    """Somebody at the keys, who sees what has the focus."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)

    def on(self) -> str:
        return str(self._page.evaluate(FOCUSED))

    def to(self, name: str, key: str = "Tab") -> None:
        """By as few keys as it takes; each place that is passed has a name and is seen."""
        passed: list[str] = []
        while not passed or passed[-1] != name:
            self.press(key)
            passed.append(self.on())
            assert len(passed) < 40, f"the keys do not come to {name}, but to {passed}"
            assert passed[-1], f"something without a name comes after {passed}"
            assert self._page.evaluate(
                """() => {
                  const [on, { top, bottom }] = [document.activeElement, document.activeElement.getBoundingClientRect()];
                  const marked = on.matches(".unseen") ? on.nextElementSibling : on;
                  return top >= 0 && bottom <= innerHeight && parseFloat(getComputedStyle(marked).outlineWidth) >= 5;
                }"""
            ), f"{passed[-1]} has the focus, and nobody sees it"

    def press_on(self, name: str, key: str = "Enter") -> None:
        self.to(name)
        self.press(key)

    def comes(self, title: str) -> None:
        expect(self._page.get_by_role("heading", level=1, name=title, exact=True)).to_be_focused()


def test_the_whole_way_by_keyboard_alone(new_page: Any, hall: Hall) -> None:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install()
    opened: list[FileChooser] = []
    page.on(
        "filechooser", lambda each: opened.append(each)
    )  # heard from the beginning: a browser would else open one of its own
    page.goto(f"{hall.address}/kiosk/?files")
    hands = Hands(page)

    hands.comes("配对这台机器")
    hands.to("配对码")
    page.keyboard.type("1234")
    hands.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    hands.press("Tab", "Enter")  # what is wrong leads to its field
    assert hands.on() == "配对码"
    hands.press("Control+A")
    page.keyboard.type(hall.code())
    hands.press("Enter")

    hands.comes("遇到难处，来这里说")
    hands.to("English", "Shift+Tab")
    hands.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("In trouble? Tell us here")
    assert hands.on() == "中文", "the focus stays where it was"
    hands.press("Space")
    expect(page.get_by_role("heading", level=1)).to_have_text("遇到难处，来这里说")
    hands.press_on("开始求助")

    hands.comes("您替谁求助？")
    hands.press_on("急难求助")
    hands.comes("出了什么急事？")
    hands.press_on("返回")
    hands.comes("您替谁求助？")
    hands.press_on("我自己")
    hands.comes("遇到了什么难处？")
    the_warning_keeps_the_focus_and_gives_it_back(page, hands)
    hands.press_on("生病了，看不起病", "Space")
    hands.press_on("继续")

    hands.comes("请刷您的身份证")
    hands.press("Tab")
    page.keyboard.type(CARD, delay=70)  # a hand; a reader is faster
    hands.press("ArrowLeft", "ArrowLeft", "Delete", "Enter")
    expect(page.get_by_role("alert")).to_be_focused()
    hands.press("Tab", "Enter", "ArrowLeft", "ArrowLeft", "End", "ArrowLeft")
    page.keyboard.type(CARD[-2])
    hands.press("Enter")
    hands.comes("您叫什么名字？")
    hands.press("Tab")
    page.keyboard.type("张英")
    hands.press("ArrowLeft")
    page.keyboard.type("桂")
    hands.press_on("继续")
    hands.comes("您家在哪里？")
    hands.press_on("值夏镇")
    while (title := heading(page)) != "打哪个电话找您？":
        hands.press_on("不知道")
        page.wait_for_function("before => document.getElementById('heading').innerText !== before", arg=title)
    hands.comes("打哪个电话找您？")
    for key in ("1", "3", "8"):
        hands.press_on(key, "Space")  # the keys that are drawn are keys of the keyboard too
    hands.press_on("删掉一位")
    assert page.get_by_label("电话号码").input_value() == "13"
    hands.press_on("没有电话")

    hands.comes("要拍照交材料吗？")
    a_paper = page.locator("main .choice").first.inner_text()
    hands.press_on(a_paper)
    expect(page.get_by_role("alert")).to_have_text("摄像头用不了，可以选一张照片，或者以后再交。")
    hands.comes(a_paper)
    picture = page.screenshot()
    hands.to("选一张照片")
    hands.press("Enter")
    until(page, lambda: len(opened) == 1)
    opened[0].set_files({"name": "a.png", "mimeType": "image/png", "buffer": picture})
    expect(page.get_by_role("button", name="用这张")).to_be_focused()
    hands.press("Enter")
    hands.comes("要拍照交材料吗？")
    hands.press_on("继续")

    hands.comes("请核对")
    hands.press_on("修改：您替谁求助？")
    hands.comes("您替谁求助？")
    hands.press_on("返回")
    hands.comes("请核对")
    hands.press_on("提交求助")
    hands.comes("已经收下您的求助")
    arrived(page)
    empties(page)
    taken = hall.taken(page.locator(".number strong").inner_text())
    applicant = taken["person"]["applicant"]
    assert (applicant["name"], applicant["id_number"], applicant.get("phone")) == ("张桂英", CARD, None)
    hands.press_on("办完了，清空")
    hands.comes("遇到难处，来这里说")
    assert [each["code"] for each in taken["person"]["needs"]] == ["medical_assistance_applied"]


def the_warning_keeps_the_focus_and_gives_it_back(page: Page, hands: Hands) -> None:
    """With the focus on a button beneath that must not be pressed by the key that ends the warning."""
    chosen = page.get_by_role("button", name="房子坏了")
    hands.press_on("房子坏了", "Space")
    dialog = page.get_by_role("alertdialog", name="您还在吗？")
    for key in ("Enter", "Space", "x", "Escape"):
        page.clock.fast_forward(61_000)
        expect(dialog.get_by_role("button", name="我还在")).to_be_focused()
        hands.press(key)
        expect(dialog).to_have_count(0)
        expect(chosen).to_be_focused()
        expect(chosen).to_have_attribute("aria-pressed", "true")
    page.clock.fast_forward(61_000)
    expect(dialog).to_be_visible()
    seen = []
    for key in ("Tab", "Tab", "Tab", "Shift+Tab", "Shift+Tab"):
        page.clock.fast_forward(5_000)  # whoever moves about in it has its time again
        hands.press(key)
        seen.append(hands.on() if page.evaluate("document.activeElement.closest('dialog') !== null") else "")
    assert set(seen) <= {"我还在", "急难求助", ""}, "nothing beneath it has the focus"
    assert "急难求助" in seen
    expect(dialog).to_be_visible()
    while hands.on() != "急难求助":
        hands.press("Tab")
    hands.press("Space")
    hands.comes("出了什么急事？")
    expect(dialog).to_have_count(0)
    hands.press_on("返回")
    hands.comes("遇到了什么难处？")
