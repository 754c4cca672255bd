"""how long what is kept, legal holds, and the indexes that erasure goes by

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_ENDED = "closed_at IS NOT NULL AND erased_at IS NULL AND emergency IS"


def upgrade() -> None:
    op.create_table(
        "retention",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=True),
        sa.Column("minimum", sa.String(length=8), nullable=True),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("set_by", sa.String(length=100), nullable=False),
        sa.Column("set_at", _INSTANT, nullable=False),
        sa.Column("done_to", _ID, nullable=True),
        sa.Column("swept_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_retention")),
    )
    op.create_table(
        "legal_hold",
        sa.Column("id", _ID, nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("placed_at", _INSTANT, nullable=False),
        sa.Column("placed_by", sa.String(length=100), nullable=False),
        sa.Column("until", _INSTANT, nullable=True),
        sa.Column("released_at", _INSTANT, nullable=True),
        sa.Column("released_by", sa.String(length=100), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["help_request.id"], name=op.f("fk_legal_hold_request_id_help_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_hold")),
    )
    op.create_index(op.f("ix_legal_hold_request_id"), "legal_hold", ["request_id"])
    _create_partial("uq_legal_hold_open", "legal_hold", ["request_id"], "released_at IS NULL", unique=True)
    _create_partial("ix_help_request_ended", "help_request", ["status", "closed_at", "id"], f"{_ENDED} NULL")
    _create_partial("ix_help_request_ended_emergency", "help_request", ["closed_at", "id"], f"{_ENDED} NOT NULL")
    _create_partial("ix_help_request_erased_at", "help_request", ["erased_at", "id"], "erased_at IS NOT NULL")
    op.create_index(op.f("ix_callback_digest"), "callback", ["digest"])
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"])
    op.create_index(op.f("ix_aid_mark_request_id"), "aid_mark", ["request_id"])


def _create_partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    only = sa.text(where)
    op.create_index(name, table, columns, unique=unique, postgresql_where=only, sqlite_where=only)
