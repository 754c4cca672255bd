"""Few fixtures: a database of each kind, made anew for each test, and the service on it, over real HTTP."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from argon2 import Parameters, PasswordHasher, Type
from sqlalchemy import Engine, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

import app.db
from app import passwords
from tests import serving
from tests.county import EDUCATION, AtWork, County, Seen
from tests.receivers import Receiver
from tests.running import Running, in_this_process

BACKENDS = ("sqlite", "postgresql")
# A busy machine is no failure of the rule under test.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")
_SLOW = passwords._HASHER
_LONGEST = {"test_contract.py", "test_conformance.py"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)


@pytest.fixture(scope="session", autouse=True)
def shared_words() -> Iterator[None]:
    """What a statement is in words is found once for all databases of a kind, not anew for the few that each test has: that
    was a tenth of the tests' time. A dialect is shared when it has learned whose server it speaks to."""
    first: dict[str, Engine] = {}
    make = app.db._engine

    def sharing(*told: Any) -> AsyncEngine:
        made = make(*told)
        engine = made.sync_engine
        known = first.setdefault(engine.dialect.name, engine)
        if hasattr(known.dialect, "default_isolation_level") and known is not engine:
            engine.dialect, engine._compiled_cache = known.dialect, known._compiled_cache
        return made

    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(app.db, "_engine", sharing)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """A third of a second of a processor is what a password's hash should cost whoever guesses, not whoever tests."""
    profile = Parameters(Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(passwords, "_HASHER", PasswordHasher.from_parameters(profile))
        patching.setattr(passwords, "_NOBODYS", passwords._nobodys(profile))
        yield


@pytest.fixture
def slow_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in service."""
    monkeypatch.setattr(passwords, "_HASHER", _SLOW)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with serving.postgres(durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The address of a migrated and seeded database of a kind; tests copy it, none writes to it."""
    made: dict[str, str] = {}

    def template(backend: str) -> str:
        if backend not in made:
            if backend == "sqlite":
                made[backend] = f"sqlite:///{tmp_path_factory.mktemp('template') / 'template.sqlite3'}"
            else:
                made[backend] = serving.make_postgres_database(request.getfixturevalue("postgres_server"))
            serving.prepare(made[backend])
        return made[backend]

    return template


@pytest.fixture(scope="session")
def counties(
    templates: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], AtWork]:
    """The same of a database on which a county is at work already: what every such test would do first."""
    made: dict[str, AtWork] = {}

    def at_work(backend: str) -> AtWork:
        if backend not in made:
            template = make_url(templates(backend)).database or ""
            if backend == "sqlite":
                file = shutil.copy(template, tmp_path_factory.mktemp("county") / "template.sqlite3")
                made[backend] = AtWork.on(f"sqlite:///{file}")
            else:
                server = request.getfixturevalue("postgres_server")
                made[backend] = AtWork.on(serving.make_postgres_database(server, template))
        return made[backend]

    return at_work


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(backend: str, templates: Callable[[str], str], request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated and seeded database of this test's own, on both kinds."""
    server = None if backend == "sqlite" else request.getfixturevalue("postgres_server")
    is_at_work = "counties" in request.fixturenames
    template = request.getfixturevalue("counties")(backend).url if is_at_work else templates(backend)
    with serving.copy_of(template, server) as url:
        yield url


@pytest.fixture
def own_postgres(postgres_server: str) -> Iterator[tuple[str, serving.Postgres]]:
    """A server of this test's own (the address of a database on it, and the server), to be stopped and started."""
    with (
        tempfile.TemporaryDirectory(prefix="one-window-pg-") as folder,
        serving.postgres_in(Path(folder, "data")) as server,
    ):
        url = serving.make_postgres_database(server.address)
        serving.prepare(url)
        yield url, server


@pytest.fixture
def run_service(database_url: str) -> Iterator[Callable[..., Running]]:
    """Starts the service inside this process, on a real port; settings may be given by name."""
    with in_this_process(database_url) as run:
        yield run


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy for a second is no reason to find nobody who asks again."""
    monkeypatch.setattr("app.same_person._LONGEST_SECONDS", 60)
    monkeypatch.setattr("app.intake._LONGEST_RECORDING", 60)


@pytest.fixture
def service(run_service: Callable[..., Running]) -> Running:
    return run_service()


@pytest.fixture
def receiver(database_url: str) -> Iterator[Receiver]:
    """Every agency has its endpoint here."""
    receiver = Receiver()
    receiver.secrets = serving.set_endpoints(database_url, receiver.endpoint)
    yield receiver
    receiver.close()


@pytest.fixture
def county(counties: Callable[[str], AtWork], backend: str, run_service: Callable[..., Running]) -> County:
    """The service, from outside; nothing that is sent arrives."""
    at_work = counties(backend)
    return County(run_service(), at_work.secrets, at_work)


@pytest.fixture
def receipt(county: County) -> Seen:
    return county.ask("education_aid")


@pytest.fixture
def school(county: County, receipt: Seen) -> Seen:
    """The handoff of the education bureau, which leads."""
    return county.handoff(receipt, EDUCATION)
