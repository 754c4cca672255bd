"""Accounts of people who sign in: made, changed, reset, unlocked, disabled by the security administrator."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import checks, etags, keys, passwords, sessions
from app.constraints import STAFF_NAME
from app.endpoint_rows import must_match
from app.identifiers import new_id, now
from app.jurisdictions import lies_in, principals_within
from app.keys import Key
from app.office import Office
from app.paged import PageAsked, page_of
from app.problems import FieldError, Problem, Text, invalid
from app.registry import Snapshot
from app.repeats import Repeat, once
from app.rights import outside
from app.roles import KEPT_APART, KeyRole
from app.schemas_staff import StaffChange, StaffIn
from app.sign_ins import NOTHING_FAILED, Kind, record
from app.tables import api_key, sign_in_event, staff_account
from app.wire import to_json

FIRST_PASSWORD_LASTS = timedelta(days=7)
_OF_ACCOUNT = (
    *("login_name", "display_name", "must_change_password", "oidc_name", "locked_until"),
    *("disabled_at", "created_at", "created_by"),
)
_OF_PRINCIPAL = ("role", "agency_code", "division_code")
_EDITED = ("display_name", "role", "agency_code", "division_code", "oidc_name", "disabled_at")
_CHECKED = frozenset({"role", "agency_code", "division_code", "oidc_name"})
_ENDS_SESSIONS = frozenset(_EDITED) - {"display_name"}
_AGENCY = Text("角色 agency 须写明单位,其他角色不写。", "The role `agency` names its agency, and no other role does.")
_AGENCIES = Text("代码见 GET /v1/agencies。", "GET /v1/agencies lists the codes.")
_DIVISION_OF_AGENCY = Text(
    "单位联络员不写区划代码,其范围即本单位。", "Who acts for an agency has no division: the agency's is theirs."
)
_OF_DEVICES = Text(
    "角色 kiosk 属于自助终端,不属于人员;请另选角色。", "The role kiosk is a device's, not a person's: choose another."
)
_DIVISION_NEEDED = Text("角色 township 须写明乡镇的区划代码。", "The role `township` names its township.")
_NO_PROVIDER = Text(
    "本系统未接统一身份认证(ONE_WINDOW_OIDC_ISSUER);请不填,改用密码。",
    "This service has no single sign-on (ONE_WINDOW_OIDC_ISSUER); leave it out, and the account gets a password.",
)


async def listed(office: Office, page: PageAsked, *, place: str | None = None) -> dict[str, Any]:
    """Disabled ones too; newest first."""
    rows, next_cursor = await page_of(office.database, _accounts(place), staff_account.c.id, page)
    return {"items": [_view(row) for row in rows], "next_cursor": next_cursor}


async def one(office: Office, staff_id: UUID, *, place: str | None = None) -> tuple[dict[str, Any], str]:
    """A `StaffView`, and its entity tag. Raises `not_found`."""
    async with office.database.reading() as connection:
        row = await _row(connection, staff_id, place)
    return _view(row), _tag(row)


async def add(office: Office, actor: str, asked: StaffIn, repeat: Repeat | None, *, place: str | None = None) -> bytes:
    """A `StaffMade`, JSON; its password is told here alone. Raises `validation_failed`, `staff_exists`,
    `idempotency_conflict`."""
    await _check(office, asked.role, asked.model_dump(), place, _CHECKED)
    password = None if asked.oidc_name else passwords.made()
    hashed = await office.passwords.hashed(password) if password else None

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        at, staff_id = now(), new_id()
        names = {"login_name": asked.login_name, **_oidc(office, asked.oidc_name)}
        await _must_be_free(connection, names)
        await _must_be_apart(connection, asked.login_name, asked.role)
        ends_at = at + FIRST_PASSWORD_LASTS if password else None
        # A principal as a machine has one, without a secret: no key has this hash.
        principal = {"id": staff_id, "name": f"staff:{staff_id}", "role": asked.role.value, "created_at": at}
        principal |= {"agency_code": asked.agency_code, "division_code": asked.division_code}
        principal |= {"owner": asked.login_name, "created_by": actor, "key_hash": secrets.token_bytes(32)}
        await connection.execute(api_key.insert(), principal)
        row: dict[str, Any] = {"id": staff_id, **names, "display_name": asked.display_name}
        row |= {"password_hash": hashed, "password_ends_at": ends_at}
        row |= {"must_change_password": password is not None, **NOTHING_FAILED}
        await connection.execute(staff_account.insert(), {**row, "created_at": at, "created_by": actor})
        await record(connection, staff_id, Kind.CREATED, at, by=actor)
        return {**_view(await _row(connection, staff_id)), "password": password, "password_ends_at": ends_at}

    return await once(office.database, repeat, make, taken=STAFF_NAME)


async def change(
    office: Office, key: Key | None, actor: str, staff_id: UUID, asked: StaffChange, if_match: str | None
) -> tuple[dict[str, Any], str]:
    """A `StaffView`, and its new entity tag. `key` None: the command line's.

    Raises `not_found`, `own_account`, `validation_failed`, `staff_exists`, `precondition_required`,
    `precondition_failed`.
    """
    _not_own(key, staff_id)
    at, place = now(), key.division_code if key else None
    changes: dict[str, Any] = asked.model_dump(include=asked.model_fields_set)
    if "disabled" in changes:
        changes["disabled_at"] = at if changes.pop("disabled") else None
    before, _ = await one(office, staff_id, place=place)
    if changes.get("disabled_at") and before["disabled_at"]:
        changes["disabled_at"] = before["disabled_at"]
    await _check(office, changes.get("role", before["role"]), {**before, **changes}, place, asked.model_fields_set)
    async with office.database.writing() as connection:
        row = await _row(connection, staff_id, locked=True)
        must_match(if_match, _tag(row))
        if not changes.get("disabled_at"):
            await _must_be_apart(connection, row["login_name"], changes.get("role", row["role"]), staff_id)
        different = {name for name, value in changes.items() if row[name] != value}
        await _write(connection, office, staff_id, changes)
        if different & _ENDS_SESSIONS:
            await sessions.end(connection, staff_id)
        for kind in _kinds(different, changes):
            await record(connection, staff_id, kind, at, by=actor)
        row = await _row(connection, staff_id)
    return _view(row), _tag(row)


async def reset(office: Office, key: Key | None, actor: str, staff_id: UUID, repeat: Repeat | None) -> bytes:
    """A `PasswordMade`, JSON: a new first password; the old one and every session end, and the account is unlocked.

    Raises `not_found`, `own_account`, `not_by_password`, `idempotency_conflict`.
    """
    _not_own(key, staff_id)
    password = passwords.made()
    hashed = await office.passwords.hashed(password)

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        at = now()
        row = await _row(connection, staff_id, key.division_code if key else None, locked=True)
        if not row["has_password"]:
            raise Problem("not_by_password")
        ends_at = at + FIRST_PASSWORD_LASTS
        changed = {"password_hash": hashed, "must_change_password": True, "password_ends_at": ends_at, **NOTHING_FAILED}
        await connection.execute(update(staff_account).where(staff_account.c.id == staff_id).values(changed))
        await sessions.end(connection, staff_id)
        await record(connection, staff_id, Kind.PASSWORD_RESET, at, by=actor)
        return {"staff_id": staff_id, "password": password, "password_ends_at": ends_at}

    return await once(office.database, repeat, make)


async def unlock(office: Office, actor: str, staff_id: UUID, *, place: str | None = None) -> dict[str, Any]:
    """A `StaffView`. Unlocking what is not locked is no error. Raises `not_found`."""
    async with office.database.writing() as connection:
        await _row(connection, staff_id, place, locked=True)
        await connection.execute(update(staff_account).where(staff_account.c.id == staff_id).values(NOTHING_FAILED))
        await record(connection, staff_id, Kind.UNLOCKED, now(), by=actor)
        return _view(await _row(connection, staff_id))


async def sign_ins(
    office: Office, page: PageAsked, staff_id: UUID | None, *, place: str | None = None
) -> dict[str, Any]:
    """What happened at the door, newest first."""
    query = (
        select(sign_in_event, staff_account.c.login_name)
        .join_from(sign_in_event, staff_account, isouter=True)
        .join(api_key, api_key.c.id == staff_account.c.id, isouter=True)
        .where(*principals_within(place))
    )
    if staff_id is not None:
        query = query.where(sign_in_event.c.account_id == staff_id)
    rows, next_cursor = await page_of(office.database, query, sign_in_event.c.id, page)
    items = [
        {"event_id": row["id"], "staff_id": row["account_id"], "login_name": row["login_name"]}
        | {name: row[name] for name in ("kind", "at", "way", "by")}
        for row in rows
    ]
    return {"items": items, "next_cursor": next_cursor}


async def named(office: Office, login_name: str) -> UUID:
    """Raises `not_found`."""
    wanted = select(staff_account.c.id).where(staff_account.c.login_name == login_name)
    async with office.database.reading() as connection:
        staff_id: UUID | None = await connection.scalar(wanted)
    if staff_id is None:
        raise Problem("not_found")
    return staff_id


async def _write(connection: AsyncConnection, office: Office, staff_id: UUID, changes: dict[str, Any]) -> None:
    principal = {name: changes[name] for name in _OF_PRINCIPAL if name in changes}
    if principal:
        await connection.execute(update(api_key).where(api_key.c.id == staff_id).values(principal))
    account = {name: value for name, value in changes.items() if name not in _OF_PRINCIPAL}
    if "oidc_name" in account:
        account |= _oidc(office, account["oidc_name"])
    if account:
        await connection.execute(update(staff_account).where(staff_account.c.id == staff_id).values(account))


async def _must_be_free(connection: AsyncConnection, names: Mapping[str, str | None]) -> None:
    """Raises `staff_exists`; the constraints guard what happens at the same moment."""
    taken = staff_account.c.login_name == names["login_name"]
    if names["oidc_name"] is not None:
        same_person = tuple_(staff_account.c.oidc_name, staff_account.c.oidc_issuer)
        taken |= same_person == tuple_(names["oidc_name"], names["oidc_issuer"])
    if (await connection.execute(select(staff_account.c.id).where(taken).limit(1))).first() is not None:
        raise Problem("staff_exists")


async def _must_be_apart(connection: AsyncConnection, login_name: str, role: str, staff_id: UUID | None = None) -> None:
    """三员分立, of accounts: who holds a key of another of the three by this name has no account of one. Raises
    `validation_failed`."""
    if role in KEPT_APART and await keys.holds_another(connection, login_name, KeyRole(role), staff_id):
        raise invalid(FieldError("/role", "roles_kept_apart", keys.HOLDS_ANOTHER))


def _kinds(different: set[str], changes: Mapping[str, Any]) -> list[Kind]:
    kinds = [Kind.CHANGED] if different - {"disabled_at"} else []
    if "disabled_at" in different:
        kinds.append(Kind.DISABLED if changes["disabled_at"] else Kind.ENABLED)
    return kinds


async def _check(
    office: Office, role: str, given: Mapping[str, Any], place: str | None, changed: Collection[str]
) -> None:
    """Of what is changed. Raises `validation_failed`."""
    if _CHECKED.isdisjoint(changed):
        return
    snapshot = await office.registry.refresh()
    errors = []
    if not {"role", "agency_code", "division_code"}.isdisjoint(changed):
        errors += _place_faults(snapshot, role, given, place)
    if "oidc_name" in changed and given["oidc_name"] is not None and office.provider is None:
        errors.append(FieldError("/oidc_name", "no_single_sign_on", _NO_PROVIDER))
    if errors:
        raise invalid(*errors)


def _place_faults(snapshot: Snapshot, role: str, given: Mapping[str, Any], place: str | None) -> list[FieldError]:
    errors = [FieldError("/role", "role_of_devices", _OF_DEVICES)] if role == KeyRole.KIOSK else []
    agency_code, division_code = given["agency_code"], given["division_code"]
    agency = snapshot.directory.agencies.get(agency_code or "")
    if (role == KeyRole.AGENCY) != (agency_code is not None):
        errors.append(FieldError("/agency_code", "agency_of_role", _AGENCY))
    elif agency_code is not None and agency is None:
        known = list(snapshot.directory.agencies)
        errors.append(checks.unknown_code("/agency_code", "agency", agency_code, known, _AGENCIES))
    if role == KeyRole.AGENCY and division_code is not None:
        errors.append(FieldError("/division_code", "division_of_agency", _DIVISION_OF_AGENCY))
    elif role == KeyRole.TOWNSHIP and division_code is None:
        errors.append(FieldError("/division_code", "division_needed", _DIVISION_NEEDED))
    elif division_code is not None and division_code not in snapshot.divisions:
        errors.append(checks.unknown_division("/division_code", division_code))
    elif agency is not None and not lies_in(agency.division_code, place):
        errors.append(outside("/agency_code", place))
    elif agency is None and not lies_in(division_code or "", place):
        errors.append(outside("/division_code", place))
    return errors


def _oidc(office: Office, name: str | None) -> dict[str, str | None]:
    return {"oidc_name": name, "oidc_issuer": office.provider.issuer if name and office.provider else None}


def _not_own(key: Key | None, staff_id: UUID) -> None:
    if key is not None and key.id == staff_id:
        raise Problem("own_account")


def _accounts(place: str | None = None) -> Select[Any]:
    accounts = select(
        staff_account.c.id,
        *(staff_account.c[name] for name in _OF_ACCOUNT),
        staff_account.c.password_hash.is_not(None).label("has_password"),
        *(api_key.c[name] for name in _OF_PRINCIPAL),
    ).join_from(staff_account, api_key, staff_account.c.id == api_key.c.id)
    return accounts.where(*principals_within(place))


async def _row(
    connection: AsyncConnection, staff_id: UUID, place: str | None = None, *, locked: bool = False
) -> Mapping[Any, Any]:
    found = _accounts(place).where(staff_account.c.id == staff_id)
    row: Mapping[Any, Any] | None = (
        (await connection.execute(found.with_for_update() if locked else found)).mappings().first()
    )
    if row is None:
        raise Problem("not_found")
    return row


def _view(row: Mapping[Any, Any]) -> dict[str, Any]:
    told: datetime | None = row["locked_until"]
    until = told if told is not None and told > now() else None
    names = (*_OF_ACCOUNT, *_OF_PRINCIPAL, "has_password")
    return {"staff_id": row["id"], **{name: row[name] for name in names}, "locked_until": until}


def _tag(row: Mapping[Any, Any]) -> str:
    return etags.of_content(to_json([row[name] for name in _EDITED]))
