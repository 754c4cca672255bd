"""Keys over the API: issued, replaced, revoked, by whoever keeps the keys of a jurisdiction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import keys, rights
from app.constraints import KEY_NAME
from app.identifiers import now
from app.jurisdictions import lies_in, principals_within
from app.keys import Key, KeyRole, WrongKeyError
from app.office import Office
from app.paged import PageAsked, page_of
from app.problems import FieldError, Problem, Text, invalid
from app.repeats import Repeat, once
from app.schemas_keys import KeyIn, KeyReplaceIn
from app.tables import agency, api_key

_SHOWN = (
    *("name", "role", "division_code", "scopes", "networks", "owner", "created_at", "created_by", "expires_at"),
    *("revoked_at", "last_used_at"),
)
_COLUMNS = tuple(api_key.c[name] for name in ("id", "agency_code", "holder", *_SHOWN))
_PAST = Text("这个时间已经过去。", "This time is past.")
log = structlog.get_logger()


async def listed(office: Office, key: Key, page: PageAsked, role: KeyRole | None) -> dict[str, Any]:
    """A `KeyPage`, newest first, of the keys whose jurisdiction lies in that of the caller; those that have ended too."""
    query = _keys_within(key.division_code)
    if role is not None:
        query = query.where(api_key.c.role == role.value)
    rows, next_cursor = await page_of(office.database, query, api_key.c.id, page)
    return {"items": [_view(row) for row in rows], "next_cursor": next_cursor}


async def one(office: Office, key: Key, key_id: UUID) -> dict[str, Any]:
    """A `KeyView`. Raises `not_found`."""
    async with office.database.reading() as connection:
        return _view(await _row(connection, key, key_id))


async def issue(office: Office, key: Key, asked: KeyIn, repeat: Repeat | None) -> bytes:
    """A `KeyMade`, JSON. Raises `validation_failed`, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        if faults := await _faults(connection, key, asked):
            raise invalid(*faults)
        try:
            key_id, secret = await keys.create(
                connection,
                asked.name,
                asked.role,
                asked.agency,
                asked.expires_at,
                division_code=asked.division_code,
                scopes=asked.scopes,
                networks=asked.networks,
                owner=asked.owner,
                by=key.actor,
            )
        except WrongKeyError as wrong:
            raise invalid(*wrong.faults) from None
        return {**_view(await _row(connection, key, key_id)), "key": secret}

    made = await once(office.database, repeat, make, taken=KEY_NAME)
    log.info("key_made", by=key.actor, role=asked.role.value)
    return made


async def replace(office: Office, key: Key, key_id: UUID, asked: KeyReplaceIn, repeat: Repeat | None) -> bytes:
    """A `KeyMade`, JSON. Raises `not_found`, `key_ended`, `validation_failed`, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        old = await _row(connection, key, key_id)
        ends_at = now() + timedelta(hours=asked.overlap_hours)
        try:
            made_id, secret = await keys.replace(connection, old["name"], asked.name, ends_at, key.actor)
        except WrongKeyError as wrong:
            raise (invalid(*wrong.faults) if wrong.faults else Problem("key_ended")) from None
        return {**_view(await _row(connection, key, made_id)), "key": secret}

    made = await once(office.database, repeat, make, taken=KEY_NAME)
    log.info("key_replaced", by=key.actor, key_id=str(key_id))
    return made


async def revoke(office: Office, key: Key, key_id: UUID) -> dict[str, Any]:
    """A `KeyView`. Revoking twice is no error. Raises `not_found`."""
    async with office.database.writing() as connection:
        row = await _row(connection, key, key_id)
        if await keys.revoke(connection, row["name"]):
            log.info("key_revoked", by=key.actor, key_id=str(key_id))
        return _view(await _row(connection, key, key_id))


async def _faults(connection: AsyncConnection, key: Key, asked: KeyIn) -> list[FieldError]:
    """Nobody makes a key that reaches further than the own one; `keys.create` finds the rest."""
    faults = []
    if asked.expires_at is not None and asked.expires_at <= now():
        faults.append(FieldError("/expires_at", "time_past", _PAST))
    if asked.agency is not None:
        place = await connection.scalar(select(agency.c.division_code).where(agency.c.code == asked.agency))
        if place is not None and not lies_in(place, key.division_code):
            faults.append(rights.outside("/agency", key.division_code))
    elif not lies_in(asked.division_code or "", key.division_code):
        faults.append(rights.outside("/division_code", key.division_code))
    return faults


def _keys_within(place: str | None) -> Select[Any]:
    return select(*_COLUMNS).where(keys.OF_MACHINES, *principals_within(place))


async def _row(connection: AsyncConnection, key: Key, key_id: UUID) -> Mapping[Any, Any]:
    found = _keys_within(key.division_code).where(api_key.c.id == key_id)
    row: Mapping[Any, Any] | None = (await connection.execute(found)).mappings().first()
    if row is None:
        raise Problem("not_found")
    return row


def _view(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "key_id": row["id"],
        "agency": row["agency_code"],
        "replaced": row["holder"],
        **{name: row[name] for name in _SHOWN},
    }
