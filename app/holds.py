"""Legal holds (暂缓删除): while one stands, nothing of a request is erased, whatever its period and whoever asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import looking, rights
from app.deadlines import CHINA
from app.delivery.notices import finish
from app.identifiers import new_id, now, utc_text
from app.keys import Key
from app.ledger import write_units
from app.loading import load
from app.office import Office
from app.paged import PageAsked, page_of
from app.problems import FieldError, Problem, Text, invalid
from app.purposes import Purpose, Way
from app.schemas_retention import HoldIn, ReleaseIn
from app.sealing import Vault, kept_at
from app.tables import help_request, legal_hold

_HOLDS = select(legal_hold, help_request.c.receipt_number, help_request.c.data_key).join_from(
    legal_hold, help_request, legal_hold.c.request_id == help_request.c.id
)


def stands(at: datetime) -> ColumnElement[bool]:
    return legal_hold.c.released_at.is_(None) & or_(legal_hold.c.until.is_(None), legal_hold.c.until > at)


def held(at: datetime) -> Select[UUID]:
    """The requests that are held: few, and found by the index of the holds that were not released."""
    return select(legal_hold.c.request_id).where(stands(at))


async def of_request(connection: AsyncConnection, request_id: UUID, at: datetime) -> Mapping[Any, Any] | None:
    found = select(legal_hold).where(legal_hold.c.request_id == request_id, stands(at))
    return (await connection.execute(found)).mappings().first()


async def place(office: Office, key: Key, request_id: UUID, asked: HoldIn) -> dict[str, Any]:
    """A `HoldView`; it stands in place of the one before. Raises `not_found`, `already_erased`, `validation_failed`."""
    snapshot, at = await office.registry.current(), now()
    until = None if asked.until is None else _end_of(asked.until)
    if until is not None and until <= at:
        text = Text(
            "此日已过;请写今天或以后的日期,或不写。", "That day is past: write today or later, or leave it out."
        )
        raise invalid(FieldError("/until", "until_past", text))
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        rights.must_reach(key, case.request)
        if case.request["erased_at"] is not None:
            raise Problem("already_erased")
        await connection.execute(_ended(request_id).values(released_at=at, released_by=key.actor))
        hold_id, said = new_id(), {"reason": asked.reason}
        row = {"id": hold_id, "request_id": request_id, "placed_at": at, "placed_by": key.actor, "until": until}
        sealed = case.box.seal(said, kept_at("legal_hold.sealed", hold_id))
        row |= {"released_at": None, "released_by": None, "sealed": sealed}
        await connection.execute(legal_hold.insert(), row)
        data = {"until": utc_text(until) if until else None}
        case.record("request.held", at, key.actor, data=data, note=said)
        await write_units(connection, [finish(case, snapshot, at)])
    return _seen({**case.request, **row}, office.vault)


async def release(office: Office, key: Key, request_id: UUID, asked: ReleaseIn) -> dict[str, Any]:
    """A `HoldView`. Raises `not_found`, also if it is not held, `already_erased`."""
    snapshot, at = await office.registry.current(), now()
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        rights.must_reach(key, case.request)
        if case.request["erased_at"] is not None:
            raise Problem("already_erased")
        row = await of_request(connection, request_id, at)
        if row is None:
            raise Problem("not_found", Text("此事项没有暂缓删除。", "This request is not on hold."))
        released = {"released_at": at, "released_by": key.actor}
        await connection.execute(_ended(request_id).values(released))
        case.record("request.released", at, key.actor, note={"reason": asked.reason})
        await write_units(connection, [finish(case, snapshot, at)])
    own = row["placed_by"] == key.actor
    return _seen({**case.request, **row, **released}, office.vault if own else None)


async def listed(office: Office, key: Key, page: PageAsked, purpose: Purpose | None = None) -> dict[str, Any]:
    """A `HoldPage` of those that stand, newest first. The reason is for those who may see people, and for whoever gave it;
    that it was read is recorded."""
    query = _HOLDS.where(stands(now()), *rights.reached(key))
    rows, next_cursor = await page_of(office.database, query, legal_hold.c.id, page)
    with_people = rights.sees_people(key)
    items = [_seen(row, office.vault if with_people or row["placed_by"] == key.actor else None) for row in rows]
    read = {each["request_id"] for each in items if each["reason"]}
    await looking.record_each(office, key, read, Way.TIMELINE, ("notes",), purpose, waits=read)
    return {"items": items, "next_cursor": next_cursor}


def _ended(request_id: UUID) -> Any:
    return update(legal_hold).where(legal_hold.c.request_id == request_id, legal_hold.c.released_at.is_(None))


def _end_of(day: Any) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, CHINA).astimezone(UTC)


def _seen(row: Mapping[Any, Any], vault: Vault | None) -> dict[str, Any]:
    """With its reason where a vault is given."""
    names = ("request_id", "receipt_number", "placed_at", "placed_by", "until", "released_at", "released_by")
    said: dict[str, Any] = {}
    if vault is not None:
        box = vault.box(row["request_id"].bytes, row["data_key"])
        said = box.unseal(row["sealed"], kept_at("legal_hold.sealed", row["id"])) or {}
    return {"hold_id": row["id"], **{name: row[name] for name in names}, "reason": said.get("reason")}
