"""The messages that go out, for the OpenAPI document's `webhooks`. They are sent by `delivery`, not from here."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header

from app.messages import (
    AgencySupervisedMessage,
    CancelledMessage,
    ConsentWithdrawnMessage,
    DeliveryNotice,
    DispatchedMessage,
    DueSoonMessage,
    EmergencyMessage,
    EndpointNotice,
    EscalationNotice,
    ExtendedMessage,
    HandoffNotice,
    PingMessage,
    ReferenceMessage,
    RequestNotice,
    RescheduledMessage,
    ResumedMessage,
    SupervisedMessage,
    SupplementedMessage,
    UrgedMessage,
)

router = APIRouter(tags=["messages out"])
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Any 2xx: delivered. Anything else, or no answer in time, is tried again for three days."}
}
WebhookId = Annotated[
    str, Header(description="The delivery's id: the same at every attempt. Use it to drop duplicates.")
]
Timestamp = Annotated[str, Header(description="Seconds since 1970 of this attempt.")]
Signature = Annotated[
    str, Header(description="Space-separated `v1,<base64 HMAC-SHA256 of id.timestamp.body>`, one per secret in force.")
]


@router.post("handoff.dispatched", responses=_RESPONSES)
def handoff_dispatched(
    body: DispatchedMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """A handoff is yours: its clocks run from now. `person` holds what the rule discloses to you."""


@router.post("emergency.dispatched", responses=_RESPONSES)
def emergency_dispatched(
    body: EmergencyMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """An emergency: act first, and sign in within minutes, or your duty list is called. It comes before all else, and in
    place of `handoff.dispatched`; a handoff that you have already may become one."""


@router.post("handoff.supplemented", responses=_RESPONSES)
def handoff_supplemented(
    body: SupplementedMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """The person added what you had asked for; the completion clock runs again."""


@router.post("handoff.urged", responses=_RESPONSES)
def handoff_urged(
    body: UrgedMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """You are late, or somebody waits for you: report how it stands, or call the coordinator."""


@router.post("handoff.rescheduled", responses=_RESPONSES)
def handoff_rescheduled(
    body: RescheduledMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """The calendar of working days was changed, and with it when this is due. Times that were provisional and have
    turned out right are not told."""


@router.post("handoff.extended", responses=_RESPONSES)
def handoff_extended(
    body: ExtendedMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """A coordinator has moved your time limit: `complete_due` is the new one."""


@router.post("handoff.cancelled", responses=_RESPONSES)
def handoff_cancelled(
    body: CancelledMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """Nothing more is to be done on it."""


@router.post("consent.withdrawn", responses=_RESPONSES)
def consent_withdrawn(
    body: ConsentWithdrawnMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """A consent that you have data by was withdrawn: stop using what it opened. Complete with what you may still use,
    or with `not_granted`."""


@router.post("handoff.due_soon", responses=_RESPONSES)
def handoff_due_soon(
    body: DueSoonMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """A clock of a handoff of yours ends soon; `clock` says which."""


@router.post("handoff.supervised", responses=_RESPONSES)
def handoff_supervised(
    body: SupervisedMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """You are so late that the office above you and the county are told."""


@router.post("handoff.resumed", responses=_RESPONSES)
def handoff_resumed(
    body: ResumedMessage | ReferenceMessage,
    webhook_id: WebhookId,
    webhook_timestamp: Timestamp,
    webhook_signature: Signature,
) -> None:
    """A suspension has lasted as long as it may: your completion clock runs again."""


@router.post("agency.supervised", responses=_RESPONSES)
def agency_supervised(
    body: AgencySupervisedMessage, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature
) -> None:
    """An agency below yours is late on a handoff: see to it. It needs no callback."""


@router.post("ping", responses=_RESPONSES)
def ping(body: PingMessage, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature) -> None:
    """Somebody at the county tries your endpoint, once; what you answer is shown to them."""


@router.post("notice.request", responses=_RESPONSES)
def notice_of_request(
    body: RequestNotice, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature
) -> None:
    """To a subscriber: a request was taken in, added to, or its status changed; the person said whether it is solved, and a
    coordinator ruled on that. A change that ends it is told as `request.status_changed` and as `request.closed` or
    `request.withdrawn`."""


@router.post("notice.handoff", responses=_RESPONSES)
def notice_of_handoff(
    body: HandoffNotice, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature
) -> None:
    """To a subscriber: a handoff was sent, its agency reported, or its due times were moved."""


@router.post("notice.delivery", responses=_RESPONSES)
def notice_of_delivery(
    body: DeliveryNotice, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature
) -> None:
    """To a subscriber: an agency could not be reached for three days, and does not know of a handoff."""


@router.post("notice.emergency", responses=_RESPONSES)
def notice_of_emergency(
    body: EscalationNotice, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature
) -> None:
    """To a subscriber: an agency has not signed in to an emergency in time, and who is to be called now."""


@router.post("notice.endpoint", responses=_RESPONSES)
def notice_of_endpoint(
    body: EndpointNotice, webhook_id: WebhookId, webhook_timestamp: Timestamp, webhook_signature: Signature
) -> None:
    """To a subscriber: an agency's endpoint fails again and again, or answered 410 Gone, and the number to call; or it
    works again. About no request."""
