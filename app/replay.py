"""Replay: what a draft would change of what was decided before; by agency and need, with examples. Read-only.

A draft may ask anything of a person (`monthly_income_yuan <= 812.00`): what it changes of stored requests tells their
facts. Who may not see people is told counts of many, in tens; who may is told which, and each is a reading.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app import checks, looking, rights, versions
from app.keys import Key
from app.office import Office
from app.previewing import facts_asked
from app.problems import FieldError, Text, invalid
from app.purposes import Purpose, Way
from app.routing.decide import NeedDecision, RoutingDecision, decide
from app.routing.rules import local_day
from app.schemas_routing import ReplayIn

_EXAMPLES = 5
# So many stored requests are counted, at the least, for who may not see people; of fewer each one is told of by a count.
LEAST = 50
_IN_TENS = -1
_SHOWN = ("routing",)


@dataclass(frozen=True, slots=True)
class _Case:
    """`name` is what it is found by: its receipt number, or the line of a file."""

    name: str
    at: datetime
    request_id: UUID | None = None


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
    named: set[UUID] = field(default_factory=set)

    def add(self, case: _Case, before: RoutingDecision, after: RoutingDecision) -> None:
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
                self._keep_example(case, was.need, seats_before, seats_after)
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
        self, case: _Case, need: str, before: dict[str, tuple[Any, ...]], after: dict[str, tuple[Any, ...]]
    ) -> None:
        kept = self.examples.setdefault(need, [])
        if len(kept) < _EXAMPLES:
            gains = [code for code in after if after[code] != before.get(code)]
            losses = [code for code in before if before[code] != after.get(code)]
            seats = {"gains": _shown(after, gains), "loses": _shown(before, losses)}
            kept.append({"request": case.name, "at": case.at, **seats})
            if case.request_id is not None:
                self.named.add(case.request_id)


async def replay(
    office: Office, number: int, asked: ReplayIn, key: Key | None, purpose: Purpose | None = None
) -> dict[str, Any]:
    """What version `number` would change: of the last stored requests that a key reaches, or of the cases that are given;
    no key is the command line's.

    A request that came before the version takes effect is decided as if it came then. Who may see people is shown which
    stored requests change, and that is recorded; of fewer than LEAST, of each: an example that is missing tells as much.
    Raises `not_found`, `validation_failed` for codes that do not exist or too few requests, `no_table_in_force`,
    `purpose_needed`.
    """
    if asked.last is None:
        return (await _changes(office, number, asked, None))[0].record()
    if key is None or not rights.sees_people(key):
        if asked.last < LEAST:
            raise _too_few()
        found, looked_at = await _changes(office, number, asked, key.division_code if key else None)
        if len(looked_at) < LEAST:
            raise _too_few()
        return _in_tens(found.record())
    looking.must_say(office, key, purpose)
    found, looked_at = await _changes(office, number, asked, key.division_code)
    read = found.named if len(looked_at) >= LEAST else looked_at
    await looking.record_each(office, key, read, Way.REQUEST, _SHOWN, purpose)
    return found.record()


async def _changes(office: Office, number: int, asked: ReplayIn, place: str | None) -> tuple[Changes, set[UUID]]:
    """With the stored requests that were looked at."""
    found, looked_at = Changes(), set()
    async for case, before, after in _compared(office, number, asked, place):
        found.add(case, before, after)
        if case.request_id is not None:
            looked_at.add(case.request_id)
    return found, looked_at


def _in_tens(record: dict[str, Any]) -> dict[str, Any]:
    """Without examples; what is counted of what changes is given to the nearest ten."""
    names = ("changed_requests", "undetermined_before", "undetermined_after")
    by_need = ({"need": each["need"], "changed": round(each["changed"], _IN_TENS)} for each in record["by_need"])
    load = (
        {**each, "before": round(each["before"], _IN_TENS), "after": round(each["after"], _IN_TENS)}
        for each in record["load"]
    )
    return {
        **record,
        **{name: round(record[name], _IN_TENS) for name in names},
        "by_need": [{**each, "examples": []} for each in by_need if each["changed"]],
        "load": [each for each in load if each["before"] != each["after"]],
    }


def _too_few() -> Exception:
    text = Text(
        f"您无权查看个人信息:至少须有 {LEAST} 件已受理事项才给出统计;也可以自拟 cases 试算。",
        f"You may not see people: at least {LEAST} stored requests are counted together; or give `cases` of your own.",
    )
    return invalid(FieldError("/last", "too_few_to_count", text))


async def _compared(
    office: Office, number: int, asked: ReplayIn, place: str | None
) -> AsyncIterator[tuple[_Case, RoutingDecision, RoutingDecision]]:
    snapshot = await office.registry.current()
    async with office.database.reading_as_one() as connection:
        table = (await versions.load(connection, number)).table
        if asked.last is not None:
            verifier = versions.Verifier(connection)
            async for past in versions.past_requests(connection, asked.last, place):
                at = max(past.registered_at, table.effective_from)
                after = decide(past.facts, table, snapshot.directory, at)
                case = _Case(past.receipt_number, past.registered_at, past.request_id)
                yield case, await verifier.again(past), after
    for position, given in enumerate(asked.cases):
        errors = list(checks.code_errors(given.division_code, given.needs, snapshot))
        errors += checks.fact_errors(given.facts, given.needs, local_day(given.at))
        if errors:
            raise invalid(*(replace(each, pointer=f"/cases/{position}{each.pointer}") for each in errors))
        facts = facts_asked(given, given.at)
        before = decide(facts, versions.table_at(snapshot, given.at), snapshot.directory, given.at)
        after = decide(facts, table, snapshot.directory, max(given.at, table.effective_from))
        yield _Case(f"cases/{position}", given.at), before, after


def _seats(decision: NeedDecision) -> dict[str, tuple[Any, ...]]:
    return {a.agency.code: (a.role, a.step, a.mandatory) for a in decision.assignments}


def _shown(seats: dict[str, tuple[Any, ...]], codes: list[str]) -> list[dict[str, Any]]:
    return [{"agency": code, "role": seats[code][0], "step": seats[code][1]} for code in codes]
