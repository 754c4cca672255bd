"""Receipt numbers given to a device in advance: valid before there is a request, and each request taken in once."""

from __future__ import annotations

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select, update

from app.deadlines import china_day
from app.identifiers import first_id, new_id, now
from app.receipts import is_device_number, new_device_number, new_receipt_number, token_hash
from app.reserved_numbers import is_refused, unused_lately
from app.tables import help_request, idempotency, reserved_number
from tests import serving
from tests.devices import new_key, numbers, paired
from tests.examples import TOWNSHIP, a_request
from tests.plans import plan_of
from tests.running import Running
from tests.watching import change, count, fetch

FIRE: dict[str, Any] = {"what": "失火", "where": "老街", "kind": "fire", "division_code": TOWNSHIP}


def ask(device: httpx.Client, number: str, headers: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    body = {**a_request(), "receipt_number": number, **more}
    answer = device.post("/v1/requests", json=body, headers=headers or new_key())
    assert answer.status_code == 201, answer.text
    taken: dict[str, Any] = answer.json()
    return taken


def warned(receipt: dict[str, Any]) -> list[str]:
    return [each["code"] for each in receipt["warnings"]]


def test_a_device_gets_numbers_that_say_themselves_with_the_token_and_the_code_of_each(service: Running) -> None:
    device = paired(service)
    given = numbers(device, 20)
    assert len({each["receipt_number"] for each in given}) == 20
    year = str(china_day(now()).year)[-1]
    for each in given:
        number = each["receipt_number"]
        assert is_device_number(number)
        assert number[1] == year
        assert each["receipt_number_spoken"].replace(" ", "") == number
        assert each["tracking_url"] == f"{service.address}/track/{each['tracking_token']}"
        assert each["qr"]["path"].startswith("M4 4h7v1h-7z")
    assert {row["number"] for row in fetch(service.url, select(reserved_number))} == {
        each["receipt_number"] for each in given
    }


@pytest.mark.parametrize("count_", [0, 101, "20", 1.5])
def test_a_device_gets_a_hundred_at_a_time_at_most(service: Running, count_: Any) -> None:
    answer = service.client("kiosk").post("/v1/kiosk/numbers", json={"count": count_})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/count")


def test_no_number_is_given_twice_however_many_ask_at_once(service: Running) -> None:
    devices = [paired(service, name=f"终端{n}") for n in range(4)]
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda n: numbers(devices[n % 4], 25), range(8)))
    all_numbers = [each["receipt_number"] for some in given for each in some]
    assert len(set(all_numbers)) == 200
    assert count(service.url, reserved_number)["reserved_number"] == 200


def test_the_same_call_again_gets_the_same_numbers_and_their_tokens_are_not_kept(service: Running) -> None:
    device, key = service.client("kiosk"), new_key()
    first = device.post("/v1/kiosk/numbers", json={"count": 3}, headers=key)
    again = device.post("/v1/kiosk/numbers", json={"count": 3}, headers=key)
    assert again.json() == first.json()
    assert count(service.url, reserved_number)["reserved_number"] == 3
    kept = str(fetch(service.url, select(idempotency)) + fetch(service.url, select(reserved_number)))
    assert not [each for each in first.json()["numbers"] if each["tracking_token"] in kept]


def test_a_device_that_uses_none_gets_no_more_than_five_hundred_a_day(service: Running) -> None:
    device = service.client("kiosk")
    for _ in range(5):
        numbers(device, 100)
    enough = device.post("/v1/kiosk/numbers", json={"count": 1})
    assert (enough.status_code, enough.json()["code"]) == (409, "numbers_enough")
    assert service.client("kiosk").post("/v1/kiosk/numbers", json={"count": 1}).status_code == 201, "another device"
    rows = fetch(service.url, select(reserved_number.c.number).order_by(reserved_number.c.id).limit(20))
    used = {row["number"] for row in rows}
    for number in used:
        ask(device, number)
    numbers(device, 20)
    old = first_id(now() - timedelta(days=2))
    some = select(reserved_number.c.id).where(reserved_number.c.number == numbers_left(service.url, used))
    change(service.url, update(reserved_number).where(reserved_number.c.id.in_(some)).values(id=old))
    numbers(device, 1)


