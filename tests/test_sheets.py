"""The routing table as a sheet: read whole or refused whole, every fault with its row and column."""

from __future__ import annotations

import csv
import io
from dataclasses import fields, replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import seed
from app.deadlines import Limit, LimitKind
from app.disclosure import GROUPS
from app.routing.rules import Role, Rule
from app.routing.sheets import COLUMNS, SheetError, read_rules, row_of, rule_from

SEEDED = (seed.DATA / "routing.csv").read_text(encoding="utf-8").splitlines(keepends=True)
RULES = read_rules(SEEDED)
RULE = next(rule for rule in RULES if rule.prerequisites and rule.accept_limit and rule.complete_limit)

words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Z"), blacklist_characters=";"), min_size=1, max_size=12
)
limits = st.none() | st.builds(Limit, st.sampled_from(LimitKind), st.integers(0, 9999))
rules = st.builds(
    replace,
    st.sampled_from(RULES),
    number=st.integers(1, 99_999),
    need=words,
    role=st.sampled_from(Role),
    step=st.integers(1, 99),
    mandatory=st.booleans(),
    prerequisites=st.lists(words, max_size=3).map(tuple),
    sign_in_limit=limits,
    accept_limit=limits,
    complete_limit=limits,
    discloses=st.lists(st.sampled_from(sorted(GROUPS)), max_size=4).map(tuple),
    legal_basis=words | st.just('社会救助法18,37;"民发〔2021〕57号"'),
    effective_from=st.dates(),
    effective_to=st.none() | st.just(date.max),
    note=st.just("") | words,
)


def a_sheet(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> list[str]:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().splitlines(keepends=True)


def faults_of(lines: list[str]) -> list[str]:
    with pytest.raises(SheetError) as refused:
        read_rules(lines)
    assert str(refused.value).splitlines() == refused.value.faults
    return refused.value.faults


def test_a_column_stands_for_every_field_of_a_rule() -> None:
    assert [each.name for each in fields(Rule)] == list(COLUMNS) == SEEDED[0].strip().split(",")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.number))
def test_every_seeded_rule_is_written_and_read_back_equal(rule: Rule) -> None:
    assert rule_from(row_of(rule)) == rule


def test_the_seeded_sheet_is_written_and_read_back_equal() -> None:
    assert read_rules(a_sheet(*map(row_of, RULES))) == RULES


@given(rules)
def test_any_rule_is_written_and_read_back_equal(rule: Rule) -> None:
    assert read_rules(a_sheet(row_of(rule))) == (rule,)


def test_the_order_of_the_columns_and_a_column_of_ones_own_do_not_matter() -> None:
    row = {**row_of(RULE), "remarks of the county": "see file 7"}
    assert read_rules(a_sheet(row, columns=(*reversed(COLUMNS), "remarks of the county"))) == (RULE,)


def test_spaces_around_a_cell_do_not_matter() -> None:
    assert rule_from({column: f"  {text}  " for column, text in row_of(RULE).items()}) == RULE
    assert rule_from({**row_of(RULE), "prerequisites": " one ; two;; "}).prerequisites == ("one", "two")


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("number", "", "invalid literal"),
        ("number", "first", "'first'"),
        ("number", "1.5", "'1.5'"),
        ("need", "", "may not be empty"),
        ("need", "   ", "may not be empty"),
        ("area", "", "may not be empty"),
        ("department", "", "may not be empty"),
        ("role", "", "is not a valid Role"),
        ("role", "boss", "'boss' is not a valid Role"),
        ("role", "LEAD", "'LEAD' is not a valid Role"),
        ("step", "", "invalid literal"),
        ("step", "one", "'one'"),
        ("mandatory", "", "write yes or no"),
        ("mandatory", "true", "write yes or no"),
        ("sign_in_limit", "1", "WD:n, CD:n or H:n"),
        ("accept_limit", "LOCAL", "WD:n, CD:n or H:n"),
        ("complete_limit", "WD:30(+15)", "WD:n, CD:n or H:n"),
        ("discloses", "identity;bank_account", "unknown field group bank_account"),
        ("discloses", "identity,contact", "unknown field group identity,contact"),
        ("effective_from", "", "Invalid isoformat"),
        ("effective_from", "1 January 2026", "'1 January 2026'"),
        ("effective_from", "2026-02-30", "day"),
        ("effective_to", "2026-13-01", "month"),
        ("effective_to", "never", "'never'"),
    ],
)
def test_a_broken_cell_is_refused_with_its_row_and_column(column: str, text: str, said: str) -> None:
    good, broken = row_of(RULE), {**row_of(RULE), "number": "2", column: text}
    (fault,) = faults_of(a_sheet(good, broken))
    assert fault.startswith(f"row 3, column {column}: ")
    assert said in fault


