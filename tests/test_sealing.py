"""Sealing: what is sealed opens with its own key alone, and a rotation of the master key loses nothing."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from typer.testing import CliRunner

from app import cli, rotation
from app.config import WrongSettingError
from app.db import Database
from app.key_settings import CipherName
from app.master_keys import MasterKeys, fresh, key_id
from app.sealing import NO_BOX, SERVICE, Sm4Gcm, Vault, kept_at
from app.tables import help_request, service_key
from tests import serving
from tests.commands import one_window, refused
from tests.county import County
from tests.watching import change, fetch, on

ONE, OTHER = b"one request's id", b"another one's id"
HERE, THERE = kept_at("event.sealed", 1), kept_at("event.sealed", 2)
CIPHERS = list(CipherName)


def a_vault(cipher: CipherName = CipherName.AES_256_GCM, keys: str = serving.MASTER_KEY) -> Vault:
    return Vault(MasterKeys(serving.settings_for("sqlite:///unused.sqlite3", master_keys=keys)), cipher)


def opened_vault(cipher: CipherName = CipherName.AES_256_GCM) -> Vault:
    vault = a_vault(cipher)
    vault.open(vault.new_box(SERVICE)[1])
    return vault


def test_sm4_gcm_is_that_of_rfc_8998() -> None:
    """Appendix A.1."""
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    more = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = b"".join(bytes([byte]) * 8 for byte in bytes.fromhex("AABBCCDDEEFFEEAA"))
    sealed = bytes.fromhex(
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert Sm4Gcm(key).encrypt(nonce, plain, more) == sealed
    assert Sm4Gcm(key).decrypt(nonce, sealed, more) == plain


@pytest.mark.parametrize("cipher", CIPHERS)
@given(content=st.recursive(st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner)))
def test_what_was_sealed_comes_out_again(cipher: CipherName, content: Any) -> None:
    vault = a_vault(cipher)
    box, wrapped = vault.new_box(ONE)
    assert vault.box(ONE, wrapped).unseal(box.seal(content, HERE), HERE) == content


@pytest.mark.parametrize("cipher", CIPHERS)
def test_nothing_of_it_can_be_read_changed_or_moved(cipher: CipherName) -> None:
    vault = a_vault(cipher)
    box, wrapped = vault.new_box(ONE)
    sealed = box.seal({"name": "张某某"}, HERE)
    assert "张某某".encode() not in sealed
    assert sealed != box.seal({"name": "张某某"}, HERE)
    for at in range(1, len(sealed)):
        with pytest.raises(InvalidTag):
            box.unseal(sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], HERE)
    with pytest.raises(InvalidTag):
        vault.new_box(OTHER)[0].unseal(sealed, HERE)
    with pytest.raises(InvalidTag):
        box.unseal(sealed, THERE)  # from another row of the same request
    with pytest.raises(InvalidTag):
        vault.box(OTHER, wrapped)  # a data key that was copied to another row


def test_without_its_data_key_nothing_is_left_to_be_read() -> None:
    box, _ = a_vault().new_box(ONE)
    shut = a_vault().box(ONE, None)
    assert shut.unseal(box.seal("a secret", HERE), HERE) is None
    assert shut.seal("another", HERE) == b""
    assert NO_BOX.unseal(box.seal("a secret", HERE), HERE) is None
    with pytest.raises(RuntimeError, match="without its data key"):
        NO_BOX.seal("a secret", HERE)


def test_what_nobody_sealed_is_not_taken_for_what_was() -> None:
    """Whoever can write to the database puts no words of theirs into anybody's message."""
    box, _ = a_vault().new_box(ONE)
    for forged in (
        b"\x00" + b'"plain words"',
        b"\x01" + b'"plain words"',
        b'"plain words, long enough for a nonce and a tag"',
    ):
        with pytest.raises((InvalidTag, ValueError)):
            box.unseal(forged, HERE)


def test_a_cipher_that_is_set_later_leaves_the_old_readable() -> None:
    old, wrapped = a_vault(CipherName.AES_256_GCM).new_box(ONE)
    assert a_vault(CipherName.SM4_GCM).box(ONE, wrapped).unseal(old.seal("x", HERE), HERE) == "x"


@pytest.mark.parametrize("cipher", CIPHERS)
def test_marks_are_equal_for_equal_values_and_for_nobody_without_the_key(cipher: CipherName) -> None:
    vault = opened_vault(cipher)
    assert vault.mark("id", "110") == vault.mark("id", "110")
    assert len({vault.mark("id", "110"), vault.mark("phone", "110"), vault.mark("id", "11", "0")}) == 3
    assert vault.mark("id", "110") != opened_vault(cipher).mark("id", "110")


