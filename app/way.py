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

# However many emergencies there are, nobody stands aside for longer.
_LONGEST_SECONDS = 1.0
# Enough to share what a step or a transaction costs; and an emergency waits for one step of so many, each time it waits.
_TOGETHER = 16
_GATHERING_SECONDS = 0.02


class RightOfWay:
    """Of one process's event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        # Who waits to begin, and until when each stands aside for emergencies; and who has begun.
        self._beginning: deque[tuple[asyncio.Future[None], float]] = deque()
        self._going_on: deque[asyncio.Future[None]] = deque()
        self._is_due = False
        self._alarm: asyncio.Handle | None = None

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
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._beginning.append((turn, loop.time() + _LONGEST_SECONDS))
        self._be_due()
        await turn

    async def step(self) -> None:
        """Take the next step, in one turn of the event loop with those who began together."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._going_on.append(turn)
        self._be_due()
        await turn

    async def gathered(self, waiting: Sized) -> None:
        """Returns when enough wait for something that many can share, when nobody is about to come, or after a moment."""
        clock = asyncio.get_running_loop().time
        until = clock() + _GATHERING_SECONDS
        while self._is_due and not self._under_way and len(waiting) < _TOGETHER and clock() < until:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def _be_due(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._call)

    def _call(self) -> None:
        """The next few go on; where nobody has begun, the next few begin. It is due once more after whoever was called has
        taken the step, in the next turn."""
        self._is_due = False
        if self._going_on:
            for _ in range(min(_TOGETHER, len(self._going_on))):
                _let(self._going_on.popleft())
            self._be_due()
        elif self._beginning:
            self._begin()

    def _begin(self) -> None:
        at, called = asyncio.get_running_loop().time(), 0
        while self._beginning and called < _TOGETHER:
            turn, until = self._beginning[0]
            if self._under_way and at < until:
                self._ring_at(until)
                break
            self._beginning.popleft()
            called += _let(turn)
        if called:
            self._be_due()

    def _ring_at(self, until: float) -> None:
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_at(until, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._be_due()


def _let(turn: asyncio.Future[None]) -> bool:
    """False: who waited has left."""
    if turn.done():
        return False
    turn.set_result(None)
    return True
