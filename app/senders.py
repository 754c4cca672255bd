"""Who sent it: an agency, proved by its signature (Standard Webhooks) or by its key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import select

from app import signing
from app.db import Database
from app.identifiers import now, utc_text
from app.keys import Key
from app.office import Office, again_if_outdated
from app.problems import Problem, Text
from app.receivers import secrets_at
from app.routing.directory import Agency
from app.tables import handoff

AGENCY_HEADER = "one-window-agency"
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
LONGEST_SIGNATURE = 500
_LONGEST_TIMESTAMP = 12


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent it, and the id that makes a repeat recognisable. `signature` and `signed_at` are None with a key; of
    a callback that came in bulk, `bulk_id` is the id that was signed."""

    agency: Agency
    webhook_id: str
    signature: str | None
    signed_at: datetime | None = None
    bulk_id: str | None = None
    # Set where a person answered, not the agency's machine.
    way: str = ""

    @property
    def actor(self) -> str:
        return f"agency:{self.agency.code}{self.way}"

    def of_item(self, webhook_id: str) -> Sender:
        """The sender of one callback of the bulk that this one sent."""
        return replace(self, webhook_id=webhook_id, bulk_id=self.webhook_id)


@again_if_outdated
async def authenticate(
    office: Office, handoff_id: UUID, headers: Mapping[str, str], key: Key | None, body: bytes
) -> Sender:
    """The agency of that very handoff. With a bearer key no signature is needed, and without a `webhook-id` the
    body's digest stands for it.

    Raises `not_found` for a handoff that does not exist or is another agency's, `signature_invalid`,
    `timestamp_out_of_tolerance`, `unauthenticated`, `malformed_header`.
    """
    _must_prove(headers, key)
    agency_code = await _agency_of(office.database, handoff_id)
    if agency_code is None:
        raise Problem("not_found")
    snapshot = await office.registry.current()
    agency = snapshot.directory.agencies[agency_code]
    if key is not None:
        if key.agency_code != agency.code:
            raise Problem("not_found")
        return Sender(agency, webhook_id_of(headers) or _digest_id(handoff_id.bytes + body), None)
    # A neighbour's signature on a handoff that is not the neighbour's: for it, the handoff does not exist.
    neighbours = (each for each in snapshot.directory.of_county(agency.division_code) if each.code != agency.code)
    return _signed_by(office, agency, neighbours, headers, body)


@again_if_outdated
async def authenticate_bulk(office: Office, headers: Mapping[str, str], key: Key | None, body: bytes) -> Sender:
    """The agency of the key, or the one that `one-window-agency` names, if it signed. Of the same problems as one
    callback, `not_found` is left to each of its callbacks."""
    _must_prove(headers, key)
    agencies = (await office.registry.current()).directory.agencies
    if key is not None:
        assert key.agency_code is not None
        return Sender(agencies[key.agency_code], webhook_id_of(headers) or _digest_id(body), None)
    code = headers.get(AGENCY_HEADER)
    if not code:
        raise _missing(AGENCY_HEADER)
    agency = agencies.get(code)
    if agency is None:
        raise Problem("signature_invalid")
    return _signed_by(office, agency, (), headers, body)


def webhook_id_of(headers: Mapping[str, str]) -> str | None:
    """Raises `malformed_header`."""
    webhook_id = headers.get("webhook-id")
    if webhook_id and not (webhook_id.isprintable() and len(webhook_id) <= signing.LONGEST_ID):
        text = Text("webhook-id 应为不超过 256 个可见字符。", "webhook-id is at most 256 visible characters.")
        raise Problem("malformed_header", text)
    if len(headers.get("webhook-signature", "")) > LONGEST_SIGNATURE:
        text = Text("webhook-signature 过长。", "webhook-signature is too long.")
        raise Problem("malformed_header", text)
    return webhook_id


def _must_prove(headers: Mapping[str, str], key: Key | None) -> None:
    if key is None and not any(name in headers for name in _HEADERS[1:]):
        raise Problem("unauthenticated")


def _signed_by(
    office: Office, agency: Agency, neighbours: Iterable[Agency], headers: Mapping[str, str], body: bytes
) -> Sender:
    missing = [name for name in _HEADERS if not headers.get(name)]
    if missing:
        raise _missing(*missing)
    webhook_id, timestamp, signature = (
        webhook_id_of(headers),
        headers["webhook-timestamp"],
        headers["webhook-signature"],
    )
    assert webhook_id is not None
    at = now()
    signed_at = _signed_time(timestamp, at, office.settings.callback_tolerance_seconds)
    if not signing.matches(secrets_at(agency, at), webhook_id, timestamp, signature, body):
        if any(signing.matches(secrets_at(each, at), webhook_id, timestamp, signature, body) for each in neighbours):
            raise Problem("not_found")
        raise Problem("signature_invalid")
    return Sender(agency, webhook_id, signature, signed_at)


def _signed_time(timestamp: str, at: datetime, tolerance: int) -> datetime:
    """Only one way to write a second: what was signed can be put together again from it."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP) or (
        timestamp != str(int(timestamp))
    ):
        text = Text("webhook-timestamp 应为秒数。", "webhook-timestamp is a whole number of seconds since 1970.")
        raise Problem("malformed_header", text)
    ours = int(at.timestamp())
    skew = int(timestamp) - ours
    if abs(at.timestamp() - int(timestamp)) > tolerance:
        raise Problem(
            "timestamp_out_of_tolerance",
            Text(
                f"签名时间与服务器相差 {skew} 秒;服务器时间是 {ours}({utc_text(at)})。",
                f"The signed time differs from ours by {skew} s; our clock says {ours} ({utc_text(at)}).",
            ),
        )
    return datetime.fromtimestamp(int(timestamp), UTC)


def _missing(*names: str) -> Problem:
    listed = ", ".join(names)
    return Problem("malformed_header", Text(f"缺少请求头 {listed}。", f"Missing header: {listed}."))


def _digest_id(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def _agency_of(database: Database, handoff_id: UUID) -> str | None:
    async with database.reading() as connection:
        code: str | None = await connection.scalar(select(handoff.c.agency_code).where(handoff.c.id == handoff_id))
    return code
