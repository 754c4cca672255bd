"""The service as a process: what it logs, how it stops under load, and how it lives through a database that goes away."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum, EnumType
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select, text, update

from app.db import Database
from app.identifiers import now
from app.keys import KeyRole
from app.lifecycle import HandoffStatus
from app.main import _find_members_at_once
from app.tables import delivery, handoff, help_request
from tests import serving
from tests.county import EDUCATION, TOWNSHIP, a_callback, signed
from tests.examples import PERSONAL, a_request, a_request_in_full
from tests.receivers import Answer, Receiver
from tests.running import Running
from tests.watching import change, count, fetch, until

DISPATCHED_AT_ONCE = 5  # handoffs of education_aid


def test_members_of_enumerations_are_found_without_the_last_resort_that_the_service_takes_out() -> None:
    _find_members_at_once()
    kinds = {Enum}
    while more := {each for kind in kinds for each in kind.__subclasses__()} - kinds:
        kinds |= more
    assert {HandoffStatus, KeyRole} < kinds
    assert "__getattr__" not in vars(EnumType)
    found = type.__getattribute__  # some library warns of a name that is out of use
    assert all(found(kind, name) is member for kind in kinds for name, member in kind.__members__.items())
    assert not hasattr(HandoffStatus, "NO_SUCH")


def client_of(service: serving.Service, key: str) -> httpx.Client:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=service.address, headers=headers, timeout=15, trust_env=False, verify=False)


def test_the_log_is_json_that_names_no_person_and_holds_no_secret(
    database_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    key = serving.make_key(database_url, KeyRole.INTAKE)
    receiver.then(TOWNSHIP, Answer(500, body=PERSONAL["narrative"].encode()))
    log = tmp_path / "log"
    service = serving.Service(database_url, log=log, log_level="debug", public_url="http://127.0.0.1:9").wait_until()
    with client_of(service, key) as client:
        body = a_request_in_full("medical_assistance_applied")
        receipt = client.post("/v1/requests", json=body, headers={"x-request-id": "seen-in-the-log"}).json()
        until(lambda: receiver.of(TOWNSHIP), what="the message")
        token = receipt["tracking_token"]
        assert client.get(f"/v1/track/{token}").status_code == 200
        client.get(f"/v1/track/{token}x")
        client.get(f"/v1/nowhere/{PERSONAL['name']}?token={token}")
        client.post("/v1/requests", json=a_request(applicant={"name": PERSONAL["name"], "phone": "12"}))
        client.post("/v1/requests", content=f'{{"name": "{PERSONAL["name"]}'.encode())
        client.get("/v1/requests", headers={"authorization": f"Bearer {token}"})
        report = a_callback("accepted", handler=PERSONAL["helper"], note=PERSONAL["details"])
        path = f"/v1/handoffs/{receipt['handoffs'][0]['handoff_id']}/callbacks"
        headers = {**signed(receiver.secrets[TOWNSHIP], report), "authorization": ""}
        client.post(path, content=report, headers=headers)
        client.post(f"/v1/requests/{receipt['request_id']}/withdraw", json={"reason": PERSONAL["narrative"]})
    service.stop()
    written = log.read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert "seen-in-the-log" in {line.get("request_id") for line in lines}
    answered = [line for line in lines if line["event"] == "answered"]
    assert "/v1/track/{token}" in {line["route"] for line in answered}, "the template, never the address"
    secrets = (token, key, serving.SECRET, receiver.secrets[TOWNSHIP], receiver.secrets[TOWNSHIP][6:20])
    assert not [value for value in (*PERSONAL.values(), *secrets) if value in written or ascii(value)[1:-1] in written]


class Load:
    """Some doors that take requests in as fast as they are answered, until the service is gone."""

    def __init__(self, service: serving.Service, key: str, doors: int = 4) -> None:
        self.receipts: list[dict[str, Any]] = []
        self.others: list[int] = []
        self._service, self._key = service, key
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(doors)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        with client_of(self._service, self._key) as client:
            while True:
                try:
                    answer = client.post("/v1/requests", json=a_request("education_aid"))
                except httpx.TransportError:
                    return
                if answer.status_code != 201:
                    self.others.append(answer.status_code)
                    return
                self.receipts.append(answer.json())

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


def test_told_to_stop_under_load_it_stops_within_ten_seconds_and_loses_nothing(
    database_url: str, receiver: Receiver, run_service: Callable[..., Running]
) -> None:
    receiver.always(EDUCATION, Answer(hang=True))
    # It is given four of the ten seconds: the rest is for what a busy machine takes besides.
    limits = {"stop_seconds": 4, "delivery_total_seconds": 60, "delivery_lease_seconds": 62}
    service = serving.Service(database_url, **limits).wait_until()
    load = Load(service, serving.make_key(database_url, KeyRole.INTAKE))
    until(lambda: len(load.receipts) > 100 and receiver.of(EDUCATION), within=120, what="the load")
    begun = time.monotonic()
    service.stop()
    assert time.monotonic() - begun < 10
    load.join()
    assert set(load.others) <= {503}

    stored = {row["receipt_number"] for row in fetch(database_url, select(help_request.c.receipt_number))}
    assert {each["receipt_number"] for each in load.receipts} <= stored
    promised = {each["handoff_id"] for receipt in load.receipts for each in receipt["handoffs"]}
    assert promised <= {str(row["id"]) for row in fetch(database_url, select(handoff.c.id))}
    receiver.always(EDUCATION, Answer())
    receiver.release()
    change(
        database_url, update(delivery).where(delivery.c.claimed_by.is_not(None)).values(claimed_by=None, due_at=now())
    )
    run_service(embedded_worker=True)
    pending = select(delivery.c.id).where(delivery.c.status != "delivered")
    until(lambda: not fetch(database_url, pending), within=120, what="the delivery of everything")
    told = {each.message["data"]["handoff_id"] for each in list(receiver.received)}
    assert promised <= told
    assert count(database_url, delivery) == {"delivery": len(stored) * DISPATCHED_AT_ONCE}


def test_while_postgresql_is_away_it_answers_503_and_then_it_recovers_by_itself(
    own_postgres: tuple[str, serving.Postgres], tmp_path: Path
) -> None:
    url, server = own_postgres
    receiver = Receiver()
    receiver.secrets = serving.set_endpoints(url, receiver.endpoint)
    service = serving.Service(url, log=tmp_path / "log", poll_seconds=10).wait_until()
    client = client_of(service, serving.make_key(url, KeyRole.INTAKE))
    try:
        take_in = {"json": a_request("education_aid"), "headers": {"idempotency-key": "in-a-storm"}}
        before = [client.post("/v1/requests", json=a_request("education_aid")) for _ in range(12)]
        assert {each.status_code for each in before} == {201}
        until(lambda: len(receiver.received) == 12 * DISPATCHED_AT_ONCE)

        server.stop()
        for _ in range(15):
            begun = time.monotonic()
            answer = client.post("/v1/requests", **take_in)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert time.monotonic() - begun < 6
        assert client.get("/health/live").status_code == 200
        state = client.get("/health/ready")
        assert (state.status_code, state.json()["database"]) == (503, False)

        server.start()
        taken = until(
            lambda: last if (last := client.post("/v1/requests", **take_in)).status_code == 201 else None,
            within=60,
            what="the recovery",
        )
        after = [client.post("/v1/requests", json=a_request("education_aid")) for _ in range(12)]
        assert {each.status_code for each in after} == {201}, "each connection that had died was replaced"
        assert client.post("/v1/requests", **take_in).content == taken.content
        until(lambda: client.get("/health/ready").status_code == 200, what="readiness")
        until(lambda: len({each.id for each in receiver.received}) == 25 * DISPATCHED_AT_ONCE)
        begun = time.monotonic()
        client.post("/v1/requests", json=a_request("education_aid"))
        until(lambda: len({each.id for each in receiver.received}) == 26 * DISPATCHED_AT_ONCE)
        assert time.monotonic() - begun < 7, "the worker is woken again"
        assert count(url, help_request) == {"help_request": 26}
    finally:
        client.close()
        service.stop()
        receiver.close()
    written = (tmp_path / "log").read_text()
    assert "unexpected_error" not in written
    assert "claim_failed" not in written


def test_a_service_that_starts_before_its_database_waits_for_it(
    own_postgres: tuple[str, serving.Postgres], tmp_path: Path
) -> None:
    url, server = own_postgres
    server.stop()
    service = serving.Service(url, log=tmp_path / "log").wait_until("/health/live")
    try:
        assert httpx.get(f"{service.address}/health/ready", trust_env=False, timeout=30).status_code == 503
        server.start()
        service.wait_until("/health/ready")
    finally:
        service.stop()


WRITES_AND_LEAVES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO kept VALUES (1)")
connection.commit()
connection.close()
"""


def test_opening_sqlite_again_in_one_process_takes_no_lock_from_who_has_it_open(tmp_path: Path) -> None:
    """Closing any descriptor of a file ends every lock of the process on it (sqlite.org/howtocorrupt.html, 2.2): then
    another process believes itself alone, deletes the write-ahead log when it leaves, and the file is corrupt."""
    file = tmp_path / "locks.sqlite3"
    settings = serving.settings_for(f"sqlite:///{file}")

    async def open_twice() -> None:
        first = Database(settings)
        async with first.writing() as connection:
            await connection.execute(text("CREATE TABLE kept (number INTEGER)"))
        second = Database(settings)
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITES_AND_LEAVES, str(file))
        assert await other.wait() == 0
        assert await asyncio.to_thread(Path(f"{file}-wal").exists)
        await second.close()
        await first.close()

    asyncio.run(open_twice())
