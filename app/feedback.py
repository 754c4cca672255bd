"""Feedback (回访): when a request was closed the person says whether their problem is solved, once for each closing.

Who is not content asks to have it reopened: a coordinator rules on that (`reopenings`). Everybody is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.delivery.notices import finish
from app.following import request_of
from app.identifiers import new_id, now
from app.ledger import write_units
from app.lifecycle import ReopeningState, RequestStatus, Solved
from app.loading import load
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.schemas_tracking import AnsweredBack
from app.sealing import kept_at
from app.tables import event, feedback
from app.timeline import Case

PERSON = "person"  # who acts on their own page, or somebody for them
ANSWERED, REOPENED, DECLINED = "request.answered_back", "request.reopened", "request.reopening_declined"
_CLOSED = f"request.{RequestStatus.CLOSED}"


def closing_of(case: Case, events: Iterable[Mapping[Any, Any]]) -> int | None:
    """Which of its events closed it last, if it is closed and there is still somebody to ask; pure."""
    if case.status is not RequestStatus.CLOSED or case.request["erased_at"] is not None:
        return None
    return max((each["sequence"] for each in events if each["kind"] == _CLOSED), default=None)


async def given(connection: AsyncConnection, case: Case, closing: int | None) -> dict[str, Any]:
    """What the person is asked and has answered, as `Tracked` shows it; with the words by which a coordinator declined, not with theirs."""
    of_request = select(feedback).where(feedback.c.request_id == case.id).order_by(feedback.c.closing)
    rows = (await connection.execute(of_request)).mappings().all()
    answered = {row["closing"] for row in rows}
    return {
        "asks_if_solved": closing if closing not in answered else None,
        "answers": [
            {
                "solved": row["solved"],
                "answered_at": row["answered_at"],
                "state": row["state"],
                "ruled_at": row["ruled_at"],
                # Why it is handled again is told to the agency, not to whoever has the page.
                "reply": words_of(case, row).get("reason") if row["state"] == ReopeningState.DECLINED else None,
            }
            for row in rows
        ],
    }


def words_of(case: Case, row: Mapping[Any, Any]) -> dict[str, Any]:
    """`words` of the person and `reason` of the coordinator, as far as there are any; nothing of an erased request."""
    if row["sealed"] is None or case.request["erased_at"] is not None:
        return {}
    return case.box.unseal(row["sealed"], kept_at("feedback.sealed", row["id"])) or {}


@again_if_outdated
async def answer(office: Office, token: str, asked: AnsweredBack) -> None:
    """Keep what the person says; the same closing answered again changes nothing. Raises `not_found`, `precondition_failed`."""
    snapshot, at = await office.registry.current(), now()
    async with office.database.writing() as connection:
        case = await load(connection, (await request_of(connection, token)).id)
        answered = feedback.c.request_id == case.id, feedback.c.closing == asked.closing
        if await connection.scalar(select(feedback.c.id).where(*answered)) is not None:
            return
        if asked.closing != closing_of(case, await _closings(connection, case.id)):
            raise Problem("precondition_failed")
        data = {"solved": asked.solved.value, "closing": asked.closing}
        words = {"words": asked.words} if asked.words else None
        case.record(ANSWERED, at, PERSON, data=data, note=words)
        unit = finish(case, snapshot)
        unit.insert(feedback, _row(case, asked, at, words))
        await write_units(connection, [unit])
        await office.database.bell.before_commit(connection)
    office.database.bell.after_commit()


async def _closings(connection: AsyncConnection, request_id: UUID) -> list[Mapping[Any, Any]]:
    of_request = select(event.c.sequence, event.c.kind).where(event.c.request_id == request_id, event.c.kind == _CLOSED)
    return list((await connection.execute(of_request)).mappings())


def _row(case: Case, asked: AnsweredBack, at: datetime, words: dict[str, str] | None) -> dict[str, Any]:
    feedback_id = new_id()
    return {
        "id": feedback_id,
        "request_id": case.id,
        "closing": asked.closing,
        "solved": asked.solved.value,
        "answered_at": at,
        "state": None if asked.solved is Solved.YES else ReopeningState.OPEN.value,
        "handoff_id": None,
        "ruled_by": None,
        "ruled_at": None,
        "sealed": case.box.seal(words, kept_at("feedback.sealed", feedback_id)) if words else None,
    }
