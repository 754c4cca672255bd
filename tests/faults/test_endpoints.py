"""Endpoints that fail: each in its own way at once, or all of them for an hour."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.tables import delivery, delivery_attempt, worker
from tests import serving
from tests.faults import LONG
from tests.faults.accounts import never_in_two_hands, settle, wait_until_delivered
from tests.faults.clock import CAN_BE_SET, Clock
from tests.faults.fleet import Fleet
from tests.faults.load import Load
from tests.faults.sink import LATE_SECONDS, Sink
from tests.watching import fetch, until

BAD_MANNERS = ("hang", "half", "reset", "huge", "late")
HOUR = timedelta(hours=1)
STEP = 60 if LONG else 400  # seconds


def test_endpoints_that_hang_answer_half_reset_flood_or_answer_too_late_get_every_message(
    fleet: Fleet, sink: Sink
) -> None:
    fleet.start(delivery_total_seconds=LATE_SECONDS / 3)
    (first,) = fleet.load(most=1, doors=1).join().receipts
    manners = dict(zip((each["agency"] for each in first["handoffs"]), BAD_MANNERS, strict=True))
    for agency, manner in manners.items():
        sink.behave(agency, manner)
    load = fleet.load(most=60 if LONG else 12).join()
    flooded = next(agency for agency, manner in manners.items() if manner == "huge")
    tried = select(delivery.c.receiver).join(delivery_attempt, delivery_attempt.c.delivery_id == delivery.c.id)
    for agency in manners.keys() - {flooded}:
        failed = tried.where(delivery.c.receiver == agency, delivery_attempt.c.fault.is_not(None))
        until(lambda failed=failed: fetch(fleet.url, failed), within=60, what=f"a failure of {manners[agency]}")
    taken = select(delivery.c.id).where(delivery.c.receiver == flooded, delivery.c.status != "delivered")
    until(lambda: not fetch(fleet.url, taken), within=240, what="what was answered with 10 MB")
    fleet.kill_workers()  # with their circuit breakers
    for agency in manners:
        sink.behave(agency, "take")
    fleet.postpone(0)
    fleet.start_workers()
    wait_until_delivered(fleet.url)
    load.receipts.append(first)
    load.reported.append(first["handoffs"][0]["handoff_id"])
    settled = settle(fleet.url, load, sink)
    assert settled.again, "what was answered too late came again"
    assert settled.again <= fleet.orphaned + settled.failed


@pytest.mark.skipif(not CAN_BE_SET, reason="libfaketime is missing: apt-get install libfaketime")
def test_endpoints_that_are_down_for_an_hour_get_every_message_when_they_are_back(
    database_url: str, sink: Sink, tmp_path: Path
) -> None:
    """An hour of the service's own time: libfaketime sets its clocks, and nobody else's, ahead step by step. Between two
    steps they are as fast as ours: however slow the machine, no limit of time is shorter than it says."""
    clock = Clock(tmp_path / "clock", all_of_them=True)
    secrets = serving.set_endpoints(database_url, sink.endpoint)
    settings = {"delivery_total_seconds": 120, "delivery_lease_seconds": 3600, "poll_seconds": 0.2}
    service = serving.Service(database_url, log=tmp_path / "log", **settings, **clock.environment)
    steps = itertools.count(STEP, STEP)

    def later() -> timedelta:
        """By a step; how much later than the first try of all it is then."""
        before = fetch(database_url, select(worker.c.seen_at))
        clock.set(next(steps))
        until(lambda: fetch(database_url, select(worker.c.seen_at)) != before, what="a sign of the worker's life")
        first_try, seen_at = func.min(delivery_attempt.c.started_at), func.max(worker.c.seen_at)
        (hands,) = fetch(database_url, select(first_try.label("began"), select(seen_at).scalar_subquery().label("at")))
        return hands["at"] - hands["began"]

    try:
        service.wait_until()
        sink.stop()
        load = Load([service.address], database_url, secrets, most=20, reports=False).join()
        until(lambda: fetch(database_url, select(delivery_attempt.c.id)), what="a first try")
        while later() <= HOUR:
            pass
        assert {each["status"] for each in fetch(database_url, select(delivery.c.status))} == {"pending"}
        faults = {each["fault"] for each in fetch(database_url, select(delivery_attempt.c.fault))}
        assert faults <= {"unreachable", "timeout"}, "a step may end what is under way"
        sink.start()
        waiting = select(delivery.c.id).where(delivery.c.status != "delivered")
        until(lambda: later() and not fetch(database_url, waiting), within=240, what="an end of what waits")
    finally:
        service.stop()
    settled = settle(database_url, load, sink)
    assert settled.again <= settled.failed
    never_in_two_hands(settled.received)
