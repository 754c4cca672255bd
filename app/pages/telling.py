"""What goes wrong behind a page is told as a page too: whoever reads it is a person."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

import structlog
from fastapi import Request, Response

from app.api.access import office_of
from app.api.rates import spend_by_address
from app.constraints import problem_of
from app.db import is_unavailable
from app.logs import describe
from app.pages.page import page
from app.problems import Problem, unavailable
from app.rates import Budget

log = structlog.get_logger()
Door = Callable[..., Awaitable[Response]]


def told_on_a_page(door: Door) -> Door:
    @functools.wraps(door)
    async def opened(request: Request, **asked: str) -> Response:
        try:
            await spend_by_address(request, Budget.LOOK_UPS)
            return await door(request, **asked)
        except Problem as problem:
            found = problem
        except Exception as error:
            away = is_unavailable(error)
            log.log(30 if away else 40, "database_away" if away else "unexpected_error", **describe(error))
            found = unavailable() if away else problem_of(error) or Problem("internal_error")
        phone = office_of(request).settings.coordinator_phone
        told = page("ended.html", found.kind.status, problem=found, coordinator_phone=phone)
        told.headers.update(found.headers)
        return told

    return opened
