"""Kiosks (自助终端): paired by a code that somebody reads out, listed, revoked. What one may do: `roles.KeyRole.KIOSK`."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import checks, keys, rights
from app.constraints import KEY_NAME, constraint_of
from app.identifiers import now
from app.jurisdictions import lies_in, principals_within
from app.keys import Key, KeyRole
from app.office import Office
from app.paged import PageAsked, page_of
from app.problems import FieldError, Problem, Text, invalid, unavailable
from app.receipts import spoken
from app.registry import Snapshot
from app.repeats import Repeat, once
from app.routing.directory import COUNTY_DIGITS
from app.schemas_kiosks import PairingIn
from app.tables import api_key, kiosk_pairing, staff_account

LASTS = timedelta(minutes=10)
_DIGITS = 8
_LONGEST_NAME = 80
_NAME_TRIES = 5
_COLUMNS = tuple(
    api_key.c[name]
    for name in ("id", "name", "division_code", "created_at", "created_by", "last_used_at", "revoked_at")
)
_COUNTY = Text(
    "请填终端所在的县(6 位)或乡镇(9 位)区划代码。", "Name the county (6 digits) or township (9) that it stands in."
)
log = structlog.get_logger()


async def pair(office: Office, key: Key, asked: PairingIn, repeat: Repeat | None) -> bytes:
    """A `PairingMade`, JSON: the code, told this once. Raises `validation_failed`, `idempotency_conflict`."""
    return await _pair(office, key.actor, asked, repeat, key.division_code)


async def pair_by_command(office: Office, asked: PairingIn) -> bytes:
    return await _pair(office, "command line", asked, None, None)


async def _pair(office: Office, by: str, asked: PairingIn, repeat: Repeat | None, place: str | None) -> bytes:
    snapshot = await office.registry.current()
    if faults := list(_place_faults(snapshot, asked.division_code, place)):
        raise invalid(*faults)

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        at = now()
        await connection.execute(delete(kiosk_pairing).where(kiosk_pairing.c.ends_at <= at))
        code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
        row: dict[str, Any] = {
            "code_mark": _mark(office, code),
            "name": asked.name,
            "division_code": asked.division_code,
        }
        row |= {"made_by": by, "ends_at": at + LASTS}
        await connection.execute(kiosk_pairing.insert(), row)
        return {"code": code, "code_spoken": spoken(code), "expires_at": row["ends_at"]}

    made = await once(office.database, repeat, make, taken="pk_kiosk_pairing")
    log.info("kiosk_code_made", by=by, division_code=asked.division_code)
    return made


async def paired(office: Office, code: str, former_key: str | None = None) -> dict[str, Any]:
    """`KioskPaired`: the device's key, told this once; the code is used up. With the key that it had before, which ends,
    it stays the device that it was: its numbers, what it sent and what it took in are its own. Raises `pairing_refused`."""
    for _ in range(_NAME_TRIES):
        try:
            return await _paired(office, code, former_key)
        except IntegrityError as error:
            if constraint_of(error) != KEY_NAME:  # of two of a name at once the later one looks again
                raise
        except keys.WrongKeyError as error:
            if [each.code for each in error.faults] != ["name_taken"]:
                raise
    raise unavailable()


async def _paired(office: Office, code: str, former_key: str | None) -> dict[str, Any]:
    used = delete(kiosk_pairing).where(kiosk_pairing.c.code_mark == _mark(office, code))
    async with office.database.writing() as connection:
        row = (await connection.execute(used.returning(*kiosk_pairing.c))).first()
        if row is None or row.ends_at <= now():
            raise Problem("pairing_refused")
        name = await _free_name(connection, row.name)
        line = await keys.end(connection, former_key, KeyRole.KIOSK) if former_key else None
        key_id, secret = await keys.create(
            connection, name, KeyRole.KIOSK, holder=line, division_code=row.division_code, by=row.made_by
        )
    log.info("kiosk_paired", by=row.made_by, kiosk_id=str(key_id))
    return {"kiosk_id": key_id, "name": name, "division_code": row.division_code, "key": secret}


async def listed(office: Office, key: Key | None, page: PageAsked) -> dict[str, Any]:
    """A `KioskPage`, newest first: the devices that stand in the caller's jurisdiction, the revoked ones too. `key` None:
    the command line's."""
    snapshot = await office.registry.current()
    query = _kiosks(key.division_code if key else None)
    rows, next_cursor = await page_of(office.database, query, api_key.c.id, page)
    async with office.database.reading() as connection:
        by = await _names(connection, rows)
    return {"items": [_view(row, snapshot, by) for row in rows], "next_cursor": next_cursor}


