"""Preview: who would get a request, by when, what to bring, who would see what. Nothing is stored."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from app import checks, presenting, versions
from app.deadlines import Limit, due
from app.explaining import groups_in_words, sentences
from app.identifiers import now
from app.office import Office
from app.problems import invalid
from app.registry import Snapshot
from app.routing.decide import Assignment, NeedDecision, decide
from app.routing.facts import Facts, facts_of
from app.routing.rules import RoutingTable, local_day
from app.schemas import plain
from app.schemas_routing import CaseIn, PreviewIn


async def preview(office: Office, asked: PreviewIn) -> dict[str, Any]:
    """Answers with a `Preview`: by the table in force at `asked.at` (now, without it), or by the version that is named,
    a draft too. Raises `validation_failed`, `not_found`, `no_table_in_force`."""
    snapshot = await office.registry.current()
    at = asked.at or now()
    errors = list(checks.code_errors(asked.division_code, asked.needs, snapshot))
    errors += checks.fact_errors(asked.facts, asked.needs, local_day(at))
    if errors:
        raise invalid(*errors)
    table = await _table(office, snapshot, asked.version, at)
    decision = decide(facts_asked(asked, at), table, snapshot.directory, at)
    return {
        "version": decision.version,
        "directory": decision.directory,
        "at": at,
        "division_code": asked.division_code,
        "needs": [_need(each, table, snapshot, asked.division_code, at) for each in decision.needs],
    }


def facts_asked(asked: PreviewIn | CaseIn, at: datetime) -> Facts:
    """Of a person of whom nothing but the date of birth is told."""
    content = plain(asked)
    person = {**content, "applicant": {"birth_date": content.get("birth_date")}}
    return facts_of(asked.division_code, person, local_day(at))


async def _table(office: Office, snapshot: Snapshot, version: int | None, at: datetime) -> RoutingTable:
    if version is None:
        return versions.table_at(snapshot, at)
    async with office.database.reading() as connection:
        return (await versions.load(connection, version)).table


def _need(
    decided: NeedDecision, table: RoutingTable, snapshot: Snapshot, division_code: str, at: datetime
) -> dict[str, Any]:
    need = snapshot.needs[decided.need]
    record = presenting.with_other_areas(decided.record, table, division_code)
    wanted = dict.fromkeys(code for each in decided.assignments for code in each.rule.materials)
    waived = dict.fromkeys(code for each in decided.assignments for code in each.rule.waived)
    # A step that nobody has to answer is not waited for.
    reached = min((each.step for each in decided.assignments if each.mandatory), default=math.inf)
    return {
        **presenting.need_routed(record, table),
        "name_zh": need.name_zh,
        "name_en": need.name_en,
        "sentences_zh": sentences(record, table, snapshot, "zh"),
        "sentences_en": sentences(record, table, snapshot, "en"),
        "handoffs": [_handoff(each, snapshot, at if each.step <= reached else None) for each in decided.assignments],
        "materials": [presenting.named(snapshot.materials[code]) for code in wanted],
        "waived": [presenting.named(snapshot.materials[code]) for code in waived],
    }


def _handoff(each: Assignment, snapshot: Snapshot, dispatched_at: datetime | None) -> dict[str, Any]:
    """Due times of those that would be dispatched at once; the others' clocks begin with their step."""

    def ends(limit: Limit | None) -> datetime | None:
        return due(dispatched_at, limit, snapshot.calendar).at if dispatched_at and limit else None

    rule = each.rule
    return {
        "agency": each.agency.code,
        "name_zh": each.agency.name_zh,
        "name_en": each.agency.name_en,
        "phone": each.agency.phone,
        "role": each.role,
        "step": each.step,
        "mandatory": each.mandatory,
        "dispatched_at_once": dispatched_at is not None,
        "sign_in_due": ends(rule.sign_in_limit),
        "accept_due": ends(rule.accept_limit),
        "complete_due": ends(rule.complete_limit),
        "sees": groups_in_words(rule.discloses),
        "consent": list(rule.consent),
        "consent_of": rule.consent_of,
        "publicity": rule.publicity,
        "emergency_variant": rule.emergency_variant,
    }
