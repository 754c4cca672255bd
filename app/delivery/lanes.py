"""Who is served next: most of the room for the most urgent lane, some for every other, none ever starves; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import NamedTuple

_SHARE = 8


class Priority(IntEnum):
    """The lanes of the queue; lower is sent first. `BULK` is what is sent again on request, thousands at a time."""

    EMERGENCY = 0
    URGED = 1
    ORDINARY = 2
    BULK = 3


class Wanted(NamedTuple):
    """Up to `most` messages of one receiver in one lane."""

    lane: Priority
    receiver: str
    most: int


def shares(room: int, lanes: Iterable[Priority]) -> dict[Priority, int]:
    """How much of `room` each of the lanes that have something due may take.

    Every lane but the most urgent keeps an eighth, at least one, of what is there; the most urgent takes the rest.
    """
    first, *others = sorted(lanes)
    kept = dict.fromkeys(others, max(room // _SHARE, 1))
    return {first: max(room - sum(kept.values()), 1), **kept}


def choose(
    room: int, due: Iterable[tuple[Priority, str]], allowance: Callable[[str, Priority], int], reserve: int
) -> list[Wanted]:
    """Divide `room` over the receivers that have something due, evenly within a lane.

    `allowance` says how many more a receiver may be sent now. Emergencies may take `reserve` beyond the room.
    """
    open_: dict[Priority, dict[str, int]] = {}
    for lane, receiver in due:
        if (may := allowance(receiver, lane)) > 0:
            open_.setdefault(lane, {})[receiver] = may
    wanted = []
    if urgent := open_.pop(Priority.EMERGENCY, None):
        wanted = _divided(Priority.EMERGENCY, room + reserve, urgent)
        room -= sum(each.most for each in wanted)
    if open_ and room > 0:
        for lane, share in shares(room, open_).items():
            wanted += _divided(lane, share, open_[lane])
    return wanted


def _divided(lane: Priority, share: int, receivers: dict[str, int]) -> list[Wanted]:
    each = max(share // len(receivers), 1)
    return [Wanted(lane, receiver, min(may, each)) for receiver, may in list(receivers.items())[: max(share, 0)]]
