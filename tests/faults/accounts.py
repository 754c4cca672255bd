"""Settling accounts: what the doors were promised, what the database holds and what the sink received must agree."""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.hashchain import first_break
from app.tables import callback, delivery, delivery_attempt, event, handoff, help_request
from tests.faults.load import Load
from tests.faults.sink import Received, Sink
from tests.watching import digests as queued_digests
from tests.watching import fetch


@dataclass(frozen=True)
class Settled:
    """`again`: how many times more than once each message was taken, by webhook-id. `failed`: tries of which the
    service heard no 2xx, and said so in its own rows."""

    received: list[Received]
    again: Counter[str]
    failed: Counter[str]


def wait_until_delivered(url: str, within: float = 240) -> None:
    """Waits as long as deliveries go on arriving, and `within` seconds at most."""
    waiting = select(func.count().label("n")).where(delivery.c.status != "delivered")
    deadline = time.monotonic() + within
    while (pending := fetch(url, waiting)[0]["n"]) > 0:
        assert time.monotonic() < deadline, f"{pending} deliveries did not arrive"
        time.sleep(0.2)


def settle(url: str, load: Load, sink: Sink) -> Settled:
    """Nothing accepted is lost, nothing is applied twice, every duplicate has the same id and bytes."""
    _nothing_accepted_is_lost(url, load)
    _every_timeline_is_intact(url)
    _no_callback_is_applied_twice(url, load)
    received = sink.received()
    digests: dict[str, set[str]] = defaultdict(set)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for each in received:
        digests[each.id].add(each.digest)
        ids[each.handoff, each.type].add(each.id)
    stored = {each: digest.hex() for each, digest in queued_digests(url).items()}
    assert {each: {digest} for each, digest in stored.items()} == digests, "the bytes that were fixed when it was made"
    assert {len(each) for each in ids.values()} == {1}, "a handoff is dispatched under one id"
    taken = Counter(each.id for each in received if each.took)
    assert taken.keys() == stored.keys(), "each message was taken"
    not_heard = select(delivery_attempt.c.delivery_id).where(delivery_attempt.c.fault.is_not(None))
    failed = Counter(str(row["delivery_id"]) for row in fetch(url, not_heard))
    return Settled(received, Counter({each: times - 1 for each, times in taken.items() if times > 1}), failed)


def _nothing_accepted_is_lost(url: str, load: Load) -> None:
    promised = {receipt["request_id"] for receipt in load.receipts}
    assert len(promised) == len(load.receipts), "no door got another's receipt"
    assert {str(row["id"]) for row in fetch(url, select(help_request.c.id))} == promised, "none lost, none twice"
    handoffs = {each["handoff_id"]: each for receipt in load.receipts for each in receipt["handoffs"]}
    assert {str(row["id"]) for row in fetch(url, select(handoff.c.id))} == handoffs.keys()
    dispatched = {key for key, each in handoffs.items() if each["status"] == "dispatched"}
    told = select(delivery.c.handoff_id).where(delivery.c.type == "handoff.dispatched")
    assert {str(row["handoff_id"]) for row in fetch(url, told)} == dispatched


def _every_timeline_is_intact(url: str) -> None:
    heads = {row["id"]: row["head"] for row in fetch(url, select(help_request.c.id, help_request.c.head))}
    events: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for entry in fetch(url, select(event).order_by(event.c.request_id, event.c.sequence)):
        events[entry["request_id"]].append(entry)
    assert [key for key, head in heads.items() if first_break(events[key], head) is not None] == []


def _no_callback_is_applied_twice(url: str, load: Load) -> None:
    applied = Counter(str(row["handoff_id"]) for row in fetch(url, select(callback.c.handoff_id)))
    assert applied == Counter(load.reported)
    told = select(event.c.handoff_id).where(event.c.kind == "handoff.received")
    assert Counter(str(row["handoff_id"]) for row in fetch(url, told)) == Counter(load.reported)


def never_in_two_hands(received: list[Received]) -> None:
    """Of the tries of one message, each ended before the next began."""
    tries: dict[str, list[Received]] = defaultdict(list)
    for each in sorted(received, key=lambda one: one.began):
        tries[each.id].append(each)
    for of_one in tries.values():
        for first, second in itertools.pairwise(of_one):
            assert first.ended is not None
            assert first.ended <= second.began, "in two hands at one time"
