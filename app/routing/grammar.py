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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from app.routing.conditions import AllOf, Among, AnyOf, Between, Compared, Condition, IsKnown, Node, Not, spell
from app.routing.facts import FACTS, FactKind, FactType, Value

LONGEST = 1000
DEEPEST = 20
_MOST_VALUES = 40


class ConditionError(ValueError):
    """What is wrong and where: `position` counts characters from 1. Its texts say what to write instead."""

    def __init__(self, position: int, zh: str, en: str) -> None:
        super().__init__(f"character {position}: {en}")
        self.position, self.zh, self.en = position, zh, en


def parse_condition(text: str) -> Condition | None:
    """None for an empty cell: the rule is for everybody. Raises ConditionError with the position."""
    if not text.strip():
        return None
    if len(text) > LONGEST:
        raise _too_long()
    condition = Condition.of(_Parser(text).whole())
    # What was written tightly may grow when it is spelled out, and has to be read again from where it is kept.
    if len(condition.text) > LONGEST or len(spell(condition.node, "zh")) > LONGEST:
        raise _too_long()
    return condition


def _too_long() -> ConditionError:
    return ConditionError(LONGEST, f"条件最多 {LONGEST} 个字符。", f"a condition has at most {LONGEST} characters")


_TOKEN = re.compile(
    r"(?P<space>[\s\u3000]+)"
    r"|(?P<date>\d{4}-\d{2}-\d{2})"
    r"|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<symbol><=|>=|!=|<|>|=|\(|\)|,)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*|[\u4e00-\u9fff]+)"
)
# Full-width forms and mathematical signs as a Chinese keyboard gives them.
_SAME_LENGTH = str.maketrans("\uff08\uff09\uff1c\uff1e\uff1d\uff0c\u3001", "()<>=,,")
_ONE_FOR_TWO = {"≤": "<=", "≥": ">=", "≠": "!="}
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
    "至": "to",
    "is": "is",
    "known": "known",
    "已知": "known",
    "unknown": "unknown",
    "未知": "unknown",
}
_FACT_NAMES = {name: fact for fact in FACTS.values() for name in (fact.name, fact.name_zh)}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._end = len(text) + 1

    def whole(self) -> Node:
        node = self._any(0)
        if self._at < len(self._tokens):
            self._expected("“且”“或”或结束", "`and`, `or` or the end")
        return node

    def _any(self, depth: int) -> Node:
        return self._joined("or", AnyOf, lambda: self._all(depth))

    def _all(self, depth: int) -> Node:
        return self._joined("and", AllOf, lambda: self._part(depth))

    def _joined(self, keyword: str, joined: type[AllOf] | type[AnyOf], read: Callable[[], Node]) -> Node:
        parts = [read()]
        while self._takes(keyword):
            parts.append(read())
        flat = [inner for part in parts for inner in (part.parts if isinstance(part, joined) else (part,))]
        return joined(tuple(flat)) if len(flat) > 1 else flat[0]

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
        if self._takes("is"):
            if self._takes("known"):
                return IsKnown(fact, True)
            if self._takes("unknown"):
                return IsKnown(fact, False)
            self._expected("“已知”或“未知”", "`known` or `unknown`")
        if self._takes("known"):
            return IsKnown(fact, True)
        if self._takes("unknown"):
            return IsKnown(fact, False)
        if self._takes("in"):
            return Among(fact, self._values(fact))
        if self._takes("between"):
            return self._between(fact)
        token = self._peek()
        if token is None or token.text not in ("<", "<=", ">", ">=", "=", "!="):
            self._expected("比较符 < <= > >= = !=,或“介于”“属于”“已知”“未知”", "< <= > >= = != between, in or is")
        assert token is not None
        if token.text not in ("=", "!=") and not fact.is_ordered:
            self._fails(
                f"“{fact.name_zh}”不分大小,只能用 =、!= 或“属于”。", f"{fact.name} has no order: use =, != or in"
            )
        self._at += 1
        operator: Any = token.text
        return Compared(fact, operator, self._value(fact))

    def _between(self, fact: FactType) -> Node:
        if not fact.is_ordered:
            self._at -= 1
            self._fails(f"“{fact.name_zh}”不分大小,只能用 = 或“属于”。", f"{fact.name} has no order: use = or in")
        least = self._value(fact)
        if not (self._takes("and") or self._takes("to")):
            self._expected("“至”", "`and`")
        at = self._position()
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
            self._fails(f"最多列 {_MOST_VALUES} 个值。", f"at most {_MOST_VALUES} values")
        if not self._takes(")"):
            self._expected("右括号", "`)`")
        return tuple(sorted(values, key=lambda value: (str(type(value)), value)))

    def _fact(self) -> FactType:
        token = self._peek()
        if token is None or token.kind != "word" or token.text in _KEYWORDS:
            self._expected("情况名称,如“年龄”", "the name of a fact, such as age")
        assert token is not None
        fact = _FACT_NAMES.get(token.text)
        if fact is None:
            self._fails(
                f"没有“{token.text}”这项情况;可用的有:{'、'.join(each.name_zh for each in FACTS.values())}。",
                f"there is no fact {token.text}; there are {', '.join(FACTS)}",
            )
        self._at += 1
        assert fact is not None
        return fact

    def _value(self, fact: FactType) -> Value:
        token = self._peek()
        value = None if token is None else _READERS[fact.kind](fact, token)
        if value is None:
            zh, en = wanted(fact)
            self._expected(f"{fact.name_zh}的值:{zh}", f"a value of {fact.name}: {en}")
        assert value is not None
        self._at += 1
        return value

    def _takes(self, meaning: str) -> bool:
        token = self._peek()
        if token is None:
            return False
        found = _KEYWORDS.get(token.text, token.text) == meaning
        self._at += found
        return found

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _position(self) -> int:
        token = self._peek()
        return token.position if token else self._end

    def _expected(self, zh: str, en: str) -> None:
        self._fails(f"此处应为{zh}。", f"expected {en}")

    def _fails(self, zh: str, en: str) -> None:
        raise ConditionError(self._position(), zh, en)


