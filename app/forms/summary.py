"""The monthly summary (统计汇总表) of a place: how many, and nothing of anybody.

It counts the requests that were registered in the month, and what has become of their handoffs by now. It reads the rows
of that month alone: their keys are made of the time, so that they lie side by side, or side by side in each division of a
small place. What ended in the month, whenever it was registered, is counted along the indexes of what has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.forms.finding import counts, place_name
from app.forms.months import Month, month_of
from app.identifiers import first_id, now
from app.jurisdictions import Conditions, lies_in, within
from app.keys import Key
from app.lifecycle import HandoffStatus, RequestStatus
from app.office import Office, again_if_outdated
from app.problems import Problem
from app.registry import Snapshot
from app.tables import agency, handoff, help_request

# A key is made a moment after the time that it is registered at, and clocks of machines differ.
_SLACK = timedelta(hours=1)
_MOST_STEPPED = 64
_DEPTHS = (2, 4, 6, 9)  # digits of a province, a prefecture, a county, a township
_OPEN = (HandoffStatus.DISPATCHED, HandoffStatus.RECEIVED, HandoffStatus.IN_PROGRESS, HandoffStatus.SUSPENDED)
OUTCOMES = ("granted", "partly_granted", "not_granted", "referred")
OF_REQUESTS = ("requests", "emergencies", "in_hand", "closed", "withdrawn")
OF_HANDOFFS = ("requests", "handoffs", "waiting", "open", "completed", *OUTCOMES, "returned", "cancelled")
CLOCKS = ("done_in_time", "done_late", "open_late")


@again_if_outdated
async def summary(office: Office, key: Key, month: Month, place: str | None) -> dict[str, Any]:
    """Of a place in the key's jurisdiction; without one, of all of it. Raises `not_found`."""
    snapshot, at = await office.registry.current(), now()
    place = place or key.division_code or snapshot.directory.place or None
    if not counts(key) or (place is not None and not _is_there(place, key, snapshot)) or month > month_of(at):
        raise Problem("not_found")
    codes = [code for code in snapshot.divisions if lies_in(code, place)]
    conditions = of_month(month, place, codes)
    async with office.database.reading_as_one() as connection:
        by_place = await _rows(connection, requests_by(part_of(place), conditions))
        by_channel = await _rows(connection, requests_by(help_request.c.channel, conditions))
        by_need = await _rows(connection, handoffs_by(handoff.c.need, conditions, at))
        by_department = await _rows(connection, handoffs_by(agency.c.department, conditions, at))
        ended = sum([await connection.scalar(each) or 0 for each in ended_in(month, place)])
    needs = {code: (each.name_zh, each.name_en) for code, each in snapshot.needs.items()}
    departments = {code: (each.name_zh, each.name_en) for code, each in snapshot.departments.items()}
    places = {code: (each.name, each.name) for code, each in snapshot.divisions.items()}
    by_need, by_department = _in_order(by_need, needs), _in_order(by_department, departments)
    return {
        "month": month,
        "at": at,
        "place": place_name(place, snapshot) if place else None,
        "place_code": place,
        "places": _named(sorted(by_place, key=lambda each: each["code"]), places),
        "channels": sorted(by_channel, key=lambda each: -each["requests"]),
        "all": _sum(by_place, OF_REQUESTS),
        "needs": _named(by_need, needs),
        "all_handoffs": _sum(by_need, (*OF_HANDOFFS[1:], *CLOCKS)),
        "departments": _named(by_department, departments),
        "ended": ended,
        "choices": _choices(place, key, snapshot),
    }


def of_month(month: Month, place: str | None, codes: list[str]) -> Conditions:
    """The requests of a month, as conditions on a query that holds `help_request`."""
    ids = (
        help_request.c.id >= first_id(month.since - _SLACK),
        help_request.c.id < first_id(month.until + _SLACK),
        help_request.c.registered_at >= month.since,
        help_request.c.registered_at < month.until,
    )
    if place is None or len(codes) > _MOST_STEPPED:
        return (*ids, *within(place))
    return (*ids, help_request.c.division_code.in_(codes))


def requests_by(what: ColumnElement[str], conditions: Conditions) -> Select[Any]:
    status = help_request.c.status
    ended = (RequestStatus.CLOSED.value, RequestStatus.WITHDRAWN.value)
    columns: list[ColumnElement[Any]] = [
        func.count().label("requests"),
        _how_many(help_request.c.emergency.is_not(None)).label("emergencies"),
        _how_many(status.not_in(ended)).label("in_hand"),
        _how_many(status == ended[0]).label("closed"),
        _how_many(status == ended[1]).label("withdrawn"),
    ]
    return select(what.label("code"), *columns).where(*conditions).group_by(what)


