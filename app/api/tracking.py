"""The person's own view, by the secret of the QR code."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from app import reading
from app.answers_tracking import Tracked
from app.api.access import office_of
from app.api.bodies import answer
from app.api.documents import answers
from app.api.rates import Within, looked_up
from app.rates import Budget
from app.receipts import TOKEN_PATTERN

router = APIRouter(prefix="/v1/track", tags=["tracking"], dependencies=[Depends(Within(Budget.LOOK_UPS))])


@router.get("/{token}", summary="My request", responses=answers(Tracked, "not_found", "validation_failed", key=False))
async def track(request: Request, token: Annotated[str, Path(pattern=TOKEN_PATTERN)]) -> Response:
    """Where it is, who has it, by when; no name, number or address of the person. The token is never logged."""
    async with looked_up(request):
        return answer(await reading.tracked(office_of(request), token))
