"""Doors that take requests in and agencies that report, each insisting until it is answered; their ledger of answers."""

from __future__ import annotations

import itertools
import json
import threading
import time
from typing import Any

import httpx

from app.keys import KeyRole
from tests import serving
from tests.county import a_callback, signed
from tests.examples import a_request

PAUSE_SECONDS = 0.02
GIVE_UP_SECONDS = 300.0  # of one thing that is waited for


class Load:
    """Each door submits, repeats with the same Idempotency-Key until it has a 201, then reports one of the handoffs
    as its agency, repeating with the same webhook-id until it has a 200. `addresses` are tried in turn."""

    def __init__(
        self,
        addresses: list[str],
        url: str,
        secrets: dict[str, str],
        *,
        doors: int = 4,
        most: int | None = None,
        reports: bool = True,
    ) -> None:
        self.receipts: list[dict[str, Any]] = []
        self.taken_at: list[tuple[float, float]] = []  # monotonic seconds: when the call began, when it was a 201
        self.reported: list[str] = []
        self.repeated = 0
        self.unexpected: list[str] = []
        self._addresses = itertools.cycle(addresses)
        self._key = serving.make_key(url, KeyRole.INTAKE)
        self._secrets = secrets
        self._reports = reports
        self._numbers = iter(range(most)) if most else itertools.count()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._doors = [threading.Thread(target=self._work, daemon=True) for _ in range(doors)]
        for door in self._doors:
            door.start()

    def wait_for(self, receipts: int) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while len(self.receipts) < receipts:
            assert time.monotonic() < deadline, f"only {len(self.receipts)} receipts"
            assert not self.unexpected, self.unexpected[:3]
            time.sleep(0.01)

    def end(self) -> None:
        """What was begun is insisted on, nothing more is begun."""
        self._ended.set()
        self.join()

    def join(self) -> Load:
        for door in self._doors:
            door.join(GIVE_UP_SECONDS)
        assert not self.unexpected, self.unexpected[:3]
        assert not any(door.is_alive() for door in self._doors), "some door was never answered"
        return self

    def _work(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while not self._ended.is_set():
                with self._lock:
                    number = next(self._numbers, None)
                if number is None or not self._one(client, number):
                    return
                time.sleep(PAUSE_SECONDS)

    def _one(self, client: httpx.Client, number: int) -> bool:
        body = json.dumps(a_request("education_aid"), ensure_ascii=False).encode()
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        taken = self._insist(client, "/v1/requests", body, {**headers, "idempotency-key": f"door-{number}"}, 201)
        if taken is None:
            return False
        self.receipts.append(taken)
        if not self._reports:
            return True
        handoff = next(each for each in taken["handoffs"] if each["status"] == "dispatched")
        report = a_callback("received")
        by_agency = signed(self._secrets[handoff["agency"]], report)
        path = f"/v1/handoffs/{handoff['handoff_id']}/callbacks"
        if self._insist(client, path, report, by_agency, 200) is None:
            return False
        self.reported.append(handoff["handoff_id"])
        return True

    def _insist(
        self, client: httpx.Client, path: str, body: bytes, headers: dict[str, str], wanted: int
    ) -> dict[str, Any] | None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            began = time.monotonic()
            try:
                answer = client.post(next(self._addresses) + path, content=body, headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == wanted:
                if wanted == 201:
                    self.taken_at.append((began, time.monotonic()))
                said: dict[str, Any] = answer.json()
                return said
            if answer is not None and answer.status_code != 503:
                self.unexpected.append(f"{answer.status_code} {answer.text}")
                return None
            self.repeated += 1
            time.sleep(0.05)
        self.unexpected.append(f"no answer to {path}")
        return None
