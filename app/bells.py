"""What is rung, beside the inboxes of agencies, when something happens to a request; pure."""

from __future__ import annotations

from uuid import UUID

_SIGNED, _MOVED = "signed:", "moved:"


def signing_bell(request_id: UUID) -> str:
    """Rung when an agency signs for its part of an emergency."""
    return f"{_SIGNED}{request_id.hex}"


def timeline_bell(request_id: UUID) -> str:
    """Rung whenever an event is added to what is stored of a request."""
    return f"{_MOVED}{request_id.hex}"


def signing_of(bell: str) -> UUID | None:
    """Which request's signing bell it is; None: another one, or an agency's inbox."""
    return UUID(bell.removeprefix(_SIGNED)) if bell.startswith(_SIGNED) else None


def timeline_of(bell: str) -> UUID | None:
    """Which request's timeline bell it is; None: another one, or an agency's inbox."""
    return UUID(bell.removeprefix(_MOVED)) if bell.startswith(_MOVED) else None
