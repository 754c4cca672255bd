"""One at a time, and not too often, by name; pure: `at` is seconds of a monotonic clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

MOST_A_MINUTE = 6
_MINUTE = 60.0


@dataclass(slots=True)
class Turns:
    """Of one process."""

    _running: set[str] = field(default_factory=set)
    _began: dict[str, deque[float]] = field(default_factory=dict)

    def take(self, name: str, at: float) -> float | None:
        """None: it is yours until `give_back`. Else the seconds to wait before asking again."""
        began = self._began.setdefault(name, deque())
        while began and at - began[0] >= _MINUTE:
            began.popleft()
        if name in self._running:
            return 1.0
        if len(began) >= MOST_A_MINUTE:
            return _MINUTE - (at - began[0])
        self._running.add(name)
        began.append(at)
        return None

    def give_back(self, name: str) -> None:
        self._running.discard(name)
