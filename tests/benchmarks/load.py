"""A lean load generator: raw sockets, one request in flight each, as a process of its own.

    python -m tests.benchmarks.load HOST PORT PATH CONCURRENCY SECONDS MOST  < {"body": …, "headers": {…}, "person": …}

Where the body holds the identity number `person`, each request is somebody else's, with a telephone of their own.

Prints {"count", "seconds", "rate", "p50_ms", "p99_ms", "errors"}; `MOST` bounds the number of requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count

import uvloop


async def one_connection(
    host: str, port: int, head: bytes, body: bytes, until: float, left: list[int], took: list[float], wrong: list[str]
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    for number in numbers:
        if time.perf_counter() > until or left[0] <= 0:
            break
        left[0] -= 1
        began = time.perf_counter()
        writer.write(
            head % (f"{nonce}-{number}".encode(),)
            + body.replace(person, somebody_else(number)).replace(
                PHONE, b"138%08d" % ((nonce // 1000 + number) % 10**8)
            )
        )
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
        if answer[9:10] != b"2":
            wrong.append(answer[9:12].decode())
    writer.close()


def somebody_else(number: int) -> bytes:
    """A valid identity number of 31 December 1949 (GB 11643-1999), another one for each number below a billion."""
    body = f"{(nonce // 1000 + number) % 10**6:06d}19491231{number % 1000:03d}"
    weighed = sum(int(digit) * pow(2, 17 - at, 11) for at, digit in enumerate(body))
    return (body + "10X98765432"[weighed % 11]).encode()


async def main() -> None:
    host, port, path, concurrency, seconds, most = sys.argv[1:]
    global person
    given = json.loads(sys.stdin.read())
    person = given.get("person", "no such number").encode()
    body = json.dumps(given["body"], ensure_ascii=False).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"host: {host}:{port}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in given["headers"].items()),
        "idempotency-key: %s",
    ]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    took: list[float] = []
    wrong: list[str] = []
    left = [int(most)]
    began = time.perf_counter()
    until = began + float(seconds)
    await asyncio.gather(
        *(one_connection(host, int(port), head, body, until, left, took, wrong) for _ in range(int(concurrency)))
    )
    elapsed = time.perf_counter() - began
    took.sort()
    figures = {
        "count": len(took),
        "seconds": elapsed,
        "rate": len(took) / elapsed,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[int(len(took) * 0.99)] * 1000,
        "errors": len(wrong),
    }
    print(json.dumps(figures))


numbers = count()
nonce = time.time_ns()
PHONE = b"13800000000"
person = b""
if __name__ == "__main__":
    uvloop.run(main())
