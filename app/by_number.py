"""The person's way to their own page without the QR code: the receipt number, and the last digits of a telephone they gave.

Four digits are few: of one number five wrong pairs may be tried at once, then one after a minute, two, four, and so on,
up to a week. What is counted is what was typed, so that nobody learns whether there is such a number; and a try is counted
before it is looked at, so that many at once get no further than one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.identifiers import new_id, now
from app.loading import stored_case
from app.marks import phone_key
from app.office import Office
from app.problems import Problem, Text
from app.receipts import token_that_opens
from app.sealing import PERSON
from app.tables import help_request, look_up_try

PHONE_DIGITS = 4
_TRIES_AT_ONCE = 5
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(days=7)
_FORGOTTEN_AFTER = timedelta(days=60)
_TOO_MANY = Text(
    "这个编号试的次数太多,暂停查询。请扫回执上的二维码,或带受理编号到窗口、打热线查询。",
    "This number was tried too often, and rests for a while. Scan the QR code on your receipt, or ask at a window or by the "
    "hotline with your receipt number.",
)


def wait_after(tries: int) -> timedelta:
    """How long a number rests after so many wrong pairs in a row."""
    if tries < _TRIES_AT_ONCE:
        return timedelta()
    return min(_FIRST_WAIT * (1 << min(tries - _TRIES_AT_ONCE, 20)), _LONGEST_WAIT)


async def token_of(office: Office, number: str, phone_end: str) -> str | None:
    """The tracking token of the request that has this receipt number, if these are the last digits of the applicant's
    telephone or the helper's; None where any of it is wrong. Raises `too_many_requests`."""
    await office.registry.current()  # whose loading opens the vault
    mark = hmac.digest(office.secret, b"tracked-by-number:" + number.encode(), hashlib.sha256)
    async with office.database.writing() as connection:
        await _count_a_try(connection, mark, now())
    async with office.database.reading() as connection:
        row = (await connection.execute(_with(number))).mappings().first()
        if row is None:
            box, _ = office.vault.new_box(new_id().bytes)  # as much work as for one that is there
            box.unseal(box.seal({"applicant": {"phone": phone_end}}, PERSON), PERSON)
            return None
        person = stored_case(connection, row).person
    same = [hmac.compare_digest(each[-PHONE_DIGITS:], phone_end) for each in _phones(person)]
    if not any(same):
        return None
    token = token_that_opens(office.secret, number, row["id"].bytes, row["tracking_hash"])
    if token is None:
        return None
    async with office.database.writing() as connection:
        await connection.execute(delete(look_up_try).where(look_up_try.c.mark == mark))
    return token


def _with(number: str) -> Select[Any]:
    return select(help_request).where(help_request.c.receipt_number == number, help_request.c.erased_at.is_(None))


def _phones(person: Mapping[str, Any]) -> Iterator[str]:
    for who in ("applicant", "helper"):
        digits = phone_key((person.get(who) or {}).get("phone") or "")
        if len(digits) >= PHONE_DIGITS:
            yield digits


async def _count_a_try(connection: AsyncConnection, mark: bytes, at: datetime) -> None:
    """Raises `too_many_requests` where the number rests."""
    kept = look_up_try.c
    await connection.execute(delete(look_up_try).where(kept.next_at < at - _FORGOTTEN_AFTER))
    insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(look_up_try)
    await connection.execute(insert.on_conflict_do_nothing(), {"mark": mark, "tries": 0, "next_at": at})
    row = (await connection.execute(select(look_up_try).where(kept.mark == mark).with_for_update())).first()
    if row is None:  # found at this very moment, by another call: its tries begin anew
        return
    if row.next_at > at:
        seconds = int((row.next_at - at).total_seconds()) + 1
        raise Problem("too_many_requests", _TOO_MANY, headers={"Retry-After": str(seconds)})
    tries = row.tries + 1
    counted = update(look_up_try).where(kept.mark == mark)
    await connection.execute(counted.values(tries=tries, next_at=at + wait_after(tries)))
