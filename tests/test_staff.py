"""Accounts of people: made and kept by the security administrator and from the command line; who signs in acts as any key
with that role does."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from app import passwords, sessions, sign_ins
from app.identifiers import new_id, now
from app.keys import KeyRole
from app.problems import Text
from app.tables import api_key, event, idempotency, sign_in_address, sign_in_event, staff_account, staff_session
from tests import serving
from tests.commands import one_window_here, refused, said
from tests.examples import a_request
from tests.people import PASSWORD, Person, all_at_once, ours
from tests.plans import plan_of
from tests.running import Running
from tests.watching import change, fetch

Seen = dict[str, Any]


@pytest.fixture
def security(service: Running) -> Any:
    return service.client("security")


def make(client: Any, login_name: str = "wang.fang", role: str = "intake", **more: Any) -> Seen:
    answer = client.post("/v1/staff", json={"login_name": login_name, "display_name": "王", "role": role, **more})
    assert answer.status_code == 201, answer.text
    made: Seen = answer.json()
    return made


def kinds(url: str, staff_id: str) -> list[str]:
    rows = fetch(url, select(sign_in_event).order_by(sign_in_event.c.id))
    return [row["kind"] for row in rows if str(row["account_id"]) == staff_id]


@pytest.mark.usefixtures("slow_passwords")
def test_an_account_is_made_with_a_password_that_is_shown_this_once(service: Running, security: Any) -> None:
    answer = security.post(
        "/v1/staff",
        json={"login_name": "wang.fang", "display_name": "王", "role": "intake", "division_code": "360803101"},
        headers={"idempotency-key": "once"},
    )
    made = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert len(made["password"]) == 23
    assert passwords.fault_of(made["password"], made["login_name"]) is None
    seen = security.get(f"/v1/staff/{made['staff_id']}")
    assert "password" not in seen.json()
    assert seen.json() == {name: made[name] for name in seen.json()}
    (row,) = fetch(service.url, select(staff_account))
    assert row["password_hash"].startswith("$argon2id$v=19$m=65536,")
    (principal,) = fetch(service.url, select(api_key).where(api_key.c.name.like("staff:%")))
    assert (principal["id"], principal["role"]) == (row["id"], "intake")
    assert made["password"] not in str(
        fetch(service.url, select(staff_account)) + fetch(service.url, select(sign_in_event))
    )
    assert len(fetch(service.url, select(idempotency))) == 1


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"role": "agency"}, "/agency_code", "agency_of_role"),
        ({"agency_code": "360803-civil-affairs"}, "/agency_code", "agency_of_role"),
        ({"role": "agency", "agency_code": "nobody"}, "/agency_code", "unknown_agency"),
        ({"division_code": "999999"}, "/division_code", "unknown_division"),
        (
            {"role": "agency", "agency_code": "360803-civil-affairs", "division_code": "360803"},
            "/division_code",
            "division_of_agency",
        ),
        ({"oidc_name": "20260117"}, "/oidc_name", "no_single_sign_on"),
        ({"login_name": "Wang Fang"}, "/login_name", "string_pattern_mismatch"),
        ({"role": "emperor"}, "/role", "enum"),
    ],
)
def test_what_can_not_be_is_refused_with_its_field(
    service: Running, security: Any, changes: Seen, pointer: str, code: str
) -> None:
    body = {"login_name": "wang.fang", "display_name": "王", "role": "intake", **changes}
    answer = security.post("/v1/staff", json=body)
    assert answer.status_code == 422
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [(pointer, code)]
    assert fetch(service.url, select(staff_account)) == []


def test_a_login_name_is_used_once(service: Running, security: Any) -> None:
    make(security)
    again = security.post("/v1/staff", json={"login_name": "wang.fang", "display_name": "x", "role": "admin"})
    assert (again.status_code, again.json()["code"]) == (409, "staff_exists")
    assert len(fetch(service.url, select(api_key).where(api_key.c.name.like("staff:%")))) == 1


def test_accounts_are_listed_a_page_at_a_time(service: Running, security: Any) -> None:
    made = [make(security, f"clerk{number}")["staff_id"] for number in range(3)]
    first = security.get("/v1/staff?limit=2").json()
    rest = security.get(f"/v1/staff?limit=2&cursor={first['next_cursor']}").json()
    assert [each["staff_id"] for each in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert [each["kind"] for each in security.get("/v1/sign-ins?limit=200").json()["items"]] == ["created"] * 3
    assert security.get(f"/v1/sign-ins?staff_id={made[0]}").json()["items"][0]["login_name"] == "clerk0"


def test_a_change_names_the_state_it_was_made_in(service: Running, security: Any) -> None:
    path = f"/v1/staff/{make(security)['staff_id']}"
    assert security.patch(path, json={"display_name": "李"}).json()["code"] == "precondition_required"
    tag = security.get(path).headers["etag"]
    changed = security.patch(path, json={"display_name": "李"}, headers={"if-match": tag})
    assert (changed.status_code, changed.json()["display_name"]) == (200, "李")
    assert (
        security.patch(path, json={"role": "admin"}, headers={"if-match": tag}).json()["code"] == "precondition_failed"
    )
    assert security.get(f"/v1/staff/{uuid4()}").status_code == 404
    for act in ("reset", "unlock"):
        assert security.post(f"/v1/staff/{uuid4()}/{act}").status_code == 404


def test_who_signed_in_acts_with_the_rights_of_the_role_and_in_their_own_name(service: Running) -> None:
    clerk = Person.made(service, "intake").signed_in()
    receipt = clerk.call("POST", "/v1/requests", json=a_request(), headers={"idempotency-key": "once"})
    assert receipt.status_code == 201, receipt.text
    repeated = clerk.call("POST", "/v1/requests", json=a_request(), headers={"idempotency-key": "once"})
    assert repeated.json() == receipt.json()
    path = f"/v1/requests/{receipt.json()['request_id']}"
    assert clerk.call("GET", path).status_code == 200
    (first,) = fetch(service.url, select(event.c.actor).where(event.c.kind == "request.registered"))
    assert first["actor"] == f"staff:{clerk.staff_id}"
    colleague = Person.made(service, "intake").signed_in()
    assert colleague.call("GET", path).status_code == 404, "not theirs"
    assert Person.made(service, "coordinator").signed_in().call("GET", path).status_code == 200
    assert Person.made(service, "auditor").signed_in().call("POST", "/v1/requests", json=a_request()).status_code == 403


def test_a_liaison_sees_and_answers_for_one_agency(service: Running) -> None:
    agency = "360803-civil-affairs"
    liaison = Person.made(service, "agency", agency_code=agency).signed_in()
    service.client("intake").post("/v1/requests", json=a_request("education_aid"))
    handoffs = liaison.call("GET", "/v1/handoffs").json()["items"]
    assert {each["agency"] for each in handoffs} == {agency}
    path = f"/v1/handoffs/{handoffs[0]['handoff_id']}/callbacks"
    body = {"type": "handoff.received", "timestamp": now().isoformat(), "data": {"handler": "王"}}
    answer = liaison.call("POST", path, json=body, headers={"webhook-id": "a"})
    assert answer.status_code == 200, answer.text
    assert liaison.browser.post(path, json=body, headers={"webhook-id": "b"}).status_code == 403, "no token of the page"


def test_a_cookie_changes_nothing_without_the_pages_token_and_from_elsewhere(service: Running) -> None:
    clerk = Person.made(service, "intake").signed_in()
    token = {"x-csrf-token": clerk.csrf}
    for headers in (
        {},
        token,
        ours(service),
        {**ours(service), "x-csrf-token": "0" * 64},
        {**token, "origin": "https://elsewhere.example"},
        {**token, "origin": "null"},
        {**token, "sec-fetch-site": "cross-site"},
        {**token, **ours(service), "sec-fetch-site": "same-site"},
        {**ours(service), "x-csrf-token": Person.made(service, "intake").signed_in().csrf},
    ):
        answer = clerk.browser.post("/v1/requests", json=a_request(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_refused"), headers
    assert clerk.browser.get("/v1/requests").status_code == 200
    for headers in ({**token, **ours(service)}, {**token, "sec-fetch-site": "same-origin"}):
        assert clerk.browser.post("/v1/requests", json=a_request(), headers=headers).status_code == 201
    key = serving.make_key(service.url, KeyRole.INTAKE)
    both = clerk.browser.post("/v1/requests", json=a_request(), headers={"authorization": f"Bearer {key}"})
    assert both.status_code == 201, "with a key the cookie counts for nothing, and needs nothing"
    wrong = clerk.browser.get("/v1/requests", headers={"authorization": "Bearer nonsense"})
    assert wrong.status_code == 401


@pytest.mark.parametrize("cookie", ["", "nonsense", "A" * 43, "A" * 5000, "%00", "'; DROP TABLE staff_session"])
def test_a_cookie_that_is_none_of_ours_opens_nothing(service: Running, cookie: str) -> None:
    headers = {"cookie": f"one_window_session={cookie}"}
    client = service.client(None)
    assert client.get("/v1/requests", headers=headers).status_code == 401
    assert client.get("/account", headers=headers).headers["location"] == "/sign-in"


def test_until_the_first_password_is_changed_nothing_else_is_open(service: Running, security: Any) -> None:
    made = make(security, role="coordinator")
    person = Person(service, made["staff_id"], "wang.fang", made["password"]).signed_in()
    refused_ = person.call("GET", "/v1/requests")
    assert (refused_.status_code, refused_.json()["code"]) == (403, "password_change_needed")
    assert person.change_password(made["password"], PASSWORD).headers["location"] == "/account?said=changed"
    assert person.call("GET", "/v1/requests").status_code == 200
    assert Person(service, made["staff_id"], "wang.fang", made["password"]).sign_in().status_code == 403, "the old one"


def test_a_first_password_ends_after_a_week(service: Running, security: Any) -> None:
    made = make(security)
    assert made["password_ends_at"] > (now() + timedelta(days=6)).isoformat()
    change(service.url, update(staff_account).values(password_ends_at=now() - timedelta(seconds=1)))
    assert Person(service, made["staff_id"], "wang.fang", made["password"]).sign_in().status_code == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"disabled": True},
        {"role": "admin"},
        {"role": "agency", "agency_code": "360803-civil-affairs"},
        {"division_code": "360803101"},
    ],
)
def test_another_role_or_place_and_the_end_of_an_account_end_its_sessions_at_once(
    service: Running, security: Any, changes: Seen
) -> None:
    clerk, other = Person.made(service, "intake").signed_in(), Person.made(service, "intake").signed_in()
    assert clerk.call("GET", "/v1/requests").status_code == 200
    path = f"/v1/staff/{clerk.staff_id}"
    tag = security.get(path).headers["etag"]
    assert security.patch(path, json=changes, headers={"if-match": tag}).status_code == 200
    assert clerk.call("GET", "/v1/requests").status_code == 401
    assert other.call("GET", "/v1/requests").status_code == 200
    assert clerk.sign_in().status_code == (403 if "disabled" in changes else 303)
    assert ("disabled" if "disabled" in changes else "changed") in kinds(service.url, clerk.staff_id)
    if "role" in changes:
        assert clerk.call("GET", "/v1/requests").status_code == 403, "the new role's rights"


def test_a_disabled_account_may_be_taken_back(service: Running, security: Any) -> None:
    clerk = Person.made(service, "intake")
    for disabled, status in ((True, 403), (False, 303)):
        tag = security.get(f"/v1/staff/{clerk.staff_id}").headers["etag"]
        kept = security.patch(f"/v1/staff/{clerk.staff_id}", json={"disabled": disabled}, headers={"if-match": tag})
        assert (kept.json()["disabled_at"] is not None) == disabled
        assert clerk.sign_in().status_code == status


def test_nobody_changes_their_own_account_and_the_others_make_none(service: Running) -> None:
    guard = Person.made(service, "security").signed_in()
    tag = guard.call("GET", f"/v1/staff/{guard.staff_id}").headers["etag"]
    own = guard.call("PATCH", f"/v1/staff/{guard.staff_id}", json={"role": "coordinator"}, headers={"if-match": tag})
    assert (own.status_code, own.json()["code"]) == (403, "own_account")
    assert guard.call("POST", f"/v1/staff/{guard.staff_id}/reset").json()["code"] == "own_account"
    assert guard.call("GET", "/v1/requests").status_code == 403, "it sees no request"
    body = {"login_name": "me.too", "display_name": "x", "role": "coordinator"}
    for role in ("admin", "auditor", "coordinator"):
        assert Person.made(service, role).signed_in().call("POST", "/v1/staff", json=body).status_code == 403
    assert guard.call("POST", "/v1/staff", json=body).json()["created_by"] == f"staff:{guard.staff_id}"


def test_who_holds_one_of_the_three_roles_has_no_account_of_another(service: Running, security: Any) -> None:
    def told(answer: Any) -> list[tuple[str, str]]:
        return [(each["pointer"], each["code"]) for each in answer.json().get("errors", ())]

    apart = [("/role", "roles_kept_apart")]
    serving.make_key(service.url, KeyRole.ADMIN, owner="sun.liang")
    body = {"login_name": "sun.liang", "display_name": "x", "role": "auditor"}
    assert told(security.post("/v1/staff", json=body)) == apart
    path = f"/v1/staff/{make(security, 'sun.liang')['staff_id']}"

    def changed(**changes: Any) -> Any:
        return security.patch(path, json=changes, headers={"if-match": security.get(path).headers["etag"]})

    assert told(changed(role="auditor")) == apart
    assert changed(role="admin").status_code == 200, "the same one"
    key = {"name": "x", "role": "auditor", "owner": "sun.liang"}
    assert told(security.post("/v1/keys", json=key)) == [("/owner", "roles_kept_apart")]
    change(service.url, update(api_key).where(api_key.c.name.like("admin %")).values(revoked_at=now()))
    assert told(security.post("/v1/keys", json=key)) == [("/owner", "roles_kept_apart")], "of the account"
    assert changed(disabled=True).status_code == 200
    assert security.post("/v1/keys", json=key).status_code == 201
    assert told(changed(disabled=False)) == apart


def test_a_reset_ends_the_old_password_and_every_session(service: Running, security: Any) -> None:
    clerk = Person.made(service, "intake").signed_in()
    answer = security.post(f"/v1/staff/{clerk.staff_id}/reset", headers={"idempotency-key": "once"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    repeated = security.post(f"/v1/staff/{clerk.staff_id}/reset", headers={"idempotency-key": "once"})
    assert repeated.json() == answer.json()
    assert clerk.call("GET", "/v1/requests").status_code == 401
    assert clerk.sign_in().status_code == 403
    clerk.password = answer.json()["password"]
    assert clerk.signed_in().call("GET", "/v1/requests").json()["code"] == "password_change_needed"


def test_wrong_tries_lock_the_account_for_longer_each_time_but_not_for_a_browser_that_it_knows(
    service: Running, security: Any
) -> None:
    clerk = Person.made(service, "intake").signed_in()
    thief = Person(service, clerk.staff_id, clerk.login_name, "not the password")
    for _ in range(5):
        assert thief.sign_in().status_code == 403
    thief.password = clerk.password
    assert thief.sign_in().status_code == 403, "locked, even for the right one"
    assert security.get(f"/v1/staff/{clerk.staff_id}").json()["locked_until"] is not None
    assert clerk.sign_in().status_code == 303, "at their own desk they sign in"
    assert thief.sign_in().status_code == 303, "and what was counted is forgotten"
    assert kinds(service.url, clerk.staff_id).count("refused") == 4
    assert kinds(service.url, clerk.staff_id).count("locked") == 1


def test_the_lock_doubles_to_an_hour(service: Running) -> None:
    minutes = [lock and lock.total_seconds() / 60 for lock in map(sign_ins.lock_of, range(1, 14))]
    assert minutes == [None, None, None, None, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    clerk = Person.made(service, "intake", "some other password")
    clerk.password = "wrong"
    for expected in (None, None, None, None, 1, 2, 4):
        clerk.sign_in()
        (row,) = fetch(service.url, select(staff_account.c.failed_tries, staff_account.c.locked_until))
        assert (row["locked_until"] is None) == (expected is None)
        if expected:
            assert timedelta(0) < row["locked_until"] - now() <= timedelta(minutes=expected)
            change(service.url, update(staff_account).values(locked_until=now() - timedelta(seconds=1)))


def test_an_account_is_unlocked_by_the_security_administrator(service: Running, security: Any) -> None:
    clerk = Person.made(service, "intake")
    right, clerk.password = clerk.password, "wrong"
    for _ in range(6):
        clerk.sign_in()
    clerk.password = right
    assert clerk.sign_in().status_code == 403
    assert security.post(f"/v1/staff/{clerk.staff_id}/unlock").json()["locked_until"] is None
    assert clerk.sign_in().status_code == 303


def test_many_tries_at_once_are_no_way_around_the_count(service: Running) -> None:
    clerk = Person.made(service, "intake")
    thieves = [Person(service, clerk.staff_id, clerk.login_name, "wrong") for _ in range(12)]
    all_at_once(thieves)
    assert [kind for kind in kinds(service.url, clerk.staff_id) if kind in ("refused", "locked")] == [
        *["refused"] * 4,
        "locked",
    ], "the rest were not even looked at"


def test_an_address_with_many_wrong_tries_waits_and_stops_nobody_who_is_known(run_service: Any) -> None:
    service = run_service(trusted_proxies="127.0.0.1/32")
    clerk = Person.made(service, "intake").signed_in("10.1.1.1")
    stranger = Person(service, "", "nobody", "wrong")
    answers = [stranger.sign_in("10.1.1.1").status_code for _ in range(sign_ins.MOST_OF_ADDRESS + 2)]
    assert answers == [403] * sign_ins.MOST_OF_ADDRESS + [429] * 2
    fresh = Person(service, clerk.staff_id, clerk.login_name, clerk.password)
    assert fresh.sign_in("10.1.1.1").status_code == 429
    assert fresh.sign_in("10.1.1.1, 10.2.2.2").status_code == 303, "whom our proxy saw"
    assert clerk.sign_in("10.1.1.1").status_code == 303
    stopped = fetch(service.url, select(sign_in_event).where(sign_in_event.c.kind == "address_stopped"))
    assert len(stopped) == 1
    assert all(len(row["mark"]) == 32 for row in fetch(service.url, select(sign_in_address))), "no address is kept"
    change(service.url, update(sign_in_address).values(window_ends_at=now() - timedelta(seconds=1)))
    assert Person(service, "", clerk.login_name, clerk.password).sign_in("10.1.1.1").status_code == 303


def test_whom_nobody_may_be_told_apart_by_is_not_counted(service: Running) -> None:
    stranger = Person(service, "", "nobody", "wrong")
    for _ in range(3):
        stranger.sign_in("10.1.1.1")
    assert fetch(service.url, select(sign_in_address)) == [], "on this machine, and said by nobody whom we trust"


def test_a_name_that_nobody_has_a_wrong_password_and_a_locked_account_are_answered_alike(service: Running) -> None:
    clerk, gone = Person.made(service, "intake"), Person.made(service, "intake")
    change(
        service.url,
        update(staff_account).where(staff_account.c.login_name == gone.login_name).values(disabled_at=now()),
    )
    told = set()
    for name, password in (("nobody", PASSWORD), (clerk.login_name, "wrong"), (gone.login_name, gone.password)):
        answer = Person(service, "", name, password).sign_in()
        told.add((answer.status_code, answer.text.replace(Person.form_in(answer), "")))
    assert len(told) == 1


def test_a_session_ends_when_idle_and_at_its_time(service: Running) -> None:
    clerk = Person.made(service, "intake")
    for ended in ("idle_ends_at", "ends_at"):
        clerk.signed_in()
        assert clerk.call("GET", "/v1/requests").status_code == 200
        change(service.url, update(staff_session).values({ended: now() - timedelta(seconds=1)}))
        assert clerk.call("GET", "/v1/requests").status_code == 401
    clerk.signed_in()
    assert len(fetch(service.url, select(staff_session))) == 1, "those that had ended went"


def test_a_session_that_is_used_goes_on(service: Running) -> None:
    clerk = Person.made(service, "intake").signed_in()
    soon = now() + timedelta(seconds=20)
    change(service.url, update(staff_session).values(last_seen_at=now() - timedelta(minutes=29), idle_ends_at=soon))
    assert clerk.call("GET", "/v1/requests").status_code == 200
    (row,) = fetch(service.url, select(staff_session))
    assert row["idle_ends_at"] > soon + timedelta(minutes=25)


def test_only_the_hash_of_a_session_is_stored(service: Running) -> None:
    clerk = Person.made(service, "intake").signed_in()
    token = clerk.browser.cookies["one_window_session"]
    assert token not in str(fetch(service.url, select(staff_session)) + fetch(service.url, select(sign_in_event)))


def test_a_revoked_principal_ends_its_person(service: Running) -> None:
    clerk = Person.made(service, "intake").signed_in()
    change(service.url, update(api_key).where(api_key.c.name == f"staff:{clerk.staff_id}").values(revoked_at=now()))
    assert clerk.call("GET", "/v1/requests").status_code == 401


EASY = (
    *("password1234", "Password12345!", "P@ssw0rd2026!", "qwertyuiop123", "1q2w3e4r5t6y", "123456789012"),
    *("abcdefghijkl1", "20260101china", "onewindow2026", "yimenshouli2026", "jiangxi360803", "minzheng123456"),
    *("woaini1234567", "mima123456789"),
)


def told_in_chinese(fault: Text) -> bool:
    return any("\u4e00" <= each <= "\u9fff" for each in fault.zh)


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short", "12"),
        ("a" * 200, "128"),
        ("my wang.fang word", "login name"),
        ("my WangFang word", "login name"),
        ("这是wangfang的密码啊", "login name"),
        ("my wang_fang word", "login name"),
        ("ababababababab", "different"),
        *((each, "too common") for each in EASY),
    ],
)
def test_a_password_that_is_too_easy_is_refused_with_what_is_wanted(password: str, told: str) -> None:
    fault = passwords.fault_of(password, "wang.fang")
    assert fault is not None
    assert told in fault.en
    assert told_in_chinese(fault)


EASY_NAMES = ("吉安市", "青原区")


@pytest.mark.parametrize("password", ["four quite ordinary words", "井冈山下种南瓜九月九重阳", "huiji-yipan-9-mian"])
def test_words_that_have_nothing_to_do_with_each_other_are_a_password(password: str) -> None:
    assert passwords.fault_of(password, "wang.fang", *EASY_NAMES) is None


def test_a_made_password_is_never_taken_for_an_easy_one() -> None:
    assert [passwords.fault_of(passwords.made(), "wang.fang") for _ in range(50)] == [None] * 50


def test_the_name_of_ones_own_place_is_no_password(service: Running) -> None:
    clerk = Person.made(service, "intake", PASSWORD, division_code="360803").signed_in()
    page = clerk.change_password(PASSWORD, "青原区青原区20260101")
    assert page.status_code != 303
    assert "too common or too regular" in page.text


def test_looking_at_a_long_password_takes_no_time() -> None:
    began = time.thread_time()
    passwords.fault_of("ab1cd" * 25, "wang.fang")
    assert time.thread_time() - began < 1


def test_a_line_of_many_who_sign_in_at_once_is_told_to_come_again() -> None:
    """Each hash takes 64 MiB: what waits is bounded, and so is what runs."""

    async def run() -> list[Any]:
        kept = passwords.Passwords()
        asked = [kept.match(None, "wrong") for _ in range(passwords._MOST_WAITING + 3)]
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(run())
    assert answers[: passwords._MOST_WAITING] == [False] * passwords._MOST_WAITING
    assert [each.code for each in answers[passwords._MOST_WAITING :]] == ["unavailable"] * 3


def test_the_command_line_makes_the_first_account_and_helps_who_is_locked_out(
    database_url: str, service: Running
) -> None:
    password = said("staff", "create", "sun.liang", "--role", "security", database=database_url)
    (row,) = fetch(database_url, select(staff_account))
    guard = Person(service, str(row["id"]), "sun.liang", password).signed_in()
    assert guard.change_password(password, PASSWORD).status_code == 303
    assert guard.call("GET", "/v1/staff").status_code == 200
    assert "sun.liang" in said("staff", "list", database=database_url)
    guard.password = "wrong"
    for _ in range(6):
        guard.browser.cookies.clear()
        guard.sign_in()
    assert "Unlocked sun.liang." in said("staff", "unlock", "sun.liang", database=database_url)
    guard.password = PASSWORD
    assert guard.sign_in().status_code == 303
    guard.password = said("staff", "reset", "sun.liang", database=database_url)
    assert guard.call("GET", "/v1/staff").status_code == 401
    assert guard.sign_in().status_code == 303
    assert "Disabled sun.liang." in said("staff", "disable", "sun.liang", database=database_url)
    assert guard.sign_in().status_code == 403
    assert "Enabled sun.liang." in said("staff", "enable", "sun.liang", database=database_url)
    assert guard.sign_in().status_code == 303
    sentence = refused(one_window_here("staff", "reset", "nobody", database=database_url))
    assert "Not found" in sentence
    again = refused(one_window_here("staff", "create", "sun.liang", "--role", "admin", database=database_url))
    assert "There is an account" in again


def test_neither_the_door_nor_what_happened_there_reads_the_history(service: Running, security: Any) -> None:
    """By the plans, with two thousand things that happened and a thousand sessions."""
    staff_id = UUID(make(security)["staff_id"])
    at = now()
    rows = [{"id": new_id(), "account_id": staff_id, "kind": "signed_in", "at": at} for _ in range(2000)]
    names = ("created_at", "last_seen_at", "idle_ends_at", "ends_at")
    more = [
        {"token_hash": number.to_bytes(32), "account_id": staff_id, "way": "oidc", **dict.fromkeys(names, at)}
        for number in range(1000)
    ]
    marks = [{"mark": number.to_bytes(32), "failures": 1, "window_ends_at": at} for number in range(1000)]
    change(
        service.url,
        sign_in_event.insert().values(rows),
        staff_session.insert().values(more),
        sign_in_address.insert().values(marks),
    )
    of_session = sessions._FIND.where(staff_session.c.token_hash == b"x" * 32)
    happened = select(sign_in_event.c.kind).order_by(sign_in_event.c.id.desc()).limit(9)
    for query in (
        of_session,
        happened,
        happened.where(sign_in_event.c.account_id == staff_id),
        select(sign_in_address.c.failures).where(sign_in_address.c.window_ends_at <= at - timedelta(days=1)),
    ):
        plan = plan_of(service.url, query)
        for table in ("sign_in_event", "staff_session", "sign_in_address"):
            assert f"Seq Scan on {table}" not in plan
            assert f"SCAN {table}\n" not in plan + "\n", plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_an_account_is_no_key(database_url: str, service: Running, security: Any) -> None:
    clerk = Person.made(service, "intake")
    name = f"staff:{clerk.staff_id}"
    assert clerk.staff_id not in security.get("/v1/keys").text
    path = f"/v1/keys/{clerk.staff_id}"
    answers = (
        security.get(path),
        security.post(f"{path}/revoke"),
        security.post(f"{path}/replace", json={"name": "k"}),
    )
    assert [each.status_code for each in answers] == [404, 404, 404]
    assert name not in said("keys", "list", database=database_url)
    refused(one_window_here("keys", "revoke", name, database=database_url))
    refused(one_window_here("keys", "replace", name, "another", database=database_url))
    assert clerk.sign_in().status_code == 303


def edit(client: Any, staff_id: str, **changes: Any) -> Any:
    path = f"/v1/staff/{staff_id}"
    tag = client.get(path).headers["etag"]
    return client.patch(path, json=changes, headers={"if-match": tag})


def test_a_place_keeps_the_liaisons_of_its_agencies(service: Running, security: Any) -> None:
    of_place = service.client("security", place="360803")
    made = make(of_place, "liaison", "agency", agency_code="360803-education")
    assert edit(of_place, made["staff_id"], display_name="联络员").status_code == 200
    assert made["staff_id"] in of_place.get("/v1/staff").text
    other = service.client("security", place="360802")
    assert other.get(f"/v1/staff/{made['staff_id']}").status_code == 404
    body = {"login_name": "another", "display_name": "x", "role": "agency", "agency_code": "360803-education"}
    refusal = other.post("/v1/staff", json=body).json()
    assert [(each["pointer"], each["code"]) for each in refusal["errors"]] == [("/agency_code", "outside_jurisdiction")]


def test_only_what_is_changed_is_checked(service: Running, security: Any) -> None:
    made = make(security, "wang.fang", "intake")
    old = update(staff_account).values(oidc_name="of a sign-on that was taken away", oidc_issuer="https://gone.example")
    change(service.url, old)
    for changes in ({"display_name": "王芳"}, {"division_code": "360803101"}, {"disabled": True}):
        assert edit(security, made["staff_id"], **changes).status_code == 200
    assert edit(security, made["staff_id"], oidc_name="wang").json()["errors"][0]["code"] == "no_single_sign_on"


def test_whoever_has_a_key_of_the_three_roles_gets_no_account_of_another(service: Running, security: Any) -> None:
    key = {"name": "audits", "role": "auditor", "owner": "wang.fang"}
    key_id = security.post("/v1/keys", json=key).json()["key_id"]

    def apart(answer: Any) -> list[str]:
        return [each["code"] for each in answer.json().get("errors", ())]

    body = {"login_name": "wang.fang", "display_name": "王", "role": "admin"}
    assert apart(security.post("/v1/staff", json=body)) == ["roles_kept_apart"]
    staff_id = make(security, "wang.fang", "auditor")["staff_id"]
    assert apart(edit(security, staff_id, role="security")) == ["roles_kept_apart"]
    assert edit(security, staff_id, disabled=True).status_code == 200
    security.post(f"/v1/keys/{key_id}/revoke").raise_for_status()
    admin = {"name": "administers", "role": "admin", "owner": "wang.fang"}
    assert security.post("/v1/keys", json=admin).status_code == 201, "a disabled account holds nothing"
    assert apart(edit(security, staff_id, disabled=False)) == ["roles_kept_apart"]
    assert edit(security, staff_id, role="admin", disabled=False).status_code == 200
