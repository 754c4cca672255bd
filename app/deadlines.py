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
from functools import lru_cache
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
_END_OF_DAY = time(23, 59, 59)
_OPENS = time(9)
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


@lru_cache(256)  # a table has thousands, of few kinds
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
    openings: dict[tuple[datetime, int], datetime] = field(default_factory=dict, compare=False, repr=False)

    def is_working(self, day: date) -> bool:
        known = self.days.get(day)
        return is_weekday(day) if known is None else known

    def days_left(self, today: date) -> int:
        """How many days after today (in China) are known; less than nothing once the known range has ended."""
        return (self.known_until - today).days

    def ends_soon(self, today: date) -> bool:
        """Sixty days before the known range ends somebody has to be told, and from then on."""
        return self.days_left(today) <= _WARNED_DAYS

    def working_days(self, after: date, until: date) -> int:
        """How many there are after a day, up to and with another."""
        return sum(self.is_working(after + timedelta(days=n)) for n in range(1, (until - after).days + 1))

    def opening(self, of: datetime, count: int) -> datetime:
        """Nine in the morning in China, in UTC, of the `count`th working day after the day of a moment; before it, if
        `count` is negative; of that day itself, if it is 0."""
        known = self.openings.get((of, count))
        if known is None:
            day, step = china_day(of), timedelta(days=1 if count > 0 else -1)
            for _ in range(abs(count)):
                day += step
                while not self.is_working(day):
                    day += step
            known = datetime.combine(day, _OPENS, CHINA).astimezone(UTC)
            if of == end_of(china_day(of)):  # when most limits end; other moments hardly come again
                self.openings[of, count] = known
        return known


@dataclass(frozen=True, slots=True)
class Pace:
    """In working days: how long before its due time a clock is spoken of, how long after it an agency is supervised, and
    how long a completion clock may stand, by what is waited for."""

    remind_before: int = 1
    supervise_after: int = 5
    suspensions: Mapping[str, int] = field(default_factory=lambda: {"applicant": 30, "verification": 20, "court": 125})


@lru_cache(256)  # a request asks many times which day it came on
def china_day(at: datetime) -> date:
    return at.astimezone(CHINA).date()


def end_of(day: date) -> datetime:
    """Its last second in China, in UTC."""
    return datetime.combine(day, _END_OF_DAY, CHINA).astimezone(UTC)


def due(start: datetime, limit: Limit, calendar: WorkingCalendar) -> Due:
    """When `limit` ends if its clock starts at `start` (aware)."""
    if limit.kind is LimitKind.HOURS:
        return Due(start + timedelta(hours=limit.count), False)
    day = china_day(start)
    known = calendar.remembered.get((day, limit))
    if known is None:
        known = calendar.remembered[day, limit] = _end_of_days(day, limit, calendar)
    return known


def moved_on(due_at: datetime, kind: LimitKind, stopped: datetime, again: datetime, calendar: WorkingCalendar) -> Due:
    """A due time whose clock stood from `stopped` until `again`: what was left then is counted again from the day on which
    it runs again, in the limit's own kind of days; hours by the clock."""
    if kind is LimitKind.HOURS:
        return Due(due_at + (again - stopped), False)
    first, last = china_day(stopped), china_day(again)
    count = calendar.working_days(first, last) if kind is LimitKind.WORKING_DAYS else (last - first).days
    return due(due_at, Limit(kind, count), calendar) if count else Due(due_at, china_day(due_at) > calendar.known_until)


def _end_of_days(day: date, limit: Limit, calendar: WorkingCalendar) -> Due:
    if limit.kind is LimitKind.CALENDAR_DAYS:
        day += timedelta(days=limit.count)
    else:
        for _ in range(limit.count):
            day = _next_working_day(day + timedelta(days=1), calendar)
    day = _next_working_day(day, calendar)
    return Due(end_of(day), day > calendar.known_until)


def is_weekday(day: date) -> bool:
    return day.weekday() < _SATURDAY


def _next_working_day(day: date, calendar: WorkingCalendar) -> date:
    while not calendar.is_working(day):
        day += timedelta(days=1)
    return day
