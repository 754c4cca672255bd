"""A file as it arrived from a caller: its content on a sealed spool, and what it is meant as."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from app.sealed_files import Spool
from app.wire import to_json

MOST_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True)
class Upload:
    content: Spool
    name: str | None
    title: str | None
    material: str | None

    def mark(self, secret: bytes) -> bytes:
        """Equal for the same file sent again as the same; keyed, or it would betray a document that somebody knows."""
        told = to_json([self.name, self.title, self.material, self.content.digest.hex()])
        return hmac.digest(secret, b"upload:" + told, "sha256")
