"""The paper forms in a real browser: as they are looked at, and as they are printed on A4 and on a roll of 80 mm."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from playwright.sync_api import Page

from tests.browser.browsing import DESK, PHONE, Looking
from tests.county import EDUCATION, County
from tests.examples import a_consent, a_request_in_full
from tests.people import Person
from tests.test_forms import ask

POINTS = 72 / 25.4  # in a millimetre
PIXELS = 96 / 25.4
A4, A4_WIDE, ROLL = (210, 297), (297, 210), (80, 297)
# What is left of the paper between its margins.
BETWEEN = {A4: 210 - 2 * 14, A4_WIDE: 297 - 2 * 12, ROLL: 80 - 2 * 4}
LONG = "慕容" + "长" * 196 + "名"  # as long as a name may be, but for one sign
NEEDS = (
    *("minimum_living_allowance", "low_income_margin_family", "rigid_expenditure_family", "extreme_poverty_support"),
    *("temp_aid_fast", "temp_aid_emergency", "temp_aid_expenditure", "medical_assistance_applied", "education_aid"),
    *("insurance_premium_subsidy", "housing_public_rental", "housing_rural_dilapidated", "employment_aid", "legal_aid"),
    *("disability_living_subsidy", "disability_nursing_subsidy", "elderly_subsidy", "veterans_aid", "wage_arrears"),
    "undetermined",
)
# What is wrong on a paper, of what is not hidden from sight: beyond its edges, wider than its own box, not black, too
# small to read; on a roll a value without its label, or beside another as in a table.
WRONG = """roll => {
    const page = document.documentElement, fault = {};
    const note = (what, each) => (fault[what] ??= []).push(each.outerHTML.slice(0, 120));
    if (page.scrollWidth > page.clientWidth) note('scrolls', page);
    for (const each of document.querySelectorAll('main, main *')) {
        const box = each.getBoundingClientRect(), style = getComputedStyle(each);
        if (each.closest('.hidden') || !box.width) continue;
        if (box.left < -0.5 || box.right > page.clientWidth + 0.5) note('beyond', each);
        if (style.display !== 'inline' && each.clientWidth && each.scrollWidth > each.clientWidth + 1) note('clipped', each);
        if (style.color !== 'rgb(0, 0, 0)') note('coloured', each);
        if (parseFloat(style.fontSize) < 8 * 96 / 72) note('small', each);
        if (!roll) continue;
        const label = getComputedStyle(each, '::before').content;
        if (style.display.startsWith('table')) note('unfolded', each);
        if (each.localName === 'td' && !label.includes(each.dataset.label)) note('unlabelled', each);
    }
    return fault;
}"""


def a_large_request() -> dict[str, Any]:
    """As large as one may be: twenty needs, thirty people in the household, the longest names."""
    whole = a_request_in_full(*NEEDS)
    whole["applicant"] |= {"name": LONG, "address": "虚构路" * 66}
    member = {"relation": "child", "id_number": "440524188001010014"}
    whole["household"] = [{**member, "name": LONG if n == 29 else f"测试{n}"} for n in range(30)]
    for need in whole["needs"]:
        need["details"] = "因病住院,支出很大,家里没有别的收入。" * 8
    whole["narrative"] = "Supercalifragilistic" * 10 + "这是一段很长的自述。" * 100
    whole["consents"] += [a_consent("economic_verification", f"household/{n}") for n in range(1, 30)]
    return whole


@pytest.fixture
def language(backend: str) -> str:
    """One on each database: pages look alike on both, and a browser takes its time."""
    return {"sqlite": "zh", "postgresql": "en"}[backend]


@pytest.fixture
def clerk(county: County) -> Person:
    return Person.made(county.running, "intake", division_code="360803101").signed_in()


def page_of(new_page: Any, person: Person, **options: Any) -> Page:
    """A page of the browser with the session that the person has."""
    page: Page = new_page(**options)
    token = person.browser.cookies["one_window_session"]
    page.context.add_cookies([{"name": "one_window_session", "value": token, "url": person.service.address}])
    return page


def printed(page: Page, looking: Looking, name: str, paper: tuple[int, int]) -> int:
    """On how many sheets; the PDF is kept with the pictures, which show A4 on a screen, a roll as it leaves the printer.
    Every sheet is that paper, and nothing reaches beyond it."""
    if paper is not ROLL:
        looking.picture(page, name)
    pdf = page.pdf(prefer_css_page_size=True)
    looking.folder.mkdir(parents=True, exist_ok=True)
    Path(looking.folder, f"{name}.pdf").write_bytes(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        sheets = [tuple(round(float(each) / POINTS) for each in sheet.mediabox[2:]) for sheet in document.pages]
    assert set(sheets) == {paper}, name
    page.emulate_media(media="print")
    page.set_viewport_size({"width": int(BETWEEN[paper] * PIXELS), "height": int(paper[1] * PIXELS)})
    assert page.evaluate(WRONG, paper is ROLL) == {}, name
    assert page.locator("nav").is_hidden()
    if paper is ROLL:
        looking.picture(page, name)
    else:
        heads = page.locator("thead").evaluate_all("all => all.map(each => getComputedStyle(each).display)")
        assert set(heads) <= {"table-header-group"}, "a table's head stands on each of its sheets"
    page.emulate_media(media="null")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    return len(sheets)


def test_a_request_as_large_as_it_may_be_fits_its_paper(
    county: County, clerk: Person, new_page: Any, looking: Looking, language: str
) -> None:
    taken = ask(clerk, **a_large_request())
    school = next(each for each in taken["handoffs"] if each["agency"] == EDUCATION)
    page = page_of(new_page, clerk, viewport=DESK)
    of_request = f"{county.running.address}/forms/requests/{taken['request_id']}"
    of_handoff = f"{county.running.address}/forms/handoffs/{school['handoff_id']}"
    asked = f"lang={language}"
    for address, paper, most in (
        (f"{of_request}/register?{asked}", A4, 15),
        (f"{of_request}/register?paper=80mm&{asked}", ROLL, 22),
        (f"{of_request}/notice?paper=80mm&{asked}", ROLL, 8),
        (f"{of_request}/receipt?paper=80mm&brief=0&{asked}", ROLL, 3),
        (f"{of_handoff}/letter?{asked}", A4, 8),
    ):
        page.goto(address)
        name = f"large-{name_of(address)}"
        assert 1 < printed(page, looking, name, paper) <= most, name


def name_of(address: str) -> str:
    """For its picture: the form, the paper, the language."""
    return re.sub(r"[^a-z0-9]+", "-", address.partition("/forms/")[2][46:])


def test_an_ordinary_request_from_its_number_to_each_of_its_papers(
    county: County, clerk: Person, new_page: Any, looking: Looking, language: str
) -> None:
    taken = ask(clerk, "education_aid")
    school = next(each for each in taken["handoffs"] if each["agency"] == EDUCATION)
    county.told(school, "received", "accepted", "completed", outcome="granted", note="减免学费。" * 20, handler="王某")
    page = page_of(new_page, clerk, viewport=PHONE)
    asked = f"lang={language}"
    page.goto(f"{county.running.address}/account?{asked}")
    page.locator("main a[href*='/forms']").click()
    page.wait_for_url("**/forms?*")
    looking.finds_no_fault(page)
    looking.picture(page, f"forms-{language}")
    page.fill("#number", taken["receipt_number_spoken"])
    page.locator("main button").click()
    page.wait_for_url("**/forms/requests/*")
    assert taken["receipt_number"] not in page.url
    looking.finds_no_fault(page)
    looking.picture(page, f"forms-of-request-{language}")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    of_request = f"{county.running.address}/forms/requests/{taken['request_id']}"
    of_handoff = f"{county.running.address}/forms/handoffs/{school['handoff_id']}"
    for address, paper, sheets in (
        (f"{of_request}/register?{asked}", A4, 3),
        (f"{of_request}/register?paper=80mm&{asked}", ROLL, 3),
        (f"{of_request}/notice?{asked}", A4, 1),
        (f"{of_request}/notice?paper=80mm&{asked}", ROLL, 2),
        (f"{of_request}/receipt?{asked}", A4, 1),
        (f"{of_request}/receipt?paper=80mm&{asked}", ROLL, 1),
        (f"{of_handoff}/letter?{asked}", A4, 2),
        (f"{of_handoff}/letter?paper=80mm&{asked}", ROLL, 3),
        (f"{of_handoff}/reply?blank=1&{asked}", A4, 1),
        (f"{of_handoff}/reply?blank=1&paper=80mm&{asked}", ROLL, 1),
        (f"{of_handoff}/reply?{asked}", A4, 1),
        (f"{of_handoff}/reply?paper=80mm&{asked}", ROLL, 2),
    ):
        page.goto(address)
        name = name_of(address)
        looking.finds_no_fault(page)
        assert printed(page, looking, name, paper) <= sheets, name


def test_the_monthly_summary_lies_across_its_paper_or_runs_down_a_roll(
    county: County, clerk: Person, new_page: Any, looking: Looking, language: str
) -> None:
    ask(clerk, *NEEDS)
    page = page_of(new_page, Person.made(county.running, "supervisor").signed_in(), viewport=DESK)
    page.goto(f"{county.running.address}/forms/summary?lang={language}")
    looking.finds_no_fault(page)
    assert printed(page, looking, f"summary-{language}", A4_WIDE) <= 4
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    looking.picture(page, f"summary-{language}-phone")
    page.locator("nav a[href*='paper=80mm']").click()
    page.wait_for_url("**paper=80mm**")
    looking.finds_no_fault(page)
    assert printed(page, looking, f"summary-{language}-80mm", ROLL) <= 8
