"""The right of way: ordinary requests begin one a turn of the event loop, so that an emergency never waits behind all that
came at once; and none begins while an emergency is being taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# However many emergencies there are, nobody stands aside for longer.
_LONGEST_SECONDS = 1.0


class RightOfWay:
    """Of one process's event loop."""

    def __init__(self) -> None:
        self._under_way = 0
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
        async with self._next:
            if self._under_way:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(until):
                        await self._free.wait()
            else:
                await asyncio.sleep(0)
