"""The delivery mode `reference`: an agency is sent ids and clocks, and fetches the rest with its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from app.messages import ReferenceMessage
from app.tables import agency, delivery, revision
from tests import serving
from tests.county import CIVIL_AFFAIRS, EDUCATION, County
from tests.examples import PERSONAL, TOWNSHIP, a_request_in_full
from tests.running import Running
from tests.watching import bodies, change


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running]) -> County:
    """Education is told by reference, civil affairs is not told, everybody else in full."""
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    change(
        database_url,
        update(agency).where(agency.c.code == EDUCATION).values(delivery_mode="reference"),
        update(agency).where(agency.c.code == CIVIL_AFFAIRS).values(delivery_mode="pull"),
        update(revision).values(value=revision.c.value + 1),
    )
    return County(run_service(public_url="https://one-window.example.gov.cn"), secrets)


def sent_to(county: County, code: str) -> list[bytes]:
    rows = bodies(county.running.url, select(delivery.c.receiver).order_by(delivery.c.id))
    return [row["body"] for row in rows if row["receiver"] == code]


def everything_that_happens(county: County) -> dict[str, Any]:
    """Dispatched, supplemented, withdrawn, each with whatever a person may say."""
    answer = county.window.post("/v1/requests", json=a_request_in_full("education_aid"))
    receipt: dict[str, Any] = answer.raise_for_status().json()
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "accepted", "information_requested", materials=["在读证明"])
    path = f"/v1/requests/{receipt['request_id']}"
    added = {"note": PERSONAL["narrative"], "facts": {"illness": PERSONAL["illness"]}, "materials": ["diagnosis"]}
    county.window.post(f"{path}/supplements", json=added).raise_for_status()
    county.window.post(f"{path}/withdraw", json={"reason": PERSONAL["details"]}).raise_for_status()
    return receipt


def test_nothing_of_the_person_is_in_the_bytes_of_a_message_by_reference(county: County) -> None:
    receipt = everything_that_happens(county)
    messages = sent_to(county, EDUCATION)
    told = [ReferenceMessage.model_validate_json(each) for each in messages]
    kinds = [("handoff.dispatched", "dispatched"), ("handoff.supplemented", "in_progress")]
    assert [(each.type, each.data.status) for each in told] == [*kinds, ("handoff.cancelled", "cancelled")]
    for bytes_ in messages:
        text = json.dumps(json.loads(bytes_), ensure_ascii=False)
        assert [name for name, personal in PERSONAL.items() if personal in text] == []
        assert TOWNSHIP not in text, "nor where they live"
        assert not {"person", "partners", "discloses", "supplement", "reason"} & json.loads(bytes_)["data"].keys()
    full = {each.decode() for code in county.secrets if code != EDUCATION for each in sent_to(county, code)}
    assert any(PERSONAL["name"] in each for each in full), "which others are told, so it would have shown"
    handoff = county.handoff(receipt, EDUCATION)
    data = told[0].data
    assert (str(data.handoff_id), str(data.request_id)) == (handoff["handoff_id"], receipt["request_id"])
    assert data.receipt_number == receipt["receipt_number"]
    dues = ("sign_in_due", "accept_due", "complete_due")
    assert {name: handoff[name] for name in dues} == {name: json.loads(messages[0])["data"][name] for name in dues}
    assert data.callback_url == f"https://one-window.example.gov.cn{data.callback_path}"


def test_what_a_message_by_reference_names_is_fetched_and_answered_with_the_agencys_key(county: County) -> None:
    answer = county.window.post("/v1/requests", json=a_request_in_full("education_aid"))
    receipt = answer.raise_for_status().json()
    (message,) = map(json.loads, sent_to(county, EDUCATION))
    school = county.running.client("agency", agency=EDUCATION)
    seen = school.get(message["data"]["handoff_path"]).raise_for_status().json()
    assert seen["person"]["applicant"]["name"] == PERSONAL["name"]
    body = {"type": "handoff.received", "timestamp": seen["dispatched_at"], "data": {}}
    school.post(message["data"]["callback_path"], json=body).raise_for_status()
    assert county.handoff(receipt, EDUCATION)["status"] == "received"


def test_an_agency_that_pulls_is_sent_nothing_though_it_has_an_endpoint(county: County) -> None:
    receipt = county.ask("education_aid")
    assert CIVIL_AFFAIRS in {each["agency"] for each in receipt["handoffs"]}
    assert sent_to(county, CIVIL_AFFAIRS) == []
    inbox = county.running.client("agency", agency=CIVIL_AFFAIRS).get("/v1/handoffs").json()["items"]
    assert [each["request_id"] for each in inbox] == [receipt["request_id"]]
