"""the indexes by which all that belongs to a request is found when it is erased; what earlier erasures left is emptied

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_KEPT = sa.text("request_id IS NOT NULL")

_REQUEST = sa.table("help_request", sa.column("id"), sa.column("erased_at"))
_DELIVERY, _DISPUTE, _KEY = (
    sa.table(name, *map(sa.column, ("id", "request_id", "sealed"))) for name in ("delivery", "dispute", "idempotency")
)
_ATTEMPT = sa.table("delivery_attempt", sa.column("delivery_id"), sa.column("sealed"))
_ERASED = sa.select(_REQUEST.c.id).where(_REQUEST.c.erased_at.is_not(None))
_EMPTY = sa.literal(b"", sa.LargeBinary())


def upgrade() -> None:
    op.create_index(op.f("ix_delivery_request_id"), "delivery", ["request_id"])
    op.create_index(op.f("ix_dispute_request_id"), "dispute", ["request_id"])
    op.create_index(
        "ix_idempotency_request_id", "idempotency", ["request_id"], postgresql_where=_KEPT, sqlite_where=_KEPT
    )
    its = sa.select(_DELIVERY.c.id).where(_DELIVERY.c.request_id.in_(_ERASED))
    op.execute(sa.update(_ATTEMPT).where(_ATTEMPT.c.delivery_id.in_(its)).values(sealed=_EMPTY))
    op.execute(sa.update(_DELIVERY).where(_DELIVERY.c.id.in_(its)).values(sealed=_EMPTY))
    op.execute(sa.update(_DISPUTE).where(_DISPUTE.c.request_id.in_(_ERASED)).values(sealed=None))
    op.execute(sa.delete(_KEY).where(_KEY.c.request_id.in_(_ERASED)))
