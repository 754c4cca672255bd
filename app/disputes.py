"""Disputes (争议): agencies that differ on whose duty a need is; at most one is open for a request's need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.identifiers import new_id
from app.ledger import Unit
from app.lifecycle import DisputeState
from app.tables import dispute


class Why(StrEnum):
    """Why a return was not simply passed on."""

    SECOND_RETURN = "second_return"  # the need was returned, or given to somebody else, before
    HAD_IT = "had_it_already"  # the agency of the department that was named has the need, or had it
    NO_AGENCY = "no_agency"  # the department that was named has no agency there
    NO_DEPARTMENT = "no_department"  # none was named
    FOR_COORDINATOR = "for_coordinator"  # for a reason that another agency can't mend


@dataclass(slots=True)
class Dispute:
    """An open one; every method stores what it changes by way of the unit. `handoffs` are those that were returned."""

    id: UUID
    request_id: UUID
    need: str
    handoffs: list[str]

    @classmethod
    def open(
        cls, unit: Unit, request: Mapping[str, Any], need: str, returned: Collection[UUID], why: Why, at: datetime
    ) -> Dispute:
        opened = cls(new_id(), request["id"], need, [str(each) for each in returned])
        row: dict[str, Any] = {"id": opened.id, "need": need, "handoffs": opened.handoffs}
        row |= {"request_id": request["id"], "division_code": request["division_code"]}
        row |= {"why": why.value, "opened_at": at, "state": DisputeState.OPEN.value}
        unit.insert(dispute, row | dict.fromkeys(_RULING))
        return opened

    def join(self, unit: Unit, handoff_id: UUID) -> None:
        self.handoffs = list(dict.fromkeys([*self.handoffs, str(handoff_id)]))
        unit.update(_JOIN, {"b_id": self.id, "b_handoffs": self.handoffs})

    def rule(self, unit: Unit, handoff_id: UUID, agency_code: str | None, by: str, at: datetime, words: bytes) -> None:
        """No agency: nobody has to do it. `words`: the reason and the legal basis, sealed."""
        ruling = {"b_agency_code": agency_code, "b_ruled_on": handoff_id, "b_ruled_by": by, "b_ruled_at": at}
        unit.update(_RULE, {"b_id": self.id, **ruling, "b_sealed": words})

    def withdraw(self, unit: Unit) -> None:
        unit.update(_WITHDRAW, {"b_id": self.id})


_RULING = ("agency_code", "ruled_on", "ruled_by", "ruled_at", "sealed")
_THIS = dispute.c.id == bindparam("b_id")
_JOIN = update(dispute).where(_THIS).values(handoffs=bindparam("b_handoffs", type_=dispute.c.handoffs.type))
_RULE = update(dispute).where(_THIS)
_RULE = _RULE.values({"state": DisputeState.RULED.value, **{name: bindparam(f"b_{name}") for name in _RULING}})
_WITHDRAW = update(dispute).where(_THIS).values(state=DisputeState.WITHDRAWN.value)


async def open_disputes(connection: AsyncConnection, request_ids: Collection[UUID]) -> list[Dispute]:
    columns = (dispute.c.id, dispute.c.request_id, dispute.c.need, dispute.c.handoffs)
    of_requests = dispute.c.request_id.in_(request_ids) & (dispute.c.state == DisputeState.OPEN.value)
    return [Dispute(*row) for row in await connection.execute(select(*columns).where(of_requests))]
