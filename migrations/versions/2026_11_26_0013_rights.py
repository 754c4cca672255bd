"""who may do what: more roles, jurisdictions, and keys with scopes, networks, owners and their last use

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_ROLES = (
    "role IN ('intake', 'township', 'emergency', 'agency', 'coordinator', 'supervisor', 'admin', 'security', 'auditor')"
)


def upgrade() -> None:
    with op.batch_alter_table("api_key") as batch:
        batch.add_column(sa.Column("division_code", sa.String(length=9), nullable=True))
        batch.add_column(sa.Column("scopes", _JSON, nullable=True))
        batch.add_column(sa.Column("networks", _JSON, nullable=True))
        batch.add_column(sa.Column("owner", sa.String(length=80), nullable=True))
        batch.add_column(sa.Column("created_by", sa.String(length=100), nullable=True))
        batch.add_column(sa.Column("last_used_at", _INSTANT, nullable=True))
        batch.create_foreign_key(op.f("fk_api_key_division_code_division"), "division", ["division_code"], ["code"])
        batch.drop_constraint(op.f("ck_api_key_role"), type_="check")
        batch.create_check_constraint(op.f("ck_api_key_role"), _ROLES)
        batch.create_check_constraint(
            op.f("ck_api_key_division_of_township"), "role <> 'township' OR division_code IS NOT NULL"
        )
        batch.create_check_constraint(
            op.f("ck_api_key_no_division_of_agency"), "role <> 'agency' OR division_code IS NULL"
        )
    op.create_index("ix_api_key_owner", "api_key", ["owner"])
    op.create_index("ix_help_request_division_code_id", "help_request", ["division_code", "id"])
