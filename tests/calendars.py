"""Calendars for tests: known up to a day, whatever today is, and notices as a clerk has them."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, update

from app.deadlines import CHINA, is_weekday
from app.tables import revision, working_day
from tests.watching import change

NOTICE = "国务院办公厅通知"
DAY = timedelta(days=1)
ALWAYS_OFF = ((1, 1), (5, 1), (10, 1), (10, 2), (10, 3))


def today() -> date:
    return datetime.now(CHINA).date()


def next_weekdays(count: int, after: date | None = None) -> list[date]:
    """Those that are no public holidays."""
    days = ((after or today()) + DAY * n for n in itertools.count(1))
    return list(itertools.islice((day for day in days if is_weekday(day) and not is_off(day)), count))


def is_off(day: date) -> bool:
    return day in always_off(day.year)


def always_off(year: int) -> set[date]:
    return {date(year, *each) for each in ALWAYS_OFF}


def know_until(url: str, last: date) -> None:
    """Put a calendar in place that is known to the end of `last`; only public holidays differ from the week in it."""
    off = {day for year in (last.year - 1, last.year) for day in always_off(year) if day < last}
    rows = [{"day": day, "working": False, "source": NOTICE} for day in sorted(off)]
    rows.append({"day": last, "working": is_weekday(last) and not is_off(last), "source": NOTICE})
    moved = update(revision).values(value=revision.c.value + 1)
    change(url, delete(working_day), insert(working_day).values(rows), moved)


def notice(year: int, off: Collection[date] = (), worked: Collection[date] = ()) -> dict[str, Any]:
    """The body of a year's import; of `off` and `worked` the days that are of that year."""
    days = dict.fromkeys((*always_off(year), *off), False) | dict.fromkeys(worked, True)
    named = [{"day": str(day), "working": days[day]} for day in sorted(days) if day.year == year]
    return {"year": year, "source": NOTICE, "days": named}


def sheet(body: dict[str, Any]) -> str:
    rows = [f"{each['day']},{str(each['working']).lower()},{body['source']}" for each in body["days"]]
    return "\n".join(["day,working,source", *rows, ""])
