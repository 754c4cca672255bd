"""Alarms about who looks at too many people's data."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import alarms
from app.answers_disclosures import AlarmPage, AlarmSeen
from app.api.access import Allow, office_of
from app.api.bodies import answer
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole

router = APIRouter(prefix="/v1/alarms", tags=["alarms"])
Watches = Annotated[Key, Depends(Allow(KeyRole.SECURITY, KeyRole.AUDITOR))]


@router.get("", summary="The alarms, newest first", responses=answers(AlarmPage, "validation_failed"))
async def list_alarms(
    request: Request,
    key: Watches,
    page: Paged,
    open: Annotated[bool | None, Query(description="Those that wait for somebody, or those that do not.")] = None,  # noqa: A002
) -> Response:
    """Each is raised once, for the hour or the day in which somebody looked at more people's data than the settings say,
    beside the work that they had in hand. It holds nobody up."""
    return page_answer(request, await alarms.listed(office_of(request), key, page, open))


@router.post(
    "/{alarm_id}/acknowledge",
    summary="Say that somebody has looked into it",
    responses=answers(AlarmSeen, "not_found", "validation_failed"),
)
async def acknowledge(request: Request, key: Watches, alarm_id: UUID) -> Response:
    """The first who does stands; again answers the same."""
    return answer(await alarms.acknowledge(office_of(request), key, alarm_id))
