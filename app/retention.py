"""Retention (保管期限): how long what is kept, as the county has set it; looked at and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app import etags
from app.checks import unknown_code
from app.identifiers import now
from app.keeping import KINDS, parse_period
from app.keys import Key
from app.office import Office
from app.problems import FieldError, Problem, Text, invalid
from app.schemas_retention import PeriodIn, RetentionIn
from app.tables import retention
from app.wire import to_json

log = structlog.get_logger()
_SET = ("period", "minimum", "source", "set_by", "set_at")


async def rows_of(connection: AsyncConnection) -> dict[str, Mapping[Any, Any]]:
    """By kind; one that nobody has set is not there."""
    return {row["kind"]: row for row in (await connection.execute(select(retention))).mappings()}


async def shown(office: Office) -> dict[str, Any]:
    """`RetentionView`: every kind, set or not."""
    async with office.database.reading() as connection:
        return _seen(await rows_of(connection))


def tag_of(seen: Mapping[str, Any]) -> str:
    """Of what can be set, not of when it was last swept."""
    return etags.of_content(to_json([[each["kind"], *(each[name] for name in _SET)] for each in seen["kinds"]]))


async def set_periods(office: Office, key: Key, asked: RetentionIn, if_match: str | None) -> dict[str, Any]:
    """`RetentionView`. Raises `precondition_required`, `precondition_failed` with what there is, `validation_failed`."""
    if if_match is None:
        raise Problem("precondition_required")
    async with office.database.writing() as connection:
        # One row that every change locks, so that of two at once the later one sees what the first has set.
        await connection.execute(select(retention.c.kind).order_by(retention.c.kind).with_for_update())
        before = await rows_of(connection)
        current = _seen(before)
        tag = tag_of(current)
        if not etags.matches(if_match, tag):
            raise Problem("precondition_failed", headers={"ETag": tag}, extra={"current": current})
        if faults := [fault for place, each in enumerate(asked.periods) for fault in _faults(place, each)]:
            raise invalid(*faults)
        for each in asked.periods:
            old = before.get(each.kind, {})
            # What was gone through stays gone through: a shorter period goes on from there.
            far = {name: old.get(name) for name in ("done_to", "swept_at")}
            row = {**each.model_dump(), "set_by": key.actor, "set_at": now(), **far}
            await connection.execute(delete(retention).where(retention.c.kind == each.kind))
            await connection.execute(retention.insert(), row)
            log.info("period_set", kind=each.kind, period=each.period, before=old.get("period"), actor=key.actor)
        return _seen(await rows_of(connection))


def _faults(place: int, asked: PeriodIn) -> Iterable[FieldError]:
    if asked.kind not in KINDS:
        hint = Text("见 GET /v1/retention。", "GET /v1/retention lists them.")
        yield unknown_code(f"/periods/{place}/kind", "kind", asked.kind, list(KINDS), hint)
    if asked.period and asked.minimum and parse_period(asked.period).is_shorter_than(parse_period(asked.minimum)):
        text = Text("保管期限不得短于最短期限。", "The period can't be shorter than the minimum.")
        yield FieldError(f"/periods/{place}/period", "period_too_short", text)


def _seen(rows: Mapping[str, Mapping[Any, Any]]) -> dict[str, Any]:
    nothing: Mapping[Any, Any] = dict.fromkeys((*_SET, "swept_at"))
    return {
        "kinds": [
            {
                "kind": kind,
                "name_zh": kept.zh,
                "name_en": kept.en,
                **{name: rows.get(kind, nothing)[name] for name in (*_SET, "swept_at")},
            }
            for kind, kept in KINDS.items()
        ]
    }
