"""Due times by the State Council's calendar: working days, calendar days, hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import seed
from app.deadlines import CHINA, Limit, LimitKind, WorkingCalendar, due, parse_limit

ROWS = {row["day"]: row["working"] for row in seed._working_days()}
CALENDAR = WorkingCalendar(ROWS, max(ROWS))
WORKING_DAYS, CALENDAR_DAYS, HOURS = LimitKind.WORKING_DAYS, LimitKind.CALENDAR_DAYS, LimitKind.HOURS

# The State Council's notices, as cases.md holds them: days off (weekends among them) and days of make-up work.
NOTICES = {
    2017: (
        "01-01 01-02 01-27/02-02 04-02/04-04 05-01 05-28/05-30 10-01/10-08",
        "01-22 02-04 04-01 05-27 09-30",
    ),
    2026: (
        "01-01/01-03 02-15/02-23 04-04/04-06 05-01/05-05 06-19/06-21 09-25/09-27 10-01/10-07",
        "01-04 02-14 02-28 05-09 09-20 10-10",
    ),
}
DUE = {
    "2017-01-20": {1: "01-22", 5: "01-26", 6: "02-03", 7: "02-04", 8: "02-06", 15: "02-15"},
    "2026-02-13": {1: "02-14", 2: "02-24", 5: "02-27", 10: "03-05", 18: "03-17", 30: "04-02"},
    "2026-04-30": {1: "05-06", 4: "05-09", 10: "05-18", 15: "05-25", 18: "05-28", 30: "06-15"},
    "2026-09-30": {1: "10-08", 3: "10-10", 5: "10-13", 10: "10-20"},
}
BEGIN, END = (int(datetime(*day, tzinfo=UTC).timestamp()) for day in ((2017, 1, 1), (2026, 12, 31)))
moments = st.integers(BEGIN, END).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def days_of(year: int) -> list[date]:
    first, after = date(year, 1, 1), date(year + 1, 1, 1)
    return [first + timedelta(days=n) for n in range((after - first).days)]


def listed(year: int, days: str) -> set[date]:
    """`01-27/02-02` is from the one to the other, both included."""
    found: set[date] = set()
    for span in days.split():
        first, _, last = span.partition("/")
        begin, end = (date.fromisoformat(f"{year}-{day}") for day in (first, last or first))
        found |= {begin + timedelta(days=n) for n in range((end - begin).days + 1)}
    return found


def china(day: str, at: str = "10:00:00") -> datetime:
    return datetime.combine(date.fromisoformat(day), time.fromisoformat(at), CHINA)


def due_day(start: datetime, limit: str) -> str:
    parsed = parse_limit(limit)
    assert parsed is not None
    return due(start, parsed, CALENDAR).at.astimezone(CHINA).date().isoformat()


@pytest.mark.parametrize("year", NOTICES)
def test_the_calendar_says_what_the_notice_of_the_year_says(year: int) -> None:
    off, made_up = (listed(year, days) for days in NOTICES[year])
    expected = {day: day in made_up or (day.weekday() < 5 and day not in off) for day in days_of(year)}
    assert {day: CALENDAR.is_working(day) for day in days_of(year)} == expected


@pytest.mark.parametrize("year", range(2017, 2027))
def test_the_calendar_agrees_with_two_libraries_on_every_day(year: int) -> None:
    other = holidays.country_holidays(
        "CN", years=range(2016, 2028)
    )  # a notice may name days of another year's December
    assert [day for day in days_of(year) if CALENDAR.is_working(day) != chinese_calendar.is_workday(day)] == []
    assert [day for day in days_of(year) if CALENDAR.is_working(day) != other.is_working_day(day)] == []


def test_neither_library_knows_a_year_whose_notice_is_not_out_and_one_of_them_guesses() -> None:
    """Why the calendar is data of our own: `holidays` answers for 2027 with fixed holidays and no make-up work at all."""
    unknown = CALENDAR.known_until.year + 1
    with pytest.raises(NotImplementedError):
        chinese_calendar.is_workday(date(unknown, 1, 1))
    guessed = holidays.country_holidays("CN", years=unknown)
    assert guessed
    assert [day for day in guessed.weekend_workdays if day.year == unknown] == []


@pytest.mark.parametrize(("year", "count"), [(2023, 249), (2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_its_published_number_of_working_days(year: int, count: int) -> None:
    assert sum(CALENDAR.is_working(day) for day in days_of(year)) == count


def test_the_calendar_knows_how_far_it_reaches() -> None:
    assert CALENDAR.known_until == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [(start, n, f"{start[:4]}-{end}") for start, ends in DUE.items() for n, end in ends.items()],
)
def test_working_days_run_over_holidays_and_make_up_work(start: str, count: int, end: str) -> None:
    assert due_day(china(start), f"WD:{count}") == end


@pytest.mark.parametrize("at", ["00:00:00", "00:00:01", "07:59:59", "08:00:00", "23:59:59"])
def test_the_starting_day_is_the_day_in_china_and_its_hour_does_not_matter(at: str) -> None:
    assert due_day(china("2026-02-13", at).astimezone(UTC), "WD:1") == "2026-02-14"


def test_a_limit_in_days_ends_with_its_last_day_in_china() -> None:
    for limit in ("WD:0", "WD:1", "CD:1"):
        at = due(china("2026-11-23"), parse_limit(limit) or Limit(HOURS, 0), CALENDAR).at
        assert (at.tzinfo, at.time()) == (UTC, time(15, 59, 59)), limit


def test_no_working_day_is_the_same_day_or_the_next_one_that_is_worked() -> None:
    assert due_day(china("2026-02-13"), "WD:0") == "2026-02-13"
    assert due_day(china("2026-02-14"), "WD:0") == "2026-02-14"
    assert due_day(china("2026-02-15"), "WD:0") == "2026-02-24"


def test_a_clock_that_starts_on_a_holiday_counts_from_its_end() -> None:
    for start in ("2026-10-01", "2026-10-04", "2026-10-07"):
        assert due_day(china(start), "WD:1") == "2026-10-08"


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        ("2026-11-23", "CD:3", "2026-11-26"),
        ("2026-11-20", "CD:3", "2026-11-23"),
        ("2026-11-20", "CD:1", "2026-11-23"),
        ("2026-09-28", "CD:3", "2026-10-08"),
        ("2026-09-22", "CD:3", "2026-09-28"),
        ("2026-09-17", "CD:3", "2026-09-20"),
        ("2026-02-10", "CD:5", "2026-02-24"),
        ("2026-02-07", "CD:7", "2026-02-14"),
        ("2017-01-20", "CD:7", "2017-02-03"),
    ],
)
def test_calendar_days_run_through_and_a_last_day_off_rolls_on(start: str, limit: str, end: str) -> None:
    assert due_day(china(start), limit) == end


def test_hours_run_by_the_clock_through_nights_holidays_and_unpublished_years() -> None:
    for start in (china("2026-02-15", "23:30:00"), china("2026-12-31", "23:30:00"), china("2030-01-01")):
        for count in (0, 1, 10, 24, 72):
            end = due(start, Limit(HOURS, count), CALENDAR)
            assert end.at - start == timedelta(hours=count)
            assert not end.provisional


def test_a_deadline_past_the_published_years_is_provisional() -> None:
    last, beyond = (due(china("2026-12-30"), Limit(WORKING_DAYS, n), CALENDAR) for n in (1, 2))
    assert (last.at.date(), last.provisional) == (date(2026, 12, 31), False)
    assert (beyond.at.date(), beyond.provisional) == (date(2027, 1, 1), True)
    assert due(china("2026-12-31"), Limit(CALENDAR_DAYS, 1), CALENDAR).provisional
    assert not due(china("2026-12-30"), Limit(CALENDAR_DAYS, 1), CALENDAR).provisional


def test_past_the_published_years_weekdays_are_assumed() -> None:
    assert due_day(china("2027-01-01"), "WD:1") == "2027-01-04"
    assert due_day(china("2027-10-01"), "WD:5") == "2027-10-08"


@given(moments, st.integers(0, 60))
def test_between_start_and_due_day_lie_exactly_as_many_working_days(start: datetime, count: int) -> None:
    first = start.astimezone(CHINA).date()
    end = due(start, Limit(WORKING_DAYS, count), CALENDAR).at.astimezone(CHINA).date()
    between = [first + timedelta(days=n) for n in range(1, (end - first).days + 1)]
    worked = sum(CALENDAR.is_working(day) for day in between)
    assert CALENDAR.is_working(end)
    assert worked == (count or int(not CALENDAR.is_working(first)))


@given(moments, st.integers(0, 400))
def test_calendar_days_are_never_cut_short_and_roll_over_days_off_only(start: datetime, count: int) -> None:
    earliest = start.astimezone(CHINA).date() + timedelta(days=count)
    end = due(start, Limit(CALENDAR_DAYS, count), CALENDAR).at.astimezone(CHINA).date()
    assert CALENDAR.is_working(end)
    assert not any(CALENDAR.is_working(earliest + timedelta(days=n)) for n in range((end - earliest).days))


@given(moments, st.sampled_from([WORKING_DAYS, CALENDAR_DAYS]), st.integers(0, 30))
def test_the_same_question_gets_the_same_answer_from_a_fresh_calendar(
    start: datetime, kind: LimitKind, count: int
) -> None:
    fresh = WorkingCalendar(ROWS, max(ROWS))
    assert due(start, Limit(kind, count), CALENDAR) == due(start, Limit(kind, count), fresh)


def slowly_due(start: date, limit: Limit, days: dict[date, bool]) -> date:
    """The last day by articles 201 and 203 to the letter: list every day after the first, strike out, count."""
    after = [start + timedelta(days=n) for n in range(400)]
    worked = [day for day in after if days.get(day, day.isoweekday() not in (6, 7))]
    if limit.kind is WORKING_DAYS and limit.count:
        return [day for day in worked if day != start][limit.count - 1]
    return min(day for day in worked if day >= start + timedelta(days=limit.count))


spring = st.dates(date(2027, 12, 1), date(2028, 3, 20))  # over a year's end and a leap day


@given(
    spring,
    st.dictionaries(spring, st.booleans(), max_size=60),
    st.sampled_from([WORKING_DAYS, CALENDAR_DAYS]),
    st.integers(0, 40),
    spring,
)
def test_any_calendar_counts_as_the_law_does_word_for_word(
    start: date, days: dict[date, bool], kind: LimitKind, count: int, known_until: date
) -> None:
    limit = Limit(kind, count)
    found = due(china(start.isoformat()), limit, WorkingCalendar(days, known_until))
    last = slowly_due(start, limit, days)
    assert found.at.astimezone(CHINA) == datetime.combine(last, time(23, 59, 59), CHINA)
    assert found.provisional is (last > known_until)


@pytest.mark.parametrize(
    ("start", "limit", "end"),
    [
        ("2024-02-28", "CD:1", "2024-02-29"),
        ("2024-02-29", "CD:1", "2024-03-01"),
        ("2024-02-28", "WD:2", "2024-03-01"),
        ("2023-02-28", "WD:1", "2023-03-01"),
        ("2024-01-30", "CD:30", "2024-02-29"),
        ("2024-12-31", "WD:1", "2025-01-02"),
        ("2024-08-30", "CD:1", "2024-09-02"),
        ("2026-12-30", "WD:1", "2026-12-31"),
    ],
)
def test_months_years_and_leap_days_end_where_they_end(start: str, limit: str, end: str) -> None:
    assert due_day(china(start), limit) == end


def test_the_calendar_warns_from_sixty_days_before_its_end_on() -> None:
    days = (date(2026, 10, 31), date(2026, 11, 1), date(2026, 12, 31), date(2027, 1, 1))
    assert [CALENDAR.ends_soon(day) for day in days] == [False, True, True, True]
    assert [CALENDAR.days_left(day) for day in days] == [61, 60, 0, -1]


def test_limits_are_read_as_they_are_written() -> None:
    assert parse_limit("") is None
    assert parse_limit("WD:5") == Limit(WORKING_DAYS, 5)
    assert parse_limit("CD:3") == Limit(CALENDAR_DAYS, 3)
    assert parse_limit("H:24") == Limit(HOURS, 24)
    assert parse_limit("WD:0") == Limit(WORKING_DAYS, 0)


@given(st.builds(Limit, st.sampled_from(LimitKind), st.integers(0, 9999)))
def test_every_limit_is_read_back_as_it_was_written(limit: Limit) -> None:
    assert parse_limit(str(limit)) == limit


@pytest.mark.parametrize(
    "text",
    [
        *("WD", "WD:", "5", ":5", "WD5", "wd:5", "WD:-1", "WD:1.5", " WD:5", "WD:5 ", "WD:5\n", "WD: 5"),
        *("WD:12345", "D:5", "WD:5;CD:3", "WD:30(+15)", "LOCAL", "WD:５"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="WD:n, CD:n or H:n") as refused:
        parse_limit(text)
    assert repr(text) in str(refused.value)
