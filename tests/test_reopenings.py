"""When a request was closed: the person says whether it is solved; who is not content is heard by a coordinator."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from app.deadlines import china_day
from app.identifiers import now
from app.tables import delivery, feedback, handoff, help_request, reading
from tests.county import CIVIL_AFFAIRS, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import a_consent
from tests.own_page import JUSTICE, a_county, answer_back, browser, close, page, path_of, words_of
from tests.running import Running
from tests.test_returns import told_to
from tests.watching import bodies, change, count, fetch

WORDS = "补贴一直没有到账,打电话没人接"
REASON = "补贴已于 11 月 20 日发放到社会保障卡"
ASKED = "Was your problem solved?"


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running]) -> County:
    return a_county(database_url, run_service)


@pytest.fixture
def closed(county: County) -> Seen:
    receipt = county.ask("legal_aid")
    close(county, receipt)
    return receipt


@pytest.fixture
def unhappy(county: County, closed: Seen) -> Seen:
    assert answer_back(browser(county), closed, "no", WORDS).status_code == 303
    return closed


def listed(client: httpx.Client, **asked: str) -> list[Seen]:
    answer = client.get("/v1/reopenings", params=asked)
    assert answer.status_code == 200, answer.text
    items: list[Seen] = answer.json()["items"]
    return items


def rule(county: County, which: str, key: str = "", **body: Any) -> httpx.Response:
    (asked,) = listed(county.coordinator, state="open")
    headers = {"idempotency-key": key} if key else {}
    return county.coordinator.post(f"/v1/reopenings/{asked['reopening_id']}/{which}", json=body, headers=headers)


def ruled(county: County, which: str, **body: Any) -> Seen:
    answer = rule(county, which, **body)
    assert answer.status_code == 200, answer.text
    done: Seen = answer.json()
    return done


def kinds(county: County, receipt: Seen) -> list[str]:
    return [each["kind"] for each in county.events(receipt)]


def test_it_is_asked_when_a_request_was_closed_and_not_before(county: County) -> None:
    receipt, client = county.ask("legal_aid"), browser(county)
    assert ASKED not in words_of(page(client, receipt))
    assert answer_back(client, receipt, "no", closing=1).status_code == 412
    close(county, receipt)
    assert ASKED in words_of(page(client, receipt))
    assert count(county.running.url, feedback)["feedback"] == 0


def test_it_is_not_asked_of_what_was_withdrawn(county: County) -> None:
    receipt = county.ask("legal_aid")
    county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={}).raise_for_status()
    assert ASKED not in words_of(page(browser(county), receipt))


def test_who_is_content_is_counted_and_bothers_nobody(county: County, closed: Seen) -> None:
    client = browser(county)
    answer = answer_back(client, closed, "yes")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{path_of(closed)}?said=answered")
    said = words_of(page(client, closed, said="answered"))
    assert "Your answer was received" in said
    assert "Yes, it is solved" in said
    assert ASKED not in said
    assert listed(county.coordinator) == []
    today = china_day(now()).isoformat()
    counted = county.coordinator.get("/v1/satisfaction", params={"since": today, "until": today}).json()
    assert (counted["answered"], counted["yes"], counted["open"]) == (1, 1, 0)
    assert kinds(county, closed)[-1] == "request.answered_back"


def test_an_answer_needs_one_of_the_three(county: County, closed: Seen) -> None:
    client = browser(county)
    answer = answer_back(client, closed, "", "写了很多字")
    assert answer.status_code == 422
    assert "Choose one of the answers" in answer.text
    assert "写了很多字" in answer.text, "what was written is not lost"
    assert answer_back(client, closed, "maybe").status_code == 422
    assert count(county.running.url, feedback)["feedback"] == 0


@pytest.mark.parametrize("solved", ["no", "partly"])
def test_who_is_not_content_is_listed_for_the_coordinator_with_their_words(
    county: County, closed: Seen, solved: str
) -> None:
    client = browser(county)
    assert answer_back(client, closed, solved, WORDS).status_code == 303
    (seen,) = listed(county.coordinator, state="open")
    assert (seen["receipt_number"], seen["solved"], seen["words"]) == (closed["receipt_number"], solved, WORDS)
    assert (seen["state"], seen["request_status"], seen["ruled_at"]) == ("open", "closed", None)
    assert {each["agency"] for each in seen["handoffs"]} == set(county.statuses(closed))
    for role in ("supervisor", "auditor"):
        assert [each["words"] for each in listed(county.running.client(role))] == [None]
    assert listed(county.running.client("coordinator", place="360424")) == []
    said = words_of(page(client, closed))
    assert "It is with the county coordinator" in said
    assert WORDS not in said, "the page says nothing that whoever finds it should not read"
    disclosed = county.nobody.get(f"/v1{path_of(closed)}").json()["disclosures"]["newest"][0]
    assert (disclosed["way"], [each["code"] for each in disclosed["shown"]]) == ("timeline", ["notes"])
    last = fetch(county.running.url, select(reading).order_by(reading.c.id.desc()).limit(1))
    assert not last[0]["unrelated"], "it is the coordinator's own work, and raises no alarm"


def test_words_are_kept_sealed_and_go_with_the_person(county: County, unhappy: Seen) -> None:
    (row,) = fetch(county.running.url, select(feedback))
    assert WORDS.encode() not in row["sealed"]
    (event,) = [each for each in county.events(unhappy) if each["kind"] == "request.answered_back"]
    assert (event["actor"], event["note"]) == ("person", {"words": WORDS})
    assert event["data"]["solved"] == "no"
    long_ago = now() - timedelta(days=366 * 6)  # its least period is over
    change(
        county.running.url,
        update(help_request).values(closed_at=long_ago, registered_at=long_ago),
        update(delivery).values(status="delivered", ended_at=now()),
    )
    asked = {"ground": "unlawful", "legal_basis": "个人信息保护法47(四)"}
    answer = county.coordinator.post(f"/v1/requests/{unhappy['request_id']}/erase", json=asked)
    assert answer.status_code == 200, answer.text
    assert fetch(county.running.url, select(feedback))[0]["sealed"] is None
    assert listed(county.coordinator)[0]["words"] is None


def test_the_same_form_sent_twice_or_at_once_is_one_answer(county: County, closed: Seen) -> None:
    client = browser(county)
    shown = page(client, closed)
    closing = int(shown.partition('name="closing" value="')[2].partition('"')[0])
    with ThreadPoolExecutor(4) as many:
        sent = list(many.map(lambda n: answer_back(client, closed, "no", f"{n}", closing).status_code, range(4)))
    assert sent == [303] * 4
    assert len(listed(county.coordinator)) == 1
    assert kinds(county, closed).count("request.answered_back") == 1


def test_a_part_is_given_out_again_with_new_clocks_and_the_request_is_open_again(county: County, unhappy: Seen) -> None:
    before = county.handoff(unhappy, JUSTICE)
    done = ruled(county, "reopen", handoff_id=before["handoff_id"], reason=REASON)
    assert (done["state"], done["request_status"]) == ("reopened", "in_progress")
    assert (done["handoff"]["agency"], done["handoff"]["status"]) == (JUSTICE, "dispatched")
    after = county.handoff(unhappy, JUSTICE)
    assert after["handoff_id"] == before["handoff_id"]
    assert (after["outcome"], after["closed_at"]) == (None, None)
    assert after["dispatched_at"] > before["dispatched_at"]
    assert after["complete_due"] >= before["complete_due"]
    seen = county.request(unhappy)
    assert (seen["status"], seen["closed_at"]) == ("in_progress", None)
    assert kinds(county, unhappy)[-3:] == ["request.reopened", "handoff.reopened", "request.in_progress"]
    told = [
        each for each in told_to(county, JUSTICE, "handoff.dispatched") if each["handoff_id"] == after["handoff_id"]
    ]
    first, again = [each["given"] for each in told]
    assert (first, again) == (None, {"act": "reopened", "reason": REASON, "legal_basis": None})
    said = words_of(page(browser(county), unhappy))
    assert "the coordinator reopened it" in said
    assert ASKED not in said
    assert REASON not in county.nobody.get(f"/v1{path_of(unhappy)}").text, "it is told to the agency"
    assert listed(county.coordinator, state="open") == []
    (listed_,) = listed(county.coordinator, state="reopened")
    assert (listed_["reason"], listed_["handoff_id"]) == (REASON, before["handoff_id"])


def test_after_it_was_handled_again_it_is_asked_once_more(county: County, unhappy: Seen) -> None:
    ruled(county, "reopen", handoff_id=county.handoff(unhappy, JUSTICE)["handoff_id"], reason=REASON)
    close(county, unhappy)
    client = browser(county)
    assert ASKED in words_of(page(client, unhappy))
    assert answer_back(client, unhappy, "yes").status_code == 303
    solved = [each["solved"] for each in county.nobody.get(f"/v1{path_of(unhappy)}").json()["answers"]]
    assert solved == ["no", "yes"]
    assert county.request(unhappy)["status"] == "closed"


def test_a_part_may_go_to_another_agency(county: County, unhappy: Seen) -> None:
    before = county.handoff(unhappy, JUSTICE)
    done = ruled(county, "reopen", handoff_id=before["handoff_id"], agency=CIVIL_AFFAIRS, reason=REASON)
    assert (done["handoff"]["agency"], done["handoff"]["need"]) == (CIVIL_AFFAIRS, before["need"])
    assert county.statuses(unhappy)[CIVIL_AFFAIRS] == "dispatched"
    told = told_to(county, CIVIL_AFFAIRS, "handoff.dispatched")
    *_, given = [each["given"] for each in told if each["handoff_id"] == done["handoff"]["handoff_id"]]
    assert given == {"act": "reopened", "reason": REASON, "legal_basis": None}
    assert county.handoff(unhappy, JUSTICE)["replaced_by"] == done["handoff"]["handoff_id"]


def test_without_a_part_it_goes_to_whoever_finds_out_whose_it_is(county: County, unhappy: Seen) -> None:
    done = ruled(county, "reopen", reason=REASON)
    assert (done["handoff"]["need"], done["handoff"]["agency"]) == ("undetermined", TOWNSHIP)
    assert done["handoff"]["role"] == "lead"
    assert county.request(unhappy)["status"] in ("in_progress", "routed")
    close(county, unhappy)
    client = browser(county)
    assert answer_back(client, unhappy, "no", "还是没有").status_code == 303
    again = ruled(county, "reopen", reason=REASON)
    assert again["handoff"]["handoff_id"] == done["handoff"]["handoff_id"], "an agency has one handoff for each need"
    close(county, unhappy)


def test_a_refusal_is_read_by_the_person_with_its_reason(county: County, unhappy: Seen) -> None:
    done = ruled(county, "decline", reason=REASON)
    assert (done["state"], done["request_status"], done["handoff"]) == ("declined", "closed", None)
    said = words_of(page(browser(county, "zh"), unhappy))
    assert REASON in said
    assert "答复不再重新办理" in said
    assert "您的问题解决了吗" not in said, "once for each closing"
    assert REASON in county.nobody.get(f"/v1{path_of(unhappy)}").text
    assert kinds(county, unhappy)[-1] == "request.reopening_declined"


def test_a_ruling_is_made_once_and_safe_to_repeat(county: County, unhappy: Seen) -> None:
    (asked,) = listed(county.coordinator)
    path = f"/v1/reopenings/{asked['reopening_id']}/decline"
    headers = {"idempotency-key": "decline-1"}
    first = county.coordinator.post(path, json={"reason": REASON}, headers=headers)
    again = county.coordinator.post(path, json={"reason": REASON}, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content) == (200, first.content)
    other = county.coordinator.post(path.replace("decline", "reopen"), json={"reason": REASON})
    assert (other.status_code, other.json()["code"]) == (409, "already_ruled")
    assert kinds(county, unhappy).count("request.reopening_declined") == 1


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/reason", "missing"),
        ({"reason": REASON, "handoff_id": "01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e"}, "/handoff_id", "unknown_handoff"),
        ({"reason": REASON, "agency": CIVIL_AFFAIRS}, "", "agency_of_a_handoff"),
        ({"reason": REASON, "handoff_id": "ours", "agency": "360803-nobody"}, "/agency", "unknown_agency"),
    ],
)
def test_what_cant_be_reopened_so_is_said_by_its_field(
    county: County, unhappy: Seen, body: dict[str, str], pointer: str, code: str
) -> None:
    if body.get("handoff_id") == "ours":
        body = {**body, "handoff_id": county.handoff(unhappy, JUSTICE)["handoff_id"]}
    answer = rule(county, "reopen", **body)
    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert county.request(unhappy)["status"] == "closed"
    assert "request.reopened" not in kinds(county, unhappy)


def test_a_part_that_was_only_informed_is_not_reopened(county: County, unhappy: Seen) -> None:
    (informed, *_) = (each for each in county.request(unhappy)["handoffs"] if each["agency"] != JUSTICE)
    change(
        county.running.url, update(handoff).where(handoff.c.id == UUID(informed["handoff_id"])).values(role="informed")
    )
    answer = rule(county, "reopen", reason=REASON, handoff_id=informed["handoff_id"])
    assert [each["code"] for each in answer.json()["errors"]] == ["only_informed"]
    assert [each["state"] for each in listed(county.coordinator)] == ["open"]


def test_a_verification_is_not_reopened_without_its_consent(county: County) -> None:
    receipt = county.ask("minimum_living_allowance", consents=[a_consent("economic_verification", "applicant")])
    close(county, receipt)
    answer_back(browser(county), receipt, "no", WORDS)
    withdrawn = county.coordinator.post(f"/v1/requests/{receipt['request_id']}/consents/1/withdraw", json={})
    assert withdrawn.status_code == 200, withdrawn.text
    centre = county.handoff(receipt, VERIFICATION)["handoff_id"]
    answer = rule(county, "reopen", reason=REASON, handoff_id=centre)
    assert [each["code"] for each in answer.json()["errors"]] == ["consent_missing"]
    assert county.handoff(receipt, VERIFICATION)["status"] == "completed"


def test_an_answer_that_names_no_closing_is_refused_and_breaks_nothing(county: County, closed: Seen) -> None:
    form = {"solved": "no", "words": WORDS, "closing": "9" * 5000}
    assert browser(county).post(f"{path_of(closed)}/solved", data=form).status_code == 422
    assert browser(county).post(f"{path_of(closed)}/all-there", data={"note": "a\x07b"}).status_code == 422


def test_a_coordinator_of_another_county_reaches_none_of_it(county: County, unhappy: Seen) -> None:
    (asked,) = listed(county.coordinator)
    other = county.running.client("coordinator", place="360424")
    for which in ("reopen", "decline"):
        answer = other.post(f"/v1/reopenings/{asked['reopening_id']}/{which}", json={"reason": "x"})
        assert answer.status_code == 404


def test_what_was_erased_is_not_reopened(county: County, unhappy: Seen) -> None:
    of_request = help_request.c.receipt_number == unhappy["receipt_number"]
    change(
        county.running.url, update(help_request).where(of_request).values(erased_at=now(), sealed=b"", data_key=None)
    )
    answer = rule(county, "reopen", reason=REASON)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_ruled")


def test_subscribers_are_told_of_answers_and_rulings(county: County, closed: Seen) -> None:
    subscribed = {
        "name": "dashboard",
        "endpoint": "http://127.0.0.1:9/x",
        "types": ["request.answered_back", "request.reopened", "handoff.reopened", "request.reopening_declined"],
    }
    admin = county.running.client("admin")
    made = admin.post("/v1/subscriptions", json=subscribed)
    assert made.status_code == 201, made.text
    answer_back(browser(county), closed, "no", WORDS)
    ruled(county, "reopen", handoff_id=county.handoff(closed, JUSTICE)["handoff_id"], reason=REASON)
    told = select(delivery).where(delivery.c.receiver == made.json()["subscription_id"]).order_by(delivery.c.id)
    sent = bodies(county.running.url, told)
    assert [each["type"] for each in sent] == ["request.answered_back", "request.reopened", "handoff.reopened"]
    assert b'"solved":"no"' in sent[0]["body"]
    assert not [each for each in sent if WORDS.encode() in each["body"] or REASON.encode() in each["body"]]


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01", "0"])
def test_days_that_no_calendar_goes_on_from_are_refused(county: County, day: str) -> None:
    answer = county.coordinator.get("/v1/satisfaction", params={"since": day, "until": day})
    assert answer.status_code == 422, answer.text


def test_satisfaction_is_counted_by_days_in_china_and_jurisdiction(county: County, unhappy: Seen) -> None:
    other = county.ask("legal_aid")
    close(county, other)
    answer_back(browser(county), other, "partly")
    today = china_day(now()).isoformat()
    seen = county.coordinator.get("/v1/satisfaction", params={"since": today, "until": today}).json()
    assert {name: seen[name] for name in ("answered", "yes", "partly", "no", "open", "reopened", "declined")} == {
        "answered": 2,
        "yes": 0,
        "partly": 1,
        "no": 1,
        "open": 2,
        "reopened": 0,
        "declined": 0,
    }
    elsewhere = county.running.client("supervisor", place="360424")
    assert elsewhere.get("/v1/satisfaction", params={"since": today, "until": today}).json()["answered"] == 0
    past = county.coordinator.get("/v1/satisfaction", params={"since": "2026-01-01", "until": "2026-01-31"}).json()
    assert past["answered"] == 0
    wrong = county.coordinator.get("/v1/satisfaction", params={"since": today, "until": "2026-01-01"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "until")
