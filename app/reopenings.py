"""Reopenings (重办): what people are not content with, and what a coordinator rules: handled again, or told why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from app import coordination, looking, presenting, rights
from app.deadlines import CHINA
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.feedback import DECLINED, REOPENED, words_of
from app.handoffs import assigned, dispatch_ready, given_by
from app.intake import table_in_force
from app.jurisdictions import within
from app.keys import Key
from app.ledger import write_units
from app.lifecycle import Act, ReopeningState, RequestStatus, Solved
from app.loading import from_row, load, stored_case
from app.office import Office, again_if_outdated
from app.paged import PageAsked, page_of
from app.problems import FieldError, Problem, Text, invalid, unavailable
from app.purposes import Purpose, Way
from app.registry import Snapshot
from app.repeats import Repeat, first_answer
from app.returns import give, own
from app.routing.decide import decide
from app.routing.directory import Agency
from app.routing.facts import facts_of
from app.routing.rules import UNDETERMINED, Role, local_day
from app.schemas_tracking import DeclineIn, ReopenIn
from app.sealing import kept_at
from app.tables import feedback, handoff, help_request, idempotency
from app.timeline import Case, Handoff
from app.wire import to_json

_ASKED = select(feedback).join_from(feedback, help_request, feedback.c.request_id == help_request.c.id)
_RULED = Text(
    "此重办申请已经处理,或事项已不在办结状态。", "This was ruled on already, or the request is not closed any more."
)
_NAMED = ("state", "ruled_by", "ruled_at", "handoff_id", "sealed")
_RULE = update(feedback).where(feedback.c.id == bindparam("b_id")).values({n: bindparam(f"b_{n}") for n in _NAMED})


@again_if_outdated
async def listed(
    office: Office, key: Key, page: PageAsked, state: ReopeningState | None, purpose: Purpose | None
) -> dict[str, Any]:
    """A `ReopeningPage`, newest first. Words are for those who may see people, and that they were read is recorded."""
    snapshot = await office.registry.current()
    query = _ASKED.where(feedback.c.state.is_not(None), *within(key.division_code))
    if state is not None:
        query = query.where(feedback.c.state == state.value)
    rows, next_cursor = await page_of(office.database, query, feedback.c.id, page)
    cases: dict[UUID, Case] = {}
    if rows:
        async with office.database.reading() as connection:
            found = select(help_request).where(help_request.c.id.in_({row["request_id"] for row in rows}))
            for each in (await connection.execute(found)).mappings():
                cases[each["id"]] = stored_case(connection, each)
            of_requests = select(handoff).where(handoff.c.request_id.in_(cases)).order_by(handoff.c.step, handoff.c.id)
            for each in (await connection.execute(of_requests)).mappings():
                cases[each["request_id"]].handoffs.append(from_row(each))
    with_words = rights.sees_people(key)
    words = {row["id"]: words_of(cases[row["request_id"]], row) if with_words else {} for row in rows}
    if with_words:
        read = [row for row in rows if words[row["id"]].get("words")]
        waits = {row["request_id"] for row in read if row["state"] == ReopeningState.OPEN}
        asked = {row["request_id"] for row in read}
        await looking.record_each(office, key, asked, Way.TIMELINE, ("notes",), purpose, waits)
    items = [_seen(row, cases[row["request_id"]], words[row["id"]], snapshot) for row in rows]
    return {"items": items, "next_cursor": next_cursor}


def _seen(row: Mapping[Any, Any], case: Case, words: Mapping[str, Any], snapshot: Snapshot) -> dict[str, Any]:
    names = ("request_id", "solved", "answered_at", "state", "handoff_id", "ruled_by", "ruled_at")
    return {
        "reopening_id": row["id"],
        **{name: row[name] for name in names},
        **{name: case.request[name] for name in ("receipt_number", "division_code", "closed_at")},
        "request_status": case.status,
        "words": words.get("words"),
        "reason": words.get("reason"),
        "handoffs": [presenting.handoff_summary(each, snapshot) for each in case.handoffs],
    }


async def reopen(office: Office, key: Key, reopening_id: UUID, asked: ReopenIn, repeat: Repeat | None) -> bytes:
    """A `ReopeningRuled`, JSON. Raises `not_found`, `validation_failed`, `idempotency_conflict`, `already_ruled`,
    `unavailable`."""

    def act(case: Case, row: Mapping[Any, Any], desk: Desk) -> Handoff | None:
        case.record(REOPENED, desk.at, desk.actor, data={"reopening": str(row["id"])}, note={"reason": asked.reason})
        if asked.handoff_id is None:
            return _undetermined(case, desk, asked.reason)
        return _again(case, asked.handoff_id, asked.agency, asked.reason, desk)

    return await _rule(office, key, reopening_id, ReopeningState.REOPENED, asked.reason, repeat, act)


async def decline(office: Office, key: Key, reopening_id: UUID, asked: DeclineIn, repeat: Repeat | None) -> bytes:
    """The same, but that nothing is handled again. Raises as `reopen`."""

    def act(case: Case, row: Mapping[Any, Any], desk: Desk) -> None:
        case.record(DECLINED, desk.at, desk.actor, data={"reopening": str(row["id"])}, note={"reason": asked.reason})

    return await _rule(office, key, reopening_id, ReopeningState.DECLINED, asked.reason, repeat, act)


@again_if_outdated
async def _rule(
    office: Office,
    key: Key,
    reopening_id: UUID,
    state: ReopeningState,
    reason: str,
    repeat: Repeat | None,
    act: Callable[[Case, Mapping[Any, Any], Desk], Handoff | None],
) -> bytes:
    desk = await desk_of(office, key)
    asked_for = feedback.c.id == reopening_id, feedback.c.state.is_not(None)
    async with office.database.writing() as connection:
        request_id: UUID | None = await connection.scalar(select(feedback.c.request_id).where(*asked_for))
        if request_id is None:
            raise Problem("not_found")
        case = await load(connection, request_id)
        rights.must_reach(key, case.request)
        if repeat and (first := await first_answer(connection, repeat)):
            answer: bytes = first.answer
            return answer
        row = (await connection.execute(select(feedback).where(*asked_for))).mappings().one()
        if row["state"] != ReopeningState.OPEN or case.status is not RequestStatus.CLOSED or case.request["erased_at"]:
            raise Problem("already_ruled", _RULED)
        given_out = act(case, row, desk)
        case.settle(desk.at, desk.actor)
        answer = to_json(
            {
                "reopening_id": reopening_id,
                "state": state,
                "request_id": case.id,
                "request_status": case.status,
                "handoff": presenting.handoff_summary(given_out, desk.snapshot) if given_out else None,
            }
        )
        unit = finish(case, desk.snapshot)
        ruled = {"state": state.value, "ruled_by": desk.actor, "ruled_at": desk.at}
        sealed = case.box.seal({**words_of(case, row), "reason": reason}, kept_at("feedback.sealed", row["id"]))
        unit.update(
            _RULE,
            {f"b_{name}": value for name, value in ruled.items()}
            | {"b_id": row["id"], "b_sealed": sealed, "b_handoff_id": given_out.id if given_out else None},
        )
        if repeat:
            unit.insert(idempotency, repeat.row(case.id, desk.at, answer))
        await write_units(connection, [unit])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()
    return answer


def _again(case: Case, handoff_id: UUID, agency_code: str | None, reason: str, desk: Desk) -> Handoff:
    """The part is given out again, to the agency that had it or to another one."""
    part = next((each for each in case.handoffs if each.id == handoff_id), None)
    if part is None:
        text = Text("此事项没有这张转办单。", "This request has no such handoff.")
        raise invalid(FieldError("/handoff_id", "unknown_handoff", text))
    if part.role is Role.INFORMED:
        text = Text("该单位只是知会,请另选承办的一件。", "Its agency was only informed: choose a part that is handled.")
        raise invalid(FieldError("/handoff_id", "only_informed", text))
    code = agency_code or part.agency_code
    if fault := coordination.agency_fault(code, desk.snapshot):
        raise invalid(FieldError("/agency" if agency_code else "/handoff_id", *fault))
    agency = desk.snapshot.directory.agencies[code]
    mine = own(case, part.need, agency)
    if mine is not None and (fault := coordination.consent_fault(case, part, mine, desk)):
        raise invalid(FieldError("/agency" if agency_code else "/handoff_id", *fault))
    return _given(case, part, agency, reason, desk)


def _given(case: Case, part: Handoff, agency: Agency, reason: str, desk: Desk) -> Handoff:
    mine, given = own(case, part.need, agency), given_by(Act.REOPENED, reason)
    if mine is None:
        return give(case, part, agency, desk, given=given)
    mine.outcome = None
    return give(case, part, agency, desk, Act.REOPENED, note={"reason": reason}, given=given)


def _undetermined(case: Case, desk: Desk, reason: str) -> Handoff:
    """Where the coordinator names no part: whoever finds out whose a need is gets it, as if it were asked anew."""
    table = table_in_force(desk)
    person = {**case.person, "needs": [{"code": UNDETERMINED}]}
    facts = facts_of(case.request["division_code"], person, local_day(desk.at))
    decision = decide(facts, table, desk.snapshot.directory, desk.at)
    given_out: list[Handoff] = []
    for found in (each for need in decision.needs for each in need.assignments):
        mine = own(case, UNDETERMINED, found.agency)
        if mine is None:
            mine = assigned(case, UNDETERMINED, found, decision.version, desk)
            case.open_more(mine)
        else:
            _given(case, mine, found.agency, reason, desk)
        given_out.append(mine)
    if not given_out:
        raise unavailable()
    dispatch_ready(case, UNDETERMINED, desk)
    return min(given_out, key=lambda each: each.role is not Role.LEAD)


async def satisfaction(office: Office, key: Key, since: date, until: date) -> dict[str, Any]:
    """What people of the key's jurisdiction answered on these days in China, both counted in (`Satisfaction`)."""
    first = datetime.combine(since, time.min, CHINA).astimezone(UTC)
    end = datetime.combine(until + timedelta(days=1), time.min, CHINA).astimezone(UTC)
    query = (
        select(feedback.c.solved, feedback.c.state, func.count().label("count"))
        .join_from(feedback, help_request, feedback.c.request_id == help_request.c.id)
        .where(feedback.c.answered_at >= first, feedback.c.answered_at < end, *within(key.division_code))
        .group_by(feedback.c.solved, feedback.c.state)
    )
    async with office.database.reading() as connection:
        rows = (await connection.execute(query)).all()
    counted: Counter[str] = Counter()
    for solved, state, count in rows:
        counted[solved] += count
        counted[state] += count
    names = (*Solved, *ReopeningState)
    answered = sum(counted[each] for each in Solved)
    return {"since": since, "until": until, "answered": answered, **{each.value: counted[each.value] for each in names}}
