"""The columns of the sheet in their order: the Chinese heading, and what to write under it, for the comment on it.

The English heading is the name of the rule's field. A comment holds all that a clerk needs to fill the column.
"""

from __future__ import annotations

from typing import NamedTuple

from app.routing.words import Language, Pair, pick


class Heading(NamedTuple):
    """`width` in characters of the spreadsheet."""

    name: str
    zh: str
    width: int
    advice: Pair

    def of(self, language: Language) -> str:
        return self.zh if language == "zh" else self.name

    def comment(self, language: Language) -> str:
        return pick(self.advice, language)


_LIMIT: Pair = (
    "写 WD:5(5 个工作日)、CD:3(3 个自然日)或 H:24(24 小时);WD:0 是同一工作日。没有时限则空着。例:WD:5",
    "WD:5 is five working days, CD:3 three calendar days, H:24 twenty-four hours, WD:0 the same working day. "
    "Empty: no limit. Example: WD:5",
)
_CERTAINTY: Pair = (
    "前一列的时限有多可靠,从下拉列表选;没有时限则可空着。例:见于江西文件",
    "How sure the limit before it is, from the list; may be empty without a limit. Example: seen_jiangxi",
)
_MATERIALS: Pair = (
    "要本人交的材料,写代码,见代码表,用分号隔开。例:identity_document;application_form",
    "Materials that are asked for, by their codes, with semicolons between. Example: identity_document;application_form",
)

