"""What a clerk or a machine does with routing tables as sheets: import, export, compare, prove, publish."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Literal

from app import registry, versions
from app.identifiers import now
from app.office import Office
from app.paged import PageAsked
from app.problems import FieldError, Problem, Text
from app.registry import Snapshot
from app.routing.cells import Known
from app.routing.diff import diff
from app.routing.faults import Fault, SheetError
from app.routing.rules import Rule, in_force
from app.routing.sheets import read_table, row_of, write_csv
from app.routing.words import Language, SheetWords
from app.schemas_routing import PublishIn
from app.versions import Version


async def listed(office: Office, page: PageAsked | None = None) -> dict[str, Any]:
    """A page of the versions, or all of them."""
    before, most = (page.after_version(), page.limit) if page else (None, None)
    snapshot = await office.registry.current()
    current = in_force(snapshot.tables.values(), now())
    async with office.database.reading() as connection:
        found = await versions.listed(connection, before, most + 1 if most else None)
    items = [{**each, "in_force": bool(current and current.version == each["version"])} for each in found[:most]]
    return {"items": items, "next_cursor": str(items[-1]["version"]) if len(found) > len(items) else None}


async def import_sheet(office: Office, by: str, content: bytes, source: str = "sheet") -> dict[str, Any]:
    """A new draft of a sheet; the draft that there is, if there is one of the same rules. Raises `sheet_refused` with
    every fault."""
    snapshot = await office.registry.current()
    try:
        rules = await asyncio.to_thread(read_table, content, known(snapshot))
    except SheetError as error:
        raise Problem("sheet_refused", errors=[field_error(each) for each in error.faults]) from None
    return (await keep_draft(office, by, rules, source)).summary()


async def keep_draft(office: Office, by: str, rules: tuple[Rule, ...], source: str) -> Version:
    at = now()
    async with office.database.writing() as connection:
        await registry.held(connection)
        same = await versions.draft_of(connection, rules)
        number = same or await versions.draft(connection, rules, source=source, by=by, effective_from=at, at=at)
        return await versions.load(connection, number)


async def whole(office: Office, number: int) -> dict[str, Any]:
    version = await _load(office, number)
    return {
        **version.summary(),
        "rows": [row_of(each) for each in version.table.rules],
        "certificate": version.certificate,
    }


async def export_sheet(office: Office, number: int, form: Literal["csv", "xlsx"], language: Language) -> bytes:
    version, words = await _load(office, number), sheet_words(await office.registry.current())
    if form == "csv":
        return write_csv(version.table.rules, language)
    return await asyncio.to_thread(_xlsx, version.table.rules, words, language)


def _xlsx(rules: Iterable[Rule], words: SheetWords, language: Language) -> bytes:
    from app.routing.workbook import write_xlsx  # with a library that a service seldom needs

    return write_xlsx(rules, words, language)


async def compare(office: Office, since: int, number: int) -> dict[str, Any]:
    before, after = await _load(office, since), await _load(office, number)
    words = sheet_words(await office.registry.current())
    changes = await asyncio.to_thread(diff, before.table.rules, after.table.rules, words)
    return {
        "from": since,
        "to": number,
        "changes": [
            {
                "kind": each.kind,
                "old_number": each.old_number,
                "new_number": each.new_number,
                "fields": [{"column": f.column, "old": f.old, "new": f.new} for f in each.fields],
                "sentence_zh": each.sentence("zh"),
                "sentence_en": each.sentence("en"),
            }
            for each in changes
        ],
    }


async def prove(office: Office, number: int) -> dict[str, Any]:
    certificate = await versions.prove(office.database, number, now())
    return {"version": number, **certificate.record()}


async def publish(office: Office, by: str, number: int, asked: PublishIn) -> dict[str, Any]:
    published = await versions.publish(
        office.database, number, by=by, at=now(), effective_from=asked.effective_from, reasons=asked.reasons
    )
    await office.registry.refresh()
    return published.summary()


async def retire(office: Office, number: int) -> dict[str, Any]:
    retired = await versions.retire(office.database, number, now())
    await office.registry.refresh()
    return retired.summary()


def known(snapshot: Snapshot) -> Known:
    """The codes that a sheet may name."""
    return Known(snapshot.needs, snapshot.departments, snapshot.divisions, snapshot.materials)


def sheet_words(snapshot: Snapshot) -> SheetWords:
    def names(things: Any) -> dict[str, tuple[str, str]]:
        return {code: (each.name_zh, each.name_en) for code, each in things.items()}

    return SheetWords(
        needs=names(snapshot.needs),
        departments=names(snapshot.departments),
        areas={code: (each.name, each.name) for code, each in snapshot.divisions.items()},
        materials=names(snapshot.materials),
    )


async def _load(office: Office, number: int) -> Version:
    async with office.database.reading() as connection:
        return await versions.load(connection, number)


def field_error(fault: Fault) -> FieldError:
    pointer = "/".join(["", *(str(each) for each in (fault.sheet, fault.row, fault.column) if each)])
    return FieldError(pointer, "sheet_fault", Text(fault.text("zh"), fault.text("en")))
