"""/track and /track/<token>: a person's own page. Where it is, who has it, by when, what is still needed; no script needed."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from fastapi import APIRouter, Request, Response

from app import by_number, feedback, own_page, reading
from app.api import browsers
from app.api.access import office_of
from app.api.bodies import parse
from app.api.forms import received
from app.api.rates import looked_up, spend_by_address
from app.by_number import PHONE_DIGITS
from app.identifiers import now
from app.lifecycle import HandoffStatus
from app.pages import days, tracking_words
from app.pages.browsing import base, language
from app.pages.catalogues import teller
from app.pages.page import go_to, read_form
from app.pages.telling import told_by
from app.pages.tracking_page import Look, told
from app.pages.tracking_page import own_page as shown_as
from app.problems import Problem, Text
from app.rates import Budget
from app.receipts import RECEIPT_PATTERN, TOKEN_PATTERN, is_receipt_number
from app.routing.rules import Role
from app.schemas import SupplementIn
from app.schemas_tracking import AnsweredBack
from app.wire import to_json

router = APIRouter(prefix="/track", include_in_schema=False)
_told = told_by(told)
_BLANKS = re.compile(r"[\s\-_.·]")
_A_PAIR = 9  # as many more look-ups, whether it is right or wrong
_ALL_THERE = "申请人表示所需材料已交齐。"
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_LONGEST_WORDS = 1_000
_NOT_OURS = Text("页面已过时,请重新提交。", "The page was out of date; please send it again.")


@router.get("")
@_told
async def ask(request: Request) -> Response:
    return _door(request)


@router.post("")
@_told
async def find(request: Request) -> Response:
    """What is wrong is said as far as it shows in what was typed; of a pair that does not match, not which part of it."""
    _must_be_ours(request)
    office, form = office_of(request), await read_form(request)
    number, phone_end = _digits(form.get("number", "")), _digits(form.get("phone_end", ""))
    wrong = _faults(number, phone_end, teller(language(request), "track"))
    if not wrong:
        await spend_by_address(request, Budget.LOOK_UPS, _A_PAIR)
        token = await by_number.token_of(office, number, phone_end)
        if token is not None:
            return go_to(f"{base(office)}/track/{token}{Look.of(request).query()}")
    return _door(request, 422 if wrong else 403, wrong, number=number, is_no_pair=not wrong)


@router.get("/{token}")
@_told
async def look(request: Request, token: str) -> Response:
    return await _page(request, token)


@router.post("/{token}/papers")
@_told
async def give_paper(request: Request, token: str) -> Response:
    """A photograph or a PDF; the same one again is kept once."""
    office = office_of(request)
    _must_be_ours(request)
    async with looked_up(request):
        await own_page.may_give(office, _shaped(token))
    try:
        async with received(request) as upload:
            await own_page.give(office, token, upload)
    except Problem as problem:
        if problem.kind.status >= 500 or "Connection" in problem.headers:
            raise
        return await _page(request, token, problem.kind.status, wrong={"papers": _why(problem)})
    return _back(request, token, "kept")


@router.post("/{token}/all-there")
@_told
async def say_all_is_there(request: Request, token: str) -> Response:
    _must_be_ours(request)
    note = (await read_form(request)).get("note", "")[:_LONGEST_WORDS] or _ALL_THERE
    said = parse(SupplementIn, to_json({"note": note}))
    async with looked_up(request):
        await own_page.say_all_is_there(office_of(request), _shaped(token), said)
    return _back(request, token, "told")


@router.post("/{token}/solved")
@_told
async def answer_back(request: Request, token: str) -> Response:
    """Was your problem solved? Once for each closing; sent twice it is kept once."""
    _must_be_ours(request)
    form = await read_form(request)
    if not form.get("solved"):
        text = Text("请选一个答案。", "Choose one of the answers.")
        return await _page(request, token, 422, wrong={"solved": text}, words=form.get("words", ""))
    given = {name: form[name] for name in ("solved", "words") if form.get(name)}
    closing = form.get("closing", "")
    asked = parse(AnsweredBack, to_json({**given, "closing": int(closing) if _NUMBER.fullmatch(closing) else 0}))
    async with looked_up(request):
        await feedback.answer(office_of(request), _shaped(token), asked)
    return _back(request, token, "answered")


async def _page(
    request: Request, token: str, status: int = 200, wrong: dict[str, Text] | None = None, words: str = ""
) -> Response:
    office, at = office_of(request), now()
    async with looked_up(request):
        seen = await reading.tracked(office, _shaped(token))
    spoken = language(request)
    _ = teller(spoken, "track")
    said = request.query_params.get("said", "")
    return shown_as(
        request,
        "track.html",
        status,
        here=f"/track/{token}",
        live=True,
        seen=seen,
        needs=_by_need(seen["steps"]),
        todo=[each for each in seen["steps"] if each["waits_for_you"]],
        asked_for=any(each["waits_for_you"] and not each["missing_consents"] for each in seen["steps"]),
        statuses=tracking_words.statuses(_),
        outcomes=tracking_words.outcomes(_),
        roles=tracking_words.roles(_),
        solved=tracking_words.solved(_),
        takes_papers=office.files is not None and seen["closed_at"] is None,
        day=lambda of: days.day_in_words(of, spoken),
        moment=lambda of: days.moment_in_words(of, spoken),
        how_far=lambda of: days.how_far(of, at, _),
        at=at,
        said=said if said in ("kept", "told", "answered") else None,
        wrong=wrong or {},
        words=words,
    )


def _by_need(steps: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What is still somebody's part, or was to the end; whoever leads a need comes first."""
    needs: dict[str, list[dict[str, Any]]] = {}
    for each in steps:
        if each["status"] is not HandoffStatus.CANCELLED:
            needs.setdefault(each["need"]["code"], []).append(each)
    return [sorted(parts, key=lambda each: each["role"] is not Role.LEAD) for parts in needs.values()]


