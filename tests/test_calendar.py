"""The calendar is data: looked up, changed by the day, imported by the year, refused whole with every fault."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from app import seed
from app.tables import calendar_change, revision, working_day
from tests.calendars import DAY, NOTICE, is_off, know_until, next_weekdays, notice, sheet, today
from tests.commands import one_window_here, refused, said
from tests.running import Running
from tests.watching import fetch

CHINESE = re.compile("[一-鿿]")
DAYS = "/v1/working-days"
CSV = {"content-type": "text/csv"}
UNKNOWN_YEAR = seed.LAST_KNOWN_DAY.year + 1


@pytest.fixture
def coordinator(service: Running) -> httpx.Client:
    """On the calendar as it is seeded."""
    return service.client("coordinator")


@pytest.fixture
def short(database_url: str, run_service: Callable[..., Running]) -> httpx.Client:
    """On a calendar that ended yesterday."""
    know_until(database_url, today() - DAY)
    return run_service().client("coordinator")


def days(client: httpx.Client, first: date | str, last: date | str) -> list[dict[str, Any]]:
    answer = client.get(DAYS, params={"from": str(first), "to": str(last)})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def kept(url: str) -> tuple[Any, ...]:
    """All that a change changes."""
    tables = (working_day, calendar_change, revision)
    return tuple(fetch(url, select(table).order_by(*table.primary_key)) for table in tables)


def import_(client: httpx.Client, body: dict[str, Any] | str, key: str | None = None) -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    if isinstance(body, str):
        return client.post(DAYS, content=body.encode(), headers={**CSV, **headers})
    return client.post(DAYS, json=body, headers=headers)


def faults(answer: httpx.Response, code: str) -> dict[str, str]:
    """By pointer, their codes; each has a sentence."""
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, code), body
    assert all(len(each["detail"]) > 10 for each in body["errors"])
    return {each["pointer"]: each["code"] for each in body["errors"]}


def test_each_day_says_whether_it_is_worked_and_where_that_is_from(coordinator: httpx.Client) -> None:
    assert days(coordinator, "2026-10-09", "2026-10-11") == [
        {"day": "2026-10-09", "working": True, "source": None, "provisional": False},
        {"day": "2026-10-10", "working": True, "source": "State Council notice", "provisional": False},
        {"day": "2026-10-11", "working": False, "source": None, "provisional": False},
    ]
    edges = days(coordinator, "2016-12-31", "2017-01-01") + days(coordinator, "2026-12-31", "2027-01-01")
    assert [each["provisional"] for each in edges] == [True, False, False, True]


def test_without_a_span_it_is_the_rest_of_the_year(short: httpx.Client) -> None:
    seen = short.get(DAYS).json()
    assert seen["items"][0]["day"] == str(today())
    assert seen["items"][-1]["day"] == f"{today().year}-12-31"
    for span in ({"from": "2026-02-02", "to": "2026-02-01"}, {"from": "2026-01-01", "to": "2027-12-31"}):
        assert faults(short.get(DAYS, params=span), "validation_failed") == {"to": "days_out_of_range"}
    for wrong in ("2026-02-30", "0", "1790000000", "tomorrow"):
        assert faults(short.get(DAYS, params={"from": wrong}), "validation_failed").keys() == {"from"}


def test_it_warns_of_its_end_in_both_languages_and_counts_the_days(short: httpx.Client) -> None:
    seen = short.get(DAYS).json()
    assert (seen["known_until"], seen["days_left"]) == (str(today() - DAY), -1)
    assert CHINESE.search(seen["warning_zh"])
    assert "one-window calendar import" in seen["warning_en"]
    assert "one_window_calendar_known_days -1.0\n" in short.get("/metrics").text
    for year in (today().year, today().year + 1):
        known = import_(short, notice(year)).json()
    assert (known["warning_zh"], known["warning_en"]) == (None, None)
    assert known["known_until"] == f"{today().year + 1}-12-31"


@pytest.mark.parametrize("form", [dict, sheet])
def test_a_year_is_imported_as_its_notice_has_it(coordinator: httpx.Client, service: Running, form: Any) -> None:
    body = notice(UNKNOWN_YEAR, [date(UNKNOWN_YEAR, 2, 5)], [date(UNKNOWN_YEAR, 10, 9)])
    answer = import_(coordinator, form(body))
    assert answer.status_code == 200, answer.text
    imported = answer.json()
    assert (imported["year"], imported["known_until"]) == (UNKNOWN_YEAR, "2027-12-31")
    assert {each["day"]: each["working"] for each in imported["changes"]} == {
        "2027-01-01": False,
        "2027-02-05": False,
        "2027-10-01": False,
        "2027-10-09": True,
    }, "5-1, 10-2 and 10-3 are weekends of that year"
    assert all(each["working"] != each["working_before"] for each in imported["changes"])
    assert imported["working_days"] == 261 - 3 + 1
    assert days(coordinator, "2027-02-05", "2027-02-06") == [
        {"day": "2027-02-05", "working": False, "source": NOTICE, "provisional": False},
        {"day": "2027-02-06", "working": False, "source": None, "provisional": False},
    ]
    (note,) = fetch(service.url, select(calendar_change))
    assert (note["first_day"], note["last_day"]) == (date(2027, 1, 1), date(2027, 12, 31))
    assert note["changed_by"].startswith("key:")


def test_an_import_takes_the_place_of_what_its_year_had_and_may_name_the_december_before(short: httpx.Client) -> None:
    year = today().year + 1
    for body in (notice(year - 1), notice(year, next_weekdays(1, date(year, 6, 1)))):
        assert import_(short, body).status_code == 200
    again = notice(year)
    again["days"].append({"day": f"{year - 1}-12-31", "working": False})
    changed = {each["day"]: each["working"] for each in import_(short, again).json()["changes"]}
    assert changed == {
        str(next_weekdays(1, date(year, 6, 1))[0]): True,
        **({f"{year - 1}-12-31": False} if date(year - 1, 12, 31).weekday() < 5 else {}),
    }
    (last,) = days(short, f"{year - 1}-12-31", f"{year - 1}-12-31")
    assert (last["working"], last["source"]) == (False, NOTICE)


def test_the_same_year_again_changes_nothing_and_a_repeat_gets_the_first_answer(
    coordinator: httpx.Client, service: Running
) -> None:
    body, key = notice(UNKNOWN_YEAR), uuid4().hex
    first = import_(coordinator, body, key)
    assert first.json()["changes"]
    kept_then = kept(service.url)
    assert import_(coordinator, body, key).content == first.content
    assert import_(coordinator, body).json()["changes"] == []
    assert kept(service.url) == kept_then
    other = import_(coordinator, notice(UNKNOWN_YEAR, [date(2027, 2, 5)]), key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert kept(service.url) == kept_then


WRONG_DAYS: list[tuple[list[dict[str, Any]], dict[str, str]]] = [
    ([{"day": "2026-11-30", "working": False}], {"day": "day_outside_year"}),
    ([{"day": "2028-01-01", "working": False}], {"day": "day_outside_year"}),
    ([{"day": "2027-05-03", "working": False}] * 2, {"day": "day_twice"}),
    ([{"day": "2027-02-08", "working": True}], {"day": "make_up_on_weekday"}),
]


@pytest.mark.parametrize(("wrong", "said_of"), WRONG_DAYS, ids=lambda each: str(each))
def test_a_notice_with_a_wrong_day_is_refused_whole(
    coordinator: httpx.Client, service: Running, wrong: list[dict[str, Any]], said_of: dict[str, str]
) -> None:
    before, body = kept(service.url), notice(UNKNOWN_YEAR)
    body["days"] += wrong
    place = len(body["days"]) - 1
    expected = {f"/days/{place}/day": said_of["day"]}
    assert faults(import_(coordinator, body), "validation_failed") == expected
    if wrong[0]["day"] < "2028":  # the sheet's year is that of its last day
        expected = {f"/{place + 2}/day": said_of["day"]}
        assert faults(import_(coordinator, sheet(body)), "sheet_refused") == expected
    assert kept(service.url) == before


def test_a_year_that_is_not_whole_or_leaves_a_gap_is_refused(coordinator: httpx.Client, service: Running) -> None:
    before = kept(service.url)
    part = {"year": 2027, "source": NOTICE, "days": [{"day": "2027-01-01", "working": False}]}
    answer = import_(coordinator, part)
    assert faults(answer, "validation_failed") == {"/days": "public_holiday_missing"}
    assert [each["detail"][:10] for each in answer.json()["errors"]] == ["2027-10-01"], "the others are weekends"
    assert faults(import_(coordinator, notice(2028)), "validation_failed") == {"/year": "year_leaves_gap"}
    assert faults(import_(coordinator, notice(2016)), "validation_failed")["/year"] == "year_leaves_gap"
    assert kept(service.url) == before


def test_every_fault_of_a_sheet_is_told_at_once_with_its_row(coordinator: httpx.Client, service: Running) -> None:
    before = kept(service.url)
    rows = ["day,working,source", "2027/1/1,放假,通知", "2027-02-30,false,通知", "1,maybe,", "2027-10-01,FALSE"]
    answer = import_(coordinator, "\n".join(rows))
    assert faults(answer, "sheet_refused").keys() == {"/3/day", "/4/day", "/4/working", "/4/source", "/5"}
    for wrong in (
        "day,working,source\n9999-12-31,false,x\n",
        "",
        "a,b,c\n",
        "day,working\n2027-01-01,false\n",
        "day,working,source\n",
    ):
        assert faults(import_(coordinator, wrong), "sheet_refused")
    answer = coordinator.post(DAYS, content="日期,上班,依据".encode("gbk"), headers=CSV)
    assert "UTF-8" in answer.json()["errors"][0]["detail"]
    answer = coordinator.post(DAYS, content=b"x", headers={"content-type": "text/plain"})
    assert answer.status_code == 415
    assert kept(service.url) == before


def test_a_day_that_is_over_stays_as_it_was_counted(short: httpx.Client, database_url: str) -> None:
    before = kept(database_url)
    over = next(day for n in range(3, 9) if not is_off(day := today() - DAY * n))
    (was,) = days(short, over, over)
    asked = {"working": not was["working"], "source": "更正"}
    assert faults(short.put(f"{DAYS}/{over}", json=asked), "validation_failed") == {"day": "day_past"}
    body = notice(over.year, *([over], []) if was["working"] else ([], [over]))
    place = next(n for n, each in enumerate(body["days"]) if each["day"] == str(over))
    assert faults(import_(short, body), "validation_failed") == {f"/days/{place}/day": "day_past"}
    assert kept(database_url) == before


def test_today_and_every_known_day_to_come_can_be_set_by_itself(short: httpx.Client, database_url: str) -> None:
    asked = {"working": False, "source": "台风停工"}
    answer = short.put(f"{DAYS}/{today()}", json=asked)
    assert faults(answer, "validation_failed") == {"day": "day_not_known"}, "its year comes first"
    for year in (today().year, today().year + 1):
        assert import_(short, notice(year)).status_code == 200
    (weekday,) = next_weekdays(1)
    for day in (today(), weekday):
        (was,) = days(short, day, day)
        answer = short.put(f"{DAYS}/{day}", json={**asked, "working": not was["working"]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["changes"] == [
            {"day": str(day), "working_before": was["working"], "working": not was["working"]}
        ]
        assert days(short, day, day) == [{**was, "working": not was["working"], "source": "台风停工"}]
    counted = fetch(database_url, select(revision))
    again = short.put(
        f"{DAYS}/{weekday}", json={"working": days(short, weekday, weekday)[0]["working"], "source": "另文"}
    )
    assert again.json()["changes"] == []
    assert days(short, weekday, weekday)[0]["source"] == "另文"
    assert fetch(database_url, select(revision)) == counted, "nobody has to look at it anew"


def test_what_is_exported_can_be_imported_and_is_shown(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "2026.csv"
    said("calendar", "export", "2026", str(file), database=database_url)
    assert file.read_text("utf-8").splitlines()[:3] == [
        "day,working,source",
        "2026-01-01,false,State Council notice",
        "2026-01-02,false,State Council notice",
    ]
    before = kept(database_url)
    printed = said("calendar", "import", str(file), database=database_url)
    assert printed.startswith("2026: 0 days changed, 248 working days in all; known until 2026-12-31.")
    assert [row["working"] for row in kept(database_url)[0]] == [row["working"] for row in before[0]]
    shown = said("calendar", "show", "2026", database=database_url)
    assert "2026-10-10" in shown
    assert "2026-10-12" not in shown
    assert "248 working days in 2026; known from 2017-01-01 to 2026-12-31." in shown
    next_year = tmp_path / "2027.csv"
    next_year.write_text(sheet(notice(2027)), "utf-8")
    assert "2027-01-01 Fri off" in said("calendar", "import", str(next_year), database=database_url)


def test_a_command_that_is_refused_says_why(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("day,working,source\n2027-01-01,maybe,x\n", "utf-8")
    assert "row 2, column working" in refused(one_window_here("calendar", "import", str(file), database=database_url))
    gone = str(tmp_path / "none.csv")
    assert "can't be read" in refused(one_window_here("calendar", "import", gone, database=database_url))
    folder = str(tmp_path)
    assert "can't be written" in refused(one_window_here("calendar", "export", "2026", folder, database=database_url))
