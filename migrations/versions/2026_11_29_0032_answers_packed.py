"""the first answers to calls are stored packed from now on, which no process of before can read

No row changes: what is stored as it is says so by how it begins. `/health/ready` of a process of before says that it is not at
the database's revision; it is to be stopped all the same.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing is to be done."""
