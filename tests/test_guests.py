"""An agency without a system: a link for one handoff, a code by telephone, a page with a form that works like a
callback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select, update

from app import signing
from app.guests import MOST_CODES, MOST_WRONG
from app.lifecycle import AGENCY_ACTS, MOVES, HandoffStatus, allowed
from app.pages.words import FORMS, STATUSES
from app.receipts import spoken
from app.schemas import CallbackData
from app.tables import callback, guest_link, idempotency
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, VERIFICATION, County, Seen
from tests.examples import PERSONAL, a_consent, a_request_in_full
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.watching import change, fetch

PHONE = "0796-8888888"


class Officer:
    """A browser without scripts, as far as these pages need one."""

    def __init__(self, running: Running, link: str) -> None:
        self.path = urlsplit(link).path
        self.browser = httpx.Client(base_url=running.address, timeout=20, trust_env=False, verify=False)
        running._clients.append(self.browser)

    def open(self) -> httpx.Response:
        return self.browser.get(self.path)

    def sign_in(self, code: str) -> httpx.Response:
        return self.browser.post(f"{self.path}/session", data={"code": code})

    def fill(self, act: str, form: str | None = None, **fields: str) -> httpx.Response:
        token = form or form_in(self.open())
        return self.browser.post(f"{self.path}/acts/{act}", data={"form": token, **fields})


def form_in(page: httpx.Response) -> str:
    found = re.search(r'name="form" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def acts_in(page: httpx.Response) -> list[str]:
    return [f"handoff.{act}" for act in re.findall(r'/acts/(\w+)"', page.text)]


@pytest.fixture
def county(run_service: Any) -> County:
    return County(run_service(), {})


@pytest.fixture
def school(county: County) -> Seen:
    receipt = county.window.post("/v1/requests", json=a_request_in_full("education_aid")).json()
    return county.handoff(receipt, EDUCATION) | {"request_id": receipt["request_id"]}


def make_link(county: County, handoff: Seen, **body: Any) -> Seen:
    answer = county.coordinator.post(f"/v1/handoffs/{handoff['handoff_id']}/guest-links", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    made: Seen = answer.json()
    return made


def read_out(county: County, made: Seen) -> str:
    answer = county.coordinator.post(f"/v1/guest-links/{made['guest_link_id']}/code")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["code"])


@pytest.fixture
def made(county: County, school: Seen) -> Seen:
    return make_link(county, school)


@pytest.fixture
def officer(county: County, made: Seen) -> Officer:
    """Signed in."""
    officer = Officer(county.running, made["link"])
    assert officer.sign_in(read_out(county, made)).status_code == 303
    return officer


def events(county: County, handoff: Seen) -> list[Seen]:
    return county.events({"request_id": handoff["request_id"]})


def test_before_the_sign_in_nothing_of_the_handoff_is_shown(county: County, made: Seen, school: Seen) -> None:
    receipt = county.request(school)["receipt_number"]
    page = Officer(county.running, made["link"]).open()
    assert page.status_code == 200
    assert "教育" in page.text, "whose page it is"
    for secret in (*PERSONAL.values(), receipt, spoken(receipt), school["handoff_id"], school["request_id"]):
        assert secret not in page.text
    assert 'name="form"' not in page.text


def test_the_whole_way_from_the_link_to_the_completion(
    county: County, made: Seen, school: Seen, officer: Officer
) -> None:
    page = officer.open()
    assert PERSONAL["name"] in page.text
    assert acts_in(page) == allowed(HandoffStatus.DISPATCHED)
    for act, fields in (
        ("received", {"handler": "王"}),
        ("accepted", {}),
        ("information_requested", {"materials": "诊断证明\n\n 户口簿 "}),
        ("resumed", {"note": "已补"}),
        ("completed", {"outcome": "granted", "note": "已发放"}),
    ):
        answered = officer.fill(act, **fields)
        assert (answered.status_code, answered.headers["location"]) == (303, f"{officer.path}?said=done"), answered.text
    assert county.handoff(school, EDUCATION)["outcome"] == "granted"
    done = officer.open()
    assert acts_in(done) == []
    told = events(county, school)
    by_link = [(each["kind"], each["note"]) for each in told if each["actor"] == f"agency:{EDUCATION}/guest_link"]
    acts = [f"handoff.{act}" for act in ("received", "accepted", "information_requested", "resumed", "completed")]
    assert [kind for kind, _ in by_link if not kind.startswith("request.")] == ["guest_link.signed_in", *acts]
    assert dict(by_link)["handoff.information_requested"] == {"materials": ["诊断证明", "户口簿"]}
    (made_event,) = [each for each in told if each["kind"] == "guest_link.made"]
    assert made_event["data"]["guest_link"] == made["guest_link_id"]
    assert "guest_link.code_shown" in [each["kind"] for each in told]


def test_what_is_shown_is_what_the_rule_discloses(county: County, made: Seen, school: Seen, officer: Officer) -> None:
    machine = county.running.client("agency", agency=EDUCATION)
    disclosed = str(machine.get(f"/v1/handoffs/{school['handoff_id']}").json()["person"])
    page = officer.open().text
    for name, value in PERSONAL.items():
        assert (value in page) == (value in disclosed), name
    assert any(value not in disclosed for value in PERSONAL.values())


def test_a_double_click_is_applied_once(county: County, school: Seen, officer: Officer) -> None:
    form = form_in(officer.open())
    answers = [officer.fill("received", form) for _ in range(2)]
    assert [each.status_code for each in answers] == [303, 303]
    assert [each["kind"] for each in events(county, school)].count("handoff.received") == 1
    (kept,) = fetch(county.running.url, select(callback))
    assert (kept["type"], kept["signature"]) == ("handoff.received", None)


def test_a_move_that_the_lifecycle_forbids_is_told_and_changes_nothing(
    county: County, school: Seen, officer: Officer
) -> None:
    refused = officer.fill("completed", outcome="granted")
    assert refused.status_code == 422
    assert "当前状态不允许此操作" in refused.text
    assert county.handoff(school, EDUCATION)["status"] == "dispatched"


@pytest.mark.parametrize(
    ("act", "fields", "said"),
    [
        ("returned", {"legal_basis": "x"}, "请填写:退回原因。"),
        ("returned", {"reason_code": "zzz", "legal_basis": "x", "suggested_department": "county_housing"}, "退回原因"),
        ("returned", {"reason_code": "duplicate", "legal_basis": "x", "suggested_department": "zzz"}, "应办部门"),
        ("received", {"handler": "x" * 201}, "经办人"),
    ],
)
def test_a_form_that_is_wrong_comes_back_as_it_was_filled_in(
    county: County, school: Seen, officer: Officer, act: str, fields: dict[str, str], said: str
) -> None:
    refused = officer.fill(act, **fields)
    alert = re.search(r'role="alert">(.*?)</div>', refused.text, re.DOTALL)
    assert refused.status_code == 422
    assert alert
    assert said in alert[1]
    for value in fields.values():
        assert value in refused.text or value == "zzz"
    assert county.handoff(school, EDUCATION)["status"] == "dispatched"


def test_a_day_that_is_none_is_refused_in_words(county: County, school: Seen, officer: Officer) -> None:
    officer.fill("accepted")
    extension = {"approver": "李", "reason": "案情复杂"}
    for day, said in (("2020-01-01", "新期限已经过去"), ("tomorrow", "时间"), ("0000-00-00", "时间")):
        refused = officer.fill("extended", **extension, due_on=day)
        assert (refused.status_code, said in refused.text) == (422, True), refused.text
    soon = (datetime.now(UTC) + timedelta(days=40)).date().isoformat()
    assert officer.fill("extended", **extension, due_on=soon).status_code == 303
    assert county.handoff(school, EDUCATION)["complete_due"] == f"{soon}T15:59:59Z"


def test_what_somebody_wrote_is_shown_as_text(county: County, officer: Officer) -> None:
    shown = officer.fill("returned", legal_basis='"><script>alert(1)</script>').text
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_a_form_that_we_did_not_make_for_this_session_is_refused(
    county: County, school: Seen, made: Seen, officer: Officer
) -> None:
    forms = [form_in(officer.open()), "", "a.b", "é.é"]
    assert officer.sign_in(read_out(county, made)).status_code == 303, "a new session, the old one's forms are void"
    for form in forms:
        refused = officer.browser.post(f"{officer.path}/acts/received", data={"form": form})
        assert refused.status_code == 403
    stranger = Officer(county.running, made["link"])
    refused = stranger.browser.post(f"{stranger.path}/acts/received", data={"form": form_in(officer.open())})
    assert refused.status_code == 403
    assert county.handoff(school, EDUCATION)["status"] == "dispatched"


def test_five_wrong_codes_end_the_code_and_ten_codes_the_link(county: County, made: Seen) -> None:
    officer = Officer(county.running, made["link"])
    code = read_out(county, made)
    wrong = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(MOST_WRONG):
        assert officer.sign_in(wrong).status_code == 403
    assert officer.sign_in(code).status_code == 403
    for _ in range(MOST_CODES - 1):
        code = read_out(county, made)
    spent = county.coordinator.post(f"/v1/guest-links/{made['guest_link_id']}/code")
    assert (spent.status_code, spent.json()["code"]) == (409, "codes_used_up")
    assert officer.sign_in(code).status_code == 303


def test_a_code_counts_once_and_for_ten_minutes(county: County, made: Seen) -> None:
    officer = Officer(county.running, made["link"])
    code = read_out(county, made)
    assert officer.sign_in(f" {code[:3]} {code[3:]} ").status_code == 303
    assert officer.sign_in(code).status_code == 403
    code = read_out(county, made)
    (row,) = fetch(county.running.url, select(guest_link))
    assert timedelta(minutes=9) < row["code_ends_at"] - datetime.now(UTC) <= timedelta(minutes=10)
    change(county.running.url, update(guest_link).values(code_ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert officer.sign_in(code).status_code == 403


def test_a_link_that_is_revoked_or_has_ended_opens_nothing(county: County, school: Seen, made: Seen) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    for end in ("revoked", "ended", "session"):
        made = make_link(county, school, expires_in_hours=1)
        officer = Officer(county.running, made["link"])
        officer.sign_in(read_out(county, made))
        assert PERSONAL["name"] in officer.open().text
        this = update(guest_link).where(guest_link.c.revoked_at.is_(None))
        if end == "revoked":
            path = f"/v1/guest-links/{made['guest_link_id']}"
            assert [county.coordinator.delete(path).status_code for _ in range(2)] == [204, 204]
            assert county.coordinator.post(f"{path}/code").status_code == 404
        else:
            change(county.running.url, this.values({"expires_at" if end == "ended" else "session_ends_at": past}))
        gone = officer.open()
        assert gone.status_code == (200 if end == "session" else 404)
        assert PERSONAL["name"] not in gone.text
        assert "text/html" in gone.headers["content-type"]
    assert "guest_link.revoked" in [each["kind"] for each in events(county, school)]
    nonsense = county.nobody.get("/answer/" + "A" * 32)
    assert (nonsense.status_code, nonsense.text) == (404, county.nobody.get("/answer/" + "A" * 5_000).text)


def test_whoever_signs_out_is_out(county: County, officer: Officer) -> None:
    kept = {"cookie": f"one_window_answer={officer.browser.cookies['one_window_answer']}"}
    assert PERSONAL["name"] in county.nobody.get(officer.path, headers=kept).text
    assert officer.browser.post(f"{officer.path}/leave").status_code == 303
    assert PERSONAL["name"] not in county.nobody.get(officer.path, headers=kept).text


def test_only_what_an_agency_holds_now_is_answered_by_link(county: County, school: Seen) -> None:
    assert county.window.post(f"/v1/requests/{school['request_id']}/withdraw", json={}).status_code == 200
    refused = county.coordinator.post(f"/v1/handoffs/{school['handoff_id']}/guest-links", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "handoff_not_open")
    for hours in (0, 337, "72"):
        body = {"expires_in_hours": hours}
        wrong = county.coordinator.post(f"/v1/handoffs/{school['handoff_id']}/guest-links", json=body)
        assert wrong.status_code == 422


def test_a_page_keeps_itself_to_itself(county: County, made: Seen, officer: Officer) -> None:
    signed_in = officer.sign_in(read_out(county, made))
    cookie = signed_in.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", f"Path={officer.path}"} <= set(cookie.split("; "))
    for page in (officer.open(), Officer(county.running, made["link"]).open(), county.nobody.get("/answer/none")):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text
        assert not re.search(r"(src|href)=\"(https?:)?//", page.text)


def test_behind_https_the_cookie_never_travels_without_it(run_service: Any) -> None:
    county = County(run_service(public_url="https://one-window.example.gov.cn/county"), {})
    receipt = county.ask("education_aid")
    made = make_link(county, county.handoff(receipt, EDUCATION))
    assert made["link"].startswith("https://one-window.example.gov.cn/county/answer/")
    path = urlsplit(made["link"]).path.removeprefix("/county")
    signed_in = county.nobody.post(f"{path}/session", data={"code": read_out(county, made)})
    assert {"Secure", f"Path=/county{path}"} <= set(signed_in.headers["set-cookie"].split("; "))
    assert signed_in.headers["location"] == f"/county{path}"


def test_of_token_code_and_session_only_hashes_are_stored(county: County, made: Seen) -> None:
    officer = Officer(county.running, made["link"])
    code = read_out(county, made)
    kept = str(fetch(county.running.url, select(guest_link)))
    token = made["link"].rpartition("/")[2]
    assert token not in kept
    assert f"'{code}'" not in kept
    officer.sign_in(code)
    session = officer.browser.cookies["one_window_answer"]
    assert session not in str(fetch(county.running.url, select(guest_link)))


def test_the_page_says_that_a_consent_was_withdrawn_and_since_when(county: County) -> None:
    consents = [a_consent("economic_verification", "applicant"), a_consent("medical_data", "applicant")]
    need = {"code": "medical_assistance_applied", "facts": {"illness": "虚构综合征"}}
    receipt = county.ask("medical_assistance_applied", needs=[need], consents=consents)
    made = make_link(county, county.handoff(receipt, TOWNSHIP))
    officer = Officer(county.running, made["link"])
    officer.sign_in(read_out(county, made))
    before = officer.open().text
    assert "虚构综合征" in before
    assert "有人于" not in before
    path = f"/v1/requests/{receipt['request_id']}/consents/2/withdraw"
    (_, withdrawn) = county.coordinator.post(path, json={}).raise_for_status().json()["consents"]
    after = officer.open().text
    day = datetime.fromisoformat(withdrawn["withdrawn_at"]).astimezone(ZoneInfo("Asia/Shanghai"))
    assert "虚构综合征" not in after
    assert f"有人于 {day:%Y-%m-%d %H:%M} 撤回了授权或同意" in after
    assert "Somebody took back a consent" in after
    county.window.post(path.rsplit("/", 2)[0], json={"consents": [consents[1]]}).raise_for_status()
    given_again = officer.open().text
    assert "虚构综合征" in given_again
    assert "有人于" not in given_again


def test_the_page_of_a_verification_says_to_stop(county: County) -> None:
    receipt = county.ask("economic_verification")
    made = make_link(county, county.handoff(receipt, VERIFICATION))
    officer = Officer(county.running, made["link"])
    officer.sign_in(read_out(county, made))
    county.coordinator.post(f"/v1/requests/{receipt['request_id']}/consents/1/withdraw", json={}).raise_for_status()
    page = officer.open()
    assert "请停止核对" in page.text
    assert acts_in(page) == []


@pytest.fixture
def gateway() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.secrets["sms"] = signing.new_secret()
    yield receiver
    receiver.close()


def test_the_code_goes_signed_to_the_number_in_the_phone_book(run_service: Any, gateway: Receiver) -> None:
    settings = {"code_gateway_url": gateway.endpoint.format(code="sms"), "code_gateway_secret": gateway.secrets["sms"]}
    county = County(run_service(**settings, coordinator_phone=PHONE), {})
    handoff = county.handoff(county.ask("education_aid"), EDUCATION)
    made = make_link(county, handoff)
    officer = Officer(county.running, made["link"])
    assert handoff["agency_phone"][-4:] in officer.open().text
    gateway.then("sms", Answer(500))
    failed = officer.browser.post(f"{officer.path}/code")
    assert (failed.status_code, PHONE in failed.text) == (502, True)
    assert officer.browser.post(f"{officer.path}/code").status_code == 429, "one a minute"
    change(county.running.url, update(guest_link).values(code_ends_at=datetime.now(UTC) + timedelta(minutes=8)))
    assert officer.browser.post(f"{officer.path}/code").headers["location"] == f"{officer.path}?said=sent"
    sent = gateway.of("sms")
    assert [each.verified for each in sent] == [True, True]
    assert [each.message["phone"] for each in sent] == [handoff["agency_phone"]] * 2
    first, second = (re.findall(r"[0-9]{6}", each.message["text"])[0] for each in sent)
    if first != second:
        assert officer.sign_in(first).status_code == 403, "the newer code ends the older"
    assert officer.sign_in(second).status_code == 303


def test_without_a_gateway_the_page_says_whom_to_call(run_service: Any) -> None:
    county = County(run_service(coordinator_phone=PHONE), {})
    made = make_link(county, county.handoff(county.ask("education_aid"), EDUCATION))
    officer = Officer(county.running, made["link"])
    assert PHONE in officer.open().text
    refused = officer.browser.post(f"{officer.path}/code")
    assert (refused.status_code, PHONE in refused.text) == (409, True)


def test_the_links_to_a_handoff_are_listed_with_who_made_them_and_whether_they_were_used_and_never_what_opens_them(
    county: County, made: Seen, school: Seen, officer: Officer
) -> None:
    path = f"/v1/handoffs/{school['handoff_id']}/guest-links"
    revoked = make_link(county, school, expires_in_hours=1)
    county.coordinator.delete(f"/v1/guest-links/{revoked['guest_link_id']}").raise_for_status()
    other = county.handoff(county.ask("education_aid"), EDUCATION)
    make_link(county, other)
    auditor = county.running.client("auditor")
    answer = auditor.get(path).raise_for_status()
    newest, oldest = answer.json()["items"]
    assert (newest["guest_link_id"], oldest["guest_link_id"]) == (revoked["guest_link_id"], made["guest_link_id"])
    assert (newest["signed_in_at"], newest["revoked_at"] is None) == (None, False)
    signed_in = [each["at"] for each in events(county, school) if each["kind"] == "guest_link.signed_in"]
    assert (oldest["signed_in_at"], oldest["revoked_at"]) == (signed_in[-1], None)
    assert oldest["expires_at"] == made["expires_at"]
    assert {each["created_by"] for each in (newest, oldest)} == {events(county, school)[-1]["actor"]}
    session = officer.browser.cookies["one_window_answer"]
    assert not [secret for secret in (made["link"].rpartition("/")[2], session, "hash") if secret in answer.text]
    first = auditor.get(path, params={"limit": 1}).json()
    assert first["items"] == [newest]
    assert auditor.get(path, params={"limit": 1, "cursor": first["next_cursor"]}).json()["items"] == [oldest]
    assert auditor.get(f"/v1/handoffs/{made['guest_link_id']}/guest-links").status_code == 404


def test_a_link_is_made_once_however_often_it_is_asked_for(county: County, school: Seen) -> None:
    path, key = f"/v1/handoffs/{school['handoff_id']}/guest-links", {"idempotency-key": "link-1"}

    def ask(**body: int) -> httpx.Response:
        return county.coordinator.post(path, json=body, headers=key)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ask(), range(4)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1, "the first answer, with the link, to each of them"
    assert {each.headers["cache-control"] for each in answers} == {"no-store"}
    assert len(county.coordinator.get(path).json()["items"]) == 1
    assert [each["kind"] for each in events(county, school)].count("guest_link.made") == 1
    token = answers[0].json()["link"].rpartition("/")[2]
    (kept,) = fetch(county.running.url, select(idempotency.c.answer))
    assert token.encode() not in kept["answer"], "what opens it is not kept, and made anew"
    assert Officer(county.running, answers[0].json()["link"]).open().status_code == 200
    conflict = ask(expires_in_hours=9)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")


def test_neither_token_nor_code_nor_session_is_logged(database_url: str, tmp_path: Any) -> None:
    log = tmp_path / "service.log"
    service = serving.Service(database_url, "--no-worker", log=log, log_level="debug").wait_until("/health/live")
    try:
        county = County(Running(database_url, service.address), {})
        made = make_link(county, county.handoff(county.ask("education_aid"), EDUCATION))
        officer = Officer(county.running, made["link"])
        code = read_out(county, made)
        officer.sign_in("000000" if code != "000000" else "111111")
        officer.sign_in(code)
        officer.fill("received")
        officer.browser.get(officer.path + "/acts/received")
        secrets = [made["link"].rpartition("/")[2], code, officer.browser.cookies["one_window_answer"]]
        metrics = county.coordinator.get("/metrics").text
    finally:
        for client in county.running._clients:
            client.close()
        service.stop()
    written = log.read_text()
    assert "/answer/{token}" in written
    assert "/answer/{token}" in metrics
    for secret in secrets:
        assert not re.search(rf"\b{re.escape(secret)}\b", written)
        assert secret not in metrics or secret == code


def test_every_move_of_an_agency_has_a_form_with_the_callbacks_own_fields() -> None:
    moves = {act for of_status in MOVES.values() for act in of_status} & AGENCY_ACTS
    assert FORMS.keys() == moves
    assert STATUSES.keys() == set(HandoffStatus)
    named = {name for form in FORMS.values() for name in form.fields}
    assert named - CallbackData.model_fields.keys() == {"due_on"}
