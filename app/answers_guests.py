"""What goes out about guest links."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page


class GuestLinkMade(Outbound):
    guest_link_id: UUID
    link: str = Field(description="The page's address, a secret; shown here once, kept only as a hash.")
    expires_at: datetime


class GuestLinkSeen(Outbound):
    guest_link_id: UUID
    created_at: datetime
    created_by: str
    expires_at: datetime
    signed_in_at: datetime | None = Field(description="When somebody last signed in by it; null: it was not used.")
    revoked_at: datetime | None


class GuestLinkPage(Page):
    items: list[GuestLinkSeen]


class GuestCode(Outbound):
    """To be read out to the agency, by the number in the phone book and no other."""

    code: str = Field(pattern=r"^[0-9]{6}$", description="Shown here once.")
    ends_at: datetime
    agency: str
    phone: str | None
