"""Migrations run on both databases, forward from empty, and say what the tables are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect

from app.db import Database
from app.migrating import is_at_head, migrate
from app.tables import metadata
from tests import serving


@pytest.fixture
def empty_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = serving.make_postgres_database(server)
    yield url
    serving.drop_postgres_database(server, url)


def on(url: str, work: Callable[[Database], Any]) -> Any:
    async def run() -> Any:
        database = Database(serving.settings_for(url))
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())


def test_an_empty_database_becomes_what_the_tables_say(empty_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async def work(database: Database) -> list[Any]:
        await migrate(database)
        async with database.reading() as connection:
            assert await is_at_head(connection)
            return await connection.run_sync(differences)

    assert on(empty_url, work) == []


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    async def work(database: Database) -> None:
        await migrate(database)
        await migrate(database)

    on(empty_url, work)


def test_an_empty_database_is_not_at_head(empty_url: str) -> None:
    async def work(database: Database) -> bool:
        async with database.reading() as connection:
            return await is_at_head(connection)

    assert on(empty_url, work) is False


def test_every_constraint_has_a_name_of_the_convention(empty_url: str) -> None:
    def names(connection: Connection) -> list[tuple[str, str | None]]:
        inspector = inspect(connection)
        found: list[tuple[str, str | None]] = []
        for table in metadata.tables:
            found += [(table, each["name"]) for each in inspector.get_foreign_keys(table)]
            found += [(table, each["name"]) for each in inspector.get_unique_constraints(table)]
            found += [(table, each["name"]) for each in inspector.get_check_constraints(table)]
            found.append((table, inspector.get_pk_constraint(table)["name"]))
        return found

    async def work(database: Database) -> list[tuple[str, str | None]]:
        await migrate(database)
        async with database.reading() as connection:
            return await connection.run_sync(names)

    for table, name in on(empty_url, work):
        assert name, f"{table} has a constraint without a name"
        assert name.startswith((f"pk_{table}", f"fk_{table}", f"uq_{table}", f"ck_{table}")), name