def numbers_left(url: str, used: set[str]) -> str:
    """One that was not used."""
    rows = fetch(url, select(reserved_number.c.number).order_by(reserved_number.c.id))
    found: str = next(row["number"] for row in rows if row["number"] not in used)
    return found


def test_a_request_has_the_number_that_was_printed_and_the_token_of_its_code(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    taken_at = datetime.now(UTC) - timedelta(days=3)
    receipt = ask(device, one["receipt_number"], taken_at=taken_at.isoformat())
    assert receipt["receipt_number"] == one["receipt_number"]
    assert receipt["tracking_token"] == one["tracking_token"]
    assert warned(receipt) == []
    assert service.client(None).get(f"/v1/track/{one['tracking_token']}").status_code == 200
    (row,) = fetch(service.url, select(help_request))
    assert row["tracking_hash"] == token_hash(one["tracking_token"])
    path = f"/v1/requests/{receipt['request_id']}"
    first = service.client("coordinator").get(f"{path}/timeline").json()["events"][0]
    assert first["data"]["taken_at"] == taken_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    person = service.client("coordinator").get(path).json()["person"]
    assert not {"receipt_number", "taken_at"} & person.keys()


def test_an_emergency_has_it_too(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    told = {**FIRE, "receipt_number": one["receipt_number"], "taken_at": "2026-11-26T00:00:00Z"}
    receipt = device.post("/v1/emergencies", json=told, headers=new_key()).json()
    assert (receipt["receipt_number"], receipt["tracking_token"]) == (one["receipt_number"], one["tracking_token"])
    again = device.post("/v1/emergencies", json=told, headers=new_key()).json()
    assert again["receipt_number"] != one["receipt_number"]
    assert "receipt_number_replaced" in warned(again)


def test_the_same_call_again_is_one_request_also_when_its_first_answer_was_lost(service: Running) -> None:
    device, key = paired(service), new_key()
    (one,) = numbers(device)
    first = ask(device, one["receipt_number"], key)
    assert ask(device, one["receipt_number"], key) == first
    assert count(service.url, help_request)["help_request"] == 1
    other = device.post(
        "/v1/requests", json={**a_request("legal_aid"), "receipt_number": one["receipt_number"]}, headers=key
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_the_same_call_many_times_at_once_is_one_request(service: Running) -> None:
    device, key = paired(service), new_key()
    (one,) = numbers(device)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: ask(device, one["receipt_number"], key), range(6)))
    assert all(each == answers[0] for each in answers)
    assert answers[0]["receipt_number"] == one["receipt_number"]
    assert count(service.url, help_request)["help_request"] == 1


def test_two_requests_that_want_one_number_at_once_are_both_taken_in(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ask(device, one["receipt_number"]), range(4)))
    assert sum(each["receipt_number"] == one["receipt_number"] for each in answers) == 1
    assert sum("receipt_number_replaced" in warned(each) for each in answers) == 3
    assert count(service.url, help_request)["help_request"] == 4


@pytest.mark.parametrize("which", ["another's", "used", "wrong check digits", "a window's", "words", "empty"])
def test_nobody_is_turned_away_for_a_number_that_can_not_be_had(service: Running, which: str) -> None:
    device = paired(service)
    (one,) = numbers(device)
    if which == "another's":
        (one,) = numbers(paired(service, name="二号机"))
    number = one["receipt_number"]
    if which == "used":
        ask(device, number)
    wrong = {
        "wrong check digits": f"{number[:11]}{(int(number[11]) + 1) % 10}",
        "a window's": new_receipt_number(),
        "words": "我的编号",
        "empty": "",
    }
    receipt = ask(device, wrong.get(which, number))
    assert "receipt_number_replaced" in warned(receipt)
    assert receipt["receipt_number"] != number
    assert receipt["receipt_number"][0] != "1"


