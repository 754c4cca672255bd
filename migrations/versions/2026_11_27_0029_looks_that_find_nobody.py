"""readings of whoever was looked up and not found; an alarm about very much work of one's own

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_KINDS = "kind IN ('readings_per_hour', 'readings_per_day', 'own_work_per_day')"


def upgrade() -> None:
    with op.batch_alter_table("reading") as batch:
        batch.alter_column("request_id", existing_type=_ID, nullable=True)
    op.create_index(
        "ix_reading_own",
        "reading",
        ["actor", "at", "request_id"],
        postgresql_where=sa.text("NOT unrelated"),
        sqlite_where=sa.text("unrelated = 0"),
    )
    with op.batch_alter_table("alarm") as batch:
        batch.drop_constraint(op.f("ck_alarm_kind"), type_="check")
        batch.create_check_constraint(op.f("ck_alarm_kind"), _KINDS)
