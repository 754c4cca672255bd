"""What the county has set, in the memory of each process: whole, and never older than the rows that name it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from sqlalchemy import event, update

from app.db import Database
from app.registry import REVISION, Registry
from app.tables import agency, division, revision
from tests import serving
from tests.county import EDUCATION
from tests.watching import change

COUNTY = "360803"


def moved() -> Any:
    return update(revision).where(revision.c.name == REVISION).values(value=revision.c.value + 1)


def test_a_snapshot_holds_all_of_a_change_or_nothing_of_it(database_url: str) -> None:
    def rename() -> None:
        of_county = update(division).where(division.c.code == COUNTY).values(name="改名")
        change(
            database_url, of_county, update(agency).where(agency.c.code == EDUCATION).values(name_zh="改名"), moved()
        )

    async def names() -> list[set[str]]:
        database = Database(serving.settings_for(database_url))
        registry = Registry(database, 60)

        @event.listens_for(database.engine.sync_engine, "after_cursor_execute")
        def _between_two_queries(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FROM division" in statement and not renaming.is_alive() and renaming.ident is None:
                renaming.start()
                renaming.join()

        renaming = threading.Thread(target=rename)
        seen = [await registry.refresh() for _ in range(2)]
        await database.close()
        return [{each.divisions[COUNTY].name, each.directory.agencies[EDUCATION].name_zh} for each in seen]

    first, second = asyncio.run(names())
    assert "改名" not in first, "it was read before the change, though the change came in the middle"
    assert second == {"改名"}
