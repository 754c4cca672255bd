"""Proof: what came about a handoff, and the chain that shows who had what, when."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from app import reading
from app.answers_proof import CallbackPage, Proof
from app.api.access import Allow, office_of
from app.api.bodies import answer
from app.api.documents import answers
from app.api.paging import Paged, page_answer
from app.keys import Key, KeyRole
from app.proof.verb import prove_handoff

router = APIRouter(prefix="/v1/handoffs/{handoff_id}", tags=["proof"])
Looks = Annotated[Key, Depends(Allow(KeyRole.COORDINATOR, KeyRole.AUDITOR))]


@router.get(
    "/callbacks",
    summary="What was reported on a handoff, newest first",
    responses=answers(CallbackPage, "not_found", "validation_failed"),
)
async def list_callbacks(request: Request, key: Looks, handoff_id: UUID, page: Paged) -> Response:
    """Applied, recorded and refused callbacks, each by its digest. Of refused ones at most 20 in an hour and 200 in
    all are kept."""
    return page_answer(request, await reading.callbacks(office_of(request), key, handoff_id, page))


@router.get(
    "/proof",
    summary="Who had what, when, and what proves it",
    responses=answers(Proof, "not_found", "validation_failed"),
)
async def proof(request: Request, key: Looks, handoff_id: UUID) -> Response:
    """Each message with its attempts, each callback with its signature verified again, each event with the hash chain
    of its request. Nothing personal: digests stand for bodies."""
    return answer(await prove_handoff(office_of(request), handoff_id, key))
