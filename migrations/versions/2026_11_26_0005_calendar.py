"""the calendar: what was changed of it and when, and which due times wait for it

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "calendar_change",
        sa.Column("id", _ID, nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=80), nullable=False),
        sa.Column("changed_at", _INSTANT, nullable=False),
        sa.Column("changed_by", sa.String(length=100), nullable=False),
        sa.Column("settled_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_change")),
    )
    op.add_column("handoff", sa.Column("extended_until", _INSTANT, nullable=True))
    op.execute(
        "UPDATE handoff SET extended_until = complete_due WHERE EXISTS (SELECT 1 FROM event "
        "WHERE event.request_id = handoff.request_id AND event.handoff_id = handoff.id "
        "AND event.kind = 'handoff.extended')"
    )
    op.create_index(
        "ix_handoff_provisional",
        "handoff",
        ["complete_due", "id"],
        postgresql_where=sa.text("due_provisional AND closed_at IS NULL"),
        sqlite_where=sa.text("due_provisional = 1 AND closed_at IS NULL"),
    )
