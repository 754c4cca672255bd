"""Blind indexes of an applicant: who asks again is found by them, and nobody else can tell who it is; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.identity import normalise_resident_id, resident_id_birth_date
from app.sealing import Vault

_NO_DIGIT = re.compile(r"\D", re.ASCII)
_COUNTRY = "86"


def marks_of(applicant: Mapping[str, Any], vault: Vault) -> dict[str, bytes | None]:
    """`id_mark` of the identity number, `phone_mark`, and `person_mark` of name, date of birth and telephone together;
    None where something for it was not told."""
    number, phone = applicant.get("id_number"), applicant.get("phone")
    kind = applicant.get("id_type") or "resident_id"
    phone = phone_key(phone) if phone else None
    name, born = applicant.get("name"), applicant.get("birth_date")
    if number and kind == "resident_id":
        number = normalise_resident_id(number)
        born = born or resident_id_birth_date(number)
    return {
        "id_mark": vault.mark("id", kind, number) if number else None,
        "phone_mark": vault.mark("phone", phone) if phone else None,
        "person_mark": vault.mark("person", "".join(name.split()), str(born), phone)
        if name and born and phone
        else None,
    }


def phone_key(phone: str) -> str:
    """A number as it is looked up: digits, without the country's code or the dashes that some write."""
    digits = _NO_DIGIT.sub("", phone)
    return digits.removeprefix(f"00{_COUNTRY}").removeprefix(_COUNTRY) if len(digits) > 11 else digits
