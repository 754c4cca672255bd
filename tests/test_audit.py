"""The audit: what is done to the rows behind the service's back is found and named; a receipt can be checked by anybody."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, text, update

from app import forgetting
from app.audit import receipts, roots, verifying
from app.audit.faults import _SENTENCES, Fault
from app.audit.statements import Published, Signer, pem_of, statement_of_row
from app.audit.verifying import Verified
from app.db import Database
from app.handoffs import SYSTEM
from app.hashchain import GENESIS, erased, event_hash
from app.identifiers import first_id, new_id, now
from app.registry import Registry
from app.routing.rules import local_day
from app.sealing import PERSON
from app.tables import audit_key, audit_leaf, audit_piece, audit_root, event, handoff, help_request, metadata
from app.timeline import Case
from tests import serving
from tests.commands import one_window_here
from tests.county import EDUCATION, County, Seen
from tests.examples import PERSONAL, a_request_in_full
from tests.plans import plan_on
from tests.test_sealing import opened_vault
from tests.watching import change, fetch, on, until

SIGNER, OTHER = Signer(b"\x01" * 32), Signer(b"\x02" * 32)
FIRST_DAY, SECOND_DAY = date(2026, 11, 20), date(2026, 11, 21)
Row = dict[str, Any]


@dataclass
class World:
    """Three requests. Of the first two there is a leaf in the root of the first day; the first has changed since and the
    third is new: both are in the second root. What the first was told last is in none."""

    url: str
    county: County
    asked: list[Seen]

    def id(self, number: int = 0) -> UUID:
        return UUID(self.asked[number]["request_id"])

    def events(self, number: int = 0) -> list[Row]:
        return fetch(self.url, select(event).where(event.c.request_id == self.id(number)).order_by(event.c.sequence))

    def of(self, sequence: int, number: int = 0) -> Any:
        return (event.c.request_id == self.id(number)) & (event.c.sequence == sequence)

    def erase(self) -> None:
        """The first request, now: neither its period nor what is under way stands in the way."""

        async def work(database: Database) -> None:
            snapshot = await Registry(database, 60).current()
            async with database.writing() as connection:
                (case,) = await forgetting.load_shut(connection, [self.id()])
                case.request["closed_at"] = case.request["closed_at"] or now()
                await forgetting.forget(connection, case, snapshot, now(), SYSTEM, {"why": "demand"})

        on(self.url, work)

    def anchored(self, number: int = 0) -> int:
        """So many events of a request are in roots."""
        (found,) = fetch(
            self.url, select(func.max(audit_leaf.c.events).label("n")).where(audit_leaf.c.request_id == self.id(number))
        )
        return int(found["n"])

    def found(self, *keys: bytes, **options: Any) -> list[tuple[str, int | None]]:
        """What is wrong with the first request, and where; and that nothing is with the others."""
        named = verified(self.url, *keys, **options).faults
        assert {each.request_id for each in named} <= {self.id(), None}
        assert {each.receipt_number for each in named if each.request_id} <= {self.asked[0]["receipt_number"]}
        return [(each.code, each.sequence) for each in named]


def make(url: str, day: date, signer: Signer = SIGNER, at: datetime | None = None) -> None:
    async def work(database: Database) -> None:
        assert await roots.make(database, signer, day, at or now())

    on(url, work)


def verified(url: str, *keys: bytes, **options: Any) -> Verified:
    return on(url, lambda database: verifying.verify(database, keys or [SIGNER.public_key], **options))


def published(url: str) -> list[Published]:
    rows = fetch(url, select(audit_root).order_by(audit_root.c.day))
    return [Published(row["day"], statement_of_row(row), row["signature"]) for row in rows]


@pytest.fixture
def world(county: County) -> World:
    url = county.running.url
    asked = [county.ask("education_aid"), county.ask("education_aid")]
    county.told(county.handoff(asked[0], EDUCATION), "received")
    make(url, FIRST_DAY)
    asked.append(county.ask("education_aid"))
    county.told(county.handoff(asked[0], EDUCATION), "accepted", note="在办")
    make(url, SECOND_DAY)
    county.told(county.handoff(asked[0], EDUCATION), "completed", outcome="granted")
    return World(url, county, asked)


def renumbered(world: World, shift: int, after: int) -> None:
    """Move the numbers of the events after one, in an order in which none meets another."""
    later = [row["sequence"] for row in world.events() if row["sequence"] > after]
    for sequence in sorted(later, reverse=shift > 0):
        change(world.url, update(event).where(world.of(sequence)).values(sequence=sequence + shift))


def chained_anew(world: World, events: Sequence[Row]) -> None:
    """Write a request's events and head as if they had always been so."""
    previous = GENESIS
    rows = []
    for sequence, row in enumerate(events, start=1):
        rows.append({**row, "sequence": sequence})
        previous = rows[-1]["hash"] = event_hash(previous, rows[-1])
    heads = update(help_request).where(help_request.c.id == world.id()).values(events=len(rows), head=previous)
    change(world.url, delete(event).where(event.c.request_id == world.id()), heads)
    for row in rows:
        change(world.url, insert(event).values(row))


