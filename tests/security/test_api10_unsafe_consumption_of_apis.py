"""API10:2023 Unsafe consumption of APIs: what other systems answer is believed, kept or shown without bounds.

Endpoints: tests/test_delivery_faults.py::test_a_huge_answer_is_cut_to_one_kib,
tests/test_delivery_faults.py::test_an_endpoint_that_hangs_or_hangs_up_is_tried_again,
tests/test_endpoint_tls.py::test_an_endpoint_that_shows_what_it_should_not_is_sent_nothing; the single sign-on:
tests/test_sign_in_pages.py::test_a_token_that_has_ended_or_that_an_unknown_key_signed_proves_nobody,
tests/test_sign_in_pages.py::test_a_provider_that_is_away_stops_nobody_who_has_a_password; agencies' words in pages:
tests/test_guests.py::test_what_somebody_wrote_is_shown_as_text; storage:
tests/test_attachments.py::test_a_file_that_was_tampered_with_is_not_handed_out; and here.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from app import oidc
from app.identifiers import now
from app.oidc_provider import OidcProvider
from tests import serving
from tests.county import EDUCATION
from tests.provider import CLIENT
from tests.receivers import Answer, Receiver
from tests.running import Running

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def whole(content: bytes, *headers: str) -> bytes:
    lines = "".join(f"{each}\r\n" for each in (*headers, f"content-length: {len(content)}"))
    return OK + lines.encode() + b"\r\n" + content


LONG = json.dumps({"issuer": "x", "padding": "x" * 3_000_000}).encode()
SAID: dict[str, bytes] = {
    "too long": whole(LONG),
    "without end": OK + b"\r\n" + b"x" * 3_000_000,
    "packed": whole(gzip.compress(b" " * 50_000_000), "content-encoding: gzip"),
    "nested": whole(b"[" * 500_000),
    "no JSON": whole(b"<html>"),
    "a list": whole(b"[]"),
    "a redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "another issuer": whole(b'{"issuer": "https://elsewhere.example"}'),
}


def asked(said: bytes, **document: str) -> Any:
    """What the single sign-on's client makes of it, from a server that says just that."""

    async def work() -> Any:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            try:
                writer.write(said or whole(json.dumps({"issuer": issuer, **document}).encode()))
                await writer.drain()
            except ConnectionError:
                pass
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        provider = OidcProvider(
            serving.settings_for(
                "sqlite:///unused.sqlite3", oidc_issuer=issuer, public_url="http://127.0.0.1", **CLIENT
            )
        )
        try:
            return await provider.address(oidc.Flow.begun(b"secret", now()), "http://127.0.0.1/back")
        finally:
            server.close()

    return asyncio.run(asyncio.wait_for(work(), 30))


@pytest.mark.parametrize("said", SAID)
def test_a_provider_that_says_anything_else_is_as_good_as_away(said: str) -> None:
    with pytest.raises(oidc.ProviderAwayError):
        asked(SAID[said])


@pytest.mark.parametrize(
    "place", ["http://10.0.0.1/", "ftp://127.0.0.1/", "javascript:alert(1)", "//elsewhere.example/"]
)
def test_a_provider_sends_nobody_to_an_address_without_tls(place: str) -> None:
    good = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), "https://sso.example/x")
    assert asked(b"", **good).startswith("https://sso.example/x?")
    for name in good:
        with pytest.raises(oidc.ProviderAwayError):
            asked(b"", **{**good, name: place})


def test_what_an_endpoint_answers_is_shown_as_data_to_whom_it_concerns(
    receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    service = run_service()
    markup = "<script>alert(1)</script>\x1b[2J\u202e".encode()
    headers = {"set-cookie": "one_window_session=x", "content-type": "text/html", "x-secret": "x"}
    receiver.then(EDUCATION, Answer(500, headers=headers, body=markup + b"\xff\x00"))
    answer = service.client("admin").post(f"/v1/agencies/{EDUCATION}/ping")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert answer.json()["status_code"] == 500
