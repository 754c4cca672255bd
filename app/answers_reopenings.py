"""What goes out about people who are not content with a result, and how many are."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from pydantic import Field

from app.answers import HandoffSummary, Outbound, Page
from app.lifecycle import ReopeningState, RequestStatus, Solved


class ReopeningSeen(Outbound):
    """Somebody whose problem is not solved. Words are null for those who may not see people."""

    reopening_id: UUID
    request_id: UUID
    receipt_number: str
    division_code: str
    request_status: RequestStatus
    closed_at: datetime | None
    solved: Solved
    answered_at: datetime
    words: str | None = Field(description="What the person wrote, if anything.")
    state: ReopeningState
    ruled_by: str | None
    ruled_at: datetime | None
    reason: str | None = Field(description="The coordinator's, which the person reads where it is not reopened.")
    handoff_id: UUID | None = Field(description="What was given out again, or anew.")
    handoffs: list[HandoffSummary] = Field(description="Every one of the request.")


class ReopeningPage(Page):
    items: list[ReopeningSeen]


class ReopeningRuled(Outbound):
    reopening_id: UUID
    state: ReopeningState
    request_id: UUID
    request_status: RequestStatus
    handoff: HandoffSummary | None = Field(description="What was given out again, or anew.")


class Satisfaction(Outbound):
    """What people answered (满意度) within days of China's calendar; `yes` of `answered` are content."""

    since: date
    until: date = Field(description="Counted in.")
    answered: int
    yes: int
    partly: int
    no: int
    open: int = Field(description="Of those who are not content: a coordinator has not ruled yet.")
    reopened: int
    declined: int
