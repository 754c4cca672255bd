"""The kit's own end for callbacks: it hears them as the service would, and notes what is wrong with each.

It is more lenient than the service: what is wrong is noted and applied all the same, so that one fault hides no other.
Only the lifecycle is held, and what a case has planned.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from app import signing
from app.api.bodies import parse
from app.identifiers import new_id, now
from app.lifecycle import AGENCY_ACTS, Act, HandoffStatus, allowed, target
from app.problems import Problem, Text, unavailable
from app.schemas import CallbackIn
from app.wire import from_json, to_json

_TOLERANCE_SECONDS = 300
_MOST_BYTES = 2**20
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_HOLDS_AT_MOST = 120.0


@dataclass
class Said:
    """One callback as it arrived. `faults` by what they are in; `status` and `problem` are what it was answered."""

    webhook_id: str
    kind: str
    faults: dict[str, Text]
    status: int | None = None
    problem: str | None = None
    needless: bool = False


@dataclass
class Opened:
    """A handoff that the kit has spoken of, and what the case plans for its callbacks."""

    id: UUID
    status: HandoffStatus = HandoffStatus.DISPATCHED
    said: list[Said] = field(default_factory=list)
    happened: datetime | None = None
    disturbances: deque[str] = field(default_factory=deque)
    co_handlers_open: bool = False
    before_the_first_answer: Callable[[], Awaitable[None]] | None = None
    answers: dict[str, bytes] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.said]


class Desk:
    """Listens on `host:port`; `address` is how the department reaches it."""

    def __init__(self, secrets: list[str], host: str, port: int, address: str | None) -> None:
        self.address = (address or "").rstrip("/")
        self.opened: dict[UUID, Opened] = {}
        self.said: list[Said] = []
        self._secrets = secrets
        self._listen = host, port
        self._names: dict[str, tuple[UUID, str]] = {}
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Desk:
        server = web.Application(client_max_size=_MOST_BYTES)
        server.router.add_route("*", "/{path:.*}", self._hear)
        self._runner = web.AppRunner(server, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        host, port = self._listen
        await web.TCPSite(self._runner, host, port).start()
        self.address = self.address or f"http://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def open(self, handoff_id: UUID) -> Opened:
        return self.opened.setdefault(handoff_id, Opened(handoff_id))

    async def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Whether it was reached in time."""
        ends = time.monotonic() + seconds
        async with self._news:
            while not reached() and (left := ends - time.monotonic()) > 0:
                try:
                    await asyncio.wait_for(self._news.wait(), left)
                except TimeoutError:
                    break
        return reached()

    async def _hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        opened = self._named(request.path)
        if opened is None or request.method != "POST":
            return _refusal(Problem("not_found"))
        said = self._noted(opened, request.headers, body)
        answer = await self._answer(opened, said, body)
        async with self._news:
            if answer is None and request.transport is not None:
                request.transport.abort()
            said.status = answer.status if answer else None
            self._news.notify_all()
        return answer or web.Response()

    def _named(self, path: str) -> Opened | None:
        parts = path.split("/")
        try:
            return self.opened.get(UUID(parts[3])) if parts[1:3] == ["v1", "handoffs"] else None
        except (ValueError, IndexError):
            return None

    def _noted(self, opened: Opened, headers: Mapping[str, str], body: bytes) -> Said:
        try:
            content = from_json(body)
        except ValueError:
            content = None
        content = content if isinstance(content, dict) else {}
        said = Said(headers.get("webhook-id", ""), str(content.get("type", "")), {})
        self._look_at_headers(said, headers, body)
        self._look_at_form(said, opened, content, body)
        if said.webhook_id:
            meant = (opened.id, said.kind)
            if self._names.setdefault(said.webhook_id, meant) != meant:
                said.faults["name"] = Text(
                    "webhook-id 已用于另一条回告", "its webhook-id was used for another callback"
                )
            same = (each for each in opened.said if (each.webhook_id, each.kind) == (said.webhook_id, said.kind))
            said.needless = any(each.status == 200 for each in same)
        opened.said.append(said)
        self.said.append(said)
        return said

    def _look_at_headers(self, said: Said, headers: Mapping[str, str], body: bytes) -> None:
        timestamp, signature = headers.get("webhook-timestamp", ""), headers.get("webhook-signature", "")
        if not signing.matches(self._secrets, said.webhook_id, timestamp, signature, body):
            said.faults["signature"] = Text("签名不符", "the signature does not match")
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            said.faults["clock"] = Text(
                f"webhook-timestamp 不是秒数:{timestamp[:40]!r}", f"no seconds: {timestamp[:40]!r}"
            )
        elif abs(skew := int(timestamp) - int(now().timestamp())) > _TOLERANCE_SECONDS:
            said.faults["clock"] = Text(f"webhook-timestamp 相差 {skew} 秒", f"webhook-timestamp differs by {skew} s")
        missing = [name for name in _HEADERS if not headers.get(name)]
        if not headers.get("content-type", "").lower().startswith("application/json"):
            missing.append("content-type: application/json")
        if missing:
            said.faults["headers"] = Text(f"缺少 {', '.join(missing)}", f"missing: {', '.join(missing)}")
        elif not (said.webhook_id.isprintable() and len(said.webhook_id) <= signing.LONGEST_ID):
            said.faults["headers"] = Text(
                "webhook-id 应为 1 至 256 个可见字符", "webhook-id is 1 to 256 visible characters"
            )

    def _look_at_form(self, said: Said, opened: Opened, content: dict[str, Any], body: bytes) -> None:
        data = content.get("data")
        named = data.get("handoff_id") if isinstance(data, dict) else None
        if named is not None and str(named) != str(opened.id):
            said.faults["address"] = Text("data.handoff_id 与地址不一致", "data.handoff_id differs from the address")
        try:
            callback = parse(CallbackIn, body)
        except Problem as problem:
            wrong = [Text(f"{e.pointer} {e.detail.zh}", f"{e.pointer} {e.detail.en}") for e in problem.errors]
            wrong = wrong or [problem.kind.title]
            said.faults["form"] = Text(";".join(each.zh for each in wrong), "; ".join(each.en for each in wrong))
            return
        if (callback.timestamp - datetime.now(UTC)).total_seconds() > _TOLERANCE_SECONDS:
            said.faults["form"] = Text("timestamp 在未来", "its timestamp is in the future")
        if said.kind in opened.kinds:
            return
        if opened.happened is not None and callback.timestamp < opened.happened:
            said.faults["order"] = Text("timestamp 早于上一条", "its timestamp is older than the one before")
        opened.happened = callback.timestamp

    async def _answer(self, opened: Opened, said: Said, body: bytes) -> web.Response | None:
        """None: hang up without a word."""
        if opened.before_the_first_answer:
            first, opened.before_the_first_answer = opened.before_the_first_answer, None
            await asyncio.wait_for(first(), _HOLDS_AT_MOST)
        disturbance = opened.disturbances.popleft() if opened.disturbances else None
        if disturbance == "unavailable":
            return _refusal(unavailable())
        if not said.webhook_id or said.webhook_id not in opened.answers or "name" in said.faults:
            try:
                opened.answers[said.webhook_id] = _applied(opened, said.kind)
            except Problem as problem:
                said.problem = problem.code
                return _refusal(problem)
        if disturbance == "hang_up":
            return None
        return web.Response(body=opened.answers[said.webhook_id], content_type="application/json")


def _applied(opened: Opened, kind: str) -> bytes:
    acts = {f"handoff.{act}": act for act in AGENCY_ACTS}
    if kind not in acts:
        raise Problem("validation_failed")
    moved = target(opened.status, acts[kind])
    if moved is None:
        raise Problem("move_not_allowed", extra={"allowed": allowed(opened.status)})
    if acts[kind] is Act.COMPLETED and opened.co_handlers_open:
        opened.co_handlers_open = False
        raise Problem("co_handlers_open", extra={"waiting_for": [str(new_id())], "allowed": allowed(opened.status)})
    opened.status = moved
    return to_json(
        {
            "handoff_id": opened.id,
            "applied": True,
            "reason": None,
            "status": moved,
            "request_status": "closed" if moved is HandoffStatus.COMPLETED else "in_progress",
            "allowed": allowed(moved),
        }
    )


def _refusal(problem: Problem) -> web.Response:
    return web.Response(
        body=to_json(problem.body("en")),
        status=problem.kind.status,
        headers=dict(problem.headers),
        content_type="application/problem+json",
    )
