"""Cursor pages: `?limit=&cursor=` in, `next_cursor` and a `Link` header out (RFC 8288)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from app.api.bodies import answer
from app.paged import PageAsked


def _page(
    limit: Annotated[int, Query(ge=1, le=200, description="Items on a page.")] = 50,
    cursor: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,100}$", description="The last page's next_cursor.")
    ] = None,
) -> PageAsked:
    return PageAsked(limit, cursor)


def _many(
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most so many in this call.")] = 1_000,
    cursor: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The last call's next_cursor.")
    ] = None,
) -> PageAsked:
    return PageAsked(limit, cursor)


Paged = Annotated[PageAsked, Depends(_page)]
Many = Annotated[PageAsked, Depends(_many)]


def page_answer(request: Request, page: dict[str, Any]) -> Response:
    headers = {}
    if page["next_cursor"]:
        following = request.url.include_query_params(cursor=page["next_cursor"])
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return answer(page, headers=headers)
