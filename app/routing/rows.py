"""A rule as a row of the database: texts and lists in place of limits, conditions and tuples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from app.deadlines import parse_limit
from app.routing.grammar import parse_condition
from app.routing.rules import Consent, ConsentOf, Role, Rule

COLUMNS = tuple(each.name for each in fields(Rule))
_LIMITS = ("sign_in_limit", "accept_limit", "complete_limit", "emergency_limit")
_LISTS = ("prerequisites", "discloses", "consent", "materials", "waived")


def row_of_rule(rule: Rule, version: int) -> dict[str, Any]:
    row = {column: getattr(rule, column) for column in COLUMNS}
    row |= {name: str(row[name]) if row[name] is not None else None for name in (*_LIMITS, "condition")}
    row |= {name: [str(each) for each in row[name]] for name in _LISTS}
    return {**row, "role": rule.role.value, "consent_of": rule.consent_of.value, "version": version}


def rule_of_row(row: Mapping[Any, Any]) -> Rule:
    """Raises ValueError for a row that no version of this application wrote."""
    values = {column: row[column] for column in COLUMNS}
    values |= {name: parse_limit(values[name] or "") for name in _LIMITS}
    values |= {name: tuple(values[name]) for name in _LISTS}
    values["condition"] = parse_condition(values["condition"] or "")
    values["consent"] = tuple(Consent(each) for each in values["consent"])
    return Rule(**{**values, "role": Role(values["role"]), "consent_of": ConsentOf(values["consent_of"])})
