"""Migrations run on both databases, forward from empty, and say what the tables are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Executable, Table, TableClause, column, inspect, select, text, update
from sqlalchemy import table as table_clause
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.identifiers import new_id
from app.migrating import _config, migrate
from app.revision import HEAD, is_at_head
from app.routing.rows import rule_of_row
from app.routing.rules import Role
from app.tables import agency, agency_seat, callback, dispute, handoff, help_request, metadata, routing_table, rule
from tests import serving
from tests.watching import fetch, on


@pytest.fixture
def empty_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = serving.make_postgres_database(server)
    yield url
    serving.drop_postgres_database(server, url)


def test_an_empty_database_becomes_what_the_tables_say(empty_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async def work(database: Database) -> list[Any]:
        await migrate(database)
        async with database.reading() as connection:
            assert await is_at_head(connection)
            return await connection.run_sync(differences)

    assert on(empty_url, work) == []


def test_the_head_that_those_who_serve_ask_for_is_that_of_the_migrations() -> None:
    assert ScriptDirectory.from_config(_config()).get_current_head() == HEAD


def test_migrating_again_changes_nothing(empty_url: str) -> None:
    async def work(database: Database) -> None:
        await migrate(database)
        await migrate(database)

    on(empty_url, work)


def test_an_empty_database_is_not_at_head(empty_url: str) -> None:
    async def work(database: Database) -> bool:
        async with database.reading() as connection:
            return await is_at_head(connection)

    assert on(empty_url, work) is False


def test_every_constraint_has_a_name_of_the_convention(empty_url: str) -> None:
    def names(connection: Connection) -> list[tuple[str, str | None]]:
        inspector = inspect(connection)
        found: list[tuple[str, str | None]] = []
        for table in metadata.tables:
            found += [(table, each["name"]) for each in inspector.get_foreign_keys(table)]
            found += [(table, each["name"]) for each in inspector.get_unique_constraints(table)]
            found += [(table, each["name"]) for each in inspector.get_check_constraints(table)]
            found.append((table, inspector.get_pk_constraint(table)["name"]))
        return found

    async def work(database: Database) -> list[tuple[str, str | None]]:
        await migrate(database)
        async with database.reading() as connection:
            return await connection.run_sync(names)

    for table, name in on(empty_url, work):
        assert name, f"{table} has a constraint without a name"
        assert name.startswith((f"pk_{table}", f"fk_{table}", f"uq_{table}", f"ck_{table}")), name


AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
_KEY, _REQUEST, _LEAD, _HELPER, _STANDS, _NEW, _DELIVERY = (new_id() for _ in range(7))
_LIMITS = {f"{each}_limit": "WD:1" for each in ("sign_in", "accept", "complete")}
_LIMITS |= {f"{each}_certainty": "proposed" for each in ("sign_in", "accept", "complete")}
_RULE = {"version": 1, "need": "help", "area": "360803", "step": 1, "mandatory": True, "note": "", "limit_source": ""}
_RULE |= {"prerequisites": ["a", "b"], "discloses": ["identity"], "legal_basis": "a law", **_LIMITS}
_RULE |= {"effective_from": date(2026, 1, 1), "effective_to": None}
_HANDOFF = {"request_id": _REQUEST, "need": "help", "step": 1, "mandatory": True, "routing_version": 1}
_HANDOFF |= {"opened_at": AT, "dispatched_at": AT, "sign_in_due": AT, "due_provisional": False}
_OF_HANDOFF = {"agency_code": "office", "handoff_id": _LEAD}
# A request and all that hangs on it, with the columns that there were at revision 0001.
FIRST_ROWS: dict[str, list[dict[str, Any]]] = {
    "department": [{"code": "school", "name_zh": "学校", "name_en": "School"}],
    "division": [
        {"code": "36", "name": "江西省", "level": "province", "parent_code": None},
        {"code": "360803", "name": "青原区", "level": "county", "parent_code": "36"},
    ],
    "need": [
        *(
            {
                "code": "help",
                "position": 0,
                "name_zh": "求助",
                "name_en": "Help",
                "law_class": "x",
                "catalogue": {"a": 1},
            },
        )
    ],
    "routing_table": [
        {"version": 1, "state": "published", "effective_from": AT, "published_at": AT, "checksum": bytes(32)}
        | {"published_by": "seed"}
    ],
    "agency": [
        {
            "code": code,
            "department": "school",
            "division_code": "360803",
            "name_zh": "校",
            "name_en": "S",
            "active": active,
        }
        | {"endpoint": "https://a.example/x", "phone": None, "created_at": AT}
        for code, active in (("office", True), ("resting", False))
    ],
    "rule": [
        {**_RULE, "number": 1, "department": "school", "role": "lead"},
        {**_RULE, "number": 2, "department": "school", "role": "co_handler"},
    ],
    "api_key": [{"id": _KEY, "name": "window", "role": "intake", "key_hash": bytes(32), "created_at": AT}],
    "agency_secret": [{"id": new_id(), "agency_code": "office", "sealed": b"s", "created_at": AT, "ends_at": None}],
    "help_request": [
        {"id": _REQUEST, "receipt_number": "123456789012", "tracking_hash": bytes(32), "channel": "window"}
        | {"division_code": "360803", "status": "in_progress", "routing_version": 1, "registered_at": AT}
        | {
            "decision": {"version": 1, "needs": []},
            "registered_by": _KEY,
            "events": 1,
            "head": b"h" * 32,
            "sealed": b"x",
        }
    ],
    "event": [
        {"request_id": _REQUEST, "sequence": 1, "at": AT, "kind": "request.registered", "actor": "key:window"}
        | {"data": {"to": "registered"}, "hash": b"h" * 32, "sealed": None, "handoff_id": None},
        {"request_id": _REQUEST, "sequence": 2, "at": AT, "kind": "handoff.extended", "actor": "agency:office"}
        | {"data": {"due_at": "2026-11-20T08:30:00Z"}, "hash": b"i" * 32, "sealed": None, "handoff_id": _LEAD},
        *(
            {
                "request_id": _REQUEST,
                "sequence": sequence,
                "at": at,
                "kind": f"handoff.{kind}",
                "actor": "agency:office",
            }
            | {"data": {}, "hash": b"h" * 32, "sealed": None, "handoff_id": _STANDS}
            for sequence, at, kind in (
                (3, AT, "information_requested"),
                (4, AT, "extended"),
                (5, AT + timedelta(days=2), "information_requested"),
                (6, AT + timedelta(days=3), "resumed"),
            )
        ),
    ],
    "handoff": [
        {**_HANDOFF, "id": _LEAD, "agency_code": "office", "role": "lead", "rule_number": 1, "status": "in_progress"}
        | {"complete_due": AT},
        {**_HANDOFF, "id": _HELPER, "agency_code": "resting", "role": "co_handler", "rule_number": 2}
        | {"status": "completed", "outcome": "granted", "closed_at": AT},
        {**_HANDOFF, "id": _STANDS, "agency_code": "office", "need": "other help", "role": "lead", "rule_number": 1}
        | {"status": "suspended", "complete_due": AT + timedelta(days=9)},
        {**_HANDOFF, "id": _NEW, "agency_code": "resting", "need": "other help", "role": "lead", "rule_number": 2}
        | {"status": "dispatched", "outcome": None, "closed_at": None, "complete_due": AT + timedelta(days=9)},
    ],
    "callback": [
        {**_OF_HANDOFF, "webhook_id": str(each), "type": "handoff.received", "sent_at": AT, "received_at": AT}
        | {"applied": True, "digest": bytes(32), "signature": "v1,x", "answer": b"{}"}
        for each in range(3)
    ],
    "delivery": [
        {**_OF_HANDOFF, "id": _DELIVERY, "request_id": _REQUEST, "type": "handoff.dispatched", "status": "delivered"}
        | {"priority": 1, "attempts": 2, "due_at": AT, "created_at": AT, "give_up_at": AT, "ended_at": AT}
        | {"digest": bytes(32), "sealed": b"x"}
    ],
    "delivery_attempt": [
        {
            "id": new_id(),
            "delivery_id": _DELIVERY,
            "number": number,
            "started_at": AT,
            "milliseconds": 7,
            "sealed": b"a",
        }
        | {"status_code": status, "fault": None}
        for number, status in ((1, 503), (2, 200))
    ],
    "idempotency": [
        {"api_key_id": _KEY, "key_hash": bytes(32), "digest": bytes(32), "request_id": _REQUEST, "created_at": AT}
        | {"answer": b"{}"}
    ],
}


# What is called otherwise since: (table, column) then and now; a column of None is the table itself.
RENAMED = {
    ("agency_secret", None): "endpoint_secret",
    ("agency_secret", "agency_code"): "receiver",
    ("delivery", "agency_code"): "receiver",
}


def _at_the_first(name: str, row: dict[str, Any]) -> TableClause:
    """A table as it was, its columns of today's types."""
    now_is = metadata.tables[RENAMED.get((name, None), name)]
    return table_clause(name, *(column(each, now_is.c[RENAMED.get((name, each), each)].type) for each in row))


