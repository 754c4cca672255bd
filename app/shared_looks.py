"""One look at the database for all who want to know the like: who asks while one is under way shares the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Sized
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class SharedLooks(Generic[Asked, Found]):
    """Of one event loop. `look` finds what each of some wanted, in their order, and its error is told to all of them;
    `most` are looked for at once; `gather` returns when those who wait are worth a look."""

    def __init__(
        self,
        look: Callable[[Sequence[Asked]], Awaitable[Sequence[Found]]],
        name: str,
        most: int | None = None,
        gather: Callable[[Sized], Awaitable[None]] | None = None,
    ) -> None:
        self._look, self._name, self._most, self._gather = look, name, most, gather
        self._waiting: list[tuple[Asked, asyncio.Future[Found]]] = []
        self._runner: asyncio.Task[None] | None = None

    def ask(self, what: Asked) -> asyncio.Future[Found]:
        """As the database is after the question was asked, or what the look raised."""
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((what, found))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run(), name=self._name)
        return found

    async def end(self) -> None:
        """Whatever is under way or waits is given up: for when nobody is left who would hear of it."""
        if self._runner:
            self._runner.cancel()
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        while self._waiting:
            if self._gather:
                await self._gather(self._waiting)
            together = self._waiting[: self._most]
            del self._waiting[: len(together)]
            try:
                answers = await self._look([what for what, _ in together])
            except BaseException as error:
                for _, found in together:
                    if not found.done():
                        found.set_exception(error)
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, found), answer in zip(together, answers, strict=True):
                if not found.done():  # else whoever asked has left
                    found.set_result(answer)
