"""Devices of tests: paired as people pair them, sealing as a browser does, by another library's hand than ours."""

from __future__ import annotations

import json
import os
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from tests.examples import TOWNSHIP
from tests.running import Running

JOSE = {"content-type": "application/jose"}


def code_for(client: httpx.Client, name: str = "大厅一号机", division: str = TOWNSHIP) -> str:
    made = client.post("/v1/kiosks/pairings", json={"name": name, "division_code": division})
    assert made.status_code == 201, made.text
    code: str = made.json()["code"]
    return code


def paired(service: Running, client: httpx.Client | None = None, **more: str) -> httpx.Client:
    """A device with its own key."""
    code = code_for(client or service.client("intake"), **more)
    made = service.client(None).post("/v1/kiosks", json={"code": code})
    assert made.status_code == 201, made.text
    device = service.client(None)
    device.headers["authorization"] = f"Bearer {made.json()['key']}"
    device.headers["x-kiosk-id"] = made.json()["kiosk_id"]
    return device


def numbers(device: httpx.Client, count: int = 1) -> list[dict[str, Any]]:
    made = device.post("/v1/kiosk/numbers", json={"count": count})
    assert made.status_code == 201, made.text
    found: list[dict[str, Any]] = made.json()["numbers"]
    return found


def new_key() -> dict[str, str]:
    return {"idempotency-key": str(uuid.uuid4())}


def sealing_key(device: httpx.Client) -> dict[str, str]:
    key: dict[str, str] = device.get("/v1/kiosk").raise_for_status().json()["sealing_key"]
    return key


def sealed(key: dict[str, str], content: bytes, **header: Any) -> bytes:
    """A compact JWE, made step by step as RFC 7518 (4.6) says; `header` replaces what its header says."""
    theirs = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP256R1()).public_key()
    ours = ec.generate_private_key(ec.SECP256R1())
    point = ours.public_key().public_numbers()
    epk = {"kty": "EC", "crv": "P-256", "x": _coordinate(point.x), "y": _coordinate(point.y)}
    protected = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key["kid"], "epk": epk, **header}
    protected = {name: value for name, value in protected.items() if value is not None}
    named, nobody, bits = _long(b"A256GCM"), _long(b""), (256).to_bytes(4, "big")
    secret = ours.exchange(ec.ECDH(), theirs)
    content_key = ConcatKDFHash(SHA256(), 32, named + nobody + nobody + bits).derive(secret)
    first, nonce = b64(json.dumps(protected).encode()), os.urandom(12)
    made = AESGCM(content_key).encrypt(nonce, content, first)
    return b".".join([first, b"", b64(nonce), b64(made[:-16]), b64(made[-16:])])


def b64(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def _long(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _number(coordinate: str) -> int:
    return int.from_bytes(urlsafe_b64decode(coordinate + "="), "big")


def _coordinate(number: int) -> str:
    return b64(number.to_bytes(32, "big")).decode()
