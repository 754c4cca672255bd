"""The service's own: who delivers and sweeps at this moment, and the key of what belongs to no request."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, String, Table

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

# One row: the data key of what is sealed and belongs to no request, wrapped as a request's is.
service_key = Table(
    "service_key",
    metadata,
    Column("name", String(16)),
    Column("wrapped", LargeBinary, nullable=False),
    PrimaryKeyConstraint("name"),
)
