"""The chains of hashes that hold the events of a request together, and the readings of a writer; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from app.wire import canonical_json, to_json

GENESIS = bytes(32)
# The event that says that a request was erased: without it nothing of one may be.
ERASURE = "request.erased"
# What stands in place of sealed bytes that were erased: this, and their digest, so that the chain still holds.
_ERASED = b"\xff"


def event_hash(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """SHA-256 over the previous hash and the event's canonical JSON: the data's keys sorted, UTC milliseconds, the
    sealed part by its digest, and where the request was sealed anew the digest of that."""
    at: datetime = entry["at"]
    sealed: bytes | None = entry["sealed"]
    person: bytes | None = entry["person"]
    canonical = canonical_json(
        [
            entry["request_id"],
            entry["sequence"],
            round(at.timestamp() * 1000),
            entry["kind"],
            entry["actor"],
            entry["handoff_id"],
            sorted(entry["data"].items()),
            None if sealed is None else _digest(sealed).hex(),
            None if person is None else person.hex(),
        ]
    )
    return hashlib.sha256(previous + canonical).digest()


def erased(sealed: bytes) -> bytes:
    """What is kept of an event's sealed part when it is erased."""
    return sealed if is_erased(sealed) else _ERASED + _digest(sealed)


def is_erased(sealed: bytes) -> bool:
    return sealed[:1] == _ERASED


def _digest(sealed: bytes) -> bytes:
    return sealed[1:] if is_erased(sealed) else hashlib.sha256(sealed).digest()


def first_break(entries: Iterable[Mapping[str, Any]], head: bytes) -> int | None:
    """The sequence of the first event (in order) at which the chain is broken; one past the last when the
    request's head names another; None when it holds."""
    previous, expected = GENESIS, 1
    for entry in entries:
        if entry["sequence"] != expected or event_hash(previous, entry) != entry["hash"]:
            return expected
        previous, expected = entry["hash"], expected + 1
    return None if previous == head else expected


_OF_READING = (
    *("actor", "role", "agency_code", "request_id", "handoff_id", "shown", "legal_basis"),
    *("way", "purpose", "stated", "unrelated"),
)


def reading_hash(previous: bytes, entry: Mapping[str, Any]) -> bytes:
    """SHA-256 over the previous hash of its chain and the reading's canonical JSON."""
    at: datetime = entry["at"]
    place = [entry["chain"], entry["number"], round(at.timestamp() * 1000)]
    return hashlib.sha256(previous + to_json([*place, *(entry[name] for name in _OF_READING)])).digest()
