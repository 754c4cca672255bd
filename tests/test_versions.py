"""Versions of the routing table: imported, proved, published under load, tried on what came before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.identifiers import now
from app.replay import LEAST
from app.routing.decide import EDITION
from app.routing.sheets import read_table
from app.tables import handoff, help_request, metadata, reading, routing_table, rule
from app.versions import comes_out_equal
from tests.county import CIVIL_AFFAIRS, EDUCATION, HEALTHCARE, TOWNSHIP, VERIFICATION, VILLAGE
from tests.examples import a_request
from tests.running import Running
from tests.tables import RULES
from tests.versions import (
    CSV,
    EDUCATION_LEADS,
    IN_FORCE,
    REASONS,
    TABLES,
    UNION,
    XLSX,
    Clerk,
    annotated,
    edited,
    nobody_leads_education,
    rule_of,
    union_leads_education,
)
from tests.watching import count, fetch, until

OLD_SEATS, NEW_SEATS = {EDUCATION, "360803-school", CIVIL_AFFAIRS}, {UNION, "360803-school", CIVIL_AFFAIRS}


@pytest.fixture
def clerk(service: Running) -> Clerk:
    return Clerk(service)


def moment(**ahead: float) -> datetime:
    """Of whole milliseconds, as all that is stored."""
    return now() + timedelta(**ahead)


def register(service: Running, *needs: str, times: int = 1) -> list[dict[str, Any]]:
    """Requests for help; their receipts."""
    window = service.client("intake")
    answers = [window.post("/v1/requests", json=a_request(*needs, facts={})) for _ in range(times)]
    assert {each.status_code for each in answers} == {201}
    return [each.json() for each in answers]


def seats(receipt: dict[str, Any]) -> set[str]:
    return {each["agency"] for each in receipt["handoffs"]}


def test_an_imported_sheet_is_a_draft_and_the_same_sheet_again_is_the_same_draft(
    service: Running, clerk: Clerk
) -> None:
    first = clerk.send(clerk.sheet())
    assert first.status_code == 201
    draft = first.json()
    assert (draft["version"], draft["state"], draft["rules"], draft["certified"]) == (4, "draft", 165, False)
    assert (draft["published_at"], draft["published_by"]) == (None, None)
    assert draft["checksum"] == clerk.get(f"/{IN_FORCE}")["checksum"], "the same table has the same checksum"
    assert clerk.send(clerk.sheet(format="xlsx", language="zh"), XLSX).json() == draft
    assert clerk.send(edited(clerk.sheet(), lambda rows: rows.reverse())).json() == draft, "a table has no order"
    assert clerk.draft(annotated("another")) == 5
    listed = clerk.get()["items"]
    assert [(each["version"], each["in_force"]) for each in listed] == [
        *((5, False), (4, False), (3, True), (2, False), (1, False))
    ]
    assert register(service)[0]["decision"]["version"] == IN_FORCE


def test_an_import_may_carry_an_idempotency_key_and_repeats_without_one(clerk: Clerk) -> None:
    sheet = edited(clerk.sheet(), annotated("again"))
    answers = [
        clerk.client.post(TABLES, content=sheet, headers={"content-type": CSV, **key})
        for key in ({"idempotency-key": "one"}, {"idempotency-key": "one"}, {"idempotency-key": "two"}, {})
    ]
    assert [each.status_code for each in answers] == [201] * 4
    assert len({each.content for each in answers}) == 1
    bad = clerk.client.post(TABLES, content=sheet, headers={"content-type": CSV, "idempotency-key": "a b"})
    assert (bad.status_code, bad.json()["code"]) == (400, "malformed_header")


def test_every_form_of_a_sheet_says_the_same_table(clerk: Clerk) -> None:
    rows = clerk.get(f"/{IN_FORCE}")["rows"]
    assert read_table(clerk.sheet()) == read_table(clerk.sheet(language="zh")) == RULES
    drafts = {
        clerk.send(clerk.sheet(format=form, language=language), {"csv": CSV, "xlsx": XLSX}[form]).json()["version"]
        for form in ("csv", "xlsx")
        for language in ("zh", "en")
    }
    assert drafts == {4}
    assert clerk.get("/4")["rows"] == rows
    assert clerk.get("/4/diff", **{"from": IN_FORCE}) == {"from": IN_FORCE, "to": 4, "changes": []}
    answer = clerk.client.get(f"{TABLES}/{IN_FORCE}/sheet")
    assert answer.headers["content-type"] == XLSX
    assert answer.headers["content-disposition"] == 'attachment; filename="routing-table-3.xlsx"'


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_differs_is_said_by_rule_in_both_languages(clerk: Clerk) -> None:
    draft = clerk.draft(union_leads_education)
    (only,) = clerk.get(f"/{draft}/diff", **{"from": IN_FORCE})["changes"]
    assert (only["kind"], only["old_number"], only["new_number"]) == ("changed", 45, 45)
    assert [each["column"] for each in only["fields"]] == ["department"]
    assert "45" in only["sentence_zh"]
    assert "45" in only["sentence_en"]


def test_a_faulty_sheet_is_refused_whole_with_every_place_and_the_table_in_force_stays(
    service: Running, clerk: Clerk
) -> None:
    def spoil(rows: list[dict[str, str]]) -> None:
        rows[0]["department"] = "county_civil_affair"
        rows[3]["step"] = "first"
        rows[7]["need"] = "no_such_need"

    before = count(service.url, routing_table, rule)
    answer = clerk.send(edited(clerk.sheet(), spoil))
    assert (answer.status_code, answer.json()["code"]) == (422, "sheet_refused")
    errors = answer.json()["errors"]
    assert [each["pointer"] for each in errors] == ["/2/department", "/5/step", "/9/need"]
    assert "did you mean county_civil_affairs?" in errors[0]["detail"]
    chinese = clerk.client.post(
        TABLES,
        content=edited(clerk.sheet(), spoil),
        headers={"content-type": CSV, "accept-language": "zh"},
    ).json()["errors"]
    assert chinese[0]["detail"].startswith("第 2 行“department”列:")
    assert count(service.url, routing_table, rule) == before
    assert register(service)[0]["decision"]["version"] == IN_FORCE


@pytest.mark.parametrize(
    ("kind", "content", "refusal"),
    [
        ("application/json", b"{}", (415, "unsupported_media_type")),
        ("", b"number\n1\n", (415, "unsupported_media_type")),
        (CSV, b"", (422, "sheet_refused")),
        (XLSX, b"", (422, "sheet_refused")),
        (XLSX, b"PK\x03\x04 no workbook", (422, "sheet_refused")),
        (CSV, b"a" * (10 * 1024 * 1024 + 1), (413, "body_too_large")),
    ],
    ids=["json", "untyped", "empty csv", "empty xlsx", "broken xlsx", "too large"],
)
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_what_is_no_sheet_is_refused(
    clerk: Clerk, service: Running, kind: str, content: bytes, refusal: tuple[int, str]
) -> None:
    answer = clerk.send(content, kind)
    assert (answer.status_code, answer.json()["code"]) == refusal
    assert answer.json()["detail"]
    assert count(service.url, routing_table) == {"routing_table": 3}


def test_a_check_proves_a_draft_and_its_certificate_is_kept(clerk: Clerk) -> None:
    draft = clerk.draft(union_leads_education)
    certificate = clerk.client.post(f"{TABLES}/{draft}/check").json()
    assert (certificate["version"], certificate["errors"], certificate["warnings"]) == (draft, 0, 1)
    (warning,) = certificate["findings"]
    assert (warning["code"], warning["severity"]) == ("county_not_served", "warning")
    assert warning["detail_zh"]
    assert certificate["counts"]["rules"] == 165
    assert certificate["counts"]["regions"] > 165
    whole = clerk.get(f"/{draft}")
    assert whole["certified"]
    assert whole["checksum"] == certificate["checksum"]
    assert whole["certificate"] == {
        **{name: each for name, each in certificate.items() if name not in ("version", "checked_at")},
        "checked_at": whole["certificate"]["checked_at"],
        "reasons": {},
    }


def test_the_check_of_a_hole_shows_it_and_nothing_certifies_it(clerk: Clerk) -> None:
    draft = clerk.draft(nobody_leads_education)
    certificate = clerk.client.post(f"{TABLES}/{draft}/check").json()
    assert certificate["errors"] == 1
    assert clerk.get(f"/{draft}")["certified"] is False
    answer = clerk.publish(draft)
    assert (answer.status_code, answer.json()["code"]) == (409, "table_not_proved")
    (finding,) = answer.json()["findings"]
    assert (finding["code"], finding["witness"]["need"]) == ("no_lead", "education_aid")
    assert clerk.get(f"/{draft}")["state"] == "draft"


def test_a_warning_needs_its_reason_and_then_the_table_is_in_force_at_once(service: Running, clerk: Clerk) -> None:
    draft = clerk.draft(union_leads_education)
    for reasons in ({}, {"county_not_served": "  "}, {"another_code": "a reason"}):
        answer = clerk.publish(draft, reasons=reasons)
        assert answer.status_code == 422, answer.text
        (error,) = answer.json()["errors"]
        assert error["pointer"].startswith("/reasons/county_not_served"), error
    answer = clerk.publish(draft)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["published_at"] is None) == ("published", False)
    assert answer.json()["published_by"].startswith("key:")
    (receipt,) = register(service, "education_aid")
    assert receipt["decision"]["version"] == draft
    assert seats(receipt) == NEW_SEATS
    whole = clerk.get(f"/{draft}")
    assert whole["certificate"]["reasons"] == REASONS
    assert [each["version"] for each in clerk.get()["items"] if each["in_force"]] == [draft]


def test_a_published_table_never_changes(service: Running, clerk: Clerk) -> None:
    version = clerk.publish_edited(annotated("published"))
    before = fetch(service.url, select(routing_table).order_by("version"))
    again = clerk.publish(version)
    assert (again.status_code, again.json()["code"]) == (409, "table_not_draft")
    seeded = clerk.publish(IN_FORCE)
    assert (seeded.status_code, seeded.json()["code"]) == (409, "table_not_draft")
    assert clerk.client.post(f"{TABLES}/{version}/check").status_code == 200
    assert clerk.client.post(f"{TABLES}/{IN_FORCE}/check").json()["errors"] == 0
    assert fetch(service.url, select(routing_table).order_by("version")) == before
    assert clerk.draft() == version + 1, "the same sheet again is a new draft, beside it"


def test_a_retired_table_decides_nothing_new_and_what_it_decided_stays(service: Running, clerk: Clerk) -> None:
    version = clerk.publish_edited(union_leads_education)
    (receipt,) = register(service, "education_aid")
    assert (receipt["decision"]["version"], UNION in seats(receipt)) == (version, True)
    retired = clerk.client.post(f"{TABLES}/{version}/retire")
    assert (retired.status_code, retired.json()["state"]) == (200, "retired")
    assert [each["version"] for each in clerk.get()["items"] if each["in_force"]] == [IN_FORCE]
    (later,) = register(service, "education_aid")
    assert (later["decision"]["version"], UNION in seats(later)) == (IN_FORCE, False)
    decision = clerk.client.get(f"/v1/requests/{receipt['request_id']}/decision")
    assert (decision.status_code, decision.json()["version"]) == (200, version)
    again = clerk.client.post(f"{TABLES}/{version}/retire")
    assert (again.status_code, again.json()["code"]) == (409, "table_not_published")


def test_the_last_table_in_force_is_needed(clerk: Clerk) -> None:
    answers = [clerk.client.post(f"{TABLES}/{version}/retire") for version in (3, 2, 1)]
    assert [each.status_code for each in answers] == [200, 200, 409]
    assert answers[-1].json()["code"] == "table_needed"
    assert clerk.preview("education_aid")["version"] == 1


def test_of_those_who_publish_one_draft_at_once_one_does(service: Running, clerk: Clerk) -> None:
    draft = clerk.draft(annotated("at once"))
    dates = [moment(days=1, minutes=each).isoformat() for each in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda date: clerk.publish(draft, effective_from=date), dates))
    assert sorted(each.status_code for each in answers) == [200, 409, 409, 409, 409, 409]
    (published,) = (each.json() for each in answers if each.status_code == 200)
    assert clerk.get(f"/{draft}")["effective_from"] == published["effective_from"]


def test_sheets_that_are_imported_at_once_are_drafts_of_their_own(clerk: Clerk) -> None:
    sheets = [edited(clerk.sheet(), annotated(str(each // 2))) for each in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(clerk.send, sheets))
    assert {each.status_code for each in answers} == {201}
    numbers = [each.json()["version"] for each in answers]
    assert sorted(set(numbers)) == [4, 5, 6, 7]
    assert numbers[0::2] == numbers[1::2]


def test_a_time_that_is_past_or_taken_is_refused(clerk: Clerk) -> None:
    first, second = clerk.draft(annotated("first")), clerk.draft(annotated("second"))
    later = moment(days=30).isoformat()
    answer = clerk.publish(first, effective_from=moment(seconds=-1).isoformat())
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/effective_from"]
    assert clerk.publish(first, effective_from="2027-01-01T00:00:00").status_code == 422, "a time has its zone"
    assert clerk.publish(first, effective_from=later).status_code == 200
    answer = clerk.publish(second, effective_from=later)
    assert answer.status_code == 422
    assert "another time" in answer.json()["errors"][0]["detail"]
    assert clerk.get(f"/{second}")["state"] == "draft"


def test_a_version_that_begins_later_decides_from_its_time_on_and_not_before(service: Running, clerk: Clerk) -> None:
    version = clerk.draft(union_leads_education)
    begins = moment(seconds=15)
    assert clerk.publish(version, effective_from=begins.isoformat()).status_code == 200
    assert clerk.preview("education_aid", at=(begins + timedelta(hours=1)).isoformat())["version"] == version
    before = (begins - timedelta(seconds=1)).isoformat()
    assert clerk.preview("education_aid", at=before)["version"] == IN_FORCE
    receipts = register(service, "education_aid")
    while receipts[-1]["decision"]["version"] == IN_FORCE:
        assert datetime.now(UTC) < begins + timedelta(seconds=20)
        receipts += register(service, "education_aid")
        time.sleep(0.05)
    assert receipts[0]["decision"]["version"] == IN_FORCE
    for receipt in receipts:
        due = version if datetime.fromisoformat(receipt["registered_at"]) >= begins else IN_FORCE
        assert receipt["decision"]["version"] == due
        assert seats(receipt) == (NEW_SEATS if due == version else OLD_SEATS)


def test_a_request_that_comes_while_a_table_is_published_gets_the_old_one_or_the_new_one_whole(
    service: Running, clerk: Clerk
) -> None:
    version = clerk.draft(union_leads_education)
    published = threading.Event()
    windows = [service.client("intake") for _ in range(4)]

    def keep_asking(at: int) -> list[dict[str, Any]]:
        receipts, after = [], 0
        while after < 5:
            answer = windows[at].post(
                "/v1/requests", json=a_request("education_aid", "minimum_living_allowance", facts={})
            )
            assert answer.status_code == 201, answer.text
            receipts.append(answer.json())
            after += published.is_set()
        return receipts

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(keep_asking, each) for each in range(4)]
        time.sleep(0.3)
        try:
            answer = clerk.publish(version)
        finally:
            published.set()
        receipts = [receipt for each in asking for receipt in each.result()]
    assert answer.status_code == 200, answer.text
    decided_by = [each["decision"]["version"] for each in receipts]
    assert set(decided_by) == {IN_FORCE, version}
    for receipt in receipts:
        of_education = {each["agency"] for each in receipt["handoffs"] if each["need"] == "education_aid"}
        assert of_education == (NEW_SEATS if receipt["decision"]["version"] == version else OLD_SEATS)
        assert {each["agency"] for each in receipt["handoffs"] if each["need"] != "education_aid"} == {
            *(TOWNSHIP, VILLAGE, VERIFICATION, CIVIL_AFFAIRS)
        }
    mixed = select(func.count().label("rows")).where(
        handoff.c.request_id == help_request.c.id, handoff.c.routing_version != help_request.c.routing_version
    )
    assert fetch(service.url, mixed) == [{"rows": 0}]


def test_a_preview_says_all_of_what_would_become_of_a_request_and_stores_nothing(
    service: Running, clerk: Clerk
) -> None:
    before = count(service.url, *metadata.sorted_tables)
    shown = clerk.preview("elderly_subsidy", "temp_aid_fast")
    assert (shown["version"], shown["division_code"]) == (IN_FORCE, "360803101")
    subsidy, emergency = shown["needs"]
    assert [
        (each["agency"], each["role"], each["step"], each["dispatched_at_once"]) for each in subsidy["handoffs"]
    ] == [
        (TOWNSHIP, "co_handler", 1, True),
        (CIVIL_AFFAIRS, "lead", 2, False),
    ]
    first, second = subsidy["handoffs"]
    assert first["complete_due"] > first["sign_in_due"] > shown["at"]
    assert (second["sign_in_due"], second["complete_due"]) == (None, None)
    assert [each["code"] for each in subsidy["materials"]] == ["identity_document"]
    assert [each["code"] for each in subsidy["waived"]] == ["household_register", "proof_of_life"]
    assert [each["fact"] for each in subsidy["asks"]] == ["age", "self_care"]
    assert subsidy["sentences_zh"][-2:] == ["请补问:申请人是哪天出生的?", "请补问:生活能否自理?"]
    assert "Qingyuan District Civil Affairs Bureau leads and answers for the result" in subsidy["sentences_en"][1]
    assert [each["why"] for each in subsidy["passed_over"]] == ["needs_fact"]
    informed = next(each for each in emergency["handoffs"] if each["role"] == "informed")
    assert [each["code"] for each in informed["sees"]] == ["identity", "narrative"]
    assert "环节知会青原区民政局" in emergency["sentences_zh"][1], "it is told, and tells nobody"
    assert "Qingyuan District Civil Affairs Bureau is informed" in emergency["sentences_en"][1]
    answered = clerk.preview("elderly_subsidy", birth_date="1940-01-01", facts={"self_care": "full"})["needs"][0]
    assert (answered["asks"], [each["why"] for each in answered["passed_over"]]) == ([], ["condition_not_met"])
    assert count(service.url, *metadata.sorted_tables) == before


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_step_that_nobody_has_to_answer_is_not_waited_for_in_a_preview_either(service: Running, clerk: Clerk) -> None:
    def lead_later(rows: list[dict[str, str]]) -> None:
        rule_of(rows, EDUCATION_LEADS)["step"] = "2"

    version = clerk.publish_edited(lead_later)
    (previewed,) = clerk.preview("education_aid")["needs"]
    (receipt,) = register(service, "education_aid")
    assert receipt["decision"]["version"] == version
    at_once = {each["agency"]: each["dispatched_at_once"] for each in previewed["handoffs"]}
    assert at_once == {each["agency"]: each["status"] == "dispatched" for each in receipt["handoffs"]}
    assert at_once[EDUCATION]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_draft_is_previewed_by_its_number_and_wrong_codes_are_refused(clerk: Clerk) -> None:
    draft = clerk.draft(union_leads_education)
    shown = clerk.preview("education_aid", version=draft)
    assert shown["version"] == draft
    assert shown["needs"][0]["handoffs"][0]["agency"] == UNION
    for wrong, pointer in (
        ({"division_code": "999999"}, "/division_code"),
        ({"needs": [{"code": "no_such_need"}]}, "/needs/0/code"),
        ({"facts": {"residence": "moon"}}, "/facts/residence"),
        ({"version": 0}, "/version"),
        ({"at": "2026-01-01"}, "/at"),
    ):
        answer = clerk.ask_preview("education_aid", **wrong)
        assert answer.status_code == 422, (wrong, answer.text)
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert clerk.ask_preview("education_aid", version=99).json()["code"] == "not_found"
    long_ago = clerk.ask_preview("education_aid", at="2001-01-01T00:00:00Z")
    assert (long_ago.status_code, long_ago.json()["code"]) == (409, "no_table_in_force")


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_medical_assistance_of_2017_was_civil_affairs(clerk: Clerk) -> None:
    def leads(**asked: Any) -> tuple[int, str]:
        shown = clerk.preview("medical_assistance_applied", **asked)
        (lead,) = (each["agency"] for each in shown["needs"][0]["handoffs"] if each["role"] == "lead")
        return shown["version"], lead

    assert leads(at="2017-06-01T00:00:00Z") == (1, CIVIL_AFFAIRS)
    assert leads(at="2020-06-01T00:00:00Z") == (2, HEALTHCARE)
    assert leads() == (3, HEALTHCARE)


def test_a_decision_is_told_in_sentences_and_names_the_rules_of_other_areas(service: Running, clerk: Clerk) -> None:
    def of_another_town(rows: list[dict[str, str]]) -> None:
        rows.append({**rule_of(rows, EDUCATION_LEADS), "number": "900", "area": "360803102"})

    clerk.publish_edited(of_another_town)
    (receipt,) = register(service, "education_aid")
    decision = clerk.client.get(f"/v1/requests/{receipt['request_id']}/decision").json()
    (need,) = decision["needs"]
    assert {each["rule"]: each["why"] for each in need["passed_over"]}[900] == "other_area"
    assert 900 not in {each["rule"] for each in receipt["decision"]["needs"][0]["passed_over"]}
    assert "由青原区教育体育局牵头办理" in need["sentences_zh"][0]
    assert any(each.startswith("Rule 900 ") and "another area" in each for each in need["sentences_en"])
    assert len(need["sentences_zh"]) == len(need["sentences_en"]) == len(need["fired"]) + len(need["passed_over"]) + 1


def test_a_replay_of_stored_requests_counts_what_a_draft_would_change(service: Running, clerk: Clerk) -> None:
    register(service, "minimum_living_allowance", times=2)
    receipts = register(service, "education_aid", times=7)
    draft = clerk.draft(union_leads_education)
    before = count(service.url, *(each for each in metadata.sorted_tables if each is not reading))
    found = clerk.try_on(draft, last=500)
    assert (found["requests"], found["changed_requests"], found["needs"]) == (9, 7, 9)
    (changed,) = found["by_need"]
    assert (changed["need"], changed["changed"], len(changed["examples"])) == ("education_aid", 7, 5)
    newest = changed["examples"][0]
    assert newest["request"] == receipts[-1]["receipt_number"]
    assert newest["gains"] == [{"agency": UNION, "role": "lead", "step": 1}]
    assert newest["loses"] == [{"agency": EDUCATION, "role": "lead", "step": 1}]
    assert found["load"] == [
        {"agency": EDUCATION, "before": 7, "after": 0},
        {"agency": UNION, "before": 0, "after": 7},
    ]
    assert clerk.try_on(draft, last=3)["requests"] == 3
    assert clerk.try_on(IN_FORCE, last=500)["changed_requests"] == 0
    assert count(service.url, *(each for each in metadata.sorted_tables if each is not reading)) == before


def test_who_may_not_see_people_is_told_counts_of_many_and_never_whom_a_draft_changes(
    service: Running, clerk: Clerk
) -> None:
    """By a condition of its own a draft could ask for one person's income to the cent."""
    admin = service.client("admin")
    receipts = register(service, "temp_aid_fast", times=LEAST - 2) + register(service, "education_aid")
    draft = clerk.draft(union_leads_education)
    address = f"{TABLES}/{draft}/replay"
    for asked in ({"last": 1}, {"last": LEAST - 1}, {"last": LEAST}):
        answer = admin.post(address, json=asked)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_few_to_count"), asked
    receipts += register(service, "education_aid")
    few = admin.post(address, json={"last": 500}).raise_for_status().json()
    assert (few["requests"], few["changed_requests"], few["by_need"], few["load"]) == (LEAST, 0, [], []), (
        "two are too few"
    )
    receipts += register(service, "education_aid", times=12)
    answer = admin.post(address, json={"last": 500}).raise_for_status()
    assert [each["receipt_number"] for each in receipts if each["receipt_number"] in answer.text] == []
    found = answer.json()
    assert (found["requests"], found["changed_requests"]) == (LEAST + 12, 10), "14, to the nearest ten"
    assert found["by_need"] == [{"need": "education_aid", "changed": 10, "examples": []}]
    assert found["load"] == [
        {"agency": EDUCATION, "before": 10, "after": 0},
        {"agency": UNION, "before": 0, "after": 10},
    ]
    assert count(service.url, reading) == {"reading": 0}


