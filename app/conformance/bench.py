"""What the cases are played on: messages are made, signed, sent, and what comes back is kept."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from app import __version__, signing
from app.conformance.desk import Desk, Opened, Said
from app.conformance.samples import DISPATCHED, fresh
from app.delivery.tls import tls_context
from app.identifiers import new_id, now
from app.problems import Text
from app.receivers import Tls
from app.wire import to_json

_USER_AGENT = f"one-window/{__version__} conformance"
_CONNECT_SECONDS = 5.0
_MOST_READ = 64 * 1024
_SHOWN = 200
_RETRY_STATUSES = {409, 425, 429, 503}

_FAULTS = {
    "timeout": Text("时限内没有应答", "no answer within the time limit"),
    "unreachable": Text("连接不上", "no connection"),
    "tls": Text("TLS 未能建立:证书或信任不符", "TLS failed: one side does not trust the other's certificate"),
    "broken_answer": Text("连接中断,没有完整应答", "the connection broke without a whole answer"),
}


class NotPlayedError(Exception):
    """Raised by a case that can't be played; its text says why."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


@dataclass(frozen=True, slots=True)
class Plan:
    """How to play. `within` and `wait`: seconds for an answer, and for a callback; `tls`: whom to trust, who we are."""

    endpoint: str
    secret: str
    next_secret: str | None = None
    callbacks: bool = False
    listen: tuple[str, int] = ("127.0.0.1", 8090)
    public_url: str | None = None
    within: float = 20.0
    wait: float = 30.0
    tls: Tls = field(default_factory=Tls)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message before it is sent: the same bytes and id however often."""

    kind: str
    id: str
    handoff_id: UUID
    body: bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back on one try; `status` is None when nothing whole did, and `fault` says why."""

    status: int | None
    fault: str | None
    milliseconds: int
    answer: str

    @property
    def success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def refusal(self) -> bool:
        return self.status is not None and 400 <= self.status < 500

    @property
    def comes_again(self) -> bool:
        """Not taken now, and worth another try."""
        return self.status in _RETRY_STATUSES

    def told(self, what: str) -> Text:
        if self.fault:
            fault = _FAULTS[self.fault]
            return Text(f"{what} → {fault.zh}", f"{what} → {fault.en}")
        words = f" {self.answer}" if self.answer and not self.success else ""
        line = f"{what} → {self.status} ({self.milliseconds} ms){words}"
        return Text(line, line)


@dataclass
class Bench:
    """One endpoint under test. The lists keep what the cases on callbacks judge at the end."""

    plan: Plan
    desk: Desk | None
    forged: list[UUID] = field(default_factory=list)
    once: list[UUID] = field(default_factory=list)
    moot: list[UUID] = field(default_factory=list)
    first: Opened | None = None
    reachable: bool = False

    def __post_init__(self) -> None:
        own = self.plan.tls
        self._tls = tls_context(own.ca, own.certificate, own.key)
        self._fresh = self.client(keep=0)

    async def aclose(self) -> None:
        await self._fresh.aclose()

    @property
    def shown_endpoint(self) -> str:
        parts = urlsplit(self.plan.endpoint)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def letter(
        self, kind: str, about: UUID | None = None, at: datetime | None = None, data: Mapping[str, Any] | None = None
    ) -> Letter:
        """A new message about a handoff that was spoken of, or about a new one."""
        handoff_id = about or new_id()
        message = fresh(kind, handoff_id, self.desk.address if self.desk else None, at or now())
        message["data"] |= data or {}
        if self.desk:
            self.desk.open(handoff_id)
        return Letter(kind, str(new_id()), handoff_id, to_json(message))

    def signed(
        self, letter: Letter, secrets: Sequence[str] | None = None, at: datetime | None = None
    ) -> dict[str, str]:
        """The headers of one try, with the secret under test unless others are given."""
        signed = signing.sign(secrets or [self.plan.secret], letter.id, at or now(), letter.body)
        return {"content-type": "application/json", "user-agent": _USER_AGENT, **signed}

    def client(self, keep: int = 1) -> httpx.AsyncClient:
        """One that keeps so many connections open."""
        return httpx.AsyncClient(
            verify=self._tls,
            timeout=httpx.Timeout(self.plan.within, connect=min(_CONNECT_SECONDS, self.plan.within)),
            limits=httpx.Limits(max_keepalive_connections=keep),
            trust_env=False,
            follow_redirects=False,
        )

    async def post(
        self, body: bytes, headers: Mapping[str, str], method: str = "POST", client: httpx.AsyncClient | None = None
    ) -> Heard:
        """One try on a connection of its own, or on those of `client`. Never raises for what an endpoint does."""
        began = time.monotonic()
        status, fault, answer = None, None, b""
        try:
            async with (
                asyncio.timeout(self.plan.within),
                (client or self._fresh).stream(method, self.plan.endpoint, content=body, headers=headers) as response,
            ):
                async for chunk in response.aiter_bytes(_MOST_READ):
                    answer += chunk
                    if len(answer) >= _MOST_READ:
                        break
                status = response.status_code
        except (TimeoutError, httpx.TimeoutException):
            fault = "timeout"
        except httpx.HTTPError as error:
            fault = _fault(error)
        self.reachable = self.reachable or status is not None
        milliseconds = round((time.monotonic() - began) * 1000)
        words = " ".join(answer.decode(errors="replace").split())[:_SHOWN]
        return Heard(status, fault, milliseconds, "".join(each for each in words if each.isprintable()))


