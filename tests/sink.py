"""A receiver that keeps its own ledger: one line per message, `webhook-id TAB digest TAB type TAB handoff`.

    python -m tests.sink PORT FILE [--milliseconds N] [--hangs NAME] [--times]

What is posted to `/bare` is answered and forgotten. A process of its own, so that nothing which happens to the service happens to its memory of what was received.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import time
from pathlib import Path

import uvloop
from aiohttp import web

_HANGS_SECONDS = 120


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--milliseconds", type=float, default=0)
    parser.add_argument("--hangs", help="The path that is heard and never answered.")
    parser.add_argument("--times", action="store_true", help="Nanoseconds since 1970 as a last column.")
    options = parser.parse_args()
    ledger = options.file.open("a", buffering=1)

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        at = (str(time.time_ns()),) if options.times else ()
        if request.match_info["agency"] == "bare":
            return web.Response()
        if request.match_info["agency"] == options.hangs:
            await asyncio.sleep(_HANGS_SECONDS)
        message = json.loads(body)
        if options.milliseconds:
            await asyncio.sleep(options.milliseconds / 1000)
        line = (request.headers["webhook-id"], hashlib.sha256(body).hexdigest(), message["type"])
        ledger.write("\t".join((*line, message["data"]["handoff_id"], *at)) + "\n")
        return web.Response()

    server = web.Application(client_max_size=2**24)
    server.router.add_post("/{agency}", receive)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", options.port).start()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await runner.cleanup()
    ledger.close()


if __name__ == "__main__":
    uvloop.run(main())
