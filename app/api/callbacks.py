"""Callbacks: what agencies report, one at a time or many in one body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from orjson import Fragment

from app import callbacks, etags, metrics, refused_callbacks, senders
from app.answers import CallbackAnswer
from app.answers_proof import ItemAnswers
from app.api.access import Allow, office_of
from app.api.bodies import MOST_BYTES_IN_BULK, answer, parse, read_bytes, takes
from app.api.documents import answers
from app.api.edge import language_of
from app.constraints import problem_of
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import FieldError, Problem, Text, invalid
from app.schemas import CallbackIn
from app.schemas_bulk import CallbackItem, CallbacksIn
from app.senders import Sender

router = APIRouter(tags=["callbacks"])
Reports = Annotated[Key | None, Depends(Allow(KeyRole.AGENCY, signature_instead=True))]
Timestamp = Annotated[str | None, Header(description="Seconds since 1970, within five minutes of ours.")]
Signature = Annotated[str | None, Header(description="`v1,` and the signature; Standard Webhooks.")]


@router.post(
    "/v1/handoffs/{handoff_id}/callbacks",
    summary="Report on a handoff",
    responses=answers(
        CallbackAnswer,
        "malformed_header",
        "signature_invalid",
        "timestamp_out_of_tolerance",
        "not_found",
        "move_not_allowed",
        "co_handlers_open",
        "idempotency_conflict",
        "precondition_failed",
        body=True,
    ),
    openapi_extra=takes(CallbackIn),
)
async def report(
    request: Request,
    handoff_id: UUID,
    key: Reports,
    webhook_id: Annotated[str | None, Header(description="Names the message; a repeat gets the first answer.")] = None,
    webhook_timestamp: Timestamp = None,
    webhook_signature: Signature = None,
    if_match: Annotated[
        str | None, Header(description="Apply it only if this is still the handoff's ETag; else 412.")
    ] = None,
) -> Response:
    """Signed by Standard Webhooks with the agency's secret, or the same body with the agency's key.

    A repeat of the same `webhook-id` gets the first answer. A callback older (by `timestamp`) than the last applied
    one is recorded and not applied. A refused one changes nothing and may be sent again.
    """
    office, headers = office_of(request), request.headers
    with _counted() as counted:
        body = await read_bytes(request)
        try:
            sender = await senders.authenticate(office, handoff_id, headers, key, body)
            said = parse(CallbackIn, body)
            counted["type"] = said.type.value
            answered = await callbacks.apply(office, sender, handoff_id, said, body, _if_match(if_match))
        except Problem as problem:
            if problem.code != "unauthenticated":
                await refused_callbacks.record(
                    office.database,
                    handoff_id,
                    problem.code,
                    webhook_id=headers.get("webhook-id"),
                    signature=None if key else headers.get("webhook-signature"),
                    body=body,
                )
            raise
    return answer(answered)


@router.post(
    "/v1/callbacks",
    summary="Report on many handoffs",
    responses=answers(ItemAnswers, "malformed_header", "signature_invalid", "timestamp_out_of_tolerance", body=True),
    openapi_extra=takes(CallbacksIn),
)
async def report_many(
    request: Request,
    key: Reports,
    webhook_id: Annotated[str | None, Header(description="Names the whole body; its signature is over it.")] = None,
    webhook_timestamp: Timestamp = None,
    webhook_signature: Signature = None,
    one_window_agency: Annotated[
        str | None, Header(description="The agency's code: whose secret it was signed with. Not needed with a key.")
    ] = None,
) -> Response:
    """Up to 500 callbacks in one body of at most 1 MiB, signed once, applied in their order, each answered on its own.

    200 says that the body was read; `items` say what became of each. Each `id` plays the `webhook-id`'s part, so the
    same body again gets the same answers.
    """
    office = office_of(request)
    with _counted() as counted:
        body = await read_bytes(request, MOST_BYTES_IN_BULK)
        sender = await senders.authenticate_bulk(office, request.headers, key, body)
        asked = parse(CallbacksIn, body)
        counted["type"] = "bulk"
    language = language_of(request.headers.get("accept-language", ""))
    ids = {named for each in asked.callbacks if (named := _text(each, "id"))}
    known = await callbacks.answered_before(office.database, sender.agency.code, ids)
    items = [await _answered(office, sender, each, body, known, language) for each in asked.callbacks]
    return answer({"items": items})


async def _answered(
    office: Office, sender: Sender, item: Any, body: bytes, known: Mapping[tuple[str, UUID], bytes], language: str
) -> dict[str, Any]:
    """What one of many gets; a fault that is no problem of its own ends the whole call, which may be repeated."""
    named = _text(item, "id")
    told = {"id": named, "status_code": 200, "answer": None, "problem": None}
    try:
        with _counted() as counted:
            said = parse(CallbackItem, json.dumps(item).encode())
            counted["type"] = said.type.value
            handoff_id = said.data.handoff_id
            assert handoff_id is not None
            answered = known.get((said.id, handoff_id))
            if answered is None:
                own = sender.of_item(said.id)
                answered = await callbacks.apply(office, own, handoff_id, said, body, said.if_match)
            return {**told, "answer": Fragment(answered)}
    except Exception as error:
        problem = error if isinstance(error, Problem) else problem_of(error)
        if problem is None:
            raise
        if meant := _handoff_id(item):
            await refused_callbacks.record(
                office.database,
                meant,
                problem.code,
                webhook_id=named,
                signature=sender.signature,
                body=body,
            )
        return {**told, "status_code": problem.kind.status, "problem": problem.body(language)}


@contextmanager
def _counted() -> Iterator[dict[str, str]]:
    """Counts what became of a callback; its type is `unread` until it is told."""
    counted = {"type": "unread", "outcome": "refused"}
    try:
        yield counted
        counted["outcome"] = "answered"
    except Problem as problem:
        counted["outcome"] = problem.code
        raise
    finally:
        metrics.CALLBACKS.labels(counted["type"], counted["outcome"]).inc()


def _if_match(given: str | None) -> str | None:
    if given is not None and not (len(given) <= etags.LONGEST and re.fullmatch(etags.PATTERN, given)):
        text = Text('If-Match 应为 ETag,如 "7"。', 'If-Match is the ETag with its quotes, such as "7".')
        raise invalid(FieldError("If-Match", "etag_malformed", text))
    return given


def _text(item: Any, name: str) -> str | None:
    found = item.get(name) if isinstance(item, dict) else None
    return found if isinstance(found, str) and len(found) <= 256 else None


def _handoff_id(item: Any) -> UUID | None:
    """Of an item that may be anything."""
    data = item.get("data") if isinstance(item, dict) else None
    try:
        return UUID(_text(data, "handoff_id") or "")
    except ValueError:
        return None
