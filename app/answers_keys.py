"""What goes out about keys: never the key, but for the answer that made it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page
from app.roles import KeyRole


class KeyView(Outbound):
    key_id: UUID
    name: str
    role: KeyRole
    agency: str | None
    division_code: str | None = Field(description="Its jurisdiction; null: everywhere.")
    scopes: list[str] | None = Field(description="Null: all that its role may do.")
    networks: list[str] | None = Field(description="Null: from anywhere.")
    owner: str | None
    replaced: UUID | None = Field(description="The first key of its line, if it replaced another.")
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To some five minutes.")


class KeyPage(Page):
    items: list[KeyView]


class KeyMade(KeyView):
    key: str = Field(description="For `Authorization: Bearer`; shown this once.")
