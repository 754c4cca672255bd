"""API1:2023 Broken object level authorization: whoever knows or guesses the id of what is another's gets at it.

Held by tests/security/test_matrix.py (every route with an id, for every role, on its own, on another's and on what does not
exist), tests/test_attachments.py::test_whoever_has_no_part_in_it_finds_nothing,
tests/test_callback_senders.py::test_for_a_neighbour_agency_the_handoff_does_not_exist; and here what is no id in an address.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta

from app import attachment_links
from app.identifiers import new_id, now
from tests.examples import a_request
from tests.running import Running


def test_a_link_to_one_attachment_is_no_way_to_another_nor_to_a_later_hour() -> None:
    secret, at = b"s" * 32, now()
    token, ends_at = attachment_links.make(secret, new_id(), new_id(), at)
    whole = urlsafe_b64decode(token)
    for position in range(len(whole)):
        changed = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        assert attachment_links.read(secret, urlsafe_b64encode(changed).decode(), at) is None, position
    assert attachment_links.read(secret, token, at) is not None
    assert attachment_links.read(b"t" * 32, token, at) is None
    assert attachment_links.read(secret, token, ends_at + timedelta(seconds=1)) is None


def test_the_cursor_of_anothers_list_leads_into_ones_own(service: Running) -> None:
    first, second = service.client("intake"), service.client("intake")
    taken = {
        each: [each.post("/v1/requests", json=a_request()).json()["request_id"] for _ in range(2)]
        for each in (first, second)
    }
    cursor = second.get("/v1/requests?limit=1").json()["next_cursor"]
    shown = first.get("/v1/requests", params={"cursor": cursor}).json()["items"]
    assert {each["request_id"] for each in shown} == set(taken[first])


def test_anothers_idempotency_key_is_not_answered_with_what_it_was_answered(service: Running) -> None:
    once, body = {"idempotency-key": "once"}, a_request()
    first, second = (service.client("intake").post("/v1/requests", json=body, headers=once).json() for _ in range(2))
    assert first["request_id"] != second["request_id"]
    assert first["tracking_token"] != second["tracking_token"]
