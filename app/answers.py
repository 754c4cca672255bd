"""What goes out: the public shapes of answers and of messages to agencies. All times are UTC with `Z`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.dangers import Kind
from app.lifecycle import Clock, HandoffStatus, RequestStatus
from app.problems import MOST_ERRORS
from app.receipts import RECEIPT_PATTERN
from app.routing.rules import Role
from app.schemas import Channel


class Outbound(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldProblem(Outbound):
    pointer: str = Field(description="JSON pointer into the body, or the name of a parameter.")
    code: str
    detail: str


class HandoffStands(BaseModel):
    etag: str
    status: HandoffStatus
    request_status: RequestStatus


class ProblemBody(BaseModel):
    """RFC 9457. `allowed`, `waiting_for` and `current` come with the codes that speak of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/v1/problems/validation_failed",
                    "title": "Some fields are wrong; nothing was stored",
                    "status": 422,
                    "detail": "Correct each item of `errors` and send again.",
                    "code": "validation_failed",
                    "errors": [
                        {
                            "pointer": "/needs/0/code",
                            "code": "unknown_need",
                            "detail": "There is no need code `food`; GET /v1/needs lists them, "
                            "`undetermined` is for when nobody can tell.",
                        }
                    ],
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = Field(None, max_length=MOST_ERRORS, description="50 at most: see `detail`.")
    allowed: list[str] | None = None
    waiting_for: list[UUID] | None = None
    why: str | None = Field(None, description="With `not_erasable`: open, held, minimum_period, messages_under_way.")
    possible_from: datetime | None = None
    current: HandoffStands | dict[str, Any] | None = Field(None, description="With `precondition_failed`: what is now.")


class Warned(Outbound):
    pointer: str
    code: str
    detail_zh: str
    detail_en: str


class Named(Outbound):
    code: str
    name_zh: str
    name_en: str


class Partner(Outbound):
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    role: Role
    step: int


class HandoffSummary(Outbound):
    handoff_id: UUID
    need: str
    agency: str
    agency_name_zh: str
    agency_name_en: str
    agency_phone: str | None
    role: Role
    step: int
    mandatory: bool
    status: HandoffStatus
    suspended_for: Literal["applicant", "verification", "court"] | None
    outcome: Literal["granted", "partly_granted", "not_granted", "referred"] | None
    reason: str | None
    replaced_by: UUID | None
    dispatched_at: datetime | None
    sign_in_due: datetime | None
    accept_due: datetime | None
    complete_due: datetime | None
    due_provisional: bool = Field(description="The due times rest on working days that nobody has published yet.")
    promised_due: datetime | None = Field(
        description="When it was to be completed as first told: no suspension and no extension moves it."
    )
    suspended_until: datetime | None = Field(description="When a suspension ends by itself.")
    suspended_days: int = Field(description="Working days for which its completion clock has stood.")
    material_requests: int = Field(description="How often the person was asked for materials; once is the rule.")
    extensions: int
    closed_at: datetime | None


class Fired(Outbound):
    rule: int
    department: str
    agency: str
    role: Role
    step: int
    condition_zh: str | None = Field(
        description="The rule's condition, as a clerk reads it; null: for everybody, or not shown to you."
    )
    condition_en: str | None
    prerequisites: list[str]
    sign_in_limit: str | None
    accept_limit: str | None
    complete_limit: str | None
    complete_certainty: str
    legal_basis: str
    why: str
    why_zh: str
    why_en: str


class NotFired(Outbound):
    rule: int
    department: str
    condition_zh: str | None
    condition_en: str | None
    why: str
    why_zh: str
    why_en: str


class FactAsked(Outbound):
    """A fact that is not known and that a rule waits for."""

    fact: str
    name_zh: str
    name_en: str
    question_zh: str
    question_en: str


class NeedRouted(Outbound):
    """The sentences are those that a clerk can read aloud; a receipt leaves them out."""

    need: str
    undetermined: bool = Field(description="Nobody leads by rule, or by the person's own words: it is looked into.")
    fired: list[Fired]
    passed_over: list[NotFired]
    asks: list[FactAsked] = Field(description="What to ask the person: a rule's condition waits for it.")
    sentences_zh: list[str] | None = None
    sentences_en: list[str] | None = None


class Decision(Outbound):
    """What the table said: each rule that fired, each that did not and why, the version, the legal basis. A receipt
    leaves out the rules of other areas."""

    version: int
    directory: int = Field(description="The revision of the directory of agencies that was used.")
    needs: list[NeedRouted]


class SamePersonRequest(Outbound):
    """Open already for the same person and the same need, whichever door it came in by."""

    request_id: UUID
    receipt_number: str
    status: RequestStatus
    registered_at: datetime
    need: str
    agency: str | None = Field(description="Who leads it; null if none was found yet.")
    name_zh: str | None
    name_en: str | None
    phone: str | None
    handoff_status: HandoffStatus | None


class MissingConsent(Outbound):
    purpose: str
    person: str = Field(description="By role and number: `applicant`, `household/0`, `obligors/0`.")
    by_guardian: bool = Field(description="Of a minor: the guardian's to give.")
    holds_back: bool = Field(description="A handoff waits for it; without one of the others something is not shown.")
    text_zh: str
    text_en: str


