"""The paper forms of a window: who may print which, what each shows, and that it is recorded."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from app.forms import of_receipt
from app.identifiers import now
from app.qr import drawn
from app.tables import event, help_request, reading, staff_account
from tests import serving
from tests.county import EDUCATION, County, Seen
from tests.examples import PERSONAL, a_request_in_full
from tests.people import Person, ours
from tests.watching import change, fetch

CHINESE = re.compile("[一-鿿]")
FEDERATION = "360803-dpf"
OF_REQUEST = ("register", "notice", "receipt")
OF_HANDOFF = ("letter", "reply", "reply?blank=1")
NEEDS = ("education_aid", "medical_assistance_applied")


def ask(person: Person, *needs: str, **changes: Any) -> Seen:
    answer = person.call("POST", "/v1/requests", json={**a_request_in_full(*needs), **changes})
    assert answer.status_code == 201, answer.text
    receipt: Seen = answer.json()
    return receipt


def someone(county: County, role: str, **more: Any) -> Person:
    return Person.made(county.running, role, **more).signed_in()


@pytest.fixture
def clerk(county: County) -> Person:
    return someone(county, "intake", division_code="360803101")


@pytest.fixture
def taken(clerk: Person) -> Seen:
    return ask(clerk, *NEEDS)


@pytest.fixture
def part(taken: Seen) -> Seen:
    """The education bureau's, which was handed off."""
    return part_of(taken, EDUCATION)


def part_of(taken: Seen, agency: str) -> Seen:
    return next(each for each in taken["handoffs"] if (each["agency"], each["need"]) == (agency, "education_aid"))


def of_request(person: Person, taken: Seen, form: str = "") -> httpx.Response:
    return person.browser.get(f"/forms/requests/{taken['request_id']}{f'/{form}' if form else ''}")


def of_handoff(person: Person, part: Seen, form: str) -> httpx.Response:
    return person.browser.get(f"/forms/handoffs/{part['handoff_id']}/{form}")


def find(person: Person, number: str, **fields: str) -> httpx.Response:
    form = Person.form_in(person.browser.get("/forms"))
    filled = {"form": form, "number": number, **fields}
    return person.browser.post("/forms", data=filled, headers=ours(person.service))


