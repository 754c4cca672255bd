"""The audit, for anyone: signed roots, the keys they are signed with, and the proof that belongs to a receipt."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from app.answers_audit import AuditKeys, AuditRoot, AuditRootPage, Inclusion
from app.api.access import office_of
from app.api.bodies import Day, answer
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.rates import Within, looked_up
from app.audit import inclusion, publishing
from app.rates import Budget
from app.receipts import TOKEN_PATTERN

router = APIRouter(prefix="/v1", tags=["proof"], dependencies=[Depends(Within(Budget.LOOK_UPS))])
_FOR_ALL = {"Cache-Control": "public, max-age=60"}


@router.get(
    "/public/audit-roots",
    summary="The signed root of each day, newest first",
    responses=answers(AuditRootPage, "validation_failed", key=False),
)
async def list_roots(request: Request, page: Paged) -> Response:
    """Keep a copy elsewhere: whoever rewrote the past could not rewrite that."""
    return page_answer(request, await publishing.roots(office_of(request), page))


@router.get(
    "/public/audit-roots/{day}",
    summary="The signed root of a day",
    responses=answers(AuditRoot, "not_found", "validation_failed", key=False),
)
async def root_of_day(request: Request, day: Day) -> Response:
    """Not every day need have one: a root covers everything since the one before."""
    return answer(await publishing.root_of_day(office_of(request), day), headers=_FOR_ALL)


@router.get("/public/audit-key", summary="What roots are signed with", responses=answers(AuditKeys, key=False))
async def audit_key(request: Request) -> Response:
    """The public keys; none before the first root."""
    return answer(await publishing.keys(office_of(request)), headers=_FOR_ALL)


@router.get(
    "/track/{token}/inclusion",
    summary="My receipt held against the signed roots",
    responses=answers(Inclusion, "not_found", "validation_failed", key=False),
)
async def inclusion_of(request: Request, token: Annotated[str, Path(pattern=TOKEN_PATTERN)]) -> Response:
    """A proof that anybody can check without this service (docs/auditing.md). The token is never logged."""
    async with looked_up(request):
        return answer(await inclusion.of_token(office_of(request), token))
