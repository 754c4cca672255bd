"""What a decision is made from: where, what is asked for, and the declared facts, each with its type and domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.identity import normalise_resident_id, resident_id_birth_date

Value = int | Decimal | str | date | frozenset[str]
FactValues = Mapping[str, Value]
Words = Mapping[str, tuple[str, str]]


class FactKind(StrEnum):
    NUMBER = "number"
    MONEY = "money"  # Decimal yuan, two decimals
    DATE = "date"
    CHOICE = "choice"  # one of the codes
    CHOICES = "choices"  # any number of the codes


@dataclass(frozen=True, slots=True)
class FactType:
    """`least` and `most` bound ordered kinds, `words` holds the codes of the others with their Chinese and English."""

    name: str
    kind: FactKind
    name_zh: str
    name_en: str
    question_zh: str
    question_en: str
    unit: str | None = None
    least: int | Decimal | date | None = None
    most: int | Decimal | date | None = None
    words: Words = field(default_factory=dict)

    @property
    def is_ordered(self) -> bool:
        return self.least is not None

    def holds(self, value: Any) -> bool:
        """Whether a value of this kind lies in the domain."""
        return self.least is None or bool(self.least <= value <= self.most)


_STATUSES: Words = {
    "extreme_poverty": ("特困人员", "in extreme poverty"),
    "minimum_living_allowance": ("低保对象", "on the minimum living allowance"),
    "low_income_margin": ("低保边缘家庭", "on the margin of the allowance"),
    "rigid_expenditure": ("刚性支出困难家庭", "in hardship from unavoidable expenses"),
    "anti_poverty_monitoring": ("防返贫监测对象", "monitored against falling back into poverty"),
    "orphan": ("孤儿", "orphan"),
    "unattended_child": ("事实无人抚养儿童", "child without anybody to raise it"),
    "veteran": ("退役军人优抚对象", "veteran"),
}
_DISABILITIES: Words = {
    "visual": ("视力", "visual"),
    "hearing": ("听力", "hearing"),
    "speech": ("言语", "speech"),
    "physical": ("肢体", "physical"),
    "intellectual": ("智力", "intellectual"),
    "mental": ("精神", "mental"),
    "multiple": ("多重", "multiple"),
}
_SCHOOLING: Words = {
    "preschool": ("学前", "preschool"),
    "primary": ("小学", "primary school"),
    "junior": ("初中", "junior secondary school"),
    "senior": ("高中", "senior secondary school"),
    "vocational": ("中职", "vocational school"),
    "higher": ("高校", "college or university"),
}
_DWELLINGS: Words = {
    "owned": ("自有", "own"),
    "rented": ("租住", "rented"),
    "public": ("公租房", "public rental"),
    "borrowed": ("借住", "borrowed"),
    "none": ("无房", "none"),
}
_MOST_YUAN = Decimal("9999999999.99")
K = FactKind
FACTS: Mapping[str, FactType] = {
    each.name: each
    for each in (
        FactType(
            *("age", K.NUMBER, "年龄", "age"),
            *("申请人是哪天出生的?", "When was the person born?", "years"),
            least=0,
            most=150,
        ),
        FactType(
            *("residence", K.CHOICE, "户籍性质", "residence"),
            *("是城镇还是农村户籍?", "Is the household urban or rural?"),
            words={"urban": ("城镇", "urban"), "rural": ("农村", "rural")},
        ),
        FactType(
            *("recognised_status", K.CHOICES, "已认定身份", "recognised status"),
            *("家庭已被认定为哪类救助对象?", "Which assistance status has the household been given already?"),
            words=_STATUSES,
        ),
        FactType(
            *("disability_kind", K.CHOICE, "残疾类别", "kind of disability"),
            *("有哪类残疾?", "What kind of disability is there?"),
            words=_DISABILITIES,
        ),
        FactType(
            *("disability_grade", K.NUMBER, "残疾等级", "grade of disability"),
            *("残疾证上是几级?", "Which grade is on the disability certificate?", "grade, 1 the severest"),
            least=1,
            most=4,
        ),
        FactType(
            *("household_size", K.NUMBER, "家庭人口", "household size"),
            *("共同生活的有几口人?", "How many people live together?", "persons"),
            least=1,
            most=100,
        ),
        FactType(
            *("monthly_income_yuan", K.MONEY, "家庭月收入", "monthly income of the household"),
            *("全家一个月收入多少?", "What does the household earn in a month?", "yuan"),
            least=Decimal(0),
            most=_MOST_YUAN,
        ),
        FactType(
            *("out_of_pocket_yuan", K.MONEY, "自付费用", "paid out of pocket"),
            *("自己负担了多少费用?", "How much was paid out of pocket?", "yuan"),
            least=Decimal(0),
            most=_MOST_YUAN,
        ),
        FactType(
            *("self_care", K.CHOICE, "自理能力", "self-care"),
            *("生活能否自理?", "Can the person care for themselves?"),
            words={"full": ("自理", "full"), "partial": ("半失能", "partial"), "none": ("失能", "none")},
        ),
        FactType(
            *("schooling", K.CHOICE, "就读阶段", "schooling"),
            *("在读什么学校?", "Which school is attended?"),
            words=_SCHOOLING,
        ),
        FactType(
            *("dwelling", K.CHOICE, "住房情况", "dwelling"),
            *("现在住的房子是谁的?", "Whose is the dwelling?"),
            words=_DWELLINGS,
        ),
        FactType(
            *("disaster_date", K.DATE, "受灾日期", "date of the disaster"),
            *("哪一天受的灾?", "On which day did the disaster happen?", "day"),
            least=date(1900, 1, 1),
            most=date(2200, 12, 31),
        ),
        FactType(
            *("days_since_disaster", K.NUMBER, "受灾天数", "days since the disaster"),
            *("哪一天受的灾?", "On which day did the disaster happen?", "calendar days"),
            least=0,
            most=40_000,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Facts:
    """`of_need` holds what was declared for one need alone; it goes before what was declared for the whole request."""

    division_code: str
    needs: tuple[str, ...]
    declared: FactValues = field(default_factory=dict)
    of_need: Mapping[str, FactValues] = field(default_factory=dict)

    def known_for(self, need: str) -> FactValues:
        own = self.of_need.get(need)
        if not own:
            return self.declared
        known = {**self.declared, **own}
        # Of another disaster, whose day the need names, the days are its own or nobody's.
        if "disaster_date" in own and "days_since_disaster" not in own:
            known.pop("days_since_disaster", None)
        return known


def facts_of(division_code: str, person: Mapping[str, Any], day: date) -> Facts:
    """From a request as taken in (`applicant`, `facts`, `needs`), on the day of its registration.

    A fact that was not declared, or that no table can speak of, is absent: it is unknown. The age is that of the applicant on that day, from the date
    of birth or, without one, from the identity number.
    """
    needs = person["needs"]
    birth = born(person["applicant"])
    shared = read_facts(person.get("facts", {}), day)
    if birth is not None and birth <= day:
        shared |= _plausible("age", age_on(birth, day))
    own = {each["code"]: read_facts(each["facts"], day) for each in needs if each.get("facts")}
    return Facts(division_code, tuple(each["code"] for each in needs), shared, own)


def read_facts(declared: Mapping[str, Any], day: date) -> dict[str, Value]:
    """Declared facts as JSON has them, typed; names that are no facts of the table are passed over, and values beyond the
    bounds that a table is proved for: nobody is 300 years old."""
    values: dict[str, Value] = {}
    for name, value in declared.items():
        if value is not None and (fact := _READ.get(name)):
            kind, read = fact
            if kind.holds(typed := read(value)):
                values[name] = typed
    disaster = values.get("disaster_date")
    if isinstance(disaster, date) and disaster <= day:
        values |= _plausible("days_since_disaster", (day - disaster).days)
    return values


def _plausible(name: str, value: Value) -> dict[str, Value]:
    return {name: value} if FACTS[name].holds(value) else {}


def lies_in(division_code: str, area: str) -> bool:
    """Whether a division is `area` or a part of it: statistical codes nest by prefix."""
    return division_code.startswith(area)


def age_on(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def born(who: Mapping[str, Any]) -> date | None:
    """As somebody wrote, or as their identity number says."""
    if written := who.get("birth_date"):
        return date.fromisoformat(written)
    number = who.get("id_number")
    if number and who.get("id_type") in ("resident_id", "hmt_residence_permit"):
        return resident_id_birth_date(normalise_resident_id(number))
    return None


_BY_KIND: Mapping[FactKind, Any] = {
    FactKind.NUMBER: int,
    FactKind.MONEY: Decimal,
    FactKind.DATE: date.fromisoformat,
    FactKind.CHOICE: str,
    FactKind.CHOICES: frozenset,
}
_READ: Mapping[str, tuple[FactType, Any]] = {fact.name: (fact, _BY_KIND[fact.kind]) for fact in FACTS.values()}
