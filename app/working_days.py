"""The calendar (工作日历): which days are worked, looked up, changed by the day, imported by the year."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import structlog
from sqlalchemy import delete, extract, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import registry
from app.deadlines import WorkingCalendar
from app.identifiers import new_id, now
from app.office import Office
from app.problems import FieldError, Text, invalid
from app.repeats import Repeat, once
from app.routing.rules import local_day
from app.schemas_calendar import WorkingDayIn
from app.tables import calendar_change, working_day
from app.year_notice import YearNotice, changed, check, is_fixed, past, sheet_of

_MOST_DAYS = 400
log = structlog.get_logger()


async def seen(office: Office, first: date | None, last: date | None) -> dict[str, Any]:
    """`WorkingDays` from `first` (today) to `last` (the end of its year). Raises `validation_failed`."""
    today = local_day(now())
    first = first or today
    last = last or date(first.year, 12, 31)
    if not 0 <= (last - first).days < _MOST_DAYS:
        text = Text(f"应在 from 当天或其后 {_MOST_DAYS} 天以内。", f"At most {_MOST_DAYS} days, none before `from`.")
        raise invalid(FieldError("to", "days_out_of_range", text))
    async with office.database.reading_as_one() as connection:
        calendar, sources = await _kept(connection)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return {**reach(calendar, today), "items": [_day_seen(day, calendar, sources) for day in days]}


async def change(office: Office, by: str, day: date, asked: WorkingDayIn) -> dict[str, Any]:
    """One day of the known range; `CalendarChanged`. Raises `validation_failed` for a day that is over, or that no
    imported year holds."""
    today = local_day(now())
    async with office.database.writing() as connection:
        await registry.held(connection)
        before, _ = await _kept(connection)
        differs = before.is_working(day) != asked.working
        if not before.days or not _known_from(before) <= day <= before.known_until:
            text = Text(
                "这一天不在已知的范围内;请先导入该年的通知。", "Not known yet: import the notice of its year first."
            )
            raise invalid(FieldError("day", "day_not_known", text))
        if differs and is_fixed(day, before, today):
            raise invalid(FieldError("day", "day_past", past(day, before.is_working(day))))
        row = {"day": day, "working": asked.working, "source": asked.source}
        await connection.execute(delete(working_day).where(working_day.c.day == day))
        await connection.execute(working_day.insert(), row)
        if differs:
            await _note(connection, by, day, day, asked.source)
        after = WorkingCalendar({**before.days, day: asked.working}, before.known_until)
    await office.registry.refresh()
    return {**reach(after, today), "changes": _changes(before, after, [day])}


async def import_year(office: Office, by: str, notice: YearNotice, repeat: Repeat | None) -> bytes:
    """The year's days in place of those that it had; `YearImported`, JSON. Raises `validation_failed` or
    `sheet_refused` with every fault, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        await registry.held(connection)
        today = local_day(now())
        before, _ = await _kept(connection)
        check(notice, before, today)
        after, rows = notice.applied_to(before), notice.rows()
        of_year = extract("year", working_day.c.day) == notice.year
        named = working_day.c.day.in_([row["day"] for row in rows])
        await connection.execute(delete(working_day).where(or_(of_year, named)))
        await connection.execute(working_day.insert(), rows)
        looked_at = [*notice.whole_year, *(row["day"] for row in rows)]
        different = changed(before, after, looked_at)
        learned = [day for day in notice.whole_year if day > before.known_until]
        if touched := sorted({*different, *learned}):
            await _note(connection, by, touched[0], touched[-1], notice.source)
        return {
            **reach(after, today),
            "changes": _changes(before, after, different),
            "year": notice.year,
            "working_days": sum(after.is_working(day) for day in notice.whole_year),
        }

    answer = await once(office.database, repeat, make)
    await office.registry.refresh()
    return answer


async def exported(office: Office, year: int) -> bytes:
    """The sheet of a year that `import_year` takes."""
    of_year = select(working_day).where(extract("year", working_day.c.day) == year).order_by(working_day.c.day)
    async with office.database.reading() as connection:
        return sheet_of((await connection.execute(of_year)).mappings())


def reach(calendar: WorkingCalendar, today: date) -> dict[str, Any]:
    text = warning(calendar, today)
    return {
        "known_from": _known_from(calendar) if calendar.days else None,
        "known_until": calendar.known_until if calendar.days else None,
        "days_left": calendar.days_left(today) if calendar.days else None,
        "warning_zh": text.zh if text else None,
        "warning_en": text.en if text else None,
    }


def warning(calendar: WorkingCalendar, today: date) -> Text | None:
    """What is to be done when the known days run out, sixty days before and from then on; None while there is time."""
    if not calendar.days:
        return Text("工作日历为空,请运行 one-window seed。", "No working days are known: run one-window seed.")
    if not calendar.ends_soon(today):
        return None
    until, left = calendar.known_until, calendar.days_left(today)
    return Text(
        f"工作日历只到 {until}(距今 {left} 天),其后的期限只是暂定。请导入国务院办公厅 {until.year + 1} 年节假日安排通知:"
        "one-window calendar import。",
        f"The working days are known until {until} ({left} days from now); due times after that are provisional. Import "
        f"the State Council's notice for {until.year + 1}: one-window calendar import.",
    )


async def _kept(connection: AsyncConnection) -> tuple[WorkingCalendar, dict[date, str]]:
    rows = (await connection.execute(select(working_day))).all()
    days = {row.day: row.working for row in rows}
    return WorkingCalendar(days, max(days, default=date.min)), {row.day: row.source for row in rows}


async def _note(connection: AsyncConnection, by: str, first: date, last: date, source: str) -> None:
    """Tell every process, and the workers which due times to work out again."""
    row = {"id": new_id(), "first_day": first, "last_day": last, "source": source, "changed_at": now()}
    await connection.execute(calendar_change.insert(), {**row, "changed_by": by, "settled_at": None})
    await registry.moved(connection)


def _known_from(calendar: WorkingCalendar) -> date:
    """Only days that differ from the week have rows, but years are known as a whole."""
    return date(min(calendar.days).year, 1, 1)


def _day_seen(day: date, calendar: WorkingCalendar, sources: dict[date, str]) -> dict[str, Any]:
    known = calendar.days and _known_from(calendar) <= day <= calendar.known_until
    return {
        "day": day,
        "working": calendar.is_working(day),
        "source": sources.get(day),
        "provisional": not known,
    }


def _changes(before: WorkingCalendar, after: WorkingCalendar, days: list[date]) -> list[dict[str, Any]]:
    return [
        {"day": day, "working_before": before.is_working(day), "working": after.is_working(day)}
        for day in changed(before, after, days)
    ]
