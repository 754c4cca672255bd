"""Identity numbers by check digit and date only; telephone numbers that can be rung in China."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.checks import warnings_of
from app.identity import is_phone, normalise_resident_id, resident_id_birth_date, resident_id_fault
from app.schemas import RequestIn
from tests.examples import a_request

TODAY = date(2026, 11, 23)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_DIGITS = "10X98765432"


def check_digit(seventeen: str) -> str:
    """GB 11643-1999, reckoned with its own table of weights."""
    return CHECK_DIGITS[sum(int(digit) * weight for digit, weight in zip(seventeen, WEIGHTS, strict=True)) % 11]


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Any region, any real date of birth up to today, any sequence, and the check digit that belongs to them."""
    region = draw(st.integers(0, 999_999))
    born = draw(st.dates(date(1, 1, 1), TODAY))
    sequence = draw(st.integers(0, 999))
    seventeen = f"{region:06}{born.year:04}{born.month:02}{born.day:02}{sequence:03}"
    return seventeen + check_digit(seventeen)


def asked_by(id_number: str) -> RequestIn:
    return RequestIn.model_validate_json(json.dumps(a_request(applicant={"id_number": id_number})))


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("11010519491231002X", None),
        ("440524188001010014", None),
        ("360112199001010010", None),
        ("36012219700101123X", "check_digit"),
        ("110105194912310021", "check_digit"),
        ("110105194913310020", "birth_date"),
        ("110105194902290020", "birth_date"),
        ("110105000012310020", "birth_date"),
        ("", "shape"),
        ("110105194912310", "shape"),
        ("11010519491231002", "shape"),
        ("11010519491231002XX", "shape"),
        ("X10105194912310020", "shape"),
        ("11010519491231002x", "shape"),
        ("１1010519491231002X", "shape"),
        ("11010519491231002X\n", "shape"),
    ],
)
def test_a_number_is_judged_by_its_shape_its_date_and_its_check_digit(number: str, fault: str | None) -> None:
    assert resident_id_fault(number, TODAY) == fault


def test_a_leap_day_is_a_date_of_birth_in_a_leap_year_only() -> None:
    for year, fault in (("2000", None), ("1900", "birth_date"), ("2023", "birth_date"), ("2024", None)):
        seventeen = f"360803{year}0229123"
        assert resident_id_fault(seventeen + check_digit(seventeen), TODAY) == fault, year


def test_nobody_is_born_after_today() -> None:
    born_today, born_tomorrow = "36080320261123001", "36080320261124001"
    assert resident_id_fault(born_today + check_digit(born_today), TODAY) is None
    assert resident_id_fault(born_tomorrow + check_digit(born_tomorrow), TODAY) == "birth_date"


@given(numbers())
def test_every_number_with_a_real_date_and_its_check_digit_passes_whatever_its_region(number: str) -> None:
    assert resident_id_fault(number, TODAY) is None
    assert resident_id_birth_date(number) == date.fromisoformat(f"{number[6:10]}-{number[10:12]}-{number[12:14]}")


@given(numbers(), st.integers(0, 17), st.integers(1, 10))
def test_any_single_changed_digit_is_found(number: str, at: int, by: int) -> None:
    """ISO 7064 MOD 11-2 finds every single error; the seventeen may change to another digit, the last also to X."""
    choices = CHECK_DIGITS if at == 17 else "0123456789"
    other = choices[(choices.index(number[at]) + by) % len(choices)]
    changed = number[:at] + other + number[at + 1 :]
    assert (resident_id_fault(changed, TODAY) is None) == (changed == number)


@given(st.text(max_size=25))
def test_no_text_is_too_odd_to_be_judged(text: str) -> None:
    assert resident_id_fault(normalise_resident_id(text), TODAY) in (None, "shape", "birth_date", "check_digit")


def test_spaces_and_a_small_x_are_a_way_of_writing() -> None:
    assert normalise_resident_id("110105 19491231 002x ") == "11010519491231002X"


def test_an_age_beyond_belief_is_a_warning_that_points_to_the_number() -> None:
    (warning,) = warnings_of(asked_by("440524188001010014"), TODAY)
    assert (warning.pointer, warning.code) == ("/applicant/id_number", "very_old")


@pytest.mark.parametrize("number", ["360112199001010010", "11010519491231002X"])
def test_a_region_younger_than_the_birth_year_is_not_even_a_warning(number: str) -> None:
    assert warnings_of(asked_by(number), TODAY) == []


@pytest.mark.parametrize(
    "text",
    [
        *("13812345678", "19912345678", "+8613812345678", "138 1234 5678"),
        *("0796-8234567", "07968234567", "(0796)8234567", "010-88888888", "0791 8888 8888"),
        *("12345", "120", "110", "12333", "95598", "4008001234"),
    ],
)
def test_mobiles_landlines_with_their_area_code_and_public_short_numbers_are_taken(text: str) -> None:
    assert is_phone(text)


@pytest.mark.parametrize("text", ["", "0", "12", "call me", "abc", "-", "@", "021-12345678901", "1" * 30, "电话"])
def test_what_is_no_number_is_refused(text: str) -> None:
    assert not is_phone(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1381234567", "a mobile with a digit too few"),
        ("138123456789", "a mobile with a digit too many"),
        ("8234567", "a landline without its area code"),
        ("1-800-FLOWERS", "letters"),
        ("000", "no public short number"),
    ],
)
def test_a_number_that_can_not_be_rung_is_refused(text: str, why: str) -> None:
    assert not is_phone(text), why


@given(st.text(max_size=40))
def test_no_text_is_too_odd_to_be_asked_about(text: str) -> None:
    assert is_phone(text) in (True, False)
