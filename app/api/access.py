"""Who may call: a bearer key, or a person who signed in, with one of the roles that a route names. Deny by default."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase

from app import sessions
from app.api import browsers
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import Problem

_LONGEST_KEY = 200
_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})


def office_of(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


class Allow(SecurityBase):
    """A dependency that answers with the caller's key, or refuses. A cookie counts where there is no key; what changes
    something needs our own page's word with it."""

    def __init__(self, *roles: KeyRole, signature_instead: bool = False) -> None:
        self.roles = frozenset(roles)
        self.signature_instead = signature_instead
        self.model = HTTPBearerModel(
            description="A key made with `one-window keys create`. The pages' own calls have the cookie of who signed in at "
            "`/sign-in` instead, and, where they change something, its `X-CSRF-Token`."
        )
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> Key | None:
        presented = request.headers.get("authorization")
        if presented is None:
            office = office_of(request)
            session = browsers.cookie(request, office.settings, browsers.SESSION)
            if self.signature_instead and (session is None or "webhook-signature" in request.headers):
                return None
            key = await _signed_in(request, office, session)
        else:
            key = await _with_key(request, presented)
        if key.role not in self.roles:
            raise Problem("forbidden")
        return key


async def _with_key(request: Request, presented: str) -> Key:
    scheme, _, secret = presented.partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST_KEY:
        raise _unauthenticated()
    key = await office_of(request).keys.find(secret)
    if key is None:
        raise _unauthenticated()
    return key


async def _signed_in(request: Request, office: Office, token: str | None) -> Key:
    session = await sessions.find(office, token) if token else None
    if session is None:
        raise _unauthenticated()
    if request.method not in _CHANGES_NOTHING and not (
        browsers.is_from_our_pages(request, office.settings)
        and sessions.is_csrf_token(office, session.token, request.headers.get(browsers.CSRF_HEADER, ""))
    ):
        raise Problem("csrf_refused")
    if session.must_change_password:
        raise Problem("password_change_needed")
    return session.key


class Direct(APIRoute):
    """A route whose only parameter, besides the call itself, is who may call: asked without the machinery that solves
    graphs of dependencies, which costs the busiest call as much as validating its body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        (who,) = self.dependant.dependencies
        endpoint, allow = self.endpoint, who.call
        assert isinstance(allow, Allow)

        async def handle(request: Request) -> Response:
            response: Response = await endpoint(request, await allow(request))
            return response

        return handle


def _unauthenticated() -> Problem:
    return Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
