"""The paper forms of a window: who may print which, what each shows, and that it is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.county import EDUCATION, County, Seen
from tests.examples import a_request_in_full
from tests.people import Person, ours


def asked_by(person: Person, *needs: str, **changes: Any) -> Seen:
    answer = person.call("POST", "/v1/requests", json={**a_request_in_full(*needs), **changes})
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


@pytest.fixture
def clerk(county: County) -> Person:
    return Person.made(county.running, "intake", division_code="360803101").signed_in()


@pytest.fixture
def taken(clerk: Person) -> Seen:
    return asked_by(clerk, "education_aid")


def test_draft(county: County, clerk: Person, taken: Seen) -> None:
    form = Person.form_in(clerk.browser.get("/forms"))
    found = clerk.browser.post(
        "/forms", data={"form": form, "number": taken["receipt_number"]}, headers=ours(county.running)
    )
    assert found.status_code == 303, found.text
    page = clerk.browser.get(found.headers["location"])
    print(page.text.partition("</style>")[2])
    r = taken["request_id"]
    for each in ("register", "notice", "receipt"):
        page = clerk.browser.get(f"/forms/requests/{r}/{each}")
        print(page.status_code, page.text.partition("</style>")[2])
    h = county.handoff(taken, EDUCATION)["handoff_id"]
    for each in ("letter", "reply", "reply?blank=1"):
        page = clerk.browser.get(f"/forms/handoffs/{h}/{each}")
        print(page.status_code, page.text.partition("</style>")[2])
    boss = Person.made(county.running, "supervisor").signed_in()
    page = boss.browser.get("/forms/summary")
    print(page.status_code, page.text.partition("</style>")[2])
    assert False
