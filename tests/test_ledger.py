"""The ledger: whoever waits at the same moment shares one transaction, and is answered only after its commit."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import structlog.testing
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.constraints import constraint_of
from app.db import Database, is_unavailable, sqlite_maintainer
from app.identifiers import new_id, now
from app.ledger import Ledger, Unit
from app.logs import describe
from app.problems import Problem
from app.tables import api_key, worker
from tests import serving

PID = "SELECT pg_backend_pid()"
Use = Callable[[Ledger, Database], Coroutine[Any, Any, None]]


def run(url: str, use: Use, **options: Any) -> None:
    """Use a ledger that is started before and stopped after."""

    async def whole() -> None:
        database = Database(serving.settings_for(url))
        ledger = Ledger(database, **options)
        ledger.start()
        try:
            async with asyncio.timeout(30):
                await use(ledger, database)
        finally:
            await ledger.stop()
            await database.close()

    asyncio.run(whole())


def a_unit(row_id: UUID | None = None) -> Unit:
    unit, at = Unit(), now()
    unit.insert(worker, {"id": row_id or new_id(), "started_at": at, "seen_at": at, "swept_at": None})
    return unit


def id_of(unit: Unit) -> UUID:
    row_id: UUID = unit.inserts[worker][0]["id"]
    return row_id


def of_nobody() -> Unit:
    """A key of an agency that does not exist: a foreign key refuses it."""
    unit = Unit()
    row = {
        "id": new_id(),
        "name": new_id().hex,
        "role": "agency",
        "agency_code": "nobody",
        "key_hash": new_id().bytes * 2,
    }
    unit.insert(api_key, dict.fromkeys(api_key.c.keys()) | row | {"created_at": now()})
    return unit


async def stored(database: Database) -> set[UUID]:
    async with database.reading() as connection:
        return {UUID(str(row_id)) for row_id in (await connection.execute(select(worker.c.id))).scalars()}


@contextlib.asynccontextmanager
async def held_back(url: str) -> AsyncIterator[None]:
    """While this lasts, another process holds the lock that every write needs."""
    other = Database(serving.settings_for(url))
    async with other.writing() as connection:
        if not other.is_sqlite:
            await connection.execute(text("LOCK TABLE worker IN EXCLUSIVE MODE"))
        yield
    await other.close()


async def queued(ledger: Ledger, number: int) -> None:
    """Wait until so many units are with the ledger and not yet taken into a group."""
    async with asyncio.timeout(10):
        while len(ledger._waiting) != number:  # noqa: ASYNC110 - nothing tells of it, and nothing should
            await asyncio.sleep(0.005)


async def writing(ledger: Ledger, *units: Unit) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(ledger.write(unit)) for unit in units]
    await asyncio.sleep(0)
    return tasks


async def both_writers_busy(ledger: Ledger) -> list[asyncio.Task[None]]:
    """Each writer is in a transaction that is held back."""
    tasks = []
    for _ in range(len(ledger._writers)):
        tasks += await writing(ledger, a_unit())
        await queued(ledger, 0)
    return tasks


def test_many_writers_at_once_are_all_written_in_shared_transactions(database_url: str) -> None:
    groups: list[int] = []
    units = [a_unit() for _ in range(500)]

    async def use(ledger: Ledger, database: Database) -> None:
        await asyncio.gather(*(ledger.write(unit) for unit in units))
        assert await stored(database) == {id_of(unit) for unit in units}

    run(database_url, use, observe_group=groups.append)
    assert sum(groups) == len(units)
    assert 1 < max(groups) <= 64


def test_a_group_has_at_most_the_size_it_was_given(database_url: str) -> None:
    groups: list[int] = []

    async def use(ledger: Ledger, database: Database) -> None:
        await asyncio.gather(*(ledger.write(a_unit()) for _ in range(40)))

    run(database_url, use, group=7, observe_group=groups.append)
    assert sum(groups) == 40
    assert 1 < max(groups) <= 7


def test_one_bad_unit_fails_alone(database_url: str) -> None:
    taken = new_id()
    good = [a_unit() for _ in range(30)]
    bad = [of_nobody(), a_unit(taken)]

    async def use(ledger: Ledger, database: Database) -> None:
        await ledger.write(a_unit(taken))
        async with held_back(database_url):
            await both_writers_busy(ledger)
            tasks = await writing(ledger, *good[:10], bad[0], *good[10:20], bad[1], *good[20:])
            await queued(ledger, 32)
        told = await asyncio.gather(*tasks, return_exceptions=True)
        faults = [each for each in told if each is not None]
        assert [type(each) for each in faults] == [IntegrityError, IntegrityError]
        assert (told[10], told[21]) == tuple(faults), "each of the two was told itself"
        assert {id_of(unit) for unit in good} <= await stored(database)

    run(database_url, use)


def test_a_unit_of_several_tables_is_written_whole_or_not_at_all(database_url: str) -> None:
    unit = of_nobody()
    unit.insert(worker, *a_unit().inserts[worker])

    async def use(ledger: Ledger, database: Database) -> None:
        with pytest.raises(DBAPIError):
            await ledger.write(unit)
        assert await stored(database) == set()

    run(database_url, use)


def test_a_waiter_is_answered_only_after_the_commit(database_url: str) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        other = Database(serving.settings_for(database_url))
        async with held_back(database_url):
            (task,) = await writing(ledger, unit := a_unit())
            await queued(ledger, 0)
            done, _ = await asyncio.wait([task], timeout=0.3)
            assert not done
            assert await stored(other) == set()
        await task
        assert await stored(other) == {id_of(unit)}
        for _ in range(50):
            await ledger.write(unit := a_unit())
            assert id_of(unit) in await stored(other), "another connection sees it at once"
        await other.close()

    run(database_url, use)


def test_a_waiter_that_was_cancelled_before_its_group_was_formed_writes_nothing(database_url: str) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        async with held_back(database_url):
            first = await both_writers_busy(ledger)
            units = [a_unit() for _ in range(3)]
            tasks = await writing(ledger, *units)
            await queued(ledger, 3)
            tasks[1].cancel()
            await asyncio.wait([tasks[1]])
        await asyncio.gather(*first, tasks[0], tasks[2])
        kept = await stored(database)
        assert {id_of(units[0]), id_of(units[2])} <= kept
        assert id_of(units[1]) not in kept

    run(database_url, use)


def test_a_waiter_that_was_cancelled_in_its_group_harms_no_other(database_url: str) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        async with held_back(database_url):
            cancelled, other = await writing(ledger, a_unit(), unit := a_unit())
            await queued(ledger, 0)
            cancelled.cancel()
        await other
        assert id_of(unit) in await stored(database)
        await ledger.write(a_unit())

    run(database_url, use)


def test_what_is_urgent_goes_before_all_that_waits_in_a_group_of_its_own(database_url: str) -> None:
    groups: list[int] = []

    async def use(ledger: Ledger, database: Database) -> None:
        done: list[str] = []

        async def write(name: str, *, urgent: bool = False) -> None:
            await ledger.write(a_unit(), urgent=urgent)
            done.append(name)

        if not database.is_sqlite:  # a connection for everybody
            async with contextlib.AsyncExitStack() as all_at_once:
                for _ in range(4):
                    await all_at_once.enter_async_context(database.direct())
        for _ in range(9):  # which knows the table
            await ledger.write(a_unit())
        groups.clear()
        async with held_back(database_url):
            busy = await both_writers_busy(ledger)
            ordinary = [asyncio.create_task(write("ordinary")) for _ in range(40)]
            await queued(ledger, 40)
            emergency = asyncio.create_task(write("urgent", urgent=True))
            await asyncio.sleep(0)
        await asyncio.gather(*busy, *ordinary, emergency)
        assert done.index("urgent") <= 36, "the other writers may have taken some groups meanwhile"
        assert 1 in groups[len(busy) :]

    run(database_url, use, group=4, observe_group=groups.append)


def test_stopping_writes_all_that_waits_and_refuses_what_comes_after(database_url: str) -> None:
    units = [a_unit() for _ in range(100)]

    async def use(ledger: Ledger, database: Database) -> None:
        async with held_back(database_url):
            tasks = await both_writers_busy(ledger)
            tasks += await writing(ledger, *units)
            await queued(ledger, 100)
            stopping = asyncio.create_task(ledger.stop())
            await asyncio.sleep(0)
            with pytest.raises(Problem) as refused:
                await ledger.write(late := a_unit())
            assert refused.value.code == "unavailable"
            assert not stopping.done()
        await stopping
        assert all(task.done() and task.exception() is None for task in tasks)
        kept = await stored(database)
        assert {id_of(unit) for unit in units} <= kept
        assert id_of(late) not in kept

    run(database_url, use)


def test_rows_of_one_group_need_not_have_the_same_columns_filled(database_url: str) -> None:
    at = now()
    units = [a_unit() for _ in range(3)]
    units[1].inserts[worker][0]["swept_at"] = at

    async def use(ledger: Ledger, database: Database) -> None:
        async with held_back(database_url):
            busy = await both_writers_busy(ledger)
            tasks = await writing(ledger, *units)
            await queued(ledger, 3)
        await asyncio.gather(*busy, *tasks)
        await ledger.write(a_unit())
        async with database.reading() as connection:
            swept = select(worker.c.swept_at).where(worker.c.id.in_([id_of(each) for each in units]))
            found = list((await connection.execute(swept.order_by(worker.c.id))).scalars())
        assert found == [None, at, None]

    run(database_url, use)


def test_a_group_of_any_number_of_rows_is_written_whole(database_url: str) -> None:
    """Each as it is, whichever of its columns are blank."""
    numbers = (2, 5, 7, 11, 31, 47, 63, 65, 113, 127, 200)
    groups: list[int] = []

    async def use(ledger: Ledger, database: Database) -> None:
        written = {}
        for number in numbers:
            unit = Unit()
            for position in range(number):
                (row,) = a_unit().inserts[worker]
                swept_at = now() if position % 3 == 0 else None
                unit.insert(worker, {**row, "swept_at": swept_at})
                written[row["id"]] = swept_at
            await ledger.write(unit)
        async with database.reading() as connection:
            found = await connection.execute(select(worker.c.id, worker.c.swept_at))
            assert {row.id: row.swept_at for row in found} == written

    run(database_url, use, observe_group=groups.append)
    assert groups == [1] * len(numbers)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_gathers_in_the_log_goes_to_the_file_beside_the_writing(database_url: str) -> None:
    """After 16 groups, and 16 more, all of them can be read from the file alone, without its log."""
    file = Path(make_url(database_url).database or "")

    async def use(ledger: Ledger, database: Database) -> None:
        for _ in range(2):
            units = [a_unit() for _ in range(16)]
            for unit in units:
                await ledger.write(unit)
            await put_away(units, file)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_log_that_became_long_is_put_away_before_anything_more_is_written_and_begins_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.bulk._LONG_LOG", 0)
    file = Path(make_url(database_url).database or "")

    async def use(ledger: Ledger, database: Database) -> None:
        lengths = []
        for _ in range(4):
            units = [a_unit() for _ in range(16)]
            for unit in units:
                await ledger.write(unit)
            assert {id_of(each).bytes for each in units} <= in_the_file_alone(file)
            lengths.append(length(f"{file}-wal"))
        assert lengths[-1] < 2 * lengths[0], "not a log of all four"

    run(database_url, use)


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_log_that_could_not_be_put_away_is_told_of_and_is_put_away_the_next_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(make_url(database_url).database or "")

    async def use(ledger: Ledger, database: Database) -> None:
        units = [a_unit() for _ in range(32)]

        def nowhere(path: str) -> sqlite3.Connection:
            return sqlite_maintainer(f"{path}.gone")

        with monkeypatch.context() as during, structlog.testing.capture_logs() as told:
            during.setattr("app.bulk.sqlite_maintainer", nowhere)
            for unit in units[:16]:
                await ledger.write(unit)
            async with asyncio.timeout(10):
                while not told:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert [(each["event"], each["error"]) for each in told] == [("log_not_put_away", "OperationalError")]
        assert id_of(units[0]).bytes not in in_the_file_alone(file)
        for unit in units[16:]:
            await ledger.write(unit)
        await put_away(units, file)

    run(database_url, use)


async def put_away(units: list[Unit], file: Path) -> None:
    """Returns when all of them are in the file."""
    async with asyncio.timeout(10):
        while not {id_of(each).bytes for each in units} <= in_the_file_alone(file):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def in_the_file_alone(file: Path) -> set[bytes]:
    """`immutable`: not looked for in the log, and nothing is locked or unlocked."""
    with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        try:
            return {row_id for (row_id,) in connection.execute("SELECT id FROM worker")}
        except sqlite3.DatabaseError:  # half of it is written
            return set()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_group_is_stored_though_there_is_no_thread_to_put_the_log_away(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(make_url(database_url).database or "")

    async def use(ledger: Ledger, database: Database) -> None:
        units = [a_unit() for _ in range(17)]
        for unit in units[:2]:
            await ledger.write(unit)  # for which there is one

        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as during:
            during.setattr(threading.Thread, "start", refuse)
            for unit in units[2:]:
                await ledger.write(unit)
        assert {id_of(each).bytes for each in units[:16]} <= in_the_file_alone(file), "by who writes"
        assert {id_of(each) for each in units} <= await stored(database)

    run(database_url, use)


def test_no_database_is_made_where_one_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        sqlite_maintainer(str(tmp_path / "gone.sqlite3"))
    assert not list(tmp_path.iterdir())


# Another process that is in the midst of a checkpoint, as far as SQLite can tell (sqlite.org/walformat.html#locks).
_CHECKPOINTS = """
import fcntl, sys, time
index = open(sys.argv[1], "r+b")
fcntl.lockf(index, fcntl.LOCK_EX, 1, 121)
print("held", flush=True)
time.sleep(0.3)
"""


def length(file: str) -> int:
    return Path(file).stat().st_size


@pytest.mark.parametrize("backend", ["sqlite"])
def test_what_was_erased_leaves_the_log_though_another_checkpoint_was_under_way(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.db._TRACE_TRIES", 3000)  # however long the other takes
    file = make_url(database_url).database or ""

    async def use(ledger: Ledger, database: Database) -> None:
        await ledger.write(a_unit())
        arguments = (sys.executable, "-c", _CHECKPOINTS, f"{file}-shm")
        other = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE)
        assert other.stdout is not None
        assert await other.stdout.readline() == b"held\n"
        await database.leave_no_trace()
        assert other.returncode is not None or await other.wait() == 0
        assert length(f"{file}-wal") == 0

    run(database_url, use)


def test_a_ledger_that_was_not_started_refuses(database_url: str) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        asleep = Ledger(database)
        with pytest.raises(Problem) as refused:
            await asleep.write(a_unit())
        assert refused.value.code == "unavailable"

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize(
    "options",
    [
        "user={user}&passfile=/none&krbsrvname=postgres&gsslib=gssapi",
        "port={port}&sslmode=prefer&target_session_attrs=primary",
        "ssl=allow&target_session_attrs=any",
    ],
)
def test_what_the_address_may_say_is_understood_by_both_ways_to_connect(database_url: str, options: str) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        await ledger.write(a_unit())
        async with database.reading() as connection:
            assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1

    url = make_url(database_url)
    url = url.update_query_string(options.format(user=url.username, port=url.port or 5432))
    run(url.render_as_string(hide_password=False), use)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_connection_that_was_cut_is_told_of_once_and_not_used_again(database_url: str) -> None:
    """SQLite has none that could be cut."""

    async def use(ledger: Ledger, database: Database) -> None:
        await asyncio.gather(*(ledger.write(a_unit()) for _ in range(9)))
        async with database.direct() as one:
            await one.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        for _ in range(9):  # there are no more of them than that
            with contextlib.suppress(Problem):
                await ledger.write(a_unit())
        await ledger.write(unit := a_unit())
        assert id_of(unit) in await stored(database)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("way", [Database.direct, Database.reading])
def test_a_connection_that_was_cut_says_so_at_whatever_moment_it_is_used(
    way: Callable[[Database], Any], turns: int, database_url: str
) -> None:
    """Its end is heard of in two turns of the event loop: what the server says last, and then that it has gone."""

    async def ask(connection: Any) -> int:
        return int(await (connection.fetchval(PID) if way is Database.direct else connection.scalar(text(PID))))

    async def cut_and_ask(database: Database) -> None:
        async with way(database) as connection:
            cut = f"SELECT pg_terminate_backend({await ask(connection)}, 5000)"
            cutter = threading.Thread(target=serving.execute, args=(database_url, cut))
            cutter.start()
            cutter.join()  # the event loop stands still meanwhile
            for _ in range(turns):
                await asyncio.sleep(0)
            await ask(connection)

    async def use(ledger: Ledger, database: Database) -> None:
        with pytest.raises(DBAPIError) as told:
            await cut_and_ask(database)
        assert is_unavailable(told.value), repr(told.value)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_what_the_server_refuses_is_named_as_elsewhere_and_quotes_no_row(database_url: str) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        with pytest.raises(IntegrityError) as directly:
            await ledger.write(of_nobody())
        with pytest.raises(DBAPIError) as divided:
            async with database.direct() as driver:
                await driver.fetch("SELECT 1 / 0")
        assert not is_unavailable(divided.value)
        assert constraint_of(directly.value) == "fk_api_key_agency_code_agency"
        assert "nobody" not in repr(describe(directly.value)) + str(directly.value)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_what_took_too_long_is_not_done_after_all(database_url: str) -> None:
    """Whoever waited was told that nothing was written."""

    async def use(ledger: Ledger, database: Database) -> None:
        with pytest.raises(TimeoutError):
            async with database.direct() as driver:
                await driver.fetch("SELECT pg_sleep(60)", timeout=0.2)
        running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'")
        async with asyncio.timeout(10), database.reading() as connection:
            while await connection.scalar(running):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("how", ["lost", "too long"])
def test_where_one_connection_tells_that_the_server_is_away_the_others_are_not_tried(
    how: str, database_url: str
) -> None:
    async def use(ledger: Ledger, database: Database) -> None:
        await asyncio.gather(*(ledger.write(a_unit(), urgent=urgent) for urgent in (False, True) for _ in range(9)))
        before = {id(each) for each, _ in database._direct}
        assert len(before) > 1
        query = {"lost": "SELECT pg_terminate_backend(pg_backend_pid())", "too long": "SELECT pg_sleep(60)"}[how]
        with pytest.raises((DBAPIError, TimeoutError)) as told:
            async with database.direct() as driver:
                await driver.fetch(query, timeout=0.5)
        assert is_unavailable(told.value)
        assert not database._direct
        await ledger.write(unit := a_unit())
        assert id_of(unit) in await stored(database)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_one_that_has_rested_for_long_is_not_trusted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall between may have forgotten it without a word."""

    async def use(ledger: Ledger, database: Database) -> None:
        async def its_pid() -> int:
            async with database.direct() as driver:
                return int(driver.get_server_pid())

        first = await its_pid()
        assert await its_pid() == first
        monkeypatch.setattr("app.db._REST_SECONDS", 0.0)
        await asyncio.sleep(0.01)
        assert await its_pid() != first

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_the_driver_takes_lists_for_arrays_and_asks_nothing_else(database_url: str) -> None:
    """Otherwise it looks elsewhere for what an array is, and asks of every value at length (docs/decisions/0026)."""

    async def use(ledger: Ledger, database: Database) -> None:
        async with database.direct() as driver:
            for rows in (["1", None], [["1"], [None]]):
                assert await driver.fetchval("SELECT cardinality($1::TEXT[])", rows) == 2
            assert await driver.fetchval("SELECT $1::BYTEA[]", [b"1"]) == [b"1"]
        for otherwise in ({"1"}, ("1",)):
            with pytest.raises(DBAPIError):
                async with database.direct() as driver:
                    await driver.fetchval("SELECT $1::TEXT[]", otherwise)

    run(database_url, use)


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_moment_is_the_same_on_the_drivers_own_connections(database_url: str) -> None:
    """Whatever its zone, before the year from which the server counts as well as after."""
    moments = [
        datetime(2026, 11, 28, 1, 2, 3, 456789, UTC),
        datetime(2026, 11, 28, 9, 2, 3, 456789, ZoneInfo("Asia/Shanghai")),
        datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    ]

    async def use(ledger: Ledger, database: Database) -> None:
        as_text = [each.astimezone(UTC).replace(tzinfo=None).isoformat() for each in moments]
        async with database.direct() as driver:
            read = await driver.fetchval("SELECT $1::TIMESTAMPTZ[]", [*moments, None])
            same = "SELECT $1::TIMESTAMPTZ[] = (SELECT array_agg(one::TIMESTAMP AT TIME ZONE 'UTC') FROM unnest($2::TEXT[]) one)"
            assert await driver.fetchval(same, moments, as_text)
        assert read == [*moments, None]
        assert all(each.utcoffset() == timedelta(0) for each in read[:-1])

    run(database_url, use)
