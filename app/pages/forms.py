"""/forms: the receipt and the paper forms of a window, for whoever signed in and may print them.

A receipt number is filled in on a form and stands in no address; what is opened by an address is asked for anew each time.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request, Response

from app.forms import finding, of_handoff, of_receipt, of_request, summary
from app.forms.months import month_of, parse_month
from app.identifiers import now
from app.keys import KeyRole
from app.pages import browsing, form_words, signed_in
from app.pages.page import go_to, read_form
from app.pages.showing import Section, in_table, rows_of, sections_of
from app.pages.telling import told_on_a_page
from app.pages.visits import Visit, at_desk, id_of, said_of
from app.problems import Problem, Text
from app.purposes import Purpose
from app.qr import drawn
from app.receipts import is_receipt_number, spoken
from app.registry import Snapshot

router = APIRouter(prefix="/forms", include_in_schema=False)
_CATALOGUE = "forms"
_ROLL = "80mm"
_SHEETS = {"": ("paper.css", "a4.css"), _ROLL: ("paper.css", "roll.css"), "wide": ("paper.css", "a4.css", "wide.css")}
_ASKED = ("paper", "brief", "blank", "purpose", "month", "place", "lang")
_IN_TABLES = ("household", "obligors", "consents")
_NO_NUMBER = Text(
    "受理编号应为 12 位数字;请核对,多半是输错了一位。",
    "A receipt number has 12 digits; check it: one is probably wrong.",
)
_NOT_THERE = Text(
    "没有这个编号的事项,或不在您的权限和辖区之内。",
    "There is no request of that number, or it is not within your rights and your jurisdiction.",
)
_NOT_YOURS = Text(
    "没有这份表单,或不在您的权限和辖区之内。",
    "There is no such form, or it is not within your rights and your jurisdiction.",
)


@router.get("")
@told_on_a_page
async def look(request: Request) -> Response:
    return await at_desk(request, _start, _refused)


@router.post("")
@told_on_a_page
async def find(request: Request) -> Response:
    return await at_desk(request, _find, _refused)


@router.get("/requests/{request_id}")
@told_on_a_page
async def look_at_request(request: Request, request_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        found = await finding.overview(visit.office, visit.key, id_of(request_id))
        needs: dict[Text, list[dict[str, Any]]] = {}
        for each in found["handoffs"]:
            needs.setdefault(Text(each["need"]["name_zh"], each["need"]["name_en"]), []).append(each)
        return visit.shown(
            "forms_request.html",
            catalogue=_CATALOGUE,
            found=found,
            needs=needs,
            here=visit.in_other_language(f"/forms/requests/{request_id}", purpose=visit.asked("purpose")),
            number=spoken(found["receipt_number"]),
            whole=finding.prints_requests(visit.key),
            purposes=form_words.PURPOSES,
            purpose=visit.asked("purpose"),
            words=form_words,
        )

    return await at_desk(request, show, _refused)


@router.get("/requests/{request_id}/register")
@told_on_a_page
async def register(request: Request, request_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        seen = await of_request.register(visit.office, visit.key, id_of(request_id), _purpose(visit))
        snapshot = await visit.office.registry.current()
        facts = {each["need"]["code"]: rows_of(each["facts"], snapshot) for each in seen["needs"]}
        return _paper(visit, "form_register.html", seen, snapshot, back=request_id, facts=facts)

    return await at_desk(request, show, _refused)


@router.get("/requests/{request_id}/notice")
@told_on_a_page
async def notice(request: Request, request_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        seen = await of_request.notice(visit.office, visit.key, id_of(request_id), _purpose(visit))
        return _paper(visit, "form_notice.html", seen, back=request_id)

    return await at_desk(request, show, _refused)


@router.get("/requests/{request_id}/receipt")
@told_on_a_page
async def receipt(request: Request, request_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        seen = await of_receipt.receipt(visit.office, visit.key, id_of(request_id))
        address = f"{browsing.origin(request, visit.office)}{browsing.base(visit.office)}/track"
        asked = visit.asked("brief")
        brief = asked == "1" or (seen["is_delicate"] and asked != "0")
        told = {
            "picture": drawn(f"{address}/{seen['token']}") if seen["token"] else None,
            "address": address,
            "brief": brief,
        }
        return _paper(visit, "form_receipt.html", seen | told, back=request_id)

    return await at_desk(request, show, _refused)


@router.get("/handoffs/{handoff_id}/letter")
@told_on_a_page
async def letter(request: Request, handoff_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        seen = await of_handoff.letter(visit.office, visit.key, id_of(handoff_id), _purpose(visit))
        snapshot = await visit.office.registry.current()
        return _paper(visit, "form_letter.html", seen, snapshot, back=str(seen["request_id"]))

    return await at_desk(request, show, _refused)


@router.get("/handoffs/{handoff_id}/reply")
@told_on_a_page
async def reply(request: Request, handoff_id: str) -> Response:
    async def show(visit: Visit) -> Response:
        blank = visit.asked("blank") == "1"
        seen = await of_handoff.reply(visit.office, visit.key, id_of(handoff_id), _purpose(visit), blank=blank)
        snapshot = await visit.office.registry.current()
        departments = {code: Text(each.name_zh, each.name_en) for code, each in snapshot.departments.items()}
        return _paper(
            visit, "form_reply.html", seen, back=str(seen["request_id"]), departments=departments, blank=blank
        )

    return await at_desk(request, show, _refused)


@router.get("/summary")
@told_on_a_page
async def monthly(request: Request) -> Response:
    async def show(visit: Visit) -> Response:
        month = parse_month(visit.asked("month") or str(month_of(now())))
        if month is None:
            raise Problem("not_found")
        seen = await summary.summary(visit.office, visit.key, month, visit.asked("place") or None)
        return _paper(visit, "form_summary.html", seen, back=None, sheets="wide")

    return await at_desk(request, show, _refused)


async def _find(visit: Visit) -> Response:
    form = await read_form(visit.request)
    if not signed_in.is_genuine(visit.request, visit.office, visit.session, form):
        return await _start(visit, 403, wrong=signed_in.STALE)
    number = re.sub(r"[\s-]", "", form.get("number", ""))
    if not is_receipt_number(number):
        return await _start(visit, 422, wrong=_NO_NUMBER, number=form.get("number", "")[:40])
    try:
        found = await finding.by_number(visit.office, visit.key, number)
    except Problem as problem:
        if problem.code != "not_found":
            raise
        return await _start(visit, 404, wrong=_NOT_THERE, number=number)
    purpose = form.get("purpose") if form.get("purpose") in set(Purpose) else None
    return go_to(visit.link(f"/forms/requests/{found}", purpose=purpose))


async def _start(visit: Visit, status: int = 200, *, wrong: Text | None = None, number: str = "") -> Response:
    if not finding.prints_handoffs(visit.key) and not finding.counts(visit.key):
        raise Problem("forbidden")
    snapshot, this_month = await visit.office.registry.current(), month_of(now())
    return visit.shown(
        "forms_start.html",
        status,
        catalogue=_CATALOGUE,
        here=visit.in_other_language("/forms"),
        finds=finding.prints_handoffs(visit.key),
        counts=finding.counts(visit.key),
        wrong=wrong,
        number=number,
        purposes=form_words.PURPOSES,
        must_say=visit.office.settings.reading_purpose_required and visit.key.role is KeyRole.COORDINATOR,
        month=this_month,
        place=visit.key.division_code or snapshot.directory.place,
    )


def _paper(
    visit: Visit,
    template: str,
    seen: dict[str, Any],
    snapshot: Snapshot | None = None,
    *,
    back: str | None,
    sheets: str = "",
    **more: Any,
) -> Response:
    """A form as a page: of the person what `seen` holds of them, on the paper that was asked for."""
    paper = _ROLL if visit.asked("paper") == _ROLL else ""
    person = seen.get("person")
    sections = sections_of(person, snapshot) if person and snapshot is not None else []
    purpose = visit.asked("purpose")
    return visit.shown(
        template,
        catalogue=_CATALOGUE,
        sheets=_SHEETS[paper or sheets],
        seen=seen,
        number=spoken(seen["receipt_number"]) if "receipt_number" in seen else None,
        sections=[(each, _table(visit, each) if each.name in _IN_TABLES else None) for each in sections],
        back=visit.link(f"/forms/requests/{back}", purpose=purpose) if back else visit.link("/forms"),
        paper=paper,
        again=lambda **changed: _again(visit, **changed),
        words=form_words,
        printed_at=now(),
        **more,
    )


def _table(visit: Visit, section: Section) -> tuple[list[str], list[list[Text | None]]]:
    """A line for each person, below labels."""
    labels, lines = in_table(section.groups)
    return [each.pick(visit.language) for each in labels], lines


def _again(visit: Visit, **changed: str) -> str:
    """The same page with another paper, language or choice."""
    query = {name: visit.asked(name) for name in _ASKED} | changed
    return visit.link(visit.request.url.path, **query)


def _refused(visit: Visit, problem: Problem) -> Response:
    detail = said_of(problem)
    if problem.code == "not_found" and problem.detail is None:
        detail = _NOT_YOURS
    return visit.shown(
        "forms_refused.html",
        problem.kind.status,
        catalogue=_CATALOGUE,
        title=problem.kind.title,
        detail=detail,
        here=visit.in_other_language("/forms"),
    )


def _purpose(visit: Visit) -> Purpose | None:
    asked = visit.asked("purpose")
    return Purpose(asked) if asked in set(Purpose) else None
