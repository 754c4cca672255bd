"""endpoint troubles: what subscribers were told of an endpoint, in messages that are about no request

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("delivery") as batch:
        batch.alter_column("request_id", existing_type=_ID, nullable=True)
    op.create_table(
        "endpoint_trouble",
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.CheckConstraint("kind IN ('failing', 'suspended')", name=op.f("ck_endpoint_trouble_kind")),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_endpoint_trouble")),
    )