def _door(
    request: Request, status: int = 200, wrong: dict[str, str] | None = None, number: str = "", is_no_pair: bool = False
) -> Response:
    return shown_as(
        request, "track_find.html", status, here="/track", wrong=wrong or {}, number=number, is_no_pair=is_no_pair
    )


def _faults(number: str, phone_end: str, _: tracking_words.Tell) -> dict[str, str]:
    """By the field that is wrong in itself: of a number that was mistyped the check digits say so."""
    wrong = {}
    if not re.fullmatch(RECEIPT_PATTERN, number, re.ASCII):
        wrong["number"] = _("受理编号是 12 位数字,请对照回执重新输入。")
    elif not is_receipt_number(number):
        wrong["number"] = _("受理编号输错了(有数字不对或颠倒),请对照回执重新输入。")
    if not re.fullmatch(rf"\d{{{PHONE_DIGITS}}}", phone_end, re.ASCII):
        wrong["phone_end"] = _("请输入电话号码的最后 4 位数字。")
    return wrong


def _digits(typed: str) -> str:
    """As it is said and written: with blanks between, or in the wide digits of a Chinese keyboard."""
    return _BLANKS.sub("", unicodedata.normalize("NFKC", typed))[:40]


def _shaped(token: str) -> str:
    if re.fullmatch(TOKEN_PATTERN, token) is None:
        raise Problem("not_found")
    return token


def _must_be_ours(request: Request) -> None:
    """A form of our own pages: another site may neither write here nor have its visitors guess."""
    if not browsers.is_from_our_pages(request, office_of(request).settings):
        raise Problem("csrf_refused", _NOT_OURS)


def _why(problem: Problem) -> Text:
    if problem.errors:
        return problem.errors[0].detail
    return problem.detail or Text(
        f"{problem.kind.title.zh}。{problem.kind.advice.zh}", f"{problem.kind.title.en}. {problem.kind.advice.en}"
    )


def _back(request: Request, token: str, said: str) -> Response:
    """The page anew, so that loading it again sends nothing again."""
    return go_to(f"{base(office_of(request))}/track/{token}{Look.of(request).query(said=said)}")
