"""What a request as taken in is checked for beyond its shape: plain sentences that point to the field; pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, timedelta

from app.identifiers import utc_text
from app.identity import (
    is_account,
    is_misread_card,
    is_phone,
    normalise_account,
    normalise_resident_id,
    resident_id_birth_date,
    resident_id_fault,
)
from app.problems import FieldError, Text
from app.registry import Snapshot
from app.routing.rules import local_day
from app.schemas import Applicant, Consent, Facts, Helper, Identified, IdType, NeedIn, Obligor, RequestIn
from app.steps import InSteps, Steps

_OLDEST_AGE = 120
_CLOCK_TOLERANCE = timedelta(minutes=5)
_CHINESE_ID_TYPES = (IdType.RESIDENT_ID, IdType.HMT_RESIDENCE_PERMIT)
_ID_FAULTS = {
    "shape": Text(
        "身份证号码应为 17 位数字加一位数字或 X;没有证件可以留空。",
        "An identity number is 17 digits and a digit or X; leave it out if the person has none.",
    ),
    "birth_date": Text(
        "身份证号码第 7 至 14 位不是有效的出生日期,请核对。",
        "Digits 7 to 14 of the identity number are no date of birth; check them.",
    ),
    "check_digit": Text(
        "身份证号码的校验位不符,多半是抄错了一位,请核对;没有证件可以留空。",
        "The check digit of the identity number is wrong, most likely one digit was misread; "
        "leave it out if the person has none.",
    ),
}
_BORN_LATER = Text("出生日期在今天之后,请核对。", "The date of birth is after today; check it.")
_DISASTER_LATER = Text("受灾日期在今天之后,请核对。", "The date of the disaster is after today; check it.")
_VERY_OLD = Text("年龄超过 120 岁,请核对。", "The age is over 120; please check it.")
_DIFFERENT_BIRTH_DATE = Text(
    "出生日期与身份证号码不一致,请核对。", "The date of birth differs from the identity number; please check them."
)
_PHONE = Text(
    "电话号码打不通:应为手机号、带区号的座机或短号;没有电话可以留空。",
    "That is no telephone number: give a mobile, a landline with its area code, or leave it out.",
)
_ACCOUNT = Text(
    "银行账号应为 8 至 32 位数字;没有可以不填。",
    "A bank account's number is 8 to 32 digits; leave the account out if there is none.",
)
_MISREAD_CARD = Text(
    "若是银行卡号,校验位不符,可能抄错了一位,请核对;存折账号可不理会。",
    "If it is a card's number, its check digit is wrong: perhaps one digit was misread. A passbook's has none.",
)
_NO_SUCH_TEXT = Text(
    "没有这个版本的同意书;见 GET /v1/consent-texts,现行版本可以不填。",
    "This text has no such version: GET /v1/consent-texts lists them; leave it out for the one in force.",
)
_NEEDS = Text(
    "代码见 GET /v1/needs;说不清找谁就用 undetermined。",
    "GET /v1/needs lists the codes; use undetermined when nobody can tell.",
)
_TWICE = Text(
    "同一求助需求已经列出;请合写在一项的说明里。", "This need is listed already; put both into one item's details."
)


@InSteps
def errors_of(asked: RequestIn, snapshot: Snapshot, at: datetime) -> Steps[list[FieldError]]:
    """Every reason why the request can't be stored as it is; `at` is now, UTC."""
    today, people = local_day(at), dict(people_of(asked))
    errors = [*code_errors(asked.division_code, asked.needs, snapshot), *fact_errors(asked.facts, asked.needs, today)]
    yield
    errors += [error for pointer, person in people.items() for error in person_errors(pointer, person, today)]
    yield
    return [*errors, *consent_errors(asked.consents, people, snapshot, at)]


def warnings_of(asked: RequestIn, today: date) -> list[FieldError]:
    """What a clerk should look at again; the request is stored all the same."""
    warnings = []
    for pointer, person in people_of(asked):
        number = person.id_number
        in_number = (
            resident_id_birth_date(normalise_resident_id(number))
            if number and person.id_type in _CHINESE_ID_TYPES
            else None
        )
        born = person.birth_date or in_number
        if born and _age(born, today) > _OLDEST_AGE:
            field = "birth_date" if person.birth_date else "id_number"
            warnings.append(FieldError(f"{pointer}/{field}", "very_old", _VERY_OLD))
        if person.birth_date and in_number and person.birth_date != in_number:
            warnings.append(FieldError(f"{pointer}/birth_date", "birth_date_differs", _DIFFERENT_BIRTH_DATE))
    account = asked.applicant.bank_account
    if account and is_misread_card(normalise_account(account.number)):
        warnings.append(FieldError("/applicant/bank_account/number", "card_number_doubtful", _MISREAD_CARD))
    return warnings


