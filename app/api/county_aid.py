"""What the county sets for emergencies: duty lists, times, ceilings, allowances."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from app import county_aid, etags
from app.answers_emergencies import AidRulesView, DutyList
from app.api.access import Allow, office_of
from app.api.bodies import answer, parse, read_bytes, takes
from app.api.documents import ETAG, answers
from app.keys import Key, KeyRole
from app.schemas_agencies import AGENCY_CODE
from app.schemas_emergencies import AidRulesIn, DutyListIn

router = APIRouter(prefix="/v1", tags=["emergencies"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Edits = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]
Code = Annotated[str, Path(pattern=AGENCY_CODE)]
IfMatch = Annotated[
    str | None,
    Header(pattern=etags.PATTERN, max_length=etags.LONGEST, description="Its ETag: only if nothing has changed."),
]


@router.get(
    "/aid-rules", summary="Times, ceilings and allowances, dated", responses=answers(AidRulesView, headers=ETAG)
)
async def aid_rules(request: Request, key: Looks) -> Response:
    """The nearest division decides, and of its rows the last that has begun."""
    return _shown(await county_aid.aid_rules(office_of(request)))


@router.patch(
    "/aid-rules",
    summary="Add dated times, ceilings and allowances",
    responses=answers(AidRulesView, "precondition_failed", body=True, what="Added.", headers=ETAG),
    openapi_extra=takes(AidRulesIn),
)
async def set_aid_rules(request: Request, key: Edits, if_match: IfMatch = None) -> Response:
    """A row of the same division and day is replaced; the others stay."""
    asked = parse(AidRulesIn, await read_bytes(request))
    return _shown(await county_aid.set_aid_rules(office_of(request), asked, if_match, place=key.division_code))


@router.get(
    "/agencies/{code}/duty-list",
    summary="Who is called when an agency does not sign in",
    responses=answers(DutyList, "not_found", "validation_failed", headers=ETAG),
)
async def duty_list(request: Request, key: Looks, code: Code) -> Response:
    """In the order in which they are called."""
    return _shown(await county_aid.duty_list(office_of(request), code, place=key.division_code))


@router.put(
    "/agencies/{code}/duty-list",
    summary="Replace an agency's duty list",
    responses=answers(DutyList, "not_found", "precondition_failed", body=True, what="Replaced.", headers=ETAG),
    openapi_extra=takes(DutyListIn),
)
async def set_duty_list(request: Request, key: Edits, code: Code, if_match: IfMatch = None) -> Response:
    """The whole list; emergencies that are open go on with the new one."""
    asked = parse(DutyListIn, await read_bytes(request))
    return _shown(await county_aid.set_duty_list(office_of(request), code, asked, if_match, place=key.division_code))


def _shown(content: dict[str, Any]) -> Response:
    return answer(content, headers={"ETag": county_aid.tag_of(content)})
