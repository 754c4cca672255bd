"""The routing table as CSV: read whole or refused whole, every fault with its row, its column and what to write."""

from __future__ import annotations

import csv
import io
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.deadlines import Limit, LimitKind
from app.disclosure import GROUPS
from app.routing.faults import MOST_FAULTS, Fault, SheetError
from app.routing.grammar import LONGEST, ConditionError, parse_condition
from app.routing.headings import HEADINGS
from app.routing.package import LARGEST, MOST_RULES
from app.routing.rules import Rule
from app.routing.sheets import COLUMNS, read_rules, read_table, row_of, write_csv
from app.routing.words import VOCABULARIES, Language, heard_limit, spoken_limit
from tests.tables import KNOWN, RULE, RULES, SEEDED, any_rule, faults_of, tables

ROW = row_of(RULE)
CHINESE = [heading.zh for heading in HEADINGS]


def a_sheet(*rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def faults_in(content: bytes) -> list[tuple[int | None, str | None]]:
    return [(fault.row, fault.column) for fault in faults_of(read_table, content)]


def the_fault(content: bytes, *known: object) -> Fault:
    (fault,) = faults_of(read_table, content, *known)
    return fault


def test_a_column_stands_for_every_field_of_a_rule() -> None:
    assert [each.name for each in fields(Rule)] == list(COLUMNS) == SEEDED.decode().splitlines()[0].split(",")


def test_every_column_has_a_chinese_heading_and_a_comment_with_an_example_in_both_languages() -> None:
    assert len(set(CHINESE)) == len(COLUMNS)
    for heading in HEADINGS:
        assert "例:" in heading.comment("zh")
        assert "Example: " in heading.comment("en")


def test_every_closed_word_has_its_chinese_and_no_two_have_the_same() -> None:
    assert set(VOCABULARIES["discloses"]) == GROUPS
    for words in VOCABULARIES.values():
        assert len({zh for zh, _ in words.values()} | set(words)) == 2 * len(words)
        assert not any(set(zh) & set(',;\uff0c\uff1b"') for zh, _ in words.values())


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_seeded_table_is_written_and_read_back_equal(language: Language) -> None:
    assert read_table(write_csv(RULES, language)) == RULES
    assert read_table(write_csv(RULES, language), KNOWN) == RULES


def test_a_sheet_may_be_read_line_by_line() -> None:
    assert read_rules(SEEDED.decode().splitlines(keepends=True)) == RULES


@given(tables, st.sampled_from(["zh", "en"]))
def test_any_table_is_written_and_read_back_equal(rules: tuple[Rule, ...], language: Language) -> None:
    content = write_csv(rules, language)
    assert read_table(content) == rules
    assert write_csv(read_table(content), language) == content


@given(any_rule())
def test_both_languages_of_a_cell_mean_the_same(rule: Rule) -> None:
    chinese, english = write_csv([rule]).decode(), write_csv([rule], "en").decode()
    (zh,), (en,) = csv.DictReader(io.StringIO(chinese, newline="")), csv.DictReader(io.StringIO(english, newline=""))
    mixed = {heading.name: (zh[heading.zh], en[heading.name])[at % 2] for at, heading in enumerate(HEADINGS)}
    assert read_table(a_sheet(mixed)) == (rule,)


def test_the_chinese_sheet_is_chinese() -> None:
    rule = replace(RULE, condition=parse_condition("age < 80 or self_care in (none, partial)"), mandatory=True)
    headings, row = csv.reader(io.StringIO(write_csv([rule]).decode(), newline=""))
    cells = dict(zip(headings, row, strict=True))
    assert headings == CHINESE
    assert cells["适用条件"] == "年龄 < 80 或 自理能力 属于 (失能, 半失能)"
    assert (cells["承办角色"], cells["是否必办"]) == ("牵头", "是")
    assert cells["可见信息"] == "身份;联系方式;家庭成员;收入;银行账户;陈述"
    assert cells["由谁同意"] == "全体成年家庭成员"


def test_a_csv_is_utf_8_without_a_mark_and_its_lines_end_alike() -> None:
    content = write_csv(RULES)
    assert content.startswith("编号,救助需求".encode())
    assert b"\r" not in content


@pytest.mark.parametrize("text", ["=1+1", "+86 796", "-", "@SUM(A1)", "'=1", "''-", "＝1", "'quoted'"])
def test_no_cell_of_a_csv_is_a_formula_and_what_stands_there_comes_back(text: str) -> None:
    content = write_csv([replace(RULE, note=text)])
    cell = content.decode().splitlines()[1].rsplit(",", 1)[1]
    assert cell[0] not in "=+-@＝"
    assert [rule.note for rule in read_table(content)] == [text]


def test_the_order_of_the_columns_does_not_matter_and_headings_of_both_languages_may_stand_side_by_side() -> None:
    assert read_table(a_sheet(ROW, columns=COLUMNS[::-1])) == (RULE,)
    text = a_sheet(ROW).decode().replace("number,need,", "编号, Need ,").replace("sign_in_limit", "Sign in limit")
    assert read_table(text.encode()) == (RULE,)


def test_spaces_and_line_breaks_around_a_cell_do_not_matter_and_empty_rows_are_passed_over() -> None:
    spaced = {column: f" \u3000{text}\n " for column, text in ROW.items()}
    lines = a_sheet(spaced) + b"," * (len(COLUMNS) - 1) + b"\r\n\r\n"
    assert read_table(lines) == (RULE,)
    (rule,) = read_table(a_sheet({**ROW, "prerequisites": " one ; two;;\n核对；", "note": "a\r\nb\rc"}))
    assert rule.prerequisites == ("one", "two", "核对")
    assert rule.note == "a\nb\nc"


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("5 个工作日", "WD:5"),
        ("5工作日", "WD:5"),
        ("1 working day", "WD:1"),
        ("3个自然日", "CD:3"),
        ("24小时", "H:24"),
        ("wd:7", "WD:7"),
        ("CD：7", "CD:7"),
        ("同一工作日", "WD:0"),
        ("at once", "H:0"),
    ],
)
def test_a_limit_may_be_written_as_it_is_said(text: str, limit: str) -> None:
    (rule,) = read_table(a_sheet({**ROW, "complete_limit": text, "publicity": text}))
    assert (str(rule.complete_limit), rule.publicity) == (limit, limit)


