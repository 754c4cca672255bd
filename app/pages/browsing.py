"""What a browser says with every page: in which language it is to speak; and the address that it knows us by."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from app.api.edge import language_of
from app.office import Office


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
