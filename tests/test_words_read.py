"""What somebody wrote about a person is opened only where that it was read is recorded; also of another request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app.tables import reading
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, County, Seen
from tests.examples import a_consent
from tests.running import Running
from tests.test_attachments import added
from tests.test_debts import settle
from tests.test_emergencies import PERSON, alarm
from tests.test_readings import refuse_readings
from tests.test_returns import FINANCE, NOT_OURS
from tests.test_same_person import NUMBER, asked, shown, take_in
from tests.watching import fetch

NOTE = "此户有人重病"
ASKS = {"purpose": "supervision"}


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running], tmp_path: Path) -> County:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    return County(run_service(attachments=str(tmp_path), reading_purpose_required=True), secrets)


def looks(county: County, receipt: Seen, **which: Any) -> list[tuple[str, str, list[str]]]:
    """Of a request: role, way, what was shown; in their order."""
    rows = fetch(
        county.running.url,
        select(reading).where(reading.c.request_id == UUID(receipt["request_id"])).order_by(reading.c.id),
    )
    rows = [row for row in rows if all(row[name] == value for name, value in which.items())]
    return [(row["role"], row["way"], row["shown"]) for row in rows]


def part_of(county: County, receipt: Seen, agency: str) -> Seen:
    """By somebody who is shown nobody."""
    seen = county.running.client("auditor").get(f"/v1/requests/{receipt['request_id']}").raise_for_status().json()
    part: Seen = next(each for each in seen["handoffs"] if each["agency"] == agency)
    return part


def must_say_what_for(county: County, address: str) -> Seen:
    assert county.coordinator.get(address).json()["code"] == "purpose_needed"
    seen: Seen = county.coordinator.get(address, params=ASKS).raise_for_status().json()
    return seen


def test_what_was_written_in_a_dispute(county: County) -> None:
    receipt = county.ask("temp_aid_fast")
    county.told(part_of(county, receipt, TOWNSHIP), "returned", **{**NOT_OURS, "note": NOTE})
    again = {**NOT_OURS, "note": NOTE, "suggested_department": "township_gov"}
    county.told(part_of(county, receipt, FINANCE), "returned", **again)
    assert county.running.client("auditor").get("/v1/disputes").json()["items"][0]["said"][0]["note"] is None
    assert looks(county, receipt) == []
    assert must_say_what_for(county, "/v1/disputes")["items"][0]["said"][0]["note"] == NOTE
    assert looks(county, receipt, unrelated=False) == [("coordinator", "timeline", ["notes"])], "it is for them to rule"
    county.coordinator.get("/v1/conference").raise_for_status()
    assert len(looks(county, receipt)) == 1, "the list of the conference has legal bases, and no words"


def test_with_what_a_debt_was_settled(county: County) -> None:
    receipt = alarm(county, kind="hunger", applicant=PERSON)
    own = settle(county, receipt, "aid", amount_yuan="500.00", with_what=NOTE).raise_for_status().json()
    assert own["with_what"] == NOTE
    other = settle(county, receipt, "aid", county.coordinator, amount_yuan="500.00", with_what=NOTE)
    assert other.raise_for_status().json()["with_what"] is None, "whoever says it again is not shown another's words"
    board = county.coordinator.get("/v1/emergencies/board").raise_for_status().json()["items"][0]["debts"]
    assert {each["with_what"] for each in board} == {None}, "it is shown whether anything can be recorded or not"
    assert looks(county, receipt) == []
    listed = must_say_what_for(county, "/v1/debts")["items"]
    assert NOTE in {each["with_what"] for each in listed}
    assert looks(county, receipt, unrelated=False) == [("coordinator", "timeline", ["notes"])]


def test_why_nothing_of_a_request_is_erased(county: County) -> None:
    receipt = county.ask("education_aid")
    auditor, address = county.running.client("auditor"), f"/v1/requests/{receipt['request_id']}"
    assert auditor.post(f"{address}/hold", json={"reason": NOTE}).raise_for_status().json()["reason"] == NOTE
    assert must_say_what_for(county, "/v1/holds")["items"][0]["reason"] == NOTE
    assert looks(county, receipt, unrelated=False) == [("coordinator", "timeline", ["notes"])]
    freed = county.coordinator.post(f"{address}/release", json={"reason": "x"}).raise_for_status().json()
    assert freed["reason"] is None


def test_what_papers_are_called(county: County) -> None:
    receipt = county.ask("education_aid")
    address = f"/v1/requests/{receipt['request_id']}/attachments"
    assert county.window.get(address).json()["items"] == []
    assert looks(county, receipt) == [], "where nothing is called anything, nothing is recorded"
    added(county, receipt, title=NOTE, material="school_enrolment_record")
    assert must_say_what_for(county, address)["items"][0]["title"] == NOTE
    school = county.running.client("agency", agency=EDUCATION)
    assert school.get(address).json()["items"][0]["title"] == NOTE
    assert county.running.client("auditor").get(address).json()["items"][0]["title"] is None
    assert looks(county, receipt) == [("coordinator", "request", ["papers"]), ("agency", "handoff", ["papers"])]
    (theirs,) = fetch(county.running.url, select(reading).where(reading.c.agency_code == EDUCATION))
    assert theirs["legal_basis"]
    assert not theirs["unrelated"]


def test_what_stands_in_a_consent(county: County) -> None:
    given = a_consent("economic_verification", "applicant", evidence={"kind": "recording", "reference": NOTE})
    receipt = county.ask("minimum_living_allowance", consents=[])
    address = f"/v1/requests/{receipt['request_id']}/consents"
    answer = county.window.post(address, json={"consents": [given]}).raise_for_status().json()
    assert answer["consents"][0]["evidence"] == {"kind": "recording", "reference": None}
    answer = county.coordinator.post(f"{address}/1/withdraw", json={"reason": NOTE}).raise_for_status().json()
    assert answer["consents"][0]["reason"] is None
    assert looks(county, receipt) == []
    (seen,) = must_say_what_for(county, address)["consents"]
    assert (seen["evidence"]["reference"], seen["reason"]) == (NOTE, NOTE)
    assert looks(county, receipt) == [("coordinator", "request", ["notes"])], "there is no guardian in it"


@pytest.mark.usefixtures("patient")
def test_that_the_same_person_has_asked_before_is_a_reading_of_that_request(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    take_in(county, asked("education_aid", id_number=NUMBER, channel="kiosk"))
    assert looks(county, first) == [], "nobody is told at a kiosk"
    third = take_in(county, asked("education_aid", id_number=NUMBER))
    assert first["request_id"] in {request_id for request_id, _ in shown(third)}
    assert looks(county, first) == [("intake", "search", ["identity"])]
    county.coordinator.get(f"/v1/requests/{third['request_id']}", params=ASKS).raise_for_status()
    assert looks(county, first)[1:] == [("coordinator", "search", ["identity"])]


def test_help_does_not_wait_for_a_record_and_what_has_none_is_not_told(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    refuse_readings(county.running.url)
    second = take_in(county, asked("education_aid", id_number=NUMBER))
    assert second["same_person"] == []
    events = county.running.client("auditor").get(f"/v1/requests/{second['request_id']}/timeline").json()["events"]
    (link,) = [each for each in events if each["kind"] == "request.asked_again"]
    assert link["data"] == {"open": [first["request_id"]]}, "they are linked all the same"
