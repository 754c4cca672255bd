"""A person's own page, without a script: found by number, read in both languages, answered by forms. Over real HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from app.by_number import wait_after
from app.identifiers import now
from app.pages.catalogues import teller
from app.pages.days import day_in_words, how_far, moment_in_words
from app.rates import MINUTE
from app.receipts import new_receipt_number
from app.tables import attachment, event, help_request, look_up_try
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, County, Seen
from tests.examples import PERSONAL
from tests.own_page import JUSTICE, PHONE, a_county, browser, close, in_full, page, path_of, words_of
from tests.running import Running
from tests.test_attachments import a_pdf, a_photo
from tests.test_consents import ALLOWANCE, FAMILY
from tests.watching import change, count, fetch

CHINESE = re.compile("[一-鿿]")
NOT_A_PAIR = "do not go together"


@pytest.fixture
def county(database_url: str, run_service: Callable[..., Running], tmp_path: Path) -> County:
    return a_county(database_url, run_service, attachments=str(tmp_path / "papers"))


def find(client: httpx.Client, number: str, phone_end: str, **query: str) -> httpx.Response:
    return client.post("/track", data={"number": number, "phone_end": phone_end}, params=query)


def test_a_page_says_where_it_is_who_has_it_and_by_when(county: County) -> None:
    receipt = county.ask("legal_aid")
    handoff = county.handoff(receipt, JUSTICE)
    said = words_of(page(browser(county), receipt))
    for told in (
        receipt["receipt_number_spoken"],
        "Handed to the agencies, waiting for them to sign for it",
        handoff["agency_name_en"],
        handoff["agency_phone"],
        "Passed on, waiting for it to sign for it",
        day_in_words(datetime.fromisoformat(handoff["complete_due"]), "en"),
        "Who has seen your data",
        "12345",
        PHONE,
        "within 60 days",
    ):
        assert told in said
    assert "Was your problem solved?" not in said
    assert "What is needed from you" not in said


def test_it_is_chinese_first_and_english_by_a_switch(county: County) -> None:
    receipt = county.ask("legal_aid")
    for language, look, other in (("zh-CN", "zh-CN", "English"), ("en-GB", "en", "中文")):
        shown = page(browser(county, language), receipt)
        assert f'<html lang="{look}"' in shown
        assert f">{other}</a>" in shown
    chinese = page(browser(county, "en"), receipt, lang="zh")
    assert "办理经过" in chinese
    english = page(browser(county, "zh-CN"), receipt, lang="en")
    left = re.sub(r"\(by [^)]*\)\.|中文", "", words_of(english))
    assert not CHINESE.search(left), "but for the names of laws, and the switch"
    assert "English" not in words_of(english)


def test_how_it_looks_is_chosen_by_links_and_stays_chosen_on_the_way(county: County) -> None:
    receipt, client = county.ask("legal_aid"), browser(county)
    shown = page(client, receipt, size="large", contrast="high", lang="zh")
    assert '<html lang="zh-CN" class="large high">' in shown
    assert f'href="{path_of(receipt)}?lang=en&amp;size=large&amp;contrast=high"' in shown
    assert f'href="{path_of(receipt)}?lang=zh&amp;contrast=high"' in shown, "back to the normal size"
    found = find(client, receipt["receipt_number"], "0000", size="large", lang="zh")
    assert (found.status_code, found.headers["location"]) == (303, f"{path_of(receipt)}?lang=zh&size=large")
    assert "class=" not in page(client, receipt, size="huge", contrast="<b>").partition("<head>")[0]


def test_the_page_keeps_to_itself(county: County) -> None:
    receipt = county.ask("legal_aid")
    answer = browser(county).get(path_of(receipt))
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert "noindex" in answer.headers["x-robots-tag"]
    assert re.findall(r"<script[^>]*>", answer.text) == re.findall(
        r'<script type="module" src="/track/live.js[^>]*>', answer.text
    )
    assert " on" not in re.sub(r">[^<]*<", "><", answer.text).lower().replace(" on your", ""), "no handlers"
    for path in ("/track", f"/track/{'A' * 27}"):
        policy = browser(county).get(path).headers["content-security-policy"]
        assert "script-src" not in policy, "no script but on the page itself"
    script = browser(county).get("/track/live.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" not in script.headers["cache-control"]


def test_nothing_of_the_person_stands_on_it_nor_of_anybody_else(county: County) -> None:
    other = county.ask("legal_aid", applicant={"name": "另一个人", "phone": "13900001111"})
    receipt = in_full(county)
    for language in ("zh", "en"):
        shown = page(browser(county), receipt, lang=language)
        assert {name for name, value in PERSONAL.items() if value in shown} == set()
        assert other["receipt_number"] not in shown
        assert other["tracking_token"] not in shown


def test_a_wrong_token_gets_a_page_in_words(county: County) -> None:
    for token in ("A" * 27, "x", "%00", "A" * 200):
        answer = browser(county).get(f"/track/{token}")
        assert answer.status_code == 404
        assert "This request was not found" in words_of(answer.text)
        assert "12345" in answer.text
    assert "没有找到这个事项" in browser(county, "zh").get(f"/track/{'A' * 27}").text


def test_a_number_is_found_with_or_without_blanks_by_the_applicants_or_the_helpers_telephone(county: County) -> None:
    receipt, client = in_full(county), browser(county)
    number = receipt["receipt_number"]
    wide = number.translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
    for typed in (number, receipt["receipt_number_spoken"], f" {number[:4]}-{number[4:]} ", wide):
        found = find(client, typed, PERSONAL["phone"][-4:])
        assert (found.status_code, found.headers["location"]) == (303, path_of(receipt))
    assert find(client, number, PERSONAL["helper_phone"][-4:]).status_code == 303
    assert page(client, receipt)


@pytest.mark.parametrize(
    ("number", "phone_end", "told"),
    [
        ("12345", "0000", "has 12 digits"),
        ("12345678901x", "0000", "has 12 digits"),
        ("", "", "has 12 digits"),
        ("482109375521", "000", "last 4 digits"),
        ("482109375521", "00000", "last 4 digits"),
        ("482109375521", "12a4", "last 4 digits"),
    ],
)
def test_what_is_wrong_in_itself_is_said_beside_its_field(
    service: Running, number: str, phone_end: str, told: str
) -> None:
    client = service.client(None, **{"sec-fetch-site": "same-origin"})
    answer = find(client, number, phone_end)
    assert answer.status_code == 422
    assert told in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert f'value="{number}"' in answer.text, "what was typed stays"
    assert fetch(service.url, select(look_up_try)) == [], "nothing was looked up"


def test_of_a_number_that_was_mistyped_the_check_digits_say_so(county: County) -> None:
    number, client = county.ask("legal_aid")["receipt_number"], browser(county)
    for at in (0, 5, 11):
        mistyped = number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]
        assert "mistyped" in find(client, mistyped, "0000").text
    swapped = next(
        number[:at] + number[at + 1] + number[at] + number[at + 2 :] for at in range(11) if number[at] != number[at + 1]
    )
    assert "mistyped" in find(client, swapped, "0000").text


def test_a_wrong_pair_says_nothing_of_which_part_is_wrong_and_costs_as_much_as_a_right_one(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    county = a_county(database_url, run_service, look_ups_a_minute=100)
    receipt, client = county.ask("legal_aid"), browser(county)
    if (left := MINUTE - time.time() % MINUTE) < 20:
        time.sleep(left)  # all of them count in one minute
    wrong_phone = find(client, receipt["receipt_number"], "9999")
    no_such_number = find(client, new_receipt_number(), "0000")
    assert wrong_phone.status_code == no_such_number.status_code == 403
    hidden = re.compile(r'value="\d*"')
    assert hidden.sub("", wrong_phone.text) == hidden.sub("", no_such_number.text)
    assert NOT_A_PAIR in wrong_phone.text
    spent = 2
    while find(client, new_receipt_number() if spent % 2 else receipt["receipt_number"], "0000").status_code in (
        303,
        403,
    ):
        spent += 1
    assert 9 <= spent <= 11, "ten look-ups each, whatever comes of it"
    refused = find(client, receipt["receipt_number"], "0000")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) <= 61
    assert "try again in a minute" in refused.text


def test_four_digits_cant_be_guessed_through(county: County) -> None:
    receipt, client = county.ask("legal_aid"), browser(county)
    number = receipt["receipt_number"]
    with ThreadPoolExecutor(4) as many:
        tried = list(many.map(lambda n: find(client, number, f"{n + 1:04}").status_code, range(12)))
    assert sorted(tried) == [403] * 5 + [429] * 7, "many at once get no further"
    right = find(client, number, "0000")
    assert right.status_code == 429, "who guesses learns nothing more, not even that it was right"
    assert "Scan the QR code" in right.text
    assert 0 < int(right.headers["retry-after"]) <= 61
    (row,) = fetch(county.running.url, select(look_up_try))
    assert row["tries"] == 5
    change(county.running.url, update(look_up_try).values(next_at=now() - timedelta(seconds=1)))
    assert find(client, number, "0001").status_code == 403
    (row,) = fetch(county.running.url, select(look_up_try))
    assert timedelta(seconds=100) < row["next_at"] - now() <= timedelta(minutes=2), "each wrong one doubles the wait"
    change(county.running.url, update(look_up_try).values(next_at=now() - timedelta(seconds=1)))
    assert find(client, number, "0000").status_code == 303
    assert fetch(county.running.url, select(look_up_try)) == [], "found: counted anew"
    assert page(client, receipt), "the page itself was never closed to who has the token"


def test_a_number_that_there_is_not_rests_like_one_that_there_is(county: County) -> None:
    client, number = browser(county), new_receipt_number()
    assert [find(client, number, "0000").status_code for _ in range(6)] == [403] * 5 + [429]


def test_waits_grow_to_a_week_and_no_further() -> None:
    waits = [wait_after(tries) for tries in range(1, 60)]
    assert waits[:4] == [timedelta()] * 4
    assert waits[4:7] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(days=7)
    tried, passed = 0, timedelta()
    while passed < timedelta(days=365):
        tried += 1
        passed += wait_after(tried)
    assert tried < 80, "of ten thousand, in a year"


def test_who_gave_no_telephone_is_told_whom_to_ask(county: County) -> None:
    receipt = county.ask("legal_aid", applicant={"name": "测试甲"})
    answer = find(browser(county), receipt["receipt_number"], "0000")
    assert answer.status_code == 403
    said = words_of(answer.text)
    assert "No telephone was given" in said
    assert "service window" in said
    assert PHONE in said


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}])
def test_a_form_of_another_site_is_refused(county: County, headers: dict[str, str]) -> None:
    receipt = county.ask("legal_aid")
    client = county.running.client(None, **headers)
    sent = {
        "/track": {"number": receipt["receipt_number"], "phone_end": "0000"},
        f"{path_of(receipt)}/solved": {"solved": "yes", "closing": "1"},
        f"{path_of(receipt)}/all-there": {},
    }
    for path, form in sent.items():
        assert client.post(path, data=form).status_code == 403
    assert client.post(f"{path_of(receipt)}/papers", files={"file": ("a.jpg", a_photo())}).status_code == 403
    assert fetch(county.running.url, select(attachment)) == []


def waits_for_papers(county: County) -> Seen:
    receipt = county.ask("education_aid")
    lead = county.handoff(receipt, EDUCATION)
    county.told(lead, "received", "accepted", "information_requested", materials=["户口本复印件", "学校证明<b>"])
    return receipt


def test_what_is_needed_is_said_and_a_photograph_of_it_is_taken_in(county: County) -> None:
    receipt, client = waits_for_papers(county), browser(county)
    shown = page(client, receipt)
    said = words_of(shown)
    assert "What is needed from you" in said
    assert "户口本复印件" in said
    assert "学校证明&lt;b&gt;" in shown, "an agency's words are words"
    sent = {"files": {"file": ("IMG 1.jpg", a_photo())}, "data": {"title": "户口本"}}
    for _ in range(2):
        answer = client.post(f"{path_of(receipt)}/papers", **sent)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path_of(receipt)}?said=kept"), answer.text
    assert count(county.running.url, attachment)["attachment"] == 1, "the same again is kept once"
    (row,) = fetch(county.running.url, select(attachment))
    assert (str(row["request_id"]), row["created_by"]) == (receipt["request_id"], "person")
    assert "passed on to the agencies" in words_of(page(client, receipt, said="kept"))
    assert "A paper that you sent was received" in words_of(page(client, receipt))
    assert client.post(f"{path_of(receipt)}/papers", files={"file": ("b.pdf", a_pdf())}).status_code == 303
    assert county.statuses(receipt)[EDUCATION] == "suspended", "it goes on when the person says that all is there"
    for _ in range(2):
        answer = client.post(f"{path_of(receipt)}/all-there", data={"note": ""})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{path_of(receipt)}?said=told"), answer.text
    assert county.statuses(receipt)[EDUCATION] == "in_progress"
    assert [each["kind"] for each in county.events(receipt)].count("request.supplemented") == 1
    assert "What is needed from you" not in words_of(page(client, receipt))


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [(b"", 422, "empty"), (b"MZ program", 415, "photograph"), (b"%PDF-1.7 broken", 422, "")],
)
def test_a_file_that_cant_be_used_is_refused_on_the_page_in_words(
    county: County, content: bytes, status: int, told: str
) -> None:
    receipt = waits_for_papers(county)
    answer = browser(county).post(f"{path_of(receipt)}/papers", files={"file": ("x.pdf", content)})
    assert answer.status_code == status, answer.text
    assert 'id="papers-fault"' in answer.text
    assert told in answer.text
    assert receipt["receipt_number_spoken"] in answer.text, "the page itself, not another one"
    assert count(county.running.url, attachment)["attachment"] == 0


def test_papers_are_taken_for_ones_own_request_only_and_while_it_is_open(county: County) -> None:
    receipt, client = county.ask("legal_aid"), browser(county)
    photo = {"file": ("a.jpg", a_photo())}
    assert client.post(f"/track/{'A' * 27}/papers", files=photo).status_code == 404
    close(county, receipt)
    answer = client.post(f"{path_of(receipt)}/papers", files=photo)
    assert answer.status_code == 409
    assert 'type="file"' not in page(client, receipt)
    assert count(county.running.url, attachment)["attachment"] == 0


def test_missing_consents_are_said_in_words_with_where_to_sign(county: County) -> None:
    receipt = county.ask(ALLOWANCE, **FAMILY)
    county.complete(receipt, TOWNSHIP)
    said = words_of(page(browser(county, "zh"), receipt))
    assert "需要您做的" in said
    assert "还缺下面的授权" in said
    consents = county.coordinator.get(f"/v1/requests/{receipt['request_id']}/consents").json()
    missing = [each for each in consents["missing"] if each["holds_back"]]
    assert missing
    assert all(each["text_zh"] in said for each in missing)
    assert "材料已交齐" not in said, "a consent is signed, not uploaded"


def test_who_has_seen_what_is_on_it(county: County) -> None:
    receipt, client = in_full(county), browser(county, "zh")
    (before,) = map(int, re.findall(r"共 (\d+) 次", page(client, receipt)))
    county.window.get(f"/v1/requests/{receipt['request_id']}").raise_for_status()
    said = words_of(page(client, receipt))
    assert f"共 {before + 1} 次" in said
    seen = county.nobody.get(f"/v1{path_of(receipt)}").json()["disclosures"]
    assert seen["newest"][0]["way"] == "request"
    assert all(each["text_zh"] in said for each in seen["newest"])


def test_what_was_erased_is_said_to_be(county: County) -> None:
    receipt, client = county.ask("legal_aid"), browser(county)
    close(county, receipt)
    of_request = help_request.c.receipt_number == receipt["receipt_number"]
    gone = {"erased_at": now(), "sealed": b"", "data_key": None}
    change(county.running.url, update(help_request).where(of_request).values(gone))
    change(county.running.url, update(event).values(sealed=None))
    shown = page(client, receipt)
    assert "Your personal data was erased" in words_of(shown)
    assert "<form" not in shown
    assert find(client, receipt["receipt_number"], "0000").status_code == 403


def test_a_token_stands_in_no_log(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    service = serving.Service(database_url, "--no-worker", log=log, log_level="debug")
    try:
        service.wait_until("/health/live")
        county = County(Running(database_url, service.address), {})
        receipt, client = county.ask("legal_aid"), browser(county)
        page(client, receipt)
        client.get(f"/track/{'B' * 27}")
        find(client, receipt["receipt_number"], "0001")
        client.post(f"{path_of(receipt)}/solved", data={"solved": "yes", "closing": "9999"})
        client.post(f"{path_of(receipt)}/all-there", data={"note": PERSONAL["narrative"]})
        with client.stream("GET", f"{path_of(receipt)}/events") as stream:
            next(stream.iter_lines())
        county.running.leave()
    finally:
        service.stop()
    written = log.read_text("utf-8")
    assert written.count("/track/{token}") > 4, "the routes are"
    for secret in (receipt["tracking_token"], receipt["receipt_number"], "B" * 27, PERSONAL["narrative"]):
        assert secret not in written


def test_days_are_said_as_in_chinas_calendar() -> None:
    at = datetime(2026, 12, 2, 17, 30, tzinfo=UTC)  # half past one in the morning there
    assert day_in_words(at, "zh") == "2026年12月3日 星期四"
    assert day_in_words(at, "en") == "Thursday 3 December 2026"
    assert moment_in_words(at, "zh") == "2026年12月3日 星期四 01:30"

    def words(due_at: datetime) -> str:
        return how_far(due_at, at, teller("en", "track"))

    assert words(at + timedelta(hours=3)) == "today, by 04:30"
    assert words(at + timedelta(hours=23)) == "tomorrow"
    assert words(at + timedelta(days=9)) == "in 9 days"
    assert words(at - timedelta(hours=1)) == "late since today"
    assert words(at - timedelta(days=2)) == "2 days late"


def test_an_address_that_asks_too_often_is_refused_in_words(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    county = a_county(database_url, run_service, look_ups_a_minute=20)
    client = browser(county)
    answers: list[Any] = [client.get(f"/track/{'C' * 27}")]
    assert answers[0].status_code == 404
    while answers[-1].status_code == 404 and len(answers) < 20:  # a new minute may begin between them
        answers.append(client.get(f"/track/{'C' * 27}"))
    assert answers[-1].status_code == 429
    assert "try again in a minute" in words_of(answers[-1].text)