def handoffs_by(what: ColumnElement[str], conditions: Conditions, at: datetime) -> Select[Any]:
    """`at`: which are late is asked of now."""
    status, due = handoff.c.status, handoff.c.complete_due
    completed = status == HandoffStatus.COMPLETED.value
    columns: list[ColumnElement[Any]] = [
        func.count(handoff.c.request_id.distinct()).label("requests"),
        func.count().label("handoffs"),
        _how_many(status == HandoffStatus.WAITING.value).label("waiting"),
        _how_many(status.in_([each.value for each in _OPEN])).label("open"),
        _how_many(completed).label("completed"),
        *(_how_many(handoff.c.outcome == each).label(each) for each in OUTCOMES),
        _how_many(status == HandoffStatus.RETURNED.value).label("returned"),
        _how_many(status == HandoffStatus.CANCELLED.value).label("cancelled"),
        _how_many(and_(completed, or_(due.is_(None), handoff.c.closed_at <= due))).label("done_in_time"),
        _how_many(and_(completed, handoff.c.closed_at > due)).label("done_late"),
        # `first_due` is there while a clock runs.
        _how_many(handoff.c.first_due < at).label("open_late"),
    ]
    of_request = handoff.c.request_id == help_request.c.id
    query: Select[Any] = select(what.label("code"), *columns).join_from(help_request, handoff, of_request)
    if what.table is not handoff:
        query = query.join(agency, agency.c.code == handoff.c.agency_code)
    return query.where(*conditions).group_by(what)


def ended_in(month: Month, place: str | None) -> list[Select[Any]]:
    """How many requests ended in a month, as they are looked up: those that were closed, taken back, and emergencies. An
    erased one is not counted any more."""
    column = help_request.c
    kept = (column.closed_at.is_not(None), column.erased_at.is_(None))
    then = (column.closed_at >= month.since, column.closed_at < month.until)
    of_kind = [
        (column.status == status.value, column.emergency.is_(None))
        for status in (RequestStatus.CLOSED, RequestStatus.WITHDRAWN)
    ]
    kinds: list[Conditions] = [*of_kind, (column.emergency.is_not(None),)]
    return [select(func.count()).where(*each, *kept, *then, *within(place)) for each in kinds]


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def part_of(place: str | None) -> ColumnElement[str]:
    """The divisions of the next level in a place, or the place itself."""
    digits = next((each for each in _DEPTHS if each > len(place or "")), _DEPTHS[-1])
    # Written out: PostgreSQL takes two parameters of the same value for two different things to group by.
    return func.substr(help_request.c.division_code, literal_column("1"), literal_column(str(digits)))


def _is_there(place: str, key: Key, snapshot: Snapshot) -> bool:
    return place in snapshot.divisions and lies_in(place, key.division_code)


def _choices(place: str | None, key: Key, snapshot: Snapshot) -> list[dict[str, str]]:
    """The place itself, what it lies in as far as the key reaches, and what lies in it directly."""
    above = [place[:digits] for digits in _DEPTHS if place and digits < len(place)]
    below = [each.code for each in snapshot.divisions.values() if each.parent_code == place]
    codes = [*above, *([place] if place else []), *sorted(below)]
    return [
        {"code": code, "name": snapshot.divisions[code].name}
        for code in codes
        if code in snapshot.divisions and lies_in(code, key.division_code)
    ]


async def _rows(connection: AsyncConnection, query: Select[Any]) -> list[Mapping[Any, Any]]:
    return list((await connection.execute(query)).mappings())


def _in_order(rows: Iterable[Mapping[Any, Any]], names: Mapping[str, Any]) -> list[Mapping[Any, Any]]:
    order = {code: place for place, code in enumerate(names)}
    return sorted(rows, key=lambda each: order.get(each["code"], len(order)))


def _named(rows: Iterable[Mapping[Any, Any]], names: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    named = ((row, names[row["code"]]) for row in rows)
    return [{**row, "name_zh": zh, "name_en": en} for row, (zh, en) in named]


def _sum(rows: Iterable[Mapping[Any, Any]], names: Iterable[str]) -> dict[str, int]:
    every = list(rows)
    return {name: sum(int(row[name]) for row in every) for name in names}
