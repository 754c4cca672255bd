"""The chains of readings in the daily root: what is done to them directly in the database is found by the audit and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, update

from app.audit.statements import Signer, statement_of_row
from app.hashchain import GENESIS, reading_hash
from app.identifiers import first_id, new_id, now
from app.tables import audit_chain, audit_root, reading, retention
from tests.commands import one_window_here
from tests.county import County
from tests.test_audit import FIRST_DAY, SECOND_DAY, SIGNER, make, verified
from tests.watching import change, fetch

ROWS = select(reading).order_by(reading.c.chain, reading.c.number)


def look(county: County, times: int) -> None:
    for _ in range(times):
        receipt = county.ask("education_aid")
        county.window.get(f"/v1/requests/{receipt['request_id']}").raise_for_status()


@pytest.fixture
def url(county: County) -> str:
    """Three readings in the first root, five in the second, one in none."""
    look(county, 3)
    make(county.running.url, FIRST_DAY)
    look(county, 2)
    make(county.running.url, SECOND_DAY)
    look(county, 1)
    return county.running.url


def found(url: str) -> list[tuple[str, int | None]]:
    return [(each.code, each.sequence) for each in verified(url).faults]


def chained_anew(url: str, rows: list[dict[str, Any]]) -> None:
    head = GENESIS
    change(url, delete(reading))
    for row in rows:
        head = row["hash"] = reading_hash(head, row)
        change(url, insert(reading).values(row))


def test_a_record_that_nobody_touched_holds_and_its_leaves_say_how_far_it_had_come(url: str) -> None:
    whole = verified(url)
    assert (whole.faults, whole.readings) == ([], 6)
    leaves = fetch(url, select(audit_chain).order_by(audit_chain.c.day))
    rows = fetch(url, ROWS)
    assert [(leaf["day"], leaf["number"], leaf["head"]) for leaf in leaves] == [
        (FIRST_DAY, 3, rows[2]["hash"]),
        (SECOND_DAY, 5, rows[4]["hash"]),
    ]
    (first, _) = fetch(url, select(audit_root).order_by(audit_root.c.day))
    assert f'"readings":"{first["readings"].hex()}"'.encode() in statement_of_row(first)


def _changed(url: str) -> None:
    change(url, update(reading).where(reading.c.number == 2).values(purpose="complaint"))


def _tail_cut(url: str) -> None:
    change(url, delete(reading).where(reading.c.number >= 4))


def _all_gone(url: str) -> None:
    change(url, delete(reading))


def _made_anew(url: str) -> None:
    rows = fetch(url, ROWS)
    rows[1]["actor"] = "key:somebody-else"
    chained_anew(url, rows)


def _without_one(url: str) -> None:
    rows = fetch(url, ROWS)
    chained_anew(url, [row | {"number": number} for number, row in enumerate(rows[:1] + rows[2:], start=1)])


def _moved_to_another_chain(url: str) -> None:
    other = new_id()
    chained_anew(url, [row | {"chain": other} for row in fetch(url, ROWS)])


def _leaf_changed(url: str) -> None:
    change(url, update(audit_chain).where(audit_chain.c.day == SECOND_DAY).values(number=4))


def _leaf_removed(url: str) -> None:
    change(url, delete(audit_chain).where(audit_chain.c.day == FIRST_DAY))


def _root_as_before_there_were_readings(url: str) -> None:
    change(url, update(audit_root).where(audit_root.c.day == SECOND_DAY).values(readings=None))


def _old_ones_added(url: str) -> None:
    at = now() - timedelta(days=30)
    row = fetch(url, ROWS)[0] | {"id": first_id(at), "chain": new_id(), "number": 1, "at": at}
    change(url, insert(reading).values(row | {"hash": reading_hash(GENESIS, row)}))


TAMPERED: list[tuple[Callable[[str], None], list[tuple[str, int | None]]]] = [
    (_changed, [("reading_broken", 2)]),
    (_tail_cut, [("readings_removed", 5)]),
    (_all_gone, [("readings_removed", 3)]),
    (_made_anew, [("readings_rewritten", 3)]),
    (_without_one, [("readings_rewritten", 3)]),
    (_moved_to_another_chain, [("readings_removed", 3)]),
    (_leaf_changed, [("reading_leaves_differ", None), ("readings_rewritten", 4)]),
    (_leaf_removed, [("reading_leaves_differ", None)]),
    (_root_as_before_there_were_readings, [("signature_wrong", None)]),
    (_old_ones_added, [("readings_not_in_root", 1)]),
]


@pytest.mark.parametrize(("tamper", "named"), TAMPERED, ids=lambda each: getattr(each, "__name__", ""))
def test_what_was_done_to_the_record_is_named(
    url: str, tamper: Callable[[str], None], named: list[tuple[str, int | None]]
) -> None:
    tamper(url)
    assert found(url) == named


def test_what_came_after_the_last_root_is_held_by_its_chain_alone(url: str) -> None:
    change(url, delete(reading).where(reading.c.number == 6))
    assert found(url) == []
    change(url, update(reading).where(reading.c.number == 5).values(purpose="complaint"))
    assert found(url) == [("reading_broken", 5)]


@pytest.mark.parametrize(
    ("period", "named"), [("P3D", []), ("P10Y", ["readings_removed"]), (None, ["readings_removed"])]
)
def test_a_chain_whose_time_is_over_may_be_gone_and_no_other(url: str, period: str | None, named: list[str]) -> None:
    row = {"kind": "reading", "source": "x", "set_by": "x", "set_at": now(), "period": period}
    change(url, delete(retention).where(retention.c.kind == "reading"), insert(retention).values(row), delete(reading))
    assert [code for code, _ in found(url)] == named


def test_the_first_root_after_the_change_covers_what_was_read_before(county: County) -> None:
    url = county.running.url
    look(county, 2)
    make(url, FIRST_DAY)
    change(url, delete(audit_chain))
    (old,) = fetch(url, select(audit_root))
    as_before = statement_of_row(old | {"readings": None})
    change(url, update(audit_root).values(readings=None, signature=SIGNER.sign(as_before)))
    assert found(url) == []
    make(url, SECOND_DAY)
    assert [row["number"] for row in fetch(url, select(audit_chain))] == [2]
    assert found(url) == []


def test_the_command_line_names_the_chain(url: str) -> None:
    (chain,) = {row["chain"] for row in fetch(url, ROWS)}
    assert isinstance(chain, UUID)
    _tail_cut(url)
    done = one_window_here("audit", "verify", "--language", "zh", database=url)
    assert done.returncode == 1
    assert f"! 查阅记录链 {chain} 的第 5 条及其后被删除;{SECOND_DAY} 的根中有它" in done.stdout.splitlines()
    assert Signer(b"\x01" * 32).key_id == SIGNER.key_id
