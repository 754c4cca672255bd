"""One dead, slow or easily hurried endpoint delays nobody else: what may be sent to it now; pure.

Of one endpoint, in one worker. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

_FAILURES_TO_OPEN = 5
_FIRST_PAUSE = 15.0
_LONGEST_PAUSE = 300.0
_URGENT_ALWAYS = 2


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(slots=True)
class Breaker:
    """After some failures in a row, slow answers among them, the endpoint is left alone for a while, then probed."""

    failures: int = 0
    open_until: float = 0.0

    def state(self, at: float) -> BreakerState:
        if self.failures < _FAILURES_TO_OPEN:
            return BreakerState.CLOSED
        return BreakerState.OPEN if at < self.open_until else BreakerState.HALF_OPEN

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self, at: float) -> None:
        self.failures += 1
        over = self.failures - _FAILURES_TO_OPEN
        if over >= 0:
            self.open_until = at + min(_FIRST_PAUSE * 2 ** min(over, 10), _LONGEST_PAUSE)


@dataclass(slots=True)
class Gate:
    """What keeps messages to one endpoint apart: those in flight, its rate, its breaker, and its own "not now"."""

    breaker: Breaker = field(default_factory=Breaker)
    in_flight: int = 0
    urgent_in_flight: int = 0
    rests_until: float = 0.0
    _tokens: float = 0.0
    _counted_at: float | None = None

    def allowance(self, at: float, most: int, per_second: int | None, *, urgent: bool = False) -> int:
        """How many more may be sent now. Two emergencies are tried whatever else hangs and whatever the breaker says."""
        state = self.breaker.state(at)
        if urgent:
            usual = most - self.in_flight if state is BreakerState.CLOSED else 0
            return max(_URGENT_ALWAYS - self.urgent_in_flight, usual)
        if at < self.rests_until or state is BreakerState.OPEN:
            return 0
        if state is BreakerState.HALF_OPEN:
            return 1 - self.in_flight
        if per_second is not None:
            most = min(most, self.in_flight + int(self._tokens_at(at, per_second)))
        return most - self.in_flight

    def may_follow(self, at: float, most: int, per_second: int | None) -> int:
        """How many may be kept ready for when those in flight have ended; none for an endpoint that is not well."""
        if at < self.rests_until or self.breaker.failures:
            return 0
        return most if per_second is None else min(most, int(self._tokens_at(at, per_second)))

    def opens_at(self, at: float, per_second: int | None) -> float:
        """When something that keeps it shut now has passed, as far as time alone opens it; `at` if nothing does."""
        until = max(self.rests_until, self.breaker.open_until if self.breaker.failures >= _FAILURES_TO_OPEN else at)
        if per_second is not None and (missing := 1 - self._tokens_at(at, per_second)) > 0:
            until = max(until, at + missing / per_second)
        return max(until, at)

    def began(self, at: float, per_second: int | None, *, urgent: bool = False) -> None:
        self.in_flight += 1
        self.urgent_in_flight += urgent
        if per_second is not None:
            self._tokens = self._tokens_at(at, per_second) - 1

    def ended(self, *, urgent: bool = False) -> None:
        self.in_flight -= 1
        self.urgent_in_flight -= urgent

    def _tokens_at(self, at: float, per_second: int) -> float:
        """Messages that the rate allows now: a second's worth at most, refilled as time passes."""
        passed = float(per_second) if self._counted_at is None else (at - self._counted_at) * per_second
        self._tokens, self._counted_at = min(self._tokens + passed, float(per_second)), at
        return self._tokens

    @property
    def is_idle(self) -> bool:
        """Whether nothing is known of it that has to be remembered."""
        return not self.in_flight and not self.breaker.failures and not self._counted_at and not self.rests_until
