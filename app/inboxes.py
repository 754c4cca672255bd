"""Who waits, in this process, for news in an agency's inbox. Rung by whatever hears of a commit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

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
        self._by_key: Counter[UUID] = Counter()
        self._closed = False

    @property
    def waited_for(self) -> Collection[str]:
        """The agencies whose inboxes somebody waits for."""
        return self._waiting.keys()

    @contextmanager
    def waiting(self, agency_code: str, key_id: UUID) -> Iterator[Waiting]:
        """From here on no news is missed: look after this, then wait. Raises `too_many_waiting`."""
        if self._by_key[key_id] >= MOST_WAITING:
            raise Problem("too_many_waiting", headers={"Retry-After": "5"})
        call = Waiting(is_over=self._closed)
        self._by_key[key_id] += 1
        self._waiting.setdefault(agency_code, set()).add(call)
        try:
            yield call
        finally:
            self._by_key[key_id] -= 1
            if not self._by_key[key_id]:
                del self._by_key[key_id]
            self._waiting[agency_code].discard(call)
            if not self._waiting[agency_code]:
                del self._waiting[agency_code]

    def ring(self, agency_codes: Iterable[str]) -> None:
        for code in agency_codes:
            for call in self._waiting.get(code, ()):
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


def payload_of(agency_codes: Iterable[str]) -> str:
    """Codes with commas between; nothing, which means everybody, where they are too many for one notification."""
    payload = ",".join(sorted(agency_codes))
    return payload if len(payload) <= _LONGEST_PAYLOAD else ""
