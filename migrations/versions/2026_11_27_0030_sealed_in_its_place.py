"""what is sealed is bound to its place, and an event names the person's sealed form

Nothing that was sealed before can be opened, and no event before names a form: nothing was ever released that wrote such
rows.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("event", sa.Column("person", sa.LargeBinary(length=32), nullable=True))
