"""What a person adds to a request later, or takes back."""

from __future__ import annotations

from uuid import UUID

from app import checks, presenting, rights
from app.attachments import Giver
from app.delivery.notices import finish
from app.desk import Desk, desk_of
from app.handoffs import cancel_open, take_supplement
from app.identifiers import now
from app.keys import Key
from app.ledger import write_units
from app.lifecycle import RequestStatus
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import Problem, Text, invalid
from app.repeats import Repeat, first_answer
from app.schemas import SupplementIn, WithdrawIn, plain
from app.tables import idempotency
from app.wire import to_json


@again_if_outdated
async def withdraw(office: Office, key: Key, request_id: UUID, asked: WithdrawIn) -> bytes:
    """Take the request back: what is open is cancelled and its agencies are told. Withdrawing twice is no error.

    Answers with a `RequestView`, JSON. Raises `not_found`, `already_closed`.
    """
    desk = await desk_of(office, key)
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        rights.must_reach(key, case.request)
        if case.status is not RequestStatus.WITHDRAWN:
            if case.has_ended:
                raise Problem("already_closed")
            cancel_open(case, "withdrawn", desk)
            case.withdraw(desk.at, key.actor, asked.reason)
            await write_units(connection, [finish(case, desk.snapshot)])
            await office.database.bell.before_commit(connection)
        answer = to_json(presenting.request_view(case, desk.snapshot, with_person=False))
    office.database.bell.after_commit()
    return answer


@again_if_outdated
async def supplement(
    office: Office, giver: Giver, request_id: UUID, asked: SupplementIn, repeat: Repeat | None
) -> bytes:
    """Add what an agency asked for: every handoff that waits for the applicant is told and goes on.

    Answers with a `RequestView`, JSON. Raises `validation_failed`, `not_found`, `already_closed`,
    `not_waiting_for_applicant`, `idempotency_conflict`.
    """
    desk = Desk(await office.registry.current(), now(), giver.actor, office.settings.public_url)
    _check_materials(asked, desk)
    async with office.database.writing() as connection:
        case = await load(connection, request_id)
        if not giver.reaches(case.request):
            raise Problem("not_found")
        if repeat and (first := await first_answer(connection, repeat)):
            answer: bytes = first.answer
            return answer
        if case.has_ended:
            raise Problem("already_closed")
        waiting = [each for each in case.handoffs if each.suspended_for == "applicant"]
        if not waiting:
            raise Problem("not_waiting_for_applicant")
        content = plain(asked)
        case.add_supplement(content, desk.at)
        case.record("request.supplemented", desk.at, giver.actor, data={"materials": asked.materials}, note=content)
        for each in waiting:
            take_supplement(case, each, content, desk)
        case.settle(desk.at, giver.actor)
        answer = to_json(presenting.request_view(case, desk.snapshot, with_person=False))
        unit = finish(case, desk.snapshot)
        if repeat:
            unit.insert(idempotency, repeat.row(case.id, desk.at, answer))
        await write_units(connection, [unit])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()
    return answer


def _check_materials(asked: SupplementIn, desk: Desk) -> None:
    known = desk.snapshot.materials
    hint = Text("代码见 GET /v1/needs。", "GET /v1/needs lists the codes.")
    unknown = [
        checks.unknown_code(f"/materials/{position}", "material", code, list(known), hint)
        for position, code in enumerate(asked.materials)
        if code not in known
    ]
    if unknown:
        raise invalid(*unknown)
