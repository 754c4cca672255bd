"""What the machine says aloud: each screen, in the language that is on, by a recording where there is one; and when it stops.

Nobody hears a test, and a browser without a screen has no voices: what it is told to say is noted, as is what it plays."""

from __future__ import annotations

import io
import shutil
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import KIOSK, alike_on_both
from tests.browser.kiosk import CARD, PHONE_NUMBER, Hall, fill_in, heading, pair, send

pytestmark = alike_on_both("hall")
# `heard`: what began and what was cut off, in turn. What is said lasts until it is cut; a recording is really played.
LISTENS = """(() => {
  const heard = (window.heard = []);
  window.voices = [{ lang: "en-GB" }, { lang: "zh-HK" }, { lang: "zh-CN" }];
  let saying = null;
  window.SpeechSynthesisUtterance = function (text) { this.text = text; };
  speechSynthesis.getVoices = () => window.voices;
  speechSynthesis.speak = (one) => { saying = one; heard.push(["says", one.lang, one.text]); };
  speechSynthesis.cancel = () => { if (saying) heard.push(["cut"]); saying = null; };
  Object.defineProperty(speechSynthesis, "speaking", { get: () => saying !== null });
  const { play, pause } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    return play.call(this).then(() => void heard.push(["plays", new URL(this.src).pathname]));
  };
  HTMLMediaElement.prototype.pause = function () {
    if (!this.paused) heard.push(["cut"]);
    return pause.call(this);
  };
})()"""
CUT = ["cut"]
START = "遇到难处，来这里说。有什么难处，都可以在这里说。按一下“开始求助”。"
WARNING = "您还在吗？没有人按，就要清空刚才写的内容了。"


def heard(page: Page) -> list[list[str]]:
    """Since it was last asked."""
    return list(page.evaluate("window.heard.splice(0)"))


@pytest.fixture
def page(new_page: Any, hall: Hall) -> Page:
    page: Page = new_page(viewport=KIOSK)
    page.clock.install()
    page.add_init_script(LISTENS)
    pair(page, hall)
    return page


def test_each_screen_is_said_in_the_language_that_is_on_and_cut_off_by_the_next(page: Page) -> None:
    (cut, told) = heard(page)[-2:]
    assert (cut, told) == (CUT, ["says", "zh-CN", START])
    asked = fill_in(page)
    send(page)
    said = heard(page)
    assert said[::2] == [CUT] * (len(asked) + 2), "what was said is cut off when the screen changes, each time"
    titles = [*asked, "请核对", "已经收下您的求助"]
    for (kind, tongue, text), title in zip(said[1::2], titles, strict=True):
        assert (kind, tongue) == ("says", "zh-CN")
        assert text.startswith(title)
        assert not [each for each in (CARD, "张桂英", PHONE_NUMBER) if each in text], "nobody's answers are said aloud"
    page.locator("#over").click()
    assert heard(page) == [CUT, ["says", "zh-CN", START]]

    page.locator("#again").click()
    assert heard(page) == [CUT], "what is being said is silenced"
    page.locator("#again").click()
    assert heard(page) == [["says", "zh-CN", START]], "and said again"

    page.locator("#language").click()
    page.locator("#begin").click()
    page.locator("main .choice").first.click()
    *_, (_says, tongue, text) = heard(page)
    assert tongue == "en-GB"
    assert text.startswith('What is wrong? You may choose several. Then press "Continue". Ill, ')
    assert text.endswith(", I don't know whom to ask."), "what may be chosen is said too"
    page.locator("#go").click()
    wrong = "Choose at least one; if you can't say, choose \"I don't know whom to ask\"."
    assert heard(page) == [CUT, ["says", "en-GB", wrong]]
    page.locator("main .choice").first.click()
    while heading(page) != "Check your answers":
        page.locator("#go, #skip, main .choice").last.click()
        (_cut, (_says, tongue, text)) = heard(page)
        assert (tongue, text[: len(heading(page))]) == ("en-GB", heading(page))
    page.locator("#emergency").click()
    assert heard(page)[-1][:2] == ["says", "en-GB"]


