"""The docket (待裁定): disputes, with who said what and by what law, and whom to call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import looking, presenting, rights
from app.clocks import rule_of
from app.keys import Key
from app.loading import from_row
from app.office import Office, again_if_outdated
from app.paged import PageAsked, newest_first, of_place, page_of
from app.purposes import Purpose, Way
from app.registry import Snapshot
from app.sealing import Box, kept_at, vault_of
from app.tables import dispute, event, handoff, help_request
from app.timeline import Handoff

DISPUTES = select(dispute, help_request.c.receipt_number, help_request.c.data_key).join_from(
    dispute, help_request, dispute.c.request_id == help_request.c.id
)
Rows = Collection[Mapping[Any, Any]]


@again_if_outdated
async def disputes(
    office: Office, key: Key, page: PageAsked, state: str | None, purpose: Purpose | None = None
) -> dict[str, Any]:
    """A `DisputePage`, newest first. Free words are for those who may see people, and that they were read is recorded."""
    snapshot = await office.registry.current()
    wanted = () if state is None else (dispute.c.state == state,)
    newest = newest_first(select(dispute.c.id), dispute.c.id, page)
    query = DISPUTES.where(*of_place(newest, wanted, dispute.c.division_code, snapshot.divisions, key.division_code))
    rows, next_cursor = await page_of(office.database, query, dispute.c.id, page)
    async with office.database.reading() as connection:
        items = await seen(connection, rows, snapshot, with_words=rights.sees_people(key))
    read = {each["request_id"] for each in items if _has_words(each)}
    await looking.record_each(office, key, read, Way.TIMELINE, ("notes",), purpose)
    return {"items": items, "next_cursor": next_cursor}


def _has_words(item: Mapping[str, Any]) -> bool:
    """Beside legal bases, which say nothing of a person."""
    return any(each["note"] for each in item["said"]) or bool(item["ruling"] and item["ruling"]["reason"])


async def seen(
    connection: AsyncConnection, rows: Rows, snapshot: Snapshot, *, with_words: bool
) -> list[dict[str, Any]]:
    """Rows of DISPUTES as `DisputeSeen`."""
    requests = {row["request_id"] for row in rows}
    handoffs = [from_row(each) for each in await _of(connection, select(handoff), handoff, requests, handoff.c.id)]
    returned = select(event).where(event.c.kind == "handoff.returned")
    returns = await _of(connection, returned, event, requests, event.c.sequence)
    by_id = {each.id: each for each in handoffs}
    vault = vault_of(connection)
    boxes = (
        {row["request_id"]: vault.box(row["request_id"].bytes, row["data_key"]) for row in rows} if with_words else {}
    )
    return [
        {
            "dispute_id": row["id"],
            "request_id": row["request_id"],
            "receipt_number": row["receipt_number"],
            "division_code": row["division_code"],
            "need": presenting.named(snapshot.needs[row["need"]]),
            "state": row["state"],
            "why": row["why"],
            "opened_at": row["opened_at"],
            "handoffs": [
                presenting.handoff_summary(each, snapshot)
                for each in handoffs
                if (each.request_id, each.need) == (row["request_id"], row["need"])
            ],
            "said": [
                _said(each, by_id[each["handoff_id"]], snapshot, boxes.get(row["request_id"]))
                for each in returns
                if each["request_id"] == row["request_id"] and by_id[each["handoff_id"]].need == row["need"]
            ],
            "ruling": _ruling(row, snapshot, boxes.get(row["request_id"])) if row["ruled_at"] else None,
        }
        for row in rows
    ]


async def _of(connection: AsyncConnection, query: Any, table: Any, requests: set[UUID], by: Any) -> Rows:
    found = query.where(table.c.request_id.in_(requests)).order_by(by)
    return list((await connection.execute(found)).mappings())


def _said(returned: Mapping[Any, Any], by: Handoff, snapshot: Snapshot, box: Box | None) -> dict[str, Any]:
    agency = snapshot.directory.agencies[by.agency_code]
    words = (box.unseal(returned["sealed"], kept_at("event.sealed", returned["sequence"])) if box else None) or {}
    return {
        "handoff_id": by.id,
        "at": returned["at"],
        **agency.contact,
        "reason_code": returned["data"].get("reason_code"),
        "suggested_department": returned["data"].get("suggested_department"),
        "legal_basis": words.get("legal_basis"),
        "note": words.get("note"),
        "sent_by_legal_basis": rule_of(by, snapshot).legal_basis,
    }


def _ruling(row: Mapping[Any, Any], snapshot: Snapshot, box: Box | None) -> dict[str, Any]:
    words = (box.unseal(row["sealed"], kept_at("dispute.sealed", row["id"])) if box else None) or {
        "reason": None,
        "legal_basis": None,
    }
    agency = snapshot.directory.agencies[row["agency_code"]] if row["agency_code"] else None
    return {
        "handoff_id": row["ruled_on"],
        **(agency.contact if agency else dict.fromkeys(("agency", "name_zh", "name_en", "phone"))),
        "by": row["ruled_by"],
        "at": row["ruled_at"],
        **words,
    }
