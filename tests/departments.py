"""Departments for the conformance kit: one that does everything right, and many that each do one thing wrong.

Each is a real HTTP server on loopback. What it verifies and signs, it does by hand: nothing is shared with the kit.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import ssl
import subprocess
import time
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
MOST_TRIES = 100


@contextmanager
def process(*arguments: str, out: int = subprocess.PIPE, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A real process, ended by its id."""
    environment = {**os.environ, **settings}
    started = subprocess.Popen(
        arguments, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=20)


class CrashError(Exception):
    """What a program that does not catch it answers with 500."""


class Department:
    """Verifies, stores, answers; then reports by itself, one callback after the other."""

    largest = 2**20
    tls: ssl.SSLContext | None = None
    pause = 0.02

    def __init__(self, secret: str, next_secret: str) -> None:
        self.secrets = [secret, next_secret]
        self.seen: set[str] = set()
        self.told: dict[str, str] = {}
        self.handoffs: set[str] = set()
        self.in_flight = 0
        self.ended = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> str:
        """The address of its endpoint."""
        server = web.Application(client_max_size=self.largest)
        self.route(server)
        self._runner = web.AppRunner(server, access_log=None, logger=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.tls).start()
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60))
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._runner.addresses[0][1]}/one-window"

    async def __aexit__(self, *_: object) -> None:
        self.ended.set()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._client.close()
        await self._runner.cleanup()

    def route(self, server: web.Application) -> None:
        server.router.add_post("/one-window", self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        try:
            return await self.receive(request)
        except CrashError:
            return web.Response(status=500)

    async def receive(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), self.headers_in(request)
        if not self.genuine(headers, body):
            return self.refuse(headers, body)
        try:
            message = self.read(body)
        except ValueError:
            return web.Response(status=400)
        status = self.judge(message, request)
        if status == 204 and await self.new(headers["webhook-id"]):
            await self.begin(message)
        return web.Response(status=status)

    def headers_in(self, request: web.Request) -> Mapping[str, str]:
        return request.headers

    def refuse(self, headers: Mapping[str, str], body: bytes) -> web.Response:
        return web.Response(status=401)

    def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        if not all(headers.get(name) for name in HEADERS):
            return False
        seconds = self.seconds(headers["webhook-timestamp"])
        return seconds is not None and self.in_time(time.time() - seconds) and self.signed(headers, body)

    def seconds(self, timestamp: str) -> int | None:
        return int(timestamp) if timestamp.isascii() and timestamp.isdigit() else None

    def in_time(self, age: float) -> bool:
        return abs(age) <= 300

    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        offered = self.offered(headers["webhook-signature"])
        message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
        return any(self.mac(secret, message_id, timestamp, body) in offered for secret in self.secrets)

    def offered(self, signatures: str) -> list[str]:
        return [each[3:] for each in signatures.split(" ") if each.startswith("v1,")]

    def mac(self, secret: str, message_id: str, timestamp: str, body: bytes) -> str:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    def read(self, body: bytes) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(body)
        return message

    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 204

    async def new(self, message_id: str) -> bool:
        if message_id in self.seen:
            return False
        self.seen.add(message_id)
        return True

    def stale(self, message: dict[str, Any]) -> bool:
        handoff_id = message["data"]["handoff_id"]
        newest = self.told.get(handoff_id, "")
        self.told[handoff_id] = max(newest, message["timestamp"])
        return message["timestamp"] < newest

    async def begin(self, message: dict[str, Any]) -> None:
        if message["type"] in ("handoff.dispatched", "handoff.cancelled", "handoff.supplemented"):
            stale = self.stale(message)
            if message["type"] == "handoff.dispatched" and not stale:
                self.start(self.work(message["data"]))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "received")
        await self.report(data, "accepted", handler="王某")
        await self.report(data, "completed", outcome="granted")

    async def report(self, handoff: dict[str, Any], act: str, **data: Any) -> None:
        """Until it is taken, or refused for good."""
        content = {"type": f"handoff.{act}", "timestamp": self.happened(act), "data": data}
        body = json.dumps(content, ensure_ascii=False).encode()
        message_id = self.own_id(handoff)
        for tries in range(MOST_TRIES):
            headers = self.sign(message_id, body)
            try:
                async with self._client.post(self.address(handoff), data=body, headers=headers) as answer:
                    status, code = answer.status, json.loads(await answer.read()).get("code", "")
            except aiohttp.ClientError:
                status, code = 0, ""
            if not self.again(status, code, tries):
                return
            message_id = self.id_again(message_id)
            await asyncio.sleep(self.pause)

    def address(self, handoff: dict[str, Any]) -> str:
        return str(handoff["callback_url"])

    def own_id(self, handoff: dict[str, Any]) -> str:
        return str(uuid.uuid4())

    def id_again(self, message_id: str) -> str:
        return message_id

    def happened(self, act: str) -> str:
        return datetime.now(UTC).isoformat()

    def stamp(self) -> str:
        return str(int(time.time()))

    def sign(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = self.stamp()
        signature = self.mac(self.secrets[0], message_id, timestamp, body)
        signed = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}
        return {"content-type": "application/json", **signed}

    def again(self, status: int, code: str, tries: int) -> bool:
        return status == 0 or status >= 500 or code == "co_handlers_open"


