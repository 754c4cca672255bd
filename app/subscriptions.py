"""Subscriptions (订阅): other systems that are told of what happens, added, changed, ended, their secrets rotated."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import agencies, checks, registry
from app.answers_subscriptions import MOST_COUNTED
from app.columns import Instant
from app.constraints import IDEMPOTENCY_KEY, SUBSCRIPTION_NAME, constraint_of
from app.delivery.addresses import AllowList, WrongEndpointError
from app.delivery.lanes import Priority
from app.identifiers import new_id, now
from app.office import Office
from app.problems import FieldError, Problem, Text, invalid
from app.reading import PageAsked, cursor_of
from app.repeats import Repeat, first_answer
from app.schemas_subscriptions import SubscriptionChange, SubscriptionIn, SubscriptionSecretIn
from app.sealing import seal_bytes, unseal_bytes
from app.tables import delivery, endpoint_secret, endpoint_state, idempotency, subscription
from app.wire import to_json

_SET = ("name", "endpoint", "types", "needs", "areas", "active", "max_in_flight", "per_second")
_COLUMNS = tuple(subscription.c[name] for name in ("id", *_SET, "created_at", "created_by"))
_NOTHING_KNOWN = {"since": None, "failures": 0, "fault": None, "probe_at": None, "suspended_at": None}
_NEEDS = Text("代码见 GET /v1/needs。", "GET /v1/needs lists the codes.")
_DIVISIONS = Text("代码见 GET /v1/divisions。", "GET /v1/divisions lists the codes.")
_WRONG_ENDPOINT = Text(
    "接收地址须为允许发送到的 http:// 或 https:// 地址,不含用户名和密码,例如 https://statistics.example.gov.cn/one-window;"
    "http:// 只可用于 ONE_WINDOW_ALLOWED_NETWORKS 中的网络。",
    "An endpoint is an http:// or https:// address that messages may go to, without user or password, such as "
    "https://statistics.example.gov.cn/one-window; http:// only in the networks of ONE_WINDOW_ALLOWED_NETWORKS.",
)
_SUSPEND = text(
    "INSERT INTO endpoint_state (receiver, breaker, since, failures, suspended_at) "
    "VALUES (:receiver, 'closed', :at, 0, :at) "
    "ON CONFLICT (receiver) DO UPDATE SET suspended_at = excluded.suspended_at"
).bindparams(bindparam("at", type_=Instant))


async def listed(office: Office, page: PageAsked, active: bool | None) -> dict[str, Any]:
    """Those that have ended too, unless `active` says which; newest first."""
    query = select(*_COLUMNS)
    if active is not None:
        query = query.where(subscription.c.active.is_(active))
    if (after := page.after_id()) is not None:
        query = query.where(subscription.c.id < after)
    async with office.database.reading() as connection:
        rows = (await connection.execute(query.order_by(subscription.c.id.desc()).limit(page.limit + 1))).mappings()
        items = [_summary(row) for row in rows]
    more = len(items) > page.limit
    items = items[: page.limit]
    return {"items": items, "next_cursor": cursor_of(items[-1]["subscription_id"]) if more else None}


async def one(office: Office, subscription_id: UUID) -> tuple[dict[str, Any], str]:
    """A `SubscriptionView`, and its entity tag. Raises `not_found`."""
    async with office.database.reading() as connection:
        row = await _row(connection, subscription_id)
        return await _view(connection, row), _tag(row)


async def add(office: Office, actor: str, asked: SubscriptionIn, repeat: Repeat | None) -> bytes:
    """A `SubscriptionMade`, JSON. Raises `validation_failed`, `subscription_exists`, `idempotency_conflict`."""
    given = _columns(asked)
    await _check(office, given)

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        row = {"id": new_id(), **given, "active": True, "tls": None, "created_at": now(), "created_by": actor}
        await connection.execute(subscription.insert(), row)
        secret = await agencies.add_secret(connection, str(row["id"]))
        await registry.moved(connection)
        return {**await _view(connection, row), "secret": secret}

    return await _once(office, repeat, make)


async def change(
    office: Office, subscription_id: UUID, asked: SubscriptionChange, if_match: str | None
) -> tuple[dict[str, Any], str]:
    """A `SubscriptionView`, and its new entity tag. One that is made active again, or has a new endpoint, is sent to
    again, whatever had suspended it.

    Raises `not_found`, `validation_failed`, `subscription_exists`, `precondition_required`, `precondition_failed`.
    """
    changes = {name: value for name, value in _columns(asked).items() if name in asked.model_fields_set}
    await _check(office, changes)
    async with office.database.writing() as connection:
        before = await _row(connection, subscription_id, locked=True)
        _must_match(if_match, _tag(before))
        if changes:
            await connection.execute(update(subscription).where(subscription.c.id == subscription_id).values(**changes))
            await registry.moved(connection)
        row = await _row(connection, subscription_id)
        if changes.get("active") is False:
            await _suspend(connection, subscription_id)
        elif row["active"] and ("active" in changes or row["endpoint"] != before["endpoint"]):
            known = endpoint_state.c.receiver == str(subscription_id)
            await connection.execute(delete(endpoint_state).where(known))
        view = await _view(connection, row)
    await office.registry.refresh()
    return view, _tag(row)


async def end(office: Office, subscription_id: UUID) -> None:
    """Nothing new is queued for it, and what waits is not sent. Ending twice is no error. Raises `not_found`."""
    async with office.database.writing() as connection:
        row = await _row(connection, subscription_id, locked=True)
        if row["active"]:
            await connection.execute(
                update(subscription).where(subscription.c.id == subscription_id).values(active=False)
            )
            await _suspend(connection, subscription_id)
            await registry.moved(connection)
    await office.registry.refresh()


async def rotate_secret(
    office: Office, subscription_id: UUID, asked: SubscriptionSecretIn, repeat: Repeat | None
) -> bytes:
    """A `SubscriptionSecretMade`, JSON. Raises `not_found`, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        await _row(connection, subscription_id, locked=True)
        receiver = str(subscription_id)
        secret = await agencies.replace_secret(connection, receiver, timedelta(hours=asked.overlap_hours))
        return {
            "subscription_id": subscription_id,
            "secret": secret,
            "secrets": await _secrets(connection, receiver),
        }

    return await _once(office, repeat, make)


