"""Replay: what a draft would change of what was decided before; by agency and need, with examples. Read-only."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.routing.decide import NeedDecision, RoutingDecision

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
            self.before.update(seats_before)
            self.after.update(seats_after)
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


async def changes(compared: AsyncIterable[tuple[str, datetime, RoutingDecision, RoutingDecision]]) -> Changes:
    found = Changes()
    async for name, at, before, after in compared:
        found.add(name, at, before, after)
    return found


def _seats(decision: NeedDecision) -> dict[str, tuple[Any, ...]]:
    return {a.agency.code: (a.role, a.step, a.mandatory) for a in decision.assignments}


def _shown(seats: dict[str, tuple[Any, ...]], codes: list[str]) -> list[dict[str, Any]]:
    return [{"agency": code, "role": seats[code][0], "step": seats[code][1]} for code in codes]
