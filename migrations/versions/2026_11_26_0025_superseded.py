"""messages that show more than may be shown now: superseded, and since when

Revision ID: 0025
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_STATUS = "status IN ('pending', 'delivered', 'exhausted', 'superseded')"


def upgrade() -> None:
    with op.batch_alter_table("delivery") as batch:
        batch.add_column(sa.Column("superseded_at", _INSTANT, nullable=True))
        batch.drop_constraint(op.f("ck_delivery_status"), type_="check")
        batch.create_check_constraint(op.f("ck_delivery_status"), _STATUS)
