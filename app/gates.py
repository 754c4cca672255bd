"""Gates (授权关): what of a case is held back, or kept closed, for want of a consent. In memory; nothing is stored here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from app import consents
from app.clocks import rule_of
from app.consents import Missing
from app.registry import Snapshot
from app.routing.decide import RoutingDecision
from app.routing.rules import UNDETERMINED, Consent, Role, Rule, local_day
from app.timeline import WAITS_FOR_CONSENT, Case, Handoff


class Opened(NamedTuple):
    """What of the person a handoff's agency is shown: the field groups, as far as consent goes, and the rule that opens them."""

    rule: Rule
    groups: tuple[str, ...]

    @property
    def withheld(self) -> list[str]:
        rule, groups = self
        return [each for each in rule.discloses if each not in groups]


def holding_back(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> Sequence[Missing]:
    """The consents without which a handoff is not dispatched; looks at the person only where its rule asks for any."""
    rule = rule_of(handoff, snapshot)
    if Consent.VERIFICATION not in rule.consent:
        return ()
    return consents.holding_back(rule, case.recorded(local_day(at)), is_emergency=case.is_emergency)


def is_held(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime, actor: str) -> bool:
    """Whether a handoff that waits has to go on waiting, for consent; the first time the timeline says so."""
    lacking = holding_back(case, handoff, snapshot, at)
    if lacking and not handoff.waits_for_consent:
        handoff.reason = WAITS_FOR_CONSENT
        case.touch(handoff)
        data = {"agency": handoff.agency_code, "missing": [f"{each.purpose}:{each.person}" for each in lacking]}
        case.record("handoff.waits_for_consent", at, actor, handoff_id=handoff.id, data=data)
    elif not lacking and handoff.waits_for_consent:
        release(case, handoff)
    return bool(lacking)


def release(case: Case, handoff: Handoff) -> None:
    handoff.reason = None
    case.touch(handoff)


def disclosing(case: Case, handoff: Handoff, snapshot: Snapshot) -> Rule:
    """The rule by which a handoff's agency is shown the person. That of the handoff where it names the agency's
    department, where a coordinator ruled that it is the agency's, and in an emergency. Whoever else got it, by a return
    or a reassignment, is shown what the rule of its own department for this need opens; where there is none, no more than
    whoever finds out whose a need is."""
    rule = rule_of(handoff, snapshot)
    department = snapshot.directory.agencies[handoff.agency_code].department
    if department == rule.department or case.is_emergency:
        return rule
    place, day = case.request["division_code"], local_day(case.request["registered_at"])
    table = snapshot.tables[handoff.routing_version]
    if handoff.bound_by is None:
        own = [each for each in table.of(handoff.need, place) if each.department == department and each.in_force(day)]
        if own:
            return own[0]
        finders = [each for each in table.of(UNDETERMINED, place) if each.role is Role.LEAD and each.in_force(day)]
        open_to_finders = finders[0].discloses if finders else ()
        rule = replace(rule, discloses=tuple([each for each in rule.discloses if each in open_to_finders]))
    if department in table.charities:
        rule = replace(rule, consent=(*rule.consent, Consent.SHARING))
    return rule


def opened(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> Opened:
    """What of the person a handoff's agency is shown, decided once for all that follows from it."""
    rule = disclosing(case, handoff, snapshot)
    if consents.PURPOSES.isdisjoint(rule.consent):
        return Opened(rule, rule.discloses)
    recorded = case.recorded(local_day(at))
    return Opened(rule, consents.opened_groups(rule, recorded, is_emergency=case.is_emergency))


def missing_purposes(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> list[str]:
    lacking = consents.missing(disclosing(case, handoff, snapshot), case.recorded(local_day(at)))
    return list(dict.fromkeys(each.purpose.value for each in lacking))


def withdrawn_at(case: Case, handoff: Handoff, snapshot: Snapshot, at: datetime) -> datetime | None:
    """Since when a handoff's agency is shown less, or may not handle it, because a consent was withdrawn; None: that is
    not so, or consent was given again."""
    rule = disclosing(case, handoff, snapshot)
    if consents.PURPOSES.isdisjoint(rule.consent):
        return None
    return consents.closed_since(rule, case.recorded(local_day(at)), is_emergency=case.is_emergency)


def missing(case: Case, snapshot: Snapshot, at: datetime) -> list[Missing]:
    """Every consent that an open handoff's rule asks for and that is not recorded, once each."""
    rules = (disclosing(case, each, snapshot) for each in case.handoffs if each.is_open)
    return consents.missing_of(rules, case.recorded(local_day(at)))


def all_needed(case: Case, decision: RoutingDecision, at: datetime) -> list[Missing]:
    """The same of what was decided this moment, later steps too: whoever is at the window can be asked for all at once."""
    rules = (each.rule for need in decision.needs for each in need.assignments)
    return consents.missing_of(rules, case.recorded(local_day(at)))
