"""What the person takes home: a receipt number to say on the phone, a tracking token for the QR code; pure."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from functools import lru_cache
from uuid import UUID

from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

_BODY_DIGITS = 10
TOKEN_PATTERN = r"^[A-Za-z0-9_-]{27}$"  # noqa: S105 - a shape, not a secret
RECEIPT_PATTERN = r"^\d{12}$"


def new_receipt_number() -> str:
    """Twelve digits, said in three groups of four: ten at random, two check digits (ISO 7064 MOD 97-10)."""
    body = secrets.randbelow(9 * 10 ** (_BODY_DIGITS - 1)) + 10 ** (_BODY_DIGITS - 1)
    return f"{body}{98 - body * 100 % 97:02}"


def is_receipt_number(number: str) -> bool:
    try:
        mod_97_10.validate(number)
    except ValidationError:
        return False
    return number.isascii() and number.isdigit() and len(number) == _BODY_DIGITS + 2


def spoken(number: str) -> str:
    """`482109375521` -> `4821 0937 5521`."""
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


def tracking_token(secret: bytes, request_id: UUID) -> str:
    """160 bits, derived from the service's secret so that only its hash is stored and a repeated answer is the same."""
    keyed = _keyed(secret).copy()
    keyed.update(request_id.bytes)
    return urlsafe_b64encode(keyed.digest()[:20]).decode().rstrip("=")


@lru_cache(4)
def _keyed(secret: bytes) -> hmac.HMAC:
    return hmac.new(secret, b"tracking:", hashlib.sha256)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
