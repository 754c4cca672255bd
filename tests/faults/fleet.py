"""The service as a county runs it: an API and workers, processes of their own that can be killed and started again."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from app.identifiers import now
from app.tables import delivery
from tests import serving
from tests.faults.load import Load
from tests.watching import change, fetch

SETTINGS: dict[str, Any] = {
    "delivery_lease_seconds": 6,
    "delivery_total_seconds": 4,
    "poll_seconds": 0.2,
    "refresh_seconds": 0.5,
}


class Fleet:
    def __init__(self, url: str, secrets: dict[str, str], log: Path) -> None:
        self.url = url
        self.secrets = secrets
        self.log = log
        self.api: serving.Service | None = None
        self.workers: list[serving.Worker] = []
        # Leases that nobody was left to keep, by webhook-id: each may cost one duplicate.
        self.orphaned: Counter[str] = Counter()

    @property
    def address(self) -> str:
        assert self.api is not None
        return self.api.address

    def start_api(self, **settings: Any) -> serving.Service:
        """On the port that it had, if it was there before."""
        port = self.api.port if self.api else None
        self.api = serving.Service(self.url, "--no-worker", port=port, log=self.log, **{**SETTINGS, **settings})
        return self.api

    def start_workers(self, number: int = 1, **settings: Any) -> None:
        for _ in range(number):
            self.workers.append(serving.Worker(self.url, log=self.log, **{**SETTINGS, **settings}))

    def start(self, **settings: Any) -> Fleet:
        self.start_api(**settings)
        self.start_workers(**settings)
        assert self.api is not None
        self.api.wait_until(within=120)
        return self

    def load(self, **options: Any) -> Load:
        return Load([self.address], self.url, self.secrets, **options)

    def kill_api(self) -> None:
        assert self.api is not None
        self.api.kill()

    def kill_workers(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.workers.clear()
        self.count_orphaned()

    def count_orphaned(self) -> None:
        """What was claimed at this moment; more than what the dead held if some worker lives."""
        claimed = select(delivery.c.id).where(delivery.c.claimed_by.is_not(None))
        self.orphaned.update(str(row["id"]) for row in fetch(self.url, claimed))

    def unrecorded(self) -> Counter[str]:
        """Tries that were made and, as the log says, could not be written down: each may cost one duplicate."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return Counter(line["delivery_id"] for line in lines if line["event"] == "attempt_not_recorded")

    def postpone(self, seconds: float = 3600) -> None:
        """Nothing that waits is due for a while; with 0: all of it is due now."""
        waiting = update(delivery).where(delivery.c.status == "pending", delivery.c.claimed_by.is_(None))
        change(self.url, waiting.values(due_at=now() + timedelta(seconds=seconds)))

    def stop(self) -> None:
        """SIGTERM to each at once; raises what a process that does not end in time raises."""
        for process in self._running():
            process.tell_to_stop()
        for process in self._running():
            process.stop()
        self.workers.clear()

    def end(self) -> None:
        for process in self._running():
            process.kill()

    def _running(self) -> list[serving.Process]:
        found: list[serving.Process] = [*self.workers, *([self.api] if self.api else [])]
        return [each for each in found if not each.has_ended]