class AsksForEarlyOnesAgain(Department):
    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        handoff_id = message["data"].get("handoff_id")
        if message["type"] in ("handoff.supplemented", "handoff.cancelled") and handoff_id not in self.handoffs:
            return 503
        self.handoffs.add(handoff_id)
        return 204


class AsksThePersonFirst(Department):
    async def begin(self, message: dict[str, Any]) -> None:
        await super().begin(message)
        if message["type"] == "handoff.supplemented" and message["data"]["handoff_id"] in self.handoffs:
            self.start(self.report(message["data"], "completed", outcome="granted"))

    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "received")
        await self.report(data, "accepted")
        self.handoffs.add(data["handoff_id"])
        await self.report(data, "information_requested", materials=["诊断证明"])


class HasAnotherSecret(Department):
    def __init__(self, secret: str, next_secret: str) -> None:
        super().__init__("whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8)


class RefusesAType(Department):
    refused = ""

    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 422 if message["type"] == self.refused else 204


class RefusesSupplements(RefusesAType):
    refused = "handoff.supplemented"


class RefusesUrging(RefusesAType):
    refused = "handoff.urged"


class RefusesNewLimits(RefusesAType):
    refused = "handoff.rescheduled"


class RefusesExtensions(RefusesAType):
    refused = "handoff.extended"


class RefusesCancellations(RefusesAType):
    refused = "handoff.cancelled"


class RefusesEmergencies(RefusesAType):
    refused = "emergency.dispatched"


class RefusesTypesItDoesNotKnow(RefusesAType):
    refused = "handoff.conformance_test"


class RefusesFieldsItDoesNotKnow(Department):
    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 422 if set(message) - {"type", "timestamp", "data"} else 204


class StoresThreeBytesOfUtf8(Department):
    def read(self, body: bytes) -> dict[str, Any]:
        if max(body.decode(errors="ignore"), default="") > "\uffff":
            raise CrashError
        return super().read(body)


class SignsWhatItParsed(Department):
    def signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            body = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
        except ValueError:
            return False
        return super().signed(headers, body)


class TakesSmallBodies(Department):
    largest = 64 * 1024


class HangsOverLargeBodies(Department):
    async def begin(self, message: dict[str, Any]) -> None:
        if len(message["data"].get("details", "")) > 10_000:
            await self.ended.wait()
        await super().begin(message)


class Redirects(Department):
    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 307


class LooksAtTheFirstSignature(Department):
    def offered(self, signatures: str) -> list[str]:
        return super().offered(signatures.split(" ")[0])


class LooksAtTheLastSignature(Department):
    def offered(self, signatures: str) -> list[str]:
        return super().offered(signatures.split(" ")[-1])


class KnowsTheOldSecretOnly(Department):
    def __init__(self, secret: str, next_secret: str) -> None:
        super().__init__(secret, secret)


class MindsLettersOfHeaders(Department):
    def headers_in(self, request: web.Request) -> Mapping[str, str]:
        return {name.decode(): value.decode() for name, value in request.raw_headers}


class AllowsOneMinute(Department):
    def in_time(self, age: float) -> bool:
        return abs(age) <= 60


class VerifiesNothing(Department):
    def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        return all(headers.get(name) for name in HEADERS)


class NeverMindsTheTime(Department):
    def in_time(self, age: float) -> bool:
        return True


class MindsTheFutureOnly(Department):
    def in_time(self, age: float) -> bool:
        return age >= -300


class MindsThePastOnly(Department):
    def in_time(self, age: float) -> bool:
        return age <= 300


class CrashesWithoutAHeader(Department):
    def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        if not all(headers.get(name) for name in HEADERS):
            raise CrashError
        return super().genuine(headers, body)


class TakesAnyVersion(Department):
    def offered(self, signatures: str) -> list[str]:
        return [each.partition(",")[2] for each in signatures.split(" ")]


class CrashesOverSignatures(Department):
    def offered(self, signatures: str) -> list[str]:
        try:
            for each in signatures.split(" "):
                base64.b64decode(each.split(",")[1], validate=True)
        except (ValueError, IndexError):
            raise CrashError from None
        return super().offered(signatures)


class CrashesOverTimestamps(Department):
    def seconds(self, timestamp: str) -> int | None:
        try:
            datetime.fromtimestamp(int(timestamp), UTC)
        except (ValueError, OverflowError, OSError):
            raise CrashError from None
        return int(timestamp)


class CrashesOverBodies(Department):
    def read(self, body: bytes) -> dict[str, Any]:
        try:
            return super().read(body)
        except ValueError:
            raise CrashError from None


class TakesAnythingSigned(Department):
    def read(self, body: bytes) -> dict[str, Any]:
        try:
            return super().read(body)
        except ValueError:
            return {"type": "unknown", "data": {}}


class DiesOfABody(Department):
    dead = False

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.dead = self.dead or body.decode(errors="surrogateescape") != body.decode(errors="replace")
        if self.dead:
            raise CrashError
        return await super().receive(request)


class AnswersGet(Department):
    def route(self, server: web.Application) -> None:
        super().route(server)
        server.router.add_get("/one-window", self.welcome)

    async def welcome(self, request: web.Request) -> web.Response:
        return web.Response(text="welcome")


class WorksOnWhatItRefused(Department):
    def refuse(self, headers: Mapping[str, str], body: bytes) -> web.Response:
        try:
            message = json.loads(body)
        except ValueError:
            message = None
        if message:
            self.start(self.work(message["data"]))
        return super().refuse(headers, body)


class WorksOnEveryRepeat(Department):
    async def new(self, message_id: str) -> bool:
        return True


class LooksBeforeItLeaps(Department):
    """Two repeats at once both find nothing."""

    async def new(self, message_id: str) -> bool:
        if message_id in self.seen:
            return False
        await asyncio.sleep(0.2)
        self.seen.add(message_id)
        return True


class RefusesRepeats(Department):
    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 409 if request.headers["webhook-id"] in self.seen else 204


class RemembersForgedIds(Department):
    def genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        genuine = super().genuine(headers, body)
        if not genuine:
            self.seen.add(headers.get("webhook-id", ""))
        return genuine


class RefusesEarlyOnes(AsksForEarlyOnesAgain):
    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 404 if super().judge(message, request) == 503 else 204


class ForgetsCancellations(Department):
    def stale(self, message: dict[str, Any]) -> bool:
        return False


class TakesOneMessagePerConnection(Department):
    def __init__(self, secret: str, next_secret: str) -> None:
        super().__init__(secret, next_secret)
        self.connections: set[Any] = set()

    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        known = request.transport in self.connections
        self.connections.add(request.transport)
        return 500 if known else 204


class WantsConnectionsKept(Department):
    def judge(self, message: dict[str, Any], request: web.Request) -> int:
        return 204 if request.keep_alive else 400


class ServesOneAtATime(Department):
    async def receive(self, request: web.Request) -> web.Response:
        self.in_flight += 1
        try:
            if self.in_flight > 1:
                raise CrashError
            await asyncio.sleep(0.2)
            return await super().receive(request)
        finally:
            self.in_flight -= 1


class NeverReports(Department):
    async def work(self, data: dict[str, Any]) -> None:
        return


class ReportsElsewhere(Department):
    def address(self, handoff: dict[str, Any]) -> str:
        return super().address(handoff).replace("/v1/", "/v2/")


class NeverSigns(Department):
    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "accepted")
        await self.report(data, "completed", outcome="granted")


