"""What a sweep costs with 10,000 and with 1,000,000 open handoffs, in turns on two databases of the same engine.

    python -m tests.benchmarks.sweep [--database sqlite|postgresql|both] [--seconds 60] [--json FILE]

The rows are made by the database itself, one handoff a request. Before each turn a hundred of each are made late, by so
much that they are supervised; then there is nothing left to do, and a sweep that finds nothing is measured too. Three turns
at least and 24 at most, within so many seconds; to make the rows takes a minute or more before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text, update

from app.clocks import Step
from app.db import Database
from app.escalation import sweep
from app.identifiers import now
from app.registry import Registry
from app.sealing import PERSON, vault_of
from app.tables import help_request
from tests import serving

ROWS = (10_000, 1_000_000)
LATE = 100
_NOBODY: dict[str, Any] = {"applicant": {}, "household": [], "facts": {}, "needs": []}
LEAST_TURNS, TURNS = 3, 24
_TOGETHER = 50_000
_NUMBERS = {
    "sqlite": "WITH RECURSIVE g(n) AS (SELECT :low UNION ALL SELECT n + 1 FROM g WHERE n + 1 < :high)",
    "postgresql": "WITH g AS (SELECT generate_series(CAST(:low AS INTEGER), CAST(:high AS INTEGER) - 1) AS n)",
}
_IDS = {"sqlite": "CAST(printf('%016d', n) AS BLOB)", "postgresql": "CAST(lpad(to_hex(n), 32, '0') AS UUID)"}
_LATER = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 days', (n * 0.1) || ' seconds') || '+00:00'",
    "postgresql": "now() + interval '1 day' + n * interval '100 milliseconds'",
}
_AGO = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-20 days') || '+00:00'",
    "postgresql": "now() - interval '20 days'",
}
_UPKEEP = {
    "sqlite": ("ANALYZE",),
    "postgresql": ("VACUUM (ANALYZE) handoff", "VACUUM (ANALYZE) help_request", "CHECKPOINT"),
}
_DIGEST = {"sqlite": "CAST(printf('%032d', n) AS BLOB)", "postgresql": "decode(lpad(to_hex(n), 64, '0'), 'hex')"}


def _requests(kind: str) -> str:
    digest, id_, no = _DIGEST[kind], _IDS[kind], "0" if kind == "sqlite" else "FALSE"
    return f"""INSERT INTO help_request (id, receipt_number, tracking_hash, channel, division_code, status, routing_version,
        decision, registered_at, registered_by, events, head, sealed, debts, unanchored)
    {_NUMBERS[kind]} SELECT {id_}, CAST(100000000000 + n AS VARCHAR), {digest}, 'window', '360803101', 'routed', 3,
        '{{"needs": []}}', {_AGO[kind]}, (SELECT id FROM api_key LIMIT 1), 0, {digest}, {digest}, 0, {no} FROM g"""


def _handoffs(kind: str) -> str:
    yes = "1" if kind == "sqlite" else "TRUE"
    no = "0" if kind == "sqlite" else "FALSE"
    id_, later = _IDS[kind], _LATER[kind]
    return f"""INSERT INTO handoff (id, request_id, need, agency_code, role, step, mandatory, routing_version, rule_number,
        status, opened_at, dispatched_at, sign_in_due, due_provisional, first_due, next_look_at)
    {_NUMBERS[kind]} SELECT {id_}, {id_}, 'minimum_living_allowance', '360803101-township', 'co_handler', 1, {yes}, 3, 1,
        'dispatched', {_AGO[kind]}, {_AGO[kind]}, {later}, {no}, {later}, {later} FROM g"""


def _late(kind: str) -> str:
    ago = _AGO[kind]
    return f"""{_NUMBERS[kind]} UPDATE handoff SET sign_in_due = {ago}, first_due = {ago}, next_look_at = {ago}
    WHERE id IN (SELECT {_IDS[kind]} FROM g)"""


async def filled(kind: str, url: str, rows: int) -> Database:
    database = Database(serving.settings_for(url))
    for at in range(0, rows, _TOGETHER):
        async with database.writing() as connection:
            for statement in (_requests(kind), _handoffs(kind)):
                await connection.execute(text(statement), {"low": at, "high": min(at + _TOGETHER, rows)})
    async with database.reading() as connection:
        for upkeep in _UPKEEP[kind]:
            await connection.execute(text(upkeep))
    return database


async def keyed(kind: str, database: Database, low: int, high: int) -> None:
    """Those that a sweep will look at have a data key each, and somebody sealed with it."""
    rows = []
    async with database.writing() as connection:
        vault = vault_of(connection)
        for n in range(low, high):
            request_id = UUID(bytes=b"%016d" % n) if kind == "sqlite" else UUID(int=n)
            box, data_key = vault.new_box(request_id.bytes)
            rows.append({"b_id": request_id, "sealed": box.seal(_NOBODY, PERSON), "data_key": data_key})
        of = help_request.c.id == bindparam("b_id")
        await connection.execute(
            update(help_request).where(of).values(sealed=bindparam("sealed"), data_key=bindparam("data_key")), rows
        )


async def one(database: Database, registry: Registry, late: int) -> float:
    """Milliseconds of a sweep that has so many steps to do."""
    began = time.perf_counter()
    done = await sweep(database, registry, now())
    took = (time.perf_counter() - began) * 1000
    assert done[Step.SUPERVISE] == late
    return took


async def measure(kind: str, urls: Sequence[str], seconds: float) -> dict[str, Any]:
    databases = [await filled(kind, url, rows) for rows, url in zip(ROWS, urls, strict=True)]
    registries = [Registry(each, 60) for each in databases]
    busy: list[list[float]] = [[], []]
    idle: list[list[float]] = [[], []]
    until = time.monotonic() + seconds
    for turn in range(TURNS + 1):
        if turn > LEAST_TURNS and time.monotonic() > until:
            break
        for side, (database, registry) in enumerate(zip(databases, registries, strict=True)):
            await keyed(kind, database, turn * LATE, (turn + 1) * LATE)
            async with database.writing() as connection:
                await connection.execute(text(_late(kind)), {"low": turn * LATE, "high": (turn + 1) * LATE})
            took, nothing = await one(database, registry, LATE), await one(database, registry, 0)
            if turn:  # the first one compiles its statements
                busy[side].append(took)
                idle[side].append(nothing)
    for each in databases:
        await each.close()
    few, many = (statistics.median(each) for each in busy)
    few_idle, many_idle = (statistics.median(each) for each in idle)
    return {
        "few_p50_ms": few,
        "many_p50_ms": many,
        "ratio": many / few,
        "few_idle_p50_ms": few_idle,
        "many_idle_p50_ms": many_idle,
        "idle_ratio": many_idle / few_idle,
    }


def run(kind: str, urls: Sequence[str], seconds: float) -> dict[str, Any]:
    for url in urls:
        serving.prepare(url)
        serving.make_key(url, serving.KeyRole.INTAKE)
        serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
    figures = asyncio.run(measure(kind, urls, seconds))
    print(
        f"{kind}: a sweep with {LATE} to supervise of {ROWS[0]:,} open {figures['few_p50_ms']:.1f} ms, of {ROWS[1]:,} "
        f"{figures['many_p50_ms']:.1f} ms: x{figures['ratio']:.2f}; with nothing to do {figures['few_idle_p50_ms']:.2f} and "
        f"{figures['many_idle_p50_ms']:.2f} ms: x{figures['idle_ratio']:.2f}",
        flush=True,
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    results: dict[str, Any] = {}
    with ExitStack() as stack:
        if asked.database in ("sqlite", "both"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="one-window-sweep-")))
            results["sqlite"] = run(
                "sqlite", [f"sqlite:///{folder / f'{rows}.sqlite3'}" for rows in ROWS], asked.seconds
            )
        if asked.database in ("postgresql", "both"):
            server = stack.enter_context(serving.postgres())
            results["postgresql"] = run(
                "postgresql", [serving.make_postgres_database(server) for _ in ROWS], asked.seconds
            )
    if asked.json:
        asked.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
