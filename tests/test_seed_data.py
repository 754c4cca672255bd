"""The data that an empty database is filled with, held against the trade's own table (tests/domain/routing.csv)."""

from __future__ import annotations

import csv
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from app import seed
from app.deadlines import WorkingCalendar, parse_limit
from app.desk import Desk
from app.handoffs import dispatch_ready, open_from
from app.hashchain import GENESIS
from app.lifecycle import Act, HandoffStatus
from app.registry import Snapshot
from app.routing.decide import decide
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts
from app.routing.rules import UNDETERMINED, Role, RoutingTable, Rule
from app.routing.sheets import read_rules
from app.timeline import Case

Row = dict[str, str]
COUNTY, AT = "360803", datetime(2026, 11, 23, 8, tzinfo=UTC)
CERTAINTIES = {
    *("seen_national", "seen_jiangxi", "seen_other_place", "seen_secondary"),
    *("own_sure", "own_unsure", "proposed", "no_limit_found"),
}


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def names(cell: str) -> list[str]:
    return [each for each in cell.split(";") if each]


DOMAIN = read(Path(__file__).parent / "domain" / "routing.csv")
FILES = ("needs", "materials", "departments", "divisions", f"agencies-{COUNTY}")
NEEDS, MATERIALS, DEPARTMENTS, DIVISIONS, AGENCIES = (read(seed.DATA / f"{name}.csv") for name in FILES)
RULES = read_rules((seed.DATA / "routing.csv").read_text(encoding="utf-8").splitlines(keepends=True))


def rules_of(need: str) -> list[Rule]:
    return [rule for rule in RULES if rule.need == need]


def lead_of(need: str) -> Rule:
    (lead,) = [rule for rule in rules_of(need) if rule.role is Role.LEAD]
    return lead


def test_there_are_38_needs_in_the_order_of_the_trades_table() -> None:
    assert len(NEEDS) == 38
    assert [need["code"] for need in NEEDS] == [row["code"] for row in DOMAIN]
    assert NEEDS[-1]["code"] == UNDETERMINED


@pytest.mark.parametrize("column", ["name_zh", "law_class", "flow_mode", "legal_basis"])
def test_the_catalogue_says_of_each_need_what_the_trades_table_says(column: str) -> None:
    assert {need["code"]: need[column] for need in NEEDS} == {row["code"]: row[column] for row in DOMAIN}


@pytest.mark.parametrize("row", DOMAIN, ids=lambda row: row["code"])
def test_each_need_has_the_lead_the_co_handlers_and_the_law_of_the_trades_table(row: Row) -> None:
    assert lead_of(row["code"]).department == row["lead_dept"]
    co_handlers = [rule.department for rule in rules_of(row["code"]) if rule.role is not Role.LEAD]
    assert Counter(co_handlers) == Counter(names(row["co_depts"]))
    assert {rule.legal_basis for rule in rules_of(row["code"])} == {row["legal_basis"]}


@pytest.mark.parametrize("row", DOMAIN, ids=lambda row: row["code"])
def test_a_limit_that_the_trades_table_states_outright_is_the_leads_with_its_certainty(row: Row) -> None:
    lead = lead_of(row["code"])
    stated = re.match(r"((?:WD|CD|H):\d+)(?=$| ?\()", row["complete_limit"])
    if stated:
        assert lead.complete_limit == parse_limit(stated[1])
    if lead.complete_limit:
        assert lead.complete_certainty == row["limit_confidence"]
    else:
        assert lead.complete_certainty == "no_limit_found"


def test_no_limit_of_a_co_handler_claims_a_law_behind_it_that_the_table_does_not_name() -> None:
    """Only the lead's limits are published; a co-handler's are proposals or another place's practice."""
    known = {row["code"]: {row["limit_confidence"], "proposed", "seen_other_place", "no_limit_found"} for row in DOMAIN}
    assert [r.number for r in RULES if r.role is Role.CO_HANDLER and r.complete_certainty not in known[r.need]] == []


