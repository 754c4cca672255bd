"""Queries of what a county has set: its divisions and needs, from memory."""

from __future__ import annotations

from typing import Any

from app import presenting
from app.office import Office
from app.paged import PageAsked, bad_cursor


async def divisions(office: Office, page: PageAsked, parent: str | None, level: str | None) -> dict[str, Any]:
    """In the order of their codes; the cursor is the last code of the page."""
    snapshot = await office.registry.current()
    after = page.cursor or ""
    if not after.isascii() or (after and not after.isdigit()):
        raise bad_cursor()
    chosen = [
        each
        for code, each in sorted(snapshot.divisions.items())
        if code > after and parent in (None, each.parent_code) and level in (None, each.level)
    ][: page.limit + 1]
    items = [
        {"code": d.code, "name": d.name, "level": d.level, "parent_code": d.parent_code} for d in chosen[: page.limit]
    ]
    return {"items": items, "next_cursor": items[-1]["code"] if len(chosen) > page.limit else None}


async def needs(office: Office) -> dict[str, Any]:
    snapshot = await office.registry.current()
    return {"items": [presenting.need_seen(each, snapshot) for each in snapshot.needs.values()]}
