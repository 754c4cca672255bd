"""Which constraint refused a row, by its name, and what a caller is told of it. The database guards; this translates."""

from __future__ import annotations

import re

from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint
from sqlalchemy.exc import IntegrityError

from app.problems import Problem
from app.tables import metadata

RECEIPT_NUMBER = "uq_help_request_receipt_number"
TRACKING_HASH = "uq_help_request_tracking_hash"  # follows from the number: a database names either
IDEMPOTENCY_KEY = "pk_idempotency"
SUBSCRIPTION_NAME = "uq_subscription_name"
KEY_NAME = "uq_api_key_name"
STAFF_NAME = "uq_staff_account_login_name"
# What a caller may run into by doing the same thing twice at once; anything else is a fault of ours.
PROBLEMS = {
    IDEMPOTENCY_KEY: "idempotency_conflict",
    SUBSCRIPTION_NAME: "subscription_exists",
    STAFF_NAME: "staff_exists",
    "uq_staff_account_oidc_name_oidc_issuer": "staff_exists",
    "pk_callback": "idempotency_conflict",
    "uq_handoff_request_id_need_agency_code": "move_not_allowed",
    RECEIPT_NUMBER: "unavailable",
    TRACKING_HASH: "unavailable",
}
_SQLITE_UNIQUE = re.compile(r"UNIQUE constraint failed: ([\w., ]+)")
_SQLITE_CHECK = re.compile(r"CHECK constraint failed: (\w+)")


def problem_of(error: Exception) -> Problem | None:
    """What a caller is told of a broken constraint; None for every other error."""
    code = PROBLEMS.get(constraint_of(error) or "") if isinstance(error, IntegrityError) else None
    return Problem(code) if code else None


def constraint_of(error: IntegrityError) -> str | None:
    """The name of the constraint that was broken. SQLite names none for foreign keys, and for unique ones only the
    columns, which our tables know the name of."""
    by_driver = error.orig.__cause__ or error.orig if error.orig else None
    told = getattr(by_driver, "constraint_name", None)
    if isinstance(told, str):
        return told
    if match := _SQLITE_CHECK.search(str(error.orig)):
        return match[1]
    if match := _SQLITE_UNIQUE.search(str(error.orig)):
        return _BY_COLUMNS.get(frozenset(match[1].split(", ")))
    return None


_BY_COLUMNS = {
    frozenset(f"{table.name}.{column.name}" for column in constraint.columns): str(constraint.name)
    for table in metadata.sorted_tables
    for constraint in table.constraints
    if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint)
}
