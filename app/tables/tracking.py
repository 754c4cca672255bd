"""What people do on their own page: the tries to find it by number, and what they answer when a request was closed."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from app.columns import Digest, Id, Instant
from app.lifecycle import ReopeningState, Solved
from app.tables.naming import metadata, one_of

look_up_try = Table(
    "look_up_try",
    metadata,
    # Keyed digest of a receipt number that was typed, whether there is such a request or not.
    Column("mark", Digest),
    Column("tries", Integer, nullable=False),  # since it was last found
    Column("next_at", Instant, nullable=False),  # not before is another one looked at
    PrimaryKeyConstraint("mark"),
    Index(None, "next_at"),
)

# What a person said of a request that was closed, once for each closing; unhappy ones ask to reopen it.
feedback = Table(
    "feedback",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    # Which of its events closed it.
    Column("closing", Integer, nullable=False),
    Column("solved", String(8), nullable=False),
    Column("answered_at", Instant, nullable=False),
    # None where the person is content: nobody has to rule.
    Column("state", String(12)),
    # What was given out again, or anew.
    Column("handoff_id", Id, ForeignKey("handoff.id")),
    Column("ruled_by", String(100)),
    Column("ruled_at", Instant),
    # The person's words and the coordinator's.
    Column("sealed", LargeBinary),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("request_id", "closing"),
    one_of("solved", Solved),
    one_of("state", ReopeningState),
    Index(
        "ix_feedback_asked", "id", postgresql_where=text("state IS NOT NULL"), sqlite_where=text("state IS NOT NULL")
    ),
    Index(None, "answered_at"),
)
