"""Who looked at whose data: recorded before it is shown, told to the person, and an alarm where it is too many people's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete, func, insert, select, text, update

from app import readings
from app.alarms import of_place
from app.db import Database
from app.deadlines import CHINA
from app.hashchain import GENESIS, reading_hash
from app.identifiers import new_id, now
from app.purposes import Purpose
from app.tables import agency, alarm, event, help_request, reading, revision
from tests import serving
from tests.commands import one_window_here, said
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import PERSONAL, a_request_in_full
from tests.plans import plan_of
from tests.running import Running
from tests.watching import change, fetch, on

ROWS = select(reading).order_by(reading.c.chain, reading.c.number)


def in_full(county: County, need: str = "education_aid") -> Seen:
    receipt: Seen = county.window.post("/v1/requests", json=a_request_in_full(need)).json()
    return receipt


def path(receipt: Seen) -> str:
    return f"/v1/requests/{receipt['request_id']}"


def machine(county: County, code: str) -> httpx.Client:
    return county.running.client("agency", agency=code)


def disclosures(county: County, receipt: Seen) -> list[Seen]:
    seen = county.running.client("auditor").get(f"{path(receipt)}/disclosures").raise_for_status().json()
    assert seen["count"] == len(seen["items"])
    items: list[Seen] = seen["items"]
    return items


def codes(seen: Seen) -> set[str]:
    return {each["code"] for each in seen["shown"]}


def test_every_message_that_shows_something_says_so_in_the_event_that_is_written_anyway(county: County) -> None:
    receipt = in_full(county)
    told = [each for each in county.events(receipt) if each["kind"] == "handoff.dispatched"]
    assert len(told) == len(receipt["handoffs"])
    by_agency = {each["agency"]: each for each in disclosures(county, receipt) if each["way"] == "message"}
    for each in told:
        shown = machine(county, each["data"]["agency"]).get(f"/v1/handoffs/{each['handoff_id']}").json()
        assert each["data"]["groups"] == shown["discloses"]
        assert each["data"]["legal_basis"] == shown["legal_basis"]
        assert codes(by_agency[each["data"]["agency"]]) == set(shown["discloses"])


@pytest.mark.parametrize("mode", ["pull", "reference"])
def test_what_is_fetched_is_no_disclosure_until_it_is_read(
    database_url: str, run_service: Callable[..., Running], mode: str
) -> None:
    serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    changed = update(agency).where(agency.c.code == EDUCATION).values(delivery_mode=mode)
    change(database_url, changed, update(revision).values(value=revision.c.value + 1))
    county = County(run_service(), {})
    receipt = in_full(county)
    mine = [each for each in disclosures(county, receipt) if each["agency"] == EDUCATION]
    assert mine == []
    machine(county, EDUCATION).get("/v1/handoffs").raise_for_status()
    assert [each for each in disclosures(county, receipt) if each["agency"] == EDUCATION] == []
    handoff = county.handoff(receipt, EDUCATION)
    machine(county, EDUCATION).get(f"/v1/handoffs/{handoff['handoff_id']}").raise_for_status()
    (mine_now,) = [each for each in disclosures(county, receipt) if each["agency"] == EDUCATION]
    assert (mine_now["way"], mine_now["purpose"], mine_now["stated"]) == ("handoff", "handling", False)
    assert mine_now["legal_basis"]
    assert "identity" in codes(mine_now)


def test_who_opens_a_request_is_recorded_with_what_for(county: County) -> None:
    receipt = in_full(county)
    assert county.window.get(path(receipt)).json()["person"]
    assert county.coordinator.get(path(receipt), params={"purpose": "complaint"}).json()["person"]
    assert county.running.client("auditor").get(path(receipt)).json()["person"] is None
    rows = {row["role"]: row for row in fetch(county.running.url, ROWS)}
    assert rows.keys() == {"intake", "coordinator"}
    assert (rows["intake"]["purpose"], rows["intake"]["stated"], rows["intake"]["unrelated"]) == (
        "handling",
        False,
        False,
    )
    theirs = rows["coordinator"]
    assert (theirs["purpose"], theirs["stated"], theirs["unrelated"], theirs["way"]) == (
        "complaint",
        True,
        True,
        "request",
    )
    assert {"identity", "contact", "household", "income", "health", "bank_account", "narrative"} <= set(theirs["shown"])
    everything = json.dumps(fetch(county.running.url, ROWS), default=str, ensure_ascii=False)
    assert [value for value in PERSONAL.values() if value in everything] == []


def test_looking_again_within_some_minutes_is_one_reading(county: County) -> None:
    receipt = in_full(county)
    for _ in range(3):
        county.window.get(path(receipt)).raise_for_status()
    assert len(fetch(county.running.url, ROWS)) == 1
    county.window.get(path(receipt), params={"purpose": "correction"}).raise_for_status()
    assert [row["purpose"] for row in fetch(county.running.url, ROWS)] == ["handling", "correction"]


@pytest.mark.parametrize("purpose", ["curiosity", ""])
def test_a_purpose_that_is_none_is_refused(county: County, purpose: str) -> None:
    answer = county.coordinator.get(path(in_full(county)), params={"purpose": purpose})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


def test_a_coordinator_may_be_required_to_say_what_for(run_service: Callable[..., Running]) -> None:
    county = County(run_service(reading_purpose_required=True), {})
    receipt = in_full(county)
    for tail in ("", "/timeline"):
        address = f"{path(receipt)}{tail}"
        answer = county.coordinator.get(address)
        if tail == "":
            assert (answer.status_code, answer.json()["code"]) == (400, "purpose_needed")
            assert answer.json()["errors"][0]["pointer"] == "purpose"
            assert PERSONAL["name"] not in answer.text
        assert county.coordinator.get(address, params={"purpose": "supervision"}).status_code == 200
        assert county.window.get(address).status_code == 200, "whoever handles it need not say"


def test_notes_of_the_history_are_a_reading_and_a_history_without_any_is_none(county: County) -> None:
    receipt = in_full(county)
    county.events(receipt)
    assert fetch(county.running.url, ROWS) == []
    county.told(county.handoff(receipt, EDUCATION), "accepted", note=PERSONAL["narrative"])
    county.events(receipt)
    assert [row["shown"] for row in fetch(county.running.url, ROWS) if row["way"] == "timeline"] == [["notes"]]


def test_the_person_sees_which_office_was_shown_what_and_why_and_nobodys_name(county: County) -> None:
    receipt = in_full(county)
    county.coordinator.get(path(receipt), params={"purpose": "complaint"}).raise_for_status()
    county.window.get(path(receipt)).raise_for_status()
    answer = county.nobody.get(f"/v1/track/{receipt['tracking_token']}")
    seen = answer.json()["disclosures"]
    assert seen["count"] == len(seen["newest"]) == len(receipt["handoffs"]) + 2
    assert [each["at"] for each in seen["newest"]] == sorted((each["at"] for each in seen["newest"]), reverse=True)
    by_way = {each["office_zh"]: each for each in seen["newest"]}
    school = next(each for each in receipt["handoffs"] if each["agency"] == EDUCATION)
    assert "就学" in by_way[school["agency_name_zh"]]["text_zh"]
    assert "schooling" in by_way[school["agency_name_zh"]]["text_en"]
    assert "依据" in by_way[school["agency_name_zh"]]["text_zh"]
    assert by_way["县级协调机构"]["purpose_zh"] == "处理投诉"
    assert "受理窗口" in by_way
    actors = {row["actor"] for row in fetch(county.running.url, ROWS)}
    assert len(actors) == 2
    assert [each for each in (*actors, *PERSONAL.values(), "actor", "key:") if each in answer.text] == []


def test_what_the_person_sees_is_bounded_and_says_how_many_there_are(county: County) -> None:
    receipt = in_full(county)
    county.window.get(path(receipt)).raise_for_status()
    (row,) = fetch(county.running.url, ROWS)
    more = [{**row, "id": new_id(), "number": 2 + position} for position in range(50)]
    change(county.running.url, insert(reading).values(more))
    seen = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()["disclosures"]
    assert (seen["count"], len(seen["newest"])) == (51 + len(receipt["handoffs"]), 20)
    whole = county.coordinator.get(f"{path(receipt)}/disclosures", params={"limit": 7}).json()
    assert (whole["count"], len(whole["items"])) == (seen["count"], 7)


def test_disclosures_are_shown_to_whoever_reaches_the_request_and_to_nobody_else(county: County) -> None:
    receipt = in_full(county)
    statuses = {
        who: county.running.client(who).get(f"{path(receipt)}/disclosures").status_code
        for who in ("intake", "coordinator", "auditor", "admin")
    }
    assert statuses == {"intake": 404, "coordinator": 200, "auditor": 200, "admin": 403}
    assert county.window.get(f"{path(receipt)}/disclosures").status_code == 200
    assert county.coordinator.get(f"/v1/requests/{uuid4()}/disclosures").status_code == 404


def refuse_readings(url: str) -> None:
    """From now on the database takes no reading."""
    if url.startswith("sqlite"):
        refusing = "CREATE TRIGGER refused BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'refused'); END"
        change(url, text(refusing))
    else:
        change(url, text("ALTER TABLE reading ADD CONSTRAINT refused CHECK (number < 0) NOT VALID"))


def test_what_can_not_be_recorded_is_not_shown(county: County) -> None:
    receipt = in_full(county)
    handoff = county.handoff(receipt, EDUCATION)
    refuse_readings(county.running.url)
    for client, address in (
        (county.window, path(receipt)),
        (county.running.client("coordinator"), path(receipt)),
        (machine(county, EDUCATION), f"/v1/handoffs/{handoff['handoff_id']}"),
    ):
        answer = client.get(address)
        assert answer.status_code >= 500
        assert answer.json()["code"] in ("internal_error", "unavailable")
        assert [value for value in PERSONAL.values() if value in answer.text] == []
    assert county.running.client("auditor").get(path(receipt)).status_code == 200, "who is shown nobody is not held up"


def test_whoever_handles_an_emergency_is_shown_it_though_nothing_can_be_recorded(county: County) -> None:
    told = {"what": "断粮", "where": "值夏镇老街", "division_code": "360803101", "kind": "hunger"}
    receipt = county.window.post("/v1/emergencies", json=told).json()
    refuse_readings(county.running.url)
    mine = next(each for each in receipt["agencies"] if each["role"] != "informed")
    seen = machine(county, mine["agency"]).get(f"/v1/handoffs/{mine['handoff_id']}").raise_for_status().json()
    assert (seen["situation"], seen["place"]) == ("断粮", "值夏镇老街")


def test_readings_at_one_time_hang_on_each_other(county: County) -> None:
    receipts = [in_full(county) for _ in range(6)]

    async def all_at_once() -> None:
        headers = dict(county.window.headers)
        async with httpx.AsyncClient(base_url=county.window.base_url, headers=headers, timeout=60) as client:
            answers = await asyncio.gather(*(client.get(path(each)) for each in receipts))
        assert {each.status_code for each in answers} == {200}

    asyncio.run(all_at_once())
    rows = fetch(county.running.url, ROWS)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 6  # who asks again is shown beside their other requests, which are readings too
    assert len({row["chain"] for row in rows}) == 1
    head = GENESIS
    for row in rows:
        head = reading_hash(head, row)
        assert head == row["hash"]


def broken(url: str) -> list[int]:
    async def work(database: Database) -> list[int]:
        async with database.reading() as connection:
            return [number async for _, number in readings.breaks(connection)]

    return on(url, work)


THIRD = reading.c.number == 3
TAMPERED: dict[str, tuple[Any, list[int]]] = {
    "nothing": (update(reading).where(reading.c.number == 99).values(purpose="complaint"), []),
    "the purpose": (update(reading).where(THIRD).values(purpose="complaint"), [3]),
    "who": (update(reading).where(THIRD).values(actor="key:somebody"), [3]),
    "what": (update(reading).where(THIRD).values(shown=["identity"]), [3]),
    "one taken out": (delete(reading).where(THIRD), [3]),
    "the first taken out": (delete(reading).where(reading.c.number == 1), [1]),
    "a place given to another": (update(reading).where(THIRD).values(number=30), [3]),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_reading_that_was_changed_or_taken_out_is_found(county: County, what: str) -> None:
    for _ in range(5):
        county.window.get(path(in_full(county))).raise_for_status()
    statement, found = TAMPERED[what]
    change(county.running.url, statement)
    assert broken(county.running.url) == found


def test_the_command_line_verifies_the_record_and_prints_the_heads_of_a_day(county: County) -> None:
    url = county.running.url
    for _ in range(3):
        county.window.get(path(in_full(county))).raise_for_status()
    rows = fetch(url, ROWS)
    today = rows[-1]["at"].astimezone(CHINA).date().isoformat()
    assert said("readings", "heads", today, database=url) == f"{rows[-1]['chain']} {len(rows)} {rows[-1]['hash'].hex()}"
    assert said("readings", "verify", database=url) == "Every chain holds."
    change(url, delete(reading).where(reading.c.number == 2))
    done = one_window_here("readings", "verify", database=url)
    assert (done.returncode, done.stdout.strip()) == (1, f"chain {rows[0]['chain']} does not hold at its reading 2")


def test_the_heads_of_a_day_are_the_last_of_each_chain(county: County) -> None:
    for _ in range(3):
        county.window.get(path(in_full(county))).raise_for_status()
    rows = fetch(county.running.url, ROWS)

    async def work(database: Database) -> dict[UUID, tuple[int, bytes]]:
        async with database.reading() as connection:
            return await readings.heads(connection, now() - timedelta(days=1), now() + timedelta(seconds=1))

    assert on(county.running.url, work) == {rows[-1]["chain"]: (len(rows), rows[-1]["hash"])}


def alarms(running: Running, **params: Any) -> list[Seen]:
    items: list[Seen] = running.client("auditor").get("/v1/alarms", params=params).raise_for_status().json()["items"]
    return items


def test_who_looks_at_many_peoples_data_raises_one_alarm_and_is_not_held_up(
    run_service: Callable[..., Running],
) -> None:
    county = County(run_service(reading_alarm_per_hour=3, reading_alarm_per_day=5), {})
    receipts = [in_full(county) for _ in range(7)]
    for each in receipts[:3]:
        for purpose in ("complaint", "supervision"):
            county.coordinator.get(path(each), params={"purpose": purpose}).raise_for_status()
        county.window.get(path(each)).raise_for_status()
    assert alarms(county.running) == []
    for each in receipts[3:]:
        assert county.coordinator.get(path(each)).json()["person"]
        county.window.get(path(each)).raise_for_status()
    raised = alarms(county.running)
    assert [(each["kind"], each["count"]) for each in raised] == [("readings_per_day", 6), ("readings_per_hour", 4)]
    (actor,) = {row["actor"] for row in fetch(county.running.url, ROWS) if row["role"] == "coordinator"}
    assert {each["actor"] for each in raised} == {actor}
    metrics = county.running.client("admin").get("/metrics").text
    assert 'one_window_reading_alarms_total{kind="readings_per_hour"}' in metrics
    assert actor not in metrics


def test_an_alarm_is_acknowledged_once_and_stays(run_service: Callable[..., Running]) -> None:
    county = County(run_service(reading_alarm_per_hour=1), {})
    for _ in range(2):
        county.coordinator.get(path(in_full(county))).raise_for_status()
    (raised,) = alarms(county.running, open=True)
    auditor = county.running.client("auditor")
    address = f"/v1/alarms/{raised['alarm_id']}/acknowledge"
    first = auditor.post(address).raise_for_status().json()
    assert first["acknowledged_at"]
    assert county.running.client("auditor").post(address).json() == first
    assert alarms(county.running, open=True) == []
    assert alarms(county.running, open=False) == alarms(county.running) == [first]
    assert county.coordinator.post(address).status_code == 403
    assert auditor.post(f"/v1/alarms/{uuid4()}/acknowledge").status_code == 404


def test_work_in_hand_raises_no_alarm_and_what_has_ended_does(run_service: Callable[..., Running]) -> None:
    county = County(run_service(reading_alarm_per_hour=1), {})
    receipts = [in_full(county) for _ in range(3)]
    school = machine(county, EDUCATION)
    for each in receipts:
        school.get(f"/v1/handoffs/{county.handoff(each, EDUCATION)['handoff_id']}").raise_for_status()
        county.window.get(path(each)).raise_for_status()
    assert [each for each in alarms(county.running) if not each["actor"].startswith("key:")] == []
    assert {row["unrelated"] for row in fetch(county.running.url, ROWS) if row["role"] != "coordinator"} == {False}
    for each in receipts:
        county.window.post(f"{path(each)}/withdraw", json={}).raise_for_status()
        county.window.get(path(each), params={"purpose": "correction"}).raise_for_status()
    theirs = {row["actor"] for row in fetch(county.running.url, ROWS) if row["role"] == "intake"}
    assert {each["actor"] for each in alarms(county.running)} >= theirs


def test_looking_up_numbers_that_find_nobody_counts_as_looking_at_people(run_service: Callable[..., Running]) -> None:
    county = County(run_service(reading_alarm_per_hour=3, reading_alarm_per_day=4), {})
    receipt = in_full(county)
    stranger = county.running.client("intake")
    for number in ("13800000001", "13800000002", "13800000002"):
        assert stranger.post("/v1/look-ups", json={"phone": number}).json()["items"] == []
    assert alarms(county.running) == []
    theirs = {"id_number": PERSONAL["id_number"]}
    assert stranger.post("/v1/look-ups", json=theirs).json()["items"] == [], "it is another door's"
    assert [(each["kind"], each["count"]) for each in alarms(county.running)] == [("readings_per_hour", 4)]
    county.coordinator.post("/v1/look-ups", json={"phone": "13800000001"}, params={"purpose": "complaint"})
    rows = fetch(county.running.url, ROWS)
    assert {(row["request_id"], row["unrelated"], row["way"]) for row in rows} == {(None, True, "search")}
    assert {row["purpose"] for row in rows if row["role"] == "coordinator"} == {"complaint"}
    assert [each for each in disclosures(county, receipt) if each["way"] == "search"] == []
    assert one_window_here("readings", "verify", database=county.running.url).returncode == 0
    refuse_readings(county.running.url)
    assert stranger.post("/v1/look-ups", json={"phone": "13800000003"}).status_code >= 500


def test_very_much_work_in_hand_raises_an_alarm_of_its_own_once_a_day(run_service: Callable[..., Running]) -> None:
    county = County(run_service(reading_alarm_per_hour=1, reading_alarm_own_work_per_day=3), {})
    needs = ("education_aid", "wage_arrears", "temp_aid_fast", "minimum_living_allowance", "homeless_rescue")
    receipts = [in_full(county, need) for need in needs]  # of one need they would be shown beside each other
    for each in receipts[:3]:
        for purpose in ("handling", "correction"):
            county.window.get(path(each), params={"purpose": purpose}).raise_for_status()
    assert alarms(county.running) == []
    for each in receipts[3:]:
        assert county.window.get(path(each)).json()["person"], "nobody is held up"
    (raised,) = alarms(county.running)
    assert (raised["kind"], raised["count"]) == ("own_work_per_day", 4)


@pytest.mark.parametrize("unrelated", [True, False])
def test_those_who_were_looked_at_are_counted_by_an_index_of_their_own(county: County, unrelated: bool) -> None:
    query = readings.how_many("key:x", now() - timedelta(days=1), 300, unrelated=unrelated)
    plan = plan_of(county.running.url, query, empty=True)
    assert ("ix_reading_unrelated" if unrelated else "ix_reading_own") in plan, plan


def test_the_alarms_of_a_place_are_told_by_one_look_at_its_keys_and_offices(county: County, backend: str) -> None:
    """By the plan: nothing is looked up anew for each alarm."""
    rows = [
        {"id": new_id(), "kind": "readings_per_day", "count": 61, "raised_at": now(), "since": now()} for _ in range(4)
    ]
    actors = ("agency:360803-education", "agency:360803-education/guest:1", "agency:360803-educationx", "key:nobody")
    change(
        county.running.url, *(insert(alarm).values(row | {"actor": who}) for row, who in zip(rows, actors, strict=True))
    )
    seen = fetch(county.running.url, of_place("360803"))
    assert {row["actor"] for row in seen} == set(actors[:2])
    assert fetch(county.running.url, of_place("360102")) == []
    plan = plan_of(county.running.url, of_place("360803").order_by(alarm.c.id.desc()).limit(51))
    if backend == "sqlite":
        assert plan.count("LIST SUBQUERY") == 2, plan
        alone = plan.replace("CORRELATED SCALAR SUBQUERY", "", 2)  # of each key once, where its agency is
        assert "CORRELATED" not in alone, plan
    else:
        assert "hashed SubPlan" in plan or "Hash" in plan, plan


def test_counting_an_actors_readings_does_not_grow_with_the_history(database_url: str) -> None:
    plan = plan_of(database_url, readings.how_many("key:x", now(), 60), empty=True)
    assert "ix_reading_unrelated" in plan, plan


def test_a_requests_readings_are_found_by_the_request(database_url: str) -> None:
    one = select(help_request.c.id).limit(1).scalar_subquery()
    newest = select(reading).where(reading.c.request_id == one).order_by(reading.c.id.desc()).limit(20)
    plan = plan_of(database_url, newest, empty=True)
    assert "ix_reading_request_id_id" in plan, plan


def test_a_supplement_shows_an_agency_no_paper_word_or_fact_that_its_rule_does_not_open(county: County) -> None:
    receipt = in_full(county, "medical_assistance_applied")
    county.complete(receipt, TOWNSHIP)
    civil = county.handoff(receipt, CIVIL_AFFAIRS)
    county.told(civil, "received", "accepted", "information_requested", materials=["收入证明"])
    added = {
        "materials": ["diagnosis", "tax_record", "application_form"],
        "note": "另有隐情",
        "facts": {"self_care": "none"},
    }
    county.window.post(f"{path(receipt)}/supplements", json=added).raise_for_status()
    (told,) = [each for each in county.events(receipt) if each["kind"] == "handoff.resumed"]
    assert told["data"]["groups"] == ["papers"]
    seen = machine(county, CIVIL_AFFAIRS).get(f"/v1/handoffs/{civil['handoff_id']}").json()["person"]
    (supplement,) = seen["supplements"]
    assert supplement["materials"] == ["tax_record", "application_form"]
    assert "note" not in supplement
    assert "另有隐情" not in json.dumps(seen, ensure_ascii=False)
    assert "self_care" not in seen.get("facts", {})
    for code in (VERIFICATION, HEALTHCARE):
        other = county.handoff(receipt, code)
        if other["dispatched_at"]:
            theirs = machine(county, code).get(f"/v1/handoffs/{other['handoff_id']}").json()["person"]
            assert ("diagnosis" in json.dumps(theirs)) == (code == HEALTHCARE)


def test_who_is_no_handler_and_sees_no_people_is_not_told_what_happened_in_an_emergency(county: County) -> None:
    told = {"what": "断粮", "where": "值夏镇老街", "division_code": "360803101", "kind": "hunger", "people": 3}
    receipt = county.window.post("/v1/emergencies", json=told).json()
    address = f"/v1/handoffs/{receipt['agencies'][0]['handoff_id']}"
    seen = county.running.client("auditor").get(address).json()
    assert [seen[name] for name in ("person", "situation", "place", "people", "position")] == [None] * 5
    assert county.coordinator.get(address).json()["situation"] == "断粮"
    (row,) = [row for row in fetch(county.running.url, ROWS) if row["role"] == "coordinator"]
    assert (row["shown"], row["unrelated"]) == (["situation"], False)


def test_a_lifted_requests_own_words_go_to_those_only_whose_rule_opens_them(county: County) -> None:
    receipt = in_full(county, "medical_assistance_applied")
    county.complete(receipt, TOWNSHIP)
    county.coordinator.post(f"{path(receipt)}/emergency", json={"facts": ["no_food"]}).raise_for_status()
    shown = {}
    for each in county.request(receipt)["handoffs"]:
        if each["dispatched_at"] and each["status"] != "completed":
            seen = machine(county, each["agency"]).get(f"/v1/handoffs/{each['handoff_id']}").json()
            shown[each["agency"]] = (
                "narrative" in seen["discloses"],
                PERSONAL["narrative"] in json.dumps(seen, ensure_ascii=False),
            )
    assert {opens for opens, _ in shown.values()} == {True, False}
    assert [code for code, (opens, sees) in shown.items() if opens != sees] == []


def test_an_agency_that_lifts_a_request_learns_of_its_own_needs_only(county: County) -> None:
    body = a_request_in_full("education_aid", "medical_assistance_applied")
    receipt = county.window.post("/v1/requests", json=body).json()
    school = machine(county, EDUCATION)
    told = school.post(f"{path(receipt)}/emergency", json={"facts": ["no_food"]}).raise_for_status().json()
    needs = {each["need"] for each in told["agencies"]}
    assert "education_aid" in needs
    assert "medical_assistance_applied" not in needs
    assert PERSONAL["narrative"] not in json.dumps(told, ensure_ascii=False)
    whole = county.coordinator.post(f"{path(receipt)}/emergency", json={"facts": ["no_food"]}).json()
    assert "medical_assistance_applied" in {each["need"] for each in whole["agencies"]}


WRONG_ACCOUNTS = ["12", "六二二二", "1234567x", "1" * 40]


@pytest.mark.parametrize("number", WRONG_ACCOUNTS)
def test_an_account_that_can_be_none_is_refused_and_not_repeated(county: County, number: str) -> None:
    body = a_request_in_full("education_aid")
    body["applicant"]["bank_account"]["number"] = number
    answer = county.window.post("/v1/requests", json=body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/applicant/bank_account/number", "bank_account_malformed")
    if len(number) > 2:
        assert number not in answer.text


@pytest.mark.parametrize(
    ("number", "warned"),
    [("6217000010001234569", False), ("6217 0000 1000 1234 568", True), ("10-123456789", False)],
)
def test_a_cards_wrong_check_digit_is_a_warning(county: County, number: str, warned: bool) -> None:
    body = a_request_in_full("education_aid")
    body["applicant"]["bank_account"]["number"] = number
    answer = county.window.post("/v1/requests", json=body)
    assert answer.status_code == 201
    assert ("card_number_doubtful" in {each["code"] for each in answer.json()["warnings"]}) == warned


def test_every_purpose_may_be_stated(county: County) -> None:
    receipt = in_full(county)
    for purpose in Purpose:
        county.window.get(path(receipt), params={"purpose": purpose.value}).raise_for_status()
    assert [row["purpose"] for row in fetch(county.running.url, ROWS)] == list(Purpose)


def test_no_reading_is_written_on_the_way_in(county: County) -> None:
    in_full(county)
    rows = fetch(county.running.url, select(func.count().label("n")).select_from(reading))
    assert rows == [{"n": 0}]
    assert fetch(county.running.url, select(alarm)) == []
    assert fetch(county.running.url, select(event.c.kind).where(event.c.kind.like("reading%"))) == []