def _renamed(name: str, rows: list[dict[str, Any]]) -> tuple[Table, list[dict[str, Any]]]:
    renamed = [{RENAMED.get((name, each), each): value for each, value in row.items()} for row in rows]
    return metadata.tables[RENAMED.get((name, None), name)], renamed


def stored(table: Table, row: dict[str, Any]) -> Any:
    """A query for the first revision's columns, in the order of the primary key."""
    return select(*(table.c[name] for name in row)).order_by(*table.primary_key)


def in_order(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [row[column.name] for column in table.primary_key])


def upgraded(url: str, *between: Executable) -> None:
    """Bring an empty database to revision 0001 with a request, change it, and bring it to the newest revision."""

    def to_the_first(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async def work(database: Database) -> None:
        async with database.reshaping() as connection:
            await connection.run_sync(to_the_first)
        async with database.writing() as connection:
            for name, rows in FIRST_ROWS.items():
                for row in rows:
                    await connection.execute(_at_the_first(name, row).insert().values(row))
            for statement in between:
                await connection.execute(statement)
        await migrate(database)

    on(url, work)


@pytest.fixture
def upgraded_url(empty_url: str) -> str:
    upgraded(empty_url)
    return empty_url


def test_what_was_returned_and_passed_on_to_nobody_can_be_ruled_after_an_upgrade(empty_url: str) -> None:
    returned = update(handoff).where(handoff.c.id == _LEAD).values(status="returned", closed_at=AT)
    upgraded(empty_url, returned, update(help_request).values(status="disputed"))
    (opened,) = fetch(empty_url, select(dispute))
    assert (opened["id"], opened["request_id"], opened["need"]) == (_LEAD, _REQUEST, "help")
    assert (opened["handoffs"], opened["state"], opened["opened_at"]) == ([str(_LEAD)], "open", AT)


def test_an_upgrade_keeps_every_row(upgraded_url: str) -> None:
    async def work(database: Database) -> None:
        async with database.reading() as connection:
            assert await is_at_head(connection)
            for name, first in FIRST_ROWS.items():
                table, rows = _renamed(name, first)
                kept = (await connection.execute(stored(table, rows[0] | rows[-1]))).mappings()
                expected = [dict.fromkeys(rows[0] | rows[-1]) | row for row in rows]
                assert [dict(each) for each in kept] == in_order(table, expected), name
            seats = (await connection.execute(select(agency_seat).order_by("agency_code"))).all()
            assert [tuple(each) for each in seats] == [
                ("office", 0, "school", "360803", True),
                ("resting", 0, "school", "360803", False),
            ]
            rules = [rule_of_row(each) for each in (await connection.execute(select(rule))).mappings()]
            assert {(each.condition, each.consent, each.emergency_variant) for each in rules} == {(None, (), None)}
            (table_row,) = (await connection.execute(select(routing_table))).mappings()
            assert (table_row["created_by"], table_row["certificate"]) == ("seed", None)
            assert table_row["created_at"].tzinfo is not None
            granted = select(handoff.c.id, handoff.c.extended_until).order_by(handoff.c.role.desc())
            assert {tuple(each) for each in await connection.execute(granted)} == {
                (_LEAD, AT),
                (_HELPER, None),
                (_STANDS, AT + timedelta(days=9)),
                (_NEW, None),
            }
            numbered = (await connection.scalars(select(callback.c.id))).all()
            assert len(set(numbered)) == len(FIRST_ROWS["callback"])
            assert {each.version for each in numbered} == {7}
            assert max(numbered) < new_id(), "what comes later is listed as newer"

    on(upgraded_url, work)


def test_an_upgrade_makes_the_sweep_look_at_every_open_handoff(upgraded_url: str) -> None:
    names = ("next_look_at", "first_due", "suspended_at", "material_requests", "extensions", "promised_due")
    wanted = select(handoff.c.id, *(handoff.c[name] for name in names))
    later = AT + timedelta(days=9)
    assert {row["id"]: tuple(row[name] for name in names) for row in fetch(upgraded_url, wanted)} == {
        _LEAD: (AT, AT, None, 0, 1, AT),
        _HELPER: (None, None, None, 0, 0, None),
        _STANDS: (AT, None, AT + timedelta(days=2), 2, 1, later),
        _NEW: (AT, AT, None, 0, 0, later),
    }


def test_an_upgraded_database_is_what_an_empty_one_becomes(upgraded_url: str, backend: str) -> None:
    def shape(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async def work(database: Database) -> None:
        async with database.reading() as connection:
            assert await connection.run_sync(shape) == []
            if backend == "sqlite":
                assert (await connection.execute(text("PRAGMA foreign_keys"))).scalar_one() == 1
                assert (await connection.execute(text("PRAGMA foreign_key_check"))).all() == []
                sql = text("SELECT sql FROM sqlite_master WHERE name = :name")
                for name in ("event", "handoff"):
                    assert "WITHOUT ROWID" in (await connection.execute(sql, {"name": name})).scalar_one()
                for name in ("ix_delivery_queue", "ix_delivery_exhausted"):
                    assert "WHERE status = " in (await connection.execute(sql, {"name": name})).scalar_one()
                for name in ("first_due", "next_look_at"):
                    index = await connection.execute(sql, {"name": f"ix_handoff_{name}"})
                    assert f"WHERE {name} IS NOT NULL" in index.scalar_one()

    on(upgraded_url, work)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("which", ["empty_url", "upgraded_url"])
def test_first_answers_are_stored_without_the_time_that_compressing_takes(
    which: str, backend: str, request: pytest.FixtureRequest
) -> None:
    """docs/decisions/0029"""
    url = request.getfixturevalue(which)
    how = text("SELECT attstorage FROM pg_attribute WHERE attrelid = 'idempotency'::regclass AND attname = 'answer'")

    async def work(database: Database) -> Any:
        await migrate(database)
        async with database.reading() as connection:
            return await connection.scalar(how)

    assert on(url, work) in ("e", b"e")  # EXTERNAL


def test_an_upgraded_database_refuses_what_the_tables_refuse(upgraded_url: str) -> None:
    informed = {**_HANDOFF, "id": new_id(), "agency_code": "office", "need": "more", "role": Role.INFORMED.value}
    informed |= {"rule_number": 1, "status": "dispatched"}
    same_time = {**FIRST_ROWS["routing_table"][0], "version": 2, "source": "", "created_by": "", "created_at": AT}
    wrong = (
        agency.delete(),
        handoff.delete(),
        rule.delete(),
        handoff.insert().values({**informed, "id": new_id(), "need": "other", "role": "boss"}),
        handoff.insert().values({**informed, "id": new_id(), "need": "other", "rule_number": 77}),
        handoff.insert().values({**informed, "id": new_id()}),
        routing_table.insert().values(same_time),
    )

    async def work(database: Database) -> None:
        async with database.writing() as connection:
            await connection.execute(handoff.insert().values(informed))
        for each in wrong:
            with pytest.raises(IntegrityError):
                async with database.writing() as connection:
                    await connection.execute(each)

    on(upgraded_url, work)
