"""The keys that devices seal with: pairs of the service's own, whose private halves are kept sealed in the database, so
that every process has them and a restart keeps them. The newest is given out; older ones still open for a while."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.identifiers import now
from app.sealing import Box, kept_at
from app.service_key import service_box
from app.tables import envelope_key

CURVE = "P-256"
STILL_OPENS = timedelta(days=400)


@dataclass(frozen=True)
class EnvelopeKeys:
    """By kid, the current one first."""

    by_kid: Mapping[str, ECKey]

    @classmethod
    def of_rows(cls, rows: list[dict[str, Any]], box: Box) -> EnvelopeKeys:
        newest_first = sorted(rows, key=lambda row: (row["replaced_at"] is not None, -row["created_at"].timestamp()))
        return cls(
            {
                row["kid"]: ECKey.import_key(box.unseal(row["sealed"], kept_at("envelope_key.sealed", row["kid"])))
                for row in newest_first
            }
        )

    def public(self) -> dict[str, str] | None:
        """What devices seal with, as a JWK (RFC 7517). None: the database was not migrated whole."""
        if not self.by_kid:
            return None
        kid, key = next(iter(self.by_kid.items()))
        told = key.as_dict(private=False)
        return {
            **{name: str(told[name]) for name in ("kty", "crv", "x", "y")},
            "kid": kid,
            "use": "enc",
            "alg": "ECDH-ES",
        }


async def make(connection: AsyncConnection) -> None:
    """If there is none yet; the caller holds off everybody else who might."""
    if await connection.scalar(select(envelope_key.c.kid).limit(1)) is None:
        await _add(connection, now())


async def renew(connection: AsyncConnection) -> str:
    """A new pair in place of the current one, which still opens for 400 days; those that were replaced before then go.
    The new one's kid."""
    at = now()
    await connection.execute(delete(envelope_key).where(envelope_key.c.replaced_at < at - STILL_OPENS))
    await connection.execute(update(envelope_key).where(envelope_key.c.replaced_at.is_(None)).values(replaced_at=at))
    return await _add(connection, at)


async def _add(connection: AsyncConnection, at: datetime) -> str:
    key = ECKey.generate_key(CURVE, private=True, auto_kid=False)
    kid, box = key.thumbprint(), await service_box(connection)
    private = {
        name: value for name, value in key.as_dict(private=True).items() if name in ("kty", "crv", "x", "y", "d")
    }
    row = {
        "kid": kid,
        "sealed": box.seal(private, kept_at("envelope_key.sealed", kid)),
        "created_at": at,
        "replaced_at": None,
    }
    await connection.execute(envelope_key.insert(), row)
    return kid
