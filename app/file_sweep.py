"""Files that no attachment names any more, or never did, are removed; links that have ended are forgotten."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Select, delete, select

from app.db import Database, is_unavailable
from app.file_store import FileStore
from app.identifiers import now
from app.logs import describe
from app.tables import file_to_remove, used_link

_AT_ONCE = 100
_LOOK_SECONDS = 60.0
log = structlog.get_logger()


async def keep_sweeping(database: Database, files: FileStore | None, stopping: asyncio.Event) -> None:
    """Look again and again for files that are to go, until told to stop."""
    while not stopping.is_set():
        try:
            while not stopping.is_set() and await sweep(database, files, now()) == _AT_ONCE:
                pass
        except Exception as error:
            log.log(30 if is_unavailable(error) else 40, "files_not_swept", **describe(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _LOOK_SECONDS)


async def sweep(database: Database, files: FileStore | None, at: datetime) -> int:
    """Remove the files that are due, at most a hundred, and forget links that have ended; how many files."""
    async with database.reading() as connection:
        names = (await connection.scalars(due_by(at))).all() if files else []
        uses = (await connection.scalars(ended_by(at))).all()
    for name in names if files else ():
        assert files
        await files.remove(name)
    if names or uses:
        async with database.writing() as connection:
            await connection.execute(delete(file_to_remove).where(file_to_remove.c.file.in_(names)))
            await connection.execute(delete(used_link).where(used_link.c.use_hash.in_(uses)))
    return len(names)


def due_by(at: datetime) -> Select[Any]:
    due = select(file_to_remove.c.file).where(file_to_remove.c.due_at <= at)
    return due.order_by(file_to_remove.c.due_at).limit(_AT_ONCE)


def ended_by(at: datetime) -> Select[Any]:
    ended = select(used_link.c.use_hash).where(used_link.c.ends_at <= at)
    return ended.order_by(used_link.c.ends_at).limit(_AT_ONCE)
