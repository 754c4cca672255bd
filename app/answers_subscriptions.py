"""What goes out about subscriptions. Of a secret only its age, but for the answer that made it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page
from app.answers_agencies import MOST_COUNTED, CameBack, EndpointState, SecretAge, TlsKept
from app.receivers import NoticeType


class SubscriptionSummary(Outbound):
    subscription_id: UUID
    name: str
    endpoint: str
    types: list[NoticeType]
    needs: list[str]
    areas: list[str]
    active: bool
    max_in_flight: int | None
    per_second: int | None
    created_at: datetime
    created_by: str


class SubscriptionPage(Page):
    items: list[SubscriptionSummary]


class SubscriptionView(SubscriptionSummary):
    tls: TlsKept | None
    secrets: list[SecretAge] = Field(description="Those in force, the newest first.")
    state: EndpointState
    pending: int = Field(description=f"Deliveries under way; counted to {MOST_COUNTED}.")
    exhausted: int = Field(description=f"Deliveries given up; counted to {MOST_COUNTED}.")


class SubscriptionMade(SubscriptionView):
    secret: str = Field(description="What its messages are signed with; shown this once.")


class SubscriptionSecretMade(Outbound):
    subscription_id: UUID
    secret: str = Field(description="Shown this once.")
    secrets: list[SecretAge]


class SubscriptionPinged(CameBack):
    """What came back on a test message to a subscriber, exactly."""

    subscription_id: UUID
