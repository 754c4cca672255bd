"""API2:2023 Broken authentication: who calls is not proved, or can be guessed, stolen or confused with somebody else.

Held by tests/test_staff.py (guessing by name:
tests/test_staff.py::test_many_tries_at_once_are_no_way_around_the_count, by address:
tests/test_staff.py::test_an_address_with_many_wrong_tries_waits_and_stops_nobody_who_is_known, telling accounts apart:
tests/test_staff.py::test_a_name_that_nobody_has_a_wrong_password_and_a_locked_account_are_answered_alike, pages of others:
tests/test_staff.py::test_a_cookie_changes_nothing_without_the_pages_token_and_from_elsewhere), fixed sessions:
tests/test_sign_in_pages.py::test_a_session_that_was_there_before_the_sign_in_is_not_taken_over, the single sign-on:
tests/test_sign_in_pages.py::test_a_round_trip_that_was_changed_on_its_way_proves_nobody, keys:
tests/test_rights.py::test_a_key_that_does_not_count_opens_nothing_that_needs_one, signatures:
tests/test_callback_senders.py::test_a_wrong_signature_is_401, codes of guest links:
tests/test_guests.py::test_five_wrong_codes_end_the_code_and_ten_codes_the_link; and here that nothing stands for another.
"""

from __future__ import annotations

import httpx

from app.keys import KeyRole
from tests import serving
from tests.county import EDUCATION, signed
from tests.examples import a_request
from tests.people import PASSWORD, Person
from tests.running import Running


def test_what_proves_one_thing_proves_no_other(database_url: str, service: Running) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    key = serving.make_key(database_url, KeyRole.INTAKE)
    window = service.client(None, authorization=f"Bearer {key}")
    token = window.post("/v1/requests", json=a_request()).json()["tracking_token"]
    clerk = Person.made(service, "intake").signed_in()
    session = clerk.browser.cookies["one_window_session"]
    nobody = service.client(None)
    for secret in (
        token,
        session,
        clerk.staff_id,
        clerk.csrf,
        PASSWORD,
        secrets[EDUCATION],
        key[:-1],
        key + "A",
        key.upper(),
    ):
        answer = nobody.get("/v1/requests", headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == 401
    for secret in (token, key, clerk.csrf, clerk.staff_id, session[:-1]):
        assert nobody.get("/v1/requests", headers={"cookie": f"one_window_session={secret}"}).status_code == 401
    assert nobody.get("/v1/requests", params={"key": key, "access_token": key}).status_code == 401
    assert nobody.get("/v1/requests", auth=httpx.BasicAuth("key", key)).status_code == 401
    assert window.get("/v1/requests").status_code == 200


def test_a_signature_opens_callbacks_and_nothing_else(database_url: str, service: Running) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    for path in ("/v1/requests", "/v1/emergencies", "/v1/keys"):
        headers = signed(secrets[EDUCATION], b"{}")
        assert service.client(None).post(path, content=b"{}", headers=headers).status_code == 401
    assert service.client(None).get("/v1/handoffs", headers=signed(secrets[EDUCATION], b"")).status_code == 401
