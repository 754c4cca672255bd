"""The one door to data that names or describes a person, and to secrets: rows hold only what `seal` gives.

The first byte says how the rest is kept, so that encryption can be added here and old rows stay readable.
"""

from __future__ import annotations

from typing import Any

from app.wire import from_json, to_json

_PLAIN = b"\x00"


def seal(content: Any) -> bytes:
    return seal_bytes(to_json(content))


def unseal(sealed: bytes) -> Any:
    return from_json(unseal_bytes(sealed))


def seal_bytes(content: bytes) -> bytes:
    return _PLAIN + content


def unseal_bytes(sealed: bytes) -> bytes:
    if sealed[:1] != _PLAIN:
        raise ValueError("this row was sealed by a newer version")
    return sealed[1:]
