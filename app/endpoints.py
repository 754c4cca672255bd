"""An agency's endpoint over the API: looked at, set, tried, taken back, and sent again what it lost."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import agencies, checks, etags, rights
from app.agencies import AgencyExistsError
from app.delivery import again
from app.endpoint_rows import endpoint_errors, fares, must_match, secrets_of, tls_kept, tls_of, tried
from app.jurisdictions import Conditions, lies_in, within
from app.keys import Key
from app.office import Office
from app.paged import PageAsked, cursor_of, text_cursor_of
from app.problems import Problem, Text, invalid
from app.repeats import Repeat, once
from app.routing.directory import upward
from app.schemas_agencies import AgencyChange, AgencyIn, SecretIn
from app.tables import agency
from app.wire import to_json

_SUMMARY = (
    *("code", "department", "division_code", "name_zh", "name_en", "phone", "endpoint", "delivery_mode"),
    *("active", "created_at"),
)
_EDITED = (*_SUMMARY, "max_in_flight", "per_second", "tls")
_DIVISIONS = Text("代码见 GET /v1/divisions。", "GET /v1/divisions lists the codes.")
_DEPARTMENTS = Text("例如 county_civil_affairs。", "One is county_civil_affairs.")


async def listed(
    office: Office,
    page: PageAsked,
    department: str | None,
    division_code: str | None,
    active: bool | None,
    *,
    place: str | None,
) -> dict[str, Any]:
    """In the order of their codes; `division_code` and every place in it. Of a jurisdiction also those above it, which
    may be given its handoffs."""
    query = select(*(agency.c[name] for name in _SUMMARY)).where(*_seen_from(place))
    if department is not None:
        query = query.where(agency.c.department == department)
    if division_code is not None:
        query = query.where(agency.c.division_code.startswith(division_code, autoescape=True))
    if active is not None:
        query = query.where(agency.c.active.is_(active))
    query = query.where(agency.c.code > page.after_text()).order_by(agency.c.code).limit(page.limit + 1)
    async with office.database.reading() as connection:
        rows = [{name: row[name] for name in _SUMMARY} for row in (await connection.execute(query)).mappings()]
    items = rows[: page.limit]
    return {"items": items, "next_cursor": text_cursor_of(items[-1]["code"]) if len(rows) > page.limit else None}


async def one(office: Office, code: str, *, place: str | None) -> tuple[dict[str, Any], str]:
    """An `AgencyView`, and its entity tag. Raises `not_found`, as everywhere here for what is another place's."""
    async with office.database.reading() as connection:
        row = await _row(connection, code, *_seen_from(place))
        return await _view(connection, row), _tag(row)


async def add(office: Office, key: Key, asked: AgencyIn, repeat: Repeat | None) -> bytes:
    """An `AgencyKept`, JSON. Raises `validation_failed`, `agency_exists`, `idempotency_conflict`."""
    given = asked.model_dump(include={"code", "division_code", "name_zh", "name_en", "phone", "endpoint"})
    snapshot = await office.registry.refresh()
    errors = []
    if asked.department not in snapshot.departments:
        known = list(snapshot.departments)
        errors.append(checks.unknown_code("/department", "department", asked.department, known, _DEPARTMENTS))
    if asked.division_code not in snapshot.divisions:
        known = list(snapshot.divisions)
        errors.append(checks.unknown_code("/division_code", "division", asked.division_code, known, _DIVISIONS))
    elif not lies_in(asked.division_code, key.division_code):
        errors.append(rights.outside("/division_code", key.division_code))
    errors += await endpoint_errors(office.settings, asked.endpoint, asked.tls)
    if errors:
        raise invalid(*errors)

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        how = {
            "delivery_mode": asked.delivery_mode.value,
            "max_in_flight": asked.max_in_flight,
            "per_second": asked.per_second,
            "tls": tls_of(asked.tls),
        }
        try:
            secret = await agencies.add(connection, department_code=asked.department, how=how, **given)
        except AgencyExistsError:
            raise Problem("agency_exists") from None
        return {**await _view(connection, await _row(connection, asked.code)), "secret": secret}

    return await once(office.database, repeat, make, taken="pk_agency")


