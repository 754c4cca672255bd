"""The verb: read, verify, tell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app import rights
from app.identifiers import now
from app.keys import Key
from app.office import Office, again_if_outdated
from app.proof.chain import prove
from app.proof.records import read


@again_if_outdated
async def prove_handoff(office: Office, handoff_id: UUID, key: Key | None) -> dict[str, Any]:
    """The proof of one handoff (`Proof`), for a key, or for the command line. Raises `not_found`."""
    snapshot = await office.registry.current()
    records = await read(office.database, handoff_id)
    if key is not None:
        rights.must_reach(key, records.request)
    return prove(records, snapshot, now(), with_digests=key is None or rights.sees_people(key))
