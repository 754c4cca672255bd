"""holders of keys: a key that replaced another sees what the other took in

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("api_key") as batch:
        batch.add_column(sa.Column("holder", _ID, nullable=True))
        batch.create_foreign_key(op.f("fk_api_key_holder_api_key"), "api_key", ["holder"], ["id"])
