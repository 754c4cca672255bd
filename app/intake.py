"""Intake: check, route, open the handoffs, store, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app import checks, gates, looking, metrics, presenting, reserved_numbers, rights
from app.consents import text_in_force
from app.constraints import IDEMPOTENCY_KEY, RECEIPT_NUMBER, TRACKING_HASH, constraint_of
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.handoffs import open_from
from app.hashchain import GENESIS
from app.identifiers import new_id, utc_text
from app.keys import Key, KeyRole
from app.ledger import Unit
from app.lifecycle import RequestStatus
from app.logs import describe
from app.marks import marks_of
from app.mending import mended
from app.office import Office, again_if_outdated
from app.problems import FieldError, invalid, unavailable
from app.purposes import Way
from app.receipts import new_receipt_number, spoken, token_hash, token_that_opens, tracking_token
from app.registry import Snapshot
from app.repeats import Repeat, first_answer
from app.reserved_numbers import Taken
from app.routing.decide import RoutingDecision, decide
from app.routing.facts import facts_of
from app.routing.rules import RoutingTable, in_force, local_day
from app.same_person import TOLD, UNATTENDED, OpenRequest, marks_in, shown
from app.schemas import Channel, RequestIn, plain
from app.schemas_emergencies import EmergencyIn
from app.sealing import PERSON
from app.steps import InSteps, Steps
from app.tables import help_request, idempotency
from app.timeline import Case
from app.wire import to_json

_RECEIPT_TRIES = 5
_LONGEST_RECORDING = 1.0  # seconds
log = structlog.get_logger()


class _Understood(NamedTuple):
    """A call: what counts of it, its key, if it has one, what is to be warned of in it, the person to be sealed, their
    marks, a look for what is open of them, and where it all goes."""

    asked: RequestIn
    repeat: Repeat | None
    odd: list[FieldError]
    person: dict[str, Any]
    marks: Mapping[str, bytes | None]
    look: asyncio.Future[set[UUID]]
    decision: RoutingDecision


@again_if_outdated
async def accept(office: Office, key: Key, read: Callable[[], Steps[tuple[RequestIn, Repeat | None]]]) -> bytes:
    """Take a request in, which `read` reads; the answer (`RequestReceipt`, JSON) only after it is on disk, routed and its
    messages queued. Those that came together take each step together (`way`).

    Raises what `read` raises, `validation_failed` with every field's fault (not for a kiosk), `idempotency_conflict`,
    `unavailable`.
    """
    desk = await desk_of(office, key)
    call = await office.way.begin(_understood(office, key, read(), desk))
    again = await office.same_person.asking_again(call.look, {each.code for each in call.asked.needs})
    told = [] if call.asked.channel in UNATTENDED or not await _is_recorded(office, key, again) else again

    async def register() -> tuple[bytes, Unit]:
        taken = await numbered(office, key, call.asked, desk, call.odd)
        return await office.way.go_on(_register(office, key, desk, call, again, told, taken))

    return await stored(office, call.asked.channel, call.repeat, register)


def _understood(
    office: Office, key: Key, read: Steps[tuple[RequestIn, Repeat | None]], desk: Desk
) -> Steps[_Understood]:
    asked, repeat = yield from read
    yield
    asked = by_its_door(key, asked)
    odd: list[FieldError] = []
    if key.role is KeyRole.KIOSK:
        asked, odd = mended(asked, key.division_code or desk.snapshot.directory.place, desk.snapshot, desk.at)
    yield
    person = of_person(asked)
    yield
    marks = marks_of(person["applicant"], office.vault)
    yield
    look = office.same_person.look(marks_in(marks))
    yield  # where sixteen ask together, it is looked up while they are checked and decided
    if key.role is not KeyRole.KIOSK:
        errors = reserved_numbers.faults_of(key, asked.receipt_number, asked.taken_at)
        errors += yield from checks.errors_of.steps(asked, desk.snapshot, desk.at)
        if errors:
            raise invalid(*errors)
    yield
    name_texts(person["consents"], desk.snapshot, desk.at)
    yield
    facts = facts_of(asked.division_code, person, local_day(desk.at))
    yield
    decision = decide(facts, table_in_force(desk), desk.snapshot.directory, desk.at)
    return _Understood(asked, repeat, odd, person, marks, look, decision)


async def _is_recorded(office: Office, key: Key, again: list[OpenRequest]) -> bool:
    """Help does not wait for it: what can't be recorded is not told."""
    if not again:
        return True
    try:
        async with asyncio.timeout(_LONGEST_RECORDING):
            await looking.record_each(office, key, {each.request_id for each in again}, Way.SEARCH, TOLD, None)
    except Exception as error:
        log.warning("same_person_not_recorded", **describe(error))
        return False
    return True


