"""Handoffs: an agency's inbox, and the coordinator's board."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import reading
from app.answers import HandoffDisclosed, HandoffPage
from app.api.access import Allow, office_of
from app.api.bodies import answer
from app.api.documents import ETAG, answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole
from app.lifecycle import HandoffStatus

router = APIRouter(prefix="/v1/handoffs", tags=["handoffs"])
Looks = Annotated[Key, Depends(Allow(KeyRole.AGENCY, KeyRole.COORDINATOR, KeyRole.AUDITOR))]
AgencyCode = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="An agency's code.")]


@router.get("", summary="An agency's inbox, newest first", responses=answers(HandoffPage, "validation_failed"))
async def inbox(
    request: Request,
    key: Looks,
    page: Paged,
    status: Annotated[HandoffStatus | None, Query()] = None,
    agency: AgencyCode = None,
) -> Response:
    """An agency sees what was dispatched to it; coordinators and auditors see all handoffs."""
    return page_answer(request, await reading.handoffs(office_of(request), key, page, status, agency))


@router.get(
    "/{handoff_id}",
    summary="One handoff",
    responses=answers(HandoffDisclosed, "not_found", "validation_failed", headers=ETAG),
)
async def one_handoff(request: Request, key: Looks, handoff_id: UUID) -> Response:
    """With the field groups of the person that the rule opens to this agency, and no others. The ETag changes with
    everything that happens to the handoff."""
    office = office_of(request)
    seen = await reading.one_handoff(office, key, handoff_id, office.settings.public_url)
    return answer(seen, headers={"ETag": seen["etag"]})
