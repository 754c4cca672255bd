"""The right of way: ordinary requests begin up to sixteen a turn of the event loop, and go on step by step together; none
begins while an emergency is being taken in.

A request's whole way through the code is larger than the processor's nearest caches: sixteen that take each step one after
the other find its code and tables there, and cost a third less than sixteen that go all the way one by one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import TypeAlias

# However many emergencies there are, nobody stands aside for longer.
_LONGEST_SECONDS = 1.0
# Enough to share what a step or a transaction costs; and an emergency waits for one step of so many, each time it waits.
_TOGETHER = 16
_GATHERING_SECONDS = 0.02
# Who waits for a turn, and until when it stands aside for emergencies.
_Line: TypeAlias = "deque[tuple[asyncio.Future[None], float]]"


class RightOfWay:
    """Of one process's event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        self._beginning: _Line = deque()
        self._going_on: _Line = deque()
        self._is_due = False
        self._alarm: asyncio.TimerHandle | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._be_due()

    async def given(self) -> None:
        """Begin: returns when nobody who has begun has a step to take, and no emergency is under way, or after a second."""
        await self._turn_in(self._beginning)

    async def step(self) -> None:
        """Take the next step, in one turn of the event loop with those who began together."""
        await self._turn_in(self._going_on)

    async def _turn_in(self, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        line.append((turn, loop.time() + _LONGEST_SECONDS))
        self._be_due()
        await turn

    async def gathered(self, waiting: Sized) -> None:
        """Returns when enough wait for something that many can share, when nobody is about to come, or after a moment."""
        clock = asyncio.get_running_loop().time
        until = clock() + _GATHERING_SECONDS
        while self._is_due and not self._under_way and len(waiting) < _TOGETHER and clock() < until:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def _call(self) -> None:
        """The next few go on; where nobody has begun, the next few begin. Due once more until nobody was called: whoever is
        called takes the step in the next turn."""
        self._is_due = False
        line, called = self._going_on or self._beginning, 0
        while line and called < _TOGETHER:
            turn, until = line[0]
            if self._under_way and line is self._beginning and asyncio.get_running_loop().time() < until:
                self._call_at(until)
                break
            line.popleft()
            if not turn.done():  # else who waited has left
                turn.set_result(None)
                called += 1
        if called or (self._beginning and not self._under_way):
            self._be_due()

    def _be_due(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._call)

    def _call_at(self, until: float) -> None:
        if self._alarm is None or self._alarm.when() <= asyncio.get_running_loop().time():
            self._alarm = asyncio.get_running_loop().call_at(until, self._be_due)
