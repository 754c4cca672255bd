"""The county's single sign-on (OpenID Connect): authorization code with PKCE, a state and a nonce.

Who signs in there comes back with a code, and the provider tells for it, signed, who that is. Nothing of the round trip
is stored: the browser keeps one random text, and all that must match is derived from it and the service's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

LASTS = timedelta(minutes=10)


class ProviderAwayError(Exception):
    """It does not answer, or not as a provider does."""


class NotProvedError(Exception):
    """What came back proves nobody: another's round trip, an old one, a code used twice, a token that is not right."""


class Provider(Protocol):
    issuer: str

    async def address(self, flow: Flow, redirect_uri: str) -> str:
        """Where the browser is sent. Raises ProviderAwayError."""
        ...

    async def who(self, flow: Flow, came_back: Mapping[str, str], redirect_uri: str) -> str:
        """What the provider calls whoever came back. Raises NotProvedError, ProviderAwayError."""
        ...

    async def end_session(self, back_to: str) -> str | None:
        """Where to sign out of the provider too; None if it has no such page, or does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class Flow:
    """One round trip of one browser."""

    text: str
    secret: bytes = field(repr=False)

    @classmethod
    def begun(cls, secret: bytes, at: datetime) -> Flow:
        return cls(f"{int(at.timestamp())}.{secrets.token_urlsafe(24)}", secret)

    @classmethod
    def kept(cls, secret: bytes, text: str, at: datetime) -> Flow | None:
        """None for one that took too long. Another time written into it makes another state."""
        began, _, _ = text.partition(".")
        if not began.isdecimal() or len(text) > 100:
            return None
        return cls(text, secret) if 0 <= at.timestamp() - int(began) < LASTS.total_seconds() else None

    @property
    def state(self) -> str:
        return self._derived("state")

    @property
    def nonce(self) -> str:
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        return self._derived("verifier")

    def _derived(self, what: str) -> str:
        digest = hmac.new(self.secret, f"oidc:{what}:{self.text}".encode(), hashlib.sha256).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")
