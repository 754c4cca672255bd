"""What agencies and subscriptions have in common as receivers, over the API: whether an endpoint may be saved, how it
fares, how old its secrets are, and which state of it somebody has seen."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import etags
from app.agencies import check_endpoint
from app.answers_agencies import MOST_COUNTED
from app.config import Settings
from app.delivery.addresses import AllowList, WrongEndpointError
from app.delivery.lanes import Priority
from app.identifiers import now
from app.problems import FieldError, Problem, Text
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


async def endpoint_errors(settings: Settings, endpoint: str | None) -> list[FieldError]:
    """What is wrong with an address: nothing may be sent there. To be asked before a transaction begins: it is looked
    up."""
    try:
        if endpoint is not None:
            await check_endpoint(endpoint, AllowList(settings.allowed_networks))
    except WrongEndpointError:
        return [FieldError("/endpoint", "endpoint_wrong", _WRONG_ENDPOINT)]
    return []


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
