"""One attempt: sign, POST, hear the answer. The only place with an HTTP client."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from app import __version__, signing
from app.config import Settings
from app.delivery.addresses import AddressNotAllowedError, AllowList
from app.delivery.outbox import UNREADABLE, Attempt, Claimed
from app.delivery.resolver import Resolver
from app.delivery.schedule import wait_asked_for
from app.delivery.tls import WrongTlsError, tls_context
from app.identifiers import now
from app.receivers import Receiver, Tls, secrets_at

_MOST_READ = 64 * 1024
_KEPT = 1024
_USER_AGENT = f"one-window/{__version__}"
_PUBLIC = Tls()


class Response(aiohttp.ClientResponse):
    """One that still knows its transport when it was read whole and its connection went back to the pool."""

    transport: asyncio.Transport | None = None

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        self.transport = connection.transport
        return await super().start(connection)


@dataclass(frozen=True, slots=True)
class Session:
    """Two pools of connections, because plain ones may go to fewer addresses and none may serve for the other."""

    encrypted: aiohttp.ClientSession
    plain: aiohttp.ClientSession

    def to(self, endpoint: str) -> aiohttp.ClientSession:
        return self.encrypted if endpoint.startswith("https:") else self.plain


@asynccontextmanager
async def open_session(settings: Settings) -> AsyncIterator[Session]:
    """No cookies, no proxy from the environment, no redirect followed; limits of time on every attempt."""
    async with _pool(settings, encrypted=True) as encrypted, _pool(settings, encrypted=False) as plain:
        yield Session(encrypted, plain)


def _pool(settings: Settings, encrypted: bool) -> aiohttp.ClientSession:
    allowed = AllowList(settings.allowed_networks)

    def open_socket(to: tuple[int, int, int, str, tuple[str | int, ...]]) -> socket.socket:
        """Called with the very address that is connected to next, whether it was written or looked up."""
        family, kind, protocol, _, address = to
        if not allowed.allows(str(address[0]), encrypted):
            raise AddressNotAllowedError
        return socket.socket(family, kind, protocol)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, socket_factory=open_socket, resolver=Resolver()),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=settings.delivery_total_seconds,
            connect=settings.delivery_connect_seconds,
            sock_read=settings.delivery_read_seconds,
        ),
        auto_decompress=False,
        response_class=Response,
        headers={"user-agent": _USER_AGENT, "content-type": "application/json", "accept-encoding": "identity"},
    )


async def send(session: Session, receiver: Receiver | None, claimed: Claimed) -> Attempt:
    """Exactly the stored bytes are sent; where they can't be opened, nothing."""
    if claimed.body is None:
        return Attempt(now(), 0, None, UNREADABLE, b"")
    return await post(session, receiver, str(claimed.id), claimed.body)


async def post(
    session: Session,
    receiver: Receiver | None,
    message_id: str,
    body: bytes,
    look: Callable[[Response], None] | None = None,
) -> Attempt:
    """Never raises for what an endpoint does; anything but 2xx is a failure. `look` is shown what came back."""
    started_at, began = now(), time.monotonic()
    status_code, fault, answer, retry_after = None, None, b"", None
    if receiver is None or receiver.endpoint is None or not (secrets := secrets_at(receiver, started_at)):
        fault = "no_endpoint"
    else:
        headers = signing.sign(secrets, message_id, started_at, body)
        own = receiver.tls or _PUBLIC
        try:
            async with session.to(receiver.endpoint).post(
                receiver.endpoint,
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=tls_context(own.ca, own.certificate, own.key),
            ) as response:
                if look is not None and isinstance(response, Response):
                    look(response)
                answer = (await _read(response))[:_KEPT]
                status_code = response.status
                retry_after = wait_asked_for(response.headers.get("retry-after"), now())
        except (aiohttp.ClientError, OSError, ValueError, WrongTlsError) as error:
            fault = _fault(error)
    milliseconds = round((time.monotonic() - began) * 1000)
    return Attempt(started_at, milliseconds, status_code, fault, answer, retry_after)


def _fault(error: Exception) -> str:
    """What went wrong, in one word of the contract."""
    match error:
        case aiohttp.InvalidURL() | aiohttp.ClientConnectorError(os_error=AddressNotAllowedError()):
            return "address_not_allowed"
        case TimeoutError():
            return "timeout"
        case WrongTlsError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls"
        case aiohttp.ClientConnectorError():
            return "unreachable"
    # In TLS 1.3 the other side refuses our certificate when we believe to be connected.
    return "tls" if isinstance(error.__cause__, ssl.SSLError) else "broken_answer"


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = b""
    while len(answer) < _MOST_READ and (chunk := await response.content.read(_MOST_READ - len(answer))):
        answer += chunk
    if not response.content.at_eof():
        response.close()  # more than anybody needs: the connection is not used again
    await asyncio.sleep(0)
    return answer
