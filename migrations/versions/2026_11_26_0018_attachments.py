"""attachments, files that are to go, and links that were used

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("id", _ID, nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("material", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("removed_at", _INSTANT, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["request_id"], ["help_request.id"], name=op.f("fk_attachment_request_id_help_request")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    op.create_index(op.f("ix_attachment_request_id_id"), "attachment", ["request_id", "id"])
    op.create_table(
        "file_to_remove",
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("due_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("file", name=op.f("pk_file_to_remove")),
    )
    op.create_index(op.f("ix_file_to_remove_due_at"), "file_to_remove", ["due_at"])
    op.create_table(
        "used_link",
        sa.Column("use_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("use_hash", name=op.f("pk_used_link")),
    )
    op.create_index(op.f("ix_used_link_ends_at"), "used_link", ["ends_at"])
