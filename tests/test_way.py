"""While an emergency is taken in, ordinary requests stand aside, and never for long."""

from __future__ import annotations

import asyncio

import pytest

from app import way
from app.way import RightOfWay


def test_who_comes_while_an_emergency_is_under_way_goes_on_when_the_last_of_them_is_done() -> None:
    async def run() -> list[str]:
        right, done = RightOfWay(), []

        async def ordinary() -> None:
            await right.given()
            done.append("ordinary")

        await ordinary()
        with right.taken():
            waiting = asyncio.create_task(ordinary())
            with right.taken():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            done.append("emergencies")
        await waiting
        return done

    assert asyncio.run(run()) == ["ordinary", "emergencies", "ordinary"]


def test_nobody_stands_aside_for_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "_LONGEST_SECONDS", 0.01)

    async def run() -> None:
        right = RightOfWay()
        with right.taken():
            async with asyncio.timeout(10):
                await right.given()

    asyncio.run(run())