@given(st.builds(Limit, st.sampled_from(LimitKind), st.integers(0, 9999)), st.sampled_from(["zh", "en"]))
def test_a_limit_that_is_said_is_understood(limit: Limit, language: Language) -> None:
    assert heard_limit(spoken_limit(limit, language)) == limit


BROKEN = [
    ("number", "", "whole number from 1"),
    ("number", "first", "whole number from 1"),
    ("number", "1.5", "whole number from 1"),
    ("number", "0", "whole number from 1"),
    ("number", "１２", "whole number from 1"),
    ("number", "1000000000", "to 999999999"),
    ("need", "", "may not be empty"),
    ("need", "医疗救助", "is no code"),
    ("need", "x" * 65, "at most 64"),
    ("area", "", "2, 4, 6 or 9 digits"),
    ("area", "江西省", "2, 4, 6 or 9 digits"),
    ("area", "36080", "2, 4, 6 or 9 digits"),
    ("condition", "age <", "character 6: expected a value of age"),
    ("condition", "岁数 > 3", "there is no fact 岁数"),
    ("department", "   ", "may not be empty"),
    ("role", "", "may not be empty, write one of lead, co_handler, informed"),
    ("role", "boss", "'boss' is unknown, write one of lead, co_handler, informed"),
    ("role", "LEAD", "did you mean lead?"),
    ("step", "0", "whole number from 1 to 99"),
    ("step", "-1", "whole number from 1 to 99"),
    ("step", "one", "whole number from 1 to 99"),
    ("mandatory", "", "write one of yes, no"),
    ("mandatory", "true", "write one of yes, no"),
    ("prerequisites", "x" * 65, "at most 64"),
    ("sign_in_limit", "1", "WD:n (working days)"),
    ("accept_limit", "LOCAL", "WD:n (working days)"),
    ("complete_limit", "WD:30(+15)", "WD:n (working days)"),
    ("complete_limit", "WD:10000", "WD:n (working days)"),
    ("emergency_limit", "soon", "WD:n (working days)"),
    ("accept_certainty", "own_shure", "did you mean own_sure?"),
    ("discloses", "identity;shoe_size", "'shoe_size' is unknown"),
    ("discloses", "identity,contact", "'identity,contact' is unknown"),
    ("consent", "notise", "did you mean notice?"),
    ("consent_of", "everybody", "'everybody' is unknown"),
    ("publicity", "", "or how long it is posted, such as CD:7"),
    ("publicity", "CD:", "or how long it is posted, such as CD:7"),
    ("materials", "身份证", "is no code"),
    ("emergency_variant", "temp aid", "is no code"),
    ("effective_from", "", "write it as in 2026-01-31"),
    ("effective_from", "1 January 2026", "write it as in 2026-01-31"),
    ("effective_from", "20260101", "write it as in 2026-01-31"),
    ("effective_from", "2026/1/5", "write it as in 2026-01-31"),
    ("effective_from", "2026-02-30", "there is no such day"),
    ("effective_to", "never", "write it as in 2026-01-31"),
    ("note", "x" * 4001, "at most 4000 characters"),
    ("note", "bell \x07", "character 6 is a control character (U+0007)"),
    ("legal_basis", "\ufffe", "control character (U+FFFE)"),
]


