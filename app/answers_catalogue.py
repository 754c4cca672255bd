"""What is answered about needs and divisions."""

from __future__ import annotations

from typing import Literal

from app.answers import Named, Outbound, Page


class NeedSeen(Named):
    law_class: str
    eligibility_zh: str
    eligibility_en: str
    entry_point_zh: str
    entry_point_en: str
    flow_mode: str
    materials: list[Named]
    waived: list[Named]
    publicity_zh: str
    publicity_en: str
    consent: str
    emergency_variant: str | None
    legal_basis: str


class NeedList(Outbound):
    items: list[NeedSeen]


class DivisionSeen(Outbound):
    code: str
    name: str
    level: Literal["province", "prefecture", "county", "township"]
    parent_code: str | None


class DivisionPage(Page):
    items: list[DivisionSeen]
