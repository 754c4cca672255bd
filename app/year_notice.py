"""A year's working days as the State Council's notice has them: days off and days of make-up work; every other day of
the year follows the week. Read from JSON or a sheet, checked whole, written as a sheet; no query, no effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

from app.deadlines import WorkingCalendar, is_weekday
from app.problems import MOST_ERRORS, FieldError, Problem, Text, invalid
from app.routing.cells import Cell
from app.routing.commas import csv_of, csv_rows
from app.routing.faults import CellError, Fault, Faults, SheetError
from app.schemas_calendar import LONGEST_SOURCE, WorkingYearIn

HEADINGS = {"day": ("day", "日期"), "working": ("working", "上班"), "source": ("source", "依据")}
_WORKING = {"true": True, "false": False, "上班": True, "放假": False}
_DATE = re.compile(r"(2[01]\d{2})[-/](\d{1,2})[-/](\d{1,2})", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Off in every year, by the Regulation on Public Holidays, art. 2: a notice without them is not whole.
_ALWAYS_OFF = ((1, 1), (5, 1), (10, 1), (10, 2), (10, 3))


class NamedDay(NamedTuple):
    """`place` is the JSON pointer to what named it."""

    place: str
    day: date
    working: bool
    source: str


@dataclass(frozen=True, slots=True)
class YearNotice:
    year: int
    days: tuple[NamedDay, ...]
    refusal: str

    @property
    def source(self) -> str:
        return self.days[-1].source

    @property
    def whole_year(self) -> list[date]:
        first = date(self.year, 1, 1)
        return [first + timedelta(days=n) for n in range((date(self.year + 1, 1, 1) - first).days)]

    def rows(self) -> list[dict[str, Any]]:
        """What is named, and the year's last day, up to which the calendar is known."""
        last = date(self.year, 12, 31)
        rows = [{"day": last, "working": is_weekday(last), "source": self.source}]
        rows += [{"day": each.day, "working": each.working, "source": each.source} for each in self.days]
        return list({row["day"]: row for row in rows}.values())

    def applied_to(self, calendar: WorkingCalendar) -> WorkingCalendar:
        """The calendar with this year's days in place of those that it had, and the named days of the December before."""
        kept = {day: working for day, working in calendar.days.items() if day.year != self.year}
        days = kept | {row["day"]: row["working"] for row in self.rows()}
        return WorkingCalendar(days, max(days))


def of_body(asked: WorkingYearIn) -> YearNotice:
    days = (NamedDay(f"/days/{index}", each.day, each.working, asked.source) for index, each in enumerate(asked.days))
    return YearNotice(asked.year, tuple(days), "validation_failed")


def of_sheet(content: bytes) -> YearNotice:
    """A sheet `day,working,source`; its year is that of the last day that it names. Raises `sheet_refused`."""
    faults = Faults()
    days: list[NamedDay] = []
    try:
        columns: Mapping[int, str] | None = None
        for number, cells in csv_rows(content, faults):
            if columns is None:
                columns = _columns(cells, faults, number)
            elif cells and (named := _named_day(number, cells, columns, faults)):
                days.append(named)
        if not days:
            empty = CellError("没有列出任何一天。", "no day is named: write the days off and the make-up days worked")
            faults.add_of_all(empty)
        faults.check()
    except SheetError as error:
        raise Problem("sheet_refused", errors=[_of_fault(each) for each in error.faults[:MOST_ERRORS]]) from None
    return YearNotice(max(each.day for each in days).year, tuple(days), "sheet_refused")


def sheet_of(rows: Iterable[Mapping[Any, Any]]) -> bytes:
    """What `of_sheet` reads: the rows that differ from the week, or are off at a weekend."""
    named = (row for row in rows if not (row["working"] and is_weekday(row["day"])))
    texts = ([row["day"].isoformat(), str(row["working"]).lower(), row["source"]] for row in named)
    return csv_of([list(HEADINGS), *texts])


def check(notice: YearNotice, calendar: WorkingCalendar, today: date) -> None:
    """Raises `validation_failed` or `sheet_refused` with everything that is wrong with a notice for this calendar."""
    faults = [*_faults_of_days(notice), *_faults_of_year(notice, calendar, today)]
    if not faults:
        return
    problem = invalid(*faults)
    raise problem if notice.refusal == "validation_failed" else Problem(notice.refusal, None, problem.errors)


def changed(before: WorkingCalendar, after: WorkingCalendar, days: Iterable[date]) -> list[date]:
    return [day for day in sorted(set(days)) if before.is_working(day) != after.is_working(day)]


