"""Roots as anybody may have them: no request, no person, no count."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.statements import Published, pem_of, statement_of_row
from app.office import Office
from app.paged import PageAsked, bad_cursor, text_cursor_of
from app.problems import Problem
from app.tables import audit_key, audit_root
from app.wire import from_json

Row = Mapping[Any, Any]


def shown(root: Row) -> dict[str, Any]:
    """An `AuditRoot`: the statement word for word, its signature, and what it says."""
    return {
        "day": root["day"],
        "as_of": root["as_of"],
        "root": root["root"].hex(),
        "readings": root["readings"].hex() if root["readings"] else None,
        "previous": root["previous"].hex(),
        "key_id": root["key_id"],
        "statement": statement_of_row(root).decode(),
        "signature": b64encode(root["signature"]).decode(),
    }


async def roots(office: Office, page: PageAsked) -> dict[str, Any]:
    """The newest first."""
    signed = select(audit_root).where(audit_root.c.signature.is_not(None))
    if page.cursor is not None:
        signed = signed.where(audit_root.c.day < _day(page))
    async with office.database.reading() as connection:
        ordered = signed.order_by(audit_root.c.day.desc()).limit(page.limit + 1)
        rows = (await connection.execute(ordered)).mappings().all()
    items = [shown(row) for row in rows[: page.limit]]
    more = len(rows) > page.limit
    return {"items": items, "next_cursor": text_cursor_of(items[-1]["day"].isoformat()) if more else None}


async def root_of_day(office: Office, day: date) -> dict[str, Any]:
    """Raises `not_found`."""
    signed = select(audit_root).where(audit_root.c.day == day, audit_root.c.signature.is_not(None))
    async with office.database.reading() as connection:
        row = (await connection.execute(signed)).mappings().first()
    if row is None:
        raise Problem("not_found")
    return shown(row)


async def keys(office: Office) -> dict[str, Any]:
    """The last used first; those that roots were signed with, so none before the first root."""
    async with office.database.reading() as connection:
        rows = await connection.execute(select(audit_key).order_by(audit_key.c.first_used_at.desc()))
        return {"keys": [key_shown(row) for row in rows.mappings()]}


def key_shown(row: Row) -> dict[str, Any]:
    public_key = row["public_key"]
    return {
        "key_id": row["id"],
        "algorithm": "Ed25519",
        "public_key": b64encode(public_key).decode(),
        "public_key_pem": pem_of(public_key),
        "first_used_at": row["first_used_at"],
    }


async def publication(connection: AsyncConnection) -> dict[str, Any]:
    """Every root, the oldest first, and the keys: what is kept elsewhere, to compare with later."""
    signed = select(audit_root).where(audit_root.c.signature.is_not(None)).order_by(audit_root.c.day)
    rows = (await connection.execute(signed)).mappings().all()
    named = await connection.execute(select(audit_key).order_by(audit_key.c.first_used_at))
    return {"keys": [key_shown(row) for row in named.mappings()], "roots": [shown(row) for row in rows]}


def published_of(document: Mapping[str, Any]) -> Sequence[Published]:
    """What a publication holds, or a page of `GET /v1/public/audit-roots`. Raises ValueError if it is neither."""
    listed = document.get("roots", document.get("items"))
    if not isinstance(listed, list):
        raise ValueError("no roots")
    try:
        return [published(each) for each in listed]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("a root without its statement or signature") from error


def published(root: Mapping[str, Any]) -> Published:
    """By its statement alone: that is what was signed."""
    statement = root["statement"].encode()
    day = date.fromisoformat(from_json(statement)["day"])
    return Published(day, statement, b64decode(root["signature"], validate=True))


def _day(page: PageAsked) -> date:
    try:
        return date.fromisoformat(page.after_text())
    except ValueError:
        raise bad_cursor() from None
