"""emergencies: those that are closed can be listed too, without reading what was none

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_IS_ONE = sa.text("emergency IS NOT NULL")


def upgrade() -> None:
    op.create_index("ix_help_request_emergency", "help_request", ["id"], postgresql_where=_IS_ONE, sqlite_where=_IS_ONE)
