"""What a county's lists cost in a database in which other counties have much more, all of it newer.

    python -m tests.benchmarks.places [--database sqlite|postgresql|both] [--rows 200000] [--seconds 20] [--json FILE]

Of each list the median of three to nine looks within so many seconds, with nothing of others and with so many rows of theirs in each table.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from app.keys import KeyRole
from app.office import Office
from tests import serving
from tests.elsewhere import LISTS, others, own_rows
from tests.examples import a_request

LOOKS = 9


async def measure(kind: str, url: str, rows: int, seconds: float) -> dict[str, dict[str, float]]:
    office = Office.of(serving.settings_for(url), b"x" * 32)
    database = office.database
    await own_rows(database)
    before = {name: await median(look, office, seconds) for name, look in LISTS.items()}
    await others(database, kind, rows)
    figures = {}
    for name, look in LISTS.items():
        after = await median(look, office, seconds)
        figures[name] = {"alone_ms": before[name], "beside_others_ms": after}
        print(f"{kind}: {name:<20} {before[name]:8.1f} ms alone, {after:8.1f} ms beside {rows} of others", flush=True)
    await database.close()
    return figures


async def median(look: Callable[[Office], Awaitable[dict[str, Any]]], office: Office, seconds: float) -> float:
    took = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        found = await look(office)
        took.append((time.perf_counter() - began) * 1000)
        assert {each["division_code"][:6] for each in found["items"] if "division_code" in each} <= {"360803"}
        if len(took) > 2 and sum(took) > seconds * 1000:
            break
    return statistics.median(took)


def _database(kind: str, stack: ExitStack) -> str:
    """Nothing here is about what a disk can write."""
    if kind == "sqlite":
        return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory(prefix='one-window-bench-'))}/bench.sqlite3"
    return serving.make_postgres_database(stack.enter_context(serving.postgres(durable=False)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    with ExitStack() as stack:
        for kind in ("sqlite", "postgresql") if options.database == "both" else (options.database,):
            url = _database(kind, stack)
            serving.prepare(url)
            serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
            key = serving.make_key(url, KeyRole.INTAKE)
            service = serving.Service(url, "--no-worker").wait_until("/health/live")
            headers = {"authorization": f"Bearer {key}"}
            asked = httpx.post(f"{service.address}/v1/requests", json=a_request("education_aid"), headers=headers)
            asked.raise_for_status()
            service.stop()
            results[kind] = asyncio.run(measure(kind, url, options.rows, options.seconds))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
