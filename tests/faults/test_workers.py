"""Two, then eight workers at once on one backlog."""

from __future__ import annotations

import random
import time

import pytest

from app.tables import worker
from tests.faults import LONG
from tests.faults.accounts import never_in_two_hands, settle, wait_until_delivered
from tests.faults.fleet import Fleet
from tests.faults.sink import Sink
from tests.watching import count, until


@pytest.mark.parametrize("number", [2, 8])
def test_workers_at_once_on_one_backlog_never_hold_the_same_message(fleet: Fleet, sink: Sink, number: int) -> None:
    fleet.start_api().wait_until("/health/live", within=120)
    load = fleet.load(most=1000 if LONG else 60, doors=8).join()
    fleet.postpone()
    fleet.start_workers(number, delivery_lease_seconds=30)  # which nobody outlasts on a machine that is busy
    until(lambda: count(fleet.url, worker) == {"worker": number}, within=120, what="the workers")
    begun = len(sink.received())
    fleet.postpone(0)  # all of them see it at once
    until(lambda: len(sink.received()) > begun + 20, within=60, what="the first messages")
    time.sleep(random.uniform(0, 0.1))
    fleet.workers.pop().kill()
    fleet.count_orphaned()
    wait_until_delivered(fleet.url)
    settled = settle(fleet.url, load, sink)
    never_in_two_hands(settled.received)
    assert settled.again <= fleet.orphaned + settled.failed
