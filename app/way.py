"""The right of way: ordinary requests begin one a turn of the event loop, so that an emergency never waits behind all that
came at once; and none begins while an emergency is being taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sized
from contextlib import contextmanager, suppress

# However many emergencies there are, nobody stands aside for longer.
_LONGEST_SECONDS = 1.0
# Enough to share what a transaction costs; while they are written, as many more begin.
_ENOUGH = 16
_GATHERING_SECONDS = 0.02


class RightOfWay:
    """Of one process's event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        self._coming = 0
        self._free = asyncio.Event()
        self._next = asyncio.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._under_way += 1
        self._free.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._free.set()

    async def given(self) -> None:
        """Returns in the caller's turn: when no emergency is under way, or after a second."""
        until = asyncio.get_running_loop().time() + _LONGEST_SECONDS
        self._coming += 1
        try:
            async with self._next:
                if self._under_way:
                    with suppress(TimeoutError):
                        async with asyncio.timeout_at(until):
                            await self._free.wait()
                else:
                    await asyncio.sleep(0)
        finally:
            self._coming -= 1

    async def gathered(self, waiting: Sized) -> None:
        """Returns when enough wait for something that many can share, when nobody is about to come, or after a moment."""
        clock = asyncio.get_running_loop().time
        until = clock() + _GATHERING_SECONDS
        while self._coming and not self._under_way and len(waiting) < _ENOUGH and clock() < until:  # noqa: ASYNC110
            await asyncio.sleep(0)
