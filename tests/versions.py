"""Versions of the routing table, as a clerk makes them: exported, edited, imported, published."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import httpx

from tests.running import Running

TABLES = "/v1/routing-tables"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
IN_FORCE = 3
EDUCATION_LEADS = "45"  # the rule of education_aid that says who leads
UNION = "360803-union"
REASONS = {"county_not_served": "only this county takes part"}
Rows = list[dict[str, str]]


class Clerk:
    """Whoever keeps the table: a coordinator at the API."""

    def __init__(self, running: Running) -> None:
        self.client = running.client("coordinator")

    def sheet(self, version: int = IN_FORCE, **how: str) -> bytes:
        answer = self.client.get(f"{TABLES}/{version}/sheet", params={"format": "csv", "language": "en", **how})
        assert answer.status_code == 200, answer.text
        return answer.content

    def send(self, sheet: bytes, kind: str = CSV) -> httpx.Response:
        return self.client.post(TABLES, content=sheet, headers={"content-type": kind})

    def draft(self, edit: Callable[[Rows], Any] = lambda rows: None) -> int:
        """Export what is in force, edit its rows, import it; the number of the draft."""
        answer = self.send(edited(self.sheet(), edit))
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["version"]
        return number

    def publish(self, version: int, **asked: Any) -> httpx.Response:
        return self.client.post(f"{TABLES}/{version}/publish", json={"reasons": REASONS, **asked})

    def publish_edited(self, edit: Callable[[Rows], Any], **asked: Any) -> int:
        version = self.draft(edit)
        answer = self.publish(version, **asked)
        assert answer.status_code == 200, answer.text
        return version

    def get(self, path: str = "", **params: Any) -> Any:
        answer = self.client.get(f"{TABLES}{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def try_on(self, version: int, **asked: Any) -> Any:
        answer = self.client.post(f"{TABLES}/{version}/replay", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def preview(self, *needs: str, **asked: Any) -> Any:
        answer = self.ask_preview(*needs, **asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask_preview(self, *needs: str, **asked: Any) -> httpx.Response:
        body = {"division_code": "360803101", "needs": [{"code": code} for code in needs], **asked}
        return self.client.post("/v1/routing/preview", json=body)


def edited(sheet: bytes, edit: Callable[[Rows], Any]) -> bytes:
    rows = list(csv.DictReader(io.StringIO(sheet.decode())))
    names = list(rows[0])
    edit(rows)
    written = io.StringIO()
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def rule_of(rows: Rows, number: str) -> dict[str, str]:
    return next(row for row in rows if row["number"] == number)


def union_leads_education(rows: Rows) -> None:
    rule_of(rows, EDUCATION_LEADS)["department"] = "county_union"


def nobody_leads_education(rows: Rows) -> None:
    rows.remove(rule_of(rows, EDUCATION_LEADS))


def annotated(text: str) -> Callable[[Rows], None]:
    """A table that routes as before and differs in a note."""

    def edit(rows: Rows) -> None:
        rows[0]["note"] = text

    return edit
