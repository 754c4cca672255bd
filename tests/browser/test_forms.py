"""The paper forms in a real browser: as they are looked at, and as they are printed on A4 and on a roll of 80 mm."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from playwright.sync_api import Page

from tests.browser.browsing import DESK, Looking
from tests.county import EDUCATION, County, Seen
from tests.examples import a_consent, a_request_in_full
from tests.people import Person

MILLIMETRE = 72 / 25.4
A4, A4_WIDE, ROLL = (210, 297), (297, 210), (80, 297)
LONG = "慕容" + "长" * 196 + "名"  # two hundred, as many as a name may have
NEEDS = (
    *("minimum_living_allowance", "low_income_margin_family", "rigid_expenditure_family", "extreme_poverty_support"),
    *("temp_aid_fast", "temp_aid_emergency", "temp_aid_expenditure", "medical_assistance_applied", "education_aid"),
    *("insurance_premium_subsidy", "housing_public_rental", "housing_rural_dilapidated", "employment_aid", "legal_aid"),
    *("disability_living_subsidy", "disability_nursing_subsidy", "elderly_subsidy", "veterans_aid", "wage_arrears"),
    "undetermined",
)


def a_large_request() -> dict[str, Any]:
    """As large as one may be: twenty needs, thirty people in the household, the longest names."""
    whole = a_request_in_full(*NEEDS)
    whole["applicant"]["name"] = LONG
    whole["applicant"]["address"] = "虚构路" * 66
    member = {"relation": "child", "id_number": "440524188001010014"}
    whole["household"] = [{**member, "name": LONG if n == 29 else f"测试{n}"} for n in range(30)]
    for need in whole["needs"]:
        need["details"] = "因病住院,支出很大,家里没有别的收入。" * 8
    whole["narrative"] = "这是一段很长的自述。" * 100
    whole["consents"] += [a_consent("economic_verification", f"household/{n}") for n in range(1, 30)]
    return whole


@pytest.fixture
def clerk(county: County) -> Person:
    return Person.made(county.running, "intake", division_code="360803101").signed_in()


def page_of(new_page: Any, person: Person, **options: Any) -> Page:
    """A page of the browser with the session that the person has."""
    page: Page = new_page(**options)
    token = person.browser.cookies["one_window_session"]
    page.context.add_cookies([{"name": "one_window_session", "value": token, "url": person.service.address}])
    return page


def printed(page: Page, looking: Looking, name: str) -> list[tuple[int, int]]:
    """The sizes of its pages in millimetres; the PDF is kept with the pictures. Nothing is wider than the paper."""
    pdf = page.pdf(prefer_css_page_size=True, print_background=False)
    looking.folder.mkdir(parents=True, exist_ok=True)
    Path(looking.folder, f"{name}.pdf").write_bytes(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as document:
        sizes = [[float(each) / MILLIMETRE for each in sheet.mediabox[2:]] for sheet in document.pages]
    return [(round(width), round(height)) for width, height in sizes]


def ask(clerk: Person, body: dict[str, Any]) -> Seen:
    answer = clerk.call("POST", "/v1/requests", json=body)
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


def test_try(county: County, clerk: Person, new_page: Any, looking: Looking) -> None:
    large = ask(clerk, a_large_request())
    small = ask(clerk, a_request_in_full("education_aid", "medical_assistance_applied"))
    for name, taken in (("large", large), ("small", small)):
        page = page_of(new_page, clerk, viewport=DESK)
        for form in ("register", "notice", "notice?paper=80mm", "receipt", "receipt?paper=80mm"):
            page.goto(f"{county.running.address}/forms/requests/{taken['request_id']}/{form}")
            n = f"{name}-{form.replace('?paper=', '-')}"
            looking.picture(page, n)
            looking.finds_no_fault(page)
            print(n, printed(page, looking, n))
        h = county.handoff(taken, EDUCATION)["handoff_id"]
        for form in ("letter", "reply"):
            page.goto(f"{county.running.address}/forms/handoffs/{h}/{form}")
            looking.picture(page, f"{name}-{form}")
            looking.finds_no_fault(page)
            print(form, printed(page, looking, f"{name}-{form}"))
    boss = page_of(new_page, Person.made(county.running, "supervisor").signed_in(), viewport=DESK)
    boss.goto(f"{county.running.address}/forms/summary")
    looking.picture(boss, "summary")
    looking.finds_no_fault(boss)
    print(printed(boss, looking, "summary"))
