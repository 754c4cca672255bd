"""Keys: listed, issued, replaced, revoked by the security administrator (安全管理员)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app import issuing
from app.answers_keys import KeyMade, KeyPage, KeyView
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole
from app.schemas_keys import KeyIn, KeyReplaceIn

router = APIRouter(prefix="/v1/keys", tags=["keys"])
Keeps = Annotated[Key, Depends(Allow(KeyRole.SECURITY))]


@router.get("", summary="List keys, newest first", responses=answers(KeyPage, "validation_failed"))
async def list_keys(
    request: Request, key: Keeps, page: Paged, role: Annotated[KeyRole | None, Query()] = None
) -> Response:
    """Those that have ended too, with their last use: what is not used any more is revoked."""
    return page_answer(request, await issuing.listed(office_of(request), key, page, role))


@router.post(
    "",
    status_code=201,
    summary="Issue a key",
    responses=answers(KeyMade, "idempotency_conflict", "malformed_header", status=201, body=True, what="Issued."),
    openapi_extra=takes(KeyIn, IDEMPOTENCY_KEY),
)
async def issue_key(request: Request, key: Keeps) -> Response:
    """The key is in the answer, this once. No key reaches further than the one that issues it."""
    body = await read_bytes(request)
    asked = parse(KeyIn, body)
    made = await issuing.issue(office_of(request), key, asked, repeat_of(request, key, body))
    return answer(made, 201)


@router.get("/{key_id}", summary="One key", responses=answers(KeyView, "not_found", "validation_failed"))
async def one_key(request: Request, key: Keeps, key_id: UUID) -> Response:
    """What it may do, from where, and when it was last used; never the key itself."""
    return answer(await issuing.one(office_of(request), key, key_id))


@router.post(
    "/{key_id}/replace",
    status_code=201,
    summary="Issue a key in place of another",
    responses=answers(
        KeyMade,
        "not_found",
        "key_ended",
        "idempotency_conflict",
        "malformed_header",
        status=201,
        body=True,
        what="Issued; the old one ends when the overlap does.",
    ),
    openapi_extra=takes(KeyReplaceIn, IDEMPOTENCY_KEY),
)
async def replace_key(request: Request, key: Keeps, key_id: UUID) -> Response:
    """It may do the same, from the same networks, until the same day, and sees what the other took in."""
    body = await read_bytes(request)
    asked = parse(KeyReplaceIn, body)
    made = await issuing.replace(office_of(request), key, key_id, asked, repeat_of(request, key, body))
    return answer(made, 201)


@router.post(
    "/{key_id}/revoke",
    summary="Revoke a key",
    responses=answers(KeyView, "not_found", "validation_failed", what="Revoked, now or before."),
)
async def revoke_key(request: Request, key: Keeps, key_id: UUID) -> Response:
    """Every process refuses it within seconds. Revoking it again answers the same."""
    return answer(await issuing.revoke(office_of(request), key, key_id))
