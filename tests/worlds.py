"""A small world for proofs: three counties, few departments, and tables that hypothesis makes for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st

from app.deadlines import CHINA
from app.routing.check import World, check
from app.routing.decide import NeedDecision, decide_need
from app.routing.directory import Agency, Directory
from app.routing.facts import FACTS, FactValues
from app.routing.findings import Certificate, Finding, Witness
from app.routing.grammar import parse_condition
from app.routing.rules import UNDETERMINED, Consent, Role, RoutingTable, Rule
from tests.tables import RULE

PLACES = ("360801", "360801001", "360801002", "360802", "360802001", "360901")
AREAS = ("36", "3608", "3609", "360801", "360801001", "360802", "360802001")
NEEDS = ("aid", "work", UNDETERMINED)
# A department may be called after a role.
DEPARTMENTS = ("civil", "schools", "lead", "township")
WORLD = World(NEEDS, PLACES, frozenset(DEPARTMENTS), frozenset({"form"}))
BEGINS = date(2026, 1, 1)
AT = datetime(2025, 12, 1, tzinfo=UTC)


def an_office(department: str, place: str, **changes: Any) -> Agency:
    office = Agency(f"{place}-{department}", department, place, "某单位", "An office", "0791-00000001", None, True)
    return replace(office, **changes)


OFFICES = (
    an_office("civil", "360801"),
    an_office("civil", "360802"),
    an_office("civil", "360901"),
    an_office("schools", "3608"),
    an_office("schools", "360901", phone=None, endpoint="https://schools.example/"),
    an_office("schools", "360801001", phone=None, inbox=True),
    an_office("lead", "36"),
    an_office("township", "360801"),
    an_office("township", "360801001"),
    an_office("township", "360801002"),
    an_office("township", "360802"),
    an_office("township", "360901"),
)
DIRECTORY = Directory.of(OFFICES)


def a_rule(number: int, need: str = "aid", department: str = "civil", role: Role = Role.LEAD, **changes: Any) -> Rule:
    """In the whole province, from the table's first day on, for everybody; a condition may be given as text."""
    fields: dict[str, Any] = {"area": "36", "condition": None, "step": 1, "mandatory": True, "prerequisites": ()}
    fields |= {"discloses": ("identity",), "consent": (Consent.NOTICE,), "materials": (), "waived": ()}
    fields |= {"emergency_variant": None, "effective_from": BEGINS, "effective_to": None, **changes}
    if isinstance(fields["condition"], str):
        fields["condition"] = parse_condition(fields["condition"])
    return replace(RULE, number=number, need=need, department=department, role=role, **fields)


def leads(*needs: str) -> list[Rule]:
    """A lead everywhere for each of these needs, from number 900 on."""
    return [a_rule(number, need) for number, need in enumerate(needs, start=900)]


def a_table(rules: Iterable[Rule]) -> RoutingTable:
    return RoutingTable(1, datetime.combine(BEGINS, time.min, CHINA).astimezone(UTC), tuple(rules))


def proof(rules: Iterable[Rule], directory: Directory = DIRECTORY, world: World = WORLD) -> Certificate:
    return check(a_table(rules), directory, world, "checksum", AT)


def decided(table: RoutingTable, witness: Witness, directory: Directory = DIRECTORY) -> NeedDecision:
    return decide_need(witness.need, witness.division_code, witness.facts, witness.day, table, directory)


def matches(rule: Rule, at: Witness) -> bool:
    """Whether a rule speaks of a request, whoever comes before it."""
    spoken_of = rule.need == at.need and at.division_code.startswith(rule.area) and rule.in_force(at.day)
    return spoken_of and (rule.condition is None or rule.condition.answer(at.facts) is True)


def waits(rule: Rule, at: Witness) -> bool:
    spoken_of = rule.need == at.need and at.division_code.startswith(rule.area) and rule.in_force(at.day)
    return spoken_of and rule.condition is not None and rule.condition.answer(at.facts) is None