def _fault(error: httpx.HTTPError) -> str:
    connecting, cause = isinstance(error, httpx.ConnectError), error.__context__
    while cause is not None:
        # One that hangs up is at odds about TLS only as long as it is being agreed upon.
        if isinstance(cause, ssl.SSLError) and (connecting or not isinstance(cause, ssl.SSLEOFError)):
            return "tls"
        cause = cause.__context__
    return "unreachable" if connecting else "broken_answer"


@dataclass
class Trial:
    """One case being played: `came` is what came back, `wrong` what should have been otherwise."""

    bench: Bench
    came: list[Text] = field(default_factory=list)
    wrong: list[Text] = field(default_factory=list)

    async def send(self, letter: Letter, headers: Mapping[str, str] | None = None, **how: Any) -> Heard:
        heard = await self.bench.post(letter.body, headers or self.bench.signed(letter), **how)
        self.came.append(heard.told(letter.kind))
        return heard

    async def taken(self, letter: Letter, headers: Mapping[str, str] | None = None, **how: Any) -> Heard:
        """Send what must be answered 2xx."""
        heard = await self.send(letter, headers, **how)
        if not heard.success:
            self.fault("此处应得 2xx", "a 2xx was expected")
        return heard

    async def refused(self, letter: Letter, headers: Mapping[str, str] | None = None, **how: Any) -> Heard:
        """Send what must be answered 4xx, and must not be worked on."""
        self.bench.forged.append(letter.handoff_id)
        heard = await self.send(letter, headers, **how)
        if not heard.refusal:
            self.fault("此处应得 4xx", "a refusal with 4xx was expected")
        return heard

    @property
    def desk(self) -> Desk:
        """Raises NotPlayedError when callbacks are not to be tried."""
        if self.bench.desk is None:
            raise NotPlayedError(Text("加 --callbacks 才测回告", "callbacks are tried with --callbacks"))
        return self.bench.desk

    def first(self) -> Opened:
        """The handoff of case 51. Raises NotPlayedError when nothing was heard of it."""
        _, first = self.desk, self.bench.first
        if first is None or not first.said:
            raise NotPlayedError(Text("第 51 项没有回告", "no callback came in case 51"))
        return first

    async def dispatched(self, *disturbances: str, co_handlers_open: bool = False) -> Opened:
        """A new handoff, sent; its callbacks are disturbed as told."""
        letter = self.bench.letter(DISPATCHED)
        opened = self.desk.open(letter.handoff_id)
        opened.disturbances.extend(disturbances)
        opened.co_handlers_open = co_handlers_open
        await self.taken(letter)
        return opened

    async def sentinel(self) -> None:
        """One more handoff, until it has come as far as the first: what was set in motion before it has been said."""
        first, opened = self.first(), await self.dispatched()
        await self.desk.until(lambda: len(opened.said) >= len(first.said), self.bench.plan.wait)

    def tell(self, said: Iterable[Said]) -> None:
        lines = [f"{each.kind or '?'} ← {each.status or '…'}" for each in said]
        self.came.extend(Text(line, line) for line in lines)

    def fault(self, zh: str, en: str) -> None:
        self.wrong.append(Text(zh, en))

    def other_bytes(self, letter: Letter, body: bytes) -> Letter:
        return replace(letter, body=body)
