"""Deliveries: what was sent, what came back, and what has to be sent again."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import endpoints, reading
from app.answers_agencies import SentAgain
from app.answers_deliveries import DeliveryPage, DeliveryView
from app.api.access import Allow, office_of
from app.api.bodies import answer
from app.api.documents import answers
from app.api.handoffs import AgencyCode
from app.api.paging import Many, Paged, page_answer
from app.api.purposes import StatedPurpose
from app.delivery import again
from app.keys import Key, KeyRole
from app.purposes import Purpose

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Sends = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]


@router.get("", summary="List deliveries, newest first", responses=answers(DeliveryPage, "validation_failed"))
async def list_deliveries(
    request: Request,
    key: Looks,
    page: Paged,
    status: Annotated[Literal["pending", "delivered", "exhausted", "superseded"] | None, Query()] = None,
    agency: AgencyCode = None,
    subscription: Annotated[UUID | None, Query(description="What a subscriber is told.")] = None,
) -> Response:
    """`status=exhausted` is what three days of tries did not deliver: call the agency, then send it again."""
    office = office_of(request)
    return page_answer(request, await reading.deliveries(office, key, page, status, agency, subscription))


@router.get(
    "/{delivery_id:uuid}",  # `redeliver-exhausted` is none
    summary="One delivery with its attempts",
    responses=answers(DeliveryView, "not_found", "purpose_needed", "validation_failed"),
)
async def one_delivery(request: Request, key: Looks, delivery_id: UUID, purpose: StatedPurpose = None) -> Response:
    return answer(await reading.one_delivery(office_of(request), key, delivery_id, purpose))


@router.post(
    "/{delivery_id}/redeliver",
    summary="Send a delivery again",
    responses=answers(
        DeliveryView, "not_found", "delivery_pending", "delivery_superseded", "body_erased", "validation_failed"
    ),
)
async def redeliver(request: Request, key: Sends, delivery_id: UUID) -> Response:
    """One that was delivered, or given up: the same id and the same bytes, for another three days."""
    office = office_of(request)
    await again.redeliver(office.database, delivery_id, key.actor, place=key.division_code)
    return answer(await reading.one_delivery(office, key, delivery_id, Purpose.HANDLING))


@router.post(
    "/redeliver-exhausted",
    summary="Send everything again that was given up",
    responses=answers(SentAgain, "validation_failed"),
)
async def redeliver_exhausted(request: Request, key: Sends, page: Many) -> Response:
    """Behind everything new, so that nothing waits for it; what is sent again is pending, and no part of the next call."""
    return answer(await endpoints.send_again(office_of(request), key, None, None, page))
