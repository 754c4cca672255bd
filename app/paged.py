"""Lists, a page at a time: the cursor is the last row of the page before."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, union_all

from app.db import Database
from app.jurisdictions import Conditions, lies_in, within
from app.problems import FieldError, Problem, Text, invalid

_MOST_STEPPED = 64


@dataclass(frozen=True, slots=True)
class PageAsked:
    limit: int
    cursor: str | None

    def after_id(self) -> UUID | None:
        if self.cursor is None:
            return None
        try:
            return UUID(bytes=urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
        except ValueError:
            raise bad_cursor() from None

    def after_text(self) -> str:
        try:
            return urlsafe_b64decode((self.cursor or "") + "=" * (-len(self.cursor or "") % 4)).decode()
        except ValueError:
            raise bad_cursor() from None

    def after_version(self) -> int | None:
        if self.cursor is None:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", self.cursor):
            raise bad_cursor()
        return int(self.cursor)


def text_cursor_of(code: str) -> str:
    return urlsafe_b64encode(code.encode()).decode().rstrip("=")


def cursor_of(row_id: UUID) -> str:
    return urlsafe_b64encode(row_id.bytes).decode().rstrip("=")


def bad_cursor(parameter: str = "cursor") -> Problem:
    text = Text("游标无效;请用上一页的 next_cursor。", "That is no cursor; use the last page's next_cursor.")
    return invalid(FieldError(parameter, "cursor_invalid", text))


async def page_of(
    database: Database, query: Select[Any], by: ColumnElement[UUID], page: PageAsked
) -> tuple[list[Mapping[Any, Any]], str | None]:
    after = page.after_id()
    if after is not None:
        query = query.where(by < after)
    query = query.order_by(by.desc()).limit(page.limit + 1)
    async with database.reading() as connection:
        rows: list[Mapping[Any, Any]] = list((await connection.execute(query)).mappings())
    more = len(rows) > page.limit
    return rows[: page.limit], cursor_of(rows[page.limit - 1]["id"]) if more else None


def newest_first(ids: Select[Any], by: ColumnElement[UUID], page: PageAsked) -> Select[Any]:
    """As many as a page may show."""
    after = page.after_id()
    return (ids if after is None else ids.where(by < after)).order_by(by.desc()).limit(page.limit + 1)


def of_place(
    first: Select[Any],
    wanted: Conditions,
    division_code: ColumnElement[str],
    divisions: Iterable[str],
    place: str | None,
) -> Conditions:
    """What is wanted of a place, as conditions on a list whose ids `first` has: in the list's order, as many as a page."""
    codes = steps(divisions, place)
    if not codes:
        return (*within(place, division_code), *wanted)
    (column,) = first.selected_columns
    return (column.in_(of_each(first.where(*wanted), [(division_code == code,) for code in codes])),)


def steps(divisions: Iterable[str], place: str | None) -> list[str]:
    """The divisions of a small place, which is stepped through one by one, each by an index that begins with it, so that it
    costs the same however much others have. None of a large one: it is a large part of all that there is, and walked."""
    codes = [] if place is None else [code for code in divisions if lies_in(code, place)]
    return codes if len(codes) <= _MOST_STEPPED else []


def of_each(first: Select[Any], each_one: Iterable[Conditions]) -> Select[Any]:
    """The ids of each of several parts of a list, as many as a page of each."""
    return union_all(*(first.where(*part).subquery().select() for part in each_one)).subquery().select()
