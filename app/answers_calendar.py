"""What goes out about the calendar. Days are days in China."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from app.answers import Outbound


class WorkingDaySeen(Outbound):
    day: date
    working: bool
    source: str | None = Field(description="Where it is from; null for a day that follows the week.")
    provisional: bool = Field(description="Nobody has published it yet: Monday to Friday are assumed to be worked.")


class CalendarReach(Outbound):
    known_from: date | None = Field(description="Null if the calendar is empty.")
    known_until: date | None
    days_left: int | None = Field(description="Known days after today; below nought once they have run out.")
    warning_zh: str | None = Field(description="From sixty days before the end on: what is to be done.")
    warning_en: str | None


class WorkingDays(CalendarReach):
    items: list[WorkingDaySeen]


class DayChanged(Outbound):
    day: date
    working_before: bool
    working: bool


class CalendarChanged(CalendarReach):
    changes: list[DayChanged] = Field(
        description="Days that are worked now and were not, or the other way round. Due times of open handoffs follow "
        "within seconds."
    )


class YearImported(CalendarChanged):
    year: int
    working_days: int = Field(description="In the whole year; compare it with the notice.")
