"""Looking from outside: rows straight from the database, and waiting, within bounds, for what must come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Executable, Table, func, select

from app.db import Database
from tests import serving

Found = TypeVar("Found")


def fetch(url: str, statement: Executable) -> list[dict[str, Any]]:
    """What a query finds, on a connection of its own."""

    async def run() -> list[dict[str, Any]]:
        database = Database(serving.settings_for(url))
        async with database.reading() as connection:
            rows = [dict(row) for row in (await connection.execute(statement)).mappings()]
        await database.close()
        return rows

    return asyncio.run(run())


def change(url: str, *statements: Executable) -> int:
    """Change rows behind the service's back; how many the last statement changed."""

    async def run() -> int:
        database = Database(serving.settings_for(url))
        async with database.writing() as connection:
            counts = [(await connection.execute(statement)).rowcount for statement in statements]
        await database.close()
        return counts[-1]

    return asyncio.run(run())


def count(url: str, *tables: Table) -> dict[str, int]:
    """How many rows each table has."""
    counts = (select(func.count()).select_from(table).scalar_subquery().label(table.name) for table in tables)
    return fetch(url, select(*counts))[0]


def until(look: Callable[[], Found], within: float = 30, what: str = "what was waited for") -> Found:
    """The first thing that `look` finds (anything true); fails when it finds nothing `within` so many seconds."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come within {within} s"
        time.sleep(0.02)
    return found