@pytest.mark.parametrize(("column", "text"), [("step", "0"), ("step", "-1"), ("effective_to", "2025-12-31")])
def test_a_cell_that_no_table_can_mean_is_refused(column: str, text: str) -> None:
    """Step 0 breaks a constraint of the database later; a rule that ends before it begins is never in force."""
    (fault,) = faults_of(a_sheet({**row_of(RULE), "effective_from": "2026-01-01", column: text}))
    assert fault.startswith(f"row 2, column {column}: ")


def test_all_faults_of_all_rows_are_listed_at_once_in_their_order() -> None:
    first = {**row_of(RULE), "role": "boss", "step": "one", "discloses": "shoe_size"}
    good = {**row_of(RULE), "number": "2"}
    third = {**row_of(RULE), "need": "", "complete_limit": "soon"}
    found = [fault.partition(":")[0] for fault in faults_of(a_sheet(first, good, third))]
    assert found == [
        "row 2, column role",
        "row 2, column step",
        "row 2, column discloses",
        "row 4, column need",
        "row 4, column complete_limit",
    ]


def test_a_number_that_is_used_twice_is_named_once() -> None:
    rows = [{**row_of(RULE), "number": number} for number in ("7", "8", "7", "9", "8", "7")]
    assert faults_of(a_sheet(*rows)) == ["number 7 is used more than once", "number 8 is used more than once"]


def test_twice_used_numbers_are_told_together_with_broken_cells() -> None:
    rows = [{**row_of(RULE), "number": "7"}, {**row_of(RULE), "number": "7"}, {**row_of(RULE), "step": "one"}]
    found = faults_of(a_sheet(*rows))
    assert [fault.partition(":")[0] for fault in found] == ["row 4, column step", "number 7 is used more than once"]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_a_fault_of_every_row(column: str) -> None:
    rows = [{**row_of(RULE), "number": number} for number in "12"]
    without = tuple(each for each in COLUMNS if each != column)
    assert faults_of(a_sheet(*rows, columns=without)) == [f"row {row}, column {column}: is missing" for row in (2, 3)]


def test_a_row_that_breaks_off_is_refused() -> None:
    lines = a_sheet(row_of(RULE))
    lines[1] = lines[1].partition(",")[0] + "\r\n"
    assert faults_of(lines) == [f"row 2, column {column}: is missing" for column in COLUMNS[1:]]


def test_a_row_with_more_cells_than_columns_is_refused_and_not_cut_off() -> None:
    """An unquoted comma in the last column is the commonest slip in a sheet kept by hand."""
    lines = a_sheet({**row_of(RULE), "note": "first half"})
    lines[1] = lines[1].rstrip("\r\n") + ", second half\r\n"
    (fault,) = faults_of(lines)
    assert fault.startswith("row 2, ")


def test_a_quoted_comma_and_a_line_break_belong_to_their_cell() -> None:
    row = {**row_of(RULE), "note": "one, two\nthree"}
    assert [rule.note for rule in read_rules(a_sheet(row))] == ["one, two\nthree"]


@given(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1), st.text(max_size=8))
def test_whatever_stands_in_cells_is_read_or_refused_by_name(columns: list[str], text: str) -> None:
    row = {**row_of(RULE), **dict.fromkeys(columns, text)}
    try:
        rule = rule_from(row)
    except SheetError as refused:
        named = {fault.partition(":")[0].removeprefix("column ") for fault in refused.faults}
        assert named <= set(columns)
    else:
        assert rule_from(row_of(rule)) == rule
