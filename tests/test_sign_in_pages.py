"""Signing in at the pages: by the form, by the county's single sign-on (a real one, over HTTP), and out again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select, update

from app import oidc
from app.identifiers import now
from app.tables import sign_in_event, staff_account, staff_session
from tests import serving
from tests.people import PASSWORD, Person, make_account, ours
from tests.provider import CLIENT, Provider, parameter, with_parameter
from tests.running import Running
from tests.watching import change, fetch

CHINESE = re.compile("[一-鿿]")


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider(tmp_path_factory.mktemp("provider") / "log")
    yield provider
    provider.kill()


@pytest.fixture
def sso(provider: Provider, run_service: Any) -> Running:
    """The service, beside a provider that knows it and does not err."""
    service: Running = run_service(oidc_issuer=provider.issuer, **CLIENT)
    provider.tell(lifetime=3600, key="first", redirect_uri=f"{service.address}/sign-in/callback")
    return service


def browser(service: Running) -> httpx.Client:
    return Person(service, "", "", "").browser


def test_a_form_or_an_origin_that_is_no_text_of_ours_is_refused_in_words(service: Running) -> None:
    client = browser(service)
    client.get("/sign-in")
    filled = {"form": "é你", "login_name": "clerk", "password": PASSWORD}
    for origin in (service.address, "http://[", "http://[::1"):
        answer = client.post("/sign-in", data=filled, headers={"origin": origin})
        assert answer.status_code == 403, answer.text
        assert "out of date" in answer.text
        sent = client.post("/track", data={"number": "1"}, headers={"origin": origin})
        assert sent.status_code == (422 if origin == service.address else 403)
    genuine = Person.form_in(client.get("/sign-in"))
    for name in ("\0", "clerk\0", "你\0"):
        filled = {"form": genuine, "login_name": name, "password": PASSWORD}
        answer = client.post("/sign-in", data=filled, headers={"origin": service.address})
        assert (answer.status_code, "is wrong" in answer.text) == (403, True), answer.text


def account(
    service: Running, provider: Provider, name: str = "sub-of-sun", role: str = "coordinator"
) -> dict[str, Any]:
    return make_account(service.url, role, {"oidc_issuer": provider.issuer, **CLIENT}, oidc_name=name)


def began(client: httpx.Client) -> str:
    """The provider's address that the browser is sent to."""
    answer = client.get("/sign-in/oidc")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def is_signed_in(client: httpx.Client) -> bool:
    return client.get("/account").status_code == 200


def refused(client: httpx.Client, answer: httpx.Response, told: str) -> None:
    assert answer.status_code == 403, answer.text
    assert told in answer.text
    assert "one_window_session" not in client.cookies
    assert not is_signed_in(client)


NOT_COMPLETED = "single sign-on was not completed"
NO_ACCOUNT = "no account here"


def test_the_page_is_whole_without_scripts_and_keeps_to_itself(service: Running) -> None:
    page = browser(service).get("/sign-in")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert "<script" not in page.text
    assert "/sign-in/oidc" not in page.text, "no single sign-on here"
    assert service.client(None).get("/sign-in/oidc").status_code == 404
    assert service.client(None).get("/sign-in/callback?code=a&state=b").status_code == 404


def test_the_page_speaks_chinese_unless_asked_for_english(service: Running) -> None:
    client = Person.made(service, "intake").signed_in().browser
    for path in ("/sign-in?said=out", "/account"):
        if path.startswith("/sign-in"):
            client = browser(service)
        else:
            client = Person.made(service, "agency", agency_code="360803-civil-affairs").signed_in().browser
        by_browser = client.get(path, headers={"accept-language": "zh-CN"})
        assert CHINESE.search(by_browser.text)
        assert 'lang="zh-CN"' in by_browser.text
        english = client.get(f"{path}{'&' if '?' in path else '?'}lang=en", headers={"accept-language": "zh-CN"})
        left = re.sub(r">中文<|测试人员|青原区[^<]*", "", english.text)
        assert not CHINESE.search(left.partition("</style>")[2]), "but for names and the switch"
        assert "?lang=zh" in english.text


