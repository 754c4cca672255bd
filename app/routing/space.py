"""The space of requests, cut into regions in which every rule answers the same; pure.

A condition compares a fact with constants only, so it can change its answer at these constants and nowhere else.
Between two neighbouring constants every value is answered alike: one of them stands for all. A fact that is not known
is a value of its own. Areas nest by prefix, so a place is told apart by the areas of rules that it lies in; days by
the days on which a rule begins or ends. What these parts leave is a product of finitely many regions, each with a
point that stands for it: looking at all of them is looking at the whole space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from app.routing.conditions import Among, Between, Compared, IsKnown, comparisons
from app.routing.directory import upward
from app.routing.facts import FACTS, FactKind, FactType, FactValues, Value
from app.routing.rules import Rule

_STEPS: dict[FactKind, Any] = {
    FactKind.NUMBER: 1,
    FactKind.MONEY: Decimal("0.01"),
    FactKind.DATE: timedelta(days=1),
}


def by_areas(places: Iterable[str], rules: Iterable[Rule]) -> dict[tuple[str, ...], list[str]]:
    """Places that lie in the same areas of these rules, by those areas, the nearest first."""
    areas = {rule.area for rule in rules}
    regions: dict[tuple[str, ...], list[str]] = {}
    for place in places:
        regions.setdefault(tuple(area for area in upward(place) if area in areas), []).append(place)
    return regions


def by_days(begins: date, rules: Iterable[Rule]) -> list[date]:
    """The first days of the periods, from `begins` on, in which the same of these rules are in force."""
    days = {begins}
    for rule in rules:
        days.add(rule.effective_from)
        if rule.effective_to is not None and rule.effective_to < date.max:
            days.add(rule.effective_to + timedelta(days=1))
    return sorted(day for day in days if day >= begins)


def widths(rules: Iterable[Rule]) -> dict[str, int]:
    """Into how many parts the conditions of these rules cut each fact: its being unknown is one."""
    return {name: len(values) for name, values in _axes(rules)}


def cells(rules: Iterable[Rule]) -> Iterator[FactValues]:
    """One set of facts for each region of the facts that the conditions of these rules speak of."""
    axes = _axes(rules)
    for point in product(*(values for _, values in axes)):
        yield {name: value for (name, _), value in zip(axes, point, strict=True) if value is not None}


def points(fact: str, rules: Iterable[Rule]) -> Sequence[Value]:
    """A value of each region into which the conditions of these rules cut a fact, ascending where it has an order."""
    for name, (_, *values) in _axes(rules):
        if name == fact:
            return [value for value in values if value is not None]
    return ()


def _axes(rules: Iterable[Rule]) -> list[tuple[str, Sequence[Value | None]]]:
    spoken_of: dict[str, list[Compared | Between | Among | IsKnown]] = {}
    for rule in rules:
        for each in comparisons(rule.condition.node) if rule.condition else ():
            spoken_of.setdefault(each.fact.name, []).append(each)
    return [(name, [None, *_values(FACTS[name], spoken_of[name])]) for name in sorted(spoken_of)]


def _values(fact: FactType, compared: Iterable[Compared | Between | Among | IsKnown]) -> Sequence[Value]:
    constants = [_constants(each) for each in compared]
    if fact.is_ordered:
        return _around(fact, {value for each in constants for value in each})
    if fact.kind is FactKind.CHOICE:
        return list(fact.words)
    return _sets(fact, [frozenset(map(str, each)) for each in constants])


def _constants(each: Compared | Between | Among | IsKnown) -> tuple[Value, ...]:
    if isinstance(each, Compared):
        return (each.value,)
    if isinstance(each, Between):
        return (each.least, each.most)
    return each.values if isinstance(each, Among) else ()


def _around(fact: FactType, constants: set[Any]) -> Sequence[Value]:
    """Each constant and its neighbours within the domain; the ends of the domain."""
    step = _STEPS[fact.kind]
    least: Any = fact.least
    most: Any = fact.most
    found = {least, most, *constants}
    for value in constants:
        if value > least:
            found.add(value - step)
        if value < most:
            found.add(value + step)
    return sorted(found)


def _sets(fact: FactType, wanted: Sequence[frozenset[str]]) -> Sequence[Value]:
    """A condition asks whether any of some codes is among the fact's: codes that are always asked for together stand
    for each other, and what matters of a set is which of these classes it meets."""
    classes: dict[tuple[bool, ...], str] = {}
    for code in fact.words:
        classes.setdefault(tuple(code in each for each in wanted), code)
    unmentioned = tuple(False for _ in wanted)
    codes = [code for asked, code in classes.items() if asked != unmentioned]
    return [
        frozenset(code for code, is_in in zip(codes, chosen, strict=True) if is_in)
        for chosen in product((False, True), repeat=len(codes))
    ]
