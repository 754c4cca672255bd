"""`Idempotency-Key`: a repeat gets the first answer, byte for byte, and nothing is stored twice."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import LargeBinary, select, type_coerce, update

from app.columns import packed, unpacked
from app.tables import delivery, event, handoff, help_request, idempotency
from tests import serving
from tests.county import EDUCATION, County, Seen
from tests.examples import a_request
from tests.running import Running
from tests.watching import change, count, fetch

KEY = {"idempotency-key": "kiosk-7:2026-11-23:0001", "content-type": "application/json"}
BODY = json.dumps(a_request("education_aid"), ensure_ascii=False).encode()
# The same request to a reader, and not the same bytes.
OTHER_BODY = json.dumps(a_request("education_aid"), ensure_ascii=True).encode()


@pytest.fixture
def waiting(county: County) -> Seen:
    """A request that waits for the applicant."""
    receipt = county.ask("education_aid")
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "accepted", "information_requested", materials=["在读证明"])
    return receipt


def at_once(times: int, call: Any) -> list[httpx.Response]:
    """The same call from so many threads at the same moment."""
    start = Barrier(times)

    def run(_: int) -> httpx.Response:
        start.wait(10)
        answer: httpx.Response = call()
        return answer

    with ThreadPoolExecutor(times) as threads:
        return list(threads.map(run, range(times)))


def test_a_repeat_gets_the_first_answer_byte_for_byte_and_stores_nothing(county: County) -> None:
    first = county.window.post("/v1/requests", content=BODY, headers=KEY)
    stored = count(county.running.url, help_request, handoff, event, delivery, idempotency)
    repeat = county.window.post("/v1/requests", content=BODY, headers=KEY)
    assert (first.status_code, repeat.status_code) == (201, 201)
    assert repeat.content == first.content
    assert repeat.json()["tracking_token"]
    assert count(county.running.url, help_request, handoff, event, delivery, idempotency) == stored
    assert stored["help_request"] == stored["idempotency"] == 1


def test_a_repeat_after_the_request_has_moved_on_still_gets_the_first_answer(county: County) -> None:
    first = county.window.post("/v1/requests", content=BODY, headers=KEY)
    county.complete(first.json(), EDUCATION)
    county.window.post(f"/v1/requests/{first.json()['request_id']}/withdraw", json={})
    assert county.window.post("/v1/requests", content=BODY, headers=KEY).content == first.content


def test_a_repeat_after_a_restart_gets_the_same_token(database_url: str, run_service: Any) -> None:
    key = serving.make_key(database_url, serving.KeyRole.INTAKE)
    headers = {**KEY, "authorization": f"Bearer {key}"}
    answers = [
        httpx.post(f"{run_service().address}/v1/requests", content=BODY, headers=headers, trust_env=False, timeout=60)
        for _ in range(2)
    ]
    assert answers[0].content == answers[1].content


def test_a_first_answer_is_stored_packed_and_one_that_was_stored_as_it_came_is_read(county: County) -> None:
    first = county.window.post("/v1/requests", content=BODY, headers=KEY)
    as_stored = type_coerce(idempotency.c.answer, LargeBinary)
    ((answer,), (stored,)) = (
        fetch(county.running.url, select(each.label("it"))) for each in (idempotency.c.answer, as_stored)
    )
    assert json.loads(answer["it"]).items() < first.json().items()
    assert len(stored["it"]) < len(answer["it"]) / 2
    assert change(county.running.url, update(idempotency).values(answer=type_coerce(answer["it"], LargeBinary))) == 1
    assert fetch(county.running.url, select(as_stored.label("it"))) == [answer]
    assert county.window.post("/v1/requests", content=BODY, headers=KEY).content == first.content


@given(st.binary())
@example(b"")
@example(b"\0 is how what is packed begins")
@example(b"again and " * 100)
def test_whatever_is_packed_comes_back_and_nothing_grows_but_what_looks_packed(content: bytes) -> None:
    stored = packed(content)
    assert unpacked(stored) == content
    assert len(stored) <= len(content) or content[:1] == b"\0"


def test_the_same_key_with_another_body_is_a_conflict(county: County) -> None:
    first = county.window.post("/v1/requests", content=BODY, headers=KEY)
    other = county.window.post("/v1/requests", content=OTHER_BODY, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert count(county.running.url, help_request) == {"help_request": 1}
    assert county.window.post("/v1/requests", content=BODY, headers=KEY).content == first.content


def test_a_refused_body_does_not_use_the_key_up(county: County) -> None:
    refused = county.window.post("/v1/requests", json=a_request("food"), headers=KEY)
    assert refused.status_code == 422
    assert county.window.post("/v1/requests", content=BODY, headers=KEY).status_code == 201


def test_without_a_key_each_submission_is_a_request_of_its_own(county: County) -> None:
    receipts = [county.ask("education_aid") for _ in range(2)]
    assert receipts[0]["request_id"] != receipts[1]["request_id"]
    assert count(county.running.url, help_request) == {"help_request": 2}


@pytest.mark.parametrize("times", [2, 20])
def test_repeats_at_the_same_moment_make_one_row_and_get_one_answer(county: County, times: int) -> None:
    answers = at_once(times, lambda: county.window.post("/v1/requests", content=BODY, headers=KEY))
    assert {each.status_code for each in answers} == {201}, {each.text for each in answers}
    assert len({each.content for each in answers}) == 1
    assert count(county.running.url, help_request, idempotency) == {"help_request": 1, "idempotency": 1}
    (row,) = fetch(county.running.url, select(help_request.c.receipt_number))
    assert row["receipt_number"] == answers[0].json()["receipt_number"]


def test_a_repeat_among_other_submissions_of_its_group_harms_none_of_them(county: County) -> None:
    others = iter(range(1000))

    def either() -> httpx.Response:
        number = next(others)
        headers = KEY if number % 2 else {**KEY, "idempotency-key": f"its-own-{number}"}
        return county.window.post("/v1/requests", content=BODY, headers=headers)

    answers = at_once(20, either)
    assert {each.status_code for each in answers} == {201}, {each.text for each in answers}
    assert len({each.json()["request_id"] for each in answers}) == 11
    assert count(county.running.url, help_request) == {"help_request": 11}


def test_two_bodies_at_the_same_moment_under_one_key_are_one_request_and_one_conflict(county: County) -> None:
    bodies = iter([BODY, OTHER_BODY])
    answers = at_once(2, lambda: county.window.post("/v1/requests", content=next(bodies), headers=KEY))
    assert sorted(each.status_code for each in answers) == [201, 409]
    assert count(county.running.url, help_request) == {"help_request": 1}


def test_another_key_holder_may_use_the_same_idempotency_key(service: Running) -> None:
    answers = [service.client("intake").post("/v1/requests", content=BODY, headers=KEY) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json()["request_id"] != answers[1].json()["request_id"]


def test_a_supplement_that_is_repeated_counts_once_and_gets_the_first_answer(county: County, waiting: Seen) -> None:
    path, body = f"/v1/requests/{waiting['request_id']}/supplements", b'{"note": "paper handed in"}'
    answers = at_once(2, lambda: county.window.post(path, content=body, headers=KEY))
    answers.append(county.window.post(path, content=body, headers=KEY))
    assert [each.status_code for each in answers] == [200, 200, 200], {each.text for each in answers}
    assert len({each.content for each in answers}) == 1
    assert [each["kind"] for each in county.events(waiting)].count("request.supplemented") == 1


def test_without_a_key_a_supplement_that_is_repeated_is_told_that_nobody_waits(county: County, waiting: Seen) -> None:
    path = f"/v1/requests/{waiting['request_id']}/supplements"
    answers = [county.window.post(path, json={"note": "paper handed in"}) for _ in range(2)]
    assert answers[0].status_code == 200
    assert (answers[1].status_code, answers[1].json()["code"]) == (409, "not_waiting_for_applicant")


def test_a_key_used_for_one_call_is_a_conflict_on_another(county: County, waiting: Seen) -> None:
    path = f"/v1/requests/{waiting['request_id']}/supplements"
    assert county.window.post(path, json={"note": "first"}, headers=KEY).status_code == 200
    answers = [
        county.window.post(path, json={"note": "second"}, headers=KEY),
        county.window.post("/v1/requests", content=BODY, headers=KEY),
    ]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(409, "idempotency_conflict")] * 2


def test_by_no_digest_that_is_kept_of_a_body_a_guess_of_who_is_in_it_can_be_confirmed(county: County) -> None:
    county.window.post("/v1/requests", content=BODY, headers=KEY).raise_for_status()
    (row,) = fetch(county.running.url, select(idempotency))
    assert row["digest"] not in {hashlib.sha256(each).digest() for each in (BODY, b"/v1/requests\n" + BODY)}
