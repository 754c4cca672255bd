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


Show = Callable[[Request, Problem], Response]


def told_on_a_page(door: Door) -> Door:
    """For those who answer for an agency, or work for the county."""
    return told_by(_ended)(door)


def told_by(show: Show) -> Callable[[Door], Door]:
    """Every call of a door that is open costs its address a look-up; what goes wrong is shown by `show`."""

    def told(door: Door) -> Door:
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
            shown = show(request, found)
            shown.headers.update(found.headers)
            return shown

        return opened

    return told


def _ended(request: Request, problem: Problem) -> Response:
    phone = office_of(request).settings.coordinator_phone
    return page("ended.html", problem.kind.status, problem=problem, coordinator_phone=phone)
