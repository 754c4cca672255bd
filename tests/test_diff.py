"""What changed between two versions of the table: each rule once, and in a sentence that can be read aloud."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadlines import Limit, LimitKind
from app.routing.diff import Change, FieldChange, diff
from app.routing.grammar import parse_condition
from app.routing.headings import COLUMNS
from app.routing.rules import Consent, ConsentOf, Role, Rule
from app.routing.words import Language
from tests.tables import RULE, RULES, WORDS, any_rule, tables

MEDICAL = replace(
    next(rule for rule in RULES if rule.need == "medical_assistance_applied" and rule.role is Role.LEAD),
    number=12,
    complete_limit=Limit(LimitKind.WORKING_DAYS, 30),
    condition=None,
    publicity="none",
    note="",
)


def the_change(**changes: Any) -> Change:
    (change,) = diff([MEDICAL], [replace(MEDICAL, **changes)], WORDS)
    return change


def outcome(old: list[Rule], new: list[Rule]) -> list[tuple[str, int | None, int | None]]:
    return [(change.kind, change.old_number, change.new_number) for change in diff(old, new)]


def test_the_same_table_differs_in_nothing_in_whatever_order_its_rows_stand() -> None:
    assert diff(RULES, RULES[::-1]) == ()


def test_a_changed_limit_is_told_in_a_sentence_that_a_clerk_can_read_aloud() -> None:
    change = the_change(complete_limit=Limit(LimitKind.WORKING_DAYS, 20))
    assert (change.kind, change.old_number, change.new_number) == ("changed", 12, 12)
    assert change.fields == (FieldChange("complete_limit", "WD:30", "WD:20"),)
    need_zh, need_en = WORDS.needs[MEDICAL.need]
    assert change.sentence("zh") == f"第 12 条({need_zh},江西省):办结时限由 30 个工作日改为 20 个工作日。"
    assert change.sentence("en") == (
        f"Rule 12 ({need_en}, 江西省): complete limit changes from 30 working days to 20 working days."
    )


@pytest.mark.parametrize(
    ("changes", "zh", "en"),
    [
        (
            {"condition": parse_condition("age < 80")},
            "适用条件由人人适用改为“年龄 < 80”",
            "condition changes from everybody to “age < 80”",
        ),
        ({"role": Role.INFORMED}, "承办角色由牵头改为知会", "role changes from lead to informed"),
        (
            {"department": "county_housing"},
            "承办部门由县级医疗保障部门改为县级住房和城乡建设部门",
            "to County housing and construction department",
        ),
        ({"area": "360803"}, "适用地区由江西省改为青原区", "area changes from 江西省 to 青原区"),
        ({"step": 9}, "改为 9。", "to 9."),
        ({"mandatory": not MEDICAL.mandatory}, "是否必办由", "mandatory changes from"),
        ({"complete_limit": None}, "办结时限由 30 个工作日改为不限", "to no limit"),
        ({"accept_limit": Limit(LimitKind.HOURS, 0)}, "受理时限由", "to at once"),
        ({"accept_limit": Limit(LimitKind.CALENDAR_DAYS, 1)}, "改为 1 个自然日", "to 1 calendar day."),
        ({"prerequisites": ()}, "前置条件由 ", "to none."),
        ({"discloses": ("identity", "health")}, "改为身份、健康。", "to identity, health."),
        ({"consent": (Consent.NONE,)}, "改为无需同意。", "to no consent."),
        ({"consent_of": ConsentOf.GUARDIAN}, "改为监护人。", "to the guardian."),
        ({"publicity": "CD:7"}, "公示由不公示改为 7 个自然日", "publicity changes from not posted to 7 calendar days"),
        ({"materials": ("identity_document",)}, "改为身份证。", "to Identity card."),
        ({"effective_from": date(2026, 7, 1)}, "生效日期由 2026-01-01 改为 2026-07-01", "to 2026-07-01."),
        ({"effective_to": date(2027, 7, 1)}, "有效期至由长期改为 2027-07-01", "from no end to 2027-07-01."),
        ({"note": "见附件\n第二页"}, "备注由无改为“见附件 第二页”", "note changes from none to “见附件 第二页”"),
    ],
)
def test_every_kind_of_field_has_its_words(changes: dict[str, Any], zh: str, en: str) -> None:
    change = the_change(**changes)
    assert zh in change.sentence("zh")
    assert en in change.sentence("en")
    assert [each.column for each in change.fields] == list(changes)


def test_several_changes_of_a_rule_are_one_sentence_in_the_order_of_the_columns() -> None:
    change = the_change(note="x", step=9, role=Role.CO_HANDLER)
    assert [each.column for each in change.fields] == ["role", "step", "note"]
    assert change.sentence("zh").count(";") == change.sentence("en").count(";") == 2


def test_codes_without_names_are_told_as_they_are() -> None:
    (change,) = diff([MEDICAL], [replace(MEDICAL, area="360803")])
    assert change.sentence("zh") == "第 12 条(medical_assistance_applied,36):适用地区由 36 改为 360803。"


def test_added_and_removed_rules_are_told_with_what_they_say() -> None:
    removed, added = diff([MEDICAL], [replace(MEDICAL, number=13, need="legal_aid", complete_limit=None)], WORDS)
    assert (removed.kind, removed.old_number, removed.new_number, removed.fields) == ("removed", 12, None, ())
    assert (added.kind, added.old_number, added.new_number, added.fields) == ("added", None, 13, ())
    need = WORDS.needs[MEDICAL.need]
    assert removed.sentence("zh").startswith(f"删去第 12 条({need[0]},江西省):原由县级医疗保障部门牵头,第 ")
    assert removed.sentence("zh").endswith(",办结时限为 30 个工作日。")
    assert removed.sentence("en").startswith(f"Rule 12 ({need[1]}, 江西省) is removed; it was County")
    assert added.sentence("zh").endswith(",办结时限为不限。")
    assert added.sentence("en").endswith("with no limit to complete it.")


def test_a_rule_whose_number_alone_changed_is_renumbered() -> None:
    (change,) = diff([MEDICAL], [replace(MEDICAL, number=30)], WORDS)
    assert (change.kind, change.old_number, change.new_number, change.fields) == ("renumbered", 12, 30, ())
    assert change.sentence("zh").endswith(":编号改为 30,内容不变。")
    assert change.sentence("en").endswith(": the number changes to 30, nothing else changes.")


def test_a_rule_that_changed_and_has_a_new_number_is_still_the_same_rule() -> None:
    (change,) = diff([MEDICAL], [replace(MEDICAL, number=30, step=9)], WORDS)
    assert (change.kind, change.old_number, change.new_number) == ("changed", 12, 30)
    assert "编号改为 30;环节由" in change.sentence("zh")


def test_a_number_given_to_another_need_is_another_rule() -> None:
    other = replace(RULE, number=12, need="legal_aid", department="county_justice")
    assert outcome([MEDICAL], [other]) == [("removed", 12, None), ("added", None, 12)]


def test_a_number_keeps_its_rule_even_where_a_copy_of_the_old_one_is_added() -> None:
    new = [replace(MEDICAL, step=9), replace(MEDICAL, number=13)]
    assert outcome([MEDICAL], new) == [("changed", 12, 12), ("added", None, 13)]


def test_rows_that_were_moved_about_are_renumbered_and_not_changed() -> None:
    shifted = [replace(rule, number=rule.number + 1) for rule in RULES]
    assert {kind for kind, *_ in outcome(list(RULES), shifted)} == {"renumbered"}
    one, two = replace(MEDICAL, number=1), replace(MEDICAL, number=2, step=9)
    swapped = [replace(two, number=1), replace(one, number=2)]
    assert outcome([one, two], swapped) == [("renumbered", 2, 1), ("renumbered", 1, 2)]


@given(tables, tables)
def test_each_rule_is_told_once_and_the_changes_lead_from_the_old_to_the_new(
    old: tuple[Rule, ...], new: tuple[Rule, ...]
) -> None:
    changes = diff(old, new)
    gone = {change.old for change in changes}
    come = {change.new for change in changes if change.new}
    assert {rule for rule in old if rule not in gone} | come == set(new)
    assert len({change.old_number for change in changes if change.old}) == sum(bool(each.old) for each in changes)
    assert len({change.new_number for change in changes if change.new}) == sum(bool(each.new) for each in changes)


@given(any_rule(), any_rule(), st.sampled_from(["zh", "en"]))
def test_any_change_has_a_sentence_in_one_line(one: Rule, other: Rule, language: Language) -> None:
    other = replace(other, number=one.number, need=one.need)
    for change in (*diff([one], [other], WORDS), *diff([], [one]), *diff([one], [])):
        sentence = change.sentence(language)
        assert str(one.number) in sentence
        assert sentence.endswith("。" if language == "zh" else ".")
        assert all(each.column in COLUMNS and each.old != each.new for each in change.fields)
