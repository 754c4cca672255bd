"""Keys of machines: made once, stored as a hash, checked on every call, deny by default."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database
from app.identifiers import new_id, now
from app.refusals import RefusedError
from app.roles import KeyRole as KeyRole
from app.tables import agency, api_key

_MOST_REMEMBERED = 10_000
_WHO = ("id", "name", "role", "agency_code", "holder")


@dataclass(frozen=True)
class Key:
    """`holder` is the first key of a line of which each replaced the one before: what one took in, all of it reach."""

    id: UUID
    name: str
    role: KeyRole
    agency_code: str | None
    holder: UUID

    @cached_property
    def actor(self) -> str:
        return f"agency:{self.agency_code}" if self.agency_code else f"key:{self.id}"


class WrongKeyError(RefusedError):
    """A key that can't be made, or is not there."""


async def create(
    connection: AsyncConnection,
    name: str,
    role: KeyRole,
    agency_code: str | None = None,
    expires_at: datetime | None = None,
    holder: UUID | None = None,
) -> tuple[UUID, str]:
    """The key's id and the key itself, which is shown this once."""
    if (role is KeyRole.AGENCY) != (agency_code is not None):
        raise WrongKeyError("A key with the role agency names its agency (--agency), and no other key does.")
    if agency_code and await connection.scalar(select(agency.c.code).where(agency.c.code == agency_code)) is None:
        raise WrongKeyError(f"There is no agency {agency_code}; `one-window agencies list` shows them.")
    if await connection.scalar(select(api_key.c.id).where(api_key.c.name == name)) is not None:
        raise WrongKeyError(f"There is a key named {name} already; choose another name.")
    key_id, key = new_id(), f"ow_{role}_{secrets.token_urlsafe(32)}"
    row = {"id": key_id, "name": name, "role": role.value, "agency_code": agency_code, "key_hash": _hash(key)}
    await connection.execute(api_key.insert(), {**row, "created_at": now(), "expires_at": expires_at, "holder": holder})
    return key_id, key


async def replace(connection: AsyncConnection, name: str, new_name: str, old_ends_at: datetime) -> str:
    """A new key that may do and see what the one named `name` may, which ends at `old_ends_at` at the latest; shown this
    once."""
    in_force = select(api_key).where(api_key.c.name == name, api_key.c.revoked_at.is_(None)).with_for_update()
    old = (await connection.execute(in_force)).first()
    if old is None or (old.expires_at is not None and old.expires_at <= now()):
        raise WrongKeyError(f"There is no key named {name} in force; `one-window keys list` shows them.")
    _, key = await create(
        connection, new_name, KeyRole(old.role), old.agency_code, old.expires_at, old.holder or old.id
    )
    ends_at = min(old_ends_at, old.expires_at or old_ends_at)
    await connection.execute(update(api_key).where(api_key.c.id == old.id).values(expires_at=ends_at))
    return key


async def revoke(connection: AsyncConnection, name: str) -> bool:
    """False if there is no such key in force."""
    revoked = update(api_key).where(api_key.c.name == name, api_key.c.revoked_at.is_(None)).values(revoked_at=now())
    return (await connection.execute(revoked)).rowcount == 1


class KeyRing:
    """Looks keys up by hash; a look-up is remembered for a moment, so a revoked key ends within that moment."""

    def __init__(self, database: Database, remember_seconds: float) -> None:
        self._database = database
        self._remember_seconds = remember_seconds
        self._known: dict[bytes, tuple[Key, float]] = {}

    async def find(self, presented: str) -> Key | None:
        key_hash = _hash(presented)
        known = self._known.get(key_hash)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        key = await self._look_up(key_hash)
        if key is None:
            self._known.pop(key_hash, None)
            return None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key_hash] = (key, time.monotonic() + self._remember_seconds)
        return key

    async def _look_up(self, key_hash: bytes) -> Key | None:
        async with self._database.reading() as connection:
            return await in_force(connection, api_key.c.key_hash == key_hash)


async def in_force(connection: AsyncConnection, which: ColumnElement[bool]) -> Key | None:
    found = select(*(api_key.c[name] for name in _WHO)).where(
        which,
        api_key.c.revoked_at.is_(None),
        or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now()),
    )
    row = (await connection.execute(found)).first()
    return None if row is None else Key(row.id, row.name, KeyRole(row.role), row.agency_code, row.holder or row.id)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