def test_a_history_that_nobody_touched_holds(world: World) -> None:
    found = verified(world.url)
    assert found.faults == []
    assert (found.roots, found.requests, found.newest) == (2, 3, SECOND_DAY)
    assert found.events == sum(len(world.events(number)) for number in range(3))
    assert found.by_chain_alone == len(world.events()) - world.anchored() > 0
    assert found.keys_given


def test_a_root_holds_what_changed_since_the_one_before_and_nothing_else(world: World) -> None:
    leaves = fetch(world.url, select(audit_leaf).order_by(audit_leaf.c.day, audit_leaf.c.request_id))
    assert [(row["day"], row["request_id"]) for row in leaves] == [
        *((FIRST_DAY, world.id(number)) for number in (0, 1)),
        *((SECOND_DAY, world.id(number)) for number in (0, 2)),
    ]
    flags = fetch(world.url, select(help_request.c.id).where(help_request.c.unanchored))
    assert [row["id"] for row in flags] == [world.id()], "what came after the last root waits for the next"
    make(world.url, SECOND_DAY + timedelta(days=1))
    assert verified(world.url).by_chain_alone == 0
    make(world.url, SECOND_DAY + timedelta(days=2))
    assert len(fetch(world.url, select(audit_leaf))) == 5, "nothing has changed: a root without leaves"
    assert verified(world.url).faults == []


CHANGES: list[Row] = [
    {"kind": "handoff.urged"},
    {"actor": "agency:somebody-else"},
    {"at": datetime(2026, 1, 1, tzinfo=UTC)},
    {"handoff_id": new_id()},
    {"data": {"to": "closed"}},
    {"sealed": b"\x01 another note"},
    {"hash": b"x" * 32},
]


@pytest.mark.parametrize("sequence", [1, 3, -1])
def test_an_event_that_was_changed_is_named(world: World, sequence: int) -> None:
    rows = world.events()
    row = rows[sequence - 1 if sequence > 0 else -1]
    here = world.of(row["sequence"])
    for values in CHANGES:
        change(world.url, update(event).where(here).values(values))
        assert world.found()[0] == ("event_changed", row["sequence"]), values
        if "hash" not in values:
            assert len(world.found()) == 1
        change(world.url, update(event).where(here).values({name: row[name] for name in values}))
    assert world.found() == []


def test_a_sealed_part_that_was_taken_away_is_a_change_and_so_is_one_that_nobody_erased(world: World) -> None:
    (noted,) = [row for row in world.events() if row["sealed"] is not None][:1]
    here = world.of(noted["sequence"])
    change(world.url, update(event).where(here).values(sealed=None))
    assert world.found() == [("event_changed", noted["sequence"])]
    change(world.url, update(event).where(here).values(sealed=erased(noted["sealed"])))
    assert world.found() == [("note_erased_unsaid", noted["sequence"])]
    assert erased(erased(noted["sealed"])) == erased(noted["sealed"])
    assert noted["sealed"][1:] not in erased(noted["sealed"])
    change(world.url, update(event).where(here).values(sealed=erased(b"something else")))
    assert world.found()[0] == ("event_changed", noted["sequence"])


def test_who_is_marked_as_erased_without_the_event_is_named(world: World) -> None:
    here = help_request.c.id == world.id()
    (row,) = fetch(world.url, select(help_request).where(here))
    for values in ({"erased_at": now()}, {"data_key": None}, {"erased_at": now(), "data_key": None}):
        change(world.url, update(help_request).where(here).values(values))
        assert world.found() == [("erased_unsaid", None)], values
        change(world.url, update(help_request).where(here).values({name: row[name] for name in values}))
    assert world.found() == []


def test_who_was_erased_holds_until_somebody_takes_that_back(world: World) -> None:
    here = help_request.c.id == world.id()
    (before,) = fetch(world.url, select(help_request).where(here))
    world.erase()
    found = verified(world.url)
    assert (found.faults, found.erased > 0) == ([], True)
    said = world.events()[-1]["sequence"]
    change(world.url, update(help_request).where(here).values(sealed=before["sealed"]))
    assert world.found() == [("person_kept", None)]
    change(world.url, update(help_request).where(here).values(sealed=b""))
    for values in ({"erased_at": None}, {"data_key": before["data_key"]}):
        (row,) = fetch(world.url, select(help_request).where(here))
        change(world.url, update(help_request).where(here).values(values))
        assert world.found() == [("erasure_undone", said)], values
        change(world.url, update(help_request).where(here).values({name: row[name] for name in values}))


