"""The one door to data that names or describes a person, and to secrets: rows hold only what a `Box` seals.

Envelope encryption. Each request has a data key of its own, and what belongs to no request the service's; a data key
is kept wrapped by a master key (`master_keys`), which is in no database. To destroy a request's data key is to erase
what it sealed. What is sealed is bound to its place, a column and a row, and opened nowhere else. The first byte of what is sealed says how: AES-256-GCM (NIST SP 800-38D), or SM4-GCM (RFC 8998,
GB/T 32907); 12 bytes of nonce and the ciphertext with its tag follow.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.ext.asyncio import AsyncConnection

from app.config import WrongSettingError
from app.key_settings import CipherName
from app.master_keys import MasterKeys
from app.wire import from_json, to_json

SERVICE = b"service"
# What was sealed, or its data key, was damaged; or the master key is not known.
CANT_BE_OPENED = (InvalidTag, WrongSettingError, LookupError, ValueError)
_NONCE, _TAG, _ID = 12, 16, 4
_MARK_LENGTH = 16


class Aead(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class Sm4Gcm:
    """The same shape as AESGCM. Raises cryptography's InvalidTag."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.SM4(key)

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        sealing = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(associated_data or b"")
        return sealing.update(data) + sealing.finalize() + sealing.tag

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        opening = Cipher(self._algorithm, modes.GCM(nonce, data[-_TAG:])).decryptor()
        opening.authenticate_additional_data(associated_data or b"")
        return opening.update(data[:-_TAG]) + opening.finalize()


_HOW: dict[CipherName, tuple[bytes, int, type[AESGCM] | type[Sm4Gcm]]] = {
    CipherName.AES_256_GCM: (b"\x01", 32, AESGCM),
    CipherName.SM4_GCM: (b"\x02", 16, Sm4Gcm),
}
_BY_BYTE = {how[0]: name for name, how in _HOW.items()}


def new_file_key(cipher: CipherName = CipherName.AES_256_GCM) -> bytes:
    """For one file: the byte that says how, and a key; to be kept sealed in a box."""
    first, length, _ = _HOW[cipher]
    return first + os.urandom(length)


def cipher_of(file_key: bytes) -> Aead:
    return _HOW[_BY_BYTE[file_key[:1]]][2](file_key[1:])


def kept_at(column: str, *row: UUID | str | int) -> bytes:
    """Where something sealed is kept: `table.column`, and what names the row within its scope and may not be exchanged."""
    return b"\0".join(
        [column.encode(), *[each.bytes if isinstance(each, UUID) else str(each).encode() for each in row]]
    )


# Of the person: of a request there is one row, which its scope names.
PERSON = kept_at("help_request.sealed")


