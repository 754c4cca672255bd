"""tries to find a request by its number and the end of a telephone

Revision ID: 0022
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0020"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "look_up_try",
        sa.Column("mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_look_up_try")),
    )
    op.create_index(op.f("ix_look_up_try_next_at"), "look_up_try", ["next_at"])
