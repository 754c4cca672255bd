"""What goes out: what became of callbacks in bulk, the record of callbacks, and the proof of who had what, when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from app.answers import CallbackAnswer, Named, Outbound, Page, ProblemBody
from app.lifecycle import HandoffStatus
from app.routing.rules import Role


class ItemAnswer(Outbound):
    """What the same callback would have got alone: `answer` with 200, else `problem`."""

    id: str | None = Field(description="The callback's own; null when it could not be read.")
    status_code: int
    answer: CallbackAnswer | None
    problem: ProblemBody | None


class ItemAnswers(Outbound):
    items: list[ItemAnswer] = Field(description="In the order of the callbacks.")


class CallbackKept(Outbound):
    outcome: Literal["applied", "recorded", "refused"] = Field(
        description="`recorded`: older than the last applied one, so it changed nothing."
    )
    webhook_id: str | None
    type: str | None = Field(description="Null when it was refused: only its digest is kept.")
    code: str | None = Field(description="The problem that it was refused with.")
    happened_at: datetime | None
    signed_at: datetime | None = Field(description="By the agency's clock; null with a key.")
    received_at: datetime
    digest: str = Field(description="SHA-256 of the body's bytes, in hex.")
    signature: str | None = Field(description="As it came; null with a key.")
    bulk_id: str | None = Field(description="The `webhook-id` of the body that it came in with others.")


class CallbackPage(Page):
    items: list[CallbackKept]


class Told(Outbound):
    text_zh: str
    text_en: str


class Fault(Told):
    code: Literal[
        "chain_broken", "digest_differs", "body_missing", "signature_fails", "callback_missing", "event_missing"
    ]


class Entry(Told):
    """`kind` says which of the other fields there are; none holds anything of the person."""

    at: datetime
    kind: Literal["event", "delivery", "attempt", "callback", "refused"]
    facts: dict[str, Any]


class Chain(Outbound):
    events: int
    head: str = Field(description="The hash of the request's last event, in hex: note it elsewhere to compare later.")
    broken_at: int | None = Field(description="The sequence of the first event that does not verify; null: intact.")


class Proof(Outbound):
    """Who had what, when; each line in the order of time, with what proves it."""

    handoff_id: UUID
    request_id: UUID
    receipt_number: str
    agency: Named
    need: Named
    role: Role
    status: HandoffStatus
    made_at: datetime
    holds: bool = Field(description="Whether everything that can be verified does.")
    faults: list[Fault]
    chain: Chain
    entries: list[Entry]
    proves: list[Told] = Field(description="What is proved by what, and what is not.")
