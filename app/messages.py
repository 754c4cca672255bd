"""The shapes of messages to agencies, as the OpenAPI document tells them under `webhooks`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from app.answers import HandoffSeen, Outbound, Partner


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
