"""The right of way: ordinary requests begin up to sixteen a turn of the event loop, and go on step by step together, those
that came first before the others; none begins while an emergency is being taken in.

A request's whole way through the code is larger than the processor's nearest caches: sixteen that take each step one after
the other find its code and tables there, and cost a third less than sixteen that go all the way one by one. And while the
database stores those that came first, the event loop has the next ones to see to.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from itertools import count
from operator import attrgetter
from typing import Any, TypeVar

from app.steps import Steps

# However many emergencies there are, nobody stands aside for longer.
_LONGEST_SECONDS = 1.0
# Enough to share what a step or a transaction costs; and an emergency waits for so many steps at most, each time it waits.
_TOGETHER = 16
_GATHERING_SECONDS = 0.02

_T = TypeVar("_T")
_came: ContextVar[int] = ContextVar("came", default=0)  # a request's number


class _Walk:
    """Of one request: what it does from one `yield` to the next, in its own context, and who waits for what it returns."""

    __slots__ = ("came", "context", "ended", "steps")

    def __init__(self, steps: Steps[Any]) -> None:
        self.steps = steps
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.context = copy_context()
        self.came = _came.get()


def _step(walks: list[_Walk]) -> list[_Walk]:
    """Each takes one; those that have another one."""
    ended = []
    for walk in walks:
        if walk.ended.done():  # who waited has left
            ended.append(walk)
            continue
        try:
            walk.context.run(next, walk.steps)
        except StopIteration as end:
            ended.append(walk)
            walk.ended.set_result(end.value)
        except BaseException as error:  # whoever waits hears of it, and those beside it go on
            ended.append(walk)
            walk.ended.set_exception(error)
    return [each for each in walks if each not in ended] if ended else walks


class RightOfWay:
    """Of one process's event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        # Who waits to begin, and until when each stands aside for emergencies; and who has begun.
        self._beginning: deque[tuple[_Walk, float]] = deque()
        self._going_on: list[_Walk] = []  # who came first stands first
        self._numbers = count(1)
        self._waited = 0  # so many have waited a turn to begin
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

    async def begin(self, steps: Steps[_T]) -> _T:
        """What `steps` returns, or raises. The first is taken when nobody who has begun has a step to take, a turn of the event
        loop has brought nobody else to begin with, or they are sixteen, and no emergency is under way, or after a second;
        the next ones in the same turn or in later ones. Whoever awaits it is to go on in the same task, which is known by its
        number."""
        _came.set(next(self._numbers))
        walk = _Walk(steps)
        self._beginning.append((walk, asyncio.get_running_loop().time() + _LONGEST_SECONDS))
        found: _T = await self._ended(walk)
        return found

    async def go_on(self, steps: Steps[_T]) -> _T:
        """The same of who has begun: the steps are taken with those who began together, before those who came later."""
        walk = _Walk(steps)
        insort(self._going_on, walk, key=attrgetter("came"))
        found: _T = await self._ended(walk)
        return found

    async def _ended(self, walk: _Walk) -> Any:
        self._be_due()
        return await walk.ended

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
        """The next few take a step, or several while they are few; where nobody has one to take, the next few begin, or wait
        a turn for who is heard with them. It is due once more after whoever walked to the end has gone on from there, in the
        next turn."""
        self._is_due = False
        if not self._going_on:
            if self._waited < len(self._beginning) < _TOGETHER:
                self._be_due()
            else:
                self._let_begin()
            self._waited = len(self._beginning)
        if self._going_on:
            going_on = together = self._going_on[:_TOGETHER]
            del self._going_on[:_TOGETHER]
            for _ in range(_TOGETHER // len(together)):
                going_on = _step(together)
                if len(going_on) < len(together):
                    break
            self._going_on[:0] = going_on
            self._be_due()

    def _let_begin(self) -> None:
        at = asyncio.get_running_loop().time()
        while self._beginning and len(self._going_on) < _TOGETHER:
            walk, until = self._beginning[0]
            if self._under_way and at < until:
                self._ring_at(until)
                break
            self._beginning.popleft()
            self._going_on.append(walk)

    def _ring_at(self, until: float) -> None:
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_at(until, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._be_due()