def test_the_whole_way_in_and_out(service: Running) -> None:
    person = Person.made(service, "intake", division_code="360803101")
    answer = person.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    page = person.browser.get("/account")
    assert page.status_code == 200
    for told in ("测试人员", person.login_name, "Window clerk", "值夏镇", "(this one)"):
        assert told in page.text
    assert person.browser.get("/sign-in").headers["location"] == "/account"
    out = person.send("/sign-out")
    assert (out.status_code, out.headers["location"]) == (303, "/sign-in?said=out")
    assert "You are signed out" in person.browser.get("/sign-in?said=out").text
    assert not is_signed_in(person.browser)
    assert fetch(service.url, select(staff_session)) == []
    kinds = [row["kind"] for row in fetch(service.url, select(sign_in_event).order_by(sign_in_event.c.id))]
    assert kinds == ["created", "signed_in", "signed_out"]


def test_the_cookie_is_for_us_alone_and_new_at_each_sign_in(service: Running, run_service: Any) -> None:
    person = Person.made(service, "intake")
    set_here = person.sign_in().headers.get_list("set-cookie")
    (first,) = [each for each in set_here if each.startswith("one_window_session=")]
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(first.split("; "))
    assert "Secure" not in first, "on this machine itself, where a browser would drop it"
    before = person.browser.cookies["one_window_session"]
    person.signed_in()
    assert person.browser.cookies["one_window_session"] != before
    public = run_service(public_url="https://one-window.example.gov.cn/window")
    client = service.client(None)
    page = client.get(f"{public.address}/sign-in")
    (door,) = page.headers.get_list("set-cookie")
    assert door.startswith("__Host-one_window_door=")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(door.split("; "))
    assert 'action="/window/sign-in"' in page.text
    filled = {"form": Person.form_in(page), "login_name": person.login_name, "password": PASSWORD}
    headers = {"cookie": door.split(";")[0], "origin": "https://one-window.example.gov.cn"}
    answer = client.post(f"{public.address}/sign-in", data=filled, headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/window/account")
    sessions = [each for each in answer.headers.get_list("set-cookie") if "session" in each]
    assert len(sessions) == 1
    assert sessions[0].startswith("__Host-one_window_session=")
    assert "Secure" in sessions[0].split("; ")
    named_otherwise = {"cookie": sessions[0].split(";")[0].removeprefix("__Host-")}
    assert client.get(f"{public.address}/account", headers=named_otherwise).headers["location"] == "/window/sign-in"


def test_a_session_that_was_there_before_the_sign_in_is_not_taken_over(service: Running) -> None:
    person = Person.made(service, "intake")
    person.browser.cookies.set("one_window_session", "A" * 43)
    person.signed_in()
    assert "A" * 43 not in dict(person.browser.cookies).values()


@pytest.mark.parametrize("wrong", ["no form", "another's form", "from elsewhere", "nothing said", "no cookie"])
def test_a_form_that_is_not_ours_signs_nobody_in(service: Running, wrong: str) -> None:
    person, client = Person.made(service, "intake"), browser(service)
    form = Person.form_in(client.get("/sign-in"))
    headers = ours(service)
    if wrong == "no form":
        form = ""
    elif wrong == "another's form":
        form = Person.form_in(browser(service).get("/sign-in"))
    elif wrong == "from elsewhere":
        headers = {"origin": "https://elsewhere.example"}
    elif wrong == "nothing said":
        headers = {}
    else:
        client.cookies.clear()
    filled = {"form": form, "login_name": person.login_name, "password": PASSWORD}
    answer = client.post("/sign-in", data=filled, headers=headers)
    assert answer.status_code == 403
    assert "out of date" in answer.text
    assert not is_signed_in(client)


@pytest.mark.parametrize("path", ["/sign-out", "/account/password", "/account/sessions/end"])
def test_no_form_of_an_account_is_taken_without_its_token_or_from_elsewhere(service: Running, path: str) -> None:
    person = Person.made(service, "intake").signed_in()
    fields = {"old": PASSWORD, "new": "another set of words", "again": "another set of words"}
    for form, headers in (("", ours(service)), (person.csrf, {"origin": "https://elsewhere.example"})):
        answer = person.browser.post(path, data={"form": form, **fields}, headers=headers)
        assert answer.status_code == 403
    assert is_signed_in(person.browser)
    assert person.sign_in().status_code == 303, "with the old password"
    gone = browser(service).post(path, data={"form": "x", **fields}, headers=ours(service))
    assert gone.status_code == 303
    assert gone.headers["location"].startswith("/sign-in"), "without a session there is nothing to do"


@pytest.mark.parametrize("query", ["next=https://evil.example", "said=https://evil.example", "lang=//evil.example"])
def test_nothing_that_came_with_a_call_says_where_to_go(service: Running, query: str) -> None:
    person = Person.made(service, "intake")
    form = Person.form_in(person.browser.get(f"/sign-in?{query}"))
    filled = {"form": form, "login_name": person.login_name, "password": PASSWORD}
    answer = person.browser.post(f"/sign-in?{query}", data=filled, headers=ours(service))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "evil" not in person.browser.get(f"/account?{query}").text


def test_a_name_that_is_markup_is_shown_as_text(service: Running) -> None:
    person = Person.made(service, "intake", display_name="<script>alert(1)</script>{{ 7*7 }}")
    page = person.signed_in().browser.get("/account")
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page.text


def test_a_password_is_changed_by_who_knows_the_old_one_and_ends_every_other_session(service: Running) -> None:
    person = Person.made(service, "intake").signed_in()
    elsewhere = Person(service, person.staff_id, person.login_name, PASSWORD).signed_in()
    new = "another set of words"
    for old, given, again, told in (
        ("wrong", new, new, "old password is wrong"),
        (PASSWORD, new, "different words here", "differ"),
        (PASSWORD, "short", "short", "12"),
        (PASSWORD, PASSWORD, PASSWORD, "differs from the old one"),
    ):
        answer = person.send("/account/password", old=old, new=given, again=again)
        assert answer.status_code == 422
        assert told in answer.text
    before = person.browser.cookies["one_window_session"]
    assert person.change_password(PASSWORD, new).headers["location"] == "/account?said=changed"
    assert is_signed_in(person.browser)
    assert person.browser.cookies["one_window_session"] != before
    assert not is_signed_in(elsewhere.browser)
    assert elsewhere.sign_in().status_code == 403
    elsewhere.password = new
    assert elsewhere.sign_in().status_code == 303


def test_guessing_the_old_password_locks_as_guessing_at_the_door_does(service: Running) -> None:
    person = Person.made(service, "intake").signed_in()
    for _ in range(5):
        person.change_password("wrong", "another set of words")
    assert person.change_password(PASSWORD, "another set of words").status_code == 422
    assert person.sign_in().status_code == 403, "in this browser too"


def test_the_other_sessions_are_ended_by_a_button(service: Running) -> None:
    person = Person.made(service, "intake").signed_in()
    elsewhere = Person(service, person.staff_id, person.login_name, PASSWORD).signed_in()
    assert "End the other sessions" in person.browser.get("/account").text
    assert person.send("/account/sessions/end").headers["location"] == "/account?said=ended"
    assert is_signed_in(person.browser)
    assert not is_signed_in(elsewhere.browser)


def test_neither_passwords_nor_tokens_are_logged(database_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = serving.Service(database_url, "--no-worker", log=log, log_level="debug")
    try:
        process.wait_until("/health/live")
        person = Person.made(Running(database_url, process.address), "intake").signed_in()
        secrets = {PASSWORD, person.login_name, *dict(person.browser.cookies).values()}
        person.password = "a wrong password of a person"
        assert person.sign_in().status_code == 403
        secrets |= {person.password, *dict(person.browser.cookies).values()}
        person.browser.close()
    finally:
        process.stop()
    written = log.read_text()
    assert written.count('"answered"') > 3, "there is something to look through"
    for secret in secrets:
        assert secret not in written


def test_whoever_the_provider_proves_is_signed_in(sso: Running, provider: Provider) -> None:
    made = account(sso, provider)
    assert made["password"] is None
    client = browser(sso)
    assert "Sign in with the county" in client.get("/sign-in").text
    there = began(client)
    assert there.startswith(f"{provider.issuer}/authorize?")
    assert parameter(there, "code_challenge_method") == "S256"
    assert parameter(there, "response_type") == "code"
    assert len(parameter(there, "state")) == len(parameter(there, "nonce")) == 43
    back = provider.sign_in(there, "sun")
    assert back.startswith(f"{sso.address}/sign-in/callback?")
    answer = client.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    page = client.get("/account").text
    assert "Single sign-on" in page
    assert "Change the password" not in page
    rows = fetch(sso.url, select(sign_in_event).where(sign_in_event.c.kind == "signed_in"))
    assert [row["way"] for row in rows] == ["oidc"]
    client.post("/sign-out", data={"form": Person.form_in(client.get("/account"))}, headers=ours(sso))
    out = client.get("/sign-in?said=out").text
    assert f"{provider.issuer}/end_session?client_id=one-window" in out, "there they sign out there too"
    assert "end_session" not in client.get("/sign-in").text


@pytest.mark.parametrize("state", ["wrong", "of another browser", "missing"])
def test_a_state_that_is_not_this_browsers_proves_nobody(sso: Running, provider: Provider, state: str) -> None:
    account(sso, provider)
    client, other = browser(sso), browser(sso)
    back = provider.sign_in(began(client), "sun")
    if state == "wrong":
        back = with_parameter(back, "state", "A" * 43)
    elif state == "missing":
        back = with_parameter(back, "state", "")
    else:
        began(other)
        client = other
    refused(client, client.get(back), NOT_COMPLETED)


def test_a_browser_that_began_nothing_or_too_long_ago_is_not_signed_in(sso: Running, provider: Provider) -> None:
    account(sso, provider)
    client = browser(sso)
    back = provider.sign_in(began(client), "sun")
    refused(browser(sso), browser(sso).get(back), NOT_COMPLETED)
    secret, at = serving.SECRET.encode(), now()
    begun = oidc.Flow.begun(secret, at - oidc.LASTS)
    assert oidc.Flow.kept(secret, begun.text, at) is None
    longer = f"{int(at.timestamp())}.{begun.text.partition('.')[2]}"
    prolonged = oidc.Flow.kept(secret, longer, at)
    assert prolonged is not None
    assert prolonged.state != begun.state, "another time makes another round trip"


def test_a_code_counts_once(sso: Running, provider: Provider) -> None:
    account(sso, provider)
    client = browser(sso)
    there = began(client)
    flow = client.cookies["one_window_oidc"]
    back = provider.sign_in(there, "sun")
    assert client.get(back).status_code == 303
    client.cookies.delete("one_window_session")
    refused(client, client.get(back), NOT_COMPLETED)
    client.cookies.set("one_window_oidc", flow)
    refused(client, client.get(back), NOT_COMPLETED)


@pytest.mark.parametrize("changed", ["nonce", "code_challenge"])
def test_a_round_trip_that_was_changed_on_its_way_proves_nobody(sso: Running, provider: Provider, changed: str) -> None:
    """The provider signs another's nonce; or a code that another's verifier belongs to."""
    account(sso, provider)
    client = browser(sso)
    there = with_parameter(began(client), changed, "A" * 43)
    refused(client, client.get(provider.sign_in(there, "sun")), NOT_COMPLETED)


@pytest.mark.parametrize("fault", [{"lifetime": -3600}, {"key": "second", "published": "first"}])
def test_a_token_that_has_ended_or_that_an_unknown_key_signed_proves_nobody(
    sso: Running, provider: Provider, fault: dict[str, Any]
) -> None:
    account(sso, provider)
    client = browser(sso)
    back = provider.sign_in(began(client), "sun")
    provider.tell(**fault)
    refused(client, client.get(back), NOT_COMPLETED)


def test_a_key_that_the_provider_has_changed_is_read_anew(sso: Running, provider: Provider) -> None:
    account(sso, provider)
    first, second = browser(sso), browser(sso)
    assert first.get(provider.sign_in(began(first), "sun")).status_code == 303
    provider.tell(key="second")
    assert second.get(provider.sign_in(began(second), "sun")).status_code == 303


def test_whom_the_provider_proves_and_nobody_made_an_account_for_is_told_so(sso: Running, provider: Provider) -> None:
    account(sso, provider)
    client = browser(sso)
    refused(client, client.get(provider.sign_in(began(client), "wu")), NO_ACCOUNT)
    assert len(fetch(sso.url, select(staff_account))) == 1, "none is made"


@pytest.mark.parametrize("why", ["disabled", "of another issuer"])
def test_an_account_that_does_not_count_is_not_signed_in_to(sso: Running, provider: Provider, why: str) -> None:
    account(sso, provider)
    changed: dict[str, Any] = {"disabled_at": now()} if why == "disabled" else {"oidc_issuer": "https://old.example"}
    change(sso.url, update(staff_account).values(changed))
    client = browser(sso)
    refused(client, client.get(provider.sign_in(began(client), "sun")), NO_ACCOUNT)


def test_an_account_of_the_single_sign_on_has_no_password_to_guess(sso: Running, provider: Provider) -> None:
    made = account(sso, provider)
    for password in ("", "None", PASSWORD):
        assert Person(sso, "", made["login_name"], password).sign_in().status_code == 403
    reset = sso.client("security").post(f"/v1/staff/{made['staff_id']}/reset")
    assert (reset.status_code, reset.json()["code"]) == (409, "not_by_password")


def test_another_claim_may_name_the_account(run_service: Any, provider: Provider) -> None:
    service = run_service(oidc_issuer=provider.issuer, oidc_claim="employee_number", **CLIENT)
    provider.tell(lifetime=3600, key="first", redirect_uri=f"{service.address}/sign-in/callback")
    account(service, provider, "20260118")
    client = browser(service)
    assert client.get(provider.sign_in(began(client), "wu")).status_code == 303
    refused(other := browser(service), other.get(provider.sign_in(began(other), "sun")), NO_ACCOUNT)


def test_an_address_counts_where_the_provider_has_verified_it(run_service: Any, provider: Provider) -> None:
    service = run_service(oidc_issuer=provider.issuer, oidc_claim="email", **CLIENT)
    provider.tell(lifetime=3600, key="first", redirect_uri=f"{service.address}/sign-in/callback")
    for person in ("sun", "wu"):
        account(service, provider, f"{person}@example.org")
    client, other = browser(service), browser(service)
    assert client.get(provider.sign_in(began(client), "sun")).status_code == 303
    refused(other, other.get(provider.sign_in(began(other), "wu")), NOT_COMPLETED)


def test_a_secret_that_the_provider_does_not_know_proves_nobody(run_service: Any, provider: Provider) -> None:
    service = run_service(oidc_issuer=provider.issuer, **{**CLIENT, "oidc_client_secret": "another"})
    provider.tell(lifetime=3600, key="first", redirect_uri=f"{service.address}/sign-in/callback")
    account(service, provider)
    client = browser(service)
    refused(client, client.get(provider.sign_in(began(client), "sun")), NOT_COMPLETED)


def test_whoever_declined_there_is_told_and_may_begin_anew(sso: Running) -> None:
    client = browser(sso)
    state = parameter(began(client), "state")
    answer = client.get(f"/sign-in/callback?error=access_denied&state={state}")
    refused(client, answer, NOT_COMPLETED)
    assert Person.form_in(answer)
    assert "one_window_oidc" not in client.cookies


def test_a_provider_that_is_away_stops_nobody_who_has_a_password(run_service: Any) -> None:
    service = run_service(oidc_issuer=f"http://127.0.0.1:{serving.free_port()}", **CLIENT)
    answer = browser(service).get("/sign-in/oidc")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    person = Person.made(service, "intake").signed_in()
    person.send("/sign-out")
    assert person.browser.get("/sign-in?said=out").status_code == 200


def test_who_is_signed_in_there_goes_back_to_our_own_address_only(sso: Running, provider: Provider) -> None:
    there = began(browser(sso))
    assert urlsplit(parameter(there, "redirect_uri")).netloc == urlsplit(sso.address).netloc
    changed = with_parameter(there, "redirect_uri", "https%3A%2F%2Fevil.example%2F")
    assert httpx.get(changed, timeout=10, trust_env=False).status_code == 400, "the provider knows where to"


def test_one_person_of_the_single_sign_on_has_one_account(sso: Running, provider: Provider) -> None:
    account(sso, provider)
    body = {"login_name": "another", "display_name": "x", "role": "intake", "oidc_name": "sub-of-sun"}
    security = sso.client("security")
    again = security.post("/v1/staff", json=body)
    assert (again.status_code, again.json()["code"]) == (409, "staff_exists")
    made = security.post("/v1/staff", json={**body, "oidc_name": "sub-of-wu"})
    assert made.status_code == 201, made.text
    path = f"/v1/staff/{made.json()['staff_id']}"
    tag = {"if-match": security.get(path).headers["etag"]}
    same = security.patch(path, json={"oidc_name": "sub-of-sun"}, headers=tag)
    assert (same.status_code, same.json()["code"]) == (409, "staff_exists")
