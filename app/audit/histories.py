"""One request's history held against its chain, its head, and the leaves that roots hold of it; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from app.audit.faults import Fault
from app.hashchain import ERASURE, GENESIS, event_hash, is_erased

# An event bears the time at which its call began; it may have been stored somewhat later.
LATE = timedelta(hours=1)
Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class History:
    """`request` is None if there is no such row; `leaves` are those of signed roots, by day."""

    id: UUID
    request: Row | None
    events: Sequence[Row]
    leaves: Sequence[Row]


def faults_of(history: History, newest: Row | None, spoilt: Collection[date]) -> list[Fault]:
    """`newest` is the last root, `spoilt` are the days whose leaves do not give their root."""
    if history.request is None:
        day = history.leaves[-1]["day"] if history.leaves else None
        found = [Fault("request_removed", day=day)]
    else:
        found = list(_of_chain(history.request, history.events))
        found += _of_roots(history.request, history.events, history.leaves, newest, spoilt, chain_holds=not found)
        found += _of_erasure(history.request, history.events) or _of_person(
            history.request, history.events, chain_holds=not found
        )
    number = history.request["receipt_number"] if history.request else None
    number = number or (history.leaves[-1]["receipt_number"] if history.leaves else None)
    return [each._replace(request_id=history.id, receipt_number=number) for each in found]


def _of_chain(request: Row, events: Sequence[Row]) -> Iterator[Fault]:
    links = _Links(events)
    yield from links.faults()
    last = events[-1]["sequence"] if events else 0
    if last < request["events"]:
        yield Fault("event_removed", sequence=last + 1, last=request["events"])
    elif last > request["events"]:
        yield Fault("event_added", sequence=request["events"] + 1, last=last)
    elif events and links.previous != request["head"]:
        yield Fault("head_changed", sequence=last)


def _of_erasure(request: Row, events: Sequence[Row]) -> list[Fault]:
    """What is erased of it, and that its chain says so, go together."""
    said = [each["sequence"] for each in events if each["kind"] == ERASURE]
    is_gone = request["erased_at"] is not None, request["data_key"] is None
    if said and not all(is_gone):
        return [Fault("erasure_undone", sequence=said[-1])]
    if not said and any(is_gone):
        return [Fault("erased_unsaid")]
    if not said and (marked := [e["sequence"] for e in events if e["sealed"] and is_erased(e["sealed"])]):
        return [Fault("note_erased_unsaid", sequence=marked[0], last=marked[-1])]
    return []


def _of_person(request: Row, events: Sequence[Row], *, chain_holds: bool) -> list[Fault]:
    """Its sealed form is the one that an event named last; of an erased one there is none."""
    if request["erased_at"] is not None:
        return [Fault("person_kept")] if request["sealed"] else []
    named = [each for each in events if each["person"] is not None]
    if not named:
        return [Fault("person_changed", sequence=1)] if chain_holds else []
    is_same = hashlib.sha256(request["sealed"]).digest() == named[-1]["person"]
    return [] if is_same else [Fault("person_changed", sequence=named[-1]["sequence"])]


class _Links:
    """The events in their order, each held against the hash before it. After a fault the rest is held against what
    stands there, so that one change is one fault."""

    def __init__(self, events: Sequence[Row]) -> None:
        self.previous = GENESIS
        self._events = events
        self._before: list[bytes] = [GENESIS]  # the hash before each place so far, and after the last
        self._shift = 0  # by how much later an event was numbered when it was written

    def faults(self) -> Iterator[Fault]:
        expected = 1
        for place, entry in enumerate(self._events):
            sequence = entry["sequence"]
            if sequence != expected:
                yield Fault("event_removed", sequence=expected, last=sequence - 1)
            elif not self._fits(self.previous, entry):
                yield from self._why(place, entry)
                expected = sequence + 1
                continue
            self._go_on(entry["hash"])
            expected = sequence + 1

    def _fits(self, previous: bytes, entry: Row, written_as: int | None = None) -> bool:
        written_as = entry["sequence"] + self._shift if written_as is None else written_as
        return bool(event_hash(previous, {**entry, "sequence": written_as}) == entry["hash"])

    def _go_on(self, hashed: bytes) -> None:
        self.previous = hashed
        self._before.append(hashed)

    def _why(self, place: int, entry: Row) -> Iterator[Fault]:
        sequence = entry["sequence"]
        for other in self._events:  # what belongs here, and stands elsewhere
            if other is not entry and self._fits(self.previous, other, sequence + self._shift):
                yield Fault("event_reordered", sequence=sequence, other=other["sequence"])
                self._go_on(other["hash"])
                return
        for back in range(place - 1, -1, -1):  # it followed an earlier one: what stands between came later
            between = place - back
            if self._fits(self._before[back], entry, sequence + self._shift - between):
                yield Fault("event_added", sequence=sequence - between, last=sequence - 1)
                self._shift -= between
                self._go_on(entry["hash"])
                return
        following = self._events[place + 1] if place + 1 < len(self._events) else None
        if following is not None and not self._fits(entry["hash"], following):
            for gone in range(1, 10):  # numbered anew after some were taken out
                if self._fits(entry["hash"], following, following["sequence"] + self._shift + gone):
                    yield Fault("event_removed", sequence=sequence, last=sequence + gone - 1)
                    self._shift += gone
                    self._go_on(entry["hash"])
                    return
        yield Fault("event_changed", sequence=sequence)
        self._go_on(entry["hash"])


def _of_roots(
    request: Row,
    events: Sequence[Row],
    leaves: Sequence[Row],
    newest: Row | None,
    spoilt: Collection[date],
    *,
    chain_holds: bool,
) -> Iterator[Fault]:
    hashes = {each["sequence"]: each["hash"] for each in events}
    last = len(events)
    if chain_holds and leaves and leaves[-1]["events"] > last and leaves[-1]["day"] not in spoilt:
        yield Fault("event_removed", sequence=last + 1, last=leaves[-1]["events"], day=leaves[-1]["day"])
    for leaf in leaves:
        day, covered = leaf["day"], leaf["events"]
        is_other = chain_holds and covered <= last and hashes.get(covered) != leaf["head"]
        other_number = leaf["receipt_number"] != request["receipt_number"]
        if day in spoilt and (is_other or other_number or covered > last):
            yield Fault("leaf_changed", day=day)
        elif other_number:
            yield Fault("receipt_changed", day=day)
        elif is_other:
            yield Fault("history_rewritten", sequence=covered, day=day)
        else:
            continue
        break  # the first says all
    if newest is None:
        return
    anchored = leaves[-1]["events"] if leaves else 0
    old = [e["sequence"] for e in events if e["sequence"] > anchored and e["at"] < newest["as_of"] - LATE]
    if old and chain_holds:
        yield Fault("not_in_root", sequence=min(old), last=max(old), day=newest["day"])
