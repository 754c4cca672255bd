"""JSON as it goes over the wire and into rows: UTF-8, UTC with `Z`, UUIDs and enumerations as text."""

from __future__ import annotations

from typing import Any

import orjson


def to_json(content: Any) -> bytes:
    """Keys in the order given; raises TypeError for what JSON has no word for."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def from_json(content: bytes | str) -> Any:
    return orjson.loads(content)
