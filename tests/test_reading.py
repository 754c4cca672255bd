"""Reading: who sees what, a page at a time, and nothing of a person beyond the right to it."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from app.tables import reading
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import PERSONAL, a_request, a_request_in_full
from tests.versions import TABLES
from tests.watching import fetch


def items(client: httpx.Client, path: str, **params: Any) -> list[Seen]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: list[Seen] = answer.json()["items"]
    return found


def walk(client: httpx.Client, path: str, **params: Any) -> list[list[Seen]]:
    """Every page of a list, by its Link header."""
    pages, address = [], f"{path}?{httpx.QueryParams(params)}"
    while True:
        answer = client.get(address)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        pages.append(page["items"])
        if page["next_cursor"] is None:
            assert "link" not in answer.headers
            return pages
        found = re.fullmatch(r'<(/[^>]+)>; rel="next"', answer.headers["link"])
        assert found, answer.headers["link"]
        address = found[1]
        assert parse_qs(urlsplit(address).query)["cursor"] == [page["next_cursor"]]
        assert len(pages) < 100


def test_a_window_sees_the_requests_that_it_took_in_and_no_others(county: County) -> None:
    other_window = county.running.client("intake")
    mine = county.ask()
    theirs = other_window.post("/v1/requests", json=a_request()).json()
    for client, own, other in ((county.window, mine, theirs), (other_window, theirs, mine)):
        assert [each["request_id"] for each in items(client, "/v1/requests")] == [own["request_id"]]
        for part in ("", "/timeline", "/decision"):
            assert client.get(f"/v1/requests/{own['request_id']}{part}").status_code == 200
            hidden = client.get(f"/v1/requests/{other['request_id']}{part}")
            nowhere = client.get(f"/v1/requests/{uuid4()}{part}")
            assert (hidden.status_code, hidden.content) == (404, nowhere.content)
        for verb, body in (("withdraw", {}), ("supplements", {"note": "x"})):
            assert client.post(f"/v1/requests/{other['request_id']}/{verb}", json=body).status_code == 404
    assert {each["status"] for each in items(county.coordinator, "/v1/requests")} == {"routed"}


def test_coordinators_and_auditors_see_all_requests_and_admins_none(county: County) -> None:
    receipts = [county.ask()["request_id"] for _ in range(3)]
    for role in ("coordinator", "auditor"):
        seen = [each["request_id"] for each in items(county.running.client(role), "/v1/requests")]
        assert seen == receipts[::-1], "newest first"
    for path in ("/v1/requests", f"/v1/requests/{receipts[0]}", "/v1/handoffs"):
        assert county.running.client("admin").get(path).status_code == 403


def test_a_person_is_shown_to_the_window_and_to_coordinators_and_not_to_auditors(county: County) -> None:
    receipt = county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "accepted", handler="教育局 李")
    path = f"/v1/requests/{receipt['request_id']}"
    for client in (county.window, county.coordinator):
        assert client.get(path).json()["person"]["applicant"]["name"] == PERSONAL["name"]
        notes = [each["note"] for each in client.get(f"{path}/timeline").json()["events"]]
        assert {"handler": "教育局 李"} in notes
    auditor = county.running.client("auditor")
    assert auditor.get(path).json()["person"] is None
    assert auditor.get(f"/v1/handoffs/{school['handoff_id']}").json()["person"] is None
    pages = [path, f"{path}/timeline", f"{path}/decision", "/v1/requests", "/v1/handoffs", "/v1/deliveries"]
    shown = "".join(auditor.get(page).raise_for_status().text for page in pages)
    assert receipt["receipt_number"] in shown
    assert not [value for value in (*PERSONAL.values(), "教育局 李") if value in shown]


def test_an_agency_sees_the_handoffs_that_were_dispatched_to_it(county: County) -> None:
    receipt = county.ask("medical_assistance_applied")
    township = county.running.client("agency", agency=TOWNSHIP)
    healthcare = county.running.client("agency", agency=HEALTHCARE)
    own, waiting = county.handoff(receipt, TOWNSHIP), county.handoff(receipt, HEALTHCARE)
    (seen,) = items(township, "/v1/handoffs")
    assert (seen["handoff_id"], seen["agency"], seen["status"]) == (own["handoff_id"], TOWNSHIP, "dispatched")
    assert items(township, "/v1/handoffs", agency=HEALTHCARE) == []
    assert items(healthcare, "/v1/handoffs") == [], "what waits for its step is not its business yet"
    assert township.get(f"/v1/handoffs/{own['handoff_id']}").json()["allowed"] == [
        "handoff.received",
        "handoff.accepted",
        "handoff.returned",
    ]
    for client, handoff in ((township, waiting), (healthcare, own), (healthcare, waiting)):
        assert client.get(f"/v1/handoffs/{handoff['handoff_id']}").status_code == 404
    for path in ("/v1/requests", f"/v1/requests/{receipt['request_id']}", "/v1/deliveries"):
        assert township.get(path).status_code == 403
    board = items(county.coordinator, "/v1/handoffs")
    assert {each["agency"] for each in board} == {TOWNSHIP, CIVIL_AFFAIRS, VERIFICATION, HEALTHCARE}


def test_an_agency_is_shown_the_field_groups_of_its_rule_and_nothing_else(county: County) -> None:
    body = a_request_in_full("medical_assistance_applied")
    receipt = county.window.post("/v1/requests", json=body).json()
    county.complete(receipt, TOWNSHIP)
    for agency in (CIVIL_AFFAIRS, VERIFICATION):
        county.complete(receipt, agency)
    everything = {"identity", "contact", "household", "income", "health", "narrative"}
    opened = {
        TOWNSHIP: everything,
        HEALTHCARE: everything,
        CIVIL_AFFAIRS: {"identity", "household", "income"},
        VERIFICATION: {"identity", "household", "income"},
    }
    values = {
        "identity": ("name", "id_number", "birth_date"),
        "contact": ("phone", "address", "helper", "helper_phone", "organisation"),
        "household": ("member", "member_id_number"),
        "income": ("income",),
        "health": ("illness", "costs"),
        "bank_account": ("bank_account",),
        "narrative": ("details", "narrative"),
    }
    assert {name for names in values.values() for name in names} == PERSONAL.keys(), "every value has its group"
    for agency, groups in opened.items():
        machine = county.running.client("agency", agency=agency)
        seen = machine.get(f"/v1/handoffs/{county.handoff(receipt, agency)['handoff_id']}").json()
        assert set(seen["discloses"]) == groups
        shown = json.dumps(seen["person"], ensure_ascii=False)
        for group, names in values.items():
            for name in names:
                assert (PERSONAL[name] in shown) == (group in groups), f"{agency}: {name}"
        assert {each["agency"] for each in seen["partners"]} == opened.keys() - {agency}


def test_pages_walk_every_request_exactly_once_even_while_new_ones_come_in(county: County) -> None:
    receipts = [county.ask("undetermined")["request_id"] for _ in range(7)]
    pages = walk(county.coordinator, "/v1/requests", limit=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [each["request_id"] for page in pages for each in page] == receipts[::-1]
    first = county.coordinator.get("/v1/requests", params={"limit": 3}).json()
    county.ask("undetermined")
    second = items(county.coordinator, "/v1/requests", limit=3, cursor=first["next_cursor"])
    assert [each["request_id"] for each in second] == receipts[::-1][3:6]
    assert [len(page) for page in walk(county.window, "/v1/requests", limit=4)] == [4, 4]


def test_pages_of_handoffs_and_deliveries_walk_everything_exactly_once(county: County) -> None:
    receipts = [county.ask("education_aid") for _ in range(3)]
    number = sum(len(each["handoffs"]) for each in receipts)
    assert number > 8
    for path, name in (("/v1/handoffs", "handoff_id"), ("/v1/deliveries", "delivery_id")):
        found = [each[name] for page in walk(county.coordinator, path, limit=4) for each in page]
        assert len(found) == len(set(found)) == number
        assert found == sorted(found, reverse=True), "newest first"


def test_pages_of_routing_tables_walk_every_version_exactly_once(county: County) -> None:
    pages = walk(county.coordinator, TABLES, limit=2)
    assert [[each["version"] for each in page] for page in pages] == [[3, 2], [1]]
    assert [each["in_force"] for page in pages for each in page] == [True, False, False]
    assert [len(page) for page in walk(county.coordinator, TABLES, limit=3)] == [3]
    assert items(county.coordinator, TABLES, cursor="1") == []


def test_filters_choose_and_survive_the_walk(county: County) -> None:
    receipts = [county.ask("undetermined") for _ in range(4)]
    for each in receipts[:3]:
        county.told(county.handoff(each, TOWNSHIP), "accepted")
    begun = {each["request_id"] for each in receipts[:3]}
    pages = walk(county.coordinator, "/v1/requests", status="in_progress", limit=2)
    assert [len(page) for page in pages] == [2, 1]
    assert {each["request_id"] for page in pages for each in page} == begun
    pages = walk(county.coordinator, "/v1/handoffs", status="in_progress", agency=TOWNSHIP, limit=2)
    assert {each["request_id"] for page in pages for each in page} == begun
    assert items(county.coordinator, "/v1/handoffs", status="completed") == []
    assert len(items(county.coordinator, "/v1/deliveries", agency=CIVIL_AFFAIRS, status="pending")) == 4
    assert items(county.coordinator, "/v1/deliveries", status="delivered") == []


@pytest.mark.parametrize("path", ["/v1/requests", "/v1/handoffs", "/v1/deliveries", "/v1/divisions", TABLES])
def test_a_bad_cursor_limit_or_filter_is_refused_by_name(county: County, path: str) -> None:
    wrong: list[dict[str, str]] = [{"cursor": each} for each in ("AAAA", "x", "not a cursor", "A" * 65, "é")]
    wrong += [{"limit": each} for each in ("0", "201", "-1", "many")]
    if path not in ("/v1/divisions", TABLES):
        wrong.append({"status": "lost"})
    for params in wrong:
        answer = county.coordinator.get(path, params=params)
        assert answer.status_code == 422, f"{params}: {answer.text}"
        assert [each["pointer"] for each in answer.json()["errors"]] == list(params)


def test_what_is_no_id_is_refused_and_what_is_nobodys_is_not_found(county: County) -> None:
    for path in ("/v1/requests", "/v1/handoffs"):
        assert county.coordinator.get(f"{path}/{uuid4()}").status_code == 404
        answer = county.coordinator.get(f"{path}/seven")
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    for nobodys in (uuid4(), "seven"):
        assert county.coordinator.get(f"/v1/deliveries/{nobodys}").status_code == 404


def test_the_decision_is_the_one_of_the_receipt(county: County) -> None:
    receipt = county.ask("minimum_living_allowance", "education_aid", "undetermined")
    decision = county.coordinator.get(f"/v1/requests/{receipt['request_id']}/decision").json()
    for need in decision["needs"]:
        assert need.pop("sentences_zh")
        assert need.pop("sentences_en")
    assert decision == receipt["decision"]


def test_why_it_was_routed_so_tells_facts_to_who_may_see_people_alone_and_that_is_recorded(county: County) -> None:
    receipt = county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    address = f"/v1/requests/{receipt['request_id']}/decision"

    def conditions(decision: Seen) -> set[str]:
        told = (each for need in decision["needs"] for each in (*need["fired"], *need["passed_over"]))
        return {each[name] for each in told for name in ("condition_zh", "condition_en")} - {None}

    spelled = conditions(receipt["decision"])
    assert spelled
    for role in ("supervisor", "auditor"):
        answer = county.running.client(role).get(address).raise_for_status()
        assert conditions(answer.json()) == set()
        assert [each for each in spelled if each in answer.text] == [], role
        rules = [each["rule"] for need in answer.json()["needs"] for each in need["fired"]]
        assert rules == [each["rule"] for need in receipt["decision"]["needs"] for each in need["fired"]]
    of = reading.c.request_id == UUID(receipt["request_id"])
    assert fetch(county.running.url, select(reading).where(of)) == []
    assert conditions(county.coordinator.get(address, params={"purpose": "complaint"}).json()) >= spelled
    (row,) = fetch(county.running.url, select(reading).where(of))
    assert (row["role"], row["way"], row["shown"], row["purpose"]) == (
        "coordinator",
        "request",
        ["routing"],
        "complaint",
    )


def test_whoever_has_the_token_sees_where_it_stands_and_nothing_of_the_person(county: County) -> None:
    receipt = county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    school = county.handoff(receipt, EDUCATION)
    county.told(school, "accepted", "information_requested", materials=["在读证明"], note="请补", handler="李某")
    answer = county.nobody.get(f"/v1/track/{receipt['tracking_token']}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    seen = answer.json()
    assert (seen["receipt_number"], seen["status"]) == (receipt["receipt_number"], "awaiting_applicant")
    assert {step["agency_name_zh"] for step in seen["steps"]} == {h["agency_name_zh"] for h in receipt["handoffs"]}
    assert [step["waits_for_you"] for step in seen["steps"]].count(True) == 1
    assert any("需要补充材料" in each["text_zh"] for each in seen["events"])
    assert any("More is needed" in each["text_en"] or "more is needed" in each["text_en"] for each in seen["events"])
    private = (*PERSONAL.values(), "李某", "请补", receipt["tracking_token"], receipt["request_id"])
    assert not [value for value in private if value in answer.text]


def test_a_wrong_token_finds_nothing(county: County) -> None:
    receipt = county.ask()
    token = receipt["tracking_token"]
    other = ("A" if token[0] != "A" else "B") + token[1:]
    assert county.nobody.get(f"/v1/track/{other}").status_code == 404
    assert county.nobody.get(f"/v1/track/{receipt['receipt_number']}").status_code == 422
    assert county.nobody.get(f"/v1/track/{token}x").status_code == 422
    assert county.nobody.get(f"/v1/track/{token}").status_code == 200


def test_anyone_may_read_what_can_be_asked_for_and_where(county: County) -> None:
    needs = items(county.nobody, "/v1/needs")
    assert len(needs) == 38
    assert len({each["code"] for each in needs}) == 38
    allowance = next(each for each in needs if each["code"] == "minimum_living_allowance")
    assert [each["code"] for each in allowance["materials"]] == [
        "application_form",
        "verification_authorization",
        "identity_document",
    ]
    assert "household_register" in {each["code"] for each in allowance["waived"]}
    townships = items(county.nobody, "/v1/divisions", parent="360803", limit=200)
    assert "360803101" in {each["code"] for each in townships}
    assert {(each["level"], each["parent_code"]) for each in townships} == {("township", "360803")}
    every = [each["code"] for page in walk(county.nobody, "/v1/divisions", limit=200) for each in page]
    assert len(every) == len(set(every)) == 1879
    assert every == sorted(every)


def test_each_problem_has_the_page_that_its_type_names(county: County) -> None:
    answer = county.nobody.get("/v1/requests")
    explained = county.nobody.get(answer.json()["type"])
    assert explained.status_code == 200
    assert (explained.json()["code"], explained.json()["status"]) == ("unauthenticated", 401)
    assert county.nobody.get("/v1/problems/no_such_problem").status_code == 404
