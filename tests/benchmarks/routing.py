"""How much routing costs with a table of 10,000 rules, beside a plain scan over all of them, measured in the same run.

    python -m tests.benchmarks.routing [--seconds 10] [--even] [--json FILE]

The table is drawn with a fixed seed over the real divisions and needs: of ten rules one is for the whole province, two
are for a prefecture, three for a county, four for a township, and half of them have a condition over several facts. The
directory has an agency of every department in each county and township. It shows
(a) how long it takes from the sheet, and from rows as the database has them, to the first decision;
(b) one decision of one need: cold, the first of its place and facts with nothing remembered; warm, one made before;
(c) the same by a plain scan over all rules, which must give the same assignments.
Half of the facts are known, so that many conditions stay open. Times are those of the processor. `--even` draws as many
rules for the province as for its prefectures, counties and townships: twice as many then compete for a decision.
"""

from __future__ import annotations

import argparse
import csv
import gc
import io
import json
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from app import seed
from app.routing import decide as deciding
from app.routing.decide import NeedDecision, decide
from app.routing.directory import Agency, Directory, upward
from app.routing.facts import FACTS, FactKind, Facts, FactType, Value
from app.routing.grammar import parse_condition
from app.routing.rows import row_of_rule, rule_of_row
from app.routing.rules import UNDETERMINED, Role, RoutingTable, Rule
from app.routing.sheets import COLUMNS, read_rules

RULES = 10_000
LEVELS, SHARES, EVEN_SHARES = (2, 4, 6, 9), (1, 2, 3, 4), (1, 1, 1, 1)
MOST_SECONDS, MOST_MICROSECONDS = 2.0, 100.0
AT, DAY = datetime(2026, 11, 23, 8, tzinfo=UTC), date(2026, 11, 23)
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
_COORDINATOR = "county_coordination_mechanism"
_ORDER = (Role.LEAD, Role.CO_HANDLER, Role.INFORMED)


