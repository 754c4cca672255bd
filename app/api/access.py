"""Who may call: a bearer key with one of the roles that a route names. Deny by default."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from app.api.rates import spend_by_address
from app.keys import Key, KeyRole
from app.office import Office
from app.problems import Problem
from app.rates import Budget

_LONGEST_KEY = 200


def office_of(connection: HTTPConnection) -> Office:
    office: Office = connection.app.state.office
    return office


class Allow(SecurityBase):
    """A dependency that answers with the caller's key, or refuses."""

    def __init__(self, *roles: KeyRole, signature_instead: bool = False, budget: Budget = Budget.CALLS) -> None:
        self.roles = frozenset(roles)
        self.signature_instead = signature_instead
        self.budget = budget
        self.model = HTTPBearerModel(description="A key made with `one-window keys create`.")
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> Key | None:
        presented = request.headers.get("authorization")
        if presented is None and self.signature_instead:
            await spend_by_address(request, self.budget)
            return None
        scheme, _, secret = (presented or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST_KEY:
            raise await self._unauthenticated(request)
        key = await office_of(request).keys.find(secret)
        if key is None:
            raise await self._unauthenticated(request)
        if key.role not in self.roles:
            raise Problem("forbidden")
        await office_of(request).rates.spend(self.budget, key.holder)
        return key

    async def _unauthenticated(self, request: Request) -> Problem:
        """Raises `too_many_requests` where somebody keeps trying."""
        if self.budget is not Budget.EMERGENCIES:
            await spend_by_address(request, Budget.STRANGERS)
        return Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})


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
