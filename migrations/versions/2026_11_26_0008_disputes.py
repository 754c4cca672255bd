"""disputes: who differs on whose duty a need is, and a coordinator's ruling, which binds a handoff

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.Uuid().with_variant(sa.BLOB(), "sqlite")
_INSTANT = sa.DateTime(timezone=True)
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TYPES = {
    **dict.fromkeys(("id", "request_id", "replaced_by"), _ID),
    # On SQLite an instant is text, and copied as it stands.
    **dict.fromkeys(("closed_at", "opened_at"), sa.DateTime(timezone=True).with_variant(sa.String(), "sqlite")),
    "handoffs": _JSON,
    "mandatory": sa.Boolean(),
}
_OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    op.add_column("handoff", sa.Column("bound_by", sa.String(length=100), nullable=True))
    op.add_column("handoff", sa.Column("bound_at", _INSTANT, nullable=True))
    op.create_table(
        "dispute",
        sa.Column("id", _ID, nullable=False),
        sa.Column("request_id", _ID, nullable=False),
        sa.Column("need", sa.String(length=64), nullable=False),
        sa.Column("handoffs", _JSON, nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("agency_code", sa.String(length=64), nullable=True),
        sa.Column("ruled_on", _ID, nullable=True),
        sa.Column("ruled_by", sa.String(length=100), nullable=True),
        sa.Column("ruled_at", _INSTANT, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'ruled', 'withdrawn')", name=op.f("ck_dispute_state")),
        sa.CheckConstraint("(state = 'ruled') = (ruled_at IS NOT NULL)", name=op.f("ck_dispute_ruled_at")),
        sa.ForeignKeyConstraint(["request_id"], ["help_request.id"], name=op.f("fk_dispute_request_id_help_request")),
        sa.ForeignKeyConstraint(["agency_code"], ["agency.code"], name=op.f("fk_dispute_agency_code_agency")),
        sa.ForeignKeyConstraint(["ruled_on"], ["handoff.id"], name=op.f("fk_dispute_ruled_on_handoff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
    )
    op.create_index(
        "uq_dispute_open", "dispute", ["request_id", "need"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index(op.f("ix_dispute_state_id"), "dispute", ["state", "id"])
    _open_what_is_disputed()


def _open_what_is_disputed() -> None:
    """What was returned and passed on to nobody waits for a ruling, too; one for each need, named by its first handoff."""
    connection = op.get_bind()
    names = ("id", "request_id", "need", "status", "mandatory", "role", "replaced_by", "closed_at")
    handoff = sa.table("handoff", *(sa.column(name, _TYPES.get(name)) for name in names))
    request = sa.table("help_request", sa.column("id", _ID), sa.column("status", sa.String))
    returned = (
        sa.select(handoff.c.id, handoff.c.request_id, handoff.c.need, handoff.c.closed_at)
        .join_from(handoff, request, handoff.c.request_id == request.c.id)
        .where(request.c.status == "disputed", handoff.c.status == "returned", handoff.c.replaced_by.is_(None))
        .where(handoff.c.mandatory.is_(True), handoff.c.role != "informed")
        .order_by(handoff.c.id)
    )
    disputes: dict[tuple[object, str], list[sa.Row[tuple[object, ...]]]] = {}
    for row in connection.execute(returned):
        disputes.setdefault((row.request_id, row.need), []).append(row)
    names = ("id", "request_id", "need", "handoffs", "why", "opened_at", "state")
    dispute = sa.table("dispute", *(sa.column(name, _TYPES.get(name)) for name in names))
    for (request_id, need), rows in disputes.items():
        ids = [str(uuid.UUID(bytes=row.id) if isinstance(row.id, bytes) else row.id) for row in rows]
        opened = {"id": rows[0].id, "request_id": request_id, "need": need, "handoffs": ids, "state": "open"}
        connection.execute(dispute.insert(), {**opened, "why": "for_coordinator", "opened_at": rows[0].closed_at})
