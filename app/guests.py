"""Guests: an officer of an agency without a system answers one handoff, by a link that ends and a code told by
telephone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import rights
from app.identifiers import new_id, now
from app.keys import Key, KeyRole
from app.ledger import write_units
from app.lifecycle import HandoffStatus
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.repeats import Repeat, once
from app.tables import guest_link, handoff
from app.wire import from_json

WAY = "/guest_link"
SIGNED_IN = "guest_link.signed_in"
CODE_LASTS = timedelta(minutes=10)
NEXT_CODE_AFTER = timedelta(minutes=1)
SESSION_LASTS = timedelta(hours=8)
MOST_CODES = 10  # of one link: with five tries each, a guess succeeds once in twenty thousand links
MOST_WRONG = 5
_LONGEST_SECRET = 100


@dataclass(frozen=True, slots=True)
class Guest:
    """A link in force, and the handoff that it opens."""

    link_id: UUID
    handoff_id: UUID
    agency_code: str
    expires_at: datetime
    codes: int
    code_ends_at: datetime | None
    tries_left: int
    session_hash: bytes | None
    session_ends_at: datetime | None

    @property
    def key(self) -> Key:
        """What the agency's own key could look at."""
        return Key(self.link_id, "guest link", KeyRole.AGENCY, self.agency_code, self.link_id)

    def has_code(self, at: datetime) -> bool:
        return self.code_ends_at is not None and self.code_ends_at > at

    def has_session(self, session: str, at: datetime) -> bool:
        return (
            self.session_hash is not None
            and self.session_ends_at is not None
            and self.session_ends_at > at
            and hmac.compare_digest(self.session_hash, _hash(session))
        )


class CodeRefusal(StrEnum):
    TOO_SOON = "too_soon"  # the last one was made less than a minute ago
    NO_MORE = "no_more"  # of this link


@again_if_outdated
async def make_link(
    office: Office, key: Key, handoff_id: UUID, hours: int, address: str, repeat: Repeat | None
) -> dict[str, Any]:
    """A `GuestLinkMade`; its link, a page of this service's `address`, is shown here alone.

    Raises `not_found`, `handoff_not_open`, `idempotency_conflict`.
    """

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        at, link_id = now(), new_id()
        expires_at = at + timedelta(hours=hours)
        case = await load(connection, await rights.request_of(connection, key, handoff_id))
        found = case.handoff(handoff_id)
        if not found.is_open or found.status is HandoffStatus.WAITING:
            raise Problem("handoff_not_open")
        row = {"id": link_id, "token_hash": _hash(_token(office, link_id)), "handoff_id": handoff_id, "created_at": at}
        row |= {"created_by": key.actor, "expires_at": expires_at, "codes": 0, "wrong_codes": 0}
        await connection.execute(guest_link.insert(), row)
        data = {"guest_link": str(link_id), "agency": found.agency_code, "hours": hours}
        case.record("guest_link.made", at, key.actor, handoff_id=handoff_id, data=data)
        await write_units(connection, [case.finish()])
        return {"guest_link_id": link_id, "expires_at": expires_at}

    made = from_json(await once(office.database, repeat, make))
    return {**made, "link": f"{address}/answer/{_token(office, UUID(made['guest_link_id']))}"}


async def revoke_link(office: Office, key: Key, link_id: UUID) -> None:
    """Revoking twice is no error. Raises `not_found`."""
    async with office.database.writing() as connection:
        row = (await connection.execute(select(guest_link).where(guest_link.c.id == link_id))).first()
        if row is None:
            raise Problem("not_found")
        await rights.request_of(connection, key, row.handoff_id)
        if row.revoked_at is None:
            at = now()
            await _record(connection, row.handoff_id, "guest_link.revoked", at, key.actor, link_id)
            ended = {"revoked_at": at, "code_hash": None, "session_hash": None}
            await connection.execute(update(guest_link).where(guest_link.c.id == link_id).values(ended))


async def find(office: Office, token: str) -> Guest:
    """Raises `not_found` for a token that is none, and for a link that has ended: there is no difference to tell."""
    if len(token) > _LONGEST_SECRET:
        raise Problem("not_found")
    async with office.database.reading() as connection:
        row = (await connection.execute(_in_force().where(guest_link.c.token_hash == _hash(token)))).first()
    if row is None:
        raise Problem("not_found")
    return _guest(row)


async def code_to_read_out(office: Office, key: Key, link_id: UUID) -> tuple[str, Guest]:
    """A new code, for a coordinator to tell the agency by the number in the phone book; it is shown this once, and
    the timeline says so. Raises `not_found`, `codes_used_up`."""
    at = now()
    async with office.database.writing() as connection:
        row = (await connection.execute(_in_force().where(guest_link.c.id == link_id))).first()
        if row is None:
            raise Problem("not_found")
        await rights.request_of(connection, key, row.handoff_id)
        if row.codes >= MOST_CODES:
            raise Problem("codes_used_up")
        await _record(connection, row.handoff_id, "guest_link.code_shown", at, key.actor, link_id)
        return await _new_code(connection, office, row, at), _guest(row)


