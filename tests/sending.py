"""One message, sent by the sender itself in a session of its own."""

from __future__ import annotations

from typing import Any

from app.delivery.lanes import Priority
from app.delivery.outbox import Attempt, Claimed
from app.delivery.sender import Session, open_session, send
from app.identifiers import new_id, now
from app.receivers import SigningSecret
from app.routing.directory import Agency
from app.signing import new_secret
from tests import serving
from tests.receivers import Receiver
from tests.worlds import an_office


def an_agency(endpoint: str, **changes: Any) -> Agency:
    return an_office("civil", "360801", endpoint=endpoint, secrets=(SigningSecret(new_secret()),), **changes)


def known_to(receiver: Receiver, host: str = "127.0.0.1", **changes: Any) -> Agency:
    """An agency whose endpoint the receiver is."""
    agency = an_agency(receiver.endpoint.format(code="civil").replace("127.0.0.1", host), **changes)
    receiver.secrets["civil"] = agency.secrets[0].value
    return agency


async def send_in(session: Session, agency: Agency) -> Attempt:
    at = now()
    body = b'{"type": "handoff.dispatched"}'
    claimed = Claimed(
        id=new_id(),
        receiver=agency.code,
        request_id=new_id(),
        handoff_id=new_id(),
        type="handoff.dispatched",
        lane=Priority.ORDINARY,
        body=body,
        attempts=0,
        created_at=at,
        give_up_at=at,
        lease_until=at,
    )
    return await send(session, agency, claimed)


async def sent(agency: Agency, **settings: Any) -> Attempt:
    async with open_session(serving.settings_for("sqlite:///unused.sqlite3", **settings)) as session:
        return await send_in(session, agency)
