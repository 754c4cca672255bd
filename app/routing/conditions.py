"""Conditions of rules: comparisons of declared facts, joined by and, or, not; pure. `grammar` reads them from text.

A comparison with a fact that is not known is neither true nor false but unknown, and so is what hangs on it (the
strong three-valued logic of Kleene). Of a fact with several values `=` and `in` ask whether any of them is meant.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from app.routing.facts import FactKind, FactType, FactValues, Value

Operator = Literal["<", "<=", ">", ">=", "=", "!="]
Answer = bool | None


@dataclass(frozen=True, slots=True)
class Compared:
    fact: FactType
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Between:
    fact: FactType
    least: Value
    most: Value


@dataclass(frozen=True, slots=True)
class Among:
    fact: FactType
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class IsKnown:
    fact: FactType
    known: bool


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Node, ...]


Node = Compared | Between | Among | IsKnown | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """`text` is the one way of writing it by codes: equal conditions have equal texts. `answer` is the node compiled."""

    node: Node
    text: str
    facts: tuple[str, ...]
    answer: Callable[[FactValues], Answer]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def of(cls, node: Node) -> Condition:
        facts = tuple(dict.fromkeys(each.fact.name for each in comparisons(node)))
        return cls(node, spell(node, "en"), facts, _compiled(node))


def comparisons(node: Node) -> Iterator[Compared | Between | Among | IsKnown]:
    """Every comparison of a condition, in the order of writing."""
    if isinstance(node, Not):
        yield from comparisons(node.part)
    elif isinstance(node, AllOf | AnyOf):
        for part in node.parts:
            yield from comparisons(part)
    else:
        yield node


def waited_for(node: Node, known: FactValues) -> list[str]:
    """The facts for which a condition that is unknown waits: a part that is decided, whatever else is told, waits for
    none."""
    if isinstance(node, Not):
        return waited_for(node.part, known)
    if isinstance(node, AllOf | AnyOf):
        return [name for part in node.parts if _is_open(part, known) for name in waited_for(part, known)]
    return [node.fact.name]


def _is_open(node: Node, known: FactValues) -> bool:
    if isinstance(node, Compared | Between | Among):
        return node.fact.name not in known
    return _compiled(node)(known) is None


_JOINERS = {"zh": (" 且 ", " 或 ", "非 "), "en": (" and ", " or ", "not ")}


def spell(node: Node, language: Literal["zh", "en"]) -> str:
    """As it is written in a cell: by Chinese words, or by codes. `parse_condition` reads either back."""
    conjunction, disjunction, negation = _JOINERS[language]
    if isinstance(node, AnyOf):
        return disjunction.join(spell(part, language) for part in node.parts)
    if isinstance(node, AllOf):
        return conjunction.join(_bracketed(part, AnyOf, language) for part in node.parts)
    if isinstance(node, Not):
        return negation + _bracketed(node.part, AllOf | AnyOf, language)
    return _spell_comparison(node, language)


def _bracketed(node: Node, wants: Any, language: Literal["zh", "en"]) -> str:
    inner = spell(node, language)
    return f"({inner})" if isinstance(node, wants) else inner


def _spell_comparison(node: Compared | Between | Among | IsKnown, language: Literal["zh", "en"]) -> str:
    zh = language == "zh"
    name = node.fact.name_zh if zh else node.fact.name

    def written(value: Value) -> str:
        return node.fact.words[str(value)][0] if zh and value in node.fact.words else str(value)

    if isinstance(node, IsKnown):
        word = ("已知" if node.known else "未知") if zh else ("is known" if node.known else "is unknown")
        return f"{name} {word}"
    if isinstance(node, Between):
        words = ("介于", "至") if zh else ("between", "and")
        return f"{name} {words[0]} {written(node.least)} {words[1]} {written(node.most)}"
    if isinstance(node, Among):
        return f"{name} {'属于' if zh else 'in'} ({', '.join(map(written, node.values))})"
    return f"{name} {node.operator} {written(node.value)}"


def _compiled(node: Node) -> Callable[[FactValues], Answer]:
    if isinstance(node, IsKnown):
        name, wanted = node.fact.name, node.known
        return lambda known: (name in known) is wanted
    if isinstance(node, Not):
        inner = _compiled(node.part)
        return lambda known: None if (answer := inner(known)) is None else not answer
    if isinstance(node, AllOf | AnyOf):
        return _joined(node.parts, decides=isinstance(node, AnyOf))
    name, holds, wanted = _test(node)
    return lambda known: None if (value := known.get(name)) is None else holds(value, wanted)


def _joined(parts: Iterable[Node], *, decides: bool) -> Callable[[FactValues], Answer]:
    """One part that answers `decides` decides the whole; else one that is unknown leaves it unknown."""
    # In no order: nothing but the answers of the parts matters, and comparisons need no call of their own.
    tests = tuple([_test(part) for part in parts if isinstance(part, Compared | Between | Among)])
    others = tuple([_compiled(part) for part in parts if not isinstance(part, Compared | Between | Among)])

    def answer(known: FactValues) -> Answer:
        whole: Answer = not decides
        for name, holds, wanted in tests:
            if (value := known.get(name)) is None:
                whole = None
            elif holds(value, wanted) is decides:
                return decides
        for other in others:
            found = other(known)
            if found is decides:
                return decides
            if found is None:
                whole = None
        return whole

    return answer


def _test(node: Compared | Between | Among) -> tuple[str, Callable[[Any, Any], bool], Any]:
    """The name of a fact, and what its value must stand the test of."""
    several = node.fact.kind is FactKind.CHOICES
    if isinstance(node, Between):
        return node.fact.name, _lies_between, (node.least, node.most)
    if isinstance(node, Among):
        return node.fact.name, _has_any if several else _is_any, frozenset(node.values)
    if several:
        return node.fact.name, _has_any if node.operator == "=" else _has_none, frozenset((node.value,))
    return node.fact.name, _TESTS[node.operator], node.value


def _lies_between(value: Any, bounds: tuple[Any, Any]) -> bool:
    least, most = bounds
    return bool(least <= value <= most)


def _is_any(value: Value, wanted: frozenset[Value]) -> bool:
    return value in wanted


def _has_any(values: frozenset[str], wanted: frozenset[str]) -> bool:
    return not wanted.isdisjoint(values)


def _has_none(values: frozenset[str], wanted: frozenset[str]) -> bool:
    return wanted.isdisjoint(values)


_TESTS: dict[Operator, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
