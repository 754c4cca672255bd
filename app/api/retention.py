"""Retention: how long what is kept, whose data may not be erased for now, and erasure on demand."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from app import erasure, etags, expiry, holds, retention, rights
from app.answers_retention import Erased, HoldPage, HoldView, RetentionPreview, RetentionView
from app.api.access import Allow, office_of
from app.api.bodies import answer, parse, read_bytes, takes
from app.api.documents import ETAG, answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.identifiers import now
from app.keys import Key, KeyRole
from app.schemas_retention import EraseIn, HoldIn, ReleaseIn, RetentionIn

router = APIRouter(prefix="/v1", tags=["retention"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Sets = Annotated[Key, Depends(Allow(KeyRole.ADMIN))]
Holds = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.AUDITOR))]
Erases = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR))]
IfMatch = Annotated[
    str | None,
    Header(pattern=etags.PATTERN, max_length=etags.LONGEST, description="The ETag that it was read with; needed."),
]


@router.get(
    "/retention", summary="How long what is kept, by kind of record", responses=answers(RetentionView, headers=ETAG)
)
async def periods(request: Request, key: Looks) -> Response:
    """As the county has set it. What it has not set is kept for good."""
    return _shown(await retention.shown(office_of(request)))


@router.patch(
    "/retention",
    summary="Set how long kinds of records are kept",
    responses=answers(
        RetentionView, "precondition_failed", "precondition_required", body=True, what="Set.", headers=ETAG
    ),
    openapi_extra=takes(RetentionIn),
)
async def set_periods(request: Request, key: Sets, if_match: IfMatch = None) -> Response:
    """From the next night on. A shorter period erases what a look at the preview would have shown: look first."""
    await rights.must_hold_all(office_of(request), key)  # before its body is judged
    asked = parse(RetentionIn, await read_bytes(request))
    return _shown(await retention.set_periods(office_of(request), key, asked, if_match))


@router.get("/retention/preview", summary="What would be erased now", responses=answers(RetentionPreview))
async def preview(request: Request, key: Looks) -> Response:
    """By kind, counted to 10,000; nothing is erased."""
    return answer(await expiry.preview(office_of(request).database, now()))


@router.get(
    "/holds",
    summary="The holds that stand, newest first",
    responses=answers(HoldPage, "validation_failed", "purpose_needed"),
)
async def list_holds(request: Request, key: Holds, page: Paged, purpose: StatedPurpose = None) -> Response:
    """Nothing of these requests is erased. Reasons are for those who may see people, and for whoever gave them; that they
    were read is recorded."""
    return page_answer(request, await holds.listed(office_of(request), key, page, purpose))


@router.post(
    "/requests/{request_id}/hold",
    summary="Let nothing of a request be erased",
    responses=answers(HoldView, "not_found", "already_erased", body=True, what="Held."),
    openapi_extra=takes(HoldIn),
)
async def hold(request: Request, key: Holds, request_id: UUID) -> Response:
    """A new hold stands in place of the one before, with its own day."""
    asked = parse(HoldIn, await read_bytes(request))
    return answer(await holds.place(office_of(request), key, request_id, asked))


@router.post(
    "/requests/{request_id}/release",
    summary="End a hold",
    responses=answers(HoldView, "not_found", "already_erased", body=True, what="Released."),
    openapi_extra=takes(ReleaseIn),
)
async def release(request: Request, key: Holds, request_id: UUID) -> Response:
    """What is over by then is erased the next night."""
    asked = parse(ReleaseIn, await read_bytes(request))
    return answer(await holds.release(office_of(request), key, request_id, asked))


@router.post(
    "/requests/{request_id}/erase",
    summary="Erase the personal data of a request that has ended",
    responses=answers(Erased, "not_found", "not_erasable", body=True, what="Erased."),
    openapi_extra=takes(EraseIn),
)
async def erase(request: Request, key: Erases, request_id: UUID) -> Response:
    """What the person demands (Personal Information Protection Law 47), at once and for good. Again answers the same."""
    asked = parse(EraseIn, await read_bytes(request))
    return answer(await erasure.demand(office_of(request), key, request_id, asked))


def _shown(content: dict[str, Any]) -> Response:
    return answer(content, headers={"ETag": retention.tag_of(content)})
