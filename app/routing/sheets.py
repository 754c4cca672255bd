"""The routing table as a sheet: one row a rule. Reads the CSV whole or refuses it whole."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import date
from functools import lru_cache
from typing import Any

from app.deadlines import Limit, parse_limit
from app.disclosure import GROUPS
from app.routing.conditions import Condition
from app.routing.grammar import parse_condition
from app.routing.rules import Consent, ConsentOf, Role, Rule

_REMEMBERED = 1024


class SheetError(ValueError):
    """Every fault of a sheet, each with its row and column."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _groups(text: str) -> tuple[str, ...]:
    groups = _names(text)
    unknown = set(groups) - GROUPS
    if unknown:
        raise ValueError(f"unknown field group {', '.join(sorted(unknown))}")
    return groups


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("write yes or no")
    return text == "yes"


def _some(text: str) -> str:
    if not text:
        raise ValueError("may not be empty")
    return text


def _step(text: str) -> int:
    if int(text) < 1:
        raise ValueError("steps are counted from 1")
    return int(text)


def _condition(text: str) -> Condition | None:
    return parse_condition(text)


def _consents(text: str) -> tuple[Consent, ...]:
    return tuple(Consent(each) for each in _names(text))


def _publicity(text: str) -> str:
    if text not in ("none", "forbidden", "local") and parse_limit(text) is None:
        raise ValueError("write none, forbidden, local, or how long it is posted: WD:n, CD:n or H:n")
    return text


def _limit(text: str) -> Limit | None:
    return parse_limit(text)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "number": int,
    "need": _some,
    "area": _some,
    "condition": _condition,
    "department": _some,
    "role": Role,
    "step": _step,
    "mandatory": _yes,
    "prerequisites": _names,
    "sign_in_limit": _limit,
    "accept_limit": _limit,
    "complete_limit": _limit,
    "discloses": _groups,
    "consent": _consents,
    "consent_of": ConsentOf,
    "publicity": _publicity,
    "materials": _names,
    "waived": _names,
    "emergency_variant": lambda text: text or None,
    "emergency_limit": _limit,
    "effective_from": date.fromisoformat,
    "effective_to": lambda text: date.fromisoformat(text) if text else None,
}
# The cells of most columns are few texts again and again.
_READERS = {
    column: reader if column == "number" else lru_cache(_REMEMBERED)(reader) for column, reader in _READERS.items()
}
COLUMNS = tuple(each.name for each in fields(Rule))


def read_rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of a CSV with the columns COLUMNS. Raises SheetError that lists every fault."""
    rules, faults = [], []
    for row_number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            rules.append(rule_from(row))
        except SheetError as error:
            faults += [f"row {row_number}, {fault}" for fault in error.faults]
    used = Counter(rule.number for rule in rules)
    faults += [f"number {n} is used more than once" for n in sorted(used) if used[n] > 1]
    if faults:
        raise SheetError(faults)
    return tuple(rules)


def rule_from(row: Mapping[str, str | None]) -> Rule:
    values: dict[str, Any] = {}
    faults: list[str] = []
    if None in row:
        faults.append("has more cells than there are columns; quote a cell that holds a comma")
    for column in COLUMNS:
        text = row.get(column)
        if text is None:
            faults.append(f"column {column}: is missing")
            continue
        try:
            values[column] = _READERS.get(column, str)(text.strip())
        except ValueError as error:
            faults.append(f"column {column}: {error}")
    begins, ends = values.get("effective_from"), values.get("effective_to")
    if begins and ends and ends < begins:
        faults.append("column effective_to: is before effective_from, the rule would never be in force")
    if faults:
        raise SheetError(faults)
    return Rule(**values)


def row_of(rule: Rule) -> dict[str, str]:
    """The row that `rule_from` reads back to an equal rule."""
    return {column: _written(getattr(rule, column)) for column in COLUMNS}


def _written(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ";".join(value)
    return value.isoformat() if isinstance(value, date) else str(value)
