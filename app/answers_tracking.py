"""What the person sees of their own request."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from app.answers import Named, Outbound
from app.answers_disclosures import TrackedDisclosures
from app.lifecycle import HandoffStatus, ReopeningState, RequestStatus, Solved
from app.routing.rules import Role


class ConsentAwaited(Outbound):
    text_zh: str
    text_en: str


class TrackedStep(Outbound):
    need: Named
    agency_name_zh: str
    agency_name_en: str
    agency_phone: str | None
    role: Role
    status: HandoffStatus
    outcome: str | None
    due_at: datetime | None = Field(description="By the agency's clock, which stands while it waits for somebody.")
    promised_due: datetime | None = Field(
        description="As it was told when it was last given out; no suspension and no extension moves it."
    )
    suspended_until: datetime | None
    waits_for_you: bool
    needed_from_you: list[str] = Field(description="What the agency asked for, in its own words.")
    missing_consents: list[ConsentAwaited] = Field(description="What it waits for before it is handed off.")


class TrackedEvent(Outbound):
    at: datetime
    text_zh: str
    text_en: str


class TrackedAnswer(Outbound):
    """What you said when it was closed, and what became of that."""

    solved: Solved
    answered_at: datetime
    state: ReopeningState | None = Field(description="Null where you were content.")
    ruled_at: datetime | None
    reply: str | None = Field(description="Why it is not handled again, where it is declined.")


class Tracked(Outbound):
    """The person's own view: where it is, who has it, by when; no personal data beyond it."""

    receipt_number: str
    receipt_number_spoken: str
    status: RequestStatus
    status_zh: str
    status_en: str
    registered_at: datetime
    closed_at: datetime | None
    erased_at: datetime | None = Field(description="When your personal data was erased.")
    sequence: int = Field(description="Grows with everything that happens to it.")
    days_since_registration: int = Field(description="Your own clock, in calendar days; it never stops.")
    steps: list[TrackedStep]
    events: list[TrackedEvent]
    disclosures: TrackedDisclosures
    asks_if_solved: int | None = Field(
        description="Which closing you are asked about, if it is closed and you have not said yet whether it is solved."
    )
    answers: list[TrackedAnswer]
