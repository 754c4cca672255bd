"""The clocks (计时) of a handoff: which run, what stops one, who has to be told when. In memory; nothing is stored here.

All three start at the dispatch. Sign-in ends when the agency signs for it or accepts it, acceptance when it accepts,
completion when it has ended. Only the completion clock can stand: while the handoff is suspended. The resident's own
clock, from the registration, never does.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from app.deadlines import Due, Limit, LimitKind, china_day, due, moved_on
from app.identifiers import utc_text
from app.lifecycle import Clock, HandoffStatus
from app.problems import Text
from app.registry import Snapshot
from app.routing.rules import Role, Rule
from app.timeline import Clocks, Handoff


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
_PLANNED_FOR = frozenset({*RUN, HandoffStatus.SUSPENDED})
_GRAVITY = list(Step)
_LAST_YEAR = 2200


def rule_of(handoff: Handoff, snapshot: Snapshot) -> Rule:
    return snapshot.tables[handoff.routing_version].by_number[handoff.rule_number]


def start(handoff: Handoff, at: datetime, snapshot: Snapshot) -> None:
    """It is dispatched: each clock for which its rule has a limit runs."""
    handoff.dispatched_at = handoff.next_look_at = at
    handoff.extended_until = handoff.stood = handoff.sign_in_by = None  # of an earlier time, if it is given out again
    handoff.set_clocks(current(handoff, snapshot))
    handoff.promised_due = handoff.complete_due


def clear(handoff: Handoff) -> None:
    """It is not its agency's any more: no clock runs, until it is dispatched anew."""
    handoff.extended_until = handoff.stood = handoff.sign_in_by = handoff.promised_due = handoff.first_due = None
    handoff.set_clocks(Clocks(None, None, None, False))


def current(handoff: Handoff, snapshot: Snapshot) -> Clocks:
    """When a dispatched handoff is due by its rule, by what it was granted, by how long its completion clock stood, and by
    the calendar as it is known now."""
    assert handoff.dispatched_at is not None
    rule, calendar = rule_of(handoff, snapshot), snapshot.calendar
    limits = (rule.sign_in_limit, rule.accept_limit, rule.complete_limit)
    sign_in, accept, complete = (due(handoff.dispatched_at, each, calendar) if each else None for each in limits)
    if handoff.sign_in_by is not None and (sign_in is None or handoff.sign_in_by < sign_in.at):
        sign_in = Due(handoff.sign_in_by, False)
    if handoff.extended_until is not None:
        complete = Due(handoff.extended_until, False)
    kind = rule.complete_limit.kind if rule.complete_limit else LimitKind.WORKING_DAYS
    for _, stopped, again, moves in handoff.stood or ():
        if complete is not None and moves:
            between = datetime.fromisoformat(stopped), datetime.fromisoformat(again)
            complete = moved_on(complete.at, kind, *between, calendar)
    ends = (complete,) if handoff.extended_until else (sign_in, accept, complete)
    provisional = any(each is not None and each.provisional for each in ends)
    sign_in_due, accept_due, complete_due = (each.at if each else None for each in (sign_in, accept, complete))
    return Clocks(sign_in_due, accept_due, complete_due, provisional)


def hasten(handoff: Handoff, at: datetime, snapshot: Snapshot) -> None:
    """It must be signed for by `at`, though its rule may give more time: it is an emergency."""
    handoff.sign_in_by = at
    handoff.set_clocks(current(handoff, snapshot))


def stop(handoff: Handoff, waits_for: str, at: datetime) -> None:
    """The completion clock stands from `at`, until the handoff is resumed."""
    handoff.suspended_for, handoff.suspended_at = waits_for, at


def run_again(handoff: Handoff, at: datetime, snapshot: Snapshot) -> None:
    """A suspended handoff goes on at `at`: what was left of its completion clock is counted again from then."""
    if handoff.suspended_at is not None and handoff.suspended_for is not None:
        stand = (handoff.suspended_for, handoff.suspended_at.isoformat(), at.isoformat(), True)
        handoff.stood = [*(handoff.stood or ()), stand]
        handoff.set_clocks(current(handoff, snapshot))


def extension_fault(handoff: Handoff, due_at: datetime, at: datetime) -> tuple[str, Text] | None:
    """What is wrong with a new limit, by a word and a sentence."""
    if due_at <= at:
        return "due_at_past", Text("新期限已经过去。", "The new limit is past already.")
    if due_at.year > _LAST_YEAR:
        text = Text(f"年份不得晚于 {_LAST_YEAR}。", f"The year must be {_LAST_YEAR} or earlier.")
        return "implausible_time", text
    if handoff.complete_due is not None and due_at <= handoff.complete_due:
        until = utc_text(handoff.complete_due)
        text = Text(
            f"期限只能往后延;现在的期限是 {until}。", f"A limit is moved to later only; the present one is {until}."
        )
        return "due_at_not_later", text
    return None


