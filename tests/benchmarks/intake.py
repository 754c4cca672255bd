"""How much intake costs, as ratios to limits measured in the same run.

    python -m tests.benchmarks.intake [--database sqlite|postgresql|both] [--seconds 10] [--memory] [--json FILE]

Beside intake at 1, 8 and 32 requests in flight, with everything on (authentication, validation, routing, outbox,
timeline, idempotency; one API process, every agency with an endpoint):
(a) the same server and framework with an endpoint of the same contract that stores nothing, driven in turns with intake:
    FastAPI reads the body, validates it with the same model, and answers; and, for those who want the least there is, one that does not even
    look at the bytes (bare);
(b) the same rows, written by pgbench (a statement a row, one transaction a submission, 8 clients) or by sqlite3 (32
    submissions a transaction).
`--memory` goes on to 100,000 requests and shows the process's resident memory before and after. `--deliver` runs the
worker inside the service too, with its deliveries going to a sink.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from app.keys import KeyRole
from tests import serving
from tests.benchmarks import floor

CONCURRENCIES = (1, 8, 32)
TURNS = 4
PERSON = "11010519491231002X"
BODY: dict[str, Any] = {
    "channel": "window",
    "division_code": "360803101",
    "applicant": {
        "name": "测试甲",
        "id_type": "resident_id",
        "id_number": PERSON,
        "phone": "13800000000",
        "birth_date": "1949-12-31",
        "address": "值夏镇某村",
        "household_division_code": "360803101",
    },
    "helper": None,
    "household": [{"name": "测试乙", "relation": "spouse", "id_number": None}],
    "facts": {"residence": "urban", "recognised_status": [], "disability_grade": None, "household_size": 4},
    "needs": [
        {"code": "medical_assistance_applied", "details": "住院三次", "facts": {"out_of_pocket_yuan": "48200.00"}}
    ],
    "narrative": "因病支出过大,家庭难以承受。",
    "consents": [
        {
            "purpose": "economic_verification",
            "person": person,
            "given_at": "2021-05-20T02:00:00Z",
            "evidence": {"kind": "paper_signature"},
        }
        for person in ("applicant", "household/0")
    ],
}


def drive(
    port: int, key: str, concurrency: int, seconds: float, most: int = 10**9, path: str = "/v1/requests"
) -> dict[str, Any]:
    given = json.dumps({"body": BODY, "headers": {"authorization": f"Bearer {key}"}, "person": PERSON})
    arguments = ["127.0.0.1", str(port), path, str(concurrency), str(seconds), str(most)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=True,
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def show(name: str, figures: dict[str, Any], of: dict[str, Any] | None = None) -> None:
    ratio = f"{figures['rate'] / of['rate']:6.1%} of (a)" if of else ""
    errors = f"  {figures['errors']} ERRORS" if figures["errors"] else ""
    print(
        f"{name:<44} {figures['rate']:8.0f}/s   p50 {figures['p50_ms']:7.2f} ms   p99 {figures['p99_ms']:7.2f} ms   "
        f"{ratio}{errors}",
        flush=True,
    )


def in_turns(
    nothing: int, intake: int, key: str, concurrency: int, seconds: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The limit and intake, a slice of the seconds each in turn: a machine is not as fast now as it was a minute ago."""
    slices: dict[int, list[dict[str, Any]]] = {nothing: [], intake: []}
    for _ in range(TURNS):
        for port, done in slices.items():
            done.append(drive(port, key, concurrency, seconds / TURNS))
    return merged(slices[nothing]), merged(slices[intake])


def merged(slices: list[dict[str, Any]]) -> dict[str, Any]:
    """Rates of all slices together; of the percentiles the middle slice's."""
    whole = {name: sum(each[name] for each in slices) for name in ("count", "seconds", "errors")}
    middle = {name: statistics.median(each[name] for each in slices) for name in ("p50_ms", "p99_ms")}
    return {**whole, **middle, "rate": whole["count"] / whole["seconds"]}


def wait_for(port: int, within: float = 20) -> None:
    deadline = time.monotonic() + within
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def limits() -> Iterator[int]:
    """The server that stores nothing; its port."""
    port = serving.free_port()
    options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    server = serving.Process("-m", "uvicorn", "tests.benchmarks.nothing:app", *options, "--no-access-log")
    try:
        wait_for(port)
        yield port
    finally:
        server.stop()


def measure_intake(
    kind: str, url: str, seconds: float, nothing: int, results: dict[str, Any], options: argparse.Namespace
) -> None:
    serving.prepare(url)
    serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
    key = serving.make_key(url, KeyRole.INTAKE)
    service = serving.Service(url, *(() if options.deliver else ("--no-worker",))).wait_until("/health/live")
    try:
        for port in (nothing, service.port):
            drive(port, key, 8, 2)
        for concurrency in CONCURRENCIES:
            limit, figures = in_turns(nothing, service.port, key, concurrency, seconds)
            show(f"(a) stores nothing, c={concurrency}", limit)
            show(f"{kind}: intake, c={concurrency}", figures, limit)
            results[f"{kind}_nothing_c{concurrency}"] = limit
            results[f"{kind}_intake_c{concurrency}"] = {**figures, "ratio_to_nothing": figures["rate"] / limit["rate"]}
        if options.memory:
            process = psutil.Process(service.pid)
            before = process.memory_info().rss / 2**20
            figures = drive(service.port, key, 32, 3600, 100_000)
            after = process.memory_info().rss / 2**20
            print(f"{kind}: resident memory {before:.0f} MB before, {after:.0f} MB after 100,000 requests more")
            results[f"{kind}_memory_mb"] = after
    finally:
        service.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--deliver", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with limits() as nothing:
        results["bare_c32"] = drive(nothing, "none", 32, options.seconds, path="/bare")
        show("    bare: the bytes are forgotten, c=32", results["bare_c32"])
        if options.database in ("sqlite", "both"):
            with tempfile.TemporaryDirectory(prefix="one-window-bench-") as folder:
                url = f"sqlite:///{folder}/bench.sqlite3"
                measure_intake("sqlite", url, options.seconds, nothing, results, options)
                rate = floor.sqlite(sqlite3.connect(f"{folder}/bench.sqlite3"), options.seconds)
                compare("sqlite", "sqlite3, 32 submissions a transaction", rate, results)
        if options.database in ("postgresql", "both"):
            with serving.postgres() as server:
                url = serving.make_postgres_database(server)
                measure_intake("postgresql", url, options.seconds, nothing, results, options)
                rate = floor.postgresql(url, options.seconds)
                compare("postgresql", "pgbench, a statement a row, 8 clients", rate, results)
                serving.drop_postgres_database(server, url)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


def compare(kind: str, name: str, rate: float | None, results: dict[str, Any]) -> None:
    if rate is None:
        print(f"(b) {name}: pgbench was not found")
        return
    ratio = results[f"{kind}_intake_c32"]["rate"] / rate
    print(f"(b) {name}: {rate:.0f}/s; intake at c=32 is {ratio:.0%} of it", flush=True)
    results[f"{kind}_floor"] = {"rate": rate, "intake_c32_ratio": ratio}


if __name__ == "__main__":
    main()
