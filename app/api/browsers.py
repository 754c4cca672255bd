"""What a browser sends with a call: its cookies, where the call was made from, and the address it comes from."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response

from app.api.clients import address_of
from app.config import Settings

SESSION = "one_window_session"
CSRF_HEADER = "x-csrf-token"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_secure(request: Request, settings: Settings) -> bool:
    """Everywhere but on this machine itself without TLS: there a browser would not keep a secure cookie."""
    if request.url.scheme == "https" or (settings.public_url or "").startswith("https:"):
        return True
    return request.url.hostname not in _LOOPBACK


def cookie(request: Request, settings: Settings, name: str) -> str | None:
    return request.cookies.get(_named(request, settings, name)) or None


def cookies_that_begin(request: Request, settings: Settings, name: str) -> list[str]:
    begins = _named(request, settings, name)
    return [value for each, value in request.cookies.items() if each.startswith(begins)][:50]


def set_cookie(
    response: Response, request: Request, settings: Settings, name: str, value: str, seconds: int | None = None
) -> None:
    """For us alone: not for scripts, not for another host, not sent along by another site's forms. `lax`, since who comes
    back from the county's single sign-on comes from another site."""
    response.set_cookie(
        _named(request, settings, name),
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(request, settings),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(response: Response, request: Request, settings: Settings, name: str) -> None:
    response.delete_cookie(
        _named(request, settings, name),
        path="/",
        secure=is_secure(request, settings),
        httponly=True,
        samesite="lax",
    )


def is_from_our_pages(request: Request, settings: Settings) -> bool:
    """By what the browser itself says; one that says nothing is not believed."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is None and origin is None:
        return False
    hosts = {request.headers.get("host", "").lower(), urlsplit(settings.public_url or "").netloc.lower()} - {""}
    return site in (None, "same-origin") and (origin is None or _host_of(origin) in hosts)


def _host_of(origin: str) -> str | None:
    """None of what is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def who_calls(request: Request) -> str | None:
    """The address at the other end; None where it tells nobody apart: on this machine."""
    address = address_of(request)
    return None if address is None or address.is_loopback else str(address)


def _named(request: Request, settings: Settings, name: str) -> str:
    """With `__Host-` a browser takes it from this very host over TLS only."""
    return f"__Host-{name}" if is_secure(request, settings) else name
