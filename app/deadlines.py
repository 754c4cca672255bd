"""Due times of working days, calendar days and hours; pure.

The day on which a clock starts does not count, and a last day that is no working day rolls on to the next one
(Civil Code art. 201, 203). A day-based limit ends with its last day in China (23:59:59 Asia/Shanghai).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
_END_OF_DAY = time(23, 59, 59)
_SATURDAY = 5
_WARNED_DAYS = 60
_FORM = re.compile(r"(WD|CD|H):(\d{1,4})", re.ASCII)


class LimitKind(StrEnum):
    WORKING_DAYS = "WD"
    CALENDAR_DAYS = "CD"
    HOURS = "H"


@dataclass(frozen=True, slots=True)
class Limit:
    """`WD:5` five working days, `CD:3` three calendar days, `H:24` twenty-four hours, `WD:0` the same working day."""

    kind: LimitKind
    count: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.count}"


def parse_limit(text: str) -> Limit | None:
    """None for an empty cell. Raises ValueError for anything that is not `WD:n`, `CD:n` or `H:n`."""
    if not text:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"a limit is written WD:n, CD:n or H:n, not {text!r}")
    return Limit(LimitKind(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Due:
    """An instant in UTC; provisional when it rests on days that nobody has published yet."""

    at: datetime
    provisional: bool


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Which days are working days, as far as the State Council has published; after that, weekdays are assumed."""

    days: Mapping[date, bool]
    known_until: date
    # What was computed once for a starting day holds all day, for every request.
    remembered: dict[tuple[date, Limit], Due] = field(default_factory=dict, compare=False, repr=False)

    def is_working(self, day: date) -> bool:
        known = self.days.get(day)
        return is_weekday(day) if known is None else known

    def days_left(self, today: date) -> int:
        """How many days after today (in China) are known; less than nothing once the known range has ended."""
        return (self.known_until - today).days

    def ends_soon(self, today: date) -> bool:
        """Sixty days before the known range ends somebody has to be told, and from then on."""
        return self.days_left(today) <= _WARNED_DAYS


def due(start: datetime, limit: Limit, calendar: WorkingCalendar) -> Due:
    """When `limit` ends if its clock starts at `start` (aware)."""
    if limit.kind is LimitKind.HOURS:
        return Due(start + timedelta(hours=limit.count), False)
    day = start.astimezone(CHINA).date()
    known = calendar.remembered.get((day, limit))
    if known is None:
        known = calendar.remembered[day, limit] = _end_of_days(day, limit, calendar)
    return known


def _end_of_days(day: date, limit: Limit, calendar: WorkingCalendar) -> Due:
    if limit.kind is LimitKind.CALENDAR_DAYS:
        day += timedelta(days=limit.count)
    else:
        for _ in range(limit.count):
            day = _next_working_day(day + timedelta(days=1), calendar)
    day = _next_working_day(day, calendar)
    at = datetime.combine(day, _END_OF_DAY, CHINA).astimezone(UTC)
    return Due(at, day > calendar.known_until)


def is_weekday(day: date) -> bool:
    return day.weekday() < _SATURDAY


def _next_working_day(day: date, calendar: WorkingCalendar) -> date:
    while not calendar.is_working(day):
        day += timedelta(days=1)
    return day
