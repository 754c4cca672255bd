"""The desk at which a unit of work is done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.identifiers import now
from app.keys import Key
from app.office import Office
from app.registry import Snapshot


@dataclass(frozen=True, slots=True)
class Desk:
    """What a unit of work needs to hand off: the county's snapshot, the time, who acts, where callbacks go."""

    snapshot: Snapshot
    at: datetime
    actor: str
    public_url: str | None = None


async def desk_of(office: Office, key: Key) -> Desk:
    """Of a call that a key makes now."""
    return Desk(await office.registry.current(), now(), key.actor, office.settings.public_url)
