"""Consents (授权、同意): whose a rule asks for, which of them are missing, what that holds back and what it keeps closed; pure.

Verification waits for consent (Social Assistance Law art. 41, 42); whatever else is agreed to opens what is shown, and
holds nobody's help up (Personal Information Protection Law art. 15, 23, 28 to 31).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from app.disclosure import SENSITIVE
from app.routing.facts import age_on, born
from app.routing.rules import Consent, ConsentOf, Rule, local_day
from app.routing.words import VOCABULARIES

APPLICANT = "applicant"
PURPOSES = frozenset({Consent.VERIFICATION, Consent.MEDICAL, Consent.SENSITIVE, Consent.SHARING})
_OF_AGE, _SPEAKS_FOR_ITSELF = 18, 14  # Civil Code art. 17 to 20; Personal Information Protection Law art. 31
_OPENED_BY = {
    "income": (Consent.VERIFICATION, Consent.SENSITIVE),
    "bank_account": (Consent.VERIFICATION, Consent.SENSITIVE),
    "health": (Consent.MEDICAL, Consent.SENSITIVE),
    "disability": (Consent.SENSITIVE,),
}
assert _OPENED_BY.keys() == SENSITIVE
_EVERYBODYS = (ConsentOf.HOUSEHOLD, ConsentOf.HOUSEHOLD_AND_OBLIGOR)

Person = Mapping[str, Any]
"""A request as taken in: `applicant`, `household`, `obligors`, `consents`."""


class Missing(NamedTuple):
    """A consent that is asked for and not recorded; of a minor it is their guardian's to give."""

    purpose: Consent
    person: str
    by_guardian: bool

    def described(self) -> dict[str, Any]:
        """In words; whoever it is is named by role and number, which the clerk knows."""
        zh, en = VOCABULARIES["consent"][self.purpose]
        of_zh, of_en = _named(self.person)
        if self.by_guardian:
            of_zh, of_en = f"{of_zh}(未成年,由监护人)", f"{of_en} (a minor: by the guardian)"
        return {
            "purpose": self.purpose,
            "person": self.person,
            "by_guardian": self.by_guardian,
            "text_zh": f"{of_zh}:{zh}",
            "text_en": f"{of_en}: {en}",
        }


@dataclass(frozen=True, slots=True)
class ConsentText:
    """What was read out or shown to whoever consented; never changed, only followed by the next version."""

    purpose: str
    version: int
    valid_from: date
    text_zh: str
    text_en: str
    source: str


def text_in_force(texts: Sequence[ConsentText], purpose: str, day: date) -> ConsentText | None:
    begun = (each for each in texts if each.purpose == purpose and each.valid_from <= day)
    return max(begun, key=lambda each: (each.valid_from, each.version), default=None)


class _Asked(NamedTuple):
    """Somebody whose consent may be asked for; birth and age as far as they were told."""

    name: str
    birth: date | None
    age: int | None


