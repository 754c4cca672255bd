"""API8:2023 Security misconfiguration: a default, a header, an error or a page that gives more than it should.

Held by tests/security/test_headers.py (every answer of every route; no answer is for other origins),
tests/security/test_secrets.py, tests/test_settings.py (no secret by default on PostgreSQL, none printed), cookies by TLS:
tests/test_sign_in_pages.py::test_the_cookie_is_for_us_alone_and_new_at_each_sign_in,
tests/test_guests.py::test_behind_https_the_cookie_never_travels_without_it; and here.
"""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from sqlalchemy import select, update

from app.main import create_app
from app.tables import api_key, help_request, staff_account
from tests import serving
from tests.examples import a_request
from tests.running import Running
from tests.watching import change, fetch

INNER = re.compile(
    r"Traceback|sqlalchemy|asyncpg|aiosqlite|cryptography|InvalidTag|site-packages|\.py\b|SELECT |app/", re.I
)


def test_a_new_service_knows_no_key_and_nobody(database_url: str) -> None:
    assert fetch(database_url, select(api_key)) == fetch(database_url, select(staff_account)) == []
    assert not create_app(serving.settings_for(database_url)).debug


@pytest.mark.parametrize("harm", [{"sealed": b"nonsense"}, {"data_key": b"nonsense"}])
def test_a_fault_of_ours_is_told_without_a_word_from_inside(service: Running, harm: dict[str, bytes]) -> None:
    window = service.client("intake")
    request_id = window.post("/v1/requests", json=a_request()).json()["request_id"]
    change(service.url, update(help_request).where(help_request.c.id == UUID(request_id)).values(**harm))
    answer = window.get(f"/v1/requests/{request_id}")
    assert answer.status_code >= 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert INNER.search(answer.text) is None, answer.text


def test_pages_fetch_nothing_from_anywhere_else(service: Running) -> None:
    client = service.client(None)
    for path in ("/docs", "/sign-in", f"/answer/{'A' * 32}"):
        page = client.get(path)
        fetched = re.findall(r"<(?:script|link|img|iframe|form)[^>]*(?:src|href|action)=[\"']([^\"']+)", page.text)
        assert [each for each in fetched if re.match(r"(\w+:)?//", each)] == [], path
        assert "http" not in re.sub(r"'sha256-[^']+'", "", page.headers["content-security-policy"]), path


def test_another_origin_is_told_nothing_and_may_send_nothing(service: Running) -> None:
    client = service.client("intake")
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    for answer in (client.options("/v1/requests", headers=asked), client.get("/v1/requests", headers=asked)):
        assert [name for name in answer.headers if name.startswith("access-control-")] == []
