"""Retention: what is over is erased, once, whoever sweeps and whoever dies; what stays still adds up and still holds."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.engine import make_url

from app import expiry, readings
from app.db import Database
from app.hashchain import is_erased
from app.identifiers import first_id, new_id, now
from app.keeping import KINDS, Period, last_night, parse_period
from app.registry import Registry
from app.tables import (
    aid_mark,
    alarm,
    callback_body,
    callback_refused,
    debt,
    delivery,
    delivery_attempt,
    dispute,
    event,
    guest_link,
    handoff,
    help_request,
    idempotency,
    legal_hold,
    metadata,
    reading,
    reserved_number,
    retention,
    sign_in_event,
)
from tests import serving
from tests.commands import one_window_here, refused, said
from tests.county import EDUCATION, County, Seen, a_callback, signed
from tests.examples import PERSONAL, a_request_in_full
from tests.plans import plan_of
from tests.watching import change, count, fetch, on, until

A_MOMENT = timedelta(seconds=1)
FAR = timedelta(days=366 * 20)
NOTE = "回告里的虚构话"


def sweep_at(url: str, at: datetime) -> dict[str, int]:
    async def work(database: Database) -> dict[str, int]:
        return await expiry.sweep(database, Registry(database, 60), at)

    return {kind: rows for kind, rows in on(url, work).items() if rows}


def would_go(url: str, at: datetime) -> dict[str, int]:
    async def work(database: Database) -> dict[str, int]:
        seen = await expiry.preview(database, at)
        return {each["kind"]: each["records"] for each in seen["kinds"] if each["records"]}

    return on(url, work)


def settle(url: str) -> None:
    """As if every message had arrived."""
    change(url, update(delivery).values(status="delivered", ended_at=now()))


def path(receipt: Seen) -> str:
    return f"/v1/requests/{receipt['request_id']}"


def row_of(url: str, receipt: Seen) -> dict[str, Any]:
    (row,) = fetch(url, select(help_request).where(help_request.c.id == UUID(receipt["request_id"])))
    return row


def closed(county: County, **notes: str) -> Seen:
    """A request in full, closed by all of its agencies, the lead last."""
    body = a_request_in_full("education_aid")
    receipt: Seen = county.window.post("/v1/requests", json=body, headers={"idempotency-key": str(new_id())}).json()
    for each in sorted(receipt["handoffs"], key=lambda each: each["role"] == "lead"):
        here = county.handoff(receipt, each["agency"])
        if each["role"] == "informed":
            county.told(here, "received")
        elif here["status"] not in ("cancelled", "completed"):
            county.told(here, "received", "accepted", "completed", outcome="granted", note=NOTE, **notes)
    settle(county.running.url)
    assert county.request(receipt)["status"] == "closed"
    return receipt


def withdrawn(county: County) -> Seen:
    receipt: Seen = county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    county.window.post(f"{path(receipt)}/withdraw", json={"reason": NOTE}).raise_for_status()
    settle(county.running.url)
    return receipt


def emergency(county: County) -> Seen:
    """Withdrawn, so that nothing is owed."""
    told = {"what": NOTE, "where": PERSONAL["address"], "division_code": "360803101", "kind": "hunger"}
    told |= {"applicant": {"name": PERSONAL["name"], "id_number": PERSONAL["id_number"]}}
    receipt: Seen = county.window.post("/v1/emergencies", json=told).json()
    county.window.post(f"{path(receipt)}/withdraw", json={"reason": NOTE}).raise_for_status()
    settle(county.running.url)
    return receipt


ENDED = {"request": closed, "request_withdrawn": withdrawn, "emergency": emergency}


def set_period(county: County, kind: str, period: str | None, minimum: str | None = None) -> None:
    admin = county.running.client("admin")
    tag = admin.get("/v1/retention").headers["etag"]
    body = {"periods": [{"kind": kind, "period": period, "minimum": minimum, "source": "test"}]}
    admin.patch("/v1/retention", json=body, headers={"if-match": tag}).raise_for_status()


# ---- periods ----


@pytest.mark.parametrize(
    ("period", "began", "over"),
    [
        ("P10Y", "2026-11-26T08:00:00+08:00", "2036-11-27T00:00:00+08:00"),
        ("P10Y", "2026-11-26T23:59:59+08:00", "2036-11-27T00:00:00+08:00"),
        ("P1Y", "2024-02-29T12:00:00+08:00", "2025-03-01T00:00:00+08:00"),
        ("P6M", "2026-08-31T12:00:00+08:00", "2027-03-01T00:00:00+08:00"),
        ("P1D", "2026-11-26T00:00:00+08:00", "2026-11-28T00:00:00+08:00"),
    ],
)
def test_a_period_ends_with_a_day_in_china(period: str, began: str, over: str) -> None:
    parsed, first, end = parse_period(period), datetime.fromisoformat(began), datetime.fromisoformat(over)
    assert parsed.over_from(first) == end
    assert first < parsed.before(end)
    assert first >= parsed.before(end - A_MOMENT)
    assert str(parsed) == period


@pytest.mark.parametrize("wrong", ["", "P0Y", "10Y", "P10W", "P100Y", "P1Y6M", "P-1D", "P٣D"])
def test_what_is_no_period_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="P10Y"):
        parse_period(wrong)


def test_periods_are_compared_by_their_length() -> None:
    assert Period(11, "M").is_shorter_than(Period(1, "Y"))
    assert not Period(12, "M").is_shorter_than(Period(1, "Y"))
    for kept in KINDS.values():
        if kept.period and kept.minimum:
            assert not parse_period(kept.period).is_shorter_than(parse_period(kept.minimum))


@pytest.mark.parametrize(("at", "hour", "day"), [("01:59", 2, 25), ("02:00", 2, 26), ("23:00", 0, 26)])
def test_a_night_begins_at_its_hour_in_china(at: str, hour: int, day: int) -> None:
    moment = datetime.fromisoformat(f"2026-11-26T{at}:00+08:00")
    assert last_night(moment, hour) == datetime.fromisoformat(f"2026-11-{day}T{hour:02}:00:00+08:00")


# ---- the sweep ----


@pytest.mark.parametrize("kind", ENDED)
def test_people_are_erased_on_the_day_their_period_is_over_and_not_before(county: County, kind: str) -> None:
    url = county.running.url
    receipt = ENDED[kind](county)
    still_open = county.ask("education_aid")
    over = parse_period(KINDS[kind].period or "").over_from(row_of(url, receipt)["closed_at"])
    sweep_at(url, over - A_MOMENT)
    assert row_of(url, receipt)["erased_at"] is None
    assert would_go(url, over)[kind] == 1
    assert sweep_at(url, over)[kind] == 1
    assert row_of(url, receipt)["erased_at"] == over
    assert kind not in sweep_at(url, over)
    assert would_go(url, over) == {}
    row = row_of(url, still_open)
    assert row["data_key"], "what has not ended is never erased"


OTHERS = (
    "delivery_body",
    "attempt_answer",
    "callback_refused",
    "idempotency",
    "guest_link",
    "reserved_number",
    "reading",
    "sign_in",
    "alarm",
)


def rows_of_kind(url: str, kind: str) -> int:
    tables = {"callback_refused": callback_refused, "idempotency": idempotency, "guest_link": guest_link}
    tables |= {"reading": reading, "alarm": alarm, "sign_in": sign_in_event, "reserved_number": reserved_number}
    if kind in tables:
        return count(url, tables[kind])[tables[kind].name]
    table = delivery if kind == "delivery_body" else delivery_attempt
    return len(fetch(url, select(table.c.id).where(table.c.sealed != b"")))


def _refused_and_linked(county: County, handoff_: Seen) -> None:
    link = f"/v1/handoffs/{handoff_['handoff_id']}/guest-links"
    county.coordinator.post(link, json={"expires_in_hours": 1}, headers={"idempotency-key": "l"}).raise_for_status()
    assert county.report(handoff_, "resumed").status_code == 409


def some_of_everything(county: County) -> Seen:
    receipt, url = closed(county), county.running.url
    other = county.ask("education_aid")
    school = county.handoff(other, EDUCATION)
    _refused_and_linked(county, school)
    (message,) = fetch(url, select(delivery.c.id).where(delivery.c.handoff_id == UUID(school["handoff_id"])))
    attempt = {"id": new_id(), "delivery_id": message["id"], "number": 1, "started_at": now(), "milliseconds": 1}
    raised = {"id": new_id(), "kind": "readings_per_hour", "actor": "key:x", "since": now(), "count": 61}
    county.running.client("kiosk").post("/v1/kiosk/numbers", json={"count": 3}).raise_for_status()
    change(
        url,
        insert(delivery_attempt).values({**attempt, "status_code": 500, "fault": None, "sealed": b"\0" + b"answer"}),
        insert(alarm).values({**raised, "raised_at": now(), "acknowledged_at": now(), "acknowledged_by": "key:y"}),
        insert(sign_in_event).values(id=new_id(), account_id=None, kind="locked", at=now(), way=None, by=None),
        insert(alarm).values({**raised, "kind": "readings_per_day", "id": new_id(), "raised_at": now()}),
    )
    settle(url)
    return receipt


def test_every_other_kind_goes_when_its_own_period_is_over(county: County) -> None:
    url = county.running.url
    some_of_everything(county)
    ends = {kind: parse_period(KINDS[kind].period or "").over_from(now()) for kind in OTHERS}
    for over in sorted(set(ends.values())):
        kinds = [kind for kind in OTHERS if ends[kind] == over]
        before = {kind: rows_of_kind(url, kind) for kind in kinds}
        assert min(before.values()) > 0, before
        sweep_at(url, over - A_MOMENT)
        assert {kind: rows_of_kind(url, kind) for kind in kinds} == before
        would, gone = would_go(url, over), sweep_at(url, over)
        for kind in kinds:
            assert gone[kind] == would[kind], kind
            assert rows_of_kind(url, kind) == (1 if kind == "alarm" else 0), kind
    assert fetch(url, select(alarm.c.acknowledged_at))[0]["acknowledged_at"] is None, "nobody has looked into it"


def test_what_was_never_delivered_can_still_be_sent_and_what_was_erased_can_not(county: County) -> None:
    url = county.running.url
    receipt = county.ask("education_aid")
    change(url, update(delivery).values(status="exhausted", ended_at=now()))
    one = fetch(url, select(delivery.c.id).order_by(delivery.c.id))[0]["id"]
    change(url, update(delivery).where(delivery.c.id == one).values(status="delivered"))
    sweep_at(url, now() + timedelta(days=200))
    kept = [row for row in fetch(url, select(delivery)) if row["sealed"]]
    assert [row["status"] for row in kept] == ["exhausted"] * (len(receipt["handoffs"]) - 1)
    answer = county.coordinator.post(f"/v1/deliveries/{one}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (409, "body_erased")
    everything = county.coordinator.post("/v1/deliveries/redeliver-exhausted").json()
    assert everything["sent_again"] == len(kept)
    school = county.handoff(receipt, next(e["agency"] for e in receipt["handoffs"]))
    proof = county.coordinator.get(f"/v1/handoffs/{school['handoff_id']}/proof").json()
    assert proof["holds"], proof["faults"]


def test_a_chain_of_readings_goes_whole_or_not_at_all(county: County) -> None:
    url = county.running.url
    for _ in range(3):
        county.window.get(path(county.ask("education_aid"))).raise_for_status()
    rows = fetch(url, select(reading).order_by(reading.c.number))
    late = now() + FAR
    change(url, update(reading).where(reading.c.number == 3).values(at=late))
    assert "reading" not in sweep_at(url, late), "its last one is new"
    assert len(fetch(url, select(reading))) == 3
    change(url, update(reading).where(reading.c.number == 3).values(at=rows[-1]["at"]))
    assert sweep_at(url, late)["reading"] == 3

    async def broken(database: Database) -> list[Any]:
        async with database.reading() as connection:
            return [each async for each in readings.breaks(connection)]

    assert on(url, broken) == []


def test_two_workers_at_once_erase_each_request_once(county: County) -> None:
    url = county.running.url
    many = [withdrawn(county) for _ in range(30)]

    async def work(database: Database) -> list[dict[str, int]]:
        other = Database(serving.settings_for(url))
        try:
            both = (expiry.sweep(each, Registry(each, 60), now() + FAR) for each in (database, other))
            return list(await asyncio.gather(*both))
        finally:
            await other.close()

    done = on(url, work)
    assert sum(each["request_withdrawn"] for each in done) == len(many)
    erased = fetch(url, select(event.c.request_id).where(event.c.kind == "request.erased"))
    assert Counter(row["request_id"] for row in erased) == Counter(UUID(each["request_id"]) for each in many)
    for receipt in many[:3]:
        county.events(receipt)


def test_a_sweep_that_was_killed_is_gone_on_with(county: County, tmp_path: Path) -> None:
    url = county.running.url
    receipt = withdrawn(county)
    template = row_of(url, receipt)
    begun = now() - timedelta(days=5 * 365)
    copies = [
        {
            **template,
            "id": first_id(begun + timedelta(seconds=number)),
            "receipt_number": f"{number:012}",
            "tracking_hash": number.to_bytes(32),
            "registered_at": begun,
            "closed_at": begun + timedelta(hours=1),
            "events": 0,
            "head": bytes(32),
        }
        for number in range(1, 401)
    ]
    change(url, insert(help_request).values(copies))
    settings = serving.environment_of({"master_keys": serving.MASTER_KEY})
    process = serving.Process(
        "-m", "app", "retention", "sweep", "--database", url, environment=settings, log=tmp_path / "log"
    )
    gone = select(help_request.c.id).where(help_request.c.erased_at.is_not(None))
    until(lambda: fetch(url, gone) or process.has_ended, what="the first batch")
    process.kill()
    before = len(fetch(url, gone))
    assert before > 0
    assert before % expiry.TOGETHER == 0, "a batch is erased whole or not at all"
    # What the killed one held it holds until its server sees that it is gone, and a sweep leaves that alone.
    until(lambda: [sweep_at(url, now())] and len(fetch(url, gone)) == len(copies), what="the end of what was begun")
    events = fetch(url, select(event.c.request_id).where(event.c.kind == "request.erased"))
    assert len(events) == len({row["request_id"] for row in events}) == len(copies)


def test_the_worker_sweeps_by_itself_and_once_a_night(county: County) -> None:
    url = county.running.url
    worker = serving.Worker(url, master_keys=serving.MASTER_KEY)
    try:
        swept = select(retention.c.kind).where(retention.c.swept_at.is_not(None))
        until(lambda: len(fetch(url, swept)) == len(KINDS), what="the first sweep")
    finally:
        worker.stop()

    async def again(database: Database) -> dict[str, int]:
        registry = Registry(database, 60)
        tonight = last_night(now(), 2)
        assert await expiry.sweep(database, registry, now(), tonight) == {}
        return await expiry.sweep(database, registry, now(), last_night(now() + timedelta(days=1), 2))

    assert on(url, again).keys() == KINDS.keys()


# ---- holds ----


def test_what_is_on_hold_is_never_erased_nor_are_its_messages(county: County) -> None:
    url, auditor = county.running.url, county.running.client("auditor")
    held, free = closed(county), withdrawn(county)
    placed = auditor.post(f"{path(held)}/hold", json={"reason": NOTE}).raise_for_status().json()
    assert (placed["until"], placed["reason"]) == (None, NOTE)
    change(url, delivery_attempt.delete())
    sweep_at(url, now() + FAR)
    assert row_of(url, held)["erased_at"] is None
    assert row_of(url, free)["erased_at"]
    sealed = fetch(url, select(delivery.c.sealed).where(delivery.c.request_id == UUID(held["request_id"])))
    assert all(row["sealed"] for row in sealed)
    (listed,) = county.coordinator.get("/v1/holds").json()["items"]
    assert listed == placed
    answer = county.coordinator.post(f"{path(held)}/erase", json={"ground": "unlawful", "legal_basis": "x"})
    assert (answer.json()["code"], answer.json()["why"]) == ("not_erasable", "held")
    released = county.coordinator.post(f"{path(held)}/release", json={"reason": "复议已终结"}).json()
    assert released["released_at"]
    assert county.coordinator.post(f"{path(held)}/release", json={"reason": "x"}).json()["code"] == "not_found"
    assert county.coordinator.get("/v1/holds").json()["items"] == []
    kinds = [each["kind"] for each in county.events(held)]
    assert kinds[-2:] == ["request.held", "request.released"]
    assert sweep_at(url, now() + FAR)["request"] == 1
    assert [row["sealed"] for row in fetch(url, select(legal_hold))] == [None]
    answer = county.coordinator.post(f"{path(held)}/hold", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_erased")


def test_what_a_hold_had_kept_goes_the_first_night_after_it(county: County) -> None:
    url, kept = county.running.url, (callback_refused, guest_link)
    receipt = county.ask("education_aid")
    _refused_and_linked(county, county.handoff(receipt, EDUCATION))
    before = count(url, *kept)
    assert min(before.values()) > 0
    county.coordinator.post(f"{path(receipt)}/hold", json={"reason": NOTE}).raise_for_status()
    for _ in range(2):
        sweep_at(url, now() + FAR)
    assert count(url, *kept) == before
    county.coordinator.post(f"{path(receipt)}/release", json={"reason": NOTE}).raise_for_status()
    sweep_at(url, now() + FAR)
    assert set(count(url, *kept).values()) == {0}


def test_a_hold_ends_with_its_last_day_and_a_new_one_stands_in_its_place(county: County) -> None:
    url = county.running.url
    receipt = withdrawn(county)
    county.coordinator.post(f"{path(receipt)}/hold", json={"reason": "a"}).raise_for_status()
    day = (now() + timedelta(days=400)).date().isoformat()
    placed = county.coordinator.post(f"{path(receipt)}/hold", json={"reason": "b", "until": day}).json()
    over = datetime.fromisoformat(placed["until"])
    assert len(county.coordinator.get("/v1/holds").json()["items"]) == 1
    set_period(county, "request_withdrawn", "P1D")
    assert "request_withdrawn" not in sweep_at(url, over - A_MOMENT)
    assert sweep_at(url, over)["request_withdrawn"] == 1
    past = county.coordinator.post(f"{path(receipt)}/hold", json={"reason": "c", "until": "2026-01-01"})
    assert past.json()["errors"][0]["code"] == "until_past"


# ---- on demand ----


def erase(county: County, receipt: Seen) -> Seen:
    asked = {"ground": "consent_withdrawn", "legal_basis": "个人信息保护法47(三)"}
    answer: Seen = county.coordinator.post(f"{path(receipt)}/erase", json=asked).json()
    return answer


def test_a_demand_is_refused_with_what_stands_in_the_way_and_until_when(county: County) -> None:
    receipt, url = county.ask("education_aid"), county.running.url
    assert (erase(county, receipt)["code"], erase(county, receipt)["why"]) == ("not_erasable", "open")
    county.window.post(f"{path(receipt)}/withdraw", json={}).raise_for_status()
    refusal = erase(county, receipt)
    assert refusal["why"] == "minimum_period"
    over = parse_period("P6M").over_from(row_of(url, receipt)["closed_at"])
    assert datetime.fromisoformat(refusal["possible_from"]) == over
    set_period(county, "request_withdrawn", "P3Y", None)
    assert erase(county, receipt)["why"] == "messages_under_way"
    settle(url)
    erased = erase(county, receipt)
    assert erased["erased_at"]
    assert erase(county, receipt) == erased, "again is no error"
    (told,) = [each for each in county.events(receipt) if each["kind"] == "request.erased"]
    assert told["data"] == {"why": "demand", "ground": "consent_withdrawn", "legal_basis": "个人信息保护法47(三)"}


# ---- afterwards ----


@pytest.fixture
def erased(county: County) -> tuple[Seen, dict[str, Any]]:
    """A closed request that was erased on demand, and what there was of it before."""
    receipt = closed(county)
    url, of = county.running.url, UUID(receipt["request_id"])
    change(
        url,
        insert(aid_mark).values(mark=bytes(32), request_id=of),
        insert(debt).values(
            id=new_id(),
            request_id=of,
            kind="aid",
            opened_at=now(),
            target_at=None,
            due_at=now(),
            settled_at=now(),
            settled_by="key:x",
            outcome="done",
            amount="1",
            sealed=b"\0" + json.dumps({"with": NOTE}).encode(),
        ),
    )
    before = {table.name: fetch(url, select(table)) for table in (help_request, handoff, event, delivery)}
    set_period(county, "request", "P10Y", None)
    assert erase(county, receipt)["erased_at"]
    return receipt, before


def test_nothing_of_the_person_is_left(county: County, erased: tuple[Seen, dict[str, Any]], backend: str) -> None:
    receipt, before = erased
    url = county.running.url
    row = row_of(url, receipt)
    assert (row["data_key"], row["sealed"]) == (None, b"")
    assert [row[name] for name in ("id_mark", "phone_mark", "person_mark")] == [None] * 3
    assert all(is_erased(each["sealed"]) for each in fetch(url, select(event)) if each["sealed"] is not None)
    for table in (delivery, delivery_attempt):
        assert [each["sealed"] for each in fetch(url, select(table)) if each["sealed"]] == []
    for table in (debt, dispute):
        assert [each["sealed"] for each in fetch(url, select(table)) if each["sealed"]] == []
    gone = count(url, aid_mark, callback_body, guest_link)
    assert gone == dict.fromkeys(gone, 0)
    of_request = select(idempotency).where(idempotency.c.request_id == UUID(receipt["request_id"]))
    assert fetch(url, of_request) == []
    everything = json.dumps([fetch(url, select(each)) for each in metadata.tables.values()], default=repr)
    everything = everything.encode().decode("unicode_escape", "replace") + repr(everything)
    assert [value for value in (*PERSONAL.values(), NOTE) if value in everything] == []
    if backend == "sqlite":
        file = Path(make_url(url).database or "")
        content = file.read_bytes()
        wal = file.with_name(file.name + "-wal")
        content += wal.read_bytes() if wal.exists() else b""
        (old,) = before["help_request"]
        assert old["id"].bytes in content, "the file is looked at as it is kept"
        assert old["data_key"] not in content
        secrets = [old["sealed"], *(each["sealed"] for each in before["delivery"])]
        secrets += [each["sealed"] for each in before["event"] if each["sealed"]]
        assert [each for each in secrets if each[-24:] in content or each[1:25] in content] == []


def test_who_has_no_key_any_more_is_erased_too(county: County) -> None:
    url = county.running.url
    receipt = withdrawn(county)
    change(url, update(help_request).values(data_key=b"\1" + bytes(64)))
    assert county.window.get(path(receipt)).status_code == 500
    assert sweep_at(url, now() + FAR)["request_withdrawn"] == 1
    assert county.window.get(path(receipt)).json()["person"] is None


def test_what_stays_adds_up(county: County, erased: tuple[Seen, dict[str, Any]]) -> None:
    """Every status, need, agency, outcome and time, of every row, as it was."""
    receipt, before = erased
    url = county.running.url
    assert fetch(url, select(handoff)) == before["handoff"]
    (old,), new = before["help_request"], row_of(url, receipt)
    changed = {name for name in old if old[name] != new[name]}
    marks = {name for name in changed if name.endswith("_mark")}
    assert changed - marks == {"data_key", "sealed", "erased_at", "events", "head"}
    events = fetch(url, select(event).order_by(event.c.request_id, event.c.sequence))
    names = [each.name for each in event.c if each.name != "sealed"]
    kept = sorted(before["event"], key=lambda each: (each["request_id"], each["sequence"]))
    assert [[each[n] for n in names] for each in events[:-1]] == [[each[n] for n in names] for each in kept]
    assert events[-1]["kind"] == "request.erased"
    assert {each["digest"] for each in fetch(url, select(delivery.c.digest))} == {b""}, "it would confirm a guess"
    shown = ("id", "receiver", "type", "status", "created_at", "ended_at")
    assert [[each[n] for n in shown] for each in fetch(url, select(delivery).order_by(delivery.c.id))] == [
        [each[n] for n in shown] for each in sorted(before["delivery"], key=lambda each: each["id"])
    ]


def test_every_view_still_works(county: County, erased: tuple[Seen, dict[str, Any]]) -> None:
    receipt, _ = erased
    url = county.running.url
    readings_before = count(url, reading)
    for client in (county.window, county.coordinator, county.running.client("auditor")):
        seen = client.get(path(receipt)).raise_for_status().json()
        assert (seen["person"], seen["same_person"], seen["status"]) == (None, [], "closed")
        assert seen["erased_at"]
        timeline = client.get(f"{path(receipt)}/timeline").raise_for_status().json()
        assert timeline["intact"]
        assert {each["note"] for each in timeline["events"]} == {None}
        decision = client.get(f"{path(receipt)}/decision").raise_for_status().json()
        assert {each["condition_zh"] for need in decision["needs"] for each in need["fired"]} == {None}
        assert {each["why"] for need in decision["needs"] for each in need["passed_over"]} <= {"other_area"}
        client.get(f"{path(receipt)}/disclosures").raise_for_status()
    stored = fetch(url, select(help_request.c.decision).where(help_request.c.id == UUID(receipt["request_id"])))
    for need in stored[0]["decision"]["needs"]:
        assert (need["passed_over"], need["asks"], bool(need["fired"])) == ([], [], True), (
            "no condition that was not met"
        )
    for each in receipt["handoffs"]:
        agency = county.running.client("agency", agency=each["agency"])
        mine = agency.get(f"/v1/handoffs/{each['handoff_id']}").raise_for_status().json()
        assert mine["person"] is None
        agency.get("/v1/handoffs").raise_for_status()
        proof = county.coordinator.get(f"/v1/handoffs/{each['handoff_id']}/proof").raise_for_status().json()
        assert proof["holds"], proof["faults"]
        signatures = {entry["facts"]["signature"] for entry in proof["entries"] if entry["kind"] == "callback"}
        assert signatures <= {"erased"}
        texts = "".join(entry["text_en"] for entry in proof["entries"])
        assert "ANOTHER" not in texts
        assert "erased" in texts
        county.coordinator.get(f"/v1/handoffs/{each['handoff_id']}/callbacks").raise_for_status()
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").raise_for_status().json()
    assert tracked["events"][-1]["text_en"] == "Your personal data was erased, as the rules say"
    for each in county.coordinator.get("/v1/deliveries").json()["items"]:
        county.coordinator.get(f"/v1/deliveries/{each['delivery_id']}").raise_for_status()
    assert count(url, reading) == readings_before, "nobody was shown anything"
    assert county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()["same_person"] == []
    assert one_window_here("routing", "verify", database=url).returncode == 0
    assert county.coordinator.post("/v1/routing-tables/3/replay", json={"last": 10}).status_code == 200


def test_what_an_agency_sends_about_it_afterwards_leaves_no_words(
    county: County, erased: tuple[Seen, dict[str, Any]]
) -> None:
    receipt, _ = erased
    school = county.handoff(receipt, EDUCATION)
    answer = county.report(school, "completed", outcome="granted", note=NOTE)
    assert answer.status_code == 409
    late = county.report(school, "completed", "2026-01-01T00:00:00Z", outcome="granted", note=NOTE)
    assert (late.status_code, late.json()["applied"]) == (200, False), "recorded, as ever"
    assert count(county.running.url, callback_body) == {"callback_body": 0}


def test_bytes_that_told_of_another_request_too_stay_until_that_is_erased(county: County) -> None:
    url = county.running.url
    first, second = (county.ask("education_aid") for _ in range(2))
    body = a_callback("received", note=NOTE)
    for receipt in (first, second):
        handoff_ = county.handoff(receipt, EDUCATION)
        assert county.send(handoff_, body, signed(county.secrets[EDUCATION], body)).status_code == 200
        county.window.post(f"{path(receipt)}/withdraw", json={}).raise_for_status()
    settle(url)
    set_period(county, "request_withdrawn", "P3Y", None)
    erase(county, first)
    assert count(url, callback_body) == {"callback_body": 1}
    erase(county, second)
    assert count(url, callback_body) == {"callback_body": 0}


def test_a_restored_backup_is_erased_again(county: County, erased: tuple[Seen, dict[str, Any]], tmp_path: Path) -> None:
    receipt, before = erased
    url = county.running.url
    listed = said("retention", "erased", database=url)
    assert listed.split()[0] == receipt["request_id"]
    file = tmp_path / "erased"
    file.write_text(listed + "\n")
    (old,) = before["help_request"]
    (key, sealed) = old["data_key"], old["sealed"]
    back = update(help_request).where(help_request.c.id == old["id"])
    (message, *_) = before["delivery"]
    under_way = {"sealed": message["sealed"], "status": "pending", "ended_at": None}
    change(
        url,  # as the backup had it
        back.values(data_key=key, sealed=sealed, erased_at=None),
        update(delivery).where(delivery.c.id == message["id"]).values(under_way),
    )
    assert county.window.get(path(receipt)).json()["person"]["applicant"]["name"] == PERSONAL["name"]
    assert said("retention", "reapply", str(file), database=url) == "erased: 1, already: 0, open: 0, unknown: 0"
    assert row_of(url, receipt)["data_key"] is None
    (given_up,) = fetch(url, select(delivery).where(delivery.c.id == message["id"]))
    assert (given_up["status"], given_up["sealed"]) == ("exhausted", b""), "nobody is sent an empty message"
    assert "already: 1" in said("retention", "reapply", str(file), database=url)
    change(url, back.values(data_key=key, sealed=sealed, erased_at=None, status="in_progress", closed_at=None))
    done = one_window_here("retention", "reapply", str(file), database=url)
    assert done.returncode == 1
    assert "is open again" in done.stdout
    file.write_text("nonsense")
    assert "is not what" in refused(one_window_here("retention", "reapply", str(file), database=url))


# ---- how it is set ----


def test_the_periods_are_shown_with_their_sources_and_changed_by_who_has_read_them(county: County) -> None:
    admin = county.running.client("admin")
    answer = admin.get("/v1/retention")
    kinds = {each["kind"]: each for each in answer.json()["kinds"]}
    assert kinds.keys() == KINDS.keys()
    assert all(each["source"] for each in kinds.values())
    body = {"periods": [{"kind": "delivery_body", "period": "P90D", "source": "青数字办〔2026〕3号"}]}
    assert admin.patch("/v1/retention", json=body).status_code == 428
    stale = admin.patch("/v1/retention", json=body, headers={"if-match": '"x"'})
    assert (stale.status_code, stale.headers["etag"]) == (412, answer.headers["etag"])
    done = admin.patch("/v1/retention", json=body, headers={"if-match": answer.headers["etag"]})
    (changed,) = [each for each in done.json()["kinds"] if each["kind"] == "delivery_body"]
    assert (changed["period"], changed["source"]) == ("P90D", "青数字办〔2026〕3号")
    assert changed["set_by"].startswith("key:")
    assert done.headers["etag"] == admin.get("/v1/retention").headers["etag"] != answer.headers["etag"]
    wrong = [
        {"kind": "nonsense", "period": "P1Y", "source": "x"},
        {"kind": "alarm", "period": "P1M", "minimum": "P3Y", "source": "x"},
    ]
    refusal = admin.patch("/v1/retention", json={"periods": wrong}, headers={"if-match": done.headers["etag"]}).json()
    assert [(each["pointer"], each["code"]) for each in refusal["errors"]] == [
        ("/periods/0/kind", "unknown_kind"),
        ("/periods/1/period", "period_too_short"),
    ]


def test_a_kind_that_is_kept_for_good_or_that_nobody_has_set_is_never_swept(county: County) -> None:
    url = county.running.url
    receipt = withdrawn(county)
    set_period(county, "request_withdrawn", None)
    assert "request_withdrawn" not in sweep_at(url, now() + FAR)
    change(url, retention.delete())
    assert sweep_at(url, now() + FAR) == {}
    assert row_of(url, receipt)["erased_at"] is None


def test_the_command_line_says_what_would_go_and_lets_it_go(county: County) -> None:
    url = county.running.url
    withdrawn(county)
    set_period(county, "request_withdrawn", "P1D")
    past = now() - timedelta(days=3)
    change(url, update(help_request).values(closed_at=past))
    shown = next(
        line for line in said("retention", "preview", database=url).splitlines() if "request_withdrawn" in line
    )
    assert "P1D" in shown
    assert " 1 " in shown
    assert "request_withdrawn: 1" in said("retention", "sweep", database=url)
    assert county.coordinator.get("/v1/retention/preview").json()["kinds"][1]["records"] == 0


# ---- how it is found ----


@pytest.mark.parametrize("kind", ENDED)
def test_the_sweep_reads_no_request_whose_time_has_not_come(county: County, backend: str, kind: str) -> None:
    """By the plans, with two thousand requests that have ended, of which a few are due."""
    url = county.running.url
    template = row_of(url, ENDED[kind](county))
    rows = [
        {**template, "id": first_id(now() + timedelta(seconds=n)), "receipt_number": f"{n:012}"}
        | {"tracking_hash": n.to_bytes(32), "closed_at": now() + timedelta(hours=n)}
        for n in range(1, 2001)
    ]

    async def fill(database: Database) -> None:
        async with database.writing() as connection:
            await connection.execute(help_request.insert(), rows)

    on(url, fill)
    due = expiry.due_requests(kind, now() + timedelta(hours=3), now(), expiry.TOGETHER)
    plan = plan_of(url, due)
    assert "ix_help_request_ended" in plan, plan
    assert "Seq Scan on help_request" not in plan
    assert "SCAN help_request" not in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
