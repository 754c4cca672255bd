"""The clocks (计时) of a handoff: which run, what stops one, who has to be told when. In memory; nothing is stored here.

All three start at the dispatch. Sign-in ends when the agency signs for it or accepts it, acceptance when it accepts,
completion when it has ended. Only the completion clock can stand: while the handoff is suspended. The resident's own
clock, from the registration, never does.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.deadlines import Limit, LimitKind, china_day, due, moved_on
from app.lifecycle import Clock, HandoffStatus
from app.registry import Snapshot
from app.routing.rules import Role, Rule
from app.timeline import Handoff


class Step(StrEnum):
    """In the order of their gravity. `RESUME`: a suspension has lasted as long as it may."""

    REMIND = "remind"
    URGE = "urge"
    SUPERVISE = "supervise"
    RESUME = "resume"


class Planned(NamedTuple):
    at: datetime
    clock: Clock
    step: Step


RUN = {
    HandoffStatus.DISPATCHED: tuple(Clock),
    HandoffStatus.RECEIVED: (Clock.ACCEPTANCE, Clock.COMPLETION),
    HandoffStatus.IN_PROGRESS: (Clock.COMPLETION,),
}
_GRAVITY = list(Step)


def rule_of(handoff: Handoff, snapshot: Snapshot) -> Rule:
    return snapshot.tables[handoff.routing_version].by_number[handoff.rule_number]


def start(handoff: Handoff, at: datetime, snapshot: Snapshot) -> None:
    """It is dispatched: each clock for which its rule has a limit runs."""
    rule = rule_of(handoff, snapshot)
    limits = (rule.sign_in_limit, rule.accept_limit, rule.complete_limit)
    ends = [due(at, limit, snapshot.calendar) if limit else None for limit in limits]
    handoff.dispatched_at = handoff.next_look_at = at
    handoff.sign_in_due, handoff.accept_due, handoff.complete_due = (each.at if each else None for each in ends)
    handoff.promised_due = handoff.complete_due
    handoff.due_provisional = any(each is not None and each.provisional for each in ends)


def stop(handoff: Handoff, waits_for: str, at: datetime) -> None:
    """The completion clock stands from `at`, until the handoff is resumed."""
    handoff.suspended_for, handoff.suspended_at = waits_for, at


def run_again(handoff: Handoff, at: datetime, snapshot: Snapshot) -> None:
    """A suspended handoff goes on at `at`: what was left of its completion clock is counted again from then."""
    if handoff.suspended_at is None:
        return
    if waited_for := handoff.suspended_for:
        days = snapshot.calendar.working_days(china_day(handoff.suspended_at), china_day(at))
        stood = dict(handoff.stood or {})
        handoff.stood = {**stood, waited_for: stood.get(waited_for, 0) + days}
    if handoff.complete_due is None:
        return
    limit = rule_of(handoff, snapshot).complete_limit
    kind = limit.kind if limit else LimitKind.WORKING_DAYS
    moved = moved_on(handoff.complete_due, kind, handoff.suspended_at, at, snapshot.calendar)
    handoff.complete_due, handoff.due_provisional = moved.at, moved.provisional


def extend(handoff: Handoff, due_at: datetime) -> None:
    handoff.complete_due, handoff.due_provisional = due_at, False
    handoff.extensions += 1


def suspended_until(handoff: Handoff, snapshot: Snapshot) -> datetime | None:
    """When a suspended handoff goes on by itself; None for one that is not suspended. The limit of each reason is for
    all its suspensions together: who suspends again gets what is left of it."""
    if handoff.suspended_at is None or handoff.suspended_for is None:
        return None
    left = snapshot.pace.suspensions[handoff.suspended_for] - (handoff.stood or {}).get(handoff.suspended_for, 0)
    return due(handoff.suspended_at, Limit(LimitKind.WORKING_DAYS, max(left, 0)), snapshot.calendar).at


def suspended_days(handoff: Handoff) -> int:
    """For how many working days its completion clock has stood, before the suspension that there may be now."""
    return sum((handoff.stood or {}).values())


def running(handoff: Handoff) -> list[tuple[Clock, datetime]]:
    """The clocks that run, each with its due time. Who is only informed owes no answer, and has none."""
    if handoff.role is Role.INFORMED:
        return []
    due_at = {
        Clock.SIGN_IN: handoff.sign_in_due,
        Clock.ACCEPTANCE: handoff.accept_due,
        Clock.COMPLETION: handoff.complete_due,
    }
    return [(clock, at) for clock in RUN.get(handoff.status, ()) if (at := due_at[clock]) is not None]


def overdue(handoff: Handoff, at: datetime) -> list[tuple[Clock, datetime]]:
    """The clocks that run though their due time is past, each with that time."""
    return [(clock, due_at) for clock, due_at in running(handoff) if due_at < at]


def due_steps(handoff: Handoff, snapshot: Snapshot, at: datetime) -> list[Planned]:
    """What has to be done before `at` and was not yet: of each clock the gravest step alone."""
    since = handoff.next_look_at
    if since is None:
        return []
    gravest: dict[Clock, Planned] = {}
    for each in _plan(handoff, snapshot):
        if since <= each.at < at:
            gravest[each.clock] = max(each, gravest.get(each.clock, each), key=lambda one: _GRAVITY.index(one.step))
    return list(gravest.values())


def set_next_look(handoff: Handoff, snapshot: Snapshot, at: datetime) -> None:
    """Whatever was changed by `at`: what was planned before the last look is done, the rest is still to be done."""
    since = min(handoff.next_look_at or at, at)
    handoff.first_due = min((due_at for _, due_at in running(handoff)), default=None)
    handoff.next_look_at = min((each.at for each in _plan(handoff, snapshot) if each.at >= since), default=None)


def _plan(handoff: Handoff, snapshot: Snapshot) -> list[Planned]:
    if until := suspended_until(handoff, snapshot):
        return [Planned(until, Clock.COMPLETION, Step.RESUME)]
    if not (ends := running(handoff)):
        return []
    opening, pace, rule = snapshot.calendar.opening, snapshot.pace, rule_of(handoff, snapshot)
    limits = {
        Clock.SIGN_IN: rule.sign_in_limit,
        Clock.ACCEPTANCE: rule.accept_limit,
        Clock.COMPLETION: rule.complete_limit,
    }
    plan = []
    for clock, due_at in ends:
        limit = limits[clock]
        # Where hours count, nobody waits for the next morning.
        urged_at = due_at if limit and limit.kind is LimitKind.HOURS else opening(due_at, 1)
        plan.append(Planned(opening(due_at, -pace.remind_before), clock, Step.REMIND))
        plan.append(Planned(urged_at, clock, Step.URGE))
        plan.append(Planned(opening(due_at, pace.supervise_after), clock, Step.SUPERVISE))
    return plan
