"""People who sign in to the pages: their accounts, their sessions, and what happened at the door.

An account's principal, which has its role and its agency, is a row of `api_key` with the same id and a secret that nobody
has.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from app.columns import Digest, Id, Instant
from app.tables.naming import metadata, one_of

staff_account = Table(
    "staff_account",
    metadata,
    Column("id", Id, ForeignKey("api_key.id")),
    Column("login_name", String(40), nullable=False),
    Column("display_name", String(80), nullable=False),
    # Argon2id; none: by the county's single sign-on only.
    Column("password_hash", String(160)),
    # One that was made for them must be changed, and ends.
    Column("must_change_password", Boolean, nullable=False),
    Column("password_ends_at", Instant),
    # Who says who they are, and what it calls them.
    Column("oidc_issuer", String(200)),
    Column("oidc_name", String(200)),
    # Wrong tries in a row: of browsers that nobody has signed in from to this account, and of those that somebody has.
    Column("failed_tries", SmallInteger, nullable=False),
    Column("locked_until", Instant),
    Column("known_failed_tries", SmallInteger, nullable=False),
    Column("known_locked_until", Instant),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(100), nullable=False),
    Column("disabled_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("login_name"),
    UniqueConstraint("oidc_name", "oidc_issuer"),
    CheckConstraint("(oidc_issuer IS NULL) = (oidc_name IS NULL)", name="oidc_whole"),
)

staff_session = Table(
    "staff_session",
    metadata,
    Column("token_hash", Digest),
    Column("account_id", Id, ForeignKey("staff_account.id"), nullable=False),
    Column("way", String(8), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("idle_ends_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    PrimaryKeyConstraint("token_hash"),
    Index("ix_staff_session_account", "account_id"),
    one_of("way", ("password", "oidc")),
)

# What the security administrator looks at; of a name that nobody has there is no row, only its address counts.
sign_in_event = Table(
    "sign_in_event",
    metadata,
    Column("id", Id),
    Column("account_id", Id, ForeignKey("staff_account.id")),
    Column("kind", String(24), nullable=False),
    Column("at", Instant, nullable=False),
    Column("way", String(8)),
    # Who did it, where it was not the person.
    Column("by", String(100)),
    PrimaryKeyConstraint("id"),
    Index("ix_sign_in_event_account", "account_id", "id"),
)

# Wrong tries from one address, which is kept as a keyed digest and no longer than its window.
sign_in_address = Table(
    "sign_in_address",
    metadata,
    Column("mark", Digest),
    Column("failures", Integer, nullable=False),
    Column("window_ends_at", Instant, nullable=False),
    PrimaryKeyConstraint("mark"),
    Index("ix_sign_in_address_window", "window_ends_at"),
)
