"""Signing in: by a password or by the county's single sign-on; wrong tries are counted before they are looked at.

Three counts, so that guessing gets nobody far and locks nobody out of their own desk: of an account's tries from browsers
that nobody has signed in from to it, of those from browsers that somebody has, and of an address. Whoever guesses from
elsewhere locks the account for elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics, passwords, sessions
from app.columns import Digest, Instant
from app.identifiers import new_id, now
from app.office import Office
from app.problems import Text
from app.sessions import Session
from app.tables import sign_in_address, sign_in_event, staff_account

FREE_TRIES = 4
MOST_LOCKED = timedelta(hours=1)
MOST_OF_ADDRESS = 30
ADDRESS_WINDOW = timedelta(minutes=15)
_SIDES = {False: ("failed_tries", "locked_until"), True: ("known_failed_tries", "known_locked_until")}
NOTHING_FAILED = {"failed_tries": 0, "locked_until": None, "known_failed_tries": 0, "known_locked_until": None}
_COUNT_ADDRESS = text(
    "INSERT INTO sign_in_address (mark, failures, window_ends_at) VALUES (:mark, 1, :ends) "
    "ON CONFLICT (mark) DO UPDATE SET failures = sign_in_address.failures + 1 RETURNING failures"
).bindparams(bindparam("mark", type_=Digest), bindparam("ends", type_=Instant))


class Kind(StrEnum):
    """What the security administrator reads of."""

    SIGNED_IN = "signed_in"
    REFUSED = "refused"
    LOCKED = "locked"
    SIGNED_OUT = "signed_out"
    SESSIONS_ENDED = "sessions_ended"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    UNLOCKED = "unlocked"
    CREATED = "created"
    CHANGED = "changed"
    DISABLED = "disabled"
    ENABLED = "enabled"
    ADDRESS_STOPPED = "address_stopped"


class Refusal(StrEnum):
    WRONG = "wrong"  # or locked, or ended, or nobody's: there is no difference to tell
    STOPPED = "stopped"  # too many from this address


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session's secret, and what lets the account know this browser again."""

    account_id: UUID
    token: str
    browser: str | None


@dataclass(frozen=True, slots=True)
class _Try:
    account: Row[Any] | None
    counts: bool  # whether a right password signs in
    event_id: UUID | None


async def by_password(
    office: Office, login_name: str, password: str, address: str | None, browsers: Collection[str]
) -> SignedIn | Refusal:
    """`address` None: nobody can be told apart by it. Raises `unavailable`."""
    at = now()
    mark = _address_mark(office, address) if address else None
    async with office.database.writing() as connection:
        begun = await _begin(connection, office, login_name.lower(), browsers, mark, at)
    if begun is None:
        metrics.SIGN_INS.labels("password", Refusal.STOPPED).inc()
        return Refusal.STOPPED
    account = begun.account
    kept = account.password_hash if account is not None and begun.counts else None
    if not await office.passwords.match(kept, password) or account is None:
        metrics.SIGN_INS.labels("password", Refusal.WRONG).inc()
        return Refusal.WRONG
    async with office.database.writing() as connection:
        now_is = (await connection.execute(_account().where(staff_account.c.id == account.id).with_for_update())).one()
        if now_is.password_hash != kept or now_is.disabled_at is not None:  # in the moment between
            return Refusal.WRONG
        await connection.execute(update(staff_account).where(staff_account.c.id == account.id).values(NOTHING_FAILED))
        if mark:
            gone = sign_in_address.c.failures - 1
            await connection.execute(
                update(sign_in_address).where(sign_in_address.c.mark == mark).values(failures=gone)
            )
        await connection.execute(
            update(sign_in_event).where(sign_in_event.c.id == begun.event_id).values(kind=Kind.SIGNED_IN.value)
        )
        token = await sessions.start(connection, office.settings, account.id, "password", at)
    metrics.SIGN_INS.labels("password", "signed_in").inc()
    return SignedIn(account.id, token, browser_mark(office, account.id, kept or ""))


async def by_provider(office: Office, issuer: str, name: str) -> SignedIn | None:
    """None for who has no account here, or had one."""
    at = now()
    named = _account().where(staff_account.c.oidc_name == name, staff_account.c.oidc_issuer == issuer)
    async with office.database.writing() as connection:
        account = (await connection.execute(named.with_for_update())).first()
        if account is None or account.disabled_at is not None:
            if account is not None:
                await record(connection, account.id, Kind.REFUSED, at, way="oidc")
            metrics.SIGN_INS.labels("oidc", Refusal.WRONG).inc()
            return None
        await record(connection, account.id, Kind.SIGNED_IN, at, way="oidc")
        token = await sessions.start(connection, office.settings, account.id, "oidc", at)
    metrics.SIGN_INS.labels("oidc", "signed_in").inc()
    return SignedIn(account.id, token, None)


async def sign_out(office: Office, session: Session) -> None:
    async with office.database.writing() as connection:
        await sessions.end(connection, session.key.id, only=session.token)
        await record(connection, session.key.id, Kind.SIGNED_OUT, now())


async def end_others(office: Office, session: Session) -> None:
    async with office.database.writing() as connection:
        await sessions.end(connection, session.key.id, but=session.token)
        await record(connection, session.key.id, Kind.SESSIONS_ENDED, now())


async def _names_of(office: Office, session: Session) -> list[str]:
    """Of the places that somebody works for, from their own up to the county."""
    own = session.key.division_code or ""
    divisions = (await office.registry.current()).divisions
    return [each.name for code, each in divisions.items() if own.startswith(code)]


