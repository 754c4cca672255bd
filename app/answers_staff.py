"""What goes out about people who sign in: never a password, but for the answer that made it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page
from app.roles import KeyRole


class StaffView(Outbound):
    staff_id: UUID
    login_name: str
    display_name: str
    role: KeyRole
    agency_code: str | None
    division_code: str | None
    has_password: bool
    must_change_password: bool
    oidc_name: str | None
    locked_until: datetime | None = Field(description="For browsers that nobody has signed in from to it.")
    disabled_at: datetime | None
    created_at: datetime
    created_by: str


class StaffPage(Page):
    items: list[StaffView]


class StaffMade(StaffView):
    password: str | None = Field(description="Shown this once, to be changed at the first sign-in; null: none.")
    password_ends_at: datetime | None = Field(description="It signs in until then.")


class PasswordMade(Outbound):
    staff_id: UUID
    password: str = Field(description="Shown this once, to be changed at the next sign-in.")
    password_ends_at: datetime


class SignInEvent(Outbound):
    event_id: UUID
    staff_id: UUID | None
    login_name: str | None
    kind: str
    at: datetime
    way: str | None
    by: str | None = Field(description="Who did it, where it was not the person.")


class SignInPage(Page):
    items: list[SignInEvent]
