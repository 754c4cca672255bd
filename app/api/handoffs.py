"""Handoffs: an agency's inbox, the coordinator's board, and the callbacks that move them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app import callbacks, metrics, reading
from app.answers import CallbackAnswer, HandoffDisclosed, HandoffPage
from app.api.access import Allow, office_of
from app.api.bodies import answer, parse, read_bytes, takes
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole
from app.lifecycle import HandoffStatus
from app.problems import Problem
from app.schemas import CallbackIn

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
    "/{handoff_id}", summary="One handoff", responses=answers(HandoffDisclosed, "not_found", "validation_failed")
)
async def one_handoff(request: Request, key: Looks, handoff_id: UUID) -> Response:
    """With the field groups of the person that the rule opens to this agency, and no others."""
    office = office_of(request)
    return answer(await reading.one_handoff(office, key, handoff_id, office.settings.public_url))


@router.post(
    "/{handoff_id}/callbacks",
    tags=["callbacks"],
    summary="Report on a handoff",
    responses=answers(
        CallbackAnswer,
        "malformed_header",
        "signature_invalid",
        "timestamp_out_of_tolerance",
        "not_found",
        "move_not_allowed",
        "co_handlers_open",
        "idempotency_conflict",
        body=True,
    ),
    openapi_extra=takes(CallbackIn),
)
async def report(
    request: Request,
    handoff_id: UUID,
    key: Annotated[Key | None, Depends(Allow(KeyRole.AGENCY, signature_instead=True))],
    webhook_id: Annotated[str | None, Header(description="Names the message; a repeat gets the first answer.")] = None,
    webhook_timestamp: Annotated[
        str | None, Header(description="Seconds since 1970, within five minutes of ours.")
    ] = None,
    webhook_signature: Annotated[str | None, Header(description="`v1,` and the signature; Standard Webhooks.")] = None,
) -> Response:
    """Signed by Standard Webhooks with the agency's secret, or the same body with the agency's key.

    A repeat of the same `webhook-id` gets the first answer. A callback older (by `timestamp`) than the last applied
    one is recorded and not applied. A refused one is not remembered and may be sent again.
    """
    office = office_of(request)
    outcome = "refused"
    kind = "unread"
    try:
        body = await read_bytes(request)
        sender = await callbacks.authenticate(office, handoff_id, request.headers, key, body)
        said = parse(CallbackIn, body)
        kind = said.type.value
        answered = await callbacks.apply(office, sender, handoff_id, said, body)
        outcome = "answered"
    except Problem as problem:
        outcome = problem.code
        raise
    finally:
        metrics.CALLBACKS.labels(kind, outcome).inc()
    return answer(answered)
