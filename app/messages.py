"""The shapes of messages to agencies and of notices to subscribers, as the OpenAPI document tells them under `webhooks`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from app.answers import HandoffSeen, Named, Outbound, Partner, Situation
from app.lifecycle import Clock, HandoffStatus, RequestStatus, Solved
from app.routing.rules import Role


class Message(Outbound):
    """The envelope of every message out; `webhook-id` is the delivery's id, the bytes are the same at every attempt."""

    type: str
    timestamp: datetime


class Given(Outbound):
    """A coordinator's word by which a handoff is given out."""

    act: Literal["ruled", "reassigned", "reopened"]
    reason: str = Field(description="What the coordinator wrote.")
    legal_basis: str | None = Field(description="Of a ruling.")


class DispatchedData(HandoffSeen):
    partners: list[Partner]
    discloses: list[str]
    withheld: list[str]
    person: dict[str, Any]
    given: Given | None = Field(description="Null where the routing table or another agency's return gave it.")


class DispatchedMessage(Message):
    type: Literal["handoff.dispatched"]
    data: DispatchedData


class EmergencyData(DispatchedData, Situation):
    """`situation` and `place` are told to every agency of an emergency."""


class EmergencyMessage(Message):
    type: Literal["emergency.dispatched"]
    data: EmergencyData


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


class ConsentWithdrawnData(HandoffSeen):
    purposes: list[str] = Field(description="What was agreed to and is not any more.")
    discloses: list[str] = Field(description="The field groups that you may still use.")
    withheld: list[str] = Field(description="Those that you may not use any more.")


class ConsentWithdrawnMessage(Message):
    type: Literal["consent.withdrawn"]
    data: ConsentWithdrawnData


class ExtendedData(HandoffSeen):
    reason: str


class ExtendedMessage(Message):
    type: Literal["handoff.extended"]
    data: ExtendedData


class UrgedData(HandoffSeen):
    reason: str = Field(description="`coordinator`, or which clock: `sign_in_overdue`, `completion_overdue`, ...")
    note: str | None = Field(description="What the coordinator wrote.")


class UrgedMessage(Message):
    type: Literal["handoff.urged"]
    data: UrgedData


class RescheduledMessage(Message):
    type: Literal["handoff.rescheduled"]
    data: HandoffSeen


class OfClock(HandoffSeen):
    clock: Clock
    due_at: datetime = Field(description="Of this clock.")


class DueSoonMessage(Message):
    type: Literal["handoff.due_soon"]
    data: OfClock


class SupervisedMessage(Message):
    type: Literal["handoff.supervised"]
    data: OfClock


class ResumedData(HandoffSeen):
    reason: Literal["suspension_limit"]


class ResumedMessage(Message):
    type: Literal["handoff.resumed"]
    data: ResumedData


class BelowSupervised(Outbound):
    """Nothing of the person."""

    handoff_id: UUID
    receipt_number: str
    agency: str = Field(description="The agency below yours that is late.")
    name_zh: str
    name_en: str
    phone: str | None
    need: Named
    division_code: str
    status: HandoffStatus
    dispatched_at: datetime
    clock: Clock
    due_at: datetime


class AgencySupervisedMessage(Message):
    type: Literal["agency.supervised"]
    data: BelowSupervised


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
    promised_due: datetime | None
    suspended_until: datetime | None
    registered_at: datetime
    callback_path: str
    callback_url: str | None
    handoff_path: str


class ReferenceMessage(Message):
    """What an agency with the delivery mode `reference` is sent in place of each of the others."""

    type: Literal[
        "handoff.dispatched",
        "handoff.supplemented",
        "handoff.due_soon",
        "handoff.urged",
        "handoff.extended",
        "handoff.supervised",
        "handoff.rescheduled",
        "handoff.resumed",
        "handoff.cancelled",
        "consent.withdrawn",
        "emergency.dispatched",
    ]
    data: ReferenceData


class PingData(Outbound):
    agency: str


class SubscriberPingData(Outbound):
    subscription_id: UUID


class PingMessage(Message):
    """A test: answer any 2xx and forget it. A subscriber's names its subscription."""

    type: Literal["ping"]
    data: PingData | SubscriberPingData


class Noticed(Outbound):
    """Nothing of the person."""

    request_id: UUID
    receipt_number: str
    division_code: str
    sequence: int = Field(description="The event's number in the request's timeline; notices may overtake each other.")


class RequestNoticed(Noticed):
    needs: list[str]
    status_before: RequestStatus | None = Field(description="Null where the status did not change.")
    status: RequestStatus
    solved: Solved | None = Field(None, description="What the person said, in `request.answered_back` alone.")


class RequestNotice(Message):
    type: Literal[
        "request.registered",
        "request.supplemented",
        "request.status_changed",
        "request.closed",
        "request.withdrawn",
        "request.answered_back",
        "request.reopened",
        "request.reopening_declined",
        "emergency.lifted",
    ]
    data: RequestNoticed


class OfHandoff(Noticed):
    handoff_id: UUID
    need: str
    agency: str


class HandoffNoticed(OfHandoff):
    role: Role
    step: int
    status_before: HandoffStatus
    status: HandoffStatus
    due_at: datetime | None = Field(description="When it is to be completed.")
    clock: Clock | None = Field(description="Which clock a reminder or a supervision is about.")
    clock_due: datetime | None = Field(description="When that clock ends, or ended.")


class HandoffNotice(Message):
    type: Literal[
        "handoff.dispatched",
        "handoff.received",
        "handoff.accepted",
        "handoff.information_requested",
        "handoff.suspended",
        "handoff.resumed",
        "handoff.extended",
        "handoff.rescheduled",
        "handoff.returned",
        "handoff.completed",
        "handoff.cancelled",
        "handoff.due_soon",
        "handoff.urged",
        "handoff.supervised",
        "handoff.disputed",
        "handoff.ruled",
        "handoff.reassigned",
        "handoff.reopened",
    ]
    data: HandoffNoticed


class DeliveryNoticed(OfHandoff):
    delivery_id: UUID
    attempts: int


class DeliveryNotice(Message):
    type: Literal["delivery.exhausted"]
    data: DeliveryNoticed


class EscalationNoticed(OfHandoff):
    called: Literal["duty", "higher", "coordinator"]
    office: str
    phone: str | None
    reason: Literal["not_signed_in"]


class EscalationNotice(Message):
    type: Literal["emergency.escalated"]
    data: EscalationNoticed


class EndpointNoticed(Outbound):
    agency: str
    name_zh: str
    name_en: str
    phone: str | None
    division_code: str
    fault: str | None = Field(description="In one word; null when it works again.")
    since: datetime
    advice_zh: str
    advice_en: str


class EndpointNotice(Message):
    type: Literal["endpoint.failing", "endpoint.suspended", "endpoint.recovered"]
    data: EndpointNoticed
