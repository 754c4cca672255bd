"""Clocks: they start at the dispatch, one of them may stand for a lawful reason, and the person's own never does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from app import clocks
from app.deadlines import CHINA, LimitKind, china_day, due, moved_on, parse_limit
from app.identifiers import new_id
from app.loading import from_row
from app.registry import Registry, Snapshot
from app.routing.rules import Role, RoutingTable, Rule
from app.tables import handoff
from app.timeline import Handoff
from tests.county import CIVIL_AFFAIRS, HEALTHCARE, TOWNSHIP, County, Seen
from tests.tables import RULE, RULES
from tests.test_deadlines import BEGIN, CALENDAR, DUE, END, china
from tests.watching import change, fetch, on

BASE = Snapshot(1, {}, {}, {}, {}, {}, None, CALENDAR, {})  # type: ignore[arg-type]
WORKING, CALENDAR_DAYS, HOURS = LimitKind


@pytest.fixture
def receipt(county: County) -> Seen:
    return county.ask("medical_assistance_applied")


@pytest.fixture
def office(county: County, receipt: Seen) -> Seen:
    """The first step's handoff: all three clocks have their limits."""
    return county.handoff(receipt, TOWNSHIP)


def with_rule(**limits: str) -> tuple[Handoff, Snapshot]:
    """A handoff by a rule of these limits, waiting for its step."""
    parsed = {f"{clock}_limit": parse_limit(limits.get(clock, "")) for clock in ("sign_in", "accept", "complete")}
    rule: Rule = replace(RULE, number=1, **parsed)  # type: ignore[arg-type]
    waiting = Handoff(new_id(), new_id(), "help", "office", Role.LEAD, 1, True, 1, 1, datetime.now(UTC))
    return waiting, replace(BASE, tables={1: RoutingTable(1, datetime.now(UTC), (rule,))})


def china_days(*moments: datetime | None) -> list[str]:
    return [china_day(at).isoformat() if at else "" for at in moments]


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [(start, n, f"{start[:4]}-{end}") for start, ends in DUE.items() for n, end in ends.items()],
)
def test_a_dispatch_sets_the_published_due_days(start: str, count: int, end: str) -> None:
    late, snapshot = with_rule(sign_in="WD:1", complete=f"WD:{count}")
    clocks.start(late, china(start).astimezone(UTC), snapshot)
    assert china_days(late.complete_due, late.promised_due) == [end, end]
    assert china_days(late.sign_in_due) == [f"{start[:4]}-{DUE[start][1]}"]


def test_the_limits_of_every_rule_are_the_due_times_of_its_handoffs(county: County) -> None:
    by_number = {rule.number: rule for rule in RULES}
    needs = [each for each in dict.fromkeys(rule.need for rule in RULES) if each != "undetermined"]
    limited = set()
    for some in (needs[:20], needs[20:]):
        receipt = county.ask(*some)
        wanted = select(handoff).where(handoff.c.dispatched_at.is_not(None))
        for row in fetch(county.running.url, wanted):
            rule = by_number[row["rule_number"]]
            limits = (rule.sign_in_limit, rule.accept_limit, rule.complete_limit)
            ends = (row["sign_in_due"], row["accept_due"], row["complete_due"])
            for name, limit, end in zip(("sign_in", "accept", "complete"), limits, ends, strict=True):
                assert end == (due(row["dispatched_at"], limit, CALENDAR).at if limit else None), (rule.number, name)
                limited |= {(name, limit.kind)} if limit else set()
        assert receipt["handoffs"]
    assert {("sign_in", WORKING), ("sign_in", HOURS), ("accept", WORKING), ("complete", WORKING)} <= limited


# Dispatched on a day, stopped on another, going on on a third: due before and after.
STOPS = [
    ("WD:10", "2026-09-21", "2026-09-29", "2026-10-09", "2026-10-12", "2026-10-15"),  # over the National Day holiday
    ("WD:10", "2026-09-21", "2026-09-30", "2026-10-07", "2026-10-12", "2026-10-12"),  # for days off alone
    (
        "WD:10",
        "2026-09-21",
        "2026-09-30",
        "2026-10-10",
        "2026-10-12",
        "2026-10-15",
    ),  # make-up work on a Saturday counts
    ("WD:15", "2026-02-02", "2026-02-13", "2026-02-24", "2026-02-28", "2026-03-03"),  # over the Spring Festival
    ("WD:5", "2026-06-01", "2026-06-02", "2026-06-02", "2026-06-08", "2026-06-08"),  # a stop of hours moves no days
    ("WD:2", "2026-06-01", "2026-06-05", "2026-06-09", "2026-06-03", "2026-06-05"),  # late by two days before and after
    ("CD:15", "2026-06-01", "2026-06-03", "2026-06-10", "2026-06-16", "2026-06-23"),
    ("H:24", "2026-06-01", "2026-06-01", "2026-06-03", "2026-06-02", "2026-06-04"),
]


