"""API5:2023 Broken function level authorization: a role does what only another may.

Held by tests/test_rights.py::test_each_route_answers_the_roles_of_the_table_and_nobody_else,
tests/security/test_matrix.py::test_the_tables_hold_every_route_of_the_application_with_the_roles_that_it_names,
tests/test_house.py::test_every_route_asks_who_calls_or_is_listed_as_open_and_only_a_callback_may_be_signed_instead,
tests/test_keys.py::test_a_key_narrowed_to_scopes_does_nothing_else_of_its_role,
tests/test_staff.py::test_nobody_changes_their_own_account_and_the_others_make_none; and here the ways around a route.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import serving
from tests.running import Running
from tests.security.raw import tell

KEYS = [
    *("/v1/keys/", "//v1/keys", "/v1//keys", "/v1/./keys", "/v1/needs/../keys", "/v1/needs/..%2fkeys", "/v1/keys;a=b"),
    *("/V1/keys", "/v1/KEYS", "/v1/keys%00", "/v1/keys%20", "/v1/keys.json", "/v1/keys%2f", "/v1\\keys", "/v1/keys/."),
    *("/v1/%6b%65%79%73", "/v1/keys#x", "/v1/keys?x=/v1/needs"),
]


@pytest.mark.parametrize("role", ["intake", None])
def test_no_way_of_writing_an_address_goes_around_who_may_call_it(service: Running, role: str | None) -> None:
    client = service.client(role)
    key = client.headers.get("authorization")
    for path in KEYS:
        said = f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" + (f"authorization: {key}\r\n" if key else "")
        (answer,) = tell(service.address, f"{said}\r\n".encode())
        assert answer.status in (307, 400, 401, 403, 404), path


def test_no_header_changes_what_is_called_or_who_calls(service: Running) -> None:
    client = service.client("intake")
    for headers in (
        {"x-http-method-override": "DELETE"},
        {"x-method-override": "PATCH"},
        {"x-original-url": "/v1/needs", "x-rewrite-url": "/v1/needs"},
        {"x-forwarded-user": "admin", "x-remote-user": "admin", "remote-user": "admin"},
        {"x-role": "security", "x-forwarded-for": "127.0.0.1", "host": "127.0.0.1"},
    ):
        assert client.get("/v1/keys", headers=headers).status_code == 403, headers
        assert client.post("/v1/keys", json={"name": "x", "role": "intake"}, headers=headers).status_code == 403, (
            headers
        )


def test_no_other_method_does_what_was_not_asked_for(service: Running) -> None:
    client = service.client("intake")
    for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "CONNECT", "PROPFIND", "GET\t"):
        if method.isalpha() and method != "CONNECT":
            assert client.request(method, "/v1/keys").status_code in (403, 404, 405), method


def test_who_changes_what_is_in_no_history_stands_in_the_log(database_url: str, tmp_path: Path) -> None:
    changes = (
        ("admin", "PATCH", "/v1/agencies/360803-education", ["360803-education"]),
        ("coordinator", "POST", "/v1/agencies/360803-education/secrets", ["360803-education"]),
        ("security", "POST", "/v1/keys", []),
    )
    process = serving.Service(database_url, "--no-worker", log=tmp_path / "log", log_level="info")
    running = Running(database_url, process.address)
    try:
        process.wait_until("/health/live", within=120)
        for role, method, path, _ in changes:
            running.client(role).request(method, path, json={})
        running.client("admin").get("/v1/agencies")
        running.client("intake").post("/v1/requests", json={})
    finally:
        running.leave()
        process.stop()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if '"change_asked"' in line]
    assert [(each["method"], each["of"]) for each in lines] == [(method, of) for _, method, _, of in changes]
    assert all(each["by"].startswith("key:") for each in lines)
