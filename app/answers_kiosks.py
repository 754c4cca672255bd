"""What goes out about kiosks, and to them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from app.answers import Outbound, Page
from app.dangers import Kind
from app.receipts import RECEIPT_PATTERN, TOKEN_PATTERN
from app.routing.facts import FactKind


class PairingMade(Outbound):
    code: str = Field(
        pattern=r"^[0-9]{8}$", description="To be typed on the device; told this once, good for one device."
    )
    code_spoken: str
    expires_at: datetime


class KioskPaired(Outbound):
    kiosk_id: UUID
    name: str
    division_code: str
    key: str = Field(description="For `Authorization: Bearer`; told this once, to be kept on the device.")


class KioskView(Outbound):
    kiosk_id: UUID
    name: str
    division_code: str
    division_name: str
    paired_by: str | None
    paired_at: datetime
    last_seen_at: datetime | None = Field(description="To some five minutes.")
    revoked_at: datetime | None


class KioskPage(Page):
    items: list[KioskView]


class Said(Outbound):
    zh: str
    en: str


class Hotline(Said):
    number: str


class SealingKey(Outbound):
    """A JSON Web Key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["enc"]
    alg: Literal["ECDH-ES"]


class Township(Outbound):
    code: str
    name: str


class AskedFromAge(Outbound):
    from_age: int
    asks: list[str]


class Situation(Outbound):
    code: str
    needs: list[str]
    asks: list[str] = Field(description="Facts that rules wait for and nobody else has; each is explained in `facts`.")
    asks_by_age: list[AskedFromAge] = Field(
        description="The same once the age is known, ascending from 0; empty where no rule waits for the age."
    )


class Choice(Said):
    value: str


class Question(Outbound):
    kind: FactKind
    question_zh: str
    question_en: str
    unit: str | None
    choices: list[Choice] = Field(description="Empty for what is no choice.")


class Material(Said):
    code: str


class KioskNeed(Outbound):
    """Who leads it where the device stands, as far as that is known before anything was asked."""

    name_zh: str
    name_en: str
    agency_zh: str | None
    agency_en: str | None
    phone: str | None
    due_zh: str
    due_en: str
    materials: list[Material]


class KioskDanger(Said):
    kind: Kind = Field(description="The `kind` of an emergency.")
    advice: list[Said] = Field(description="What to do now, in order.")


class KioskPack(Outbound):
    kiosk_id: UUID
    name: str
    division_code: str
    division_name: str
    county_name: str
    coordinator_phone: str | None
    takes_photographs: bool = Field(description="Whether attachments are kept here at all.")
    hotlines: list[Hotline]
    sealing_key: SealingKey
    divisions: list[Township] = Field(description="The townships of the county.")
    situations: list[Situation] = Field(description="In the order of their buttons.")
    facts: dict[str, Question]
    needs: dict[str, KioskNeed]
    dangers: list[KioskDanger]


class QrCode(Outbound):
    modules: int = Field(description='How many there are each way, with the quiet zone: `viewBox="0 0 n n"`.')
    path: str = Field(description="The dark ones: `d` of an SVG path.")


class ReservedNumber(Outbound):
    receipt_number: str = Field(pattern=RECEIPT_PATTERN)
    receipt_number_spoken: str
    tracking_token: str = Field(pattern=TOKEN_PATTERN)
    tracking_url: str
    qr: QrCode = Field(description="Of `tracking_url`.")


class ReservedNumbers(Outbound):
    numbers: list[ReservedNumber]
