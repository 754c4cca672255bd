"""Where sealed files are kept: a folder, or S3-compatible storage. Written whole or not at all."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

PART = 256 * 1024


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


class Folder:
    """Of files that their owner alone may read; spread over 256 folders by the end of their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, file: IO[bytes]) -> None:
        await asyncio.to_thread(self._put, self._place(name), file)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._place(name).open, "rb") as file:
            while part := await asyncio.to_thread(file.read, PART):
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
            shutil.copyfileobj(file, out, PART)
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
