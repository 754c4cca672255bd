"""Lists, a page at a time: the cursor is the last row of the page before."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select

from app.db import Database
from app.problems import FieldError, Problem, Text, invalid


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
