"""Rules to write and read: the seeded ones, the names of their codes, and whatever hypothesis can think of."""

from __future__ import annotations

import csv
import re
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st

from app import seed
from app.deadlines import Limit, LimitKind
from app.disclosure import GROUPS
from app.routing.cells import Known
from app.routing.conditions import AllOf, Among, AnyOf, Between, Compared, Condition, IsKnown, Node, Not, spell
from app.routing.facts import FACTS, FactKind, FactType
from app.routing.faults import Fault, SheetError
from app.routing.grammar import LONGEST
from app.routing.rules import Consent, ConsentOf, Role, Rule
from app.routing.sheets import read_table
from app.routing.words import VOCABULARIES, SheetWords

SEEDED = (seed.DATA / "routing.csv").read_bytes()
RULES = read_table(SEEDED)
RULE = next(rule for rule in RULES if rule.prerequisites and rule.accept_limit and rule.complete_limit)


def names(file: str) -> dict[str, tuple[str, str]]:
    with (seed.DATA / file).open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {row["code"]: (row.get("name_zh") or row["name"], row.get("name_en") or row["name"]) for row in rows}


WORDS = SheetWords(names("needs.csv"), names("departments.csv"), names("divisions.csv"), names("materials.csv"))
KNOWN = Known(WORDS.needs, WORDS.departments, WORDS.areas, WORDS.materials)


def faults_of(read: Callable[..., Any], *arguments: Any) -> tuple[Fault, ...]:
    """What is wrong, told in both languages."""
    with pytest.raises(SheetError) as refused:
        read(*arguments)
    faults = refused.value.faults
    assert str(refused.value).splitlines() == [fault.text("en") for fault in faults]
    for fault in faults:
        assert re.search("[一-鿿]{2}", fault.zh)
        assert re.match("[ -~]", fault.en)
        assert len(re.findall("[a-z]{2}", fault.en)) > 5
    return faults


def two_decimals(value: int) -> Decimal:
    return Decimal(value).scaleb(-2)


def values_of(fact: FactType) -> st.SearchStrategy[Any]:
    least, most = fact.least, fact.most
    if fact.kind is FactKind.MONEY:
        return st.integers(int(least or 0) * 100, int((most or 0) * 100)).map(two_decimals)
    if isinstance(least, date) and isinstance(most, date):
        return st.dates(least, most)
    if isinstance(least, int) and isinstance(most, int):
        return st.integers(least, most)
    return st.sampled_from(sorted(fact.words))


@st.composite
def comparisons(draw: st.DrawFn) -> Node:
    fact = draw(st.sampled_from(sorted(FACTS.values(), key=lambda each: each.name)))
    value = values_of(fact)
    kinds: list[st.SearchStrategy[Node]] = [
        st.builds(Compared, st.just(fact), st.sampled_from(["=", "!="]), value),
        st.builds(IsKnown, st.just(fact), st.booleans()),
        st.builds(Among, st.just(fact), st.lists(value, min_size=1, max_size=4, unique=True).map(sorted).map(tuple)),
    ]
    if fact.is_ordered:
        kinds.append(st.builds(Compared, st.just(fact), st.sampled_from(["<", "<=", ">", ">="]), value))
        kinds.append(st.tuples(value, value).map(lambda pair: Between(fact, min(pair), max(pair))))
    return draw(st.one_of(kinds))


def joined(kind: Any, parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    others = parts.filter(lambda part: not isinstance(part, kind))
    return st.lists(others, min_size=2, max_size=3).map(lambda each: kind(tuple(each)))


nodes = st.recursive(
    comparisons(),
    lambda inner: st.one_of(inner.map(Not), joined(AllOf, inner), joined(AnyOf, inner)),
    max_leaves=6,
).filter(lambda node: max(len(spell(node, "zh")), len(spell(node, "en"))) <= LONGEST)

printable = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
tricky = st.sampled_from(
    ["=", "+", "-", "@", "'", '"', ",", ";", "\n", "\t", "_x0041_", "_x005F_", "&<>", "#N/A", "=1+1"]
)
free_text = st.lists(printable | tricky | st.sampled_from("求助事项"), max_size=12).map("".join).map(str.strip)
free_word = (
    st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=";\uff1b\ufffe\uffff"), max_size=12)
    .map(str.strip)
    .filter(bool)
)
codes = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=64)
areas = st.sampled_from([2, 4, 6, 9]).flatmap(lambda size: st.text(string.digits, min_size=size, max_size=size))
limits = st.none() | st.builds(Limit, st.sampled_from(LimitKind), st.integers(0, 9999))
certainties = st.sampled_from(["", *VOCABULARIES["complete_certainty"]])


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=4).map(tuple)


@st.composite
def spans(draw: st.DrawFn) -> tuple[date, date | None]:
    begins = draw(st.dates())
    return begins, draw(st.none() | st.dates(begins))


@st.composite
def any_rule(draw: st.DrawFn) -> Rule:
    begins, ends = draw(spans())
    condition = draw(st.none() | nodes.map(Condition.of))
    return draw(
        st.builds(
            Rule,
            number=st.integers(1, 999_999_999),
            need=codes,
            area=areas,
            condition=st.just(condition),
            department=codes,
            role=st.sampled_from(Role),
            step=st.integers(1, 99),
            mandatory=st.booleans(),
            prerequisites=several(free_word),
            sign_in_limit=limits,
            sign_in_certainty=certainties,
            accept_limit=limits,
            accept_certainty=certainties,
            complete_limit=limits,
            complete_certainty=certainties,
            limit_source=free_text,
            discloses=several(st.sampled_from(sorted(GROUPS))),
            consent=several(st.sampled_from(Consent)),
            consent_of=st.sampled_from(ConsentOf),
            publicity=st.sampled_from([*VOCABULARIES["publicity"], "CD:7", "WD:0", "H:12"]),
            materials=several(codes),
            waived=several(codes),
            emergency_variant=st.none() | codes,
            emergency_limit=limits,
            legal_basis=free_text | st.just('社会救助法18,37;"民发〔2021〕57号"'),
            effective_from=st.just(begins),
            effective_to=st.just(ends),
            note=free_text,
        )
    )


def differ(rules: list[Rule]) -> bool:
    return len({replace(rule, number=0) for rule in rules}) == len(rules)


tables = st.lists(any_rule(), min_size=1, max_size=4, unique_by=lambda rule: rule.number).filter(differ).map(tuple)