class Box:
    """Seals and opens with one data key, for one scope and one `place` in it: what was sealed for another is refused."""

    __slots__ = ("_aead", "_first", "_scope")

    def __init__(self, scope: bytes, cipher: CipherName, key: bytes) -> None:
        self._first, _, make = _HOW[cipher]
        self._aead: Aead = make(key)
        self._scope = scope

    def seal(self, content: Any, place: bytes) -> bytes:
        return self.seal_bytes(to_json(content), place)

    def unseal(self, sealed: bytes | None, place: bytes) -> Any:
        """What was sealed; None for nothing, and for what nobody can open any more, because its key was destroyed."""
        content = self.unseal_bytes(sealed, place)
        return from_json(content) if content else None

    def seal_bytes(self, content: bytes, place: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return self._first + nonce + self._aead.encrypt(nonce, content, self._scope + place)

    def unseal_bytes(self, sealed: bytes | None, place: bytes) -> bytes | None:
        """Raises InvalidTag for what was changed, sealed with another key, or brought here from another place."""
        if not sealed:
            return None
        if len(sealed) <= _NONCE + _TAG:
            raise InvalidTag
        return self._aead.decrypt(sealed[1 : _NONCE + 1], sealed[_NONCE + 1 :], self._scope + place)


class ShutBox(Box):
    """Of an erased request: nothing comes out, and what is put in is not kept."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def seal_bytes(self, content: bytes, place: bytes) -> bytes:
        return b""

    def unseal_bytes(self, sealed: bytes | None, place: bytes) -> bytes | None:
        return None


class NoBox(ShutBox):
    """Of a request that was loaded without its data key: nothing comes out, and nothing may be put in."""

    __slots__ = ()

    def seal_bytes(self, content: bytes, place: bytes) -> bytes:
        raise RuntimeError("loaded without its data key: nothing can be sealed")


NO_BOX = NoBox()
SHUT_BOX = ShutBox()


class Vault:
    """Makes data keys, wraps and unwraps them. A wrapped key: how it is used, the master key's id, nonce, ciphertext."""

    def __init__(self, masters: MasterKeys, cipher: CipherName) -> None:
        self.masters = masters
        self._cipher = cipher
        self._service: Box | None = None
        self._marking: HMAC | None = None  # which every mark is a copy of

    def new_box(self, scope: bytes) -> tuple[Box, bytes]:
        """For a new scope: its box, and its data key as it is kept."""
        key = os.urandom(_HOW[self._cipher][1])
        return Box(scope, self._cipher, key), self._wrap(scope, self._cipher, key)

    def box(self, scope: bytes, wrapped: bytes | None) -> Box:
        """Raises WrongSettingError if the master key is missing, InvalidTag if the key is another scope's."""
        return SHUT_BOX if wrapped is None else Box(scope, *self._unwrap(scope, wrapped))

    def rewrapped(self, scope: bytes, wrapped: bytes) -> bytes | None:
        """The same data key, wrapped by the current master key; None if it is already."""
        if self.is_current(wrapped):
            return None
        return self._wrap(scope, *self._unwrap(scope, wrapped))

    def is_current(self, wrapped: bytes) -> bool:
        return wrapped[1 : _ID + 1] == self.masters.current()[0]

    def open(self, wrapped: bytes) -> None:
        """Take the service's own data key; the key of the marks follows from it, and outlives every master key."""
        cipher, key = self._unwrap(SERVICE, wrapped)
        algorithm = hashes.SM3() if cipher is CipherName.SM4_GCM else hashes.SHA256()
        self._marking = HMAC(HKDF(algorithm, 32, None, b"one-window marks").derive(key), algorithm)
        self._service = Box(SERVICE, cipher, key)

    @property
    def service(self) -> Box | None:
        """The box of what belongs to no request; None before `open`."""
        return self._service

    def mark(self, kind: str, *values: str) -> bytes:
        """A keyed blind index: equal for equal values, and nothing else can be told from it (HMAC-SHA256, or HMAC-SM3 if
        the service's key is one for SM4). To be asked after `open`."""
        content = "\x1f".join((kind, *values)).encode()
        if self._marking is None:
            raise RuntimeError("the vault has not been opened")
        keyed = self._marking.copy()
        keyed.update(content)
        return keyed.finalize()[:_MARK_LENGTH]

    def _wrap(self, scope: bytes, cipher: CipherName, key: bytes) -> bytes:
        master_id, master = self.masters.current()
        nonce = os.urandom(_NONCE)
        return _HOW[cipher][0] + master_id + nonce + _wrapping(master, cipher).encrypt(nonce, key, scope)

    def _unwrap(self, scope: bytes, wrapped: bytes) -> tuple[CipherName, bytes]:
        cipher, master = _BY_BYTE[wrapped[:1]], self.masters.find(wrapped[1 : _ID + 1])
        nonce, sealed = wrapped[_ID + 1 : _ID + _NONCE + 1], wrapped[_ID + _NONCE + 1 :]
        return cipher, _wrapping(master, cipher).decrypt(nonce, sealed, scope)


def vault_of(connection: AsyncConnection) -> Vault:
    """The vault that a connection's database came with."""
    vault: Vault = connection.sync_connection.get_execution_options()["vault"]  # type: ignore[union-attr]
    return vault


def box_of(connection: AsyncConnection, request: Mapping[Any, Any]) -> Box:
    """The box of a row of `help_request`. Raises LookupError for one without a key that was not erased: somebody took it."""
    if request["erased_at"] is not None:
        return SHUT_BOX
    if request["data_key"] is None:
        raise LookupError("a request that was not erased has no data key")
    return vault_of(connection).box(request["id"].bytes, request["data_key"])


@lru_cache(16)
def _wrapping(master: bytes, cipher: CipherName) -> Aead:
    """The cipher that wraps data keys with a master key: one key, one use."""
    first, length, make = _HOW[cipher]
    algorithm = hashes.SM3() if cipher is CipherName.SM4_GCM else hashes.SHA256()
    return make(HKDF(algorithm, length, None, b"one-window wrap" + first).derive(master))
