"""Due times follow the calendar: what was provisional becomes certain, what was corrected is counted again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import select, text, update
from structlog.testing import LogCapture

from app import rescheduling
from app.db import Database
from app.deadlines import WorkingCalendar, is_weekday
from app.delivery.lanes import Priority
from app.identifiers import now
from app.registry import Registry
from app.rescheduling import Rescheduler
from app.tables import calendar_change, delivery, handoff
from app.timeline import DUES
from tests import serving
from tests.calendars import DAY, always_off, know_until, next_weekdays, notice, today
from tests.county import EDUCATION, TOWNSHIP, VILLAGE, County, Seen
from tests.running import Running
from tests.test_subscriptions import subscription
from tests.watching import change, fetch, on, until

ALLOWANCE = "minimum_living_allowance"
TOWNSHIP_LIMITS = {"sign_in_due": 1, "accept_due": 0, "complete_due": 10}  # working days
NOBODY = "http://127.0.0.1:9/{code}"


@pytest.fixture
def run_county(database_url: str, run_service: Callable[..., Running]) -> Callable[..., County]:
    """The service on a calendar that ended yesterday."""

    def run(**settings: Any) -> County:
        know_until(database_url, today() - DAY)
        secrets = serving.set_endpoints(database_url, NOBODY)
        return County(run_service(**settings), secrets)

    return run


@pytest.fixture
def county(run_county: Callable[..., County]) -> County:
    """The same, without a worker."""
    return run_county()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What workers log, also those of `look`."""
    heard = LogCapture()
    log = structlog.wrap_logger(None, processors=[heard], wrapper_class=structlog.BoundLogger)
    monkeypatch.setattr(rescheduling, "log", log)
    return heard.entries


def import_years(county: County, off: Collection[date] = (), worked: Collection[date] = ()) -> None:
    """This year's notice and the next one's: all that is due in these tests is known then."""
    for year in (today().year, today().year + 1):
        answer = county.coordinator.post("/v1/working-days", json=notice(year, off, worked))
        assert answer.status_code == 200, answer.text


def set_day(county: County, day: date, working: bool) -> None:
    answer = county.coordinator.put(f"/v1/working-days/{day}", json={"working": working, "source": "更正"})
    assert answer.status_code == 200, answer.text


def look(county: County, at: datetime | None = None, *, stopped: bool = False) -> None:
    """What a worker does every two seconds, once; one that is `stopped` ends after its first batch."""

    async def work(database: Database) -> None:
        stopping = asyncio.Event()
        if stopped:
            stopping.set()
        settings = serving.settings_for(county.running.url)
        await Rescheduler(settings, database, Registry(database, 60)).look(at or now(), stopping)

    on(county.running.url, work)


def due(count: int, off: Collection[date] = (), holidays: bool = True) -> str:
    """The end of the day `count` working days after today; nought: of today, or of the next that is worked."""
    free = {*off, *(always_off(today().year) | always_off(today().year + 1) if holidays else ())}
    day, left = today(), count
    while left or not (is_weekday(day) and day not in free):
        day += DAY
        left -= bool(left) and is_weekday(day) and day not in free
    return f"{day}T15:59:59Z"


def dues(seen: Seen) -> dict[str, Any]:
    return {name: seen[name] for name in (*DUES, "due_provisional")}


def of_township(off: Collection[date] = (), *, provisional: bool = False, holidays: bool = True) -> dict[str, Any]:
    counted = {name: due(count, off, holidays) for name, count in TOWNSHIP_LIMITS.items()}
    return {**counted, "due_provisional": provisional}


def rescheduled(county: County, receipt: Seen, seen: Seen) -> list[dict[str, Any]]:
    events = county.events(receipt)  # whose chain is intact
    return [each["data"] for each in events if each["kind"] == "handoff.rescheduled" and of(each, seen)]


def of(event: Seen, seen: Seen) -> bool:
    return bool(event["handoff_id"] == seen["handoff_id"])


def told(county: County) -> list[tuple[str, int]]:
    sent = select(delivery.c.receiver, delivery.c.priority).where(delivery.c.type == "handoff.rescheduled")
    return sorted((row["receiver"], row["priority"]) for row in fetch(county.running.url, sent))