class Recorded:
    """The consents of a request as they stand on a day. What is lacking is asked for one handoff after another, and looked
    for once."""

    __slots__ = ("_given", "_lacking", "_people", "day", "person")

    def __init__(self, person: Person, day: date) -> None:
        self.person, self.day = person, day
        self._given: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for each in in_force(person):
            self._given.setdefault((each["purpose"], each["person"]), []).append(each)
        self._people: dict[str, list[_Asked]] = {}
        self._lacking: dict[tuple[Consent, ConsentOf], tuple[Missing, ...]] = {}

    def lacking(self, purpose: Consent, of: ConsentOf) -> tuple[Missing, ...]:
        """Of one purpose, of those who are asked."""
        found = self._lacking.get((purpose, of))
        if found is None:
            found = self._lacking[purpose, of] = tuple(self._looked_for(purpose, of))
        return found

    def _looked_for(self, purpose: Consent, of: ConsentOf) -> list[Missing]:
        guarded_until = _SPEAKS_FOR_ITSELF if of is ConsentOf.GUARDIAN_UNDER_14 else _OF_AGE
        found = []
        for each in self._asked(purpose, of):
            by_guardian = _is_younger(each.age, guarded_until)
            its = self._given.get((purpose, each.name))
            if not its or not self._is_given(its, each, by_guardian=by_guardian):
                found.append(Missing(purpose, each.name, by_guardian))
        return found

    def _is_given(self, its: Sequence[Mapping[str, Any]], who: _Asked, *, by_guardian: bool) -> bool:
        if any(("guardian" in each) is by_guardian for each in its):
            return True
        may_outgrow = not by_guardian and not who.name.startswith("obligors/")
        return may_outgrow and any(not _is_outgrown(each, who.birth, self.day) for each in its)

    def _asked(self, purpose: Consent, of: ConsentOf) -> list[_Asked]:
        """Facts that are agreed to be seen are the applicant's own; what is verified is the whole household's."""
        asked = self._of_role(APPLICANT)
        if purpose is Consent.VERIFICATION and of in _EVERYBODYS:
            asked = asked + self._of_role("household")
            if of is ConsentOf.HOUSEHOLD_AND_OBLIGOR:
                asked += self._of_role("obligors")
        return asked

    def _of_role(self, role: str) -> list[_Asked]:
        people = self._people.get(role)
        if people is None:
            told = self.person.get(role, {} if role == APPLICANT else ())
            named = [(role, told)] if role == APPLICANT else _numbered(role, told)
            people = self._people[role] = [self._known(name, who) for name, who in named]
        return people

    def _known(self, name: str, who: Mapping[str, Any]) -> _Asked:
        birth = born(who)
        return _Asked(name, birth, None if birth is None else age_on(birth, self.day))


def missing(rule: Rule, recorded: Recorded) -> tuple[Missing, ...]:
    """Every consent that a rule asks for and that is not recorded."""
    return tuple(missing_of([rule], recorded))


def closed_since(rule: Rule, recorded: Recorded, *, is_emergency: bool) -> datetime | None:
    """Since when a rule opens less than it did, or holds its handoff back, because a consent was withdrawn; None: it does
    not, or what is missing was never given."""
    given = recorded.person.get("consents", ())
    moments = {each[name] for each in given for name in ("recorded_at", "withdrawn_at") if name in each}
    open_before, open_then = _open_at("", rule, recorded, is_emergency), frozenset[str]()
    since = None
    for moment in sorted(moments):
        open_now = _open_at(moment, rule, recorded, is_emergency)
        if since is not None and open_now >= open_then:
            since = None
        if since is None and open_now < open_before:
            since, open_then = moment, open_before
        open_before = open_now
    return None if since is None else datetime.fromisoformat(since)


def _open_at(moment: str, rule: Rule, recorded: Recorded, is_emergency: bool) -> frozenset[str]:
    """What a rule opened with the consents that stood at a moment (ISO 8601, UTC), and whether its handoff could go."""
    stood = [
        {name: value for name, value in each.items() if name != "withdrawn_at"}
        for each in recorded.person.get("consents", ())
        if each.get("recorded_at", "") <= moment and not each.get("withdrawn_at", "~") <= moment
    ]
    as_then = Recorded({**recorded.person, "consents": stood}, recorded.day)
    goes = () if holding_back(rule, as_then, is_emergency=is_emergency) else ("goes",)
    return frozenset((*opened_groups(rule, as_then, is_emergency=is_emergency), *goes))


def missing_of(rules: Iterable[Rule], recorded: Recorded) -> list[Missing]:
    """Of several rules, once each."""
    asked = _asked_by(tuple([(rule.consent, rule.consent_of) for rule in rules]))
    return list(dict.fromkeys([each for purpose, of in asked for each in recorded.lacking(purpose, of)]))