async def revoke(office: Office, key: Key | None, kiosk_id: UUID) -> dict[str, Any]:
    """A `KioskView`. Every process refuses its key within seconds; its unused numbers stay its own and are given to nobody.
    Revoking twice is no error. Raises `not_found`."""
    snapshot = await office.registry.current()
    found = _kiosks(key.division_code if key else None).where(api_key.c.id == kiosk_id)
    async with office.database.writing() as connection:
        row = (await connection.execute(found.with_for_update())).mappings().first()
        if row is None:
            raise Problem("not_found")
        if row["revoked_at"] is None:
            row = {**row, "revoked_at": now()}
            await connection.execute(
                update(api_key).where(api_key.c.id == kiosk_id).values(revoked_at=row["revoked_at"])
            )
            log.info("kiosk_revoked", by=key.actor if key else "command line", kiosk_id=str(kiosk_id))
        return _view(row, snapshot, await _names(connection, [row]))


def _place_faults(snapshot: Snapshot, division_code: str, place: str | None) -> Iterable[FieldError]:
    if division_code not in snapshot.divisions:
        yield checks.unknown_division("/division_code", division_code)
    elif len(division_code) < COUNTY_DIGITS:
        yield FieldError("/division_code", "division_needed", _COUNTY)
    elif not lies_in(division_code, place):
        yield rights.outside("/division_code", place)


async def _free_name(connection: AsyncConnection, name: str) -> str:
    """Names of keys are theirs for good: a second device of a name is told apart by a number."""
    for number in range(1, 1000):
        tried = name if number == 1 else f"{name[: _LONGEST_NAME - 5]} {number}"
        if await connection.scalar(select(api_key.c.id).where(api_key.c.name == tried)) is None:
            return tried
    return f"{name[: _LONGEST_NAME - 20]} {secrets.token_hex(8)}"


def _kiosks(place: str | None) -> Select[Any]:
    return select(*_COLUMNS).where(api_key.c.role == KeyRole.KIOSK.value, *principals_within(place))


async def _names(connection: AsyncConnection, rows: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """What those are called who paired them, by how rows name them."""
    ids = {each: _id_of(each) for row in rows if (each := row["created_by"] or "").startswith(("key:", "staff:"))}
    wanted = select(api_key.c.id, api_key.c.name, staff_account.c.display_name)
    wanted = wanted.join_from(api_key, staff_account, staff_account.c.id == api_key.c.id, isouter=True)
    found = (await connection.execute(wanted.where(api_key.c.id.in_(ids.values())))).all() if ids else []
    called = {row.id: row.display_name or row.name for row in found}
    return {each: called[key_id] for each, key_id in ids.items() if key_id in called}


def _id_of(actor: str) -> UUID:
    return UUID(actor.partition(":")[2])


def _view(row: Mapping[Any, Any], snapshot: Snapshot, by: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kiosk_id": row["id"],
        "name": row["name"],
        "division_code": row["division_code"],
        "division_name": snapshot.divisions[row["division_code"]].name,
        "paired_by": by.get(row["created_by"] or "", row["created_by"]),
        "paired_at": row["created_at"],
        "last_seen_at": row["last_used_at"],
        "revoked_at": row["revoked_at"],
    }


def _mark(office: Office, code: str) -> bytes:
    return hmac.digest(office.secret, b"kiosk:" + code.encode(), "sha256")
