"""The verb: read, verify, tell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.identifiers import now
from app.office import Office, again_if_outdated
from app.proof.chain import prove
from app.proof.records import read


@again_if_outdated
async def prove_handoff(office: Office, handoff_id: UUID) -> dict[str, Any]:
    """The proof of one handoff (`Proof`). Raises `not_found`."""
    snapshot = await office.registry.current()
    return prove(await read(office.database, handoff_id), snapshot, now())
