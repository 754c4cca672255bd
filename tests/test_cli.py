"""The command line, as an operator types it: help worth reading, and a sentence for whatever goes wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.tables import agency, api_key, division, endpoint_secret, need
from tests import serving
from tests.commands import one_window, one_window_here, refused, said, side_by_side
from tests.watching import count, fetch, until

COMMANDS = [
    (),
    *(
        ("serve",),
        ("worker",),
        ("migrate",),
        ("seed",),
        ("demo",),
        ("openapi",),
        ("conformance",),
        ("samples",),
        ("keys",),
        ("agencies",),
        ("routing",),
        ("subscriptions",),
        ("staff",),
    ),
    *(("keys", name) for name in ("create", "list", "revoke")),
    *(("agencies", name) for name in ("add", "list", "show", "set", "endpoint", "ping")),
    *(("agencies", name) for name in ("suspend", "resume", "resume-endpoint", "rotate-secret")),
    *(("staff", name) for name in ("create", "list", "disable", "enable", "reset", "unlock")),
    ("deliveries",),
    ("deliveries", "redeliver"),
    ("readings",),
    *(("readings", name) for name in ("verify", "heads")),
    *(("subscriptions", name) for name in ("add", "list", "end", "rotate-secret")),
    *(("routing", name) for name in ("list", "check", "import", "export", "diff")),
    *(("routing", name) for name in ("publish", "retire", "preview", "replay", "verify")),
]
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


def test_every_command_explains_itself() -> None:
    assert one_window("--help").returncode == 0
    for command in COMMANDS:
        done = one_window_here(*command, "--help", database=NOWHERE)
        assert done.returncode == 0, done.stderr
        assert re.search(f"Usage: .+ {' '.join(command)}", done.stdout)
        explained = re.sub(r"\W+", " ", done.stdout.partition("Options")[0])
        assert len(explained) > 50, f"{command} says too little: {explained}"
        for each in COMMANDS:
            if each and each[:-1] == command:
                assert each[-1] in done.stdout, f"{command} does not name {each}"


def test_help_waits_for_nothing_that_only_a_command_needs() -> None:
    heavy = {"aiohttp", "alembic", "asyncpg", "fastapi", "openpyxl", "pydantic", "sqlalchemy", "uvicorn"}
    told = "import sys, app.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=120)
    assert heavy & set(done.stdout.split()) == set()


@pytest.fixture
def empty_database_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    return serving.make_postgres_database(request.getfixturevalue("postgres_server"))


def test_an_empty_database_is_migrated_and_seeded_and_it_is_safe_to_repeat(empty_database_url: str) -> None:
    url = empty_database_url
    for command in (one_window, one_window_here):
        assert said("migrate", database=url, command=command) == "The database is at the newest revision."
    for county, command in (
        ((), one_window),
        (("--county", "360803"), one_window_here),
        (("--county", "360803"), one_window_here),
    ):
        assert said("seed", *county, database=url, command=command) == "Seeded."
        assert (count(url, agency)["agency"] > 50) == bool(county)
    assert count(url, division, need) == {"division": 1879, "need": 38}
    wrong = one_window_here("seed", "--county", "360899", database=url)
    assert "--county: there is no directory of county 360899" in refused(wrong)


def test_a_key_is_printed_once_works_and_can_be_revoked(database_url: str) -> None:
    asked = ("keys", "create", "window 3", "--role", "intake", "--days", "30")
    key = said(*asked, database=database_url, command=one_window)
    assert re.fullmatch(r"ow_intake_[\w-]{43}", key)
    agencys = said("keys", "create", "school", "--role", "agency", "--agency", "360803-school", database=database_url)
    listed = said("keys", "list", database=database_url)
    assert {"window 3", "school", "intake", "360803-school"} <= set(re.split(r"\s*[│┃]\s*", listed))
    assert not {key, agencys} & set(listed.split())
    service = serving.Service(database_url, "--no-worker", refresh_seconds=0.2).wait_until("/health/live")
    try:
        with httpx.Client(headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=30) as client:
            address = f"{service.address}/v1/requests"
            assert client.get(address).status_code == 200
            replacing = said("keys", "replace", "window 3", "window 3 in 2027", database=database_url)
            assert client.get(address, headers={"authorization": f"Bearer {replacing}"}).status_code == 200
            assert said("keys", "revoke", "window 3", database=database_url) == "Revoked window 3."
            until(lambda: client.get(address).status_code == 401, what="the end of the key")
    finally:
        service.stop()


def test_an_agency_is_added_listed_given_an_endpoint_and_a_new_secret(database_url: str) -> None:
    whom = (
        "--department",
        "county_housing",
        "--division",
        "360802",
        "--name-zh",
        "吉州区住建局",
        "--name-en",
        "Jizhou",
    )
    added = said("agencies", "add", "360802-housing", *whom, database=database_url)
    assert added == "Added 360802-housing; it reads its inbox."
    secrets = [
        said("agencies", "endpoint", "360802-housing", "http://127.0.0.1:9/x", database=database_url),
        said("agencies", "rotate-secret", "360802-housing", "--overlap-hours", "0", database=database_url),
        said("agencies", "add", "a2", *whom, "--endpoint", "https://a.example/x", database=database_url),
    ]
    assert all(re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", each) for each in secrets)
    assert len(set(secrets)) == 3
    listed = said("agencies", "list", database=database_url)
    assert {"360802-housing", "吉州区住建局", "http://127.0.0.1:9/x"} <= set(re.split(r"\s*[│┃]\s*", listed))
    assert not [each for each in secrets if each in listed]
    (row,) = fetch(database_url, select(agency).where(agency.c.code == "a2"))
    assert (row["endpoint"], row["active"]) == ("https://a.example/x", True)


WRONG = [
    ("keys create x --role agency", "names its agency (--agency)"),
    ("keys create x --role intake --agency 360803-school", "no other key does"),
    ("keys create x --role agency --agency school", "There is no agency school"),
    ("keys create taken --role auditor", "There is a key named taken already"),
    ("keys revoke nobody", "There is no key named nobody in force"),
    ("agencies endpoint school http://127.0.0.1:9", "There is no agency school"),
    ("agencies endpoint 360803-school ftp://127.0.0.1", "http:// or https://"),
    ("agencies endpoint 360803-school http://[::1", "http:// or https://"),
    ("agencies endpoint 360803-school http://a:99999", "1 to 65535"),
    ("agencies endpoint 360803-school http://a:0/", "1 to 65535"),
    ("agencies endpoint 360803-school http://a:port/", "1 to 65535"),
    ("agencies endpoint 360803-school https://me:secret@a.example/", "holds no user or password"),
    ("agencies endpoint 360803-school http://0x7f.1/", "four decimal numbers"),
    ("agencies endpoint 360803-school http://203.0.113.7/", "no address that is allowed"),
    ("agencies add x --department school --division 36 --endpoint https://10.0.0.1/", "no address that is allowed"),
    ("agencies rotate-secret school", "There is no agency school"),
    ("agencies add 360803-school --department school --division 360803", "There is an agency 360803-school already"),
    ("agencies add x --department schools --division 360803", "There is no department schools"),
    ("agencies add x --department school --division 999999", "There is no division 999999"),
    ("agencies add x --department school --division 36 --endpoint x", "http:// or https://"),
    ("agencies add x --department school --division 36 --endpoint http://[::1", "http:// or https://"),
]


def test_wrong_input_is_one_sentence_and_changes_nothing(database_url: str) -> None:
    said("keys", "create", "taken", "--role", "intake", database=database_url)
    before = [fetch(database_url, select(table)) for table in (agency, endpoint_secret, api_key)]
    names = ("--name-zh", "某局", "--name-en", "Office")
    commands = [(*command.split(), *(names if " add " in command else ())) for command, _ in WRONG]
    done = [one_window_here(*command, database=database_url) for command in commands]
    processes = [partial(one_window, *command, database=database_url) for command in commands[:2]]
    for (command, sentence), each in zip(WRONG + WRONG[:2], done + side_by_side(*processes), strict=True):
        assert sentence in refused(each), command
    assert [fetch(database_url, select(table)) for table in (agency, endpoint_secret, api_key)] == before


def test_a_wrong_setting_is_refused_with_what_to_write_instead() -> None:
    wrong = {
        "ONE_WINDOW_PORT=8000": {"port": "70000"},
        "ONE_WINDOW_DATABASE_URL=postgresql://": {"database_url": "mysql://x/y"},
        "openssl rand -hex 32": {"secret": "short"},
        "did you mean ONE_WINDOW_DATABASE_URL?": {"databse_url": "sqlite:///x"},
    }
    calls = [partial(one_window, "serve", **settings) for settings in wrong.values()]
    for sentence, done in zip(wrong, side_by_side(*calls), strict=True):
        assert sentence in refused(done)


def test_a_database_that_is_away_is_one_sentence() -> None:
    commands = (("migrate",), ("keys", "list"), ("agencies", "list"), ("seed",))
    for done in side_by_side(*(partial(one_window, *command, database=NOWHERE) for command in commands)):
        assert "The database can't be used" in refused(done)


def test_the_api_is_printed_as_openapi_and_compared(tmp_path: Path) -> None:
    printed = one_window("openapi", database=NOWHERE)
    assert printed.returncode == 0, printed.stderr
    document = json.loads(printed.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/v1/requests" in document["paths"]
    file = tmp_path / "openapi.json"
    file.write_text(printed.stdout, encoding="utf-8")
    assert one_window_here("openapi", "--check", str(file), database=NOWHERE).returncode == 0
    file.write_text(printed.stdout.replace("3.1", "3.0"), encoding="utf-8")
    assert "is not current" in refused(one_window_here("openapi", "--check", str(file), database=NOWHERE))


def test_the_demonstration_ends_with_every_request_closed(tmp_path: Path) -> None:
    done = one_window("demo", "--folder", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert done.stdout.lower().count("closed") >= 3
    assert "Traceback" not in done.stdout + done.stderr
    again = one_window("demo", "--folder", str(tmp_path / "demo"))
    assert again.returncode == 1, "a folder that holds a database already is refused"
    assert "is there already" in again.stderr
