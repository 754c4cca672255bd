"""What the county has set: divisions, agencies and their endpoints, keys, routing tables, the calendar."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
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
    Text,
    UniqueConstraint,
    text,
)

from app.columns import Digest, Id, Instant, Json
from app.receivers import DeliveryMode
from app.roles import KeyRole
from app.routing.rules import Role
from app.tables.naming import metadata, one_of


def _how_to_send() -> tuple[Column[Any], ...]:
    """Of an endpoint: limits (none: those of the settings), and a private CA and client certificate, sealed."""
    return (
        Column("max_in_flight", SmallInteger),
        Column("per_second", SmallInteger),
        Column("tls", LargeBinary),
    )


division = Table(
    "division",
    metadata,
    Column("code", String(9)),
    Column("name", String(80), nullable=False),
    Column("level", String(12), nullable=False),
    Column("parent_code", String(9), ForeignKey("division.code")),
    PrimaryKeyConstraint("code"),
    one_of("level", ("province", "prefecture", "county", "township")),
    Index(None, "parent_code"),
)

department = Table(
    "department",
    metadata,
    Column("code", String(64)),
    Column("name_zh", String(80), nullable=False),
    Column("name_en", String(120), nullable=False),
    PrimaryKeyConstraint("code"),
)

material = Table(
    "material",
    metadata,
    Column("code", String(64)),
    Column("name_zh", String(120), nullable=False),
    Column("name_en", String(160), nullable=False),
    PrimaryKeyConstraint("code"),
)

need = Table(
    "need",
    metadata,
    Column("code", String(64)),
    Column("position", Integer, nullable=False),
    Column("name_zh", String(80), nullable=False),
    Column("name_en", String(120), nullable=False),
    Column("law_class", String(24), nullable=False),
    Column("catalogue", Json, nullable=False),
    PrimaryKeyConstraint("code"),
)

agency = Table(
    "agency",
    metadata,
    Column("code", String(64)),
    Column("department", String(64), ForeignKey("department.code"), nullable=False),
    Column("division_code", String(9), ForeignKey("division.code"), nullable=False),
    Column("name_zh", String(120), nullable=False),
    Column("name_en", String(160), nullable=False),
    Column("phone", String(32)),
    Column("endpoint", String(500)),
    Column("active", Boolean(create_constraint=False), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("delivery_mode", String(12), nullable=False),
    *_how_to_send(),
    PrimaryKeyConstraint("code"),
    one_of("delivery_mode", DeliveryMode),
    Index(None, "department"),
    Index(None, "division_code"),
)

# Other systems that want to know: a receiver like an agency, of other messages.
subscription = Table(
    "subscription",
    metadata,
    Column("id", Id),
    Column("name", String(80), nullable=False),
    Column("endpoint", String(500), nullable=False),
    Column("types", Json, nullable=False),
    Column("needs", Json, nullable=False),
    Column("areas", Json, nullable=False),
    Column("active", Boolean(create_constraint=False), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(100), nullable=False),
    *_how_to_send(),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("name"),
)

# The directory as it was: what an agency was from a revision on. A decision names the revision that it used.
agency_seat = Table(
    "agency_seat",
    metadata,
    Column("agency_code", String(64), ForeignKey("agency.code")),
    Column("revision", Integer, autoincrement=False),
    Column("department", String(64), nullable=False),
    Column("division_code", String(9), nullable=False),
    Column("active", Boolean(create_constraint=False), nullable=False),
    PrimaryKeyConstraint("agency_code", "revision"),
)

# A receiver is an agency, by its code, or a subscription, by its id as text.
endpoint_secret = Table(
    "endpoint_secret",
    metadata,
    Column("id", Id),
    Column("receiver", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant),
    PrimaryKeyConstraint("id"),
    Index(None, "receiver"),
)

# How an endpoint fares, written by the workers when it changes; no row: nothing is known against it.
endpoint_state = Table(
    "endpoint_state",
    metadata,
    Column("receiver", String(64)),
    Column("breaker", String(12), nullable=False),
    Column("since", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("fault", String(40)),
    Column("probe_at", Instant),
    # Set by an answer of 410: nothing is sent before somebody takes it back.
    Column("suspended_at", Instant),
    PrimaryKeyConstraint("receiver"),
    one_of("breaker", ("closed", "open", "half_open")),
)

# What subscribers were told last of an agency's endpoint; no row: that it works.
endpoint_trouble = Table(
    "endpoint_trouble",
    metadata,
    Column("receiver", String(64)),
    Column("kind", String(12), nullable=False),
    PrimaryKeyConstraint("receiver"),
    one_of("kind", ("failing", "suspended")),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Id),
    Column("name", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("agency_code", String(64), ForeignKey("agency.code")),
    # The first key of its line, if it replaced another.
    Column("holder", Id, ForeignKey("api_key.id")),
    Column("key_hash", Digest, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    # Its jurisdiction; none: everywhere.
    Column("division_code", String(9), ForeignKey("division.code")),
    # What it is narrowed to, and from where it may call (CIDR); none: all that its role may do, from anywhere.
    Column("scopes", Json),
    Column("networks", Json),
    # Whose it is, so that nobody gets two of the roles that are kept apart; and who made it.
    Column("owner", String(80)),
    Column("created_by", String(100)),
    # Written beside the calls, at most once in a few minutes.
    Column("last_used_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("key_hash"),
    UniqueConstraint("name"),
    one_of("role", KeyRole),
    CheckConstraint("(role = 'agency') = (agency_code IS NOT NULL)", name="agency_of_role"),
    CheckConstraint("role <> 'township' OR division_code IS NOT NULL", name="division_of_township"),
    CheckConstraint("role <> 'kiosk' OR division_code IS NOT NULL", name="division_of_kiosk"),
    CheckConstraint("role <> 'agency' OR division_code IS NULL", name="no_division_of_agency"),
    Index("ix_api_key_owner", "owner"),
)

routing_table = Table(
    "routing_table",
    metadata,
    Column("version", Integer, autoincrement=False),
    Column("state", String(12), nullable=False),
    Column("effective_from", Instant, nullable=False),
    Column("published_at", Instant),
    Column("published_by", String(80)),
    Column("checksum", Digest, nullable=False),
    Column("source", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(80), nullable=False),
    Column("certificate", Json),
    PrimaryKeyConstraint("version"),
    one_of("state", ("draft", "published", "retired")),
    CheckConstraint("state = 'draft' OR published_at IS NOT NULL", name="published_at"),
    # Of two published tables one is always clearly in force: the one that took effect later.
    Index(
        "uq_routing_table_published_effective_from",
        "effective_from",
        unique=True,
        postgresql_where=text("state = 'published'"),
        sqlite_where=text("state = 'published'"),
    ),
)

rule = Table(
    "rule",
    metadata,
    Column("version", Integer, ForeignKey("routing_table.version")),
    Column("number", Integer, autoincrement=False),
    Column("need", String(64), ForeignKey("need.code"), nullable=False),
    Column("area", String(9), ForeignKey("division.code"), nullable=False),
    Column("condition", Text),
    Column("department", String(64), ForeignKey("department.code"), nullable=False),
    Column("role", String(12), nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("mandatory", Boolean(create_constraint=False), nullable=False),
    Column("prerequisites", Json, nullable=False),
    Column("sign_in_limit", String(12)),
    Column("sign_in_certainty", String(24), nullable=False),
    Column("accept_limit", String(12)),
    Column("accept_certainty", String(24), nullable=False),
    Column("complete_limit", String(12)),
    Column("complete_certainty", String(24), nullable=False),
    Column("limit_source", Text, nullable=False),
    Column("discloses", Json, nullable=False),
    Column("consent", Json, nullable=False),
    Column("consent_of", String(32), nullable=False),
    Column("publicity", String(12), nullable=False),
    Column("materials", Json, nullable=False),
    Column("waived", Json, nullable=False),
    Column("emergency_variant", String(64), ForeignKey("need.code")),
    Column("emergency_limit", String(12)),
    Column("legal_basis", Text, nullable=False),
    Column("effective_from", Date, nullable=False),
    Column("effective_to", Date),
    Column("note", Text, nullable=False),
    PrimaryKeyConstraint("version", "number"),
    one_of("role", Role),
    CheckConstraint("step >= 1", name="step_from_one"),
)

working_day = Table(
    "working_day",
    metadata,
    Column("day", Date),
    Column("working", Boolean(create_constraint=False), nullable=False),
    Column("source", String(80), nullable=False),
    PrimaryKeyConstraint("day"),
)

# What was changed of the calendar, by whom, and when every due time that rests on it had been worked out again.
calendar_change = Table(
    "calendar_change",
    metadata,
    Column("id", Id),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("source", String(80), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("settled_at", Instant),
    PrimaryKeyConstraint("id"),
)

revision = Table(
    "revision",
    metadata,
    Column("name", String(16)),
    Column("value", Integer, nullable=False),
    PrimaryKeyConstraint("name"),
)
