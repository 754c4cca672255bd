"""Simulated departments: one real HTTP server each, on loopback.

They verify every message with the `standardwebhooks` library, which shares no code with the service, answer 200, and
report by callbacks signed with the same library. Run as a process: it prints `{"ports": {agency: port}}`, reads
`{"service": url, "secrets": {agency: secret}}` from its standard input, and on SIGTERM prints what it received. While a
secret is changed, both are given, the newer first, with a space between.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import httpx
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from app.identifiers import new_id

# Who asks the person for something before deciding: the demonstration then brings it.
_ASKS_FIRST = {"education_aid": "在读证明"}
_THINKING_SECONDS = 0.15
_MOST_TRIES = 200


class Department:
    """One agency's machine."""

    def __init__(self, code: str, service: str, secret: str, client: httpx.AsyncClient) -> None:
        self.code = code
        self.received: Counter[str] = Counter()
        self.refused = 0
        self.faults: list[str] = []
        self._service = service
        self._webhooks = [Webhook(each) for each in secret.split()]
        self._client = client
        self._seen: set[str] = set()
        self._cancelled: set[str] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._desks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one at a time reports on a handoff

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not any(_verifies(webhook, body, request) for webhook in self._webhooks):
            self.refused += 1
            return web.Response(status=401)
        try:
            message = json.loads(body)
        except ValueError:
            return web.Response(status=400)
        if request.headers["webhook-id"] not in self._seen:
            self._seen.add(request.headers["webhook-id"])
            self.received[message["type"]] += 1
            task = asyncio.create_task(self._take(message["type"], message["data"]))
            self._work.add(task)
            task.add_done_callback(self._work.discard)
        return web.Response()

    async def _take(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "handoff.cancelled":
            self._cancelled.add(data["handoff_id"])
        elif "handoff_id" in data:
            async with self._desks[data["handoff_id"]]:
                await self._handle(kind, data)

    async def _handle(self, kind: str, data: dict[str, Any]) -> None:
        if kind not in ("handoff.dispatched", "handoff.supplemented") or data["handoff_id"] in self._cancelled:
            return
        asked_for = _ASKS_FIRST.get(data["need"]["code"]) if data["role"] == "lead" else None
        if kind == "handoff.dispatched":
            await self._report(data, "handoff.received", {})
            await self._report(data, "handoff.accepted", {"handler": self.code})
            if asked_for:
                await self._report(data, "handoff.information_requested", {"materials": [asked_for]})
                return
        await self._report(data, "handoff.completed", {"outcome": "granted", "note": "演示:同意"})

    async def _report(self, handoff: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
        """Until it is taken: a lead that is told to wait for its co-handlers waits and reports again."""
        await asyncio.sleep(_THINKING_SECONDS)
        message_id, happened = str(new_id()), datetime.now(UTC)
        address = handoff["callback_url"] or f"{self._service}{handoff['callback_path']}"
        body = json.dumps({"type": kind, "timestamp": happened.isoformat(), "data": data}, ensure_ascii=False)
        for _ in range(_MOST_TRIES):
            sent = datetime.now(UTC)
            headers = {
                "content-type": "application/json",
                "webhook-id": message_id,
                "webhook-timestamp": str(int(sent.timestamp())),
                "webhook-signature": self._webhooks[0].sign(message_id, sent, body),
            }
            try:
                answer = await self._client.post(address, content=body.encode(), headers=headers)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                return
            if answer is not None and answer.status_code < 500 and answer.json()["code"] != "co_handlers_open":
                self.faults.append(f"{self.code}: {kind} was answered {answer.status_code} {answer.json()['code']}")
                return
            await asyncio.sleep(0.3)
        self.faults.append(f"{self.code}: {kind} was not taken after {_MOST_TRIES} tries")


def _verifies(webhook: Webhook, body: bytes, request: web.Request) -> bool:
    """The library raises a ValueError of one kind or another for what has no form at all."""
    try:
        webhook.verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


async def _serve(codes: list[str]) -> None:
    departments: dict[str, Department] = {}
    ports: dict[str, int] = {}
    runners: list[web.AppRunner] = []

    def receiver(code: str) -> Any:
        async def receive(request: web.Request) -> web.Response:
            return await departments[code].receive(request)

        return receive

    for code in codes:
        server = web.Application()
        server.router.add_post("/one-window", receiver(code))
        runner = web.AppRunner(server, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
        ports[code] = runner.addresses[0][1]
    print(json.dumps({"ports": ports}), flush=True)
    given = json.loads(await asyncio.to_thread(sys.stdin.readline))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for code, secret in given["secrets"].items():
            departments[code] = Department(code, given["service"], secret, client)
        await ended.wait()
    for runner in runners:
        await runner.cleanup()
    report = {
        "received": {code: dict(each.received) for code, each in departments.items() if each.received},
        "refused": sum(each.refused for each in departments.values()),
        "faults": [fault for each in departments.values() for fault in each.faults],
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1:]))
