"""Looking at a person's data (查阅): who does it says what for, and it is recorded before anything is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from uuid import UUID

from sqlalchemy import select

from app.clocks import rule_of
from app.guests import WAY as BY_GUEST_LINK
from app.keys import Key, KeyRole
from app.lifecycle import RequestStatus
from app.office import Office
from app.problems import FieldError, Problem
from app.purposes import Purpose, Way, usual
from app.readings import Reading
from app.tables import help_request
from app.timeline import Case, Handoff

# A coordinator's own work: nobody handles it, or who does is disputed.
_FOR_COORDINATORS = (RequestStatus.REGISTERED, RequestStatus.DISPUTED)


async def record(
    office: Office,
    key: Key,
    case: Case,
    way: Way,
    shown: Iterable[str],
    purpose: Purpose | None,
    of: Handoff | None = None,
    *,
    waits: bool = False,
) -> None:
    """`waits`: something of it waits for the reader, though it has ended. Raises `purpose_needed`, and `unavailable` where it can't be recorded: then nothing may be shown. An agency that
    handles an emergency is shown what it needs all the same."""
    must_say(office, key, purpose)
    rule = rule_of(of, await office.registry.current()) if of is not None and key.agency_code else None
    seen = Reading(
        actor=f"{key.actor}{BY_GUEST_LINK}" if way is Way.GUEST_PAGE else key.actor,
        role=key.role.value,
        agency_code=key.agency_code,
        request_id=case.id,
        handoff_id=of.id if of is not None else None,
        shown=tuple(shown),
        legal_basis=rule.legal_basis if rule is not None else None,
        way=way.value,
        purpose=(purpose or usual(key.role)).value,
        stated=purpose is not None,
        unrelated=not (waits or _is_own_work(key, case, of)),
    )
    await office.readings.record(seen, must=not (case.is_emergency and key.agency_code is not None))


async def record_miss(office: Office, key: Key, way: Way, group: str, purpose: Purpose | None) -> None:
    """Somebody was looked up, and nobody found whom the reader may be told of: trying many numbers is looking at many people.
    Raises as `record`."""
    must_say(office, key, purpose)
    seen = Reading(
        actor=key.actor,
        role=key.role.value,
        agency_code=key.agency_code,
        request_id=None,
        handoff_id=None,
        shown=(group,),
        legal_basis=None,
        way=way.value,
        purpose=(purpose or usual(key.role)).value,
        stated=purpose is not None,
        unrelated=True,
    )
    await office.readings.record(seen)


async def record_each(
    office: Office,
    key: Key,
    request_ids: Collection[UUID],
    way: Way,
    shown: Iterable[str],
    purpose: Purpose | None,
    waits: Collection[UUID] = (),
) -> None:
    """The same of several requests, a page of them at most; `waits`: those of which something waits for the reader, or that
    are the same person's as one that is looked at."""
    if not request_ids:
        return
    must_say(office, key, purpose)
    names = ("id", "status", "emergency")
    query = select(*(help_request.c[name] for name in names)).where(help_request.c.id.in_(request_ids))
    async with office.database.reading() as connection:
        rows = (await connection.execute(query)).mappings().all()
    cases = [Case(dict(row), [], is_new=False) for row in rows]
    groups = tuple(shown)
    await asyncio.gather(*(record(office, key, case, way, groups, purpose, waits=case.id in waits) for case in cases))


def must_say(office: Office, key: Key, purpose: Purpose | None) -> None:
    """Raises `purpose_needed`."""
    if purpose is None and key.role is KeyRole.COORDINATOR and office.settings.reading_purpose_required:
        text = Problem("purpose_needed").kind.advice
        raise Problem("purpose_needed", errors=(FieldError("purpose", "purpose_needed", text),))


def _is_own_work(key: Key, case: Case, of: Handoff | None) -> bool:
    if case.has_ended:
        return False
    if key.role is KeyRole.AGENCY:
        return of is not None and of.is_open
    return key.role is not KeyRole.COORDINATOR or case.is_emergency or case.status in _FOR_COORDINATORS
