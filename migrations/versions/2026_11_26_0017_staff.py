"""staff: people who sign in, their sessions, what happened at the door

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_DIGEST = sa.LargeBinary(length=32)


def upgrade() -> None:
    op.create_table(
        "staff_account",
        sa.Column("id", _ID, nullable=False),
        sa.Column("login_name", sa.String(length=40), nullable=False),
        sa.Column("display_name", sa.String(length=80), nullable=False),
        sa.Column("password_hash", sa.String(length=160), nullable=True),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("password_ends_at", _INSTANT, nullable=True),
        sa.Column("oidc_issuer", sa.String(length=200), nullable=True),
        sa.Column("oidc_name", sa.String(length=200), nullable=True),
        sa.Column("failed_tries", sa.SmallInteger(), nullable=False),
        sa.Column("locked_until", _INSTANT, nullable=True),
        sa.Column("known_failed_tries", sa.SmallInteger(), nullable=False),
        sa.Column("known_locked_until", _INSTANT, nullable=True),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("disabled_at", _INSTANT, nullable=True),
        sa.CheckConstraint("(oidc_issuer IS NULL) = (oidc_name IS NULL)", name=op.f("ck_staff_account_oidc_whole")),
        sa.ForeignKeyConstraint(["id"], ["api_key.id"], name=op.f("fk_staff_account_id_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_account")),
        sa.UniqueConstraint("login_name", name=op.f("uq_staff_account_login_name")),
        sa.UniqueConstraint("oidc_name", "oidc_issuer", name=op.f("uq_staff_account_oidc_name_oidc_issuer")),
    )
    op.create_table(
        "staff_session",
        sa.Column("token_hash", _DIGEST, nullable=False),
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("way", sa.String(length=8), nullable=False),
        *(
            sa.Column(name, _INSTANT, nullable=False)
            for name in ("created_at", "last_seen_at", "idle_ends_at", "ends_at")
        ),
        sa.CheckConstraint("way IN ('password', 'oidc')", name=op.f("ck_staff_session_way")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff_account.id"], name=op.f("fk_staff_session_account_id_staff_account")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_staff_session")),
    )
    op.create_index("ix_staff_session_account", "staff_session", ["account_id"])
    op.create_table(
        "sign_in_event",
        sa.Column("id", _ID, nullable=False),
        sa.Column("account_id", _ID, nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.Column("way", sa.String(length=8), nullable=True),
        sa.Column("by", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["staff_account.id"], name=op.f("fk_sign_in_event_account_id_staff_account")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_event")),
    )
    op.create_index("ix_sign_in_event_account", "sign_in_event", ["account_id", "id"])
    op.create_table(
        "sign_in_address",
        sa.Column("mark", _DIGEST, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("window_ends_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_sign_in_address")),
    )
    op.create_index("ix_sign_in_address_window", "sign_in_address", ["window_ends_at"])
