"""The facts that conditions speak of, as they are taken from a request: typed, of a need or of all, aged by a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing.facts import Facts, Value, facts_of, read_facts

DAY = date(2026, 11, 23)


def somebody(applicant: Mapping[str, Any], *needs: Mapping[str, Any], **declared: Any) -> dict[str, Any]:
    return {"applicant": applicant, "facts": declared, "needs": needs or ({"code": "help"},)}


def age(day: date, **applicant: Any) -> Value | None:
    return facts_of("360803101", somebody(applicant), day).declared.get("age")


@pytest.mark.parametrize(
    ("day", "years"),
    [
        (date(2026, 11, 22), 79),
        (date(2026, 11, 23), 80),
        (date(2026, 11, 24), 80),
        (date(2026, 1, 1), 79),
        (date(2026, 12, 31), 80),
        (date(1946, 11, 23), 0),
        (date(1946, 11, 22), None),
    ],
)
def test_a_person_is_a_year_older_on_the_birthday(day: date, years: int | None) -> None:
    assert age(day, birth_date="1946-11-23") == years
    assert age(day, id_type="resident_id", id_number="110105194611230026") == years


@pytest.mark.parametrize(
    ("day", "years"),
    [
        (date(2023, 2, 28), 78),
        (date(2023, 3, 1), 79),
        (date(2024, 2, 28), 79),
        (date(2024, 2, 29), 80),
        (date(2024, 3, 1), 80),
    ],
)
def test_who_was_born_on_29_february_is_a_year_older_on_1_march_where_there_is_no_29th(day: date, years: int) -> None:
    assert age(day, birth_date="1944-02-29") == years


@given(st.dates(date(1900, 1, 1), DAY), st.integers(0, 40_000))
def test_the_age_is_the_number_of_birthdays_that_have_been(born: date, days: int) -> None:
    day = born + timedelta(days=days)
    birthdays = [each for each in range(born.year + 1, day.year + 1) if (each, born.month, born.day) <= day.timetuple()]
    assert age(day, birth_date=born.isoformat()) == len(birthdays)


@pytest.mark.parametrize(
    ("applicant", "years"),
    [
        ({}, None),
        ({"birth_date": None, "id_number": None}, None),
        ({"birth_date": "2026-11-24"}, None),
        ({"birth_date": "2026-11-23"}, 0),
        ({"birth_date": "1950-01-01", "id_type": "resident_id", "id_number": "11010519491231002X"}, 76),
        ({"id_type": "resident_id", "id_number": "11010519491231002X"}, 76),
        ({"id_type": "resident_id", "id_number": " 110105 19491231 002x "}, 76),
        ({"id_type": "hmt_residence_permit", "id_number": "810000199408230021"}, 32),
        ({"id_type": "passport", "id_number": "11010519491231002X"}, None),
        ({"id_type": "other", "id_number": "11010519491231002X"}, None),
        ({"id_number": "11010519491231002X"}, None),
        ({"id_type": "resident_id", "id_number": "110105194902300020"}, None),
        ({"id_type": "resident_id", "id_number": "110105202611240020"}, None),
        # Of 15 digits: born 1920-12-11, in a number that has 2012-11-15 where the longer ones have the date.
        ({"id_type": "resident_id", "id_number": "360102201211151"}, None),
        ({"id_type": "resident_id", "id_number": "1101051_940101002X"}, None),
        ({"id_type": "resident_id", "id_number": "?"}, None),
    ],
)
def test_the_age_is_by_the_date_of_birth_else_by_the_identity_number_else_unknown(
    applicant: Mapping[str, Any], years: int | None
) -> None:
    assert age(DAY, **applicant) == years


def test_facts_are_typed_and_what_is_no_fact_of_the_table_or_not_declared_is_passed_over() -> None:
    declared: dict[str, Any] = {
        "residence": "rural",
        "recognised_status": ["orphan", "veteran"],
        "household_size": 4,
        "monthly_income_yuan": "1234.50",
        "disaster_date": "2026-11-20",
        "disability_grade": None,
        "illness": "flu",
        "nobody_thought_of_this": 1,
    }
    assert facts_of("360803101", somebody({"name": "测试甲"}, **declared), DAY).known_for("help") == {
        "residence": "rural",
        "recognised_status": frozenset({"orphan", "veteran"}),
        "household_size": 4,
        "monthly_income_yuan": Decimal("1234.50"),
        "disaster_date": date(2026, 11, 20),
        "days_since_disaster": 3,
    }
    assert facts_of("360803101", {"applicant": {}, "needs": [{"code": "help"}]}, DAY).declared == {}


def test_no_status_at_all_is_known_and_no_answer_is_not() -> None:
    assert read_facts({"recognised_status": []}, DAY) == {"recognised_status": frozenset()}
    assert read_facts({"recognised_status": None}, DAY) == {}


def test_what_is_declared_for_a_need_goes_before_what_is_declared_for_the_request_and_for_no_other_need() -> None:
    needs = (
        {"code": "one", "facts": {"out_of_pocket_yuan": "5.00", "residence": None}},
        {"code": "two", "facts": {}},
        {"code": "three"},
    )
    born = {"birth_date": "1950-01-01"}
    facts = facts_of("360803101", somebody(born, *needs, out_of_pocket_yuan="1.00", residence="rural"), DAY)
    assert facts.needs == ("one", "two", "three")
    assert facts.known_for("one") == {"age": 76, "residence": "rural", "out_of_pocket_yuan": Decimal("5.00")}
    for need in ("two", "three", "unheard_of"):
        assert facts.known_for(need) == {"age": 76, "residence": "rural", "out_of_pocket_yuan": Decimal("1.00")}


@pytest.mark.parametrize(
    ("of_request", "of_need", "days"),
    [
        (None, None, None),
        ("2026-11-23", None, 0),
        ("2026-11-22", None, 1),
        ("2025-11-23", None, 365),
        ("2026-11-24", None, None),
        (None, "2026-11-13", 10),
        ("2026-11-22", "2026-11-13", 10),
        ("2026-11-22", "2026-11-24", None),
    ],
)
def test_days_since_a_disaster_are_counted_from_the_day_that_is_declared_nearest(
    of_request: str | None, of_need: str | None, days: int | None
) -> None:
    need = {"code": "help", "facts": {"disaster_date": of_need}}
    known = facts_of("360803101", somebody({}, need, disaster_date=of_request), DAY).known_for("help")
    assert known.get("days_since_disaster") == days
    assert known.get("disaster_date") == (date.fromisoformat(day) if (day := of_need or of_request) else None)


def test_who_declares_nothing_is_known_for_nothing() -> None:
    assert Facts("360803101", ("help",)).known_for("help") == {}
