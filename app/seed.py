"""The first content of an empty database: Jiangxi's divisions, departments, the need catalogue, the routing tables,
the working days, and the agencies of a county or of all. What is there already is left as it is."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import chinese_calendar
from sqlalchemy import Table, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import registry, versions
from app.agencies import NO_ENDPOINT
from app.deadlines import CHINA
from app.identifiers import now
from app.keeping import KINDS
from app.province import province_agencies
from app.routing.rows import row_of_rule
from app.routing.rules import RoutingTable
from app.routing.sheets import read_rules
from app.tables import (
    agency,
    agency_seat,
    aid_ceiling,
    consent_text,
    department,
    division,
    emergency_terms,
    living_standard,
    material,
    need,
    retention,
    revision,
    routing_table,
    rule,
    working_day,
)

FIRST_KNOWN_DAY, LAST_KNOWN_DAY = date(2017, 1, 1), date(2026, 12, 31)
WHOLE_PROVINCE = "all"
DATA = Path(__file__).parent / "data"
# The directory that is kept by hand: of 青原区, its city and its province. All others are placeholders.
BY_HAND = "agencies-360803.csv"
# Who was responsible before the reform of 2018-19, who after it, and who is now.
TABLES = ("routing-2017.csv", "routing-2019.csv", "routing.csv")
_BATCH = 2000
_PROVINCE, _XUNWU = "36", "360734"
_FROM_THE_FIRST = {"division_code": _PROVINCE, "valid_from": date(2017, 1, 1)}
# Examples for a county to write its own beside: those of `source` proposed are no law.
AID_RULES: dict[Table, list[dict[str, Any]]] = {
    emergency_terms: [
        {
            **_FROM_THE_FIRST,
            "sign_in_minutes": 10,
            "aid_target": "H:24",
            "aid_limit": "CD:3",
            "explanation_limit": "WD:3",
            "papers_limit": "WD:10",
            "source": "proposed; CD:3: 民政部 财政部 2026-01",
        }
    ],
    aid_ceiling: [
        {**_FROM_THE_FIRST, "kind": "yuan", "amount": "1000", "source": "Jiangxi 2017: a household and time"},
        {
            "division_code": _PROVINCE,
            "valid_from": date(2026, 1, 1),
            "kind": "months",
            "amount": "1",
            "source": "民政部 财政部 2026-01: a month of the local allowance",
        },
    ],
    living_standard: [
        {
            "division_code": _PROVINCE,
            "valid_from": date(2024, 12, 31),
            "urban": "798.10",
            "rural": "593.90",
            "source": "example: the national average at the end of 2024",
        },
        {
            "division_code": _XUNWU,
            "valid_from": date(2023, 1, 1),
            "urban": "825",
            "rural": "600",
            "source": "Xunwu 2023",
        },
    ],
}
Tell = Callable[[str, int], None]


async def seed(connection: AsyncConnection, county: str | None, tell: Tell = lambda what, rows: None) -> None:
    """Fill what is empty; `tell` hears of each table and its rows so far. `county` is a code or WHOLE_PROVINCE.

    Raises ValueError for a county that the province does not have.
    """
    if county is not None and county not in (WHOLE_PROVINCE, *_counties()):
        raise ValueError(
            f"there is no directory of county {county}; write a county's six digits, such as 360803, or {WHOLE_PROVINCE}"
        )
    if await connection.scalar(select(func.count()).select_from(revision)) == 0:
        await connection.execute(insert(revision), {"name": registry.REVISION, "value": 0})
    await _fill(connection, division, _divisions(), tell)
    await _fill(connection, department, _pick(department, _rows("departments.csv")), tell)
    await _fill(connection, material, _pick(material, _rows("materials.csv")), tell)
    await _fill(connection, need, _needs(), tell)
    await _fill(connection, working_day, _working_days(), tell)
    await _fill(connection, consent_text, _consent_texts(), tell)
    if await connection.scalar(select(func.count()).select_from(routing_table)) == 0:
        await _publish(connection, routing_tables(), tell)
    for table, rows in AID_RULES.items():
        await _fill(connection, table, iter(rows), tell)
    await _set_periods(connection, tell)
    of_revision = await registry.moved(connection)
    if county is not None:
        agencies = list(county_agencies(county))
        await _fill(connection, agency, iter(agencies), tell)
        await _fill(connection, agency_seat, (_seat(each, of_revision) for each in agencies), tell)


async def _fill(connection: AsyncConnection, table: Table, rows: Iterator[dict[str, Any]], tell: Tell) -> None:
    if await connection.scalar(select(func.count()).select_from(table)) == 0:
        filled = 0
        while batch := list(islice(rows, _BATCH)):
            await connection.execute(insert(table), batch)
            filled += len(batch)
            tell(table.name, filled)


def routing_tables() -> tuple[RoutingTable, ...]:
    """The dated tables in the order of their versions; each takes effect with its first day in China."""
    return tuple(_routing_table(version, name) for version, name in enumerate(TABLES, start=1))


def _routing_table(version: int, name: str) -> RoutingTable:
    with _open(name) as lines:
        rules = read_rules(lines)
    first_day = min(rule.effective_from for rule in rules)
    return RoutingTable(version, datetime.combine(first_day, time.min, CHINA).astimezone(UTC), rules)


async def _publish(connection: AsyncConnection, tables: tuple[RoutingTable, ...], tell: Tell) -> None:
    at = now()
    published = {"state": "published", "published_at": at, "published_by": "seed", "source": "seed"}
    published |= {"created_at": at, "created_by": "seed", "certificate": None}
    of_tables = [
        {
            **published,
            "version": each.version,
            "effective_from": each.effective_from,
            "checksum": versions.checksum_of(each.rules),
        }
        for each in tables
    ]
    await connection.execute(insert(routing_table), of_tables)
    rows = [row_of_rule(each, table.version) for table in tables for each in table.rules]
    await connection.execute(insert(rule), rows)
    tell(rule.name, len(rows))


def _divisions() -> Iterator[dict[str, Any]]:
    # Parents first, so that the foreign key holds at every row.
    for row in sorted(_rows("divisions.csv"), key=lambda each: len(each["code"])):
        yield {**row, "parent_code": row["parent_code"] or None}


def _needs() -> Iterator[dict[str, Any]]:
    own = ("code", "name_zh", "name_en", "law_class")
    for position, row in enumerate(_rows("needs.csv")):
        catalogue: dict[str, Any] = {name: text for name, text in row.items() if name not in own}
        for name in ("materials", "waived"):
            catalogue[name] = [code for code in row[name].split(";") if code]
        catalogue["emergency_variant"] = row["emergency_variant"] or None
        yield {**{name: row[name] for name in own}, "position": position, "catalogue": catalogue}


def county_agencies(county: str) -> Iterator[dict[str, Any]]:
    """Those that answer for a county, or for WHOLE_PROVINCE: as kept by hand, else with placeholders."""
    by_hand = {row["code"]: row for row in _rows(BY_HAND)}
    generated = {row["code"]: row for row in province_agencies(_rows("divisions.csv"), _rows("departments.csv"))}
    at = now()
    for row in (generated | by_hand).values():
        place = row["division_code"]
        if county == WHOLE_PROVINCE or place.startswith(county) or county.startswith(place):
            yield {**row, "phone": row["phone"] or None, "active": True, "created_at": at, **NO_ENDPOINT}


def _counties() -> set[str]:
    return {row["code"] for row in _rows("divisions.csv") if row["level"] == "county"}


def _seat(of_agency: dict[str, Any], of_revision: int) -> dict[str, Any]:
    names = ("department", "division_code", "active")
    return {"agency_code": of_agency["code"], "revision": of_revision, **{name: of_agency[name] for name in names}}


def _working_days() -> Iterator[dict[str, Any]]:
    """Every day on which the State Council's notices make a difference to Monday to Friday, and the last known day."""
    day = FIRST_KNOWN_DAY
    while day <= LAST_KNOWN_DAY:
        working = chinese_calendar.is_workday(day)
        if working != (day.weekday() < 5) or day == LAST_KNOWN_DAY:
            yield {"day": day, "working": working, "source": "State Council notice"}
        day += timedelta(days=1)


async def _set_periods(connection: AsyncConnection, tell: Tell) -> None:
    """Of the kinds that nobody has set, those of a later version too."""
    known = set((await connection.execute(select(retention.c.kind))).scalars())
    rows: list[dict[str, Any]] = [
        {"kind": kind, "period": kept.period, "minimum": kept.minimum, "source": kept.source}
        | {"set_by": "seed", "set_at": now(), "done_to": None, "swept_at": None}
        for kind, kept in KINDS.items()
        if kind not in known
    ]
    if rows:
        await connection.execute(insert(retention), rows)
        tell(retention.name, len(rows))


def _consent_texts() -> Iterator[dict[str, Any]]:
    for row in _rows("consent-texts.csv"):
        yield {**row, "version": int(row["version"]), "valid_from": date.fromisoformat(row["valid_from"])}


def _pick(table: Table, rows: Iterator[dict[str, str]]) -> Iterator[dict[str, Any]]:
    return ({column.name: row[column.name] for column in table.c} for row in rows)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with _open(name) as lines:
        yield from csv.DictReader(lines)


def _open(name: str) -> TextIO:
    return (DATA / name).open(encoding="utf-8", newline="")
