"""What changed from one version of the routing table to another, rule by rule, in sentences to be read aloud."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from app.deadlines import Limit, parse_limit
from app.routing.cells import write_cell
from app.routing.conditions import Condition, spell
from app.routing.headings import COLUMNS, HEADINGS
from app.routing.rules import Rule
from app.routing.words import VOCABULARIES, Language, Pair, SheetWords, pick, spoken_limit

Kind = Literal["added", "removed", "changed", "renumbered"]
_HEADINGS = {heading.name: heading.zh for heading in HEADINGS}
_FREE_TEXT = {"limit_source", "legal_basis", "note"}
_NONE: Pair = ("无", "none")
_NOTHING: Mapping[str, Pair] = {
    "condition": ("人人适用", "everybody"),
    "effective_to": ("长期", "no end"),
    **dict.fromkeys(("sign_in_limit", "accept_limit", "complete_limit", "emergency_limit"), ("不限", "no limit")),
}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`old` and `new` as the English sheet has them, by codes; empty where there is nothing."""

    column: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Change:
    """`old` is None for a rule that was added, `new` for one that was removed. A changed rule may have a new number
    too; a renumbered one has nothing else new."""

    kind: Kind
    old: Rule | None
    new: Rule | None
    words: SheetWords

    @property
    def old_number(self) -> int | None:
        return self.old.number if self.old else None

    @property
    def new_number(self) -> int | None:
        return self.new.number if self.new else None

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """What differs, in the order of the columns, without the number; empty unless the rule is changed."""
        if self.old is None or self.new is None:
            return ()
        pairs = ((name, getattr(self.old, name), getattr(self.new, name)) for name in COLUMNS if name != "number")
        return tuple(
            FieldChange(name, write_cell(name, old, "en"), write_cell(name, new, "en"))
            for name, old, new in pairs
            if old != new
        )

    def sentence(self, language: Language) -> str:
        return _sentence_zh(self) if language == "zh" else _sentence_en(self)


def diff(old: Iterable[Rule], new: Iterable[Rule], words: SheetWords | None = None) -> tuple[Change, ...]:
    """Every rule that is not the same in both, in the order of the numbers that it has now, or had.

    A rule is the same one if it has its number and its need in both. Other rules are the same one if they agree in
    everything but the number; then in need, area, department, role and condition; then in need, area and department.
    """
    names = words or SheetWords()
    before, after = {rule.number: rule for rule in old}, {rule.number: rule for rule in new}
    changes = [change for pair in _pairs(before, after) if (change := _change(*pair, names))]
    changes += [Change("removed", rule, None, names) for rule in before.values()]
    changes += [Change("added", None, rule, names) for rule in after.values()]
    return tuple(sorted(changes, key=lambda each: (each.new_number or each.old_number or 0, each.kind != "removed")))


def _change(old: Rule, new: Rule, words: SheetWords) -> Change | None:
    if old == new:
        return None
    return Change("renumbered" if _content(old) == _content(new) else "changed", old, new, words)


def _pairs(before: dict[int, Rule], after: dict[int, Rule]) -> Iterator[tuple[Rule, Rule]]:
    """The same rule in both; what is paired leaves both."""
    moved = _moved(before, after)
    likenesses: tuple[Callable[[Rule], Hashable], ...] = (
        lambda rule: (rule.number, rule.need, rule if rule in moved else None),
        _content,
        lambda rule: (rule.need, rule.area, rule.department, rule.role, rule.condition),
        lambda rule: (rule.need, rule.area, rule.department),
    )
    for likeness in likenesses:
        yield from _paired(before, after, likeness)


def _moved(before: dict[int, Rule], after: dict[int, Rule]) -> set[Rule]:
    """Rules whose number another rule has taken, while both live on unchanged under other numbers: rows that were
    moved about, not rules that were changed."""
    old, new = ({_content(rule) for rule in rules.values()} for rules in (before, after))
    moved = set()
    for number in before.keys() & after.keys():
        was, comes = before[number], after[number]
        if was != comes and _content(was) in new and _content(comes) in old:
            moved |= {was, comes}
    return moved


