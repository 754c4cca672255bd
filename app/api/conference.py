"""The joint conference: its list as JSON and as XLSX, and its outcomes back in either."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from app.answers_coordination import Agenda, OutcomesApplied
from app.api.access import Allow, office_of
from app.api.bodies import (
    IDEMPOTENCY_KEY,
    MOST_BYTES_IN_BULK,
    answer,
    parse,
    read_bytes,
    read_file,
    repeat_of,
    takes_either,
)
from app.api.documents import answers
from app.conference import reading
from app.conference.agenda import agenda
from app.conference.outcomes import apply
from app.keys import Key, KeyRole
from app.repeats import Repeat
from app.routing.words import Language
from app.schemas_coordination import OutcomesIn

router = APIRouter(prefix="/v1/conference", tags=["coordination"])
Coordinates = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR))]
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR))]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILE: dict[str, Any] = {XLSX: {"schema": {"type": "string", "format": "binary"}}}
_LISTED = answers(Agenda, "validation_failed", what="The list; as a workbook, with columns for the outcomes.")
_LISTED[200]["content"] = _FILE


@router.get("", summary="The conference's list", responses=_LISTED)
async def list_agenda(
    request: Request,
    key: Looks,
    form: Annotated[
        Literal["json", "xlsx"] | None, Query(alias="format", description="Or by `Accept`; JSON if neither says.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Items of each kind.")] = 100,
    language: Annotated[Literal["zh", "en"], Query(description="Of the workbook.")] = "zh",
) -> Response:
    """Open disputes, needs that three or more agencies still work on, handoffs that are overdue and were urged
    or supervised twice; the oldest first, and `more` says of which kinds there are more. Nothing of the person."""
    listed = await agenda(office_of(request), key, limit)
    if form != "xlsx" and (form or XLSX not in request.headers.get("accept", "")):
        return answer(listed)
    headers = {"Content-Disposition": 'attachment; filename="conference.xlsx"'}
    return Response(await asyncio.to_thread(_xlsx, listed, language), headers=headers, media_type=XLSX)


def _xlsx(listed: Mapping[str, Any], language: Language) -> bytes:
    from app.conference.sheet import write  # with a library that a service seldom needs

    return write(listed, language)


@router.post(
    "/outcomes",
    summary="Take the conference's outcomes in",
    responses=answers(
        OutcomesApplied, "outcomes_refused", "idempotency_conflict", "malformed_header", body=True, what="All applied."
    ),
    openapi_extra=takes_either(OutcomesIn, [XLSX], IDEMPOTENCY_KEY),
)
async def take_outcomes(request: Request, key: Coordinates) -> Response:
    """As JSON, or the workbook with its columns filled in. All of it or nothing, every fault told by its place. The same
    bytes again are the same outcomes; what is so already is left as it is."""
    office = office_of(request)
    if request.headers.get("content-type", "").startswith(XLSX):
        body = await read_file(request, [XLSX])
        lines = await reading.of_sheet(office, body)
    else:
        body = await read_bytes(request, MOST_BYTES_IN_BULK)
        lines = reading.of_json(parse(OutcomesIn, body))
    same = f"outcomes:{hmac.digest(office.secret, body, 'sha256').hex()}"
    repeat = repeat_of(request, key, body) or Repeat.of(office.secret, key, same, request.scope["path"], body)
    return answer(await apply(office, key, lines, repeat))