async def stored(
    office: Office,
    channel: Channel,
    repeat: Repeat | None,
    register: Callable[[], Awaitable[tuple[bytes, Unit]]],
    *,
    urgent: bool = False,
) -> bytes:
    """The answer of what `register` makes, when it is on disk; or the first answer, if its key was used before, or at this
    very moment by another call. Where the receipt number was taken another one is drawn."""
    for _ in range(_RECEIPT_TRIES):
        answer, unit = await register()
        try:
            await office.ledger.write(unit, urgent=urgent)
        except IntegrityError as error:
            broken = constraint_of(error)
            if repeat and broken == IDEMPOTENCY_KEY and (first := await _first_receipt(office, repeat)):
                return first
            if broken not in (RECEIPT_NUMBER, TRACKING_HASH):
                raise
        else:
            metrics.REQUESTS_TAKEN_IN.labels(str(channel)).inc()
            return answer
    raise unavailable()


_Asked = TypeVar("_Asked", RequestIn, EmergencyIn)


def by_its_door(key: Key, asked: _Asked) -> _Asked:
    """A kiosk is a kiosk, whatever it says of itself: what is told to somebody at a window is not told there."""
    return asked.model_copy(update={"channel": Channel.KIOSK}) if key.role is KeyRole.KIOSK else asked


def of_person(asked: RequestIn | EmergencyIn) -> dict[str, Any]:
    """What was told, ready to be sealed; not what the device said of itself."""
    told = plain(asked)
    for name in ("receipt_number", "taken_at"):
        told.pop(name, None)
    return told


async def numbered(
    office: Office, key: Key, asked: RequestIn | EmergencyIn, desk: Desk, odd: Sequence[FieldError] = ()
) -> Taken:
    """Its number, with what is to be warned of besides."""
    if key.role is not KeyRole.KIOSK:
        return Taken(new_receipt_number(), None, [])
    taken = await reserved_numbers.taken(office, key, asked.receipt_number, asked.taken_at, desk.at)
    return taken._replace(warnings=[*taken.warnings, *odd])


def table_in_force(desk: Desk) -> RoutingTable:
    """Raises `unavailable`."""
    table = in_force(desk.snapshot.tables.values(), desk.at)
    if table is None:
        log.error("no_routing_table_in_force", advice="run `one-window seed` or publish a table")
        raise unavailable()
    return table


@InSteps
def opened(
    office: Office,
    key: Key,
    desk: Desk,
    *,
    channel: Channel,
    division_code: str,
    person: dict[str, Any],
    marks: Mapping[str, bytes | None],
    decision: RoutingDecision,
    taken: Taken,
    emergency: str | None = None,
) -> Steps[tuple[Case, str]]:
    """A request with nothing handed off yet, and its tracking token."""
    request_id = new_id()
    token = tracking_token(office.secret, taken.number)
    yield
    box, data_key = office.vault.new_box(request_id.bytes)
    yield
    sealed = box.seal(person, PERSON)
    yield
    request = {
        "id": request_id,
        "receipt_number": taken.number,
        "tracking_hash": token_hash(token),
        "channel": str(channel),
        "division_code": division_code,
        "status": str(RequestStatus.REGISTERED),
        "routing_version": decision.version,
        "decision": decision.record(),
        "registered_at": desk.at,
        "registered_by": key.holder,
        "closed_at": None,
        "events": 0,
        "head": GENESIS,
        "sealed": sealed,
        "data_key": data_key,
        "erased_at": None,
        **marks,
        "emergency": emergency,
        "debts": 0,
        "unanchored": False,
    }
    yield
    told: dict[str, Any] = {"channel": str(channel), "needs": [each.need for each in decision.needs]}
    if taken.taken_at is not None:
        told["taken_at"] = utc_text(taken.taken_at)
    case = Case(request=request, handoffs=[], is_new=True, box=box, _person=person)
    case.record("request.registered", desk.at, key.actor, data=told | ({"emergency": emergency} if emergency else {}))
    return case, token


