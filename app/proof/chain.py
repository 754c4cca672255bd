"""The chain of a handoff: every row verified and told, in the order of time. Pure: rows in, a `Proof` out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from app import signing
from app.hashchain import first_break
from app.proof import words
from app.proof.records import Records, Row
from app.registry import Snapshot

Entry = dict[str, Any]
Fault = dict[str, str]
# At one instant: what came, what it did, what was sent because of it, how that went.
_ORDER = ("callback", "refused", "event", "delivery", "attempt")


def prove(records: Records, snapshot: Snapshot, made_at: datetime, *, with_digests: bool) -> dict[str, Any]:
    """A `Proof` of `answers_proof`. It holds nothing personal: digests stand for bodies. Those of messages are for who may
    see people: a guess of who is in one could be confirmed by it."""
    own = records.handoff
    agency, need = snapshot.directory.agencies[own.agency_code], snapshot.needs[own.need]
    faults: list[Fault] = []
    broken_at = first_break(records.events, records.request["head"])
    if broken_at is not None:
        faults.append(words.fault("chain_broken", str(broken_at)))
    entries = [
        *_events(records),
        *_deliveries(records, faults, with_digests),
        *_attempts(records),
        *_callbacks(records, faults),
        *_refused(records),
    ]
    faults += _unmatched(records)
    entries.sort(key=lambda each: (each["at"], _ORDER.index(each["kind"])))
    return {
        "handoff_id": own.id,
        "request_id": own.request_id,
        "receipt_number": records.request["receipt_number"],
        "agency": {"code": agency.code, "name_zh": agency.name_zh, "name_en": agency.name_en},
        "need": {"code": need.code, "name_zh": need.name_zh, "name_en": need.name_en},
        "role": own.role,
        "status": own.status,
        "made_at": made_at,
        "holds": not faults,
        "faults": faults,
        "chain": {"events": len(records.events), "head": records.request["head"].hex(), "broken_at": broken_at},
        "entries": [{**each, **words.told(each["kind"], each["facts"], agency)} for each in entries],
        "proves": words.PROVES,
    }


def _events(records: Records) -> Iterator[Entry]:
    """Those of the handoff and those of the request as a whole; the chain is verified over the others too."""
    for row in records.events:
        if row["handoff_id"] in (None, records.handoff.id):
            facts = {"sequence": row["sequence"], "event": row["kind"], "actor": row["actor"], "data": row["data"]}
            yield {"at": row["at"], "kind": "event", "facts": {**facts, "hash": row["hash"].hex()}}


def _deliveries(records: Records, faults: list[Fault], with_digests: bool) -> Iterator[Entry]:
    for row in records.deliveries:
        digest = records.digests[row["id"]]
        holds = _holds(records.sent[row["id"]], digest)
        if holds is False:
            faults.append(words.fault("digest_differs", str(row["id"])))
        facts = {"delivery_id": row["id"], "type": row["type"], "status": row["status"], "attempts": row["attempts"]}
        facts |= {"digest": digest.hex() if digest and with_digests else None, "digest_holds": holds}
        yield {"at": row["created_at"], "kind": "delivery", "facts": facts}


def _attempts(records: Records) -> Iterator[Entry]:
    for row in records.attempts:
        names = ("delivery_id", "number", "milliseconds", "status_code", "fault")
        delivered = row["status_code"] is not None and 200 <= row["status_code"] < 300
        facts = {**{name: row[name] for name in names}, "delivered": delivered}
        yield {"at": row["started_at"], "kind": "attempt", "facts": facts}


def _callbacks(records: Records, faults: list[Fault]) -> Iterator[Entry]:
    for row in records.callbacks:
        verified = _verify(row, records)
        if verified["signature"] == "fails":
            faults.append(words.fault("signature_fails", row["webhook_id"]))
        if verified["digest_holds"] is False:
            faults.append(words.fault("digest_differs", row["webhook_id"]))
        elif verified["digest_holds"] is None and row["signed_at"] is not None and not records.is_erased:
            faults.append(words.fault("body_missing", row["webhook_id"]))
        facts = {
            "webhook_id": row["webhook_id"],
            "bulk_id": row["bulk_id"],
            "type": row["type"],
            "applied": row["applied"],
            "happened_at": row["sent_at"],
            "signed_at": row["signed_at"],
            "digest": row["digest"].hex(),
            "signed": row["signature"],
            **verified,
        }
        yield {"at": row["received_at"], "kind": "callback", "facts": facts}


def _refused(records: Records) -> Iterator[Entry]:
    for row in records.refused:
        facts = {name: row[name] for name in ("webhook_id", "code", "signature")}
        yield {"at": row["received_at"], "kind": "refused", "facts": {**facts, "digest": row["digest"].hex()}}


def _verify(row: Row, records: Records) -> dict[str, Any]:
    """`signature`: `verified` (with when its secret was made and ended), `fails`, `with_key`, `not_kept`: a row from
    before bodies were kept, `erased`: its request was erased."""
    body = records.bodies.get(row["digest"])
    holds = _holds(body, row["digest"])
    without = "erased" if records.is_erased else "not_kept"
    outcome: dict[str, Any] = {"signature": without, "secret_made_at": None, "secret_ended_at": None}
    if row["signature"] is None:
        outcome["signature"] = "with_key"
    elif body is not None and row["signed_at"] is not None:
        message_id, timestamp = row["bulk_id"] or row["webhook_id"], str(int(row["signed_at"].timestamp()))
        outcome["signature"] = "fails"
        for secret in records.secrets:
            if signing.matches([secret["secret"]], message_id, timestamp, row["signature"], body):
                outcome = {"signature": "verified", "secret_made_at": secret["created_at"]}
                outcome["secret_ended_at"] = secret["ends_at"]
                break
    return {"digest_holds": holds, **outcome}


def _holds(body: bytes | None, digest: bytes | None) -> bool | None:
    """None where there is no body to be asked any more."""
    return None if body is None else hashlib.sha256(body).digest() == digest


def _unmatched(records: Records) -> Iterator[Fault]:
    """What was applied stands twice: as a callback, and as an event that names the digest of what was sent."""
    of_events = Counter(
        (row["kind"], row["data"]["digest"])
        for row in records.events
        if row["handoff_id"] == records.handoff.id and "digest" in row["data"]
    )
    of_callbacks = Counter(
        (row["type"], row["digest"].hex())
        for row in records.callbacks
        if row["applied"] and (row["signed_at"] is not None or row["digest"] in records.bodies or records.is_erased)
    )
    yield from (words.fault("callback_missing", digest) for _, digest in (of_events - of_callbacks).elements())
    yield from (words.fault("event_missing", digest) for _, digest in (of_callbacks - of_events).elements())
