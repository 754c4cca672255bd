"""Requests looked up by an identity number or a telephone."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app import looking_up
from app.answers import RequestsFound
from app.api.access import Allow, office_of
from app.api.bodies import answer, parse, read_bytes, takes
from app.api.documents import answers
from app.api.purposes import StatedPurpose
from app.keys import Key, KeyRole
from app.schemas import LookUpIn

router = APIRouter(prefix="/v1/look-ups", tags=["requests"])
Searches = Annotated[Key, Depends(Allow(KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR))]


@router.post(
    "",
    summary="Look up requests by an identity number or a telephone",
    responses=answers(RequestsFound, "purpose_needed", body=True),
    openapi_extra=takes(LookUpIn),
)
async def search(request: Request, key: Searches, purpose: StatedPurpose = None) -> Response:
    """A number is sent in the body, never in an address. Of those that the key reaches; each that is found is recorded as
    looked at, and the person can see it."""
    asked = parse(LookUpIn, await read_bytes(request))
    return answer(await looking_up.search(office_of(request), key, asked, purpose))
