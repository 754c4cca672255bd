"""Kiosks: paired, listed, revoked; and what a paired one asks for before somebody stands in front of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from app import kiosk_pack, kiosks, reserved_numbers
from app.answers_kiosks import KioskPack, KioskPage, KioskPaired, KioskView, PairingMade, ReservedNumbers
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.api.rates import Within, spend_by_address
from app.etags import is_seen
from app.keys import Key, KeyRole
from app.problems import Problem
from app.rates import Budget
from app.schemas_kiosks import NumbersIn, PairIn, PairingIn

router = APIRouter(prefix="/v1", tags=["kiosks"])
PAIR = (KeyRole.INTAKE, KeyRole.TOWNSHIP, KeyRole.COORDINATOR)
Pairs = Annotated[Key, Depends(Allow(*PAIR))]
Lists = Annotated[Key, Depends(Allow(*PAIR, KeyRole.SECURITY, KeyRole.AUDITOR))]
Revokes = Annotated[Key, Depends(Allow(*PAIR, KeyRole.SECURITY))]
Kiosk = Annotated[Key, Depends(Allow(KeyRole.KIOSK))]
_A_MISS = 4  # as many more tries
_ETAG = {"ETag": {"description": "Of the pack, for `If-None-Match`.", "schema": {"type": "string"}}}


@router.get("/kiosks", summary="List kiosks, newest first", responses=answers(KioskPage, "validation_failed"))
async def list_kiosks(request: Request, key: Lists, page: Paged) -> Response:
    """The paired devices that stand in the caller's jurisdiction, the revoked ones too."""
    return page_answer(request, await kiosks.listed(office_of(request), key, page))


@router.post(
    "/kiosks/pairings",
    status_code=201,
    summary="Make a code that pairs a kiosk",
    responses=answers(
        PairingMade, "idempotency_conflict", "malformed_header", status=201, body=True, what="Made, for ten minutes."
    ),
    openapi_extra=takes(PairingIn, IDEMPOTENCY_KEY),
)
async def make_code(request: Request, key: Pairs) -> Response:
    """Read it out to whoever stands at the device: it is told this once, and pairs one device."""
    body = await read_bytes(request)
    asked = parse(PairingIn, body)
    return answer(await kiosks.pair(office_of(request), key, asked, repeat_of(request, key, body)), 201)


@router.post(
    "/kiosks",
    status_code=201,
    summary="Pair this device",
    dependencies=[Depends(Within(Budget.SIGN_INS))],
    responses=answers(
        KioskPaired, "pairing_refused", status=201, body=True, key=False, what="Paired; the code is used up."
    ),
    openapi_extra=takes(PairIn),
)
async def pair_device(request: Request) -> Response:
    """No key: the code is enough, once. So many tries a minute from one address, a wrong one counting for five, and so many
    from everywhere."""
    office = office_of(request)
    asked = parse(PairIn, await read_bytes(request))
    await office.rates.spend(Budget.PAIRINGS, "everybody")
    try:
        return answer(await kiosks.paired(office, asked.code, asked.former_key), 201)
    except Problem as problem:
        if problem.code == "pairing_refused":
            await spend_by_address(request, Budget.SIGN_INS, _A_MISS)
        raise


@router.post(
    "/kiosks/{kiosk_id}/revoke",
    summary="Revoke a kiosk",
    responses=answers(KioskView, "not_found", "validation_failed", what="Revoked, now or before."),
)
async def revoke_kiosk(request: Request, key: Revokes, kiosk_id: UUID) -> Response:
    """Every process refuses its key within seconds. What it took in stays; revoking it again answers the same."""
    return answer(await kiosks.revoke(office_of(request), key, kiosk_id))


@router.get(
    "/kiosk",
    summary="What this kiosk needs without a line",
    responses={
        **answers(KioskPack, "validation_failed", headers=_ETAG),
        304: {"description": "It has not changed.", "headers": _ETAG},
    },
)
async def one_pack(
    request: Request,
    key: Kiosk,
    if_none_match: Annotated[str | None, Header(description="The ETag of the pack that the device has.")] = None,
) -> Response:
    """What may be asked, whom it goes to, whom to call, and the key to seal with. Nothing of any person. Ask once a day, and
    whenever there is a line again."""
    content, tag = await kiosk_pack.pack(office_of(request), key)
    if if_none_match is not None and is_seen(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return answer(content, headers={"ETag": tag})


@router.post(
    "/kiosk/numbers",
    status_code=201,
    summary="Get receipt numbers in advance",
    responses=answers(
        ReservedNumbers,
        *("numbers_enough", "idempotency_conflict", "malformed_header"),
        status=201,
        body=True,
        what="Reserved for this device.",
    ),
    openapi_extra=takes(NumbersIn, IDEMPOTENCY_KEY),
)
async def reserve_numbers(request: Request, key: Kiosk) -> Response:
    """Each with the tracking token and the QR code that a receipt shows, so that one can be printed with no line. They are
    this device's for good; at most 500 unused ones a day."""
    office = office_of(request)
    body = await read_bytes(request)
    asked = parse(NumbersIn, body)
    numbers = await reserved_numbers.reserve(office, key, asked.count, repeat_of(request, key, body))
    address = (office.settings.public_url or str(request.base_url)).rstrip("/")
    return answer({"numbers": await reserved_numbers.as_printed(office, numbers, address)}, 201)
