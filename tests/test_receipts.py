"""The receipt number that is said on the phone, and the token of the QR code."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
from base64 import urlsafe_b64decode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.receipts import (
    RECEIPT_PATTERN,
    TOKEN_PATTERN,
    first_tracking_token,
    is_device_number,
    is_receipt_number,
    new_device_number,
    new_receipt_number,
    spoken,
    token_hash,
    tracking_token,
)

SECRET = b"a secret of tests, thirty-two and more"
NUMBER = "482109375521"
REQUEST = UUID("01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e")


@st.composite
def receipt_numbers(draw: st.DrawFn) -> str:
    """Ten digits and the two that make the whole 1 modulo 97 (ISO 7064 MOD 97-10)."""
    body = draw(st.integers(10**9, 10**10 - 1))
    return f"{body}{98 - body * 100 % 97:02}"


def test_a_new_number_has_twelve_digits_and_begins_with_two_or_more() -> None:
    for number in (new_receipt_number() for _ in range(500)):
        assert re.fullmatch(r"[2-9][0-9]{11}", number)
        assert not is_device_number(number)
        assert re.fullmatch(RECEIPT_PATTERN, number)
        assert is_receipt_number(number)
        assert int(number) % 97 == 1


def test_new_numbers_come_in_no_order_that_can_be_guessed() -> None:
    numbers = [new_receipt_number() for _ in range(1_000)]
    rising = sum(earlier < later for earlier, later in itertools.pairwise(numbers))
    assert len(set(numbers)) >= 998, "two may be alike: it is the database that lets none in twice"
    assert {number[0] for number in numbers} == set("23456789")
    assert 350 < rising < 650


@given(st.integers(2017, 2200))
def test_a_devices_number_begins_with_one_and_the_last_digit_of_its_year(year: int) -> None:
    number = new_device_number(year)
    assert re.fullmatch(r"1[0-9]{11}", number)
    assert number[1] == str(year)[-1]
    assert is_receipt_number(number)
    assert is_device_number(number)


def test_devices_numbers_come_in_no_order_that_can_be_guessed() -> None:
    numbers = [new_device_number(2026) for _ in range(1_000)]
    rising = sum(earlier < later for earlier, later in itertools.pairwise(numbers))
    assert len(set(numbers)) >= 998, "of a hundred million two may be alike (1 run in 200); what is given out is unique"
    assert 350 < rising < 650


@given(receipt_numbers())
def test_the_check_digits_find_every_single_misheard_digit(number: str) -> None:
    assert is_receipt_number(number)
    for at, right in enumerate(number):
        for wrong in set("0123456789") - {right}:
            assert not is_receipt_number(number[:at] + wrong + number[at + 1 :])


@given(receipt_numbers())
def test_the_check_digits_find_every_swap_of_neighbours(number: str) -> None:
    swaps = [number[:at] + number[at + 1] + number[at] + number[at + 2 :] for at in range(11)]
    assert [is_receipt_number(swap) for swap in swaps] == [swap == number for swap in swaps]


@pytest.mark.parametrize("text", ["", "0", "1", "97", "4821 0937 5521", "A21093755212", "1" * 11, "-48210937552"])
def test_what_is_no_receipt_number_is_none(text: str) -> None:
    assert not is_receipt_number(text)


@given(receipt_numbers())
def test_a_number_written_otherwise_is_no_receipt_number(number: str) -> None:
    fullwidth = "".join(chr(ord(digit) + 0xFEE0) for digit in number)
    for written in (fullwidth, f" {number}", f"{number}\n", f"0{number}", f"00{number}", spoken(number)):
        assert not is_receipt_number(written), written


@given(st.text(max_size=20))
def test_no_text_is_too_odd_to_be_asked_about(text: str) -> None:
    assert is_receipt_number(text) in (True, False)


def test_a_number_is_said_in_three_groups_of_four() -> None:
    assert spoken("482109375521") == "4821 0937 5521"


@given(receipt_numbers())
def test_the_groups_hold_the_same_digits(number: str) -> None:
    assert [len(group) for group in spoken(number).split(" ")] == [4, 4, 4]
    assert spoken(number).replace(" ", "") == number


@given(receipt_numbers(), st.binary(min_size=32, max_size=64))
def test_a_token_has_160_bits_and_fits_an_address(number: str, secret: bytes) -> None:
    token = tracking_token(secret, number)
    assert re.fullmatch(TOKEN_PATTERN, token)
    assert len(urlsafe_b64decode(token + "=")) * 8 == 160


def test_a_token_is_the_same_each_time_for_the_same_secret_and_number() -> None:
    assert tracking_token(SECRET, NUMBER) == tracking_token(bytes(SECRET), NUMBER)


@given(receipt_numbers(), receipt_numbers(), st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_token_is_another_for_another_secret_or_another_number(
    one: str, two: str, secret: bytes, other: bytes
) -> None:
    tokens = {tracking_token(key, number) for key in (secret, other) for number in (one, two)}
    assert len(tokens) == len({secret, other}) * len({one, two})


@given(receipt_numbers())
def test_a_token_does_not_show_the_number_it_belongs_to(number: str) -> None:
    token = tracking_token(SECRET, number)
    assert number not in token
    assert number.encode() not in urlsafe_b64decode(token + "=")


def test_a_token_of_before_is_derived_from_the_request() -> None:
    expected = hmac.digest(SECRET, b"tracking:" + REQUEST.bytes, "sha256")[:20]
    assert urlsafe_b64decode(first_tracking_token(SECRET, REQUEST.bytes) + "=") == expected


def test_what_is_stored_of_a_token_is_its_sha_256() -> None:
    token = tracking_token(SECRET, NUMBER)
    assert token_hash(token) == hashlib.sha256(token.encode("ascii")).digest()
    assert len(token_hash(token)) == 32
