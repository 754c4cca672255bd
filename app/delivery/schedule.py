"""When a delivery is tried again; pure."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

GIVE_UP_AFTER = timedelta(days=3)
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(hours=8)
_JITTER = 0.2


def next_try(
    attempts: int, at: datetime, give_up_at: datetime, chance: random.Random, asked: timedelta | None = None
) -> datetime | None:
    """The time of the next try after `attempts` failed ones; None when three days have passed: it is exhausted.

    5 s, 20 s, 80 s, 5 min, 21 min, 85 min, 5.7 h, then every 8 h, each spread by a fifth to either side. The last
    try falls on the end of the three days, so that the whole of them is used. `asked` is the wait that the endpoint asked
    for (Retry-After, RFC 9110 10.2.3): it is never tried sooner.
    """
    if at >= give_up_at:
        return None
    delay: timedelta = min(FIRST_DELAY * 4 ** min(attempts - 1, 10), LONGEST_DELAY)
    spread = delay * chance.uniform(1 - _JITTER, 1 + _JITTER)
    return min(at + max(spread, asked or spread), give_up_at)


def wait_asked_for(retry_after: str | None, at: datetime) -> timedelta | None:
    """A Retry-After header, seconds or an HTTP date (RFC 9110 10.2.3), as the wait from `at` on; None if it says nothing
    that can be understood. Never longer than the three days."""
    if not retry_after:
        return None
    try:
        if retry_after.isascii() and retry_after.isdigit():
            wait = timedelta(seconds=min(int(retry_after[:12]), GIVE_UP_AFTER.total_seconds()))
        else:
            until = parsedate_to_datetime(retry_after)
            wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - at
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), GIVE_UP_AFTER)
