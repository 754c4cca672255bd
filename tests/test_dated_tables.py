"""The routing tables that are seeded: departments changed hands by date, and what was asked then goes where it went.

Before the reform of 2018-19 civil affairs did medical assistance, disaster relief and the veterans' allowances; State
Council Decree 649 names the new departments since it was amended on 2019-03-02 (vocabulary, section 7).
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from app import seed
from app.routing.decide import decide
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts
from app.routing.rules import Role, RoutingTable, Rule, in_force, local_day
from app.tables import routing_table
from tests.test_seed_data import CERTAINTIES, DEPARTMENTS, NEEDS
from tests.watching import fetch

TABLES = seed.routing_tables()
BEFORE_REFORM, AFTER_REFORM, PRESENT = TABLES
MADE_BY_THE_REFORM = {"county_healthcare_security", "county_emergency_mgmt", "county_veterans"}
AGENCIES = [Agency(**{k: v for k, v in row.items() if k != "created_at"}) for row in seed.county_agencies("360803")]
every_table = pytest.mark.parametrize("table", TABLES, ids=seed.TABLES)
past_tables = pytest.mark.parametrize("table", TABLES[:-1], ids=seed.TABLES[:-1])


def departments_asked(need: str, day: str, role: Role = Role.LEAD) -> set[str]:
    """Who gets a part of `need` if it is asked in 值夏镇 on a day, by the table that was in force then."""
    at = datetime.fromisoformat(f"{day}T08:00:00+08:00")
    table = in_force(TABLES, at)
    assert table is not None
    known = {"out_of_pocket_yuan": 100}
    (decision,) = decide(Facts("360803101", (need,), known), table, Directory.of(AGENCIES), at).needs
    return {each.agency.department for each in decision.assignments if each.role is role}


def leads(table: RoutingTable) -> dict[str, str]:
    return {rule.need: rule.department for rule in table.rules if rule.role is Role.LEAD}


def limits(rule: Rule) -> list[tuple[object, str]]:
    return [(rule.accept_limit, rule.accept_certainty), (rule.complete_limit, rule.complete_certainty)]


@pytest.mark.parametrize(
    ("need", "before", "after"),
    [
        ("medical_assistance_applied", "county_civil_affairs", "county_healthcare_security"),
        ("medical_assistance_recognized", "county_civil_affairs", "county_healthcare_security"),
        ("insurance_premium_subsidy", "county_civil_affairs", "county_healthcare_security"),
        ("disaster_transition", "county_civil_affairs", "county_emergency_mgmt"),
        ("disaster_house_rebuild", "county_civil_affairs", "county_emergency_mgmt"),
        ("winter_spring_relief", "county_civil_affairs", "county_emergency_mgmt"),
        ("veterans_aid", "county_civil_affairs", "county_veterans"),
    ],
)
def test_what_changed_hands_goes_to_whoever_had_it_on_the_day(need: str, before: str, after: str) -> None:
    for day in ("2017-01-01", "2017-06-01", "2019-03-01"):
        assert departments_asked(need, day) == {before}
    for day in ("2019-03-02", "2020-06-01", "2025-12-31", "2026-01-01", "2026-11-23"):
        assert departments_asked(need, day) == {after}


def test_the_leads_that_the_reform_did_not_touch_are_the_same_in_every_table() -> None:
    assert leads(AFTER_REFORM) == leads(PRESENT)
    moved = {need for need, department in leads(PRESENT).items() if leads(BEFORE_REFORM)[need] != department}
    assert moved == {need for need, department in leads(PRESENT).items() if department in MADE_BY_THE_REFORM}


def test_settlement_data_came_from_human_resources_before_there_was_healthcare_security() -> None:
    before, after = (
        departments_asked("rigid_expenditure_family", d, Role.CO_HANDLER) for d in ("2017-06-01", "2020-06-01")
    )
    assert before - after == {"county_hr_ss"}
    assert after - before == {"county_healthcare_security"}


def test_no_department_that_the_reform_made_stands_in_the_table_before_it() -> None:
    assert {rule.department for rule in BEFORE_REFORM.rules} & MADE_BY_THE_REFORM == set()
    for table in (AFTER_REFORM, PRESENT):
        assert {rule.department for rule in table.rules} >= MADE_BY_THE_REFORM


def test_a_table_takes_effect_at_midnight_in_china_and_its_rules_with_it() -> None:
    days = [local_day(table.effective_from).isoformat() for table in TABLES]
    assert days == ["2017-01-01", "2019-03-02", "2026-01-01"]
    for table, day in zip(TABLES, days, strict=True):
        assert table.effective_from == datetime.fromisoformat(f"{day}T00:00:00+08:00")
        assert {(rule.effective_from.isoformat(), rule.effective_to) for rule in table.rules} == {(day, None)}


@every_table
def test_every_need_has_one_lead_and_every_department_one_role_in_it(table: RoutingTable) -> None:
    assert Counter(rule.need for rule in table.rules if rule.role is Role.LEAD) == {need["code"]: 1 for need in NEEDS}
    seats = Counter((rule.need, rule.department) for rule in table.rules)
    assert [seat for seat, count in seats.items() if count > 1] == []


@every_table
def test_rules_are_numbered_without_a_gap_name_what_exists_and_hold_for_the_province(table: RoutingTable) -> None:
    assert [rule.number for rule in table.rules] == list(range(1, len(table.rules) + 1))
    assert {rule.area for rule in table.rules} == {"36"}
    assert {rule.department for rule in table.rules} <= {row["code"] for row in DEPARTMENTS}
    assert all(rule.legal_basis for rule in table.rules)


@every_table
def test_steps_begin_with_one_leave_none_out_and_the_lead_is_mandatory_in_the_last(table: RoutingTable) -> None:
    for need, rules in table.by_need.items():
        steps = {rule.step for rule in rules}
        (lead,) = [rule for rule in rules if rule.role is Role.LEAD]
        assert steps == set(range(1, max(steps) + 1)), need
        assert (lead.step, lead.mandatory) == (max(steps), True), need


@every_table
def test_every_certainty_is_a_word_of_the_vocabulary_and_none_stands_for_no_limit(table: RoutingTable) -> None:
    for rule in table.rules:
        assert {rule.sign_in_certainty, rule.complete_certainty} <= CERTAINTIES
        assert (rule.complete_limit is None) == (rule.complete_certainty == "no_limit_found"), rule.number
        assert rule.accept_certainty in (CERTAINTIES if rule.accept_limit else {""}), rule.number


@past_tables
def test_no_past_table_names_a_law_that_was_not_there_yet(table: RoutingTable) -> None:
    """Years in brackets are those of documents; the laws named here came later than both tables."""
    begins = local_day(table.effective_from).year
    later = ("社会救助法", "医疗保障法", "法律援助法", "退役军人保障法", "信访工作条例", "未成年人保护法")
    for rule in table.rules:
        assert not [law for law in later if law in rule.legal_basis], rule.number
        assert all(int(year) <= begins for year in re.findall(r"〔(\d{4})〕", rule.legal_basis)), rule.number
        assert ("2019" in rule.legal_basis) == ("649号" in rule.legal_basis and table is AFTER_REFORM), rule.number


@past_tables
def test_a_past_limit_that_nobody_saw_in_a_paper_of_its_time_is_a_proposal_or_unsure(table: RoutingTable) -> None:
    seen = {
        (rule.need, certainty) for rule in table.rules for limit, certainty in limits(rule) if certainty[:5] == "seen_"
    }
    assert seen == {
        ("homeless_rescue", "seen_secondary"),  # 民政部令24号, of 2003
        ("wage_arrears", "seen_secondary"),  # 劳动保障监察条例, of 2004
        ("price_subsidy", "seen_national"),  # 发改价格〔2016〕1835号
    }


@past_tables
def test_a_need_that_got_its_name_later_says_so_and_is_sure_of_nothing(table: RoutingTable) -> None:
    later = {rule.need for rule in table.rules if "before the need had this name" in rule.note}
    assert {"rigid_expenditure_family", "temp_aid_fast", "anti_poverty_monitoring", "unattended_child"} <= later
    for rule in (each for each in table.rules if each.need in later):
        assert rule.note.startswith("before the need had this name"), rule.number
        assert {certainty for limit, certainty in limits(rule) if limit} <= {"own_unsure"}, rule.number


@past_tables
def test_who_fought_poverty_then_is_named_where_the_department_has_another_name_now(table: RoutingTable) -> None:
    notes = [rule.note for rule in table.rules if rule.department == "county_agri_rural"]
    assert len(notes) == 3
    assert all("扶贫办" in note and "乡村振兴局" in note for note in notes)


def test_the_sheets_have_the_same_columns() -> None:
    assert len({(seed.DATA / name).read_text("utf-8").splitlines()[0] for name in seed.TABLES}) == 1


def test_the_seeded_tables_are_published_and_the_newest_decides_today(database_url: str) -> None:
    rows = fetch(database_url, select(routing_table).order_by(routing_table.c.version))
    assert [(row["version"], row["state"], row["effective_from"]) for row in rows] == [
        (table.version, "published", table.effective_from) for table in TABLES
    ]
    assert len({row["checksum"] for row in rows}) == len(TABLES)
    assert in_force(TABLES, datetime.now(UTC)) is PRESENT