def test_an_older_form_of_the_person_that_was_put_back_is_named(world: World) -> None:
    """Such as one in which a consent had not been withdrawn yet."""
    here = help_request.c.id == world.id()
    consents = f"/v1/requests/{world.id()}/consents"
    (before,) = fetch(world.url, select(help_request.c.sealed).where(here))
    world.county.coordinator.post(f"{consents}/1/withdraw", json={}).raise_for_status()
    assert world.found() == []
    (named,) = [row["sequence"] for row in world.events() if row["kind"] == "consent.withdrawn"]
    change(world.url, update(help_request).where(here).values(sealed=before["sealed"]))
    assert world.county.coordinator.get(consents).json()["consents"][0]["withdrawn_at"] is None
    assert world.found() == [("person_changed", named)]


def test_what_is_sealed_of_another_person_is_named_too(world: World) -> None:
    rows = fetch(world.url, select(help_request.c.id, help_request.c.sealed))
    other = next(row["sealed"] for row in rows if row["id"] != world.id())
    change(world.url, update(help_request).where(help_request.c.id == world.id()).values(sealed=other))
    assert world.found() == [("person_changed", 1)]


def test_an_amendment_that_no_event_tells_of_is_not_stored() -> None:
    vault = opened_vault()
    request_id = new_id()
    box, _ = vault.new_box(request_id.bytes)
    kept = {"id": request_id, "events": 1, "head": GENESIS, "sealed": box.seal({"consents": []}, PERSON)}
    case = Case(kept, [], is_new=False, box=box)
    case.amend({"consents": [1]})
    with pytest.raises(RuntimeError, match="no event says so"):
        case.finish()


def test_an_event_whose_hash_was_made_anew_shows_at_the_next(world: World) -> None:
    rows = world.events()
    new = {**rows[2], "kind": "handoff.urged"}
    hashed = event_hash(rows[1]["hash"], new)
    change(world.url, update(event).where(world.of(3)).values(kind=new["kind"], hash=hashed))
    assert world.found() == [("event_changed", 4)]


@pytest.mark.parametrize("sequence", [1, 3, -1])
def test_an_event_that_was_removed_is_named(world: World, sequence: int) -> None:
    sequence = sequence if sequence > 0 else len(world.events())
    change(world.url, delete(event).where(world.of(sequence)))
    assert world.found() == [("event_removed", sequence)]


@pytest.mark.parametrize("sequence", [1, 3])
def test_a_removed_event_is_named_though_the_others_were_numbered_anew(world: World, sequence: int) -> None:
    change(world.url, delete(event).where(world.of(sequence)))
    renumbered(world, -1, sequence)
    change(world.url, update(help_request).values(events=help_request.c.events - 1).where(_is(world)))
    assert world.found() == [("event_removed", sequence)]


def test_last_events_that_were_cut_off_with_the_head_are_named_by_the_root(world: World) -> None:
    anchored, rows = world.anchored(), world.events()
    cut = delete(event).where(event.c.request_id == world.id(), event.c.sequence > anchored - 2)
    head = update(help_request).where(_is(world)).values(events=anchored - 2, head=rows[anchored - 3]["hash"])
    change(world.url, cut, head)
    (fault,) = verified(world.url).faults
    assert (fault.code, fault.sequence, fault.last, fault.day) == (
        "event_removed",
        anchored - 1,
        anchored,
        SECOND_DAY,
    )


def test_all_events_of_a_request_that_were_removed_are_named(world: World) -> None:
    stood = len(world.events())
    change(world.url, delete(event).where(event.c.request_id == world.id()))
    (fault,) = verified(world.url).faults
    assert (fault.code, fault.sequence, fault.last) == ("event_removed", 1, stood)


def test_a_whole_request_that_was_removed_is_named(world: World) -> None:
    remove_request(world)
    reading_lost, fault = verified(world.url).faults
    assert reading_lost.code.startswith("reading"), "who had read it is missed, too"
    assert (fault.code, fault.request_id, fault.day) == ("request_removed", world.id(), SECOND_DAY)
    assert fault.receipt_number == world.asked[0]["receipt_number"]
    change(world.url, delete(audit_leaf).where(audit_leaf.c.request_id == world.id()))
    named = [each for each in verified(world.url).faults if each.chain is None]
    assert [(each.code, each.day) for each in named] == [("leaves_differ", FIRST_DAY), ("leaves_differ", SECOND_DAY)]


