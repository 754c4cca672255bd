"""Erasure on demand (个人信息保护法47), and again after a restore that brought the key back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app import forgetting, holds, retention, rights
from app.db import Database
from app.handoffs import SYSTEM
from app.identifiers import now
from app.keeping import KINDS, kind_of, parse_period
from app.keys import Key
from app.office import Office
from app.problems import Problem, Text
from app.registry import Registry
from app.schemas_retention import EraseIn
from app.tables import help_request
from app.timeline import Case

_PAGE = 1000
_WHY = {
    "open": Text("事项尚未办结或撤回;先办结或撤回,才可删除。", "It has not ended: close it or withdraw it first."),
    "held": Text("事项处于暂缓删除之中;解除后才可删除。", "It is on hold: release it first."),
    "minimum_period": Text(
        "最短保管期限未满;在此之前只保存、不作他用(个人信息保护法47)。",
        "Its least period is not over; until then it is stored and used for nothing else (PIPL 47).",
    ),
    "messages_under_way": Text(
        "还有报文在发送途中;送达或停止尝试后才可删除,最多三天。",
        "A message about it is still under way: at the latest three days from now it can be erased.",
    ),
}


async def demand(office: Office, key: Key, request_id: UUID, asked: EraseIn) -> dict[str, Any]:
    """Erase a request at once (`Erased`); again is no error. Raises `not_found`, `not_erasable` with why, and when it is."""
    snapshot, at = await office.registry.current(), now()
    async with office.database.writing() as connection:
        case = next(iter(await forgetting.load_shut(connection, [request_id])), None)
        if case is None:
            raise Problem("not_found")
        rights.must_reach(key, case.request)
        if (before := case.request["erased_at"]) is not None:
            return {"request_id": request_id, "erased_at": before}
        await _must_be_erasable(connection, case, at)
        data = {"why": "demand", "ground": asked.ground, "legal_basis": asked.legal_basis}
        await forgetting.forget(connection, case, snapshot, at, key.actor, data)
    await office.database.leave_no_trace()
    return {"request_id": request_id, "erased_at": at}


async def _must_be_erasable(connection: AsyncConnection, case: Case, at: datetime) -> None:
    if not case.has_ended:
        raise _refused("open", None)
    if hold := await holds.of_request(connection, case.id, at):
        raise _refused("held", hold["until"])
    kind = kind_of(case.request)
    set_by_county = (await retention.rows_of(connection)).get(kind)
    minimum = KINDS[kind].minimum if set_by_county is None else set_by_county["minimum"]
    if minimum is not None and (possible := parse_period(minimum).over_from(case.request["closed_at"])) > at:
        raise _refused("minimum_period", possible)
    if await forgetting.is_being_told(connection, case.id):
        raise _refused("messages_under_way", None)


def _refused(why: str, possible_from: datetime | None) -> Problem:
    return Problem("not_erasable", _WHY[why], extra={"why": why, "possible_from": possible_from})


class Gone(NamedTuple):
    request_id: UUID
    erased_at: datetime


async def all_erased(database: Database, since: datetime | None = None) -> AsyncIterator[Gone]:
    """Those that were erased, the earliest first; to be kept outside of the database, for `again`."""
    place = tuple_(help_request.c.erased_at, help_request.c.id)
    page = select(help_request.c.id, help_request.c.erased_at).order_by(help_request.c.erased_at, help_request.c.id)
    page = page.where(help_request.c.erased_at.is_not(None)).limit(_PAGE)
    if since is not None:
        page = page.where(help_request.c.erased_at >= since)
    after: tuple[datetime, UUID] | None = None
    while True:
        async with database.reading() as connection:
            rows = (await connection.execute(page if after is None else page.where(place > after))).all()
        for row in rows:
            yield Gone(row.id, row.erased_at)
        if len(rows) < _PAGE:
            return
        after = (rows[-1].erased_at, rows[-1].id)


async def again(database: Database, registry: Registry, request_ids: Iterable[UUID]) -> dict[str, list[UUID]]:
    """Erase once more what a backup brought back; which were `erased`, were so `already`, are `open` again, or are
    `unknown` here. Neither a hold nor a period stands in the way: both were looked at when it was erased."""
    done: dict[str, list[UUID]] = {name: [] for name in ("erased", "already", "open", "unknown")}
    snapshot = await registry.current()
    for request_id in request_ids:
        async with database.writing() as connection:
            case = next(iter(await forgetting.load_shut(connection, [request_id])), None)
            done[_state(case)].append(request_id)
            if case is not None and _state(case) == "erased":
                await forgetting.forget(connection, case, snapshot, now(), SYSTEM, {"why": "restored"})
    await database.leave_no_trace()
    return done


def _state(case: Case | None) -> str:
    if case is None:
        return "unknown"
    request: Mapping[str, Any] = case.request
    return "already" if request["erased_at"] is not None else "erased" if case.has_ended else "open"
