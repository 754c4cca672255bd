"""clocks: what was promised, how long a clock may stand, what was asked and extended, when to look next

Revision ID: 0007
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0004"
branch_labels = None
depends_on = None

_INSTANT = sa.DateTime(timezone=True)
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_RUN = {
    "complete_due": ("dispatched", "received", "in_progress"),
    "accept_due": ("dispatched", "received"),
    "sign_in_due": ("dispatched",),
}
_OF_IT = "FROM event WHERE event.request_id = handoff.request_id AND event.handoff_id = handoff.id AND event.kind"


def _count(kind: str) -> str:
    return f"(SELECT count(*) {_OF_IT} = '{kind}')"


def upgrade() -> None:
    for name in ("promised_due", "suspended_at", "first_due", "next_look_at"):
        op.add_column("handoff", sa.Column(name, _INSTANT, nullable=True))
    op.add_column("handoff", sa.Column("stood", _JSON, nullable=True))
    for name in ("material_requests", "extensions"):
        op.add_column("handoff", sa.Column(name, sa.SmallInteger(), nullable=False, server_default=sa.text("0")))
    op.add_column("worker", sa.Column("swept_at", _INSTANT, nullable=True))

    # How far an extension had moved it is not known any more.
    op.execute("UPDATE handoff SET promised_due = complete_due WHERE complete_due IS NOT NULL")
    op.execute(
        f"UPDATE handoff SET material_requests = {_count('handoff.information_requested')}, "  # noqa: S608
        f"extensions = {_count('handoff.extended')} WHERE status NOT IN ('waiting', 'dispatched', 'received')"
    )
    op.execute(
        f"UPDATE handoff SET suspended_at = (SELECT max(event.at) {_OF_IT} IN "  # noqa: S608
        "('handoff.suspended', 'handoff.information_requested')) WHERE status = 'suspended'"
    )
    for name, statuses in _RUN.items():
        listed = ", ".join(f"'{each}'" for each in statuses)
        op.execute(
            f"UPDATE handoff SET first_due = {name} WHERE status IN ({listed}) AND {name} IS NOT NULL "  # noqa: S608
            f"AND (first_due IS NULL OR {name} < first_due)"
        )
    # The first sweep looks at each of them once, and sees what should have been done since.
    op.execute(
        "UPDATE handoff SET next_look_at = dispatched_at "
        "WHERE status IN ('dispatched', 'received', 'in_progress', 'suspended')"
    )
    for name in ("first_due", "next_look_at"):
        held = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_handoff_{name}", "handoff", [name, "id"], postgresql_where=held, sqlite_where=held)
