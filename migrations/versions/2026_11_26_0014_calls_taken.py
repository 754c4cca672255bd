"""what callers have used of their calls

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calls_taken",
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_calls_taken")),
    )
    op.create_index(op.f("ix_calls_taken_minute"), "calls_taken", ["minute"])