def remove_request(world: World) -> None:
    """With all that hangs on it, leaf tables left alone."""
    of_request = select(handoff.c.id).where(handoff.c.request_id == world.id())
    for table in reversed(metadata.sorted_tables):
        if table.name.startswith("audit_"):
            continue
        if "request_id" in table.c and table is not handoff:
            change(world.url, delete(table).where(table.c.request_id == world.id()))
        elif "handoff_id" in table.c:
            change(world.url, delete(table).where(table.c.handoff_id.in_(of_request)))
    change(world.url, delete(handoff).where(handoff.c.request_id == world.id()), delete(help_request).where(_is(world)))


def _is(world: World) -> Any:
    return help_request.c.id == world.id()


def _another(world: World, **changes: Any) -> Row:
    """An event that follows the last one, with a right hash."""
    last = world.events()[-1]
    made = {**last, "sequence": last["sequence"] + 1, "kind": "handoff.urged", **changes}
    return {**made, "hash": event_hash(last["hash"], made)}


def test_an_event_that_was_added_at_the_end_with_a_right_hash_is_named(world: World) -> None:
    added = _another(world)
    change(world.url, insert(event).values(added))
    assert world.found() == [("event_added", added["sequence"])]


def test_one_that_was_added_with_the_head_too_is_named_if_it_is_said_to_be_older_than_the_last_root(
    world: World,
) -> None:
    """One that claims to be of today can't be told from one that the service wrote: it is in the next root."""
    added = _another(world, at=now() - timedelta(days=3))
    head = update(help_request).where(_is(world)).values(events=added["sequence"], head=added["hash"])
    change(world.url, insert(event).values(added), head)
    assert world.found() == [("not_in_root", added["sequence"])]


def test_an_event_that_was_put_in_between_is_named(world: World) -> None:
    rows = world.events()
    renumbered(world, 1, 2)
    new = {**rows[2], "kind": "handoff.urged"}
    change(world.url, insert(event).values({**new, "hash": event_hash(rows[1]["hash"], new)}))
    change(world.url, update(help_request).values(events=help_request.c.events + 1).where(_is(world)))
    assert world.found() == [("event_added", 3)]


def test_a_whole_request_that_was_added_with_an_old_date_is_named(world: World) -> None:
    (copied,) = fetch(world.url, select(help_request).where(_is(world)))
    (first,) = world.events()[:1]
    old = UUID(int=copied["id"].int - (10**9 << 80))
    made = {**first, "request_id": old, "at": first["at"] - timedelta(days=10)}
    made["hash"] = event_hash(GENESIS, made)
    fresh = {"id": old, "receipt_number": "100000000013", "tracking_hash": bytes(32), "events": 1}
    row = {**copied, **fresh, "head": made["hash"], "unanchored": False}
    change(world.url, insert(help_request).values(row), insert(event).values(made))
    (fault,) = verified(world.url).faults
    assert (fault.code, fault.request_id, fault.sequence) == ("not_in_root", old, 1)


def test_two_events_in_each_others_place_are_named(world: World) -> None:
    for sequence, other in ((2, 99), (3, 2), (99, 3)):
        change(world.url, update(event).where(world.of(sequence)).values(sequence=other))
    named = verified(world.url).faults
    assert [(each.code, each.sequence, each.other) for each in named] == [
        ("event_reordered", 2, 3),
        ("event_reordered", 3, 2),
    ]


def test_another_head_is_named(world: World) -> None:
    change(world.url, update(help_request).where(_is(world)).values(head=b"x" * 32))
    assert world.found() == [("head_changed", len(world.events()))]


def test_another_receipt_number_is_named(world: World) -> None:
    change(world.url, update(help_request).where(_is(world)).values(receipt_number="100000000013"))
    (fault,) = verified(world.url).faults
    assert (fault.code, fault.day) == ("receipt_changed", FIRST_DAY)


def test_a_chain_that_was_made_anew_with_its_head_is_named_by_the_root(world: World) -> None:
    rows = world.events()
    chained_anew(world, [{**rows[0], "actor": "key:somebody"}, *rows[1:]])
    (fault,) = verified(world.url).faults
    assert (fault.code, fault.day) == ("history_rewritten", FIRST_DAY)


def test_what_was_made_anew_after_the_last_root_only_shows_nowhere_and_is_counted_as_such(world: World) -> None:
    rows = world.events()
    chained_anew(world, [*rows[:-1], {**rows[-1], "actor": "key:somebody"}])
    found = verified(world.url)
    assert found.faults == []
    assert found.by_chain_alone > 0