@pytest.mark.parametrize(("column", "text", "said"), BROKEN)
def test_a_broken_cell_is_refused_with_its_row_its_column_and_what_to_write(column: str, text: str, said: str) -> None:
    fault = the_fault(a_sheet(ROW, {**ROW, "number": "2", "note": "another", column: text}))
    assert fault.text("en").startswith(f"row 3, column {column}: ")
    assert fault.text("zh").startswith(f"第 3 行“{column}”列:")
    assert said in fault.en


def test_a_column_is_called_as_the_sheet_calls_it() -> None:
    fault = the_fault(write_csv([RULE]).replace("牵头".encode(), "牵手".encode()))
    assert fault.text("zh") == "第 2 行“承办角色”列:不认识“牵手”,写其中之一:牵头、协办、知会。是不是想写“牵头”?"
    assert fault.text("en").startswith("row 2, column 承办角色: '牵手' is unknown, write one of lead,")


@pytest.mark.parametrize(
    ("column", "text", "meant"),
    [
        ("need", "medical_asistance_applied", "medical_assistance_applied"),
        ("department", "county_civil_affair", "county_civil_affairs"),
        ("area", "360899", None),
        ("materials", "identity_document;identity_documents", "identity_document"),
        ("waived", "zzz", None),
        ("emergency_variant", "temp_aid_fats", "temp_aid_fast"),
    ],
)
def test_a_code_that_is_not_known_is_refused_and_a_close_one_suggested(
    column: str, text: str, meant: str | None
) -> None:
    sheet = a_sheet({**ROW, column: text})
    assert read_table(sheet)
    fault = the_fault(sheet, KNOWN)
    assert (fault.row, fault.column) == (2, column)
    assert f"there is no code {text.rpartition(';')[2]}: " in fault.en
    assert meant is None or (fault.en.endswith(f"did you mean {meant}?") and f"是不是想写“{meant}”?" in fault.zh)


def test_a_prerequisite_is_a_free_word_even_where_codes_are_known() -> None:
    (rule,) = read_table(a_sheet({**ROW, "prerequisites": "村里的证明;anything"}), KNOWN)
    assert rule.prerequisites == ("村里的证明", "anything")


def test_a_rule_that_ends_before_it_begins_is_refused() -> None:
    fault = the_fault(a_sheet({**ROW, "effective_from": "2026-01-01", "effective_to": "2025-12-31"}))
    assert (fault.row, fault.column) == (2, "effective_to")
    assert "before 2026-01-01" in fault.en


def test_all_faults_of_all_rows_are_listed_at_once_in_their_order() -> None:
    first = {**ROW, "role": "boss", "step": "one", "discloses": "shoe_size"}
    third = {**ROW, "number": "3", "need": "", "complete_limit": "soon"}
    found = faults_in(a_sheet(first, {**ROW, "number": "2"}, third))
    assert found == [(2, "role"), (2, "step"), (2, "discloses"), (4, "need"), (4, "complete_limit")]


def test_no_more_faults_are_listed_than_anybody_reads_and_the_rest_is_counted() -> None:
    rows = [{**ROW, "number": str(number), "role": "boss", "need": "nowhere"} for number in range(1, 301)]
    faults = faults_of(read_table, a_sheet(*rows), KNOWN)
    assert len(faults) == MOST_FAULTS + 1
    assert faults[-1].text("en") == "400 more faults are not listed"
    assert faults[-1].text("zh") == "另有 400 处错误未列出。"


