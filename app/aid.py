"""What a county has set for emergencies, by division and day: times, the ceiling of small aid, the allowance; pure.

Of several rows the nearest division decides, and of its rows the last that has begun. Money is Decimal yuan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeVar

from app.deadlines import Limit, LimitKind
from app.routing.directory import upward


class CeilingKind(StrEnum):
    YUAN = "yuan"  # so much, each time
    MONTHS = "months"  # so many months of the local minimum living allowance


class Dated(Protocol):
    @property
    def division_code(self) -> str: ...
    @property
    def valid_from(self) -> date: ...


Row = TypeVar("Row", bound=Dated)


@dataclass(frozen=True, slots=True)
class Terms:
    """By when: minutes to sign in before the next in the chain is followed; aid, its explanation, its papers."""

    division_code: str
    valid_from: date
    sign_in_minutes: int
    aid_target: Limit
    aid_limit: Limit
    explanation_limit: Limit
    papers_limit: Limit
    source: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    division_code: str
    valid_from: date
    kind: CeilingKind
    amount: Decimal
    source: str = ""


@dataclass(frozen=True, slots=True)
class Standard:
    """The minimum living allowance of a person and month."""

    division_code: str
    valid_from: date
    urban: Decimal
    rural: Decimal
    source: str = ""


# What holds where nothing is set at all: proposed, no law but the three days.
PROPOSED = Terms(
    *("36", date(2017, 1, 1), 10),
    aid_target=Limit(LimitKind.HOURS, 24),
    aid_limit=Limit(LimitKind.CALENDAR_DAYS, 3),
    explanation_limit=Limit(LimitKind.WORKING_DAYS, 3),
    papers_limit=Limit(LimitKind.WORKING_DAYS, 10),
    source="proposed",
)


@dataclass(frozen=True, slots=True)
class DutyContact:
    """Somebody at an agency who is called when it does not sign in; `hours` in plain words."""

    position: int
    office: str
    phone: str
    name: str | None = None
    hours: str | None = None


@dataclass(frozen=True)
class AidRules:
    terms: tuple[Terms, ...] = ()
    ceilings: tuple[Ceiling, ...] = ()
    standards: tuple[Standard, ...] = ()

    def terms_of(self, division_code: str, day: date) -> Terms:
        return nearest(self.terms, division_code, day) or PROPOSED

    def ceiling_of(self, division_code: str, day: date, residence: str | None) -> Decimal | None:
        """In yuan; None where none is set, or no allowance to count it by. Not knowing whether a household is urban,
        the lower of the two: too much is told rather than too little."""
        ceiling = nearest(self.ceilings, division_code, day)
        if ceiling is None or ceiling.kind is CeilingKind.YUAN:
            return None if ceiling is None else ceiling.amount
        standard = nearest(self.standards, division_code, day)
        if standard is None:
            return None
        of_residence: Mapping[str | None, Decimal] = {"urban": standard.urban, "rural": standard.rural}
        return ceiling.amount * of_residence.get(residence, min(standard.urban, standard.rural))


def nearest(rows: Iterable[Row], division_code: str, day: date) -> Row | None:
    begun = [row for row in rows if row.valid_from <= day]
    for place in upward(division_code):
        if here := [row for row in begun if row.division_code == place]:
            return max(here, key=lambda row: row.valid_from)
    return None
