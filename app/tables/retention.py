"""How long what is kept, as the county has set it, and whose data may not be erased for now."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, PrimaryKeyConstraint, String, Table, text

from app.columns import Id, Instant
from app.tables.naming import metadata

# A kind that has no row here is kept for good, as one without a period is.
retention = Table(
    "retention",
    metadata,
    Column("kind", String(32)),
    Column("period", String(8)),
    Column("minimum", String(8)),
    Column("source", String(200), nullable=False),
    Column("set_by", String(100), nullable=False),
    Column("set_at", Instant, nullable=False),
    # Whose age their ids tell are gone through in the order of their ids: up to this one it is done.
    Column("done_to", Id),
    Column("swept_at", Instant),
    PrimaryKeyConstraint("kind"),
)

legal_hold = Table(
    "legal_hold",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    Column("placed_at", Instant, nullable=False),
    Column("placed_by", String(100), nullable=False),
    # None: until it is released.
    Column("until", Instant),
    Column("released_at", Instant),
    Column("released_by", String(100)),
    # The reason, which may name somebody.
    Column("sealed", LargeBinary),
    PrimaryKeyConstraint("id"),
    Index(
        "uq_legal_hold_open",
        "request_id",
        unique=True,
        postgresql_where=text("released_at IS NULL"),
        sqlite_where=text("released_at IS NULL"),
    ),
    Index(None, "request_id"),
)
