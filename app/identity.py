"""Identity numbers of GB 11643-1999, telephone numbers, bank accounts: is it well-formed; pure."""

from __future__ import annotations

import re
from datetime import date

import phonenumbers
from phonenumbers import shortnumberinfo
from stdnum import luhn
from stdnum.cn.ric import calc_check_digit

_LETTER = re.compile(r"[A-Za-z]")
_MOBILE = re.compile(r"1[3-9]\d{9}", re.ASCII)
_ACCOUNT = re.compile(r"\d{8,32}", re.ASCII)
_CARD = re.compile(r"\d{16,19}", re.ASCII)
_SHAPE = re.compile(r"\d{17}[\dX]", re.ASCII)


def normalise_resident_id(number: str) -> str:
    return number.replace(" ", "").upper()


def resident_id_fault(number: str, today: date) -> str | None:
    """What is wrong with a normalised resident identity number: `shape`, `birth_date`, `check_digit`, or None.

    The region code is not looked at: codes have been redrawn since most elderly people got their number
    (GB 11643-1999; check digit ISO 7064 MOD 11-2). An age beyond belief is no fault either.
    """
    if not _SHAPE.fullmatch(number):
        return "shape"
    born = resident_id_birth_date(number)
    if born is None or born > today:
        return "birth_date"
    if calc_check_digit(number) != number[-1]:
        return "check_digit"
    return None


def resident_id_birth_date(number: str) -> date | None:
    """The date of birth in a normalised number; in one of 15 digits, or of another shape, there is none to be trusted."""
    if not _SHAPE.fullmatch(number):
        return None
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def is_phone(text: str) -> bool:
    """Whether a person in China can be rung there: mobile, landline with its area code, or a public short number."""
    if _MOBILE.fullmatch(text):
        return True
    if _LETTER.search(text):
        return False
    try:
        number = phonenumbers.parse(text, "CN")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) or shortnumberinfo.is_valid_short_number_for_region(number, "CN")


def normalise_account(number: str) -> str:
    return number.replace(" ", "").replace("-", "")


def is_account(number: str) -> bool:
    """Whether a normalised number may be one of a card, a passbook or another account of a Chinese bank."""
    return _ACCOUNT.fullmatch(number) is not None


def is_misread_card(number: str) -> bool:
    """Whether a normalised number has the length of a card's and not its check digit (ISO/IEC 7812-1). Passbooks have
    numbers of that length without one."""
    return _CARD.fullmatch(number) is not None and not luhn.is_valid(number)