def test_every_certainty_is_a_word_of_the_vocabulary_and_none_stands_for_no_limit() -> None:
    for rule in RULES:
        assert rule.sign_in_certainty in CERTAINTIES
        assert rule.complete_certainty in CERTAINTIES
        assert (rule.complete_limit is None) == (rule.complete_certainty == "no_limit_found"), rule.number
        assert (rule.accept_limit is None) == (rule.accept_certainty == ""), rule.number
        assert rule.accept_certainty in {*CERTAINTIES, ""}


def test_whoever_gets_a_handoff_has_to_sign_for_it_in_time() -> None:
    assert [rule.number for rule in RULES if rule.sign_in_limit is None] == []


def test_the_steps_of_a_need_begin_with_one_leave_none_out_and_end_with_the_lead() -> None:
    for need in NEEDS:
        steps = {rule.step for rule in rules_of(need["code"])}
        assert steps == set(range(1, max(steps) + 1)), need["code"]
        assert lead_of(need["code"]).step == max(steps), need["code"]
        assert lead_of(need["code"]).mandatory, need["code"]


@pytest.mark.parametrize("need", [need["code"] for need in NEEDS])
def test_the_lead_is_reached_though_nobody_answers_who_need_not(need: str) -> None:
    """Every mandatory handoff that is sent gets done, no optional one is ever touched: the lead's turn comes."""
    table = RoutingTable(1, AT, RULES)
    agencies = [Agency(**{k: v for k, v in row.items() if k != "created_at"}) for row in seed.county_agencies(COUNTY)]
    snapshot = Snapshot(1, {}, {}, {}, {}, {1: table}, Directory.of(agencies), WorkingCalendar({}, AT.date()), {})
    request = {
        "id": UUID(int=1),
        "status": "registered",
        "events": 0,
        "head": GENESIS,
        "emergency": None,
        "debts": 0,
        "division_code": f"{COUNTY}101",
        "sealed": b"",
    }
    signed = {"applicant": {}, "consents": [{"purpose": "economic_verification", "person": "applicant"}]}
    case, desk = Case(request=request, handoffs=[], is_new=True, _person=signed), Desk(snapshot, AT, "tests")
    open_from(case, decide(Facts(f"{COUNTY}101", (need,)), table, snapshot.directory, AT), desk)
    (lead,) = [each for each in case.handoffs if each.role is Role.LEAD]
    while lead.status is HandoffStatus.WAITING:
        sent = [each for each in case.handoffs if each.mandatory and each.status is HandoffStatus.DISPATCHED]
        assert sent, [(each.agency_code, each.step, each.status.value) for each in case.handoffs]
        for each in sent:
            case.advance(each, Act.ACCEPTED, AT, each.agency_code)
            each.outcome = "granted"
            case.advance(each, Act.COMPLETED, AT, each.agency_code)
            dispatch_ready(case, need, desk)
    assert lead.status is HandoffStatus.DISPATCHED


def test_the_verification_stands_before_the_decision_on_an_allowance() -> None:
    steps = {rule.department: rule.step for rule in rules_of("minimum_living_allowance")}
    assert steps["township_gov"] < steps["county_verification_center"] < steps["county_civil_affairs"]


def test_rules_are_numbered_from_one_without_a_gap_and_hold_for_the_province_from_2026_on() -> None:
    assert [rule.number for rule in RULES] == list(range(1, len(RULES) + 1))
    assert {rule.area for rule in RULES} == {"36"}
    assert {(rule.effective_from.isoformat(), rule.effective_to) for rule in RULES} == {("2026-01-01", None)}


def test_every_code_that_the_data_name_exists() -> None:
    departments, needs, divisions = ({row["code"] for row in rows} for rows in (DEPARTMENTS, NEEDS, DIVISIONS))
    assert {rule.department for rule in RULES} <= departments
    assert {rule.need for rule in RULES} == needs
    assert {agency["department"] for agency in AGENCIES} <= departments
    assert {agency["division_code"] for agency in AGENCIES} <= divisions
    assert {need["emergency_variant"] for need in NEEDS} <= {*needs, ""}