def rows_of(name: str) -> list[dict[str, str]]:
    with (seed.DATA / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def a_sheet(chance: random.Random, divisions: list[str], shares: Sequence[int]) -> str:
    """The seeded rules and local variants of them, in the order of their needs as a county keeps its sheet."""
    of_level = {length: [code for code in divisions if len(code) == length] for length in LEVELS}
    seeded: dict[str, list[dict[str, str]]] = {}
    for row in rows_of("routing.csv"):
        seeded.setdefault(row["need"], []).append(row)
    rows = [row for of_need in seeded.values() for row in of_need]
    needs = list(seeded)
    while len(rows) < RULES:
        row = chance.choice(seeded[needs[len(rows) % len(needs)]])
        area = chance.choice(of_level[chance.choices(LEVELS, shares)[0]])
        condition = a_condition(chance) if chance.random() < 0.5 else ""
        rows.append({**row, "area": area, "condition": condition})
    rows.sort(key=lambda row: (needs.index(row["need"]), row["area"]))
    sheet = io.StringIO(newline="")
    writer = csv.DictWriter(sheet, COLUMNS)
    writer.writeheader()
    # Rules that are the same but for their number would be refused.
    writer.writerows(
        {**row, "number": str(number), "note": f"made as {number}"} for number, row in enumerate(rows, start=1)
    )
    return sheet.getvalue()


def a_condition(chance: random.Random) -> str:
    """Two to four comparisons, of as many facts."""
    parts = [a_comparison(chance, fact) for fact in chance.sample(list(FACTS.values()), chance.randint(2, 4))]
    text = parts[0]
    for part in parts[1:]:
        text = f"({text}) or {part}" if chance.random() < 0.4 else f"({text}) and {part}"
    return text


def a_comparison(chance: random.Random, fact: FactType) -> str:
    if chance.random() < 0.1:
        return f"{fact.name} is known"
    if not fact.is_ordered:
        codes = chance.sample(list(fact.words), min(len(fact.words), chance.randint(1, 3)))
        negation = "not " if chance.random() < 0.2 else ""
        return f"{negation}{fact.name} in ({', '.join(codes)})"
    first, second = a_value(chance, fact), a_value(chance, fact)
    if chance.random() < 0.3:
        return f"{fact.name} between {min(first, second)} and {max(first, second)}"
    return f"{fact.name} {chance.choice(('<', '<=', '>', '>='))} {first}"


def a_value(chance: random.Random, fact: FactType) -> Value:
    """A likely value: most people are not 150 years old."""
    if fact.kind is FactKind.NUMBER:
        assert isinstance(fact.least, int)
        assert isinstance(fact.most, int)
        return chance.randint(fact.least, min(fact.most, 90))
    if fact.kind is FactKind.MONEY:
        return Decimal(chance.randint(0, 2_000_000)).scaleb(-2)
    if fact.kind is FactKind.DATE:
        return DAY - timedelta(days=chance.randint(0, 90))
    code = chance.choice(list(fact.words))
    return frozenset({code}) if fact.kind is FactKind.CHOICES else code


def somebody(chance: random.Random, places: list[str], needs: list[str]) -> Facts:
    known = {name: a_value(chance, fact) for name, fact in FACTS.items() if chance.random() < 0.5}
    return Facts(chance.choice(places), (chance.choice(needs),), known)


def agencies(divisions: list[str]) -> Iterator[Agency]:
    for department in rows_of("departments.csv"):
        code, zh, en = department["code"], department["name_zh"], department["name_en"]
        for place in divisions:
            if len(place) >= 6:
                yield Agency(f"{place}-{code}", code, place, zh, en, None, None, True)


def forget() -> None:
    """Whatever was remembered of earlier decisions, places and conditions."""
    deciding.forget()
    for remembering in (upward, parse_condition):
        remembering.cache_clear()


def decided(facts: Facts, table: RoutingTable, directory: Directory) -> NeedDecision:
    (decision,) = decide(facts, table, directory, AT).needs
    return decision


def scanned(facts: Facts, table: RoutingTable, directory: Directory) -> list[tuple[int, str, Role]]:
    """What `decide` assigns, by going through the whole table."""
    (need,) = facts.needs
    assigned = _scan(need, facts, table, directory)
    if any(role is Role.LEAD for _, _, role in assigned):
        return assigned
    if need == UNDETERMINED:
        return _led(assigned, table)
    fallback = _scan(UNDETERMINED, facts, table, directory)
    taken = {agency for _, agency, _ in fallback}
    return _led(fallback, table) + [each for each in assigned if each[1] not in taken]


def _scan(need: str, facts: Facts, table: RoutingTable, directory: Directory) -> list[tuple[int, str, Role]]:
    place, known = facts.division_code, facts.declared
    fit = [
        rule
        for rule in table.rules
        if rule.need == need
        and place.startswith(rule.area)
        and rule.in_force(DAY)
        and (rule.condition is None or rule.condition.answer(known))
    ]
    seats: set[str] = set()
    taken: dict[str, Rule] = {}
    for rule in sorted(fit, key=lambda r: (_ORDER.index(r.role), -len(r.area), r.number)):
        seat = "lead" if rule.role is Role.LEAD else rule.department
        agency = None if seat in seats else directory.resolve(rule.department, place)
        if agency is not None and agency.code not in taken:
            seats.add(seat)
            taken[agency.code] = rule
    return sorted(((rule.number, code, rule.role) for code, rule in taken.items()), key=lambda a: _step(a, table))


def _step(assigned: tuple[int, str, Role], table: RoutingTable) -> tuple[int, int]:
    return table.by_number[assigned[0]].step, assigned[0]


def _led(assigned: list[tuple[int, str, Role]], table: RoutingTable) -> list[tuple[int, str, Role]]:
    if not assigned or any(role is Role.LEAD for _, _, role in assigned):
        return assigned
    coordinating = (each for each in assigned if table.by_number[each[0]].department == _COORDINATOR)
    first = next(coordinating, assigned[0])
    return [
        (number, agency, Role.LEAD if (number, agency, role) == first else role) for number, agency, role in assigned
    ]


def timed(work: Callable[..., object], *arguments: object) -> float:
    """Seconds of this thread at work, whatever else the machine does."""
    began = time.thread_time_ns()
    work(*arguments)
    return (time.thread_time_ns() - began) / 1e9


def figures_of(took: Iterable[float]) -> dict[str, float]:
    """Of seconds, in microseconds."""
    sorted_ = sorted(each * 1e6 for each in took)
    return {
        "p50_us": statistics.median(sorted_),
        "p99_us": sorted_[int(len(sorted_) * 0.99)],
        "times": len(sorted_),
    }


def verdict(figure: float, limit: float) -> str:
    return "within" if figure < limit else "OVER"


def show(name: str, figures: dict[str, float], scan: dict[str, float] | None = None) -> None:
    ratio = f"   {scan['p50_us'] / figures['p50_us']:7.0f} times as fast as (c)" if scan else ""
    print(f"{name:<44} p50 {figures['p50_us']:9.1f} us   p99 {figures['p99_us']:9.1f} us{ratio}", flush=True)


def measure_loading(sheet: str, directory: Directory, first: Facts, results: dict[str, Any]) -> RoutingTable:
    rules = read_rules(sheet.splitlines(keepends=True))
    rows = [row_of_rule(rule, 1) for rule in rules]
    assert tuple(rule_of_row(row) for row in rows) == rules

    def from_sheet() -> None:
        decide(first, RoutingTable(1, BEGUN, read_rules(sheet.splitlines(keepends=True))), directory, AT)

    def from_rows() -> None:
        decide(first, RoutingTable(1, BEGUN, tuple(rule_of_row(row) for row in rows)), directory, AT)

    for name, load in (("sheet", from_sheet), ("rows", from_rows)):
        took = []
        for _ in range(3):
            forget()
            took.append(timed(load))
        seconds = statistics.median(took)
        told = verdict(seconds, MOST_SECONDS)
        print(f"(a) from the {name} to the first decision: {seconds:.2f} s, {told} {MOST_SECONDS:.0f} s", flush=True)
        results[f"load_{name}_seconds"] = seconds
    return RoutingTable(1, BEGUN, rules)


def measure_deciding(
    table: RoutingTable, directory: Directory, people: Iterator[Facts], seconds: float, results: dict[str, Any]
) -> None:
    asked = list(islice(people, int(max(100, min(seconds * 500, 5_000)))))
    sample = asked[: int(max(20, min(seconds * 20, 200)))]
    considered = []
    for facts in sample:
        decision = decided(facts, table, directory)
        found = [(a.rule.number, a.agency.code, a.role) for a in decision.assignments]
        assert found == scanned(facts, table, directory), facts
        considered.append(len(decision.assignments) + len(decision.passed_over))
    scan = figures_of([timed(scanned, facts, table, directory) for facts in sample])
    took = []
    for facts in asked:
        forget()
        took.append(timed(decided, facts, table, directory))
    cold = figures_of(took)
    took = [timed(decided, facts, table, directory) for _ in range(int(max(10, seconds * 50))) for facts in sample]
    warm = figures_of(took[len(sample) :])
    print(f"one decision considers {statistics.mean(considered):.0f} rules", flush=True)
    show("(b) one decision, cold", cold, scan)
    show("    one decision, warm", warm, scan)
    show("(c) a plain scan over all rules", scan)
    told = verdict(cold["p50_us"], MOST_MICROSECONDS)
    print(
        f"a cold decision is {told} {MOST_MICROSECONDS:.0f} us; the plain scan assigns the same in all of {len(sample)}"
    )
    results.update(cold=cold, warm=warm, scan=scan, considered=statistics.mean(considered))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--even", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chance = random.Random(20261123)
    results: dict[str, Any] = {}
    divisions = [row["code"] for row in rows_of("divisions.csv")]
    needs = [row["code"] for row in rows_of("needs.csv")]
    places = [code for code in divisions if len(code) >= 6]
    people = iter(lambda: somebody(chance, places, needs), None)
    directory = Directory.of(agencies(divisions))
    took = timed(directory.resolve, "township_gov", places[0])
    print(
        f"{RULES} rules, {len(divisions)} divisions, {len(needs)} needs, {len(directory.agencies)} agencies "
        f"(indexed once, {took:.2f} s)",
        flush=True,
    )
    # As the service does when it has started.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    table = measure_loading(
        a_sheet(chance, divisions, EVEN_SHARES if options.even else SHARES), directory, next(people), results
    )
    measure_deciding(table, directory, people, options.seconds, results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
