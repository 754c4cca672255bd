"""check(): a table that passes routes every request; a table with a hole is refused, and the witness falls into it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app import seed
from app.routing.check import World, check
from app.routing.conditions import Compared, Condition
from app.routing.directory import Agency, Directory
from app.routing.findings import Certificate, Finding, Severity, Witness
from app.routing.grammar import parse_condition
from app.routing.rules import UNDETERMINED, Consent, ConsentOf, Role, RoutingTable, Rule
from tests.tables import names
from tests.worlds import (
    AT,
    BEGINS,
    DIRECTORY,
    NEEDS,
    OFFICES,
    PLACES,
    WORLD,
    a_rule,
    a_table,
    an_office,
    any_tables,
    decided,
    leads,
    looked_at,
    matches,
    proof,
    requests,
    told,
    waits,
    whole_tables,
)

ONE_BY_ONE = {"no_lead", "two_leads", "two_rows", "lead_waits_for_fact", "deadlock", "dead_rule"}


def shows(finding: Finding, table: RoutingTable, directory: Directory = DIRECTORY) -> bool:
    """Whether the witness, decided, is what the finding says."""
    at, decision = finding.witness, decided(table, finding.witness, directory)
    rules = [table.by_number[number] for number in finding.rules]
    fired = {each.rule.number: each for each in decision.assignments}
    if at.division_code not in PLACES or at.day < BEGINS:
        return False
    if finding.code == "no_lead":
        own = [rule for rule in table.rules if rule.need == at.need and rule.role is Role.LEAD]
        return decision.undetermined and not any(matches(rule, at) for rule in own)
    if finding.code == "lead_waits_for_fact":
        reasons = {each.reason for each in decision.assignments if each.rule.need == UNDETERMINED}
        return decision.undetermined and reasons <= {"lead_needs_fact"} and all(waits(rule, at) for rule in rules)
    if finding.code == "deadlock":
        lead, helper = sorted((fired[rule.number] for rule in rules), key=lambda each: each.role is not Role.LEAD)
        return lead.role is Role.LEAD and helper.mandatory and helper.step > lead.step
    if finding.code in ("two_leads", "two_rows"):
        whys = {each.rule.number: each.reason for each in decision.passed_over}
        kept, *others = (number for number in finding.rules if whys.get(number) != "nearer_rule") if rules else ()
        is_kept = kept in fired or decision.undetermined  # or whoever takes the lead's place has it already
        return not others and is_kept and all(matches(rule, at) for rule in rules)
    if finding.code == "dead_rule":
        (rule,) = rules
        by = re.search(r"rule (\d+) comes first", finding.en)
        comes_first = by is not None and (int(by[1]) in fired or decision.undetermined)
        return rule.number not in fired and (by is None or (matches(rule, at) and comes_first))
    whys = {each.rule.number: each.reason for each in decision.passed_over}
    if finding.code in ("agency_missing", "agency_suspended"):
        return whys[rules[0].number] == "no_agency"
    return finding.code != "agency_unreachable" or fired[rules[0].number].agency.phone is None


def errors(certificate: Certificate) -> set[str]:
    return {each.code for each in certificate.errors}


# ---- whatever the table ----


@settings(max_examples=50)
@given(any_tables())
def test_the_proof_finds_just_what_looking_at_every_request_finds(table: RoutingTable) -> None:
    found = [each for each in proof(table.rules).findings if each.code in ONE_BY_ONE]
    assert told(found) == looked_at(table).findings


@settings(max_examples=150)
@given(any_tables(), st.lists(requests(), min_size=5, max_size=10))
def test_every_witness_shows_what_was_found_and_a_table_that_passes_leads_every_request(
    table: RoutingTable, asked: list[Witness]
) -> None:
    certificate = proof(table.rules)
    for finding in certificate.findings:
        assert shows(finding, table), finding
    if not certificate.errors:
        for request in asked:
            assert_led(table, request, waiting_is_allowed=bool(certificate.warnings))


@settings(max_examples=80)
@given(whole_tables(), st.lists(requests(), min_size=5, max_size=20))
def test_a_table_that_shares_out_every_request_passes_and_leads_every_request(
    table: RoutingTable, asked: list[Witness]
) -> None:
    assert proof(table.rules).findings == ()
    for request in asked:
        assert_led(table, request, waiting_is_allowed=False)


@settings(max_examples=15)
@given(whole_tables())
def test_every_rule_of_a_table_that_passes_fires_for_somebody(table: RoutingTable) -> None:
    seen = looked_at_by_deciding(table)
    assert seen == {rule.number for rule in table.rules}


def assert_led(table: RoutingTable, request: Witness, *, waiting_is_allowed: bool) -> None:
    decision = decided(table, request)
    assert [each.role for each in decision.assignments].count(Role.LEAD) == 1
    whys = {each.reason for each in decision.assignments}
    if request.need != UNDETERMINED:
        assert whys == {"applies"} or (waiting_is_allowed and "lead_needs_fact" in whys)
    codes = [each.agency.code for each in decision.assignments]
    assert len(codes) == len(set(codes))
    assert "no_agency" not in {each.reason for each in decision.passed_over}


def looked_at_by_deciding(table: RoutingTable) -> set[int]:
    bounds = {0, 150}
    for rule in table.rules:
        for bound in re.findall(r"age \S+ (\d+)", str(rule.condition)):
            bounds |= {int(bound), int(bound) - 1}
    days = {BEGINS, *(rule.effective_from for rule in table.rules)}
    fired: set[int] = set()
    for need in NEEDS:
        for place in PLACES:
            for day in days:
                for age in (None, *bounds):
                    for residence in (None, "urban", "rural"):
                        facts = {"age": age, "residence": residence}
                        known = {name: value for name, value in facts.items() if value is not None}
                        fired |= {
                            each.rule.number
                            for each in decided(table, Witness(need, place, day, known)).assignments  # type: ignore[arg-type]
                        }
    return fired


# ---- a seeded hole ----


def province_wide(draw: st.DataObject, table: RoutingTable, **wanted: Any) -> Rule:
    """A lead behind which no other stands: without it, somebody is not led."""
    bounded = wanted.get("bounded", False)
    rules = [
        rule
        for rule in table.rules
        if rule.area == "36"
        and "unknown" not in str(rule.condition)
        and (not bounded or re.match(r"age < \d+$", str(rule.condition)))
        and (not wanted.get("ends") or rule.effective_to is not None)
    ]
    assume(rules)
    return draw.draw(st.sampled_from(rules))


def without(table: RoutingTable, *gone: Rule) -> list[Rule]:
    return [rule for rule in table.rules if rule not in gone]


@settings(max_examples=40)
@given(whole_tables(), st.data())
def test_a_table_without_one_of_its_leads_is_refused(table: RoutingTable, data: st.DataObject) -> None:
    gone = province_wide(data, table)
    rest = a_table(without(table, gone))
    assert_hole(proof(rest.rules), rest, gone)


@settings(max_examples=40)
@given(whole_tables(), st.data())
def test_a_bound_that_is_one_too_low_leaves_a_hole_and_one_too_high_an_overlap(
    table: RoutingTable, data: st.DataObject
) -> None:
    right = province_wide(data, table, bounded=True)
    node = right.condition.node if right.condition else None
    assert isinstance(node, Compared)
    assert isinstance(node.value, int)
    low, high = (
        replace(right, condition=Condition.of(replace(node, value=node.value + shift)))  # type: ignore[operator]
        for shift in (-1, 1)
    )
    narrowed = a_table([*without(table, right), low])
    finding = assert_hole(proof(narrowed.rules), narrowed, right)
    assert finding.witness.facts["age"] == node.value - 1
    widened = a_table([*without(table, right), high])
    certificate = proof(widened.rules)
    overlaps = [each for each in certificate.errors if each.code == "two_leads" and right.number in each.rules]
    assert errors(certificate) == {"two_leads"}
    assert all(shows(each, widened) and each.witness.facts["age"] == node.value for each in overlaps)
    assert overlaps


@settings(max_examples=40)
@given(whole_tables(), st.data())
def test_a_date_that_is_a_day_too_early_leaves_a_hole_and_one_too_late_an_overlap(
    table: RoutingTable, data: st.DataObject
) -> None:
    right = province_wide(data, table, ends=True)
    assert right.effective_to is not None
    assume(right.effective_to > BEGINS)
    a_day = timedelta(days=1)
    early = a_table([*without(table, right), replace(right, effective_to=right.effective_to - a_day)])
    assert assert_hole(proof(early.rules), early, right).witness.day == right.effective_to
    late = a_table([*without(table, right), replace(right, effective_to=right.effective_to + a_day)])
    certificate = proof(late.rules)
    (overlap, *_) = [each for each in certificate.errors if right.number in each.rules]
    assert (overlap.code, overlap.witness.day) == ("two_leads", right.effective_to + a_day)
    assert shows(overlap, late)


def assert_hole(certificate: Certificate, table: RoutingTable, gone: Rule) -> Finding:
    (finding,) = [each for each in certificate.errors if each.code == "no_lead"]
    assert errors(certificate) <= {"no_lead", "dead_rule"}
    assert matches(gone, finding.witness)
    assert shows(finding, table)
    assert gone.need in finding.en
    assert gone.need in finding.zh
    return finding


CHANGED = {
    "agency_suspended": {"active": False},
    "agency_unreachable": {"phone": None, "endpoint": None, "inbox": False},
    "agency_missing": None,
}


@settings(max_examples=40)
@given(whole_tables(), st.data(), st.sampled_from(sorted(CHANGED)))
def test_an_agency_that_is_gone_or_suspended_or_cannot_be_reached_is_found(
    table: RoutingTable, data: st.DataObject, code: str
) -> None:
    department = data.draw(st.sampled_from(sorted({rule.department for rule in table.rules})))
    changes = CHANGED[code]
    others = [office for office in OFFICES if office.department != department]
    same = [office for office in OFFICES if office.department == department]
    directory = Directory.of([*others, *(replace(each, **changes) for each in same if changes is not None)])
    certificate = proof(table.rules, directory)
    found = {each.rules[0]: each for each in certificate.errors}
    assert errors(certificate) == {code}
    assert found.keys() == {rule.number for rule in table.rules if rule.department == department}
    for number, finding in found.items():
        assert f"rule {number}: {department}" in finding.en
        assert matches(table.by_number[number], finding.witness)
        assert shows(finding, table, directory)


# ---- each finding by itself ----

OTHERS = leads("work", UNDETERMINED)
WIDE = a_rule(1)


def helper(number: int, department: str = "schools", **changes: Any) -> Rule:
    return a_rule(number, "aid", department, changes.pop("role", Role.CO_HANDLER), **changes)


ALONE: dict[str, tuple[list[Rule], str, tuple[int, ...]]] = {
    "nobody leads": ([helper(1)], "no_lead", ()),
    "two lead": ([WIDE, a_rule(2, department="schools")], "two_leads", (1, 2)),
    "two lead where the nearest is": ([WIDE, *(a_rule(n, area="360801") for n in (2, 3))], "two_leads", (2, 3)),
    "two lead for a day": (
        [a_rule(1, effective_to=BEGINS + timedelta(days=9)), a_rule(2, effective_from=BEGINS + timedelta(days=9))],
        "two_leads",
        (1, 2),
    ),
    "a lead waits": (
        [a_rule(1, condition="age < 18"), a_rule(2, condition="age >= 18")],
        "lead_waits_for_fact",
        (1, 2),
    ),
    "two rows": ([WIDE, helper(2), helper(3, condition="age < 18")], "two_rows", (2, 3)),
    "two rows of those informed": ([WIDE, *(helper(n, role=Role.INFORMED) for n in (2, 3))], "two_rows", (2, 3)),
    "two rows for a day": (
        [
            WIDE,
            helper(2, effective_to=BEGINS + timedelta(days=9)),
            helper(3, effective_from=BEGINS + timedelta(days=9)),
        ],
        "two_rows",
        (2, 3),
    ),
    "a lead before its co-handler": ([WIDE, helper(2, step=2)], "deadlock", (1, 2)),
    "a lead before its co-handler for some": (
        [
            a_rule(1, condition="age < 18"),
            a_rule(2, step=2, condition="not (age < 18) or age is unknown"),
            helper(3, step=2),
        ],
        "deadlock",
        (1, 3),
    ),
    "behind a nearer rule": (
        [WIDE, *(a_rule(n, area=area) for n, area in ((2, "3608"), (3, "3609")))],
        "dead_rule",
        (1,),
    ),
    "behind the lead of the same department": ([WIDE, helper(2, "civil")], "dead_rule", (2,)),
    "behind a co-handler": ([WIDE, helper(2), helper(3, role=Role.INFORMED, area="360801")], "dead_rule", (3,)),
    "of a condition that nobody meets": ([WIDE, helper(2, condition="age < 18 and age > 60")], "dead_rule", (2,)),
    "over before the table begins": (
        [WIDE, helper(2, effective_from=date(2020, 1, 1), effective_to=date(2025, 12, 31))],
        "dead_rule",
        (2,),
    ),
    "replaced on the day of its beginning": (
        [
            WIDE,
            helper(2, effective_from=date(2027, 1, 1)),
            helper(3, area="3609", effective_to=date(2026, 6, 30)),
            helper(
                4, area="360901", role=Role.INFORMED, effective_from=date(2026, 3, 1), effective_to=date(2026, 5, 1)
            ),
        ],
        "dead_rule",
        (4,),
    ),
    "of a need that is unknown": ([WIDE, a_rule(2, "aidd")], "unknown_code", (2,)),
    "of a department that is unknown": ([WIDE, helper(2, "civl")], "unknown_code", (2,)),
    "of an area that is unknown": ([WIDE, helper(2, area="3610")], "unknown_code", (2,)),
    "of a material that is unknown": ([a_rule(1, materials=("form", "fomr"))], "unknown_code", (1,)),
    "of a waived material that is unknown": ([a_rule(1, waived=("fomr",))], "unknown_code", (1,)),
    "of an emergency variant without a rule": ([a_rule(1, emergency_variant="aidd")], "unknown_code", (1,)),
    "of sensitive groups": ([a_rule(1, discloses=("identity", "health"), consent=())], "consent_missing", (1,)),
    "of nobody's consent": (
        [a_rule(1, discloses=("health",), consent=(Consent.MEDICAL,), consent_of=ConsentOf.NOBODY)],
        "consent_of_nobody",
        (1,),
    ),
    "of a lead that sees nothing": ([a_rule(1, discloses=())], "lead_sees_nothing", (1,)),
}


def only(certificate: Certificate, *codes: str) -> dict[str, Finding]:
    """The findings of these codes, and no others."""
    by_code = {each.code: each for each in certificate.findings}
    assert by_code.keys() == set(codes), [each.en for each in certificate.findings]
    return by_code


@pytest.mark.parametrize("what", ALONE)
def test_each_fault_is_found_by_its_rows_and_told_in_both_languages(what: str) -> None:
    rules, code, numbers = ALONE[what]
    table = a_table([*rules, *OTHERS])
    also = {"of a department that is unknown": ["agency_missing"]}.get(what, [])
    finding = only(proof(table.rules), code, *also)[code]
    assert finding.rules == numbers
    assert finding.severity == ("warning" if code in ("lead_waits_for_fact", "lead_sees_nothing") else "error")
    assert_told(finding)
    assert shows(finding, table) or what == "of an area that is unknown"
    assert finding.regions > 0


def assert_told(finding: Finding) -> None:
    assert re.search("[一-鿿]{2}", finding.zh)
    assert re.fullmatch("[ -~]{20,}", finding.en), finding.en
    for number in finding.rules:
        assert str(number) in finding.zh
        assert str(number) in finding.en
    record = finding.record()
    assert record["witness"]["division_code"] == finding.witness.division_code
    assert (record["code"], record["rules"]) == (finding.code, list(finding.rules))


def test_needs_that_wait_for_each_other_are_found_where_and_while_they_do() -> None:
    def linked(number: int, need: str, after: str, **changes: Any) -> Rule:
        return a_rule(number, need, prerequisites=(after, "a free word"), **changes)

    ends, follows = BEGINS + timedelta(days=29), BEGINS + timedelta(days=30)
    third = [a_rule(3, UNDETERMINED)]
    finding = only(proof([linked(1, "aid", "work"), linked(2, "work", "aid"), *third]), "prerequisite_loop")
    assert finding["prerequisite_loop"].rules == (1, 2)
    assert_told(finding["prerequisite_loop"])
    itself = only(proof([linked(1, "aid", "aid"), *OTHERS]), "prerequisite_loop")["prerequisite_loop"]
    assert (itself.rules, itself.witness.need) == ((1,), "aid")
    later = [linked(1, "aid", "work", effective_from=follows), a_rule(4, effective_to=ends), linked(2, "work", "aid")]
    assert only(proof([*later, *third]), "prerequisite_loop")["prerequisite_loop"].witness.day == follows
    before = [a_rule(5, "work", effective_from=follows), linked(2, "work", "aid", effective_to=ends)]
    assert proof([*later[:2], *before, *third]).findings == ()
    near = [WIDE, linked(2, "aid", "work", area="360801"), a_rule(3, "work"), a_rule(6, UNDETERMINED)]
    assert proof([*near, linked(4, "work", "aid", area="360802")]).findings == ()
    inside = only(proof([*near, linked(4, "work", "aid", area="360801001")]), "prerequisite_loop")
    assert inside["prerequisite_loop"].witness.division_code == "360801001"


def test_a_need_without_a_rule_is_not_led_and_nor_is_undetermined_where_nobody_names_it() -> None:
    assert only(proof([*leads("aid", UNDETERMINED)]), "no_lead")["no_lead"].witness.need == "work"
    world = replace(WORLD, needs=("aid", "work"))
    assert only(proof(leads("aid", "work"), world=world), "no_lead")["no_lead"].witness.need == UNDETERMINED
    assert proof(leads("aid", "work", UNDETERMINED), world=world).errors == ()


def test_undetermined_may_not_wait_for_a_fact() -> None:
    """Nobody comes after it."""
    waiting = [a_rule(1, UNDETERMINED, condition="age < 18"), a_rule(2, UNDETERMINED, condition="age >= 18")]
    rules = [*leads("aid", "work"), *waiting]
    finding = only(proof(rules), "no_lead")["no_lead"]
    assert finding.witness.need == UNDETERMINED
    assert_told(finding)
    assert decided(a_table(rules), finding.witness).assignments == ()


def test_a_county_without_agencies_is_told_of_once_and_rules_for_it_are_refused() -> None:
    world = replace(WORLD, places=(*PLACES, "361001", "361001001"))
    rules = leads(*NEEDS)
    warning = only(proof(rules, world=world), "county_not_served")["county_not_served"]
    assert (warning.severity, warning.rules, warning.witness.division_code) == (Severity.WARNING, (), "361001")
    assert_told(warning)
    there = only(proof([*rules, helper(1, area="361001")], world=world), "county_not_served", "agency_missing")
    assert there["agency_missing"].rules == (1,)
    assert_told(there["agency_missing"])
    nobody = proof(rules, Directory.of([]))
    assert errors(nobody) == {"agency_missing"}


def test_too_many_cases_are_refused_and_nothing_else_is_said_of_their_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.routing.notes.MOST_CELLS", 10)
    rules = [a_rule(1, condition="age < 18 and residence = rural"), a_rule(2, condition="age is unknown"), *OTHERS]
    finding = only(proof(rules), "too_many_cases")["too_many_cases"]
    assert finding.rules == (1, 2)
    assert "20 cases together" in finding.en
    assert "18 in one area (age 6, residence 3)" in finding.en
    assert_told(finding)


def test_the_cases_of_all_areas_share_one_budget_and_the_need_that_has_the_most_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.routing.notes.MOST_CELLS", 25)
    rules = [WIDE, helper(2, condition="age < 18 and residence = rural"), *OTHERS]
    assert proof(rules).findings == ()
    nearer = replace(rules[1], number=3, area="360801")
    finding = only(proof([*rules, nearer]), "too_many_cases")["too_many_cases"]
    assert finding.rules == (2, 3)
    assert finding.witness.division_code.startswith("360801")
    assert "38 of them are of aid, most by rules 2, 3: 18 in one area" in finding.en
    assert_told(finding)


def test_a_co_handler_whose_agency_has_the_need_already_wherever_nobody_leads_is_dead() -> None:
    halves = [a_rule(number, department="lead", condition=f"age {sign} 18") for number, sign in ((1, "<"), (2, ">="))]
    idle = helper(3, "civil", condition="age is unknown")
    rules = [*halves, idle, *OTHERS]
    dead = only(proof(rules), "lead_waits_for_fact", "dead_rule")["dead_rule"]
    assert (dead.rules, dead.witness.facts) == ((3,), {})
    assert "rule 901 comes first" in dead.en
    assert_told(dead)
    assert shows(dead, a_table(rules))
    others = (
        helper(3, "schools", condition="age is unknown"),
        helper(3, "civil", condition="age is unknown or age > 60"),
    )
    for rule in others:
        only(proof([*halves, rule, *OTHERS]), "lead_waits_for_fact")
    elsewhere = a_rule(4, UNDETERMINED, "township", area="360801")
    later = replace(elsewhere, area="36", effective_from=BEGINS + timedelta(days=30))
    until_then = a_rule(901, UNDETERMINED, effective_to=BEGINS + timedelta(days=29))
    for changed in ([*rules, elsewhere], [*rules[:-1], until_then, later]):
        only(proof(changed), "lead_waits_for_fact")


def test_a_rule_that_always_yields_to_another_waits_for_no_other_need() -> None:
    wide = a_rule(1, prerequisites=("work",))
    back = a_rule(2, "work", area="3608", prerequisites=("aid",))
    nearer = a_rule(3, area="3608")
    others = [a_rule(4, "work"), a_rule(5, UNDETERMINED)]
    assert only(proof([wide, back, *others]), "prerequisite_loop")["prerequisite_loop"].rules == (1, 2)
    assert proof([wide, back, nearer, *others]).findings == ()
    for_some = replace(nearer, condition=parse_condition("age < 18"))
    assert errors(proof([wide, back, for_some, *others])) == {"prerequisite_loop"}


@pytest.mark.parametrize("code", CHANGED)
def test_an_agency_is_wanted_where_its_rule_takes_the_seat_and_nowhere_else(code: str) -> None:
    changes = CHANGED[code]
    here = [] if changes is None else [an_office("civil", "360802", **changes)]
    directory = Directory.of([*(each for each in OFFICES if each.code != "360802-civil"), *here])
    rules = [
        a_rule(1, condition="age < 18"),
        a_rule(2, department="lead", condition="not (age < 18) or age is unknown"),
    ]
    others = [a_rule(number, need, "lead") for number, need in ((3, "work"), (4, UNDETERMINED))]
    finding = only(proof([*rules, *others], directory), code)[code]
    assert finding.rules == (1,)
    assert finding.witness.division_code in ("360802", "360802001")
    assert finding.witness.facts == {"age": 0}
    assert shows(finding, a_table([*rules, *others]), directory)
    assert_told(finding)
    instead = a_rule(5, department="lead", area="360802")
    assert proof([*rules, *others, instead], directory).findings == ()


def test_a_suspended_agency_with_another_above_it_is_not_missed() -> None:
    directory = Directory.of([*OFFICES, an_office("schools", "360802", active=False)])
    assert proof([a_rule(1, department="schools"), *OTHERS], directory).findings == ()


def test_two_rows_that_both_yield_to_their_departments_own_lead_contradict_nobody() -> None:
    of_lead = [
        a_rule(1, condition="age < 18"),
        a_rule(2, department="lead", condition="not (age < 18) or age is unknown"),
    ]
    rows = [helper(3, "civil", condition="age >= 10"), helper(4, "civil", condition="age < 18")]
    assert errors(proof([*of_lead, rows[0], *OTHERS])) == set()
    assert told(proof([*of_lead, *rows, *OTHERS]).errors) == {("dead_rule", (4,))}


def test_a_department_may_be_called_lead() -> None:
    table = a_table([WIDE, helper(2, "lead"), *OTHERS])
    assert proof(table.rules).findings == ()
    decision = decided(table, Witness("aid", "360801", BEGINS, {}))
    assert [each.rule.number for each in decision.assignments] == [1, 2]


def test_an_unknown_or_unmet_nearer_rule_leaves_the_seat_to_the_wider_one() -> None:
    table = a_table([WIDE, a_rule(2, department="lead", area="360801", condition="age < 18"), *OTHERS])
    assert proof(table.rules).findings == ()
    for facts, number in (({}, 1), ({"age": 18}, 1), ({"age": 17}, 2)):
        (fired,) = decided(table, Witness("aid", "360801", BEGINS, facts)).assignments
        assert (fired.rule.number, fired.role) == (number, Role.LEAD)


# ---- what is kept, and the province ----


def test_a_certificate_counts_what_was_looked_at() -> None:
    record = proof([*leads(*NEEDS), helper(1, condition="age < 18")]).record()
    assert record["counts"] == {"rules": 4, "needs": 3, "places": 6, "agencies": len(OFFICES), "regions": 3 + 6}
    assert (record["checksum"], record["checked_at"], record["errors"], record["warnings"]) == ("checksum", AT, 0, 0)


def the_province() -> tuple[World, Directory]:
    with (seed.DATA / "divisions.csv").open(encoding="utf-8", newline="") as lines:
        places = [row["code"] for row in csv.DictReader(lines) if len(row["code"]) in (6, 9)]
    codes = (names(file) for file in ("departments.csv", "materials.csv"))
    departments, materials = (frozenset(each) for each in codes)
    rows: Iterable[dict[str, Any]] = seed.county_agencies(seed.WHOLE_PROVINCE)
    offices = (Agency(**{name: value for name, value in row.items() if name != "created_at"}) for row in rows)
    return World(list(names("needs.csv")), places, departments, materials), Directory.of(offices)


def test_the_seeded_tables_pass_in_the_whole_province() -> None:
    world, directory = the_province()
    assert len(world.places) == 1867
    for table in seed.routing_tables():
        certificate = check(table, directory, world, "", AT)
        assert certificate.findings == ()
        assert certificate.regions >= len(world.needs)


def test_a_table_of_ten_thousand_rules_is_proved_before_a_clerk_gives_up() -> None:
    world, directory = the_province()
    (*_, seeded) = seed.routing_tables()
    wide = [rule for rule in seeded.rules if rule.role is Role.LEAD][:20]
    townships = [place for place in world.places if len(place) == 9][:500]
    nearer = [replace(rule, area=area) for rule in wide for area in townships]
    rules = [*seeded.rules, *(replace(rule, number=number) for number, rule in enumerate(nearer, start=1000))]
    certificate = check(RoutingTable(1, seeded.effective_from, tuple(rules)), directory, world, "", AT)
    assert len(rules) > 10_000
    assert certificate.errors == ()