def test_a_number_that_is_used_twice_is_told_with_both_rows() -> None:
    rows = [{**ROW, "number": number, "note": f"row {at}"} for at, number in enumerate(["7", "8", "7", "7"])]
    faults = faults_of(read_table, a_sheet(*rows))
    assert [(fault.row, fault.column, fault.en[:29]) for fault in faults] == [
        (4, "number", "number 7 is used in row 2 alr"),
        (5, "number", "number 7 is used in row 2 alr"),
    ]


def test_a_number_that_is_used_twice_is_told_even_beside_a_broken_cell() -> None:
    assert faults_in(a_sheet(ROW, {**ROW, "step": "one"})) == [(3, "step"), (3, "number")]


def test_a_row_that_stands_there_twice_is_told_with_both_rows() -> None:
    fault = the_fault(a_sheet(ROW, {**ROW, "number": "2", "note": "other"}, ROW))
    assert fault.text("en") == "row 4: is the same as row 2: delete one of them"
    assert fault.text("zh") == "第 4 行:与第 2 行完全相同,删去其中一行。"


def test_a_row_that_stands_there_twice_under_different_numbers_is_told_with_both_rows() -> None:
    spelled = {**ROW, "number": "9999", "mandatory": "是", "area": " 36 "}
    fault = the_fault(a_sheet({**ROW, "mandatory": "yes"}, spelled))
    assert fault.text("en") == "row 3: is the same as row 2 but for its number: delete one of them"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_told_once(column: str) -> None:
    without = tuple(each for each in COLUMNS if each != column)
    fault = the_fault(a_sheet(ROW, {**ROW, "number": "2", "note": "another"}, columns=without))
    heading = dict(zip(COLUMNS, CHINESE, strict=True))[column]
    assert fault.text("en") == f"row 1: the column {column} ({heading}) is missing: add it"
    assert fault.text("zh") == f"第 1 行:缺少标题为“{heading}”的列。"


def test_a_heading_that_is_not_known_is_told_with_the_one_that_may_be_meant() -> None:
    unknown, missing = faults_of(read_table, a_sheet(ROW).replace(b"department", b"departement"))
    assert (unknown.row, unknown.column) == (1, "departement")
    assert unknown.en.endswith("did you mean department?")
    assert "the column department (承办部门) is missing" in missing.en


def test_a_column_of_ones_own_is_refused_and_not_silently_lost() -> None:
    fault = the_fault(a_sheet({**ROW, "remarks of the county": "x"}, columns=(*COLUMNS, "remarks of the county")))
    assert (fault.row, fault.column) == (1, "remarks of the county")


def test_a_heading_that_stands_there_twice_is_refused_in_whichever_languages() -> None:
    text = a_sheet(ROW, columns=(*COLUMNS, "need")).decode()
    fault = the_fault(text.replace("note,need", "note,救助需求").encode())
    assert fault.text("en") == "row 1, column 救助需求: is the same column as need: delete one of them"


