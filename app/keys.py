"""Keys of machines: made once, stored as a hash, checked on every call, deny by default."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, is_unavailable
from app.identifiers import new_id, now
from app.logs import describe
from app.names import folded
from app.problems import FieldError, Text
from app.refusals import RefusedError
from app.roles import KEPT_APART, SCOPES
from app.roles import KeyRole as KeyRole
from app.routing.directory import COUNTY_DIGITS
from app.tables import agency, api_key, division, staff_account

_MOST_REMEMBERED = 10_000
_NOTE_SECONDS = 60.0
_NOTED_FOR = timedelta(minutes=5)
_WHO = ("id", "name", "role", "agency_code", "holder", "division_code", "scopes", "networks")
# A person's account has a row too, with its rights; `staff` keeps those.
OF_MACHINES = ~exists().where(staff_account.c.id == api_key.c.id)
log = structlog.get_logger()


@dataclass(frozen=True)
class Key:
    """`holder` is the first key of a line of which each replaced the one before: what one took in, all of it reach.

    No `division_code`: everywhere; no `scopes`: all that its role may do; no `networks`: from any address.
    """

    id: UUID
    name: str
    role: KeyRole
    agency_code: str | None
    holder: UUID
    division_code: str | None = None
    scopes: frozenset[str] | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @cached_property
    def actor(self) -> str:
        return f"agency:{self.agency_code}" if self.agency_code else f"key:{self.id}"


class WrongKeyError(RefusedError):
    """A key that can't be made, or is not there; with what is wrong, field by field."""

    def __init__(self, sentence: str, faults: Collection[FieldError] = ()) -> None:
        super().__init__(sentence)
        self.faults = tuple(faults)


async def create(
    connection: AsyncConnection,
    name: str,
    role: KeyRole,
    agency_code: str | None = None,
    expires_at: datetime | None = None,
    holder: UUID | None = None,
    *,
    division_code: str | None = None,
    scopes: Collection[str] | None = None,
    networks: Collection[str] = (),
    owner: str | None = None,
    by: str = "command line",
) -> tuple[UUID, str]:
    """The key's id and the key itself, which is shown this once. Raises WrongKeyError."""
    key_id, key = new_id(), f"ow_{role}_{secrets.token_urlsafe(32)}"
    row = {
        "id": key_id,
        "name": name,
        "role": role.value,
        "agency_code": agency_code,
        "division_code": division_code,
        "scopes": None if scopes is None else sorted(scopes),
        "networks": [_network(each) for each in networks] or None,
        "owner": owner,
        "holder": holder,
    }
    if faults := await faults_of(connection, row):
        raise WrongKeyError(" ".join(each.detail.en for each in faults), faults)
    row |= {"key_hash": _hash(key), "created_at": now(), "created_by": by, "expires_at": expires_at}
    await connection.execute(api_key.insert(), row)
    return key_id, key


async def replace(
    connection: AsyncConnection, name: str, new_name: str, old_ends_at: datetime, by: str = "command line"
) -> tuple[UUID, str]:
    """A new key that may do and see what the one named `name` may, which ends at `old_ends_at` at the latest; its id, and
    the key, which is shown this once. Raises WrongKeyError, without faults where the old one has ended."""
    in_force = select(api_key).where(api_key.c.name == name, api_key.c.revoked_at.is_(None), OF_MACHINES)
    old = (await connection.execute(in_force.with_for_update())).first()
    if old is None or (old.expires_at is not None and old.expires_at <= now()):
        raise WrongKeyError(f"There is no key named {name} in force; `one-window keys list` shows them.")
    made = await create(
        connection,
        new_name,
        KeyRole(old.role),
        old.agency_code,
        old.expires_at,
        old.holder or old.id,
        division_code=old.division_code,
        scopes=old.scopes,
        networks=old.networks or (),
        owner=old.owner,
        by=by,
    )
    ends_at = min(old_ends_at, old.expires_at or old_ends_at)
    await connection.execute(update(api_key).where(api_key.c.id == old.id).values(expires_at=ends_at))
    return made


