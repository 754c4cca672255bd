"""What is signed of a root, word for word, and by whom (Ed25519, RFC 8032)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from app.wire import to_json

FIRST = bytes(32)
_WHAT = "one-window audit root"
_END_OF_PEM = b"-----END PUBLIC KEY-----"


class Published(NamedTuple):
    """A root as it was published: what was signed, and the signature."""

    day: date
    statement: bytes
    signature: bytes


class Signer:
    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def public_key(self) -> bytes:
        return self._private.public_key().public_bytes_raw()

    @cached_property
    def key_id(self) -> str:
        return key_id_of(self.public_key)

    def sign(self, statement: bytes) -> bytes:
        return self._private.sign(statement)


def key_id_of(public_key: bytes) -> str:
    return hashlib.sha256(public_key).hexdigest()[:16]


def by_id(public_keys: Iterable[bytes]) -> dict[str, bytes]:
    return {key_id_of(each): each for each in public_keys}


def pem_of(public_key: bytes) -> str:
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_keys_of(pem: bytes) -> list[bytes]:
    """Every key of a file of PEM blocks. Raises ValueError if it holds anything else."""
    blocks = [block + _END_OF_PEM for block in pem.split(_END_OF_PEM)[:-1]]
    keys = [load_pem_public_key(block.strip()) for block in blocks]
    found = [key.public_bytes_raw() for key in keys if isinstance(key, Ed25519PublicKey)]
    if not found or len(found) < len(keys):
        raise ValueError("no Ed25519 public keys in PEM")
    return found


def statement_of(
    *, day: date, as_of: datetime, root: bytes, readings: bytes | None, previous: bytes, key_id: str
) -> bytes:
    """`previous` is the SHA-256 of the statement of the root before, 32 zeros at the first; `readings` is None in version
    1, from before the chains of readings were in it."""
    version = 1 if readings is None else 2
    said: dict[str, Any] = {"what": _WHAT, "version": version, "day": day, "as_of": as_of, "root": root.hex()}
    said |= {} if readings is None else {"readings": readings.hex()}
    return to_json({**said, "previous": previous.hex(), "key_id": key_id})


def statement_of_row(row: Mapping[Any, Any]) -> bytes:
    names = ("day", "as_of", "root", "readings", "previous", "key_id")
    return statement_of(**{name: row[name] for name in names})


def digest_of(statement: bytes) -> bytes:
    return hashlib.sha256(statement).digest()


def is_signed(statement: bytes, signature: bytes, public_key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, statement)
    except InvalidSignature:
        return False
    return True


def leaf_content(request_id: UUID, receipt_number: str, events: int, head: bytes) -> bytes:
    """How far a request had come, as its leaf holds it."""
    return to_json([request_id, receipt_number, events, head.hex()])
