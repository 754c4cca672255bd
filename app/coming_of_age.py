"""Coming of age (成年): what a guardian had allowed is not told after the birthday, until the person has consented too.

What is dispatched, or looked at, is asked of the gates that day. This is for messages that were made on an earlier day and
have waited, or are sent again: the courier asks before it posts one.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import gates
from app.clocks import rule_of
from app.consents import verifies
from app.db import Database
from app.delivery import outbox
from app.delivery.notices import finish
from app.delivery.outbox import Claimed
from app.delivery.superseding import DISCLOSING
from app.desk import Desk
from app.handoffs import SYSTEM, hold
from app.identifiers import now
from app.ledger import write_units
from app.lifecycle import HandoffStatus
from app.loading import from_row, load, stored_case
from app.registry import Registry, Snapshot
from app.retelling import is_out, shown_to, take_back_messages, tell_anew
from app.routing.rules import local_day
from app.tables import handoff, help_request
from app.timeline import Case, Handoff

CAME_OF_AGE = "came_of_age"


class Birthdays:
    """Of one worker: asked of each message that may show something of a person."""

    def __init__(self, worker_id: UUID, database: Database, registry: Registry, public_url: str | None) -> None:
        self._worker_id = worker_id
        self._database = database
        self._registry = registry
        self._public_url = public_url

    async def allow(self, claimed: Claimed) -> bool:
        """Whether a message that this worker holds may still go out; if not, it has been superseded, and its agency told
        anew, or, where all that it is for is a verification that has not begun, that waits for the consent."""
        at = now()
        is_old = claimed.type in DISCLOSING and local_day(claimed.created_at) < local_day(at)
        if not is_old or claimed.body is None or claimed.request_id is None or claimed.handoff_id is None:
            return True
        snapshot = await self._registry.current()
        async with self._database.reading() as connection:
            case = await _looked_at(connection, claimed.request_id, claimed.handoff_id)
        if not _says_too_much(case, case.handoff(claimed.handoff_id), claimed.created_at, snapshot, at):
            return True
        async with self._database.writing() as connection:
            case = await load(connection, claimed.request_id)
            found = case.handoff(claimed.handoff_id)
            if not _says_too_much(case, found, claimed.created_at, snapshot, at):
                return True
            is_mine = claimed.id in await outbox.held(connection, [claimed.id], self._worker_id)
            desk = Desk(snapshot, at, SYSTEM, self._public_url)
            ended = await take_back_messages(connection, case, found, desk, claimed.id if is_mine else None)
            if ended.ids and is_out(found) and not case.has_ended:
                has_arrived = ended.has_arrived or await outbox.has_arrived(connection, claimed.id)
                _go_on(case, found, has_arrived, desk)
            await write_units(connection, [finish(case, snapshot)])
            await self._database.bell.before_commit(connection)
        self._database.bell.after_commit()
        return claimed.id not in ended.ids


def _says_too_much(case: Case, handoff: Handoff, made_at: datetime, snapshot: Snapshot, at: datetime) -> bool:
    """By the consents as they stand: a withdrawal has its own way."""
    shown_now = shown_to(case, handoff, snapshot, at)
    is_less = any(each not in shown_now for each in shown_to(case, handoff, snapshot, made_at))
    is_held = bool(gates.holding_back(case, handoff, snapshot, at))
    return is_less or (is_held and not gates.holding_back(case, handoff, snapshot, made_at))


def _go_on(case: Case, found: Handoff, has_arrived: bool, desk: Desk) -> None:
    """What was disclosed stays so, and a verification that has begun goes on with what is open."""
    has_begun = has_arrived or found.status is not HandoffStatus.DISPATCHED
    lacking = gates.holding_back(case, found, desk.snapshot, desk.at)
    if lacking and not has_begun and verifies(rule_of(found, desk.snapshot)):
        hold(case, found, CAME_OF_AGE, desk)
    else:
        tell_anew(case, found, desk)
    case.settle(desk.at, desk.actor)


async def _looked_at(connection: AsyncConnection, request_id: UUID, handoff_id: UUID) -> Case:
    """With that one handoff alone, and nothing locked."""
    row = (await connection.execute(select(help_request).where(help_request.c.id == request_id))).mappings().one()
    its = (await connection.execute(select(handoff).where(handoff.c.id == handoff_id))).mappings().one()
    case = stored_case(connection, row)
    case.handoffs.append(from_row(its))
    return case
