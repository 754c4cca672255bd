"""Subscriptions (订阅): other systems that are told of what happens, added, changed, tried, ended, their secrets rotated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import agencies, checks, etags, registry, rights
from app.columns import Instant
from app.constraints import SUBSCRIPTION_NAME
from app.endpoint_rows import endpoint_errors, fares, must_match, secrets_of, tls_kept, tls_of, tried
from app.identifiers import new_id, now
from app.jurisdictions import lies_in
from app.office import Office
from app.paged import PageAsked, cursor_of
from app.problems import Problem, Text, invalid
from app.repeats import Repeat, once
from app.schemas_agencies import SecretIn
from app.schemas_subscriptions import SubscriptionChange, SubscriptionIn
from app.sealing import kept_at
from app.service_key import service_box
from app.tables import endpoint_state, subscription
from app.wire import to_json

_SET = ("name", "endpoint", "types", "needs", "areas", "active", "max_in_flight", "per_second")
_COLUMNS = tuple(subscription.c[name] for name in ("id", *_SET, "tls", "created_at", "created_by"))
_NEEDS = Text("代码见 GET /v1/needs。", "GET /v1/needs lists the codes.")
_DIVISIONS = Text("代码见 GET /v1/divisions。", "GET /v1/divisions lists the codes.")
_SUSPEND = text(
    "INSERT INTO endpoint_state (receiver, breaker, since, failures, suspended_at) "
    "VALUES (:receiver, 'closed', :at, 0, :at) "
    "ON CONFLICT (receiver) DO UPDATE SET suspended_at = excluded.suspended_at"
).bindparams(bindparam("at", type_=Instant))


async def listed(office: Office, page: PageAsked, active: bool | None, *, place: str | None) -> dict[str, Any]:
    """Those that have ended too, unless `active` says which; newest first."""
    query = select(*_COLUMNS)
    if active is not None:
        query = query.where(subscription.c.active.is_(active))
    if place is not None:
        known = (await office.registry.refresh()).subscriptions.values()  # they are few
        query = query.where(subscription.c.id.in_([each.id for each in known if _is_of(place, each.areas)]))
    if (after := page.after_id()) is not None:
        query = query.where(subscription.c.id < after)
    async with office.database.reading() as connection:
        rows = (await connection.execute(query.order_by(subscription.c.id.desc()).limit(page.limit + 1))).mappings()
        items = [_summary(row) for row in rows]
    more = len(items) > page.limit
    items = items[: page.limit]
    return {"items": items, "next_cursor": cursor_of(items[-1]["subscription_id"]) if more else None}


async def one(office: Office, subscription_id: UUID, *, place: str | None) -> tuple[dict[str, Any], str]:
    """A `SubscriptionView`, and its entity tag. Raises `not_found`."""
    async with office.database.reading() as connection:
        row = await _row(connection, subscription_id, place)
        return await _view(connection, row), _tag(row)


async def add(office: Office, actor: str, asked: SubscriptionIn, repeat: Repeat | None, *, place: str | None) -> bytes:
    """A `SubscriptionMade`, JSON. Raises `validation_failed`, `subscription_exists`, `idempotency_conflict`."""
    given = _columns(asked)
    await _check(office, asked, given, place)

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        subscription_id = new_id()
        columns = agencies.columns(given, await service_box(connection), _place(subscription_id))
        row = {"id": subscription_id, **columns, "active": True, "created_at": now(), "created_by": actor}
        await connection.execute(subscription.insert(), row)
        secret = await agencies.add_secret(connection, str(row["id"]))
        await registry.moved(connection)
        return {**await _view(connection, row), "secret": secret}

    answer = await once(office.database, repeat, make, taken=SUBSCRIPTION_NAME)
    await office.registry.refresh()
    return answer


async def change(
    office: Office, subscription_id: UUID, asked: SubscriptionChange, if_match: str | None, *, place: str | None
) -> tuple[dict[str, Any], str]:
    """A `SubscriptionView`, and its new entity tag. One that is made active again, or has a new endpoint, is sent to
    again, whatever had suspended it.

    Raises `not_found`, `validation_failed`, `subscription_exists`, `precondition_required`, `precondition_failed`.
    """
    changes = {name: value for name, value in _columns(asked).items() if name in asked.model_fields_set}
    await _check(office, asked, changes, place)
    async with office.database.writing() as connection:
        before = await _row(connection, subscription_id, place, locked=True)
        must_match(if_match, _tag(before))
        if changes:
            columns = agencies.columns(changes, await service_box(connection), _place(subscription_id))
            await connection.execute(update(subscription).where(subscription.c.id == subscription_id).values(**columns))
            await registry.moved(connection)
        row = await _row(connection, subscription_id, place)
        if changes.get("active") is False:
            await _suspend(connection, subscription_id)
        elif row["active"] and ("active" in changes or row["endpoint"] != before["endpoint"]):
            known = endpoint_state.c.receiver == str(subscription_id)
            await connection.execute(delete(endpoint_state).where(known))
        view = await _view(connection, row)
    await office.registry.refresh()
    return view, _tag(row)


async def end(office: Office, subscription_id: UUID, *, place: str | None) -> None:
    """Nothing new is queued for it, and what waits is not sent. Ending twice is no error. Raises `not_found`."""
    async with office.database.writing() as connection:
        row = await _row(connection, subscription_id, place, locked=True)
        if row["active"]:
            await connection.execute(
                update(subscription).where(subscription.c.id == subscription_id).values(active=False)
            )
            await _suspend(connection, subscription_id)
            await registry.moved(connection)
    await office.registry.refresh()


async def rotate_secret(
    office: Office, subscription_id: UUID, asked: SecretIn, repeat: Repeat | None, *, place: str | None
) -> bytes:
    """A `SubscriptionSecretMade`, JSON. Raises `not_found`, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        await _row(connection, subscription_id, place, locked=True)
        receiver = str(subscription_id)
        secret = await agencies.replace_secret(connection, receiver, timedelta(hours=asked.overlap_hours))
        return {
            "subscription_id": subscription_id,
            "secret": secret,
            "secrets": await secrets_of(connection, receiver),
        }

    answer = await once(office.database, repeat, make)
    await office.registry.refresh()
    return answer