def test_who_is_shown_whom_a_draft_changes_says_what_for_and_is_on_record(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    service = run_service(reading_purpose_required=True)
    clerk = Clerk(service)
    receipts = register(service, "education_aid", times=3)
    address = f"{TABLES}/{clerk.draft(union_leads_education)}/replay"
    assert clerk.client.post(address, json={"last": 2}).json()["code"] == "purpose_needed"
    assert (
        clerk.client.post(f"{TABLES}/{IN_FORCE}/replay", json={"last": 2}, params={"purpose": "correction"}).json()[
            "by_need"
        ]
        == []
    )
    rows = fetch(database_url, select(reading))
    newest = {UUID(each["request_id"]) for each in receipts[1:]}
    assert {row["request_id"] for row in rows} == newest, "that none changes tells of them too"
    assert {(row["role"], row["way"], *row["shown"], row["purpose"]) for row in rows} == {
        ("coordinator", "request", "routing", "correction")
    }
    case = {"division_code": "360803101", "needs": [{"code": "education_aid"}], "at": "2026-11-01T00:00:00Z"}
    assert clerk.client.post(address, json={"cases": [case]}).status_code == 200, "of nobody"


def test_a_replay_of_cases_tells_what_nobody_would_lead(clerk: Clerk) -> None:
    draft = clerk.draft(nobody_leads_education)
    case = {"division_code": "360803101", "needs": [{"code": "education_aid"}], "at": "2026-11-01T00:00:00Z"}
    found = clerk.try_on(draft, cases=[case, {**case, "needs": [{"code": "temp_aid_fast"}]}])
    assert (found["requests"], found["changed_requests"]) == (2, 1)
    assert (found["undetermined_before"], found["undetermined_after"]) == (0, 1)
    assert found["by_need"][0]["examples"][0]["request"] == "cases/0"
    for asked in ({}, {"last": 5, "cases": [case]}, {"last": 0}, {"cases": []}):
        assert clerk.client.post(f"{TABLES}/{draft}/replay", json=asked).status_code == 422
    wrong = {"cases": [case, {**case, "needs": [{"code": "no_such_need"}]}]}
    answer = clerk.client.post(f"{TABLES}/{draft}/replay", json=wrong)
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/cases/1/needs/0/code"]


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_version_that_does_not_exist_is_not_found(clerk: Clerk) -> None:
    calls = [("GET", "/99", None), ("GET", "/99/sheet", None), ("GET", "/3/diff?from=99", None)]
    calls += [("POST", "/99/check", None), ("POST", "/99/publish", {}), ("POST", "/99/replay", {"last": 1})]  # type: ignore[list-item]
    for method, path, body in calls:
        answer = clerk.client.request(method, TABLES + path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    for version in ("0", "x", "-1", "9" * 12):
        assert clerk.client.get(f"{TABLES}/{version}").status_code == 422


def test_another_process_sees_what_was_published_by_the_refresh(run_service: Any) -> None:
    one, other = run_service(), run_service()
    version = Clerk(one).publish_edited(union_leads_education)
    until(lambda: register(other, "education_aid")[0]["decision"]["version"] == version, what="the new table")


def test_a_check_that_ends_after_the_publication_leaves_its_certificate(clerk: Clerk) -> None:
    version = clerk.draft(annotated("kept"))

    def act(turn: int) -> int:
        if turn == 4:
            return clerk.publish(version).status_code
        return clerk.client.post(f"{TABLES}/{version}/check").status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(act, range(12))) == {200}
    assert clerk.get(f"/{version}")["certificate"]["reasons"] == REASONS


def test_a_decision_of_an_earlier_edition_is_held_to_what_every_edition_says() -> None:
    """Then a rule behind a filled seat said what its own condition answers, and what it waits for was asked."""
    new = {
        "version": 3,
        "directory": 1,
        "edition": EDITION,
        "needs": [
            {
                "need": "help",
                "undetermined": False,
                "fired": [{"rule": 1, "agency": "near", "role": "lead", "step": 1, "why": "applies"}],
                "passed_over": [{"rule": 2, "why": "nearer_rule"}, {"rule": 3, "why": "condition_not_met"}],
                "asks": [],
            }
        ],
    }
    (need,) = new["needs"]  # type: ignore[misc]
    whys = [{"rule": 3, "why": "condition_not_met"}, {"rule": 2, "why": "needs_fact"}]
    second = {"version": 3, "directory": 1, "needs": [{**need, "passed_over": whys, "asks": ["age"]}]}
    first = {"version": 3, "needs": [{**need, "passed_over": [*whys, {"rule": 9, "why": "other_area"}]}]}
    for stored in (new, second, first):
        assert comes_out_equal(stored, new)
    assert not comes_out_equal({**second, "edition": EDITION}, new)
    others = ({"fired": [{**need["fired"][0], "agency": "far"}]}, {"passed_over": whys[:1]}, {"undetermined": True})
    for stored in (second, first):
        for other in others:
            assert not comes_out_equal({**stored, "needs": [{**stored["needs"][0], **other}]}, new)  # type: ignore[index]
