"""Guest links: how an agency without a system of its own answers a handoff. The page itself is in `pages`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from app import guests, reading
from app.answers_guests import GuestCode, GuestLinkMade, GuestLinkPage
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.identifiers import now
from app.keys import Key, KeyRole
from app.schemas_coordination import GuestLinkIn

router = APIRouter(prefix="/v1", tags=["guest links"])
Coordinates = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR))]
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.AUDITOR))]


@router.get(
    "/handoffs/{handoff_id}/guest-links",
    summary="The links to a handoff, newest first",
    responses=answers(GuestLinkPage, "not_found", "validation_failed"),
)
async def list_links(request: Request, key: Looks, handoff_id: UUID, page: Paged) -> Response:
    """Those that have ended or were revoked too. What opens one was shown when it was made, and nowhere else."""
    return page_answer(request, await reading.guest_links(office_of(request), key, handoff_id, page))


@router.post(
    "/handoffs/{handoff_id}/guest-links",
    summary="Make a link that answers one handoff",
    responses=answers(
        GuestLinkMade,
        "not_found",
        "handoff_not_open",
        "idempotency_conflict",
        "malformed_header",
        status=201,
        body=True,
        what="Send the link to the agency.",
    ),
    openapi_extra=takes(GuestLinkIn, IDEMPOTENCY_KEY),
)
async def make_link(request: Request, key: Coordinates, handoff_id: UUID) -> Response:
    """Whoever opens it signs in with a code sent to the agency's number in the phone book, and answers by form."""
    office = office_of(request)
    body = await read_bytes(request)
    hours = parse(GuestLinkIn, body).expires_in_hours
    address = (office.settings.public_url or str(request.base_url)).rstrip("/")
    made = await guests.make_link(office, key, handoff_id, hours, address, repeat_of(request, key, body))
    return answer(made, 201)


@router.delete(
    "/guest-links/{guest_link_id}",
    status_code=204,
    summary="Revoke a link",
    responses=answers(None, "not_found", "validation_failed", status=204, what="It opens nothing any more."),
)
async def revoke_link(request: Request, key: Coordinates, guest_link_id: UUID) -> Response:
    """Whoever is signed in by it is signed out. Revoking it again answers the same."""
    await guests.revoke_link(office_of(request), key, guest_link_id)
    return Response(status_code=204)


@router.post(
    "/guest-links/{guest_link_id}/code",
    summary="A code to read out by telephone",
    responses=answers(GuestCode, "not_found", "codes_used_up", "validation_failed"),
)
async def read_out_code(request: Request, key: Coordinates, guest_link_id: UUID) -> Response:
    """For where no SMS comes. Call the number that is shown, never one that somebody calls from; the timeline says
    that you were shown a code."""
    office = office_of(request)
    code, guest = await guests.code_to_read_out(office, key, guest_link_id)
    agency = (await office.registry.current()).directory.agencies[guest.agency_code]
    told = {"code": code, "ends_at": now() + guests.CODE_LASTS, "agency": agency.code, "phone": agency.phone}
    return answer(told)
