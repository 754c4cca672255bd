"""Settings: what is wrong is refused at the start, with a sentence that says what to write instead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import literal, select
from sqlalchemy.engine import make_url

from app import signing
from app.config import PREFIX, Settings, WrongSettingError, load_settings
from app.db import Database
from app.office import store_of

LONG_ENOUGH = "a secret of tests, thirty-two and more"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def refusal(**overrides: object) -> str:
    with pytest.raises(WrongSettingError) as refused:
        load_settings(**overrides)
    return str(refused.value)


def test_the_defaults_work_on_one_machine() -> None:
    settings = load_settings()
    assert settings.is_sqlite
    assert settings.host == "127.0.0.1"
    assert settings.embedded_worker


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_explained_and_its_example_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field = Settings.model_fields[name]
    assert (field.description or "").endswith(".")
    (example,) = field.examples or [None]
    assert example is not None
    if name in ("secret", "audit_key"):
        example = "4f" * 32  # what the command that the example names prints
    if name.startswith("code_gateway"):
        monkeypatch.setenv(f"{PREFIX}CODE_GATEWAY_SECRET", gateway_secret := signing.new_secret())
        example = gateway_secret if name == "code_gateway_secret" else example
    if name == "oidc_issuer":
        monkeypatch.setenv(f"{PREFIX}OIDC_CLIENT_ID", "one-window")
    if name == "s3_url":
        for of_it in ("BUCKET", "KEY", "SECRET"):
            monkeypatch.setenv(f"{PREFIX}S3_{of_it}", "x")
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", str(example))
    assert getattr(load_settings(), name) is not None


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("database_url", "nonsense", "is not a database address"),
        ("database_url", "mysql://u:p@h/d", "write sqlite:///… or postgresql://…"),
        (
            "database_url",
            "postgresql://u:p@a:1,b:2/d",
            "of several hosts: postgresql://user:password@/database?host=a,b",
        ),
        ("database_url", "postgresql://u:p@a,b/d", "of several hosts: postgresql://"),
        ("database_url", "postgresql://u:p@a,b:5433/d", "of several hosts: postgresql://"),
        ("database_url", "postgresql://u:p@/d?host=a:1,b:2", "behind a host; of several hosts: postgresql://"),
        ("database_url", "postgresql://u:p@/d?host=a:1&port=2", "behind a host; of several hosts: postgresql://"),
        ("database_url", "postgresql://u:p@/d?host=a,b&port=1,2,3", "?host=a,b&port=5432,5433"),
        ("database_url", "postgresql://u:p@/d?host=a,", "?host=a,b&port=5432,5433"),
        ("database_url", "postgresql://u:p@/d?host=a,b&port=1,x", "no number from 1 to 65535"),
        ("database_url", "postgresql://u:p@h:0/d", "no number from 1 to 65535"),
        ("database_url", "postgresql://u:p@h:65536/d", "no number from 1 to 65535"),
        ("database_url", "postgresql://u:p@h/d?port=1,2", "?host=a,b&port=5432,5433"),
        ("database_url", "postgresql://u:p@h/d?connect_timeout=5", "none of host, port, user"),
        ("database_url", "postgresql://u:p@/d?host=a&host=b", "none of host, port, user"),
        ("database_url", "postgresql://u:p@h/d?sslmode=yes", "for sslmode that is none of disable, allow"),
        ("database_url", "postgresql://u:p@h/d?target_session_attrs=standby", "none of any, primary, read-write"),
        ("database_url", "postgresql://u:p@h/d?sslmode=", "leave it out, or give it a value"),
        ("database_url", "postgresql://u:p@/d?host=&host=b", "leave it out, or give it a value"),
        ("database_url", "postgresql://u:p@h/d?ssl=disable&sslmode=require", "write one of them"),
        ("database_url", "postgresql://u:p@h/d?prepared_statement_cache_size=0", "none of host, port, user"),
        ("database_url", "sqlite://var/lib/file", "write sqlite:////path/to/file"),
        ("database_url", "sqlite:///file?mode=ro", "a file takes none; write sqlite:////path/to/file"),
        ("database_url", "sqlite://", "write sqlite:////path/to/file"),
        ("database_url", "sqlite:///:memory:", "write sqlite:////path/to/file"),
        ("secret", "too short", "at least 32"),
        ("audit_key", "4f" * 31, "64 hex digits"),
        ("audit_key", "xy" * 32, "64 hex digits"),
        ("port", "eighty", "integer"),
        ("port", "65536", "less than or equal to 65535"),
        ("port", "", "integer"),
        ("embedded_worker", "perhaps", "boolean"),
        ("public_url", "one-window.example.gov.cn", "pattern"),
        ("public_url", "https://user:password@example.gov.cn", "pattern"),
        ("code_gateway_url", "https://user:password@sms.example.gov.cn", "pattern"),
        ("code_gateway_secret", "whsec_short", "24 or more random bytes"),
        ("code_gateway_secret", "0" * 44, "whsec_"),
        ("oidc_issuer", "http://sso.example.gov.cn", "https:// address"),
        ("oidc_issuer", "https://sso.example.gov.cn/?realm=county", "without query"),
        ("trusted_proxies", "everybody", "ONE_WINDOW_TRUSTED_PROXIES"),
        ("log_format", "xml", "'auto', 'console' or 'json'"),
        ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("ledger_group", "0", "greater than or equal to 1"),
        ("database_pool", "2", "greater than or equal to 3"),
        ("delivery_concurrency", "-1", "greater than or equal to 1"),
        ("delivery_per_agency", "201", "less than or equal to 200"),
        ("delivery_connect_seconds", "0", "greater than 0"),
        ("delivery_total_seconds", "soon", "number"),
        ("delivery_lease_seconds", "0.5", "greater than or equal to 1"),
        ("delivery_read_seconds", "121", "less than or equal to 120"),
        ("allowed_networks", "10.0.0.0/8,intranet", "does not appear to be an IPv4 or IPv6 network"),
        ("allowed_networks", "10.1.2.3/8", "has host bits set"),
        ("poll_seconds", "nan", "less than or equal to 60"),
        ("refresh_seconds", "-2", "greater than 0"),
        ("callback_tolerance_seconds", "29", "greater than or equal to 30"),
        ("stop_seconds", "301", "less than or equal to 300"),
        ("metrics_port", "none", "integer"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_name_the_reason_and_what_to_write(
    name: str, value: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"{PREFIX}{name.upper()}"
    monkeypatch.setenv(variable, value)
    sentence = refusal()
    (example,) = Settings.model_fields[name].examples or [None]
    assert sentence.startswith(f"{variable}: ")
    assert advice in sentence
    assert sentence.endswith(f"Write for example {variable}={example}")
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("total", "lease", "least", "instead"),
    [("20", "10", "22", "60"), ("60", None, "62", "180"), ("1", "2", "3", "3"), ("0.5", "2", "2.5", "3")],
)
def test_a_lease_that_ends_before_a_whole_attempt_may_is_refused_with_what_to_write(
    total: str, lease: str | None, least: str, instead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}DELIVERY_TOTAL_SECONDS", total)
    if lease is not None:
        monkeypatch.setenv(f"{PREFIX}DELIVERY_LEASE_SECONDS", lease)
    sentence = refusal()
    variable = f"{PREFIX}DELIVERY_LEASE_SECONDS"
    assert sentence.startswith(f"{variable}: must be {least} or more")
    assert f"{PREFIX}DELIVERY_TOTAL_SECONDS={total}" in sentence
    assert sentence.endswith(f"Write for example {variable}={instead}")
    for enough in (least, instead):
        monkeypatch.setenv(variable, enough)
        assert load_settings().delivery_lease_seconds == float(enough)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("?host=a,b", {"host": "a,b", "port": "5432,5432", "target_session_attrs": "read-write"}),
        ("?host=a,b&port=5433", {"host": "a,b", "port": "5433,5433", "target_session_attrs": "read-write"}),
        ("?host=a,b&port=1,2&target_session_attrs=any", {"host": "a,b", "port": "1,2", "target_session_attrs": "any"}),
        ("?host=/run/postgresql", {"host": "/run/postgresql"}),
        ("?sslmode=require", {"ssl": "require"}),
        ("?host=::1", {"host": "::1"}),
        ("?ssl=verify-full&gsslib=sspi", {"ssl": "verify-full", "gsslib": "sspi"}),
    ],
)
def test_of_several_hosts_each_has_its_port_and_the_primary_is_wanted(given: str, understood: dict[str, str]) -> None:
    assert make_url(load_settings(database_url=f"postgresql://u:p@/d{given}").database_url).query == understood


def test_a_single_sign_on_that_does_not_know_us_is_refused_with_what_to_write() -> None:
    sentence = refusal(oidc_issuer="https://sso.example.gov.cn")
    assert sentence.endswith("Write ONE_WINDOW_OIDC_CLIENT_ID=one-window")


def test_a_gateway_without_a_secret_is_refused_with_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}CODE_GATEWAY_URL", "https://sms.example.gov.cn/send")
    sentence = refusal()
    assert f"{PREFIX}CODE_GATEWAY_URL needs {PREFIX}CODE_GATEWAY_SECRET" in sentence
    assert f"Write {PREFIX}CODE_GATEWAY_SECRET=whsec_" in sentence


def test_all_wrong_settings_are_told_at_once_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PORT", "eighty"), ("LOG_LEVEL", "loud"), ("DATABASE_URL", "nonsense")):
        monkeypatch.setenv(PREFIX + name, value)
    lines = refusal().splitlines()
    assert {line.partition(":")[0] for line in lines} == {f"{PREFIX}{n}" for n in ("PORT", "LOG_LEVEL", "DATABASE_URL")}


def test_a_refusal_repeats_no_secret_and_no_password() -> None:
    assert "hunter2" not in refusal(secret="hunter2")
    assert "hunter2" not in refusal(database_url="mysql://one_window:hunter2@127.0.0.1/one_window")


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("DATABASE", "DATABASE_URL"),
        ("SECRETS", "SECRET"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("DELIVERY_CONCURENCY", "DELIVERY_CONCURRENCY"),
    ],
)
def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(
    misspelt: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + misspelt, "x")
    assert refusal() == f"There is no setting {PREFIX}{misspelt}; did you mean {PREFIX}{meant}?"


def test_a_setting_like_no_other_is_refused_with_where_they_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ", "x")
    assert "docs/operating.md" in refusal()


def test_what_only_tests_read_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "TEST_POSTGRES_URL", "postgresql://127.0.0.1/tests")
    assert load_settings() == load_settings()


def test_what_the_command_line_says_stands_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX + "PORT", "8001")
    assert load_settings(port=None).port == 8001
    assert load_settings(port=8002).port == 8002


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("sqlite:///one-window.sqlite3", "sqlite+aiosqlite:///one-window.sqlite3"),
        ("sqlite:////var/lib/one-window/rows.sqlite3", "sqlite+aiosqlite:////var/lib/one-window/rows.sqlite3"),
        ("sqlite+aiosqlite:///one-window.sqlite3", "sqlite+aiosqlite:///one-window.sqlite3"),
        ("postgres://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u@/d?host=/run/postgresql", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpostgresql"),
    ],
)
def test_a_database_address_gets_the_driver_that_is_used(written: str, used: str) -> None:
    settings = load_settings(database_url=written)
    assert settings.database_url == used
    assert settings.is_sqlite == written.startswith("sqlite")
    assert load_settings(database_url=used).database_url == used


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x4E2D), min_size=1, max_size=20))
def test_any_password_survives_the_address(password: str) -> None:
    settings = load_settings(database_url=f"postgresql://u:{quote(password, safe='')}@h/d")
    assert make_url(settings.database_url).password == password


def test_postgresql_without_a_secret_is_refused_with_how_to_make_one() -> None:
    settings = load_settings(database_url="postgresql://u:p@h/d")
    with pytest.raises(WrongSettingError, match="openssl rand -hex 32") as refused:
        settings.secret_bytes()
    assert f"{PREFIX}SECRET" in str(refused.value)


def test_the_secret_that_is_set_is_used_and_none_is_written(tmp_path: Path) -> None:
    for url in ("postgresql://u:p@h/d", f"sqlite:///{tmp_path}/rows.sqlite3"):
        assert load_settings(database_url=url, secret=LONG_ENOUGH).secret_bytes() == LONG_ENOUGH.encode()
    assert list(tmp_path.iterdir()) == []


def test_with_sqlite_a_secret_is_made_once_beside_the_database_for_its_owner_only(tmp_path: Path) -> None:
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/rows.sqlite3")
    secret = settings.secret_bytes()
    (file,) = tmp_path.iterdir()
    assert file.name == "rows.sqlite3.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch(rb"[0-9a-f]{64}", secret)
    assert settings.secret_bytes() == secret
    assert load_settings(database_url=f"sqlite:///{tmp_path}/rows.sqlite3").secret_bytes() == secret


def test_an_sqlite_file_is_made_when_it_is_first_opened_and_for_its_owner_only(tmp_path: Path) -> None:
    database = Database(load_settings(database_url=f"sqlite:///{tmp_path}/rows.sqlite3", secret=LONG_ENOUGH))
    assert list(tmp_path.iterdir()) == []

    async def look() -> None:
        async with database.reading() as connection:
            await connection.execute(select(literal(1)))
        await database.close()

    asyncio.run(look())
    assert stat.S_IMODE((tmp_path / "rows.sqlite3").stat().st_mode) == 0o600


def test_with_sqlite_an_audit_key_is_made_once_and_only_when_it_is_asked_for(tmp_path: Path) -> None:
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/rows.sqlite3")
    assert settings.audit_seed(make=False) is None
    assert list(tmp_path.iterdir()) == []
    seed = settings.audit_seed()
    (file,) = tmp_path.iterdir()
    assert (file.name, stat.S_IMODE(file.stat().st_mode)) == ("rows.sqlite3.audit-key", 0o600)
    assert seed is not None
    assert len(seed) == 32
    assert settings.audit_seed() == settings.audit_seed(make=False) == seed
    assert load_settings(database_url="postgresql://u:p@h/d").audit_seed() is None
    assert load_settings(audit_key="4F" * 32).audit_seed() == b"O" * 32
    file.write_bytes(b"short")
    with pytest.raises(WrongSettingError, match="64 hex digits"):
        settings.audit_seed()


def test_two_databases_have_two_secrets(tmp_path: Path) -> None:
    made = {load_settings(database_url=f"sqlite:///{tmp_path}/{name}").secret_bytes() for name in "ab"}
    assert len(made) == 2


@pytest.mark.parametrize("content", [b"", b"\n", b"short"])
def test_a_secret_file_that_was_not_finished_is_never_taken_for_a_secret(content: bytes, tmp_path: Path) -> None:
    """Whoever made it was killed before it wrote, or has not written yet: an empty key would let anybody make tokens."""
    (tmp_path / "rows.sqlite3.secret").write_bytes(content)
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/rows.sqlite3")
    with contextlib.suppress(WrongSettingError):
        assert len(settings.secret_bytes()) >= 32


def test_a_folder_that_does_not_exist_is_refused_with_a_sentence(tmp_path: Path) -> None:
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/nowhere/rows.sqlite3")
    with pytest.raises(WrongSettingError, match=f"{PREFIX}DATABASE_URL"):
        settings.secret_bytes()


def test_authorities_of_the_storage_that_cant_be_read_are_refused_with_a_sentence(tmp_path: Path) -> None:
    told = {"s3_url": "https://s3.example", "s3_bucket": "papers", "s3_key": "a", "s3_secret": "b"}
    settings = load_settings(database_url=f"sqlite:///{tmp_path}/rows.sqlite3", **told, s3_ca=str(tmp_path / "none"))
    with pytest.raises(WrongSettingError, match=f"{PREFIX}S3_CA"):
        store_of(settings)


def test_the_secret_is_not_shown_where_settings_are_printed() -> None:
    settings = load_settings(secret=LONG_ENOUGH)
    assert LONG_ENOUGH not in repr(settings) + str(settings)