async def change(
    office: Office, code: str, asked: AgencyChange, if_match: str | None, *, place: str | None
) -> tuple[dict[str, Any], str]:
    """An `AgencyKept`, and its new entity tag.

    Raises `not_found`, `validation_failed`, `precondition_required`, `precondition_failed`.
    """
    changes = asked.model_dump(exclude_unset=True, exclude={"tls"})
    if errors := await endpoint_errors(office.settings, asked.endpoint, asked.tls):
        raise invalid(*errors)
    if "delivery_mode" in changes:
        changes["delivery_mode"] = asked.delivery_mode.value
    if "tls" in asked.model_fields_set:
        changes["tls"] = tls_of(asked.tls)
    async with office.database.writing() as connection:
        before = await _row(connection, code, *_of(place), locked=True)
        must_match(if_match, _tag(before))
        secret = await agencies.change(connection, code, changes)
        row = await _row(connection, code)
        kept = {**await _view(connection, row), "secret": secret}
    if row["endpoint"] != before["endpoint"]:
        await again.hurry(office.database, code)
    return kept, _tag(row)


async def rotate_secret(
    office: Office, code: str, asked: SecretIn, repeat: Repeat | None, *, place: str | None
) -> bytes:
    """A `SecretMade`, JSON. Raises `not_found`, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        await _row(connection, code, *_of(place), locked=True)
        secret = await agencies.rotate_secret(connection, code, timedelta(hours=asked.overlap_hours))
        return {"agency": code, "secret": secret, "secrets": await secrets_of(connection, code)}

    return await once(office.database, repeat, make)


async def resume(office: Office, code: str, *, place: str | None) -> tuple[dict[str, Any], str]:
    """End the suspension that an answer of 410 began; what waits is tried now. Raises `not_found`."""
    async with office.database.writing() as connection:
        await _row(connection, code, *_of(place))
        ended = await agencies.end_suspension(connection, code)
    if ended:
        await again.hurry(office.database, code)
    return await one(office, code, place=place)


async def ping(office: Office, code: str, *, place: str | None) -> dict[str, Any]:
    """What came back on a test message. Raises `not_found`, `no_endpoint`, `too_many_pings`."""
    snapshot = await office.registry.refresh()
    receiver = snapshot.directory.agencies.get(code)
    if receiver is None or not lies_in(receiver.division_code, place):
        raise Problem("not_found")
    return await tried(office, code, receiver, {"agency": code})


async def send_again(
    office: Office, key: Key, code: str | None, since: datetime | None, page: PageAsked
) -> dict[str, Any]:
    """All of an agency since a time, or all of the key's jurisdiction that is exhausted: `page.limit` deliveries of it.
    Raises `not_found`."""
    if code is not None:
        async with office.database.reading() as connection:
            await _row(connection, code, *_of(key.division_code))
    chosen = again.Chosen(code, since, key.division_code)
    sent, looked_at, last = 0, 0, page.after_id()
    async for batch in again.redeliver_all(office.database, chosen, key.actor, page.limit, last):
        sent, looked_at, last = sent + batch.sent_again, looked_at + batch.looked_at, batch.last
    more = last is not None and looked_at == page.limit
    return {"sent_again": sent, "next_cursor": cursor_of(last) if more and last else None}


def _of(place: str | None) -> Conditions:
    return within(place, agency.c.division_code)


def _seen_from(place: str | None) -> Conditions:
    return tuple(each | agency.c.division_code.in_(upward(place or "")) for each in _of(place))


async def _row(
    connection: AsyncConnection, code: str, *which: ColumnElement[bool], locked: bool = False
) -> Mapping[Any, Any]:
    found = select(*(agency.c[name] for name in _EDITED)).where(agency.c.code == code, *which)
    row = (await connection.execute(found.with_for_update() if locked else found)).mappings().first()
    if row is None:
        raise Problem("not_found")
    return row


async def _view(connection: AsyncConnection, row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in (*_SUMMARY, "max_in_flight", "per_second")},
        "tls": await tls_kept(connection, row["tls"], agencies.tls_place(row["code"])),
        **await fares(connection, row["code"]),
    }


def _tag(row: Mapping[Any, Any]) -> str:
    """An entity tag of what can be edited; how the endpoint fares changes by itself, and is no part of it."""
    told = to_json([row[name] for name in _EDITED if name != "tls"]) + (row["tls"] or b"")
    return etags.of_content(told)
