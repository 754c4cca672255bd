"""The tables; no behaviour. Constraint names follow one convention, so that they can be mapped to problems."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.columns import Digest, Id, Instant, Json
from app.lifecycle import HandoffStatus, RequestStatus
from app.routing.rules import Role

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)


def _one_of(column: str, values: Any) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


# ---- what the county has set ----

division = Table(
    "division",
    metadata,
    Column("code", String(9)),
    Column("name", String(80), nullable=False),
    Column("level", String(12), nullable=False),
    Column("parent_code", String(9), ForeignKey("division.code")),
    PrimaryKeyConstraint("code"),
    _one_of("level", ("province", "prefecture", "county", "township")),
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
    PrimaryKeyConstraint("code"),
    Index(None, "department"),
    Index(None, "division_code"),
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

agency_secret = Table(
    "agency_secret",
    metadata,
    Column("id", Id),
    Column("agency_code", String(64), ForeignKey("agency.code"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant),
    PrimaryKeyConstraint("id"),
    Index(None, "agency_code"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Id),
    Column("name", String(80), nullable=False),
    Column("role", String(16), nullable=False),
    Column("agency_code", String(64), ForeignKey("agency.code")),
    Column("key_hash", Digest, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("key_hash"),
    UniqueConstraint("name"),
    _one_of("role", ("intake", "agency", "coordinator", "admin", "auditor")),
    CheckConstraint("(role = 'agency') = (agency_code IS NOT NULL)", name="agency_of_role"),
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
    _one_of("state", ("draft", "published", "retired")),
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
    _one_of("role", Role),
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

revision = Table(
    "revision",
    metadata,
    Column("name", String(16)),
    Column("value", Integer, nullable=False),
    PrimaryKeyConstraint("name"),
)

# ---- what people ask for, and what becomes of it ----
# These are written for every request: each index here is paid for 4 to 20 times a submission, so each has its query.
help_request = Table(
    "help_request",
    metadata,
    Column("id", Id),
    Column("receipt_number", String(12), nullable=False),
    Column("tracking_hash", Digest, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("division_code", String(9), ForeignKey("division.code"), nullable=False),
    Column("status", String(20), nullable=False),
    Column("routing_version", Integer, ForeignKey("routing_table.version"), nullable=False),
    Column("decision", Json, nullable=False),
    Column("registered_at", Instant, nullable=False),
    Column("registered_by", Id, ForeignKey("api_key.id"), nullable=False),
    Column("closed_at", Instant),
    Column("events", Integer, nullable=False),
    Column("head", Digest, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("receipt_number"),
    UniqueConstraint("tracking_hash"),
    _one_of("status", RequestStatus),
    Index(None, "registered_by", "id"),
    Index(None, "status", "id"),
)

handoff = Table(
    "handoff",
    metadata,
    Column("id", Id),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    Column("need", String(64), nullable=False),
    Column("agency_code", String(64), ForeignKey("agency.code"), nullable=False),
    Column("role", String(12), nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("mandatory", Boolean(create_constraint=False), nullable=False),
    Column("routing_version", Integer, nullable=False),
    Column("rule_number", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("suspended_for", String(16)),
    Column("outcome", String(16)),
    Column("reason", String(32)),
    Column("replaced_by", Id),
    Column("opened_at", Instant, nullable=False),
    Column("dispatched_at", Instant),
    Column("sign_in_due", Instant),
    Column("accept_due", Instant),
    Column("complete_due", Instant),
    Column("due_provisional", Boolean(create_constraint=False), nullable=False),
    Column("last_callback_at", Instant),
    Column("closed_at", Instant),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["routing_version", "rule_number"], ["rule.version", "rule.number"]),
    UniqueConstraint("request_id", "need", "agency_code"),
    _one_of("status", HandoffStatus),
    _one_of("role", Role),
    CheckConstraint("(status = 'completed') = (outcome IS NOT NULL)", name="outcome_of_status"),
    CheckConstraint("status = 'waiting' OR status = 'cancelled' OR dispatched_at IS NOT NULL", name="dispatched_at"),
    Index(None, "agency_code", "status", "id"),
    Index(None, "agency_code", "id"),
    Index(None, "status", "id"),
    sqlite_with_rowid=False,
)

event = Table(
    "event",
    metadata,
    Column("request_id", Id, ForeignKey("help_request.id")),
    Column("sequence", Integer, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("handoff_id", Id),
    Column("data", Json, nullable=False),
    Column("hash", Digest, nullable=False),
    Column("sealed", LargeBinary),
    PrimaryKeyConstraint("request_id", "sequence"),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id),
    # What the handoff's own keys guard is not guarded again: agency and request are copies for the courier.
    Column("agency_code", String(64), nullable=False),
    Column("request_id", Id, nullable=False),
    Column("handoff_id", Id, ForeignKey("handoff.id"), nullable=False),
    Column("type", String(40), nullable=False),
    Column("status", String(12), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    # When it may be claimed. A claim moves it to the end of its lease, so what a dead worker held is due again.
    Column("due_at", Instant, nullable=False),
    Column("claimed_by", Id),
    Column("created_at", Instant, nullable=False),
    Column("give_up_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("digest", Digest, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    _one_of("status", ("pending", "delivered", "exhausted")),
    Index(
        "ix_delivery_queue",
        "priority",
        "due_at",
        postgresql_where=text("status = 'pending'"),
        sqlite_where=text("status = 'pending'"),
    ),
    Index(
        "ix_delivery_exhausted",
        "id",
        postgresql_where=text("status = 'exhausted'"),
        sqlite_where=text("status = 'exhausted'"),
    ),
    Index(None, "agency_code", "id"),
)

delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("id", Id),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("status_code", SmallInteger),
    Column("fault", String(40)),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id"),
    Index(None, "delivery_id"),
)

callback = Table(
    "callback",
    metadata,
    Column("agency_code", String(64), ForeignKey("agency.code")),
    Column("webhook_id", String(256)),
    Column("handoff_id", Id, ForeignKey("handoff.id"), nullable=False),
    Column("type", String(40), nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("applied", Boolean(create_constraint=False), nullable=False),
    Column("digest", Digest, nullable=False),
    Column("signature", String(500)),
    Column("answer", LargeBinary, nullable=False),
    PrimaryKeyConstraint("agency_code", "webhook_id"),
    Index(None, "handoff_id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("api_key_id", Id),
    Column("key_hash", Digest),
    Column("digest", Digest, nullable=False),
    Column("request_id", Id, ForeignKey("help_request.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    PrimaryKeyConstraint("api_key_id", "key_hash"),
)

worker = Table(
    "worker",
    metadata,
    Column("id", Id),
    Column("started_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
)
