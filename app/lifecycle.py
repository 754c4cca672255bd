"""The one table of moves: which callback or act takes a handoff from which status to which; pure.

waiting 待转办 -> dispatched 已转办 -> received 签收 -> in_progress 办理中 <-> suspended 中止计时 -> completed 办结
returned 退回 and cancelled 撤销 end a handoff too, unless a coordinator gives it out again; so may what is completed be,
when the person says that it is not solved (重办).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class HandoffStatus(StrEnum):
    WAITING = "waiting"  # opened, its step not reached
    DISPATCHED = "dispatched"  # waiting -> sent to its agency, clocks run
    RECEIVED = "received"  # dispatched -> the agency signed for it
    IN_PROGRESS = "in_progress"  # received -> the agency works on it
    SUSPENDED = "suspended"  # in_progress -> waits for somebody, completion clock stands
    COMPLETED = "completed"  # in_progress -> has an outcome
    RETURNED = "returned"  # any open -> not this agency's duty
    CANCELLED = "cancelled"  # any open -> withdrawn, replaced or stopped


class RequestStatus(StrEnum):
    REGISTERED = "registered"  # taken in, nobody found to handle it yet: a coordinator must look
    ROUTED = "routed"  # registered -> handed off, nobody has signed yet
    IN_PROGRESS = "in_progress"  # routed -> at least one agency has signed
    AWAITING_APPLICANT = "awaiting_applicant"  # in_progress <-> an agency waits for the person
    DISPUTED = "disputed"  # a return that found no other agency: a coordinator must rule
    CLOSED = "closed"  # every handoff has ended
    WITHDRAWN = "withdrawn"  # the person took it back


class Act(StrEnum):
    """What moves a handoff; those of an agency arrive as callbacks `handoff.<act>`."""

    DISPATCHED = "dispatched"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    INFORMATION_REQUESTED = "information_requested"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RETURNED = "returned"
    EXTENDED = "extended"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REASSIGNED = "reassigned"  # to another agency, by the coordinator
    RULED = "ruled"  # to this agency, by the coordinator
    REOPENED = "reopened"  # given out again, by the coordinator, since the person says that it is not solved
    HELD = "held"  # taken back until a consent that is not in force any more is given again


class DisputeState(StrEnum):
    OPEN = "open"  # a coordinator must rule
    RULED = "ruled"  # open -> whose it is, or that nobody has to do it
    WITHDRAWN = "withdrawn"  # open -> the person took the request back, or an emergency needs the agency at once


class Solved(StrEnum):
    """What a person answers when a request was closed: was your problem solved?"""

    YES = "yes"
    PARTLY = "partly"
    NO = "no"


class ReopeningState(StrEnum):
    OPEN = "open"  # the person is not content: a coordinator must rule
    REOPENED = "reopened"  # open -> handled again
    DECLINED = "declined"  # open -> not handled again, and the person is told why


class Clock(StrEnum):
    """What an agency is given time for; all three run from the dispatch."""

    SIGN_IN = "sign_in"  # until it is received or accepted
    ACCEPTANCE = "acceptance"  # until it is accepted
    COMPLETION = "completion"  # until it has ended; stands while it is suspended


H = HandoffStatus
_HELD = {Act.HELD: H.WAITING}
_BY_COORDINATOR = {
    Act.DISPATCHED: H.DISPATCHED,  # it takes another agency's part over
    Act.CANCELLED: H.CANCELLED,
    Act.REASSIGNED: H.CANCELLED,
    Act.RULED: H.DISPATCHED,
}
MOVES: dict[HandoffStatus, dict[Act, HandoffStatus]] = {
    H.WAITING: {**_BY_COORDINATOR},
    H.DISPATCHED: {
        Act.RECEIVED: H.RECEIVED,
        Act.ACCEPTED: H.IN_PROGRESS,
        Act.RETURNED: H.RETURNED,
        **_BY_COORDINATOR,
        **_HELD,
    },
    H.RECEIVED: {Act.ACCEPTED: H.IN_PROGRESS, Act.RETURNED: H.RETURNED, **_BY_COORDINATOR, **_HELD},
    H.IN_PROGRESS: {
        Act.INFORMATION_REQUESTED: H.SUSPENDED,
        Act.SUSPENDED: H.SUSPENDED,
        Act.EXTENDED: H.IN_PROGRESS,
        Act.RETURNED: H.RETURNED,
        Act.COMPLETED: H.COMPLETED,
        **_BY_COORDINATOR,
        **_HELD,
    },
    H.SUSPENDED: {Act.RESUMED: H.IN_PROGRESS, Act.RETURNED: H.RETURNED, **_BY_COORDINATOR, **_HELD},
    H.COMPLETED: {Act.REOPENED: H.DISPATCHED},
    # A ruling, or a reassignment back, gives the same handoff out again: an agency has one for each need.
    H.RETURNED: {
        Act.DISPATCHED: H.DISPATCHED,
        Act.RULED: H.DISPATCHED,
        Act.REOPENED: H.DISPATCHED,
        Act.CANCELLED: H.CANCELLED,
    },
    H.CANCELLED: {Act.DISPATCHED: H.DISPATCHED, Act.RULED: H.DISPATCHED, Act.REOPENED: H.DISPATCHED},
}
AGENCY_ACTS = frozenset(Act) - {*_BY_COORDINATOR, *_HELD, Act.REOPENED}
ENDED = frozenset({H.COMPLETED, H.RETURNED, H.CANCELLED})
SIGNED_FOR = frozenset({H.RECEIVED, H.IN_PROGRESS, H.SUSPENDED, H.COMPLETED})


def target(status: HandoffStatus, act: Act) -> HandoffStatus | None:
    """Where `act` takes a handoff that is in `status`; None when the move is forbidden."""
    return MOVES[status].get(act)


def allowed(status: HandoffStatus) -> list[str]:
    """The callback types an agency may send for a handoff in `status`."""
    return [f"handoff.{act}" for act in MOVES[status] if act in AGENCY_ACTS]


class Standing(NamedTuple):
    """What a request's status depends on, of one handoff."""

    status: HandoffStatus
    waits_for_applicant: bool
    replaced: bool


def request_status(handoffs: Iterable[Standing], unled: bool = False, owed: bool = False) -> RequestStatus:
    """The status of a request that has these handoffs and was not withdrawn; `unled` when there is a need whose result
    nobody answers for: it is not routed before somebody does, and never closed; `owed` while something is owed that no
    handoff stands for: it is not closed before."""
    nobody, ended, waits, signed_for = True, True, False, False
    for status, waits_for_applicant, replaced in handoffs:
        if status is H.RETURNED and not replaced:
            return RequestStatus.DISPUTED
        nobody = False
        ended = ended and status in ENDED
        waits = waits or waits_for_applicant
        signed_for = signed_for or status in SIGNED_FOR
    if nobody or (ended and unled):
        return RequestStatus.REGISTERED
    if ended:
        return RequestStatus.IN_PROGRESS if owed else RequestStatus.CLOSED
    if waits:
        return RequestStatus.AWAITING_APPLICANT
    if signed_for:
        return RequestStatus.IN_PROGRESS
    return RequestStatus.REGISTERED if unled else RequestStatus.ROUTED