async def ping(office: Office, subscription_id: UUID, *, place: str | None) -> dict[str, Any]:
    """What came back on a test message. Raises `not_found`, `no_endpoint`, `too_many_pings`."""
    code = str(subscription_id)
    receiver = (await office.registry.refresh()).subscriptions.get(code)
    if receiver is None or not _is_of(place, receiver.areas):
        raise Problem("not_found")
    return await tried(office, code, receiver, {"subscription_id": code})


def _columns(asked: SubscriptionIn | SubscriptionChange) -> dict[str, Any]:
    """What is listed twice counts once."""
    given = asked.model_dump(mode="json", exclude={"tls"})
    lists = {name: list(dict.fromkeys(given[name] or ())) for name in ("types", "needs", "areas")}
    return {**given, **lists, "tls": tls_of(asked.tls)}


async def _check(
    office: Office, asked: SubscriptionIn | SubscriptionChange, given: Mapping[str, Any], place: str | None
) -> None:
    """Raises `validation_failed` for codes that nobody knows, for an endpoint that nothing may be sent to, and for
    certificates that can't be used."""
    snapshot = await office.registry.refresh()
    known = (("needs", "need", snapshot.needs, _NEEDS), ("areas", "division", snapshot.divisions, _DIVISIONS))
    errors = [
        checks.unknown_code(f"/{name}/{position}", kind, code, list(codes), hint)
        for name, kind, codes, hint in known
        for position, code in enumerate(given.get(name, ()))
        if code not in codes
    ]
    if not _is_of(place, given.get("areas", (place,))):
        errors.append(rights.outside("/areas", place))
    errors += await endpoint_errors(office.settings, given.get("endpoint"), asked.tls)
    if errors:
        raise invalid(*errors)


def _is_of(place: str | None, areas: Collection[str]) -> bool:
    """A subscription that is told of other places too is theirs as well, so it is not this place's."""
    return place is None or (bool(areas) and all(lies_in(each, place) for each in areas))


async def _row(
    connection: AsyncConnection, subscription_id: UUID, place: str | None, *, locked: bool = False
) -> Mapping[Any, Any]:
    found = select(*_COLUMNS).where(subscription.c.id == subscription_id)
    row = (await connection.execute(found.with_for_update() if locked else found)).mappings().first()
    if row is None or not _is_of(place, row["areas"]):
        raise Problem("not_found")
    return row


async def _suspend(connection: AsyncConnection, subscription_id: UUID) -> None:
    await connection.execute(_SUSPEND, {"receiver": str(subscription_id), "at": now()})


def _place(subscription_id: UUID) -> bytes:
    return kept_at("subscription.tls", subscription_id)


def _summary(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"subscription_id": row["id"], **{name: row[name] for name in (*_SET, "created_at", "created_by")}}


async def _view(connection: AsyncConnection, row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        **_summary(row),
        "tls": await tls_kept(connection, row["tls"], _place(row["id"])),
        **await fares(connection, str(row["id"])),
    }


def _tag(row: Mapping[Any, Any]) -> str:
    """An entity tag of what can be edited; how the endpoint fares changes by itself, and is no part of it."""
    return etags.of_content(to_json([row[name] for name in _SET]) + (row["tls"] or b""))
