"""the first answers to calls are stored as they are on PostgreSQL, without the time that compressing them takes

What is stored already stays as it is, and is read as before.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE idempotency ALTER COLUMN answer SET STORAGE EXTERNAL")