@lru_cache(1024)
def _asked_by(
    rules: tuple[tuple[tuple[Consent, ...], ConsentOf], ...],
) -> tuple[tuple[Consent, ConsentOf], ...]:
    """What rules ask for, and of whom, once each."""
    return tuple(dict.fromkeys([(each, of) for consent, of in rules for each in consent if each in PURPOSES]))


def _is_outgrown(by_guardian: Mapping[str, Any], birth: date | None, day: date) -> bool:
    """A guardian consented for a minor who is of age by now and decides alone (Civil Code art. 18); who is of age and under
    guardianship still has theirs."""
    given_at = by_guardian.get("given_at")
    if given_at is None or birth is None or _is_younger(age_on(birth, day), _OF_AGE):
        return False
    return _is_younger(age_on(birth, local_day(datetime.fromisoformat(given_at))), _OF_AGE)


def in_force(person: Person) -> list[Mapping[str, Any]]:
    return [each for each in person.get("consents", ()) if "withdrawn_at" not in each]


def verifies(rule: Rule) -> bool:
    """Whether checking is all that a rule is for: who is to help somebody is given a way to reach them."""
    return (
        Consent.VERIFICATION in rule.consent
        and "contact" not in rule.discloses
        and not {"household", "income"}.isdisjoint(rule.discloses)
    )


def holding_back(rule: Rule, recorded: Recorded, *, is_emergency: bool) -> tuple[Missing, ...]:
    """The consents without which a handoff by a rule is not dispatched. In an emergency help waits for none."""
    if Consent.VERIFICATION not in rule.consent or (is_emergency and not verifies(rule)):
        return ()
    return recorded.lacking(Consent.VERIFICATION, rule.consent_of)


def opened_groups(rule: Rule, recorded: Recorded, *, is_emergency: bool = False) -> tuple[str, ...]:
    """The field groups that a rule opens with the consents that are recorded. What needs another stays closed, and
    to a charity everything; in an emergency the law asks for none (Personal Information Protection Law art. 13)."""
    if is_emergency or PURPOSES.isdisjoint(rule.consent):
        return rule.discloses
    of = rule.consent_of
    if Consent.SHARING in rule.consent and recorded.lacking(Consent.SHARING, of):
        return ()
    groups = _opening(rule.discloses, rule.consent)
    return tuple([group for group, by in groups if not by or not all(recorded.lacking(each, of) for each in by)])


@lru_cache(1024)
def _opening(discloses: tuple[str, ...], consent: tuple[Consent, ...]) -> tuple[tuple[str, tuple[Consent, ...]], ...]:
    """Each group that a rule discloses, with the consents any of which opens it; none: it is open."""
    found = []
    for group in discloses:
        by = _OPENED_BY.get(group, ())
        named = tuple([purpose for purpose in by if purpose in consent])
        # Who agreed to something narrower has agreed to as much; who agreed to sensitive data has to no verification.
        found.append((group, by if Consent.SENSITIVE in named else named))
    return tuple(found)


def shown_by(rule: Rule, person: Person) -> Person:
    """Without the obligors, unless the rule asks for theirs: then those who consented, and nobody else's business."""
    if not person.get("obligors"):
        return person
    agreed = {each["person"] for each in in_force(person) if each["purpose"] == Consent.VERIFICATION}
    asked = rule.consent_of is ConsentOf.HOUSEHOLD_AND_OBLIGOR
    shown = [each for name, each in _numbered("obligors", person["obligors"]) if asked and name in agreed]
    return {**person, "obligors": shown}


def _numbered(role: str, people: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((f"{role}/{position}", each) for position, each in enumerate(people))


def _is_younger(age: int | None, years: int) -> bool:
    """Whose age nobody knows is taken for grown up: their consent is needed all the same."""
    return age is not None and age < years


def _named(person: str) -> tuple[str, str]:
    role, _, position = person.partition("/")
    if role == APPLICANT:
        return "申请人", "the applicant"
    number = int(position) + 1
    if role == "household":
        return f"第{number}位家庭成员", f"household member {number}"
    return f"第{number}位家庭外义务人", f"obligor {number} outside the household"
