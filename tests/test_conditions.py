"""Conditions: what is written is read, means what it says, or is refused with the place where it goes wrong."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from app.routing.conditions import AllOf, Among, AnyOf, Between, Compared, Condition, IsKnown, Node, Not, spell
from app.routing.facts import FACTS, FactKind, FactType, FactValues, Value
from app.routing.grammar import DEEPEST, LONGEST, ConditionError, parse_condition
from app.routing.rows import row_of_rule, rule_of_row
from app.routing.sheets import read_table, write_csv
from tests.test_routing import a_rule

CHINESE = re.compile("[一-鿿]")
BOTH: tuple[Literal["zh", "en"], ...] = ("zh", "en")
ORDERED = [fact for fact in FACTS.values() if fact.is_ordered]
CHOSEN = [fact for fact in FACTS.values() if not fact.is_ordered]
CENT = Decimal("0.01")
# As a Chinese keyboard gives them: each 0xFEE0 after the plain form.
FULL_WIDTH = {plain: plain + 0xFEE0 for plain in range(0x21, 0x7F)}


def single(fact: FactType) -> st.SearchStrategy[Any]:
    """A value as a condition names it: often near the bounds, and often the same one."""
    if not fact.is_ordered:
        return st.sampled_from(list(fact.words))
    least: Any = fact.least
    most: Any = fact.most
    if fact.kind is FactKind.NUMBER:
        return st.one_of(st.integers(least, min(least + 3, most)), st.integers(least, most), st.just(most))
    if fact.kind is FactKind.MONEY:
        cents = st.one_of(st.integers(0, 3), st.integers(0, int(most / CENT)))
        return cents.map(lambda count: (count * CENT).quantize(CENT))
    return st.one_of(st.dates(least, least + timedelta(days=3)), st.dates(least, most))


def values(fact: FactType) -> st.SearchStrategy[Any]:
    """A value as it is known of somebody."""
    return st.frozensets(single(fact), max_size=4) if fact.kind is FactKind.CHOICES else single(fact)


def compared(fact: FactType) -> st.SearchStrategy[Node]:
    operators = ("<", "<=", ">", ">=", "=", "!=") if fact.is_ordered else ("=", "!=")
    return st.builds(Compared, st.just(fact), st.sampled_from(operators), single(fact))


def between(fact: FactType) -> st.SearchStrategy[Node]:
    return st.tuples(single(fact), single(fact)).map(lambda pair: Between(fact, *sorted(pair)))


def among(fact: FactType) -> st.SearchStrategy[Node]:
    return st.sets(single(fact), min_size=1, max_size=5).map(lambda found: Among(fact, tuple(sorted(found))))


def joined(joint: type[AllOf] | type[AnyOf], parts: list[Node]) -> Node:
    """`a and (b and c)` is `a and b and c`."""
    return joint(tuple(inner for part in parts for inner in (part.parts if isinstance(part, joint) else (part,))))


facts = st.sampled_from(list(FACTS.values()))
comparisons = st.one_of(
    facts.flatmap(compared),
    st.sampled_from(ORDERED).flatmap(between),
    facts.flatmap(among),
    st.builds(IsKnown, facts, st.booleans()),
)
nodes = st.recursive(
    comparisons,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(joined, st.sampled_from([AllOf, AnyOf]), st.lists(parts, min_size=2, max_size=4)),
    ),
    max_leaves=8,
).filter(lambda node: len(spell(node, "en")) <= LONGEST)
known = st.fixed_dictionaries({}, optional={name: values(fact) for name, fact in FACTS.items()})

# What a cell may be made of, right and wrong.
WORDS = [
    *("and", "or", "not", "in", "is", "known", "unknown", "between", "to", "AND", "Not"),
    *("且", "或", "非", "属于", "介于", "至", "已知", "未知", "并且", "或者", "不", "岁"),
    *(name for fact in FACTS.values() for name in (fact.name, fact.name_zh)),
    *(word for fact in CHOSEN for code, (zh, _) in fact.words.items() for word in (code, zh)),
    *("<", "<=", ">", ">=", "=", "!=", "(", ")", ",", "≤", "≥", "≠", "、", "<=!(),".translate(FULL_WIDTH)),
    *("0", "1", "80", "80".translate(FULL_WIDTH), "٨٠", "२", "0.01", "3.141", "9" * 400, "0." + "9" * 400),
    *("1e9", "-1", "½", "²", "Ⅷ", "2026-01-31", "2026-01-31".translate(FULL_WIDTH), "2026-02-30", "0000-00-00"),
    *("٢٠٢٦-٠١-٣١", "2026-1-31"),
    *(" ", " ", "\t", "\n", "\x00", "\ufeff", "\u200b", "\ud800", "'", '"', ";", ".", "_", "é", "𠀀", "㐀"),
]


def test_the_facts_that_conditions_speak_of_are_told_apart_by_their_names_and_their_values_words() -> None:
    names = [name for fact in FACTS.values() for name in (fact.name, fact.name_zh)]
    assert len(names) == len(set(names))
    for fact in FACTS.values():
        words = [word for code, (zh, _) in fact.words.items() for word in (code, zh)]
        assert len(words) == len(set(words))
        assert bool(words) != fact.is_ordered


def read(text: str) -> Condition:
    condition = parse_condition(text)
    assert condition is not None
    return condition


def refused(text: str) -> ConditionError:
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)
    error = caught.value
    assert 1 <= error.position <= len(text) + 1
    assert CHINESE.search(error.zh)
    assert error.en
    assert str(error) == f"character {error.position}: {error.en}"
    return error


@given(nodes)
def test_a_condition_is_read_back_from_either_language_as_it_was(node: Node) -> None:
    condition = Condition.of(node)
    for language in BOTH:
        found = read(spell(node, language))
        assert found.node == node
        assert (found, hash(found)) == (condition, hash(condition))
        assert found.facts == condition.facts == tuple(dict.fromkeys(names_in(node)))


def names_in(node: Node) -> Iterator[str]:
    if isinstance(node, Not):
        yield from names_in(node.part)
    elif isinstance(node, AllOf | AnyOf):
        for part in node.parts:
            yield from names_in(part)
    else:
        yield node.fact.name


@given(nodes)
def test_what_is_spelled_stays_as_it_is(node: Node) -> None:
    text = str(Condition.of(node))
    assert text == spell(node, "en")
    assert str(read(text)) == text
    assert spell(read(spell(node, "zh")).node, "zh") == spell(node, "zh")


@given(nodes)
def test_chinese_is_read_without_spaces_and_with_full_width_punctuation(node: Node) -> None:
    condition, text = Condition.of(node), spell(node, "zh")
    for sign, full in (("<=", "≤"), (">=", "≥"), ("!=", "≠")):
        assert read(text.replace(sign, full)) == condition
    assert read(text.replace(" ", "")) == condition
    assert read(text.replace(" ", "\u3000")) == condition
    assert read(text.replace(", ", "、")) == condition
    assert read(text.translate(FULL_WIDTH)) == condition


# Kleene: false, unknown and true are 0, 1 and 2; `and` is the least, `or` the greatest, `not` counts from the other end.
UNKNOWN = 1
ANSWERS = {0: False, UNKNOWN: None, 2: True}
SIGNS: Mapping[str, Any] = dict(
    zip(
        ("<", "<=", ">", ">=", "=", "!="),
        (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne),
        strict=True,
    )
)


def naive(node: Node, known: FactValues) -> int:
    match node:
        case Not(part):
            return 2 - naive(part, known)
        case AllOf(parts):
            return min(naive(part, known) for part in parts)
        case AnyOf(parts):
            return max(naive(part, known) for part in parts)
        case IsKnown(fact, wanted):
            return 2 * ((fact.name in known) == wanted)
    return 2 * meets(node, known[node.fact.name]) if node.fact.name in known else UNKNOWN


def meets(node: Compared | Between | Among, value: Any) -> bool:
    if isinstance(value, frozenset):
        wanted = node.values if isinstance(node, Among) else (node.value,)  # type: ignore[union-attr]
        has_any = any(each in value for each in wanted)
        return has_any != (isinstance(node, Compared) and node.operator == "!=")
    match node:
        case Between(_, least, most):
            return bool(least <= value and value <= most)
        case Among(_, several):
            return any(value == each for each in several)
        case Compared(_, sign, one):
            return bool(SIGNS[sign](value, one))


@given(nodes, known)
def test_a_condition_answers_as_a_naive_reading_of_it_does(node: Node, known: FactValues) -> None:
    assert Condition.of(node).answer(known) is ANSWERS[naive(node, known)]
    assert read(spell(node, "zh")).answer(known) is ANSWERS[naive(node, known)]


@given(nodes, known)
def test_what_a_condition_does_not_speak_of_makes_no_difference(node: Node, known: FactValues) -> None:
    condition = Condition.of(node)
    spoken_of = {name: value for name, value in known.items() if name in condition.facts}
    assert condition.answer(known) is condition.answer(spoken_of)
    assume(len(spoken_of) == len(condition.facts))
    assert condition.answer(known) is not None


MANY = {"recognised_status": frozenset({"orphan", "veteran"})}
NONE_AT_ALL: dict[str, Value] = {"recognised_status": frozenset()}


@pytest.mark.parametrize(
    ("text", "known", "answer"),
    [
        ("recognised_status = orphan", MANY, True),
        ("recognised_status = rigid_expenditure", MANY, False),
        ("recognised_status != orphan", MANY, False),
        ("recognised_status != rigid_expenditure", MANY, True),
        ("recognised_status in (rigid_expenditure, veteran)", MANY, True),
        ("recognised_status in (rigid_expenditure, extreme_poverty)", MANY, False),
        ("recognised_status = orphan and recognised_status = veteran", MANY, True),
        ("recognised_status = orphan", NONE_AT_ALL, False),
        ("recognised_status != orphan", NONE_AT_ALL, True),
        ("recognised_status is known", NONE_AT_ALL, True),
        ("recognised_status is unknown", {}, True),
        ("recognised_status != orphan", {}, None),
        ("not recognised_status in (orphan)", {}, None),
        ("age >= 80", {"age": 80}, True),
        ("age between 60 and 79", {"age": 79}, True),
        ("age between 60 and 79", {"age": 60}, True),
        ("age between 60 and 79", {"age": 80}, False),
        ("age >= 80 and residence = rural", {"age": 79}, False),
        ("age >= 80 and residence = rural", {"age": 80}, None),
        ("age >= 80 or residence = rural", {"age": 80}, True),
        ("age >= 80 or residence = rural", {"age": 79}, None),
        ("age >= 80 or residence = rural", {"residence": "urban"}, None),
        ("out_of_pocket_yuan > 0", {"out_of_pocket_yuan": Decimal("0.01")}, True),
        ("out_of_pocket_yuan = 1.5", {"out_of_pocket_yuan": Decimal("1.50")}, True),
        ("disaster_date < 2026-02-01", {"disaster_date": date(2026, 1, 31)}, True),
    ],
)
def test_what_a_condition_says_of_somebody(text: str, known: FactValues, answer: bool | None) -> None:
    assert read(text).answer(known) is answer


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("年龄≥80", "age >= 80"),
        ("年龄>=80且户籍性质=农村", "age >= 80 and residence = rural"),
        ("年龄介于60至79或自理能力属于(失能、半失能)", "age between 60 and 79 or self_care in (none, partial)"),
        ("非(残疾等级已知且年龄<60)", "not (disability_grade is known and age < 60)"),
        ("自理能力=自理且自理能力已知", "self_care = full and self_care is known"),
        ("自付费用>1000.5并且家庭月收入≤2000", "out_of_pocket_yuan > 1000.50 and monthly_income_yuan <= 2000.00"),
        ("受灾日期 = 2026-01-31", "disaster_date = 2026-01-31"),
        ("age BETWEEN 1 to 2", "age between 1 and 2"),
        ("age >= 80 AND Not residence IN (rural)", "age >= 80 and not residence in (rural)"),
        ("age is known or age unknown", "age is known or age is unknown"),
        ("age=1 or age=2 and age=3", "age = 1 or age = 2 and age = 3"),
        ("(age=1 or age=2) and age=3", "(age = 1 or age = 2) and age = 3"),
        ("((age=1 or (age=2)) or age=3)", "age = 1 or age = 2 or age = 3"),
        ("not(not(age=1))", "not not age = 1"),
        ("dwelling in (rented, owned, rented, 租住)", "dwelling in (owned, rented)"),
        ("out_of_pocket_yuan in (10, 9, 9.00)", "out_of_pocket_yuan in (9.00, 10.00)"),
        ("age>007", "age > 7"),
        ("\tage\n=\u30005 ", "age = 5"),
        ("age!=80".translate(FULL_WIDTH), "age != 80"),
        ("受灾日期 >= 2026-01-31".translate(FULL_WIDTH), "disaster_date >= 2026-01-31"),
    ],
)
def test_a_cell_is_read_as_people_write_it(written: str, text: str) -> None:
    assert str(read(written)) == text


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u3000 ", " " * 5000])
def test_an_empty_cell_is_no_condition(text: str) -> None:
    assert parse_condition(text) is None


TOO_DEEP = DEEPEST + 1
WRONG = [
    ("age", 4, "expected < <= > >="),
    ("age >", 6, "expected a value of age: a whole number, 0 to 150"),
    ("age > ", 7, "expected a value of age"),
    ("age >= 151", 8, "expected a value of age"),
    ("age > 79.5", 7, "expected a value of age"),
    ("age > -1", 7, "'-' has no meaning here"),
    ("age > 80岁", 9, "expected `and`, `or` or the end"),
    ("age 80", 5, "expected < <= > >="),
    ("age > = 80", 7, "expected a value of age"),
    ("age == 80", 6, "expected a value of age"),
    ("age > 80 and", 13, "expected the name of a fact"),
    ("age > 80 and or age < 3", 14, "expected the name of a fact"),
    ("and age > 80", 1, "expected the name of a fact"),
    ("80 < age", 1, "expected the name of a fact"),
    ("to = 3", 1, "expected the name of a fact"),
    ("Age > 80", 1, "there is no fact Age; there are age, "),
    ("年纪>80", 1, "there is no fact 年纪"),
    ("年龄大于80", 3, "expected < <= > >="),
    ("户籍性质=城市且年龄>80", 6, "expected a value of residence: urban, rural"),
    ("residence > rural", 11, "residence has no order: use =, != or in"),
    ("residence between urban and rural", 11, "residence has no order: use = or in"),
    ("residence = minimum_living_allowance", 13, "expected a value of residence"),
    ("residence = urban rural", 19, "expected `and`, `or` or the end"),
    ("age between 60", 15, "expected `and`"),
    ("age between 60 or 70", 16, "expected `and`"),
    ("age between 60 and 59", 20, "the second value must not be below the first"),
    ("年龄介于60至五十", 8, "expected a value of age"),
    ("age in 60", 8, "expected `(`"),
    ("age in ()", 9, "expected a value of age"),
    ("age in (60", 11, "expected `)`"),
    ("age in (60,)", 12, "expected a value of age"),
    ("age in (" + ",".join(map(str, range(41))) + ")", 119, "at most 40 values"),
    ("age is 60", 8, "expected `known` or `unknown`"),
    ("age is not known", 8, "expected `known` or `unknown`"),
    ("(age > 80", 10, "expected `)`"),
    ("(age > 80))", 11, "expected `and`, `or` or the end"),
    ("()", 2, "expected the name of a fact"),
    ("not", 4, "expected the name of a fact"),
    ("(" * TOO_DEEP + "age > 1" + ")" * TOO_DEEP, TOO_DEEP + 1, "at most 20 levels"),
    ("not " * TOO_DEEP + "age > 1", 4 * TOO_DEEP + 1, "at most 20 levels"),
    ("disaster_date = 2026-02-30", 17, "expected a value of disaster_date: a date such as 2026-01-31"),
    ("disaster_date = 1899-12-31", 17, "expected a value of disaster_date"),
    ("disaster_date = 2026-1-31", 17, "expected a value of disaster_date"),
    ("disaster_date = 20260131", 17, "expected a value of disaster_date"),
    ("disaster_date = 2026-01-311", 27, "expected `and`, `or` or the end"),
    ("out_of_pocket_yuan > 0.001", 22, "expected a value of out_of_pocket_yuan: yuan with at most two decimals"),
    ("out_of_pocket_yuan > 10000000000", 22, "expected a value of out_of_pocket_yuan"),
    ("out_of_pocket_yuan > 9999999999.999", 22, "expected a value of out_of_pocket_yuan"),
    ("out_of_pocket_yuan > " + "9" * 60, 22, "expected a value of out_of_pocket_yuan"),
    ("out_of_pocket_yuan > 0." + "0" * 60 + "1", 22, "expected a value of out_of_pocket_yuan"),
    ("out_of_pocket_yuan > 1,000", 23, "expected `and`, `or` or the end"),
    ("out_of_pocket_yuan > 1e9", 23, "expected `and`, `or` or the end"),
    ("age > ٨٠", 7, "'٨' has no meaning here"),
    ("disaster_date = ٢٠٢٦-٠١-٣١", 17, "'٢' has no meaning here"),
    ("age > 8۰", 8, "'۰' has no meaning here"),
    ("age > ½", 7, "'½' has no meaning here"),
    ("age > 80; DROP TABLE rule", 9, "';' has no meaning here"),
    ("__import__('os')", 1, "there is no fact __import__"),
    ("\ufeffage > 80", 1, "'\\ufeff' has no meaning here, expected the name of a fact"),
    ("age\u200b > 80", 4, "'\\u200b' has no meaning here, expected < <= > >="),
    ("年纪 > -1", 1, "there is no fact 年纪"),
    ("age = 1" + " " * LONGEST, LONGEST + 1, "a condition, written by codes, has at most 1000 characters"),
]


@pytest.mark.parametrize(("text", "position", "en"), WRONG)
def test_a_wrong_cell_is_told_where_and_what_to_write_instead(text: str, position: int, en: str) -> None:
    error = refused(text)
    assert (error.position, error.en[: len(en)]) == (position, en)


def test_what_is_short_in_chinese_and_too_long_by_codes_is_refused_because_it_could_not_be_read_back() -> None:
    assert "at most 1000 characters" in refused("且".join(["自付费用>0"] * 34)).en
    rule = a_rule(1, "office", condition=read("且".join(["自付费用>0"] * 33)))
    assert rule_of_row(row_of_rule(rule, 1)) == rule
    assert read_table(write_csv([rule])) == (rule,)


@given(st.text())
@example("年龄>" + "9" * 900)
@example("自付费用>" + "9" * 900)
@example("自付费用>0." + "9" * 900)
@example("(" * 999)
@example(("(" * 999).translate(FULL_WIDTH))
@example("age>80 and not(residence=rural)".translate(FULL_WIDTH))
@example("非" * 999)
@example("not " * 240 + "age")
@example("age in (" + "1," * 490)
@example("x" * 100_000)
@example("\ud800")
def test_whatever_stands_in_a_cell_it_is_read_or_refused_in_both_languages(text: str) -> None:
    read_or_refused(text)


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.sampled_from(["", " "]))
def test_whatever_is_made_of_the_words_of_the_grammar_is_read_or_refused(words: list[str], gap: str) -> None:
    read_or_refused(gap.join(words))


@given(nodes, st.sampled_from(BOTH), st.data())
def test_a_condition_with_a_slip_in_it_is_read_or_refused(
    node: Node, language: Literal["zh", "en"], data: st.DataObject
) -> None:
    text = spell(node, language)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(begin + 4, len(text))))
    read_or_refused(text[:begin] + data.draw(st.sampled_from(["", *WORDS])) + text[end:])


def read_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConditionError:
        refused(text)
        return
    if condition is None:
        assert not text.strip()
        return
    for language in BOTH:
        again = spell(condition.node, language)
        assert len(again) <= LONGEST
        assert read(again) == condition
