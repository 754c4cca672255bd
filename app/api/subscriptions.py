"""Subscriptions: other systems that are told of what happens."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app import subscriptions
from app.answers_subscriptions import (
    SubscriptionMade,
    SubscriptionPage,
    SubscriptionPinged,
    SubscriptionSecretMade,
    SubscriptionView,
)
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import ETAG, answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole
from app.schemas_agencies import SecretIn
from app.schemas_subscriptions import SubscriptionChange, SubscriptionIn

router = APIRouter(prefix="/v1/subscriptions", tags=["subscriptions"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Edits = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]


@router.get("", summary="List subscriptions, newest first", responses=answers(SubscriptionPage, "validation_failed"))
async def list_subscriptions(
    request: Request, key: Looks, page: Paged, active: Annotated[bool | None, Query()] = None
) -> Response:
    """`active=false` are those that have ended."""
    return page_answer(request, await subscriptions.listed(office_of(request), page, active, place=key.division_code))


@router.post(
    "",
    status_code=201,
    summary="Subscribe a system",
    responses=answers(
        SubscriptionMade,
        "subscription_exists",
        "idempotency_conflict",
        "malformed_header",
        status=201,
        body=True,
        what="Subscribed.",
    ),
    openapi_extra=takes(SubscriptionIn, IDEMPOTENCY_KEY),
)
async def subscribe(request: Request, key: Edits) -> Response:
    """What its messages are signed with is in the answer, this once."""
    body = await read_bytes(request)
    asked = parse(SubscriptionIn, body)
    repeat = repeat_of(request, key, body)
    return answer(await subscriptions.add(office_of(request), key.actor, asked, repeat, place=key.division_code), 201)


@router.get(
    "/{subscription_id}",
    summary="One subscription, and how its endpoint fares",
    responses=answers(SubscriptionView, "not_found", "validation_failed", headers=ETAG),
)
async def one_subscription(request: Request, key: Looks, subscription_id: UUID) -> Response:
    """Of its secrets the ages, of its TLS what there is: never the texts."""
    seen, tag = await subscriptions.one(office_of(request), subscription_id, place=key.division_code)
    return answer(seen, headers={"ETag": tag})


@router.patch(
    "/{subscription_id}",
    summary="Change a subscription",
    responses=answers(
        SubscriptionView,
        "not_found",
        "subscription_exists",
        "precondition_failed",
        "precondition_required",
        body=True,
        what="Changed.",
        headers=ETAG,
    ),
    openapi_extra=takes(SubscriptionChange),
)
async def change_subscription(
    request: Request,
    key: Edits,
    subscription_id: UUID,
    if_match: Annotated[str | None, Header(description="The ETag that it was read with; needed.")] = None,
) -> Response:
    """What is left out stays. A new endpoint keeps the secret, and gets what waits."""
    asked = parse(SubscriptionChange, await read_bytes(request))
    office = office_of(request)
    kept, tag = await subscriptions.change(office, subscription_id, asked, if_match, place=key.division_code)
    return answer(kept, headers={"ETag": tag})


@router.delete(
    "/{subscription_id}",
    status_code=204,
    summary="End a subscription",
    responses=answers(None, "not_found", "validation_failed", status=204, what="Ended."),
)
async def end_subscription(request: Request, key: Edits, subscription_id: UUID) -> Response:
    """Nothing new is queued for it and what waits is not sent; `active` true with PATCH takes it back. Ending twice is
    no error."""
    await subscriptions.end(office_of(request), subscription_id, place=key.division_code)
    return Response(status_code=204)


@router.post(
    "/{subscription_id}/secrets",
    status_code=201,
    summary="Make a new signing secret for a subscription",
    responses=answers(
        SubscriptionSecretMade,
        "not_found",
        "idempotency_conflict",
        "malformed_header",
        status=201,
        body=True,
        what="Made.",
    ),
    openapi_extra=takes(SecretIn, IDEMPOTENCY_KEY),
)
async def rotate_secret(request: Request, key: Edits, subscription_id: UUID) -> Response:
    """Until the overlap ends the old ones sign too."""
    body = await read_bytes(request)
    asked = parse(SecretIn, body)
    repeat = repeat_of(request, key, body)
    office = office_of(request)
    return answer(
        await subscriptions.rotate_secret(office, subscription_id, asked, repeat, place=key.division_code), 201
    )


@router.post(
    "/{subscription_id}/ping",
    summary="Try a subscriber's endpoint",
    responses=answers(SubscriptionPinged, "not_found", "no_endpoint", "too_many_pings", "validation_failed"),
)
async def ping(request: Request, key: Edits, subscription_id: UUID) -> Response:
    """One signed test message (`ping`), now, and exactly what came back. It is no delivery: nothing is kept or tried
    again. One at a time, six a minute."""
    return answer(await subscriptions.ping(office_of(request), subscription_id, place=key.division_code))
