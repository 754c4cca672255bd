"""decide(): which agencies get which part of a request, with every rule that fired and why. Pure, total."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from app.routing.conditions import waited_for
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts, FactValues, Value
from app.routing.rules import COORDINATOR, UNDETERMINED, Role, RoutingTable, Rule, local_day

_REMEMBERED = 4096
# Of what is stored of a decision. In the second one a rule whose seat is held waits for no fact.
EDITION = 2


class Assignment(NamedTuple):
    """A rule that fired and the agency it found; `reason` is a key of REASONS."""

    rule: Rule
    agency: Agency
    role: Role
    step: int
    mandatory: bool
    reason: str


class PassedOver(NamedTuple):
    rule: Rule
    reason: str


@dataclass(frozen=True)
class NeedDecision:
    """`asks` names the facts that are not known and that a rule of this need waits for. `unfired` is `passed_over` in
    plain pairs, which cost a third: in a large table nine rules of ten do not fire."""

    need: str
    undetermined: bool
    assignments: tuple[Assignment, ...]
    unfired: tuple[tuple[Rule, str], ...]
    asks: tuple[str, ...] = ()

    @property
    def passed_over(self) -> tuple[PassedOver, ...]:
        return tuple([PassedOver(rule, reason) for rule, reason in self.unfired])

    def __hash__(self) -> int:
        """By the agencies too: a province has as many decisions by the same rules as it has townships."""
        return hash((self.need, self.asks, *[(a.rule.number, a.agency.code) for a in self.assignments]))

    @cached_property
    def record(self) -> dict[str, Any]:
        return {
            "need": self.need,
            "undetermined": self.undetermined,
            "fired": [
                {"rule": a.rule.number, "agency": a.agency.code, "role": a.role, "step": a.step, "why": a.reason}
                for a in self.assignments
            ],
            "passed_over": [{"rule": rule.number, "why": reason} for rule, reason in self.unfired],
            "asks": list(self.asks),
        }


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    version: int
    directory: int
    at: datetime
    needs: tuple[NeedDecision, ...]

    def record(self) -> dict[str, Any]:
        """What is stored: rule numbers, agencies, reasons, and facts by name only. The version and the revision of the
        directory that it names hold everything else."""
        return {
            "version": self.version,
            "directory": self.directory,
            "edition": EDITION,
            "needs": [each.record for each in self.needs],
        }


# A reason, and the sentence that a clerk can read aloud: (Chinese, English).
REASONS: dict[str, tuple[str, str]] = {
    "applies": ("该求助事项在本地由此部门办理", "this need is this department's business in this area"),
    "nobody_leads": (
        "没有规则或没有可用的牵头单位,先由乡镇和县协调机制接下",
        "no rule or no agency leads, so the township and the county coordinator take it first",
    ),
    "lead_needs_fact": (
        "还缺一项情况才能确定牵头单位,先由乡镇和县协调机制接下",
        "the lead depends on a fact that is not known yet, so the township and the county coordinator take it first",
    ),
    "not_in_force": ("规则在登记之日不在有效期内", "the rule is not in force on the day of registration"),
    "other_area": ("规则适用于别的地区", "the rule is for another area"),
    "nearer_rule": ("有更具体地区的规则优先", "a rule for a nearer area takes precedence"),
    "condition_not_met": ("所报情况不符合规则的条件", "what was declared does not meet the rule's condition"),
    "needs_fact": ("规则的条件还缺情况,请补问", "the rule's condition needs a fact that is not known: ask for it"),
    "no_agency": ("本地及上级都没有该部门的可用单位", "the department has no active agency here or above"),
    "already_assigned": ("该单位已经以另一身份承办此事项", "the agency already has this need in another role"),
}


def decide(facts: Facts, table: RoutingTable, directory: Directory, at: datetime) -> RoutingDecision:
    """The decision of `table` for `facts` at `at` (aware). Never raises for a need that no rule knows: what nobody
    leads goes to `undetermined`: the township, then the county coordinator. A rule whose condition is unknown does
    not fire; the others do, and what has to be asked is said."""
    day, place = local_day(at), facts.division_code
    needs = tuple(decide_need(need, place, facts.known_for(need), day, table, directory) for need in facts.needs)
    return RoutingDecision(table.version, directory.revision, at, needs)


def decide_need(
    need: str, place: str, known: FactValues, day: date, table: RoutingTable, directory: Directory
) -> NeedDecision:
    """The part of `decide` for one need."""
    told = tuple([(name, known[name]) for name in table.facts_of(need) if name in known])
    return _decided(need, place, told, day, table, directory)


# One need in one place gets one decision all day from the same facts.
@lru_cache(_REMEMBERED)
def _decided(
    need: str, place: str, told: tuple[tuple[str, Value], ...], day: date, table: RoutingTable, directory: Directory
) -> NeedDecision:
    known = dict(told)
    own = _seated(table, need, place, known, day, directory)
    if need == UNDETERMINED:
        return _decision(need, True, _with_a_lead(own.assignments("applies")), own.unfired, known)
    if own.is_led:
        return _decision(need, False, own.assignments("applies"), own.unfired, known)
    return _fallen_back(need, own, _seated(table, UNDETERMINED, place, known, day, directory), known)


def _fallen_back(need: str, own: _Seats, fallback: _Seats, known: FactValues) -> NeedDecision:
    """Where nobody leads by the need's own rules: by those of `undetermined`, with whoever else was found beside them."""
    assignments = _with_a_lead(fallback.assignments("lead_needs_fact" if own.lead_waits else "nobody_leads"))
    # Who was to prepare the missing lead's decision helps whoever took its place, and keeps nobody waiting.
    helpers = [a for a in own.assignments("applies") if a.agency.code not in fallback.taken]
    assignments += [a._replace(mandatory=False) for a in helpers]
    # Once it is settled who leads, an agency that has the need already has it whatever else is told.
    settled = not (own.lead_waits or fallback.lead_waits)
    held = {agency.department for _, agency in fallback.taken.values()} if settled else ()
    unfired = [
        (rule, "already_assigned" if why == "needs_fact" and rule.department in held else why)
        for rule, why in own.unfired
    ]
    unfired += fallback.unfired
    unfired += [(rule, "already_assigned") for code, (rule, _) in own.taken.items() if code in fallback.taken]
    return _decision(need, True, assignments, unfired, known)


