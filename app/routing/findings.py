"""What the proof says: a finding with its witness, and the certificate; in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from app.routing.facts import FACTS, FactValues


class Severity(StrEnum):
    ERROR = "error"  # blocks publication
    WARNING = "warning"  # needs a reason


@dataclass(frozen=True, slots=True)
class Witness:
    """A concrete request that shows the finding."""

    need: str
    division_code: str
    day: date
    facts: FactValues

    def record(self) -> dict[str, Any]:
        facts = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in self.facts.items()}
        written = {name: value if isinstance(value, int | list) else str(value) for name, value in facts.items()}
        return {"need": self.need, "division_code": self.division_code, "day": self.day.isoformat(), "facts": written}


@dataclass(frozen=True, slots=True)
class Finding:
    """`rules` are the numbers of the rows concerned; `regions` counts the regions of the space that show it."""

    code: str
    severity: Severity
    rules: tuple[int, ...]
    zh: str
    en: str
    witness: Witness
    regions: int = 1

    def record(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "rules": list(self.rules),
            "detail_zh": self.zh,
            "detail_en": self.en,
            "witness": self.witness.record(),
            "regions": self.regions,
        }


@dataclass(frozen=True, slots=True)
class Certificate:
    """`checksum` is the table's; a table with another one was not checked. `regions` of the space were looked at."""

    checksum: str
    directory: int
    checked_at: datetime
    rules: int
    needs: int
    places: int
    agencies: int
    regions: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity is Severity.WARNING)

    def record(self) -> dict[str, Any]:
        counts = ("rules", "needs", "places", "agencies", "regions")
        return {
            "checksum": self.checksum,
            "directory": self.directory,
            "checked_at": self.checked_at,
            "counts": {name: getattr(self, name) for name in counts},
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "findings": [each.record() for each in self.findings],
        }


def facts_in_words(facts: FactValues) -> tuple[str, str]:
    """(Chinese, English) of what was declared; facts that are not named are not known."""
    if not facts:
        return "未报任何情况", "nothing declared"
    zh = [f"{FACTS[name].name_zh} {_value(name, value, 0)}" for name, value in facts.items()]
    en = [f"{FACTS[name].name_en} {_value(name, value, 1)}" for name, value in facts.items()]
    return "、".join(zh), ", ".join(en)


def _value(name: str, value: Any, language: int) -> str:
    words: Mapping[str, tuple[str, str]] = FACTS[name].words
    if isinstance(value, frozenset):
        return ("无", "none")[language] if not value else "/".join(words[each][language] for each in sorted(value))
    return words[value][language] if value in words else str(value)
