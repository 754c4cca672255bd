"""Emergencies (急难): the same door as intake's, acting first. Also an ordinary request that is lifted to one."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import checks, presenting, reserved_numbers, rights
from app.bells import signing_bell
from app.calling import call, call_coordinator, tell_of_danger
from app.dangers import FAST_AID, NEEDS_OF, Kind, advice, kind_of
from app.debts import must_reach, owe, reached_by
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.handoffs import assigned, beside, dispatch, dispatch_ready, open_from
from app.identity import normalise_resident_id
from app.intake import by_its_door, numbered, of_person, opened, stored, table_in_force, with_token
from app.keys import Key, KeyRole
from app.ledger import Unit, write_units
from app.lifecycle import HandoffStatus
from app.loading import load
from app.logs import describe
from app.marks import marks_of
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, Text, invalid
from app.receipts import spoken
from app.registry import Snapshot
from app.repeats import Repeat
from app.reserved_numbers import Taken
from app.routing.decide import RoutingDecision, decide
from app.routing.directory import COUNTY_DIGITS, upward
from app.routing.facts import facts_of
from app.routing.rules import COORDINATOR, UNDETERMINED, Role, RoutingTable, local_day
from app.schemas_emergencies import EmergencyIn, LiftIn
from app.tables import aid_mark, event, handoff, help_request, idempotency
from app.timeline import SIGNINGS, Case
from app.wire import from_json, to_json

log = structlog.get_logger()


async def accept(office: Office, key: Key, asked: EmergencyIn, repeat: Repeat | None, seconds: float) -> bytes:
    """Act on an emergency; the answer (`EmergencyReceipt`, JSON) only after it is on disk and every agency's message
    is queued. It then waits up to `seconds` for the first agency to sign in.

    Raises `idempotency_conflict`, `unavailable`; nothing that is unknown or can't be right is a reason to refuse.
    """
    with office.way.taken():
        answer = await _stored(office, key, asked, repeat)
    signed_in = None
    if seconds:
        try:
            signed_in = await _first_to_sign_in(office, UUID(from_json(answer)["request_id"]), seconds)
        except Exception as error:  # it is on disk: whoever told of it must have the receipt and the numbers
            log.error("wait_failed", **describe(error))
    return answer[:-1] + b',"signed_in":' + to_json(signed_in) + b"}"


async def _stored(office: Office, key: Key, asked: EmergencyIn, repeat: Repeat | None) -> bytes:
    desk = await desk_of(office, key)
    asked = by_its_door(key, asked)
    if errors := reserved_numbers.faults_of(key, asked.receipt_number, asked.taken_at):
        raise invalid(*errors)

    async def register() -> tuple[bytes, Unit]:
        return await _register(office, key, asked, repeat, desk, await numbered(office, key, asked, desk))

    return await stored(office, asked.channel, repeat, register, urgent=True)


async def _register(
    office: Office, key: Key, asked: EmergencyIn, repeat: Repeat | None, desk: Desk, taken: Taken
) -> tuple[bytes, Unit]:
    table = table_in_force(desk)
    seen = _read(asked, desk, table, key.division_code)
    decision = _decide(seen.place, seen.person, table, desk)
    case, token = opened(
        office,
        key,
        desk,
        channel=asked.channel,
        division_code=seen.place,
        person=seen.person,
        marks=marks_of(seen.person["applicant"], office.vault),
        decision=decision,
        taken=taken,
        emergency=seen.kind.value,
    )
    needs = [each.need for each in decision.needs]
    open_from(case, decision, desk)
    if seen.kind is Kind.UNDETERMINED:
        _add_coordinator(case, desk)
    _owe(case, needs, table, desk)
    marks = _marks(office, case, needs, desk)
    _remember(case, marks)
    warnings = [*taken.warnings, *seen.warnings]
    if _is_county(seen.place):
        warnings += rights.taken_in_elsewhere(key, seen.place)
    if marks and key.role is not KeyRole.KIOSK:  # whoever stands there is told nothing of anybody's past
        async with office.database.reading() as connection:
            warnings += await _helped_before(connection, key, case, marks)
    case.settle(desk.at, desk.actor)
    answer = to_json(
        {
            **view(case, desk.snapshot),
            "receipt_number_spoken": spoken(case.request["receipt_number"]),
            "registered_at": desk.at,
            "warnings": presenting.warned(warnings),
        }
    )
    unit = finish(case, desk.snapshot)
    if repeat:
        unit.insert(idempotency, repeat.row(case.id, desk.at, answer))
    return with_token(answer, token), unit


@again_if_outdated
async def lift(office: Office, key: Key, request_id: UUID, asked: LiftIn) -> bytes:
    """Make an ordinary request an emergency, keeping its number; an `EmergencyView`, JSON. Lifting twice is no error.

    What was sent is told anew in the overtaking lane, what waits is sent, and whoever acts on such a danger is called,
    also if its part had ended.
    Raises `not_found`, `already_closed`, `unavailable`.
    """
    desk = await desk_of(office, key)
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        must_reach(key, case)
        if not case.is_emergency:
            if case.has_ended:
                raise Problem("already_closed")
            _raise(case, asked, desk)
            _remember(case, _marks(office, case, [_danger(case, desk)], desk))
            await write_units(connection, [finish(case, desk.snapshot)])
            await office.database.bell.before_commit(connection)
        marks = _marks(office, case, [_danger(case, desk)], desk)
        warnings = await _helped_before(connection, key, case, marks)
        seen = view(case, desk.snapshot, _concerning(key, case, desk))
        answer = to_json({**seen, "warnings": presenting.warned(warnings)})
    office.database.bell.after_commit()
    return answer


def _raise(case: Case, asked: LiftIn, desk: Desk) -> None:
    table, kind = table_in_force(desk), kind_of(asked.facts)
    case.request["emergency"] = kind.value
    situation = {"what": asked.what, "where": asked.where}
    case.add_situation(situation)
    stated = {"emergency": kind.value, "facts": [each.value for each in asked.facts]}
    case.record("emergency.lifted", desk.at, desk.actor, data=stated, note=situation)
    for each in case.handoffs:
        if each.status is HandoffStatus.WAITING:
            dispatch(case, each, desk)
        elif each.is_open:
            tell_of_danger(case, each, desk)
    need = _danger(case, desk)
    decision = _decide(case.request["division_code"], {**case.person, "needs": [{"code": need}]}, table, desk)
    for found in (each for decided in decision.needs for each in decided.assignments):
        call(case, found.agency, assigned(case, need, found, decision.version, desk), desk)
    dispatch_ready(case, need, desk)
    if not any(each.is_open and each.role is not Role.INFORMED for each in case.of_need(need)):
        call_coordinator(case, need, desk)
    _owe(case, [need], table, desk)
    case.settle(desk.at, desk.actor)


def _danger(case: Case, desk: Desk) -> str:
    """The need of the kind of emergency that a request is."""
    (need,) = _known([NEEDS_OF[Kind(case.request["emergency"])]], desk.snapshot)
    return need


def _concerning(key: Key, case: Case, desk: Desk) -> set[str] | None:
    """Of which needs an agency learns: those that it has a part in, and the emergency's own. None: of all."""
    if key.role is not KeyRole.AGENCY:
        return None
    return {_danger(case, desk), *(each.need for each in case.handoffs if each.agency_code == key.agency_code)}


