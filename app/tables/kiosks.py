"""Devices that take in: codes that pair them, numbers given to them in advance."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, String, Table, UniqueConstraint

from app.columns import Digest, Id, Instant
from app.tables.naming import metadata

# A code that waits for its device. It goes when it is used; one that has ended, when the next is made.
kiosk_pairing = Table(
    "kiosk_pairing",
    metadata,
    # Keyed digest: eight digits could be found from a plain one by trying them all.
    Column("code_mark", Digest),
    Column("name", String(80), nullable=False),
    Column("division_code", String(9), ForeignKey("division.code"), nullable=False),
    Column("made_by", String(100), nullable=False),
    Column("ends_at", Instant, nullable=False),
    PrimaryKeyConstraint("code_mark"),
    Index(None, "ends_at"),
)

# Whether a number was used is seen from the request that has it. Rows go when their period is over; the number is not
# given out again all the same (`receipts.new_device_number`).
reserved_number = Table(
    "reserved_number",
    metadata,
    Column("id", Id),
    Column("number", String(12), nullable=False),
    # The first key of the device's line.
    Column("holder", Id, ForeignKey("api_key.id"), nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("number"),
    Index(None, "holder", "id"),
)