def extend(handoff: Handoff, due_at: datetime, at: datetime) -> None:
    """What was granted holds whatever the rule and the calendar say; what it stands from `at` on moves it."""
    if handoff.suspended_at is not None and handoff.suspended_for is not None:
        stand = (handoff.suspended_for, handoff.suspended_at.isoformat(), at.isoformat(), False)
        handoff.stood, handoff.suspended_at = [*(handoff.stood or ()), stand], at
    handoff.complete_due = handoff.extended_until = due_at
    handoff.due_provisional = False
    handoff.stood = [(waits_for, stopped, again, False) for waits_for, stopped, again, _ in handoff.stood or ()]
    handoff.extensions += 1


def suspended_until(handoff: Handoff, snapshot: Snapshot) -> datetime | None:
    """When a suspended handoff goes on by itself; None for one that is not suspended. The limit of each reason is for
    all its suspensions together: who suspends again gets what is left of it."""
    if handoff.suspended_at is None or handoff.suspended_for is None:
        return None
    left = snapshot.pace.suspensions[handoff.suspended_for] - suspended_days(handoff, snapshot, handoff.suspended_for)
    return due(handoff.suspended_at, Limit(LimitKind.WORKING_DAYS, max(left, 0)), snapshot.calendar).at


def suspended_days(handoff: Handoff, snapshot: Snapshot, waits_for: str | None = None) -> int:
    """For how many working days its completion clock has stood, or of these for one reason, before the suspension that
    there may be now."""
    if not handoff.stood:
        return 0
    return sum(
        snapshot.calendar.working_days(
            china_day(datetime.fromisoformat(stopped)), china_day(datetime.fromisoformat(again))
        )
        for reason, stopped, again, _ in handoff.stood
        if waits_for in (None, reason)
    )


def running(handoff: Handoff) -> list[tuple[Clock, datetime]]:
    """The clocks that run, each with its due time. Who is only informed owes no answer, and has none."""
    clocks = RUN.get(handoff.status)
    if clocks is None or handoff.role is Role.INFORMED:
        return []
    due_at = {
        Clock.SIGN_IN: handoff.sign_in_due,
        Clock.ACCEPTANCE: handoff.accept_due,
        Clock.COMPLETION: handoff.complete_due,
    }
    return [(clock, at) for clock in clocks if (at := due_at[clock]) is not None]


def overdue(handoff: Handoff, at: datetime) -> list[tuple[Clock, datetime]]:
    """The clocks that run though their due time is past, each with that time."""
    return [(clock, due_at) for clock, due_at in running(handoff) if due_at < at]


def due_steps(handoff: Handoff, snapshot: Snapshot, at: datetime) -> list[Planned]:
    """What has to be done before `at` and was not yet: of each clock the gravest step alone."""
    since = handoff.next_look_at
    if since is None:
        return []
    gravest: dict[Clock, Planned] = {}
    for each in map(Planned._make, _plan(handoff, running(handoff), snapshot)):
        if since <= each.at < at:
            gravest[each.clock] = max(each, gravest.get(each.clock, each), key=lambda one: _GRAVITY.index(one.step))
    return list(gravest.values())


def set_next_look(handoff: Handoff, snapshot: Snapshot, at: datetime) -> None:
    """Whatever was changed by `at`: what was planned before the last look is done, the rest is still to be done."""
    if handoff.waits_for_consent:  # it has no clock, but somebody should look at it one day
        handoff.first_due = handoff.first_due or snapshot.calendar.opening(at, snapshot.pace.supervise_after)
        handoff.next_look_at = None
    elif handoff.status in _PLANNED_FOR:
        since = min(handoff.next_look_at or at, at)
        ends = running(handoff)
        handoff.first_due = min([due_at for _, due_at in ends], default=None)
        moments = [moment for moment, _, _ in _plan(handoff, ends, snapshot) if moment >= since]
        handoff.next_look_at = min(moments, default=None)
    else:
        handoff.first_due = handoff.next_look_at = None


def _plan(
    handoff: Handoff, ends: list[tuple[Clock, datetime]], snapshot: Snapshot
) -> list[tuple[datetime, Clock, Step]]:
    """Whatever is to be done of it, as `Planned` says it; `ends`: its clocks that run."""
    if until := suspended_until(handoff, snapshot):
        return [(until, Clock.COMPLETION, Step.RESUME)]
    if not ends:
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
        at_once = due_at == handoff.sign_in_by or (limit is not None and limit.kind is LimitKind.HOURS)
        urged_at = due_at if at_once else opening(due_at, 1)
        plan.append((opening(due_at, -pace.remind_before), clock, Step.REMIND))
        plan.append((urged_at, clock, Step.URGE))
        plan.append((opening(due_at, pace.supervise_after), clock, Step.SUPERVISE))
    return plan
