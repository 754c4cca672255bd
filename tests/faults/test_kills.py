"""`kill -9` of the API, of the worker, of both, at random moments under load; SIGTERM under load."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults import LONG
from tests.faults.accounts import never_in_two_hands, settle, wait_until_delivered
from tests.faults.fleet import Fleet
from tests.faults.sink import Sink

VICTIMS = ("api", "worker", "both")
SERIES = [[victim] * 20 for victim in VICTIMS] if LONG else [list(VICTIMS)]


@pytest.mark.parametrize("victims", SERIES, ids=lambda victims: f"{len(victims)}-{victims[0]}")
def test_kills_at_random_moments_lose_nothing_and_double_no_more_than_the_leases_they_orphan(
    fleet: Fleet, sink: Sink, victims: list[str]
) -> None:
    fleet.start()
    load = fleet.load()
    load.wait_for(20)
    for victim in random.sample(victims, len(victims)):
        time.sleep(random.uniform(0, 0.5))  # that is: at any moment of a submission or an attempt
        if victim != "worker":
            fleet.kill_api()
            fleet.start_api()
        if victim != "api":
            fleet.kill_workers()
            fleet.start_workers()
        load.wait_for(len(load.receipts) + 20)
    load.end()
    assert load.repeated or fleet.orphaned, "the kills came in the middle of something"
    wait_until_delivered(fleet.url)
    settled = settle(fleet.url, load, sink)
    assert settled.again <= fleet.orphaned + settled.failed
    never_in_two_hands(settled.received)


def test_told_to_stop_under_load_it_loses_nothing_and_doubles_nothing(fleet: Fleet, sink: Sink) -> None:
    fleet.start()
    load = fleet.load()
    load.wait_for(20)
    for _ in range(10 if LONG else 1):
        time.sleep(random.uniform(0, 0.3))
        fleet.stop()
        fleet.start()
        load.wait_for(len(load.receipts) + 20)
    load.end()
    assert load.repeated, "it was told to stop in the middle of something"
    wait_until_delivered(fleet.url)
    settled = settle(fleet.url, load, sink)
    assert settled.again <= settled.failed, "what was claimed was sent or given back"
