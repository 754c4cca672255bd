"""What of a person reaches an agency: the groups that its rule names, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.disclosure import GROUPS, SITUATION, disclose, groups_held, groups_told, papers_seen, situation
from app.schemas import Facts, RequestIn, plain
from tests.examples import PERSONAL, TOWNSHIP, a_request_in_full

NEED, OTHER_NEED = "medical_assistance_applied", "education_aid"
PERSON = plain(RequestIn.model_validate_json(json.dumps(a_request_in_full(NEED))))

# Which of the distinctive values each group opens; a value may be opened by nothing that is not listed here.
OPENS = {
    "identity": {"name", "id_number", "birth_date"},
    "contact": {"phone", "address", "helper", "helper_phone", "organisation"},
    "household": {"member"},
    "income": {"income"},
    "health": {"illness", "costs"},
    "disability": set(),
    "schooling": set(),
    "dwelling": set(),
    "disaster": set(),
    "bank_account": {"bank_account"},
    "narrative": {"details", "narrative"},
}
# Opened only where both groups are.
TOGETHER = {("household", "identity"): {"member_id_number"}}
FACTS = {
    "residence": "rural",
    "recognised_status": ["low_income_margin"],
    "disability_kind": "physical",
    "disability_grade": 2,
    "household_size": 5,
    "monthly_income_yuan": "1234.56",
    "out_of_pocket_yuan": "48765.43",
    "illness": "虚构综合征",
    "self_care": "partial",
    "schooling": "junior",
    "dwelling": "rented",
    "disaster_date": "2026-06-18",
}
FACTS_OF = {
    "household": {"household_size", "residence", "recognised_status"},
    "income": {"monthly_income_yuan", "recognised_status"},
    "health": {"illness", "out_of_pocket_yuan", "self_care"},
    "disability": {"disability_kind", "disability_grade"},
    "schooling": {"schooling"},
    "dwelling": {"dwelling"},
    "disaster": {"disaster_date"},
}
WITH_ALL_FACTS = {**PERSON, "facts": FACTS, "needs": [{"code": NEED, "facts": {}}]}


def shown(person: dict[str, Any], *groups: str) -> set[str]:
    """The names of the distinctive values that `groups` let through."""
    text = json.dumps(disclose(person, NEED, groups), ensure_ascii=False)
    return {name for name, value in PERSONAL.items() if value in text}


def test_the_example_holds_every_distinctive_value_and_every_fact_there_is() -> None:
    assert all(value in json.dumps(PERSON, ensure_ascii=False) for value in PERSONAL.values())
    assert Facts.model_validate_json(json.dumps(FACTS)).model_fields_set == set(Facts.model_fields) == set(FACTS)
    assert set(OPENS) == GROUPS
    assert set().union(*OPENS.values(), *TOGETHER.values()) == set(PERSONAL)


@pytest.mark.parametrize("group", sorted(OPENS))
def test_a_group_opens_its_values_and_no_others(group: str) -> None:
    assert shown(PERSON, group) == OPENS[group]


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_opens_its_facts_and_no_others(group: str) -> None:
    facts = disclose(WITH_ALL_FACTS, NEED, [group]).get("facts", {})
    assert facts == {name: FACTS[name] for name in FACTS_OF.get(group, ())}


def test_every_fact_can_be_opened_by_some_group() -> None:
    assert set().union(*FACTS_OF.values()) == set(Facts.model_fields)


def test_identity_is_the_applicants_alone() -> None:
    assert disclose(PERSON, NEED, ["identity"]) == {
        "applicant": {
            "name": PERSONAL["name"],
            "id_type": "resident_id",
            "id_number": PERSONAL["id_number"],
            "birth_date": PERSONAL["birth_date"],
        }
    }


def test_contact_is_how_to_reach_the_applicant_and_who_asked_for_them() -> None:
    seen = disclose(PERSON, NEED, ["contact"])
    assert seen["applicant"] == {
        "phone": PERSONAL["phone"],
        "address": PERSONAL["address"],
        "household_division_code": TOWNSHIP,
    }
    assert set(seen) == {"applicant", "helper"}


IDENTIFIED = {"id_type": "resident_id", "id_number": PERSONAL["member_id_number"]}
BORN = {"birth_date": "1950-03-02"}


@pytest.mark.parametrize("groups", [["contact"], GROUPS])
def test_of_a_helper_no_more_is_opened_than_how_to_reach_them(groups: Iterable[str]) -> None:
    reached = {"name": "测试乙", "phone": "13987654321", "relation": "friend", "organisation": "村委会"}
    person = {**PERSON, "helper": {**reached, **IDENTIFIED, **BORN}}
    assert disclose(person, NEED, groups)["helper"] == reached


@pytest.mark.parametrize(("groups", "more"), [(["household"], {}), (["household", "identity"], IDENTIFIED)])
def test_who_a_member_of_the_household_is_by_number_is_opened_with_identity_only(
    groups: list[str], more: dict[str, str]
) -> None:
    member = {"name": "测试丙", "relation": "child", **BORN}
    seen = disclose({**PERSON, "household": [{**member, **IDENTIFIED}]}, NEED, groups)
    assert seen["household"] == [{**member, **more}]
    assert "household" not in disclose(PERSON, NEED, ["identity"])


def test_the_household_comes_with_its_consents() -> None:
    seen = disclose(PERSON, NEED, ["household"])
    assert set(seen) == {"household", "consents", "facts"}
    assert seen["consents"] == PERSON["consents"]
    given = {"purpose": "medical_data", "person": "applicant", "evidence": {"kind": "recording", "reference": "r-17"}}
    for groups in (["household"], ["household", "identity"]):
        (shown,) = disclose({**PERSON, "consents": [given]}, NEED, groups)["consents"]
        assert shown == {**given, "evidence": {"kind": "recording"}}


def test_a_need_opens_its_own_facts_and_words_and_not_those_of_another_need() -> None:
    person = {
        **PERSON,
        "needs": [
            {"code": OTHER_NEED, "details": "别的需求", "facts": {"illness": "别的病", "schooling": "senior"}},
            {"code": NEED, "details": "本需求", "facts": {"illness": "本病"}},
        ],
    }
    seen = disclose(person, NEED, GROUPS)
    assert seen["facts"]["illness"] == "本病"
    assert "schooling" not in seen["facts"]
    assert seen["details"] == "本需求"
    assert disclose(person, OTHER_NEED, GROUPS)["facts"]["illness"] == "别的病"


def test_a_needs_own_fact_stands_before_the_fact_of_the_whole_request() -> None:
    person = {**PERSON, "facts": {"illness": "早先的病", "self_care": "none"}}
    assert disclose(person, NEED, ["health"])["facts"] == {
        "illness": PERSONAL["illness"],
        "out_of_pocket_yuan": PERSONAL["costs"],
        "self_care": "none",
    }


def test_a_need_that_the_request_does_not_have_opens_the_facts_of_the_whole_request_only() -> None:
    seen = disclose({**PERSON, "facts": {"self_care": "none"}}, "legal_aid", GROUPS)
    assert seen["facts"] == {"self_care": "none"}
    assert seen["details"] is None


def test_what_is_not_known_is_left_out() -> None:
    bare = plain(RequestIn.model_validate_json(json.dumps({**a_request_in_full(NEED), "applicant": {}})))
    assert disclose(bare, NEED, ["identity"]) == {"applicant": {"id_type": "resident_id"}}
    assert disclose({**PERSON, "helper": None}, NEED, ["contact"]).keys() == {"applicant"}
    assert disclose({**PERSON, "facts": {"illness": None}, "needs": []}, NEED, ["health"]) == {}


@given(st.lists(st.text().filter(lambda name: name not in GROUPS)))
def test_unknown_groups_open_nothing(groups: list[str]) -> None:
    assert disclose(PERSON, NEED, groups) == {}


@given(st.dictionaries(st.sampled_from(sorted(FACTS)), st.text(min_size=1)), st.text())
def test_with_no_groups_nothing_is_disclosed(facts: dict[str, Any], narrative: str) -> None:
    assert disclose({**PERSON, "facts": facts, "narrative": narrative}, NEED, []) == {}


@given(st.sets(st.sampled_from(sorted(GROUPS))))
def test_no_value_leaks_through_groups_that_were_not_given(groups: set[str]) -> None:
    together = (values for both, values in TOGETHER.items() if groups.issuperset(both))
    assert shown(PERSON, *groups) == set().union(*(OPENS[group] for group in groups), *together)


@given(st.lists(st.sampled_from(sorted(GROUPS))))
def test_the_order_and_repetition_of_groups_do_not_matter(groups: list[str]) -> None:
    assert disclose(PERSON, NEED, groups) == disclose(PERSON, NEED, sorted(set(groups)))


# Which fields a message's `person` may hold by which group; of people and facts by their own names, and nothing else.
FIELDS = {
    "identity": {"applicant.name", "applicant.id_type", "applicant.id_number", "applicant.birth_date"},
    "contact": {
        *("applicant.phone", "applicant.address", "applicant.household_division_code"),
        *("helper.name", "helper.phone", "helper.relation", "helper.organisation"),
    },
    "bank_account": {"applicant.bank_account"},
    "household": {"household.name", "household.relation", "household.birth_date", "consents"},
    "narrative": {"details", "narrative", "supplements.at", "supplements.note"},
}
PAPERS = {
    "household": {"household_register", "marriage_certificate"},
    "income": {"tax_record", "recognised_status_proof"},
    "health": {"diagnosis", "medical_settlement"},
    "disability": {"disability_certificate"},
    "schooling": {"school_enrolment_record"},
    "dwelling": {"house_safety_appraisal_form"},
    "disaster": {"damage_photos"},
    "narrative": {"legal_documents", "a_countys_own_paper"},
}
PLAIN = {"application_form", "identity_document"}
ALL_PAPERS = sorted(PLAIN.union(*PAPERS.values()))
anybody = st.fixed_dictionaries(
    {},
    optional={
        name: st.text(min_size=1)
        for name in (
            *("name", "id_type", "id_number", "birth_date", "phone", "address", "household_division_code"),
            *("relation", "organisation", "bank_account", "something_new"),
        )
    },
)
declared = st.dictionaries(st.sampled_from([*FACTS, "something_new"]), st.text(min_size=1))
supplements = st.lists(
    st.fixed_dictionaries(
        {"at": st.just("2026-11-23T08:00:00Z")},
        optional={
            "materials": st.lists(st.sampled_from(ALL_PAPERS)),
            "facts": declared,
            "note": st.text(min_size=1),
            "something_new": st.text(min_size=1),
        },
    ),
    max_size=3,
)
requests = st.fixed_dictionaries(
    {
        "applicant": anybody,
        "needs": st.just([{"code": NEED, "facts": {}, "details": "说明", "something_new": "x"}]),
        "facts": declared,
    },
    optional={
        "helper": anybody,
        "household": st.lists(anybody, max_size=3),
        "narrative": st.text(min_size=1),
        "consents": st.just([{"purpose": "economic_verification"}]),
        "supplements": supplements,
        "emergency": st.just({"what": "断粮", "where": "老街"}),
        "something_new": st.text(min_size=1),
    },
)


def fields_of(seen: dict[str, Any]) -> set[str]:
    found = set()
    for name, part in seen.items():
        if name in ("details", "narrative", "consents"):
            found.add(name)
        for each in part if isinstance(part, list) else [part]:
            if isinstance(each, dict) and name not in ("consents",):
                found |= {f"{name}.{field}" for field in each}
    return found


@given(requests, st.sets(st.sampled_from(sorted(GROUPS))))
def test_for_any_groups_nothing_is_shown_but_their_fields(person: dict[str, Any], groups: set[str]) -> None:
    seen = disclose(person, NEED, groups)
    allowed = {"supplements.at", "supplements.materials"}.union(*(FIELDS.get(group, set()) for group in groups))
    allowed |= {f"facts.{fact}" for group in groups for fact in FACTS_OF.get(group, ())}
    if {"household", "identity"} <= groups:
        allowed |= {"household.id_type", "household.id_number"}
    assert fields_of(seen) - allowed == set()
    papers = {paper for each in seen.get("supplements", []) for paper in each.get("materials", [])}
    assert papers <= PLAIN.union(*(PAPERS.get(group, set()) for group in groups))


@given(requests, st.sets(st.sampled_from(sorted(GROUPS))), st.sets(st.sampled_from(sorted(GROUPS))))
def test_what_two_sets_of_groups_show_is_shown_by_both_together(
    person: dict[str, Any], some: set[str], others: set[str]
) -> None:
    both = fields_of(disclose(person, NEED, some | others))
    assert fields_of(disclose(person, NEED, some)) | fields_of(disclose(person, NEED, others)) <= both


@given(st.lists(st.sampled_from(ALL_PAPERS)), st.sets(st.sampled_from(ALL_PAPERS)))
def test_a_paper_that_the_rule_asks_for_is_named_to_its_agency(handed_in: list[str], asked: set[str]) -> None:
    seen = papers_seen(handed_in, (), asked)
    assert seen == [paper for paper in handed_in if paper in asked | PLAIN]


@given(requests)
def test_the_groups_that_a_request_holds_are_those_that_show_something(person: dict[str, Any]) -> None:
    held = set(groups_held(person))
    assert (SITUATION in held) == ("emergency" in person)
    for group in GROUPS - held:
        assert not any(disclose(person, NEED, [group]).values())


SAID = {
    "narrative": "此人的经过",
    "emergency": {"what": "断粮", "where": "老街", "people": 2, "position": {"latitude": 1.0}},
}


@pytest.mark.parametrize(
    ("groups", "acts", "seen"),
    [
        ((), True, ("断粮", "老街", 2)),
        ((), False, (None, None, 2)),
        (("narrative",), False, ("断粮", None, 2)),
        (("contact",), False, (None, "老街", 2)),
    ],
)
def test_who_acts_in_an_emergency_is_told_what_was_said_of_it_and_who_is_informed_what_its_rule_opens(
    groups: tuple[str, ...], *, acts: bool, seen: tuple[str | None, str | None, int]
) -> None:
    told = situation(SAID, groups, acts=acts)
    assert (told["situation"], told["place"], told["people"]) == seen
    assert (told["position"] is None) == (told["place"] is None)


@pytest.mark.parametrize(("groups", "words"), [((), None), (("narrative",), "此人的经过")])
def test_what_was_told_before_it_was_an_emergency_is_opened_as_ever(groups: tuple[str, ...], words: str | None) -> None:
    lifted = {**SAID, "emergency": {"what": None, "where": None}}
    assert situation(lifted, groups, acts=True)["situation"] == words


def test_a_supplement_tells_of_the_groups_that_are_open_and_of_which_it_says_something() -> None:
    added = {"materials": ["diagnosis"], "facts": {"illness": "病", "schooling": "junior"}, "note": None}
    assert groups_told(added, NEED, ("identity", "health", "narrative"), ()) == ["health", "papers"]
    assert groups_told(added, NEED, ("identity",), ()) == []
    assert groups_told(added, NEED, ("identity",), ("diagnosis",)) == ["papers"]