def _tokens(text: str) -> Iterator[_Token]:
    plain, at = text.translate(_SAME_LENGTH), 0
    while at < len(plain):
        if plain[at] in _ONE_FOR_TWO:
            yield _Token("symbol", _ONE_FOR_TWO[plain[at]], at + 1)
            at += 1
            continue
        match = _TOKEN.match(plain, at)
        if match is None:
            raise ConditionError(at + 1, f"看不懂字符“{text[at]}”。", f"{text[at]!r} has no meaning here")
        if match.lastgroup == "word":
            yield from _words(match.group(), at + 1)
        elif match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), at + 1)
        at = match.end()


_CHINESE_WORDS = sorted(
    {
        *(word for word in _KEYWORDS if not word.isascii()),
        *(fact.name_zh for fact in FACTS.values()),
        *(zh for fact in FACTS.values() for zh, _ in fact.words.values()),
    },
    key=len,
    reverse=True,
)


def _words(run: str, position: int) -> Iterator[_Token]:
    """Chinese is written without spaces: a run of characters is cut into the longest words that are known."""
    at = 0
    while at < len(run):
        rest = run[at:]
        word = run if run.isascii() else next((each for each in _CHINESE_WORDS if rest.startswith(each)), rest)
        yield _Token("word", word.lower() if word.lower() in _KEYWORDS else word, position + at)
        at += len(word)


def _number(fact: FactType, token: _Token) -> Value | None:
    if token.kind != "number" or "." in token.text:
        return None
    return _within(fact, int(token.text))


def _money(fact: FactType, token: _Token) -> Value | None:
    try:
        value = Decimal(token.text) if token.kind == "number" else None
    except InvalidOperation:
        return None
    if value is None or value != value.quantize(Decimal("0.01")):
        return None
    return _within(fact, value.quantize(Decimal("0.01")))


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
