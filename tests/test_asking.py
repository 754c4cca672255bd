"""What a kiosk asks: what the routing table still needs to know, less what others know; also on the table that is seeded."""

from __future__ import annotations

from datetime import date

import pytest

from app import seed
from app.kiosk_pack import Situation, situations
from app.routing.asking import AGE, OBTAINED, asked
from app.routing.decide import decide_need
from app.routing.directory import Agency, Directory
from app.routing.facts import FACTS
from app.routing.rules import UNDETERMINED, RoutingTable
from app.routing.space import cells
from app.schemas import Facts
from tests.worlds import DIRECTORY, a_rule, a_table

DAY, PLACE = date(2026, 11, 26), "360803101"
*_, SEEDED = seed.routing_tables()
SEEDED_DIRECTORY = Directory.of(
    Agency(**{k: v for k, v in row.items() if k != "created_at"}) for row in seed.county_agencies("360803")
)
each_situation = pytest.mark.parametrize("situation", situations(), ids=lambda each: each.code)


def world(*conditions: str) -> RoutingTable:
    """Its help is led by schools for those of the conditions, and by civil affairs for the rest."""
    rules = [
        a_rule(number, "aid", "schools", condition=condition, area="360801")
        for number, condition in enumerate(conditions, 1)
    ]
    rules += [a_rule(98, "aid", "civil"), a_rule(99, UNDETERMINED, "township")]
    return a_table(rules)


def asks(*conditions: str, needs: tuple[str, ...] = ("aid",)) -> tuple[str, ...]:
    return asked(needs, "360801001", DAY, world(*conditions), DIRECTORY).facts


def asks_by_age(*conditions: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    return asked(("aid",), "360801001", DAY, world(*conditions), DIRECTORY).by_age


@pytest.mark.parametrize(
    ("expected", "situation"),
    [
        *((("self_care",), code) for code in ("old",)),
        *(
            ((), code)
            for code in (
                "ill",
                "no_food",
                "house",
                "school",
                "disabled",
                "lost_work",
                "disaster",
                "violence",
                "unknown",
            )
        ),
    ],
)
def test_on_the_seeded_table_a_situation_asks_what_its_rules_wait_for(
    expected: tuple[str, ...], situation: str
) -> None:
    needs = next(each.needs for each in situations() if each.code == situation)
    assert asked(needs, PLACE, DAY, SEEDED, SEEDED_DIRECTORY).facts == expected


def test_of_the_old_of_the_seeded_table_only_those_of_eighty_are_asked_whether_they_can_care_for_themselves() -> None:
    needs = next(each.needs for each in situations() if each.code == "old")
    assert asked(needs, PLACE, DAY, SEEDED, SEEDED_DIRECTORY).by_age == ((0, ()), (80, ("self_care",)))


def test_what_is_asked_is_told_for_every_age_where_the_age_decides() -> None:
    assert asks_by_age("age >= 60 and schooling = primary") == ((0, ()), (60, ("schooling",)))
    assert asks_by_age("age between 6 and 15 and schooling = primary") == ((0, ()), (6, ("schooling",)), (16, ()))
    assert asks_by_age("age < 18") == ((0, ()),), "then a day of birth is all that is asked for"
    assert asks_by_age("schooling = primary") == ()


@each_situation
def test_once_it_is_told_no_decision_of_the_seeded_table_waits_for_more(situation: Situation) -> None:
    """Whatever the answers are, and whatever the others say who are asked instead of the person."""
    told = set(asked(situation.needs, PLACE, DAY, SEEDED, SEEDED_DIRECTORY).facts)
    for need in situation.needs:
        rules = (*SEEDED.of(need, PLACE), *SEEDED.of(UNDETERMINED, PLACE))
        for known in cells(rules):
            waits = set(decide_need(need, PLACE, known, DAY, SEEDED, SEEDED_DIRECTORY).asks)
            assert waits <= told | OBTAINED | {AGE}, f"{need} with {known}"
            if known.keys() >= told | OBTAINED & set(SEEDED.facts_of(need)) | {AGE} & set(SEEDED.facts_of(need)):
                assert waits == set()


def test_a_condition_is_asked_for_by_the_facts_that_it_compares() -> None:
    assert asks("residence = rural and out_of_pocket_yuan > 100") == ("residence", "out_of_pocket_yuan")
    assert asks("residence = rural", "self_care = none") == ("residence", "self_care")


def test_what_data_sharing_or_the_card_says_is_not_asked() -> None:
    obtained = "recognised_status = orphan or disability_grade < 3 or household_size > 5 or monthly_income_yuan < 100"
    assert asks(f"{obtained} or age < 18 or schooling = primary") == ("schooling",)
    assert asks("disability_kind = visual", "age >= 60") == ()


def test_whether_something_is_known_is_no_question() -> None:
    assert asks("schooling is known") == ()
    assert asks("schooling is known and schooling = primary") == ()


def test_the_day_of_a_disaster_is_asked_for_and_not_how_many_days_have_passed() -> None:
    assert asks("days_since_disaster <= 10") == ("disaster_date",)


def test_what_several_needs_wait_for_is_asked_once() -> None:
    assert asks("residence = rural", needs=("aid", "aid")) == ("residence",)


def test_a_rule_of_elsewhere_or_of_another_time_asks_nothing() -> None:
    others = [
        a_rule(1, condition="residence = rural", area="360802"),
        a_rule(2, condition="schooling = primary", effective_from=date(2030, 1, 1)),
        a_rule(3),
        a_rule(4, UNDETERMINED, "township"),
    ]
    assert asked(("aid",), "360801001", DAY, a_table(others), DIRECTORY).facts == ()


def test_every_fact_that_can_be_asked_for_can_be_told() -> None:
    told = set(Facts.model_fields)
    assert {name for name in FACTS if name != AGE} - {"days_since_disaster"} <= told
    assert FACTS.keys() >= OBTAINED | {AGE}


@each_situation
def test_a_situation_stands_for_needs_once_each(situation: Situation) -> None:
    assert len(set(situation.needs)) == len(situation.needs) > 0
