"""The regions of the space stand for every request: wherever one falls, some region's rules answer as they do there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from math import prod
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.routing.conditions import AllOf, AnyOf, Condition, Node, Not
from app.routing.facts import FACTS, FactKind, FactType, FactValues, facts_of, read_facts
from app.routing.grammar import parse_condition
from app.routing.rules import Rule
from app.routing.space import by_areas, by_days, cells, widths
from tests.tables import RULE, comparisons, joined, values_of

BEGINS = date(2026, 1, 1)
FEW = 20_000
STEPS: dict[FactKind, Any] = {FactKind.NUMBER: 1, FactKind.MONEY: Decimal("0.01"), FactKind.DATE: timedelta(days=1)}

small_nodes = st.recursive(
    comparisons(),
    lambda inner: st.one_of(inner.map(Not), joined(AllOf, inner), joined(AnyOf, inner)),
    max_leaves=3,
)


def conditional(*conditions: Node | str | None) -> list[Rule]:
    read = [parse_condition(each) if isinstance(each, str) else each and Condition.of(each) for each in conditions]
    return [replace(RULE, number=number, condition=each) for number, each in enumerate(read, start=1)]


def answers(rules: Iterable[Rule], facts: FactValues) -> tuple[bool | None, ...]:
    return tuple(rule.condition is None or rule.condition.answer(facts) for rule in rules)


def constants(rules: Iterable[Rule], fact: FactType) -> list[Any]:
    return [facts[fact.name] for facts in cells(rules) if fact.name in facts]


@st.composite
def points(draw: st.DrawFn, rules: list[Rule]) -> dict[str, Any]:
    """Facts, each known or not, those that the rules speak of often at a bound or a step beside it."""
    named = sorted({name for rule in rules if rule.condition for name in rule.condition.facts})
    point: dict[str, Any] = {}
    for name in [*named, draw(st.sampled_from(sorted(FACTS)))]:
        fact = FACTS[name]
        if fact.kind is FactKind.CHOICES:
            value = st.frozensets(st.sampled_from(sorted(fact.words)))
        elif fact.is_ordered and name in named:
            near = st.sampled_from(sorted(set(constants(rules, fact))))
            step = STEPS[fact.kind]
            value = values_of(fact) | near | near.map(lambda v, s=step: v - s) | near.map(lambda v, s=step: v + s)
            value = value.filter(fact.holds)
        else:
            value = values_of(fact)
        known = draw(st.none() | value)
        if known is not None:
            point[name] = known
    return point


@settings(max_examples=150)
@given(st.data())
def test_some_region_of_the_facts_answers_every_rule_as_any_facts_do(data: st.DataObject) -> None:
    rules = conditional(*data.draw(st.lists(st.none() | small_nodes, min_size=1, max_size=3)))
    assume(prod(widths(rules).values()) <= FEW)
    seen = {answers(rules, facts) for facts in cells(rules)}
    for _ in range(5):
        assert answers(rules, data.draw(points(rules))) in seen


@settings(max_examples=60)
@given(st.lists(st.none() | small_nodes, max_size=3))
def test_every_region_is_one_of_as_many_as_are_counted_and_could_be_declared(nodes: list[Node | None]) -> None:
    rules = conditional(*nodes)
    assume(prod(widths(rules).values()) <= FEW)
    regions = list(cells(rules))
    assert len(regions) == len({tuple(facts.items()) for facts in regions}) == prod(widths(rules).values())
    for facts in regions:
        for name, value in facts.items():
            fact = FACTS[name]
            assert fact.holds(value)
            assert fact.is_ordered or FACTS[name].words.keys() >= (value if isinstance(value, frozenset) else {value})


def test_a_bound_and_its_neighbours_and_the_ends_and_the_unknown_are_looked_at() -> None:
    (rule,) = conditional("age < 60")
    assert [facts.get("age") for facts in cells([rule])] == [None, 0, 59, 60, 61, 150]
    (rule,) = conditional("monthly_income_yuan >= 0 and monthly_income_yuan <= 620.5")
    assert [str(facts.get("monthly_income_yuan")) for facts in cells([rule])] == (
        ["None", "0", "0.01", "620.49", "620.50", "620.51", "9999999999.99"]
    )
    assert list(cells([])) == list(cells(conditional(None))) == [{}]


def test_statuses_that_are_always_asked_for_together_stand_for_each_other() -> None:
    rules = conditional("recognised_status in (orphan, veteran)", "recognised_status = orphan")
    sets = [facts.get("recognised_status") for facts in cells(rules)]
    assert [each if each is None else sorted(each) for each in sets] == (
        [None, [], ["veteran"], ["orphan"], ["orphan", "veteran"]]
    )


areas = st.sampled_from(["36", "3608", "3609", "360801", "360802", "360801001", "360801002", "360901001"])
places = st.lists(st.sampled_from(["360801", "360802", "360901", "360801001", "360801002", "360901001"]), unique=True)


@given(places, st.lists(areas, max_size=6))
def test_places_of_one_region_lie_in_the_same_areas_and_every_place_is_in_one(where: list[str], of: list[str]) -> None:
    rules = [replace(RULE, number=number, area=area) for number, area in enumerate(of)]
    regions = by_areas(where, rules)
    assert sorted(place for region in regions.values() for place in region) == sorted(where)
    for areas_of_region, region in regions.items():
        assert list(areas_of_region) == sorted(areas_of_region, key=len, reverse=True)
        for place in region:
            assert {rule.area for rule in rules if place.startswith(rule.area)} == set(areas_of_region)


days = st.dates(BEGINS - timedelta(days=20), BEGINS + timedelta(days=40)) | st.sampled_from([date.min, date.max])
spans = st.tuples(days, st.none() | days)


@given(st.lists(spans, max_size=5), st.dates(BEGINS, BEGINS + timedelta(days=80)) | st.just(date.max))
def test_the_first_day_of_a_period_stands_for_all_its_days(
    spans: list[tuple[date, date | None]], some_day: date
) -> None:
    rules = [
        replace(RULE, number=number, effective_from=begins, effective_to=ends)
        for number, (begins, ends) in enumerate(spans)
    ]
    first_days = by_days(BEGINS, rules)
    assert first_days == sorted(set(first_days))
    assert first_days[0] == BEGINS
    stands_for_it = max(day for day in first_days if day <= some_day)
    assert [rule.in_force(stands_for_it) for rule in rules] == [rule.in_force(some_day) for rule in rules]


@pytest.mark.parametrize(
    ("born", "disaster", "known"),
    [
        ("1876-11-23", "2026-11-20", {"age", "disaster_date", "days_since_disaster"}),
        ("1875-11-24", "1900-01-01", {"age", "disaster_date"}),
        ("1726-11-23", "1850-01-01", set()),
        ("2026-11-23", "2200-12-31", {"age", "disaster_date"}),
        ("0001-01-01", "2201-01-01", set()),
    ],
)
def test_what_no_table_can_speak_of_is_not_known(born: str, disaster: str, known: set[str]) -> None:
    """The proof ends at the bounds of a fact; so does what is decided from."""
    day = date(2026, 11, 23)
    asked = {"applicant": {"birth_date": born}, "facts": {"disaster_date": disaster}, "needs": [{"code": "help"}]}
    facts = facts_of("360801", asked, day).known_for("help")
    assert facts.keys() == known
    assert all(FACTS[name].holds(value) for name, value in facts.items())
    assert "disability_grade" not in read_facts({"disability_grade": 5}, day)
