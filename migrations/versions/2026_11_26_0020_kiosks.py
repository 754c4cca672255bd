"""kiosks: their role, codes that pair them, numbers given to them in advance, the keys of what they seal

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_ROLES = (
    "role IN ('intake', 'kiosk', 'township', 'emergency', 'agency', 'coordinator', 'supervisor', 'admin', 'security', "
    "'auditor')"
)


def upgrade() -> None:
    with op.batch_alter_table("api_key") as batch:
        batch.drop_constraint(op.f("ck_api_key_role"), type_="check")
        batch.create_check_constraint(op.f("ck_api_key_role"), _ROLES)
        batch.create_check_constraint(
            op.f("ck_api_key_division_of_kiosk"), "role <> 'kiosk' OR division_code IS NOT NULL"
        )
    op.create_table(
        "kiosk_pairing",
        sa.Column("code_mark", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("division_code", sa.String(length=9), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["division_code"], ["division.code"], name=op.f("fk_kiosk_pairing_division_code_division")
        ),
        sa.PrimaryKeyConstraint("code_mark", name=op.f("pk_kiosk_pairing")),
    )
    op.create_index(op.f("ix_kiosk_pairing_ends_at"), "kiosk_pairing", ["ends_at"])
    op.create_table(
        "reserved_number",
        sa.Column("id", _ID, nullable=False),
        sa.Column("number", sa.String(length=12), nullable=False),
        sa.Column("holder", _ID, nullable=False),
        sa.ForeignKeyConstraint(["holder"], ["api_key.id"], name=op.f("fk_reserved_number_holder_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reserved_number")),
        sa.UniqueConstraint("number", name=op.f("uq_reserved_number_number")),
    )
    op.create_index(op.f("ix_reserved_number_holder_id"), "reserved_number", ["holder", "id"])
    op.create_table(
        "envelope_key",
        sa.Column("kid", sa.String(length=43), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("replaced_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_envelope_key")),
    )
