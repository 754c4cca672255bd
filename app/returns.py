"""Returns (退回): passed on once, to the department that the first of them names; whatever else is a coordinator's."""

from __future__ import annotations

from typing import Any

from app.desk import Desk
from app.disputes import Dispute, Why
from app.handoffs import Given, beside, dispatch
from app.lifecycle import Act, HandoffStatus
from app.routing.directory import Agency
from app.routing.rules import Role
from app.timeline import Case, Handoff

# Another agency may mend these by taking it; of the others a coordinator must judge.
_ANOTHER_MAY_TAKE_IT = frozenset({"not_my_duty", "wrong_area"})


def pass_on(case: Case, returned: Handoff, suggested_department: str | None, desk: Desk) -> None:
    """A first return goes to the agency of the department that it names; else it is disputed, joins what is disputed
    already, or ends with the part of one that merely assists: nobody has to take that."""
    agency = _taker(case, returned, suggested_department, desk)
    if isinstance(agency, Agency):
        give(case, returned, agency, desk)
    elif returned.mandatory and returned.role is not Role.INFORMED:
        _dispute(case, returned, agency, desk)


def _taker(case: Case, returned: Handoff, department: str | None, desk: Desk) -> Agency | Why:
    others = [each for each in case.of_need(returned.need) if each is not returned]
    if returned.reason not in _ANOTHER_MAY_TAKE_IT:
        return Why.FOR_COORDINATOR
    if any(each.status is HandoffStatus.RETURNED or each.replaced_by is not None for each in others):
        return Why.SECOND_RETURN
    if department is None:
        return Why.NO_DEPARTMENT
    agency = desk.snapshot.directory.resolve(department, case.request["division_code"])
    if agency is None:
        return Why.NO_AGENCY
    had_it = {each.agency_code for each in (returned, *others)}
    return Why.HAD_IT if agency.code in had_it else agency


def _dispute(case: Case, returned: Handoff, why: Why, desk: Desk) -> None:
    opened = case.disputes.get(returned.need)
    if opened is not None:
        opened.join(case.unit, returned.id)
    else:
        back = [each.id for each in case.of_need(returned.need) if each.status is HandoffStatus.RETURNED]
        opened = Dispute.open(case.unit, case.request, returned.need, back, why, desk.at)
        case.disputes[returned.need] = opened
    data = {"agency": returned.agency_code, "dispute": str(opened.id), "why": why.value}
    case.record("handoff.disputed", desk.at, desk.actor, handoff_id=returned.id, data=data)


def give(
    case: Case,
    part: Handoff,
    agency: Agency,
    desk: Desk,
    act: Act = Act.DISPATCHED,
    data: dict[str, Any] | None = None,
    note: Any = None,
    starts: bool = True,
    given: Given = None,
) -> Handoff:
    """Let an agency do the part of a handoff: by a new handoff of its own, or by the one that it had of this need,
    given out again; `part` may be that very one. A new one whose step is not reached does not start. A ruling binds."""
    mine = own(case, part.need, agency)
    if mine is None:
        mine = beside(part, agency, desk)
        case.open_more(mine)
    elif mine is not part:
        case.take_part(mine, part)
    replace(case, part, mine)
    mine.replaced_by = mine.reason = None
    mine.bound_by, mine.bound_at = (desk.actor, desk.at) if act is Act.RULED else (None, None)
    case.touch(mine)
    if starts:
        dispatch(case, mine, desk, act, data, note, given)
    return mine


def own(case: Case, need: str, agency: Agency) -> Handoff | None:
    return next((each for each in case.of_need(need) if each.agency_code == agency.code), None)


def replace(case: Case, part: Handoff, by: Handoff) -> None:
    if by is not part:
        part.replaced_by = by.id
        case.touch(part)


def is_disputed(found: Handoff) -> bool:
    return (
        found.status is HandoffStatus.RETURNED
        and found.replaced_by is None
        and found.mandatory
        and found.role is not Role.INFORMED
    )