def _paired(
    before: dict[int, Rule], after: dict[int, Rule], likeness: Callable[[Rule], Hashable]
) -> Iterator[tuple[Rule, Rule]]:
    waiting: dict[Hashable, deque[Rule]] = {}
    for rule in after.values():
        waiting.setdefault(likeness(rule), deque()).append(rule)
    for rule in list(before.values()):
        if same := waiting.get(likeness(rule)):
            other = same.popleft()
            del before[rule.number], after[other.number]
            yield rule, other


def _content(rule: Rule) -> Rule:
    return replace(rule, number=0)


def _sentence_zh(change: Change) -> str:
    old, new, say = change.old, change.new, _Speaker(change.words, "zh")
    if old is None or new is None:
        rule = old or new
        assert rule is not None
        return f"删去{say.title(rule)}:原{say.gist(rule)}。" if old else f"新增{say.title(rule)}:{say.gist(rule)}。"
    parts = [f"编号改为 {new.number}"] if new.number != old.number else []
    parts += [
        f"{_HEADINGS[each.column]}由{_spaced(say.value(each.column, old))}改为{_spaced(say.value(each.column, new), '')}"
        for each in change.fields
    ]
    return f"{say.title(old)}:{';'.join(parts)}{',内容不变' if change.kind == 'renumbered' else ''}。"


def _sentence_en(change: Change) -> str:
    old, new, say = change.old, change.new, _Speaker(change.words, "en")
    if old is None or new is None:
        rule = old or new
        assert rule is not None
        return f"{say.title(rule)} is {'removed; it was' if old else 'added:'} {say.gist(rule)}."
    parts = [f"the number changes to {new.number}"] if new.number != old.number else []
    parts += [
        f"{each.column.replace('_', ' ')} changes from {say.value(each.column, old)} to {say.value(each.column, new)}"
        for each in change.fields
    ]
    return f"{say.title(old)}: {'; '.join(parts)}{', nothing else changes' if change.kind == 'renumbered' else ''}."


@dataclass(frozen=True, slots=True)
class _Speaker:
    """Says fields of rules as they are read aloud."""

    words: SheetWords
    language: Language

    def title(self, rule: Rule) -> str:
        need, area = self.value("need", rule), self.value("area", rule)
        if self.language == "zh":
            return f"第 {rule.number} 条({need},{area})"
        return f"Rule {rule.number} ({need}, {area})"

    def gist(self, rule: Rule) -> str:
        """Who does it, when, and by when."""
        department, role, limit = (self.value(name, rule) for name in ("department", "role", "complete_limit"))
        when = self.value("condition", rule) if rule.condition else ""
        if self.language == "zh":
            when = f",条件为{when}" if when else ""
            return f"由{_spaced(department)}{role},第 {rule.step} 环节{when},办结时限为{_spaced(limit, '')}"
        when = f", if {when}" if when else ""
        return f"{department} as {role} in step {rule.step}{when}, with {limit} to complete it"

    def value(self, column: str, rule: Rule) -> str:
        value: Any = getattr(rule, column)
        if value is None or value in ("", ()):
            return pick(_NOTHING.get(column, _NONE), self.language)
        if isinstance(value, tuple):
            return ("、" if self.language == "zh" else ", ").join(self._word(column, each) for each in value)
        return self._word(column, value)

    def _word(self, column: str, value: Any) -> str:
        if isinstance(value, Condition):
            return f"“{spell(value.node, self.language)}”"
        if isinstance(value, Limit):
            return spoken_limit(value, self.language)
        if column in _FREE_TEXT:
            return f"“{' '.join(value.split())}”"
        text = write_cell(column, value, "en")
        names = self.words.of_column(column) or VOCABULARIES.get(column, {})
        if column == "publicity" and text not in names and (limit := parse_limit(text)):
            return spoken_limit(limit, self.language)
        return pick(names[text], self.language) if text in names else text


def _spaced(text: str, end: str = " ") -> str:
    """Within a Chinese sentence, letters and digits stand apart from the characters around them."""
    return f"{' ' if text[0].isascii() else ''}{text}{end if text[-1].isascii() else ''}"
