"""Operation: what an operator and a caller in trouble see: health, metrics, request ids, one envelope for every error."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select, text

from app.main import create_app
from app.master_keys import fresh, key_id
from app.tables import event, handoff, help_request, worker
from tests import serving
from tests.commands import one_window, refused
from tests.county import EDUCATION, County
from tests.examples import PERSONAL, a_request, a_request_in_full
from tests.running import Running
from tests.watching import change, count, fetch, until

CHINESE = re.compile("[一-鿿]")


def ready(client: httpx.Client) -> tuple[int, dict[str, bool]]:
    answer = client.get("/health/ready")
    return answer.status_code, answer.json()


def test_it_is_ready_when_the_database_the_migrations_and_a_worker_are_there(
    run_service: Callable[..., Running],
) -> None:
    client = run_service(embedded_worker=True).client(None)
    everything = {"database": True, "migrations": True, "worker": True, "keys": True}
    until(lambda: ready(client) == (200, everything), what="readiness")
    assert client.get("/health/live").json() == {"status": "ok"}


def test_a_worker_whose_row_is_gone_makes_it_again(
    run_service: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.worker._BEAT_SECONDS", 0.1)
    client = (running := run_service(embedded_worker=True)).client(None)
    until(lambda: ready(client)[0] == 200, what="readiness")
    (first,) = fetch(running.url, select(worker))
    change(running.url, delete(worker))
    until(lambda: ready(client)[0] == 200, what="readiness")
    (again,) = fetch(running.url, select(worker))
    assert (again["id"], again["started_at"]) == (first["id"], first["started_at"])


def test_without_a_worker_it_lives_and_is_not_ready(service: Running) -> None:
    client = service.client(None)
    until(lambda: ready(client) == (503, {"database": True, "migrations": True, "worker": False, "keys": True}))
    assert client.get("/health/live").status_code == 200
    assert service.client("intake").post("/v1/requests", json=a_request()).status_code == 201


def test_keys_that_do_not_open_the_database_make_it_unready(run_service: Callable[..., Running]) -> None:
    client = run_service(embedded_worker=True, master_keys=fresh()).client(None)
    others = {"database": True, "migrations": True, "worker": True}
    until(lambda: ready(client) == (503, {**others, "keys": False}), what="all but the keys")
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_with_a_lost_key_it_does_not_start_and_names_it(database_url: str, command: str) -> None:
    said = refused(one_window(command, database=database_url, master_keys=fresh()))
    assert key_id(base64.b64decode(serving.MASTER_KEY)).hex() in said


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_with_its_key_file_lost_it_does_not_start_and_makes_none(
    database_url: str, command: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    done = one_window(command, database=database_url, master_keys=None, master_key_file=str(file))
    assert f"no file {file}" in refused(done)
    assert not file.exists()


@pytest.fixture
def empty_database_url(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    if backend == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    return serving.make_postgres_database(request.getfixturevalue("postgres_server"))


def test_on_a_database_that_was_not_migrated_it_lives_says_so_and_serves_nothing(
    empty_database_url: str, tmp_path: Path
) -> None:
    service = serving.Service(empty_database_url, log=tmp_path / "log").wait_until("/health/live")
    try:
        with httpx.Client(base_url=service.address, trust_env=False, timeout=30) as client:
            until(
                lambda: ready(client) == (503, {"database": True, "migrations": False, "worker": False, "keys": False})
            )
            answer = client.post("/v1/requests", json=a_request(), headers={"authorization": "Bearer x"})
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
            assert answer.headers["retry-after"]
    finally:
        service.stop()


def series(client: httpx.Client) -> dict[str, float]:
    """The metrics by name and labels."""
    lines = client.get("/metrics").raise_for_status().text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line[0] != "#"}


def test_the_metrics_count_what_happened_and_name_nobody(
    database_url: str, run_service: Callable[..., Running]
) -> None:
    secrets = serving.set_endpoints(database_url, "http://127.0.0.1:9/{code}")
    county = County(run_service(), secrets)
    before = series(county.coordinator)
    body = a_request_in_full("education_aid") | {"channel": "hotline"}
    once = {"idempotency-key": "one-request-sent-three-times"}
    receipt, *repeats = (county.window.post("/v1/requests", json=body, headers=once).json() for _ in range(3))
    assert repeats == [receipt] * 2
    county.told(county.handoff(receipt, EDUCATION), "accepted", handler=PERSONAL["helper"])
    county.report(county.handoff(receipt, EDUCATION), "received")
    county.nobody.get(f"/v1/track/{receipt['tracking_token']}")
    after = series(county.coordinator)

    def grew(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grew('one_window_requests_total{channel="hotline"}') == 1
    assert grew('one_window_callbacks_total{outcome="answered",type="handoff.accepted"}') == 1
    assert grew('one_window_callbacks_total{outcome="move_not_allowed",type="handoff.received"}') == 1
    assert grew("one_window_ledger_group_size_count") == 1
    taken_in = 'method="POST",route="/v1/requests",status="201"'
    assert grew(f"one_window_http_seconds_count{{{taken_in}}}") == 3
    assert after["one_window_delivery_backlog"] == 5
    assert 0 < after["one_window_delivery_backlog_age_seconds"] < 60
    assert after["one_window_workers_alive"] == 0
    described = county.coordinator.get("/metrics").text
    for name in (
        "delivery_attempts_total",
        "deliveries_exhausted_total",
        "delivery_first_attempt_seconds",
        "delivery_attempt_seconds",
    ):
        assert f"# TYPE one_window_{name} " in described
    private = (*PERSONAL.values(), receipt["tracking_token"], receipt["receipt_number"], receipt["request_id"])
    assert not [value for value in private if value in described]


def test_a_request_id_is_given_back_or_made(service: Running) -> None:
    client = service.client("coordinator")
    made = set()
    for path, status in (("/v1/requests", 200), ("/v1/nowhere", 404), ("/v1/requests?limit=0", 422)):
        answer = client.get(path, headers={"x-request-id": "kiosk-7.42_a"})
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, "kiosk-7.42_a")
        for unusable in (None, "two words", "x" * 65, "", '{"a":1}'):
            answer = client.get(path, headers={} if unusable is None else {"x-request-id": unusable})
            assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
            made.add(answer.headers["x-request-id"])
    assert len(made) == 15


def test_an_address_that_does_not_take_a_method_names_those_that_it_takes(service: Running) -> None:
    client = service.client("coordinator")
    for method, path, methods in (
        ("DELETE", "/v1/requests", {"GET", "POST"}),
        ("PUT", "/v1/needs", {"GET"}),
        ("GET", "/v1/requests/018f0000-0000-7000-8000-000000000000/withdraw", {"POST"}),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].replace(" ", "").split(",")) - {"HEAD"} == methods


def test_every_error_has_the_one_envelope(service: Running) -> None:
    nobody, window = service.client(None), service.client("intake")
    text_body = {"content": b"x", "headers": {"content-type": "text/plain"}}
    cases: list[tuple[httpx.Client, str, str, int, dict[str, Any]]] = [
        (nobody, "GET", "/", 404, {}),
        (nobody, "GET", "/v1/nowhere", 404, {}),
        (nobody, "GET", "/v1/requests/", 404, {}),
        (nobody, "GET", "/v1/track/%00%ff", 422, {}),
        (nobody, "DELETE", "/v1/requests", 405, {}),
        (nobody, "GET", "/v1/requests", 401, {}),
        (window, "GET", "/v1/deliveries", 403, {}),
        (window, "GET", "/v1/requests?status=lost", 422, {}),
        (window, "GET", "/v1/requests/7", 422, {}),
        (window, "POST", "/v1/requests", 400, {"content": b"{", "headers": {"content-type": "application/json"}}),
        (window, "POST", "/v1/requests", 415, text_body),
        (window, "POST", "/v1/requests", 422, {"json": {}}),
    ]
    for client, method, path, status, content in cases:
        answer = client.request(method, path, **content)
        assert answer.status_code == status, f"{method} {path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["content-language"] == "en"
        assert answer.headers["x-content-type-options"] == "nosniff"
        problem = answer.json()
        assert {"type", "title", "status", "detail", "code"} <= problem.keys()
        assert problem["status"] == status
        assert nobody.get(problem["type"]).json()["status"] == status, "its type explains it"
        assert ("errors" in problem) == (status == 422)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("en", "en"), ("en-US,en;q=0.9", "en"), ("EN", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr", "zh"), ("", "zh")],
)
def test_errors_speak_chinese_unless_english_is_the_first_choice(
    service: Running, accepted: str, language: str
) -> None:
    answer = service.client(None).get("/v1/requests", headers={"accept-language": accepted})
    assert answer.headers["content-language"] == language
    assert bool(CHINESE.search(answer.json()["title"])) == (language == "zh")


def test_a_write_that_fails_half_way_answers_no_2xx_and_leaves_nothing(service: Running) -> None:
    county = County(service, {})
    kept = county.ask("education_aid")
    machine = service.client("agency", agency=EDUCATION)
    path = f"/v1/handoffs/{county.handoff(kept, EDUCATION)['handoff_id']}/callbacks"
    accepted = {"type": "handoff.accepted", "timestamp": kept["registered_at"]}
    stored = count(service.url, help_request, handoff, event)
    # The last table of each transaction is not to be had.
    change(service.url, text("ALTER TABLE event RENAME TO event_away"))
    answers = [
        county.window.post("/v1/requests", json=a_request()),
        machine.post(path, json=accepted),
        county.window.post(f"/v1/requests/{kept['request_id']}/withdraw", json={}),
    ]
    assert all(each.status_code >= 500 for each in answers), [each.status_code for each in answers]
    assert all(each.headers["content-type"] == "application/problem+json" for each in answers)
    change(service.url, text("ALTER TABLE event_away RENAME TO event"))
    assert count(service.url, help_request, handoff, event) == stored
    assert county.handoff(kept, EDUCATION)["status"] == "dispatched"
    assert machine.post(path, json=accepted).json()["applied"], "a refused callback may be sent again"
    county.ask()


def test_stopping_at_any_moment_ends_cleanly(database_url: str) -> None:
    """The task that looks for changed settings is nearly always in the middle of a query here."""

    async def start_and_stop(after: float, embedded_worker: bool) -> None:
        often = {"refresh_seconds": 0.0005, "poll_seconds": 0.001}
        app = create_app(serving.settings_for(database_url, embedded_worker=embedded_worker, **often))
        async with app.router.lifespan_context(app):
            await asyncio.sleep(after)

    def many_times() -> None:
        for turn in range(40):
            asyncio.run(start_and_stop(0.005 + turn / 2000, turn % 2 == 1))

    thread = threading.Thread(target=many_times, daemon=True)
    thread.start()
    thread.join(600)
    assert not thread.is_alive(), "it hangs when it is told to stop"