def _faults_of_days(notice: YearNotice) -> Iterable[FieldError]:
    named: set[date] = set()
    for each in notice.days:
        if each.day.year != notice.year and (each.day.year, each.day.month) != (notice.year - 1, 12):
            text = Text(
                f"{each.day} 不在 {notice.year} 年内(上一年 12 月的调休也可列入)。",
                f"{each.day} is not in {notice.year}, nor in the December before it.",
            )
            yield FieldError(f"{each.place}/day", "day_outside_year", text)
        elif each.day in named:
            yield FieldError(
                f"{each.place}/day", "day_twice", Text(f"{each.day} 列了两次。", f"{each.day} is named twice.")
            )
        elif each.working and is_weekday(each.day):
            text = Text(
                f"{each.day} 是周一至周五,本来就上班;补班只在周六、周日。请核对日期,或删去此项。",
                f"{each.day} is a Monday to Friday and worked anyway; make-up work falls on a Saturday or Sunday. "
                "Check the date, or leave it out.",
            )
            yield FieldError(f"{each.place}/day", "make_up_on_weekday", text)
        named.add(each.day)


def _faults_of_year(notice: YearNotice, calendar: WorkingCalendar, today: date) -> Iterable[FieldError]:
    after = notice.applied_to(calendar)
    worked = [day for month, of_month in _ALWAYS_OFF if after.is_working(day := date(notice.year, month, of_month))]
    for day in worked:
        text = Text(
            f"{day} 是法定节假日,通知中应为放假;请把全年的放假和补班日都列上。",
            f"{day} is a public holiday and must be off; name all days off and make-up days of the year.",
        )
        yield FieldError("/days", "public_holiday_missing", text)
    if calendar.days and not min(calendar.days).year <= notice.year <= calendar.known_until.year + 1:
        first, following = min(calendar.days).year, calendar.known_until.year + 1
        text = Text(
            f"现有日历自 {first} 年起,下一个要导入的是 {following} 年,不能跳过。",
            f"The calendar begins with {first}, and the next year to import is {following}: none may be left out.",
        )
        yield FieldError("/year", "year_leaves_gap", text)
    places = {each.day: f"{each.place}/day" for each in notice.days}
    for day in changed(calendar, after, [*notice.whole_year, *places]):
        if is_fixed(day, calendar, today):
            yield FieldError(places.get(day, "/days"), "day_past", past(day, calendar.is_working(day)))


def is_fixed(day: date, calendar: WorkingCalendar, today: date) -> bool:
    """A day that is over was counted by clocks that have ended, unless nobody knew yet whether it was worked."""
    return day < today and day <= calendar.known_until


def past(day: date, working: bool) -> Text:
    return Text(
        f"{day} 已经过去,记为{'上班' if working else '放假'},不能再改:已有时限据此结束。",
        f"{day} is over and stays {'worked' if working else 'off'}: clocks have ended by it.",
    )


def _columns(cells: Mapping[int, Cell], faults: Faults, row: int) -> dict[int, str]:
    names = {heard: name for name, headings in HEADINGS.items() for heard in headings}
    found = {index: names[text] for index, cell in cells.items() if (text := cell.text.strip().lower()) in names}
    if sorted(found.values()) != sorted(HEADINGS) or len(cells) != len(HEADINGS):
        error = CellError("第一行应为 day,working,source(日期,上班,依据)。", "the first row is day,working,source")
        faults.add_of_all(error, row)
        faults.check()
    return found


def _named_day(row: int, cells: Mapping[int, Cell], columns: Mapping[int, str], faults: Faults) -> NamedDay | None:
    values: dict[str, Any] = {}
    for index, name in columns.items():
        try:
            values[name] = _READERS[name](cells[index].text.strip() if index in cells else "")
        except CellError as error:
            faults.add(error, row, name)
    return NamedDay(f"/{row}", **values) if len(values) == len(HEADINGS) else None


def _read_day(text: str) -> date:
    if match := _DATE.fullmatch(text):
        try:
            return date(*(int(part) for part in match.groups()))
        except ValueError:
            pass
    raise CellError("应为日期,如 2027-01-01。", "write a date such as 2027-01-01")


def _read_working(text: str) -> bool:
    if (working := _WORKING.get(text.lower())) is None:
        raise CellError("应为 true(上班)或 false(放假)。", "write true (worked) or false (off)")
    return working


def _read_source(text: str) -> str:
    if not 0 < len(text) <= LONGEST_SOURCE or _CONTROL.search(text):
        raise CellError(
            f"写明依据,如通知的文号,最多 {LONGEST_SOURCE} 个字。",
            f"say where it is from, such as the notice's number, in at most {LONGEST_SOURCE} characters",
        )
    return text


_READERS: dict[str, Callable[[str], Any]] = {"day": _read_day, "working": _read_working, "source": _read_source}


def _of_fault(fault: Fault) -> FieldError:
    pointer = "/".join(["", *(str(each) for each in (fault.row, fault.column) if each)])
    return FieldError(pointer, "sheet_fault", Text(fault.text("zh"), fault.text("en")))