def view(case: Case, snapshot: Snapshot, needs: set[str] | None = None) -> dict[str, Any]:
    """`EmergencyView`: who was told (of these needs), by which number each is reached, and what to do now."""
    kind = Kind(case.request["emergency"])
    concerned = (each for each in case.handoffs if needs is None or each.need in needs)
    in_order = sorted(concerned, key=lambda each: (each.step, each.id))
    return {
        "request_id": case.id,
        "receipt_number": case.request["receipt_number"],
        "status": case.status,
        "kind": kind.value,
        "division_code": case.request["division_code"],
        "agencies": [presenting.handoff_summary(each, snapshot) for each in in_order],
        "advice": [{"zh": zh, "en": en} for zh, en in advice(kind)],
    }


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was made of a call: everything has its place, and what was odd is a warning."""

    kind: Kind
    place: str
    person: dict[str, Any]
    warnings: list[FieldError]


def _read(asked: EmergencyIn, desk: Desk, table: RoutingTable, own: str | None) -> _Seen:
    snapshot, warnings = desk.snapshot, []
    place = _place(asked.division_code, own, snapshot)
    if asked.division_code not in (None, place):
        name = snapshot.divisions[place].name
        if asked.division_code in snapshot.divisions:
            text = Text(
                f"没有写明是哪个县;已按{name}受理,请电话核对地点。",
                f"No county was named; it was taken in for {name} ({place}): check the place by telephone.",
            )
            warnings.append(FieldError("/division_code", "which_county", text))
        else:
            text = Text(
                f"没有这个区划代码;已按{name}受理,请电话核对地点。",
                f"There is no such division; it was taken in for {name} ({place}): check the place by telephone.",
            )
            warnings.append(FieldError("/division_code", "unknown_division", text))
    if not _is_county(place):
        warnings.append(FieldError("/where", "which_county", _WHICH_COUNTY))
    kind = Kind.UNDETERMINED
    if asked.kind in set(Kind):
        kind = Kind(asked.kind)
    elif asked.kind is not None:
        warnings.append(FieldError("/kind", "unknown_kind", _UNKNOWN_KIND))
    needs = [] if asked.needs and asked.kind is None else [NEEDS_OF[kind]]
    for position, code in enumerate(asked.needs):
        if code in snapshot.needs:
            needs.append(_variant(code, place, table))
        else:
            warnings.append(FieldError(f"/needs/{position}", "unknown_need", _UNKNOWN_NEED))
    people = [("/applicant", asked.applicant), ("/helper", asked.helper)]
    today = local_day(desk.at)
    warnings += [fault for pointer, one in people if one for fault in checks.person_errors(pointer, one, today)]
    told = of_person(asked)
    helper = told.get("helper")
    if asked.caller_phone and not (helper or {}).get("phone"):
        helper = {"relation": "caller", **(helper or {}), "phone": asked.caller_phone}
    person = {
        "applicant": told.get("applicant", {}),
        **({"helper": helper} if helper else {}),
        "facts": told["facts"],
        "needs": [{"code": code} for code in _known(needs or [FAST_AID], snapshot)],
        "narrative": asked.what,
        "emergency": {name: told[name] for name in ("what", "where", "people", "position") if name in told},
    }
    return _Seen(kind, place, person, warnings)


_WHICH_COUNTY = Text(
    "还不知道是哪个县,没有通知任何县的单位;请马上问清并另报 division_code。",
    "The county is not known, so none of its agencies were told: ask now, and send it again with its division_code.",
)
_UNKNOWN_NEED = Text("没有这个需求代码,已略过。", "There is no such need; it was passed over.")
_UNKNOWN_KIND = Text(
    "没有这种急难情形,已按说不清处理。", "There is no such kind; it is acted on as one that nobody can tell yet."
)


def _is_county(place: str) -> bool:
    """Or a place in one."""
    return len(place) >= COUNTY_DIGITS


def _place(code: str | None, own: str | None, snapshot: Snapshot) -> str:
    """The division, or the nearest one above that is known; where that leaves the county open, the place of whoever took
    it in, `own`; else, where the place is only described, the county itself."""
    known = next((place for place in upward(code or "") if place in snapshot.divisions), None)
    if known is not None and _is_county(known):
        return known
    if own is not None and _is_county(own) and own in snapshot.divisions:
        return own
    return known or snapshot.directory.place or next(iter(snapshot.divisions))


def _variant(need: str, place: str, table: RoutingTable) -> str:
    """The need whose rules act first; the fast aid where the table names none."""
    return next((rule.emergency_variant for rule in table.of(need, place) if rule.emergency_variant), FAST_AID)


def _known(needs: Iterable[str], snapshot: Snapshot) -> list[str]:
    """Once each; a county may have taken one out of its catalogue."""
    return list(dict.fromkeys(need if need in snapshot.needs else UNDETERMINED for need in needs))


def _decide(place: str, person: dict[str, Any], table: RoutingTable, desk: Desk) -> RoutingDecision:
    return decide(facts_of(place, person, local_day(desk.at)), table, desk.snapshot.directory, desk.at)


def _add_coordinator(case: Case, desk: Desk) -> None:
    """Where nobody can tell yet what it is, the county's coordinator looks at it too."""
    agency = desk.snapshot.directory.resolve(COORDINATOR, case.request["division_code"])
    if agency is None or not case.handoffs or any(each.agency_code == agency.code for each in case.handoffs):
        return
    added = beside(case.handoffs[0], agency, desk, role=Role.CO_HANDLER, mandatory=False)
    case.handoffs.append(added)
    dispatch(case, added, desk)


