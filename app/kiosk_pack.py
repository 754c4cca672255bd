"""The pack (随机资料): all that a kiosk needs without a line, made from what the county has set. Nothing of any person."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from app import etags, presenting
from app.dangers import Kind, advice
from app.desk import Desk, desk_of
from app.intake import table_in_force
from app.keys import Key
from app.office import Office
from app.problems import unavailable
from app.registry import Snapshot
from app.routing.asking import asked
from app.routing.decide import decide_need
from app.routing.directory import COUNTY_DIGITS
from app.routing.facts import FACTS, FactType
from app.routing.rules import COORDINATOR, UNDETERMINED, Role, RoutingTable, local_day
from app.routing.words import spoken_limit
from app.wire import to_json

_DATA = Path(__file__).parent / "data"
_NO_LIMIT = ("没有规定期限", "no time limit is set")
_KIND_WORDS: Mapping[Kind, tuple[str, str]] = {
    Kind.FIRE: ("失火", "Fire"),
    Kind.ILLNESS: ("急病、重伤", "Sudden illness or bad injury"),
    Kind.HOMELESS: ("无处可住、受冻", "Nowhere to stay, freezing"),
    Kind.DISASTER: ("洪水、房屋倒塌等灾害", "Flood, collapsed house or other disaster"),
    Kind.CHILD: ("孩子有危险或无人照看", "A child in danger or alone"),
    Kind.VIOLENCE: ("被打、受到威胁", "Violence or threats"),
    Kind.HUNGER: ("断粮、没有吃的", "Nothing to eat"),
    Kind.UNDETERMINED: ("说不清楚,要人帮忙", "Can't say; somebody must help"),
}


class Situation(NamedTuple):
    """A button of the first question, in their order, and the needs that it stands for."""

    code: str
    needs: tuple[str, ...]


@cache
def situations() -> tuple[Situation, ...]:
    return tuple(Situation(row["code"], tuple(row["needs"].split(";"))) for row in _rows("kiosk-situations.csv"))


@cache
def _hotlines() -> list[dict[str, str]]:
    return [dict(row) for row in _rows("kiosk-hotlines.csv")]


async def pack(office: Office, key: Key) -> tuple[bytes, str]:
    """A `KioskPack`, JSON, and its entity tag. Raises `unavailable`."""
    desk = await desk_of(office, key)
    content = to_json(_pack(office, key, desk, table_in_force(desk)))
    return content, etags.of_content(content)


def _pack(office: Office, key: Key, desk: Desk, table: RoutingTable) -> dict[str, Any]:
    snapshot, place = desk.snapshot, key.division_code
    sealing_key = snapshot.envelopes.public()
    if place is None or place not in snapshot.divisions or sealing_key is None:
        raise unavailable()
    county, day = place[:COUNTY_DIGITS], local_day(desk.at)
    coordinator = snapshot.directory.resolve(COORDINATOR, place)
    asks = {each.code: asked(each.needs, place, day, table, snapshot.directory) for each in situations()}
    shown: list[dict[str, Any]] = [
        {
            "code": each.code,
            "needs": [need for need in each.needs if need in snapshot.needs] or [UNDETERMINED],
            "asks": list(asks[each.code].facts),
            "asks_by_age": [{"from_age": age, "asks": list(facts)} for age, facts in asks[each.code].by_age],
        }
        for each in situations()
    ]
    facts = dict.fromkeys(name for each in asks.values() for name in each.ever)
    needs = dict.fromkeys(need for each in shown for need in each["needs"])
    return {
        "kiosk_id": key.id,
        "name": key.name,
        "division_code": place,
        "division_name": snapshot.divisions[place].name,
        "county_name": snapshot.divisions[county].name,
        "coordinator_phone": coordinator.phone if coordinator else office.settings.coordinator_phone,
        "takes_photographs": office.files is not None,
        "hotlines": _hotlines(),
        "sealing_key": sealing_key,
        "divisions": [
            {"code": each.code, "name": each.name}
            for each in sorted(snapshot.divisions.values(), key=lambda each: each.code)
            if each.parent_code == county
        ],
        "situations": shown,
        "facts": {name: _question(FACTS[name]) for name in facts},
        "needs": {need: _need(need, place, desk, table) for need in needs},
        "dangers": [_danger(kind) for kind in Kind],
    }


def _question(fact: FactType) -> dict[str, Any]:
    choices = [{"value": value, "zh": zh, "en": en} for value, (zh, en) in fact.words.items()]
    return {
        "kind": fact.kind,
        "question_zh": fact.question_zh,
        "question_en": fact.question_en,
        "unit": fact.unit,
        "choices": choices,
    }


def _need(need: str, place: str, desk: Desk, table: RoutingTable) -> dict[str, Any]:
    """Who leads it here as far as that is known before anything was asked, by when, and what to bring."""
    snapshot: Snapshot = desk.snapshot
    decided = decide_need(need, place, {}, local_day(desk.at), table, snapshot.directory)
    lead = next((each for each in decided.assignments if each.role is Role.LEAD), None)
    limit = lead.rule.complete_limit if lead else None
    due_zh, due_en = (spoken_limit(limit, "zh"), spoken_limit(limit, "en")) if limit else _NO_LIMIT
    materials = dict.fromkeys(code for each in decided.assignments for code in each.rule.materials)
    known = snapshot.needs[need]
    return {
        "name_zh": known.name_zh,
        "name_en": known.name_en,
        "agency_zh": lead.agency.name_zh if lead else None,
        "agency_en": lead.agency.name_en if lead else None,
        "phone": lead.agency.phone if lead else None,
        "due_zh": due_zh,
        "due_en": due_en,
        "materials": [
            {"code": each["code"], "zh": each["name_zh"], "en": each["name_en"]}
            for each in (presenting.named(snapshot.materials[code]) for code in materials)
        ],
    }


def _danger(kind: Kind) -> dict[str, Any]:
    zh, en = _KIND_WORDS[kind]
    return {
        "kind": kind.value,
        "zh": zh,
        "en": en,
        "advice": [{"zh": told_zh, "en": told_en} for told_zh, told_en in advice(kind)],
    }


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
