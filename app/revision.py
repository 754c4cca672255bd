"""The revision of the database that this code needs; those that serve ask for it, and don't load what migrates."""

from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

HEAD = "0032"  # of migrations/versions; tests/test_migrations.py holds it there


async def is_at_head(connection: AsyncConnection) -> bool:
    if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
        return False
    return bool(await connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD)