def _owe(case: Case, needs: Iterable[str], table: RoutingTable, desk: Desk) -> None:
    place = case.request["division_code"]
    rules = (rule for need in needs for rule in table.of(need, place))
    limits = [rule.emergency_limit for rule in rules if rule.emergency_limit is not None]
    terms = desk.snapshot.aid.terms_of(place, local_day(desk.at))
    owe(case, limits, terms, desk.snapshot.calendar, desk.at)


def _marks(office: Office, case: Case, needs: Iterable[str], desk: Desk) -> list[bytes]:
    """That this person was helped with this need in this year of China's calendar, as a keyed digest: no number is
    kept, nor can one be found by trying them all."""
    number = case.person["applicant"].get("id_number")
    if not number:
        return []
    year, number = local_day(desk.at).year, normalise_resident_id(number)
    texts = (f"aid:{year}:{number}:{need}".encode() for need in needs)
    return [hmac.new(office.secret, text, hashlib.sha256).digest() for text in texts]


def _remember(case: Case, marks: list[bytes]) -> None:
    case.unit.insert(aid_mark, *({"mark": mark, "request_id": case.id} for mark in marks))


async def _helped_before(connection: AsyncConnection, key: Key, case: Case, marks: list[bytes]) -> list[FieldError]:
    """What other requests say of it; an agency learns only of those that it has a part in."""
    if not marks:
        return []
    before = select(help_request.c.receipt_number).distinct()
    before = before.join_from(aid_mark, help_request, aid_mark.c.request_id == help_request.c.id)
    before = before.where(aid_mark.c.mark.in_(marks), aid_mark.c.request_id != case.id)
    if key.agency_code is not None:
        part = (handoff.c.request_id == help_request.c.id, *reached_by(key.agency_code))
        before = before.where(exists().where(*part))
    before = before.order_by(help_request.c.receipt_number).limit(10)
    numbers = ", ".join((await connection.execute(before)).scalars())
    if not numbers:
        return []
    text = Text(
        f"同一人今年已因同一需求得到急难救助(受理编号 {numbers});不影响本次救助。",
        f"The same person had emergency help for the same need this year ({numbers}); it does not hold this one up.",
    )
    return [FieldError("/applicant/id_number", "helped_before", text)]