def test_a_leaf_that_was_changed_removed_or_added_is_named(world: World) -> None:
    here = (audit_leaf.c.request_id == world.id()) & (audit_leaf.c.day == SECOND_DAY)
    (kept,) = fetch(world.url, select(audit_leaf).where(here))
    change(world.url, update(audit_leaf).where(here).values(head=b"x" * 32))
    assert world.found() == [("leaves_differ", None), ("leaf_changed", None)]
    change(world.url, delete(audit_leaf).where(here))
    assert world.found() == [("leaves_differ", None)]
    # Later, when its events are old: it is said whose leaf is missing.
    change(world.url, update(audit_root).where(audit_root.c.day == SECOND_DAY).values(as_of=now() + timedelta(hours=2)))
    assert ("not_in_root", kept["events"] - 1) in world.found() or ("not_in_root", kept["events"]) in world.found()


def test_inner_hashes_that_were_changed_are_named(world: World) -> None:
    change(world.url, update(audit_piece).where(audit_piece.c.day == FIRST_DAY).values(hash=b"x" * 32))
    assert world.found() == [("pieces_differ", None)]


def test_a_root_that_was_changed_is_named(world: World) -> None:
    first = audit_root.c.day == FIRST_DAY
    for values in ({"root": b"x" * 32}, {"as_of": now() - timedelta(days=9)}, {"signature": b"x" * 64}):
        (kept,) = fetch(world.url, select(audit_root).where(first))
        change(world.url, update(audit_root).where(first).values(values))
        codes = [code for code, _ in world.found()]
        assert codes[0] == "signature_wrong"
        assert ("root_order" in codes) is ("signature" not in values), "the next root names the statement"
        change(world.url, update(audit_root).where(first).values({name: kept[name] for name in values}))
    change(world.url, update(audit_root).where(first).values(salt=b"x" * 32))
    assert world.found() == [("leaves_differ", None)]


def test_a_root_that_was_removed_is_named(world: World) -> None:
    kept = published(world.url)
    change(world.url, delete(audit_root).where(audit_root.c.day == FIRST_DAY))
    assert world.found() == [("root_order", None)]
    change(world.url, delete(audit_root))
    assert world.found() == [], "without any root the chains are all there is"
    assert world.found(published=kept) == [("root_missing", None)] * 2


def test_a_root_that_somebody_else_signed_is_named(world: World) -> None:
    (row,) = fetch(world.url, select(audit_root).where(audit_root.c.day == SECOND_DAY))
    signed = {**row, "key_id": OTHER.key_id}
    values = {"key_id": OTHER.key_id, "signature": OTHER.sign(statement_of_row(signed))}
    change(
        world.url,
        update(audit_root).where(audit_root.c.day == SECOND_DAY).values(values),
        insert(audit_key).values(id=OTHER.key_id, public_key=OTHER.public_key, first_used_at=now()),
    )
    assert world.found() == [("key_unknown", None)]
    assert world.found(SIGNER.public_key, OTHER.public_key) == []
    found = on(world.url, lambda database: verifying.verify(database, []))
    assert (found.faults, found.keys_given) == ([], False), "the database's own keys prove nothing against its owner"


def test_a_database_that_was_rewritten_whole_shows_against_roots_that_were_published(world: World) -> None:
    kept = published(world.url)
    assert world.found(published=kept) == []
    rows = world.events()
    chained_anew(world, [{**rows[0], "actor": "key:somebody"}, *rows[1:]])
    for table in (audit_root, audit_leaf, audit_piece):
        change(world.url, delete(table))
    change(world.url, update(help_request).values(unanchored=True))
    make(world.url, FIRST_DAY)
    make(world.url, SECOND_DAY)
    assert world.found() == [], "whoever holds the key can make everything anew"
    assert world.found(published=kept) == [("root_rewritten", None)] * 2
    forged = [Published(each.day, each.statement, b"x" * 64) for each in published(world.url)]
    assert world.found(published=forged) == [("publication_wrong", None)] * 2


def test_since_a_day_only_what_belongs_to_it_is_walked(world: World) -> None:
    change(world.url, update(event).where(world.of(2, number=1)).values(kind="handoff.urged"))
    assert [each.request_id for each in verified(world.url).faults] == [world.id(1)]
    found = verified(world.url, since=SECOND_DAY)
    assert (found.requests, found.faults) == (2, []), "the second request is in the first root only"
    change(world.url, update(event).where(world.of(2)).values(kind="handoff.urged"))
    assert [each.request_id for each in verified(world.url, since=SECOND_DAY).faults] == [world.id()]