def test_a_number_of_before_the_database_was_restored_is_taken_as_it_is(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    change(service.url, delete(reserved_number))
    receipt = ask(device, one["receipt_number"])
    assert (receipt["receipt_number"], receipt["tracking_token"]) == (one["receipt_number"], one["tracking_token"])
    assert warned(receipt) == []
    of_ten_years_ago = new_device_number(2016)
    assert ask(device, of_ten_years_ago)["receipt_number"] == of_ten_years_ago


def test_no_number_of_a_request_is_given_out(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    device = paired(service)
    used = new_device_number(china_day(now()).year)
    ask(device, used)
    fresh = new_device_number(china_day(now()).year)
    drawn = iter([used, used, fresh])
    monkeypatch.setattr("app.reserved_numbers.new_device_number", lambda year: next(drawn))
    assert [each["receipt_number"] for each in numbers(device)] == [fresh]


@pytest.mark.parametrize("role", ["intake", "township"])
def test_only_a_device_says_its_number_and_when_it_was_asked(service: Running, role: str) -> None:
    window = service.client(role)
    told = {"receipt_number": new_device_number(2026), "taken_at": "2026-11-26T00:00:00Z"}
    for path, body in (("requests", a_request()), ("emergencies", FIRE)):
        answer = window.post(f"/v1/{path}", json={**body, **told})
        assert answer.status_code == 422
        assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [
            ("/receipt_number", "only_for_kiosks"),
            ("/taken_at", "only_for_kiosks"),
        ]


def test_a_device_whose_clock_is_ahead_is_told_and_takes_in_all_the_same(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    receipt = ask(device, one["receipt_number"], taken_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    assert warned(receipt) == ["taken_at_in_future"]


def test_a_repeat_of_what_was_answered_before_devices_had_numbers_shows_a_token_that_opens(service: Running) -> None:
    from app.receipts import first_tracking_token

    window, key = service.client("intake"), {"idempotency-key": str(uuid.uuid4())}
    first = window.post("/v1/requests", json=a_request(), headers=key).json()
    of_old = first_tracking_token(serving.SECRET.encode(), uuid.UUID(first["request_id"]).bytes)
    change(service.url, update(help_request).values(tracking_hash=token_hash(of_old)))
    again = window.post("/v1/requests", json=a_request(), headers=key).json()
    assert again == {**first, "tracking_token": of_old}
    assert json.loads(service.client(None).get(f"/v1/track/{of_old}").text)["receipt_number"] == first["receipt_number"]


@pytest.mark.parametrize("query", [is_refused(new_id(), "167871747388"), unused_lately(new_id(), now())])
def test_whether_a_number_is_free_is_found_by_index_however_many_there_were(database_url: str, query: Any) -> None:
    plan = plan_of(database_url, query, empty=True)
    assert not re.search("SCAN (help_request|reserved_number)|Seq Scan|TEMP B-TREE", plan), plan


def test_a_device_whose_key_was_replaced_keeps_its_numbers(service: Running) -> None:
    device = paired(service)
    (one,) = numbers(device)
    security = service.client("security")
    path = f"/v1/keys/{device.headers['x-kiosk-id']}/replace"
    made = security.post(path, json={"name": "the same in another box", "overlap_hours": 0})
    assert made.status_code == 201, made.text
    box = service.client(None, authorization=f"Bearer {made.json()['key']}")
    assert ask(box, one["receipt_number"])["receipt_number"] == one["receipt_number"]


def test_a_number_that_was_taken_in_the_moment_between_is_replaced(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the writing another request got it; whichever constraint the database names."""
    device = paired(service)
    (one,) = numbers(device)
    ask(device, one["receipt_number"])
    looked = iter([True, True, False])

    async def seen_free(*_: Any) -> bool:
        return next(looked)

    monkeypatch.setattr("app.reserved_numbers._may_have", seen_free)
    receipt = ask(device, one["receipt_number"])
    assert "receipt_number_replaced" in warned(receipt)
    assert next(looked, None) is None, "it was tried twice before"
