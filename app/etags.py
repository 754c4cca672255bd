"""Entity tags (RFC 9110, 8.8.3 and 13.1.1): which state of a thing somebody has seen; pure."""

from __future__ import annotations

import hashlib
import re

_TAG = r'(?:W/)?"[!#-~]*"'
PATTERN = rf"^(?:\*|{_TAG}(?:, ?{_TAG})*)$"
LONGEST = 200


def of_content(content: bytes) -> str:
    """The tag of something that is edited, by all that can be edited of it."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def etag(sequence: int) -> str:
    """The tag of a handoff whose last event is the request's `sequence`; 0: nothing has happened to it yet."""
    return f'"{sequence}"'


def matches(if_match: str, current: str) -> bool:
    """Whether an `If-Match` of that PATTERN names the current tag. A weak tag never does."""
    return if_match == "*" or current in re.findall(_TAG, if_match)


def is_seen(if_none_match: str, current: str) -> bool:
    """Whether an `If-None-Match` names the current tag, which a weak one does too: proxies weaken them."""
    return current in (tag.removeprefix("W/") for tag in re.findall(_TAG, if_none_match[:2000]))
