"""Receipt numbers given to devices in advance, so that a receipt is printed with no line, and the request that comes
with one later."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines import china_day
from app.identifiers import first_id, new_id, now, utc_text
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import FieldError, Problem, Text
from app.qr import drawn
from app.receipts import is_device_number, new_device_number, new_receipt_number, spoken, tracking_token
from app.repeats import Repeat, once
from app.tables import help_request, reserved_number
from app.wire import from_json

MOST_UNUSED_A_DAY = 500
_CLOCK_TOLERANCE = timedelta(minutes=5)
_REPLACED = Text(
    "终端给出的受理编号不能使用,已另给新编号;请把新编号告诉本人,旧编号作废。",
    "The receipt number that the device gave can't be used: another one was given. Tell the person, the old one is void.",
)
_ONLY_KIOSKS = Text("只有自助终端可以写这一项,请删去。", "Only a kiosk may say this, with its own key: leave it out.")


class Taken(NamedTuple):
    """The number of a new request, and what the device said of when it was asked for."""

    number: str
    taken_at: datetime | None
    warnings: list[FieldError]


async def reserve(office: Office, key: Key, count: int, repeat: Repeat | None) -> list[str]:
    """So many new numbers for the device of `key`. Raises `numbers_enough`, `idempotency_conflict`."""

    async def make(connection: AsyncConnection) -> dict[str, Any]:
        at = now()
        if await _unused(connection, key.holder, at) + count > MOST_UNUSED_A_DAY:
            raise Problem("numbers_enough")
        numbers: list[str] = []
        while len(numbers) < count:
            numbers += await _insert(connection, key.holder, count - len(numbers), at)
        return {"numbers": numbers}

    # Of the answer only the numbers are kept: their tokens open requests.
    numbers: list[str] = from_json(await once(office.database, repeat, make))["numbers"]
    return numbers


async def as_printed(office: Office, numbers: list[str], address: str) -> list[dict[str, Any]]:
    """`ReservedNumber`s: each with its token, and the QR code of the person's own page at `address`."""

    def printed() -> list[dict[str, Any]]:
        return [_printed(number, tracking_token(office.secret, number), address) for number in numbers]

    return await asyncio.to_thread(printed)


def _printed(number: str, token: str, address: str) -> dict[str, Any]:
    url = f"{address}/track/{token}"
    return {
        "receipt_number": number,
        "receipt_number_spoken": spoken(number),
        "tracking_token": token,
        "tracking_url": url,
        "qr": drawn(url),
    }


def faults_of(key: Key, number: str | None, taken_at: datetime | None) -> list[FieldError]:
    """Of whoever is no kiosk and says what only one may."""
    if key.role is KeyRole.KIOSK:
        return []
    given = {"receipt_number": number, "taken_at": taken_at}
    return [FieldError(f"/{name}", "only_for_kiosks", _ONLY_KIOSKS) for name, value in given.items() if value]


async def taken(office: Office, key: Key, number: str | None, taken_at: datetime | None, at: datetime) -> Taken:
    """Nobody is turned away for a number: where the one that a device gives can't be had, there is another."""
    warnings = []
    if taken_at is not None and taken_at > at + _CLOCK_TOLERANCE:
        warnings.append(FieldError("/taken_at", "taken_at_in_future", _ahead(at)))
    if number is None:
        return Taken(new_receipt_number(), taken_at, warnings)
    if is_device_number(number) and await _may_have(office, key.holder, number):
        return Taken(number, taken_at, warnings)
    warnings.append(FieldError("/receipt_number", "receipt_number_replaced", _REPLACED))
    return Taken(new_receipt_number(), taken_at, warnings)


def _ahead(at: datetime) -> Text:
    return Text(
        f"终端的时钟比服务器快;服务器时间是 {utc_text(at)}。请校准终端时钟。",
        f"The device's clock is ahead; ours says {utc_text(at)}. Set it.",
    )


async def _may_have(office: Office, holder: UUID, number: str) -> bool:
    """Whether it is unused, and this device's or nobody's: what is in no list was given before the database was restored
    from a backup, or so long ago that it was forgotten."""
    async with office.database.reading() as connection:
        return not await connection.scalar(is_refused(holder, number))


def is_refused(holder: UUID, number: str) -> Select[Any]:
    used = exists().where(help_request.c.receipt_number == number)
    of_other = exists().where(reserved_number.c.number == number, reserved_number.c.holder != holder)
    return select(used | of_other)


async def _unused(connection: AsyncConnection, holder: UUID, at: datetime) -> int:
    return await connection.scalar(unused_lately(holder, at)) or 0


def unused_lately(holder: UUID, at: datetime) -> Select[Any]:
    lately = reserved_number.c.id >= first_id(at - timedelta(days=1))
    unused = ~exists().where(help_request.c.receipt_number == reserved_number.c.number)
    some = select(reserved_number.c.id).where(reserved_number.c.holder == holder, lately, unused)
    limited = some.limit(MOST_UNUSED_A_DAY + 1).subquery()
    return select(func.count()).select_from(limited)


async def _insert(connection: AsyncConnection, holder: UUID, count: int, at: datetime) -> list[str]:
    """Those of as many drawn that nobody has."""
    year = china_day(at).year
    drawn_now = {new_device_number(year) for _ in range(count)}
    used = select(help_request.c.receipt_number).where(help_request.c.receipt_number.in_(drawn_now))
    drawn_now -= set((await connection.execute(used)).scalars())
    if not drawn_now:
        return []
    insert: Any = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(reserved_number)
    rows = [{"id": new_id(), "number": number, "holder": holder} for number in drawn_now]
    fresh = insert.values(rows).on_conflict_do_nothing(index_elements=["number"]).returning(reserved_number.c.number)
    return list((await connection.execute(fresh)).scalars())
