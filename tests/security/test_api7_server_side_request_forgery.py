"""API7:2023 Server side request forgery: an address that somebody typed makes the service call where only it gets to.

Held by tests/test_addresses.py (every range and way of writing, names that change their meaning in between:
tests/test_addresses.py::test_a_name_that_meant_a_public_address_when_it_was_saved_and_loopback_now_is_not_connected_to),
redirects (tests/test_delivery_faults.py::test_a_redirect_is_a_failure_and_is_not_followed), the provider's own addresses
(app/oidc.py, `_is_safe`); and here over the API.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from sqlalchemy import select

from app.tables import agency, subscription
from tests.county import EDUCATION
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.watching import fetch

INSIDE = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "https://[fd00:ec2::254]/",
    "https://[::ffff:169.254.169.254]/",
    "https://100.100.100.200/latest/",
    "https://10.0.0.1/",
    "https://[::1]/",
    "https://localhost/",
    "https://0/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://a@169.254.169.254/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "unix:///run/x.sock",
]


def test_nothing_inside_is_saved_by_any_way_in(run_service: Callable[..., Running]) -> None:
    service = run_service(allowed_networks="")
    admin = service.client("admin")
    tag = admin.get(f"/v1/agencies/{EDUCATION}").headers["etag"]
    new = {
        "code": "x-1",
        "department": "school",
        "division_code": "360803",
        "name_zh": "x",
        "name_en": "x",
        "phone": "1",
    }
    subscribed = {"name": "x", "types": ["request.closed"]}
    before = fetch(service.url, select(agency.c.code, agency.c.endpoint).order_by(agency.c.code))
    for endpoint in INSIDE:
        for answer in (
            admin.patch(f"/v1/agencies/{EDUCATION}", json={"endpoint": endpoint}, headers={"if-match": tag}),
            admin.post("/v1/agencies", json={**new, "endpoint": endpoint}),
            admin.post("/v1/subscriptions", json={**subscribed, "endpoint": endpoint}),
        ):
            assert answer.status_code == 422, (endpoint, answer.text)
            assert "/endpoint" in [each["pointer"] for each in answer.json()["errors"]], endpoint
    assert fetch(service.url, select(agency.c.code, agency.c.endpoint).order_by(agency.c.code)) == before
    assert fetch(service.url, select(subscription.c.id)) == []


def test_a_refusal_does_not_tell_what_listens_there(run_service: Callable[..., Running]) -> None:
    admin = run_service(allowed_networks="").client("admin")
    subscribed = {"name": "x", "types": ["request.closed"]}
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        told = []
        for each in (port, 9):
            answer = admin.post("/v1/subscriptions", json={**subscribed, "endpoint": f"https://127.0.0.1:{each}/"})
            told.append(answer.text.replace(f":{each}", "").replace(answer.headers["x-request-id"], ""))
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert told[0] == told[1]


def test_a_ping_follows_no_redirect(receiver: Receiver, run_service: Callable[..., Running]) -> None:
    admin = run_service().client("admin")
    receiver.then(EDUCATION, Answer(302, headers={"location": receiver.endpoint.format(code="elsewhere")}))
    answer = admin.post(f"/v1/agencies/{EDUCATION}/ping")
    assert (answer.status_code, answer.json()["status_code"]) == (200, 302)
    assert receiver.of("elsewhere") == []