async def change_password(office: Office, session: Session, old: str, new: str) -> SignedIn | Text:
    """A new session, every other one ends; or why not. A wrong old one counts as a wrong try."""
    at = now()
    names = await _names_of(office, session)
    if fault := await asyncio.to_thread(passwords.fault_of, new, session.login_name, *names):
        return fault
    async with office.database.writing() as connection:
        row = (await connection.execute(_account().where(staff_account.c.id == session.key.id).with_for_update())).one()
        begun = await _counted(connection, row, True, at)
    kept = row.password_hash if begun.counts else None
    if not await office.passwords.match(kept, old):
        return Text(
            "原密码不对,或此账号因多次输错暂被锁定。", "The old password is wrong, or the account is locked for now."
        )
    if old == new:
        return Text("新密码应与原密码不同。", "A new password differs from the old one.")
    hashed = await office.passwords.hashed(new)
    changed = {"password_hash": hashed, "must_change_password": False, "password_ends_at": None, **NOTHING_FAILED}
    async with office.database.writing() as connection:
        same = (staff_account.c.id == session.key.id, staff_account.c.password_hash == kept)
        if (await connection.execute(update(staff_account).where(*same).values(changed))).rowcount != 1:
            return Text("密码刚刚已被更改,请重新登录。", "The password was changed just now; sign in again.")
        await connection.execute(
            update(sign_in_event).where(sign_in_event.c.id == begun.event_id).values(kind=Kind.PASSWORD_CHANGED.value)
        )
        await sessions.end(connection, session.key.id)
        token = await sessions.start(connection, office.settings, session.key.id, session.way, at)
    return SignedIn(session.key.id, token, browser_mark(office, session.key.id, hashed))


async def record(
    connection: AsyncConnection,
    account_id: UUID | None,
    kind: Kind,
    at: datetime,
    *,
    way: str | None = None,
    by: str | None = None,
) -> UUID:
    row = {"id": new_id(), "account_id": account_id, "kind": kind.value, "at": at, "way": way, "by": by}
    await connection.execute(sign_in_event.insert(), row)
    return row["id"]  # type: ignore[return-value]


def browser_mark(office: Office, account_id: UUID, password_hash: str) -> str:
    """Only who has signed in to the account with its password of now has it."""
    content = f"browser:{account_id}:{password_hash}".encode()
    return hmac.new(office.secret, content, hashlib.sha256).hexdigest()


def lock_of(failed: int) -> timedelta | None:
    """After the fifth wrong try in a row a minute, then twice as long each time, an hour at most."""
    over = failed - FREE_TRIES
    return min(timedelta(minutes=2 ** min(over - 1, 10)), MOST_LOCKED) if over > 0 else None


async def _begin(
    connection: AsyncConnection,
    office: Office,
    login_name: str,
    browsers: Collection[str],
    mark: bytes | None,
    at: datetime,
) -> _Try | None:
    """Counts the try as a wrong one; None: its address has had too many, and nobody knows its browser."""
    failures = await _count_address(connection, mark, at) if mark else 0
    found = _account().where(staff_account.c.login_name == login_name)
    account = (await connection.execute(found.with_for_update())).first()
    known = account is not None and _is_known(office, account, browsers)
    if failures > MOST_OF_ADDRESS and not known:
        if failures == MOST_OF_ADDRESS + 1:
            await record(connection, None, Kind.ADDRESS_STOPPED, at)
        return None
    return _Try(None, False, None) if account is None else await _counted(connection, account, known, at)


async def _counted(connection: AsyncConnection, account: Row[Any], known: bool, at: datetime) -> _Try:
    tries, until = _SIDES[known]
    is_locked = account._mapping[until] is not None and account._mapping[until] > at
    has_ended = account.password_ends_at is not None and account.password_ends_at <= at
    if is_locked:
        return _Try(account, False, None)
    failed = account._mapping[tries] + 1
    lock = lock_of(failed)
    counted = {tries: min(failed, 1000), until: at + lock if lock else None}
    await connection.execute(update(staff_account).where(staff_account.c.id == account.id).values(counted))
    event_id = await record(connection, account.id, Kind.LOCKED if lock else Kind.REFUSED, at, way="password")
    usable = account.password_hash is not None and account.disabled_at is None and not has_ended
    return _Try(account, usable, event_id)


async def _count_address(connection: AsyncConnection, mark: bytes, at: datetime) -> int:
    await connection.execute(delete(sign_in_address).where(sign_in_address.c.window_ends_at <= at))
    counted = await connection.execute(_COUNT_ADDRESS, {"mark": mark, "ends": at + ADDRESS_WINDOW})
    return int(counted.scalar_one())


def _account() -> Select[Any]:
    return select(staff_account)


def _is_known(office: Office, account: Row[Any], browsers: Collection[str]) -> bool:
    if account.password_hash is None:
        return False
    mark = browser_mark(office, account.id, account.password_hash).encode()
    return any(hmac.compare_digest(mark, each.encode()) for each in browsers)


def _address_mark(office: Office, address: str) -> bytes:
    """Of IPv6 the network that one customer has."""
    parsed = ip_address(address)
    told = str(parsed) if not isinstance(parsed, IPv6Address) else parsed.exploded[:19]
    return hmac.new(office.secret, f"address:{told}".encode(), hashlib.sha256).digest()
