"""`one-window demo`: set up, start, ask, watch, check."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy import select

from app import agencies, keys, seed
from app.config import PREFIX, Settings, load_settings
from app.db import Database
from app.delivery.addresses import AllowList
from app.demo.cases import CASES
from app.keys import KeyRole
from app.migrating import migrate
from app.refusals import RefusedError
from app.tables import agency

_COUNTY = "360803"
_LOOPBACK = "127.0.0.0/8,::1/128"
_READY_WITHIN = 30.0
_CLOSED_WITHIN = 90.0
_LOOK_EVERY = 0.2


class DemoFailedError(RefusedError):
    """Its text says what did not happen."""


@dataclass
class Stage:
    settings: Settings
    service: str
    out: Console
    secrets: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


async def run_demo(folder: Path | None, keep: bool, out: Console) -> None:
    """Raises DemoFailedError when a request is not closed in time, or a department refused a signature."""
    with tempfile.TemporaryDirectory(prefix="one-window-demo-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        file = place / "one-window.sqlite3"
        if file.exists():
            raise DemoFailedError(f"{file} is there already; name an empty folder.")
        settings = load_settings(
            database_url=f"sqlite:///{file}", host="127.0.0.1", port=_free_port(), allowed_networks=_LOOPBACK
        )
        stage = Stage(settings, f"http://127.0.0.1:{settings.port}", out)
        codes = [row["code"] for row in seed.county_agencies(_COUNTY)]
        async with _departments(codes) as departments:
            ports = await _line_of(departments, "ports")
            await _prepare(stage, ports)
            assert departments.stdin is not None
            departments.stdin.write(json.dumps({"service": stage.service, "secrets": stage.secrets}).encode() + b"\n")
            await departments.stdin.drain()
            async with _service(settings, stage), httpx.AsyncClient(base_url=stage.service, trust_env=False) as client:
                await _until_ready(client)
                receipts = await _play(stage, client)
                if keep:
                    await _stay(stage, client, ports, receipts)
            departments.terminate()
            received = await _line_of(departments, "received", whole=True)
        _check(received, out)


async def _prepare(stage: Stage, ports: dict[str, int]) -> None:
    """The database of an empty county: migrated, seeded, every agency with its endpoint, a key for each door."""
    database = Database(stage.settings)
    stage.out.print(f"Database: [bold]{stage.settings.sqlite_file}[/bold]")
    allowed = AllowList(stage.settings.allowed_networks)
    endpoints = {
        code: await agencies.check_endpoint(f"http://127.0.0.1:{port}/one-window", allowed)
        for code, port in ports.items()
    }
    try:
        await migrate(database)
        async with database.writing() as connection:
            await seed.seed(
                connection, _COUNTY, lambda what, rows: stage.out.print(f"  loaded {rows:>5} {what}", highlight=False)
            )
            for code, endpoint in endpoints.items():
                stage.secrets[code] = await agencies.set_endpoint(connection, code, endpoint)
            for door in {case["channel"] for _, case in CASES}:
                stage.keys[door] = (await keys.create(connection, f"demo {door}", KeyRole.INTAKE))[1]
            stage.keys["coordinator"] = (await keys.create(connection, "demo coordinator", KeyRole.COORDINATOR))[1]
            named = await connection.execute(select(agency.c.code, agency.c.name_zh))
            stage.names = {row.code: row.name_zh for row in named}
    finally:
        await database.close()
    stage.out.print(f"Departments: {len(ports)} simulated, each a server of its own on 127.0.0.1")


async def _play(stage: Stage, client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Send every case by its own door, then watch all of them until they are closed; their receipts."""
    receipts: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    for title, case in CASES:
        answer = await client.post("/v1/requests", json=case, headers=_as(stage, case["channel"]))
        if answer.status_code != 201:
            raise DemoFailedError(f"{title}: not taken in, {answer.status_code} {answer.text}")
        receipt = answer.json()
        receipts.append((title, case, receipt))
        stage.out.rule(f"{title} ({case['channel']})")
        stage.out.print(
            f"receipt [bold]{receipt['receipt_number_spoken']}[/bold], {len(receipt['handoffs'])} handoffs, "
            f"decided by routing table {receipt['decision']['version']}"
        )
    stage.out.rule("as it happens")
    shown: dict[str, int] = {}
    deadline = asyncio.get_running_loop().time() + _CLOSED_WITHIN
    open_cases = list(receipts)
    while open_cases:
        for each in list(open_cases):
            _, body, receipt = each
            status = await _show_news(stage, client, receipt, shown)
            if status == "awaiting_applicant":
                await _bring_what_is_missing(stage, client, body["channel"], receipt)
            elif status == "closed":
                open_cases.remove(each)
        if open_cases and asyncio.get_running_loop().time() > deadline:
            raise DemoFailedError(await _what_did_not_happen(stage, client, open_cases))
        await asyncio.sleep(_LOOK_EVERY)
    stage.out.rule("closed")
    for title, body, receipt in receipts:
        tracked = (await client.get(f"/v1/track/{receipt['tracking_token']}")).json()
        request = await _get(stage, client, f"/v1/requests/{receipt['request_id']}")
        unanswered = [h["need"] for h in request["handoffs"] if h["role"] == "lead" and h["outcome"] is None]
        if unanswered:
            raise DemoFailedError(f"{title}: closed without an outcome for {', '.join(unanswered)}")
        stage.out.print(
            f"{receipt['receipt_number_spoken']}  {tracked['status_zh']} {tracked['status']}  {title} "
            f"({', '.join(need['code'] for need in body['needs'])})"
        )
    return [receipt for _, _, receipt in receipts]