def test_every_fault_is_told_in_both_languages() -> None:
    for code in _SENTENCES:
        fault = Fault(code, new_id(), "100000000013", 3, 5, FIRST_DAY, 7, new_id())
        assert "求助事项" in fault.line("zh")
        assert fault.line("en").startswith("request ")
        assert "None" not in fault.line("zh") + fault.line("en")
        assert fault.text().zh != fault.text().en


# ---- making roots ----


def test_many_workers_at_once_make_one_root(county: County) -> None:
    for _ in range(7):
        county.ask("education_aid")
    change(county.running.url, update(help_request).values(unanchored=True))

    async def work(database: Database) -> None:
        others = [Database(serving.settings_for(county.running.url)) for _ in range(3)]
        try:
            everybody = [database, *others]
            await asyncio.gather(*(roots.make(each, SIGNER, FIRST_DAY, now()) for each in everybody))
        finally:
            for each in others:
                await each.close()

    on(county.running.url, work)
    (root,) = fetch(county.running.url, select(audit_root))
    assert (root["leaves"], root["day"]) == (7, FIRST_DAY)
    found = verified(county.running.url)
    assert (found.faults, found.by_chain_alone) == ([], 0)


@pytest.mark.parametrize("after", ["_begun", "_gather"])
def test_a_root_that_a_dead_worker_left_is_finished_by_the_next(
    county: County, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies after that step, with some leaves put down."""
    url = county.running.url
    county.ask("education_aid")
    step = getattr(roots, after)

    class PowerCutError(Exception):
        pass

    async def dies(*arguments: Any) -> None:
        await step(*arguments)
        raise PowerCutError

    with monkeypatch.context() as patched:
        patched.setattr(roots, after, dies)
        with pytest.raises(PowerCutError):
            make(url, FIRST_DAY)
    (left,) = fetch(url, select(audit_root))
    assert left["signature"] is None
    assert verified(url).roots == 0
    county.ask("education_aid")
    make(url, SECOND_DAY)
    assert [row["day"] for row in fetch(url, select(audit_root).order_by(audit_root.c.day))] == [FIRST_DAY, SECOND_DAY]
    found = verified(url)
    assert (found.faults, found.by_chain_alone, found.roots) == ([], 0, 2)


def test_a_root_is_made_once_and_none_before_another(world: World) -> None:
    before = published(world.url)
    for day in (SECOND_DAY, FIRST_DAY, FIRST_DAY - timedelta(days=3)):
        make(world.url, day)
    assert published(world.url) == before


def test_a_day_of_many_pieces_holds_and_every_leaf_has_its_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("app.audit.roots", "app.audit.inclusion"):
        monkeypatch.setattr(f"{module}.PIECE", 4)
    monkeypatch.setattr("app.audit.roots.BATCH", 3)
    asked = [world.county.ask("education_aid") for _ in range(19)]
    make(world.url, SECOND_DAY + timedelta(days=1))
    found = verified(world.url)
    assert (found.faults, found.by_chain_alone) == ([], 0)
    for receipt in asked:
        assert receipts.wrong_with(inclusion(world, receipt), [SIGNER.public_key]) is None


def test_the_worker_makes_the_root_of_yesterday(run_service: Callable[..., Any], database_url: str) -> None:
    run_service(embedded_worker=True, audit_key="01" * 32)
    until(lambda: verified(database_url).roots, what="the root")
    (root,) = fetch(database_url, select(audit_root))
    today = local_day(now())
    assert root["day"] in (today - timedelta(days=1), today - timedelta(days=2))
    assert root["key_id"] == SIGNER.key_id
    assert verified(database_url).faults == []


def test_what_has_changed_and_what_is_new_are_found_by_an_index(world: World, backend: str) -> None:
    """By the plans, with five thousand requests of which one has changed and some hundred are new."""
    (template,) = fetch(world.url, select(help_request).where(_is(world)))
    at = now()

    async def work(database: Database) -> list[str]:
        async with database.writing() as connection:
            many = []
            for number in range(5000):
                one = first_id(at - timedelta(minutes=5000 - number))
                fresh = {"id": one, "receipt_number": f"{number:012}", "tracking_hash": one.bytes * 2}
                many.append({**template, **fresh, "unanchored": False})
            await connection.execute(insert(help_request), many)
            leaf = {"day": FIRST_DAY, "events": 1, "head": bytes(32)}
            leaves = [{**leaf, "request_id": row["id"], "receipt_number": row["receipt_number"]} for row in many]
            await connection.execute(insert(audit_leaf), leaves[:4900])
            await connection.execute(text("ANALYZE"))
        async with database.reading() as connection:
            since, before = first_id(at - timedelta(minutes=300)), first_id(at)
            asked = (
                select(help_request.c.id).where(help_request.c.unanchored).order_by(help_request.c.id).limit(250),
                roots.new_ones(since, before, 250),
            )
            return [await plan_on(connection, each) for each in asked]

    changed, new = on(world.url, work)
    assert "ix_help_request_unanchored" in changed
    for plan in (changed, new):
        assert not re.search(r"\bSCAN (help_request|audit_leaf)$|Seq Scan", plan, re.MULTILINE), plan
    assert re.search(r"pk_help_request|sqlite_autoindex_help_request_1 \(id>", new), new
    assert "audit_leaf" in new


# ---- what anybody may ask ----


def inclusion(world: World, receipt: Seen) -> Seen:
    answer = world.county.nobody.get(f"/v1/track/{receipt['tracking_token']}/inclusion")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: Seen = answer.json()
    return found


def test_a_receipt_is_checked_by_anybody_with_nothing_but_the_public_key(world: World) -> None:
    for receipt, day in zip(world.asked, (SECOND_DAY, FIRST_DAY, SECOND_DAY), strict=True):
        found = inclusion(world, receipt)
        assert found["receipt_number"] == receipt["receipt_number"]
        assert found["proof"]["root"]["day"] == day.isoformat()
        assert receipts.wrong_with(found, [SIGNER.public_key]) is None
        assert receipts.wrong_with(found, [SIGNER.public_key], {e.statement for e in published(world.url)}) is None
        assert receipts.wrong_with(found, [SIGNER.public_key], {b"another"}) is not None
        assert receipts.wrong_with(found, [OTHER.public_key]) is not None
    assert inclusion(world, world.asked[0])["events"] > inclusion(world, world.asked[0])["proof"]["events"]


def test_the_lines_of_the_auditors_page_check_it_without_anything_of_ours(world: World, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "auditing.md").read_text("utf-8")
    (lines,) = re.findall(r"<!-- an outsider -->\n```python\n(.*?)```", page, re.DOTALL)
    assert lines.count("\n") <= 30
    receipt, key = tmp_path / "receipt.json", tmp_path / "key.pem"
    key.write_text(pem_of(SIGNER.public_key))
    found = inclusion(world, world.asked[0])

    def outsider() -> subprocess.CompletedProcess[str]:
        receipt.write_text(json.dumps(found))
        call = [sys.executable, "-I", "-c", lines, str(receipt), str(key)]
        return subprocess.run(call, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    good = outsider()
    assert f"its first {found['proof']['events']} events are in the root of {SECOND_DAY}" in good.stdout, good.stderr
    found["proof"]["path"][0]["hash"] = "00" * 32
    assert outsider().returncode != 0


def test_the_example_of_the_document_is_a_proof_that_holds() -> None:
    examples = json.loads((Path(receipts.__file__).parents[1] / "api" / "examples.json").read_text("utf-8"))
    assert receipts.wrong_with(examples["Inclusion"], receipts.key_within(examples["Inclusion"])) is None
    assert examples["AuditKeys"]["keys"][0]["key_id"] == examples["AuditRoot"]["key_id"]


SPOILT: list[Callable[[Seen], Any]] = [
    lambda seen: seen.update(receipt_number="100000000013"),
    lambda seen: seen["proof"].update(events=seen["proof"]["events"] + 1),
    lambda seen: seen["proof"].update(head="00" * 32),
    lambda seen: seen["proof"].update(leaf=seen["proof"]["leaf"] + " "),
    lambda seen: seen["proof"]["path"].pop(),
    lambda seen: seen["proof"]["path"][0].update(hash="00" * 32),
    lambda seen: seen["proof"]["root"].update(signature="A" * 86 + "=="),
    lambda seen: seen["proof"]["root"].update(statement=seen["proof"]["root"]["statement"].replace("-20", "-21")),
]


@pytest.mark.parametrize("number", range(len(SPOILT)))
def test_a_receipt_that_was_forged_is_refused(world: World, number: int) -> None:
    found = inclusion(world, world.asked[1])
    SPOILT[number](found)
    assert receipts.wrong_with(found, [SIGNER.public_key]) is not None


def test_a_request_of_today_is_in_no_root_yet(county: County) -> None:
    receipt = county.ask("education_aid")
    answer = county.nobody.get(f"/v1/track/{receipt['tracking_token']}/inclusion").json()
    assert answer == {"receipt_number": receipt["receipt_number"], "events": answer["events"], "proof": None}
    assert county.nobody.get(f"/v1/track/{'A' * 27}/inclusion").json()["code"] == "not_found"


def test_roots_and_keys_are_anybodys_and_betray_nothing(world: World) -> None:
    asked = world.county.ask("medical_assistance_applied", **a_request_in_full("medical_assistance_applied"))
    make(world.url, SECOND_DAY + timedelta(days=1))
    make(world.url, SECOND_DAY + timedelta(days=2))  # of a day on which nothing happened
    first = world.county.nobody.get("/v1/public/audit-roots?limit=3")
    second = world.county.nobody.get(f"/v1/public/audit-roots?cursor={first.json()['next_cursor']}")
    items = [*first.json()["items"], *second.json()["items"]]
    assert [each["statement"].encode() for each in items] == [e.statement for e in reversed(published(world.url))]
    assert len({frozenset(each) for each in items}) == 1
    assert "leaves" not in items[0]
    assert not any(each["root"].startswith("e3b0c442") for each in items)
    one = world.county.nobody.get(f"/v1/public/audit-roots/{FIRST_DAY}")
    assert one.json() == items[-1]
    assert world.county.nobody.get("/v1/public/audit-roots/2020-01-01").json()["code"] == "not_found"
    assert world.county.nobody.get("/v1/public/audit-roots?cursor=AAAA").json()["code"] == "validation_failed"
    (key,) = world.county.nobody.get("/v1/public/audit-key").json()["keys"]
    assert key["public_key_pem"] == pem_of(SIGNER.public_key)
    public = first.text + second.text + one.text + json.dumps(key)
    ids = [row["id"] for row in fetch(world.url, select(help_request.c.id))]
    assert not any(str(each) in public or each.hex in public for each in ids)
    everything = public + json.dumps(inclusion(world, asked), ensure_ascii=False)
    assert [name for name, value in PERSONAL.items() if value in everything] == []
    assert str(world.asked[0]["receipt_number"]) not in everything


# ---- the command line ----


def test_an_auditor_walks_everything_from_the_command_line(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_WINDOW_AUDIT_KEY", "01" * 32)

    def audit(*arguments: str) -> Any:
        return one_window_here("audit", *arguments, database=world.url)

    pem, file, receipt = tmp_path / "key.pem", tmp_path / "roots.json", tmp_path / "receipt.json"
    pem.write_text(audit("key").stdout)
    assert pem.read_text() == pem_of(SIGNER.public_key)
    assert str(SECOND_DAY) in audit("roots").stdout
    assert audit("publish", str(file)).returncode == 0
    receipt.write_text(json.dumps(inclusion(world, world.asked[0])))
    given = ("--public-key", str(pem), "--roots", str(file))
    good = audit("verify", *given)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "Everything holds."), good.stderr
    assert "verified by their own chain alone" in good.stdout
    assert "全部相符" in audit("verify", *given, "--language", "zh").stdout
    assert "Not compared" in audit("verify").stdout
    assert audit("check-receipt", str(receipt), *given).returncode == 0
    assert "the file's own" in audit("check-receipt", str(receipt)).stdout

    change(world.url, update(event).where(world.of(3)).values(kind="handoff.urged"))
    bad = audit("verify", *given)
    assert bad.returncode == 1
    line = bad.stdout.splitlines()[0]
    assert line.startswith(f"! request {world.id()} (receipt number {world.asked[0]['receipt_number']}): event 3 ")
    assert bad.stdout.splitlines()[-1] == "Found wrong: 1."

    pem.write_text(pem_of(OTHER.public_key))
    assert audit("check-receipt", str(receipt), *given).returncode == 1
    for wrong in (("verify", "--public-key", str(file)), ("verify", "--roots", str(pem)), ("check-receipt", str(file))):
        refused = audit(*wrong)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "Traceback" not in refused.stderr
    assert "has not begun" in audit("root", "--day", str(local_day(now()) + timedelta(days=2))).stderr
    assert "later root" in audit("root", "--day", "2026-01-01").stderr
    assert audit("root").returncode == 0


def test_the_order_of_keys_within_an_event_tells_nothing() -> None:
    """A database may give them back in another one."""
    entry = {"request_id": 1, "sequence": 1, "at": datetime(2026, 1, 1, tzinfo=UTC), "kind": "k", "actor": "a"}
    entry |= {"handoff_id": None, "sealed": None, "person": None}
    one, other = {"b": {"x": 1, "y": [{"p": 1, "q": 2}]}, "a": 0}, {"a": 0, "b": {"y": [{"q": 2, "p": 1}], "x": 1}}
    assert event_hash(GENESIS, {**entry, "data": one}) == event_hash(GENESIS, {**entry, "data": other})
    assert event_hash(GENESIS, {**entry, "data": one}) != event_hash(GENESIS, {**entry, "data": {**one, "a": 1}})
