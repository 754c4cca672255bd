"""Attachments: what is known of a file that is kept elsewhere, sealed; files that are to go; links that were used."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, PrimaryKeyConstraint, String, Table

from app.columns import Digest, Id, Instant
from app.tables.naming import metadata

attachment = Table(
    "attachment",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    # As which paper it was meant; none: of no kind.
    Column("material", String(64)),
    Column("kind", String(32), nullable=False),
    Column("size", Integer, nullable=False),
    Column("file", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("removed_at", Instant),
    # Its title, the name it came with, its digest, and the key of its file. None once it was removed.
    Column("sealed", LargeBinary),
    PrimaryKeyConstraint("id"),
    Index(None, "request_id", "id"),
)

# Files that no attachment names, or will soon: noted before one is written, so that what a crash leaves is found.
file_to_remove = Table(
    "file_to_remove",
    metadata,
    Column("file", String(64)),
    Column("due_at", Instant, nullable=False),
    PrimaryKeyConstraint("file"),
    Index(None, "due_at"),
)

used_link = Table(
    "used_link",
    metadata,
    Column("use_hash", Digest),
    Column("ends_at", Instant, nullable=False),
    PrimaryKeyConstraint("use_hash"),
    Index(None, "ends_at"),
)
