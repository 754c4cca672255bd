"""What the county sets for emergencies: duty lists, times, ceilings, allowances; dated, and in force everywhere at
once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import etags, registry
from app.checks import unknown_division
from app.jurisdictions import lies_in, within
from app.office import Office
from app.problems import FieldError, Problem, invalid
from app.rights import outside
from app.schemas_emergencies import AidRulesIn, DutyListIn
from app.tables import agency, aid_ceiling, division, duty_contact, emergency_terms, living_standard
from app.wire import to_json

_TABLES: Mapping[str, Table] = {"terms": emergency_terms, "ceilings": aid_ceiling, "standards": living_standard}


async def aid_rules(office: Office) -> dict[str, Any]:
    """`AidRules`: every row, by division and day."""
    async with office.database.reading_as_one() as connection:
        return await _aid_rules(connection)


async def set_aid_rules(
    office: Office, asked: AidRulesIn, if_match: str | None = None, *, place: str | None
) -> dict[str, Any]:
    """Add rows, in place of those of the same division and day; `AidRules`.

    Raises `precondition_failed` with what there is, `validation_failed`.
    """
    given = {name: [_row(each) for each in getattr(asked, name)] for name in _TABLES}
    async with office.database.writing() as connection:
        await registry.held(connection)
        _must_match(if_match, await _aid_rules(connection))
        known = set((await connection.execute(select(division.c.code))).scalars())
        if faults := list(_faults(given, known, place)):
            raise invalid(*faults)
        for name, table in _TABLES.items():
            for row in given[name]:
                same = (table.c.division_code == row["division_code"]) & (table.c.valid_from == row["valid_from"])
                await connection.execute(delete(table).where(same))
                await connection.execute(table.insert(), row)
        await registry.moved(connection)
        kept = await _aid_rules(connection)
    await office.registry.refresh()
    return kept


def tag_of(shown: Mapping[str, Any]) -> str:
    """The entity tag of a duty list, or of the rules, as they are shown."""
    return etags.of_content(to_json(shown))


def _must_match(if_match: str | None, current: Mapping[str, Any]) -> None:
    tag = tag_of(current)
    if if_match is not None and not etags.matches(if_match, tag):
        raise Problem("precondition_failed", headers={"ETag": tag}, extra={"current": current})


def _row(given: Any) -> dict[str, Any]:
    row: dict[str, Any] = given.model_dump()
    return row


def _faults(given: Mapping[str, list[dict[str, Any]]], known: set[str], place: str | None) -> Iterable[FieldError]:
    for name, rows in given.items():
        for position, row in enumerate(rows):
            pointer = f"/{name}/{position}/division_code"
            if row["division_code"] not in known:
                yield unknown_division(pointer, row["division_code"])
            elif not lies_in(row["division_code"], place):
                yield outside(pointer, place)


async def _aid_rules(connection: AsyncConnection) -> dict[str, Any]:
    return {name: await _rows(connection, table) for name, table in _TABLES.items()}


async def _rows(connection: AsyncConnection, table: Table) -> list[dict[str, Any]]:
    ordered = select(table).order_by(table.c.division_code, table.c.valid_from)
    return [_named(row) for row in (await connection.execute(ordered)).mappings()]


def _named(row: Mapping[Any, Any]) -> dict[str, Any]:
    """As JSON has it: `valid_from` is a date, which the wire knows as text."""
    return {str(name): value.isoformat() if isinstance(value, date) else value for name, value in row.items()}


async def duty_list(office: Office, agency_code: str, *, place: str | None) -> dict[str, Any]:
    """`DutyList`, in the order in which they are called. Raises `not_found`."""
    async with office.database.reading() as connection:
        await _must_be_there(connection, agency_code, place)
        return await _duty_list(connection, agency_code)


async def set_duty_list(
    office: Office, agency_code: str, asked: DutyListIn, if_match: str | None = None, *, place: str | None
) -> dict[str, Any]:
    """Replace an agency's whole list; `DutyList`. Raises `not_found`, `precondition_failed` with what there is."""
    async with office.database.writing() as connection:
        await registry.held(connection)
        await _must_be_there(connection, agency_code, place)
        _must_match(if_match, await _duty_list(connection, agency_code))
        await connection.execute(delete(duty_contact).where(duty_contact.c.agency_code == agency_code))
        for position, each in enumerate(asked.contacts):
            row = {"agency_code": agency_code, "position": position, **each.model_dump()}
            await connection.execute(duty_contact.insert(), row)
        await registry.moved(connection)
        kept = await _duty_list(connection, agency_code)
    await office.registry.refresh()
    return kept


async def _must_be_there(connection: AsyncConnection, agency_code: str, place: str | None) -> None:
    found = select(agency.c.code).where(agency.c.code == agency_code, *within(place, agency.c.division_code))
    if await connection.scalar(found) is None:
        raise Problem("not_found")


async def _duty_list(connection: AsyncConnection, agency_code: str) -> dict[str, Any]:
    names = [duty_contact.c[name] for name in ("office", "phone", "name", "hours")]
    ordered = select(*names).where(duty_contact.c.agency_code == agency_code).order_by(duty_contact.c.position)
    contacts = [_named(row) for row in (await connection.execute(ordered)).mappings()]
    return {"agency": agency_code, "contacts": contacts}