def _register(
    office: Office,
    key: Key,
    desk: Desk,
    call: _Understood,
    again: list[OpenRequest],
    told: list[OpenRequest],
    taken: Taken,
) -> Steps[tuple[bytes, Unit]]:
    asked, decision = call.asked, call.decision
    case, token = yield from opened.steps(
        office,
        key,
        desk,
        channel=asked.channel,
        division_code=asked.division_code,
        person=call.person,
        marks=call.marks,
        decision=decision,
        taken=taken,
    )
    if again:
        case.record("request.asked_again", desk.at, desk.actor, data={"open": [str(each.request_id) for each in again]})
    yield
    yield from open_from.steps(case, decision, desk)
    yield
    case.settle(desk.at, desk.actor)
    yield
    warnings = taken.warnings + checks.warnings_of(asked, local_day(desk.at))
    warnings += rights.taken_in_elsewhere(key, asked.division_code)
    yield
    receipt = yield from _receipt(case, asked, decision, desk, told, warnings)
    yield
    answer = to_json(receipt)
    yield
    unit = yield from finish.steps(case, desk.snapshot)
    yield
    if call.repeat:
        unit.insert(idempotency, call.repeat.row(case.id, desk.at, answer))
    return with_token(answer, token), unit


def name_texts(consents: list[dict[str, Any]], snapshot: Snapshot, at: datetime) -> None:
    """Which version of its text each was given to: where nobody says, the one in force."""
    for each in consents:
        text = text_in_force(snapshot.consent_texts, each["purpose"], local_day(at))
        if "text_version" not in each and text is not None:
            each["text_version"] = text.version


def _receipt(
    case: Case,
    asked: RequestIn,
    decision: RoutingDecision,
    desk: Desk,
    told: list[OpenRequest],
    warnings: list[FieldError],
) -> Steps[dict[str, Any]]:
    number = case.request["receipt_number"]
    handoffs = [presenting.handoff_summary(each, desk.snapshot) for each in case.handoffs]
    yield
    decided = presenting.fresh_decision(decision, desk.snapshot.tables[decision.version])
    missing_materials = presenting.missing_materials(asked, decision, desk.snapshot)
    yield
    missing_consents = presenting.missing_consents(gates.all_needed(case, decision, desk.at))
    yield
    return {
        "request_id": case.id,
        "receipt_number": number,
        "receipt_number_spoken": spoken(number),
        "status": case.status,
        "registered_at": case.request["registered_at"],
        "handoffs": handoffs,
        "decision": decided,
        "missing_materials": missing_materials,
        "missing_consents": missing_consents,
        "same_person": shown(told, desk.snapshot),
        "warnings": presenting.warned(warnings),
    }


async def _first_receipt(office: Office, repeat: Repeat) -> bytes | None:
    """The answer that this key got the first time; the token is derived anew, it is not stored."""
    async with office.database.reading() as connection:
        row = await first_answer(connection, repeat)
        if row is None:
            return None
        of_request = select(help_request.c.receipt_number, help_request.c.tracking_hash)
        kept = (await connection.execute(of_request.where(help_request.c.id == row.request_id))).one()
    token = token_that_opens(office.secret, kept.receipt_number, row.request_id.bytes, kept.tracking_hash)
    return with_token(row.answer, token or tracking_token(office.secret, kept.receipt_number))


def with_token(answer: bytes, token: str) -> bytes:
    """The answer is one JSON object; the token is put in last, and is never stored with it."""
    return answer[:-1] + b',"tracking_token":"' + token.encode() + b'"}'
