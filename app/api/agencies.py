"""Agencies and their endpoints: listed, added, changed, tried, and sent again what they lost."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from app import endpoints
from app.answers_agencies import AgencyKept, AgencyPage, AgencyView, Pinged, SecretMade, SentAgain
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import ETAG, answers
from app.api.paging import Many, Paged, page_answer
from app.keys import Key, KeyRole
from app.schemas import ANY_DIVISION, Moment
from app.schemas_agencies import AGENCY_CODE, AgencyChange, AgencyIn, SecretIn

router = APIRouter(prefix="/v1/agencies", tags=["agencies"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.ADMIN, KeyRole.AUDITOR))]
Edits = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.ADMIN))]
Code = Annotated[str, Path(pattern=AGENCY_CODE, description="An agency's code.")]
_A_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*")


def _written_out(value: object) -> object:
    if isinstance(value, str) and not _A_TIME.fullmatch(value):  # a bare number would be taken for seconds
        raise PydanticCustomError("datetime_parsing", "write a time with its zone")
    return value


@router.get("", summary="List agencies by code", responses=answers(AgencyPage, "validation_failed"))
async def list_agencies(
    request: Request,
    key: Looks,
    page: Paged,
    department: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = None,
    division: Annotated[
        str | None,
        Query(pattern=ANY_DIVISION, description="It, and every place in it."),
    ] = None,
    active: Annotated[bool | None, Query()] = None,
) -> Response:
    """The directory that handoffs are routed to."""
    office = office_of(request)
    return page_answer(
        request, await endpoints.listed(office, page, department, division, active, place=key.division_code)
    )


@router.post(
    "",
    status_code=201,
    summary="Add an agency",
    responses=answers(
        AgencyKept, "agency_exists", "idempotency_conflict", "malformed_header", status=201, body=True, what="Added."
    ),
    openapi_extra=takes(AgencyIn, IDEMPOTENCY_KEY),
)
async def add_agency(request: Request, key: Edits) -> Response:
    """With an endpoint, its signing secret is in the answer, this once."""
    body = await read_bytes(request)
    asked = parse(AgencyIn, body)
    return answer(await endpoints.add(office_of(request), key, asked, repeat_of(request, key, body)), 201)


@router.get(
    "/{code}",
    summary="One agency, and how its endpoint fares",
    responses=answers(AgencyView, "not_found", "validation_failed", headers=ETAG),
)
async def one_agency(request: Request, key: Looks, code: Code) -> Response:
    """Of its secrets the ages, of its TLS what there is: never the texts."""
    seen, tag = await endpoints.one(office_of(request), code, place=key.division_code)
    return answer(seen, headers={"ETag": tag})


@router.patch(
    "/{code}",
    summary="Change an agency",
    responses=answers(
        AgencyKept,
        "not_found",
        "precondition_failed",
        "precondition_required",
        body=True,
        what="Changed.",
        headers=ETAG,
    ),
    openapi_extra=takes(AgencyChange),
)
async def change_agency(
    request: Request,
    key: Edits,
    code: Code,
    if_match: Annotated[str | None, Header(description="The ETag that it was read with; needed.")] = None,
) -> Response:
    """What is left out stays. A new endpoint keeps the secret; where there is none, one is made and shown this once."""
    asked = parse(AgencyChange, await read_bytes(request))
    kept, tag = await endpoints.change(office_of(request), code, asked, if_match, place=key.division_code)
    return answer(kept, headers={"ETag": tag})


@router.post(
    "/{code}/secrets",
    status_code=201,
    summary="Make a new signing secret",
    responses=answers(
        SecretMade, "not_found", "idempotency_conflict", "malformed_header", status=201, body=True, what="Made."
    ),
    openapi_extra=takes(SecretIn, IDEMPOTENCY_KEY),
)
async def rotate_secret(request: Request, key: Edits, code: Code) -> Response:
    """Until the overlap ends the old ones sign too, and are accepted."""
    body = await read_bytes(request)
    asked = parse(SecretIn, body)
    office, repeat = office_of(request), repeat_of(request, key, body)
    return answer(await endpoints.rotate_secret(office, code, asked, repeat, place=key.division_code), 201)


@router.post(
    "/{code}/resume-endpoint",
    summary="Send again to an endpoint that answered 410",
    responses=answers(AgencyView, "not_found", "validation_failed", headers=ETAG),
)
async def resume_endpoint(request: Request, key: Edits, code: Code) -> Response:
    """What waits for it is tried at once. Of an endpoint that is not suspended nothing changes."""
    seen, tag = await endpoints.resume(office_of(request), code, place=key.division_code)
    return answer(seen, headers={"ETag": tag})


@router.post(
    "/{code}/ping",
    summary="Try an endpoint",
    responses=answers(Pinged, "not_found", "no_endpoint", "too_many_pings", "validation_failed"),
)
async def ping(request: Request, key: Edits, code: Code) -> Response:
    """One signed test message (`ping`), now, and exactly what came back. It is no delivery: nothing is kept or tried
    again. One at a time, six a minute."""
    return answer(await endpoints.ping(office_of(request), code, place=key.division_code))


@router.post(
    "/{code}/redeliver",
    summary="Send everything again since a time",
    responses=answers(SentAgain, "not_found", "validation_failed"),
)
async def redeliver(
    request: Request,
    key: Edits,
    code: Code,
    page: Many,
    since: Annotated[
        Moment, BeforeValidator(_written_out), Query(description="Of what was made since, delivered or given up.")
    ],
) -> Response:
    """The same ids and bytes, so what the agency has already it drops. Behind everything new."""
    return answer(await endpoints.send_again(office_of(request), key, code, since, page))
