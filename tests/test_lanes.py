"""Who is served next, and what one endpoint may be sent now: the pure rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery.breaker import BreakerState, Gate
from app.delivery.lanes import Priority, choose, shares
from app.delivery.schedule import GIVE_UP_AFTER, wait_asked_for

LANES = st.sets(st.sampled_from([each for each in Priority if each is not Priority.EMERGENCY]), min_size=1)
DUE = st.dictionaries(
    st.tuples(st.sampled_from(Priority), st.sampled_from("abcdefgh")), st.integers(0, 9), min_size=1, max_size=20
)
AT = datetime(2026, 11, 24, 8, tzinfo=UTC)


@given(st.integers(8, 500), LANES)
def test_no_lane_starves_and_the_most_urgent_gets_the_most(room: int, lanes: set[Priority]) -> None:
    shared = shares(room, lanes)
    assert set(shared) == lanes
    assert min(shared.values()) >= 1
    assert sum(shared.values()) == room
    assert shared[min(lanes)] == max(shared.values())


@given(st.integers(1, 60), DUE)
def test_nobody_gets_more_than_may_be_sent_and_somebody_is_always_served(
    room: int, due: dict[tuple[Priority, str], int]
) -> None:
    wanted = choose(room, due, lambda receiver, lane: due[lane, receiver], reserve=5)
    assert all(0 < each.most <= due[each.lane, each.receiver] for each in wanted)
    assert len({(each.lane, each.receiver) for each in wanted}) == len(wanted)
    assert bool(wanted) == any(due.values())
    # Each lane has one message for itself, however little room there is.
    assert sum(each.most for each in wanted) <= room + 5 + len(Priority)


def test_emergencies_overtake_whatever_else_there_is() -> None:
    due = [(Priority.ORDINARY, "a"), (Priority.EMERGENCY, "z"), (Priority.BULK, "b")]
    first = choose(1, due, lambda receiver, lane: 50, reserve=4)[0]
    assert (first.lane, first.receiver, first.most) == (Priority.EMERGENCY, "z", 5)


def test_receivers_of_a_lane_share_it_evenly() -> None:
    due = [(Priority.ORDINARY, code) for code in "abcd"]
    wanted = choose(40, due, lambda receiver, lane: 2 if receiver == "b" else 100, reserve=4)
    assert [(each.receiver, each.most) for each in wanted] == [("a", 10), ("b", 2), ("c", 10), ("d", 10)]


def failing(times: int, at: float = 0.0) -> Gate:
    gate = Gate()
    for _ in range(times):
        gate.breaker.failed(at)
    return gate


def test_the_breaker_opens_after_five_failures_in_a_row_and_lets_one_probe_through() -> None:
    assert failing(4).allowance(0, 8, None) == 8
    gate = failing(5)
    assert gate.breaker.state(14.9) is BreakerState.OPEN
    assert gate.allowance(14.9, 8, None) == 0
    assert gate.breaker.state(15) is BreakerState.HALF_OPEN
    assert gate.allowance(15, 8, None) == 1
    gate.began(15, None)
    assert gate.allowance(15, 8, None) == 0, "one probe at a time"
    gate.breaker.succeeded()
    assert gate.breaker.state(15) is BreakerState.CLOSED


def test_each_failed_probe_doubles_the_rest_up_to_five_minutes() -> None:
    pauses = [failing(times).breaker.open_until for times in range(5, 12)]
    assert pauses == [15, 30, 60, 120, 240, 300, 300]


def test_emergencies_are_tried_where_all_else_hangs_and_the_breaker_is_open() -> None:
    gate = failing(9)
    assert gate.allowance(1, 8, None) == 0
    gate.in_flight = 8
    for left in (2, 1):
        assert gate.allowance(1, 8, None, urgent=True) == left
        gate.began(1, None, urgent=True)
    assert gate.allowance(1, 8, None, urgent=True) == 0
    gate.ended(urgent=True)
    assert gate.allowance(1, 8, None, urgent=True) == 1


def test_the_rate_is_a_second_s_worth_at_most_and_is_refilled_as_time_passes() -> None:
    gate = Gate()
    for _ in range(3):
        assert gate.allowance(10.0, 8, 3) > 0
        gate.began(10.0, 3)
    assert gate.allowance(10.0, 8, 3) == 0
    assert gate.opens_at(10.0, 3) == pytest.approx(10 + 1 / 3)
    assert gate.allowance(10.34, 8, 3) == 1
    gate.in_flight = 0
    assert gate.allowance(99, 8, 3) == 3


def test_who_asked_for_rest_gets_it() -> None:
    gate = Gate(rests_until=20)
    assert gate.allowance(19, 8, None) == 0
    assert gate.opens_at(12, None) == 20
    assert gate.allowance(20, 8, None) == 8


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        ("0", 0),
        ("Tue, 24 Nov 2026 08:01:00 GMT", 60),
        ("Tue, 24 Nov 2026 07:00:00 GMT", 0),
        ("99999999999999999999", GIVE_UP_AFTER.total_seconds()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", GIVE_UP_AFTER.total_seconds()),
        ("soon", None),
        ("-5", None),
        ("１２", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, wait: float | None) -> None:
    expected = None if wait is None else timedelta(seconds=wait)
    assert wait_asked_for(header, AT) == expected
