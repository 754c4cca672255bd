"""Links to one attachment: for one caller, for five minutes; pure. That one opens it once only is kept in a row.

What is in the address is a capability and no key: it names the attachment and the key that asked, and opens nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

LASTS = timedelta(minutes=5)
PATTERN = r"^[A-Za-z0-9_-]{80}$"
_ONCE, _MARK = 8, 16


class Link(NamedTuple):
    attachment_id: UUID
    key_id: UUID
    ends_at: datetime


def make(secret: bytes, attachment_id: UUID, key_id: UUID, at: datetime) -> tuple[str, datetime]:
    """The token, and when it ends."""
    ends_at = (at + LASTS).replace(microsecond=0)
    seconds = int(ends_at.timestamp()).to_bytes(4, "big")
    named = attachment_id.bytes + key_id.bytes + seconds + secrets.token_bytes(_ONCE)
    return urlsafe_b64encode(named + _mark(secret, named)).decode(), ends_at


def read(secret: bytes, token: str, at: datetime) -> Link | None:
    """None for what this service did not make, and for what has ended.

    A link has one spelling, since that it was used is known by its text: what else decodes to it is none.
    """
    if re.fullmatch(PATTERN, token) is None:
        return None
    whole = urlsafe_b64decode(token)
    named, mark = whole[:-_MARK], whole[-_MARK:]
    if not hmac.compare_digest(mark, _mark(secret, named)):
        return None
    ends_at = datetime.fromtimestamp(int.from_bytes(named[32:36], "big"), UTC)
    return Link(UUID(bytes=named[:16]), UUID(bytes=named[16:32]), ends_at) if at < ends_at else None


def use_of(token: str) -> bytes:
    """What is kept of a link that was used."""
    return hashlib.sha256(token.encode()).digest()


def _mark(secret: bytes, named: bytes) -> bytes:
    return hmac.digest(secret, b"attachment:" + named, "sha256")[:_MARK]
