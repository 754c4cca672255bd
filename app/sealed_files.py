"""Files sealed piece by piece, so that neither sealing nor opening one holds more of it than a piece.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015): each piece is sealed with its number, whether it is the last, and the file's name, by a key that
seals this file alone. A piece that was changed, left out, moved or taken from another file is not opened, nor is a file
that was cut short.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

from cryptography.exceptions import InvalidTag

from app.sealing import cipher_of, new_file_key

PIECE = 64 * 1024
TAG = 16


class Pieces:
    """A file that comes in parts of any length, worked on a piece at a time; the last is known at its `end` only."""

    def __init__(self, length: int, least: int, work: Callable[[bytes, bytes, bytes], bytes], name: bytes) -> None:
        self._length, self._least = length, least
        self._work, self._name = work, name
        self._number = 0
        self._rest = bytearray()

    def add(self, part: bytes) -> bytes:
        """What is done of it so far. Raises InvalidTag."""
        self._rest += part
        done = bytearray()
        while len(self._rest) > self._length:
            done += self._next(bytes(self._rest[: self._length]), last=False)
            del self._rest[: self._length]
        return bytes(done)

    def end(self) -> bytes:
        """The rest. Raises InvalidTag."""
        if len(self._rest) < self._least:
            raise InvalidTag
        return self._next(bytes(self._rest), last=True)

    def _next(self, piece: bytes, *, last: bool) -> bytes:
        nonce = self._number.to_bytes(11, "big") + bytes([last])
        self._number += 1
        return self._work(nonce, piece, self._name)


def sealing(key: bytes, name: bytes) -> Pieces:
    return Pieces(PIECE, 0, cipher_of(key).encrypt, name)


def opening(key: bytes, name: bytes) -> Pieces:
    return Pieces(PIECE + TAG, TAG, cipher_of(key).decrypt, name)


class Spool:
    """A file on its way: on the disk, sealed, in no folder, so that nothing of it outlives the process. Written once,
    then read."""

    def __init__(self, key: bytes | None = None, name: bytes = b"spool") -> None:
        self._key, self._name = key or new_file_key(), name
        self._pieces = sealing(self._key, name)
        self._digest = hashlib.sha256()
        self.sealed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self.size = 0
        self.head = b""

    def write(self, part: bytes) -> None:
        if len(self.head) < 64:
            self.head += part[:64]
        self.size += len(part)
        self._digest.update(part)
        self.sealed.write(self._pieces.add(part))

    def end(self) -> None:
        self.sealed.write(self._pieces.end())
        self.sealed.flush()
        self.sealed.seek(0)

    def read(self) -> Iterator[bytes]:
        self.sealed.seek(0)
        pieces = opening(self._key, self._name)
        while part := self.sealed.read(PIECE):
            yield pieces.add(part)
        yield pieces.end()

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was written, in clear: whoever knows a document knows it by this, so it is kept sealed."""
        return self._digest.digest()

    def close(self) -> None:
        self.sealed.close()
