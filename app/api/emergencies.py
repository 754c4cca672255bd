"""Emergencies: acted on at once, watched on a board, lifted from ordinary requests; and what is owed afterwards."""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import debts, emergency
from app.answers_emergencies import DebtPage, DebtView, EmergencyBoard, EmergencyReceipt, EmergencyView
from app.api.access import Allow, Direct, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.api.sealed import read_sealable, takes_sealable
from app.debts import DebtKind
from app.emergency_board import board
from app.keys import Key, KeyRole
from app.rates import Budget
from app.schemas_emergencies import EmergencyIn, LiftIn, SettleIn

MOST_SECONDS = 10
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*([0-9]{1,9})\s*(?:;[^,]*)?(?=,|$)", re.IGNORECASE)
PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "`wait=N`: hold the answer up to N seconds (10 at most) for the first agency that signs in.",
    "example": "wait=10",
}
_APPLIED = {"Preference-Applied": {"description": "`wait=N`, as applied.", "schema": {"type": "string"}}}
alarm_router = APIRouter(prefix="/v1/emergencies", tags=["emergencies"], route_class=Direct)
router = APIRouter(prefix="/v1", tags=["emergencies"])
_TELL = (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.KIOSK, KeyRole.EMERGENCY)
Tells = Annotated[Key, Depends(Allow(*_TELL, budget=Budget.EMERGENCIES))]
Watches = Annotated[Key, Depends(Allow(KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR))]
_ACT = (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.AGENCY, KeyRole.COORDINATOR)
Acts = Annotated[Key, Depends(Allow(*_ACT))]
Lifts = Annotated[Key, Depends(Allow(*_ACT, budget=Budget.EMERGENCIES))]
Looks = Annotated[Key, Depends(Allow(*_ACT, KeyRole.SUPERVISOR, KeyRole.AUDITOR))]


@alarm_router.post(
    "",
    status_code=201,
    summary="Act on an emergency",
    responses=answers(
        EmergencyReceipt,
        *("idempotency_conflict", "malformed_header", "sealed_body_refused", "sealing_key_unknown"),
        status=201,
        body=True,
        limited=False,
        what="Stored, and every agency's message queued before all others.",
        headers=_APPLIED,
    ),
    openapi_extra=takes_sealable(EmergencyIn, IDEMPOTENCY_KEY, PREFER),
)
async def act(request: Request, key: Tells) -> Response:
    """What happened and where is enough: `{"what": "...", "where": "..."}`. All agencies of the emergency are told at the
    same moment, nothing is verified before, and what is unknown is a warning. A 201 means that it is on disk, also
    before the answer waits."""
    body = await read_sealable(request, office_of(request))
    asked = parse(EmergencyIn, body)
    repeat = repeat_of(request, key, body)
    seconds = _seconds(request)
    taken = await emergency.accept(office_of(request), key, asked, repeat, seconds or 0)
    return answer(taken, 201, None if seconds is None else {"Preference-Applied": f"wait={seconds}"})


def _seconds(request: Request) -> int | None:
    """Of `Prefer: wait=N` (RFC 7240); a preference that makes no sense is not applied."""
    found = _WAIT.search(", ".join(request.headers.getlist("prefer")))
    return min(int(found[1]), MOST_SECONDS) if found else None


@router.get(
    "/emergencies/board",
    summary="The open emergencies, newest first, and whom to call",
    responses=answers(EmergencyBoard, "validation_failed"),
)
async def emergency_board(request: Request, key: Watches, page: Paged) -> Response:
    """Red is an agency that no machine has surely reached and that has not signed in: people call it."""
    return page_answer(request, await board(office_of(request), key, page))


@router.post(
    "/requests/{request_id}/emergency",
    summary="Make a request an emergency",
    responses=answers(
        EmergencyView, "not_found", "already_closed", body=True, limited=False, what="It is one now, or was already."
    ),
    openapi_extra=takes(LiftIn),
)
async def lift(request: Request, key: Lifts, request_id: UUID) -> Response:
    """By the facts that somebody states, never by words. It keeps its number; what was sent is told anew before all
    else, what waits is sent, and whoever acts on such a danger is added."""
    asked = parse(LiftIn, await read_bytes(request))
    return answer(await emergency.lift(office_of(request), key, request_id, asked))


@router.get(
    "/debts",
    summary="What is still owed in emergencies, newest first",
    responses=answers(DebtPage, "validation_failed", "purpose_needed"),
)
async def list_debts(
    request: Request,
    key: Looks,
    page: Paged,
    open: Annotated[bool | None, Query(description="Those still open, or those settled.")] = None,  # noqa: A002
    overdue: Annotated[bool, Query(description="Those open past their day.")] = False,
    purpose: StatedPurpose = None,
) -> Response:
    """An agency sees those of requests that it has a part in, an intake key those of requests that it took in, others
    those of their jurisdiction. With what one was settled is for those who may see people, and for whoever settled it;
    that it was read is recorded."""
    return page_answer(request, await debts.listed(office_of(request), key, debts.Asked(page, open, overdue), purpose))


@router.post(
    "/requests/{request_id}/debts/{kind}/settle",
    summary="Say that a debt is settled, and with what",
    responses=answers(DebtView, "not_found", "debt_settled", "validation_failed", body=True, what="Settled."),
    openapi_extra=takes(SettleIn),
)
async def settle(request: Request, key: Acts, request_id: UUID, kind: DebtKind) -> Response:
    """The same again is no error. Aid above the county's ceiling is told to its civil affairs as well."""
    asked = parse(SettleIn, await read_bytes(request))
    return answer(await debts.settle(office_of(request), key, request_id, kind, asked))
