"""decide(): which agencies get which part of a request, with every rule that fired and why. Pure, total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple

from app.routing.conditions import Answer
from app.routing.directory import Agency, Directory
from app.routing.facts import Facts, FactValues
from app.routing.rules import UNDETERMINED, Role, RoutingTable, Rule, local_day

_COORDINATOR = "county_coordination_mechanism"
_REMEMBERED = 4096


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

    @cached_property
    def _hash(self) -> int:
        fired = tuple([(a.rule.number, a.agency.code) for a in self.assignments])
        return hash((self.need, self.asks, fired, tuple([reason for _, reason in self.unfired])))

    def __hash__(self) -> int:
        return self._hash

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
    answers = _answers(table, need, place, known)
    decision = _decided(need, place, day, answers, table, directory)
    if decision.undetermined and need != UNDETERMINED:
        fallback_answers = _answers(table, UNDETERMINED, place, known)
        decision = _fallen_back(need, place, day, answers, fallback_answers, table, directory)
    waiting = [rule.condition for rule, reason in decision.unfired if reason == "needs_fact" and rule.condition]
    if not waiting:
        return decision
    asks = [name for name in dict.fromkeys(chain.from_iterable([each.facts for each in waiting])) if name not in known]
    return replace(decision, asks=tuple(asks))


# Tables and directories are immutable, and told apart by identity.
@lru_cache(_REMEMBERED)
def _candidates(table: RoutingTable, need: str, place: str) -> tuple[Rule, ...]:
    return table.of(need, place)


def _answers(table: RoutingTable, need: str, place: str, known: FactValues) -> tuple[Answer, ...]:
    rules = _candidates(table, need, place)
    return tuple([True if rule.condition is None else rule.condition.answer(known) for rule in rules])


# One need in one place with the same answers gets one decision all day.
@lru_cache(_REMEMBERED)
def _decided(
    need: str, place: str, day: date, answers: tuple[Answer, ...], table: RoutingTable, directory: Directory
) -> NeedDecision:
    """By the need's own rules alone."""
    rules = zip(_candidates(table, need, place), answers, strict=True)
    assignments, unfired = _assign(rules, place, directory, day, "applies")
    led = any(a.role is Role.LEAD for a in assignments)
    if not led and need == UNDETERMINED:
        assignments = _with_a_lead(assignments)
    return NeedDecision(need, not led or need == UNDETERMINED, tuple(assignments), tuple(unfired))


@lru_cache(_REMEMBERED)
def _fallen_back(
    need: str,
    place: str,
    day: date,
    answers: tuple[Answer, ...],
    fallback_answers: tuple[Answer, ...],
    table: RoutingTable,
    directory: Directory,
) -> NeedDecision:
    """Where nobody leads by the need's own rules: by those of `undetermined`, with whoever else was found beside them."""
    own = _decided(need, place, day, answers, table, directory)
    waits = any(reason == "needs_fact" and rule.role is Role.LEAD for rule, reason in own.unfired)
    rules = zip(_candidates(table, UNDETERMINED, place), fallback_answers, strict=True)
    fallback, unfired = _assign(rules, place, directory, day, "lead_needs_fact" if waits else "nobody_leads")
    taken = {a.agency.code for a in fallback}
    unfired += [(a.rule, "already_assigned") for a in own.assignments if a.agency.code in taken]
    # Who was to prepare the missing lead's decision helps whoever took its place, and keeps nobody waiting.
    helpers = [a._replace(mandatory=False) for a in own.assignments if a.agency.code not in taken]
    assignments = _with_a_lead(fallback) + helpers
    return replace(own, assignments=tuple(assignments), unfired=(*own.unfired, *unfired))


def forget() -> None:
    """What is remembered keeps directories alive that nobody uses any more: forget it when there is a new one."""
    for remembering in (_candidates, _decided, _fallen_back):
        remembering.cache_clear()


# The seat that all leads want, whatever their department.
_LEADING = ""


def _assign(
    rules: Iterable[tuple[Rule, Answer]], place: str, directory: Directory, day: date, reason: str
) -> tuple[list[Assignment], list[tuple[Rule, str]]]:
    """Rules come nearest area first: one lead, one row a department beside it, one role an agency."""
    lead, filled = Role.LEAD, set[str]()
    taken: dict[str, Assignment] = {}
    unfired: list[tuple[Rule, str]] = []
    for rule, answer in rules:
        if not rule.in_force(day):
            why = "not_in_force"
        elif answer is False:
            why = "condition_not_met"
        elif answer is None:
            why = "needs_fact"
        elif (seat := _LEADING if rule.role is lead else rule.department) in filled:
            why = "nearer_rule"
        elif (agency := directory.resolve(rule.department, place)) is None:
            why = "no_agency"
        elif agency.code in taken:
            why = "already_assigned"
        else:
            filled.add(seat)
            mandatory = rule.mandatory and rule.role is not Role.INFORMED
            taken[agency.code] = Assignment(rule, agency, rule.role, rule.step, mandatory, reason)
            continue
        unfired.append((rule, why))
    return sorted(taken.values(), key=lambda a: (a.step, a.rule.number)), unfired


def _with_a_lead(assignments: list[Assignment]) -> list[Assignment]:
    """Somebody must answer for the result: where the township is missing, the first of the others leads."""
    if not assignments or any(a.role is Role.LEAD for a in assignments):
        return assignments
    first = next((a for a in assignments if a.agency.department == _COORDINATOR), assignments[0])
    lead = Assignment(first.rule, first.agency, Role.LEAD, first.step, True, first.reason)
    return [lead if a is first else a for a in assignments]
