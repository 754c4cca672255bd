"""Agencies: added, changed, listed, their signing secrets rotated with overlap."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import registry, signing
from app.delivery.addresses import AllowList, Endpoint, WrongEndpointError, parse_endpoint
from app.delivery.names import look_up
from app.identifiers import new_id, now
from app.receivers import DeliveryMode, Tls
from app.refusals import RefusedError
from app.sealing import Box, kept_at
from app.service_key import service_box
from app.tables import agency, agency_seat, department, division, endpoint_secret, endpoint_state

# The columns of an agency that is not sent messages yet, and will be in the usual way.
NO_ENDPOINT: Mapping[str, Any] = {
    "endpoint": None,
    "delivery_mode": DeliveryMode.FULL.value,
    "max_in_flight": None,
    "per_second": None,
    "tls": None,
}

_LOOK_UP_SECONDS = 5


class WrongAgencyError(RefusedError):
    """An agency, or what is to be changed of it, that can't be so."""


class AgencyExistsError(WrongAgencyError):
    """Its code is another agency's."""


async def add(
    connection: AsyncConnection,
    *,
    code: str,
    department_code: str,
    division_code: str,
    name_zh: str,
    name_en: str,
    phone: str | None,
    endpoint: Endpoint | None,
    how: Mapping[str, Any] | None = None,
) -> str | None:
    """Add an agency; with an endpoint, its signing secret, which is shown this once. `how`: as in `change`."""
    if await connection.scalar(select(agency.c.code).where(agency.c.code == code)) is not None:
        raise AgencyExistsError(f"There is an agency {code} already; choose another code.")
    if await connection.scalar(select(department.c.code).where(department.c.code == department_code)) is None:
        raise WrongAgencyError(f"There is no department {department_code}; write one such as county_civil_affairs.")
    if await connection.scalar(select(division.c.code).where(division.c.code == division_code)) is None:
        raise WrongAgencyError(f"There is no division {division_code}; write a statistical code such as 360803.")
    row: dict[str, Any] = {"code": code, "department": department_code, "division_code": division_code, "phone": phone}
    row |= {"name_zh": name_zh, "name_en": name_en, "active": True, "created_at": now()}
    row |= {**NO_ENDPOINT, "endpoint": endpoint, **columns(how or {}, await service_box(connection), tls_place(code))}
    await connection.execute(agency.insert(), row)
    secret = await add_secret(connection, code) if endpoint else None
    await record_seat(connection, code, await registry.moved(connection))
    return secret


async def change(connection: AsyncConnection, code: str, changes: Mapping[str, Any]) -> str | None:
    """Change columns of an agency: its names, phone, endpoint, how it is sent to (`tls` is a `Tls` or None), whether it
    is active: nothing new is handed to one that is not.

    A new address keeps the secret; the answer is a new one, shown this once, only where none is in force. What was
    known against the old address is forgotten.
    """
    of_code = agency.c.code == code
    before = (await connection.execute(select(agency.c.endpoint).where(of_code).with_for_update())).first()
    if before is None:
        raise WrongAgencyError(f"There is no agency {code}; `one-window agencies list` shows them.")
    if changes:
        values = columns(changes, await service_box(connection), tls_place(code))
        await connection.execute(update(agency).where(of_code).values(**values))
    endpoint = changes.get("endpoint", before.endpoint)
    if endpoint != before.endpoint:
        await connection.execute(delete(endpoint_state).where(endpoint_state.c.receiver == code))
    secret = None if endpoint is None or await _has_secret(connection, code) else await add_secret(connection, code)
    moved_to = await registry.moved(connection)
    if "active" in changes:
        await record_seat(connection, code, moved_to)
    return secret


async def end_suspension(connection: AsyncConnection, code: str) -> bool:
    """Send again to an endpoint that had answered 410; False if it had not, or somebody was quicker."""
    suspended = (endpoint_state.c.receiver == code) & endpoint_state.c.suspended_at.is_not(None)
    ended = await connection.execute(delete(endpoint_state).where(suspended))
    return ended.rowcount == 1


