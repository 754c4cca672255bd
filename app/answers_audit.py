"""What anybody may know of the audit: roots, keys, and the proof that belongs to a receipt."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from app.answers import Outbound, Page


class AuditRoot(Outbound):
    """The root of one day. `statement` is what was signed, byte for byte in UTF-8; the fields beside it say the same."""

    day: date = Field(description="The day in China that had ended, or was ending, when it was made.")
    as_of: datetime = Field(description="Every event stored before is covered by this root or by one before it.")
    root: str = Field(description="In hex: the hash of the salt's leaf and of the tree over all requests that changed.")
    readings: str | None = Field(
        description="In hex: the same over the chains of readings; null in roots from before they were in it."
    )
    previous: str = Field(description="In hex: SHA-256 of the statement of the root before; zeros at the first.")
    key_id: str = Field(description="The first 16 hex digits of the SHA-256 of the public key.")
    statement: str
    signature: str = Field(description="Ed25519 over `statement`, in base64.")


class AuditRootPage(Page):
    items: list[AuditRoot]


class AuditKey(Outbound):
    key_id: str
    algorithm: Literal["Ed25519"]
    public_key: str = Field(description="32 bytes in base64.")
    public_key_pem: str
    first_used_at: datetime


class AuditKeys(Outbound):
    keys: list[AuditKey] = Field(description="The last used first. Compare with where the county has published them.")


class PathStep(Outbound):
    side: Literal["left", "right"] = Field(description="Where this hash stands, seen from the way up.")
    hash: str


class InclusionProof(Outbound):
    """SHA-256(0x00 + `leaf`), then for each step SHA-256(0x01 + left + right), is the root that was signed."""

    events: int = Field(description="So many events of the request are covered.")
    head: str = Field(description="The hash of the last of them, in hex.")
    leaf: str = Field(description="Request, receipt number, events, head; byte for byte in UTF-8.")
    path: list[PathStep]
    root: AuditRoot
    public_key: str | None = Field(
        description="By which the root says that it is signed; compare it with a published one."
    )
    public_key_pem: str | None


class Inclusion(Outbound):
    """Whether and where a request is covered by a signed root. Nothing in it is about the person."""

    receipt_number: str
    events: int = Field(description="So many there are by now.")
    proof: InclusionProof | None = Field(description="Null until the first root after the request: the next morning.")
