"""Signatures of the Standard Webhooks specification, both directions; pure.

`webhook-signature` holds space-separated `v1,<base64 HMAC-SHA256 of "id.timestamp.body">`; a secret is
`whsec_` and 24 to 64 random bytes in base64. While a secret is being rotated both sign and both are accepted.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import datetime

_PREFIX = "whsec_"
_SECRET_BYTES = 32
_LEAST_BYTES = 24
LONGEST_ID = 256


def new_secret() -> str:
    return _PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether it has a secret's form, as it was handed out."""
    try:
        return text.startswith(_PREFIX) and len(b64decode(text.removeprefix(_PREFIX), validate=True)) >= _LEAST_BYTES
    except ValueError:
        return False


def sign(signing_secrets: Iterable[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that sign `body` as sent at `at`, with every secret given."""
    timestamp = str(int(at.timestamp()))
    signatures = " ".join(_signature(secret, message_id, timestamp, body) for secret in signing_secrets)
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signatures}


def matches(signing_secrets: Iterable[str], message_id: str, timestamp: str, signature: str, body: bytes) -> bool:
    """Whether one of the signatures was made with one of the secrets; the time is the caller's to judge."""
    offered = [part for part in signature.split(" ") if part.startswith("v1,")]
    expected = [_signature(secret, message_id, timestamp, body) for secret in signing_secrets]
    return any(
        [  # noqa: C419 - no short cut: the time says nothing
            hmac.compare_digest(ours.encode(), theirs.encode()) for ours in expected for theirs in offered
        ]
    )


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    key = b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + b64encode(digest).decode()
