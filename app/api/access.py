"""Who may call: a bearer key, or a person who signed in, with one of the roles that a route names. Deny by default."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from app import sessions
from app.api import browsers
from app.api.clients import address_of, is_within
from app.api.rates import spend_by_address
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import Problem, Text
from app.rates import Budget

_LONGEST_KEY = 200
# Of whatever stands in an address: an id, a number, a day, an agency's code.
_AN_ID = re.compile(r"[0-9a-f-]{36}|[0-9][0-9-]{0,31}|[0-9]{6,9}-[a-z-]{1,50}", re.ASCII)
_LOOKS = ("GET", "HEAD", "OPTIONS")
# Whose changes to keys, endpoints, tables and the calendar stand in no history of a request.
_ADMINISTER = frozenset({KeyRole.ADMIN, KeyRole.SECURITY, KeyRole.AUDITOR, KeyRole.COORDINATOR})
log = structlog.get_logger()
_ELSEWHERE = Text(
    "此密钥不得从这个地址使用;请从密钥所列网络调用,或请安全管理员更改。",
    "This key may not be used from this address: call from one of its networks, or ask whoever issues keys.",
)


def office_of(connection: HTTPConnection) -> Office:
    office: Office = connection.app.office
    return office


class Allow(SecurityBase):
    """A dependency that answers with the caller's key, or refuses. A cookie counts where there is no key; what changes
    something needs our own page's word with it."""

    def __init__(self, *roles: KeyRole, signature_instead: bool = False, budget: Budget = Budget.CALLS) -> None:
        self.roles = frozenset(roles)
        self.signature_instead = signature_instead
        self.budget = budget
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
                await spend_by_address(request, self.budget)
                return None
            key = await self._signed_in(request, office, session)
        else:
            key = await self._with_key(request, presented)
        if key.role not in self.roles:
            raise Problem("forbidden")
        if key.scopes is not None and (scope := scope_of(request.scope["route"], request.method)) not in key.scopes:
            text = Text(
                f"此密钥未开通 {scope};请换用开通的密钥。", f"This key is not for {scope}: use one that has this scope."
            )
            raise Problem("forbidden", text)
        await office_of(request).rates.spend(self.budget, key.holder)
        if key.role in _ADMINISTER and request.method not in _LOOKS:
            of = [each for each in map(str, request.path_params.values()) if _AN_ID.fullmatch(each)]  # no free words
            log.info("change_asked", by=key.actor, method=request.method, route=request.scope["route"].path, of=of)
        return key

    async def _with_key(self, request: Request, presented: str) -> Key:
        scheme, _, secret = presented.partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST_KEY:
            raise await self._unauthenticated(request)
        key = await office_of(request).keys.find(secret)
        if key is None:
            raise await self._unauthenticated(request)
        if key.networks and not is_within(address_of(request), key.networks):
            raise Problem("forbidden", _ELSEWHERE)
        return key

    async def _signed_in(self, request: Request, office: Office, token: str | None) -> Key:
        session = await sessions.find(office, token) if token else None
        if session is None:
            raise await self._unauthenticated(request)
        if request.method not in _LOOKS and not (
            browsers.is_from_our_pages(request, office.settings)
            and sessions.is_csrf_token(office, session.token, request.headers.get(browsers.CSRF_HEADER, ""))
        ):
            raise Problem("csrf_refused")
        if session.must_change_password:
            raise Problem("password_change_needed")
        return session.key

    async def _unauthenticated(self, request: Request) -> Problem:
        """Raises `too_many_requests` where somebody keeps trying."""
        if self.budget is not Budget.EMERGENCIES:
            await spend_by_address(request, Budget.STRANGERS)
        return Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})


def scope_of(route: APIRoute, method: str) -> str:
    """What a key that is narrowed needs for a route: by its tag, to look or to do."""
    return f"{str(route.tags[0]).replace(' ', '_')}:{'read' if method in _LOOKS else 'write'}"


class _Headers(Headers):
    """By name, where the framework's own are gone through each time; the first counts here too."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._by_name = dict(reversed(scope["headers"]))

    def get(self, key: str, default: Any = None) -> Any:
        value = self._by_name.get(key.lower().encode("latin-1"))
        return default if value is None else value.decode("latin-1")


class _Call(Request):
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._named = _Headers(scope)

    @property
    def headers(self) -> Headers:
        return self._named


class Direct(APIRoute):
    """A route whose only parameter, besides the call itself, is who may call: the edge calls it by its fixed address,
    without the machinery that finds routes and solves graphs of dependencies, which costs the busiest call more than
    validating its body. What it raises is a `Problem`."""

    def __init__(self, *of_route: Any, **named: Any) -> None:
        super().__init__(*of_route, **named)
        (who,), endpoint, needs = self.dependant.dependencies, self.endpoint, self.dependant
        allow = who.call
        assert isinstance(allow, Allow)
        for params in (
            needs.path_params,
            needs.query_params,
            needs.header_params,
            needs.cookie_params,
            needs.body_params,
        ):
            assert not params, "nobody would read them"

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = _Call(scope, receive, send)
            response: Response = await endpoint(request, await allow(request))
            await response(scope, receive, send)

        self.app = app


def direct_routes(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], Direct]:
    """By address and method."""
    return {(each.path, method): each for each in routes if isinstance(each, Direct) for method in each.methods or ()}