async def code_to_send(office: Office, guest: Guest) -> str | CodeRefusal:
    """A new code, for the gateway; the one before it ends."""
    at = now()
    async with office.database.writing() as connection:
        row = (await connection.execute(_in_force().where(guest_link.c.id == guest.link_id).with_for_update())).one()
        if row.codes >= MOST_CODES:
            return CodeRefusal.NO_MORE
        if row.code_ends_at is not None and row.code_ends_at - CODE_LASTS + NEXT_CODE_AFTER > at:
            return CodeRefusal.TOO_SOON
        return await _new_code(connection, office, row, at)


async def sign_in(office: Office, guest: Guest, code: str) -> str | None:
    """A session's secret for the right code, once; None for a wrong one. The fifth wrong one ends the code."""
    at = now()
    async with office.database.writing() as connection:
        locked = select(guest_link).where(guest_link.c.id == guest.link_id).with_for_update()
        row = (await connection.execute(locked)).one()
        if row.code_hash is None or row.code_ends_at <= at or row.revoked_at is not None or row.expires_at <= at:
            return None
        changed: dict[str, Any]
        session = None
        if hmac.compare_digest(row.code_hash, _code_hash(office, row.id, code)):
            session = secrets.token_urlsafe(32)
            ends = min(at + SESSION_LASTS, row.expires_at)
            changed = {"session_hash": _hash(session), "session_ends_at": ends, "code_hash": None, "code_ends_at": None}
            actor = f"agency:{guest.agency_code}{WAY}"
            await _record(connection, row.handoff_id, SIGNED_IN, at, actor, row.id)
        else:
            changed = {"wrong_codes": row.wrong_codes + 1}
            if row.wrong_codes + 1 >= MOST_WRONG:
                changed |= {"code_hash": None, "code_ends_at": None}
        await connection.execute(update(guest_link).where(guest_link.c.id == row.id).values(changed))
    return session


async def sign_out(office: Office, guest: Guest) -> None:
    async with office.database.writing() as connection:
        ended = {"session_hash": None, "session_ends_at": None}
        await connection.execute(update(guest_link).where(guest_link.c.id == guest.link_id).values(ended))


def form_token(office: Office, session: str) -> str:
    """What a form of this session carries: a nonce, new for each page shown, and the proof that we made it."""
    nonce = secrets.token_urlsafe(12)
    return f"{nonce}.{_proof(office, session, nonce)}"


def nonce_of(office: Office, session: str, form: str) -> str | None:
    """None if the form was not made here for this session."""
    nonce, _, proof = form.partition(".")
    genuine = hmac.compare_digest(proof.encode(), _proof(office, session, nonce).encode())
    return nonce if genuine else None


def _proof(office: Office, session: str, nonce: str) -> str:
    return hmac.new(office.secret, f"form:{session}:{nonce}".encode(), hashlib.sha256).hexdigest()


async def _new_code(connection: AsyncConnection, office: Office, row: Any, at: datetime) -> str:
    code = f"{secrets.randbelow(10**6):06}"
    changed = {"code_hash": _code_hash(office, row.id, code), "code_ends_at": at + CODE_LASTS}
    changed |= {"wrong_codes": 0, "codes": row.codes + 1}
    await connection.execute(update(guest_link).where(guest_link.c.id == row.id).values(changed))
    return code


def _in_force() -> Select[Any]:
    return (
        select(guest_link, handoff.c.agency_code)
        .join_from(guest_link, handoff, guest_link.c.handoff_id == handoff.c.id)
        .where(guest_link.c.revoked_at.is_(None), guest_link.c.expires_at > now())
    )


def _guest(row: Any) -> Guest:
    return Guest(
        link_id=row.id,
        handoff_id=row.handoff_id,
        agency_code=row.agency_code,
        expires_at=row.expires_at,
        codes=row.codes,
        code_ends_at=row.code_ends_at,
        tries_left=MOST_WRONG - row.wrong_codes,
        session_hash=row.session_hash,
        session_ends_at=row.session_ends_at,
    )


async def _request_of(connection: AsyncConnection, handoff_id: UUID) -> UUID:
    request_id: UUID | None = await connection.scalar(select(handoff.c.request_id).where(handoff.c.id == handoff_id))
    if request_id is None:
        raise Problem("not_found")
    return request_id


async def _record(
    connection: AsyncConnection, handoff_id: UUID, kind: str, at: datetime, actor: str, link_id: UUID
) -> None:
    case = await load(connection, await _request_of(connection, handoff_id))
    case.record(kind, at, actor, handoff_id=handoff_id, data={"guest_link": str(link_id)})
    await write_units(connection, [case.finish()])


def _token(office: Office, link_id: UUID) -> str:
    """Derived from the service's secret, so that only its hash is stored and a repeated answer is the same."""
    derived = hmac.new(office.secret, b"guest link:" + link_id.bytes, hashlib.sha256).digest()[:24]
    return urlsafe_b64encode(derived).decode()


def _code_hash(office: Office, link_id: UUID, code: str) -> bytes:
    """Keyed: six digits alone could be found from their hash."""
    return hmac.new(office.secret, b"code:" + link_id.bytes + code.encode(), hashlib.sha256).digest()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