def _columns(asked: SubscriptionIn | SubscriptionChange) -> dict[str, Any]:
    """What is listed twice counts once."""
    given = asked.model_dump(mode="json")
    lists = {name: list(dict.fromkeys(given[name] or ())) for name in ("types", "needs", "areas")}
    return {**given, **lists}


async def _check(office: Office, given: Mapping[str, Any]) -> None:
    """Raises `validation_failed` for codes that nobody knows, and for an endpoint that nothing may be sent to."""
    snapshot = await office.registry.refresh()
    known = (("needs", "need", snapshot.needs, _NEEDS), ("areas", "division", snapshot.divisions, _DIVISIONS))
    errors = [
        checks.unknown_code(f"/{name}/{position}", kind, code, list(codes), hint)
        for name, kind, codes, hint in known
        for position, code in enumerate(given.get(name, ()))
        if code not in codes
    ]
    if "endpoint" in given:
        try:
            await agencies.check_endpoint(given["endpoint"], AllowList(office.settings.allowed_networks))
        except WrongEndpointError:
            errors.append(FieldError("/endpoint", "endpoint_wrong", _WRONG_ENDPOINT))
    if errors:
        raise invalid(*errors)


async def _once(
    office: Office, repeat: Repeat | None, make: Callable[[AsyncConnection], Awaitable[dict[str, Any]]]
) -> bytes:
    """What `make` answers, or what it answered the first time. Two at the same moment: the later one looks again."""
    try:
        return await _made(office, repeat, make)
    except IntegrityError as error:
        if repeat is None or constraint_of(error) not in (IDEMPOTENCY_KEY, SUBSCRIPTION_NAME):
            raise
    return await _made(office, repeat, make)


async def _made(
    office: Office, repeat: Repeat | None, make: Callable[[AsyncConnection], Awaitable[dict[str, Any]]]
) -> bytes:
    async with office.database.writing() as connection:
        if repeat and (first := await first_answer(connection, repeat)):
            return unseal_bytes(first.answer)
        answer = to_json(await make(connection))
        if repeat:
            # It holds a signing secret, and is kept as one.
            await connection.execute(idempotency.insert(), repeat.row(None, now(), seal_bytes(answer)))
    await office.registry.refresh()
    return answer


async def _row(connection: AsyncConnection, subscription_id: UUID, *, locked: bool = False) -> Mapping[Any, Any]:
    found = select(*_COLUMNS).where(subscription.c.id == subscription_id)
    row = (await connection.execute(found.with_for_update() if locked else found)).mappings().first()
    if row is None:
        raise Problem("not_found")
    return row


async def _suspend(connection: AsyncConnection, subscription_id: UUID) -> None:
    await connection.execute(_SUSPEND, {"receiver": str(subscription_id), "at": now()})


def _summary(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {"subscription_id": row["id"], **{name: row[name] for name in (*_SET, "created_at", "created_by")}}


async def _view(connection: AsyncConnection, row: Mapping[Any, Any]) -> dict[str, Any]:
    receiver = str(row["id"])
    state = select(endpoint_state).where(endpoint_state.c.receiver == receiver)
    known = (await connection.execute(state)).mappings().first() or {"breaker": "closed", **_NOTHING_KNOWN}
    of_receiver, lanes = delivery.c.receiver == receiver, delivery.c.priority.in_([int(lane) for lane in Priority])
    return {
        **_summary(row),
        "secrets": await _secrets(connection, receiver),
        "state": {name: known[name] for name in ("breaker", *_NOTHING_KNOWN)},
        "pending": await _counted(connection, of_receiver, delivery.c.status == "pending", lanes),
        "exhausted": await _counted(connection, of_receiver, delivery.c.status == "exhausted"),
    }


async def _counted(connection: AsyncConnection, *which: Any) -> int:
    some = select(delivery.c.id).where(*which).limit(MOST_COUNTED).subquery()
    return await connection.scalar(select(func.count()).select_from(some)) or 0


async def _secrets(connection: AsyncConnection, receiver: str) -> list[dict[str, datetime | None]]:
    held = endpoint_secret.c
    in_force = select(held.created_at, held.ends_at).where(
        held.receiver == receiver, or_(held.ends_at.is_(None), held.ends_at > now())
    )
    rows = await connection.execute(in_force.order_by(held.created_at.desc(), held.id.desc()))
    return [{"created_at": row.created_at, "ends_at": row.ends_at} for row in rows]


def _tag(row: Mapping[Any, Any]) -> str:
    """An entity tag of what can be edited; how the endpoint fares changes by itself, and is no part of it."""
    return f'"{hashlib.sha256(to_json([row[name] for name in _SET])).hexdigest()[:32]}"'


def _must_match(if_match: str | None, tag: str) -> None:
    if if_match is None:
        raise Problem("precondition_required")
    if if_match.strip() != "*" and tag not in (each.strip() for each in if_match.split(",")):
        raise Problem("precondition_failed", headers={"ETag": tag})
