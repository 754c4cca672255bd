"""What is answered about emergencies, their debts, and what the county sets for them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.aid import CeilingKind
from app.answers import HandoffSummary, Outbound, Warned
from app.dangers import Kind
from app.lifecycle import HandoffStatus, RequestStatus
from app.receipts import RECEIPT_PATTERN
from app.routing.rules import Role


class Advice(Outbound):
    zh: str
    en: str


class SignedIn(Outbound):
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    handoff_id: UUID
    at: datetime


class EmergencyView(Outbound):
    request_id: UUID
    receipt_number: str = Field(pattern=RECEIPT_PATTERN, examples=["482109375521"])
    status: RequestStatus
    kind: Kind
    division_code: str
    agencies: list[HandoffSummary] = Field(description="Who was told, each with its number.")
    advice: list[Advice] = Field(description="What the person should do now, to be read aloud.")
    warnings: list[Warned] = Field(description="What to look at again. None of it held the emergency up.")


class EmergencyReceipt(EmergencyView):
    receipt_number_spoken: str = Field(examples=["4821 0937 5521"])
    tracking_token: str = Field(description="The secret of the QR code; shown here once, kept only as a hash.")
    registered_at: datetime
    signed_in: SignedIn | None = Field(
        description="With `Prefer: wait=N`: the first agency that has signed in; null: none had in time, or not asked."
    )


class DebtView(Outbound):
    debt_id: UUID
    request_id: UUID
    receipt_number: str
    division_code: str
    kind: Literal["aid", "explanation", "papers"]
    opened_at: datetime
    target_at: datetime | None = Field(description="The county's own aim, sooner than the limit.")
    due_at: datetime
    overdue: bool = Field(description="Not settled by then, or settled later.")
    past_target: bool
    settled_at: datetime | None
    settled_by: str | None
    outcome: Literal["done", "not_confirmed", "not_needed", "withdrawn"] | None
    amount_yuan: str | None
    with_what: str | None


class DebtPage(Outbound):
    items: list[DebtView]
    next_cursor: str | None


class Followed(Outbound):
    to: Literal["duty", "higher", "coordinator"]
    office: str
    phone: str | None


class Calling(Outbound):
    office: str
    phone: str | None


class BoardPart(Outbound):
    handoff_id: UUID
    need: str
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    role: Role
    status: HandoffStatus
    told_at: datetime | None
    reached_at: datetime | None = Field(description="When its machine took the message.")
    signed_in: bool
    sign_in_due: datetime | None
    red: bool = Field(description="Call it now.")
    why: Literal["not_delivered", "endpoint_down", "no_machine", "not_signed_in"] | None
    why_zh: str | None
    why_en: str | None
    followed: int = Field(description="How many of its chain were followed.")
    calling: Calling | None = Field(description="The last one followed.")
    next_at: datetime | None = Field(description="When the next is followed if nobody signs in.")
    next: list[Followed]


class BoardItem(Outbound):
    request_id: UUID
    receipt_number: str
    kind: Kind
    division_code: str
    status: RequestStatus
    registered_at: datetime
    red: bool = Field(description="An agency is to be called, or a debt is overdue.")
    agencies: list[BoardPart]
    debts: list[DebtView]


class EmergencyBoard(Outbound):
    items: list[BoardItem]
    next_cursor: str | None


class DutyContactView(Outbound):
    office: str
    phone: str
    name: str | None
    hours: str | None


class DutyList(Outbound):
    agency: str
    contacts: list[DutyContactView]


class TermsView(Outbound):
    division_code: str
    valid_from: date
    sign_in_minutes: int
    aid_target: str
    aid_limit: str
    explanation_limit: str
    papers_limit: str
    source: str


class CeilingView(Outbound):
    division_code: str
    valid_from: date
    kind: CeilingKind
    amount: str
    source: str


class StandardView(Outbound):
    division_code: str
    valid_from: date
    urban: str
    rural: str
    source: str


class AidRulesView(Outbound):
    terms: list[TermsView]
    ceilings: list[CeilingView]
    standards: list[StandardView]
