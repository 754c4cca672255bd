"""A clock that was an hour fast is set right under load: by libfaketime, which the service's processes alone see."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import or_, select

from app.identifiers import now
from app.tables import delivery
from tests.faults.accounts import never_in_two_hands, settle, wait_until_delivered
from tests.faults.clock import CAN_BE_SET, Clock
from tests.faults.fleet import Fleet
from tests.faults.sink import Sink
from tests.watching import fetch, until

HOUR = 3600


@pytest.mark.skipif(not CAN_BE_SET, reason="libfaketime is missing: apt-get install libfaketime")
def test_a_clock_that_is_set_back_loses_nothing_doubles_nothing_and_holds_up_nothing_new(
    fleet: Fleet, sink: Sink, tmp_path: Path
) -> None:
    clock = Clock(tmp_path / "clock")
    clock.set(HOUR)
    fleet.start(**clock.environment)
    load = fleet.load(reports=False, most=2_000)  # more than can be taken in before the step is seen
    load.wait_for(20)
    clock.set(0)

    def came_after_the_step() -> bool:
        arrived = {each.handoff for each in sink.received()}
        return any(
            all(each["handoff_id"] in arrived for each in receipt["handoffs"] if each["status"] == "dispatched")
            for receipt in load.receipts
            if receipt["registered_at"] < before
        )

    def nothing_is_in_hand() -> bool:
        at_hand = or_(delivery.c.claimed_by.is_not(None), delivery.c.due_at <= now())
        return not fetch(fleet.url, select(delivery.c.id).where(delivery.c.status == "pending", at_hand))

    before = load.receipts[0]["registered_at"]
    until(came_after_the_step, within=60, what="a message of a request that was taken in after the step")
    load.end()
    until(nothing_is_in_hand, within=180, what="an end of what is due: a step ahead ends the leases of what is in hand")
    clock.set(HOUR)  # what was due by the fast clock is due when that time comes
    wait_until_delivered(fleet.url)
    settled = settle(fleet.url, load, sink)
    assert settled.again <= settled.failed
    never_in_two_hands(settled.received)
