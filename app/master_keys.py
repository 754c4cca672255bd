"""Master keys: 32 random bytes each, never in the database. They wrap the data keys that people's data is sealed with.

The first of the list is the current one; the others are those that data keys may still be wrapped by.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from app.config import PREFIX, Settings, WrongSettingError, written_once

log = structlog.get_logger()
LENGTH = 32
LOOK_AGAIN_SECONDS = 1.0


def fresh() -> str:
    """A new key, as a line of the file or a part of the setting."""
    return base64.b64encode(secrets.token_bytes(LENGTH)).decode()


def key_id(key: bytes) -> bytes:
    """Four bytes that tell keys apart and betray nothing of them."""
    return hashlib.sha256(b"one-window master key" + key).digest()[:4]


class MasterKeys:
    """Those of the setting, or of a file, which is read again when it has changed: a rotation needs no restart. Keys that
    are known stay known when the file can't be read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_id: dict[bytes, bytes] = {}
        self._seen: float | None = None
        self._look_at = 0.0
        self._fault = ""

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

    def make(self) -> None:
        """The first key, beside SQLite's file if no other place is set: for a database with nothing sealed in it yet."""
        file = self.file
        if file is not None and self._settings.master_key_file is None:
            self._settings.check_folder()
            written_once(file, fresh().encode() + b"\n")

    def put_first(self, key: str) -> None:
        """Make a key the current one of the file; the others stay. Raises WrongSettingError if there is no file."""
        file = self.file
        if file is None:
            raise WrongSettingError(
                f"The keys are in {PREFIX}MASTER_KEYS: put the new one before the others there, for every process, and "
                "then run `one-window keys rotate --rewrap-only`"
            )
        _read(file)
        with _alone_in(file.parent) as folder:
            _put_before(file, key)
            os.fsync(folder)
        self._known(again=True)

    def _known(self, *, again: bool = False) -> dict[bytes, bytes]:
        file = self.file
        if self._by_id and not again and (file is None or time.monotonic() < self._look_at):
            return self._by_id
        self._look_at = time.monotonic() + LOOK_AGAIN_SECONDS
        if file is None:
            assert self._settings.master_keys is not None
            self._by_id = _parsed(self._settings.master_keys.get_secret_value().split(","), f"{PREFIX}MASTER_KEYS")
            return self._by_id
        try:
            self._look(file, again)
        except WrongSettingError as error:
            if not self._by_id:
                raise
            if str(error) != self._fault:
                log.error("master_keys_not_read", reason=str(error))
            self._fault = str(error)
        else:
            self._fault = ""
        return self._by_id

    def _look(self, file: Path, again: bool) -> None:
        changed = _changed(file)
        if again or self._fault or changed is None or changed != self._seen:
            self._by_id, self._seen = _read(file), changed


@contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Of two rotations at once the second reads what the first has written. The folder is locked, since the file is
    replaced."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _put_before(file: Path, key: str) -> None:
    old = file.stat()
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(key.encode() + b"\n" + file.read_bytes())
        handle.flush()
        with suppress(PermissionError):
            os.fchown(handle.fileno(), old.st_uid, old.st_gid)
        os.fchmod(handle.fileno(), stat.S_IMODE(old.st_mode))
        os.fsync(handle.fileno())
    beside.replace(file)


def _changed(file: Path) -> float | None:
    """None: that can't be told, and reading it will say why."""
    with suppress(OSError):
        return file.stat().st_mtime
    return None


def _read(file: Path) -> dict[bytes, bytes]:
    try:
        lines = file.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        raise WrongSettingError(
            f"There is no file {file}, which holds the master keys: put the safe copy of it there, readable by the "
            "service only. If nothing has been sealed with one yet, write a line into it: openssl rand -base64 32"
        ) from None
    except OSError as error:
        raise WrongSettingError(
            f"{file}, which holds the master keys, can't be read ({error.strerror}): let the user that the service runs "
            "as read it"
        ) from None
    return _parsed(lines, str(file))


def _parsed(lines: Iterable[str], where: str) -> dict[bytes, bytes]:
    keys = {}
    for line in filter(None, (each.strip() for each in lines)):
        try:
            key = base64.b64decode(line, validate=True)
        except ValueError:
            key = b""
        if len(key) != LENGTH:
            raise WrongSettingError(
                f"{where} holds something that is no master key; each is the output of: openssl rand -base64 32"
            )
        keys[key_id(key)] = key
    if not keys:
        raise WrongSettingError(f"{where} holds no master key; write one: openssl rand -base64 32")
    return keys
