"""Consents of a request, and the texts that people consent to."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response

from app import consent_texts, consenting, rights
from app.answers_consents import ConsentList, ConsentTextList, ConsentTextSeen
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import answers
from app.api.purposes import StatedPurpose
from app.keys import Key, KeyRole
from app.schemas_consents import ConsentsIn, ConsentTextIn, ConsentWithdrawIn

router = APIRouter(prefix="/v1", tags=["consents"])
_COLLECT = (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.AGENCY, KeyRole.COORDINATOR)
Collects = Annotated[Key, Depends(Allow(*_COLLECT))]
Looks = Annotated[Key, Depends(Allow(*_COLLECT, KeyRole.AUDITOR))]
Reads = Annotated[Key, Depends(Allow(*_COLLECT, KeyRole.ADMIN, KeyRole.AUDITOR))]
Edits = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]
Number = Annotated[int, Path(ge=1, le=10**6)]


@router.post(
    "/requests/{request_id}/consents",
    summary="Record consents",
    responses=answers(
        ConsentList,
        "not_found",
        "already_closed",
        "idempotency_conflict",
        "malformed_header",
        body=True,
        what="Recorded.",
    ),
    openapi_extra=takes(ConsentsIn, IDEMPOTENCY_KEY),
)
async def give(request: Request, key: Collects, request_id: UUID) -> Response:
    """Several at once. A handoff that waited for the last of them is dispatched in the same transaction; its clocks start
    then. An agency may, if it was sent a part of the request. Guardians, references and reasons are not in the answer."""
    body = await read_bytes(request)
    asked = parse(ConsentsIn, body)
    repeat = repeat_of(request, key, body)
    return answer(await consenting.give(office_of(request), key, request_id, asked, repeat))


@router.get(
    "/requests/{request_id}/consents",
    summary="Consents given, withdrawn, and missing",
    responses=answers(ConsentList, "not_found", "validation_failed", "purpose_needed"),
)
async def given(request: Request, key: Looks, request_id: UUID, purpose: StatedPurpose = None) -> Response:
    """Guardians, references and reasons are shown to those who see people; that they were read is recorded."""
    return answer(await consenting.given(office_of(request), key, request_id, purpose))


@router.post(
    "/requests/{request_id}/consents/{consent_id}/withdraw",
    summary="Withdraw a consent",
    responses=answers(ConsentList, "not_found", body=True, what="Withdrawn."),
    openapi_extra=takes(ConsentWithdrawIn),
)
async def withdraw(request: Request, key: Collects, request_id: UUID, consent_id: Number) -> Response:
    """Verification that has no consent any more is cancelled; other agencies are told to stop using what it had opened.
    The request itself goes on, and what was lawfully done before stays. Guardians, references and reasons are not in
    the answer."""
    asked = parse(ConsentWithdrawIn, await read_bytes(request))
    return answer(await consenting.withdraw(office_of(request), key, request_id, consent_id, asked))


@router.get("/consent-texts", summary="What people consent to", responses=answers(ConsentTextList))
async def texts(request: Request, key: Reads) -> Response:
    """Every version of every text; the one in force is the last that has begun."""
    return answer(await consent_texts.texts(office_of(request)))


@router.post(
    "/consent-texts",
    status_code=201,
    summary="Add the next version of a text",
    responses=answers(ConsentTextSeen, status=201, body=True, what="Added."),
    openapi_extra=takes(ConsentTextIn),
)
async def add_text(request: Request, key: Edits) -> Response:
    """Earlier versions stay as they are. The same words from the same day again are the same version. One text is for all
    places: only whoever answers for all of them adds one."""
    await rights.must_hold_all(office_of(request), key)
    asked = parse(ConsentTextIn, await read_bytes(request))
    return answer(await consent_texts.add(office_of(request), asked), 201)
