"""/answer/<token>: an officer of an agency without a system signs in and answers one handoff by form."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from app import callbacks, guests, reading
from app.api.access import office_of
from app.api.bodies import parse
from app.api.rates import looked_up, spend_by_address
from app.guests import CodeRefusal, Guest
from app.identifiers import now
from app.lifecycle import Act
from app.office import Office
from app.pages.browsing import base
from app.pages.page import go_to, page, read_form
from app.pages.showing import sections_of
from app.pages.telling import told_on_a_page as _told_on_a_page
from app.pages.words import FORMS, LABELS, ROLES, STATUSES, Form
from app.problems import Problem, Text
from app.purposes import Way
from app.rates import Budget
from app.receipts import spoken
from app.schemas import CallbackIn
from app.senders import Sender
from app.wire import to_json

router = APIRouter(prefix="/answer", include_in_schema=False)
_COOKIE = "one_window_answer"
_ZONE = ZoneInfo("Asia/Shanghai")
_CODE = re.compile(r"[0-9]{6}")
_SAID = {
    "sent": Text("验证码已发出,10 分钟内有效。", "The code was sent; it is valid for 10 minutes."),
    "done": Text("已记录。", "Recorded."),
    "out": Text("已退出。", "You are signed out."),
}
_SAID_WRONG = {
    "not_sent": Text("验证码未能发出,请致电县协调员。", "The code could not be sent; call the coordinator."),
    "too_soon": Text("验证码刚刚发过,请等一分钟。", "A code was sent just now; wait a minute."),
    "no_more": Text("此链接的验证码次数已用完,请致电县协调员。", "This link has no more codes; call the coordinator."),
    "wrong": Text("验证码不对或已失效。", "The code is wrong or has ended."),
    "signed_out": Text("登录已失效,请重新登录。", "You are not signed in any more; sign in again."),
    "stale": Text("页面已过时,请核对后重新提交。", "The page was out of date; check it and submit again."),
}


async def _found(request: Request, token: str) -> Guest:
    async with looked_up(request):
        return await guests.find(office_of(request), token)


@router.get("/{token}")
@_told_on_a_page
async def look(request: Request, token: str) -> Response:
    office = office_of(request)
    guest = await _found(request, token)
    session = _session(request, guest)
    said = _SAID.get(request.query_params.get("said", ""))
    if session is None:
        return await _door(office, token, guest, said=said)
    return await _desk(office, token, guest, session, said=said)


@router.post("/{token}/code")
@_told_on_a_page
async def ask_for_code(request: Request, token: str) -> Response:
    """A new code goes to the agency's own number in the phone book."""
    office = office_of(request)
    await spend_by_address(request, Budget.SIGN_INS)
    guest = await _found(request, token)
    agency = (await office.registry.current()).directory.agencies[guest.agency_code]
    if agency.phone is None or office.settings.code_gateway_url is None:
        return await _door(office, token, guest, 409, wrong=_SAID_WRONG["not_sent"])
    send_code = await asyncio.to_thread(_sending)
    code = await guests.code_to_send(office, guest)
    if isinstance(code, CodeRefusal):
        return await _door(office, token, guest, 429, wrong=_SAID_WRONG[code])
    text = f"【一门受理】验证码 {code},10 分钟内有效,仅用于答复转办单。请勿转告他人。"
    if not await send_code(office.settings, agency.phone, text):
        return await _door(office, token, guest, 502, wrong=_SAID_WRONG["not_sent"])
    return go_to(f"{_base(office, token)}?said=sent")


def _sending() -> Any:
    from app.delivery.codes import send_code  # with a client of HTTP, which who delivers nothing does without

    return send_code


