"""Troubles (故障): how an endpoint fares is kept, and subscribers are told, with its agency's number, when one begins or
ends.

Every worker finds out by itself. `endpoint_trouble` holds what was told last, no row: that it works; who changes that
row tells, in the same transaction. A subscriber's own endpoint is announced to nobody: no message of it would arrive.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, and_, bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.columns import Instant
from app.delivery.breaker import BreakerState
from app.delivery.outbox import enqueue
from app.ledger import Unit, write_units
from app.problems import Text
from app.receivers import NoticeType
from app.registry import Snapshot
from app.routing.directory import Agency
from app.sealing import Box
from app.service_key import service_box
from app.tables import endpoint_state, endpoint_trouble

# A worker whose breaker is open probes when it may; one that has not by then is gone, or has nothing to send.
_ABANDONED_AFTER = timedelta(minutes=1)
_NAMES = ("breaker", "since", "failures", "fault", "probe_at", "suspended_at")
_KEPT = ", ".join(
    f"{name} = excluded.{name}"
    if name != "suspended_at"
    else f"{name} = coalesce(excluded.{name}, endpoint_state.{name})"
    for name in _NAMES
)
_KEEP = text(
    f"INSERT INTO endpoint_state (receiver, {', '.join(_NAMES)}) "  # noqa: S608
    f"VALUES (:receiver, {', '.join(f':{name}' for name in _NAMES)}) ON CONFLICT (receiver) DO UPDATE SET {_KEPT}"
).bindparams(
    bindparam("fault", type_=String),
    *(bindparam(name, type_=Instant) for name in ("since", "probe_at", "suspended_at")),
)
# One that said 410 is neither failing nor well again before somebody takes it back, whatever is still in flight.
_IS_SUSPENDED = (
    "SELECT 1 FROM endpoint_state AS of_it WHERE of_it.receiver = :receiver AND of_it.suspended_at IS NOT NULL"
)
_BEGIN = text(
    "INSERT INTO endpoint_trouble (receiver, kind) VALUES (:receiver, :kind) "  # noqa: S608
    "ON CONFLICT (receiver) DO UPDATE SET kind = excluded.kind WHERE endpoint_trouble.kind <> excluded.kind "
    f"AND (excluded.kind = 'suspended' OR NOT EXISTS ({_IS_SUSPENDED})) RETURNING receiver"
).bindparams(bindparam("receiver", type_=String), bindparam("kind", type_=String))
_END = text(
    f"DELETE FROM endpoint_trouble WHERE receiver = :receiver AND NOT EXISTS ({_IS_SUSPENDED}) RETURNING receiver"  # noqa: S608
).bindparams(bindparam("receiver", type_=String))
_ADVICE = {
    NoticeType.ENDPOINT_FAILING: Text(
        "接收地址连续失败,消息已暂缓发送,恢复后自动补发。请拨打该单位电话核实:{phone}。",
        "Its endpoint fails again and again; messages wait, and go out by themselves when it works. Call the agency: {phone}.",
    ),
    NoticeType.ENDPOINT_SUSPENDED: Text(
        "接收地址答复 410,已停止发送,须人工恢复。请拨打该单位电话核实:{phone}。",
        "Its endpoint answered 410 Gone; nothing is sent before somebody takes it back. Call the agency: {phone}.",
    ),
    NoticeType.ENDPOINT_RECOVERED: Text(
        "接收地址已恢复,积压的消息正在补发,无须处理。该单位电话:{phone}。",
        "Its endpoint works again and what waited is being sent; nothing is to be done. The agency's number: {phone}.",
    ),
}
_NO_NUMBER = Text("未登记", "none is on record")


@dataclass(frozen=True, slots=True)
class Change:
    """How an endpoint fares now that an attempt has changed it; `suspended_at`: it said 410 just now."""

    receiver: str
    breaker: BreakerState
    since: datetime
    failures: int
    fault: str | None
    probe_at: datetime | None
    suspended_at: datetime | None

    @property
    def told_as(self) -> NoticeType:
        if self.suspended_at is not None:
            return NoticeType.ENDPOINT_SUSPENDED
        return NoticeType.ENDPOINT_RECOVERED if self.breaker is BreakerState.CLOSED else NoticeType.ENDPOINT_FAILING


async def keep(connection: AsyncConnection, changes: Collection[Change], snapshot: Snapshot, at: datetime) -> bool:
    """Keep them in the caller's transaction, with the notices of what is news; whether somebody is told."""
    unit = Unit()
    for change in sorted(changes, key=lambda each: each.receiver):  # two workers lock rows in one order
        await connection.execute(_KEEP, asdict(change))
        agency = snapshot.directory.agencies.get(change.receiver)
        if agency is not None and await _is_news(connection, change):
            _tell(unit, await service_box(connection), change, agency, snapshot, at)
    await write_units(connection, [unit])
    return unit.rings


async def _is_news(connection: AsyncConnection, change: Change) -> bool:
    if change.told_as is NoticeType.ENDPOINT_RECOVERED:
        moved = await connection.execute(_END, {"receiver": change.receiver})
    else:
        kind = change.told_as.removeprefix("endpoint.")
        moved = await connection.execute(_BEGIN, {"receiver": change.receiver, "kind": kind})
    return moved.first() is not None


def _tell(unit: Unit, box: Box, change: Change, agency: Agency, snapshot: Snapshot, at: datetime) -> None:
    type_, number = change.told_as, agency.phone
    data: dict[str, Any] = {
        **agency.contact,
        "division_code": agency.division_code,
        "fault": change.fault,
        "since": change.suspended_at or change.since,
        "advice_zh": _ADVICE[type_].zh.format(phone=number or _NO_NUMBER.zh),
        "advice_en": _ADVICE[type_].en.format(phone=number or _NO_NUMBER.en),
    }
    for each in snapshot.subscriptions.values():
        if each.wants(type_, agency.division_code, None):
            enqueue(unit, box, type=type_, receiver=each.code, request_id=None, handoff_id=None, data=data, at=at)


async def to_be_ended(connection: AsyncConnection, at: datetime) -> frozenset[str]:
    """Whose trouble ends with the next success, whoever sees it: no worker's breaker is open any more."""
    state = endpoint_state.c
    both = endpoint_trouble.outerjoin(endpoint_state, state.receiver == endpoint_trouble.c.receiver)
    untried = or_(state.breaker == BreakerState.CLOSED.value, state.probe_at < at - _ABANDONED_AFTER)
    found = select(endpoint_trouble.c.receiver).select_from(both)
    found = found.where(or_(state.receiver.is_(None), and_(state.suspended_at.is_(None), untried)))
    return frozenset((await connection.execute(found)).scalars())