def test_the_warning_is_said_and_cut_off_by_whoever_is_there_and_by_the_end_of_the_visit(page: Page) -> None:
    page.get_by_role("button", name="开始求助").click()
    heard(page)
    page.clock.fast_forward(61_000)
    assert heard(page) == [CUT, ["says", "zh-CN", WARNING]]
    page.get_by_role("button", name="我还在").click()
    assert heard(page) == [CUT]
    page.clock.fast_forward(61_000)
    assert heard(page) == [["says", "zh-CN", WARNING]]
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("button", name="开始求助")).to_be_visible()
    assert heard(page) == [CUT, ["says", "zh-CN", START]], (
        "cut off when the visit is wiped; then the first screen again"
    )


def test_where_there_is_no_voice_of_the_language_nothing_is_said_until_there_is_one(page: Page) -> None:
    page.evaluate("window.voices = [{ lang: 'en-GB' }]")
    page.get_by_role("button", name="开始求助").click()
    page.get_by_role("button", name="我自己").click()
    page.clock.fast_forward(61_000)
    page.get_by_role("button", name="我还在").click()
    page.get_by_role("button", name="返回").click()
    assert heard(page)[-1:] == [CUT], "Chinese is not read by an English voice"
    for voices, tongue in ((["yue", "cmn-latn-pinyin", "cmn"], "cmn"), (["zh_HK", "zh_CN"], "zh_CN")):
        page.evaluate(
            """voices => {
              window.voices = voices.map(lang => ({ lang }));
              speechSynthesis.dispatchEvent(new Event("voiceschanged"));
            }""",
            voices,
        )
        (told,) = [each for each in heard(page) if each != CUT]
        assert (told[1], told[2][:6]) == (tongue, "您替谁求助？")
        page.evaluate("window.voices = []")
        page.get_by_role("button", name="再听一遍").click()
        page.get_by_role("button", name="再听一遍").click()
        assert heard(page) == [CUT]


@pytest.fixture
def recordings(hall: Hall, tmp_path: Path) -> Iterator[None]:
    """In a dialect: of the first two screens and the warning."""
    folder = Path(hall.settings["kiosk_voices"], "gan")
    kept = shutil.copytree(folder, tmp_path / "kept")
    for screen in ("start", "who", "idle"):
        (folder / f"{screen}.mp3").write_bytes(silence())
    yield
    shutil.rmtree(folder)
    shutil.copytree(kept, folder)


def silence(seconds: int = 30) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setparams((1, 1, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(b"\x80" * 8000 * seconds)
    return written.getvalue()


@pytest.mark.usefixtures("recordings")
def test_what_was_recorded_in_a_dialect_is_played_in_place_of_the_voice(page: Page) -> None:
    def plays(screen: str) -> None:
        page.wait_for_function("() => window.heard.some(([kind]) => kind === 'plays')")
        assert heard(page) == [CUT, ["plays", f"/kiosk/voices/gan/{screen}.mp3"]]

    heard(page)
    page.get_by_role("button", name="声音：普通话").click()
    plays("start")
    page.get_by_role("button", name="开始求助").click()
    plays("who")
    page.get_by_role("button", name="我自己").click()
    cut, (kind, tongue, text) = heard(page)
    assert (cut, kind, tongue) == (CUT, "says", "zh-CN"), "what nobody recorded is said"
    assert text.startswith("遇到了什么难处？")
    page.clock.fast_forward(61_000)
    plays("idle")
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("button", name="声音：普通话")).to_be_visible()
    assert heard(page) == [CUT, ["says", "zh-CN", START]]
    for voice in ("普通话", "赣语"):
        page.get_by_role("button", name=f"声音：{voice}").click()
    expect(page.get_by_role("button", name="声音：不念")).to_be_visible()
    heard(page)
    page.get_by_role("button", name="开始求助").click()
    page.get_by_role("button", name="再听一遍").click()
    assert heard(page) == [], "silent means silent"
