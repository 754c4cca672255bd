"""Several PostgreSQL hosts in one address: whichever is the primary, whatever became of the others."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from app.db import Database, is_unavailable
from tests import serving

PORT = 5432  # also the name of a server's local socket


@pytest.fixture
def hole(tmp_path: Path) -> Iterator[str]:
    """A host that takes connections and never says a word, as one that froze does."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / f".s.PGSQL.{PORT}"))
        silent.listen()
        yield str(tmp_path)


@pytest.fixture
def server(postgres_server: str) -> str:
    url = make_url(postgres_server)
    return str(url.query.get("host") or url.host)


def asked(server: str, hosts: str) -> object:
    async def run() -> object:
        url = make_url(server).set(host=None, port=None).update_query_dict({"host": hosts})
        database = Database(serving.settings_for(url.render_as_string(hide_password=False)))
        try:
            async with database.reading() as connection:
                return await connection.scalar(text("SELECT 1"))
        finally:
            await database.close()

    return asyncio.run(run())


@pytest.mark.parametrize("first", ["gone", "silent"])
def test_a_host_that_is_gone_or_silent_does_not_stand_before_the_next(
    postgres_server: str, server: str, hole: str, first: str
) -> None:
    before = hole if first == "silent" else f"{hole}/nowhere"
    assert asked(postgres_server, f"{before},{server}") == 1


def test_hosts_of_which_none_is_the_primary_are_a_database_that_is_away(postgres_server: str, server: str) -> None:
    url = serving.make_postgres_database(postgres_server)
    name = make_url(url).database
    serving.execute(postgres_server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(DBAPIError) as refused:
        asked(url, f"{server},{server}")
    assert is_unavailable(refused.value)
    serving.drop_postgres_database(postgres_server, url)