def test_what_was_provisional_is_counted_again_when_its_year_is_imported(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    before = county.handoff(receipt, TOWNSHIP)
    assert dues(before) == of_township(provisional=True, holidays=False)
    off = next_weekdays(2)
    import_years(county, off)
    look(county)
    after = county.handoff(receipt, TOWNSHIP)
    assert dues(after) == of_township(off)
    (said,) = rescheduled(county, receipt, before)
    moved = {name: after[name] for name in DUES if after[name] != before[name]}
    assert {name: said[name] for name in DUES if name in said} == moved
    assert {f"{name}_before": before[name] for name in moved} == {
        name: said[name] for name in said if name.endswith("_before")
    }
    assert (said["due_provisional"], said["earlier"]) == (False, [])
    assert told(county) == [(VILLAGE, Priority.BULK), (TOWNSHIP, Priority.BULK)]


def test_the_agency_sees_the_new_times_in_its_inbox_and_the_person_reads_of_them(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    import_years(county, off := next_weekdays(2))
    look(county)
    inbox = county.running.client("agency", TOWNSHIP)
    (seen,) = inbox.get("/v1/handoffs", params={"wait": 0}).json()["items"]
    assert (seen["told"], dues(seen)) == ("handoff.rescheduled", of_township(off))
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()
    assert [each for each in tracked["events"] if "按公布的工作日重新计算" in each["text_zh"]]


def test_what_turns_out_right_is_certain_and_nobody_is_told(county: County) -> None:
    receipt = county.ask("education_aid")
    before = county.handoff(receipt, EDUCATION)
    assert (before["complete_due"], before["due_provisional"]) == (None, True), "no limit, and still found"
    import_years(county)
    look(county)
    after = county.handoff(receipt, EDUCATION)
    assert dues(after) == {"sign_in_due": due(1), "accept_due": due(0), "complete_due": None, "due_provisional": False}
    (said,) = rescheduled(county, receipt, before)
    moved = [name for name in DUES if after[name] != before[name]]  # none, but on the eve of a public holiday
    assert [name for name in DUES if name in said] == moved
    assert told(county).count((EDUCATION, Priority.BULK)) == bool(moved)


def test_a_time_that_becomes_earlier_is_named_as_such(county: County) -> None:
    import_years(county, off := next_weekdays(3))
    receipt = county.ask(ALLOWANCE)
    assert dues(county.handoff(receipt, TOWNSHIP)) == of_township(off)
    set_day(county, off[0], working=True)
    look(county)
    seen = county.handoff(receipt, TOWNSHIP)
    assert dues(seen) == of_township(off[1:])
    (said,) = rescheduled(county, receipt, seen)
    assert said["earlier"] == [name for name in DUES if due(TOWNSHIP_LIMITS[name], off) != seen[name]]
    assert "complete_due" in said["earlier"]


def test_a_corrected_day_moves_what_runs_over_it_and_nothing_else(county: County) -> None:
    import_years(county)
    receipt = county.ask(ALLOWANCE)
    (*_, far) = next_weekdays(8)
    village = dues(county.handoff(receipt, VILLAGE))
    set_day(county, far, working=False)
    look(county)
    assert dues(county.handoff(receipt, TOWNSHIP)) == of_township([far])
    assert dues(county.handoff(receipt, VILLAGE)) == village, "it is due before that day"
    assert told(county) == [(TOWNSHIP, Priority.BULK)]
    look(county)
    assert len(rescheduled(county, receipt, county.handoff(receipt, TOWNSHIP))) == 1


def test_an_extension_that_an_agency_was_granted_stays_whatever_the_calendar_says(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    township = county.handoff(receipt, TOWNSHIP)
    granted = due(40, holidays=False)
    county.told(township, "received", "accepted", "extended", approver="王", reason="核查", due_at=granted)
    import_years(county, off := next_weekdays(6))
    look(county)
    set_day(county, off[0], working=True)
    look(county)
    seen = county.handoff(receipt, TOWNSHIP)
    assert (seen["complete_due"], seen["due_provisional"]) == (granted, False)
    assert seen["sign_in_due"] == due(1, off[1:]), "what it was not granted is counted"
    assert "complete_due" not in {name for each in rescheduled(county, receipt, seen) for name in each}


def test_what_has_ended_or_waits_is_left_alone(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    county.complete(receipt, TOWNSHIP)
    done = county.handoff(receipt, TOWNSHIP)
    import_years(county, next_weekdays(3))
    look(county)
    assert county.handoff(receipt, TOWNSHIP) == done
    assert rescheduled(county, receipt, done) == []


def test_a_pass_that_was_cut_off_is_taken_up_by_the_next(county: County, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescheduling, "_BATCH", 1)
    receipts = [county.ask(ALLOWANCE) for _ in range(6)]
    off = next_weekdays(2)
    import_years(county, off)

    def certain() -> int:
        return sum(not county.handoff(each, TOWNSHIP)["due_provisional"] for each in receipts)

    look(county, stopped=True)
    assert certain() == 1, "one batch"
    assert fetch(county.running.url, select(calendar_change).where(calendar_change.c.settled_at.is_not(None))) == []
    look(county)
    assert certain() == 6
    for receipt in receipts:
        assert dues(seen := county.handoff(receipt, TOWNSHIP)) == of_township(off)
        assert len(rescheduled(county, receipt, seen)) == 1, "none is done twice"


def test_what_a_process_dispatched_by_the_calendar_of_before_is_found_by_a_second_pass(county: County) -> None:
    import_years(county)
    receipt = county.ask(ALLOWANCE)
    set_day(county, next_weekdays(1)[0], working=False)
    of_it = handoff.c.agency_code == TOWNSHIP
    (old,) = fetch(county.running.url, select(*(handoff.c[name] for name in DUES)).where(of_it))
    stale = update(handoff).where(of_it).values(**old)
    look(county)
    change(county.running.url, stale)
    later = now() + timedelta(minutes=4)
    look(county, later)
    assert dues(county.handoff(receipt, TOWNSHIP)) == of_township(next_weekdays(1))
    assert {row["settled_at"] for row in fetch(county.running.url, select(calendar_change))} == {later}
    change(county.running.url, stale)
    look(county, later)
    assert dues(county.handoff(receipt, TOWNSHIP)) == of_township(), "a change that is settled is looked at no more"


def test_a_subscriber_hears_of_it(county: County) -> None:
    answer = county.coordinator.post("/v1/subscriptions", json=subscription(types=["handoff.rescheduled"]))
    assert answer.status_code == 201, answer.text
    county.ask(ALLOWANCE)
    import_years(county, next_weekdays(2))
    look(county)
    subscriber = answer.json()["subscription_id"]
    assert [receiver for receiver, _ in told(county)].count(subscriber) == 2


def test_a_worker_does_it_by_itself(run_county: Callable[..., County]) -> None:
    county = run_county(embedded_worker=True)
    receipt = county.ask(ALLOWANCE)
    import_years(county, off := next_weekdays(2))
    until(lambda: dues(county.handoff(receipt, TOWNSHIP)) == of_township(off), what="the new due times")


def test_the_log_says_in_both_languages_that_the_calendar_ends(county: County, logged: list[Any]) -> None:
    look(county)
    (line,) = logged
    assert (line["event"], line["log_level"], line["known_until"]) == ("calendar_ends", "warning", str(today() - DAY))
    assert all("one-window calendar import" in line[language] for language in ("zh", "en"))
    import_years(county)
    look(county)
    assert logged == [line]


def test_the_log_says_so_once_a_day(logged: list[Any]) -> None:
    rescheduler = Rescheduler(None, None, None)  # type: ignore[arg-type]
    calendar = WorkingCalendar({date(2026, 12, 31): True}, date(2026, 12, 31))
    for day in (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 1), date(2026, 11, 2), date(2027, 1, 5)):
        rescheduler._warn(calendar, day)
    assert [each["event"] for each in logged] == ["calendar_ends"] * 3


def test_what_is_to_be_done_is_found_by_an_index(county: County) -> None:
    provisional = rescheduling._now_known(WorkingCalendar({}, today()))
    running = rescheduling._rests_on({"first_day": today(), "last_day": today()}, rescheduling._RUNNING[0])
    indexes = [(each, "ix_handoff_provisional") for each in provisional] + [(running, "ix_handoff_status_id")]

    async def plans(database: Database) -> list[str]:
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        async with database.engine.connect() as connection:
            if not database.is_sqlite:
                # A table of a few rows is read whole otherwise, or by its key; nothing of this is committed.
                for way in ("seqscan", "sort"):
                    await connection.execute(text(f"SET enable_{way} = off"))
                await connection.execute(text("ALTER TABLE handoff DROP CONSTRAINT pk_handoff CASCADE"))
            queries = (chosen.after(None).limit(250) for chosen, _ in indexes)
            literal = {"literal_binds": True}
            texts = [query.compile(database.engine.sync_engine, compile_kwargs=literal) for query in queries]
            return [str((await connection.exec_driver_sql(f"{explain} {each}")).all()) for each in texts]

    for (_, index), plan in zip(indexes, on(county.running.url, plans), strict=True):
        assert index in plan
