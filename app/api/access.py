"""Who may call: a bearer key with one of the roles that a route names. Deny by default."""

from __future__ import annotations

from fastapi import Request
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security.base import SecurityBase

from app.keys import Key, KeyRole
from app.office import Office
from app.problems import Problem

_LONGEST_KEY = 200


def office_of(request: Request) -> Office:
    office: Office = request.app.state.office
    return office


class Allow(SecurityBase):
    """A dependency that answers with the caller's key, or refuses."""

    def __init__(self, *roles: KeyRole, signature_instead: bool = False) -> None:
        self.roles = frozenset(roles)
        self.signature_instead = signature_instead
        self.model = HTTPBearerModel(description="A key made with `one-window keys create`.")
        self.scheme_name = "key"

    async def __call__(self, request: Request) -> Key | None:
        presented = request.headers.get("authorization")
        if presented is None and self.signature_instead:
            return None
        scheme, _, secret = (presented or "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(secret) <= _LONGEST_KEY:
            raise _unauthenticated()
        key = await office_of(request).keys.find(secret)
        if key is None:
            raise _unauthenticated()
        if key.role not in self.roles:
            raise Problem("forbidden")
        return key


def _unauthenticated() -> Problem:
    return Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
