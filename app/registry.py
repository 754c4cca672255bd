"""What the county has set, as one immutable snapshot in memory: divisions, needs, agencies, tables, calendar.

Whoever changes any of it moves the revision in the same transaction; every process looks at the revision every
`refresh_seconds` and swaps the whole snapshot, so a request sees the old table or the new one, never a mixture. A row
that another process wrote may name what the snapshot does not hold yet: then `OutdatedSnapshotError` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.aid import AidRules, Ceiling, CeilingKind, DutyContact, Standard, Terms
from app.consents import ConsentText
from app.db import Database, is_unavailable
from app.deadlines import Limit, Pace, WorkingCalendar, parse_limit
from app.envelope_keys import EnvelopeKeys
from app.logs import describe
from app.receivers import DeliveryMode, Receiver, SigningSecret, Subscription, Tls
from app.routing.decide import forget
from app.routing.directory import Agency, Directory
from app.routing.rows import rule_of_row
from app.routing.rules import RoutingTable
from app.sealing import Box, kept_at
from app.service_key import service_box
from app.tables import (
    agency,
    aid_ceiling,
    consent_text,
    department,
    division,
    duty_contact,
    emergency_terms,
    endpoint_secret,
    envelope_key,
    living_standard,
    material,
    need,
    revision,
    routing_table,
    rule,
    subscription,
    working_day,
)

REVISION = "registry"
REVISION_NOW = select(revision.c.value).where(revision.c.name == REVISION)
log = structlog.get_logger()
Code = TypeVar("Code")
Thing = TypeVar("Thing")


class OutdatedSnapshotError(LookupError):
    """A row names what this process's snapshot does not hold: it was added since."""


class Known(dict[Code, Thing]):
    """By code. Rows name only what was there when they were written, so a code that is missing here is new."""

    def __missing__(self, code: Code) -> Thing:
        raise OutdatedSnapshotError(code)


@dataclass(frozen=True, slots=True)
class Division:
    code: str
    name: str
    level: str
    parent_code: str | None


@dataclass(frozen=True, slots=True)
class Named:
    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Need:
    code: str
    position: int
    name_zh: str
    name_en: str
    law_class: str
    catalogue: Mapping[str, Any]


@dataclass(frozen=True)
class Snapshot:
    revision: int
    divisions: Mapping[str, Division]
    needs: Mapping[str, Need]
    materials: Mapping[str, Named]
    departments: Mapping[str, Named]
    tables: Mapping[int, RoutingTable]
    directory: Directory
    calendar: WorkingCalendar
    subscriptions: Mapping[str, Subscription]
    pace: Pace = Pace()  # noqa: RUF009
    aid: AidRules = field(default_factory=AidRules)
    duties: Mapping[str, tuple[DutyContact, ...]] = field(default_factory=dict)
    consent_texts: tuple[ConsentText, ...] = ()
    envelopes: EnvelopeKeys = field(default_factory=lambda: EnvelopeKeys({}))

    def receiver(self, code: str) -> Receiver | None:
        """An agency by its code, or a subscription by its id."""
        return self.directory.agencies.get(code) or self.subscriptions.get(code)


