"""Alarms (告警): who looked at too many people's data; listed, and acknowledged by whoever has looked into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update

from app.identifiers import now
from app.jurisdictions import actors_within
from app.keys import Key
from app.office import Office
from app.paged import PageAsked, page_of
from app.problems import Problem
from app.tables import alarm


async def listed(office: Office, key: Key, page: PageAsked, is_open: bool | None) -> dict[str, Any]:
    """An `AlarmPage`, newest first, about those who read in the caller's jurisdiction."""
    query = of_place(key.division_code)
    if is_open is not None:
        waits = alarm.c.acknowledged_at.is_(None)
        query = query.where(waits if is_open else ~waits)
    rows, next_cursor = await page_of(office.database, query, alarm.c.id, page)
    return {"items": [_seen(row) for row in rows], "next_cursor": next_cursor}


def of_place(place: str | None) -> Select[Any]:
    return select(alarm).where(*actors_within(place, alarm.c.actor))


async def acknowledge(office: Office, key: Key, alarm_id: UUID) -> dict[str, Any]:
    """The first to do it stands; again is no error. Raises `not_found`."""
    reached = (alarm.c.id == alarm_id, *actors_within(key.division_code, alarm.c.actor))
    first = update(alarm).where(*reached, alarm.c.acknowledged_at.is_(None))
    async with office.database.writing() as connection:
        await connection.execute(first.values(acknowledged_at=now(), acknowledged_by=key.actor))
        row = (await connection.execute(select(alarm).where(*reached))).mappings().first()
    if row is None:
        raise Problem("not_found")
    return _seen(row)


def _seen(row: Mapping[Any, Any]) -> dict[str, Any]:
    names = ("kind", "actor", "since", "count", "raised_at", "acknowledged_at", "acknowledged_by")
    return {"alarm_id": row["id"], **{name: row[name] for name in names}}