@dataclass
class Seen:
    """What looking at every request one by one shows, as (code, row numbers or need)."""

    findings: set[tuple[str, Any]] = field(default_factory=set)
    fired: set[int] = field(default_factory=set)


CONDITIONS = (
    "age < 18",
    "age >= 18",
    "age between 18 and 60",
    "age > 60",
    "age is unknown",
    "age is known",
    "residence = rural",
    "residence != rural",
    "residence is unknown",
    "not (recognised_status = orphan)",
    "recognised_status in (orphan, veteran) or age < 18",
    "age < 10 and residence = urban",
    "age < 18 and age > 60",
)
EVERY_FACT: tuple[FactValues, ...] = tuple(
    {
        name: value
        for name, value in zip(("age", "residence", "recognised_status"), values, strict=True)
        if value is not None
    }
    for values in (
        (age, residence, status)
        for age in (None, 0, 9, 10, 17, 18, 19, 59, 60, 61, 150)
        for residence in (None, "urban", "rural")
        for status in (None, frozenset[str](), frozenset({"orphan"}), frozenset({"veteran"}))
    )
)


def every_request(table: RoutingTable, places: Sequence[str] = PLACES) -> Iterator[Witness]:
    """One by one: no region is made, so that nothing is left out that `space` leaves out."""
    first_days = {BEGINS, BEGINS + timedelta(days=400)}
    for rule in table.rules:
        ends = rule.effective_to
        first_days |= {rule.effective_from, *((ends + timedelta(days=1),) if ends else ())}
    for need in NEEDS:
        for place in places:
            for day in sorted(each for each in first_days if each >= BEGINS):
                for facts in EVERY_FACT:
                    yield Witness(need, place, day, facts)


def nearest(rules: list[Rule]) -> list[Rule]:
    return [rule for rule in rules if len(rule.area) == max(len(each.area) for each in rules)]


def looked_at(table: RoutingTable) -> Seen:
    """Every request, by the words of the rules and nothing else: who leads, who sits beside, who is in whose way."""
    seen = Seen()
    for at in every_request(table):
        of_need = table.by_need.get(at.need, ())
        meant = [rule for rule in of_need if matches(rule, at)]
        leading = nearest([rule for rule in meant if rule.role is Role.LEAD])
        waiting = tuple(sorted(rule.number for rule in of_need if rule.role is Role.LEAD and waits(rule, at)))
        seen.fired |= {rule.number for rule in leading}
        if not leading:
            is_last = at.need == UNDETERMINED or not waiting
            seen.findings.add(("no_lead", at.need) if is_last else ("lead_waits_for_fact", waiting))
        if len(leading) > 1:
            seen.findings.add(("two_leads", tuple(sorted(rule.number for rule in leading))))
        falls_back = waiting and not leading and at.need != UNDETERMINED
        taken = taken_by_undetermined(table, at) if falls_back else set()
        for department in {rule.department for rule in meant if rule not in leading}:
            if department in taken:
                continue
            if leading and min(leading, key=lambda rule: rule.number).department == department:
                continue
            beside = [rule for rule in meant if rule.department == department and rule.role is not Role.LEAD]
            sitting = nearest([rule for rule in beside if rule.role is Role.CO_HANDLER] or beside)
            seen.fired |= {rule.number for rule in sitting}
            if len(sitting) > 1:
                seen.findings.add(("two_rows", tuple(sorted(rule.number for rule in sitting))))
            if sitting and leading:
                rule, lead = (min(each, key=lambda rule: rule.number) for each in (sitting, leading))
                if rule.role is Role.CO_HANDLER and rule.mandatory and rule.step > lead.step:
                    seen.findings.add(("deadlock", tuple(sorted((lead.number, rule.number)))))
    seen.findings |= {("dead_rule", (rule.number,)) for rule in table.rules if rule.number not in seen.fired}
    return seen


