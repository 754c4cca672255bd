"""How a database would find what a query asks for, its values bound as they are when it runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ClauseElement, Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles

from app.db import Database
from tests.watching import on


class _Explained(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, query: Any) -> None:
        self.query = query


@compiles(_Explained)
def _explain(element: _Explained, compiler: Any, **options: Any) -> str:
    words = "EXPLAIN QUERY PLAN" if compiler.dialect.name == "sqlite" else "EXPLAIN"
    asked = compiler.process(element.query, **options)
    compiler._result_columns = []  # a plan has columns of its own
    return f"{words} {asked}"


async def plan_on(connection: AsyncConnection, query: Any) -> str:
    return "\n".join(str(row[-1]) for row in await connection.execute(_Explained(query)))


def plan_of(url: str, query: Any, *, empty: bool = False) -> str:
    """Of `empty` tables PostgreSQL is not told that they are, and does not read them from end to end for it."""

    async def work(database: Database) -> str:
        if not empty:
            async with database.writing() as connection:
                await connection.execute(text("ANALYZE"))
        async with database.reading() as connection:
            if empty and not database.is_sqlite:
                await connection.execute(text("SET enable_seqscan = off"))
            return await plan_on(connection, query)

    return on(url, work)
