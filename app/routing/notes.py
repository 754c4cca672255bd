"""What the proof has found so far, and what it may still look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from math import prod

from app.routing.facts import FACTS, FactValues
from app.routing.findings import Finding, Severity, Witness
from app.routing.rules import Rule
from app.routing.space import widths

# Cells of all regions together: less than a minute's work.
MOST_CELLS = 2_000_000


@dataclass(slots=True)
class Region:
    """Places that lie in the same areas, days on which the same rules are in force."""

    need: str
    places: Sequence[str]
    day: date
    rules: Sequence[Rule]
    fallback: Sequence[Rule] = ()  # those of `undetermined`, where a need may have no lead
    fires: dict[int, FactValues] = field(default_factory=dict)  # facts with which a rule takes its seat

    def witness(self, facts: FactValues | None = None, place: str | None = None) -> Witness:
        return Witness(self.need, place or self.places[0], self.day, facts or {})


@dataclass(slots=True)
class _Cells:
    """How many cells a need has, and where it has the most at once."""

    total: int = 0
    widest: int = 0
    rules: Sequence[Rule] = ()
    region: Region = None  # type: ignore[assignment]

    def add(self, count: int, rules: Sequence[Rule], region: Region) -> None:
        self.total += count
        if count > self.widest:
            self.widest, self.rules, self.region = count, rules, region


@dataclass(slots=True)
class Notes:
    """What was found so far: each finding once, with its first witness and how many regions show it."""

    findings: dict[tuple[str, tuple[int, ...], str], Finding] = field(default_factory=dict)
    fired: dict[int, Witness] = field(default_factory=dict)
    not_looked_at: set[int] = field(default_factory=set)
    could: dict[int, tuple[Witness, int | None]] = field(default_factory=dict)
    waiting: list[tuple[Region, Sequence[Rule]]] = field(default_factory=list)  # those that fire and have prerequisites
    regions: int = 0
    looked_at: int = 0
    cells: dict[str, _Cells] = field(default_factory=dict)

    def add(
        self, code: str, severity: Severity, rules: Iterable[Rule], witness: Witness, zh: str, en: str, about: str = ""
    ) -> None:
        numbers = tuple(sorted(rule.number for rule in rules))
        key = (code, numbers, about or (witness.need if not numbers else ""))
        before = self.findings.get(key)
        self.findings[key] = (
            replace(before, regions=before.regions + 1) if before else Finding(code, severity, numbers, zh, en, witness)
        )

    def affords(self, region: Region, rules: Sequence[Rule]) -> bool:
        """Whether there is time for every case of these rules; it is spent then."""
        count = prod(widths(rules).values())
        of_need = self.cells.setdefault(region.need, _Cells())
        of_need.add(count, rules, region)
        if self.looked_at + count <= MOST_CELLS:
            self.looked_at += count
            return True
        self.not_looked_at.update(rule.number for rule in rules)
        return False

    def tell_what_is_too_wide(self) -> None:
        """One finding, of the need that has the most cases, if there was no time for all."""
        if not self.not_looked_at:
            return
        need, most = max(self.cells.items(), key=lambda each: each[1].total)
        together = sum(each.total for each in self.cells.values())
        by_fact = widths(most.rules).items()
        zh = "、".join(f"{FACTS[name].name_zh} {count}" for name, count in by_fact)
        en = ", ".join(f"{name} {count}" for name, count in by_fact)
        self.add(
            *("too_many_cases", Severity.ERROR, most.rules, most.region.witness()),
            f"本表各条件合起来有 {together} 种情形,超过 {MOST_CELLS} 种,无法逐一证明。其中 {need} 有 {most.total} 种,"
            f"最多的是规则 {listed(most.rules)}:一个地区 {most.widest} 种({zh})。请拆分或简化这些条件,或减少单独规定的地区。",
            f"the conditions of the table make {together} cases together, more than {MOST_CELLS}, too many to prove; "
            f"{most.total} of them are of {need}, most by rules {listed(most.rules)}: {most.widest} in one area ({en}); "
            "split or simplify these conditions, or give fewer areas rules of their own",
        )


def listed(rules: Iterable[Rule]) -> str:
    return ", ".join(str(number) for number in sorted(rule.number for rule in rules))