class Registry:
    def __init__(self, database: Database, refresh_seconds: float, pace: Pace | None = None) -> None:
        self._database = database
        self._refresh_seconds = refresh_seconds
        self._pace = pace or Pace()
        self._snapshot: Snapshot | None = None
        self._loading = asyncio.Lock()

    async def current(self) -> Snapshot:
        """The snapshot; waits only for the very first one."""
        return self._snapshot or await self.refresh()

    async def refresh(self) -> Snapshot:
        """Load anew if the revision has moved."""
        async with self._loading:
            if self._snapshot is None or self._snapshot.revision != await self._revision():
                before = self._snapshot.tables if self._snapshot else {}
                async with self._database.reading_as_one() as connection:
                    self._snapshot = replace(await _load(connection, before), pace=self._pace)
                forget()
            return self._snapshot

    async def _revision(self) -> int:
        async with self._database.reading() as connection:
            return await connection.scalar(REVISION_NOW) or 0

    async def keep_fresh(self, stopping: asyncio.Event) -> None:
        """Runs until told to stop, never cancelled in the middle of a query: a driver that is left so may hang.

        A database that is away leaves the last snapshot in force.
        """
        while not stopping.is_set():
            try:
                await self.refresh()
            except Exception as error:
                if not is_unavailable(error):
                    log.error("registry_refresh_failed", **describe(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._refresh_seconds)


async def held(connection: AsyncConnection) -> int:
    """The revision, which nobody else moves until this transaction ends."""
    value: int = (await connection.execute(REVISION_NOW.with_for_update())).scalar_one()
    return value


async def moved(connection: AsyncConnection) -> int:
    """Tell every process that what the county has set was changed in this transaction; the new revision."""
    step = update(revision).where(revision.c.name == REVISION).values(value=revision.c.value + 1)
    value: int = (await connection.execute(step.returning(revision.c.value))).scalar_one()
    return value


async def _load(connection: AsyncConnection, before: Mapping[int, RoutingTable]) -> Snapshot:
    """Everything from one transaction, so that it belongs together; of tables that were there before, which never
    change, only what is new: whether one was retired."""

    async def rows(table: Any) -> list[dict[str, Any]]:
        found = await connection.execute(select(table))
        names = tuple(found.keys())
        return [dict(zip(names, row, strict=True)) for row in found]

    published = [row for row in await rows(routing_table) if row["state"] != "draft"]
    tables: dict[int, RoutingTable] = Known()
    for row in published:
        table = before.get(row["version"]) or await load_table(connection, row["version"], row["effective_from"])
        retired = row["state"] == "retired"
        tables[row["version"]] = table if table.retired is retired else replace(table, retired=retired)
    value = await connection.scalar(REVISION_NOW) or 0
    box = await service_box(connection)
    secrets = _secrets(await rows(endpoint_secret), box)
    directory = Directory.of(_agencies(await rows(agency), secrets, box), value)
    days = {row["day"]: row["working"] for row in await rows(working_day)}
    return Snapshot(
        revision=value,
        divisions=Known({row["code"]: Division(**row) for row in await rows(division)}),
        needs=Known({row["code"]: Need(**row) for row in sorted(await rows(need), key=lambda r: r["position"])}),
        materials=Known({row["code"]: Named(**row) for row in await rows(material)}),
        departments=Known({row["code"]: Named(**row) for row in await rows(department)}),
        tables=tables,
        directory=replace(directory, agencies=Known(directory.agencies)),
        calendar=WorkingCalendar(days, max(days, default=date.min)),
        subscriptions={each.code: each for each in _subscriptions(await rows(subscription), secrets, box)},
        aid=AidRules(
            tuple(terms_of_row(row) for row in await rows(emergency_terms)),
            tuple(ceiling_of_row(row) for row in await rows(aid_ceiling)),
            tuple(standard_of_row(row) for row in await rows(living_standard)),
        ),
        duties=_duties(await rows(duty_contact)),
        consent_texts=tuple(ConsentText(**row) for row in await rows(consent_text)),
        envelopes=EnvelopeKeys.of_rows(await rows(envelope_key), box),
    )


def terms_of_row(row: Mapping[str, Any]) -> Terms:
    return Terms(
        **{**row, **{name: _limit(text) for name, text in row.items() if name.endswith(("_limit", "_target"))}}
    )


def ceiling_of_row(row: Mapping[str, Any]) -> Ceiling:
    return Ceiling(**{**row, "kind": CeilingKind(row["kind"]), "amount": Decimal(row["amount"])})


def standard_of_row(row: Mapping[str, Any]) -> Standard:
    return Standard(**{**row, "urban": Decimal(row["urban"]), "rural": Decimal(row["rural"])})


def _limit(text: str) -> Limit:
    limit = parse_limit(text)
    assert limit is not None, "the columns are never empty"
    return limit


def _duties(rows: list[dict[str, Any]]) -> dict[str, tuple[DutyContact, ...]]:
    held: dict[str, tuple[DutyContact, ...]] = {}
    for row in sorted(rows, key=lambda each: each["position"]):
        code = row.pop("agency_code")
        held[code] = (*held.get(code, ()), DutyContact(**row))
    return held


async def load_table(connection: AsyncConnection, version: int, effective_from: datetime) -> RoutingTable:
    of_version = select(rule).where(rule.c.version == version).order_by(rule.c.number)
    rows = (await connection.execute(of_version)).mappings()
    return RoutingTable(version, effective_from, tuple(rule_of_row(row) for row in rows))


_Secrets = Mapping[str, tuple[SigningSecret, ...]]


def _secrets(rows: list[dict[str, Any]], box: Box) -> _Secrets:
    """Of each receiver, the newest first: it is the one that an agency that knows only one signs with."""
    held: dict[str, tuple[SigningSecret, ...]] = {}
    for row in sorted(rows, key=lambda r: r["created_at"]):
        held[row["receiver"]] = (
            SigningSecret(
                box.unseal(row["sealed"], kept_at("endpoint_secret.sealed", row["id"], row["receiver"])), row["ends_at"]
            ),
            *held.get(row["receiver"], ()),
        )
    return held


def _how_to_send(row: dict[str, Any], secrets: _Secrets, box: Box, code: str, where: bytes) -> dict[str, Any]:
    tls = Tls(**box.unseal(row["tls"], where)) if row["tls"] else None
    return {"secrets": secrets.get(code, ()), "tls": tls}


def _agencies(agencies: list[dict[str, Any]], secrets: _Secrets, box: Box) -> list[Agency]:
    return [
        Agency(
            **{name: value for name, value in row.items() if name not in ("created_at", "tls", "delivery_mode")},
            delivery_mode=DeliveryMode(row["delivery_mode"]),
            **_how_to_send(row, secrets, box, row["code"], kept_at("agency.tls", row["code"])),
        )
        for row in agencies
    ]


def _subscriptions(subscriptions: list[dict[str, Any]], secrets: _Secrets, box: Box) -> list[Subscription]:
    names = ("id", "name", "endpoint", "active", "max_in_flight", "per_second")
    return [
        Subscription(
            **{name: row[name] for name in names},
            types=tuple(row["types"]),
            needs=tuple(row["needs"]),
            areas=tuple(row["areas"]),
            **_how_to_send(row, secrets, box, str(row["id"]), kept_at("subscription.tls", row["id"])),
        )
        for row in subscriptions
    ]
