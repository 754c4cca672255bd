"""Consents: whose are asked for, what waits for them, what they open, and what follows when one is withdrawn."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.consents import (
    ConsentText,
    Recorded,
    closed_since,
    holding_back,
    missing,
    opened_groups,
    shown_by,
    text_in_force,
    verifies,
)
from app.db import Database
from app.delivery.outbox import enqueue
from app.identifiers import new_id
from app.keys import KeyRole
from app.ledger import write_units
from app.loading import load
from app.routing.rules import Consent, ConsentOf, Rule
from app.seed import routing_tables
from app.tables import delivery, event, handoff, reading
from app.wire import from_json
from tests.county import CIVIL_AFFAIRS, HEALTHCARE, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import a_consent
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.watching import bodies, change, fetch, on, until
from tests.worlds import a_rule

DAY = date(2026, 11, 26)
ALLOWANCE = "minimum_living_allowance"
MEDICAL = "medical_assistance_applied"
CHARITY = "charity_referral"
RULES = {(rule.need, rule.department): rule for rule in routing_tables()[-1].rules}
CENTRE = RULES[ALLOWANCE, "county_verification_center"]
MOTHER = {"name": "监护测试丁", "relation": "mother"}


def asking(*consents: Consent, of: ConsentOf = ConsentOf.HOUSEHOLD, discloses: tuple[str, ...] = ("identity",)) -> Rule:
    return a_rule(1, consent=consents, consent_of=of, discloses=discloses)


def who_is_missing(rule: Rule, person: dict[str, Any], day: date = DAY) -> set[str]:
    return {each.person for each in missing(rule, Recorded(person, day))}


# ---- the pure rules ----


born = st.none() | st.dates(date(1930, 1, 1), DAY).map(date.isoformat)
people = st.fixed_dictionaries({"birth_date": born}).map(lambda who: {k: v for k, v in who.items() if v})


@st.composite
def persons(draw: st.DrawFn) -> dict[str, Any]:
    household, obligors = draw(st.lists(people, max_size=4)), draw(st.lists(people, max_size=2))
    names = ["applicant", *(f"household/{n}" for n in range(len(household)))]
    names += [f"obligors/{n}" for n in range(len(obligors))]
    one = st.builds(
        lambda purpose, person, by_guardian, ended: {
            "purpose": purpose.value,
            "person": person,
            **({"guardian": MOTHER} if by_guardian else {}),
            **({"withdrawn_at": "2026-11-01T00:00:00Z"} if ended else {}),
        },
        st.sampled_from([Consent.VERIFICATION, Consent.MEDICAL, Consent.SENSITIVE, Consent.SHARING]),
        st.sampled_from(names),
        st.booleans(),
        st.booleans(),
    )
    consents = draw(st.lists(one, max_size=12))
    return {"applicant": draw(people), "household": household, "obligors": obligors, "consents": consents}


rules = st.builds(
    asking,
    st.sampled_from(Consent),
    st.sampled_from(Consent),
    of=st.sampled_from(ConsentOf),
    discloses=st.lists(
        st.sampled_from(["identity", "contact", "household", "income", "health", "disability"]), unique=True
    ).map(tuple),
)


@given(rules, persons())
def test_what_is_opened_is_a_part_of_the_rule_and_withdrawing_everything_never_opens_more(
    rule: Rule, person: dict[str, Any]
) -> None:
    opened = opened_groups(rule, Recorded(person, DAY))
    nobody = {**person, "consents": []}
    assert [each for each in rule.discloses if each in opened] == list(opened)
    assert set(opened_groups(rule, Recorded(nobody, DAY))) <= set(opened)
    assert set(missing(rule, Recorded(person, DAY))) <= set(missing(rule, Recorded(nobody, DAY)))
    assert set(holding_back(rule, Recorded(person, DAY), is_emergency=True)) <= set(
        holding_back(rule, Recorded(person, DAY), is_emergency=False)
    )


@given(rules, persons())
def test_when_each_that_is_missing_is_given_none_is_missing_and_all_is_open(rule: Rule, person: dict[str, Any]) -> None:
    given_now = [
        {
            "purpose": each.purpose.value,
            "person": each.person,
            **({"guardian": MOTHER} if each.by_guardian else {}),
        }
        for each in missing(rule, Recorded(person, DAY))
    ]
    whole = {**person, "consents": [*person["consents"], *given_now]}
    assert missing(rule, Recorded(whole, DAY)) == ()
    assert holding_back(rule, Recorded(whole, DAY), is_emergency=False) == ()
    assert opened_groups(rule, Recorded(whole, DAY)) == rule.discloses


@given(persons())
def test_every_member_of_the_household_is_asked_and_of_a_minor_the_guardian(person: dict[str, Any]) -> None:
    nobody = {**person, "consents": []}
    lacking = missing(asking(Consent.VERIFICATION), Recorded(nobody, DAY))
    assert [each.person for each in lacking] == [
        "applicant",
        *(f"household/{n}" for n in range(len(person["household"]))),
    ]
    for each, who in zip(lacking, [person["applicant"], *person["household"]], strict=True):
        written = who.get("birth_date")
        eighteen = date.fromisoformat(written) > date(2008, 11, 26) if written else False
        assert each.by_guardian is eighteen


def test_a_minors_own_word_is_none_until_the_day_they_are_of_age() -> None:
    member = {"relation": "child", "birth_date": "2008-11-27"}
    consents = [{"purpose": "economic_verification", "person": each} for each in ("applicant", "household/0")]
    person = {"applicant": {}, "household": [member], "consents": consents}
    assert who_is_missing(asking(Consent.VERIFICATION), person) == {"household/0"}
    assert who_is_missing(asking(Consent.VERIFICATION), person, DAY + timedelta(days=1)) == set()
    consents[1]["guardian"] = MOTHER  # type: ignore[assignment]
    assert who_is_missing(asking(Consent.VERIFICATION), person) == set()


def test_the_age_is_read_from_the_identity_number_too_and_unknown_is_grown_up() -> None:
    young = {"relation": "child", "id_type": "resident_id", "id_number": "110105201512310024"}
    person = {"applicant": {}, "household": [young, {"relation": "child"}], "consents": []}
    assert [each.by_guardian for each in missing(asking(Consent.VERIFICATION), Recorded(person, DAY))] == [
        False,
        True,
        False,
    ]


def test_from_fourteen_on_one_speaks_for_oneself_where_the_rule_says_so() -> None:
    rule = asking(Consent.SENSITIVE, of=ConsentOf.GUARDIAN_UNDER_14)
    person = {"applicant": {"birth_date": "2011-01-01"}, "consents": [{"purpose": "sensitive", "person": "applicant"}]}
    assert missing(rule, Recorded(person, DAY)) == ()
    assert who_is_missing(rule, {**person, "applicant": {"birth_date": "2014-01-01"}}) == {"applicant"}


def test_an_obligor_outside_the_household_consents_in_person_and_is_shown_to_nobody_before() -> None:
    rule = asking(Consent.VERIFICATION, of=ConsentOf.HOUSEHOLD_AND_OBLIGOR)
    by_somebody = {"purpose": "economic_verification", "person": "obligors/0", "guardian": MOTHER}
    person = {
        "applicant": {},
        "obligors": [{"name": "子", "relation": "son"}],
        "consents": [{"purpose": "economic_verification", "person": "applicant"}, by_somebody],
    }
    assert who_is_missing(rule, person) == {"obligors/0"}
    assert who_is_missing(asking(Consent.VERIFICATION), person) == set(), "a rule that does not ask of obligors"
    himself = {"purpose": "economic_verification", "person": "obligors/0"}
    agreed = {**person, "consents": [*person["consents"], himself]}  # type: ignore[misc]
    assert who_is_missing(rule, agreed) == set()
    assert shown_by(rule, {**person, "consents": []})["obligors"] == []
    assert shown_by(rule, agreed)["obligors"] == person["obligors"]
    assert shown_by(asking(Consent.VERIFICATION), agreed)["obligors"] == []


def test_of_the_seeded_rules_those_verify_that_have_no_way_to_reach_anybody() -> None:
    found = {(rule.need, rule.department) for rule in RULES.values() if verifies(rule)}
    centre = {need for need, department in RULES if department == "county_verification_center"}
    assert {need for need, department in found if department == "county_verification_center"} == centre
    assert {department for _, department in found} == {
        "county_verification_center",
        "county_civil_affairs",
        "fin_institutions",
        "county_tax",
    }
    assert not any(verifies(rule) for rule in RULES.values() if Consent.VERIFICATION not in rule.consent)


def test_whoever_meets_the_person_first_is_held_back_by_nobodys_consent() -> None:
    nobody: dict[str, Any] = {"applicant": {}}
    first = [rule for rule in RULES.values() if rule.department in ("township_gov", "village_committee")]
    assert len(first) > 20
    assert not any(holding_back(rule, Recorded(nobody, DAY), is_emergency=False) for rule in first)


def test_each_purpose_opens_its_own() -> None:
    rule = asking(
        *(Consent.VERIFICATION, Consent.MEDICAL),
        of=ConsentOf.APPLICANT,
        discloses=("identity", "income", "health", "disability"),
    )
    person = {"applicant": {}, "consents": [{"purpose": "medical_data", "person": "applicant"}]}
    assert opened_groups(rule, Recorded(person, DAY)) == ("identity", "health", "disability")
    assert opened_groups(rule, Recorded({"applicant": {}}, DAY)) == ("identity", "disability")
    assert opened_groups(rule, Recorded({"applicant": {}}, DAY), is_emergency=True) == rule.discloses
    shared = asking(Consent.SHARING, of=ConsentOf.APPLICANT, discloses=("identity", "contact"))
    assert opened_groups(shared, Recorded(person, DAY)) == ()


def test_the_text_in_force_is_the_last_that_has_begun() -> None:
    texts = [ConsentText("medical_data", n, date(2020 + n, 1, 1), "甲", "A", "x") for n in (1, 2, 9)]
    found = text_in_force(texts, "medical_data", DAY)
    assert found is not None
    assert found.version == 2
    assert text_in_force(texts, "sensitive", DAY) is None


def test_since_when_less_is_open_is_told_by_the_withdrawals_that_closed_something() -> None:
    rule = asking(Consent.MEDICAL, Consent.SENSITIVE, discloses=("identity", "income", "health"))
    first, second, third = (f"2026-11-0{day}T00:00:00.000000Z" for day in (1, 2, 3))

    def since(*consents: dict[str, Any]) -> str | None:
        person = {"applicant": {}, "consents": [{"person": "applicant", **each} for each in consents]}
        found = closed_since(rule, Recorded(person, DAY), is_emergency=False)
        return found and found.strftime("%d")

    medical, sensitive = {"purpose": "medical_data"}, {"purpose": "sensitive"}
    assert since() is None, "what was never given was not withdrawn"
    assert since(medical) is None
    assert since(medical | {"withdrawn_at": first}) == "01"
    assert since(medical | {"withdrawn_at": first}, sensitive) is None, "who agreed to more has agreed to as much"
    assert since(medical | {"withdrawn_at": first}, sensitive | {"withdrawn_at": second}) == "02"
    again = medical | {"recorded_at": second}
    assert since(medical | {"withdrawn_at": first}, again) is None, "given again, as much is open as before"
    assert since(medical | {"withdrawn_at": first}, again | {"withdrawn_at": third}) == "03"


# ---- the gate ----


def consents_of(county: County, receipt: Seen) -> str:
    return f"/v1/requests/{receipt['request_id']}/consents"


def give(county: County, receipt: Seen, *consents: dict[str, Any], **more: Any) -> Seen:
    answer = county.window.post(consents_of(county, receipt), json={"consents": list(consents), **more})
    assert answer.status_code == 200, answer.text
    given_now: Seen = answer.json()
    return given_now


def withdraw(county: County, receipt: Seen, number: int, **body: Any) -> Seen:
    answer = county.coordinator.post(f"{consents_of(county, receipt)}/{number}/withdraw", json=body)
    assert answer.status_code == 200, answer.text
    seen: Seen = answer.json()
    return seen


def kinds(county: County, receipt: Seen) -> list[str]:
    return [each["kind"] for each in county.events(receipt)]


def told(county: County, agency: str) -> list[str]:
    wanted = select(delivery.c.type).where(delivery.c.receiver == agency).order_by(delivery.c.id)
    return [row["type"] for row in fetch(county.running.url, wanted)]


FAMILY: dict[str, Any] = {
    "household": [
        {"name": "配偶测试", "relation": "spouse"},
        {"name": "孩子测试", "relation": "child", "birth_date": "2015-05-05"},
    ],
    "consents": [a_consent("economic_verification", "applicant")],
}
SPOUSE = a_consent("economic_verification", "household/0", evidence={"kind": "recording", "reference": "r-17"})
CHILD = a_consent("economic_verification", "household/1", guardian=MOTHER)


def test_verification_waits_for_every_member_and_goes_with_the_last_of_them(county: County) -> None:
    receipt = county.ask(ALLOWANCE, "education_aid", **FAMILY)
    holding = [each for each in receipt["missing_consents"] if each["holds_back"]]
    assert [(each["person"], each["by_guardian"]) for each in holding] == [
        ("household/0", False),
        ("household/1", True),
    ]
    assert holding[0]["text_zh"] == "第1位家庭成员:经济状况核对授权"
    assert county.handoff(receipt, TOWNSHIP, ALLOWANCE)["status"] == "dispatched", "help begins at once"
    county.complete(receipt, TOWNSHIP, need=ALLOWANCE)
    held = county.handoff(receipt, VERIFICATION)
    assert (held["status"], held["reason"], held["sign_in_due"]) == ("waiting", "waits_for_consent", None)
    assert told(county, VERIFICATION) == []
    assert county.request(receipt)["status"] == "awaiting_applicant"
    (waits,) = [each for each in county.events(receipt) if each["kind"] == "handoff.waits_for_consent"]
    assert waits["data"]["missing"] == ["economic_verification:household/0", "economic_verification:household/1"]
    seen = give(county, receipt, SPOUSE)
    assert [each["person"] for each in seen["missing"] if each["holds_back"]] == ["household/1"]
    assert county.handoff(receipt, VERIFICATION)["status"] == "waiting"
    give(county, receipt, CHILD)
    sent = county.handoff(receipt, VERIFICATION)
    assert (sent["status"], sent["reason"]) == ("dispatched", None)
    assert sent["sign_in_due"] is not None
    assert sent["dispatched_at"] > receipt["registered_at"], "its clocks start now"
    assert told(county, VERIFICATION) == ["handoff.dispatched"]
    assert kinds(county, receipt).count("handoff.waits_for_consent") == 1
    county.complete(receipt, VERIFICATION)
    assert county.handoff(receipt, CIVIL_AFFAIRS, ALLOWANCE)["status"] == "dispatched"


def test_a_request_whose_consents_came_with_it_waits_for_nothing(county: County) -> None:
    receipt = county.ask(ALLOWANCE, **{**FAMILY, "consents": [*FAMILY["consents"], SPOUSE, CHILD]})
    assert [each for each in receipt["missing_consents"] if each["holds_back"]] == []
    county.complete(receipt, TOWNSHIP)
    assert county.handoff(receipt, VERIFICATION)["status"] == "dispatched"
    assert "handoff.waits_for_consent" not in kinds(county, receipt)
    seen = county.window.get(consents_of(county, receipt)).json()
    assert [each["text_version"] for each in seen["consents"]] == [1, 1, 1], "the one in force, where nobody says"
    assert seen["consents"][1]["evidence"] == {"kind": "recording", "reference": "r-17"}
    assert seen["consents"][2]["guardian"] == MOTHER


def test_a_first_step_that_verifies_is_held_at_the_door(county: County) -> None:
    receipt = county.ask("economic_verification", consents=[])
    assert county.handoff(receipt, VERIFICATION)["status"] == "waiting"
    assert receipt["status"] == "awaiting_applicant"
    give(county, receipt, a_consent("economic_verification", "applicant"))
    assert county.handoff(receipt, VERIFICATION)["status"] == "dispatched"
    assert county.request(receipt)["status"] == "routed"


def test_the_person_sees_in_plain_words_what_it_waits_for(county: County) -> None:
    receipt = county.ask("economic_verification", consents=[])
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()
    assert tracked["steps"][0]["waits_for_you"]
    assert tracked["steps"][0]["missing_consents"] == [
        {"text_zh": "申请人:经济状况核对授权", "text_en": "the applicant: verification of economic status"}
    ]
    assert any("等待授权" in each["text_zh"] for each in tracked["events"])


def test_an_obligor_who_becomes_known_later_is_asked_too(county: County) -> None:
    receipt = county.ask("extreme_poverty_support")
    county.complete(receipt, TOWNSHIP)
    assert county.handoff(receipt, VERIFICATION)["status"] == "dispatched"
    later = county.ask(
        "extreme_poverty_support", obligors=[{"name": "义务人测试戊", "relation": "son", "phone": "13900000000"}]
    )
    county.complete(later, TOWNSHIP)
    assert county.handoff(later, VERIFICATION)["status"] == "waiting"
    also = a_consent("economic_verification", "obligors/1")
    seen = give(county, later, also, obligors=[{"name": "义务人测试己", "relation": "daughter"}])
    assert [each["person"] for each in seen["missing"]] == ["obligors/0"]
    give(county, later, a_consent("economic_verification", "obligors/0"))
    agency = county.running.client(KeyRole.AGENCY, VERIFICATION)
    sent = agency.get(f"/v1/handoffs/{county.handoff(later, VERIFICATION)['handoff_id']}").json()
    assert [each["relation"] for each in sent["person"]["obligors"]] == ["son", "daughter"]
    assert "phone" not in sent["person"]["obligors"][0]


def test_in_an_emergency_help_goes_at_once_and_only_who_verifies_waits(county: County) -> None:
    receipt = county.ask(MEDICAL, **FAMILY)
    path = f"/v1/requests/{receipt['request_id']}/emergency"
    lifted = county.window.post(path, json={"facts": ["life_threatening_illness"]})
    assert lifted.status_code == 200, lifted.text
    assert county.handoff(receipt, HEALTHCARE, MEDICAL)["status"] == "dispatched"
    held = county.handoff(receipt, VERIFICATION, MEDICAL)
    assert (held["status"], held["reason"]) == ("waiting", "waits_for_consent")
    assert county.handoff(receipt, CIVIL_AFFAIRS, MEDICAL)["status"] == "waiting"
    county.complete(receipt, TOWNSHIP, need=MEDICAL)
    county.complete(receipt, HEALTHCARE, need=MEDICAL)
    assert county.handoff(receipt, VERIFICATION, MEDICAL)["reason"] == "lead_completed", "help did not wait for it"


# ---- what consents open ----


def test_what_is_not_agreed_to_is_withheld_and_the_handoff_goes(county: County) -> None:
    receipt = county.ask(
        CHARITY, needs=[{"code": CHARITY}, {"code": MEDICAL, "facts": {"illness": "虚构综合征"}}], consents=[]
    )
    found = county.handoff(receipt, TOWNSHIP, MEDICAL)
    agency = county.running.client(KeyRole.AGENCY, TOWNSHIP)
    seen = agency.get(f"/v1/handoffs/{found['handoff_id']}").json()
    assert found["status"] == "dispatched"
    assert seen["withheld"] == ["income", "health"]
    assert "illness" not in seen["person"]["facts"]
    assert told(county, TOWNSHIP).count("handoff.dispatched") >= 1
    before = len(told(county, TOWNSHIP))
    give(county, receipt, a_consent("medical_data", "applicant"))
    seen = agency.get(f"/v1/handoffs/{found['handoff_id']}").json()
    assert seen["withheld"] == ["income"]
    assert seen["person"]["facts"]["illness"] == "虚构综合征"
    assert told(county, TOWNSHIP)[before:] == ["handoff.dispatched"], "it is told anew, with what is open now"


def test_a_charity_is_told_of_nobody_who_has_not_agreed(county: County) -> None:
    receipt = county.ask(CHARITY, consents=[])
    shared = [each for each in receipt["missing_consents"] if each["purpose"] == "share_with_charity"]
    assert [each["person"] for each in shared] == ["applicant"]
    asked = [each for each in county.request(receipt)["handoffs"] if each["agency"] == "360803-red-cross"]
    for each in asked:
        agency = county.running.client(KeyRole.AGENCY, each["agency"])
        assert agency.get(f"/v1/handoffs/{each['handoff_id']}").json()["person"] == {}


# ---- withdrawal ----


def verified_half_way(county: County) -> Seen:
    """The centre has signed; the township, which met the family, is done."""
    receipt = county.ask(ALLOWANCE)
    county.complete(receipt, TOWNSHIP)
    county.told(county.handoff(receipt, VERIFICATION), "received")
    return receipt


def test_a_withdrawal_ends_the_verification_and_not_the_request(county: County) -> None:
    receipt = verified_half_way(county)
    seen = withdraw(county, receipt, 1, reason="不愿再提供")
    ended = county.handoff(receipt, VERIFICATION)
    assert (ended["status"], ended["reason"]) == ("cancelled", "consent_withdrawn")
    assert told(county, VERIFICATION)[-1] == "handoff.cancelled"
    assert county.coordinator.get(consents_of(county, receipt)).json()["consents"][0]["reason"] == "不愿再提供"
    assert [each["purpose"] for each in seen["missing"] if each["holds_back"]] == ["economic_verification"]
    lead = county.handoff(receipt, CIVIL_AFFAIRS)
    assert (lead["status"], lead["reason"]) == ("waiting", "waits_for_consent")
    assert county.request(receipt)["status"] == "awaiting_applicant"
    assert withdraw(county, receipt, 1) == seen, "twice is no error"
    assert kinds(county, receipt).count("consent.withdrawn") == 1


def test_a_consent_given_again_sends_the_verification_again(county: County) -> None:
    receipt = verified_half_way(county)
    withdraw(county, receipt, 1)
    give(county, receipt, a_consent("economic_verification", "applicant"))
    again = county.handoff(receipt, VERIFICATION)
    assert (again["status"], again["reason"]) == ("dispatched", None)
    lead = county.handoff(receipt, CIVIL_AFFAIRS)
    assert (lead["status"], lead["reason"]) == ("waiting", None), "it waits for its step, not for consent"
    county.complete(receipt, VERIFICATION)
    county.complete(receipt, CIVIL_AFFAIRS)
    assert county.handoff(receipt, CIVIL_AFFAIRS)["outcome"] == "granted"


def test_who_helps_is_told_to_stop_using_it_and_may_complete(county: County) -> None:
    receipt = county.ask(MEDICAL, facts={"monthly_income_yuan": "1200.00"})
    county.complete(receipt, TOWNSHIP)
    for agency in (VERIFICATION, CIVIL_AFFAIRS):
        county.complete(receipt, agency)
    lead = county.handoff(receipt, HEALTHCARE)
    county.told(lead, "accepted")
    withdraw(county, receipt, 1)
    sent = select(delivery.c.type).where(delivery.c.receiver == HEALTHCARE).order_by(delivery.c.id)
    last = bodies(county.running.url, sent)[-1]
    assert last["type"] == "consent.withdrawn"
    body = from_json(last["body"])
    assert body["data"]["purposes"] == ["economic_verification"]
    assert body["data"]["withheld"] == ["income"]
    assert county.handoff(receipt, HEALTHCARE)["status"] == "in_progress"
    seen = county.running.client(KeyRole.AGENCY, HEALTHCARE).get(f"/v1/handoffs/{lead['handoff_id']}").json()
    assert "monthly_income_yuan" not in seen["person"].get("facts", {})
    county.told(lead, "completed", outcome="not_granted")
    assert county.request(receipt)["status"] == "closed"


# ---- what had not arrived when a consent was withdrawn ----

ILL = {"needs": [{"code": MEDICAL, "facts": {"illness": "虚构综合征"}}]}


def messages_to(county: County, agency: str) -> list[dict[str, Any]]:
    """Oldest first, with what they say."""
    wanted = select(delivery.c.id, delivery.c.type, delivery.c.status, delivery.c.digest, delivery.c.superseded_at)
    rows = bodies(county.running.url, wanted.where(delivery.c.receiver == agency).order_by(delivery.c.id))
    return [row | {"data": from_json(row["body"])["data"]} for row in rows]


def the_ill(county: County) -> Seen:
    """Whoever agreed to be seen as ill; the second of their consents."""
    consents = [a_consent("economic_verification", "applicant"), a_consent("medical_data", "applicant")]
    receipt = county.ask(MEDICAL, **ILL, consents=consents)
    (first,) = messages_to(county, TOWNSHIP)
    assert "虚构综合征" in first["body"].decode()
    return receipt


def groups_told(county: County, receipt: Seen) -> list[set[str]]:
    items = county.coordinator.get(f"/v1/requests/{receipt['request_id']}/disclosures").json()["items"]
    of_messages = [each for each in items if each["way"] == "message" and each["agency"] == TOWNSHIP]
    return [{group["code"] for group in each["shown"]} for each in of_messages]


@pytest.mark.parametrize("before", ["untried", "tried", "exhausted"])
def test_what_had_not_arrived_ends_and_another_message_says_less(county: County, before: str) -> None:
    receipt = the_ill(county)
    values = {"untried": {}, "tried": {"attempts": 1}, "exhausted": {"attempts": 20, "status": "exhausted"}}[before]
    of_township = delivery.update().where(delivery.c.receiver == TOWNSHIP)
    if values:
        change(county.running.url, of_township.values(values))
    (old,) = messages_to(county, TOWNSHIP)
    withdraw(county, receipt, 2)
    kept, anew, told_so = messages_to(county, TOWNSHIP)
    assert (kept["id"], kept["digest"], kept["body"]) == (old["id"], old["digest"], old["body"]), "bytes never change"
    assert (kept["status"], kept["superseded_at"] is not None) == ("superseded", True)
    assert (anew["type"], anew["status"], anew["data"]["withheld"]) == ("handoff.dispatched", "pending", ["health"])
    assert "虚构综合征" not in anew["body"].decode()
    assert told_so["type"] == "consent.withdrawn"
    (event_,) = [each for each in county.events(receipt) if each["kind"] == "delivery.superseded"]
    assert event_["data"]["deliveries"] == [str(old["id"])]
    told_of = groups_told(county, receipt)
    assert "health" not in told_of[0]
    assert any("health" in each for each in told_of) is (before != "untried"), "what was never sent was shown to nobody"
    refused = county.coordinator.post(f"/v1/deliveries/{old['id']}/redeliver")
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_superseded")
    county.coordinator.post("/v1/deliveries/redeliver-exhausted").raise_for_status()
    assert messages_to(county, TOWNSHIP)[0]["status"] == "superseded"


def test_what_was_delivered_stays_so_and_is_not_sent_a_second_time(county: County) -> None:
    receipt = the_ill(county)
    change(county.running.url, delivery.update().values(status="delivered", attempts=1, ended_at=datetime.now(UTC)))
    withdraw(county, receipt, 2)
    old, told_so = messages_to(county, TOWNSHIP)
    assert (old["status"], told_so["type"]) == ("delivered", "consent.withdrawn")
    again = county.coordinator.post(f"/v1/deliveries/{old['id']}/redeliver")
    assert (again.status_code, again.json()["code"]) == (409, "delivery_superseded")
    since = {"since": "2026-01-01T00:00:00Z"}
    county.coordinator.post(f"/v1/agencies/{TOWNSHIP}/redeliver", params=since).raise_for_status()
    assert messages_to(county, TOWNSHIP)[0]["status"] == "delivered"
    give(county, receipt, a_consent("medical_data", "applicant"))
    assert "虚构综合征" in messages_to(county, TOWNSHIP)[-1]["body"].decode(), "agreed to again, it is told again"


def test_a_supplement_that_had_not_arrived_is_told_as_far_as_it_is_open(county: County) -> None:
    receipt = the_ill(county)
    county.told(county.handoff(receipt, TOWNSHIP), "accepted")
    county.told(county.handoff(receipt, TOWNSHIP), "information_requested", materials=["诊断证明"])
    added = {"facts": {"illness": "另一种综合征"}, "materials": ["diagnosis"]}
    path = f"/v1/requests/{receipt['request_id']}/supplements"
    county.window.post(path, json=added).raise_for_status()
    assert "另一种综合征" in messages_to(county, TOWNSHIP)[-1]["body"].decode()
    withdraw(county, receipt, 2)
    waiting = [each for each in messages_to(county, TOWNSHIP) if each["status"] == "pending"]
    assert [each["type"] for each in waiting] == ["handoff.dispatched", "consent.withdrawn"]
    assert "综合征" not in b"".join(each["body"] for each in waiting).decode()


def test_what_was_tried_before_an_earlier_withdrawal_stays_among_the_disclosures(county: County) -> None:
    receipt = the_ill(county)
    change(county.running.url, delivery.update().where(delivery.c.receiver == TOWNSHIP).values(attempts=1))
    withdraw(county, receipt, 2)
    give(county, receipt, a_consent("medical_data", "applicant"))
    withdraw(county, receipt, 3)
    assert any("health" in each for each in groups_told(county, receipt)), "it may have been seen"


def test_a_paper_that_is_still_open_is_told_of_all_the_same(county: County) -> None:
    receipt = the_ill(county)
    change(county.running.url, delivery.update().values(status="delivered", attempts=1))

    def told_of(material: str) -> dict[str, Any]:
        supplement = {"materials": [material], "facts": {}, "note": None, "attachments": [str(new_id())]}
        return {"type": "handoff.supplemented", "data": {"supplement": supplement}}

    async def work(database: Database) -> None:
        async with database.writing() as connection:
            case = await load(connection, UUID(receipt["request_id"]))
            (part,) = [each for each in case.handoffs if each.agency_code == TOWNSHIP]
            for material in ("household_register", "diagnosis"):
                enqueue(
                    case.unit,
                    case.box,
                    type="handoff.supplemented",
                    receiver=TOWNSHIP,
                    request_id=case.id,
                    handoff_id=part.id,
                    data=told_of(material)["data"],
                    at=datetime.now(UTC),
                )
            await write_units(connection, [case.unit])

    on(county.running.url, work)
    withdraw(county, receipt, 2)
    papers = [each for each in messages_to(county, TOWNSHIP) if each["type"] == "handoff.supplemented"]
    assert [(each["data"]["supplement"]["materials"], each["status"]) for each in papers] == [
        (["household_register"], "pending"),
        (["diagnosis"], "superseded"),
    ]


def test_an_obligor_who_becomes_known_closes_what_had_not_arrived(county: County) -> None:
    receipt = county.ask("extreme_poverty_support")
    county.complete(receipt, TOWNSHIP)
    before = [each["type"] for each in messages_to(county, VERIFICATION)]
    assert before == ["handoff.dispatched"]
    obligor = {"name": "义务人测试庚", "relation": "son"}
    give(county, receipt, a_consent("sensitive", "applicant"), obligors=[obligor])
    old, anew = messages_to(county, VERIFICATION)
    assert (old["status"], anew["type"]) == ("superseded", "handoff.dispatched")
    assert "income" in old["data"]["discloses"]
    assert "income" in anew["data"]["withheld"], "until the obligor has consented, too"


def test_after_the_end_nothing_more_than_is_open_goes_out_either(county: County) -> None:
    receipt = the_ill(county)
    county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={}).raise_for_status()
    withdraw(county, receipt, 2)
    assert [(each["type"], each["status"]) for each in messages_to(county, TOWNSHIP)] == [
        ("handoff.dispatched", "superseded"),
        ("handoff.cancelled", "pending"),
    ]


def test_a_withdrawal_that_closes_nothing_leaves_messages_alone(county: County) -> None:
    receipt = county.ask(
        MEDICAL, **ILL, consents=[a_consent("sensitive", "applicant"), a_consent("medical_data", "applicant")]
    )
    withdraw(county, receipt, 2)
    (one,) = messages_to(county, TOWNSHIP)
    assert (one["status"], one["superseded_at"]) == ("pending", None), "who agreed to more has agreed to as much"


def test_what_a_worker_held_for_its_endpoint_does_not_go_out_after_a_withdrawal(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    county = County(run_service(embedded_worker=True, delivery_per_agency=1), receiver.secrets)
    receiver.then(TOWNSHIP, Answer(200, hang=True))
    county.ask(MEDICAL)
    until(lambda: receiver.of(TOWNSHIP))
    receipt = county.ask(MEDICAL, **ILL, consents=[a_consent("medical_data", "applicant")])
    held = select(delivery.c.claimed_by).where(delivery.c.receiver == TOWNSHIP, delivery.c.claimed_by.is_not(None))
    until(lambda: len(fetch(county.running.url, held)) == 2, what="the second to be held")
    time.sleep(1.2)
    withdraw(county, receipt, 1)
    receiver.release()
    of_request = until(
        lambda: [each for each in receiver.of(TOWNSHIP) if receipt["request_id"] in each.body.decode()][1:],
        what="both messages",
    )
    assert of_request
    assert "虚构综合征" not in b"".join(each.body for each in receiver.of(TOWNSHIP)).decode()


# ---- a need that is nothing but a verification ----


def test_a_request_for_a_verification_alone_waits_for_its_consent_again(county: County) -> None:
    receipt = county.ask("economic_verification")
    found = county.handoff(receipt, VERIFICATION)
    county.told(found, "accepted")
    withdraw(county, receipt, 1, reason="想再考虑")
    held = county.handoff(receipt, VERIFICATION)
    assert (held["status"], held["reason"], held["complete_due"]) == ("waiting", "waits_for_consent", None)
    assert county.request(receipt)["status"] == "awaiting_applicant"
    assert told(county, VERIFICATION)[-1] == "handoff.cancelled"
    (event_,) = [each for each in county.events(receipt) if each["kind"] == "handoff.held"]
    assert event_["data"]["reason"] == "consent_withdrawn"
    assert event_["data"]["missing"] == ["economic_verification:applicant"]
    own = county.running.client(KeyRole.AGENCY, VERIFICATION)
    seen = own.get(f"/v1/handoffs/{found['handoff_id']}").json()
    assert (seen["person"], seen["allowed"], seen["overdue"]) == (None, [], [])
    assert seen["consent_withdrawn_at"] is not None
    answer = county.report(found, "completed", outcome="granted")
    assert (answer.status_code, answer.json()["code"]) == (409, "move_not_allowed")
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").json()
    assert tracked["steps"][0]["waits_for_you"]
    assert any("停止核对" in each["text_zh"] for each in tracked["events"])
    looked_at = select(handoff.c.first_due, handoff.c.next_look_at)
    (row,) = fetch(county.running.url, looked_at.where(handoff.c.agency_code == VERIFICATION))
    assert row["first_due"] is not None, "a coordinator sees it one day"
    assert row["next_look_at"] is None
    before = found["dispatched_at"]
    give(county, receipt, a_consent("economic_verification", "applicant"))
    again = county.handoff(receipt, VERIFICATION)
    assert (again["status"], again["reason"]) == ("dispatched", None)
    assert again["dispatched_at"] > before
    assert again["complete_due"] is not None
    county.complete(receipt, VERIFICATION)
    for other, status in county.statuses(receipt).items():
        if status == "dispatched":
            county.complete(receipt, other)
    assert county.request(receipt)["status"] == "closed"


def test_a_coordinator_may_end_what_nobody_consents_to_and_says_why(county: County) -> None:
    receipt = county.ask("economic_verification")
    withdraw(county, receipt, 1)
    held = county.handoff(receipt, VERIFICATION)
    act = {"reason": "本人不再授权", "without_successor": True}
    county.coordinator.post(f"/v1/handoffs/{held['handoff_id']}/cancel", json=act).raise_for_status()
    ended = county.handoff(receipt, VERIFICATION)
    assert (ended["status"], ended["reason"]) == ("cancelled", "coordinator")
    assert county.request(receipt)["status"] == "closed"


def test_a_new_calendar_gives_no_clock_to_what_was_taken_back(county: County) -> None:
    receipt = county.ask("economic_verification")
    withdraw(county, receipt, 1)
    change(county.running.url, handoff.update().values(due_provisional=True))
    days = [{"day": "2030-01-02", "working": False, "source": "x"}]
    county.coordinator.put("/v1/calendar", json={"days": days})
    held = county.handoff(receipt, VERIFICATION)
    assert (held["sign_in_due"], held["complete_due"]) == (None, None)


def test_after_the_end_a_consent_can_still_be_withdrawn_and_none_given(county: County) -> None:
    receipt = county.ask("economic_verification")
    withdrawn = county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={})
    assert withdrawn.status_code == 200
    seen = withdraw(county, receipt, 1)
    assert seen["missing"] == []
    answer = county.window.post(consents_of(county, receipt), json={"consents": [SPOUSE | {"person": "applicant"}]})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_closed")


# ---- the door ----


def test_consents_are_recorded_once_for_one_idempotency_key(county: County) -> None:
    receipt = county.ask(ALLOWANCE, **FAMILY)
    body = {"consents": [SPOUSE]}
    first, second = (
        county.window.post(consents_of(county, receipt), json=body, headers={"idempotency-key": "once"})
        for _ in range(2)
    )
    assert first.json() == second.json()
    assert len(first.json()["consents"]) == 2


@pytest.mark.parametrize(
    ("consent", "pointer"),
    [
        (a_consent("economic_verification", "household/7"), "/consents/0/person"),
        (a_consent("economic_verification", "obligors/0"), "/consents/0/person"),
        (a_consent("medical_data", "applicant", text_version=99), "/consents/0/text_version"),
        (a_consent("medical_data", "applicant", given_at="2199-01-01T00:00:00Z"), "/consents/0/given_at"),
        (a_consent("medical_data", "applicant", evidence={"kind": "hearsay"}), "/consents/0/evidence/kind"),
        (a_consent("medical_data", "applicant", evidence=None), "/consents/0/evidence"),
    ],
)
def test_what_is_wrong_with_a_consent_is_told_and_nothing_is_recorded(
    county: County, consent: dict[str, Any], pointer: str
) -> None:
    receipt = county.ask(ALLOWANCE, **FAMILY)
    answer = county.window.post(consents_of(county, receipt), json={"consents": [SPOUSE, consent][::-1]})
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert "consent.given" not in kinds(county, receipt)


def test_whose_it_is_not_finds_nothing_and_who_sees_no_people_sees_no_names(county: County) -> None:
    receipt = county.ask(ALLOWANCE, **FAMILY)
    give(county, receipt, CHILD, SPOUSE)
    path = consents_of(county, receipt)
    for stranger in (county.running.client("intake"), county.running.client(KeyRole.AGENCY, HEALTHCARE)):
        assert stranger.get(path).status_code == 404
        assert stranger.post(path, json={"consents": [SPOUSE]}).status_code == 404
        assert stranger.post(f"{path}/1/withdraw", json={}).status_code == 404
    township = county.running.client(KeyRole.AGENCY, TOWNSHIP)
    for reader in (township, county.running.client("auditor")):
        shown = reader.get(path)
        assert shown.status_code == 200
        assert MOTHER["name"] not in shown.text
        assert "r-17" not in shown.text
    assert township.post(path, json={"consents": [SPOUSE]}).status_code == 200
    assert county.coordinator.post(f"{path}/99/withdraw", json={}).status_code == 404


def test_events_hold_no_names_outside_of_what_is_sealed(county: County) -> None:
    receipt = county.ask(ALLOWANCE, **FAMILY)
    give(county, receipt, CHILD)
    withdraw(county, receipt, 2, reason="孩子的母亲改了主意")
    rows = fetch(county.running.url, select(event.c.kind, event.c.data, event.c.sealed))
    about = [row for row in rows if row["kind"].startswith("consent.")]
    assert [row["kind"] for row in about] == ["consent.given", "consent.withdrawn"]
    assert MOTHER["name"] not in str([row["data"] for row in rows])
    assert "改了主意" not in str([row["data"] for row in rows])
    assert all(row["sealed"] is not None for row in about)


def test_a_coordinator_sees_on_the_board_what_waits_too_long(county: County) -> None:
    receipt = county.ask("economic_verification", consents=[])
    board = county.coordinator.get("/v1/handoffs", params={"overdue": "any"})
    assert board.json()["items"] == []
    held = fetch(county.running.url, select(handoff).where(handoff.c.reason == "waits_for_consent"))
    assert all(each["first_due"] > each["opened_at"] and each["next_look_at"] is None for each in held)
    weeks_ago = (
        handoff.update()
        .where(handoff.c.reason == "waits_for_consent")
        .values(first_due=datetime(2026, 1, 5, tzinfo=UTC))
    )
    change(county.running.url, weeks_ago)
    items = county.coordinator.get("/v1/handoffs", params={"overdue": "any"}).json()["items"]
    assert {each["agency"] for each in items} >= {VERIFICATION}
    assert all(each["waits_for_consent"] and each["overdue"] == [] for each in items)
    own = county.running.client(KeyRole.AGENCY, VERIFICATION)
    assert own.get("/v1/handoffs", params={"overdue": "any"}).json()["items"] == [], "it was not sent to it"
    give(county, receipt, a_consent("economic_verification", "applicant"))
    assert county.coordinator.get("/v1/handoffs", params={"overdue": "any"}).json()["items"] == []


def test_texts_are_followed_by_their_next_version_and_stay(county: County) -> None:
    text = {"purpose": "medical_data", "valid_from": "2026-01-01", "text_zh": "甲", "text_en": "A", "source": "x"}
    made = county.coordinator.post("/v1/consent-texts", json=text)
    assert (made.status_code, made.json()["version"]) == (201, 2)
    assert county.coordinator.post("/v1/consent-texts", json=text).json()["version"] == 2, "the same words again"
    listed = county.window.get("/v1/consent-texts").json()["items"]
    assert [each["version"] for each in listed if each["purpose"] == "medical_data"] == [1, 2]
    receipt = county.ask(ALLOWANCE, consents=[a_consent("medical_data", "applicant")])
    assert county.window.get(consents_of(county, receipt)).json()["consents"][0]["text_version"] == 2


def test_a_verification_is_not_revived_after_its_need_is_done(county: County) -> None:
    receipt = county.ask(ALLOWANCE, "education_aid")
    county.complete(receipt, TOWNSHIP, need=ALLOWANCE)
    withdraw(county, receipt, 1)
    assert county.handoff(receipt, VERIFICATION)["status"] == "cancelled"
    act = {"reason": "已办", "without_successor": True}
    lead = county.handoff(receipt, CIVIL_AFFAIRS, ALLOWANCE)
    county.coordinator.post(f"/v1/handoffs/{lead['handoff_id']}/cancel", json=act).raise_for_status()
    give(county, receipt, a_consent("economic_verification", "applicant"))
    assert county.handoff(receipt, VERIFICATION)["status"] == "cancelled"


def test_guardians_names_are_shown_to_nobody_unrecorded(county: County) -> None:
    receipt = county.ask(ALLOWANCE, **FAMILY)
    county.coordinator.get(consents_of(county, receipt)).raise_for_status()
    seen = select(reading.c.way, reading.c.shown, reading.c.role)
    assert fetch(county.running.url, seen) == [], "there is none"
    given = give(county, receipt, CHILD)
    assert [each["guardian"] for each in given["consents"]] == [None] * len(given["consents"]), "nor where it was given"
    county.running.client("auditor").get(consents_of(county, receipt)).raise_for_status()
    assert fetch(county.running.url, seen) == [], "auditors see no names"
    county.coordinator.get(consents_of(county, receipt)).raise_for_status()
    assert fetch(county.running.url, seen) == [{"way": "request", "shown": ["household"], "role": "coordinator"}]


def test_nobody_rules_a_verification_back_without_its_consent(county: County) -> None:
    receipt = county.ask(ALLOWANCE)
    county.complete(receipt, TOWNSHIP)
    centre = county.handoff(receipt, VERIFICATION)
    county.told(centre, "returned", reason_code="duplicate", legal_basis="三定方案")
    withdraw(county, receipt, 1)
    ruling = {"agency": VERIFICATION, "reason": "应由其核对", "legal_basis": "社会救助暂行办法"}
    path = f"/v1/handoffs/{centre['handoff_id']}/ruling"
    refusal = county.coordinator.post(path, json=ruling)
    assert (refusal.status_code, refusal.json()["errors"][0]["code"]) == (422, "consent_missing")
    give(county, receipt, a_consent("economic_verification", "applicant"))
    assert county.coordinator.post(path, json=ruling).status_code == 200
    assert county.handoff(receipt, VERIFICATION)["status"] == "dispatched"