def test_the_marks_of_sm4_are_hmac_sm3() -> None:
    """By the definition of RFC 2104."""
    vault = a_vault(CipherName.SM4_GCM)
    _, wrapped = vault.new_box(SERVICE)
    vault.open(wrapped)
    _, service_key = vault._unwrap(SERVICE, wrapped)
    key = HKDF(hashes.SM3(), 32, None, b"one-window marks").derive(service_key).ljust(64, b"\0")

    def sm3(content: bytes) -> bytes:
        digest = hashes.Hash(hashes.SM3())
        digest.update(content)
        return digest.finalize()

    inner = sm3(bytes(b ^ 0x36 for b in key) + b"id\x1f110")
    assert vault.mark("id", "110") == sm3(bytes(b ^ 0x5C for b in key) + inner)[:16]


def test_the_key_of_a_file_is_made_once_and_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    settings = serving.settings_for(f"sqlite:///{tmp_path / 'one-window.sqlite3'}")
    with pytest.raises(WrongSettingError, match="no file"):
        MasterKeys(settings).current()
    for _ in range(2):
        MasterKeys(settings).make()
    first, second = MasterKeys(settings).current(), MasterKeys(settings).current()
    assert first == second
    file = tmp_path / "one-window.sqlite3.keys"
    assert file.stat().st_mode & 0o777 == 0o600
    MasterKeys(settings).put_first(fresh())
    assert file.stat().st_mode & 0o777 == 0o600
    assert MasterKeys(settings).current() != first
    assert MasterKeys(settings).find(first[0]) == first[1]


def test_a_rotation_keeps_the_mode_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    file = tmp_path / "keys"
    file.write_text(fresh())
    file.chmod(0o640)
    settings = serving.settings_for("sqlite:///unused.sqlite3", master_key_file=file)
    MasterKeys(settings).put_first(fresh())
    assert file.stat().st_mode & 0o777 == 0o640
    assert len(file.read_text().split()) == 2


@pytest.mark.parametrize("damage", ["missing", "unreadable", "malformed", "not ASCII"])
def test_known_keys_stay_known_when_the_file_is_lost(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    monkeypatch.setattr("app.master_keys.LOOK_AGAIN_SECONDS", 0.0)
    file = tmp_path / "keys"
    file.write_text(fresh())
    settings = serving.settings_for("sqlite:///unused.sqlite3", master_key_file=file)
    keys = MasterKeys(settings)
    known = keys.current()
    whole = file.read_bytes()
    file.unlink()
    if damage == "unreadable":
        file.mkdir()  # root may read whatever is a file
    elif damage != "missing":
        file.write_text("no key" if damage == "malformed" else "密钥", encoding="utf-8")
    with structlog.testing.capture_logs() as said:
        assert [keys.current() for _ in range(3)] == [known] * 3
        assert keys.find(known[0]) == known[1]
    assert [(each["event"], each["log_level"]) for each in said] == [("master_keys_not_read", "error")]
    assert damage != "missing" or not file.exists()
    with pytest.raises(WrongSettingError, match=str(file)):
        MasterKeys(settings).current()
    if damage == "unreadable":
        file.rmdir()
    file.write_bytes(fresh().encode() + b"\n" + whole)
    assert keys.current() != known
    assert keys.find(known[0]) == known[1]


def test_a_lost_file_of_keys_is_made_once_only(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path / 'rows.sqlite3'}", tmp_path / "rows.sqlite3.keys"
    assert one_window("migrate", database=url, master_keys=None).returncode == 0
    file.rename(tmp_path / "safe copy")
    assert "safe copy" in refused(one_window("serve", database=url, master_keys=None))
    one_window("migrate", database=url, master_keys=None)
    assert not file.exists()


@pytest.mark.parametrize("keys", ["", "no base64!", base64.b64encode(bytes(31)).decode(), f"{serving.MASTER_KEY},x"])
def test_what_is_no_master_key_is_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(WrongSettingError, match=r"openssl rand -base64 32") as refused:
        a_vault(keys=keys).new_box(ONE)
    assert not keys or keys not in str(refused.value)


def test_postgresql_wants_keys_that_every_process_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    settings = serving.settings_for("postgresql://nobody@127.0.0.1:9/nothing")
    with pytest.raises(WrongSettingError, match="ONE_WINDOW_MASTER_KEYS"):
        MasterKeys(settings).current()


def test_a_lost_master_key_is_named_by_its_id(database_url: str) -> None:
    done = one_window("agencies", "rotate-secret", "360803-education", database=database_url, master_keys=fresh())
    assert key_id(base64.b64decode(serving.MASTER_KEY)).hex() in refused(done)


def _wrapped_by(url: str) -> set[bytes]:
    keys = [row["data_key"] for row in fetch(url, select(help_request.c.data_key))]
    keys += [row["wrapped"] for row in fetch(url, select(service_key.c.wrapped))]
    return {key[1:5] for key in keys}


def test_a_rotation_goes_on_while_the_service_runs_and_where_it_was_stopped(
    database_url: str, run_service: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "master-keys"
    file.write_text(serving.MASTER_KEY + "\n")
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    monkeypatch.setenv("ONE_WINDOW_MASTER_KEY_FILE", str(file))
    county = County(run_service(), serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}"))
    before = [county.ask("education_aid") for _ in range(3)]
    old = key_id(base64.b64decode(serving.MASTER_KEY))
    assert _wrapped_by(database_url) == {old}

    async def stopped_early(database: Database) -> None:
        monkeypatch.setattr(rotation, "_BATCH", 1)
        database.vault.masters.put_first(fresh())
        steps = rotation.rewrap(database)
        for _ in range(2):  # the service's own key, and one request's
            await anext(steps)
        await steps.aclose()

    on(database_url, stopped_early)
    new = key_id(base64.b64decode(file.read_text().splitlines()[0]))
    assert _wrapped_by(database_url) == {old, new}
    done = one_window("keys", "rotate", "--rewrap-only", database=database_url, master_keys=_as_setting(file))
    assert done.returncode == 0, done.stderr
    assert "2 data keys" in done.stdout
    assert _wrapped_by(database_url) == {new}
    file.write_text(file.read_text().splitlines()[0] + "\n")  # the old one is no longer needed
    for receipt in before:
        seen = county.window.get(f"/v1/requests/{receipt['request_id']}").json()
        assert seen["person"]["applicant"]["name"]
    county.ask("education_aid")
    assert _wrapped_by(database_url) == {new}


def test_two_rotations_at_once_drop_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    file, made = tmp_path / "keys", [fresh() for _ in range(6)]
    file.write_text(made[0] + "\n")
    settings = serving.settings_for("sqlite:///unused.sqlite3", master_key_file=file)
    start, on_disk = Barrier(5), os.fsync

    def slowly(handle: int) -> None:
        time.sleep(0.02)
        on_disk(handle)

    def put(key: str) -> None:
        start.wait(10)
        MasterKeys(settings).put_first(key)

    monkeypatch.setattr("app.master_keys.os.fsync", slowly)
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(put, made[1:]))
    assert sorted(file.read_text().split()) == sorted(made)
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]


