"""Outcomes as they come in, with the place of each field."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from functools import partial

from app import tabling
from app.conference.outcomes import Line, refused
from app.office import Office
from app.routing.directory import Agency
from app.routing.faults import SheetError
from app.schemas_coordination import OutcomesIn


def of_json(asked: OutcomesIn) -> list[Line]:
    return [Line(each, partial(_pointer, position)) for position, each in enumerate(asked.outcomes)]


async def of_sheet(office: Office, content: bytes) -> list[Line]:
    """Raises `outcomes_refused` with every fault."""
    agencies = (await office.registry.current()).directory.agencies.values()
    try:
        return await asyncio.to_thread(_read, content, list(agencies))
    except SheetError as error:
        raise refused([tabling.field_error(each) for each in error.faults]) from None


def _read(content: bytes, agencies: Collection[Agency]) -> list[Line]:
    from app.conference import sheet  # with a library that a service seldom needs

    return sheet.read(content, agencies)


def _pointer(position: int, name: str) -> str:
    return f"/outcomes/{position}/{name}"
