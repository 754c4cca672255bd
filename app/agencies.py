"""Agencies: added, listed, their signing secrets rotated with overlap."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import registry, signing
from app.identifiers import new_id, now
from app.receivers import DeliveryMode
from app.sealing import seal
from app.tables import agency, agency_seat, department, division, endpoint_secret

# The columns of an agency that is not sent messages yet, and will be in the usual way.
NO_ENDPOINT: Mapping[str, Any] = {
    "endpoint": None,
    "delivery_mode": DeliveryMode.FULL.value,
    "max_in_flight": None,
    "per_second": None,
    "tls": None,
}


class WrongAgencyError(ValueError):
    """Its text says what to write instead."""


async def add(
    connection: AsyncConnection,
    *,
    code: str,
    department_code: str,
    division_code: str,
    name_zh: str,
    name_en: str,
    phone: str | None,
    endpoint: str | None,
) -> str | None:
    """Add an agency; with an endpoint, its signing secret, which is shown this once."""
    if endpoint is not None:
        check_endpoint(endpoint)
    if await connection.scalar(select(agency.c.code).where(agency.c.code == code)) is not None:
        raise WrongAgencyError(f"There is an agency {code} already; choose another code.")
    if await connection.scalar(select(department.c.code).where(department.c.code == department_code)) is None:
        raise WrongAgencyError(f"There is no department {department_code}; write one such as county_civil_affairs.")
    if await connection.scalar(select(division.c.code).where(division.c.code == division_code)) is None:
        raise WrongAgencyError(f"There is no division {division_code}; write a statistical code such as 360803.")
    row: dict[str, Any] = {"code": code, "department": department_code, "division_code": division_code, "phone": phone}
    row |= {"name_zh": name_zh, "name_en": name_en, "active": True, "created_at": now()}
    row |= {**NO_ENDPOINT, "endpoint": endpoint}
    await connection.execute(agency.insert(), row)
    secret = await _add_secret(connection, code) if endpoint else None
    await record_seat(connection, code, await registry.moved(connection))
    return secret


async def set_active(connection: AsyncConnection, code: str, active: bool) -> None:
    """Suspend an agency, or take it back: nothing new is handed to a suspended one."""
    changed = await connection.execute(update(agency).where(agency.c.code == code).values(active=active))
    if changed.rowcount != 1:
        raise WrongAgencyError(f"There is no agency {code}; `one-window agencies list` shows them.")
    await record_seat(connection, code, await registry.moved(connection))


async def record_seat(connection: AsyncConnection, code: str, of_revision: int) -> None:
    """Keep what the agency is from this revision of the directory on, so that decisions can be made again."""
    names = ("department", "division_code", "active")
    now_is = select(agency.c.code, literal(of_revision), *(agency.c[name] for name in names)).where(
        agency.c.code == code
    )
    await connection.execute(agency_seat.insert().from_select(["agency_code", "revision", *names], now_is))


async def set_endpoint(connection: AsyncConnection, code: str, endpoint: str) -> str:
    """Give an agency an endpoint and a new secret, which is shown this once; older ones end now."""
    check_endpoint(endpoint)
    changed = await connection.execute(update(agency).where(agency.c.code == code).values(endpoint=endpoint))
    if changed.rowcount != 1:
        raise WrongAgencyError(f"There is no agency {code}.")
    return await rotate_secret(connection, code, timedelta(0))


async def rotate_secret(connection: AsyncConnection, code: str, overlap: timedelta) -> str:
    """A new secret, shown this once. The old ones sign and are accepted until the overlap ends."""
    if await connection.scalar(select(agency.c.code).where(agency.c.code == code)) is None:
        raise WrongAgencyError(f"There is no agency {code}; `one-window agencies list` shows them.")
    ends_at = now() + overlap
    still_used = or_(endpoint_secret.c.ends_at.is_(None), endpoint_secret.c.ends_at > ends_at)
    await connection.execute(
        update(endpoint_secret).where(endpoint_secret.c.receiver == code, still_used).values(ends_at=ends_at)
    )
    secret = await _add_secret(connection, code)
    await registry.moved(connection)
    return secret


async def listed(connection: AsyncConnection) -> list[dict[str, Any]]:
    rows = await connection.execute(select(agency).order_by(agency.c.code))
    return [dict(row) for row in rows.mappings()]


def check_endpoint(endpoint: str) -> None:
    """Raises WrongAgencyError for what is no http(s) address, or holds a user or password."""
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is not closed, a port that is no number or too large
        is_address = False
    if not is_address:
        raise WrongAgencyError(
            "An endpoint is an http:// or https:// address, its port (if any) 1 to 65535; "
            "write one such as https://housing.example.gov.cn/one-window."
        )
    if parts.username or parts.password:
        raise WrongAgencyError("An endpoint holds no user or password; messages are signed instead.")


async def _add_secret(connection: AsyncConnection, code: str) -> str:
    secret = signing.new_secret()
    row = {"id": new_id(), "receiver": code, "sealed": seal(secret), "created_at": now(), "ends_at": None}
    await connection.execute(endpoint_secret.insert(), row)
    return secret
