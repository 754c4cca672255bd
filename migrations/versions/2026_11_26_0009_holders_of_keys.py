"""holders of keys: a key that replaced another sees what the other took in

Revision ID: 0009
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("api_key") as batch:
        batch.add_column(sa.Column("holder", _ID, nullable=True))
        batch.create_foreign_key(op.f("fk_api_key_holder_api_key"), "api_key", ["holder"], ["id"])
