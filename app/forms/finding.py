"""Which request or handoff is to be printed, and by whom: found by its receipt number, or by the page's own address."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select

from app import presenting, reading, rights
from app.debts import must_reach
from app.handoffs import is_with
from app.keys import Key, KeyRole
from app.office import Office, again_if_outdated
from app.problems import Problem, Text
from app.registry import Snapshot
from app.tables import handoff, help_request
from app.timeline import Case, Handoff

COUNTS = frozenset({KeyRole.SUPERVISOR, KeyRole.COORDINATOR, KeyRole.AUDITOR})


def prints_requests(key: Key) -> bool:
    """Whether the papers of a whole request are this key's to print."""
    return rights.sees_people(key)


def prints_handoffs(key: Key) -> bool:
    return key.role is KeyRole.AGENCY or prints_requests(key)


def counts(key: Key) -> bool:
    """Whether the monthly summary is."""
    return key.role in COUNTS


async def by_number(office: Office, key: Key, number: str) -> UUID:
    """The request of a receipt number. Raises `not_found`, for one that the key does not reach too."""
    found = select(help_request.c.id).where(help_request.c.receipt_number == number)
    async with office.database.reading() as connection:
        request_id: UUID | None = await connection.scalar(found)
    if request_id is None:
        raise Problem("not_found")
    await reached(office, key, request_id)
    return request_id


async def reached(office: Office, key: Key, request_id: UUID) -> Case:
    """Of an agency: one of which something was given out to it. Raises `not_found`."""
    if not prints_handoffs(key):
        raise Problem("not_found")
    case = await reading.case_of(office, request_id)
    must_reach(key, case)
    return case


async def part(office: Office, key: Key, handoff_id: UUID) -> tuple[Case, Handoff]:
    """A handoff that was given out, and its case. Raises `not_found`."""
    async with office.database.reading() as connection:
        request_id = await connection.scalar(select(handoff.c.request_id).where(handoff.c.id == handoff_id))
    if request_id is None:
        raise Problem("not_found")
    case = await reached(office, key, request_id)
    found = case.handoff(handoff_id)
    if found.dispatched_at is None or (key.role is KeyRole.AGENCY and found.agency_code != key.agency_code):
        raise Problem("not_found")
    return case, found


def is_handled(case: Case, found: Handoff) -> bool:
    """Whether the person may still be shown to the agency of a handoff."""
    return is_with(found) and case.request["erased_at"] is None


def must_be_there(case: Case) -> None:
    """Raises `not_found` where the person's data was erased."""
    if case.request["erased_at"] is not None:
        text = Text(
            "此事项的个人信息已按规定删除,不能再打印。",
            "The personal data of this request was erased, as the rules say; its papers can't be printed any more.",
        )
        raise Problem("not_found", text)


@again_if_outdated
async def overview(office: Office, key: Key, request_id: UUID) -> dict[str, Any]:
    """What there is to print of a request, and nothing of the person. Raises `not_found`."""
    snapshot = await office.registry.current()
    case = await reached(office, key, request_id)
    return {
        **heading(case, snapshot),
        "status": case.status,
        "erased_at": case.request["erased_at"],
        "handoffs": [
            {**presenting.handoff_summary(each, snapshot), "need": presenting.named(snapshot.needs[each.need])}
            for each in (_own(case, key) if key.role is KeyRole.AGENCY else case.handoffs)
        ],
    }


def heading(case: Case, snapshot: Snapshot) -> dict[str, Any]:
    """What stands at the head of every paper of a request."""
    names = ("receipt_number", "registered_at", "channel", "emergency", "division_code")
    return {
        "request_id": case.id,
        **{name: case.request[name] for name in names},
        "place": place_name(case.request["division_code"], snapshot),
    }


def place_name(code: str, snapshot: Snapshot) -> str:
    """A division with the county that it lies in."""
    found = snapshot.divisions[code]
    above = snapshot.divisions[found.parent_code] if found.parent_code and found.level == "township" else None
    return f"{above.name if above else ''}{found.name}"


def paper_number(case: Case, found: Handoff) -> str:
    """Of a handoff's letter and reply: the receipt number and which of its handoffs it is, in the order they were made."""
    position = sorted(each.id for each in case.handoffs).index(found.id) + 1
    return f"{case.request['receipt_number']}-{position}"


def _own(case: Case, key: Key) -> list[Handoff]:
    mine = (each for each in case.handoffs if each.agency_code == key.agency_code)
    return [each for each in mine if each.dispatched_at is not None]
