"""/kiosks: a device is paired, by a code that is read out; the paired ones are listed, and revoked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from app import kiosks
from app.api.bodies import parse
from app.api.kiosks import PAIR
from app.paged import PageAsked
from app.pages import signed_in
from app.pages.page import go_to, read_form
from app.pages.telling import told_on_a_page
from app.pages.visits import Visit, at_desk, id_of, said_of
from app.problems import Problem, Text
from app.routing.directory import COUNTY_DIGITS
from app.schemas_kiosks import PairingIn
from app.wire import from_json, to_json

router = APIRouter(prefix="/kiosks", include_in_schema=False)
_CATALOGUE = "kiosks"
_ON_A_PAGE = 50
_REVOKED = Text("已停用;几秒之内,该终端不能再受理。", "Revoked: within seconds the device can take in no more.")
_NAMED = Text(
    "请写终端的名称(最多 80 字)和所在区划。", "Give the device's name (at most 80 characters) and where it stands."
)


@router.get("")
@told_on_a_page
async def look(request: Request) -> Response:
    async def show(visit: Visit) -> Response:
        return await _list(visit, said=_REVOKED if visit.asked("said") == "revoked" else None)

    return await at_desk(request, show, _refused)


@router.post("")
@told_on_a_page
async def pair(request: Request) -> Response:
    """The code is in the answer and nowhere else: to load the page again is to make another."""
    return await at_desk(request, _pair, _refused)


@router.post("/{kiosk_id}/revoke")
@told_on_a_page
async def revoke(request: Request, kiosk_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        _must_pair(visit)
        if not signed_in.is_genuine(request, visit.office, visit.session, await read_form(request)):
            return await _list(visit, 403, wrong=signed_in.STALE)
        await kiosks.revoke(visit.office, visit.key, id_of(kiosk_id))
        return go_to(visit.link("/kiosks", said="revoked"))

    return await at_desk(request, show, _refused)


async def _pair(visit: Visit) -> Response:
    _must_pair(visit)
    form = await read_form(visit.request)
    if not signed_in.is_genuine(visit.request, visit.office, visit.session, form):
        return await _list(visit, 403, wrong=signed_in.STALE)
    name, division_code = form.get("name", ""), form.get("division_code", "")
    try:
        asked = parse(PairingIn, to_json({"name": name, "division_code": division_code}))
        made = from_json(await kiosks.pair(visit.office, visit.key, asked, None))
    except Problem as problem:
        if problem.code != "validation_failed":
            raise
        wrong = next((each.detail for each in problem.errors if each.pointer == "/division_code"), _NAMED)
        return await _list(visit, 422, wrong=wrong, name=name[:80])
    divisions = (await visit.office.registry.current()).divisions
    return visit.shown(
        "kiosk_code.html",
        catalogue=_CATALOGUE,
        here=visit.in_other_language("/kiosks"),
        groups=made["code_spoken"].split(" "),
        name=asked.name,
        division=divisions[asked.division_code].name,
        ends_at=datetime.fromisoformat(made["expires_at"]),
    )


async def _list(
    visit: Visit, status: int = 200, *, said: Text | None = None, wrong: Text | None = None, name: str = ""
) -> Response:
    _must_pair(visit)
    page = await kiosks.listed(visit.office, visit.key, PageAsked(_ON_A_PAGE, visit.asked("cursor") or None))
    return visit.shown(
        "kiosks.html",
        status,
        catalogue=_CATALOGUE,
        here=visit.in_other_language("/kiosks"),
        said=said,
        wrong=wrong,
        name=name,
        kiosks=page["items"],
        next_cursor=page["next_cursor"],
        places=await _places(visit),
    )


async def _places(visit: Visit) -> list[dict[str, Any]]:
    """Where a device may stand, of a jurisdiction that is a county or lies in one; an empty list: its code is typed."""
    place = visit.key.division_code or ""
    divisions = (await visit.office.registry.current()).divisions
    if len(place) < COUNTY_DIGITS:
        return []
    return [{"code": code, "name": each.name} for code, each in sorted(divisions.items()) if code.startswith(place)]


def _must_pair(visit: Visit) -> None:
    if visit.key.role not in PAIR:
        raise Problem("forbidden")


def _refused(visit: Visit, problem: Problem) -> Response:
    return visit.shown(
        "kiosks_refused.html",
        problem.kind.status,
        catalogue=_CATALOGUE,
        here=visit.in_other_language("/kiosks"),
        title=problem.kind.title,
        detail=said_of(problem),
    )
