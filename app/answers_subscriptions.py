"""What goes out about subscriptions. Of a secret only its age, but for the answer that made it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page
from app.receivers import NoticeType

MOST_COUNTED = 10_000


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


class SubscriptionSecret(Outbound):
    created_at: datetime
    ends_at: datetime | None


class SubscriberState(Outbound):
    """How the endpoint fares, as the workers saw it last."""

    breaker: Literal["closed", "open", "half_open"] = Field(description="Open: it rests; half open: it is probed.")
    since: datetime | None
    failures: int
    fault: str | None
    probe_at: datetime | None
    suspended_at: datetime | None = Field(description="It answered 410 Gone, or was ended: nothing is sent to it.")


class SubscriptionView(SubscriptionSummary):
    secrets: list[SubscriptionSecret] = Field(description="Those in force, the newest first.")
    state: SubscriberState
    pending: int = Field(description=f"Deliveries under way; counted to {MOST_COUNTED}.")
    exhausted: int = Field(description=f"Deliveries given up; counted to {MOST_COUNTED}.")


class SubscriptionMade(SubscriptionView):
    secret: str = Field(description="What its messages are signed with; shown this once.")


class SubscriptionSecretMade(Outbound):
    subscription_id: UUID
    secret: str = Field(description="Shown this once.")
    secrets: list[SubscriptionSecret]
