"""What agencies and subscriptions have in common as receivers, over the API: whether an endpoint may be saved, how it
fares, how old its secrets are, what it answers to a test, and which state of it somebody has seen."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import etags
from app.agencies import check_endpoint
from app.answers_agencies import MOST_COUNTED
from app.config import Settings
from app.delivery.addresses import AllowList, WrongEndpointError
from app.delivery.lanes import Priority
from app.delivery.tls import WrongTlsError, tls_context
from app.identifiers import now
from app.office import Office
from app.problems import FieldError, Problem, Text
from app.receivers import Receiver, Tls, secrets_at
from app.schemas_agencies import TlsIn
from app.service_key import service_box
from app.tables import delivery, endpoint_secret, endpoint_state

_NOTHING_KNOWN = {
    "breaker": "closed",
    "since": None,
    "failures": 0,
    "fault": None,
    "probe_at": None,
    "suspended_at": None,
}
_WRONG_ENDPOINT = Text(
    "接收地址应为 https:// 的公共地址,或 ONE_WINDOW_ALLOWED_NETWORKS 所列网络内的地址(该处也可用 http://);"
    "端口 1 到 65535,不含用户名和密码。例如 https://housing.example.gov.cn/one-window。",
    "An endpoint is an https:// address that is public, or one in the networks of ONE_WINDOW_ALLOWED_NETWORKS, there also "
    "http://; its port 1 to 65535, without user or password. Write one such as "
    "https://housing.example.gov.cn/one-window.",
)
_WRONG_TLS = Text(
    "证书或私钥无法使用:应为 PEM,私钥不加密码,且与客户端证书(置于首位)相配。",
    "The certificates or the key can't be used: give PEM, the key without a password and that of the client certificate, "
    "which comes first.",
)


async def endpoint_errors(settings: Settings, endpoint: str | None, tls: TlsIn | None) -> list[FieldError]:
    """What can't be saved: an address where nothing may be sent, certificates that can't be used. To be asked before a
    transaction begins: the address is looked up."""
    errors = []
    try:
        if endpoint is not None:
            await check_endpoint(endpoint, AllowList(settings.allowed_networks))
    except WrongEndpointError:
        errors.append(FieldError("/endpoint", "endpoint_wrong", _WRONG_ENDPOINT))
    try:
        if tls is not None:
            tls_context(tls.ca, tls.certificate, tls.key)
    except WrongTlsError:
        errors.append(FieldError("/tls", "tls_wrong", _WRONG_TLS))
    return errors


def tls_of(asked: TlsIn | None) -> Tls | None:
    return Tls(asked.ca, asked.certificate, asked.key) if asked and asked.model_fields_set else None


async def tls_kept(connection: AsyncConnection, sealed: bytes | None, where: bytes) -> dict[str, bool] | None:
    """Of a receiver's own TLS whether it is there, never the texts."""
    tls = Tls(**(await service_box(connection)).unseal(sealed, where)) if sealed else None
    return {"ca": tls.ca is not None, "client_certificate": tls.certificate is not None} if tls else None


async def tried(office: Office, code: str, receiver: Receiver, told: dict[str, Any]) -> dict[str, Any]:
    """What came back on a test message with `told` as its data. Raises `no_endpoint`, `too_many_pings`."""
    if receiver.endpoint is None or not secrets_at(receiver, now()):
        raise Problem("no_endpoint")
    ping = await asyncio.to_thread(_pinging)
    if wait := office.pings.take(code, time.monotonic()):
        raise Problem("too_many_pings", headers={"Retry-After": str(int(wait) + 1)})
    try:
        message_id, attempt, seen = await ping(office.settings, receiver, told)
    finally:
        office.pings.give_back(code)
    return {
        **told,
        "endpoint": receiver.endpoint,
        "message_id": message_id,
        "sent_at": attempt.started_at,
        "milliseconds": attempt.milliseconds,
        "delivered": attempt.succeeded,
        "status_code": attempt.status_code,
        "fault": attempt.fault,
        "address": seen.address,
        "tls": asdict(seen.tls) if seen.tls else None,
        "headers": seen.headers,
        "answer": attempt.answer.decode("utf-8", "replace"),
    }


def _pinging() -> Any:
    from app.delivery.ping import ping  # with a client of HTTP, which who delivers nothing does without

    return ping


async def fares(connection: AsyncConnection, receiver: str) -> dict[str, Any]:
    """`secrets`, `state`, `pending` and `exhausted` of a receiver, as both views have them."""
    state = select(endpoint_state).where(endpoint_state.c.receiver == receiver)
    known = (await connection.execute(state)).mappings().first() or _NOTHING_KNOWN
    lanes = delivery.c.priority.in_([int(lane) for lane in Priority])  # so that the queue's index serves
    return {
        "secrets": await secrets_of(connection, receiver),
        "state": {name: known[name] for name in _NOTHING_KNOWN},
        "pending": await _counted(connection, delivery.c.status == "pending", lanes, delivery.c.receiver == receiver),
        "exhausted": await _counted(connection, delivery.c.status == "exhausted", delivery.c.receiver == receiver),
    }


async def secrets_of(connection: AsyncConnection, receiver: str) -> list[dict[str, Any]]:
    """The ages of those in force, the newest first."""
    held = endpoint_secret.c
    in_force = select(held.created_at, held.ends_at).where(
        held.receiver == receiver, or_(held.ends_at.is_(None), held.ends_at > now())
    )
    rows = await connection.execute(in_force.order_by(held.created_at.desc(), held.id.desc()))
    return [{"created_at": row.created_at, "ends_at": row.ends_at} for row in rows]


def must_match(if_match: str | None, tag: str) -> None:
    """Raises `precondition_required`, `precondition_failed`."""
    if if_match is None:
        raise Problem("precondition_required")
    if not etags.matches(if_match.strip(), tag):
        raise Problem("precondition_failed", headers={"ETag": tag})


async def _counted(connection: AsyncConnection, *which: Any) -> int:
    some = select(delivery.c.id).where(*which).limit(MOST_COUNTED).subquery()
    return await connection.scalar(select(func.count()).select_from(some)) or 0
