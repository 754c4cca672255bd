"""What the pages of staff share: who is signed in, and whether a form is ours."""

from __future__ import annotations

from fastapi import Request

from app import sessions
from app.api import browsers
from app.office import Office
from app.problems import Text
from app.sessions import Session

STALE = Text("页面已过时,请重新提交。", "The page was out of date; please submit it again.")


async def session_of(request: Request, office: Office) -> Session | None:
    token = browsers.cookie(request, office.settings, browsers.SESSION)
    return await sessions.find(office, token) if token else None


def is_genuine(request: Request, office: Office, session: Session, form: dict[str, str]) -> bool:
    """Whether a form that was sent stood on a page of ours, shown in this session."""
    return browsers.is_from_our_pages(request, office.settings) and sessions.is_csrf_token(
        office, session.token, form.get("form", "")
    )
