"""the place of handoffs, disputes and debts, so that a small one's are found among many others'

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_REQUEST = sa.table("help_request", sa.column("id"), sa.column("division_code"))
_RUNS = sa.text("first_due IS NOT NULL")


def upgrade() -> None:
    for name in ("handoff", "dispute", "debt"):
        op.add_column(
            name, sa.Column("division_code", sa.String(length=9), nullable=False, server_default=sa.text("''"))
        )
        of = sa.table(name, sa.column("request_id"), sa.column("division_code"))
        place = sa.select(_REQUEST.c.division_code).where(_REQUEST.c.id == of.c.request_id).scalar_subquery()
        op.execute(sa.update(of).values(division_code=place))
        op.create_index(op.f(f"ix_{name}_division_code_id"), name, ["division_code", "id"])
    due = ["division_code", "first_due", "id"]
    op.create_index("ix_handoff_division_due", "handoff", due, postgresql_where=_RUNS, sqlite_where=_RUNS)
