"""Consents given, looked at, withdrawn, and what follows: what waited for them goes, what had been opened by them closes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app import gates, looking, presenting, reading, rights
from app.checks import consent_errors, person_errors
from app.clocks import rule_of
from app.consents import verifies
from app.debts import must_reach
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.handoffs import cancel, dispatch, dispatch_ready, hold, tell
from app.identifiers import utc_text
from app.intake import name_texts
from app.keys import Key
from app.ledger import write_units
from app.lifecycle import HandoffStatus
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import FieldError, Problem, invalid
from app.purposes import Purpose, Way
from app.repeats import Repeat, first_answer
from app.retelling import is_out, shown_to, take_back_messages, tell_anew
from app.returns import is_disputed
from app.routing.rules import Role, local_day
from app.schemas import plain
from app.schemas_consents import ConsentsIn, ConsentWithdrawIn
from app.tables import idempotency
from app.timeline import Case, Handoff
from app.wire import to_json

WITHDRAWN = "consent_withdrawn"
_NAMED = ("purpose", "person")


@again_if_outdated
async def given(office: Office, key: Key, request_id: UUID, purpose: Purpose | None = None) -> bytes:
    """`ConsentList`, JSON: what was given, what became of it, what is still missing. What somebody wrote there is a reading.

    Raises `not_found`, `purpose_needed`.
    """
    desk, case = await desk_of(office, key), await reading.case_of(office, request_id)
    must_reach(key, case)
    with_words = rights.sees_people(key)
    if with_words and (groups := _groups_read(case)):
        await looking.record(office, key, case, Way.REQUEST, groups, purpose)
    return to_json(_listed(case, desk, with_words=with_words))


@again_if_outdated
async def give(office: Office, key: Key, request_id: UUID, asked: ConsentsIn, repeat: Repeat | None) -> bytes:
    """Record consents, all of them or none; what waited for the last of them is dispatched in the same transaction, and
    its clocks start then. A `ConsentList`, JSON.

    Raises `validation_failed`, `not_found`, `already_closed`, `idempotency_conflict`.
    """
    desk = await desk_of(office, key)
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        must_reach(key, case)
        if repeat and (first := await first_answer(connection, repeat)):
            return case.box.unseal_bytes(first.answer, repeat.place) or to_json(_listed(case, desk))
        if case.has_ended:
            raise Problem("already_closed")
        if faults := _faults(case, asked, desk):
            raise invalid(*faults)
        before = _shown(case, desk)
        _record(case, asked, desk)
        await _let_go(connection, case, before, desk)
        case.settle(desk.at, desk.actor)
        answer = to_json(_listed(case, desk))
        unit = finish(case, desk.snapshot)
        if repeat:
            unit.insert(idempotency, repeat.row(case.id, desk.at, case.box.seal_bytes(answer, repeat.place)))
        await write_units(connection, [unit])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()
    return answer


@again_if_outdated
async def withdraw(office: Office, key: Key, request_id: UUID, consent_id: int, asked: ConsentWithdrawIn) -> bytes:
    """Take a consent back, and whatever else that person had consented to for that purpose; a `ConsentList`, JSON.

    What was lawfully done before stays (Personal Information Protection Law art. 15). The request goes on. Withdrawing
    twice is no error. Raises `not_found`.
    """
    desk = await desk_of(office, key)
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        must_reach(key, case)
        consents = case.person.get("consents", [])
        if not 1 <= consent_id <= len(consents):
            raise Problem("not_found")
        if "withdrawn_at" not in consents[consent_id - 1]:
            before = _shown(case, desk)
            _take_back(case, consents, consent_id, asked, desk)
            await _close(connection, case, before, desk)
            if not case.has_ended:
                case.settle(desk.at, desk.actor)
            await write_units(connection, [finish(case, desk.snapshot)])
            await office.database.bell.before_commit(connection)
        answer = to_json(_listed(case, desk))
    office.database.bell.after_commit()
    return answer


def _faults(case: Case, asked: ConsentsIn, desk: Desk) -> list[FieldError]:
    person = case.person
    known = len(person.get("obligors", ()))
    people = {"/applicant", *(["/helper"] if person.get("helper") else [])}
    people |= {f"/household/{position}" for position in range(len(person.get("household", ())))}
    people |= {f"/obligors/{position}" for position in range(known + len(asked.obligors))}
    today = local_day(desk.at)
    numbered = ((f"/obligors/{position}", each) for position, each in enumerate(asked.obligors))
    return [
        *consent_errors(asked.consents, people, desk.snapshot, desk.at),
        *(fault for pointer, each in numbered for fault in person_errors(pointer, each, today)),
    ]


def _record(case: Case, asked: ConsentsIn, desk: Desk) -> None:
    content = plain(asked)
    name_texts(content["consents"], desk.snapshot, desk.at)
    recorded = {"recorded_at": utc_text(desk.at), "recorded_by": desk.actor}
    kept = case.person.get("consents", [])
    case.amend(
        {
            "consents": [*kept, *({**each, **recorded} for each in content["consents"])],
            **({"obligors": [*case.person.get("obligors", []), *content["obligors"]]} if asked.obligors else {}),
        }
    )
    for number, each in enumerate(content["consents"], start=len(kept) + 1):
        case.record("consent.given", desk.at, desk.actor, data={"consent_id": number, **_public(each)}, note=each)


def _take_back(
    case: Case, consents: list[dict[str, Any]], consent_id: int, asked: ConsentWithdrawIn, desk: Desk
) -> None:
    taken = consents[consent_id - 1]
    ended = {"withdrawn_at": utc_text(desk.at), "withdrawn_by": desk.actor}
    ended |= {"reason": asked.reason} if asked.reason else {}

    def is_meant(each: Mapping[str, Any]) -> bool:
        return "withdrawn_at" not in each and all(each[name] == taken[name] for name in _NAMED)

    case.amend({"consents": [{**each, **ended} if is_meant(each) else each for each in consents]})
    data = {"consent_id": consent_id, **_public(taken)}
    note = {"reason": asked.reason} if asked.reason else None
    case.record("consent.withdrawn", desk.at, desk.actor, data=data, note=note)


def _public(consent: Mapping[str, Any]) -> dict[str, Any]:
    """Without names: who it is by role and number, how it can be proved by kind."""
    named = {name: consent[name] for name in (*_NAMED, "given_at")}
    return {
        **named,
        "text_version": consent.get("text_version"),
        "evidence": consent.get("evidence", {}).get("kind"),
        "by_guardian": "guardian" in consent,
    }


def _shown(case: Case, desk: Desk) -> dict[UUID, list[Any]]:
    """Of what each agency is shown as it stands, that which hangs on consents."""
    return {each.id: shown_to(case, each, desk.snapshot, desk.at) for each in case.handoffs}


async def _let_go(connection: AsyncConnection, case: Case, before: Mapping[UUID, list[Any]], desk: Desk) -> None:
    """Who is shown more than before is told anew; what waited, or was cancelled for want of it, goes. With an obligor who
    has become known less may be open, until they have consented too."""
    for each in case.handoffs:
        after = shown_to(case, each, desk.snapshot, desk.at)
        if any(one not in after for one in before[each.id]):
            await take_back_messages(connection, case, each, desk)
        if is_out(each) and after != before[each.id]:
            tell_anew(case, each, desk)
    for each in case.handoffs:
        is_free = not gates.holding_back(case, each, desk.snapshot, desk.at)
        if is_free and each.waits_for_consent:
            gates.release(case, each)
        elif is_free and each.reason == WITHDRAWN and _is_wanted_again(case, each):
            each.reason = None
            dispatch(case, each, desk)
    for need in dict.fromkeys(each.need for each in case.handoffs):
        dispatch_ready(case, need, desk)


def _is_wanted_again(case: Case, handoff: Handoff) -> bool:
    """A verification that was cancelled: whoever leads its need has not finished, or it leads itself."""
    if handoff.status is not HandoffStatus.CANCELLED:
        return False
    return handoff.role is Role.LEAD or any(
        each.role is Role.LEAD and (each.is_open or is_disputed(each)) for each in case.of_need(handoff.need)
    )


async def _close(connection: AsyncConnection, case: Case, before: Mapping[UUID, list[Any]], desk: Desk) -> None:
    """Who only verifies is let go; who helps goes on with less. What waits will go on waiting at its step. No message
    that shows more than is shown from now on goes out, whatever has become of its handoff."""
    for each in list(case.handoffs):
        held = gates.holding_back(case, each, desk.snapshot, desk.at)
        goes_on = is_out(each) and not case.has_ended
        stops = goes_on and bool(held) and verifies(rule_of(each, desk.snapshot))
        if not stops and shown_to(case, each, desk.snapshot, desk.at) == before[each.id]:
            continue
        taken_back = await take_back_messages(connection, case, each, desk)
        if stops:
            _let_off(case, each, desk)
        elif goes_on:
            if taken_back.ids:
                tell_anew(case, each, desk)
            _tell(case, each, desk)
    for need in () if case.has_ended else dict.fromkeys(each.need for each in case.handoffs):
        dispatch_ready(case, need, desk)


def _let_off(case: Case, handoff: Handoff, desk: Desk) -> None:
    """A need without its lead would end and nobody would say so: its lead's part waits for the consent to be given again,
    or for a coordinator to end it. Beside another lead a verification ends."""
    if handoff.role is Role.LEAD:
        hold(case, handoff, WITHDRAWN, desk)
    else:
        cancel(case, handoff, WITHDRAWN, desk)


def _tell(case: Case, handoff: Handoff, desk: Desk) -> None:
    opened = gates.opened(case, handoff, desk.snapshot, desk.at)
    purposes = gates.missing_purposes(case, handoff, desk.snapshot, desk.at)
    left = list(opened.groups)
    tell(case, handoff, "consent.withdrawn", desk, purposes=purposes, discloses=left, withheld=opened.withheld)


def _groups_read(case: Case) -> list[str]:
    """Of what `_seen` opens with words."""
    consents = case.person.get("consents", ())
    noted = any(each.get("reason") or (each.get("evidence") or {}).get("reference") for each in consents)
    guarded = any("guardian" in each for each in consents)
    return [*(["household"] if guarded else []), *(["notes"] if noted else [])]


def _listed(case: Case, desk: Desk, *, with_words: bool = False) -> dict[str, Any]:
    """Guardians, references and reasons only where the reading of them is recorded."""
    consents = enumerate(case.person.get("consents", ()), start=1)
    lacking = [] if case.has_ended else gates.missing(case, desk.snapshot, desk.at)
    seen = (_seen(number, each, case, with_words) for number, each in consents)
    return {
        "request_id": case.id,
        "consents": list(seen),
        "missing": presenting.missing_consents(lacking),
    }


def _seen(number: int, consent: Mapping[str, Any], case: Case, with_words: bool) -> dict[str, Any]:
    evidence = consent.get("evidence")
    return {
        "consent_id": number,
        **{name: consent.get(name) for name in (*_NAMED, "given_at", "text_version")},
        "evidence": evidence
        and {"kind": evidence["kind"], "reference": evidence.get("reference") if with_words else None},
        "by_guardian": "guardian" in consent,
        "guardian": consent.get("guardian") if with_words else None,
        "recorded_at": consent.get("recorded_at", case.request["registered_at"]),
        "recorded_by": consent.get("recorded_by"),
        "withdrawn_at": consent.get("withdrawn_at"),
        "withdrawn_by": consent.get("withdrawn_by"),
        "reason": consent.get("reason") if with_words else None,
    }