async def _first_to_sign_in(office: Office, request_id: UUID, seconds: float) -> dict[str, Any] | None:
    """Which agency was the first (`SignedIn`), as soon as one has; None if none has in time. Looks once, and then only
    when it is rung: by whatever process commits the agency's callback."""
    until = time.monotonic() + seconds
    with office.database.inboxes.waiting(signing_bell(request_id), request_id) as call:
        while True:
            call.rung.clear()
            found = await _signed_in(office, request_id)
            left = until - time.monotonic()
            if found or left <= 0 or call.is_over:
                return found
            with suppress(TimeoutError):
                await asyncio.wait_for(call.rung.wait(), left)


@again_if_outdated
async def _signed_in(office: Office, request_id: UUID) -> dict[str, Any] | None:
    first = select(event.c.at, handoff.c.id, handoff.c.agency_code)
    first = first.join_from(event, handoff, event.c.handoff_id == handoff.c.id)
    first = (
        first.where(event.c.request_id == request_id, event.c.kind.in_(SIGNINGS)).order_by(event.c.sequence).limit(1)
    )
    async with office.database.reading() as connection:
        row = (await connection.execute(first)).first()
    if row is None:
        return None
    agency = (await office.registry.current()).directory.agencies[row.agency_code]
    return {**agency.contact, "handoff_id": row.id, "at": row.at}
