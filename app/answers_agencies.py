"""What goes out about agencies and their endpoints. Of a secret only its age, but for the answer that made it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page
from app.receivers import DeliveryMode

MOST_COUNTED = 10_000


class AgencySummary(Outbound):
    code: str
    department: str
    division_code: str
    name_zh: str
    name_en: str
    phone: str | None
    endpoint: str | None
    delivery_mode: DeliveryMode
    active: bool
    created_at: datetime


class AgencyPage(Page):
    items: list[AgencySummary]


class SecretAge(Outbound):
    created_at: datetime
    ends_at: datetime | None


class TlsKept(Outbound):
    ca: bool = Field(description="Whether a private authority is trusted in place of the public ones.")
    client_certificate: bool


class EndpointState(Outbound):
    """How the endpoint fares, as the workers saw it last."""

    breaker: Literal["closed", "open", "half_open"] = Field(description="Open: it rests; half open: it is probed.")
    since: datetime | None
    failures: int
    fault: str | None
    probe_at: datetime | None
    suspended_at: datetime | None = Field(
        description="It answered 410 Gone, or its subscription was ended: nothing is sent before it is taken back."
    )


class AgencyView(AgencySummary):
    max_in_flight: int | None
    per_second: int | None
    tls: TlsKept | None
    secrets: list[SecretAge] = Field(description="Those in force, the newest first.")
    state: EndpointState
    pending: int = Field(description=f"Deliveries under way; counted to {MOST_COUNTED}.")
    exhausted: int = Field(description=f"Deliveries given up; counted to {MOST_COUNTED}.")


class AgencyKept(AgencyView):
    secret: str | None = Field(description="A signing secret that was made now; shown this once.")


class SecretMade(Outbound):
    agency: str
    secret: str = Field(description="Shown this once.")
    secrets: list[SecretAge]


class Encrypted(Outbound):
    version: str
    cipher: str
    subject: str = Field(description="Of the certificate that the endpoint showed.")
    issuer: str
    ends_at: datetime


class CameBack(Outbound):
    endpoint: str
    message_id: UUID = Field(description="The `webhook-id` that was sent.")
    sent_at: datetime
    milliseconds: int
    delivered: bool = Field(description="Whether a message would count as delivered: it answered 2xx.")
    status_code: int | None
    fault: str | None = Field(description="In one word, when there was no whole answer.")
    address: str | None = Field(description="Address and port that answered.")
    tls: Encrypted | None
    headers: dict[str, str] = Field(description="Of the answer, those worth knowing.")
    answer: str = Field(description="The first 1 KiB of its body.")


class Pinged(CameBack):
    """What came back on a test message, exactly."""

    agency: str


class SentAgain(Outbound):
    sent_again: int = Field(description="How many are due again.")
    next_cursor: str | None = Field(description="There is more: pass as `cursor`; null when all is done.")
