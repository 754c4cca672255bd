"""Where sealed files are kept: a folder, or S3-compatible storage. Written whole or not at all."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from app.config import PREFIX, Settings, WrongSettingError

if TYPE_CHECKING:  # the library has it for type checkers alone
    from obstore.store import ClientConfig

_PART = 256 * 1024
_S3_PART = 5 * 1024 * 1024
_CONNECT, _SILENCE, _WHOLE = timedelta(seconds=5), timedelta(seconds=20), timedelta(minutes=5)


class StoreAwayError(OSError):
    """The storage does not answer, or refuses; its own words may name a secret, so they stay out."""


class FileStore(Protocol):
    async def put(self, name: str, file: IO[bytes]) -> None: ...
    def get(self, name: str) -> AsyncIterator[bytes]:
        """Raises FileNotFoundError."""
        ...

    async def remove(self, name: str) -> None:
        """One that is not there, too."""
        ...


def store_of(settings: Settings) -> FileStore | None:
    """None where nobody has said yet where files are to be kept. Raises WrongSettingError."""
    if settings.s3_url:
        return Bucket(settings)
    if settings.attachments:
        return Folder(settings.attachments)
    beside = settings.sqlite_file.with_name(settings.sqlite_file.name + ".attachments")
    return Folder(beside) if settings.is_sqlite else None


class Folder:
    """Of files that their owner alone may read; spread over 256 folders by the end of their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, file: IO[bytes]) -> None:
        await asyncio.to_thread(self._put, self._place(name), file)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._place(name).open, "rb") as file:
            while part := await asyncio.to_thread(file.read, _PART):
                yield part

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(self._remove, self._place(name))

    def _place(self, name: str) -> Path:
        return self._folder / name[-2:] / name

    def _put(self, place: Path, file: IO[bytes]) -> None:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = _unfinished(place)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            file.seek(0)
            shutil.copyfileobj(file, out, _PART)
            out.flush()
            os.fsync(out.fileno())
        part.replace(place)
        for folder in (place.parent, self._folder):  # the names, too
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _remove(self, place: Path) -> None:
        for each in (place, _unfinished(place)):
            with suppress(FileNotFoundError):
                each.unlink()


def _unfinished(place: Path) -> Path:
    return place.with_name(place.name + ".part")


class Bucket:
    def __init__(self, settings: Settings) -> None:
        assert settings.s3_url
        assert settings.s3_bucket
        assert settings.s3_secret
        options: ClientConfig = {
            "allow_http": True,
            "connect_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "timeout": _WHOLE,
        }
        if settings.s3_ca:
            try:
                options["root_certificate"] = settings.s3_ca.read_bytes()
            except OSError as error:
                raise WrongSettingError(f"{PREFIX}S3_CA: the file can't be read: {error.strerror}.") from None
        self._store = S3Store(
            settings.s3_bucket,
            endpoint=settings.s3_url,
            region=settings.s3_region,
            access_key_id=settings.s3_key,
            secret_access_key=settings.s3_secret.get_secret_value(),
            virtual_hosted_style_request=False,
            client_options=options,
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
        )

    async def put(self, name: str, file: IO[bytes]) -> None:
        file.seek(0)
        try:
            await obstore.put_async(self._store, name, file, chunk_size=_S3_PART, max_concurrency=2)
        except BaseError:
            raise StoreAwayError from None

    async def get(self, name: str) -> AsyncIterator[bytes]:
        try:
            found = await obstore.get_async(self._store, name)
            async for part in found.stream(min_chunk_size=_PART):
                yield bytes(part)
        except NotFoundError:
            raise FileNotFoundError from None
        except BaseError:
            raise StoreAwayError from None

    async def remove(self, name: str) -> None:
        try:
            await obstore.delete_async(self._store, name)
        except NotFoundError:
            return
        except BaseError:
            raise StoreAwayError from None