class RequestReceipt(Outbound):
    request_id: UUID
    receipt_number: str = Field(pattern=RECEIPT_PATTERN, examples=["482109375521"])
    receipt_number_spoken: str = Field(examples=["4821 0937 5521"])
    tracking_token: str = Field(description="The secret of the QR code; shown here once, kept only as a hash.")
    status: RequestStatus
    registered_at: datetime
    handoffs: list[HandoffSummary]
    decision: Decision
    missing_materials: list[Named] = Field(description="What is still to be brought; data sharing supplies the rest.")
    same_person: list[SamePersonRequest]
    missing_consents: list[MissingConsent] = Field(description="Whose consent to what is still to be recorded.")
    warnings: list[Warned]


class RequestSummary(Outbound):
    request_id: UUID
    receipt_number: str
    channel: Channel
    division_code: str
    status: RequestStatus
    emergency: Kind | None = Field(description="Its kind, if it is acted on as an emergency.")
    routing_version: int
    registered_at: datetime
    closed_at: datetime | None
    erased_at: datetime | None = Field(None, description="When the personal data was erased; then `person` is null.")


class RequestView(RequestSummary):
    handoffs: list[HandoffSummary]
    person: dict[str, Any] | None = Field(description="As taken in; null for those who may not see it.")
    same_person: list[SamePersonRequest] = Field(description="For those who may see the person.")


class Event(Outbound):
    sequence: int
    at: datetime
    kind: str
    actor: str
    handoff_id: UUID | None
    data: dict[str, Any]
    note: dict[str, Any] | None
    hash: str = Field(description="SHA-256 chained over all earlier events, in hex.")


class Timeline(Outbound):
    request_id: UUID
    events: list[Event]
    intact: bool = Field(description="Whether the hash chain verifies up to the head that the request names.")


class HandoffSeen(Outbound):
    """A handoff as its agency sees it."""

    handoff_id: UUID
    request_id: UUID
    receipt_number: str
    need: Named
    division_code: str
    role: Role
    step: int
    status: HandoffStatus
    dispatched_at: datetime | None
    sign_in_due: datetime | None
    accept_due: datetime | None
    complete_due: datetime | None
    due_provisional: bool
    promised_due: datetime | None
    suspended_until: datetime | None
    registered_at: datetime = Field(
        description="When the person asked: their own clock runs from then and never stops."
    )
    legal_basis: str
    callback_path: str
    callback_url: str | None


class Situation(Outbound):
    emergency: str | None = Field(None, description="Its kind; left out, with the others, where it is none.")
    situation: str | None = None
    place: str | None = None
    people: int | None = None
    position: dict[str, float] | None = Field(None, description="`latitude` and `longitude`.")


class OverdueClock(Outbound):
    clock: Clock
    since: datetime


class HandoffStanding(HandoffSeen):
    agency: str
    agency_phone: str | None
    days_since_registration: int = Field(description="Calendar days in China, until the request has ended.")
    suspended_days: int
    material_requests: int
    extensions: int
    overdue: list[OverdueClock] = Field(description="The clocks that run though their due time is past.")
    waits_for_consent: bool = Field(description="Its step is reached; it is sent when the last consent is recorded.")


class HandoffDisclosed(HandoffStanding, Situation):
    partners: list[Partner]
    discloses: list[str] = Field(description="The field groups that the rule opens to this agency.")
    withheld: list[str] = Field(description="Groups of the rule that stay closed: a consent is missing.")
    person: dict[str, Any] | None = Field(description="Those groups and no others; null for those who are no handler.")
    consent_withdrawn_at: datetime | None = Field(
        description="Since when less is shown, or it is not to be handled, because a consent was withdrawn."
    )
    same_person: list[UUID] = Field(description="Open handoffs of this agency for the same person.")
    allowed: list[str] = Field(description="The callback types that are allowed now.")
    etag: str = Field(description="Changes with everything that happens to the handoff; for `If-Match`.")


class HandoffListed(HandoffStanding):
    told: str | None = Field(description="The type of the last message about it to its agency, sent or not.")
    told_at: datetime | None


class CallbackAnswer(Outbound):
    handoff_id: UUID
    applied: bool
    reason: Literal["older_than_last_applied"] | None = None
    status: HandoffStatus
    request_status: RequestStatus
    allowed: list[str]
    etag: str | None = Field(None, description="Of the handoff after it; null in answers from before there were any.")


class Page(Outbound):
    next_cursor: str | None = Field(description="Pass as `cursor` for the next page; null on the last.")


class RequestPage(Page):
    items: list[RequestSummary]


class RequestsFound(Outbound):
    items: list[RequestSummary] = Field(description="The newest twenty, newest first.")


class HandoffPage(Page):
    items: list[HandoffListed]


class Live(Outbound):
    status: Literal["ok"]


class Ready(Outbound):
    database: bool
    migrations: bool
    worker: bool
    keys: bool


class ProblemExplained(Outbound):
    code: str
    status: int
    title_zh: str
    title_en: str
    advice_zh: str
    advice_en: str
