"""Who delivers and sweeps at this moment."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, Table

from app.columns import Id, Instant
from app.tables.naming import metadata

worker = Table(
    "worker",
    metadata,
    Column("id", Id),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("swept_at", Instant),
    PrimaryKeyConstraint("id"),
)
