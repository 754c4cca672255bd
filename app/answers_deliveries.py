"""The public shapes of answers about deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page


class DeliverySummary(Outbound):
    delivery_id: UUID
    agency: str | None
    agency_phone: str | None
    subscription: UUID | None = Field(description="Set instead of the agency when a subscriber is told.")
    request_id: UUID | None = Field(description="Null for what is about none, such as an endpoint that fails.")
    handoff_id: UUID | None
    type: str
    status: Literal["pending", "delivered", "exhausted", "superseded"] = Field(
        description="Superseded: it showed more than may be shown since a consent was withdrawn, and is not sent."
    )
    attempts: int
    created_at: datetime
    next_try_at: datetime | None
    ended_at: datetime | None


class AttemptSeen(Outbound):
    number: int
    started_at: datetime
    milliseconds: int
    status_code: int | None
    fault: str | None
    answer: str = Field(description="The beginning of what the endpoint answered.")


class DeliveryView(DeliverySummary):
    digest: str | None = Field(
        description="SHA-256 of the body's bytes, in hex; for those who may see people, until the request is erased."
    )
    tries: list[AttemptSeen]


class DeliveryPage(Page):
    items: list[DeliverySummary]