async def faults_of(connection: AsyncConnection, row: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with a key that is to be made."""
    role, faults = KeyRole(row["role"]), []
    if (role is KeyRole.AGENCY) != (row["agency_code"] is not None):
        faults.append(FieldError("/agency", "agency_of_role", _AGENCY_OF_ROLE))
    elif row["agency_code"] and await _missing(connection, agency.c.code, row["agency_code"]):
        faults.append(_unknown("/agency", "agency", row["agency_code"]))
    if row["division_code"] is None and role is KeyRole.TOWNSHIP:
        faults.append(FieldError("/division_code", "division_needed", _DIVISION_NEEDED))
    if role is KeyRole.KIOSK and len(row["division_code"] or "") < COUNTY_DIGITS:
        faults.append(FieldError("/division_code", "division_needed", _PLACE_NEEDED))
    if row["division_code"] is not None and role is KeyRole.AGENCY:
        faults.append(FieldError("/division_code", "division_of_agency", _DIVISION_OF_AGENCY))
    elif row["division_code"] and await _missing(connection, division.c.code, row["division_code"]):
        faults.append(_unknown("/division_code", "division", row["division_code"]))
    if strange := set(row["scopes"] or ()) - SCOPES[role]:
        listed = ", ".join(sorted(SCOPES[role]))
        text = Text(
            f"角色 {role} 没有 {', '.join(sorted(strange))};可写:{listed}。",
            f"The role {role} has no {', '.join(sorted(strange))}: write some of {listed}.",
        )
        faults.append(FieldError("/scopes", "unknown_scope", text))
    if not await _missing(connection, api_key.c.name, row["name"]):
        text = Text("已有同名密钥,请换一个名称。", f"There is a key named {row['name']} already; choose another name.")
        faults.append(FieldError("/name", "name_taken", text))
    if role in KEPT_APART:
        faults += await _apart_faults(connection, role, row)
    return faults


async def _apart_faults(connection: AsyncConnection, role: KeyRole, row: Mapping[str, Any]) -> list[FieldError]:
    """三员分立: whoever has a key of one of the three roles gets none of another, as long as that one is in force."""
    if not row["owner"]:
        return [FieldError("/owner", "owner_needed", _OWNER_NEEDED)]
    if await holds_another(connection, row["owner"], role):
        return [FieldError("/owner", "roles_kept_apart", HOLDS_ANOTHER)]
    return []


async def holds_another(connection: AsyncConnection, owner: str, role: KeyRole, but: UUID | None = None) -> bool:
    """Of the three, by a key or an account in force, however the name was written; `but` this one."""
    in_force = api_key.c.revoked_at.is_(None) & or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now())
    is_disabled = exists().where(staff_account.c.id == api_key.c.id, staff_account.c.disabled_at.is_not(None))
    others = api_key.c.role.in_(KEPT_APART - {role})
    held = select(api_key.c.owner).where(api_key.c.owner.is_not(None), others, in_force, ~is_disabled)
    if but is not None:
        held = held.where(api_key.c.id != but)
    # They are few; and a name folded where it is kept would say what was written no more.
    return folded(owner) in {folded(each) for each in (await connection.execute(held)).scalars()}


def _network(written: str) -> str:
    try:
        return str(ip_network(written))
    except ValueError:
        raise WrongKeyError(f"{written} is no network; write one such as 10.36.8.0/24.") from None


async def _missing(connection: AsyncConnection, column: Any, value: str) -> bool:
    return await connection.scalar(select(column).where(column == value)) is None


def _unknown(pointer: str, kind: str, code: str) -> FieldError:
    where = {"agency": "/v1/agencies", "division": "/v1/divisions"}[kind]
    text = Text(f"没有代码 {code};见 GET {where}。", f"There is no {kind} {code}; GET {where} lists them.")
    return FieldError(pointer, f"unknown_{kind}", text)


_AGENCY_OF_ROLE = Text(
    "角色 agency 的密钥须写明承办单位,其他角色不写。",
    "A key with the role agency names its agency (--agency), and no other key does.",
)
_DIVISION_NEEDED = Text(
    "角色 township 的密钥须写明乡镇区划代码。", "A key with the role township names its division (--division)."
)
_PLACE_NEEDED = Text(
    "角色 kiosk 的密钥须写明终端所在的县(6 位)或乡镇(9 位)区划代码。",
    "A key with the role kiosk names where it stands, a county (6 digits) or a township (9): --division.",
)
_DIVISION_OF_AGENCY = Text(
    "承办单位的密钥不写区划代码,其范围即本单位。", "A key of an agency names no division: it reaches its agency's."
)
_OWNER_NEEDED = Text(
    "系统管理、安全管理、审计三种角色的密钥须写明由谁持有。",
    "A key with the role admin, security or auditor names who holds it (--owner).",
)
HOLDS_ANOTHER = Text(
    "此人已持有三员中另一角色的密钥或账号;三员分立,请由他人担任,或先撤销那把密钥、停用那个账号。",
    "Who holds it has a key or an account with another of the roles admin, security and auditor, which are kept apart: "
    "give it to somebody else, or first revoke that key, or disable that account.",
)


async def revoke(connection: AsyncConnection, name: str) -> bool:
    """False if there is no such key in force."""
    in_force = (api_key.c.name == name, api_key.c.revoked_at.is_(None), OF_MACHINES)
    return (await connection.execute(update(api_key).where(*in_force).values(revoked_at=now()))).rowcount == 1


async def end(connection: AsyncConnection, key: str, role: KeyRole) -> UUID | None:
    """Revoke a key of a role by what it is itself, if nobody did. The first key of its line; None: there is no such key."""
    its = (api_key.c.key_hash == _hash(key), api_key.c.role == role.value)
    await connection.execute(update(api_key).where(*its, api_key.c.revoked_at.is_(None)).values(revoked_at=now()))
    line: UUID | None = await connection.scalar(select(func.coalesce(api_key.c.holder, api_key.c.id)).where(*its))
    return line


class KeyRing:
    """Looks keys up by hash; a look-up is remembered for a moment, so a revoked key ends within that moment."""

    def __init__(self, database: Database, remember_seconds: float) -> None:
        self._database = database
        self._remember_seconds = remember_seconds
        self._known: dict[bytes, tuple[Key, float]] = {}
        self._looking: dict[bytes, asyncio.Task[Key | None]] = {}
        self._used: set[UUID] = set()

    async def find(self, presented: str) -> Key | None:
        key_hash = _hash(presented)
        known = self._known.get(key_hash)
        if known is not None and known[1] > time.monotonic():
            self._used.add(known[0].id)
            return known[0]
        looking = self._looking.get(key_hash)
        if looking is None:  # one look for all who come with it at once
            looking = self._looking[key_hash] = asyncio.create_task(self._look_up(key_hash), name="key")
            looking.add_done_callback(lambda _: self._looking.pop(key_hash))
        key = await asyncio.shield(looking)
        if key is not None:
            self._used.add(key.id)
        return key

    async def keep_noting(self, stopping: asyncio.Event, every: float = _NOTE_SECONDS) -> None:
        """Writes down which keys were used, every minute and beside all calls, until told to stop; then once more."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), every)
            try:
                await self.note_used()
            except Exception as error:
                if not is_unavailable(error):
                    log.error("key_use_not_noted", **describe(error))
            if stopping.is_set():
                return

    async def note_used(self) -> None:
        """Of each key at most once in five minutes, whichever process saw it."""
        if not self._used:
            return
        used, at = list(self._used), now()
        lately = or_(api_key.c.last_used_at.is_(None), api_key.c.last_used_at < at - _NOTED_FOR)
        async with self._database.reading() as connection:
            wanted = select(api_key.c.id).where(api_key.c.id.in_(used), lately)
            due = list((await connection.execute(wanted)).scalars())
        if due:
            async with self._database.writing() as connection:
                await connection.execute(update(api_key).where(api_key.c.id.in_(due)).values(last_used_at=at))
        self._used.difference_update(used)

    async def _look_up(self, key_hash: bytes) -> Key | None:
        asked_at = time.monotonic()
        async with self._database.reading() as connection:
            key = await in_force(connection, api_key.c.key_hash == key_hash)
        if key is None:
            self._known.pop(key_hash, None)
            return None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key_hash] = (key, asked_at + self._remember_seconds)
        return key


async def in_force(connection: AsyncConnection, which: ColumnElement[bool]) -> Key | None:
    found = select(*(api_key.c[name] for name in _WHO)).where(
        which,
        api_key.c.revoked_at.is_(None),
        or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > now()),
    )
    row = (await connection.execute(found)).first()
    return None if row is None else _key(row)


def _key(row: Any) -> Key:
    scopes = None if row.scopes is None else frozenset(row.scopes)
    networks = tuple(ip_network(each) for each in row.networks or ())
    who = (row.id, row.name, KeyRole(row.role), row.agency_code, row.holder or row.id)
    return Key(*who, row.division_code, scopes, networks)


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
