"""What goes out about who was shown what, and about alarms."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import Named, Outbound, Page
from app.purposes import Purpose, Way


class TrackedDisclosure(Outbound):
    at: datetime
    agency: str | None = Field(description="Null where it was no agency, but the desk or the county's coordinator.")
    office_zh: str
    office_en: str
    shown: list[Named] = Field(description="The field groups of the person.")
    purpose: Purpose
    purpose_zh: str
    purpose_en: str
    legal_basis: str | None = Field(description="Of the rule that gives the agency its part.")
    way: Way
    way_zh: str
    way_en: str
    text_zh: str = Field(description="All of it in a sentence.")
    text_en: str


class DisclosureSeen(TrackedDisclosure):
    actor: str
    role: str
    handoff_id: UUID | None
    stated: bool = Field(description="Whether the purpose was stated; else it is the usual one of the role.")


class Disclosures(Outbound):
    request_id: UUID
    count: int = Field(description="All of them; the newest are listed.")
    items: list[DisclosureSeen]


class TrackedDisclosures(Outbound):
    """Who was shown what you told us: the office, never which of its people."""

    count: int
    newest: list[TrackedDisclosure]


class AlarmSeen(Outbound):
    alarm_id: UUID
    kind: Literal["readings_per_hour", "readings_per_day", "own_work_per_day"]
    actor: str
    since: datetime = Field(description="The beginning of the hour or the day in China.")
    count: int = Field(
        description="So many people's data had been looked at, or looked up and not found, when it was raised."
    )
    raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class AlarmPage(Page):
    items: list[AlarmSeen]
