"""emergencies: who is waited for, what is owed, what the county has set, and a key that may only tell of one

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_ROLES = "role IN ('intake', 'emergency', 'agency', 'coordinator', 'admin', 'auditor')"


def upgrade() -> None:
    op.add_column("handoff", sa.Column("sign_in_by", _INSTANT, nullable=True))
    with op.batch_alter_table("help_request") as batch:
        batch.add_column(sa.Column("emergency", sa.String(length=16), nullable=True))
        batch.add_column(sa.Column("debts", sa.SmallInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("help_request") as batch:
        batch.alter_column("debts", server_default=None)
    op.create_index(
        "ix_help_request_open_emergency",
        "help_request",
        ["id"],
        postgresql_where=sa.text("emergency IS NOT NULL AND closed_at IS NULL"),
        sqlite_where=sa.text("emergency IS NOT NULL AND closed_at IS NULL"),
    )
    with op.batch_alter_table("api_key") as batch:
        batch.drop_constraint(op.f("ck_api_key_role"), type_="check")
        batch.create_check_constraint(op.f("ck_api_key_role"), _ROLES)

    op.create_table(
        "emergency_watch",
        sa.Column("handoff_id", _ID, nullable=False),
        sa.Column("delivery_id", _ID, nullable=True),
        sa.Column("due_at", _INSTANT, nullable=True),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("called", sa.String(length=120), nullable=True),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoff.id"], name=op.f("fk_emergency_watch_handoff_id_handoff")),
        sa.PrimaryKeyConstraint("handoff_id", name=op.f("pk_emergency_watch")),
    )
    op.create_index(
        "ix_emergency_watch_due",
        "emergency_watch",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_table(
        "debt",
        sa.Column("id", _ID, nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("target_at", _INSTANT, nullable=True),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.Column("settled_at", _INSTANT, nullable=True),
        sa.Column("settled_by", sa.String(length=100), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("amount", sa.String(length=14), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("kind IN ('aid', 'explanation', 'papers')", name=op.f("ck_debt_kind")),
        sa.CheckConstraint(
            "outcome IN ('done', 'not_confirmed', 'not_needed', 'withdrawn')", name=op.f("ck_debt_outcome")
        ),
        sa.ForeignKeyConstraint(["request_id"], ["help_request.id"], name=op.f("fk_debt_request_id_help_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debt")),
        sa.UniqueConstraint("request_id", "kind", name=op.f("uq_debt_request_id_kind")),
    )
    op.create_index(
        "ix_debt_open",
        "debt",
        ["due_at"],
        postgresql_where=sa.text("settled_at IS NULL"),
        sqlite_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "aid_mark",
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["help_request.id"], name=op.f("fk_aid_mark_request_id_help_request")),
        sa.PrimaryKeyConstraint("mark", "request_id", name=op.f("pk_aid_mark")),
    )
    op.create_table(
        "duty_contact",
        sa.Column("agency_code", sa.String(length=64), nullable=False),
        sa.Column("position", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("office", sa.String(length=120), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=True),
        sa.Column("phone", sa.String(length=32), nullable=False),
        sa.Column("hours", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_duty_contact_agency_code_agency")),
        sa.PrimaryKeyConstraint("agency_code", "position", name=op.f("pk_duty_contact")),
    )
    _dated(
        "emergency_terms",
        sa.Column("sign_in_minutes", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.String(length=12), nullable=False)
            for name in ("aid_target", "aid_limit", "explanation_limit", "papers_limit")
        ),
    )
    _dated(
        "aid_ceiling",
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("amount", sa.String(length=14), nullable=False),
        sa.CheckConstraint("kind IN ('yuan', 'months')", name=op.f("ck_aid_ceiling_kind")),
    )
    _dated(
        "living_standard",
        sa.Column("urban", sa.String(length=14), nullable=False),
        sa.Column("rural", sa.String(length=14), nullable=False),
    )


def _dated(name: str, *columns: sa.Column[object] | sa.CheckConstraint) -> None:
    op.create_table(
        name,
        sa.Column("division_code", sa.String(length=9), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        *(each for each in columns if isinstance(each, sa.Column)),
        sa.Column("source", sa.String(length=120), nullable=False),
        *(each for each in columns if isinstance(each, sa.CheckConstraint)),
        sa.ForeignKeyConstraint(["division_code"], ["division.code"], name=op.f(f"fk_{name}_division_code_division")),
        sa.PrimaryKeyConstraint("division_code", "valid_from", name=op.f(f"pk_{name}")),
    )