def _decision(
    need: str, undetermined: bool, assignments: list[Assignment], unfired: list[tuple[Rule, str]], known: FactValues
) -> NeedDecision:
    asks = dict.fromkeys(
        [
            name
            for rule, why in unfired
            if why == "needs_fact" and rule.condition
            for name in waited_for(rule.condition.node, known)
        ]
    )
    return _first_equal(NeedDecision(need, undetermined, tuple(assignments), tuple(unfired), tuple(asks)))


# What is equal is put into words, and into JSON, once.
@lru_cache(_REMEMBERED)
def _first_equal(decision: NeedDecision) -> NeedDecision:
    return decision


# Tables and directories are immutable, and told apart by identity.
@lru_cache(_REMEMBERED)
def _candidates(table: RoutingTable, need: str, place: str) -> tuple[Rule, ...]:
    return table.of(need, place)


def forget() -> None:
    """What is remembered keeps directories alive that nobody uses any more: forget it when there is a new one."""
    for remembering in (_candidates, _decided, _first_equal):
        remembering.cache_clear()


# The seat that all leads want, whatever their department.
_LEADING = ""


@dataclass(slots=True)
class _Seats:
    """Who was found by the rules of one need: the rule that fired and the agency that it found, by the agency's code."""

    taken: dict[str, tuple[Rule, Agency]]
    unfired: list[tuple[Rule, str]]
    is_led: bool
    lead_waits: bool

    def assignments(self, reason: str) -> list[Assignment]:
        return [
            Assignment(rule, agency, rule.role, rule.step, rule.mandatory and rule.role is not Role.INFORMED, reason)
            for rule, agency in sorted(self.taken.values(), key=lambda each: (each[0].step, each[0].number))
        ]


def _seated(table: RoutingTable, need: str, place: str, known: FactValues, day: date, directory: Directory) -> _Seats:
    """Rules come nearest area first: one lead, one row a department beside it, one role an agency.

    A rule whose seat is held is not asked for its answer, and one that can't fire whatever its answer waits for no fact.
    """
    lead, filled = Role.LEAD, set[str]()
    taken: dict[str, tuple[Rule, Agency]] = {}
    unfired: list[tuple[Rule, str]] = []
    lead_waits = False
    for rule in _candidates(table, need, place):
        seat = _LEADING if rule.role is lead else rule.department
        if rule.effective_from > day or ((ends := rule.effective_to) is not None and ends < day):
            why = "not_in_force"
        elif seat in filled:
            why = "nearer_rule"
        elif (answer := rule.condition is None or rule.condition.answer(known)) is False:
            why = "condition_not_met"
        elif (agency := directory.resolve(rule.department, place)) is None:
            why = "no_agency"
        elif agency.code in taken and (answer or not lead_waits):
            why = "already_assigned"
        elif answer is None:
            # While a nearer lead waits, whoever leads instead may have to give an agency free again.
            why, lead_waits = "needs_fact", lead_waits or rule.role is lead
        else:
            filled.add(seat)
            taken[agency.code] = rule, agency
            continue
        unfired.append((rule, why))
    return _Seats(taken, unfired, _LEADING in filled, lead_waits)


def _with_a_lead(assignments: list[Assignment]) -> list[Assignment]:
    """Somebody must answer for the result: where the township is missing, the first of the others leads."""
    if not assignments or any(a.role is Role.LEAD for a in assignments):
        return assignments
    first = next((a for a in assignments if a.agency.department == COORDINATOR), assignments[0])
    lead = Assignment(first.rule, first.agency, Role.LEAD, first.step, True, first.reason)
    return [lead if a is first else a for a in assignments]
