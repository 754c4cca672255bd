"""Emergencies: who is waited for, what is still owed, and what the county has set, dated.

None of it is written for an ordinary request.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

from app.aid import CeilingKind
from app.columns import Digest, Id, Instant
from app.tables.naming import metadata, one_of

# One for each handoff that was told as an emergency.
emergency_watch = Table(
    "emergency_watch",
    metadata,
    Column("handoff_id", Id, ForeignKey("handoff.id")),
    # Its message; none where the agency reads its inbox.
    Column("delivery_id", Id),
    # When the next in the chain is followed if nobody has signed in; none: nobody is waited for, or nobody is left.
    Column("due_at", Instant),
    # How many of the chain were followed, and the number to call now.
    Column("position", SmallInteger, nullable=False),
    Column("called", String(120)),
    Column("phone", String(32)),
    PrimaryKeyConstraint("handoff_id"),
    Index(
        "ix_emergency_watch_due",
        "due_at",
        postgresql_where=text("due_at IS NOT NULL"),
        sqlite_where=text("due_at IS NOT NULL"),
    ),
)

debt = Table(
    "debt",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("opened_at", Instant, nullable=False),
    # The county's own aim, where there is one sooner than the limit.
    Column("target_at", Instant),
    Column("due_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("settled_by", String(100)),
    Column("outcome", String(16)),
    # Yuan as text, as it was written; and with what else, sealed.
    Column("amount", String(14)),
    Column("sealed", LargeBinary),
    # Its request's, which never changes: what a small place has is found by it alone.
    Column("division_code", String(9), nullable=False, server_default=text("''")),
    PrimaryKeyConstraint("id"),
    Index(None, "division_code", "id"),
    UniqueConstraint("request_id", "kind"),
    one_of("kind", ("aid", "explanation", "papers")),
    one_of("outcome", ("done", "not_confirmed", "not_needed", "withdrawn")),
    Index(
        "ix_debt_open",
        "due_at",
        postgresql_where=text("settled_at IS NULL"),
        sqlite_where=text("settled_at IS NULL"),
    ),
)

# Who was helped with what in a year: a keyed digest of year, identity number and need.
aid_mark = Table(
    "aid_mark",
    metadata,
    Column("mark", Digest),
    Column("request_id", Id, ForeignKey("help_request.id")),
    PrimaryKeyConstraint("mark", "request_id"),
    Index(None, "request_id"),
)

duty_contact = Table(
    "duty_contact",
    metadata,
    Column("agency_code", String(64), ForeignKey("agency.code")),
    Column("position", SmallInteger, autoincrement=False),
    Column("office", String(120), nullable=False),
    Column("name", String(80)),
    Column("phone", String(32), nullable=False),
    Column("hours", String(80)),
    PrimaryKeyConstraint("agency_code", "position"),
)

emergency_terms = Table(
    "emergency_terms",
    metadata,
    Column("division_code", String(9), ForeignKey("division.code")),
    Column("valid_from", Date),
    Column("sign_in_minutes", Integer, nullable=False),
    Column("aid_target", String(12), nullable=False),
    Column("aid_limit", String(12), nullable=False),
    Column("explanation_limit", String(12), nullable=False),
    Column("papers_limit", String(12), nullable=False),
    Column("source", String(120), nullable=False),
    PrimaryKeyConstraint("division_code", "valid_from"),
)

aid_ceiling = Table(
    "aid_ceiling",
    metadata,
    Column("division_code", String(9), ForeignKey("division.code")),
    Column("valid_from", Date),
    Column("kind", String(12), nullable=False),
    Column("amount", String(14), nullable=False),
    Column("source", String(120), nullable=False),
    PrimaryKeyConstraint("division_code", "valid_from"),
    one_of("kind", CeilingKind),
)

living_standard = Table(
    "living_standard",
    metadata,
    Column("division_code", String(9), ForeignKey("division.code")),
    Column("valid_from", Date),
    Column("urban", String(14), nullable=False),
    Column("rural", String(14), nullable=False),
    Column("source", String(120), nullable=False),
    PrimaryKeyConstraint("division_code", "valid_from"),
)
