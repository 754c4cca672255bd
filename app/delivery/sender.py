"""One attempt: sign, POST, hear the answer. The only place with an HTTP client."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from app import __version__, signing
from app.config import Settings
from app.delivery.outbox import Attempt, Claimed
from app.identifiers import now
from app.receivers import Receiver, secrets_at

_MOST_READ = 64 * 1024
_KEPT = 1024
_USER_AGENT = f"one-window/{__version__}"


def open_session(settings: Settings) -> aiohttp.ClientSession:
    """No cookies, no proxy from the environment, no redirect followed; limits of time on every attempt."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(
            total=settings.delivery_total_seconds, sock_connect=settings.delivery_connect_seconds
        ),
        auto_decompress=False,
        headers={"user-agent": _USER_AGENT, "content-type": "application/json", "accept-encoding": "identity"},
    )


async def send(session: aiohttp.ClientSession, receiver: Receiver | None, claimed: Claimed) -> Attempt:
    """Never raises for what an endpoint does; anything but 2xx is a failure. Exactly the stored bytes are sent."""
    started_at, began = now(), time.monotonic()
    status_code, fault, answer = None, None, b""
    if receiver is None or receiver.endpoint is None or not (secrets := secrets_at(receiver, started_at)):
        fault = "no_endpoint"
    else:
        headers = signing.sign(secrets, str(claimed.id), started_at, claimed.body)
        try:
            async with session.post(
                receiver.endpoint, data=claimed.body, headers=headers, allow_redirects=False
            ) as response:
                answer = (await _read(response))[:_KEPT]
                status_code = response.status
        except TimeoutError:
            fault = "timeout"
        except aiohttp.ClientSSLError:
            fault = "tls"
        except aiohttp.ClientConnectorError:
            fault = "unreachable"
        except (aiohttp.ClientError, OSError, ValueError):
            fault = "broken_answer"
    milliseconds = round((time.monotonic() - began) * 1000)
    return Attempt(started_at, milliseconds, status_code, fault, answer)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    answer = b""
    while len(answer) < _MOST_READ and (chunk := await response.content.read(_MOST_READ - len(answer))):
        answer += chunk
    if not response.content.at_eof():
        response.close()  # more than anybody needs: the connection is not used again
    await asyncio.sleep(0)
    return answer
