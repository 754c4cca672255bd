"""Who looked at whose data, and who looked at too many people's."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.columns import Digest, Id, Instant, Json
from app.purposes import Purpose, Way
from app.tables.naming import metadata, one_of

# Rows are added, never changed; those of one `chain` (one writer, from its start) hold each other by their hashes.
reading = Table(
    "reading",
    metadata,
    Column("id", Id),
    Column("chain", Id, nullable=False),
    Column("number", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(100), nullable=False),
    Column("role", String(16), nullable=False),
    Column("agency_code", String(64)),
    Column("request_id", Id, ForeignKey("help_request.id")),  # None: somebody was looked up, and nobody found
    Column("handoff_id", Id),
    Column("shown", Json, nullable=False),
    Column("legal_basis", Text),
    Column("way", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    # Whether its reader said what for; else it is what the reader's role usually reads for.
    Column("stated", Boolean(create_constraint=False), nullable=False),
    # To the work that the reader had at that moment.
    Column("unrelated", Boolean(create_constraint=False), nullable=False),
    Column("hash", Digest, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("chain", "number"),
    one_of("way", Way),
    one_of("purpose", Purpose),
    Index(None, "request_id", "id"),
    Index(
        "ix_reading_unrelated",
        *("actor", "at", "request_id"),
        postgresql_where=text("unrelated"),
        sqlite_where=text("unrelated = 1"),
    ),
    Index(
        "ix_reading_own",
        *("actor", "at", "request_id"),
        postgresql_where=text("NOT unrelated"),
        sqlite_where=text("unrelated = 0"),
    ),
)

alarm = Table(
    "alarm",
    metadata,
    Column("id", Id),
    Column("kind", String(24), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("since", Instant, nullable=False),
    Column("count", Integer, nullable=False),
    Column("raised_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(100)),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("kind", "actor", "since"),
    one_of("kind", ("readings_per_hour", "readings_per_day", "own_work_per_day")),
    Index(
        "ix_alarm_open",
        "id",
        postgresql_where=text("acknowledged_at IS NULL"),
        sqlite_where=text("acknowledged_at IS NULL"),
    ),
)
