"""A family's whole way, over real HTTP, with simulated departments in a process of their own, on both databases."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app import agencies, seed
from app.db import Database
from app.demo.cases import QINGYUAN_FAMILY
from tests import serving
from tests.running import Running

CLOSED_WITHIN = 120.0


class Departments:
    """Every agency of the county, each a server of its own that verifies and signs with `standardwebhooks`."""

    def __init__(self) -> None:
        codes = [row["code"] for row in seed.county_agencies(serving.COUNTY)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app.demo.departments", *codes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports: dict[str, int] = self._line()["ports"]

    def answer_to(self, service: str, secrets: dict[str, str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"service": service, "secrets": secrets}) + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        self._process.terminate()
        report = self._line()
        self._process.communicate(timeout=20)
        return report

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@pytest.fixture
def departments() -> Iterator[Departments]:
    process = Departments()
    yield process
    process.kill()


def give_endpoints(url: str, ports: dict[str, int]) -> dict[str, str]:
    async def run() -> dict[str, str]:
        database = Database(serving.settings_for(url))
        async with database.writing() as connection:
            secrets = {
                code: await agencies.set_endpoint(connection, code, f"http://127.0.0.1:{port}/one-window")
                for code, port in ports.items()
            }
        await database.close()
        return secrets

    return asyncio.run(run())


def test_the_qingyuan_family_is_answered_by_every_agency_concerned(
    database_url: str, run_service: Callable[..., Running], departments: Departments
) -> None:
    secrets = give_endpoints(database_url, departments.ports)
    service = run_service(embedded_worker=True)
    departments.answer_to(service.address, secrets)
    door, coordinator = service.client("intake"), service.client("coordinator")

    receipt = door.post("/v1/requests", json=QINGYUAN_FAMILY).json()
    request = _until_closed(door, receipt["request_id"])

    leads = {each["need"]: each["agency"] for each in request["handoffs"] if each["role"] == "lead"}
    assert leads == {
        "minimum_living_allowance": "360803-civil-affairs",
        "medical_assistance_applied": "360803-healthcare-security",
        "education_aid": "360803-education",
        "insurance_premium_subsidy": "360803-healthcare-security",
    }
    assert all(each["outcome"] == "granted" for each in request["handoffs"])

    timeline = coordinator.get(f"/v1/requests/{receipt['request_id']}/timeline").json()
    assert timeline["intact"]
    assert [each["sequence"] for each in timeline["events"]] == list(range(1, len(timeline["events"]) + 1))
    at = {(each["kind"], each["handoff_id"]): each["sequence"] for each in timeline["events"]}
    allowance = {each["agency"]: each for each in request["handoffs"] if each["need"] == "minimum_living_allowance"}
    verified = at["handoff.completed", allowance["360803-verification-center"]["handoff_id"]]
    decided = at["handoff.dispatched", allowance["360803-civil-affairs"]["handoff_id"]]
    assert verified < decided, "the household is verified before the allowance is decided"
    assert timeline["events"][-1]["kind"] == "request.closed"

    tracked = door.get(f"/v1/track/{receipt['tracking_token']}").json()
    assert tracked["status"] == "closed"

    report = departments.end()
    assert report["refused"] == 0
    assert report["faults"] == []
    assert set(report["received"]) == {each["agency"] for each in request["handoffs"]}


def _until_closed(door: Any, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + CLOSED_WITHIN
    while time.monotonic() < deadline:
        request: dict[str, Any] = door.get(f"/v1/requests/{request_id}").json()
        if request["status"] == "closed":
            return request
        if request["status"] == "awaiting_applicant":
            brought = {"materials": ["school_enrolment_record"], "note": "带来了"}
            assert door.post(f"/v1/requests/{request_id}/supplements", json=brought).status_code in (200, 409)
        time.sleep(0.1)
    still = {(each["need"], each["agency"], each["status"]) for each in request["handoffs"]}
    raise AssertionError(f"not closed: {still}")
