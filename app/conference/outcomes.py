"""What the conference decided, applied as rulings and extensions: all of it, or nothing with every fault in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clocks, rights
from app.coordination import acts_on, agency_fault, extended, ruled, ruling_fault
from app.deadlines import end_of
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.keys import Key
from app.ledger import Unit, write_units
from app.loading import load_all
from app.office import Office, again_if_outdated
from app.problems import MOST_ERRORS, FieldError, Problem, Text
from app.repeats import Repeat, first_answer
from app.returns import is_disputed
from app.schemas_coordination import OutcomeIn
from app.tables import handoff, idempotency
from app.timeline import Case, Handoff
from app.wire import to_json

APPROVER = "联席会议 joint conference"


@dataclass(frozen=True, slots=True)
class Line:
    """One outcome, and where each of its fields was written, for whoever has to mend it."""

    outcome: OutcomeIn
    place: Callable[[str], str]


class _WrongError(ValueError):
    def __init__(self, name: str, code: str, text: Text) -> None:
        super().__init__(code)
        self.name, self.code, self.text = name, code, text


@again_if_outdated
async def apply(office: Office, key: Key, lines: Sequence[Line], repeat: Repeat | None) -> bytes:
    """`OutcomesApplied`, JSON. What is so already is left as it is. Raises `outcomes_refused` with every fault,
    `idempotency_conflict`."""
    desk = await desk_of(office, key)
    async with office.database.writing() as connection:
        cases = await _cases(connection, key, lines)
        if repeat and (first := await first_answer(connection, repeat)):
            answer: bytes = first.answer
            return answer
        items = _applied(lines, cases, desk)
        changed = {cases[each["item"]].id: cases[each["item"]] for each in items if each["applied"]}
        units = []
        for case in changed.values():
            case.settle(desk.at, desk.actor)
            units.append(finish(case, desk.snapshot))
        answer = to_json({"applied": sum(each["applied"] for each in items), "items": items})
        kept = Unit()
        if repeat:
            kept.insert(idempotency, repeat.row(None, desk.at, answer))
        await write_units(connection, [*units, kept])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()
    return answer


async def _cases(connection: AsyncConnection, key: Key, lines: Sequence[Line]) -> dict[UUID, Case]:
    """By handoff, those that the key reaches."""
    wanted = select(handoff.c.id, handoff.c.request_id).where(handoff.c.id.in_({each.outcome.item for each in lines}))
    requests = {row.id: row.request_id for row in await connection.execute(wanted)}
    cases = await load_all(connection, set(requests.values()))
    found = {handoff_id: cases[request_id] for handoff_id, request_id in requests.items()}
    return {handoff_id: case for handoff_id, case in found.items() if rights.reaches(key, case.request)}


def _applied(lines: Sequence[Line], cases: dict[UUID, Case], desk: Desk) -> list[dict[str, Any]]:
    """What became of each line, on the cases in memory. Raises `outcomes_refused`."""
    items: list[dict[str, Any]] = []
    faults: list[FieldError] = []
    seen: set[UUID] = set()
    for line in lines:
        said = line.outcome
        try:
            if said.item in seen:
                raise _WrongError("item", "listed_twice", _TWICE)
            seen.add(said.item)
            if said.item not in cases:
                raise _WrongError("item", "unknown_item", _UNKNOWN)
            case = cases[said.item]
            applied = _decide(case, case.handoff(said.item), said, desk)
        except _WrongError as wrong:
            faults.append(FieldError(line.place(wrong.name), wrong.code, wrong.text))
        else:
            items.append({"item": said.item, "decision": said.decision, "applied": applied})
    if faults:
        raise refused(faults)
    return items


def refused(faults: Sequence[FieldError]) -> Problem:
    """With the first 50, and how many more there are."""
    text = None
    if more := max(len(faults) - MOST_ERRORS, 0):
        text = Text(f"另有 {more} 处错误未列出。", f"Further errors, not listed: {more}.")
    return Problem("outcomes_refused", text, faults[:MOST_ERRORS])


def _decide(case: Case, found: Handoff, said: OutcomeIn, desk: Desk) -> bool:
    """Whether anything was changed. Raises _WrongError."""
    match said.decision:
        case "ruling":
            assert said.agency is not None
            applied = _rule(case, found, said.agency, said, desk)
        case "keep" if is_disputed(found):
            for name in ("legal_basis", "note"):
                if not getattr(said, name):
                    raise _WrongError(name, "outcome_fields_missing", _KEEP_NEEDS)
            applied = _rule(case, found, found.agency_code, said, desk)
        case "keep" if _is_so(case, found, found.agency_code):
            applied = False
        case "extend":
            assert said.until is not None
            applied = _extend(case, found, said.until, said, desk)
        case _:
            applied = True
    if applied:
        data = {"decision": said.decision}
        note = {"note": said.note} if said.note else None
        case.record("conference.decided", desk.at, desk.actor, handoff_id=found.id, data=data, note=note)
    return applied


def _rule(case: Case, found: Handoff, code: str, said: OutcomeIn, desk: Desk) -> bool:
    if fault := agency_fault(code, desk.snapshot):
        raise _WrongError("agency", *fault)
    if _is_so(case, found, code):
        return False
    if not is_disputed(found) or case.has_ended:
        raise _WrongError("decision", "not_disputed", _NOT_DISPUTED)
    agency = desk.snapshot.directory.agencies[code]
    if fault := ruling_fault(case, found, agency, desk):
        raise _WrongError("agency", *fault)
    ruled(case, found, agency, {"reason": said.note, "legal_basis": said.legal_basis}, desk)
    return True


def _is_so(case: Case, found: Handoff, code: str) -> bool:
    """Whether it was ruled that this part is that agency's."""
    bound = [each for each in case.of_need(found.need) if each.agency_code == code and each.bound_at is not None]
    return any(each is found or found.replaced_by == each.id for each in bound)


def _extend(case: Case, found: Handoff, until: date, said: OutcomeIn, desk: Desk) -> bool:
    if "extend" not in acts_on(case, found):
        raise _WrongError("decision", "not_open", _NOT_OPEN)
    due_at = end_of(until)
    if found.complete_due == due_at:
        return False
    if fault := clocks.extension_fault(found, due_at, desk.at):
        raise _WrongError("until", *fault)
    extended(case, found, due_at, {"reason": said.note, "approver": APPROVER}, desk)
    return True


_TWICE = Text("此项已在前面列出,只写一行。", "This item is listed before: write one line for it.")
_UNKNOWN = Text("没有这一项;请用会议清单中的编号。", "There is no such item: use those of the conference's list.")
_KEEP_NEEDS = Text(
    "维持有争议的一项就是裁定,须写明依据和理由。",
    "To keep what is disputed is a ruling: write its legal basis and a note.",
)
_NOT_DISPUTED = Text("此项没有待裁定的争议。", "Nothing of this item is disputed, so it can't be ruled on.")
_NOT_OPEN = Text("此项不在办理中,不能延期。", "It is not being handled, so its limit can't be moved.")
