"""what people say of a request that was closed

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", _ID, nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("closing", sa.Integer(), nullable=False),
        sa.Column("solved", sa.String(length=8), nullable=False),
        sa.Column("answered_at", _INSTANT, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=True),
        sa.Column("handoff_id", _ID, nullable=True),
        sa.Column("ruled_by", sa.String(length=100), nullable=True),
        sa.Column("ruled_at", _INSTANT, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("solved IN ('yes', 'partly', 'no')", name=op.f("ck_feedback_solved")),
        sa.CheckConstraint("state IN ('open', 'reopened', 'declined')", name=op.f("ck_feedback_state")),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoff.id"], name=op.f("fk_feedback_handoff_id_handoff")),
        sa.ForeignKeyConstraint(["request_id"], ["help_request.id"], name=op.f("fk_feedback_request_id_help_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("request_id", "closing", name=op.f("uq_feedback_request_id_closing")),
    )
    only = sa.text("state IS NOT NULL")
    op.create_index("ix_feedback_asked", "feedback", ["id"], postgresql_where=only, sqlite_where=only)
    op.create_index(op.f("ix_feedback_answered_at"), "feedback", ["answered_at"])
