"""Alarms (告警): who looked at too many people's data; listed, and acknowledged by whoever has looked into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from app.identifiers import now
from app.keys import Key
from app.office import Office
from app.paged import PageAsked, page_of
from app.problems import Problem
from app.tables import alarm


async def listed(office: Office, page: PageAsked, is_open: bool | None) -> dict[str, Any]:
    """An `AlarmPage`, newest first."""
    query = select(alarm)
    if is_open is not None:
        waits = alarm.c.acknowledged_at.is_(None)
        query = query.where(waits if is_open else ~waits)
    rows, next_cursor = await page_of(office.database, query, alarm.c.id, page)
    return {"items": [_seen(row) for row in rows], "next_cursor": next_cursor}


async def acknowledge(office: Office, key: Key, alarm_id: UUID) -> dict[str, Any]:
    """The first to do it stands; again is no error. Raises `not_found`."""
    first = update(alarm).where(alarm.c.id == alarm_id, alarm.c.acknowledged_at.is_(None))
    async with office.database.writing() as connection:
        await connection.execute(first.values(acknowledged_at=now(), acknowledged_by=key.actor))
        row = (await connection.execute(select(alarm).where(alarm.c.id == alarm_id))).mappings().first()
    if row is None:
        raise Problem("not_found")
    return _seen(row)


def _seen(row: Mapping[Any, Any]) -> dict[str, Any]:
    names = ("kind", "actor", "since", "count", "raised_at", "acknowledged_at", "acknowledged_by")
    return {"alarm_id": row["id"], **{name: row[name] for name in names}}
