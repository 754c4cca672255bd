"""Why a need goes where it goes, in sentences that a clerk can read aloud; Chinese and English. No query, no effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.registry import Snapshot
from app.routing.conditions import spell
from app.routing.decide import REASONS
from app.routing.facts import FACTS
from app.routing.rules import Role, RoutingTable, Rule
from app.routing.words import VOCABULARIES, Language, pick, spoken_limit

_DOES: Mapping[Role, tuple[str, str]] = {
    Role.LEAD: ("由{}牵头办理", "{} leads and answers for the result"),
    Role.CO_HANDLER: ("由{}协同办理", "{} helps to handle it"),
    Role.INFORMED: ("知会{}", "{} is informed"),
}


def sentences(
    need: Mapping[str, Any],
    table: RoutingTable,
    snapshot: Snapshot,
    language: Language,
    *,
    with_conditions: bool = True,
) -> list[str]:
    """Of one need of a decision's record: who gets it, by when and by which law; then who does not and why; then what
    to ask. A condition of a rule tells a fact of the person: whoever may not see people hears none."""
    return [
        *_who(need, table, snapshot, language, with_conditions),
        *_who_not(need, table, snapshot, language, with_conditions),
        *_asks(need, language),
    ]


def _who(
    need: Mapping[str, Any], table: RoutingTable, snapshot: Snapshot, language: Language, with_conditions: bool
) -> Iterator[str]:
    zh = language == "zh"
    known = snapshot.needs.get(need["need"])
    name = (known.name_zh if zh else known.name_en) if known else need["need"]
    if not need["fired"]:
        yield f"“{name}”没有可用的单位,请联系县协调机制。" if zh else f"{name}: nobody is there; call the coordinator."
    for each in need["fired"]:
        rule, agency = table.by_number[each["rule"]], snapshot.directory.agencies[each["agency"]]
        does = pick(_DOES[Role(each["role"])], language).format(agency.name_zh if zh else agency.name_en)
        limit = _limits(rule, language)
        why = "" if each["why"] == "applies" else pick(REASONS[each["why"]], language)
        condition = _met(rule, language) if with_conditions else ""
        if zh:
            parts = [f"“{name}”第 {each['step']} 环节{does}", limit, condition, why]
            yield f"{','.join(part for part in parts if part)}。依据:{rule.legal_basis}。"
        else:
            parts = [f"{name}, step {each['step']}: {does}", limit, condition, why]
            yield f"{'; '.join(part for part in parts if part)}. Legal basis: {rule.legal_basis}."


def _who_not(
    need: Mapping[str, Any], table: RoutingTable, snapshot: Snapshot, language: Language, with_conditions: bool
) -> Iterator[str]:
    for each in need["passed_over"]:
        rule = table.by_number[each["rule"]]
        department = snapshot.departments.get(rule.department)
        why = pick(REASONS[each["why"]], language)
        condition = f"({spell(rule.condition.node, language)})" if rule.condition and with_conditions else ""
        if language == "zh":
            yield f"规则 {rule.number}({department.name_zh if department else rule.department})未用:{why}{condition}。"
        else:
            name = department.name_en if department else rule.department
            yield f"Rule {rule.number} ({name}) did not fire: {why}{' ' + condition if condition else ''}."


def _asks(need: Mapping[str, Any], language: Language) -> Iterator[str]:
    for name in need.get("asks", ()):
        fact = FACTS[name]
        yield f"请补问:{fact.question_zh}" if language == "zh" else f"Please ask: {fact.question_en}"


def _met(rule: Rule, language: Language) -> str:
    if rule.condition is None:
        return ""
    condition = spell(rule.condition.node, language)
    return f"因为{condition}" if language == "zh" else f"because {condition}"


def _limits(rule: Rule, language: Language) -> str:
    zh = language == "zh"
    named = (
        (rule.sign_in_limit, "签收", "signed for within"),
        (rule.accept_limit, "受理", "accepted within"),
        (rule.complete_limit, "办结", "completed within"),
    )
    words = [
        f"{spoken_limit(limit, language)}内{of_zh}" if zh else f"{of_en} {spoken_limit(limit, language)}"
        for limit, of_zh, of_en in named
        if limit
    ]
    return ("、" if zh else ", ").join(words)


def groups_in_words(groups: tuple[str, ...]) -> list[dict[str, str]]:
    """The field groups that a rule opens."""
    words = VOCABULARIES["discloses"]
    return [{"code": code, "name_zh": words[code][0], "name_en": words[code][1]} for code in groups]
