"""Who is called to a danger, in a request that agencies have been at work on: by a handoff of its own, or by the one that
it had of this need (docs/decisions/0012)."""

from __future__ import annotations

from app import gates
from app.desk import Desk
from app.handoffs import beside, dispatch, tell_emergency
from app.lifecycle import HandoffStatus
from app.returns import give, is_disputed, own
from app.routing.directory import Agency
from app.routing.rules import COORDINATOR, Role
from app.shown import whole_disclosure
from app.timeline import Case, Handoff


def call(case: Case, agency: Agency, part: Handoff, desk: Desk) -> None:
    """Give an agency its part of the danger, or the handoff that it had of this need out again. What it has completed
    stays so: it is told, and owes no answer; what nobody consented to is left alone."""
    mine = own(case, part.need, agency)
    if mine is None:
        case.open_more(part)
    elif mine.status is HandoffStatus.COMPLETED:
        tell_of_danger(case, mine, desk)
    elif not mine.is_open and not gates.holding_back(case, part, desk.snapshot, desk.at):
        if _is_taken(case, mine, part):
            part.role, part.mandatory = Role.CO_HANDLER, False
        _end_dispute(case, mine)
        case.take_part(mine, part)
        give(case, mine, agency, desk)


def tell_of_danger(case: Case, handoff: Handoff, desk: Desk) -> None:
    """An agency that has, or had, its part already; what it is shown stands in the event."""
    opened = gates.opened(case, handoff, desk.snapshot, desk.at)
    data = {"agency": handoff.agency_code, **whole_disclosure(case, handoff, opened, desk.snapshot)}
    case.record("emergency.told", desk.at, desk.actor, handoff_id=handoff.id, data=data)
    tell_emergency(case, handoff, opened, desk)


def _is_taken(case: Case, mine: Handoff, part: Handoff) -> bool:
    """Whether another agency does, or has done, what was once this one's: it then helps, and need not."""
    others = (each for each in case.of_need(mine.need) if each is not mine)
    active = [each for each in others if each.is_open or each.status is HandoffStatus.COMPLETED]
    return any(each.id == mine.replaced_by or each.role is part.role is Role.LEAD for each in active)


def _end_dispute(case: Case, mine: Handoff) -> None:
    """Whose it is can be disputed afterwards; it stays open where another's return is to be ruled on too."""
    if any(each is not mine and is_disputed(each) for each in case.of_need(mine.need)):
        return
    if dispute := case.disputes.pop(mine.need, None):
        dispute.withdraw(case.unit)


def call_coordinator(case: Case, need: str, desk: Desk) -> None:
    """Where nobody is left who would act on the danger, the county's coordinator finds somebody."""
    agency = desk.snapshot.directory.resolve(COORDINATOR, case.request["division_code"])
    other = next(iter(case.of_need(need) or case.handoffs), None)
    if agency is not None and other is not None and own(case, other.need, agency) is None:
        added = beside(other, agency, desk, role=Role.CO_HANDLER, mandatory=True)
        case.open_more(added)
        dispatch(case, added, desk)
