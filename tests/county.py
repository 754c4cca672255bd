"""One county at work, as tests drive it: a window that asks, agencies that report by signed callbacks."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from app.keys import KeyRole
from tests import serving
from tests.examples import a_request
from tests.running import Running

TOWNSHIP = "360803101-township"
CIVIL_AFFAIRS = "360803-civil-affairs"
VERIFICATION = "360803-verification-center"
HEALTHCARE = "360803-healthcare-security"
EDUCATION = "360803-education"
VILLAGE = "360803-village-committee"

Seen = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).isoformat()


def a_callback(type_: str, happened: str | None = None, **data: Any) -> bytes:
    """The bytes of a callback's body; `type_` without its `handoff.`"""
    body = {"type": f"handoff.{type_}", "timestamp": happened or now(), "data": data}
    return json.dumps(body, ensure_ascii=False).encode()


def signed(secret: str, body: bytes, webhook_id: str | None = None, at: datetime | None = None) -> dict[str, str]:
    """The headers of Standard Webhooks, by their own library."""
    webhook_id, at = webhook_id or str(uuid.uuid4()), at or datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body.decode()),
    }


@dataclass(frozen=True)
class AtWork:
    """A database on which every agency has an endpoint, where nobody answers, and a window and a coordinator their keys."""

    url: str
    secrets: dict[str, str]
    window: str
    coordinator: str

    @classmethod
    def on(cls, url: str) -> AtWork:
        secrets = serving.set_endpoints(url, "http://127.0.0.1:9/{code}")
        return cls(url, secrets, *(serving.make_key(url, role) for role in (KeyRole.INTAKE, KeyRole.COORDINATOR)))


class County:
    """`at_work`: what its database was copied from, if it has keys already."""

    def __init__(self, running: Running, secrets: dict[str, str], at_work: AtWork | None = None) -> None:
        self.running = running
        self.secrets = secrets
        self.window = running.client("intake") if at_work is None else running.with_key(at_work.window)
        self.coordinator = running.client("coordinator") if at_work is None else running.with_key(at_work.coordinator)
        self.nobody = running.client(None)

    def ask(self, *needs: str, **changes: Any) -> Seen:
        """Take a request in; its receipt."""
        answer = self.window.post("/v1/requests", json=a_request(*needs, **changes))
        assert answer.status_code == 201, answer.text
        receipt: Seen = answer.json()
        return receipt

    def request(self, receipt: Seen) -> Seen:
        return self._seen(f"/v1/requests/{receipt['request_id']}")

    def events(self, receipt: Seen) -> list[Seen]:
        timeline = self._seen(f"/v1/requests/{receipt['request_id']}/timeline")
        assert timeline["intact"]
        events: list[Seen] = timeline["events"]
        return events

    def handoff(self, receipt: Seen, agency: str, need: str | None = None) -> Seen:
        """The handoff of an agency as it stands now."""
        handoffs = self.request(receipt)["handoffs"]
        (found,) = [h for h in handoffs if h["agency"] == agency and need in (None, h["need"])]
        return dict(found)

    def statuses(self, receipt: Seen) -> dict[str, str]:
        return {each["agency"]: each["status"] for each in self.request(receipt)["handoffs"]}

    def send(self, handoff: Seen, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.nobody.post(f"/v1/handoffs/{handoff['handoff_id']}/callbacks", content=body, headers=headers)

    def report(self, handoff: Seen, type_: str, happened: str | None = None, **data: Any) -> httpx.Response:
        """What the handoff's own agency reports, signed."""
        body = a_callback(type_, happened, **data)
        return self.send(handoff, body, signed(self.secrets[handoff["agency"]], body))

    def told(self, handoff: Seen, *types: str, **data: Any) -> Seen:
        """Report one after the other, each of them taken; the last answer."""
        for type_ in types:
            answer = self.report(handoff, type_, **data if type_ == types[-1] else {})
            assert answer.status_code == 200, answer.text
            assert answer.json()["applied"]
        last: Seen = answer.json()
        return last

    def complete(self, receipt: Seen, agency: str, outcome: str = "granted", need: str | None = None) -> Seen:
        """The whole way of one handoff."""
        return self.told(self.handoff(receipt, agency, need), "received", "accepted", "completed", outcome=outcome)

    def _seen(self, path: str) -> Seen:
        answer = self.coordinator.get(path)
        assert answer.status_code == 200, answer.text
        seen: Seen = answer.json()
        return seen
