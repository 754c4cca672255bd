"""How long an emergency waits when everything else is busy.

    python -m tests.benchmarks.emergency [--database sqlite|postgresql|both] [--seconds 20] [--json FILE]

Ordinary deliveries wait, 500 for each second, one department hangs with a tenth of them, and windows take requests in at
full load, 32 in flight. Meanwhile ten emergencies a second are told of, one after the other: from the call to its answer, and
from the call to the first byte at each agency. Targets at p99: 100 ms and 150 ms.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select, update

from app.keys import KeyRole
from app.tables import delivery
from tests import serving
from tests.benchmarks.intake import BODY, PERSON, drive
from tests.watching import change, fetch

HANGS = "360803-education"
TARGETS = {"answer": 100, "first_byte": 150}
FIRE = {"what": "房屋失火,一家三口今晚无处住", "where": "值夏镇老街", "division_code": "360803101", "kind": "fire"}
_EVERY_SECONDS = 0.05
_WAITING = 50  # deliveries, for each emergency
_IN_FLIGHT = 32
_ARRIVES_WITHIN = 30.0


def measure(kind: str, url: str, waiting: int, calls: int) -> dict[str, Any]:
    serving.prepare(url)
    port = serving.free_port()
    with tempfile.TemporaryDirectory(prefix="one-window-bench-") as folder:
        heard = Path(folder, "heard.tsv")
        heard.touch()
        sink = serving.Process("-m", "tests.sink", str(port), str(heard), "--hangs", HANGS, "--times")
        try:
            serving.set_endpoints(url, f"http://127.0.0.1:{port}/{{code}}")
            key = serving.make_key(url, KeyRole.INTAKE)
            _fill(url, key, waiting)
            figures = _under_load(url, key, heard, calls)
        finally:
            sink.kill()  # what hangs would keep it
    left = fetch(url, select(func.count().label("left")).where(delivery.c.status == "pending"))[0]["left"]
    print(f"{kind}: {calls} emergencies, {waiting} deliveries waiting at first, {left} at the end", flush=True)
    for name, target in TARGETS.items():
        p50, p99 = figures[name]["p50_ms"], figures[name]["p99_ms"]
        met = "met" if p99 <= target else "MISSED"
        print(f"{kind}: {name:<10} p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   target {target} ms: {met}", flush=True)
    intake = figures["intake"]
    ordinary = f"p50 {intake['p50_ms']:.1f} ms, p99 {intake['p99_ms']:.1f} ms"
    print(f"{kind}: meanwhile {intake['rate']:.0f} ordinary requests/s were taken in: {ordinary}", flush=True)
    return figures


def _fill(url: str, key: str, waiting: int) -> None:
    service = serving.Service(url, "--no-worker").wait_until("/health/live")
    drive(service.port, key, _IN_FLIGHT, 600, waiting)
    service.stop()
    rows = fetch(url, select(delivery.c.id).where(delivery.c.status == "pending").limit(waiting // 10))
    moved = update(delivery).where(delivery.c.id.in_([row["id"] for row in rows]))
    change(url, moved.values(receiver=HANGS))


def _under_load(url: str, key: str, heard: Path, calls: int) -> dict[str, Any]:
    service = serving.Service(url).wait_until("/health/live")
    seconds = calls * _EVERY_SECONDS * 2 + 5
    given = json.dumps({"body": BODY, "headers": {"authorization": f"Bearer {key}"}, "person": PERSON})
    where = ["127.0.0.1", str(service.port), "/v1/requests", str(_IN_FLIGHT), str(seconds), str(10**9)]
    load = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.load", *where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert load.stdin is not None
        load.stdin.write(given)
        load.stdin.close()
        load.stdin = None
        time.sleep(2)
        answers, began = _call(service.address, key, calls)
        arrived = _arrivals(heard, set(began))
        intake = json.loads(load.communicate(timeout=seconds + 60)[0])
    finally:
        load.kill()
        service.stop()
    first_bytes = [(arrived[one] - at) / 1e6 for one, at in began.items() if one in arrived]
    assert len(first_bytes) == len(began), f"{len(began) - len(first_bytes)} messages did not arrive"
    return {"answer": _quantiles(answers), "first_byte": _quantiles(first_bytes), "intake": intake}


def _call(address: str, key: str, calls: int) -> tuple[list[float], dict[str, int]]:
    """Milliseconds of each answer; when each handoff's call began, nanoseconds since 1970."""
    answers, began = [], {}
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as client:
        for _ in range(calls):
            at = time.time_ns()
            receipt = client.post("/v1/emergencies", json=FIRE).raise_for_status().json()
            answers.append((time.time_ns() - at) / 1e6)
            began |= {each["handoff_id"]: at for each in receipt["agencies"]}
            time.sleep(_EVERY_SECONDS)
    return answers, began


def _arrivals(heard: Path, wanted: set[str]) -> dict[str, int]:
    until = time.monotonic() + _ARRIVES_WITHIN
    while True:
        lines = (line.split("\t") for line in heard.read_text().splitlines())
        arrived = {line[3]: int(line[4]) for line in lines if len(line) == 5 and line[2] == "emergency.dispatched"}
        if wanted <= arrived.keys() or time.monotonic() > until:
            return arrived
        time.sleep(0.2)


def _quantiles(found: list[float]) -> dict[str, float]:
    in_order = sorted(found)
    return {f"p{q}_ms": in_order[min(len(in_order) * q // 100, len(in_order) - 1)] for q in (50, 99)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    calls = max(10, round(options.seconds / _EVERY_SECONDS / 2))
    databases = serving.each_database(options.database)
    results = {kind: measure(kind, url, calls * _WAITING, calls) for kind, url in databases}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
