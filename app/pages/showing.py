"""What is disclosed of a person, as rows of a page: nothing is shown that is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from markupsafe import Markup

from app.pages.words import LABELS, SECTIONS, VALUES
from app.problems import Text
from app.registry import Snapshot
from app.routing.facts import FACTS, FactKind
from app.schemas import undirected

_ZONE = ZoneInfo("Asia/Shanghai")


def local(at: datetime) -> str:
    """As the clock on the wall says it."""
    return at.astimezone(_ZONE).strftime("%Y-%m-%d %H:%M")


def facing_one_way(shown: Any) -> Any:
    """Without what would turn the direction of writing, and with it what a reader takes a text to say."""
    if isinstance(shown, str) and not shown.isascii() and not isinstance(shown, Markup):
        return undirected(shown)
    return shown


class Row(NamedTuple):
    label: Text
    value: Text


class Section(NamedTuple):
    name: str
    title: Text
    groups: list[list[Row]]


def sections_of(person: Mapping[str, Any], snapshot: Snapshot) -> list[Section]:
    """Of what a rule opens of a request (the shape that `disclose` gives), in the order of a form."""
    told = {name: person.get(name) for name in ("details", "narrative")}
    applicant = dict(person.get("applicant", {}))
    account = applicant.pop("bank_account", {})
    parts = {
        "applicant": [applicant],
        "account": [account],
        "helper": [person.get("helper", {})],
        "household": person.get("household", []),
        "obligors": person.get("obligors", []),
        "facts": [person.get("facts", {})],
        "told": [told],
        "supplements": person.get("supplements", []),
        "consents": person.get("consents", []),
    }
    shown = {name: [rows for each in groups if (rows := rows_of(each, snapshot))] for name, groups in parts.items()}
    return [Section(name, SECTIONS[name], groups) for name, groups in shown.items() if groups]


def rows_of(fields: Mapping[str, Any], snapshot: Snapshot) -> list[Row]:
    """What is known of somebody or something, field by field."""
    return [
        Row(_label(name), _value(name, value, snapshot))
        for name, value in fields.items()
        if value not in (None, [], "") and not (name == "id_type" and "id_number" not in fields)
    ]


def _label(name: str) -> Text:
    if name in FACTS:
        return Text(FACTS[name].name_zh, FACTS[name].name_en.capitalize())
    return LABELS.get(name, Text(name, name))


def _value(name: str, value: Any, snapshot: Snapshot) -> Text:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        each = [_value(name, one, snapshot) for one in value]
        return Text("、".join(one.zh for one in each), ", ".join(one.en for one in each))
    written = str(value)
    if name in FACTS and FACTS[name].kind is FactKind.MONEY:
        return Text(f"{written} 元", f"{written} yuan")
    if name in FACTS and written in FACTS[name].words:
        return Text(*FACTS[name].words[written])
    if name == "materials" and written in snapshot.materials:
        material = snapshot.materials[written]
        return Text(material.name_zh, material.name_en)
    if name == "household_division_code" and written in snapshot.divisions:
        return _same(f"{snapshot.divisions[written].name} {written}")
    if name in ("at", "given_at", "withdrawn_at"):
        return _same(local(datetime.fromisoformat(written)))
    if name == "person" and "/" in written:
        role, _, position = written.partition("/")
        return Text(f"{SECTIONS[role].zh} {int(position) + 1}", f"{SECTIONS[role].en}, {int(position) + 1}")
    if name in ("id_type", "relation", "purpose", "person", "evidence"):
        return VALUES.get(written, _same(written))
    return _same(written)


def in_table(groups: list[list[Row]]) -> tuple[list[Text], list[list[Text | None]]]:
    """The same fields of several people, side by side: headings, and a line for each."""
    headings = list(dict.fromkeys(row.label for rows in groups for row in rows))
    return headings, [[{row.label: row.value for row in rows}.get(each) for each in headings] for rows in groups]


def _same(written: str) -> Text:
    return Text(written, written)
