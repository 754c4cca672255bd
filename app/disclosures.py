"""Disclosures (披露记录): who was shown what of a person, when, why and how; in plain words, newest first.

What messages held stands in the events of the request, what was looked at in the readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import rights
from app.keys import Key
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.purposes import ANOTHER_OFFICE, OFFICES, OTHERS_SHOWN, PURPOSES, WAYS, Purpose, Way
from app.registry import Snapshot
from app.routing.words import VOCABULARIES
from app.tables import event, help_request, reading

# The kinds of the events of messages that may show something of the person.
ATTACHMENT_TOLD = "attachment.told"
TOLD = (
    *("handoff.dispatched", "handoff.ruled", "handoff.reopened", "handoff.resumed"),
    *("emergency.told", "consent.told", ATTACHMENT_TOLD),
)
# Messages that were taken back before they arrived; where nothing had been sent at all, nobody was shown anything.
SUPERSEDED_EVENT = "delivery.superseded"
_NO_PERSON = [column for column in help_request.c if column.name not in ("sealed", "decision")]
_LISTED = (
    *("at", "agency", "office_zh", "office_en", "shown", "purpose", "purpose_zh", "purpose_en", "legal_basis"),
    *("way", "way_zh", "way_en", "text_zh", "text_en"),
)


@again_if_outdated
async def of_request(office: Office, key: Key, request_id: UUID, most: int) -> dict[str, Any]:
    """The newest disclosures of a request (`Disclosures`), and how many there are. Raises `not_found`."""
    snapshot = await office.registry.current()
    async with office.database.reading() as connection:
        row = (await connection.execute(select(*_NO_PERSON).where(help_request.c.id == request_id))).mappings().first()
        if row is None or not rights.reaches(key, row):
            raise Problem("not_found")
        told = select(event).where(event.c.request_id == request_id, event.c.kind.in_((*TOLD, SUPERSEDED_EVENT)))
        told = told.order_by(event.c.sequence)
        events = (await connection.execute(told)).mappings().all()
        count, newest = await _newest(connection, request_id, events, snapshot, most)
    return {"request_id": request_id, "count": count, "items": newest}


async def for_the_person(
    connection: AsyncConnection, request_id: UUID, events: Iterable[Mapping[Any, Any]], snapshot: Snapshot, most: int
) -> dict[str, Any]:
    """The same as the person sees it (`TrackedDisclosures`): which office, never which of its people."""
    count, newest = await _newest(connection, request_id, events, snapshot, most)
    return {"count": count, "newest": [{name: each[name] for name in _LISTED} for each in newest]}


async def _newest(
    connection: AsyncConnection, request_id: UUID, events: Iterable[Mapping[Any, Any]], snapshot: Snapshot, most: int
) -> tuple[int, list[dict[str, Any]]]:
    of_request = reading.c.request_id == request_id
    looked_at = select(reading).where(of_request).order_by(reading.c.id.desc()).limit(most)
    rows = (await connection.execute(looked_at)).mappings().all()
    told = _that_went(events)
    count = len(told) + (len(rows) if len(rows) < most else await _count(connection, request_id))
    both = [*(_of_event(each, snapshot) for each in told), *(_of_reading(each, snapshot) for each in rows)]
    return count, sorted(both, key=lambda each: each["at"], reverse=True)[:most]


def _that_went(events: Iterable[Mapping[Any, Any]]) -> list[Mapping[Any, Any]]:
    """The events of messages that showed something; events in their order."""
    told: list[Mapping[Any, Any]] = []
    for each in events:
        if each["kind"] in TOLD and each["data"].get("groups"):
            told.append(each)
        elif each["kind"] == SUPERSEDED_EVENT and each["data"]["nothing_sent"]:
            told = [one for one in told if one["handoff_id"] != each["handoff_id"]]
    return told


async def _count(connection: AsyncConnection, request_id: UUID) -> int:
    query = select(func.count()).select_from(reading).where(reading.c.request_id == request_id)
    return await connection.scalar(query) or 0


def _of_event(told: Mapping[Any, Any], snapshot: Snapshot) -> dict[str, Any]:
    data = told["data"]
    return _in_words(
        snapshot,
        at=told["at"],
        role="agency",
        agency=data["agency"],
        shown=data["groups"],
        purpose=Purpose.HANDLING,
        legal_basis=data.get("legal_basis"),
        way=Way.MESSAGE,
    ) | {"handoff_id": told["handoff_id"], "actor": told["actor"], "stated": False}


def _of_reading(row: Mapping[Any, Any], snapshot: Snapshot) -> dict[str, Any]:
    names = ("at", "role", "shown", "purpose", "legal_basis", "way")
    words = _in_words(snapshot, agency=row["agency_code"], **{name: row[name] for name in names})
    return words | {name: row[name] for name in ("handoff_id", "actor", "stated")}


def _in_words(
    snapshot: Snapshot,
    *,
    at: Any,
    role: str,
    agency: str | None,
    shown: list[str],
    purpose: str,
    legal_basis: str | None,
    way: str,
) -> dict[str, Any]:
    office_zh, office_en = OFFICES.get(role, ANOTHER_OFFICE)
    if agency is not None:
        found = snapshot.directory.agencies[agency]
        office_zh, office_en = found.name_zh, found.name_en
    groups = [_group(code) for code in shown]
    all_zh, all_en = "、".join(g["name_zh"] for g in groups), ", ".join(g["name_en"] for g in groups)
    (why_zh, why_en), (how_zh, how_en) = PURPOSES[purpose], WAYS[way]
    law_zh, law_en = (f"(依据:{legal_basis})", f" (by {legal_basis})") if legal_basis else ("", "")
    return {
        "at": at,
        "role": role,
        "agency": agency,
        "office_zh": office_zh,
        "office_en": office_en,
        "shown": groups,
        "purpose": purpose,
        "purpose_zh": why_zh,
        "purpose_en": why_en,
        "legal_basis": legal_basis,
        "way": way,
        "way_zh": how_zh,
        "way_en": how_en,
        "text_zh": f"{office_zh}为{why_zh},{how_zh},看到了:{all_zh}{law_zh}。",
        "text_en": f"{office_en}, {why_en}, {how_en}, was shown: {all_en}{law_en}.",
    }


def _group(code: str) -> dict[str, str]:
    zh, en = VOCABULARIES["discloses"].get(code) or OTHERS_SHOWN.get(code, (code, code))
    return {"code": code, "name_zh": zh, "name_en": en}
