"""The service as a test speaks to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from app.keys import KeyRole
from tests import serving


@dataclass
class Running:
    """The service on a database of this test's own; `client(role)` calls it as that role."""

    url: str
    address: str
    _clients: list[httpx.Client] = field(default_factory=list)

    def client(
        self, role: KeyRole | str | None, agency: str | None = None, place: str | None = None, **headers: str
    ) -> httpx.Client:
        if role is not None:
            headers["authorization"] = f"Bearer {serving.make_key(self.url, KeyRole(role), agency, place)}"
        headers.setdefault("accept-language", "en")
        client = httpx.Client(base_url=self.address, headers=headers, timeout=20, trust_env=False, verify=False)
        self._clients.append(client)
        return client

    def leave(self) -> None:
        """Close every client."""
        for client in self._clients:
            client.close()
