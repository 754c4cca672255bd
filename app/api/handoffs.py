"""Handoffs: an agency's inbox, and the coordinator's board."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import board, inbox, reading
from app.answers import HandoffDisclosed, HandoffPage
from app.api.access import Allow, office_of
from app.api.bodies import answer
from app.api.documents import ETAG, answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.inboxes import Waiting
from app.keys import Key, KeyRole
from app.lifecycle import Clock, HandoffStatus
from app.problems import Problem, Text

router = APIRouter(prefix="/v1/handoffs", tags=["handoffs"])
Looks = Annotated[
    Key,
    Depends(Allow(KeyRole.AGENCY, KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR)),
]
_WAITS = Text("只有承办单位自己的密钥可以等待。", "Only an agency's own key may wait for its inbox.")
AgencyCode = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="An agency's code.")]


@router.get(
    "",
    summary="An agency's inbox, newest first, or as it comes",
    responses=answers(HandoffPage, "validation_failed", "too_many_waiting"),
)
async def list_handoffs(
    request: Request,
    key: Looks,
    page: Paged,
    status: Annotated[HandoffStatus | None, Query()] = None,
    agency: AgencyCode = None,
    overdue: Annotated[
        Literal["any", "sign_in", "acceptance", "completion"] | None,
        Query(description="Those whose clock runs though its due time is past: of this clock, or of any."),
    ] = None,
    wait: Annotated[
        int | None, Query(ge=0, le=60, description="Seconds to wait for news; for an agency's own key.")
    ] = None,
    after: Annotated[
        str | None,
        Query(
            pattern=r"^[A-Za-z0-9_-]{32,6500}$", description="The last `next_cursor`; without it, from the beginning."
        ),
    ] = None,
) -> Response:
    """An agency sees what was dispatched to it; others see all handoffs of requests in their jurisdiction.

    With `wait`: what the agency was told of (dispatched, supplemented, reminded, urged, ...) after `after`, the oldest
    first; if there is nothing, as soon as there is something, or nothing after that many seconds. The `next_cursor`
    of each answer is the `after` of the next call. A handoff that changes again comes again, as it then stands.

    With `overdue`: the longest overdue first; each item's `overdue` says which clocks, and since when.
    """
    office = office_of(request)
    if overdue is not None:
        clock = None if overdue == "any" else Clock(overdue)
        return page_answer(request, await board.overdue(office, key, page, clock, status, agency))
    if wait is None and after is None:
        return page_answer(request, await reading.handoffs(office, key, page, status, agency))
    if key.agency_code is None:
        raise Problem("forbidden", _WAITS)
    asked = inbox.Asked(inbox.Cursor.read(after), page.limit, status, wait or 0)
    with office.database.inboxes.waiting(key.agency_code, key.id) as call:
        leaving = asyncio.create_task(_end_when_left(request, call))
        try:
            return answer(await inbox.news(office, key, asked, call))
        finally:
            leaving.cancel()


async def _end_when_left(request: Request, call: Waiting) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    call.end()


@router.get(
    "/{handoff_id}",
    summary="One handoff",
    responses=answers(HandoffDisclosed, "not_found", "purpose_needed", "validation_failed", headers=ETAG),
)
async def one_handoff(request: Request, key: Looks, handoff_id: UUID, purpose: StatedPurpose = None) -> Response:
    """With the field groups of the person that the rule opens to this agency, and no others. The ETag changes with
    everything that happens to the handoff. That the person is shown is recorded before, with the purpose."""
    office = office_of(request)
    seen = await reading.one_handoff(office, key, handoff_id, office.settings.public_url, purpose=purpose)
    return answer(seen, headers={"ETag": seen["etag"]})
