"""conditions of rules, versions of tables, the directory as it was

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_ROLES = "role IN ('lead', 'co_handler', 'informed')"


def upgrade() -> None:
    op.create_table(
        "agency_seat",
        sa.Column("agency_code", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("department", sa.String(length=64), nullable=False),
        sa.Column("division_code", sa.String(length=9), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_agency_seat_agency_code_agency")),
        sa.PrimaryKeyConstraint("agency_code", "revision", name=op.f("pk_agency_seat")),
    )
    # What was decided before the directory had revisions was decided with revision 0.
    op.execute(
        "INSERT INTO agency_seat (agency_code, revision, department, division_code, active) "
        "SELECT code, 0, department, division_code, active FROM agency"
    )

    with op.batch_alter_table("routing_table") as batch:
        batch.add_column(sa.Column("source", sa.String(length=200), nullable=False, server_default=""))
        batch.add_column(
            sa.Column(
                "created_at", sa.DateTime(timezone=True), nullable=False, server_default="2026-11-23 00:00:00.000+00:00"
            )
        )
        batch.add_column(sa.Column("created_by", sa.String(length=80), nullable=False, server_default="seed"))
        batch.add_column(sa.Column("certificate", _JSON, nullable=True))
        batch.create_check_constraint(
            op.f("ck_routing_table_published_at"), "state = 'draft' OR published_at IS NOT NULL"
        )
    with op.batch_alter_table("routing_table") as batch:
        for name in ("source", "created_at", "created_by"):
            batch.alter_column(name, server_default=None)
        batch.create_index(
            "uq_routing_table_published_effective_from",
            ["effective_from"],
            unique=True,
            postgresql_where=sa.text("state = 'published'"),
            sqlite_where=sa.text("state = 'published'"),
        )

    with op.batch_alter_table("rule") as batch:
        batch.add_column(sa.Column("condition", sa.Text(), nullable=True))
        batch.add_column(sa.Column("consent", _JSON, nullable=False, server_default="[]"))
        batch.add_column(sa.Column("consent_of", sa.String(length=32), nullable=False, server_default=""))
        batch.add_column(sa.Column("publicity", sa.String(length=12), nullable=False, server_default="local"))
        batch.add_column(sa.Column("materials", _JSON, nullable=False, server_default="[]"))
        batch.add_column(sa.Column("waived", _JSON, nullable=False, server_default="[]"))
        batch.add_column(sa.Column("emergency_variant", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("emergency_limit", sa.String(length=12), nullable=True))
        batch.create_foreign_key(op.f("fk_rule_emergency_variant_need"), "need", ["emergency_variant"], ["code"])
        batch.drop_constraint(op.f("ck_rule_role"), type_="check")
        batch.create_check_constraint(op.f("ck_rule_role"), _ROLES)
    with op.batch_alter_table("rule") as batch:
        for name in ("consent", "consent_of", "publicity", "materials", "waived"):
            batch.alter_column(name, server_default=None)

    with op.batch_alter_table("handoff", table_kwargs={"sqlite_with_rowid": False}) as batch:
        batch.drop_constraint(op.f("ck_handoff_role"), type_="check")
        batch.create_check_constraint(op.f("ck_handoff_role"), _ROLES)