def taken_by_undetermined(table: RoutingTable, at: Witness) -> set[str]:
    """The departments that get a need which nobody leads."""
    meant = [rule for rule in table.by_need.get(UNDETERMINED, ()) if matches(rule, replace(at, need=UNDETERMINED))]
    leading = nearest([rule for rule in meant if rule.role is Role.LEAD])
    beside = {rule.department for rule in meant if rule.role is not Role.LEAD}
    return beside | {min(leading, key=lambda rule: rule.number).department} if leading else beside


def told(findings: Iterable[Finding]) -> set[tuple[str, Any]]:
    return {(each.code, each.rules or each.witness.need) for each in findings}


# ---- tables that hypothesis makes ----

some_days = st.sampled_from([BEGINS - timedelta(days=9), BEGINS, BEGINS + timedelta(days=30)])
some_ends = st.sampled_from([None, None, None, BEGINS - timedelta(days=1), BEGINS + timedelta(days=29)])


def rules_of(numbers: Iterator[int], **fixed: Any) -> st.SearchStrategy[Rule]:
    parts: dict[str, Any] = {
        "need": st.sampled_from(NEEDS),
        "department": st.sampled_from(DEPARTMENTS),
        "role": st.sampled_from(Role),
        "area": st.sampled_from(AREAS),
        "condition": st.none() | st.sampled_from(CONDITIONS),
        "step": st.integers(1, 3),
        "mandatory": st.booleans(),
        "effective_from": some_days,
        "effective_to": some_ends,
    }
    return st.fixed_dictionaries({**parts, **fixed}).map(lambda fields: a_rule(next(numbers), **fields))


@st.composite
def any_tables(draw: st.DrawFn) -> RoutingTable:
    """Mostly a lead everywhere, and whatever else beside it, before it, in its way."""
    numbers = count(1)
    base = [rule for rule in leads(*NEEDS) if draw(st.integers(0, 5))]
    return a_table([*base, *draw(st.lists(rules_of(numbers), max_size=5))])


def _split(text: str, condition: str | None) -> str:
    return text if condition is None else f"{condition} and {text}"


@st.composite
def whole_tables(draw: st.DrawFn) -> RoutingTable:
    """Of each need the leads share out all requests: by date, by facts; and some nearer areas do so for themselves."""
    numbers = count(1)
    rules: list[Rule] = []
    for need in NEEDS:
        nearer = draw(st.lists(st.sampled_from(["360801", "360801001", "360802"]), unique=True, max_size=2))
        for area in ("36", *nearer):
            spans: list[dict[str, Any]] = [{}]
            if draw(st.booleans()):
                last = BEGINS + timedelta(days=draw(st.integers(0, 60)))
                spans = [{"effective_to": last}, {"effective_from": last + timedelta(days=1)}]
            for span in spans:
                for condition in _shared_out(draw):
                    department = draw(st.sampled_from(DEPARTMENTS))
                    rules.append(a_rule(next(numbers), need, department, area=area, condition=condition, **span))
    return a_table(rules)


def _shared_out(draw: st.DrawFn) -> list[str | None]:
    parts: list[str | None] = [None]
    if draw(st.booleans()):
        bound = draw(st.integers(10, 100))
        parts = [f"age < {bound}", f"age >= {bound}", "age is unknown"]
    if draw(st.booleans()):
        part = parts.pop(0)
        parts += [_split(text, part) for text in ("residence = urban", "residence != urban", "residence is unknown")]
    return parts


@st.composite
def requests(draw: st.DrawFn) -> Witness:
    facts: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "age": st.integers(0, 150),
                "residence": st.sampled_from(sorted(FACTS["residence"].words)),
                "recognised_status": st.frozensets(st.sampled_from(sorted(FACTS["recognised_status"].words))),
                "household_size": st.integers(1, 100),
            },
        )
    )
    day = BEGINS + timedelta(days=draw(st.integers(0, 70) | st.just(9999)))
    return Witness(draw(st.sampled_from(NEEDS)), draw(st.sampled_from(PLACES)), day, facts)