def test_every_material_that_a_need_asks_for_or_waives_exists_and_every_material_is_used() -> None:
    used = {code for need in NEEDS for column in ("materials", "waived") for code in names(need[column])}
    assert used == {material["code"] for material in MATERIALS}


def test_no_need_asks_for_a_paper_that_data_sharing_supplies() -> None:
    """Social Assistance Law art. 62: what verification can obtain may not be asked for."""
    assert [n["code"] for n in NEEDS if set(names(n["materials"])) & set(names(n["waived"]))] == []


@pytest.mark.parametrize("name", FILES)
def test_no_code_stands_twice(name: str) -> None:
    times = Counter(row["code"] for row in read(seed.DATA / f"{name}.csv"))
    assert [code for code, count in times.items() if count > 1] == []


@pytest.mark.parametrize(("what", "rows"), [("needs", NEEDS), ("materials", MATERIALS), ("departments", DEPARTMENTS)])
def test_everything_that_people_read_stands_in_both_languages(what: str, rows: list[Row]) -> None:
    for row in rows:
        for column in (each for each in row if each.endswith("_zh")):
            zh, en = row[column], row[column.removesuffix("_zh") + "_en"]
            assert re.search("[一-鿿]", zh), (what, row["code"], column)
            assert en, (what, row["code"], column)
            assert not re.search("[一-鿿]", en), (what, row["code"], column)


def test_there_are_the_1879_divisions_of_the_province() -> None:
    assert len(DIVISIONS) == 1879
    levels = Counter((row["level"], len(row["code"])) for row in DIVISIONS)
    assert levels == {("province", 2): 1, ("prefecture", 4): 11, ("county", 6): 100, ("township", 9): 1767}


def test_every_division_but_the_province_lies_in_its_parent_one_level_above() -> None:
    """Routing climbs by prefix, so the codes have to nest as the parents say."""
    lengths = {row["code"]: len(row["code"]) for row in DIVISIONS}
    above = {9: 6, 6: 4, 4: 2}
    for row in DIVISIONS:
        if row["level"] == "province":
            assert row["parent_code"] == ""
        else:
            assert lengths[row["parent_code"]] == above[len(row["code"])]
            assert row["code"].startswith(row["parent_code"])


def test_every_department_that_a_rule_names_has_an_agency_that_answers_for_the_county() -> None:
    answering = {agency["department"] for agency in AGENCIES if COUNTY.startswith(agency["division_code"])}
    assert {rule.department for rule in RULES} <= answering


def test_every_township_of_the_county_has_its_own_office_and_the_county_a_desk_for_them() -> None:
    townships = [COUNTY, *(row["code"] for row in DIVISIONS if row["parent_code"] == COUNTY)]
    offices = [agency["division_code"] for agency in AGENCIES if agency["department"] == "township_gov"]
    assert sorted(offices) == sorted(townships)


def test_one_agency_a_department_and_place() -> None:
    seats = Counter((agency["department"], agency["division_code"]) for agency in AGENCIES)
    assert set(seats.values()) == {1}


def test_the_agencies_telephone_numbers_are_placeholders_and_no_real_office_is_rung() -> None:
    numbers = [agency["phone"] for agency in AGENCIES]
    assert [number for number in numbers if not re.fullmatch(r"0796-0000\d{3}", number)] == []
    assert len(set(numbers)) == len(numbers)


def test_seeded_agencies_have_no_endpoint_so_nothing_is_sent_before_somebody_sets_one() -> None:
    rows = list(seed.county_agencies(COUNTY))
    assert len(rows) == len(AGENCIES)
    assert {row["endpoint"] for row in rows} == {None}
    assert {row["active"] for row in rows} == {True}
