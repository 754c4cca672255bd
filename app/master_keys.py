"""Master keys: 32 random bytes each, never in the database. They wrap the data keys that people's data is sealed with.

The first of the list is the current one; the others are those that data keys may still be wrapped by.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from app.config import PREFIX, Settings, WrongSettingError, written_once

LENGTH = 32
LOOK_AGAIN_SECONDS = 1.0


def fresh() -> str:
    """A new key, as a line of the file or a part of the setting."""
    return base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def key_id(key: bytes) -> bytes:
    """Four bytes that tell keys apart and betray nothing of them."""
    return hashlib.sha256(b"one-window master key" + key).digest()[:4]


class MasterKeys:
    """Those of the setting, or of a file, which is read again when it has changed: a rotation needs no restart."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_id: dict[bytes, bytes] = {}
        self._seen: float | None = None
        self._look_at = 0.0

    @property
    def file(self) -> Path | None:
        """Where the keys stand; None: in the setting. Raises WrongSettingError if there is no place for them."""
        if self._settings.master_keys is not None:
            return None
        if self._settings.master_key_file is not None:
            return self._settings.master_key_file
        if not self._settings.is_sqlite:
            raise WrongSettingError(
                f"Neither {PREFIX}MASTER_KEY_FILE nor {PREFIX}MASTER_KEYS is set, and people's data is sealed with them; "
                f"write {PREFIX}MASTER_KEYS=<the output of: openssl rand -base64 32>, the same for every process, and "
                "keep a copy where the backups of the database are not: without it nobody can read them"
            )
        return self._settings.sqlite_file.with_name(self._settings.sqlite_file.name + ".keys")

    def current(self) -> tuple[bytes, bytes]:
        """The id and the key that new data keys are wrapped with."""
        return next(iter(self._known().items()))

    def find(self, wanted: bytes) -> bytes:
        """Raises WrongSettingError: a key has been lost."""
        found = self._known().get(wanted) or self._known(again=True).get(wanted)
        if found is None:
            raise WrongSettingError(
                f"The master key {wanted.hex()} is not among those of {PREFIX}MASTER_KEYS or its file; what it wraps "
                "can't be read before it is back (look in the safe copy)"
            )
        return found

    def put_first(self, key: str) -> None:
        """Make a key the current one of the file; the others stay. Raises WrongSettingError if there is no file."""
        file = self.file
        if file is None:
            raise WrongSettingError(
                f"The keys are in {PREFIX}MASTER_KEYS: put the new one before the others there, for every process, and "
                "then run `one-window keys rotate --rewrap-only`"
            )
        self._known()
        beside = file.with_name(f"{file.name}.{os.getpid()}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(key.encode() + b"\n" + file.read_bytes())
            handle.flush()
            os.fsync(handle.fileno())
        beside.replace(file)
        self._known(again=True)

    def _known(self, *, again: bool = False) -> dict[bytes, bytes]:
        if self._by_id and not again and (self.file is None or time.monotonic() < self._look_at):
            return self._by_id
        self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
        file = self.file
        if file is None:
            assert self._settings.master_keys is not None
            self._by_id = _parsed(self._settings.master_keys.get_secret_value().split(","), f"{PREFIX}MASTER_KEYS")
            return self._by_id
        if self._settings.master_key_file is None:
            self._settings.check_folder()
            written_once(file, fresh().encode() + b"\n")
        with suppress(FileNotFoundError):
            changed = file.stat().st_mtime
            if again or changed != self._seen:
                self._by_id, self._seen = _parsed(file.read_text("ascii").splitlines(), str(file)), changed
            return self._by_id
        raise WrongSettingError(
            f"There is no file {file}; write a line into it for each master key: openssl rand -base64 32"
        )


def _parsed(lines: Iterable[str], where: str) -> dict[bytes, bytes]:
    keys = {}
    for line in filter(None, (each.strip() for each in lines)):
        try:
            key = base64.b64decode(line, validate=True)
        except binascii.Error:
            key = b""
        if len(key) != LENGTH:
            raise WrongSettingError(
                f"{where} holds something that is no master key; each is the output of: openssl rand -base64 32"
            )
        keys[key_id(key)] = key
    if not keys:
        raise WrongSettingError(f"{where} holds no master key; write one: openssl rand -base64 32")
    return keys
