"""Reopenings: who is not content with a result, and what a coordinator rules on it; and how many are content."""

from __future__ import annotations

from datetime import MAXYEAR, MINYEAR
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import reopenings
from app.answers_reopenings import ReopeningPage, ReopeningRuled, Satisfaction
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, Day, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.keys import Key, KeyRole
from app.lifecycle import ReopeningState
from app.problems import FieldError, Text, invalid
from app.schemas_tracking import DeclineIn, ReopenIn

router = APIRouter(prefix="/v1", tags=["coordination"])
Coordinates = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR))]
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR))]
_MOST_DAYS = 366
_RULED = answers(
    ReopeningRuled,
    *("not_found", "already_ruled", "idempotency_conflict", "malformed_header"),
    body=True,
    what="Done; the person sees it on their page.",
)


@router.get(
    "/reopenings",
    summary="Whose problem is not solved, newest first",
    responses=answers(ReopeningPage, "validation_failed", "purpose_needed"),
)
async def list_reopenings(
    request: Request,
    key: Looks,
    page: Paged,
    state: Annotated[ReopeningState | None, Query()] = None,
    purpose: StatedPurpose = None,
) -> Response:
    """People whose request was closed and who say that it is not solved, or not wholly. What they wrote is for those who
    may see people; that it was read is recorded."""
    return page_answer(request, await reopenings.listed(office_of(request), key, page, state, purpose))


@router.post(
    "/reopenings/{reopening_id}/reopen",
    summary="Handle it again",
    responses=_RULED,
    openapi_extra=takes(ReopenIn, IDEMPOTENCY_KEY),
)
async def reopen(request: Request, key: Coordinates, reopening_id: UUID) -> Response:
    """The handoff that is named is given out again, with new clocks; without one the request goes to whoever finds out
    whose it is (`undetermined`). The request is open again, under its number."""
    body = await read_bytes(request)
    asked, repeat = parse(ReopenIn, body), repeat_of(request, key, body)
    return answer(await reopenings.reopen(office_of(request), key, reopening_id, asked, repeat))


@router.post(
    "/reopenings/{reopening_id}/decline",
    summary="Tell the person why it is not handled again",
    responses=_RULED,
    openapi_extra=takes(DeclineIn, IDEMPOTENCY_KEY),
)
async def decline(request: Request, key: Coordinates, reopening_id: UUID) -> Response:
    """The reason stands on the person's page as you write it."""
    body = await read_bytes(request)
    asked, repeat = parse(DeclineIn, body), repeat_of(request, key, body)
    return answer(await reopenings.decline(office_of(request), key, reopening_id, asked, repeat))


@router.get(
    "/satisfaction",
    summary="How many people say that their problem is solved",
    responses=answers(Satisfaction, "validation_failed"),
)
async def satisfaction(
    request: Request,
    key: Looks,
    since: Annotated[Day, Query(description="The first day, in China.")],
    until: Annotated[Day, Query(description="The last day, counted in.")],
) -> Response:
    """Of the answers on these days, within your jurisdiction. Who did not answer is not counted."""
    if not 0 <= (until - since).days < _MOST_DAYS or since.year == MINYEAR or until.year == MAXYEAR:
        text = Text("请填不早于 since、一年以内的日期。", "It must not be before `since`, and within a year of it.")
        raise invalid(FieldError("until", "days_out_of_order", text))
    return answer(await reopenings.satisfaction(office_of(request), key, since, until))
