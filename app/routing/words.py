"""The words of rules, (Chinese, English), for whoever shows or reads them: closed vocabularies, limits, names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.deadlines import Limit, LimitKind
from app.routing.rules import Consent, ConsentOf, Role

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
Pair = tuple[str, str]
Vocabulary = Mapping[str, Pair]

_CERTAINTIES: Vocabulary = {
    "seen_national": ("见于国家文件", "seen in a national document"),
    "seen_jiangxi": ("见于江西文件", "seen in a document of Jiangxi"),
    "seen_other_place": ("见于外地文件", "seen in a document of another place"),
    "seen_secondary": ("见于二手资料", "seen in a secondary source"),
    "own_sure": ("凭经验(有把握)", "own knowledge, sure"),
    "own_unsure": ("凭经验(待核实)", "own knowledge, to be verified"),
    "proposed": ("建议值", "proposed"),
    "no_limit_found": ("未找到时限", "no limit found"),
}
# Of each column whose words are known beforehand: code -> (Chinese, English).
VOCABULARIES: Mapping[str, Vocabulary] = {
    "role": {
        Role.LEAD: ("牵头", "lead"),
        Role.CO_HANDLER: ("协办", "co-handler"),
        Role.INFORMED: ("知会", "informed"),
    },
    "mandatory": {"yes": ("是", "yes"), "no": ("否", "no")},
    "sign_in_certainty": _CERTAINTIES,
    "accept_certainty": _CERTAINTIES,
    "complete_certainty": _CERTAINTIES,
    "discloses": {
        "identity": ("身份", "identity"),
        "contact": ("联系方式", "contact"),
        "household": ("家庭成员", "household"),
        "income": ("收入", "income"),
        "health": ("健康", "health"),
        "disability": ("残疾", "disability"),
        "schooling": ("就学", "schooling"),
        "dwelling": ("住房", "dwelling"),
        "disaster": ("受灾", "disaster"),
        "bank_account": ("银行账户", "bank account"),
        "narrative": ("陈述", "narrative"),
    },
    "consent": {
        Consent.NONE: ("无需同意", "no consent"),
        Consent.NOTICE: ("告知即可", "notice"),
        Consent.VERIFICATION: ("经济状况核对授权", "verification of economic status"),
        Consent.MEDICAL: ("医疗信息单独同意", "separate consent to medical data"),
        Consent.SENSITIVE: ("敏感信息单独同意", "separate consent to sensitive data"),
        Consent.SHARING: ("向慈善组织提供的单独同意", "separate consent to sharing with a charity"),
        Consent.WAIVED: ("紧急免予同意", "waived in an emergency"),
    },
    "consent_of": {
        ConsentOf.APPLICANT: ("申请人", "the applicant"),
        ConsentOf.HOUSEHOLD: ("全体成年家庭成员", "every adult member of the household"),
        ConsentOf.HOUSEHOLD_AND_OBLIGOR: ("全体成年家庭成员和义务人", "every adult member and obligor"),
        ConsentOf.GUARDIAN: ("监护人", "the guardian"),
        ConsentOf.GUARDIAN_UNDER_14: ("未满14周岁者的监护人", "the guardian of a child under 14"),
    },
    "publicity": {
        "none": ("不公示", "not posted"),
        "forbidden": ("禁止公示", "posting forbidden"),
        "local": ("按当地规定", "as the place decides"),
    },
}


@dataclass(frozen=True, slots=True)
class SheetWords:
    """Names of codes, code -> (Chinese, English); what is not there is called by its code."""

    needs: Vocabulary = field(default_factory=dict)
    departments: Vocabulary = field(default_factory=dict)
    areas: Vocabulary = field(default_factory=dict)
    materials: Vocabulary = field(default_factory=dict)

    def of_column(self, column: str) -> Vocabulary | None:
        """The names that a column's codes are looked up in; None for a column that holds no codes."""
        kind = CODE_COLUMNS.get(column)
        names: Vocabulary | None = getattr(self, kind) if kind else None
        return names


# Columns that hold codes, and the field of SheetWords that names them.
CODE_COLUMNS: Mapping[str, str] = {
    "need": "needs",
    "area": "areas",
    "department": "departments",
    "materials": "materials",
    "waived": "materials",
    "emergency_variant": "needs",
}
_NO_TIME: Mapping[LimitKind, Pair] = {
    LimitKind.WORKING_DAYS: ("同一工作日", "the same working day"),
    LimitKind.CALENDAR_DAYS: ("同一天", "the same day"),
    LimitKind.HOURS: ("立即", "at once"),
}
_UNITS: Mapping[LimitKind, Pair] = {
    LimitKind.WORKING_DAYS: ("个工作日", "working day"),
    LimitKind.CALENDAR_DAYS: ("个自然日", "calendar day"),
    LimitKind.HOURS: ("小时", "hour"),
}
_SPOKEN_LIMIT = re.compile(r"(\d{1,4}) ?(个?工作日|个?自然日|个?小时|working days?|calendar days?|hours?)", re.ASCII)


def pick(pair: Pair, language: Language) -> str:
    return pair[0] if language == "zh" else pair[1]


def spoken_limit(limit: Limit, language: Language) -> str:
    """`WD:5` as 5 个工作日 or 5 working days; nought as 同一工作日 or the same working day."""
    if not limit.count:
        return pick(_NO_TIME[limit.kind], language)
    unit = pick(_UNITS[limit.kind], language)
    return f"{limit.count} {unit}{'s' if language == 'en' and limit.count > 1 else ''}"


def heard_limit(text: str) -> Limit | None:
    """What `spoken_limit` says, read back; None for anything else."""
    for kind, words in _NO_TIME.items():
        if text in words:
            return Limit(kind, 0)
    match = _SPOKEN_LIMIT.fullmatch(text)
    if match is None:
        return None
    kind = next(kind for kind, (zh, en) in _UNITS.items() if zh.removeprefix("个") in match[2] or en in match[2])
    return Limit(kind, int(match[1]))
