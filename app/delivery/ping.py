"""A test message to one endpoint, and exactly what came back. Nothing is stored."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.config import Settings
from app.delivery.outbox import Attempt
from app.delivery.sender import Response, open_session, post
from app.identifiers import UUID, new_id, now
from app.receivers import Receiver
from app.wire import to_json

PING = "ping"
# What says how the other side is built or what it wants; cookies and whatever else may be secret are not among them.
_HEADERS = (
    *("allow", "connection", "content-encoding", "content-length", "content-type", "date", "location", "retry-after"),
    *("server", "transfer-encoding", "via", "www-authenticate", "x-request-id"),
)
_LONGEST_HEADER = 200


@dataclass(frozen=True, slots=True)
class Encryption:
    """`subject` and `issuer` are those of the certificate that the endpoint showed."""

    version: str
    cipher: str
    subject: str
    issuer: str
    ends_at: datetime


@dataclass(slots=True)
class Seen:
    """Of an answer, as far as there was one: where from, how it was encrypted, its headers."""

    address: str | None = None
    tls: Encryption | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def look(self, response: Response) -> None:
        held = response.headers
        self.headers = {name: held[name][:_LONGEST_HEADER] for name in _HEADERS if name in held}
        if response.transport is not None:
            self.address = _written(response.transport.get_extra_info("peername"))
            self.tls = _tls(response.transport.get_extra_info("ssl_object"))


async def ping(settings: Settings, receiver: Receiver, told: dict[str, Any]) -> tuple[UUID, Attempt, Seen]:
    """Send an endpoint a message of the type `ping`, signed like every other, on a connection of its own. `told`: whom it
    is for."""
    message_id, seen = new_id(), Seen()
    body = to_json({"type": PING, "timestamp": now(), "data": told})
    async with open_session(settings) as session:
        attempt = await post(session, receiver, str(message_id), body, seen.look)
    return message_id, attempt, seen


def _written(peer: tuple[Any, ...] | None) -> str | None:
    if not peer:
        return None
    host, port = str(peer[0]), peer[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tls(connection: ssl.SSLObject | None) -> Encryption | None:
    if connection is None:
        return None
    shown: dict[str, Any] = connection.getpeercert() or {}
    cipher = connection.cipher()
    return Encryption(
        version=connection.version() or "",
        cipher=cipher[0] if cipher else "",
        subject=_name(shown.get("subject", ())),
        issuer=_name(shown.get("issuer", ())),
        ends_at=datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC),
    )


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    return ", ".join(f"{name}={value}" for part in parts for name, value in part)
