"""Agencies over the API and the command line: kept, changed by one at a time, their secrets and endpoints looked after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from app import agencies
from app.identifiers import now
from app.tables import agency, agency_seat, delivery, endpoint_secret, endpoint_state
from app.turns import MOST_A_MINUTE, Turns
from tests.certificates import Authority, server_context
from tests.commands import one_window_here, refused
from tests.county import CIVIL_AFFAIRS, EDUCATION, County
from tests.examples import a_request
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.watching import change, fetch, until

NEW = {
    "code": "360803-new.office",
    "department": "county_housing",
    "division_code": "360803101",
    "name_zh": "值夏镇住建所",
    "name_en": "Zhixia housing office",
    "phone": "0796-8200001",
    "endpoint": "http://127.0.0.1:9/x",
}
AT = f"/v1/agencies/{NEW['code']}"
AUTHORITY = Authority()
CLIENT = AUTHORITY.issue("one-window.example")
PEM = AUTHORITY.certificate


@pytest.fixture
def admin(service: Running) -> httpx.Client:
    return service.client("admin")


def edit(client: httpx.Client, path: str, **changes: Any) -> httpx.Response:
    """A change by somebody who has just read it."""
    tag = client.get(path).headers["etag"]
    return client.patch(path, json=changes, headers={"if-match": tag})


def test_agencies_are_listed_a_page_at_a_time_and_by_what_they_are(service: Running) -> None:
    auditor = service.client("auditor")
    codes: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = auditor.get("/v1/agencies", params={"limit": 20, **cursor}).raise_for_status().json()
        codes += [each["code"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    rows = fetch(service.url, select(agency))
    assert codes == sorted(row["code"] for row in rows)
    assert len(codes) > 40

    def found(**params: str) -> set[str]:
        items = auditor.get("/v1/agencies", params={"limit": 200, **params}).raise_for_status().json()["items"]
        return {each["code"] for each in items}

    assert found(department="county_education") == {EDUCATION}
    in_township = {row["code"] for row in rows if row["division_code"].startswith("360803101")}
    assert found(division="360803101") == in_township
    assert in_township < found(division="360803")
    change(service.url, update(agency).where(agency.c.code == EDUCATION).values(active=False))
    assert found(active="false") == {EDUCATION}
    assert EDUCATION not in found(active="true")
    assert auditor.get("/v1/agencies", params={"cursor": "_w"}).status_code == 422


def test_an_agency_is_added_once_however_often_it_is_sent_and_its_secret_is_shown_there_alone(
    service: Running, admin: httpx.Client
) -> None:
    def add() -> httpx.Response:
        return admin.post("/v1/agencies", json=NEW, headers={"idempotency-key": "k-1"})

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: add(), range(4)))
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1, "the first answer, to each of them"
    made = answers[0].json()
    assert made["secret"].startswith("whsec_")
    assert {name: made[name] for name in NEW} == NEW
    assert (made["delivery_mode"], made["active"], made["state"]["breaker"]) == ("full", True, "closed")
    seen = admin.get(AT).json()
    assert "secret" not in seen
    assert len(seen["secrets"]) == 1
    assert made["secret"] not in admin.get(AT).text + admin.get("/v1/agencies").text

    other = {**NEW, "phone": "0796-1"}
    conflict = admin.post("/v1/agencies", json=other, headers={"idempotency-key": "k-1"})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    exists = admin.post("/v1/agencies", json=NEW)
    assert (exists.status_code, exists.json()["code"]) == (409, "agency_exists")
    seats = fetch(service.url, select(agency_seat).where(agency_seat.c.agency_code == NEW["code"]))
    assert [(seat["department"], seat["active"]) for seat in seats] == [("county_housing", True)]


@pytest.mark.parametrize("backend", ["postgresql"])  # on SQLite one waits for the other before it looks
def test_who_sends_it_again_while_it_is_added_gets_the_first_answer_and_another_is_told_that_it_exists(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, first = agencies.add, list[httpx.Response]()

    def send(key: str) -> httpx.Response:
        return admin.post("/v1/agencies", json=NEW, headers={"idempotency-key": key})

    async def add_later(*given: Any, **named: Any) -> str | None:
        """What was looked up before may not stand any more."""
        if not first:
            monkeypatch.setattr(agencies, "add", add)
            first.append(await asyncio.to_thread(send, "k-1"))
        return await add(*given, **named)

    monkeypatch.setattr(agencies, "add", add_later)
    again = send("k-1")
    assert (first[0].status_code, again.status_code, again.content) == (201, 201, first[0].content)
    another = send("k-2")
    assert (another.status_code, another.json()["code"]) == (409, "agency_exists")


def test_what_is_wrong_with_a_new_agency_is_said_by_field(admin: httpx.Client) -> None:
    wrong = {**NEW, "department": "county_hosing", "division_code": "999999", "endpoint": "http://10.9.8.7/"}
    answer = admin.post("/v1/agencies", json=wrong)
    told = {each["pointer"]: each for each in answer.json()["errors"]}
    assert answer.status_code == 422
    assert told.keys() == {"/department", "/division_code", "/endpoint"}
    assert "Did you mean county_housing?" in told["/department"]["detail"]
    assert "10.9.8.7" not in answer.text
    half = admin.post("/v1/agencies", json={**NEW, "tls": {"certificate": PEM}}).json()
    assert [each["code"] for each in half["errors"]] == ["certificate_without_key"]


def test_only_who_has_read_an_agency_as_it_is_may_change_it(admin: httpx.Client) -> None:
    path = f"/v1/agencies/{EDUCATION}"
    tag = admin.get(path).headers["etag"]
    unread = admin.patch(path, json={"phone": "1234"})
    assert (unread.status_code, unread.json()["code"]) == (428, "precondition_required")
    first = admin.patch(path, json={"phone": "0796-1111111"}, headers={"if-match": tag})
    assert (first.status_code, first.json()["phone"]) == (200, "0796-1111111")
    late = admin.patch(path, json={"phone": "0796-2222222"}, headers={"if-match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert late.headers["etag"] == first.headers["etag"] == admin.get(path).headers["etag"] != tag
    assert admin.get(path).json()["phone"] == "0796-1111111"
    weak = admin.patch(path, json={}, headers={"if-match": f"W/{first.headers['etag']}"})
    assert weak.status_code == 412
    assert admin.patch(path, json={"phone": None}, headers={"if-match": "*"}).json()["phone"] is None
    assert admin.patch("/v1/agencies/nobody", json={}, headers={"if-match": "*"}).status_code == 404


def test_every_setting_can_be_changed_and_taken_away_and_every_process_hears_of_it(service: Running) -> None:
    admin, path = service.client("coordinator"), f"/v1/agencies/{EDUCATION}"
    settings = {"name_zh": "教育", "name_en": "Education", "delivery_mode": "pull", "max_in_flight": 3, "per_second": 7}
    kept = edit(admin, path, **settings, active=False).raise_for_status().json()
    assert {name: kept[name] for name in settings} == settings
    assert (kept["active"], kept["secret"]) == (False, None), "without an endpoint it needs no secret"
    seats = fetch(service.url, select(agency_seat).where(agency_seat.c.agency_code == EDUCATION))
    assert max(seats, key=lambda seat: seat["revision"])["active"] is False
    intake = service.client("intake")

    def is_handed_to() -> set[str]:
        receipt = intake.post("/v1/requests", json=a_request("education_aid")).raise_for_status().json()
        return {each["agency"] for each in receipt["handoffs"]}

    until(lambda: EDUCATION not in is_handed_to(), what="the change, seen by who takes requests in")
    emptied = edit(admin, path, max_in_flight=None, per_second=None, delivery_mode="full", active=True).json()
    assert (emptied["max_in_flight"], emptied["per_second"], emptied["active"]) == (None, None, True)
    for wrong in ({"name_zh": None}, {"active": None}, {"delivery_mode": None}, {"code": "x"}, {"max_in_flight": 0}):
        assert edit(admin, path, **wrong).status_code == 422, wrong


def test_a_new_address_keeps_the_secret_and_forgets_what_was_known_against_the_old_one(
    service: Running, admin: httpx.Client
) -> None:
    made = admin.post("/v1/agencies", json={**NEW, "endpoint": None}).json()
    assert made["secret"] is None
    first = edit(admin, AT, endpoint="http://127.0.0.1:9/a").json()
    assert first["secret"].startswith("whsec_"), "now it needs one"
    state = {"receiver": NEW["code"], "breaker": "open", "since": now(), "failures": 5, "fault": "timeout"}
    change(service.url, insert(endpoint_state).values(**state, probe_at=now(), suspended_at=now()))
    seen = admin.get(AT).json()["state"]
    assert (seen["breaker"], seen["failures"], seen["fault"]) == ("open", 5, "timeout")
    assert seen["suspended_at"]
    assert edit(admin, AT, phone="0796-3").json()["state"]["breaker"] == "open"
    moved = edit(admin, AT, endpoint="http://127.0.0.1:9/b").json()
    assert (moved["secret"], moved["endpoint"]) == (None, "http://127.0.0.1:9/b")
    assert moved["state"] == {**dict.fromkeys(seen), "breaker": "closed", "failures": 0}
    assert moved["secrets"] == first["secrets"]


def test_tls_is_written_and_never_read(service: Running, admin: httpx.Client) -> None:
    admin.post("/v1/agencies", json={**NEW, "tls": {"ca": PEM}}).raise_for_status()
    before = admin.get(AT)
    assert before.json()["tls"] == {"ca": True, "client_certificate": False}
    both = edit(admin, AT, tls={"certificate": CLIENT.certificate, "key": CLIENT.key})
    assert both.json()["tls"] == {"ca": False, "client_certificate": True}, "it replaces what was there"
    assert both.headers["etag"] != before.headers["etag"]
    assert "BEGIN" not in both.text + admin.get(AT).text
    for wrong in ({"ca": "x"}, {"certificate": CLIENT.certificate, "key": AUTHORITY.issue().key}):
        refusal = edit(admin, AT, tls=wrong)
        assert (refusal.status_code, refusal.json()["errors"][0]["code"]) == (422, "tls_wrong")
    assert edit(admin, AT, tls=None).json()["tls"] is None


def test_a_secret_is_rotated_with_overlap_and_only_its_age_is_seen_again(admin: httpx.Client) -> None:
    first = admin.post("/v1/agencies", json=NEW).json()["secret"]
    key = {"idempotency-key": "rotate-1"}
    second = admin.post(f"{AT}/secrets", json={"overlap_hours": 2}, headers=key)
    assert second.status_code == 201
    assert second.json()["secret"] not in (None, first)
    assert admin.post(f"{AT}/secrets", json={"overlap_hours": 2}, headers=key).content == second.content
    newest, oldest = admin.get(AT).json()["secrets"]
    assert newest["ends_at"] is None
    ends = datetime.fromisoformat(oldest["ends_at"]) - datetime.fromisoformat(newest["created_at"])
    assert abs(ends.total_seconds() - 7200) < 60
    admin.post(f"{AT}/secrets", json={"overlap_hours": 0}).raise_for_status()
    assert len(admin.get(AT).json()["secrets"]) == 1, "those that have ended are not in force"
    assert admin.post("/v1/agencies/nobody/secrets", json={}).status_code == 404


def test_a_ping_shows_exactly_what_came_back_and_leaves_nothing_behind(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    service = run_service()
    path = f"/v1/agencies/{EDUCATION}/ping"
    headers = {"content-type": "text/plain", "x-request-id": "abc", "set-cookie": "secret=1"}
    receiver.then(EDUCATION, Answer(418, headers, "只收 handoff\n".encode() * 200))
    seen = service.client("coordinator").post(path).raise_for_status().json()
    (sent,) = receiver.received
    assert sent.verified
    assert sent.id == seen["message_id"]
    assert sent.message == {**sent.message, "type": "ping", "data": {"agency": EDUCATION}}
    assert (seen["status_code"], seen["delivered"], seen["fault"]) == (418, False, None)
    assert seen["headers"]["content-type"] == "text/plain"
    assert seen["headers"]["x-request-id"] == "abc"
    assert "set-cookie" not in seen["headers"]
    assert seen["answer"].startswith("只收 handoff\n")
    assert len(seen["answer"].encode()) <= 1024 + 3
    assert seen["address"] == receiver.endpoint.split("/")[2]
    assert seen["endpoint"] == receiver.endpoint.format(code=EDUCATION)
    receiver.then(EDUCATION, Answer(302, {"location": "http://127.0.0.1:9/"}), Answer(drop=True))
    client = service.client("admin")
    assert client.post(path).json()["headers"]["location"] == "http://127.0.0.1:9/"
    assert client.post(path).json()["fault"] == "broken_answer"
    assert client.post(path).json()["delivered"]
    assert fetch(service.url, select(delivery)) == []
    nobody = client.post("/v1/agencies/nobody/ping")
    assert nobody.status_code == 404
    edit(client, f"/v1/agencies/{CIVIL_AFFAIRS}", endpoint=None).raise_for_status()
    none = client.post(f"/v1/agencies/{CIVIL_AFFAIRS}/ping")
    assert (none.status_code, none.json()["code"]) == (409, "no_endpoint")


def test_a_ping_shows_how_the_way_was_encrypted(run_service: Callable[..., Running], tmp_path: Path) -> None:
    service = run_service()
    receiver = Receiver(server_context(AUTHORITY.issue(), tmp_path, clients=AUTHORITY))
    admin, path = service.client("admin"), f"/v1/agencies/{EDUCATION}"
    try:
        kept = edit(admin, path, endpoint=receiver.endpoint.format(code=EDUCATION)).raise_for_status().json()
        receiver.secrets[EDUCATION] = kept["secret"]
        refused_ = admin.post(f"{path}/ping").json()
        assert (refused_["fault"], refused_["tls"], refused_["address"]) == ("tls", None, None)
        ours = {"ca": AUTHORITY.certificate, "certificate": CLIENT.certificate, "key": CLIENT.key}
        edit(admin, path, tls=ours).raise_for_status()
        seen = admin.post(f"{path}/ping").json()
        assert (seen["delivered"], seen["status_code"]) == (True, 200)
        assert seen["tls"]["version"] == "TLSv1.3"
        assert (seen["tls"]["subject"], seen["tls"]["issuer"]) == ("commonName=127.0.0.1", "commonName=County CA")
        assert datetime.fromisoformat(seen["tls"]["ends_at"]) > now()
    finally:
        receiver.close()


def test_one_endpoint_is_tried_once_at_a_time(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    client = run_service().client("admin")
    receiver.then(EDUCATION, Answer(hang=True))
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(client.post, f"/v1/agencies/{EDUCATION}/ping")
        until(lambda: receiver.of(EDUCATION), what="the first")
        second = client.post(f"/v1/agencies/{EDUCATION}/ping")
        assert (second.status_code, second.json()["code"]) == (429, "too_many_pings")
        assert int(second.headers["retry-after"]) > 0
        assert client.post(f"/v1/agencies/{CIVIL_AFFAIRS}/ping").status_code == 200, "another's turn is its own"
        receiver.release()
        assert first.result().json()["delivered"]
    assert client.post(f"/v1/agencies/{EDUCATION}/ping").status_code == 200
    assert len(receiver.of(EDUCATION)) == 2


def test_turns_are_one_at_a_time_and_so_many_a_minute() -> None:
    turns = Turns()
    for number in range(MOST_A_MINUTE):
        assert turns.take("a", number) is None
        assert turns.take("a", number) == 1.0, "somebody has it"
        turns.give_back("a")
    assert turns.take("a", 20.0) == 40.0, "until the first of them is a minute old"
    assert turns.take("b", 20.0) is None
    assert turns.take("a", 60.0) is None
    assert turns.take("a", 60.0) is not None


def test_an_endpoint_that_was_suspended_is_resumed_and_what_waits_is_tried_at_once(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    service = run_service()
    county = County(service, receiver.secrets)
    county.ask("education_aid")
    late = now().replace(year=now().year + 1)
    of_education = delivery.c.receiver == EDUCATION
    state = {"receiver": EDUCATION, "breaker": "closed", "since": now(), "failures": 0, "fault": "http_410"}
    change(
        service.url,
        update(delivery).values(due_at=late),
        insert(endpoint_state).values(**state, suspended_at=now()),
    )
    seen = county.coordinator.get(f"/v1/agencies/{EDUCATION}").json()
    assert (seen["pending"], seen["exhausted"], seen["state"]["fault"]) == (1, 0, "http_410")
    resumed = county.coordinator.post(f"/v1/agencies/{EDUCATION}/resume-endpoint").raise_for_status().json()
    assert resumed["state"]["suspended_at"] is None
    (row,) = fetch(service.url, select(delivery.c.due_at).where(of_education))
    assert row["due_at"] <= now()
    others = fetch(service.url, select(delivery.c.due_at).where(~of_education))
    assert {row["due_at"] for row in others} == {late}, "nobody else is hurried"
    change(service.url, update(delivery).values(due_at=late))
    county.coordinator.post(f"/v1/agencies/{EDUCATION}/resume-endpoint").raise_for_status()
    (row,) = fetch(service.url, select(delivery.c.due_at).where(of_education))
    assert row["due_at"] == late, "one that is not suspended is left alone"


def test_the_command_line_shows_sets_and_tries_an_agency(receiver: Receiver, database_url: str, tmp_path: Path) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        done = one_window_here("agencies", *arguments, database=database_url)
        assert done.returncode == code, done.stderr
        return done.stdout

    (tmp_path / "ca.pem").write_text(PEM)
    said("set", EDUCATION, "--mode", "reference", "--max-in-flight", "3", "--per-second", "9", "--phone", "0796-7")
    said("set", EDUCATION, "--ca", str(tmp_path / "ca.pem"))
    shown = said("show", EDUCATION)
    for expected in ("reference", "0796-7", "ca", "closed", receiver.endpoint.format(code=EDUCATION)):
        assert expected in shown
    assert receiver.secrets[EDUCATION] not in shown
    said("set", EDUCATION, "--max-in-flight", "0", "--no-tls", "--phone", "")
    (row,) = fetch(database_url, select(agency).where(agency.c.code == EDUCATION))
    names = ("delivery_mode", "max_in_flight", "per_second", "tls", "phone")
    assert [row[name] for name in names] == ["reference", None, 9, None, None]
    moved = said("set", EDUCATION, "--endpoint", receiver.endpoint.format(code=EDUCATION) + "?moved=1")
    assert moved.strip() == f"Changed {EDUCATION}.", "the secret stays"
    said("set", EDUCATION, "--endpoint", receiver.endpoint.format(code=EDUCATION))
    assert len(fetch(database_url, select(endpoint_secret).where(endpoint_secret.c.receiver == EDUCATION))) == 1

    receiver.then(EDUCATION, Answer(503, {"retry-after": "9"}, b"not now"))
    tried = said("ping", EDUCATION, code=1)
    assert "503 after" in tried
    assert "retry-after: 9" in tried
    assert "not now" in tried
    assert "200 after" in said("ping", EDUCATION)
    assert said("resume-endpoint", EDUCATION).startswith("Messages to")
    for wrong, sentence in (
        (("set", EDUCATION), "Name something to change"),
        (("set", EDUCATION, "--certificate", str(tmp_path / "ca.pem")), "belong together"),
        (("set", EDUCATION, "--ca", str(tmp_path / "none.pem")), "can't be read as PEM"),
        (("set", EDUCATION, "--endpoint", "http://10.9.8.7/"), "no address that is allowed"),
        (("set", EDUCATION, "--endpoint", "ftp://x"), "http:// or https://"),
        (("set", "nobody", "--phone", "1"), "There is no agency nobody"),
        (("show", "nobody"), "Not found"),
        (("ping", "nobody"), "Not found"),
    ):
        assert sentence in refused(one_window_here("agencies", *wrong, database=database_url))
