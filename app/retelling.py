"""Told anew (重新告知): what was to say more of a person than is open now ends, and the agency is told what is left."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app import gates
from app.attachment_groups import is_opened
from app.consents import shown_by
from app.delivery.superseding import Ended, supersede
from app.desk import Desk
from app.disclosures import SUPERSEDED_EVENT
from app.handoffs import tell_dispatched
from app.lifecycle import HandoffStatus
from app.registry import Snapshot
from app.shown import whole_disclosure
from app.timeline import Case, Handoff


def shown_to(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> list[Any]:
    """The groups, and whom of the obligors: each consents for themselves."""
    opened = gates.opened(case, handoff, snapshot, at)
    return [*opened.groups, *shown_by(opened.rule, case.person).get("obligors", ())]


def is_out(handoff: Handoff) -> bool:
    return handoff.is_open and handoff.status is not HandoffStatus.WAITING


def tell_anew(case: Case, handoff: Handoff, desk: Desk) -> None:
    """All that is open to its agency now, in a message of its own."""
    opened = gates.opened(case, handoff, desk.snapshot, desk.at)
    data = {"agency": handoff.agency_code, **whole_disclosure(case, handoff, opened, desk.snapshot)}
    case.record("consent.told", desk.at, desk.actor, handoff_id=handoff.id, data=data)
    tell_dispatched(case, handoff, opened, desk)


async def take_back_messages(
    connection: AsyncConnection, case: Case, handoff: Handoff, desk: Desk, unsent: UUID | None = None
) -> Ended:
    """End those of a handoff's messages that show more than may be shown now; `unsent` is held by whoever asks."""
    groups = gates.opened(case, handoff, desk.snapshot, desk.at).groups

    def tells_of_open_papers_alone(data: Mapping[str, Any]) -> bool:
        told = data.get("supplement", {})
        return "attachments" in told and all(is_opened(each, groups) for each in told["materials"] or [None])

    ended = await supersede(connection, case, handoff, desk.at, tells_of_open_papers_alone, unsent)
    if ended.ids:
        data = {"agency": handoff.agency_code, "deliveries": list(map(str, ended.ids)), "nothing_sent": ended.is_first}
        case.record(SUPERSEDED_EVENT, desk.at, desk.actor, handoff_id=handoff.id, data=data)
    return ended
