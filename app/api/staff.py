"""People who sign in to the pages, as the security administrator keeps them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app import staff
from app.answers_staff import PasswordMade, SignInPage, StaffMade, StaffPage, StaffView
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import ETAG, answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole
from app.schemas_staff import StaffChange, StaffIn

router = APIRouter(prefix="/v1", tags=["staff"])
Looks = Annotated[Key, Depends(Allow(KeyRole.SECURITY, KeyRole.AUDITOR))]
Keeps = Annotated[Key, Depends(Allow(KeyRole.SECURITY))]


@router.get("/staff", summary="List accounts, newest first", responses=answers(StaffPage, "validation_failed"))
async def list_staff(request: Request, key: Looks, page: Paged) -> Response:
    """Disabled ones too."""
    return page_answer(request, await staff.listed(office_of(request), page, place=key.division_code))


@router.post(
    "/staff",
    status_code=201,
    summary="Make an account",
    responses=answers(
        StaffMade, "staff_exists", "idempotency_conflict", "malformed_header", status=201, body=True, what="Made."
    ),
    openapi_extra=takes(StaffIn, IDEMPOTENCY_KEY),
)
async def make_account(request: Request, key: Keeps) -> Response:
    """Its first password is in the answer, this once, and ends after seven days; with `oidc_name` there is none."""
    body = await read_bytes(request)
    asked = parse(StaffIn, body)
    repeat = repeat_of(request, key, body)
    return answer(await staff.add(office_of(request), key.actor, asked, repeat, place=key.division_code), 201)


@router.get(
    "/sign-ins",
    summary="What happened at the door, newest first",
    responses=answers(SignInPage, "validation_failed"),
)
async def list_sign_ins(
    request: Request,
    key: Looks,
    page: Paged,
    staff_id: Annotated[UUID | None, Query(description="Of this account only.")] = None,
) -> Response:
    """Sign-ins, wrong tries, locks, and what was done to accounts. A try with a name that nobody has is not kept."""
    return page_answer(request, await staff.sign_ins(office_of(request), page, staff_id, place=key.division_code))


@router.get(
    "/staff/{staff_id}",
    summary="One account",
    responses=answers(StaffView, "not_found", "validation_failed", headers=ETAG),
)
async def one_account(request: Request, key: Looks, staff_id: UUID) -> Response:
    seen, tag = await staff.one(office_of(request), staff_id, place=key.division_code)
    return answer(seen, headers={"ETag": tag})


@router.patch(
    "/staff/{staff_id}",
    summary="Change an account",
    responses=answers(
        StaffView,
        "not_found",
        "own_account",
        "staff_exists",
        "precondition_failed",
        "precondition_required",
        body=True,
        what="Changed.",
        headers=ETAG,
    ),
    openapi_extra=takes(StaffChange),
)
async def change_account(
    request: Request,
    key: Keeps,
    staff_id: UUID,
    if_match: Annotated[str | None, Header(description="The ETag that it was read with; needed.")] = None,
) -> Response:
    """Never one's own. Whoever was signed in with another role, agency or place, or is disabled, is signed out at once."""
    asked = parse(StaffChange, await read_bytes(request))
    kept, tag = await staff.change(office_of(request), key, key.actor, staff_id, asked, if_match)
    return answer(kept, headers={"ETag": tag})


@router.post(
    "/staff/{staff_id}/reset",
    summary="Give an account a new first password",
    responses=answers(
        PasswordMade,
        "not_found",
        "own_account",
        "not_by_password",
        "idempotency_conflict",
        "malformed_header",
        "validation_failed",
    ),
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
async def reset_password(request: Request, key: Keeps, staff_id: UUID) -> Response:
    """The old one and every session end at once; the account is unlocked. Tell it to the person yourself."""
    repeat = repeat_of(request, key, b"")
    return answer(await staff.reset(office_of(request), key, key.actor, staff_id, repeat))


@router.post(
    "/staff/{staff_id}/unlock",
    summary="Unlock an account",
    responses=answers(StaffView, "not_found", "validation_failed"),
)
async def unlock_account(request: Request, key: Keeps, staff_id: UUID) -> Response:
    """Its wrong tries are forgotten. Unlocking what is not locked is no error."""
    return answer(await staff.unlock(office_of(request), key.actor, staff_id, place=key.division_code))
