"""The chains of readings in the root of a day: how far each had come, and what is found wrong with them.

A chain is one writer's, so there are a few a day. Their tree stands beside that of the requests, in the same statement.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, Table, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.faults import Fault
from app.identifiers import first_id
from app.keeping import parse_period
from app.merkle import leaf_hash, root_of
from app.readings import breaks, heads
from app.tables import audit_chain, reading, retention
from app.wire import to_json

# A reading may reach the database later than its id says.
LATE = timedelta(days=1)
_BEGINNING = datetime.fromtimestamp(0, UTC)
Row = Mapping[Any, Any]


def _last_number(table: Table) -> Select[Any]:
    return select(table.c.chain, func.max(table.c.number).label("last")).group_by(table.c.chain)


_LAST_LEAVES = _last_number(audit_chain)


async def _last_of(connection: AsyncConnection, query: Select[Any]) -> dict[UUID, int]:
    return {row.chain: row.last for row in await connection.execute(query)}


async def gather(connection: AsyncConnection, day: date, before: datetime | None, as_of: datetime) -> None:
    """Add a leaf for each chain that has gone on since its last one; in the transaction that says that all were gathered.
    `before`: the time of the last root. The first root with chains in it has all that there are."""
    goes_on = await connection.scalar(select(exists(select(audit_chain.c.chain))))
    since = before - LATE if before is not None and goes_on else _BEGINNING
    found = await heads(connection, since, as_of)
    known = await _last_of(connection, _LAST_LEAVES.where(audit_chain.c.chain.in_(found)))
    rows = [
        {"chain": chain, "day": day, "number": number, "head": head}
        for chain, (number, head) in found.items()
        if number > known.get(chain, 0)
    ]
    if rows:
        await connection.execute(audit_chain.insert(), rows)


async def tree_of(connection: AsyncConnection, day: date) -> bytes:
    leaves = select(audit_chain).where(audit_chain.c.day == day).order_by(audit_chain.c.chain)
    return root_of([hash_of(row) for row in (await connection.execute(leaves)).mappings()])


def hash_of(leaf: Row) -> bytes:
    return leaf_hash(to_json([leaf["chain"], leaf["number"], leaf["head"].hex()]))


async def faults_of(
    connection: AsyncConnection, days: Collection[date], roots: Sequence[Row], at: datetime, *, whole: bool
) -> list[Fault]:
    """What does not stand as the roots of those days say; and, of the `whole`, each chain that does not hold in itself,
    and readings that are older than the last root and in none. A chain whose time is over may be gone."""
    found = await _against_leaves(connection, days, at)
    if whole:
        named = {each.chain for each in found}
        found += [
            Fault("reading_broken", chain=chain, sequence=number)
            async for chain, number in breaks(connection)
            if chain not in named
        ]
        covering = [root for root in roots if root["readings"] is not None]
        if covering:
            found += await _in_no_root(connection, covering[-1])
    return found


async def _against_leaves(connection: AsyncConnection, days: Collection[date], at: datetime) -> list[Fault]:
    erased_before = await _erased_before(connection, at)
    kept = (reading.c.chain == audit_chain.c.chain) & (reading.c.number == audit_chain.c.number)
    query = select(audit_chain, reading.c.hash).outerjoin_from(audit_chain, reading, kept)
    query = query.order_by(audit_chain.c.chain, audit_chain.c.day)
    rows = (await connection.execute(query)).mappings().all()
    newest = {row["chain"]: row["day"] for row in rows}
    found: dict[UUID, Fault] = {}
    for row in rows:
        chain, is_gone = row["chain"], row["hash"] is None
        if row["day"] not in days or row["hash"] == row["head"] or chain in found:
            continue
        if not is_gone or erased_before is None or newest[chain] >= erased_before:
            code = "readings_removed" if is_gone else "readings_rewritten"
            found[chain] = Fault(code, chain=chain, sequence=row["number"], day=row["day"])
    return list(found.values())


async def _erased_before(connection: AsyncConnection, at: datetime) -> date | None:
    """Chains that ended before this day may have been erased; None: no reading is ever."""
    period = await connection.scalar(select(retention.c.period).where(retention.c.kind == "reading"))
    return None if period is None else parse_period(period).before(at).date()


async def _in_no_root(connection: AsyncConnection, newest: Row) -> list[Fault]:
    old = reading.c.id < first_id(newest["as_of"] - LATE)
    stand = await _last_of(connection, _last_number(reading).where(old))
    known = await _last_of(connection, _LAST_LEAVES)
    return [
        Fault("readings_not_in_root", chain=chain, sequence=known.get(chain, 0) + 1, last=number, day=newest["day"])
        for chain, number in sorted(stand.items())
        if number > known.get(chain, 0)
    ]
