"""Sign-in codes by SMS: one signed POST to the county's gateway, now or not at all. A code is of no use later."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from app.config import Settings
from app.delivery.sender import open_session, post
from app.identifiers import new_id
from app.receivers import SigningSecret, Tls
from app.wire import to_json

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Gateway:
    endpoint: str
    secrets: tuple[SigningSecret, ...]
    max_in_flight: int | None = None
    per_second: int | None = None
    tls: Tls | None = None


async def send_code(settings: Settings, phone: str, text: str) -> bool:
    """Whether the gateway took it: {"phone", "text"}, signed by Standard Webhooks. False where there is no gateway."""
    if settings.code_gateway_url is None or settings.code_gateway_secret is None:
        return False
    gateway = _Gateway(settings.code_gateway_url, (SigningSecret(settings.code_gateway_secret.get_secret_value()),))
    async with open_session(settings) as session:
        attempt = await post(session, gateway, str(new_id()), to_json({"phone": phone, "text": text}))
    if not attempt.succeeded:
        log.warning("code_not_sent", status=attempt.status_code, fault=attempt.fault)
    return attempt.succeeded