@router.post("/{token}/session")
@_told_on_a_page
async def sign_in(request: Request, token: str) -> Response:
    office = office_of(request)
    await spend_by_address(request, Budget.SIGN_INS)
    guest = await _found(request, token)
    code = re.sub(r"\s", "", (await read_form(request)).get("code", ""))
    session = await guests.sign_in(office, guest, code) if _CODE.fullmatch(code) else None
    if session is None:
        return await _door(office, token, await guests.find(office, token), 403, wrong=_SAID_WRONG["wrong"])
    answered = go_to(_base(office, token))
    answered.set_cookie(
        _COOKIE,
        session,
        max_age=int(guests.SESSION_LASTS.total_seconds()),
        path=_base(office, token),
        secure=_base_is_https(office) or request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answered


@router.post("/{token}/leave")
@_told_on_a_page
async def leave(request: Request, token: str) -> Response:
    office = office_of(request)
    guest = await _found(request, token)
    if _session(request, guest) is not None:
        await guests.sign_out(office, guest)
    answered = go_to(f"{_base(office, token)}?said=out")
    answered.delete_cookie(_COOKIE, path=_base(office, token), httponly=True, samesite="strict")
    return answered


@router.post("/{token}/acts/{act}")
@_told_on_a_page
async def answer_by_form(request: Request, token: str, act: str) -> Response:
    """The same verb as a callback, under the same rules; a form sent twice is applied once."""
    office = office_of(request)
    guest = await _found(request, token)
    session = _session(request, guest)
    if session is None:
        return await _door(office, token, guest, 403, wrong=_SAID_WRONG["signed_out"])
    form = next((form for each, form in FORMS.items() if each == act), None)
    if form is None:
        raise Problem("not_found")
    filled = await read_form(request)
    nonce = guests.nonce_of(office, session, filled.pop("form", ""))
    if nonce is None:
        return await _desk(office, token, guest, session, 403, wrong=[_SAID_WRONG["stale"]], filled={act: filled})
    given = {name: filled[name] for name in form.fields if filled.get(name)}
    wrong = _missing(form, given)
    if not wrong:
        try:
            await _apply(office, guest, Act(act), given, nonce)
        except Problem as problem:
            wrong = _told(problem)
        else:
            return go_to(f"{_base(office, token)}?said=done")
    return await _desk(office, token, guest, session, 422, wrong=wrong, filled={act: filled})


async def _apply(office: Office, guest: Guest, act: Act, given: dict[str, str], nonce: str) -> None:
    data: dict[str, Any] = dict(given)
    if "materials" in data:
        data["materials"] = [line.strip() for line in data["materials"].splitlines() if line.strip()]
    if "due_on" in data:
        data["due_at"] = _end_of(data.pop("due_on"))
    agency = (await office.registry.current()).directory.agencies[guest.agency_code]
    content = to_json([act, given])
    webhook_id = f"guest:{guest.link_id}:{nonce}:{hashlib.sha256(content).hexdigest()[:16]}"
    sender = Sender(agency, webhook_id, None, way=guests.WAY)
    body = to_json({"type": f"handoff.{act}", "timestamp": now(), "data": data})
    await callbacks.apply(office, callbacks.Callback(sender, guest.handoff_id, parse(CallbackIn, body)), body)


def _end_of(day: str) -> datetime | str:
    """Of the day, in China; what is no day is left as it is, and refused like any other field."""
    try:
        return datetime.combine(date.fromisoformat(day), time(23, 59, 59), _ZONE)
    except ValueError:
        return day


def _missing(form: Form, given: dict[str, str]) -> list[Text]:
    labels = [field.label for name, field in form.fields.items() if field.must and name not in given]
    return [Text(f"请填写:{label.zh}。", f"Fill in: {label.en}.") for label in labels]


def _told(problem: Problem) -> list[Text]:
    if not problem.errors:
        detail = problem.detail or problem.kind.advice
        return [Text(f"{problem.kind.title.zh}。{detail.zh}", f"{problem.kind.title.en}. {detail.en}")]
    labels = LABELS | {name: field.label for form in FORMS.values() for name, field in form.fields.items()}
    told = []
    for error in problem.errors:
        name = error.pointer.removeprefix("/data/").split("/")[0].replace("due_at", "due_on")
        label = labels.get(name, Text(name, name))
        told.append(Text(f"{label.zh}:{error.detail.zh}", f"{label.en}: {error.detail.en}"))
    return told


async def _door(
    office: Office, token: str, guest: Guest, status: int = 200, *, said: Text | None = None, wrong: Text | None = None
) -> Response:
    """Before anybody has signed in: whose page it is, and nothing of the handoff."""
    agency = (await office.registry.current()).directory.agencies[guest.agency_code]
    return page(
        "door.html",
        status,
        base=_base(office, token),
        agency=agency,
        phone_end=agency.phone[-4:] if agency.phone else None,
        sends=bool(office.settings.code_gateway_url and agency.phone),
        has_code=guest.has_code(now()),
        tries_left=guest.tries_left,
        expires_at=guest.expires_at,
        coordinator_phone=office.settings.coordinator_phone,
        said=said,
        wrong=[wrong] if wrong else [],
    )


async def _desk(
    office: Office,
    token: str,
    guest: Guest,
    session: str,
    status: int = 200,
    *,
    said: Text | None = None,
    wrong: list[Text] | None = None,
    filled: dict[str, dict[str, str]] | None = None,
) -> Response:
    seen = await reading.one_handoff(office, guest.key, guest.handoff_id, None, Way.GUEST_PAGE)
    snapshot = await office.registry.current()
    allowed = {type_.removeprefix("handoff.") for type_ in seen["allowed"]}
    return page(
        "desk.html",
        status,
        base=_base(office, token),
        form=guests.form_token(office, session),
        seen=seen,
        agency=snapshot.directory.agencies[guest.agency_code],
        number=spoken(seen["receipt_number"]),
        division=snapshot.divisions[seen["division_code"]].name,
        status_text=STATUSES[seen["status"]],
        role=ROLES[seen["role"]],
        roles=ROLES,
        sections=sections_of(seen["person"] or {}, snapshot),
        acts={act: form for act, form in FORMS.items() if act in allowed},
        departments=sorted(snapshot.departments.values(), key=lambda each: each.code),
        filled=filled or {},
        expires_at=guest.session_ends_at,
        coordinator_phone=office.settings.coordinator_phone,
        said=said,
        wrong=wrong or [],
    )


def _session(request: Request, guest: Guest) -> str | None:
    session = request.cookies.get(_COOKIE, "")
    return session if session and guest.has_session(session, now()) else None


def _base(office: Office, token: str) -> str:
    """The page's path as the browser sees it."""
    return f"{base(office)}/answer/{token}"


def _base_is_https(office: Office) -> bool:
    return (office.settings.public_url or "").startswith("https:")
