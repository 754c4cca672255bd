"""One request's whole way, over real HTTP."""

from __future__ import annotations

from tests.conftest import Running
from tests.examples import a_request


def test_a_request_is_taken_in_and_routed(service: Running) -> None:
    answer = service.client("intake").post("/v1/requests", json=a_request())
    assert answer.status_code == 201, answer.text
    receipt = answer.json()
    assert {each["agency"] for each in receipt["handoffs"]} >= {"360803-healthcare-security"}