async def _show_news(stage: Stage, client: httpx.AsyncClient, receipt: dict[str, Any], shown: dict[str, int]) -> str:
    request_id = receipt["request_id"]
    request = await _get(stage, client, f"/v1/requests/{request_id}")
    timeline = await _get(stage, client, f"/v1/requests/{request_id}/timeline")
    if not timeline["intact"]:
        raise DemoFailedError("the timeline's hash chain does not verify")
    handoffs = {each["handoff_id"]: each for each in request["handoffs"]}
    for event in timeline["events"][shown.get(request_id, 0) :]:
        of = handoffs.get(event["handoff_id"])
        who = f"{of['need']} · {stage.names[of['agency']]} ({of['role']}, step {of['step']})" if of else ""
        more = event["data"].get("outcome") or event["data"].get("reason") or ""
        stage.out.print(
            f"{event['at'][11:23]}  …{receipt['receipt_number'][-4:]}  {event['kind']:<29} {who} {more}",
            highlight=False,
            soft_wrap=True,
        )
    shown[request_id] = len(timeline["events"])
    # The status of the moment before the events: a close is seen with all its events printed.
    return (
        str(request["status"])
        if request["status"] != "closed" or timeline["events"][-1]["kind"] == "request.closed"
        else ""
    )


async def _bring_what_is_missing(stage: Stage, client: httpx.AsyncClient, door: str, receipt: dict[str, Any]) -> None:
    answer = await client.post(
        f"/v1/requests/{receipt['request_id']}/supplements",
        json={"materials": ["school_enrolment_record"], "note": "演示:已补交。"},
        headers=_as(stage, door),
    )
    if answer.status_code not in (200, 409):
        raise DemoFailedError(f"the supplement was not taken: {answer.status_code} {answer.text}")


async def _what_did_not_happen(stage: Stage, client: httpx.AsyncClient, open_cases: list[Any]) -> str:
    lines = [f"Not closed within {_CLOSED_WITHIN:.0f} s:"]
    for title, _, receipt in open_cases:
        request = await _get(stage, client, f"/v1/requests/{receipt['request_id']}")
        lines.append(f"  {title}: {request['status']}")
        lines += [
            f"    {each['need']} at {each['agency']} is still {each['status']}"
            for each in request["handoffs"]
            if each["status"] not in ("completed", "cancelled")
        ]
    pending = await _get(stage, client, "/v1/deliveries?status=pending")
    lines += [f"  not delivered: {each['type']} to {each['agency']}" for each in pending["items"]]
    return "\n".join(lines)


def _check(report: dict[str, Any], out: Console) -> None:
    messages = sum(sum(kinds.values()) for kinds in report["received"].values())
    if report["refused"] or report["faults"]:
        raise DemoFailedError("\n".join([f"{report['refused']} signatures did not verify", *report["faults"]]))
    out.print(
        f"{len(report['received'])} departments verified {messages} signed messages and answered by signed callbacks."
    )


async def _stay(stage: Stage, client: httpx.AsyncClient, ports: dict[str, int], receipts: list[dict[str, Any]]) -> None:
    out = stage.out
    out.rule("staying up; Ctrl-C ends it")
    out.print(f"service      {stage.service}   (OpenAPI: {stage.service}/openapi.json)", soft_wrap=True)
    wanted = {"name": "demo kiosk", "division_code": _COUNTY}
    code = (await client.post("/v1/kiosks/pairings", json=wanted, headers=_as(stage, "coordinator"))).json()
    out.print(
        f"kiosk        {stage.service}/kiosk/   (pair it within ten minutes: {code['code_spoken']})", soft_wrap=True
    )
    for receipt in receipts:
        out.print(
            f"own page     {stage.service}/track/{receipt['tracking_token']}   ({receipt['receipt_number_spoken']})",
            highlight=False,
            soft_wrap=True,
        )
    for name, key in stage.keys.items():
        out.print(f"{name + ' key':<16} {key}", highlight=False, soft_wrap=True)
    for code, port in ports.items():
        out.print(f"{code:<32} http://127.0.0.1:{port}/one-window", highlight=False, soft_wrap=True)
    told_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    await told_to_end.wait()
    out.print("ending …")


@asynccontextmanager
async def _service(settings: Settings, stage: Stage) -> AsyncIterator[None]:
    environment = {**os.environ, f"{PREFIX}DATABASE_URL": settings.database_url, f"{PREFIX}LOG_LEVEL": "warning"}
    environment[f"{PREFIX}ALLOWED_NETWORKS"] = _LOOPBACK
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "serve",
        "--host",
        settings.host,
        "--port",
        str(settings.port),
        env=environment,
        start_new_session=True,  # Ctrl-C is for the demonstration, which ends what it started
    )
    try:
        yield
    finally:
        await _end(process)


@asynccontextmanager
async def _departments(codes: list[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.demo.departments",
        *codes,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _line_of(process: asyncio.subprocess.Process, name: str, *, whole: bool = False) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    if not line:
        raise DemoFailedError("the simulated departments did not start")
    told: dict[str, Any] = json.loads(line)
    part: dict[str, Any] = told if whole else told[name]
    return part


async def _until_ready(client: httpx.AsyncClient) -> None:
    said = "nothing"
    for _ in range(int(_READY_WITHIN / _LOOK_EVERY)):
        try:
            answer = await client.get("/health/ready")
            said = answer.text
            if answer.status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(_LOOK_EVERY)
    raise DemoFailedError(f"the service was not ready within {_READY_WITHIN:.0f} s; it said: {said}")


async def _get(stage: Stage, client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path, headers=_as(stage, "coordinator"))
    answer.raise_for_status()
    content: dict[str, Any] = answer.json()
    return content


def _as(stage: Stage, door: str) -> dict[str, str]:
    return {"authorization": f"Bearer {stage.keys[door]}", "accept-language": "en"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
