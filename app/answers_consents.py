"""The public shapes of answers about consents."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import MissingConsent, Outbound


class EvidenceSeen(Outbound):
    kind: Literal["paper_signature", "electronic_signature", "recording", "clerk_witness"]
    reference: str | None = Field(None, description="Null for those who do not see people.")


class GuardianSeen(Outbound):
    name: str
    relation: str


class ConsentSeen(Outbound):
    consent_id: int = Field(description="Its number in the request, from 1.")
    purpose: str
    person: str
    given_at: datetime
    text_version: int | None = Field(description="Null only where there was no text yet.")
    evidence: EvidenceSeen | None
    by_guardian: bool
    guardian: GuardianSeen | None = Field(
        description="Null, too, for those who do not see people, and in answers to what was given or withdrawn."
    )
    recorded_at: datetime
    recorded_by: str | None = Field(description="Null: with the request, by who took it in.")
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    reason: str | None = Field(description="Of the withdrawal; null for those who do not see people.")


class ConsentList(Outbound):
    """What was given, what became of it, and what is still asked for by what is open."""

    request_id: UUID
    consents: list[ConsentSeen]
    missing: list[MissingConsent]


class ConsentTextSeen(Outbound):
    purpose: str
    version: int
    valid_from: date
    text_zh: str
    text_en: str
    source: str


class ConsentTextList(Outbound):
    items: list[ConsentTextSeen]
