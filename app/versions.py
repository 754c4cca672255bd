"""Versions of the routing table: drafted, proved, published, tried on what came before, and verified."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app import registry
from app.db import Database
from app.jurisdictions import within
from app.problems import FieldError, Problem, Text, invalid, unavailable
from app.registry import Snapshot
from app.routing.check import World, check
from app.routing.decide import RoutingDecision, decide
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts, facts_of
from app.routing.findings import Certificate, Finding
from app.routing.rows import row_of_rule
from app.routing.rules import RoutingTable, Rule, in_force, local_day
from app.sealing import PERSON, vault_of
from app.tables import (
    agency,
    agency_seat,
    api_key,
    department,
    division,
    help_request,
    material,
    need,
    routing_table,
    rule,
)
from app.wire import to_json

_BATCH = 500
_PUBLISHING_TRIES = 3
# Where a request may be registered: a county or a township.
_PLACES = (6, 9)


@dataclass(frozen=True, slots=True)
class Version:
    """A whole table with its state; `table` is immutable, also as a draft."""

    number: int
    state: str
    table: RoutingTable
    checksum: str
    source: str
    created_at: datetime
    created_by: str
    published_at: datetime | None
    published_by: str | None
    certificate: Mapping[str, Any] | None

    def summary(self) -> dict[str, Any]:
        names = ("state", "checksum", "source", "created_at", "created_by", "published_at", "published_by")
        return {
            "version": self.number,
            "effective_from": self.table.effective_from,
            "rules": len(self.table.rules),
            **{name: getattr(self, name) for name in names},
            "certified": bool(self.certificate and not self.certificate["errors"]),
        }


def checksum_of(rules: Iterable[Rule]) -> bytes:
    """SHA-256 over the rules in the order of their numbers: the same table has the same checksum wherever it is."""
    rows = [row_of_rule(each, 0) for each in sorted(rules, key=lambda each: each.number)]
    return hashlib.sha256(to_json(rows)).digest()


async def draft(
    connection: AsyncConnection, rules: Sequence[Rule], *, source: str, by: str, effective_from: datetime, at: datetime
) -> int:
    """Keep a whole table as a new draft; its version number. The codes in it must exist. Whoever calls it holds the
    registry (`registry.held`), so that no other takes the number."""
    version = (await connection.scalar(select(func.max(routing_table.c.version))) or 0) + 1
    row = {"version": version, "state": "draft", "effective_from": effective_from, "checksum": checksum_of(rules)}
    row |= {"source": source[:200], "created_at": at, "created_by": by[:80], "certificate": None}
    await connection.execute(insert(routing_table), {**row, "published_at": None, "published_by": None})
    await connection.execute(insert(rule), [row_of_rule(each, version) for each in rules])
    return version


async def draft_of(connection: AsyncConnection, rules: Sequence[Rule]) -> int | None:
    """The draft that holds just these rules, if there is one: importing twice makes one."""
    same = (routing_table.c.state == "draft") & (routing_table.c.checksum == checksum_of(rules))
    number: int | None = await connection.scalar(select(func.max(routing_table.c.version)).where(same))
    return number


async def listed(
    connection: AsyncConnection, before: int | None = None, most: int | None = None
) -> list[dict[str, Any]]:
    """Summaries, the newest first; those `before` a version, at `most` so many."""
    counted = select(rule.c.version, func.count().label("rules")).group_by(rule.c.version).subquery()
    query = select(routing_table, func.coalesce(counted.c.rules, 0).label("rules")).outerjoin(
        counted, counted.c.version == routing_table.c.version
    )
    if before is not None:
        query = query.where(routing_table.c.version < before)
    rows = (await connection.execute(query.order_by(routing_table.c.version.desc()).limit(most))).mappings()
    names = ("version", "state", "effective_from", "rules", "source", "created_at", "created_by", "published_at")
    return [
        {
            **{name: row[name] for name in (*names, "published_by")},
            "checksum": row["checksum"].hex(),
            "certified": bool(row["certificate"] and not row["certificate"]["errors"]),
        }
        for row in rows
    ]


async def load(connection: AsyncConnection, version: int) -> Version:
    """Raises `not_found`."""
    wanted = select(routing_table).where(routing_table.c.version == version)
    row = (await connection.execute(wanted)).mappings().first()
    if row is None:
        raise Problem(
            "not_found", Text(f"没有第 {version} 版分办规则表。", f"There is no routing table version {version}.")
        )
    names = ("state", "source", "created_at", "created_by", "published_at", "published_by", "certificate")
    return Version(
        number=version,
        table=await registry.load_table(connection, version, row["effective_from"]),
        checksum=row["checksum"].hex(),
        **{name: row[name] for name in names},
    )


async def certify(
    database: Database, number: int, at: datetime, effective_from: datetime | None = None
) -> tuple[Version, Certificate]:
    """Check a version, as if it took effect at `effective_from`, against the directory and the codes as they are now.

    No transaction is open and no other call waits while it is checked. Raises `not_found`.
    """
    async with database.reading_as_one() as connection:
        version = await load(connection, number)
        offices, codes = await directory(connection), await world(connection)
    if effective_from is not None:
        version = replace(version, table=RoutingTable(number, effective_from, version.table.rules))
    return version, await asyncio.to_thread(check, version.table, offices, codes, version.checksum, at)


async def prove(database: Database, number: int, at: datetime) -> Certificate:
    """Check a version and keep the certificate with it; of a published one the certificate of its publication stays."""
    version, certificate = await certify(database, number, at)
    if version.state == "draft":
        async with database.writing() as connection:
            await _keep(connection, number, {"certificate": _stored(certificate, {})})
    return certificate


async def publish(
    database: Database,
    number: int,
    *,
    by: str,
    at: datetime,
    effective_from: datetime | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Version:
    """Put a draft in force from `effective_from` (now, if it is not given) on, after a check of this very moment.

    Raises `not_found`, `table_not_draft`, `table_not_proved` with the findings, `validation_failed` for a warning
    without a reason in `reasons` (by the finding's code) or for a date that is past or that another version has.
    """
    begins = at if effective_from is None else effective_from
    if begins < at:
        raise _wrong_date("生效时间已经过去;请写现在或以后的时间。", "It is past; write now or later.")
    for _ in range(_PUBLISHING_TRIES):
        version, certificate = await certify(database, number, at, begins)
        if version.state != "draft":
            raise Problem("table_not_draft")
        given = _accepted(certificate, reasons or {})
        async with database.writing() as connection:
            if await registry.held(connection) != certificate.directory:
                continue  # an agency or a table was changed meanwhile: what was proved is not what there is
            if await _taken(connection, begins):
                raise _wrong_date(
                    "另一版在同一时间生效;请换一个时间。", "Another version takes effect then; choose another time."
                )
            published = {"state": "published", "effective_from": begins, "published_at": at, "published_by": by[:80]}
            await _keep(connection, number, {**published, "certificate": _stored(certificate, given)})
            await registry.moved(connection)
            return await load(connection, number)
    raise unavailable()


async def retire(database: Database, number: int, at: datetime) -> Version:
    """Take a published version back: from now on the one before it decides. What it decided stays as it was.

    Raises `not_found`, `table_not_published`, `table_needed` if no other version would be in force.
    """
    async with database.writing() as connection:
        await registry.held(connection)
        version = await load(connection, number)
        if version.state != "published":
            raise Problem("table_not_published")
        others = (
            (routing_table.c.state == "published")
            & (routing_table.c.version != number)
            & (routing_table.c.effective_from <= at)
        )
        if await connection.scalar(select(routing_table.c.version).where(others)) is None:
            raise Problem("table_needed")
        retired = update(routing_table).where(routing_table.c.version == number).values(state="retired")
        await connection.execute(retired)
        await registry.moved(connection)
        return await load(connection, number)


def _accepted(certificate: Certificate, reasons: Mapping[str, str]) -> dict[str, str]:
    if certificate.errors:
        raise Problem("table_not_proved", extra={"findings": [each.record() for each in certificate.errors[:50]]})
    given = {code: reason.strip() for code, reason in reasons.items() if reason.strip()}
    missing = {each.code: each for each in certificate.warnings if each.code not in given}
    if missing:
        raise invalid(*(_wants_reason(each) for each in missing.values()))
    return given


async def _taken(connection: AsyncConnection, begins: datetime) -> bool:
    same = (routing_table.c.state == "published") & (routing_table.c.effective_from == begins)
    return await connection.scalar(select(routing_table.c.version).where(same)) is not None


async def world(connection: AsyncConnection) -> World:
    """The codes that there are, and the places where a request may be registered."""

    async def codes(table: Any) -> list[str]:
        return list((await connection.execute(select(table.c.code).order_by(table.c.code))).scalars())

    places = [code for code in await codes(division) if len(code) in _PLACES]
    return World(await codes(need), places, frozenset(await codes(department)), frozenset(await codes(material)))


async def directory(connection: AsyncConnection, at_revision: int | None = None) -> Directory:
    """The directory as it is, or as it was at a revision; then only what decides who is resolved."""
    if at_revision is not None:
        return await _directory_of(connection, at_revision)
    current = await connection.scalar(registry.REVISION_NOW) or 0
    with_key = select(api_key.c.agency_code).where(api_key.c.agency_code.is_not(None), api_key.c.revoked_at.is_(None))
    inboxes = set((await connection.execute(with_key)).scalars())
    rows = [dict(row) for row in (await connection.execute(select(agency))).mappings()]
    for row in rows:
        del row["created_at"]
    return Directory.of((Agency(**row, inbox=row["code"] in inboxes) for row in rows), current)


async def _directory_of(connection: AsyncConnection, revision: int) -> Directory:
    latest = (
        select(agency_seat.c.agency_code, func.max(agency_seat.c.revision).label("revision"))
        .where(agency_seat.c.revision <= revision)
        .group_by(agency_seat.c.agency_code)
        .subquery()
    )
    as_it_was = select(agency_seat).join(
        latest,
        (agency_seat.c.agency_code == latest.c.agency_code) & (agency_seat.c.revision == latest.c.revision),
    )
    rows = (await connection.execute(as_it_was)).mappings()
    seats = ((row["agency_code"], row["department"], row["division_code"], row["active"]) for row in rows)
    return Directory.of((Agency(*seat[:3], "", "", None, None, seat[3]) for seat in seats), revision)


# ---- what was decided before ----


@dataclass(frozen=True, slots=True)
class Past:
    """A stored request: what it was decided from, and what was decided."""

    request_id: UUID
    receipt_number: str
    registered_at: datetime
    facts: Facts
    record: Mapping[str, Any]


async def past_requests(
    connection: AsyncConnection, last: int | None = None, place: str | None = None
) -> AsyncIterator[Past]:
    """Stored requests of a place, the newest first, a batch at a time; all that are not erased, or the last so many of
    them."""
    names = ("id", "receipt_number", "registered_at", "division_code", "decision", "sealed", "data_key")
    kept = (help_request.c.erased_at.is_(None), *within(place))
    query = select(*(help_request.c[name] for name in names)).where(*kept).order_by(help_request.c.id.desc())
    vault = vault_of(connection)
    before: UUID | None = None
    left = last
    while left is None or left > 0:
        page = query.where(help_request.c.id < before) if before is not None else query
        rows = (await connection.execute(page.limit(min(_BATCH, left or _BATCH)))).mappings().all()
        for row in rows:
            person = vault.box(row["id"].bytes, row["data_key"]).unseal(row["sealed"], PERSON)
            facts = facts_of(row["division_code"], person, local_day(row["registered_at"]))
            yield Past(row["id"], row["receipt_number"], row["registered_at"], facts, row["decision"])
        if not rows:
            return
        before = rows[-1]["id"]
        left = None if left is None else left - len(rows)


class Verifier:
    """Makes stored decisions again from the versions of table and directory that they name."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._tables: dict[int, RoutingTable] = {}
        self._directories: dict[int, Directory] = {}

    async def agrees(self, past: Past) -> bool:
        """Whether the decision comes out as it was stored."""
        return comes_out_equal(past.record, (await self.again(past)).record())

    async def again(self, past: Past) -> RoutingDecision:
        version, revision = past.record["version"], past.record.get("directory", 0)
        if version not in self._tables:
            self._tables[version] = (await load(self._connection, version)).table
        if revision not in self._directories:
            self._directories[revision] = await directory(self._connection, revision)
        return decide(past.facts, self._tables[version], self._directories[revision], past.registered_at)


def comes_out_equal(stored: Mapping[str, Any], again: Mapping[str, Any]) -> bool:
    """Whether two records of a decision are equal, bit for bit of their canonical JSON. Of one from before the edition
    of today (`decide.EDITION`) what every edition says in the same way is compared."""
    if stored.get("edition") == again["edition"]:
        return canonical(stored) == canonical(again)
    return canonical(_in_any_edition(stored)) == canonical(_in_any_edition(again))


def _in_any_edition(record: Mapping[str, Any]) -> dict[str, Any]:
    """By which rules which agencies got what, and which rules did not fire; not why they did not, nor what was asked."""
    needs = [
        {
            "need": need["need"],
            "undetermined": need["undetermined"],
            "fired": [{name: each[name] for name in ("rule", "agency", "role", "step")} for each in need["fired"]],
            "passed_over": sorted(each["rule"] for each in need["passed_over"] if each["why"] != "other_area"),
        }
        for need in record["needs"]
    ]
    return {"version": record["version"], "needs": needs}


def canonical(record: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys: databases keep an object's members in an order of their own."""
    return to_json(_sorted(record))


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list | tuple) else value


def table_at(snapshot: Snapshot, at: datetime) -> RoutingTable:
    """The published table in force at `at`. Raises `no_table_in_force`."""
    table = in_force(snapshot.tables.values(), at)
    if table is None:
        raise Problem("no_table_in_force")
    return table


def _stored(certificate: Certificate, reasons: Mapping[str, str]) -> dict[str, Any]:
    return {**certificate.record(), "checked_at": certificate.checked_at.isoformat(), "reasons": dict(reasons)}


async def _keep(connection: AsyncConnection, version: int, values: dict[str, Any]) -> None:
    """Changes a draft; what was published meanwhile stays as it is."""
    still_draft = (routing_table.c.version == version) & (routing_table.c.state == "draft")
    await connection.execute(update(routing_table).where(still_draft).values(values))


def _wrong_date(zh: str, en: str) -> Problem:
    return invalid(FieldError("/effective_from", "effective_from_refused", Text(zh, en)))


def _wants_reason(finding: Finding) -> FieldError:
    text = Text(f"请说明为何可以接受:{finding.zh}", f"Say why this is acceptable: {finding.en}")
    return FieldError(f"/reasons/{finding.code}", "reason_missing", text)
