"""What an emergency owes stays visible, and holds the request open; an ordinary request is lifted to one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from app.aid import AidRules, Ceiling, CeilingKind, Standard
from app.delivery.lanes import Priority
from app.identifiers import now
from app.tables import debt, delivery, help_request
from tests.county import CIVIL_AFFAIRS, EDUCATION, TOWNSHIP, VERIFICATION, VILLAGE, County, Seen
from tests.test_chain import board
from tests.test_emergencies import PERSON, alarm
from tests.watching import change, fetch


def settle(county: County, receipt: Seen, kind: str, client: Any = None, **body: Any) -> Any:
    client = client or county.window
    return client.post(f"/v1/requests/{receipt['request_id']}/debts/{kind}/settle", json=body)


def debts(county: County, receipt: Seen, query: str = "") -> dict[str, Seen]:
    items = county.coordinator.get(f"/v1/debts?limit=200{query}").raise_for_status().json()["items"]
    return {each["kind"]: each for each in items if each["request_id"] == receipt["request_id"]}


def status(county: County, receipt: Seen) -> str:
    return str(county.request(receipt)["status"])


@pytest.fixture
def hungry(county: County) -> Seen:
    return alarm(county, kind="hunger", applicant=PERSON)


def finish_all(county: County, receipt: Seen) -> None:
    for agency in (VILLAGE, TOWNSHIP):
        county.complete(receipt, agency)


def test_the_request_is_not_closed_while_something_is_owed_though_every_agency_is_done(
    county: County, hungry: Seen
) -> None:
    finish_all(county, hungry)
    assert status(county, hungry) == "in_progress"
    for kind in ("aid", "explanation"):
        assert settle(county, hungry, kind).status_code == 200
        assert status(county, hungry) == "in_progress"
    assert settle(county, hungry, "papers").status_code == 200
    assert status(county, hungry) == "closed"
    assert county.handoff(hungry, CIVIL_AFFAIRS)["reason"] == "request_closed"
    kinds = [each["kind"] for each in county.events(hungry)]
    assert kinds.count("debt.settled") == 3


def test_settled_debts_alone_close_nothing(county: County, hungry: Seen) -> None:
    for kind in ("aid", "explanation", "papers"):
        settle(county, hungry, kind).raise_for_status()
    assert status(county, hungry) == "routed"
    finish_all(county, hungry)
    assert status(county, hungry) == "closed"


def test_each_debt_has_its_day(county: County, hungry: Seen) -> None:
    owed = debts(county, hungry)
    opened = datetime.fromisoformat(owed["aid"]["opened_at"])
    day = timedelta(days=1)
    assert datetime.fromisoformat(owed["aid"]["target_at"]) - opened == day
    assert 3 * day <= datetime.fromisoformat(owed["aid"]["due_at"]) - opened + day
    assert owed["explanation"]["due_at"] < owed["papers"]["due_at"]
    at_once = debts(county, alarm(county, kind="disaster"))["aid"]
    within = datetime.fromisoformat(at_once["due_at"]) - datetime.fromisoformat(at_once["opened_at"])
    assert within == timedelta(hours=10)


def test_what_is_overdue_is_listed_and_red_on_the_board(county: County, hungry: Seen) -> None:
    other = alarm(county)
    change(county.running.url, update(delivery).values(status="delivered", ended_at=now()))
    assert not board(county, hungry)["red"]
    late = update(debt).where(debt.c.kind == "explanation", debt.c.due_at > now())
    change(county.running.url, late.values(due_at=now() - timedelta(minutes=1)))
    assert set(debts(county, hungry, "&overdue=true")) == {"explanation"}
    assert board(county, hungry)["red"]
    settle(county, hungry, "explanation").raise_for_status()
    assert debts(county, hungry, "&overdue=true") == {}
    assert not board(county, hungry)["red"]
    assert set(debts(county, hungry, "&open=true")) == {"aid", "papers"}
    assert set(debts(county, hungry, "&open=false")) == {"explanation"}
    assert set(debts(county, other, "&overdue=true")) == {"explanation"}


def test_papers_that_are_not_confirmed_take_no_aid_back(county: County, hungry: Seen) -> None:
    given = settle(county, hungry, "aid", amount_yuan="500.00", with_what="现金和被褥").raise_for_status().json()
    assert (given["amount_yuan"], given["with_what"], given["outcome"]) == ("500.00", "现金和被褥", "done")
    for who, words in (("coordinator", "现金和被褥"), ("auditor", None)):
        listed = county.running.client(who).get("/v1/debts").json()["items"]
        assert {each["with_what"] for each in listed if each["kind"] == "aid"} == {words}, who
        board = county.running.client(who).get("/v1/emergencies/board").json()["items"][0]["debts"]
        assert {each["with_what"] for each in board if each["kind"] == "aid"} == {None}, who
    settle(county, hungry, "papers", outcome="not_confirmed").raise_for_status()
    owed = debts(county, hungry)
    assert (owed["papers"]["outcome"], owed["aid"]["outcome"], owed["aid"]["amount_yuan"]) == (
        *("not_confirmed", "done", "500.00"),
    )
    assert status(county, hungry) == "routed"
    assert "500.00" not in str([each["data"] for each in county.events(hungry)])


def test_the_same_again_is_no_error_and_another_outcome_is(county: County, hungry: Seen) -> None:
    first = settle(county, hungry, "aid", amount_yuan="500").json()
    assert settle(county, hungry, "aid", amount_yuan="500").json() == first
    again = settle(county, hungry, "aid", amount_yuan="900")
    assert (again.status_code, again.json()["code"]) == (409, "debt_settled")
    assert [each["kind"] for each in county.events(hungry)].count("debt.settled") == 1


def test_who_has_a_part_settles_and_sees_and_others_do_not(county: County, hungry: Seen) -> None:
    stranger, township = county.running.client("agency", EDUCATION), county.running.client("agency", TOWNSHIP)
    assert settle(county, hungry, "aid", stranger).status_code == 404
    assert stranger.get("/v1/debts").json()["items"] == []
    assert len(township.get("/v1/debts").json()["items"]) == 3
    assert county.running.client("intake").get("/v1/debts").json()["items"] == []
    assert settle(county, hungry, "aid", township).json()["settled_by"] == f"agency:{TOWNSHIP}"
    assert settle(county, hungry, "papers", county.coordinator).status_code == 200
    ordinary = county.ask("education_aid")
    assert settle(county, ordinary, "aid").status_code == 404


def test_who_withdraws_owes_nothing_more(county: County, hungry: Seen) -> None:
    settle(county, hungry, "aid").raise_for_status()
    county.window.post(f"/v1/requests/{hungry['request_id']}/withdraw", json={}).raise_for_status()
    assert {kind: each["outcome"] for kind, each in debts(county, hungry).items()} == {
        "aid": "done",
        "explanation": "withdrawn",
        "papers": "withdrawn",
    }
    (row,) = fetch(county.running.url, select(help_request.c.debts, help_request.c.status))
    assert (row["debts"], row["status"]) == (0, "withdrawn")


def larger(county: County, receipt: Seen) -> list[tuple[str, str, str]]:
    handoffs = county.request(receipt)["handoffs"]
    return [(h["agency"], h["role"], h["status"]) for h in handoffs if h["need"] == "temp_aid_emergency"]


def test_two_thousand_yuan_after_a_fire_is_above_a_month_s_allowance_and_goes_to_the_county(
    county: County, hungry: Seen
) -> None:
    assert larger(county, hungry) == []
    settle(county, hungry, "aid", amount_yuan="2000.00", with_what="现金和被褥").raise_for_status()
    assert larger(county, hungry) == [(CIVIL_AFFAIRS, "lead", "dispatched")]
    (told,) = [each["data"] for each in county.events(hungry) if each["kind"] == "aid.above_ceiling"]
    assert told["ceiling"] == "593.90"
    fire = alarm(county)
    before = larger(county, fire)
    settle(county, fire, "aid", amount_yuan="2000.00").raise_for_status()
    assert larger(county, fire) == before, "the county leads it already"


def test_at_the_ceiling_it_is_the_township_s_business(county: County, hungry: Seen) -> None:
    settle(county, hungry, "aid", amount_yuan="593.90").raise_for_status()
    assert larger(county, hungry) == []
    urban = alarm(county, kind="hunger", facts={"residence": "urban"})
    settle(county, urban, "aid", amount_yuan="798.10").raise_for_status()
    assert larger(county, urban) == []


def test_in_2017_it_was_a_thousand_yuan(county: County, hungry: Seen) -> None:
    day = now().replace(year=2017, month=6, day=1)
    change(county.running.url, update(help_request).values(registered_at=day))
    settle(county, hungry, "aid", amount_yuan="1000").raise_for_status()
    assert larger(county, hungry) == []
    other = alarm(county, kind="hunger")
    change(county.running.url, update(help_request).values(registered_at=day))
    settle(county, other, "aid", amount_yuan="1000.01").raise_for_status()
    assert larger(county, other) == [(CIVIL_AFFAIRS, "lead", "dispatched")]


def test_a_county_sets_its_own_ceiling_from_a_day_on(county: County, hungry: Seen) -> None:
    ceiling = {"division_code": "360803", "valid_from": "2026-01-01", "kind": "yuan", "amount": "3000", "source": "x"}
    kept = county.coordinator.patch("/v1/aid-rules", json={"ceilings": [ceiling]}).raise_for_status().json()
    assert ceiling in kept["ceilings"]
    settle(county, hungry, "aid", amount_yuan="2000").raise_for_status()
    assert larger(county, hungry) == []
    wrong = county.coordinator.patch("/v1/aid-rules", json={"ceilings": [{**ceiling, "division_code": "99"}]})
    assert [each["code"] for each in wrong.json()["errors"]] == ["unknown_division"]


RULES = AidRules(
    ceilings=(
        Ceiling("36", date(2017, 1, 1), CeilingKind.YUAN, Decimal(1000)),
        Ceiling("36", date(2026, 1, 1), CeilingKind.MONTHS, Decimal(1)),
    ),
    standards=(
        Standard("36", date(2024, 12, 31), Decimal("798.10"), Decimal("593.90")),
        Standard("360734", date(2023, 1, 1), Decimal(825), Decimal(600)),
        Standard("360734", date(2027, 1, 1), Decimal(900), Decimal(700)),
    ),
)


@pytest.mark.parametrize(
    ("place", "day", "residence", "expected"),
    [
        ("360734100", date(2017, 1, 1), "urban", Decimal(1000)),
        ("360734100", date(2025, 12, 31), None, Decimal(1000)),
        ("360734100", date(2026, 1, 1), "urban", Decimal(825)),
        ("360734100", date(2026, 1, 1), None, Decimal(600)),
        ("360734100", date(2027, 1, 1), "rural", Decimal(700)),
        ("360803101", date(2026, 1, 1), "urban", Decimal("798.10")),
        ("360803101", date(2016, 12, 31), "urban", None),
        ("350100", date(2026, 1, 1), "urban", None),
    ],
)
def test_the_nearest_division_decides_and_the_last_row_that_has_begun(
    place: str, day: date, residence: str | None, expected: Decimal | None
) -> None:
    assert RULES.ceiling_of(place, day, residence) == expected


def lift(county: County, receipt: Seen, client: Any = None, **body: Any) -> Any:
    body = body or {"facts": ["no_food"], "what": "家中已断粮两天"}
    return (client or county.window).post(f"/v1/requests/{receipt['request_id']}/emergency", json=body)


def test_a_request_that_shows_danger_keeps_its_number_and_is_told_before_all_else(county: County) -> None:
    receipt = county.ask("minimum_living_allowance")
    before = county.statuses(receipt)
    assert (before[VERIFICATION], before[TOWNSHIP]) == ("waiting", "dispatched")
    lifted = lift(county, receipt).raise_for_status().json()
    assert (lifted["receipt_number"], lifted["kind"]) == (receipt["receipt_number"], "hunger")
    handoffs = county.request(receipt)["handoffs"]
    assert {h["status"] for h in handoffs} == {"dispatched"}, "what waited is sent"
    within = {datetime.fromisoformat(h["sign_in_due"]) - now() < timedelta(minutes=10) for h in handoffs}
    assert within == {True}, "what had a working day has minutes now"
    assert {h["agency"] for h in handoffs if h["need"] == "temp_aid_fast"} == {TOWNSHIP, CIVIL_AFFAIRS, VILLAGE}
    urgent = select(delivery.c.type, delivery.c.handoff_id).where(delivery.c.priority == int(Priority.EMERGENCY))
    rows = fetch(county.running.url, urgent)
    assert {str(each["handoff_id"]) for each in rows} == {h["handoff_id"] for h in handoffs}
    assert {each["type"] for each in rows} == {"emergency.dispatched"}
    assert set(debts(county, receipt)) == {"aid", "explanation", "papers"}
    (event,) = [each for each in county.events(receipt) if each["kind"] == "emergency.lifted"]
    assert event["data"] == {"emergency": "hunger", "facts": ["no_food"]}
    told_anew = [each["data"] for each in county.events(receipt) if each["kind"] == "emergency.told"]
    assert told_anew
    assert all("situation" in each["groups"] and each["legal_basis"] for each in told_anew)
    assert event["note"]["what"] == "家中已断粮两天"
    assert board(county, receipt)["kind"] == "hunger"
    tracked = county.nobody.get(f"/v1/track/{receipt['tracking_token']}").raise_for_status().json()
    assert any("急难" in each["text_zh"] for each in tracked["events"])


def test_lifting_twice_changes_nothing(county: County) -> None:
    receipt = county.ask("minimum_living_allowance")
    first = lift(county, receipt).json()
    events = county.events(receipt)
    assert lift(county, receipt, facts=["violence"]).json() == first
    assert county.events(receipt) == events
    assert len(debts(county, receipt)) == 3


def test_who_lifts_has_taken_it_in_has_a_part_in_it_or_coordinates(county: County) -> None:
    receipt = county.ask("minimum_living_allowance")
    agency = county.running.client
    for client in (agency("intake"), agency("agency", EDUCATION), agency("agency", VERIFICATION)):
        assert lift(county, receipt, client).status_code == 404
    assert lift(county, receipt, agency("agency", TOWNSHIP)).status_code == 200
    assert lift(county, county.ask("education_aid"), county.coordinator).status_code == 200


def test_an_ended_request_is_not_lifted_and_facts_are_needed(county: County) -> None:
    receipt = county.ask("education_aid")
    for body in ({"facts": []}, {"facts": ["断粮"]}, {"what": "断粮"}):
        assert lift(county, receipt, **body).status_code == 422
    county.window.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={}).raise_for_status()
    answer = lift(county, receipt)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_closed")
