"""Replay: what a draft would change of what was decided before; by agency and need, with examples. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app import checks, versions
from app.office import Office
from app.previewing import facts_asked
from app.problems import invalid
from app.routing.decide import NeedDecision, RoutingDecision, decide
from app.routing.rules import local_day
from app.schemas_routing import ReplayIn

_EXAMPLES = 5


@dataclass(slots=True)
class Changes:
    """Counts of requests and needs, changes by need, load by agency, and some examples of each kind of change."""

    requests: int = 0
    changed_requests: int = 0
    needs: int = 0
    by_need: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    undetermined_before: int = 0
    undetermined_after: int = 0
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, name: str, at: datetime, before: RoutingDecision, after: RoutingDecision) -> None:
        """`name` is what a coordinator finds the request by: its receipt number, or the line of a file."""
        self.requests += 1
        changed = False
        for was, would_be in zip(before.needs, after.needs, strict=True):
            self.needs += 1
            self.undetermined_before += was.undetermined
            self.undetermined_after += would_be.undetermined
            seats_before, seats_after = _seats(was), _seats(would_be)
            self.before.update(seats_before.keys())
            self.after.update(seats_after.keys())
            if seats_before != seats_after:
                changed = True
                self.by_need[was.need] += 1
                self._keep_example(name, at, was.need, seats_before, seats_after)
        self.changed_requests += changed

    def record(self) -> dict[str, Any]:
        agencies = sorted({*self.before, *self.after})
        load = [
            {"agency": code, "before": self.before[code], "after": self.after[code]}
            for code in agencies
            if self.before[code] != self.after[code]
        ]
        return {
            "requests": self.requests,
            "changed_requests": self.changed_requests,
            "needs": self.needs,
            "undetermined_before": self.undetermined_before,
            "undetermined_after": self.undetermined_after,
            "by_need": [
                {"need": need, "changed": count, "examples": self.examples[need]}
                for need, count in self.by_need.most_common()
            ],
            "load": sorted(load, key=lambda each: (-abs(each["after"] - each["before"]), each["agency"])),
        }

    def _keep_example(
        self, name: str, at: datetime, need: str, before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]
    ) -> None:
        kept = self.examples.setdefault(need, [])
        if len(kept) < _EXAMPLES:
            gains = [code for code in after if after[code] != before.get(code)]
            losses = [code for code in before if before[code] != after.get(code)]
            kept.append({"request": name, "at": at, "gains": _shown(after, gains), "loses": _shown(before, losses)})


async def replay(office: Office, number: int, asked: ReplayIn, *, place: str | None) -> dict[str, Any]:
    """What version `number` would change: of the last stored requests of a place, or of the cases that are given.

    A request that came before the version takes effect is decided as if it came then. Raises `not_found`,
    `validation_failed` for codes that do not exist, `no_table_in_force`.
    """
    found = Changes()
    async for name, at, before, after in _compared(office, number, asked, place):
        found.add(name, at, before, after)
    return found.record()


async def _compared(
    office: Office, number: int, asked: ReplayIn, place: str | None
) -> AsyncIterator[tuple[str, datetime, RoutingDecision, RoutingDecision]]:
    snapshot = await office.registry.current()
    async with office.database.reading_as_one() as connection:
        table = (await versions.load(connection, number)).table
        if asked.last is not None:
            verifier = versions.Verifier(connection)
            async for past in versions.past_requests(connection, asked.last, place):
                at = max(past.registered_at, table.effective_from)
                after = decide(past.facts, table, snapshot.directory, at)
                yield past.receipt_number, past.registered_at, await verifier.again(past), after
    for position, case in enumerate(asked.cases):
        errors = list(checks.code_errors(case.division_code, case.needs, snapshot))
        errors += checks.fact_errors(case.facts, case.needs, local_day(case.at))
        if errors:
            raise invalid(*(replace(each, pointer=f"/cases/{position}{each.pointer}") for each in errors))
        facts = facts_asked(case, case.at)
        before = decide(facts, versions.table_at(snapshot, case.at), snapshot.directory, case.at)
        after = decide(facts, table, snapshot.directory, max(case.at, table.effective_from))
        yield f"cases/{position}", case.at, before, after


def _seats(decision: NeedDecision) -> dict[str, tuple[Any, ...]]:
    return {a.agency.code: (a.role, a.step, a.mandatory) for a in decision.assignments}


def _shown(seats: dict[str, tuple[Any, ...]], codes: list[str]) -> list[dict[str, Any]]:
    return [{"agency": code, "role": seats[code][0], "step": seats[code][1]} for code in codes]
