"""Sessions of people who signed in: a secret in a cookie, kept as a hash; they end when idle, at their time, or at once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.config import Settings
from app.identifiers import now
from app.keys import Key, KeyRole, in_force
from app.office import Office
from app.tables import api_key, staff_account, staff_session

LONGEST = 100
_NOTED_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class StaffKey(Key):
    """What a person's account may do and see, as a machine's key would: the same rights, and a name of its own."""

    @cached_property
    def actor(self) -> str:
        return f"staff:{self.id}"


@dataclass(frozen=True, slots=True)
class Session:
    token: str
    key: StaffKey
    login_name: str
    display_name: str
    by_password: bool
    must_change_password: bool
    way: str
    ends_at: datetime


_FIND = (
    select(
        *(api_key.c[name] for name in ("id", "name", "role", "agency_code", "holder", "division_code")),
        *(staff_account.c[name] for name in ("login_name", "display_name", "must_change_password")),
        staff_account.c.password_hash.is_not(None).label("by_password"),
        *(staff_session.c[name] for name in ("way", "last_seen_at", "ends_at")),
    )
    .join_from(staff_session, staff_account, staff_session.c.account_id == staff_account.c.id)
    .join(api_key, api_key.c.id == staff_account.c.id)
)


async def find(office: Office, token: str) -> Session | None:
    """Looked up each time: what ends it, ends it in every process at once."""
    if not 0 < len(token) <= LONGEST:
        return None
    at, token_hash = now(), hash_of(token)
    wanted = _FIND.where(
        staff_session.c.token_hash == token_hash,
        staff_session.c.idle_ends_at > at,
        staff_session.c.ends_at > at,
        staff_account.c.disabled_at.is_(None),
        api_key.c.revoked_at.is_(None),
    )
    async with office.database.reading() as connection:
        row = (await connection.execute(wanted)).first()
    if row is None:
        return None
    if at - row.last_seen_at >= _NOTED_AFTER:
        seen = {"last_seen_at": at, "idle_ends_at": at + _idle(office.settings)}
        async with office.database.writing() as connection:
            await connection.execute(update(staff_session).where(staff_session.c.token_hash == token_hash).values(seen))
    return _session(token, row)


async def principal(connection: AsyncConnection, key_id: UUID) -> Key | None:
    """Whose id it is, a machine's key or a person's account, if that is in force."""
    key = await in_force(connection, api_key.c.id == key_id)
    account = select(staff_account.c.disabled_at).where(staff_account.c.id == key_id)
    row = (await connection.execute(account)).first()
    if key is None or row is None:
        return key
    return None if row.disabled_at else StaffKey(**{each.name: getattr(key, each.name) for each in fields(Key)})


async def start(connection: AsyncConnection, settings: Settings, account_id: UUID, way: str, at: datetime) -> str:
    """Its secret, new each time. Those of the account that have ended go."""
    ended = or_(staff_session.c.idle_ends_at <= at, staff_session.c.ends_at <= at)
    await connection.execute(delete(staff_session).where(staff_session.c.account_id == account_id, ended))
    token = secrets.token_urlsafe(32)
    row = {"token_hash": hash_of(token), "account_id": account_id, "way": way, "created_at": at, "last_seen_at": at}
    row |= {"idle_ends_at": at + _idle(settings), "ends_at": at + timedelta(hours=settings.session_hours)}
    await connection.execute(staff_session.insert(), row)
    return token


async def end(
    connection: AsyncConnection, account_id: UUID, *, only: str | None = None, but: str | None = None
) -> None:
    """The account's sessions end: all, one, or all but one."""
    which = [staff_session.c.account_id == account_id]
    if only is not None:
        which.append(staff_session.c.token_hash == hash_of(only))
    if but is not None:
        which.append(staff_session.c.token_hash != hash_of(but))
    await connection.execute(delete(staff_session).where(and_(*which)))


async def mine(office: Office, session: Session) -> list[dict[str, Any]]:
    """The account's sessions, the newest first: since when, last seen, by which way, and which one asks."""
    at = now()
    names = ("token_hash", "way", "created_at", "last_seen_at")
    wanted = select(*(staff_session.c[name] for name in names)).where(
        staff_session.c.account_id == session.key.id, staff_session.c.idle_ends_at > at, staff_session.c.ends_at > at
    )
    async with office.database.reading() as connection:
        rows = (await connection.execute(wanted.order_by(staff_session.c.created_at.desc()).limit(50))).mappings()
        own = hash_of(session.token)
        return [{**row, "token_hash": None, "is_this": row["token_hash"] == own} for row in rows]


def csrf_token(office: Office, token: str) -> str:
    """What every form and every changing call of a session carries: no other page can know it."""
    return hmac.new(office.secret, f"csrf:{token}".encode(), hashlib.sha256).hexdigest()


def is_csrf_token(office: Office, token: str, given: str) -> bool:
    return hmac.compare_digest(csrf_token(office, token).encode(), given.encode())


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _session(token: str, row: Any) -> Session:
    key = StaffKey(row.id, row.name, KeyRole(row.role), row.agency_code, row.holder or row.id, row.division_code)
    return Session(
        token,
        key,
        row.login_name,
        row.display_name,
        row.by_password,
        row.must_change_password,
        row.way,
        row.ends_at,
    )


def _idle(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.session_idle_minutes)
