"""One dead endpoint delays nobody else: after some failures in a row it is left alone for a while, then probed."""

from __future__ import annotations

from dataclasses import dataclass

_FAILURES_TO_OPEN = 5
_FIRST_PAUSE = 15.0
_LONGEST_PAUSE = 300.0


@dataclass(slots=True)
class Breaker:
    """Of one endpoint, in one worker. Times are seconds of a monotonic clock."""

    failures: int = 0
    open_until: float = 0.0

    def allowance(self, at: float, most: int) -> int:
        """How many messages may be in flight: none while open, one as a probe after that, else `most`."""
        if self.failures < _FAILURES_TO_OPEN:
            return most
        return 0 if at < self.open_until else 1

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, at: float) -> bool:
        """Whether this failure opened the breaker (or kept it open for longer)."""
        self.failures += 1
        over = self.failures - _FAILURES_TO_OPEN
        if over < 0:
            return False
        self.open_until = at + min(_FIRST_PAUSE * 2 ** min(over, 10), _LONGEST_PAUSE)
        return True
