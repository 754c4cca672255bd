"""What callers have used of the calls that they may make, shared by all processes."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, PrimaryKeyConstraint, Table

from app.columns import Digest
from app.tables.naming import metadata

calls_taken = Table(
    "calls_taken",
    metadata,
    # Keyed digest of a budget and of whoever it is for: no address is kept.
    Column("mark", Digest),
    # Minutes since 1970; what was taken counts for this one only, and a later one begins anew in the same row.
    Column("minute", Integer, nullable=False),
    Column("taken", Integer, nullable=False),
    PrimaryKeyConstraint("mark"),
    Index(None, "minute"),
)
