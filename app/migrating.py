"""Migrations, forward only, on both databases."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

import app
from app import envelope_keys, service_key
from app.db import Database

# Beside the package, in a checkout as in an installation.
_SCRIPTS = Path(app.__file__).parent.parent / "migrations"
_ONE_AT_A_TIME = 3608031


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


async def migrate(database: Database) -> None:
    """Bring the database to the newest revision; several at once wait for each other."""
    async with database.reshaping() as connection:
        if not database.is_sqlite:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_AT_A_TIME})
        await connection.run_sync(_upgrade)
        await service_key.make(connection)
        await envelope_keys.make(connection)


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
