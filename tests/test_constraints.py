"""The database's guards have names, and the names have problems."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import Table, insert
from sqlalchemy.exc import IntegrityError

from app.agencies import NO_ENDPOINT
from app.constraints import PROBLEMS, constraint_of
from app.db import Database
from app.problems import KINDS
from app.tables import agency, metadata, revision, rule, working_day
from tests import serving


def broken_by(url: str, table: Table, row: dict[str, Any]) -> str | None:
    async def run() -> str | None:
        database = Database(serving.settings_for(url))
        try:
            with pytest.raises(IntegrityError) as raised:
                async with database.writing() as connection:
                    await connection.execute(insert(table), row)
            return constraint_of(raised.value)
        finally:
            await database.close()

    return asyncio.run(run())


def test_a_repeated_primary_key_is_named(database_url: str) -> None:
    assert broken_by(database_url, revision, {"name": "registry", "value": 1}) == "pk_revision"


def test_a_broken_check_is_named(database_url: str) -> None:
    row = {column.name: "" for column in rule.c} | {"version": 1, "number": 9_999, "need": "undetermined", "area": "36"}
    row |= {"department": "township_gov", "role": "boss", "step": 1, "mandatory": True, "effective_to": None}
    row |= {"prerequisites": [], "discloses": [], "effective_from": date.fromisoformat("2026-01-01")}
    assert broken_by(database_url, rule, row) == "ck_rule_role"


def test_a_missing_parent_is_refused(database_url: str, backend: str) -> None:
    row = {"code": "x", "department": "nobody", "division_code": "36", "name_zh": "x", "name_en": "x", "active": True}
    row |= NO_ENDPOINT
    named = broken_by(database_url, agency, {**row, "created_at": datetime.fromisoformat("2026-01-01T00:00:00+00:00")})
    # SQLite says that a foreign key was broken, not which.
    assert named == (None if backend == "sqlite" else "fk_agency_department_department")


def test_every_named_constraint_exists_and_every_problem_too() -> None:
    names = {str(constraint.name) for table in metadata.tables.values() for constraint in table.constraints}
    assert set(PROBLEMS) <= names
    assert set(PROBLEMS.values()) <= set(KINDS)


def test_a_day_is_kept_once(database_url: str) -> None:
    row = {"day": date.fromisoformat("2026-12-31"), "working": True, "source": "x"}
    assert broken_by(database_url, working_day, row) == "pk_working_day"