async def record_seat(connection: AsyncConnection, code: str, of_revision: int) -> None:
    """Keep what the agency is from this revision of the directory on, so that decisions can be made again."""
    names = ("department", "division_code", "active")
    now_is = select(agency.c.code, literal(of_revision), *(agency.c[name] for name in names)).where(
        agency.c.code == code
    )
    await connection.execute(agency_seat.insert().from_select(["agency_code", "revision", *names], now_is))


async def set_endpoint(connection: AsyncConnection, code: str, endpoint: Endpoint) -> str:
    """Give an agency an endpoint and a new secret, which is shown this once; older ones end now."""
    return await change(connection, code, {"endpoint": endpoint}) or await rotate_secret(connection, code, timedelta(0))


async def rotate_secret(connection: AsyncConnection, code: str, overlap: timedelta) -> str:
    """A new secret, shown this once. The old ones sign and are accepted until the overlap ends."""
    if await connection.scalar(select(agency.c.code).where(agency.c.code == code)) is None:
        raise WrongAgencyError(f"There is no agency {code}; `one-window agencies list` shows them.")
    return await replace_secret(connection, code, overlap)


async def replace_secret(connection: AsyncConnection, receiver: str, overlap: timedelta) -> str:
    """The same, of an agency or a subscription that is known to be there."""
    ends_at = now() + overlap
    still_used = or_(endpoint_secret.c.ends_at.is_(None), endpoint_secret.c.ends_at > ends_at)
    await connection.execute(
        update(endpoint_secret).where(endpoint_secret.c.receiver == receiver, still_used).values(ends_at=ends_at)
    )
    secret = await add_secret(connection, receiver)
    await registry.moved(connection)
    return secret


async def listed(connection: AsyncConnection) -> list[dict[str, Any]]:
    rows = await connection.execute(select(agency).order_by(agency.c.code))
    return [dict(row) for row in rows.mappings()]


async def check_endpoint(endpoint: str, allowed: AllowList) -> Endpoint:
    """The endpoint, which may be saved. Its name is looked up, so call it with no transaction open.

    A name that nobody knows yet passes with https: every connection is checked anew. Raises WrongEndpointError.
    """
    parts = parse_endpoint(endpoint)
    encrypted = parts.scheme == "https"
    addresses = await _look_up(parts.hostname or "")
    if (addresses or not encrypted) and not any(allowed.allows(each, encrypted) for each in addresses):
        raise WrongEndpointError(
            "The endpoint has no address that is allowed: https:// goes to public addresses and to the networks in "
            "ONE_WINDOW_ALLOWED_NETWORKS, http:// only to those networks. Name its network there, or write another."
        )
    return Endpoint(endpoint)


async def _look_up(host: str) -> list[str]:
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            found = await look_up(host, None)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


def tls_place(code: str) -> bytes:
    return kept_at("agency.tls", code)


def columns(how: Mapping[str, Any], box: Box, where: bytes) -> dict[str, Any]:
    """How a receiver is sent to, as it is stored: its `tls`, if that is given, sealed for its place."""
    tls: Tls | None = how.get("tls")
    return {**how, "tls": box.seal(asdict(tls), where) if tls else None} if "tls" in how else dict(how)


async def _has_secret(connection: AsyncConnection, code: str) -> bool:
    in_force = or_(endpoint_secret.c.ends_at.is_(None), endpoint_secret.c.ends_at > now())
    found = select(endpoint_secret.c.id).where(endpoint_secret.c.receiver == code, in_force).limit(1)
    return await connection.scalar(found) is not None


async def add_secret(connection: AsyncConnection, receiver: str) -> str:
    secret, secret_id = signing.new_secret(), new_id()
    sealed = (await service_box(connection)).seal(secret, kept_at("endpoint_secret.sealed", secret_id, receiver))
    row = {"id": secret_id, "receiver": receiver, "sealed": sealed, "created_at": now(), "ends_at": None}
    await connection.execute(endpoint_secret.insert(), row)
    return secret
