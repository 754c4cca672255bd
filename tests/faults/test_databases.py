"""The database under load: PostgreSQL restarted, killed, its connections cut; either one's disk full."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests import serving
from tests.faults import LONG
from tests.faults.accounts import never_in_two_hands, settle, wait_until_delivered
from tests.faults.fleet import Fleet
from tests.faults.load import Load
from tests.faults.sink import Sink
from tests.watching import until

TIMES = 10 if LONG else 1
DISK_BYTES = 400 * 2**20
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"


def accounts_agree(fleet: Fleet, load: Load, sink: Sink) -> None:
    load.end()
    assert load.repeated, "the fault came in the middle of something"
    wait_until_delivered(fleet.url)
    settled = settle(fleet.url, load, sink)
    assert settled.again <= settled.failed + fleet.unrecorded()
    never_in_two_hands(settled.received)
    log = fleet.log.read_text()
    assert "unexpected_error" not in log
    assert "claim_failed" not in log


def refused_and_taken_in_again(load: Load, end_the_fault: Callable[[], object]) -> None:
    before = load.repeated
    until(lambda: load.repeated > before + 8, within=60, what="the fault's effect")
    end_the_fault()
    load.wait_for(len(load.receipts) + 20)


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_postgresql_goes_away_under_load_and_comes_back(
    way: str, own_postgres: tuple[str, serving.Postgres], fleet_on: Callable[[str], Fleet], sink: Sink
) -> None:
    """Restarted in order, or killed alone and started again by its supervisor; with its standby it is ha.sh's."""
    url, server = own_postgres
    fleet = fleet_on(url).start()
    load = fleet.load()
    for _ in range(TIMES):
        load.wait_for(len(load.receipts) + 20)
        getattr(server, way)()
        refused_and_taken_in_again(load, server.start)
    accounts_agree(fleet, load, sink)
    crashes = server.log.read_text().count("database system was not properly shut down")
    assert crashes == (TIMES if way == "kill" else 0)


def test_connections_that_are_cut_lose_nothing(
    postgres_server: str, templates: Callable[[str], str], fleet_on: Callable[[str], Fleet], sink: Sink
) -> None:
    url = serving.make_postgres_database(postgres_server, make_url(templates("postgresql")).database)
    fleet = fleet_on(url).start()
    load = fleet.load()
    for _ in range(6 * TIMES):
        load.wait_for(len(load.receipts) + 10)
        serving.execute(postgres_server, CUT.format(make_url(url).database))
    accounts_agree(fleet, load, sink)
    fleet.end()
    serving.drop_postgres_database(postgres_server, url)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="one-window-disk-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user
        options = ("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder)
        if not shutil.which("mount") or subprocess.run(["mount", *options], capture_output=True).returncode:
            pytest.skip("only root may mount the small disk that is to be full")
        yield Path(folder)
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def url_on_small_disk(
    backend: str, small_disk: Path, templates: Callable[[str], str], request: pytest.FixtureRequest
) -> Iterator[tuple[str, Callable[[], None]]]:
    """A database on it, and what brings it up again if it could not stay up."""
    if backend == "sqlite":
        file = small_disk / "one-window.sqlite3"
        shutil.copy(make_url(templates("sqlite")).database or "", file)
        yield f"sqlite:///{file}", lambda: None
        return
    request.getfixturevalue("postgres_server")
    with serving.postgres_in(small_disk / "data") as server:
        url = serving.make_postgres_database(server.address)
        serving.prepare(url)
        yield url, server.start


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    block = b"\0" * 65536
    with ballast.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while out.write(block) == len(block):
            pass
    return ballast


def test_a_full_disk_refuses_and_loses_nothing(
    url_on_small_disk: tuple[str, Callable[[], None]], small_disk: Path, fleet_on: Callable[[str], Fleet], sink: Sink
) -> None:
    url, bring_up = url_on_small_disk
    fleet = fleet_on(url).start()
    load = fleet.load()
    load.wait_for(20)
    for _ in range(TIMES):
        ballast = fill(small_disk)

        def make_room(ballast: Path = ballast) -> None:
            ballast.unlink()
            bring_up()

        refused_and_taken_in_again(load, make_room)
    accounts_agree(fleet, load, sink)
    fleet.end()
