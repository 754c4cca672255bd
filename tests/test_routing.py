"""decide(): the seeded table and the directory of 青原区, and what happens where either has a gap."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import seed
from app.routing.decide import REASONS, NeedDecision, decide
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts, Value
from app.routing.grammar import parse_condition
from app.routing.rules import UNDETERMINED, Role, RoutingTable, Rule, in_force
from app.routing.sheets import read_rules

TOWNSHIP, COUNTY, NEIGHBOUR, FAR_AWAY = "360803101", "360803", "360802001", "360102002"
AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)

with (Path(__file__).parent / "domain" / "routing.csv").open(encoding="utf-8", newline="") as lines:
    DOMAIN = {row["code"]: row for row in csv.DictReader(lines)}
with (seed.DATA / "routing.csv").open(encoding="utf-8", newline="") as lines:
    RULES = read_rules(lines)
with (seed.DATA / "divisions.csv").open(encoding="utf-8", newline="") as lines:
    DIVISIONS = [row["code"] for row in csv.DictReader(lines)]
AGENCIES = [Agency(**{k: v for k, v in row.items() if k != "created_at"}) for row in seed.county_agencies(COUNTY)]
RULE = RULES[0]
EVERYBODY_IS_CONCERNED = {
    "age": 70,
    "recognised_status": frozenset({"anti_poverty_monitoring"}),
    "disability_kind": "physical",
    "out_of_pocket_yuan": Decimal(100),
    "schooling": "junior",
}


def a_table(*rules: Rule, version: int = 1, effective_from: datetime = BEGUN) -> RoutingTable:
    return RoutingTable(version, effective_from, rules)


def a_rule(number: int, department: str, role: Role = Role.LEAD, **changes: Any) -> Rule:
    """A rule of need `help` in the whole province, in force, in step 1."""
    fields = {"need": "help", "area": "36", "step": 1, "mandatory": True, "effective_from": date(2026, 1, 1), **changes}
    return replace(RULE, number=number, department=department, role=role, **fields)


def when(text: str) -> Any:
    return {"condition": parse_condition(text)}


def an_agency(department: str, division_code: str, active: bool = True) -> Agency:
    return Agency(f"{division_code}-{department}", department, division_code, "某单位", "An office", None, None, active)


TABLE, DIRECTORY = a_table(*RULES), Directory.of(AGENCIES)


def decided(
    need: str,
    place: str = TOWNSHIP,
    table: RoutingTable = TABLE,
    directory: Directory = DIRECTORY,
    at: datetime = AT,
    **known: Any,
) -> NeedDecision:
    (decision,) = decide(Facts(place, (need,), known), table, directory, at).needs
    return decision


def departments(decision: NeedDecision, role: Role) -> set[str]:
    return {each.agency.department for each in decision.assignments if each.role is role}


def passed_over(decision: NeedDecision) -> set[tuple[int, str]]:
    return {(each.rule.number, each.reason) for each in decision.passed_over}


def agencies(decision: NeedDecision) -> list[tuple[str, Role]]:
    return [(each.agency.code, each.role) for each in decision.assignments]


@pytest.mark.parametrize("need", DOMAIN)
def test_each_need_goes_to_the_lead_and_the_co_handlers_of_the_county(need: str) -> None:
    decision = decided(need, **EVERYBODY_IS_CONCERNED)
    assert departments(decision, Role.LEAD) == {DOMAIN[need]["lead_dept"]}
    assert departments(decision, Role.CO_HANDLER) | departments(decision, Role.INFORMED) == set(
        filter(None, DOMAIN[need]["co_depts"].split(";"))
    )
    assert decision.undetermined == (need == UNDETERMINED)
    assert decision.passed_over == ()


def test_a_township_is_answered_by_its_own_office_and_the_county_by_one() -> None:
    for place in ("360803101", "360803002", "360803500"):
        leads = [each.agency.code for each in decided("temp_aid_fast", place).assignments if each.role is Role.LEAD]
        assert leads == [f"{place}-township"]
        assert "360803-civil-affairs" in dict(agencies(decided("temp_aid_fast", place)))


def test_steps_come_in_order_and_the_lead_stands_in_the_last_of_a_sequence() -> None:
    decision = decided("minimum_living_allowance")
    assert [(each.agency.department, each.step, each.role) for each in decision.assignments] == [
        ("township_gov", 1, Role.CO_HANDLER),
        ("village_committee", 1, Role.CO_HANDLER),
        ("county_verification_center", 2, Role.CO_HANDLER),
        ("county_civil_affairs", 3, Role.LEAD),
    ]


def test_a_county_without_agencies_falls_to_the_nearest_above_and_to_undetermined() -> None:
    decision = decided("complaint", NEIGHBOUR)
    assert decision.undetermined
    assert agencies(decision) == [("3608-hotline-12345", Role.CO_HANDLER)]
    assert "no_agency" in dict.fromkeys(why for _, why in passed_over(decision))
    assert agencies(decided("complaint", FAR_AWAY)) == []


@pytest.mark.parametrize("level", ["36", "3608", "360803", "360803101"])
def test_the_agency_whose_jurisdiction_is_nearest_above_answers(level: str) -> None:
    places = ("36", "3608", "360803", "360803101")
    directory = Directory.of(an_agency("office", place) for place in places[: places.index(level) + 1])
    found = directory.resolve("office", "360803101")
    assert found is not None
    assert found.division_code == level
    assert directory.resolve("another", "360803101") is None


def test_an_agency_beside_or_below_does_not_answer() -> None:
    directory = Directory.of([an_agency("office", "360803102"), an_agency("office", "360802")])
    assert directory.resolve("office", "360803101") is None
    assert directory.resolve("office", "360803") is None


def test_a_suspended_agency_is_passed_for_the_nearest_above() -> None:
    directory = Directory.of([an_agency("office", COUNTY, active=False), an_agency("office", "3608")])
    table = a_table(a_rule(1, "office"))
    assert agencies(decided("help", table=table, directory=directory)) == [("3608-office", Role.LEAD)]
    nobody = Directory.of([an_agency("office", COUNTY, active=False)])
    assert passed_over(decided("help", table=table, directory=nobody)) == {(1, "no_agency")}


def test_a_rule_of_a_nearer_area_comes_before_a_wider_one_whatever_its_number() -> None:
    table = a_table(a_rule(1, "wide"), a_rule(2, "near", area=TOWNSHIP), a_rule(3, "middle", area=COUNTY))
    directory = Directory.of(an_agency(name, COUNTY) for name in ("wide", "near", "middle"))
    here, elsewhere = (decided("help", place, table, directory) for place in (TOWNSHIP, "360803102"))
    assert agencies(here) == [(f"{COUNTY}-near", Role.LEAD)]
    assert passed_over(here) == {(1, "nearer_rule"), (3, "nearer_rule")}
    assert agencies(elsewhere) == [(f"{COUNTY}-middle", Role.LEAD)]
    assert passed_over(elsewhere) == {(1, "nearer_rule")}


def test_a_nearer_rule_whose_department_has_no_agency_leaves_the_seat_to_the_wider_one() -> None:
    table = a_table(a_rule(1, "wide"), a_rule(2, "near", area=COUNTY))
    decision = decided("help", table=table, directory=Directory.of([an_agency("wide", COUNTY)]))
    assert agencies(decision) == [(f"{COUNTY}-wide", Role.LEAD)]
    assert passed_over(decision) == {(2, "no_agency")}


def test_a_nearer_co_handler_takes_the_seat_of_its_own_department_only() -> None:
    near = a_rule(4, "helper", Role.CO_HANDLER, area=COUNTY, step=2)
    wide = [a_rule(2, "helper", Role.CO_HANDLER), a_rule(3, "other", Role.CO_HANDLER)]
    directory = Directory.of(an_agency(name, COUNTY) for name in ("boss", "helper", "other"))
    decision = decided("help", table=a_table(a_rule(1, "boss"), *wide, near), directory=directory)
    assert [each.rule.number for each in decision.assignments] == [1, 3, 4]
    assert passed_over(decision) == {(2, "nearer_rule")}


@pytest.mark.parametrize(
    ("at", "fires"),
    [
        (datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 31, 16, tzinfo=UTC), True),
        (datetime(2026, 6, 30, 15, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 6, 30, 16, tzinfo=UTC), False),
    ],
)
def test_a_rule_holds_from_its_first_day_in_china_to_its_last(at: datetime, fires: bool) -> None:
    rule = a_rule(1, "office", effective_from=date(2026, 4, 1), effective_to=date(2026, 6, 30))
    decision = decided("help", table=a_table(rule), directory=Directory.of([an_agency("office", COUNTY)]), at=at)
    assert [each.rule.number for each in decision.assignments] == ([1] if fires else [])
    assert passed_over(decision) == (set() if fires else {(1, "not_in_force")})


def test_an_agency_gets_a_need_in_one_role_only() -> None:
    table = a_table(a_rule(1, "office", Role.CO_HANDLER), a_rule(2, "office"))
    decision = decided("help", table=table, directory=Directory.of([an_agency("office", COUNTY)]))
    assert agencies(decision) == [(f"{COUNTY}-office", Role.LEAD)]
    assert passed_over(decision) == {(1, "already_assigned")}


def test_a_need_that_no_rule_knows_is_led_by_the_township() -> None:
    decision = decided("nobody_thought_of_this")
    assert decision.undetermined
    assert agencies(decision) == [
        (f"{TOWNSHIP}-township", Role.LEAD),
        ("360803-civil-affairs", Role.CO_HANDLER),
    ]
    assert {each.reason for each in decision.assignments} == {"nobody_leads"}


def test_where_the_township_is_missing_too_somebody_leads_all_the_same() -> None:
    without_township = Directory.of(each for each in AGENCIES if each.department != "township_gov")
    decision = decided("nobody_thought_of_this", COUNTY, directory=without_township)
    assert decision.undetermined
    assert agencies(decision) == [("360803-civil-affairs", Role.LEAD)]
    assert all(each.mandatory for each in decision.assignments if each.role is Role.LEAD)


def test_a_need_whose_lead_is_missing_keeps_its_co_handlers() -> None:
    without_lead = Directory.of(each for each in AGENCIES if each.department != "county_education")
    decision = decided("education_aid", directory=without_lead, **EVERYBODY_IS_CONCERNED)
    assert decision.undetermined
    assert departments(decision, Role.LEAD) == {"township_gov"}
    assert {"school", "county_dpf", "county_civil_affairs"} <= departments(decision, Role.CO_HANDLER)


@pytest.mark.parametrize("need", [*DOMAIN, "nobody_thought_of_this"])
def test_an_empty_directory_or_table_assigns_nobody_and_raises_nothing(need: str) -> None:
    for table, directory in ((TABLE, Directory.of([])), (a_table(), DIRECTORY), (a_table(), Directory.of([]))):
        decision = decided(need, table=table, directory=directory)
        assert (decision.assignments, decision.undetermined) == ((), True)


@given(st.lists(st.sampled_from([*DOMAIN, "unheard_of"]), unique=True), st.sampled_from(DIVISIONS), st.integers(0, 364))
def test_every_decision_is_whole_whatever_is_asked_for_wherever(needs: list[str], place: str, days: int) -> None:
    at = BEGUN + timedelta(days=days)
    decision = decide(Facts(place, tuple(needs)), TABLE, DIRECTORY, at)
    assert decision == decide(
        Facts(place, tuple(needs)), a_table(*reversed(RULES)), Directory.of(reversed(AGENCIES)), at
    )
    assert [each.need for each in decision.needs] == needs
    for each in decision.needs:
        offices = [assignment.agency for assignment in each.assignments]
        leads = [assignment for assignment in each.assignments if assignment.role is Role.LEAD]
        assert len(offices) == len({office.code for office in offices})
        assert all(place.startswith(office.division_code) and office.active for office in offices)
        assert len(leads) == 1 or each.undetermined
        assert {a.reason for a in each.assignments} | {p.reason for p in each.passed_over} <= REASONS.keys()


@pytest.mark.parametrize("place", [TOWNSHIP, COUNTY, NEIGHBOUR, FAR_AWAY])
def test_every_rule_that_was_asked_fired_or_was_passed_over_for_one_reason(place: str) -> None:
    for need in (*DOMAIN, "unheard_of"):
        decision = decided(need, place)
        told = [each.rule.number for each in (*decision.assignments, *decision.passed_over)]
        asked = {need, UNDETERMINED} if decision.undetermined else {need}
        assert sorted(told) == sorted(rule.number for rule in RULES if rule.need in asked), need


@pytest.mark.parametrize("place", [TOWNSHIP, COUNTY, NEIGHBOUR])
def test_the_record_names_rules_agencies_and_reasons_that_exist(place: str) -> None:
    record = decide(Facts(place, tuple(DOMAIN)), TABLE, DIRECTORY, AT).record()
    assert record["version"] == TABLE.version
    assert [each["need"] for each in record["needs"]] == list(DOMAIN)
    fired: Iterable[dict[str, Any]] = [row for each in record["needs"] for row in each["fired"]]
    for row in fired:
        assert TABLE.by_number[row["rule"]].department == DIRECTORY.agencies[row["agency"]].department
    for row in (*fired, *(row for each in record["needs"] for row in each["passed_over"])):
        assert row["rule"] in TABLE.by_number
        assert row["why"] in REASONS


# A lead near and one in the whole province, two who help and one who is told, and who takes what nobody leads.
NEAR = a_rule(1, "near", area=COUNTY, **when("age >= 80 and residence = rural"))
WIDE = a_rule(2, "wide")
HELPER = a_rule(3, "helper", Role.CO_HANDLER, **when("out_of_pocket_yuan > 0 or self_care in (none, partial)"))
ALWAYS = a_rule(4, "always", Role.CO_HANDLER)
TOLD = a_rule(5, "told", Role.INFORMED, **when("recognised_status = orphan"))
TAKER = a_rule(6, "taker", need=UNDETERMINED)
OFFICES = Directory.of(an_agency(name, COUNTY) for name in ("near", "wide", "helper", "always", "told", "taker"))
EVERYTHING: dict[str, Value] = {
    "age": 80,
    "residence": "rural",
    "out_of_pocket_yuan": Decimal(1),
    "self_care": "full",
    "recognised_status": frozenset({"orphan"}),
}


def helped(*rules: Rule, need: str = "help", **known: Any) -> NeedDecision:
    return decided(need, table=a_table(*rules), directory=OFFICES, **known)


def fired(decision: NeedDecision) -> dict[int, Role]:
    return {each.rule.number: each.role for each in decision.assignments}


def test_a_rule_fires_when_its_condition_is_met() -> None:
    decision = helped(NEAR, WIDE, HELPER, ALWAYS, TOLD, **EVERYTHING)
    assert fired(decision) == {1: Role.LEAD, 3: Role.CO_HANDLER, 4: Role.CO_HANDLER, 5: Role.INFORMED}
    assert {each.reason for each in decision.assignments} == {"applies"}
    assert passed_over(decision) == {(2, "nearer_rule")}
    assert (decision.undetermined, decision.asks) == (False, ())


def test_a_rule_whose_condition_is_not_met_is_passed_over_for_the_next() -> None:
    decision = helped(NEAR, WIDE, HELPER, ALWAYS, TOLD, **{**EVERYTHING, "age": 79, "recognised_status": frozenset()})
    assert fired(decision) == {2: Role.LEAD, 3: Role.CO_HANDLER, 4: Role.CO_HANDLER}
    assert passed_over(decision) == {(1, "condition_not_met"), (5, "condition_not_met")}
    assert (decision.undetermined, decision.asks) == (False, ())


def test_a_rule_that_waits_for_a_fact_does_not_fire_the_others_do_and_what_is_missing_is_asked() -> None:
    decision = helped(NEAR, WIDE, HELPER, ALWAYS, TOLD, age=80)
    assert fired(decision) == {2: Role.LEAD, 4: Role.CO_HANDLER}
    assert {each.reason for each in decision.assignments} == {"applies"}
    assert passed_over(decision) == {(1, "needs_fact"), (3, "needs_fact"), (5, "needs_fact")}
    assert decision.asks == ("residence", "out_of_pocket_yuan", "self_care", "recognised_status")
    assert not decision.undetermined


def test_a_fact_that_two_rules_wait_for_is_asked_once_and_one_that_can_change_nothing_is_not() -> None:
    also = a_rule(7, "always", Role.CO_HANDLER, **when("residence = urban and schooling is known"))
    later = a_rule(8, "told", Role.INFORMED, effective_from=date(2027, 1, 1), **when("dwelling = none"))
    assert helped(NEAR, WIDE, also, later, age=80, schooling="junior").asks == ("residence",)
    assert helped(NEAR, WIDE, also, later, age=79).asks == ()
    assert passed_over(helped(WIDE, later)) == {(8, "not_in_force")}


def test_what_is_known_already_is_enough_when_the_rest_makes_no_difference() -> None:
    decision = helped(WIDE, HELPER, self_care="none")
    assert (fired(decision), decision.asks) == ({2: Role.LEAD, 3: Role.CO_HANDLER}, ())
    assert passed_over(helped(NEAR, WIDE, residence="urban")) == {(1, "condition_not_met")}


def test_a_lead_that_waits_for_a_fact_leaves_the_need_to_undetermined_for_now() -> None:
    decision = helped(NEAR, ALWAYS, TAKER, age=80)
    assert decision.undetermined
    assert fired(decision) == {6: Role.LEAD, 4: Role.CO_HANDLER}
    assert {each.rule.number: each.reason for each in decision.assignments} == {6: "lead_needs_fact", 4: "applies"}
    assert [each.mandatory for each in decision.assignments] == [True, False]
    assert (passed_over(decision), decision.asks) == ({(1, "needs_fact")}, ("residence",))
    asked_for = helped(NEAR, ALWAYS, TAKER, age=80, residence="rural")
    assert (fired(asked_for), asked_for.undetermined) == ({1: Role.LEAD, 4: Role.CO_HANDLER}, False)


def test_a_lead_whose_condition_is_not_met_leaves_the_need_to_undetermined_with_nothing_to_ask() -> None:
    decision = helped(NEAR, ALWAYS, TAKER, age=79)
    assert {each.rule.number: each.reason for each in decision.assignments} == {6: "nobody_leads", 4: "applies"}
    assert (decision.undetermined, decision.asks) == (True, ())


def test_a_co_handler_that_waits_for_a_fact_is_no_reason_why_nobody_leads() -> None:
    decision = helped(HELPER, TAKER)
    assert {each.rule.number: each.reason for each in decision.assignments} == {6: "nobody_leads"}
    assert decision.asks == ("out_of_pocket_yuan", "self_care")


def test_what_undetermined_waits_for_is_asked_too() -> None:
    rural = a_rule(7, "helper", Role.CO_HANDLER, need=UNDETERMINED, **when("residence = rural"))
    decision = helped(NEAR, TAKER, rural, age=80)
    assert (fired(decision), decision.asks) == ({6: Role.LEAD}, ("residence",))
    direct = helped(TAKER, rural, need=UNDETERMINED)
    assert (fired(direct), direct.undetermined, direct.asks) == ({6: Role.LEAD}, True, ("residence",))
    assert fired(helped(TAKER, rural, need=UNDETERMINED, residence="rural")) == {6: Role.LEAD, 7: Role.CO_HANDLER}


def test_who_is_informed_keeps_nobody_waiting_and_comes_after_who_handles() -> None:
    decision = helped(WIDE, a_rule(7, "wide", Role.INFORMED), a_rule(8, "always", Role.INFORMED), ALWAYS, TOLD)
    assert fired(decision) == {2: Role.LEAD, 4: Role.CO_HANDLER}
    assert passed_over(decision) == {(7, "already_assigned"), (8, "nearer_rule"), (5, "needs_fact")}
    (informed,) = helped(WIDE, TOLD, **EVERYTHING).assignments[1:]
    assert (informed.role, informed.mandatory) == (Role.INFORMED, False)


def test_whoever_is_only_informed_leads_nothing() -> None:
    decision = helped(a_rule(7, "always", Role.INFORMED), TAKER)
    assert fired(decision) == {6: Role.LEAD, 7: Role.INFORMED}
    assert decision.undetermined


def test_what_is_known_of_one_need_is_unknown_to_another() -> None:
    other = [replace(rule, number=rule.number + 10, need="other") for rule in (NEAR, WIDE)]
    facts = Facts(TOWNSHIP, ("help", "other"), {"age": 80}, {"help": {"residence": "rural"}, "other": {"age": 90}})
    mine, others = decide(facts, a_table(NEAR, WIDE, *other), OFFICES, AT).needs
    assert (fired(mine), mine.asks) == ({1: Role.LEAD}, ())
    assert (fired(others), others.asks) == ({12: Role.LEAD}, ("residence",))


def test_the_seeded_table_asks_for_what_its_rules_wait_for() -> None:
    decision = decided("elderly_subsidy", age=85)
    assert (decision.undetermined, decision.asks) == (False, ("self_care",))
    assert "county_health" in departments(decided("elderly_subsidy", age=79), Role.CO_HANDLER)
    assert "county_health" in departments(decided("elderly_subsidy", age=85, self_care="none"), Role.CO_HANDLER)
    assert passed_over(decided("elderly_subsidy", age=85, self_care="full")) == {(113, "condition_not_met")}


CONDITIONS = (
    *("", "age >= 80", "residence = rural", "recognised_status = orphan", "self_care in (none, partial)"),
    *("age < 80 or residence = urban", "not (out_of_pocket_yuan > 0 and age >= 80)", "residence is unknown"),
)
rules = st.builds(
    lambda department, role, area, need, condition: a_rule(
        0, department, role, area=area, need=need, **when(condition)
    ),
    st.sampled_from(["near", "wide", "helper", "always", "nobody"]),
    st.sampled_from(Role),
    st.sampled_from(["36", "3608", COUNTY, TOWNSHIP, "360803102"]),
    st.sampled_from(["help", "help", "help", UNDETERMINED]),
    st.sampled_from(CONDITIONS),
)
tables = st.lists(rules, max_size=14).map(lambda found: [replace(rule, number=n) for n, rule in enumerate(found, 1)])
OTHERWISE: dict[str, Value] = {
    "age": 79,
    "residence": "urban",
    "out_of_pocket_yuan": Decimal(0),
    "self_care": "none",
    "recognised_status": frozenset(),
}
wholes = st.fixed_dictionaries({name: st.sampled_from([EVERYTHING[name], OTHERWISE[name]]) for name in EVERYTHING})
pieces = st.sets(st.sampled_from(list(EVERYTHING))).map(lambda names: {name: EVERYTHING[name] for name in names})


@given(tables, pieces, st.randoms(use_true_random=False))
def test_neither_the_order_of_rules_nor_of_facts_nor_of_agencies_makes_a_difference(
    listed: list[Rule], known: dict[str, Value], chance: Random
) -> None:
    def shuffled(things: Iterable[Any]) -> list[Any]:
        return sorted(things, key=lambda _: chance.random())

    facts = Facts(TOWNSHIP, ("help",), known, {"help": {"age": 81}})
    again = Facts(TOWNSHIP, ("help",), dict(shuffled(known.items())), {"help": {"age": 81}})
    decision = decide(facts, a_table(*listed), OFFICES, AT)
    other = decide(again, a_table(*shuffled(listed)), Directory.of(shuffled(OFFICES.agencies.values())), AT)
    assert (other, other.record()) == (decision, decision.record())


@given(tables, pieces)
def test_every_rule_that_is_asked_is_told_of_once_and_as_its_condition_says(
    listed: list[Rule], known: dict[str, Value]
) -> None:
    decision = helped(*listed, **known)
    asked = {"help", UNDETERMINED} if decision.undetermined else {"help"}
    told = Counter(each.rule.number for each in (*decision.assignments, *decision.passed_over))
    here = [rule for rule in listed if rule.need in asked and TOWNSHIP.startswith(rule.area)]
    assert told == Counter(rule.number for rule in here)
    answers = {rule.number: rule.condition.answer(known) if rule.condition else True for rule in here}
    assert all(answers[number] is True for number in fired(decision))
    for rule, reason in decision.passed_over:
        assert reason not in WHY.values() or reason == WHY.get(answers[rule.number])
        assert reason in (*WHY.values(), "nearer_rule", "no_agency", "already_assigned")
    waiting = {name for rule, reason in decision.passed_over if reason == "needs_fact" for name in facts_of(rule)}
    assert set(decision.asks) <= waiting - known.keys()


WHY = {False: "condition_not_met", None: "needs_fact"}


def facts_of(rule: Rule) -> tuple[str, ...]:
    return rule.condition.facts if rule.condition else ()


@settings(max_examples=300)
@given(tables, pieces, st.lists(wholes, min_size=1, max_size=4))
def test_what_is_not_asked_changes_nothing_whatever_the_answers_are(
    listed: list[Rule], known: dict[str, Value], told: list[dict[str, Value]]
) -> None:
    rules = [rule for rule in listed if "unknown" not in str(rule.condition)]  # that one changes when a fact is told
    asks = helped(*rules, **known).asks
    for whole in told:
        everything = {**whole, **known}
        asked_for = {name: value for name, value in everything.items() if name in known or name in asks}
        assert helped(*rules, **asked_for).assignments == helped(*rules, **everything).assignments


def test_who_can_not_get_the_need_whatever_is_told_is_not_asked_about() -> None:
    waits = when("age >= 80")
    near, behind = a_rule(1, "wide", area=COUNTY), a_rule(2, "near", **waits)
    assert passed_over(helped(near, behind)) == {(2, "nearer_rule")}
    helper, wider = a_rule(3, "helper", Role.CO_HANDLER, area=COUNTY), a_rule(4, "helper", Role.CO_HANDLER, **waits)
    missing, of_lead = a_rule(5, "nobody", Role.INFORMED, **waits), a_rule(6, "wide", Role.CO_HANDLER, **waits)
    decision = helped(near, behind, helper, wider, missing, of_lead)
    assert passed_over(decision) == {
        *((2, "nearer_rule"), (4, "nearer_rule")),
        *((5, "no_agency"), (6, "already_assigned")),
    }
    assert decision.asks == ()
    beside_fallback = helped(a_rule(7, "taker", Role.CO_HANDLER, **waits), TAKER)
    assert (passed_over(beside_fallback), beside_fallback.asks) == ({(7, "already_assigned")}, ())


def test_whoever_may_have_to_give_the_lead_away_is_still_asked_about() -> None:
    nearer = a_rule(1, "near", area=COUNTY, **when("age >= 80"))
    beside = a_rule(3, "wide", Role.CO_HANDLER, **when("residence = rural"))
    decision = helped(nearer, WIDE, beside)
    assert (fired(decision), decision.asks) == ({2: Role.LEAD}, ("age", "residence"))
    assert fired(helped(nearer, WIDE, beside, age=80, residence="rural")) == {1: Role.LEAD, 3: Role.CO_HANDLER}
    taker = a_rule(7, "taker", Role.CO_HANDLER, **when("residence = rural"))
    assert helped(nearer, taker, TAKER).asks == ("age", "residence")


def test_of_a_condition_only_what_is_still_open_is_asked() -> None:
    rule = a_rule(3, "helper", Role.CO_HANDLER, **when("(age < 18 and residence = rural) or self_care = none"))
    assert helped(WIDE, rule, age=80).asks == ("self_care",)
    assert helped(WIDE, rule, age=8).asks == ("residence", "self_care")
    assert helped(WIDE, rule).asks == ("age", "residence", "self_care")
    negated = a_rule(3, "helper", Role.CO_HANDLER, **when("not (age < 18 and residence = rural)"))
    assert helped(WIDE, negated, age=8).asks == ("residence",)


@given(tables, st.lists(st.tuples(pieces, st.sampled_from([TOWNSHIP, COUNTY, "360803102"])), min_size=2, max_size=6))
def test_what_was_decided_before_makes_no_difference(
    listed: list[Rule], asked: list[tuple[dict[str, Value], str]]
) -> None:
    used = a_table(*listed)
    for known, place in [*asked, *reversed(asked)]:
        decision, fresh = (
            decide(Facts(place, ("help", UNDETERMINED), known), table, directory, AT)
            for table, directory in ((used, OFFICES), (a_table(*listed), Directory.of(OFFICES.agencies.values())))
        )
        assert (decision, decision.record()) == (fresh, fresh.record())


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_a_sentence_in_chinese_and_in_english(reason: str) -> None:
    zh, en = REASONS[reason]
    assert re.search("[一-鿿]", zh)
    assert re.fullmatch("[ -~]{10,}", en)


def test_the_latest_table_that_has_taken_effect_decides() -> None:
    first, second = a_table(version=1), a_table(version=2, effective_from=BEGUN + timedelta(days=90))
    corrected = a_table(version=3, effective_from=second.effective_from)
    for tables in ([first, second, corrected], [corrected, second, first]):
        assert in_force(tables, BEGUN - timedelta(seconds=1)) is None
        assert in_force(tables, BEGUN) is first
        assert in_force(tables, second.effective_from) is corrected
