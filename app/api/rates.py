"""Whose calls are counted: by key where one is shown, since a whole county may call from one address; else by address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address

from fastapi import Request
from starlette.requests import HTTPConnection

from app.api.clients import address_of
from app.office import Office
from app.problems import Problem
from app.rates import Budget

_A_MISS = 9  # as many more look-ups
_ONE_HOUSE = 64  # bits: whoever has one IPv6 address has a network of them


class Within:
    """A dependency of a route that is open: so many calls a minute from one address."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    async def __call__(self, request: Request) -> None:
        await spend_by_address(request, self.budget)


async def spend_by_address(connection: HTTPConnection, budget: Budget, calls: int = 1) -> None:
    """Raises `too_many_requests`, `unavailable`."""
    office: Office = connection.app.office
    await office.rates.spend(budget, caller_of(connection), calls)


@asynccontextmanager
async def looked_up(connection: HTTPConnection) -> AsyncIterator[None]:
    """Around what finds something by a secret in the address: who looks for what is not there is guessing."""
    try:
        yield
    except Problem as problem:
        if problem.code == "not_found":
            await spend_by_address(connection, Budget.LOOK_UPS, _A_MISS)
        raise


def caller_of(connection: HTTPConnection) -> str:
    address = address_of(connection)
    if isinstance(address, IPv6Address):
        return f"{int(address) >> _ONE_HOUSE:x}"
    return str(address)
