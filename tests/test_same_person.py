"""The same person asking again: shown to who sits before them, linked, never refused, never merged."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from typing import Any

import pytest
from sqlalchemy import select, text

from app import same_person
from app.db import Database
from app.same_person import _LATERAL, SAME, SamePerson, _union, marks_in
from app.tables import help_request
from tests.county import EDUCATION, County, Seen
from tests.examples import a_request
from tests.serving import settings_for
from tests.watching import fetch, on, until

pytestmark = pytest.mark.usefixtures("patient")
NUMBER = "11010519491231002X"


def asked(*needs: str, channel: str = "window", **applicant: Any) -> dict[str, Any]:
    body = a_request(*needs)
    body["channel"] = channel
    body["applicant"] = {"name": "张虚构", "phone": "13800000000", **applicant}
    return body


def take_in(county: County, body: dict[str, Any]) -> Seen:
    answer = county.window.post("/v1/requests", json=body)
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


def shown(receipt: Seen) -> list[tuple[str, str]]:
    return [(each["request_id"], each["need"]) for each in receipt["same_person"]]


def test_the_clerk_is_shown_what_is_open_for_the_same_need_and_who_has_it(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    assert first["same_person"] == []
    again = take_in(county, asked("education_aid", "wage_arrears", id_number=NUMBER.lower(), channel="hotline"))
    (seen,) = again["same_person"]
    assert (seen["request_id"], seen["receipt_number"]) == (first["request_id"], first["receipt_number"])
    assert (seen["need"], seen["agency"], seen["handoff_status"]) == ("education_aid", EDUCATION, "dispatched")
    assert seen["phone"]
    other_need = take_in(county, asked("homeless_rescue", id_number=NUMBER))
    assert other_need["same_person"] == []


@pytest.mark.parametrize(
    ("second", "known"),
    [
        ({"birth_date": "1949-12-31"}, True),
        ({"birth_date": "1949-12-31", "phone": "+86 138 0000 0000"}, True),
        ({"birth_date": "1949-12-31", "name": "张 虚构"}, True),
        ({"id_number": NUMBER}, True),  # its date of birth is in the number
        ({"birth_date": "1949-12-30"}, False),
        ({"birth_date": "1949-12-31", "name": "李虚构"}, False),
        ({"birth_date": "1949-12-31", "phone": "13900000000"}, False),
        ({}, False),  # a telephone is a household's
    ],
)
def test_without_a_number_it_is_name_date_of_birth_and_telephone(
    county: County, second: dict[str, Any], known: bool
) -> None:
    first = take_in(county, asked("education_aid", birth_date="1949-12-31"))
    assert shown(take_in(county, asked("education_aid", **second))) == (
        [(first["request_id"], "education_aid")] if known else []
    )


def test_what_has_ended_is_not_shown_and_nothing_is_merged(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    county.window.post(f"/v1/requests/{first['request_id']}/withdraw", json={}).raise_for_status()
    second = take_in(county, asked("education_aid", id_number=NUMBER))
    assert second["same_person"] == []
    third = take_in(county, asked("education_aid", id_number=NUMBER))
    assert shown(third) == [(second["request_id"], "education_aid")]
    assert len({each["request_id"] for each in (first, second, third)}) == 3


def test_they_are_linked_in_the_timeline_and_both_show_each_other(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    second = take_in(county, asked("education_aid", id_number=NUMBER))
    events = county.coordinator.get(f"/v1/requests/{second['request_id']}/timeline").json()["events"]
    (link,) = [each for each in events if each["kind"] == "request.asked_again"]
    assert link["data"] == {"open": [first["request_id"]]}
    for one, other in ((first, second), (second, first)):
        seen = county.window.get(f"/v1/requests/{one['request_id']}").json()
        assert shown(seen) == [(other["request_id"], "education_aid")]


@pytest.mark.parametrize("channel", ["kiosk", "online"])
def test_a_kiosk_does_not_tell_who_else_has_asked_for_help(county: County, channel: str) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    second = take_in(county, asked("education_aid", id_number=NUMBER, channel=channel))
    assert second["same_person"] == []
    seen = county.coordinator.get(f"/v1/requests/{second['request_id']}").json()
    assert shown(seen) == [(first["request_id"], "education_aid")]


def test_who_may_not_see_people_is_not_told(county: County) -> None:
    take_in(county, asked("education_aid", id_number=NUMBER))
    second = take_in(county, asked("education_aid", id_number=NUMBER))
    auditor = county.running.client("auditor")
    assert auditor.get(f"/v1/requests/{second['request_id']}").json()["same_person"] == []


def test_an_agency_learns_of_its_own_alone(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    take_in(county, asked("wage_arrears", id_number=NUMBER))
    second = take_in(county, asked("education_aid", id_number=NUMBER))
    school = county.handoff(second, EDUCATION)
    seen = county.running.client("agency", EDUCATION).get(f"/v1/handoffs/{school['handoff_id']}").json()
    assert seen["same_person"] == [county.handoff(first, EDUCATION)["handoff_id"]]


def test_a_repeated_submission_gets_its_first_answer(county: County) -> None:
    body, key = asked("education_aid", id_number=NUMBER), {"idempotency-key": "once"}
    first = county.window.post("/v1/requests", json=body, headers=key)
    again = county.window.post("/v1/requests", json=body, headers=key)
    assert again.json() == first.json()
    assert again.json()["same_person"] == []


def test_those_that_ask_at_one_moment_share_a_look_and_each_gets_its_own(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts = [take_in(county, asked("education_aid", birth_date=f"19{n}-01-01")) for n in range(50, 80)]
    rows = {row["id"]: row for row in fetch(county.running.url, select(help_request))}

    async def work(database: Database) -> None:
        looks = 0
        find = SamePerson._find

        async def counted(self: SamePerson, of_each: Any) -> Any:
            nonlocal looks
            looks += 1
            return await find(self, of_each)

        monkeypatch.setattr(SamePerson, "_find", counted)
        looking = SamePerson(database)
        by_id = {str(key): row for key, row in rows.items()}
        marks = [marks_in(by_id[each["request_id"]]) for each in receipts]
        looked = await asyncio.gather(*(looking.look(each) for each in marks * 3))
        assert looks == 2, "64 at once, and the rest"
        assert [[str(one) for one in each] for each in looked] == [[r["request_id"]] for r in receipts * 3]
        found = await asyncio.gather(*(looking.asking_again(looking.look(each), {"education_aid"}) for each in marks))
        assert [[str(one.request_id) for one in each] for each in found] == [[r["request_id"]] for r in receipts]
        assert await looking.asking_again(looking.look((("id_mark", bytes(16)),)), {"education_aid"}) == []

    on(county.running.url, work)


@pytest.mark.parametrize("name", SAME)
def test_a_look_reads_the_last_few_of_an_index_alone(database_url: str, backend: str, name: str) -> None:
    if backend == "sqlite":
        words = "EXPLAIN QUERY PLAN " + _union((4, 4)).replace("?", "x'00'")
    else:
        words = "EXPLAIN " + re.sub(r"\$\d", "ARRAY[decode('00', 'hex')]", _LATERAL)

    async def work(database: Database) -> str:
        async with database.reading() as connection:
            if backend == "postgresql":
                for way in ("seqscan", "bitmapscan"):  # of an empty table
                    await connection.execute(text(f"SET enable_{way} = off"))
            return "\n".join(str(row[-1]) for row in await connection.exec_driver_sql(words))

    plan = on(database_url, work)
    assert plan.count(f"ix_help_request_{name}") == (4 if backend == "sqlite" else 1), plan
    assert not re.search("SCAN help_request|Seq Scan|Sort|TEMP B-TREE", plan), plan


def test_help_does_not_wait_for_a_database_that_is_away() -> None:
    class Away:
        is_sqlite = False

        def direct(self) -> Any:
            raise OSError("away")

    async def run() -> list[Any]:
        looking = SamePerson(Away())  # type: ignore[arg-type]
        return await looking.asking_again(looking.look((("id_mark", bytes(16)),)), {"education_aid"})

    assert asyncio.run(run()) == []


def test_the_look_begins_before_the_request_is_checked_and_of_a_refused_one_nobody_hears_what_became_of_it(
    county: County, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    def failing(*_: Any) -> Any:
        nonlocal looks
        looks += 1
        raise OSError("away")

    monkeypatch.setattr(same_person, "_open_among", failing)
    wrong = asked("education_aid", id_number=NUMBER[:-1] + "1")
    for number in range(3):
        answer = county.window.post("/v1/requests", json=wrong)
        assert [each["pointer"] for each in answer.json()["errors"]] == ["/applicant/id_number"]
        until(lambda: looks > number)  # noqa: B023
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_a_look_that_nobody_waits_for_leaves_no_connection_behind(database_url: str, backend: str) -> None:
    """Where a service stops right after it has refused somebody."""
    ours = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )

    async def stopped(after: float) -> None:
        database = Database(settings_for(database_url))
        looking = SamePerson(database)
        looking.look((("id_mark", bytes(16)),))
        await asyncio.sleep(after)
        await looking.end()
        await database.close()

    async def left(database: Database) -> int:
        async with database.reading() as connection:
            return int((await connection.execute(ours)).scalar_one())

    for after in (0, 0.001, 0.003, 0.01, 0.03):
        asyncio.run(stopped(after))
        until(lambda: on(database_url, left) == 0)  # the server hears of an end a moment later


def test_no_number_and_no_telephone_stands_in_the_database(county: County) -> None:
    take_in(county, asked("education_aid", id_number=NUMBER, birth_date="1949-12-31"))
    (row,) = fetch(county.running.url, select(help_request))
    kept = b"".join(each for each in row.values() if isinstance(each, bytes)) + str(row).encode()
    for told in (NUMBER, "13800000000", "张虚构"):
        assert told.encode() not in kept
    assert all(len(row[name]) == 16 for name in (*SAME, "phone_mark"))


def searched(county: County, client: Any, **asked: str) -> list[str]:
    answer = client.post("/v1/look-ups", json=asked)
    assert answer.status_code == 200, answer.text
    return [each["request_id"] for each in answer.json()["items"]]


def test_requests_are_found_by_number_and_by_telephone_and_the_person_is_told(county: County) -> None:
    first = take_in(county, asked("education_aid", id_number=NUMBER))
    second = take_in(county, asked("wage_arrears", birth_date="1949-12-31"))
    both = [second["request_id"], first["request_id"]]
    for client in (county.window, county.coordinator):
        assert searched(county, client, id_number=NUMBER.lower()) == both[1:]
        assert searched(county, client, phone="138-0000-0000") == both
        assert searched(county, client, phone="13800000001") == []
    assert searched(county, county.running.client("intake"), id_number=NUMBER) == [], "another window's"
    told = county.coordinator.get(f"/v1/requests/{first['request_id']}/disclosures").json()["items"]
    assert {each["way"] for each in told} >= {"search"}
    for wrong in ({}, {"phone": "1", "id_number": "2"}, {"name": "x"}):
        assert county.coordinator.post("/v1/look-ups", json=wrong).status_code == 422
    assert county.running.client("auditor").post("/v1/look-ups", json={"phone": "1"}).status_code == 403
