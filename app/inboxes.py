"""Who waits, in this process, for news: in an agency's inbox, or of one request. Rung by whatever hears of a commit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.problems import Problem

CHANNEL = "one_window_inboxes"
MOST_WAITING = 8  # calls of one key
_LONGEST_PAYLOAD = 7_900  # bytes of a NOTIFY, just under PostgreSQL's own limit


@dataclass(eq=False, slots=True)
class Waiting:
    """One call that waits. `is_over`: nobody is there any more to answer, or the process stops; answer now."""

    rung: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    def end(self) -> None:
        self.is_over = True
        self.rung.set()


class Inboxes:
    """Used from one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Waiting]] = {}
        self._by_caller: Counter[object] = Counter()
        self._closed = False

    @property
    def waited_for(self) -> Collection[str]:
        """The bells that somebody waits for: agencies by their codes, requests by their bells."""
        return self._waiting.keys()

    def waits(self, caller: object) -> int:
        """How many calls of a caller wait now."""
        return self._by_caller[caller]

    @contextmanager
    def waiting(self, bell: str, caller: object, most: int = MOST_WAITING) -> Iterator[Waiting]:
        """From here on no news is missed: look after this, then wait. `caller`: a key, or an address, of which `most` may
        wait at once. Raises `too_many_waiting`."""
        if self._by_caller[caller] >= most:
            raise Problem("too_many_waiting", headers={"Retry-After": "5"})
        call = Waiting(is_over=self._closed)
        self._by_caller[caller] += 1
        self._waiting.setdefault(bell, set()).add(call)
        try:
            yield call
        finally:
            self._by_caller[caller] -= 1
            if not self._by_caller[caller]:
                del self._by_caller[caller]
            self._waiting[bell].discard(call)
            if not self._waiting[bell]:
                del self._waiting[bell]

    def ring(self, bells: Iterable[str]) -> None:
        for bell in bells:
            for call in self._waiting.get(bell, ()):
                call.rung.set()

    def ring_all(self) -> None:
        """Something may have been missed: everybody looks."""
        self.ring(list(self._waiting))

    def hear(self, payload: str) -> None:
        """What a NOTIFY of `payload_of` says."""
        if payload:
            self.ring(payload.split(","))
        else:
            self.ring_all()

    def close(self) -> None:
        """Every call that waits, now or later, is answered at once with what there is."""
        self._closed = True
        for calls in self._waiting.values():
            for call in calls:
                call.end()


def payload_of(bells: Iterable[str]) -> str:
    """Bells with commas between; nothing, which means everybody, where they are too many for one notification."""
    payload = ",".join(sorted(bells))
    return payload if len(payload) <= _LONGEST_PAYLOAD else ""