@pytest.mark.parametrize(("limit", "dispatched", "stopped", "again", "before", "after"), STOPS)
def test_what_was_left_when_the_clock_was_stopped_is_counted_again_from_the_day_it_goes_on(
    limit: str, dispatched: str, stopped: str, again: str, before: str, after: str
) -> None:
    late, snapshot = with_rule(complete=limit)
    clocks.start(late, china(dispatched).astimezone(UTC), snapshot)
    assert china_days(late.complete_due) == [before]
    clocks.stop(late, "applicant", china(stopped, "11:00:00").astimezone(UTC))
    clocks.run_again(late, china(again, "11:00:00").astimezone(UTC), snapshot)
    assert china_days(late.complete_due, late.promised_due) == [after, before]


moments = st.integers(BEGIN, END - 200 * 86400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(moments, st.integers(0, 30), st.integers(0, 40), st.integers(0, 60))
def test_a_stop_takes_no_working_day_and_gives_none(start: datetime, limit: int, before: int, long: int) -> None:
    end = due(start, parse_limit(f"WD:{limit}"), CALENDAR).at  # type: ignore[arg-type]
    stopped = start + timedelta(days=min(before, (end - start).days))
    again = stopped + timedelta(days=long)
    moved = moved_on(end, WORKING, stopped, again, CALENDAR).at
    left = CALENDAR.working_days(china_day(stopped), china_day(end))
    assert CALENDAR.working_days(china_day(again), china_day(moved)) == left
    assert moved >= end


def test_what_was_granted_during_a_stop_is_moved_by_what_comes_after_the_grant_alone() -> None:
    late, snapshot = with_rule(complete="WD:10")
    clocks.start(late, china("2026-09-01").astimezone(UTC), snapshot)
    clocks.stop(late, "applicant", china("2026-09-07").astimezone(UTC))
    granted = china("2026-12-01", "23:59:59").astimezone(UTC)
    clocks.extend(late, granted, china("2026-11-20").astimezone(UTC))
    clocks.run_again(late, china("2026-11-24").astimezone(UTC), snapshot)
    assert china_days(late.complete_due) == ["2026-12-03"], "by the two working days from Friday to Tuesday"
    assert clocks.suspended_days(late, snapshot) > 40, "all of it counts as suspended"


def test_an_opening_is_nine_in_the_morning_of_a_working_day() -> None:
    friday_night = china("2026-09-30", "23:59:59").astimezone(UTC)
    opens = {n: CALENDAR.opening(friday_night, n).astimezone(CHINA) for n in (-2, -1, 0, 1, 3)}
    assert {n: at.date() for n, at in opens.items()} == {
        -2: date(2026, 9, 28),
        -1: date(2026, 9, 29),
        0: date(2026, 9, 30),
        1: date(2026, 10, 8),
        3: date(2026, 10, 10),
    }
    assert {at.hour for at in opens.values()} == {9}


def test_signing_ends_one_clock_accepting_two_and_the_end_all_three(
    county: County, receipt: Seen, office: Seen
) -> None:
    def runs() -> set[str]:
        """Which clocks would be overdue in a year."""
        (row,) = fetch(county.running.url, select(handoff).where(handoff.c.id == UUID(office["handoff_id"])))
        return {clock for clock, _ in clocks.overdue(from_row(row), datetime.now(UTC) + timedelta(days=365))}

    assert runs() == {"sign_in", "acceptance", "completion"}
    county.told(office, "received")
    assert runs() == {"acceptance", "completion"}
    county.told(office, "accepted")
    assert runs() == {"completion"}
    county.told(office, "suspended", suspended_for="court")
    assert runs() == set()
    county.told(office, "resumed")
    assert runs() == {"completion"}
    county.told(office, "completed", outcome="granted")
    assert runs() == set()


def test_both_clocks_are_shown_and_the_persons_own_is_never_moved(county: County, receipt: Seen, office: Seen) -> None:
    url, days = county.running.url, timedelta(days=21)
    county.told(office, "accepted", "information_requested", materials=["诊断证明"])
    wanted = select(handoff).where(handoff.c.id == UUID(office["handoff_id"]))
    (row,) = fetch(url, wanted)
    ago = {name: row[name] - days for name in ("dispatched_at", "complete_due", "promised_due", "suspended_at")}
    change(url, update(handoff).where(handoff.c.id == UUID(office["handoff_id"])).values(**ago))
    stopped = county.handoff(receipt, TOWNSHIP)
    assert stopped["suspended_until"] == due_in_text(ago["suspended_at"], "WD:30")
    county.told(office, "resumed")
    after = county.handoff(receipt, TOWNSHIP)
    (moved,) = fetch(url, wanted)
    expected = moved_on(ago["complete_due"], WORKING, ago["suspended_at"], datetime.now(UTC), CALENDAR)
    assert moved["complete_due"] == expected.at > ago["complete_due"]
    assert moved["promised_due"] == ago["promised_due"]
    assert (after["suspended_until"], moved["suspended_at"]) == (None, None)
    seen = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()
    (step,) = [each for each in seen["steps"] if each["due_at"] == after["complete_due"]]
    assert (step["promised_due"], step["suspended_until"]) == (after["promised_due"], None)
    assert seen["days_since_registration"] == 0
    agency = county.running.client("agency", agency=TOWNSHIP)
    own = agency.get(f"/v1/handoffs/{office['handoff_id']}").json()
    assert (own["promised_due"], own["registered_at"]) == (after["promised_due"], receipt["registered_at"])
    assert (own["days_since_registration"], own["material_requests"], own["overdue"]) == (0, 1, [])


def due_in_text(at: datetime, limit: str) -> str:
    parsed = parse_limit(limit)
    assert parsed is not None
    return due(at, parsed, CALENDAR).at.isoformat().replace("+00:00", "Z")


def test_all_materials_are_asked_for_once_and_a_further_request_needs_its_reason_and_is_counted(
    county: County, receipt: Seen, office: Seen
) -> None:
    county.told(office, "accepted", "information_requested", materials=["诊断证明", "转学证明"])
    assert county.handoff(receipt, TOWNSHIP)["material_requests"] == 1
    county.told(office, "resumed")
    again = county.report(office, "information_requested", materials=["学籍证明"])
    assert again.status_code == 422
    (error,) = again.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/data/reason", "reason_of_further_request")
    assert county.handoff(receipt, TOWNSHIP)["status"] == "in_progress"
    county.told(office, "information_requested", materials=["学籍证明"], reason="转学后才知道")
    assert county.handoff(receipt, TOWNSHIP)["material_requests"] == 2
    asked = [each for each in county.events(receipt) if each["kind"] == "handoff.information_requested"]
    assert [each["data"]["request"] for each in asked] == [1, 2]
    assert asked[-1]["note"]["reason"] == "转学后才知道"


def test_what_data_sharing_supplies_may_not_be_asked_for_by_whoever_helps_either(
    county: County, receipt: Seen, office: Seen
) -> None:
    county.told(office, "accepted")
    asked = ["学籍证明", "medical_settlement", "学校贫困证明"]
    needs = county.nobody.get("/v1/needs").json()["items"]
    (waived,) = [each["waived"] for each in needs if each["code"] == "medical_assistance_applied"]
    name = next(each["name_zh"] for each in waived if each["code"] == "medical_settlement")
    for wanted in (asked, ["学籍证明", name]):
        answer = county.report(office, "information_requested", materials=wanted)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/data/materials/1", "material_waived")
        assert "medical_settlement" in error["detail"]
    assert county.handoff(receipt, TOWNSHIP)["material_requests"] == 0


def test_an_extension_moves_a_limit_forward_only_and_is_counted(county: County, receipt: Seen, office: Seen) -> None:
    county.told(office, "accepted")
    limit = datetime.fromisoformat(office["complete_due"])

    def extended(by: timedelta, **data: str) -> Any:
        said = {"approver": "局长", "reason": "材料多", **data}
        return county.report(office, "extended", **said, due_at=(limit + by).isoformat())

    for back in (timedelta(0), timedelta(days=-1)):
        errors = extended(back).json()["errors"]
        assert [each["code"] for each in errors] == ["due_at_not_later"]
    assert extended(timedelta(days=10)).status_code == 200
    assert extended(timedelta(days=9)).json()["errors"][0]["code"] == "due_at_not_later"
    assert extended(timedelta(days=20), reason="").status_code == 422
    assert extended(timedelta(days=20), reason="仍在核实").status_code == 200
    after = county.handoff(receipt, TOWNSHIP)
    assert (after["extensions"], after["promised_due"]) == (2, office["complete_due"])
    assert datetime.fromisoformat(after["complete_due"]) == limit + timedelta(days=20)
    events = [each for each in county.events(receipt) if each["kind"] == "handoff.extended"]
    assert [(each["data"]["extension"], each["note"]["reason"]) for each in events] == [(1, "材料多"), (2, "仍在核实")]


def test_a_step_that_comes_later_has_its_clocks_from_its_own_dispatch(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    county.complete(receipt, TOWNSHIP)
    county.complete(receipt, CIVIL_AFFAIRS)
    county.complete(receipt, "360803-verification-center")
    lead = county.handoff(receipt, HEALTHCARE)
    assert lead["promised_due"] == lead["complete_due"] is not None
    (row,) = fetch(county.running.url, select(handoff).where(handoff.c.id == UUID(lead["handoff_id"])))
    assert row["next_look_at"] is not None
    assert row["first_due"] == min(
        row[f"{name}_due"] for name in ("sign_in", "accept", "complete") if row[f"{name}_due"]
    )


def test_the_settings_say_how_long_a_clock_may_stand(county: County) -> None:
    async def work(database: Any) -> Snapshot:
        return await Registry(database, 60).current()

    pace = on(county.running.url, work).pace
    assert dict(pace.suspensions) == {"applicant": 30, "verification": 20, "court": 125}
