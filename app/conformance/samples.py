"""A message of every type that an agency may get, invented people only; and the signed sample set, fixed to the byte,
with a notice of every form that a subscriber may get.

What the OpenAPI document shows as an example is the sample.
"""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

from app import signing
from app.wire import from_json, to_json

DISPATCHED = "handoff.dispatched"
SUPPLEMENTED = "handoff.supplemented"
URGED = "handoff.urged"
RESCHEDULED = "handoff.rescheduled"
EXTENDED = "handoff.extended"
CANCELLED = "handoff.cancelled"
EMERGENCY = "emergency.dispatched"

SECRET = "whsec_b25lLXdpbmRvdyBzYW1wbGUgc2VjcmV0LCBwdWJsaWM="  # noqa: S105 - public, and it opens nothing
NEXT_SECRET = "whsec_b25lLXdpbmRvdyBuZXh0IHNhbXBsZSwgcHVibGljISE="  # noqa: S105
_SENT_AT = datetime(2026, 11, 23, 21, 10, tzinfo=UTC)
_ID = "01a20a3d-3e41-7219-9528-bb21953447{:02x}"


def messages() -> dict[str, dict[str, Any]]:
    """By type, that of an emergency last."""
    examples = _examples()
    own = {name: each for name, each in examples.items() if name.endswith("Message") and name != "ReferenceMessage"}
    told = {each["type"]: each for each in own.values()}
    emergency = told.pop(EMERGENCY)
    return {kind: told[kind] for kind in (DISPATCHED, SUPPLEMENTED, CANCELLED)} | told | {EMERGENCY: emergency}


def notices() -> list[dict[str, Any]]:
    return [each for name, each in _examples().items() if name.endswith("Notice")]


def fresh(kind: str, handoff_id: UUID, service: str | None, at: datetime) -> dict[str, Any]:
    """The sample of a type as it would be sent at `at` about a handoff that has not been spoken of before."""
    message = deepcopy(messages()[kind])
    path = f"/v1/handoffs/{handoff_id}/callbacks"
    message["timestamp"] = at
    message["data"] |= {
        "handoff_id": handoff_id,
        "role": "lead",
        "dispatched_at": at,
        "sign_in_due": at + timedelta(days=1),
        "accept_due": at + timedelta(days=2),
        "complete_due": at + timedelta(days=15),
        "callback_path": path,
        "callback_url": service and f"{service}{path}",
    }
    return message


def sample_set() -> dict[str, bytes]:
    """`openapi/examples/`: by file name the secret, the headers and the exact body as text, in JSON."""
    found = {}
    for place, (kind, message) in enumerate(messages().items()):
        found[f"{kind}.json"] = _signed([SECRET], _ID.format(place), message)
    for place, notice in enumerate(notices()):
        found[f"notice-{notice['type']}.json"] = _signed([SECRET], _ID.format(0xA0 + place), notice)
    dispatched = messages()[DISPATCHED]
    rotation = _signed([NEXT_SECRET, SECRET], _ID.format(0x80), dispatched, next_secret=NEXT_SECRET)
    found[f"{DISPATCHED}-while-the-secret-is-changed.json"] = rotation
    completed = {
        "type": "handoff.completed",
        "timestamp": "2026-11-23T21:09:30Z",
        "data": {"handoff_id": dispatched["data"]["handoff_id"], "outcome": "granted", "handler": "医保局 王"},
    }
    found["callback-handoff.completed.json"] = _signed([SECRET], _ID.format(0x90), completed)
    return found


def _examples() -> dict[str, Any]:
    examples: dict[str, Any] = from_json((files("app.api") / "examples.json").read_bytes())
    return examples


def _signed(secrets: list[str], webhook_id: str, message: dict[str, Any], **more: str) -> bytes:
    body = to_json(message)
    headers = {"content-type": "application/json", **signing.sign(secrets, webhook_id, _SENT_AT, body)}
    content = {"secret": SECRET, **more, "headers": headers, "body": body.decode()}
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"
