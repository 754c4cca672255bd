"""readings of personal data, and alarms about who reads too many

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reading",
        sa.Column("id", _ID, nullable=False),
        sa.Column("chain", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("agency_code", sa.String(length=64), nullable=True),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("handoff_id", _ID, nullable=True),
        sa.Column("shown", _JSON, nullable=False),
        sa.Column("legal_basis", sa.Text(), nullable=True),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("stated", sa.Boolean(), nullable=False),
        sa.Column("unrelated", sa.Boolean(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.CheckConstraint(
            "way IN ('message', 'handoff', 'guest_page', 'request', 'timeline', 'delivery', 'search', 'attachment')",
            name=op.f("ck_reading_way"),
        ),
        sa.CheckConstraint(
            "purpose IN ('handling', 'verification', 'complaint', 'supervision', 'correction', 'person_asked')",
            name=op.f("ck_reading_purpose"),
        ),
        sa.ForeignKeyConstraint(["request_id"], ["help_request.id"], name=op.f("fk_reading_request_id_help_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading")),
        sa.UniqueConstraint("chain", "number", name=op.f("uq_reading_chain_number")),
    )
    op.create_index(op.f("ix_reading_request_id_id"), "reading", ["request_id", "id"])
    op.create_index(
        "ix_reading_unrelated",
        "reading",
        ["actor", "at", "request_id"],
        postgresql_where=sa.text("unrelated"),
        sqlite_where=sa.text("unrelated = 1"),
    )
    op.create_table(
        "alarm",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("raised_at", _INSTANT, nullable=False),
        sa.Column("acknowledged_at", _INSTANT, nullable=True),
        sa.Column("acknowledged_by", sa.String(length=100), nullable=True),
        sa.CheckConstraint("kind IN ('readings_per_hour', 'readings_per_day')", name=op.f("ck_alarm_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
        sa.UniqueConstraint("kind", "actor", "since", name=op.f("uq_alarm_kind_actor_since")),
    )
    op.create_index(
        "ix_alarm_open",
        "alarm",
        ["id"],
        postgresql_where=sa.text("acknowledged_at IS NULL"),
        sqlite_where=sa.text("acknowledged_at IS NULL"),
    )
