"""What the protection of people's data costs intake: the same service with it and without, in turns, in the same run.

    python -m tests.benchmarks.privacy [--database sqlite|postgresql|both] [--seconds 3] [--turns 5] [--json FILE]

Without: `unprotected`. The limit is 25 % of the throughput at 32 requests in flight.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import httpx
import psutil

from app.keys import KeyRole
from tests import serving
from tests.benchmarks.intake import drive
from tests.watching import until

_IN_FLIGHT = 32
_SIDES = {"with": "app.main:create_app", "without": "tests.benchmarks.unprotected:create_app"}
_OPTIONS = ("--factory", "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log")


class Side:
    def __init__(self, url: str, application: str) -> None:
        serving.prepare(url)
        serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
        self._key = serving.make_key(url, KeyRole.INTAKE)
        self._port = serving.free_port()
        settings = {"database_url": url, "embedded_worker": "false"}
        self._process = serving.Process(
            *("-m", "uvicorn", application, "--port", str(self._port), *_OPTIONS),
            environment=serving.environment_of(settings),
        )
        self._cpu = psutil.Process(self._process.pid)
        self.rates: list[float] = []
        self.cpu: list[float] = []  # microseconds of the service for each submission
        until(self._answers, what="the service")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def turn(self, seconds: float) -> None:
        before = sum(self._cpu.cpu_times()[:2])
        figures = drive(self._port, self._key, _IN_FLIGHT, seconds)
        assert not figures["errors"], figures
        self.rates.append(figures["rate"])
        self.cpu.append((sum(self._cpu.cpu_times()[:2]) - before) * 1e6 / figures["count"])

    def stop(self) -> None:
        self._process.stop()


def measure(kind: str, urls: dict[str, str], seconds: float, turns: int) -> dict[str, float]:
    sides = {name: Side(url, _SIDES[name]) for name, url in urls.items()}
    try:
        for side in sides.values():
            side.turn(2)
            side.rates.clear()
            side.cpu.clear()
        for number in range(turns):
            for name in sorted(sides, reverse=number % 2 == 1):
                sides[name].turn(seconds)
    finally:
        for side in sides.values():
            side.stop()
    with_it, without = (statistics.median(sides[name].rates) for name in ("with", "without"))
    cpu_with, cpu_without = (statistics.median(sides[name].cpu) for name in ("with", "without"))
    print(
        f"{kind}: with {with_it:.0f}/s, without {without:.0f}/s (medians of {turns} turns): "
        f"the protection costs {1 - with_it / without:.0%} of the throughput; "
        f"of the service's processor time {cpu_with:.0f} and {cpu_without:.0f} us a submission",
        flush=True,
    )
    return {
        "with_rate": with_it,
        "without_rate": without,
        "cost": 1 - with_it / without,
        "with_cpu_us": cpu_with,
        "without_cpu_us": cpu_without,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = {}
    if options.database in ("sqlite", "both"):
        with tempfile.TemporaryDirectory(prefix="one-window-bench-") as folder:
            urls = {name: f"sqlite:///{folder}/{name}.sqlite3" for name in _SIDES}
            results["sqlite"] = measure("sqlite", urls, options.seconds, options.turns)
    if options.database in ("postgresql", "both"):
        with serving.postgres() as server:
            urls = {name: serving.make_postgres_database(server) for name in _SIDES}
            results["postgresql"] = measure("postgresql", urls, options.seconds, options.turns)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
