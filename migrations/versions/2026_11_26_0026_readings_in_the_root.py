"""the chains of readings in the daily root

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")


def upgrade() -> None:
    op.add_column("audit_root", sa.Column("readings", sa.LargeBinary(length=32), nullable=True))
    op.create_table(
        "audit_chain",
        sa.Column("chain", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("chain", "day", name=op.f("pk_audit_chain")),
    )
    op.create_index(op.f("ix_audit_chain_day_chain"), "audit_chain", ["day", "chain"])
