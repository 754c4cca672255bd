"""The table of moves, and what a request's status is made of."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hashchain import GENESIS, first_break
from app.lifecycle import (
    AGENCY_ACTS,
    ENDED,
    Act,
    HandoffStatus,
    RequestStatus,
    Standing,
    allowed,
    request_status,
    target,
)
from app.routing.rules import Role
from app.timeline import Case, Handoff

# design.md: waiting -> dispatched -> received -> in_progress <-> suspended -> completed; returned; cancelled.
TABLE = """
waiting      dispatched             -> dispatched
waiting      cancelled              -> cancelled
dispatched   received               -> received
dispatched   accepted               -> in_progress
dispatched   returned               -> returned
dispatched   cancelled              -> cancelled
received     accepted               -> in_progress
received     returned               -> returned
received     cancelled              -> cancelled
in_progress  information_requested  -> suspended
in_progress  suspended              -> suspended
in_progress  extended               -> in_progress
in_progress  returned               -> returned
in_progress  completed              -> completed
in_progress  cancelled              -> cancelled
suspended    resumed                -> in_progress
suspended    returned               -> returned
suspended    cancelled              -> cancelled
waiting      reassigned             -> cancelled
dispatched   reassigned             -> cancelled
received     reassigned             -> cancelled
in_progress  reassigned             -> cancelled
suspended    reassigned             -> cancelled
dispatched   dispatched             -> dispatched
received     dispatched             -> dispatched
in_progress  dispatched             -> dispatched
suspended    dispatched             -> dispatched
waiting      ruled                  -> dispatched
dispatched   ruled                  -> dispatched
received     ruled                  -> dispatched
in_progress  ruled                  -> dispatched
suspended    ruled                  -> dispatched
returned     ruled                  -> dispatched
returned     reopened               -> dispatched
completed    reopened               -> dispatched
cancelled    reopened               -> dispatched
returned     dispatched             -> dispatched
returned     cancelled              -> cancelled
cancelled    ruled                  -> dispatched
cancelled    dispatched             -> dispatched
dispatched   held                   -> waiting
received     held                   -> waiting
in_progress  held                   -> waiting
suspended    held                   -> waiting
"""
COORDINATORS = {"dispatched", "cancelled", "reassigned", "ruled", "reopened"}
OURS = COORDINATORS | {"held"}  # what no agency reports
MOVES = {(status, act): after for status, act, _, after in (line.split() for line in TABLE.strip().splitlines())}
ENDS = ("completed", "returned", "cancelled")
OPEN = tuple(status for status in HandoffStatus if status not in ENDS)
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
REQUEST = UUID(int=1)

statuses, acts = st.sampled_from(HandoffStatus), st.sampled_from(Act)
standings = st.builds(Standing, statuses, st.booleans(), st.booleans())


def standing(status: str, waits_for_applicant: bool = False, replaced: bool = False) -> Standing:
    return Standing(HandoffStatus(status), waits_for_applicant, replaced)


def a_case() -> Case:
    """A request with one handoff that waits."""
    handoff = Handoff(UUID(int=2), REQUEST, "legal_aid", "360803-justice", Role.LEAD, 1, True, 1, 117, AT)
    request = {
        "id": REQUEST,
        "status": "registered",
        "events": 0,
        "head": GENESIS,
        "sealed": b"",
        "emergency": None,
        "debts": 0,
        "closed_at": None,
    }
    request["decision"] = {"version": 1, "needs": [{"need": "legal_aid"}]}
    return Case(request=request, handoffs=[handoff], is_new=True)


@pytest.mark.parametrize(("status", "act"), list(itertools.product(HandoffStatus, Act)))
def test_an_act_moves_a_handoff_as_the_table_says_or_not_at_all(status: HandoffStatus, act: Act) -> None:
    assert target(status, act) == MOVES.get((status, act))


def test_what_has_ended_is_moved_by_a_coordinator_alone_and_what_is_completed_reopened_alone() -> None:
    assert set(ENDS) == ENDED
    for status in ENDED:
        assert {act for act in Act if target(status, act)} <= COORDINATORS
        assert allowed(status) == []
    assert [act for act in Act if target(HandoffStatus.COMPLETED, act)] == [Act.REOPENED]


def test_every_status_but_the_first_is_reached_and_every_open_one_can_end() -> None:
    reached, seen = {"waiting"}, set()
    while reached - seen:
        seen |= reached
        reached |= {after for (before, _), after in MOVES.items() if before in seen}
    assert reached == set(HandoffStatus)
    for status in OPEN:
        assert target(status, Act.CANCELLED) is HandoffStatus.CANCELLED


@pytest.mark.parametrize("status", HandoffStatus)
def test_only_what_an_agency_may_report_is_offered_to_it(status: HandoffStatus) -> None:
    of_agency = {act for (before, act) in MOVES if before == status} - OURS
    assert sorted(allowed(status)) == sorted(f"handoff.{act}" for act in of_agency)


def test_sending_cancelling_and_ruling_are_not_the_agencys_acts() -> None:
    assert set(Act) - AGENCY_ACTS == OURS


def test_a_request_that_nobody_handles_is_registered() -> None:
    assert request_status([]) is RequestStatus.REGISTERED


@pytest.mark.parametrize("other", HandoffStatus)
def test_a_return_that_found_no_other_agency_is_a_dispute_whatever_else_goes_on(other: HandoffStatus) -> None:
    assert request_status([standing(other, True), standing("returned")]) is RequestStatus.DISPUTED


def test_a_return_that_was_passed_on_is_no_dispute() -> None:
    passed_on = standing("returned", replaced=True)
    assert request_status([passed_on, standing("dispatched")]) is RequestStatus.ROUTED
    assert request_status([passed_on, standing("completed")]) is RequestStatus.CLOSED


@pytest.mark.parametrize("ends", [["completed"], ["cancelled"], ["completed", "cancelled"]], ids=str)
def test_a_request_is_closed_when_every_handoff_has_ended_and_not_before(ends: list[str]) -> None:
    assert request_status(map(standing, ends)) is RequestStatus.CLOSED
    for still_open in OPEN:
        assert request_status([*map(standing, ends), standing(still_open)]) is not RequestStatus.CLOSED


@pytest.mark.parametrize("other", OPEN)
def test_one_agency_that_waits_for_the_person_is_enough_to_ask_the_person(other: HandoffStatus) -> None:
    waiting = standing("suspended", waits_for_applicant=True)
    assert request_status([standing(other), waiting]) is RequestStatus.AWAITING_APPLICANT


def test_a_suspension_for_others_is_not_the_persons_to_end() -> None:
    assert request_status([standing("suspended")]) is RequestStatus.IN_PROGRESS


@pytest.mark.parametrize("signed", ["received", "in_progress", "completed"])
def test_a_request_is_in_progress_as_soon_as_one_agency_has_signed(signed: str) -> None:
    assert request_status([standing("dispatched"), standing("waiting"), standing(signed)]) is RequestStatus.IN_PROGRESS


@pytest.mark.parametrize("others", [["waiting"], ["dispatched"], ["waiting", "cancelled"]])
def test_a_request_that_nobody_has_signed_for_is_routed(others: list[str]) -> None:
    assert request_status([standing("dispatched"), *map(standing, others)]) is RequestStatus.ROUTED


@given(st.lists(standings, max_size=8), st.data())
def test_the_order_of_the_handoffs_does_not_matter(of_request: list[Standing], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(of_request))
    assert request_status(shuffled) is request_status(of_request)
    assert request_status(of_request) is not RequestStatus.WITHDRAWN


@given(st.lists(acts, max_size=30))
def test_no_sequence_of_acts_leaves_the_table(sequence: list[Act]) -> None:
    """Driven through the timeline, the only writer of a status: what the table forbids changes nothing."""
    case = a_case()
    (handoff,) = case.handoffs
    for act in sequence:
        before, told = handoff.status, case.request["events"]
        after = MOVES.get((before, act))
        if after is None:
            with pytest.raises(ValueError, match=f"{act} does not move a handoff that is {before}"):
                case.advance(handoff, act, AT, "system")
            assert (handoff.status, case.request["events"]) == (before, told)
        else:
            case.advance(handoff, act, AT, "system")
            assert (handoff.status, case.request["events"]) == (after, told + 1)
        assert handoff.is_open == (handoff.status in OPEN)
        assert (handoff.closed_at is None) == handoff.is_open


@given(st.lists(acts, max_size=30))
def test_every_move_leaves_an_event_in_an_unbroken_chain(sequence: list[Act]) -> None:
    case = a_case()
    (handoff,) = case.handoffs
    for act in sequence:
        if target(handoff.status, act):
            case.advance(handoff, act, AT, "system")
            case.settle(AT, "system")
    events = [row for rows in case.unit.inserts.values() for row in rows]
    moves = [each["data"] for each in events if each["kind"].startswith("handoff.")]
    assert [each["from"] for each in moves] == ["waiting", *(each["to"] for each in moves)][: len(moves)]
    assert first_break(events, case.request["head"]) is None