HEADINGS = (
    Heading(
        *("number", "编号", 7),
        (
            "规则的编号,1 起的整数,全表不重复;已用过的编号不要改作他用。例:12",
            "The rule's number, a whole number from 1, used once in the table. Example: 12",
        ),
    ),
    Heading(
        *("need", "救助需求", 30),
        (
            "救助需求的代码,见代码表。例:medical_assistance_applied",
            "The code of the need, see the sheet of codes. Example: medical_assistance_applied",
        ),
    ),
    Heading(
        *("area", "适用地区", 11),
        (
            "行政区划代码:省 2 位、市 4 位、县 6 位、乡镇 9 位,含其所辖各地。例:360803",
            "Division code of 2, 4, 6 or 9 digits; all that lies in it is meant. Example: 360803",
        ),
    ),
    Heading(
        *("condition", "适用条件", 36),
        (
            "规则只在符合条件时适用;空着则人人适用。用“且”“或”“非”和 < <= > >= = !=、介于…至…、属于(…)、已知、未知。"
            "情况名称和可写的值见代码表。例:年龄 < 80 或 自理能力 属于 (失能, 半失能)",
            "When the rule applies; empty: to everybody. Use and, or, not, < <= > >= = !=, between … and …, in (…), "
            "is known, is unknown. Facts and values: see the sheet of codes. "
            "Example: age < 80 or self_care in (none, partial)",
        ),
    ),
    Heading(
        *("department", "承办部门", 30),
        (
            "部门代码,见代码表。例:county_civil_affairs",
            "The department's code, see the sheet of codes. Example: county_civil_affairs",
        ),
    ),
    Heading(
        *("role", "承办角色", 10),
        (
            "牵头、协办或知会。牵头单位对结果负责。例:牵头",
            "lead, co_handler or informed. The lead answers for the result. Example: lead",
        ),
    ),
    Heading(
        *("step", "环节", 6),
        (
            "第几个环节,1 起的整数;同一环节并行办理,下一环节等上一环节办完。例:1",
            "A whole number from 1; what has the same step runs in parallel, the next step waits. Example: 1",
        ),
    ),
    Heading(
        *("mandatory", "是否必办", 9),
        (
            "是或否:牵头单位要等必办的协办单位办完。例:是",
            "yes or no: the lead waits for a mandatory co-handler. Example: yes",
        ),
    ),
    Heading(
        *("prerequisites", "前置条件", 24),
        (
            "办理前要先具备什么,用分号隔开;没有则空着。例:economic_verification;housing_check",
            "What must be there before, with semicolons between; or empty. Example: economic_verification;housing_check",
        ),
    ),
    Heading("sign_in_limit", "签收时限", 9, _LIMIT),
    Heading("sign_in_certainty", "签收时限可靠性", 16, _CERTAINTY),
    Heading("accept_limit", "受理时限", 9, _LIMIT),
    Heading("accept_certainty", "受理时限可靠性", 16, _CERTAINTY),
    Heading("complete_limit", "办结时限", 9, _LIMIT),
    Heading("complete_certainty", "办结时限可靠性", 16, _CERTAINTY),
    Heading(
        *("limit_source", "时限来源", 30),
        (
            "时限出自哪里,文字说明。例:赣民发〔2021〕7号第三条",
            "Where the limits come from, in words. Example: 赣民发〔2021〕7号 art. 3",
        ),
    ),
    Heading(
        *("discloses", "可见信息", 30),
        (
            "该部门可以看到哪几类信息,用分号隔开,见代码表。例:身份;联系方式;家庭成员",
            "Which groups of fields the department may see, with semicolons between. Example: identity;contact;household",
        ),
    ),
    Heading(
        *("consent", "所需同意", 26),
        (
            "让部门看到上述信息需要什么同意,用分号隔开,见代码表。例:经济状况核对授权;医疗信息单独同意",
            "What must be agreed to before, with semicolons between, see the sheet of codes. "
            "Example: economic_verification;medical_data",
        ),
    ),
    Heading(
        *("consent_of", "由谁同意", 24),
        (
            "由谁作出同意,从下拉列表选;无需同意则空着。例:申请人",
            "Whose consent it is, from the list; empty if nobody's. Example: applicant",
        ),
    ),
    Heading(
        *("publicity", "公示", 12),
        (
            "不公示、禁止公示、按当地规定,或公示多久:WD:n、CD:n、H:n。例:CD:7",
            "none, forbidden, local, or how long it is posted: WD:n, CD:n or H:n. Example: CD:7",
        ),
    ),
    Heading("materials", "需交材料", 36, _MATERIALS),
    Heading(
        *("waived", "免交材料", 36),
        (
            "由数据共享取得、不必本人交的材料,写法同“需交材料”。例:household_register",
            "Materials that data sharing supplies, so that nobody is asked for them. Example: household_register",
        ),
    ),
    Heading(
        *("emergency_variant", "急难时先办", 26),
        (
            "急难时先按哪个救助需求的规则办,写其代码,可以是本身;没有则空着。例:temp_aid_fast",
            "The need whose rules act first in an emergency, its code; may be the need itself; or empty. "
            "Example: temp_aid_fast",
        ),
    ),
    Heading(
        *("emergency_limit", "急难时限", 9),
        (
            "急难时最迟多久办到,写法同其他时限;没有则空着。例:H:24",
            "By when in an emergency, written as the other limits; or empty. Example: H:24",
        ),
    ),
    Heading(
        *("legal_basis", "法律依据", 36),
        ("依据的法律和文件,文字说明。例:社会救助法37,42", "Laws and documents, in words. Example: 社会救助法37,42"),
    ),
    Heading(
        *("effective_from", "生效日期", 12),
        ("第一个有效日,写年-月-日。例:2026-01-01", "The first day in force, year-month-day. Example: 2026-01-01"),
    ),
    Heading(
        *("effective_to", "有效期至", 12),
        (
            "最后一个有效日,写年-月-日;长期有效则空着。例:2027-12-31",
            "The last day in force, year-month-day; empty: no end. Example: 2027-12-31",
        ),
    ),
    Heading(
        *("note", "备注", 30),
        ("其他要说明的,文字。例:可延长 15 个工作日", "Anything else, in words. Example: may be extended by WD:15"),
    ),
)
BY_NAME = {heading.name: heading for heading in HEADINGS}
COLUMNS = tuple(BY_NAME)


def heading_called(text: str) -> Heading | None:
    """The column that a heading means: Chinese or English, however it is spaced, and the English capitalised."""
    parts = text.split()
    zh, name = "".join(parts), "_".join(parts).casefold()
    return BY_NAME.get(name) or next((heading for heading in HEADINGS if heading.zh == zh), None)
