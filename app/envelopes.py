"""Envelopes: bodies that a device sealed for the service alone. Compact JWE (RFC 7516), ECDH-ES over P-256 straight to
A256GCM, a key pair of the device's own for each message; the device can't open it again."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter

from app.problems import Problem, Text
from app.wire import from_json

MEDIA_TYPE = "application/jose"
_ALGORITHMS = ("ECDH-ES", "A256GCM")
_MOST_OF_HEADER = 4 * 1024
_AROUND = 5 * 1024
_NOT_ON_THE_LOOP = 64 * 1024  # what is larger is opened beside it
_HEADERS = frozenset({"alg", "enc", "kid", "epk", "typ", "cty", "file"})
_ZIPPED = Text("请勿压缩密封内容:不接受 zip。", "Seal the content as it is: `zip` is not accepted.")


@dataclass(frozen=True, slots=True)
class Opened:
    """`file`: what the protected header says of a sealed file."""

    content: bytes
    file: Mapping[str, Any]


def most_sealed(most: int) -> int:
    """How long an envelope of so much content may be: base64, and what stands around it."""
    return most * 4 // 3 + _AROUND


async def opened(sealed: bytes, keys: Mapping[str, ECKey], most: int) -> Opened:
    """`keys` by their kid. Raises `sealed_body_refused`, `sealing_key_unknown`, `body_too_large`."""
    header = _header(sealed)
    key = keys.get(header["kid"])
    if key is None:
        raise Problem("sealing_key_unknown")
    if len(sealed) < _NOT_ON_THE_LOOP:
        content = _content(sealed, key)
    else:
        content = await asyncio.to_thread(_content, sealed, key)
    if len(content) > most:
        raise Problem("body_too_large")
    return Opened(content, header.get("file") or {})


def _header(sealed: bytes) -> dict[str, Any]:
    """The protected header, whose shape the library does not hold; what it says is proved when it opens."""
    first, *others = sealed.split(b".", 5)
    if len(others) != 4 or len(first) > _MOST_OF_HEADER:
        raise Problem("sealed_body_refused")
    try:
        told = urlsafe_b64decode(first + b"=" * (-len(first) % 4))
        json.loads(told, object_pairs_hook=_each_once)
        header = from_json(told)  # what is no text, or too large a number, is none to it
    except (ValueError, RecursionError):
        raise Problem("sealed_body_refused") from None
    if not isinstance(header, dict):
        raise Problem("sealed_body_refused")
    if "zip" in header:
        raise Problem("sealed_body_refused", _ZIPPED)
    if not header.keys() <= _HEADERS or not isinstance(header.get("kid"), str):
        raise Problem("sealed_body_refused")
    if not isinstance(header.get("file", {}), dict):
        raise Problem("sealed_body_refused")
    return header


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands twice")


def _content(sealed: bytes, key: ECKey) -> bytes:
    try:
        content = decrypt_compact(sealed, key, registry=_registry(len(sealed))).plaintext
    except (JoseError, ValueError, TypeError, KeyError, AssertionError):
        # Whatever is wrong with it, a caller is told the same: that it does not open.
        raise Problem("sealed_body_refused") from None
    return content or b""


def _registry(length: int) -> JWERegistry:
    registry = JWERegistry({"file": _IS_FILE}, algorithms=_ALGORITHMS)
    registry.max_protected_header_length = _MOST_OF_HEADER
    registry.max_ciphertext_length = length
    return registry


def _is_object(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError("file is no object")


_IS_FILE = HeaderParameter("What the content is as a file", _is_object)
