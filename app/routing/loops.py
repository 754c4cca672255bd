"""Needs that wait for each other, by the rules that fire together in one place on one day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from graphlib import CycleError, TopologicalSorter

from app.routing.findings import Severity, Witness
from app.routing.notes import Notes, listed
from app.routing.rules import Rule

# The rules of a need that fire for somebody and wait for something, by the day from which they are the ones.
_Spans = list[tuple[date, Sequence[Rule]]]


def check_loops(notes: Notes) -> None:
    """A rule that always yields to another waits for nothing. What rules say of facts does not keep two needs apart: each
    need has facts of its own."""
    places: dict[str, dict[str, _Spans]] = {}
    for region, waiting in notes.waiting:
        for place in region.places:
            places.setdefault(place, {}).setdefault(region.need, []).append((region.day, waiting))
    seen: set[frozenset[int]] = set()
    for place, of_need in places.items():
        for day in sorted({day for spans in of_need.values() for day, _ in spans}):
            rules = [rule for spans in of_need.values() for rule in _from(day, spans)]
            numbers = frozenset(rule.number for rule in rules)
            if numbers not in seen:
                seen.add(numbers)
                _check(rules, place, day, notes)


def _from(day: date, spans: _Spans) -> Sequence[Rule]:
    return next((rules for begins, rules in reversed(spans) if begins <= day), ())


def _check(rules: Sequence[Rule], place: str, day: date, notes: Notes) -> None:
    waits: dict[str, set[str]] = {}
    for rule in rules:
        waits.setdefault(rule.need, set()).update(rule.prerequisites)
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        loop = list(dict.fromkeys(error.args[1]))
        linking = [rule for rule in rules if rule.need in loop and set(loop).intersection(rule.prerequisites)]
        notes.add(
            *("prerequisite_loop", Severity.ERROR, linking, Witness(loop[0], place, day, {})),
            f"规则 {listed(linking)} 的前置事项互相等待:{'、'.join(loop)};请去掉其中一个。",
            f"by rules {listed(linking)} these needs wait for each other: {', '.join(loop)}; "
            "take one of the prerequisites away",
        )
