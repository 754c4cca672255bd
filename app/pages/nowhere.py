"""An address where nothing is: whoever typed it in a browser is told on a page where to go; a program gets its problem, and
so does whoever looks for something of the API."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from app.api.access import office_of
from app.pages.browsing import base
from app.pages.page import page


def install(app: FastAPI) -> None:
    """For addresses without a route alone: what is not there behind a route says so itself."""
    as_problem: Any = app.exception_handlers[HTTPException]

    async def nowhere(request: Request, error: Exception) -> Response:
        office, is_api = office_of(request), request.scope["path"].startswith("/v1/")
        if not is_api and request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", ""):
            return page("nowhere.html", 404, base=base(office), coordinator_phone=office.settings.coordinator_phone)
        answer: Response = await as_problem(request, error)
        return answer

    app.add_exception_handler(404, nowhere)
