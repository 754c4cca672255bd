"""Callbacks: what agencies report, one at a time or many in one body."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from orjson import Fragment

from app import callbacks, etags, metrics, refused_callbacks, senders
from app.answers import CallbackAnswer
from app.answers_proof import ItemAnswers
from app.api.access import Allow, office_of
from app.api.bodies import MOST_BYTES_IN_BULK, answer, parse, read_bytes, takes, validated
from app.api.documents import answers
from app.api.edge import language_of
from app.callbacks import Callback
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import FieldError, Problem, Text, invalid
from app.refused_callbacks import Refusal
from app.schemas import CallbackIn
from app.schemas_bulk import CallbackItem, CallbacksIn
from app.senders import Sender

router = APIRouter(tags=["callbacks"])
_MOST_AT_ONCE = 100  # in one transaction: whoever else wants to write waits that long
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
            answered = await callbacks.apply(office, Callback(sender, handoff_id, said, _if_match(if_match)), body)
        except Problem as problem:
            if problem.code != "unauthenticated":
                signature = None if key else headers.get("webhook-signature")
                refusal = Refusal(handoff_id, problem.code, headers.get("webhook-id"), signature)
                await refused_callbacks.record(office.database, [refusal], body)
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
    items: list[dict[str, Any]] = []
    for at in range(0, len(asked.callbacks), _MOST_AT_ONCE):
        some = asked.callbacks[at : at + _MOST_AT_ONCE]
        items += await _answered(office, sender, some, body, language)
    return answer({"items": items})


async def _answered(
    office: Office, sender: Sender, items: Sequence[Any], body: bytes, language: str
) -> list[dict[str, Any]]:
    """What each of a few gets; a fault that is no problem of its own ends the whole call, which may be repeated."""
    read = [_read(sender, each) for each in items]
    applied = iter(await callbacks.apply_all(office, [each for each in read if isinstance(each, Callback)], body))
    answers, refusals = [], []
    for item, given in zip(items, read, strict=True):
        became = next(applied) if isinstance(given, Callback) else given
        problem = became if isinstance(became, Problem) else None
        counted = given.said.type.value if isinstance(given, Callback) else "unread"
        metrics.CALLBACKS.labels(counted, problem.code if problem else "answered").inc()
        named = _text(item, "id")
        if problem and (meant := _handoff_id(item)):
            refusals.append(Refusal(meant, problem.code, named, sender.signature))
        answers.append(
            {
                "id": named,
                "status_code": problem.kind.status if problem else 200,
                "answer": None if isinstance(became, Problem) else Fragment(became),
                "problem": problem.body(language) if problem else None,
            }
        )
    await refused_callbacks.record(office.database, refusals, body)
    return answers


def _read(sender: Sender, item: Any) -> Callback | Problem:
    try:
        said = validated(CallbackItem, json.dumps(item).encode())
    except Problem as problem:
        return problem
    assert said.data.handoff_id is not None
    return Callback(sender.of_item(said.id), said.data.handoff_id, said, said.if_match)


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
