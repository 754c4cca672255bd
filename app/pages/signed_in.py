"""What the pages of staff share: who is signed in, in which language they are spoken to, and whether a form is ours."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from app import sessions
from app.api import browsers
from app.api.edge import language_of
from app.office import Office
from app.sessions import Session


async def session_of(request: Request, office: Office) -> Session | None:
    token = browsers.cookie(request, office.settings, browsers.SESSION)
    return await sessions.find(office, token) if token else None


def is_genuine(request: Request, office: Office, session: Session, form: dict[str, str]) -> bool:
    """Whether a form that was sent stood on a page of ours, shown in this session."""
    return browsers.is_from_our_pages(request, office.settings) and sessions.is_csrf_token(
        office, session.token, form.get("form", "")
    )


def asked_language(request: Request) -> str | None:
    asked = request.query_params.get("lang")
    return asked if asked in ("zh", "en") else None


def language(request: Request) -> str:
    return asked_language(request) or language_of(request.headers.get("accept-language", ""))


def origin(request: Request, office: Office) -> str:
    parts = urlsplit(office.settings.public_url or str(request.url))
    return f"{parts.scheme}://{parts.netloc}"


def base(office: Office) -> str:
    """What stands before our paths, as the browser sees them."""
    return urlsplit(office.settings.public_url or "").path.rstrip("/")
