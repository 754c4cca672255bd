"""Keys of the service's own, for what belongs to no request and for what devices seal; those of callers are `api_key`."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, PrimaryKeyConstraint, String, Table

from app.columns import Instant
from app.tables.naming import metadata

# One row: the data key of what is sealed and belongs to no request, wrapped as a request's is.
service_key = Table(
    "service_key",
    metadata,
    Column("name", String(16)),
    Column("wrapped", LargeBinary, nullable=False),
    PrimaryKeyConstraint("name"),
)

# Of what devices seal for the service alone (ECDH-ES, P-256): private halves, sealed by the service's own data key.
envelope_key = Table(
    "envelope_key",
    metadata,
    Column("kid", String(43)),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    # From when on devices seal with another; this one still opens for a while.
    Column("replaced_at", Instant),
    PrimaryKeyConstraint("kid"),
)
