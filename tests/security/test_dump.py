"""A dump of everything that is kept, written or said shows nobody: distinctive values are put everywhere, and looked for."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pikepdf
import pytest
from sqlalchemy import LargeBinary, select
from sqlalchemy.engine import make_url

from app.columns import Packed
from app.db import Database
from app.tables import delivery_attempt, metadata
from tests import serving
from tests.county import County
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.security.living import ALL, FINANCE, SAID, WATCHER, WORKS_HERE, Lived, live
from tests.watching import fetch, on, until

Rows = dict[str, list[dict[str, Any]]]
# Columns that may hold something sealed and that nothing is put into here, each with why.
NOT_LIVED = {"agency.tls": "kept as subscription.tls is: tests/test_agencies.py::test_tls_is_written_and_never_read"}
# What no answer of ours shows, even to those who may see people.
NOT_SHOWN = {
    "refused": "it was not taken in, or never under that name",
    "erased": "nobody can open it any more",
    "inside a picture": "papers are made anew without it",
}
# What the person is told on their own page by whoever holds its address.
OF_ONES_OWN = {"material": "what is needed of them", "declined": "why it is not handled again"}


@pytest.fixture
def county(database_url: str, receiver: Receiver, tmp_path: Path) -> Iterator[County]:
    """In a process of its own, which writes down all that it has to say."""
    receiver.always(FINANCE, Answer(500, body=SAID["endpoint's answer"].encode()))
    often: dict[str, Any] = {"poll_seconds": 0.2, "refresh_seconds": 0.2, "sweep_seconds": 0.5}
    settings = {"log_level": "debug", "attachments": tmp_path / "papers", **often}
    service = serving.Service(database_url, log=tmp_path / "log", **settings).wait_until()
    running = Running(database_url, service.address)
    yield County(running, receiver.secrets)
    running.leave()
    service.stop()


@pytest.fixture
def lived(database_url: str, county: County, receiver: Receiver) -> Lived:
    lived = live(county, receiver)
    answered = select(delivery_attempt.c.id).where(delivery_attempt.c.status_code == 500)
    until(lambda: fetch(database_url, answered), what="an answer of the endpoint that is down")
    return lived


def spellings(value: str) -> set[bytes]:
    escaped = json.dumps(value)[1:-1]
    return {value.encode(), value.encode("utf-16-le"), escaped.encode(), quote(value).encode()}


def found_in(content: bytes, values: Mapping[str, str] = ALL) -> set[str]:
    return {name for name, value in values.items() if any(each in content for each in spellings(value))}


def rows_of(url: str) -> Rows:
    """Every row of every table."""

    async def work(database: Database) -> Rows:
        async with database.reading() as connection:
            return {
                table.name: [dict(row) for row in (await connection.execute(select(table))).mappings()]
                for table in metadata.sorted_tables
            }

    return on(url, work)


def kept(url: str, rows: Rows, papers: Path) -> bytes:
    """Every column of every row, the files of papers, and with SQLite the database's files as they lie on the disk."""
    columns = [each for table in rows.values() for row in table for each in row.values()]
    content = b"\n".join(e if isinstance(e, bytes) else json.dumps(e, default=str).encode() for e in columns)
    content += "\n".join(str(each) for each in columns if not isinstance(each, bytes)).encode()
    files = [each for each in papers.rglob("*") if each.is_file()]
    assert len(files) > 1
    if url.startswith("sqlite"):
        database = Path(make_url(url).database or "")
        files += database.parent.glob(f"{database.name}*")
    return content + b"".join(each.read_bytes() for each in files)


def not_lived(rows: Rows) -> set[str]:
    """Columns of bytes of any length, as what is sealed is kept, that are empty in every row."""
    columns = [each for table in metadata.sorted_tables for each in table.c if _may_be_sealed(each.type)]
    return {
        f"{each.table.name}.{each.name}" for each in columns if not any(r[each.name] for r in rows[each.table.name])
    }


def _may_be_sealed(kind: Any) -> bool:
    kind = kind.impl if isinstance(kind, Packed) else kind
    return isinstance(kind, LargeBinary) and kind.length is None  # digests, marks and signatures have their length


def test_no_dump_shows_anybody(
    database_url: str, county: County, receiver: Receiver, lived: Lived, tmp_path: Path
) -> None:
    rows = rows_of(database_url)
    assert not_lived(rows) == set(NOT_LIVED), "live it in tests/security/living.py"
    metrics = county.coordinator.get("/metrics").raise_for_status().content
    log = (tmp_path / "log").read_bytes()
    dump = kept(database_url, rows, tmp_path / "papers")
    notices = b"\n".join(each.body for each in receiver.of(WATCHER))
    assert found_in(dump) == set()
    assert found_in(dump, WORKS_HERE) == set(WORKS_HERE), "as docs/security.md says"
    for paper in lived.papers:
        assert paper[len(paper) // 2 :][:24] not in dump
    assert b'"answered"' in log
    assert b'"handoff.completed"' in notices
    for content in (log, metrics, notices):
        assert found_in(content, {**ALL, **WORKS_HERE}) == set()
    assert found_in("\n".join(lived.answers).encode()) <= set(OF_ONES_OWN)


def test_the_search_finds_what_is_there(county: County, lived: Lived) -> None:
    """By those who may see it; so what is not found in a dump is not found because it is sealed."""
    look = county.coordinator.get
    items = look("/v1/requests", params={"limit": 200}).json()["items"]
    parts = ("", "/timeline", "/consents", "/attachments")
    paths = [f"/v1/requests/{each['request_id']}{part}" for each in items for part in parts]
    paths += [f"/v1/{each}" for each in ("disputes", "debts", "reopenings", "holds")]
    deliveries = look("/v1/deliveries", params={"agency": FINANCE}).json()["items"]
    paths += [f"/v1/deliveries/{each['delivery_id']}" for each in deliveries if each["attempts"]]
    seen = "".join(look(path).text for path in paths)
    for paper in lived.papers:
        if paper.startswith(b"%PDF"):
            with pikepdf.open(io.BytesIO(paper)) as pdf:
                seen += pdf.pages[0].Contents.read_bytes().decode()
    assert set(ALL) - found_in(seen.encode()) == set(NOT_SHOWN)
