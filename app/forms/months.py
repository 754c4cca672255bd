"""Months as they are in China, for what is counted by month; pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from app.deadlines import CHINA

_FORM = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


class Month(NamedTuple):
    year: int
    month: int

    @property
    def since(self) -> datetime:
        """Its first moment, aware UTC."""
        return datetime(self.year, self.month, 1, tzinfo=CHINA).astimezone(UTC)

    @property
    def until(self) -> datetime:
        """The first moment that is not in it."""
        return self.following.since

    @property
    def following(self) -> Month:
        return Month(self.year + 1, 1) if self.month == 12 else Month(self.year, self.month + 1)

    @property
    def before(self) -> Month:
        return Month(self.year - 1, 12) if self.month == 1 else Month(self.year, self.month - 1)

    def __str__(self) -> str:
        return f"{self.year}-{self.month:02}"


def month_of(at: datetime) -> Month:
    local = at.astimezone(CHINA)
    return Month(local.year, local.month)


def parse_month(text: str) -> Month | None:
    """Of `2026-11`; None for anything else."""
    match = _FORM.fullmatch(text)
    return Month(int(match[1]), int(match[2])) if match else None