def test_a_heading_that_is_empty_is_refused() -> None:
    assert "the heading is empty" in the_fault(a_sheet(ROW, columns=(*COLUMNS, ""))).en


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n,,\n", "is empty"),
        (a_sheet(), "no rule under the headings"),
        (b"one,two\n1,2\n", "holds no heading that is known; they are number, need,"),
        (a_sheet(ROW).replace(b",", b"\t"), "separated by commas"),
        (a_sheet(ROW).replace(b",", b";"), "separated by commas"),
        (b"number,need\n\x00", "line 2 holds a NUL byte"),
        (b"x" * (LARGEST + 1), "larger than 10 MiB"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(content: bytes, said: str) -> None:
    assert said in the_fault(content).en


@pytest.mark.parametrize(
    ("encoding", "mark", "said"),
    [
        ("gbk", b"", "GBK (GB18030)"),
        ("gb18030", b"", "GBK (GB18030)"),
        ("utf-8-sig", b"", "UTF-8 with a byte order mark"),
        ("utf-16", b"", "UTF-16 with a byte order mark"),
        ("utf-16-be", b"\xfe\xff", "UTF-16 with a byte order mark"),
        ("utf-8", b"\xff", "an encoding that is not known"),
    ],
)
def test_a_real_export_in_another_encoding_is_refused_and_told_what_to_do(
    encoding: str, mark: bytes, said: str
) -> None:
    text = write_csv(RULES).decode()
    fault = the_fault(mark + text.encode(encoding))
    assert fault.row is None
    assert said in fault.en
    assert "save it as XLSX, or as CSV in UTF-8 without a byte order mark" in fault.en
    assert "另存为 XLSX" in fault.zh


def test_a_row_that_breaks_off_is_refused_with_its_count() -> None:
    fault = the_fault(a_sheet(ROW) + b"17,medical\r\n")
    assert fault.text("en").startswith("row 3: has 2 cells instead of 28")


def test_a_row_with_more_cells_than_columns_is_refused_and_not_cut_off() -> None:
    """An unquoted comma in the last column is the commonest slip in a sheet kept by hand."""
    content = a_sheet({**ROW, "note": "first half"}).rstrip(b"\r\n") + b", second half\r\n"
    assert the_fault(content).text("zh") == "第 2 行:有 29 个单元格,应有 28 个。含逗号的单元格要用双引号括起。"


def test_a_quoted_comma_and_a_line_break_belong_to_their_cell_and_rows_are_counted_as_a_spreadsheet_does() -> None:
    row = {**ROW, "note": "one, two\nthree"}
    assert [rule.note for rule in read_table(a_sheet(row))] == ["one, two\nthree"]
    assert faults_in(a_sheet(row, {**ROW, "number": "2", "step": "x"})) == [(3, "step")]


@pytest.mark.parametrize("ending", [b'"', b'"open', b'a,"b" c'])
def test_a_quote_without_its_other_is_refused_with_its_row(ending: bytes) -> None:
    fault = the_fault(a_sheet(ROW) + ending)
    assert fault.row == 3
    assert "double quotes don't pair" in fault.en


def test_a_cell_without_an_end_is_refused_with_its_row() -> None:
    fault = the_fault(a_sheet(ROW) + b'"' + b"x" * 200_000)
    assert fault.row == 3
    assert "a cell of endless length" in fault.en


def test_a_hundred_thousand_rows_are_refused() -> None:
    head = a_sheet().strip()
    content = b"\n".join([head, *([b"1," + b"," * 26] * 100_000)])
    assert len(content) < LARGEST
    faults = faults_of(read_table, content)
    assert faults[0].text("en") == f"row {MOST_RULES + 2}: more than 20000 rules, the rest was not read"
    assert len(faults) == MOST_FAULTS + 1


def test_as_many_rows_as_are_allowed_are_read() -> None:
    rules = tuple(replace(RULES[1], number=number, note=str(number)) for number in range(1, MOST_RULES + 1))
    assert len(read_table(write_csv(rules))) == MOST_RULES
    fault = the_fault(write_csv((*rules, replace(RULE, number=MOST_RULES + 1))))
    assert "more than 20000 rules" in fault.en


def test_a_million_headings_are_refused() -> None:
    assert len(faults_of(read_table, b"number" + b"," * 1_000_000)) == MOST_FAULTS + 1


def test_a_condition_that_grows_too_long_when_spelled_out_is_refused_where_it_is_written() -> None:
    """It could not be read again from where it is kept."""
    tight = "且".join(["年龄>1"] * 120)
    assert len(tight) < LONGEST
    with pytest.raises(ConditionError):
        parse_condition(tight)
    assert faults_in(a_sheet({**ROW, "condition": tight})) == [(2, "condition")]


@given(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1), st.text(st.characters(codec="utf-8"), max_size=8))
def test_whatever_stands_in_cells_is_read_or_refused_by_name(columns: list[str], text: str) -> None:
    content = a_sheet({**ROW, **dict.fromkeys(columns, text)})
    try:
        rules = read_table(content)
    except SheetError as error:
        faults = error.faults
        rules = ()
    else:
        faults = ()
        assert read_table(write_csv(rules)) == rules
    assert bool(rules) != bool(faults)
    assert all(fault.column in columns or fault.column is None for fault in faults)


@given(st.binary(max_size=60))
def test_whatever_bytes_come_they_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(SheetError):
        read_table(content)
