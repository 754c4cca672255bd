"""audit: a signed root of each day, its leaves, and which requests have changed since

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_DIGEST = sa.LargeBinary(length=32)


def upgrade() -> None:
    # What there is already is covered by the first root.
    with op.batch_alter_table("help_request") as batch:
        batch.add_column(sa.Column("unanchored", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("help_request") as batch:
        batch.alter_column("unanchored", server_default=None)
    op.create_index(
        "ix_help_request_unanchored",
        "help_request",
        ["id"],
        postgresql_where=sa.text("unanchored"),
        sqlite_where=sa.text("unanchored = 1"),
    )
    op.create_table(
        "audit_root",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("as_of", _INSTANT, nullable=False),
        sa.Column("previous", _DIGEST, nullable=False),
        sa.Column("salt", _DIGEST, nullable=False),
        sa.Column("gathered_at", _INSTANT, nullable=True),
        sa.Column("leaves", sa.Integer(), nullable=True),
        sa.Column("root", _DIGEST, nullable=True),
        sa.Column("key_id", sa.String(length=16), nullable=True),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=True),
        sa.Column("made_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_audit_root")),
        sa.UniqueConstraint("previous", name=op.f("uq_audit_root_previous")),
    )
    op.create_table(
        "audit_leaf",
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("receipt_number", sa.String(length=12), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("head", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("request_id", "day", name=op.f("pk_audit_leaf")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_audit_leaf_day_request_id"), "audit_leaf", ["day", "request_id"])
    op.create_table(
        "audit_piece",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("first", _ID, nullable=False),
        sa.Column("hash", _DIGEST, nullable=False),
        sa.PrimaryKeyConstraint("day", "first", name=op.f("pk_audit_piece")),
    )
    op.create_table(
        "audit_key",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("public_key", _DIGEST, nullable=False),
        sa.Column("first_used_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_key")),
    )