class NeverAccepts(Department):
    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "received")
        await self.report(data, "completed", outcome="granted")


class CompletesBeforeItAccepts(Department):
    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "received")
        await self.report(data, "completed", outcome="granted")
        await self.report(data, "accepted")


class NeverCompletes(Department):
    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "received")
        await self.report(data, "accepted")


class GivesUpAt503(Department):
    def again(self, status: int, code: str, tries: int) -> bool:
        return status != 503 and super().again(status, code, tries)


class GivesUpWhenCutOff(Department):
    def again(self, status: int, code: str, tries: int) -> bool:
        return status != 0 and super().again(status, code, tries)


class RepeatsWithANewId(Department):
    def id_again(self, message_id: str) -> str:
        return str(uuid.uuid4())


class GivesUpOnItsCoHandlers(Department):
    def again(self, status: int, code: str, tries: int) -> bool:
        return code != "co_handlers_open" and super().again(status, code, tries)


class InsistsOnWhatWasRefused(Department):
    pause = 0.0

    def again(self, status: int, code: str, tries: int) -> bool:
        return status == 409 or super().again(status, code, tries)


class WorksBeforeItAnswers(Department):
    async def begin(self, message: dict[str, Any]) -> None:
        known = message["type"] in ("handoff.dispatched", "handoff.cancelled", "handoff.supplemented")
        if known and not self.stale(message) and message["type"] == "handoff.dispatched":
            await self.work(message["data"])


