"""Receivers of messages: agencies, and subscribers. What sending needs to know of either."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class DeliveryMode(StrEnum):
    """What an agency's messages hold: what is disclosed to it, ids alone, or there are none and it reads its inbox."""

    FULL = "full"
    REFERENCE = "reference"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class SigningSecret:
    value: str
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM texts: a private CA, and a client certificate with its key; either may be missing."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)


class NoticeType(StrEnum):
    """What a subscriber may be told of. A change of status that ends a request is `request.status_changed` too."""

    REQUEST_REGISTERED = "request.registered"
    REQUEST_SUPPLEMENTED = "request.supplemented"
    REQUEST_STATUS_CHANGED = "request.status_changed"
    REQUEST_CLOSED = "request.closed"
    REQUEST_WITHDRAWN = "request.withdrawn"
    REQUEST_ANSWERED_BACK = "request.answered_back"
    REQUEST_REOPENED = "request.reopened"
    REQUEST_REOPENING_DECLINED = "request.reopening_declined"
    HANDOFF_DISPATCHED = "handoff.dispatched"
    HANDOFF_RECEIVED = "handoff.received"
    HANDOFF_ACCEPTED = "handoff.accepted"
    HANDOFF_INFORMATION_REQUESTED = "handoff.information_requested"
    HANDOFF_SUSPENDED = "handoff.suspended"
    HANDOFF_RESUMED = "handoff.resumed"
    HANDOFF_EXTENDED = "handoff.extended"
    HANDOFF_RESCHEDULED = "handoff.rescheduled"
    HANDOFF_RETURNED = "handoff.returned"
    HANDOFF_COMPLETED = "handoff.completed"
    HANDOFF_CANCELLED = "handoff.cancelled"
    HANDOFF_DUE_SOON = "handoff.due_soon"
    HANDOFF_URGED = "handoff.urged"
    HANDOFF_SUPERVISED = "handoff.supervised"
    HANDOFF_DISPUTED = "handoff.disputed"
    HANDOFF_RULED = "handoff.ruled"
    HANDOFF_REASSIGNED = "handoff.reassigned"
    HANDOFF_REOPENED = "handoff.reopened"
    EMERGENCY_LIFTED = "emergency.lifted"
    EMERGENCY_ESCALATED = "emergency.escalated"
    DELIVERY_EXHAUSTED = "delivery.exhausted"
    ENDPOINT_FAILING = "endpoint.failing"
    ENDPOINT_SUSPENDED = "endpoint.suspended"
    ENDPOINT_RECOVERED = "endpoint.recovered"


class Receiver(Protocol):
    """`max_in_flight` and `per_second` (messages) are None where the settings say."""

    @property
    def endpoint(self) -> str | None: ...
    @property
    def secrets(self) -> tuple[SigningSecret, ...]: ...
    @property
    def max_in_flight(self) -> int | None: ...
    @property
    def per_second(self) -> int | None: ...
    @property
    def tls(self) -> Tls | None: ...


@dataclass(frozen=True, slots=True)
class Subscription:
    """A system that is told of events: those of `types`, in `areas` (prefixes of division codes) and of `needs`; an
    empty tuple is no restriction."""

    id: UUID
    name: str
    endpoint: str
    types: tuple[str, ...]
    needs: tuple[str, ...]
    areas: tuple[str, ...]
    active: bool
    secrets: tuple[SigningSecret, ...] = ()
    max_in_flight: int | None = None
    per_second: int | None = None
    tls: Tls | None = None

    @property
    def code(self) -> str:
        """What its deliveries name it by."""
        return str(self.id)

    def wants(self, type_: str, division_code: str, needs: Iterable[str] | None) -> bool:
        """`needs` is None for what is about no need: that is not kept from who asked for some alone."""
        return (
            self.active
            and type_ in self.types
            and (not self.areas or division_code.startswith(self.areas))
            and (not self.needs or needs is None or not set(self.needs).isdisjoint(needs))
        )


_TOLD = frozenset(NoticeType)
_ENDS = frozenset({NoticeType.REQUEST_CLOSED, NoticeType.REQUEST_WITHDRAWN})


def notice_types(kind: str, data: Mapping[str, Any]) -> Iterator[NoticeType]:
    """What an event of the timeline, by its kind and data, is told as; nothing if it is the county's own affair."""
    told = _TOLD
    if kind.startswith("request.") and "to" in data:
        yield NoticeType.REQUEST_STATUS_CHANGED
        told = _ENDS
    if kind in told:
        yield NoticeType(kind)


def secrets_at(receiver: Receiver, at: datetime) -> list[str]:
    """Those in force, the newest first."""
    return [secret.value for secret in receiver.secrets if secret.ends_at is None or secret.ends_at > at]
