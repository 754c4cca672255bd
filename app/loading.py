"""Loading (调取): a request as it is stored, with its handoffs, locked for whoever will change it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.disputes import open_disputes
from app.lifecycle import HandoffStatus, RequestStatus
from app.problems import Problem
from app.routing.rules import Role
from app.sealing import box_of
from app.tables import handoff, help_request
from app.timeline import HEAD, Case, Handoff


async def load(connection: AsyncConnection, request_id: UUID) -> Case:
    """The case, its request locked until the caller's transaction ends. Raises `not_found`."""
    cases = await load_all(connection, [request_id])
    if not cases:
        raise Problem("not_found")
    return cases[request_id]


async def load_all(connection: AsyncConnection, request_ids: Collection[UUID]) -> dict[UUID, Case]:
    """Those that there are, locked as by `load`, in one order: of two who lock many, neither waits for the other's rest."""
    locked = select(help_request).where(help_request.c.id.in_(request_ids)).order_by(help_request.c.id)
    rows = (await connection.execute(locked.with_for_update())).mappings()
    cases = {row["id"]: stored_case(connection, row) for row in rows}
    handoffs = select(handoff).where(handoff.c.request_id.in_(cases)).order_by(handoff.c.step, handoff.c.id)
    for each in (await connection.execute(handoffs)).mappings():
        cases[each["request_id"]].handoffs.append(from_row(each))
    disputed = [case.id for case in cases.values() if case.status is RequestStatus.DISPUTED]
    if disputed:
        for dispute in await open_disputes(connection, disputed):
            cases[dispute.request_id].disputes[dispute.need] = dispute
    return cases


def stored_case(connection: AsyncConnection, row: Mapping[Any, Any]) -> Case:
    """Of a row of `help_request`, no handoffs yet."""
    return Case(dict(row), [], is_new=False, box=box_of(connection, row))


async def headers(connection: AsyncConnection, request_ids: Collection[UUID]) -> dict[UUID, Case]:
    """Requests without their handoffs and people, for adding events alone; locked, in one order, as by `load`."""
    locked = (
        select(*(help_request.c[name] for name in ("id", *HEAD)))
        .where(help_request.c.id.in_(request_ids))
        .order_by(help_request.c.id)
        .with_for_update()
    )
    rows = (await connection.execute(locked)).mappings()
    return {row["id"]: Case(dict(row), [], is_new=False) for row in rows}


def from_row(row: Mapping[Any, Any]) -> Handoff:
    return Handoff(**{**row, "role": Role(row["role"]), "status": HandoffStatus(row["status"])})
