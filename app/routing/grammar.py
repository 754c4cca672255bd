"""The grammar of conditions, as they stand in a cell; own small parser, runs no code, every error with its position.

    condition  = all ("or" all)*                     或
    all        = part ("and" part)*                  且
    part       = "not" part | "(" condition ")" | comparison          非
    comparison = fact ("<" | "<=" | ">" | ">=" | "=" | "!=") value
               | fact "between" value "and" value    介于 … 至 …, both ends included
               | fact "in" "(" value ("," value)* ")"      属于
               | fact "is" ("known" | "unknown")     已知 / 未知

Facts and values are written by code or by their Chinese words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn, get_args

from app.routing.conditions import (
    AllOf,
    Among,
    AnyOf,
    Between,
    Compared,
    Condition,
    IsKnown,
    Node,
    Not,
    Operator,
    spell,
)
from app.routing.facts import FACTS, FactKind, FactType, Value

LONGEST = 1000
DEEPEST = 20
_SURELY_SHORT = LONGEST // 2  # by codes; no Chinese word is twice as long as its code
_MOST_VALUES = 40
_REMEMBERED = 16_384
_CENT = Decimal("0.01")


class ConditionError(ValueError):
    """What is wrong and where: `position` counts characters from 1. Its texts say what to write instead."""

    def __init__(self, position: int, zh: str, en: str) -> None:
        super().__init__(f"character {position}: {en}")
        self.position, self.zh, self.en = position, zh, en


# The rules of a table share few conditions, and its next version has nearly all of them again.
@lru_cache(_REMEMBERED)
def parse_condition(text: str) -> Condition | None:
    """None for an empty cell: the rule is for everybody. Raises ConditionError with the position."""
    if not text.strip():
        return None
    if len(text) > LONGEST:
        raise _too_long(LONGEST + 1)
    condition = Condition.of(_Parser(text).whole())
    # What is stored and shown is its text by codes, and must be read back.
    longest = len(condition.text)
    if longest > LONGEST or (longest > _SURELY_SHORT and len(spell(condition.node, "zh")) > LONGEST):
        raise _too_long(len(text))
    return condition


def _too_long(position: int) -> ConditionError:
    return ConditionError(
        position,
        f"条件最多 {LONGEST} 个字符,按代码写法计算。",
        f"a condition, written by codes, has at most {LONGEST} characters",
    )


_KEYWORDS = {
    "or": "or",
    "或": "or",
    "或者": "or",
    "and": "and",
    "且": "and",
    "并且": "and",
    "not": "not",
    "非": "not",
    "in": "in",
    "属于": "in",
    "between": "between",
    "介于": "between",
    "to": "to",
    "至": "to",
    "is": "is",
    "known": "known",
    "已知": "known",
    "unknown": "unknown",
    "未知": "unknown",
}
_FACT_NAMES = {name: fact for fact in FACTS.values() for name in (fact.name, fact.name_zh)}
_OPERATORS: Mapping[str, Operator] = {each: each for each in get_args(Operator)}
# Chinese is written without spaces: a run of characters is cut into the longest words that are known.
_CHINESE_WORDS = sorted(
    {
        *(word for word in _KEYWORDS if not word.isascii()),
        *(fact.name_zh for fact in FACTS.values()),
        *(zh for fact in FACTS.values() for zh, _ in fact.words.values()),
    },
    key=len,
    reverse=True,
)
_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<symbol><=|>=|!=|[<>=(),≤≥≠])"
    rf"|(?P<word>[A-Za-z_][A-Za-z0-9_]*|{'|'.join(_CHINESE_WORDS)}|[\u4e00-\u9fff]+)"
    r"|(?P<strange>\S)"
    r")"
)
# Full-width forms, as a Chinese keyboard gives them, and the enumeration comma.
_SAME_LENGTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {ord("、"): ","}
_MEANINGS = {**_KEYWORDS, "≤": "<=", "≥": ">=", "≠": "!="}


class _Token(NamedTuple):
    """The text of a keyword or a sign is its meaning."""

    kind: str
    text: str
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def whole(self) -> Node:
        node = self._any(0)
        if self._peek().kind != "end":
            self._expected("“且”“或”或结束", "`and`, `or` or the end")
        return node

    def _any(self, depth: int) -> Node:
        first = self._all(depth)
        if not self._takes("or"):
            return first
        parts = [first, self._all(depth)]
        while self._takes("or"):
            parts.append(self._all(depth))
        return AnyOf(tuple([inner for part in parts for inner in (part.parts if isinstance(part, AnyOf) else (part,))]))

    def _all(self, depth: int) -> Node:
        first = self._part(depth)
        if not self._takes("and"):
            return first
        parts = [first, self._part(depth)]
        while self._takes("and"):
            parts.append(self._part(depth))
        return AllOf(tuple([inner for part in parts for inner in (part.parts if isinstance(part, AllOf) else (part,))]))

    def _part(self, depth: int) -> Node:
        if depth > DEEPEST:
            self._fails(f"括号最多 {DEEPEST} 层。", f"at most {DEEPEST} levels of brackets and `not`")
        if self._takes("not"):
            return Not(self._part(depth + 1))
        if self._takes("("):
            inner = self._any(depth + 1)
            if not self._takes(")"):
                self._expected("右括号", "`)`")
            return inner
        return self._comparison()

    def _comparison(self) -> Node:
        fact = self._fact()
        operator = _OPERATORS.get(self._peek().text)
        if operator is not None:
            return self._compared(fact, operator)
        if self._takes("in"):
            return Among(fact, self._values(fact))
        if self._takes("between"):
            return self._between(fact)
        has_verb = self._takes("is")
        known = self._takes("known")
        if not known and not self._takes("unknown"):
            if has_verb:
                self._expected("“已知”或“未知”", "`known` or `unknown`")
            self._expected("比较符 < <= > >= = !=,或“介于”“属于”“已知”“未知”", "< <= > >= = != between, in or is")
        return IsKnown(fact, known)

    def _compared(self, fact: FactType, operator: Operator) -> Node:
        if operator not in ("=", "!=") and not fact.is_ordered:
            self._fails(
                f"“{fact.name_zh}”不分大小,只能用 =、!= 或“属于”。", f"{fact.name} has no order: use =, != or in"
            )
        self._at += 1
        return Compared(fact, operator, self._value(fact))

    def _between(self, fact: FactType) -> Node:
        if not fact.is_ordered:
            self._at -= 1
            self._fails(f"“{fact.name_zh}”不分大小,只能用 = 或“属于”。", f"{fact.name} has no order: use = or in")
        least = self._value(fact)
        if not (self._takes("and") or self._takes("to")):
            self._expected("“至”", "`and`")
        at = self._peek().position
        most = self._value(fact)
        if most < least:  # type: ignore[operator]
            raise ConditionError(at, "后一个值应不小于前一个值。", "the second value must not be below the first")
        return Between(fact, least, most)

    def _values(self, fact: FactType) -> tuple[Value, ...]:
        if not self._takes("("):
            self._expected("左括号", "`(`")
        values = {self._value(fact): None}
        while self._takes(","):
            values[self._value(fact)] = None
            if len(values) > _MOST_VALUES:
                self._at -= 1
                self._fails(f"最多列 {_MOST_VALUES} 个值。", f"at most {_MOST_VALUES} values")
        if not self._takes(")"):
            self._expected("右括号", "`)`")
        return tuple(sorted(values, key=lambda value: (str(type(value)), value)))

    def _fact(self) -> FactType:
        token = self._peek()
        if token.kind != "word" or token.text in _KEYWORDS:
            self._expected("情况名称,如“年龄”", "the name of a fact, such as age")
        fact = _FACT_NAMES.get(token.text)
        if fact is None:
            self._fails(
                f"没有“{token.text}”这项情况;可用的有:{'、'.join(each.name_zh for each in FACTS.values())}。",
                f"there is no fact {token.text}; there are {', '.join(FACTS)}",
            )
        self._at += 1
        return fact

    def _value(self, fact: FactType) -> Value:
        value = _READERS[fact.kind](fact, self._peek())
        if value is None:
            zh, en = wanted(fact)
            self._expected(f"{fact.name_zh}的值:{zh}", f"a value of {fact.name}: {en}")
        self._at += 1
        return value

    def _takes(self, meaning: str) -> bool:
        found = self._tokens[self._at].text == meaning
        self._at += found
        return found

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _expected(self, zh: str, en: str) -> NoReturn:
        token = self._peek()
        if token.kind == "strange":
            self._fails(
                f"看不懂字符“{token.text}”,此处应为{zh}。", f"{token.text!r} has no meaning here, expected {en}"
            )
        self._fails(f"此处应为{zh}。", f"expected {en}")

    def _fails(self, zh: str, en: str) -> NoReturn:
        raise ConditionError(self._peek().position, zh, en)


def _tokens(text: str) -> list[_Token]:
    tokens = []
    for match in _TOKEN.finditer(text.rstrip().translate(_SAME_LENGTH)):
        kind = match.lastgroup or ""
        found, begins = match[kind], match.start(kind)
        if kind == "strange":
            found = text[begins]
        elif kind == "word" or found in _MEANINGS:
            found = _MEANINGS.get(found.lower(), found)
        tokens.append(_Token(kind, found, begins + 1))
    tokens.append(_Token("end", "", len(text) + 1))
    return tokens


def _number(fact: FactType, token: _Token) -> Value | None:
    if token.kind != "number" or "." in token.text:
        return None
    return _within(fact, int(token.text))


def _money(fact: FactType, token: _Token) -> Value | None:
    # Within its bounds first: a number of any length can't be quantized.
    value = _within(fact, Decimal(token.text)) if token.kind == "number" else None
    return value.quantize(_CENT) if isinstance(value, Decimal) and value == value.quantize(_CENT) else None


def _day(fact: FactType, token: _Token) -> Value | None:
    try:
        return _within(fact, date.fromisoformat(token.text)) if token.kind == "date" else None
    except ValueError:
        return None


def _within(fact: FactType, value: Any) -> Value | None:
    return value if fact.least <= value <= fact.most else None


def _code(fact: FactType, token: _Token) -> Value | None:
    if token.text in fact.words:
        return token.text
    return next((code for code, (zh, _) in fact.words.items() if zh == token.text), None)


_READERS: dict[FactKind, Callable[[FactType, _Token], Value | None]] = {
    FactKind.NUMBER: _number,
    FactKind.MONEY: _money,
    FactKind.DATE: _day,
    FactKind.CHOICE: _code,
    FactKind.CHOICES: _code,
}


def wanted(fact: FactType) -> tuple[str, str]:
    """What a value of a fact looks like, in Chinese and English."""
    if fact.is_ordered:
        form_zh, form_en = {
            FactKind.NUMBER: ("整数", "a whole number"),
            FactKind.MONEY: ("金额(元,最多两位小数)", "yuan with at most two decimals"),
            FactKind.DATE: ("日期,如 2026-01-31", "a date such as 2026-01-31"),
        }[fact.kind]
        return f"{form_zh},{fact.least} 至 {fact.most}", f"{form_en}, {fact.least} to {fact.most}"
    return "、".join(zh for zh, _ in fact.words.values()), ", ".join(fact.words)
