"""The joint conference: what is on its list, and its outcomes applied whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from openpyxl import load_workbook
from sqlalchemy import select, update

from app.conference import agenda
from app.conference.agenda import is_overdue_twice, overdue_since
from app.db import Database
from app.lifecycle import HandoffStatus
from app.routing.rules import Role
from app.tables import dispute, handoff, help_request
from app.timeline import Handoff
from tests.commands import one_window_here, refused, said
from tests.county import CIVIL_AFFAIRS, TOWNSHIP, VILLAGE, County, Seen
from tests.examples import PERSONAL, a_request_in_full
from tests.plans import plan_of
from tests.test_returns import FINANCE, NOT_OURS
from tests.test_rulings import acted, disputes
from tests.watching import change, fetch, on

LIST, OUTCOMES = "/v1/conference", "/v1/conference/outcomes"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
RULED = {"legal_basis": "社会救助暂行办法", "note": "会议一致同意"}
AT = datetime(2026, 11, 26, 8, tzinfo=UTC)


@pytest.fixture
def disputed(county: County) -> Seen:
    """The township returned its lead to finance, and finance returned it; the request holds all that is personal."""
    receipt: Seen = county.window.post("/v1/requests", json=a_request_in_full("temp_aid_fast")).json()
    county.told(county.handoff(receipt, TOWNSHIP), "returned", **NOT_OURS)
    again = {**NOT_OURS, "legal_basis": "预算法", "note": PERSONAL["details"]}
    county.told(county.handoff(receipt, FINANCE), "returned", **{**again, "suggested_department": "township_gov"})
    return receipt


@pytest.fixture
def late(county: County) -> Seen:
    """A lead whose limit has passed and that was urged twice."""
    receipt = county.ask("temp_aid_fast")
    lead = county.handoff(receipt, TOWNSHIP)
    county.told(lead, "received", "accepted")
    for note in ("请尽快办结", "再次催办"):
        acted(county, lead, "urge", note=note)
    past = datetime.now(UTC) - timedelta(days=3)
    change(
        county.running.url,
        update(handoff).where(handoff.c.id == UUID(lead["handoff_id"])).values(complete_due=past, first_due=past),
    )
    return receipt


def listed(county: County, **asked: Any) -> Seen:
    answer = county.coordinator.get(LIST, params=asked)
    assert answer.status_code == 200, answer.text
    found: Seen = answer.json()
    return found


def points(county: County) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for each in listed(county)["items"]:
        found.setdefault(each["kind"], []).append(each)
    return found


def decide(county: County, *outcomes: Seen, **headers: str) -> httpx.Response:
    return county.coordinator.post(OUTCOMES, json={"outcomes": list(outcomes)}, headers=headers)


def workbook(county: County, **asked: Any) -> bytes:
    answer = county.coordinator.get(LIST, params=asked, headers={"accept": XLSX})
    assert (answer.status_code, answer.headers["content-type"]) == (200, XLSX)
    return answer.content


def filled(content: bytes, fill: Callable[[dict[str, Any], int, Any], None]) -> bytes:
    """The workbook after `fill(row by heading, its number, the sheet)` of each row has written into it."""
    book = load_workbook(io.BytesIO(content))
    sheet = book.active
    assert sheet is not None
    headings = [cell.value for cell in sheet[1]]
    for number in range(2, sheet.max_row + 1):
        row = dict(zip(headings, (cell.value for cell in sheet[number]), strict=True))
        written: dict[str, Any] = {}
        fill(row, number, written)
        for heading, value in written.items():
            sheet.cell(number, headings.index(heading) + 1).value = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def upload(county: County, content: bytes) -> httpx.Response:
    return county.coordinator.post(OUTCOMES, content=content, headers={"content-type": XLSX})


def test_an_open_dispute_is_on_the_list_with_its_facts_and_nothing_of_the_person(
    county: County, disputed: Seen
) -> None:
    (point,) = points(county)["dispute"]
    assert point["item"] == county.handoff(disputed, FINANCE)["handoff_id"]
    assert (point["receipt_number"], point["need"]["code"]) == (disputed["receipt_number"], "temp_aid_fast")
    seen = {each["agency"]: each for each in point["agencies"]}
    assert (seen[TOWNSHIP]["status"], seen[TOWNSHIP]["says"]) == ("returned", "三定方案")
    assert (seen[FINANCE]["says"], seen[FINANCE]["days"], seen[FINANCE]["urged"]) == ("预算法", 0, 0)
    assert all(each["legal_basis"] and each["phone"] for each in point["agencies"])
    shown = str(listed(county)) + workbook_text(workbook(county))
    assert [value for value in PERSONAL.values() if value in shown] == []
    auditor = county.running.client("auditor").get(LIST).json()["items"]
    assert {each["says"] for each in auditor[0]["agencies"]} == {None}


def workbook_text(content: bytes) -> str:
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    return "\n".join(str(cell.value) for row in sheet.iter_rows() for cell in row)


def test_a_need_that_three_agencies_still_work_on_is_on_the_list_and_two_are_not(county: County) -> None:
    receipt = county.ask("education_aid")
    county.ask("temp_aid_fast")
    (point,) = points(county)["several_open"]
    assert (point["receipt_number"], point["need"]["code"]) == (receipt["receipt_number"], "education_aid")
    assert point["agencies"][0]["role"] == "lead"
    working = [each["agency"] for each in point["agencies"]]
    assert len(working) >= 3
    for agency in working[1 : len(working) - 1]:
        county.complete(receipt, agency)
    assert "several_open" not in points(county)


def test_what_is_overdue_and_was_urged_twice_is_on_the_list(county: County, late: Seen) -> None:
    (point,) = points(county)["overdue_twice"]
    lead = county.handoff(late, TOWNSHIP)
    assert (point["item"], point["since"]) == (lead["handoff_id"], lead["complete_due"])
    assert [(each["agency"], each["urged"]) for each in point["agencies"]] == [(TOWNSHIP, 2)]
    county.told(lead, "suspended", suspended_for="court")
    assert "overdue_twice" not in points(county), "its clock stands"


@pytest.mark.parametrize(
    ("status", "due", "urged", "expected"),
    [
        ("dispatched", "sign_in_due", 2, True),
        ("received", "sign_in_due", 2, False),
        ("received", "accept_due", 2, True),
        ("in_progress", "accept_due", 2, False),
        ("in_progress", "complete_due", 2, True),
        ("in_progress", "complete_due", 1, False),
        ("suspended", "complete_due", 5, False),
        ("completed", "complete_due", 5, False),
    ],
)
def test_twice_overdue_is_a_limit_that_passed_and_two_urges(status: str, due: str, urged: int, expected: bool) -> None:
    found = Handoff(UUID(int=1), UUID(int=2), "x", "a", Role.LEAD, 1, True, 1, 1, AT, status=HandoffStatus(status))
    setattr(found, due, AT)
    assert is_overdue_twice(found, urged, AT + timedelta(seconds=1)) is expected
    assert not is_overdue_twice(found, urged, AT), "at its limit it is not late yet"
    assert overdue_since(found, AT) is None


def test_a_long_list_says_that_there_is_more(county: County) -> None:
    for _ in range(2):
        receipt = county.ask("temp_aid_fast")
        county.told(county.handoff(receipt, TOWNSHIP), "returned", reason_code="duplicate", legal_basis="x")
    short = listed(county, limit=1)
    assert (len(short["items"]), short["more"]) == (1, ["dispute"])
    assert listed(county)["more"] == []
    assert "还有更多" in workbook_text(workbook(county, limit=1))
    assert "there are more" in workbook_text(workbook(county, limit=1, language="en"))


def test_outcomes_are_rulings_and_extensions(county: County, disputed: Seen, late: Seen) -> None:
    item, lead = county.handoff(disputed, FINANCE)["handoff_id"], county.handoff(late, TOWNSHIP)["handoff_id"]
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    outcomes = (
        {"item": item, "decision": "ruling", "agency": CIVIL_AFFAIRS, **RULED},
        {"item": lead, "decision": "extend", "until": until, "note": "等待鉴定"},
    )
    answer = decide(county, *outcomes)
    assert (answer.status_code, answer.json()["applied"]) == (200, 2), answer.text
    assert county.statuses(disputed)[CIVIL_AFFAIRS] == "dispatched"
    assert disputes(county)[0]["ruling"]["reason"] == "会议一致同意"
    assert county.handoff(late, TOWNSHIP)["complete_due"].startswith(f"{until}T15:59:59")
    assert [e["kind"] for e in county.events(late)][-2:] == ["handoff.extended", "conference.decided"]
    before = county.events(disputed), county.events(late)
    assert decide(county, *outcomes).content == answer.content, "the same bytes are the same outcomes"
    anew = decide(county, *outcomes, **{"Idempotency-Key": "another"})
    assert (anew.status_code, anew.json()["applied"]) == (200, 0), "what is so already is left as it is"
    assert (county.events(disputed), county.events(late)) == before


def test_what_is_kept_stays_with_who_returned_it_last_and_is_bound(county: County, disputed: Seen, late: Seen) -> None:
    item, lead = county.handoff(disputed, FINANCE), county.handoff(late, TOWNSHIP)
    outcomes = ({"item": each["handoff_id"], "decision": "keep", **RULED} for each in (item, lead))
    assert decide(county, *outcomes).status_code == 200
    after = county.handoff(disputed, FINANCE)
    assert after["status"] == "dispatched"
    assert county.report(after, "returned", **NOT_OURS).json()["code"] == "bound_by_ruling"
    assert county.handoff(late, TOWNSHIP) == lead
    assert county.events(late)[-1]["kind"] == "conference.decided"
    assert county.events(late)[-1]["note"] == {"note": "会议一致同意"}


def test_outcomes_are_applied_whole_or_not_at_all_and_every_fault_is_told(
    county: County, disputed: Seen, late: Seen
) -> None:
    item, lead = county.handoff(disputed, FINANCE)["handoff_id"], county.handoff(late, TOWNSHIP)["handoff_id"]
    before = county.events(disputed), county.events(late), county.handoff(late, TOWNSHIP)
    outcomes: list[Seen] = [
        {"item": item, "decision": "ruling", "agency": FINANCE, **RULED},
        {"item": item, "decision": "note", "note": "x"},
        {"item": lead, "decision": "ruling", "agency": FINANCE, **RULED},
        {"item": str(uuid4()), "decision": "keep"},
    ]
    problem = decide(county, *outcomes).json()
    assert problem["code"] == "outcomes_refused"
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [
        ("/outcomes/1/item", "listed_twice"),
        ("/outcomes/2/decision", "not_disputed"),
        ("/outcomes/3/item", "unknown_item"),
    ]
    outcomes = [
        {"item": lead, "decision": "extend", "until": "2026-01-01", "note": "x"},
        {"item": item, "decision": "ruling", "agency": "nobody", **RULED},
    ]
    problem = decide(county, *outcomes).json()
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [
        ("/outcomes/0/until", "due_at_past"),
        ("/outcomes/1/agency", "unknown_agency"),
    ]
    problem = decide(county, {"item": item, "decision": "keep"}).json()
    assert [each["pointer"] for each in problem["errors"]] == ["/outcomes/0/legal_basis"]
    problem = decide(county, {"item": item, "decision": "ruling", "agency": FINANCE}).json()
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [
        ("/outcomes/0", "outcome_fields_missing")
    ]
    assert (county.events(disputed), county.events(late), county.handoff(late, TOWNSHIP)) == before
    assert [row["state"] for row in fetch(county.running.url, select(dispute))] == ["open"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_workbook_comes_back_filled_in(county: County, disputed: Seen, late: Seen, language: str) -> None:
    words = {
        "zh": ("编号", "决定", "裁定单位", "裁定依据", "延期至", "理由或备注", "裁定", "延期", "青原区财政局"),
        "en": ("item", "decision", "agency", "legal basis", "until", "note", "ruling", "extend", FINANCE),
    }[language]
    item, decision, agency, law, until, note, ruling, extend, finance = words
    day = (datetime.now(UTC) + timedelta(days=40)).date()

    def fill(row: dict[str, Any], number: int, written: dict[str, Any]) -> None:
        if row[item] == county.handoff(disputed, FINANCE)["handoff_id"]:
            written |= {decision: ruling, agency: finance, law: "预算法", note: "会议同意"}
        elif row[item] == county.handoff(late, TOWNSHIP)["handoff_id"]:
            written |= {decision: extend, until: day, note: "等待鉴定"}

    content = filled(workbook(county, language=language), fill)
    answer = upload(county, content)
    assert (answer.status_code, answer.json()["applied"]) == (200, 2), answer.text
    assert county.statuses(disputed)[FINANCE] == "dispatched"
    assert county.handoff(late, TOWNSHIP)["complete_due"].startswith(day.isoformat())
    assert upload(county, content).content == answer.content

    def reword(row: dict[str, Any], number: int, written: dict[str, Any]) -> None:
        written |= {note: f"{row[note]}!"} if row[note] else {}

    assert upload(county, filled(content, reword)).json()["applied"] == 0, "it is so already"


def test_what_is_wrong_in_the_workbook_is_told_by_row_and_column(county: County, disputed: Seen, late: Seen) -> None:
    rows: dict[str, int] = {}

    def fill(row: dict[str, Any], number: int, written: dict[str, Any]) -> None:
        rows[row["议题"]] = number
        if row["议题"] == "争议待裁定":
            written |= {"决定": "裁定", "裁定单位": "财政", "裁定依据": "=1+1", "理由或备注": "x"}
        else:
            written |= {"决定": "延", "延期至": "明年", "编号": "1"}

    problem = upload(county, filled(workbook(county), fill)).json()
    assert problem["code"] == "outcomes_refused"
    first, second = rows["争议待裁定"], rows["两次超期"]
    assert {each["pointer"] for each in problem["errors"]} == {
        f"/联席会议/{first}/裁定单位",
        f"/联席会议/{first}/裁定依据",
        f"/联席会议/{second}/编号",
        f"/联席会议/{second}/决定",
        f"/联席会议/{second}/延期至",
    }
    assert f"row {first}" in str(problem["errors"])

    def late_is_ruled(row: dict[str, Any], number: int, written: dict[str, Any]) -> None:
        if row["议题"] == "两次超期":
            written |= {"决定": "裁定", "裁定单位": FINANCE, "裁定依据": "x", "理由或备注": "x"}

    (error,) = upload(county, filled(workbook(county), late_is_ruled)).json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/联席会议/{second}/决定", "not_disputed")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"item,decision\n"])
def test_what_is_no_workbook_is_refused(county: County, content: bytes) -> None:
    answer = upload(county, content)
    assert (answer.status_code, answer.json()["code"]) == (422, "outcomes_refused")


def test_a_workbook_in_which_nothing_is_decided_is_refused(county: County, disputed: Seen) -> None:
    (error,) = upload(county, workbook(county)).json()["errors"]
    assert "no decision" in error["detail"]


def test_the_command_line_writes_the_list_and_takes_the_outcomes(
    county: County, disputed: Seen, tmp_path: Path
) -> None:
    file, url = tmp_path / "conference.xlsx", county.running.url
    assert said("conference", "export", str(file), database=url).startswith("1 items in ")

    def fill(row: dict[str, Any], number: int, written: dict[str, Any]) -> None:
        written |= {"决定": "裁定", "裁定单位": CIVIL_AFFAIRS, "裁定依据": "x", "理由或备注": "y"}

    assert "no decision" in refused(one_window_here("conference", "import", str(file), database=url))
    file.write_bytes(filled(file.read_bytes(), fill))
    assert said("conference", "import", str(file), database=url).startswith("1 of 1 outcomes applied")
    assert said("conference", "import", str(file), database=url).startswith("1 of 1 outcomes applied")
    assert county.statuses(disputed)[CIVIL_AFFAIRS] == "dispatched"
    assert [e["kind"] for e in county.events(disputed)].count("handoff.ruled") == 1
    county.complete(disputed, CIVIL_AFFAIRS)
    county.complete(disputed, VILLAGE)
    assert county.request(disputed)["status"] == "closed"


def test_needs_of_several_agencies_are_found_through_indexes_however_much_is_open(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the plans, with two thousand requests that are closed and as many handoffs that nobody asks for."""
    url = county.running.url
    receipts = sorted(county.ask("temp_aid_emergency")["request_id"] for _ in range(3))
    (template,) = fetch(url, select(help_request).where(help_request.c.id == UUID(receipts[0])))
    (of_it, *_) = fetch(url, select(handoff).where(handoff.c.request_id == UUID(receipts[0])))

    async def fill(database: Database) -> None:
        numbers = range(1, 2001)
        unique = ({"receipt_number": f"{n:012}", "tracking_hash": n.to_bytes(32)} for n in numbers)
        closed = {"status": "closed", "closed_at": AT}
        async with database.writing() as connection:
            rows = [{**template, **closed, **one, "id": UUID(int=n)} for n, one in zip(numbers, unique, strict=True)]
            await connection.execute(help_request.insert(), rows)
            rows = [{**of_it, "id": UUID(int=n), "request_id": UUID(int=n)} for n in numbers]
            await connection.execute(handoff.insert(), rows)

    on(url, fill)
    plans = {
        "ix_help_request_status_id": agenda.open_after(UUID(int=0)),
        "uq_handoff_request_id_need_agency_code": agenda.several_of([UUID(each) for each in receipts]),
    }
    for index, query in plans.items():
        plan = plan_of(url, query)
        assert index in plan or "(request_id=?" in plan, plan
        assert "Seq Scan" not in plan, plan
        assert "SCAN handoff" not in plan, plan
        assert "SCAN help_request" not in plan, plan
    several = points(county)["several_open"]
    assert [each["request_id"] for each in several] == receipts
    monkeypatch.setattr(agenda, "_MOST_LOOKS", 1)
    monkeypatch.setattr(agenda.open_after, "__defaults__", (2, None))
    seen = listed(county)
    assert [each["request_id"] for each in seen["items"]] == receipts[:2]
    assert seen["more"] == ["several_open"], "there may be more among those that it did not look at"
    monkeypatch.setattr(agenda, "_MOST_LOOKS", 9)
    assert [each["request_id"] for each in listed(county)["items"]] == receipts
    short = listed(county, limit=1)
    assert ([each["request_id"] for each in short["items"]], short["more"]) == (receipts[:1], ["several_open"])
