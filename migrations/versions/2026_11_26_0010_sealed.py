"""people's data sealed with a key for each request, the service's own key, and blind indexes of the applicant

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_MARKS = ("id_mark", "phone_mark", "person_mark")


def upgrade() -> None:
    op.add_column("help_request", sa.Column("data_key", sa.LargeBinary(), nullable=True))
    op.add_column("help_request", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    for name in _MARKS:
        op.add_column("help_request", sa.Column(name, sa.LargeBinary(length=16), nullable=True))
        op.create_index(
            f"ix_help_request_{name}",
            "help_request",
            [name, "id"],
            postgresql_where=sa.text(f"{name} IS NOT NULL"),
            sqlite_where=sa.text(f"{name} IS NOT NULL"),
        )
    op.create_table(
        "service_key",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_service_key")),
    )
