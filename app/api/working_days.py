"""The calendar: which days are worked, one day changed, a year imported."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from app import rights, working_days
from app.answers_calendar import CalendarChanged, WorkingDays, YearImported
from app.api.access import Allow, office_of
from app.api.bodies import (
    IDEMPOTENCY_KEY,
    Day,
    answer,
    is_json,
    parse,
    read_bytes,
    read_file,
    repeat_of,
    takes,
    takes_either,
)
from app.api.documents import answers
from app.keys import Key, KeyRole
from app.schemas_calendar import WorkingDayIn, WorkingYearIn
from app.year_notice import of_body, of_sheet

router = APIRouter(prefix="/v1/working-days", tags=["calendar"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Edits = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]
_SHEET = "text/csv; charset=utf-8"


@router.get("", summary="Which days are worked", responses=answers(WorkingDays, "validation_failed"))
async def list_working_days(
    request: Request,
    key: Looks,
    first: Annotated[Day | None, Query(alias="from", description="Today in China, if left out.")] = None,
    last: Annotated[Day | None, Query(alias="to", description="The end of the year of `from`, if left out.")] = None,
) -> Response:
    """Each day with its source, and how far the calendar is known. At most 400 days a call."""
    return answer(await working_days.seen(office_of(request), first, last))


@router.put(
    "/{day}",
    summary="Change one day",
    responses=answers(CalendarChanged, body=True, what="Set."),
    openapi_extra=takes(WorkingDayIn),
)
async def change_working_day(request: Request, key: Edits, day: Day) -> Response:
    """From today on, within the years that are known. A day that is over stays: clocks have ended by it."""
    await rights.must_hold_all(office_of(request), key)
    asked = parse(WorkingDayIn, await read_bytes(request))
    return answer(await working_days.change(office_of(request), key.actor, day, asked))


@router.post(
    "",
    summary="Import a year's notice",
    responses=answers(
        YearImported, "sheet_refused", "idempotency_conflict", "malformed_header", body=True, what="Imported."
    ),
    openapi_extra=takes_either(WorkingYearIn, [_SHEET], IDEMPOTENCY_KEY),
)
async def import_year(request: Request, key: Edits) -> Response:
    """The State Council's notice as JSON, or as CSV `day,working,source`: days off and make-up days; all others follow
    the week. Taken whole in place of what the year had, or refused whole with every fault."""
    await rights.must_hold_all(office_of(request), key)
    if is_json(request):
        body = await read_bytes(request)
        notice = of_body(parse(WorkingYearIn, body))
    else:
        body = await read_file(request, [_SHEET])
        notice = of_sheet(body)
    repeat = repeat_of(request, key, body)
    return answer(await working_days.import_year(office_of(request), key.actor, notice, repeat))
