"""The other side of the cleaning process: started for one file, fed, listened to, ended in time."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

from app.cleaning.faults import Fault, FaultyFileError
from app.cleaning.kinds import Kind
from app.sealed_files import PIECE, Spool

_SECONDS = 60
_MOST_BYTES = 60 * 1024 * 1024  # made anew; a photograph that was packed better than a JPEG grows


async def cleaned(given: Spool, kind: Kind, into: Spool) -> None:
    """Write what is left of a file into a spool. Raises FaultyFileError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", "app.cleaning", kind),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"},  # no key, no address
    )
    try:
        async with asyncio.timeout(_SECONDS):
            await _feed(process, given)
            await _listen(process, into)
            code = await process.wait()
    except TimeoutError:
        raise FaultyFileError(Fault.TOO_LARGE) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise FaultyFileError(Fault(code) if code in list(Fault) else Fault.TOO_LARGE)
    into.end()


async def _feed(process: asyncio.subprocess.Process, given: Spool) -> None:
    assert process.stdin
    with suppress(BrokenPipeError, ConnectionResetError):
        for part in given.read():
            process.stdin.write(part)
            await process.stdin.drain()
        process.stdin.close()


async def _listen(process: asyncio.subprocess.Process, into: Spool) -> None:
    assert process.stdout
    while part := await process.stdout.read(PIECE):
        if into.size + len(part) > _MOST_BYTES:
            raise FaultyFileError(Fault.TOO_LARGE)
        await asyncio.to_thread(into.write, part)
