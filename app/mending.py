"""What a kiosk sealed nobody can open to correct it, and the person has gone home with a receipt: what can't be right in it
is a warning, and what can't be stored is put right."""

from __future__ import annotations

from datetime import datetime

from app import checks
from app.problems import FieldError
from app.registry import Snapshot
from app.routing.rules import UNDETERMINED
from app.schemas import NeedIn, RequestIn

_LONGEST = 4000


def mended(asked: RequestIn, place: str, snapshot: Snapshot, at: datetime) -> tuple[RequestIn, list[FieldError]]:
    """The request as it can be stored, `place` where its division is unknown; and all that is wrong with what was sent."""
    warnings = checks.errors_of(asked, snapshot, at)
    people = {pointer for pointer, _ in checks.people_of(asked)}
    changes = {
        "division_code": asked.division_code if asked.division_code in snapshot.divisions else place,
        "needs": _needs(asked.needs, snapshot),
        # Of those whom the request names, to a text that there is: without one somebody is asked again.
        "consents": [
            each for each in asked.consents if f"/{each.person}" in people and checks.has_text(each, snapshot)
        ],
    }
    return asked.model_copy(update=changes), warnings


def _needs(asked: list[NeedIn], snapshot: Snapshot) -> list[NeedIn]:
    """Once each, in their order; one that the county does not have is one that nobody can tell yet."""
    needs: dict[str, NeedIn] = {}
    for each in asked:
        code = each.code if each.code in snapshot.needs else UNDETERMINED
        if (before := needs.get(code)) is None:
            needs[code] = each.model_copy(update={"code": code})
        elif each.details:
            told = "\n".join(filter(None, (before.details, each.details)))[:_LONGEST]
            needs[code] = before.model_copy(update={"details": told})
    return list(needs.values())
