"""What the person takes home: a receipt number to say on the phone, a tracking token for the QR code; pure."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode

from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

_BODY_DIGITS = 10
_FOR_DEVICES = "1"
TOKEN_PATTERN = r"^[A-Za-z0-9_-]{27}$"  # noqa: S105 - a shape, not a secret
RECEIPT_PATTERN = r"^\d{12}$"


def new_receipt_number() -> str:
    """Twelve digits, said in three groups of four: ten at random, two check digits (ISO 7064 MOD 97-10).

    The first is 2 to 9: what begins with 1 is given to devices in advance, so the two never meet.
    """
    least = 2 * 10 ** (_BODY_DIGITS - 1)
    return _checked(secrets.randbelow(10**_BODY_DIGITS - least) + least)


def new_device_number(year: int) -> str:
    """The same to be given to a device in advance, in a year of China's calendar. The second digit is the year's last:
    one that was given and forgotten is not drawn again before ten years are over."""
    rest = secrets.randbelow(10 ** (_BODY_DIGITS - 2))
    return _checked(int(f"{_FOR_DEVICES}{year % 10}{rest:0{_BODY_DIGITS - 2}}"))


def is_device_number(number: str) -> bool:
    """Whether it could have been given to a device."""
    return number.startswith(_FOR_DEVICES) and is_receipt_number(number)


def _checked(body: int) -> str:
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


def tracking_token(secret: bytes, number: str) -> str:
    """160 bits, derived from the service's secret and the receipt number: only its hash is stored, a repeated answer is
    the same, and a number that is given to a device in advance has its token before there is a request."""
    return _derived(secret, b"receipt:" + number.encode())


def first_tracking_token(secret: bytes, request_id: bytes) -> str:
    """As tokens were derived before devices had numbers; for repeats of what was answered then."""
    return _derived(secret, request_id)


def token_that_opens(secret: bytes, number: str, request_id: bytes, kept: bytes) -> str | None:
    """The token of a request, of whose token `kept` is the hash. None: the secret was another then."""
    ways = (tracking_token(secret, number), first_tracking_token(secret, request_id))
    return next((token for token in ways if hmac.compare_digest(token_hash(token), kept)), None)


def _derived(secret: bytes, content: bytes) -> str:
    keyed = hmac.digest(secret, b"tracking:" + content, "sha256")
    return urlsafe_b64encode(keyed[:20]).decode().rstrip("=")


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
