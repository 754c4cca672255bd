"""What keeps a person's page new while it is open: one small script, and a stream that rings when something happened."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from app import following
from app.api.access import office_of
from app.api.rates import caller_of, looked_up, spend_by_address
from app.pages.tracking_page import SCRIPT
from app.problems import Problem
from app.rates import Budget
from app.receipts import TOKEN_PATTERN

router = APIRouter(prefix="/track", include_in_schema=False)
_AGAIN_MILLISECONDS = 5_000  # before a browser comes again
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@router.get("/live.js")
async def script() -> Response:
    return Response(SCRIPT, headers={"Cache-Control": "public, max-age=86400"}, media_type="text/javascript")


@router.get("/{token}/events")
async def events(request: Request, token: str) -> Response:
    """Server-sent events: `moved` with the number of events that the request has, from more than `after` (or the last one
    that the browser heard of) on."""
    office = office_of(request)
    await spend_by_address(request, Budget.LOOK_UPS)
    async with looked_up(request):
        if re.fullmatch(TOKEN_PATTERN, token) is None:
            raise Problem("not_found")
        async with office.database.reading() as connection:
            request_id = (await following.request_of(connection, token)).id
    caller = ("page", caller_of(request))
    following.must_have_room(office, caller)
    heard = request.headers.get("last-event-id") or request.query_params.get("after", "")
    after = int(heard) if _NUMBER.fullmatch(heard) else 0
    stream = _written(following.moves(office, request_id, after, caller))
    return StreamingResponse(stream, headers={"X-Accel-Buffering": "no"}, media_type="text/event-stream")


async def _written(moves: AsyncIterator[int | None]) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % _AGAIN_MILLISECONDS
    async for move in moves:
        yield b": still here\n\n" if move is None else b"id: %d\nevent: moved\ndata: %d\n\n" % (move, move)
