"""Roots of each day, and what they were made of."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table, UniqueConstraint

from app.columns import Digest, Id, Instant
from app.tables.naming import metadata

# A root is in the making until it has a signature. Each names another one before it, so they stand in one line.
audit_root = Table(
    "audit_root",
    metadata,
    Column("day", Date),
    # Every event that was stored before is covered by this root or by one before it.
    Column("as_of", Instant, nullable=False),
    Column("previous", Digest, nullable=False),
    Column("salt", Digest, nullable=False),
    # From then on no leaf is added.
    Column("gathered_at", Instant),
    Column("leaves", Integer),
    Column("root", Digest),
    # Of the chains of readings; none: a root from before they were in it.
    Column("readings", Digest),
    Column("key_id", String(16)),
    Column("signature", LargeBinary(64)),
    Column("made_at", Instant),
    PrimaryKeyConstraint("day"),
    UniqueConstraint("previous"),
)

# How far a request had come. It names no row of another table: what was removed there is missed because it stands here.
audit_leaf = Table(
    "audit_leaf",
    metadata,
    Column("request_id", Id),
    Column("day", Date),
    Column("receipt_number", String(12), nullable=False),
    Column("events", Integer, nullable=False),
    Column("head", Digest, nullable=False),
    PrimaryKeyConstraint("request_id", "day"),
    Index(None, "day", "request_id"),
    sqlite_with_rowid=False,
)

# How far a chain of readings had come. It names no reading: what was removed there is missed because it stands here.
audit_chain = Table(
    "audit_chain",
    metadata,
    Column("chain", Id),
    Column("day", Date),
    Column("number", Integer, nullable=False),
    Column("head", Digest, nullable=False),
    PrimaryKeyConstraint("chain", "day"),
    Index(None, "day", "chain"),
)

# The roots of pieces of a day's tree, so that the way of one leaf needs its own piece only.
audit_piece = Table(
    "audit_piece",
    metadata,
    Column("day", Date),
    Column("first", Id),
    Column("hash", Digest, nullable=False),
    PrimaryKeyConstraint("day", "first"),
)

# The keys that roots were signed with; their secret halves are nowhere in the database.
audit_key = Table(
    "audit_key",
    metadata,
    Column("id", String(16)),
    Column("public_key", Digest, nullable=False),
    Column("first_used_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
)
