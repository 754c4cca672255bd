"""Coordination: what a coordinator does with a handoff, and the disputes that wait for one."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from app import coordination, docket, drafting, etags
from app.answers_coordination import Coordinated, DisputePage, DraftRule
from app.api.access import Allow, office_of
from app.api.bodies import IDEMPOTENCY_KEY, answer, parse, read_bytes, repeat_of, takes
from app.api.documents import ETAG, answers
from app.api.paging import Paged, page_answer
from app.api.purposes import StatedPurpose
from app.coordination import Call
from app.keys import Key, KeyRole
from app.lifecycle import DisputeState
from app.schemas_coordination import CancelIn, ExtendIn, ReassignIn, RulingIn, UrgeIn
from app.wire import from_json

router = APIRouter(prefix="/v1", tags=["coordination"])
Coordinates = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR))]
Urges = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR))]
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.SUPERVISOR, KeyRole.AUDITOR))]
IfMatch = Annotated[
    str | None,
    Header(
        pattern=etags.PATTERN, max_length=etags.LONGEST, description="The handoff's ETag: only if nothing has changed."
    ),
]
Model = TypeVar("Model", bound=BaseModel)


def _answers(*codes: str) -> dict[int | str, dict[str, Any]]:
    always = ("not_found", "act_not_allowed", "precondition_failed", "idempotency_conflict", "malformed_header")
    return answers(Coordinated, *always, *codes, body=True, what="Done, and told to those concerned.", headers=ETAG)


async def _asked(
    request: Request, key: Key, handoff_id: UUID, if_match: str | None, model: type[Model]
) -> tuple[Call, Model]:
    body = await read_bytes(request)
    asked = parse(model, body)
    return Call(key, handoff_id, if_match, repeat_of(request, key, body)), asked


def _coordinated(done: bytes) -> Response:
    return answer(done, headers={"ETag": from_json(done)["etag"]})


@router.post(
    "/handoffs/{handoff_id}/ruling",
    summary="Rule whose a disputed handoff is",
    responses=_answers("already_ruled"),
    openapi_extra=takes(RulingIn, IDEMPOTENCY_KEY),
)
async def rule(request: Request, key: Coordinates, handoff_id: UUID, if_match: IfMatch = None) -> Response:
    """It binds: whoever gets it can't return it. The agency that returned it may be named, too."""
    call, asked = await _asked(request, key, handoff_id, if_match, RulingIn)
    return _coordinated(await coordination.rule(office_of(request), call, asked))


@router.post(
    "/handoffs/{handoff_id}/reassign",
    summary="Give an open handoff to another agency",
    responses=_answers(),
    openapi_extra=takes(ReassignIn, IDEMPOTENCY_KEY),
)
async def reassign(request: Request, key: Coordinates, handoff_id: UUID, if_match: IfMatch = None) -> Response:
    """To one that has not got the need. The agency that loses it gets `handoff.cancelled`, the other one
    `handoff.dispatched`."""
    call, asked = await _asked(request, key, handoff_id, if_match, ReassignIn)
    return _coordinated(await coordination.reassign(office_of(request), call, asked))


@router.post(
    "/handoffs/{handoff_id}/urge",
    summary="Urge an agency on",
    responses=_answers(),
    openapi_extra=takes(UrgeIn, IDEMPOTENCY_KEY),
)
async def urge(request: Request, key: Urges, handoff_id: UUID, if_match: IfMatch = None) -> Response:
    """`handoff.urged`, with the note, in a lane that overtakes ordinary messages."""
    call, asked = await _asked(request, key, handoff_id, if_match, UrgeIn)
    return _coordinated(await coordination.urge(office_of(request), call, asked))


@router.post(
    "/handoffs/{handoff_id}/cancel",
    summary="Cancel a handoff",
    responses=_answers("lead_needed"),
    openapi_extra=takes(CancelIn, IDEMPOTENCY_KEY),
)
async def cancel(request: Request, key: Coordinates, handoff_id: UUID, if_match: IfMatch = None) -> Response:
    """Nobody has to do it. A lead goes with its whole need, and only if `without_successor` says so."""
    call, asked = await _asked(request, key, handoff_id, if_match, CancelIn)
    return _coordinated(await coordination.cancel_one(office_of(request), call, asked))


@router.post(
    "/handoffs/{handoff_id}/extend",
    summary="Move an agency's time limit to later",
    responses=_answers(),
    openapi_extra=takes(ExtendIn, IDEMPOTENCY_KEY),
)
async def extend(request: Request, key: Coordinates, handoff_id: UUID, if_match: IfMatch = None) -> Response:
    """Never to earlier. The agency gets `handoff.extended`."""
    call, asked = await _asked(request, key, handoff_id, if_match, ExtendIn)
    return _coordinated(await coordination.extend(office_of(request), call, asked))


@router.get(
    "/disputes", summary="Disputes, newest first", responses=answers(DisputePage, "validation_failed", "purpose_needed")
)
async def list_disputes(
    request: Request,
    key: Looks,
    page: Paged,
    state: Annotated[DisputeState | None, Query()] = None,
    purpose: StatedPurpose = None,
) -> Response:
    """Who returned what and why, by which law, whom to call, and the ruling. What was written is for those who may see
    people; that it was read is recorded."""
    return page_answer(request, await docket.disputes(office_of(request), key, page, state, purpose))


@router.post(
    "/disputes/{dispute_id}/draft-rule",
    status_code=201,
    summary="Draft a routing table that says what was ruled",
    responses=answers(
        DraftRule,
        "not_found",
        "act_not_allowed",
        "nothing_to_draft",
        "validation_failed",
        "malformed_header",
        status=201,
        what="A draft of the table in force with one rule more, or changed; the same again is answered with it.",
    ),
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
async def draft_rule(request: Request, key: Coordinates, dispute_id: UUID) -> Response:
    """Check it, try it, publish it as any other draft."""
    repeat_of(request, key, b"")  # a key of the wrong shape is refused here as everywhere
    return answer(await drafting.draft(office_of(request), key, dispute_id), 201)
