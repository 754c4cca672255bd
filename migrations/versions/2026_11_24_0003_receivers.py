"""receivers: how to send to them, how they fare, subscriptions, guest links, refused callbacks

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def _how_to_send() -> list[sa.Column[object]]:
    return [
        sa.Column("max_in_flight", sa.SmallInteger(), nullable=True),
        sa.Column("per_second", sa.SmallInteger(), nullable=True),
        sa.Column("tls", sa.LargeBinary(), nullable=True),
    ]


def upgrade() -> None:
    with op.batch_alter_table("agency") as batch:
        batch.add_column(sa.Column("delivery_mode", sa.String(length=12), nullable=False, server_default="full"))
        for column in _how_to_send():
            batch.add_column(column)
        batch.create_check_constraint(op.f("ck_agency_delivery_mode"), "delivery_mode IN ('full', 'reference', 'pull')")
    with op.batch_alter_table("agency") as batch:
        batch.alter_column("delivery_mode", server_default=None)

    op.create_table(
        "subscription",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("endpoint", sa.String(length=500), nullable=False),
        sa.Column("types", _JSON, nullable=False),
        sa.Column("needs", _JSON, nullable=False),
        sa.Column("areas", _JSON, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        *_how_to_send(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription")),
        sa.UniqueConstraint("name", name=op.f("uq_subscription_name")),
    )

    op.create_table(
        "endpoint_secret",
        sa.Column("id", _ID, nullable=False),
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_secret")),
    )
    op.create_index(op.f("ix_endpoint_secret_receiver"), "endpoint_secret", ["receiver"])
    op.execute(
        "INSERT INTO endpoint_secret (id, receiver, sealed, created_at, ends_at) "
        "SELECT id, agency_code, sealed, created_at, ends_at FROM agency_secret"
    )
    op.drop_table("agency_secret")

    op.create_table(
        "endpoint_state",
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("breaker", sa.String(length=12), nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=40), nullable=True),
        sa.Column("probe_at", _INSTANT, nullable=True),
        sa.Column("suspended_at", _INSTANT, nullable=True),
        sa.CheckConstraint("breaker IN ('closed', 'open', 'half_open')", name=op.f("ck_endpoint_state_breaker")),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_endpoint_state")),
    )

    # An agency's messages come one after the other in the queue: those of a dead endpoint are stepped over in one go.
    op.drop_index("ix_delivery_queue", table_name="delivery")
    op.drop_index(op.f("ix_delivery_agency_code_id"), table_name="delivery")
    with op.batch_alter_table("delivery") as batch:
        batch.alter_column(
            "agency_code", new_column_name="receiver", existing_type=sa.String(length=64), existing_nullable=False
        )
        batch.alter_column("handoff_id", existing_type=_ID, nullable=True)
    op.create_index(op.f("ix_delivery_receiver_id"), "delivery", ["receiver", "id"])
    op.create_index(
        "ix_delivery_queue",
        "delivery",
        ["priority", "receiver", "due_at"],
        postgresql_where=sa.text("status = 'pending'"),
        sqlite_where=sa.text("status = 'pending'"),
    )

    # An Idempotency-Key may have made something else than a request: an agency, a secret.
    with op.batch_alter_table("idempotency") as batch:
        batch.alter_column("request_id", existing_type=_ID, nullable=True)

    op.create_table(
        "callback_refused",
        sa.Column("id", _ID, nullable=False),
        sa.Column("handoff_id", _ID, nullable=False),
        sa.Column("webhook_id", sa.String(length=256), nullable=True),
        sa.Column("received_at", _INSTANT, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signature", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoff.id"], name=op.f("fk_callback_refused_handoff_id_handoff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_refused")),
    )
    op.create_index(op.f("ix_callback_refused_handoff_id_id"), "callback_refused", ["handoff_id", "id"])

    op.create_table(
        "guest_link",
        sa.Column("id", _ID, nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("handoff_id", _ID, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("code_ends_at", _INSTANT, nullable=True),
        sa.Column("wrong_codes", sa.SmallInteger(), nullable=False),
        sa.Column("session_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("revoked_at", _INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["handoff_id"], ["handoff.id"], name=op.f("fk_guest_link_handoff_id_handoff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guest_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_guest_link_token_hash")),
    )
    op.create_index(op.f("ix_guest_link_handoff_id"), "guest_link", ["handoff_id"])
