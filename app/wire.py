"""JSON as it goes over the wire and into rows: UTF-8, UTC with `Z`, UUIDs and enumerations as text."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson


def to_json(content: Any) -> bytes:
    """Keys in the order given; raises TypeError for what JSON has no word for."""
    return orjson.dumps(content, default=_uuid, option=orjson.OPT_UTC_Z)


def canonical_json(content: Any) -> bytes:
    """The same with the keys of every object sorted, however a database gives them back."""
    return orjson.dumps(content, default=_uuid, option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS)


def as_json(content: Any) -> orjson.Fragment:
    """What is shown again and again, put into words once; `to_json` takes it as it is."""
    return orjson.Fragment(to_json(content))


def _uuid(value: Any) -> str:
    """asyncpg answers with a UUID class of its own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(type(value).__name__)


def from_json(content: bytes | str) -> Any:
    return orjson.loads(content)