def shown(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return page.text.partition("</style>")[2]


def readings(county: County) -> list[dict[str, Any]]:
    return fetch(county.running.url, select(reading).order_by(reading.c.id))


def test_each_role_prints_what_is_its_own_and_nothing_else_is_there(
    county: County, clerk: Person, taken: Seen, part: Seen
) -> None:
    other = part_of(taken, FEDERATION)
    all_of_it = {*OF_REQUEST, "", "own", "other"}
    cases: list[tuple[Person, set[str]]] = [
        (clerk, all_of_it),
        (someone(county, "intake", division_code="360803101"), set()),
        (someone(county, "township", division_code="360803101"), all_of_it),
        (someone(county, "township", division_code="360803102"), set()),
        (someone(county, "coordinator", division_code="360803"), {*all_of_it, "summary"}),
        (someone(county, "coordinator", division_code="360802"), {"summary"}),
        (someone(county, "agency", agency_code=EDUCATION), {"", "own"}),
        (someone(county, "agency", agency_code="360803-veterans"), set()),
        (someone(county, "supervisor"), {"summary"}),
        (someone(county, "auditor"), {"summary"}),
        (someone(county, "admin"), set()),
        (someone(county, "security"), set()),
    ]
    for person, may in cases:
        account = person.browser.get("/account").text
        who = re.findall(r"<dd>([^<]+)</dd>", account)[1:3]
        seen = {form for form in (*OF_REQUEST, "") if of_request(person, taken, form).status_code == 200}
        for name, handoff in (("own", part), ("other", other)):
            answers = {of_handoff(person, handoff, form).status_code for form in OF_HANDOFF}
            assert len(answers) == 1, "the letter and the reply go together"
            seen |= {name} if answers == {200} else set()
        seen |= {"summary"} if person.browser.get("/forms/summary").status_code == 200 else set()
        assert seen == may, who
        start = person.browser.get("/forms")
        assert start.status_code == (403 if who[0] in ("System administrator", "Security administrator") else 200), who
        assert ('href="/forms"' in account) is (start.status_code == 200), who
        found = find(person, taken["receipt_number"]).status_code if 'name="number"' in start.text else 404
        assert found == (303 if "" in may else 404)


def test_what_is_not_there_or_not_theirs_is_told_alike_on_a_page(county: County, taken: Seen, part: Seen) -> None:
    stranger = someone(county, "intake", division_code="360803102")
    foreign = of_request(stranger, taken, "register")
    missing = of_request(stranger, {"request_id": "01936f2e-9d3c-7a41-8c55-3f0a1b2c3d4e"}, "register")
    no_id = of_request(stranger, {"request_id": "a-number"}, "register")
    for page in (foreign, missing, no_id, of_handoff(stranger, part, "letter")):
        assert page.status_code == 404
        assert page.headers["content-type"].startswith("text/html")
        assert "There is no such form" in page.text
    assert foreign.text == missing.text
    for secret in PERSONAL.values():
        assert secret not in foreign.text


def test_nobody_prints_without_a_session_or_with_a_first_password(county: County, taken: Seen, part: Seen) -> None:
    paths = [f"/forms/requests/{taken['request_id']}/{form}" for form in OF_REQUEST]
    paths += [f"/forms/handoffs/{part['handoff_id']}/{form}" for form in OF_HANDOFF] + ["/forms", "/forms/summary"]
    for path in paths:
        answer = county.nobody.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        with_key = county.coordinator.get(path)
        assert with_key.status_code == 303, "keys of machines print nothing"
    new = someone(county, "coordinator", division_code="360803")
    change(county.running.url, _must_change(new))
    for path in paths:
        assert new.browser.get(path).headers["location"] == "/account"


def _must_change(person: Person) -> Any:
    which = staff_account.c.id == UUID(person.staff_id)
    return update(staff_account).where(which).values(must_change_password=True)


def test_a_number_is_filled_in_on_our_form_and_stands_in_no_address(clerk: Person, taken: Seen) -> None:
    number = taken["receipt_number"]
    found = find(clerk, f" {number[:4]} {number[4:8]}-{number[8:]} ", purpose="person_asked")
    assert found.status_code == 303
    assert found.headers["location"] == f"/forms/requests/{taken['request_id']}?purpose=person_asked"
    page = shown(clerk.browser.get(found.headers["location"]))
    assert taken["receipt_number_spoken"] in page
    assert not [address for address in re.findall(r'(?:href|action)="([^"]+)"', page) if number in address]
    for secret in PERSONAL.values():
        assert secret not in page, "what may be printed tells nothing of the person"
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert find(clerk, wrong).status_code == 422
    assert find(clerk, "").status_code == 422
    foreign = clerk.browser.post(
        "/forms", data={"form": clerk.csrf, "number": number}, headers={"origin": "https://elsewhere.example"}
    )
    assert foreign.status_code == 403
    no_token = clerk.browser.post("/forms", data={"number": number}, headers=ours(clerk.service))
    assert no_token.status_code == 403


def test_the_register_holds_all_for_the_file(clerk: Person, taken: Seen) -> None:
    page = shown(of_request(clerk, taken, "register"))
    for name, value in PERSONAL.items():
        assert value in page, name
    for told in (taken["receipt_number_spoken"], "青原区值夏镇", "测试人员", "Window", "Lead", "0796-"):
        assert told in page
    owed = [each["name_en"] for each in taken["missing_materials"]]
    assert owed
    missing = page.partition("Still missing")[2]
    for paper in owed:
        assert paper in missing


def test_the_notice_names_the_person_in_full_and_masks_their_number(clerk: Person, taken: Seen) -> None:
    page = shown(of_request(clerk, taken, "notice"))
    assert PERSONAL["name"] in page
    assert "1101**********002X" in page
    assert "欧*" in page, "who asked for them"
    for name, value in PERSONAL.items():
        assert name == "name" or value not in page, name
    for handoff in taken["handoffs"]:
        if handoff["role"] != "informed":
            assert handoff["agency_name_en"].replace("'", "&#39;") in page
            assert handoff["agency_phone"] in page


def test_a_letter_shows_what_its_rule_discloses_to_its_agency_and_nothing_more(
    county: County, clerk: Person, taken: Seen
) -> None:
    given_out = [each for each in taken["handoffs"] if each["dispatched_at"]]
    opened = {}
    for handoff in given_out:
        agency = county.running.client("agency", handoff["agency"])
        disclosed = agency.get(f"/v1/handoffs/{handoff['handoff_id']}").json()["person"]
        expected = {name for name, value in PERSONAL.items() if value in json.dumps(disclosed, ensure_ascii=False)}
        own = [someone(county, "agency", agency_code=EDUCATION)] if handoff["agency"] == EDUCATION else []
        for reader in (clerk, *own):
            page = shown(of_handoff(reader, handoff, "letter"))
            assert {name for name, value in PERSONAL.items() if value in page} == expected, handoff["agency"]
        opened[handoff["agency"]] = expected
        reply = shown(of_handoff(clerk, handoff, "reply"))
        assert not [name for name, value in PERSONAL.items() if value in reply]
        assert ("独*" in reply) is ("name" in expected)
    assert len({frozenset(each) for each in opened.values()}) > 1, "rules that open different things"


def test_a_letter_that_was_returned_says_nothing_of_the_person_any_more(
    county: County, clerk: Person, taken: Seen
) -> None:
    part = part_of(taken, FEDERATION)
    before = shown(of_handoff(clerk, part, "letter"))
    assert PERSONAL["name"] in before
    county.told(part, "returned", reason_code="wrong_area", legal_basis="不在本辖区")
    after = shown(of_handoff(clerk, part, "letter"))
    assert "returned or cancelled" in after
    assert not [name for name, value in PERSONAL.items() if value in after]
    reply = shown(of_handoff(clerk, part, "reply"))
    assert "独*" not in reply
    assert "不在本辖区" in reply
    assert "☑</span> Returned" in reply


def test_a_reply_is_blank_or_filled_in_with_what_was_answered(county: County, clerk: Person, taken: Seen) -> None:
    part = part_of(taken, FEDERATION)
    assert "has not answered yet" in shown(of_handoff(clerk, part, "reply"))
    county.told(part, "received", "accepted", "completed", outcome="partly_granted", note="减免学费", handler="王某")
    filled = shown(of_handoff(clerk, part, "reply"))
    assert "☑</span> Partly granted" in filled
    assert filled.count("☑") == 1
    for told in ("减免学费", "王某", "Signed for", "Accepted"):
        assert told in filled
    blank = shown(of_handoff(clerk, part, "reply?blank=1"))
    for told in ("☑", "减免学费", "王某"):
        assert told not in blank
    own = someone(county, "agency", agency_code=FEDERATION)
    assert "减免学费" in shown(of_handoff(own, part, "reply"))


def test_what_is_shown_of_a_person_is_recorded_as_the_same_reading_of_the_api_is(
    county: County, clerk: Person, taken: Seen, part: Seen
) -> None:
    actor = f"staff:{clerk.staff_id}"
    shown(of_request(clerk, taken))
    shown(of_request(clerk, taken, "receipt"))
    assert readings(county) == [], "neither shows anything of the person"
    shown(of_request(clerk, taken, "register?purpose=correction"))
    whole = clerk.call("GET", f"/v1/requests/{taken['request_id']}?purpose=correction")
    assert whole.status_code == 200
    (seen,) = readings(county)
    assert (seen["actor"], seen["role"], seen["way"]) == (actor, "intake", "request")
    assert (seen["purpose"], seen["stated"], seen["unrelated"]) == ("correction", True, False)
    assert {"identity", "contact", "bank_account", "health", "narrative"} <= set(seen["shown"])
    shown(of_request(clerk, taken, "notice"))
    assert readings(county)[-1]["shown"] == ["identity", "contact"]
    agency = someone(county, "agency", agency_code=EDUCATION)
    shown(of_handoff(agency, part, "letter"))
    seen = readings(county)[-1]
    assert (seen["actor"], seen["agency_code"]) == (f"staff:{agency.staff_id}", EDUCATION)
    assert (str(seen["handoff_id"]), seen["way"]) == (part["handoff_id"], "handoff")
    assert set(seen["shown"]) == set(
        county.running.client("agency", EDUCATION).get(f"/v1/handoffs/{part['handoff_id']}").json()["discloses"]
    )
    assert seen["legal_basis"]
    told = county.coordinator.get(f"/v1/requests/{taken['request_id']}/disclosures").json()["items"]
    assert any("Qingyuan District Education" in each["text_en"] and each["way"] == "handoff" for each in told)


def test_a_coordinator_who_has_to_say_what_for_is_shown_nothing_before(run_service: Any, database_url: str) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    county = County(run_service(reading_purpose_required=True), secrets)
    taken = ask(someone(county, "intake", division_code="360803101"), *NEEDS)
    part = part_of(taken, EDUCATION)
    coordinator = someone(county, "coordinator", division_code="360803")
    assert 'name="purpose" required' in coordinator.browser.get("/forms").text
    for page in (
        *(of_request(coordinator, taken, each) for each in OF_REQUEST[:2]),
        of_handoff(coordinator, part, "letter"),
    ):
        assert page.status_code == 400
        assert "purpose" in page.text
        assert not [name for name, value in PERSONAL.items() if value in page.text]
    assert readings(county) == []
    assert PERSONAL["name"] in shown(of_request(coordinator, taken, "register?purpose=supervision"))
    assert len(readings(county)) == 1
    assert of_request(coordinator, taken, "register?purpose=curiosity").status_code != 200


def test_the_receipt_says_number_code_next_step_and_telephone_and_nothing_of_the_person(
    county: County, clerk: Person, taken: Seen
) -> None:
    page = shown(of_request(clerk, taken, "receipt"))
    assert taken["receipt_number_spoken"] in page
    for name, value in PERSONAL.items():
        assert value not in page, name
    for handoff in (each for each in taken["handoffs"] if each["role"] == "lead"):
        assert handoff["agency_name_en"] in page
        assert handoff["agency_phone"] in page
    address = f"{county.running.address}/track/{taken['tracking_token']}"
    code = drawn(address)
    assert f'viewBox="0 0 {code["modules"]} {code["modules"]}"' in page
    assert f'<path d="{code["path"]}">' in page
    assert taken["tracking_token"] not in page, "it is in the code alone"
    brief = shown(of_request(clerk, taken, "receipt?brief=1"))
    for handoff in taken["handoffs"]:
        assert handoff["agency_name_en"] not in brief
    assert taken["receipt_number_spoken"] in brief


def test_the_code_is_for_whoever_took_the_request_in(county: County, clerk: Person, taken: Seen) -> None:
    township = someone(county, "township", division_code="360803101")
    coordinator = someone(county, "coordinator", division_code="360803")
    for person in (township, coordinator):
        page = shown(of_request(person, taken, "receipt"))
        assert "<svg" not in page
        assert "/track" in page, "how to look it up without"
    own = ask(township, "education_aid")
    assert "<svg" in shown(of_request(township, own, "receipt"))
    other_secret = {"tracking_hash": bytes(32)}
    which = help_request.c.id == UUID(taken["request_id"])
    change(county.running.url, update(help_request).where(which).values(other_secret))
    assert "<svg" not in shown(of_request(clerk, taken, "receipt")), "a code that leads nowhere"


def test_that_a_receipt_was_printed_again_stands_in_the_timeline_once(
    county: County, clerk: Person, taken: Seen
) -> None:
    def printed() -> list[Seen]:
        return [each for each in county.events(taken) if each["kind"] == of_receipt.PRINTED]

    for form in ("receipt", "receipt?paper=80mm", "receipt?lang=zh"):
        shown(of_request(clerk, taken, form))
    (noted,) = printed()
    assert (noted["actor"], noted["data"]) == (f"staff:{clerk.staff_id}", {"with_code": True})
    shown(of_request(someone(county, "coordinator", division_code="360803"), taken, "receipt"))
    assert [each["data"]["with_code"] for each in printed()] == [True, False]
    tracked = county.nobody.get(f"/v1/track/{taken['tracking_token']}").json()
    assert [each["text_en"] for each in tracked["events"]].count("Your receipt was printed again") == 2
    # That a quarter of an hour passes is all that is pretended here: the events say when they were.
    long_ago = event.c.kind == of_receipt.PRINTED
    change(county.running.url, update(event).where(long_ago).values(at=now() - timedelta(minutes=16)))
    shown(of_request(clerk, taken, "receipt"))
    rows = fetch(county.running.url, select(event).where(event.c.kind == of_receipt.PRINTED))
    assert len(rows) == 3


def test_the_receipt_of_somebody_in_danger_of_violence_names_nothing_unless_asked_to(county: County) -> None:
    clerk = someone(county, "intake", division_code="360803101")
    body = {
        "what": "被家人殴打",
        "where": "值夏镇老街",
        "division_code": "360803101",
        "kind": "violence",
        "channel": "window",
    }
    answer = clerk.call("POST", "/v1/emergencies", json=body)
    assert answer.status_code == 201, answer.text
    taken = answer.json()
    plain = shown(of_request(clerk, taken, "receipt"))
    whole = shown(of_request(clerk, taken, "receipt?brief=0"))
    rescue = "Rescue of people adrift"
    assert rescue not in plain
    assert rescue in whole
    asked = ask(clerk, "legal_aid")
    assert "Legal aid" not in shown(of_request(clerk, asked, "receipt"))
    assert "Legal aid" in shown(of_request(clerk, asked, "receipt?brief=0"))
    register = shown(of_request(clerk, taken, "register"))
    assert "被家人殴打" in register
    assert "Emergency: Violence" in register
    sent = [each for each in county.request(taken)["handoffs"] if each["dispatched_at"] and each["role"] != "informed"]
    assert "被家人殴打" in shown(of_handoff(clerk, sent[0], "letter"))


def test_what_was_erased_is_not_printed_any_more(county: County, clerk: Person, taken: Seen, part: Seen) -> None:
    which = help_request.c.id == UUID(taken["request_id"])
    change(county.running.url, update(help_request).where(which).values(erased_at=now()))
    for page in (
        *(of_request(clerk, taken, each) for each in OF_REQUEST),
        *(of_handoff(clerk, part, each) for each in OF_HANDOFF),
    ):
        assert page.status_code == 404
        assert "was erased" in page.text
    assert "was erased" in shown(of_request(clerk, taken))
    assert readings(county) == []


def test_the_pages_speak_english_but_for_names_and_what_people_wrote(
    clerk: Person, county: County, taken: Seen, part: Seen
) -> None:
    allowed = {*PERSONAL.values(), "青原区值夏镇", "值夏镇", "测试人员", "中文", "虚构银行", "欧*", "独*"}
    laws = {each["legal_basis"] for need in taken["decision"]["needs"] for each in need["fired"]}
    pages = [of_request(clerk, taken, each) for each in (*OF_REQUEST, "")]
    pages += [of_handoff(clerk, part, each) for each in OF_HANDOFF]
    pages += [
        clerk.browser.get("/forms"),
        someone(county, "supervisor", division_code="360803101").browser.get("/forms/summary"),
    ]
    for page in pages:
        left = shown(page)
        assert '<html lang="en">' in page.text
        for text in sorted(allowed | laws, key=len, reverse=True):
            left = left.replace(text, "")
        left = left.replace("青原区", "")
        assert not CHINESE.findall(left), CHINESE.findall(left)
    chinese = clerk.browser.get(f"/forms/requests/{taken['request_id']}/register?lang=zh")
    assert '<html lang="zh-CN">' in chinese.text
    assert "社会救助服务窗口受理登记表" in chinese.text


def test_the_pages_are_whole_without_scripts_and_keep_to_themselves(clerk: Person, taken: Seen) -> None:
    for form in (*OF_REQUEST, "notice?paper=80mm", ""):
        page = of_request(clerk, taken, form)
        assert "<script" not in page.text
        assert re.search(r"\son\w+=|javascript:|\sstyle=", page.text) is None
        assert page.headers["cache-control"] == "no-store"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert policy.count("'sha256-") == 1
        assert taken["receipt_number"] not in page.headers.get("location", "")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_form_is_printed_on_either_paper_and_says_the_same_on_both(
    county: County, clerk: Person, taken: Seen, part: Seen, language: str
) -> None:
    county.told(part, "received", "accepted", "completed", outcome="granted", note="减免学费", handler="王某")
    forms = [(clerk, f"/forms/requests/{taken['request_id']}/{form}", "A4") for form in OF_REQUEST]
    forms += [(clerk, f"/forms/handoffs/{part['handoff_id']}/{form}", "A4") for form in ("letter", "reply")]
    forms += [(someone(county, "supervisor"), "/forms/summary", "A4 landscape")]
    for person, form, size in forms:
        a4 = person.browser.get(f"{form}?lang={language}").text
        roll = person.browser.get(f"{form}?paper=80mm&lang={language}").text
        # The last of them is the one that a browser takes.
        assert re.findall(r"@page {[^}]*?size: ([^;]+);", a4)[-1] == size, form
        assert re.findall(r"@page {[^}]*?size: ([^;]+);", roll) == ["80mm 297mm"], form
        assert said_on(a4) == said_on(roll), form
        switches = [unescape(re.findall(r"<nav .*?</nav>", each, re.DOTALL)[0]) for each in (a4, roll)]
        assert f'href="{form}?paper=80mm&lang={language}"' in switches[0]
        assert f'href="{form}?lang={language}"' in switches[1]
        assert not re.findall(r"<td(?! data-label=)", roll), "a value without its label"


def said_on(page: str) -> str:
    """What is on the paper, but for the minute in which it was opened."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", page.partition("<main>")[2])


def test_what_somebody_wrote_is_shown_as_text(clerk: Person) -> None:
    evil = "<script>alert(1)</script>{{ 7*7 }}"
    taken = ask(clerk, "education_aid", narrative=evil)
    page = shown(of_request(clerk, taken, "register"))
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page


def test_a_form_that_needs_nobody_is_within_what_a_caller_may_call(run_service: Any) -> None:
    service = run_service(calls_a_minute=5)
    person = Person.made(service, "supervisor").signed_in()
    assert person.browser.get("/forms/summary").status_code == 200
    # Around the turn of a minute there are two budgets.
    assert any(person.browser.get("/forms/summary").status_code == 429 for _ in range(20))
