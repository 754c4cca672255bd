"""The right of way: while an emergency is being taken in, ordinary requests that have not begun stand aside."""

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
        """Returns when no emergency is under way, or after a second."""
        if self._under_way:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._free.wait(), _LONGEST_SECONDS)
