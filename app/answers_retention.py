"""What is answered about how long what is kept, holds, and erasure."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page


class PeriodView(Outbound):
    kind: str
    name_zh: str = Field(description="What it is, and from when its period counts.")
    name_en: str
    period: str | None = Field(description="`P10Y`, `P6M`, `P180D`; null: kept for good.")
    minimum: str | None = Field(description="Nobody has it erased sooner.")
    source: str | None = Field(description="Null: nobody has set it, and it is kept for good.")
    set_by: str | None
    set_at: datetime | None
    swept_at: datetime | None = Field(description="When the nightly sweep last went through it.")


class RetentionView(Outbound):
    kinds: list[PeriodView]


class GoingOfKind(Outbound):
    kind: str
    before: datetime | None = Field(description="What began to count before this goes; null: it is kept for good.")
    records: int = Field(description="How many would go now, counted to 10,000.")


class RetentionPreview(Outbound):
    at: datetime
    kinds: list[GoingOfKind]


class HoldView(Outbound):
    hold_id: UUID
    request_id: UUID
    receipt_number: str
    placed_at: datetime
    placed_by: str
    until: datetime | None
    released_at: datetime | None
    released_by: str | None
    reason: str | None = Field(description="For those who may see people, and for whoever gave it.")


class HoldPage(Page):
    items: list[HoldView]


class Erased(Outbound):
    request_id: UUID
    erased_at: datetime
