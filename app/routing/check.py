"""check(): the proof that a table routes every request, before it is in force; pure.

Every need, every place, every day from the table's first on, every region of the declared facts (`space`) is looked
at, seat by seat: the lead's seat, and the seat of each department beside it. Who sits in one seat does not depend on
the others, but for two rules that a seat is looked at together with the lead for: a department takes one role only,
and a lead that is done before its mandatory co-handler begins would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from app.disclosure import SENSITIVE
from app.routing.directory import COUNTY_DIGITS, Directory, upward
from app.routing.facts import FactValues, lies_in
from app.routing.findings import Certificate, Severity, Witness, facts_in_words
from app.routing.loops import check_loops
from app.routing.notes import Notes, Region, listed
from app.routing.reach import FAULTS, Reach
from app.routing.rules import UNDETERMINED, Consent, ConsentOf, Role, RoutingTable, Rule, local_day
from app.routing.space import by_areas, by_days, cells

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_WORDS = {Role.LEAD: ("牵头", "lead"), Role.CO_HANDLER: ("协办", "co-handler"), Role.INFORMED: ("知会", "informed")}


@dataclass(frozen=True)
class World:
    """What there is: need codes, places where a request may be registered, departments, materials."""

    needs: Sequence[str]
    places: Sequence[str]
    departments: frozenset[str]
    materials: frozenset[str]

    @cached_property
    def need_codes(self) -> frozenset[str]:
        return frozenset(self.needs)

    @cached_property
    def areas(self) -> frozenset[str]:
        """Every division that a request can come from, and those that it lies in."""
        return frozenset(area for place in self.places for area in upward(place))


def check(table: RoutingTable, directory: Directory, world: World, checksum: str, at: datetime) -> Certificate:
    """The certificate of `table` in `world` as of `at` (aware): it may be published if it has no errors."""
    notes = Notes()
    begins = local_day(table.effective_from)
    # What nobody leads falls to `undetermined`, whether or not it is listed.
    everywhere = replace(world, needs=tuple(dict.fromkeys((*world.needs, UNDETERMINED))))
    world = _served(everywhere, directory, begins, notes)
    reach = Reach(directory)
    fallback = table.by_need.get(UNDETERMINED, ())
    for need in world.needs:
        _check_need(need, table.by_need.get(need, ()), fallback, begins, reach, world, notes)
    for rule in table.rules:
        _check_names(rule, table, begins, everywhere, notes)
        _check_consent(rule, begins, everywhere, notes)
    check_loops(notes)
    notes.tell_what_is_too_wide()
    _check_dead(table, begins, everywhere, world, notes)
    return Certificate(
        checksum=checksum,
        directory=directory.revision,
        checked_at=at,
        rules=len(table.rules),
        needs=len(world.needs),
        places=len(world.places),
        agencies=len(directory.agencies),
        regions=notes.regions,
        findings=tuple(sorted(notes.findings.values(), key=lambda each: (each.severity, each.code, each.rules))),
    )


def _served(world: World, directory: Directory, begins: date, notes: Notes) -> World:
    """The places of counties that have an agency of their own. Of the others one warning says that nobody is there."""
    counties = {agency.division_code[:COUNTY_DIGITS] for agency in directory.agencies.values()}
    elsewhere = sorted({place[:COUNTY_DIGITS] for place in world.places} - counties)
    if elsewhere:
        notes.add(
            *("county_not_served", _WARNING, (), Witness(UNDETERMINED, elsewhere[0], begins, {})),
            f"{len(elsewhere)} 个县没有任何承办单位(如 {elsewhere[0]});那里的求助只能登记,由协调员处理。",
            f"{len(elsewhere)} counties have no agency at all ({elsewhere[0]} for one): requests from there are "
            "registered and wait for a coordinator",
        )
    return replace(world, places=[place for place in world.places if place[:COUNTY_DIGITS] in counties])


def _check_need(
    need: str,
    rules: Sequence[Rule],
    fallback: Sequence[Rule],
    begins: date,
    reach: Reach,
    world: World,
    notes: Notes,
) -> None:
    linked = {rule.number for rule in rules if world.need_codes.intersection(rule.prerequisites)}
    for areas, places in by_areas(world.places, rules).items():
        candidates = [rule for rule in rules if rule.area in areas]
        # Whom `undetermined` assigns matters only where it may be asked at all.
        behind = [] if need == UNDETERMINED or _is_always_led(candidates, begins) else fallback
        for within, there in by_areas(places, behind).items():
            takers = [rule for rule in behind if rule.area in within]
            for day in by_days(begins, [*candidates, *takers]):
                now, then = ([rule for rule in each if rule.in_force(day)] for each in (candidates, takers))
                region = Region(need, there, day, now, then)
                _check_seats(region, notes)
                _check_agencies(region, reach, notes)
                if linked:
                    notes.waiting.append((region, [r for r in now if r.number in linked and r.number in region.fires]))


def _is_always_led(rules: Iterable[Rule], begins: date) -> bool:
    return any(
        rule.role is Role.LEAD and rule.condition is None and rule.effective_from <= begins and not rule.effective_to
        for rule in rules
    )


def _check_seats(region: Region, notes: Notes) -> None:
    leads = [rule for rule in region.rules if rule.role is Role.LEAD]
    if notes.affords(region, leads):
        for facts in cells(leads):
            notes.regions += 1
            _check_lead(region, leads, facts, notes)
    beside = [rule for rule in region.rules if rule.role is not Role.LEAD]
    for department in dict.fromkeys(rule.department for rule in beside):
        seat = [rule for rule in beside if rule.department == department]
        takers = _takers(region.fallback, department)
        with_lead = takers or [
            lead for lead in leads if lead.department == department or any(_may_lock(lead, rule) for rule in seat)
        ]
        # A lead sits by all the leads' conditions, so if one of them matters all of them do.
        together = [*seat, *(leads if with_lead else ()), *takers]
        if notes.affords(region, together):
            for facts in cells(together):
                notes.regions += 1
                _check_beside(region, seat, leads if with_lead else [], takers, facts, notes)


def _takers(fallback: Sequence[Rule], department: str) -> list[Rule]:
    """The rules of `undetermined` that say whether the department has a need that nobody else leads."""
    leads = [rule for rule in fallback if rule.role is Role.LEAD]
    beside = [rule for rule in fallback if rule.role is not Role.LEAD and rule.department == department]
    return [*(leads if any(lead.department == department for lead in leads) else ()), *beside]


def _check_lead(region: Region, leads: Sequence[Rule], facts: FactValues, notes: Notes) -> None:
    answers = {rule.number: rule.condition is None or rule.condition.answer(facts) for rule in leads}
    sitting = _nearest([rule for rule in leads if answers[rule.number]])
    zh, en = facts_in_words(facts)
    if not sitting:
        waiting = [rule for rule in leads if answers[rule.number] is None]
        witness = region.witness(facts)
        where_zh, where_en = f"{witness.division_code} 在 {witness.day}", f"{witness.division_code} on {witness.day}"
        if waiting and region.need == UNDETERMINED:
            notes.add(
                *("no_lead", _ERROR, (), witness),
                f"{region.need} 在{where_zh}({zh}):情况未知时没有牵头,而它后面再没有谁接;请补一条没有条件的牵头规则。",
                f"{region.need} in {where_en} ({en}): nobody leads while a fact is not known, and nobody comes after it; "
                "add a rule that leads whatever is known",
            )
        elif waiting:
            notes.add(
                *("lead_waits_for_fact", _WARNING, waiting, witness),
                f"{region.need} 在{where_zh}({zh}):情况未知时规则 {listed(waiting)} 都不牵头,先由“难以确定部门”接下;"
                "可在条件中写明“未知”时归谁。",
                f"{region.need} in {where_en} ({en}): none of the rules {listed(waiting)} leads while a fact is not known, "
                "so `undetermined` takes it first; a condition may say who leads when the fact `is unknown`",
            )
        else:
            notes.add(
                *("no_lead", _ERROR, (), witness),
                f"{region.need} 在{where_zh}({zh})没有牵头单位;请补一条牵头规则。",
                f"{region.need} in {where_en} ({en}) has no lead; add a rule that leads",
            )
    elif len(sitting) > 1:
        notes.add(
            *("two_leads", _ERROR, sitting, region.witness(facts)),
            f"规则 {listed(sitting)} 在同一情形({zh})都要牵头;请使条件、地区或日期互不重叠。",
            f"rules {listed(sitting)} both lead in the same case ({en}); keep their conditions, areas or dates apart",
        )
    _note_sitting(region, leads, sitting, answers, facts, notes)


def _check_beside(
    region: Region,
    seat: Sequence[Rule],
    leads: Sequence[Rule],
    takers: Sequence[Rule],
    facts: FactValues,
    notes: Notes,
) -> None:
    answers = {rule.number: rule.condition is None or rule.condition.answer(facts) for rule in seat}
    meant = [rule for rule in seat if answers[rule.number]]
    co_handling = [rule for rule in meant if rule.role is Role.CO_HANDLER]
    sitting = _nearest(co_handling or meant)
    leading = _nearest(_fitting(leads, facts))
    witness = region.witness(facts)
    # Where no lead even waits, it is the lead that is at fault, and not who was to help it.
    lead_waits = any(lead.condition is not None and lead.condition.answer(facts) is None for lead in leads)
    has_it_already = leading[:1] if leading or not lead_waits else _taking(takers, facts)
    for holder in has_it_already:
        if sitting and holder.department == sitting[0].department:
            _note_sitting(region, seat, [], answers, facts, notes, taken_by=holder)
            return
    if len(sitting) > 1:
        zh, en = facts_in_words(facts)
        notes.add(
            *("two_rows", _ERROR, sitting, witness),
            f"规则 {listed(sitting)} 在同一情形({zh})说的是同一部门;请合并,或使条件、地区、日期互不重叠。",
            f"rules {listed(sitting)} speak of the same department in the same case ({en}); "
            "make them one, or keep their conditions, areas or dates apart",
        )
    for rule in sitting[:1]:
        for lead in leading[:1]:
            if _may_lock(lead, rule):
                notes.add(
                    *("deadlock", _ERROR, (lead, rule), witness),
                    f"规则 {rule.number} 的必办协办在第 {rule.step} 环节,牵头规则 {lead.number} 在第 {lead.step} "
                    "环节:牵头要等协办办结,协办又要等牵头办结;请把牵头放到最后的环节,或改为非必办。",
                    f"rule {rule.number}, a mandatory co-handler, stands in step {rule.step} after lead {lead.number} "
                    f"in step {lead.step}: each waits for the other; let the lead come last, or make it not mandatory",
                )
    _note_sitting(region, seat, sitting, answers, facts, notes)


def _taking(takers: Sequence[Rule], facts: FactValues) -> list[Rule]:
    """Of the rules of `undetermined` those that fire where nobody leads."""
    fitting = _fitting(takers, facts)
    leading = _nearest([rule for rule in fitting if rule.role is Role.LEAD])
    return [*leading[:1], *(rule for rule in fitting if rule.role is not Role.LEAD)]


def _fitting(rules: Iterable[Rule], facts: FactValues) -> list[Rule]:
    return [rule for rule in rules if rule.condition is None or rule.condition.answer(facts)]


def _may_lock(lead: Rule, rule: Rule) -> bool:
    return rule.role is Role.CO_HANDLER and rule.mandatory and rule.step > lead.step


def _nearest(rules: Sequence[Rule]) -> list[Rule]:
    """Those that the nearest area gives the seat to."""
    longest = max((len(rule.area) for rule in rules), default=0)
    return [rule for rule in rules if len(rule.area) == longest]


def _note_sitting(
    region: Region,
    seat: Iterable[Rule],
    sitting: Sequence[Rule],
    answers: Mapping[int, bool | None],
    facts: FactValues,
    notes: Notes,
    taken_by: Rule | None = None,
) -> None:
    for rule in sitting:
        if rule.number not in region.fires:
            region.fires[rule.number] = facts
            notes.fired.setdefault(rule.number, region.witness(facts))
    before = taken_by or (sitting[0] if sitting else None)
    for rule in seat:
        if answers[rule.number] and rule.number not in notes.could and rule not in sitting:
            notes.could[rule.number] = (region.witness(facts), before.number if before else None)


def _check_agencies(region: Region, reach: Reach, notes: Notes) -> None:
    """Of the rules that take a seat here: one that always yields to a nearer one needs no agency."""
    for rule in region.rules:
        if rule.number not in region.fires:
            continue
        for place in region.places:
            code = reach.fault(rule.department, place)
            if code is not None:
                zh, en = FAULTS[code]
                notes.add(
                    *(code, _ERROR, (rule,), region.witness(region.fires[rule.number], place)),
                    f"规则 {rule.number}:{place} 的 {rule.department} {zh}",
                    f"rule {rule.number}: {rule.department} for {place} {en}",
                )


def _check_names(rule: Rule, table: RoutingTable, begins: date, world: World, notes: Notes) -> None:
    faults: list[tuple[str, str, str]] = []
    if rule.need not in world.needs:
        faults.append((rule.need, "没有这个求助事项代码", "is no need code"))
    if rule.department not in world.departments:
        faults.append((rule.department, "没有这个部门代码", "is no department code"))
    if rule.area not in world.areas:
        faults.append((rule.area, "没有这个地区", "is no area in which a request can be made"))
    for material in (*rule.materials, *rule.waived):
        if material not in world.materials:
            faults.append((material, "没有这个材料代码", "is no material code"))
    if rule.emergency_variant is not None and rule.emergency_variant not in table.by_need:
        faults.append((rule.emergency_variant, "作为应急做法没有任何规则", "is the emergency variant and has no rule"))
    for name, zh, en in faults:
        witness = _request_for(rule, begins, world, notes)
        notes.add(
            *("unknown_code", _ERROR, (rule,), witness),
            f"规则 {rule.number}:{name} {zh}。",
            f"rule {rule.number}: {name} {en}",
            about=name,
        )


def _request_for(rule: Rule, begins: date, world: World, notes: Notes) -> Witness:
    """One in which the rule fires, or, where it never does, one that it speaks of."""
    if rule.number in notes.fired:
        return notes.fired[rule.number]
    place = next((place for place in world.places if lies_in(place, rule.area)), rule.area)
    return Witness(rule.need, place, max(begins, rule.effective_from), {})


def _check_consent(rule: Rule, begins: date, world: World, notes: Notes) -> None:
    witness = _request_for(rule, begins, world, notes)
    sensitive = sorted(SENSITIVE.intersection(rule.discloses))
    if sensitive and not rule.consent:
        listed = ", ".join(sensitive)
        notes.add(
            *("consent_missing", _ERROR, (rule,), witness),
            f"规则 {rule.number} 提供敏感信息({listed})却没有写明同意;依法定职责的写 none。",
            f"rule {rule.number} discloses {listed} and names no consent; write none where the law makes it a duty",
        )
    asked = [each for each in rule.consent if each not in (Consent.NONE, Consent.WAIVED)]
    if asked and rule.consent_of is ConsentOf.NOBODY:
        notes.add(
            *("consent_of_nobody", _ERROR, (rule,), witness),
            f"规则 {rule.number} 需要同意,却没有写明由谁同意。",
            f"rule {rule.number} needs consent and does not say whose",
        )
    if rule.role is Role.LEAD and not rule.discloses:
        notes.add(
            *("lead_sees_nothing", _WARNING, (rule,), witness),
            f"规则 {rule.number} 牵头,却看不到当事人的任何信息。",
            f"rule {rule.number} leads and is shown nothing of the person",
        )


def _check_dead(table: RoutingTable, begins: date, everywhere: World, served: World, notes: Notes) -> None:
    for rule in table.rules:
        if rule.number in notes.fired or rule.number in notes.not_looked_at:
            continue
        if rule.need not in everywhere.needs or rule.area not in everywhere.areas:
            continue  # said already: a code is not known
        witness, by = notes.could.get(rule.number, (_request_for(rule, begins, everywhere, notes), None))
        if rule.area not in served.areas:
            notes.add(
                *("agency_missing", _ERROR, (rule,), witness),
                f"规则 {rule.number}:{rule.area} 没有一个县有承办单位;请先登记单位。",
                f"rule {rule.number}: no county of {rule.area} has an agency; add them first",
            )
            continue
        role_zh, role_en = _WORDS[rule.role]
        if by is not None:
            zh = f"规则 {rule.number}({role_zh})从不生效:凡是它适用的情形,都由规则 {by} 先占;请删去或改写。"
            en = f"rule {rule.number} ({role_en}) never fires: rule {by} comes first wherever it would; drop or change it"
        elif rule.effective_to is not None and rule.effective_to < begins:
            zh = f"规则 {rule.number} 在本表生效前已经失效;请删去。"
            en = f"rule {rule.number} ended before this table takes effect; drop it"
        else:
            zh = f"规则 {rule.number}({role_zh})从不生效:它的条件没有任何情形能满足,或它的地区不受理求助。"
            en = f"rule {rule.number} ({role_en}) never fires: nothing meets its condition, or nobody asks in its area"
        notes.add("dead_rule", _ERROR, (rule,), witness, zh, en)