class SignsWithAnotherSecret(Department):
    def sign(self, message_id: str, body: bytes) -> dict[str, str]:
        stranger = HasAnotherSecret("", "")
        return (
            stranger.sign(message_id, body)
            if not isinstance(self, HasAnotherSecret)
            else super().sign(message_id, body)
        )


class SignsAnotherBody(Department):
    def sign(self, message_id: str, body: bytes) -> dict[str, str]:
        return super().sign(message_id, body + b"\n")


class StampsMilliseconds(Department):
    def stamp(self) -> str:
        return str(int(time.time() * 1000))


class HasASlowClock(Department):
    def stamp(self) -> str:
        return str(int(time.time() - 3600))


class NamesNoContentType(Department):
    def sign(self, message_id: str, body: bytes) -> dict[str, str]:
        return {**super().sign(message_id, body), "content-type": "text/plain"}


class NamesNoId(Department):
    def sign(self, message_id: str, body: bytes) -> dict[str, str]:
        return {name: value for name, value in super().sign(message_id, body).items() if name != "webhook-id"}


class TellsNoZone(Department):
    def happened(self, act: str) -> str:
        return datetime.now(UTC).replace(tzinfo=None).isoformat()


class TellsTheFuture(Department):
    def happened(self, act: str) -> str:
        return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


class TellsNoOutcome(Department):
    async def work(self, data: dict[str, Any]) -> None:
        await self.report(data, "received")
        await self.report(data, "accepted")
        await self.report(data, "completed")


class UsesOneIdPerHandoff(Department):
    def own_id(self, handoff: dict[str, Any]) -> str:
        return str(handoff["handoff_id"])


class NamesAnotherHandoff(Department):
    async def report(self, handoff: dict[str, Any], act: str, **data: Any) -> None:
        await super().report(handoff, act, handoff_id=handoff["request_id"], **data)


class TimeRunsBackwards(Department):
    def happened(self, act: str) -> str:
        back = timedelta(seconds=10 * ("received", "accepted", "completed").index(act))
        return (datetime.now(UTC) - back).isoformat()


class RepeatsWhatWasTaken(Department):
    def again(self, status: int, code: str, tries: int) -> bool:
        return tries == 0 or super().again(status, code, tries)
