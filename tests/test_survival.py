"""`kill -9` of the service in the middle of 2,000 submissions: nothing that got a 201 is lost, every handoff arrives."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.db import Database
from app.keys import KeyRole
from app.tables import delivery, handoff, help_request
from tests import serving
from tests.examples import a_request

SUBMISSIONS = 2_000
CLIENTS = 8
KILLS_AFTER = (500, 1_200)
GIVE_UP_AFTER = 240.0


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    port, file = serving.free_port(), tmp_path / "received.tsv"
    process = serving.Process("-m", "tests.sink", str(port), str(file))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
            break
        except httpx.TransportError:
            time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/{{code}}", file
    process.stop()


class Submitters:
    """A few doors that submit at once, and repeat with the same Idempotency-Key until they have a 201."""

    def __init__(self, address: str, key: str) -> None:
        self.receipts: list[dict[str, Any]] = []
        self.repeated = 0
        self.unexpected: list[str] = []
        self._address = address
        self._key = key
        self._numbers = iter(range(SUBMISSIONS))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CLIENTS)]
        self._deadline = time.monotonic() + GIVE_UP_AFTER

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, receipts: int) -> None:
        while len(self.receipts) < receipts:
            assert time.monotonic() < self._deadline, f"only {len(self.receipts)} receipts; {self.unexpected[:3]}"
            assert not self.unexpected, self.unexpected[:3]
            time.sleep(0.01)

    def _work(self) -> None:
        with httpx.Client(base_url=self._address, timeout=10, trust_env=False) as client:
            while time.monotonic() < self._deadline:
                with self._lock:
                    number = next(self._numbers, None)
                if number is None:
                    return
                self._submit(client, number)

    def _submit(self, client: httpx.Client, number: int) -> None:
        headers = {"authorization": f"Bearer {self._key}", "idempotency-key": f"survival-{number}"}
        body = json.dumps(a_request(), ensure_ascii=False).encode()
        while time.monotonic() < self._deadline:
            try:
                answer = client.post(
                    "/v1/requests", content=body, headers={**headers, "content-type": "application/json"}
                )
            except httpx.TransportError:
                self.repeated += 1
                time.sleep(0.05)
                continue
            if answer.status_code == 201:
                self.receipts.append(answer.json())
                return
            if answer.status_code != 503:
                self.unexpected.append(answer.text)
                return
            time.sleep(0.05)


def test_killing_the_service_loses_nothing_that_got_a_201(
    database_url: str, sink: tuple[str, Path], tmp_path: Path
) -> None:
    endpoint, received = sink
    serving.set_endpoints(database_url, endpoint)
    key = serving.make_key(database_url, KeyRole.INTAKE)
    log = tmp_path / "service.log"
    settings = {"delivery_lease_seconds": 3, "delivery_total_seconds": 1, "poll_seconds": 0.5}
    service = serving.Service(database_url, log=log, **settings).wait_until()
    submitters = Submitters(service.address, key)
    submitters.start()
    try:
        for after in KILLS_AFTER:
            submitters.wait_for(after)
            service.kill()
            service = serving.Service(database_url, port=service.port, log=log, **settings)
        submitters.wait_for(SUBMISSIONS)
        assert submitters.repeated, "the kills came in the middle of submissions"
        _wait_until_delivered(database_url)
    finally:
        service.stop()
    _everything_is_there(database_url, submitters.receipts, received)


def _wait_until_delivered(url: str) -> None:
    deadline = time.monotonic() + GIVE_UP_AFTER
    pending = -1
    while time.monotonic() < deadline:
        pending = _scalar(url, select(func.count()).select_from(delivery).where(delivery.c.status != "delivered"))
        if pending == 0:
            return
        time.sleep(0.5)
    raise AssertionError(f"{pending} deliveries did not arrive")


def _everything_is_there(url: str, receipts: list[dict[str, Any]], received: Path) -> None:
    assert len({receipt["request_id"] for receipt in receipts}) == SUBMISSIONS
    assert _scalar(url, select(func.count()).select_from(help_request)) == SUBMISSIONS
    promised = {each["handoff_id"] for receipt in receipts for each in receipt["handoffs"]}
    assert _scalar(url, select(func.count()).select_from(handoff)) == len(promised)
    bytes_of: dict[str, set[str]] = defaultdict(set)
    arrived: set[str] = set()
    for line in received.read_text().splitlines():
        webhook_id, digest, _, handoff_id = line.split("\t")
        bytes_of[webhook_id].add(digest)
        arrived.add(handoff_id)
    dispatched = {
        each["handoff_id"] for receipt in receipts for each in receipt["handoffs"] if each["status"] == "dispatched"
    }
    assert dispatched
    assert arrived == dispatched
    assert all(len(digests) == 1 for digests in bytes_of.values()), "the same id came with other bytes"


def _scalar(url: str, statement: Any) -> Any:
    async def run() -> Any:
        database = Database(serving.settings_for(url))
        try:
            async with database.reading() as connection:
                return await connection.scalar(statement)
        finally:
            await database.close()

    return asyncio.run(run())