def people_of(asked: RequestIn) -> Iterator[tuple[str, Identified]]:
    yield "/applicant", asked.applicant
    if asked.helper:
        yield "/helper", asked.helper
    for position, member in enumerate(asked.household):
        yield f"/household/{position}", member
    for position, obligor in enumerate(asked.obligors):
        yield f"/obligors/{position}", obligor


def unknown_division(pointer: str, code: str) -> FieldError:
    return FieldError(
        pointer,
        "unknown_division",
        Text(
            f"没有区划代码 {code};请用 GET /v1/divisions 查县(6 位)或乡镇(9 位)代码。",
            f"There is no division {code}; GET /v1/divisions lists counties (6 digits) and townships (9 digits).",
        ),
    )


def unknown_code(pointer: str, kind: str, code: str, known: list[str], hint: Text) -> FieldError:
    close = difflib.get_close_matches(code, known, 1)
    maybe = Text(f"是否指 {close[0]}?", f"Did you mean {close[0]}? ") if close else Text("", "")
    return FieldError(
        pointer,
        f"unknown_{kind}",
        Text(f"没有代码 {code}。{maybe.zh}{hint.zh}", f"There is no code {code}. {maybe.en}{hint.en}"),
    )


def code_errors(division_code: str, needs: Sequence[NeedIn], snapshot: Snapshot) -> Iterator[FieldError]:
    """Codes that do not exist, and needs that are listed twice."""
    if division_code not in snapshot.divisions:
        yield unknown_division("/division_code", division_code)
    seen: set[str] = set()
    for position, need in enumerate(needs):
        pointer = f"/needs/{position}/code"
        if need.code not in snapshot.needs:
            yield unknown_code(pointer, "need", need.code, list(snapshot.needs), _NEEDS)
        elif need.code in seen:
            yield FieldError(pointer, "need_listed_twice", _TWICE)
        seen.add(need.code)


def fact_errors(facts: Facts, needs: Sequence[NeedIn], today: date) -> Iterator[FieldError]:
    """Declared facts that can't be so on the day of registration."""
    declared = [("/facts", facts), *((f"/needs/{position}/facts", need.facts) for position, need in enumerate(needs))]
    for pointer, each in declared:
        if each.disaster_date and each.disaster_date > today:
            yield FieldError(f"{pointer}/disaster_date", "disaster_date_in_future", _DISASTER_LATER)


def person_errors(pointer: str, person: Identified, today: date) -> Iterator[FieldError]:
    """Numbers and dates that can't be right."""
    if person.id_number and person.id_type in _CHINESE_ID_TYPES:
        fault = resident_id_fault(normalise_resident_id(person.id_number), today)
        if fault:
            yield FieldError(f"{pointer}/id_number", f"id_number_{fault}", _ID_FAULTS[fault])
    if person.birth_date and person.birth_date > today:
        yield FieldError(f"{pointer}/birth_date", "birth_date_in_future", _BORN_LATER)
    if isinstance(person, Applicant | Helper | Obligor) and person.phone and not is_phone(person.phone):
        yield FieldError(f"{pointer}/phone", "phone_malformed", _PHONE)
    account = person.bank_account if isinstance(person, Applicant) else None
    if account and not is_account(normalise_account(account.number)):
        yield FieldError(f"{pointer}/bank_account/number", "bank_account_malformed", _ACCOUNT)


def consent_errors(
    consents: Sequence[Consent], people: Collection[str], snapshot: Snapshot, at: datetime
) -> Iterator[FieldError]:
    """`people` are the pointers of those whom the request names."""
    for position, consent in enumerate(consents):
        pointer = f"/consents/{position}"
        if f"/{consent.person}" not in people:
            yield FieldError(f"{pointer}/person", "consent_person_not_listed", _not_listed(consent.person))
        if not has_text(consent, snapshot):
            yield FieldError(f"{pointer}/text_version", "unknown_consent_text", _NO_SUCH_TEXT)
        if consent.given_at > at + _CLOCK_TOLERANCE:
            text = Text(
                f"同意的时间在未来;服务器时间是 {utc_text(at)}。请核对。",
                f"The consent was given in the future; our clock says {utc_text(at)}. Check the time.",
            )
            yield FieldError(f"{pointer}/given_at", "given_at_in_future", text)


def has_text(consent: Consent, snapshot: Snapshot) -> bool:
    """Whether the text that it names is there; one that names none is to the text in force."""
    named = (consent.purpose, consent.text_version)
    return named[1] is None or any((each.purpose, each.version) == named for each in snapshot.consent_texts)


def _not_listed(person: str) -> Text:
    if person == "helper":
        return Text(
            "没有填写代办人;请填写 helper,或改写本人 applicant。",
            "This request has no helper: fill in `helper`, or name the applicant.",
        )
    return Text(
        f"没有列出 {person};第一位家庭成员是 household/0,第一位家庭外义务人是 obligors/0。请先列出,或改写他人。",
        f"There is no {person}; the first member listed is household/0, the first obligor obligors/0. List them, or name "
        "another person.",
    )


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
