"""The shapes of messages to agencies, as the OpenAPI document tells them under `webhooks`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app.answers import HandoffSeen, Named, Outbound, Partner
from app.lifecycle import HandoffStatus
from app.routing.rules import Role


class Message(Outbound):
    """The envelope of every message out; `webhook-id` is the delivery's id, the bytes are the same at every attempt."""

    type: str
    timestamp: datetime


class DispatchedData(HandoffSeen):
    partners: list[Partner]
    discloses: list[str]
    person: dict[str, Any]


class DispatchedMessage(Message):
    type: Literal["handoff.dispatched"]
    data: DispatchedData


class SupplementedData(HandoffSeen):
    supplement: dict[str, Any]


class SupplementedMessage(Message):
    type: Literal["handoff.supplemented"]
    data: SupplementedData


class CancelledData(HandoffSeen):
    reason: str


class CancelledMessage(Message):
    type: Literal["handoff.cancelled"]
    data: CancelledData


class ReferenceData(Outbound):
    """Nothing of the person. `handoff_path` is where the agency fetches, with its key, what is disclosed to it."""

    handoff_id: UUID
    request_id: UUID
    receipt_number: str
    need: Named
    role: Role
    step: int
    status: HandoffStatus
    dispatched_at: datetime | None
    sign_in_due: datetime | None
    accept_due: datetime | None
    complete_due: datetime | None
    due_provisional: bool
    callback_path: str
    callback_url: str | None
    handoff_path: str


class ReferenceMessage(Message):
    """What an agency with the delivery mode `reference` is sent in place of each of the others."""

    type: Literal["handoff.dispatched", "handoff.supplemented", "handoff.cancelled"]
    data: ReferenceData


class PingData(Outbound):
    agency: str


class PingMessage(Message):
    """A test: answer any 2xx and forget it."""

    type: Literal["ping"]
    data: PingData