def test_what_was_wrapped_by_the_old_key_behind_a_pass_is_found_by_the_next(
    database_url: str, county: County, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS")
    file = tmp_path / "master-keys"
    file.write_text(serving.MASTER_KEY + "\n")
    monkeypatch.setenv("ONE_WINDOW_MASTER_KEY_FILE", str(file))
    for _ in range(3):
        county.ask("education_aid")
    old = key_id(base64.b64decode(serving.MASTER_KEY))
    (first,) = fetch(database_url, select(help_request).order_by(help_request.c.id).limit(1))
    late = help_request.update().where(help_request.c.id == first["id"]).values(data_key=first["data_key"])

    async def rotated(database: Database) -> tuple[dict[bytes, int], int, dict[bytes, int]]:
        before, done, is_late = await rotation.by_master(database), 0, True
        database.vault.masters.put_first(fresh())
        async for looked_at, rewrapped in rotation.rewrap_all(database):
            done += rewrapped
            if looked_at and is_late:
                is_late = False
                async with database.writing() as connection:
                    await connection.execute(late)
        return before, done, await rotation.by_master(database)

    before, done, after = on(database_url, rotated)
    new = key_id(base64.b64decode(file.read_text().splitlines()[0]))
    assert (before, done, after) == ({old: 4}, 5, {new: 4})


def test_a_rotation_that_left_something_says_so(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(database: Database) -> AsyncIterator[tuple[int, int]]:
        for nobody in ():
            yield nobody

    file = tmp_path / "master-keys"
    file.write_text(serving.MASTER_KEY + "\n")
    monkeypatch.setattr(rotation, "rewrap_all", nothing)
    monkeypatch.delenv("ONE_WINDOW_MASTER_KEYS", raising=False)
    monkeypatch.setenv("ONE_WINDOW_MASTER_KEY_FILE", str(file))
    monkeypatch.setenv("ONE_WINDOW_DATABASE_URL", database_url)
    old = key_id(base64.b64decode(serving.MASTER_KEY)).hex()
    done = CliRunner().invoke(cli.app, ["keys", "rotate"])
    assert done.exit_code != 0
    assert f"1 by {old}" in f"{done.output}{done.exception}"


def _as_setting(file: Path) -> str:
    return ",".join(file.read_text().split())


def test_keys_rotate_puts_a_new_key_first_in_the_file(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "master-keys"
    file.write_text(serving.MASTER_KEY + "\n")
    done = one_window("keys", "rotate", database=database_url, master_keys=None, master_key_file=str(file))
    assert "1 data keys" in done.stdout, done.stderr
    new, old = file.read_text().split()
    assert old == serving.MASTER_KEY
    assert _wrapped_by(database_url) == {key_id(base64.b64decode(new))}
    assert "openssl" not in refused(one_window("keys", "rotate", database=database_url))  # the keys are in the variable


def test_a_request_of_a_data_key_that_was_exchanged_is_not_shown(county: County) -> None:
    first, second = county.ask("education_aid"), county.ask("education_aid")
    url = county.running.url
    keys = {str(row["id"]): row["data_key"] for row in fetch(url, select(help_request.c.id, help_request.c.data_key))}
    swapped = help_request.update().values(data_key=keys[second["request_id"]])
    assert change(url, swapped.where(help_request.c.data_key == keys[first["request_id"]])) == 1
    answer = county.window.get(f"/v1/requests/{first['request_id']}")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
