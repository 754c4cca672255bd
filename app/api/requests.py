"""Help requests: taken in, looked at, added to, taken back."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import disclosures, intake, reading, supplements
from app.answers import Decision, RequestPage, RequestReceipt, RequestView, Timeline
from app.answers_disclosures import Disclosures
from app.api.access import Allow, Direct, office_of
from app.api.bodies import (
    IDEMPOTENCY_KEY,
    answer,
    parse,
    read_bytes,
    refuse_what_readers_differ_on,
    repeat_of,
    takes,
    validated,
)
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.api.sealed import read_sealable, takes_sealable
from app.attachments import Giver
from app.keys import Key, KeyRole
from app.lifecycle import RequestStatus
from app.rates import Budget
from app.repeats import Repeat
from app.schemas import RequestIn, SupplementIn, WithdrawIn
from app.steps import Steps

router = APIRouter(prefix="/v1/requests", tags=["requests"])
intake_router = APIRouter(prefix="/v1/requests", tags=["requests"], route_class=Direct)
TakesIn = Annotated[Key, Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.KIOSK, budget=Budget.INTAKE))]
Looks = Annotated[
    Key,
    Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR)),
]
Checks = Annotated[Key, Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR, KeyRole.AUDITOR))]
Changes = Annotated[Key, Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR))]


@intake_router.post(
    "",
    status_code=201,
    summary="Take a request in",
    responses=answers(
        RequestReceipt,
        *("idempotency_conflict", "malformed_header", "sealed_body_refused", "sealing_key_unknown"),
        status=201,
        body=True,
        what="Stored, routed, its messages queued.",
    ),
    openapi_extra=takes_sealable(RequestIn, IDEMPOTENCY_KEY),
)
async def take_in(request: Request, key: TakesIn) -> Response:
    """A 201 means: on disk, routed to every agency concerned, the messages to them queued, in one transaction."""
    await asyncio.sleep(0)  # calls that came together go on together, as they do in between (`way`)
    office = office_of(request)
    body = await read_sealable(request, office)
    taken_in = answer(await intake.accept(office, key, partial(_read, request, key, body)), 201)
    await asyncio.sleep(0)
    return taken_in


def _read(request: Request, key: Key, body: bytes) -> Steps[tuple[RequestIn, Repeat | None]]:
    refuse_what_readers_differ_on(body)
    yield
    asked = validated(RequestIn, body)
    yield
    return asked, repeat_of(request, key, body)


@router.get("", summary="List requests, newest first", responses=answers(RequestPage, "validation_failed"))
async def list_requests(
    request: Request,
    key: Looks,
    page: Paged,
    status: Annotated[RequestStatus | None, Query()] = None,
    emergency: Annotated[bool | None, Query(description="Those that are emergencies, or those that are none.")] = None,
) -> Response:
    """A key that takes in sees what it took in; others what lies in their jurisdiction. No personal data here."""
    return page_answer(request, await reading.requests(office_of(request), key, page, status, emergency))


@router.get(
    "/{request_id}",
    summary="One request",
    responses=answers(RequestView, "not_found", "purpose_needed", "validation_failed"),
)
async def one_request(request: Request, key: Looks, request_id: UUID, purpose: StatedPurpose = None) -> Response:
    """`person` is shown to the door that took it in, to its township and to coordinators; others see null. That it was shown is
    recorded before it is, with the purpose."""
    return answer(await reading.request(office_of(request), key, request_id, purpose))


@router.get(
    "/{request_id}/disclosures",
    summary="Who was shown what of the person, newest first",
    responses=answers(Disclosures, "not_found", "validation_failed"),
)
async def list_disclosures(
    request: Request,
    key: Checks,
    request_id: UUID,
    limit: Annotated[int, Query(ge=1, le=200, description="The newest so many.")] = 100,
) -> Response:
    """Messages that were sent, and what was looked at here: by whom, which groups, why, by what law. No personal data."""
    return answer(await disclosures.of_request(office_of(request), key, request_id, limit))


@router.get(
    "/{request_id}/timeline",
    summary="What happened",
    responses=answers(Timeline, "not_found", "purpose_needed", "validation_failed"),
)
async def timeline(request: Request, key: Looks, request_id: UUID, purpose: StatedPurpose = None) -> Response:
    """The append-only history, hash-chained; `intact` says whether the chain verifies."""
    return answer(await reading.timeline(office_of(request), key, request_id, purpose))


@router.get(
    "/{request_id}/decision",
    summary="Why it was routed so",
    responses=answers(Decision, "not_found", "validation_failed", "purpose_needed"),
)
async def decision(request: Request, key: Looks, request_id: UUID, purpose: StatedPurpose = None) -> Response:
    """Each rule that fired, each that did not and why, by the routing table version that decided. Conditions tell facts of
    the person: they are shown to those who may see people, and recorded; others read the rules' numbers."""
    return answer(await reading.decision(office_of(request), key, request_id, purpose))


@router.post(
    "/{request_id}/supplements",
    summary="Add what an agency asked for",
    responses=answers(
        RequestView,
        "not_found",
        "already_closed",
        "not_waiting_for_applicant",
        "idempotency_conflict",
        "malformed_header",
        body=True,
    ),
    openapi_extra=takes(SupplementIn, IDEMPOTENCY_KEY),
)
async def supplement(request: Request, key: Changes, request_id: UUID) -> Response:
    """Every agency that waits for the applicant is told, and goes on."""
    body = await read_bytes(request)
    asked = parse(SupplementIn, body)
    repeat = repeat_of(request, key, body)
    return answer(await supplements.supplement(office_of(request), Giver.of(key), request_id, asked, repeat))


@router.post(
    "/{request_id}/withdraw",
    summary="Take the request back",
    responses=answers(RequestView, "not_found", "already_closed", body=True),
    openapi_extra=takes(WithdrawIn),
)
async def withdraw(request: Request, key: Changes, request_id: UUID) -> Response:
    """What is open is cancelled and its agencies are told. Withdrawing again answers the same."""
    asked = parse(WithdrawIn, await read_bytes(request))
    return answer(await supplements.withdraw(office_of(request), key, request_id, asked))
