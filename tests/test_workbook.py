"""The routing table as XLSX: what a clerk finds in it, and every workbook that is refused."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.formula import ArrayFormula

from app.routing.facts import FACTS
from app.routing.faults import MOST_FAULTS, Fault, SheetError
from app.routing.headings import HEADINGS
from app.routing.package import LARGEST, MOST_RULES, UNPACKED
from app.routing.parts import escaped, unescaped
from app.routing.rules import Rule
from app.routing.sheets import COLUMNS, read_table, row_of, write_csv
from app.routing.words import VOCABULARIES, Language
from app.routing.workbook import write_xlsx
from tests.tables import KNOWN, RULE, RULES, WORDS, faults_of, tables

EXPORT = write_xlsx(RULES[:3], WORDS)
LETTERS = {
    heading.name: letter for heading, letter in zip(HEADINGS, [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AA", "AB"], strict=True)
}
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
HEAD = "<row>" + "".join(f'<c t="inlineStr"><is><t>{column}</t></is></c>' for column in COLUMNS) + "</row>"


def the_fault(content: bytes) -> Fault:
    (fault,) = faults_of(read_table, content)
    return fault


def edited(edit: Callable[[Any], object], content: bytes = EXPORT) -> bytes:
    """The workbook after somebody has changed the sheet of rules and saved it."""
    book = load_workbook(io.BytesIO(content))
    edit(book.worksheets[0])
    return saved(book)


def saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def written(column: str, value: object, row: int = 3) -> bytes:
    def write(sheet: Any) -> None:
        sheet[f"{LETTERS[column]}{row}"].value = value

    return edited(write)


def zipped(parts: dict[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression, compresslevel=1) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return out.getvalue()


def parts_of(content: bytes) -> dict[str, bytes | str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def a_package(sheet: str, **more: bytes | str) -> dict[str, bytes | str]:
    """The least that is a workbook, with the XML of its one sheet."""
    relation = f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/%s" Target="%s"/>'
    return {
        "_rels/.rels": relation % ("officeDocument", "book/main.xml") + "</Relationships>",
        "book/main.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="one" r:id="r1"/></sheets></workbook>',
        "book/_rels/main.xml.rels": relation % ("worksheet", "/book/sheet.xml")
        + f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="strings.xml"/>'
        + f'<Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "book/sheet.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{sheet}</sheetData></worksheet>',
        **{name.replace("__", "/") + ".xml": part for name, part in more.items()},
    }


def a_row(rule: Rule, number: str = "") -> str:
    cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in row_of(rule).values())
    return f"<row{number}>{cells}</row>"


# What is written


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_seeded_table_is_written_and_read_back_equal(language: Language) -> None:
    assert read_table(write_xlsx(RULES, WORDS, language), KNOWN) == RULES
    assert read_table(write_xlsx(RULES, language=language)) == RULES


@settings(max_examples=40)
@given(tables, st.sampled_from(["zh", "en"]))
def test_any_table_is_written_and_read_back_equal(rules: tuple[Rule, ...], language: Language) -> None:
    content = write_xlsx(rules, language=language)
    assert read_table(content) == rules
    assert read_table(edited(lambda sheet: None, content)) == rules


@given(st.text(st.sampled_from("_x0041F5Dg"), max_size=30))
def test_what_looks_like_an_escape_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize("text", ["=1+1", "=", "+86", "-5", "@a", "#N/A", "2026-01-05", "007", "1e5", "TRUE", "a\nb"])
def test_whatever_a_spreadsheet_might_make_of_it_stands_there_as_text(text: str) -> None:
    content = write_xlsx([replace(RULE, note=text)])
    cell = load_workbook(io.BytesIO(content)).worksheets[0][f"{LETTERS['note']}2"]
    assert (cell.data_type, cell.value, cell.number_format) == ("s", text, "@")
    assert cell.quotePrefix == (text[0] in "=+-@")
    assert [rule.note for rule in read_table(content)] == [text]


@pytest.mark.parametrize(("language", "names"), [("zh", ["分办规则", "代码表"]), ("en", ["rules", "codes"])])
def test_the_workbook_has_a_sheet_of_rules_and_one_of_codes(language: Language, names: list[str]) -> None:
    book = load_workbook(io.BytesIO(write_xlsx(RULES, WORDS, language)))
    sheet = book.worksheets[0]
    assert book.sheetnames == names
    assert (sheet.freeze_panes, sheet.max_row, sheet.max_column) == ("A2", len(RULES) + 1, len(COLUMNS))
    for heading, letter in LETTERS.items():
        cell, column = sheet[f"{letter}1"], HEADINGS[COLUMNS.index(heading)]
        assert (cell.value, cell.comment.text) == (column.of(language), column.comment(language))
        assert sheet.column_dimensions[letter].width >= len(cell.value)


def test_numbers_are_numbers_and_codes_and_days_are_text_also_in_rows_that_are_yet_to_be_written() -> None:
    sheet = load_workbook(io.BytesIO(EXPORT)).worksheets[0]
    for column in COLUMNS:
        cell = sheet[f"{LETTERS[column]}2"]
        numeric = column in ("number", "step")
        assert cell.value is None or (cell.data_type == "n") == numeric
        assert (sheet.column_dimensions[LETTERS[column]].number_format == "@") != numeric


@pytest.mark.parametrize("language", ["zh", "en"])
def test_drop_downs_offer_what_may_be_written(language: Language) -> None:
    book = load_workbook(io.BytesIO(write_xlsx(RULES, WORDS, language)))
    sheet, codes = book.worksheets
    offered: dict[str, list[str]] = {}
    for drop_down in sheet.data_validations.dataValidation:
        letter = re.match("[A-Z]+", str(drop_down.sqref))
        assert letter is not None
        assert str(drop_down.sqref) == f"{letter.group()}2:{letter.group()}{MOST_RULES + 1}"
        column = next(name for name, of in LETTERS.items() if of == letter.group())
        formula = drop_down.formula1
        assert len(formula) <= 255
        if formula.startswith('"'):
            offered[column] = formula.strip('"').split(",")
        else:
            offered[column] = [cell.value for (cell,) in codes[formula.split("!")[1].replace("$", "")]]
    for column in ("role", "mandatory", "consent_of", "sign_in_certainty", "accept_certainty", "complete_certainty"):
        words = VOCABULARIES[column]
        assert offered.pop(column) == [zh if language == "zh" else code for code, (zh, _) in words.items()]
    assert offered == {
        "need": list(WORDS.needs),
        "emergency_variant": list(WORDS.needs),
        "department": list(WORDS.departments),
        "area": list(WORDS.areas),
    }


def test_without_names_there_is_nothing_to_choose_codes_from_and_all_else_is_there() -> None:
    sheet, codes = load_workbook(io.BytesIO(write_xlsx(RULES))).worksheets
    assert len(sheet.data_validations.dataValidation) == 6
    assert codes.max_row > len(FACTS)


def test_the_sheet_of_codes_names_every_code_and_fact_with_its_values() -> None:
    _, codes = load_workbook(io.BytesIO(write_xlsx(RULES, WORDS))).worksheets
    rows = {(kind, code): rest for kind, code, *rest in codes.iter_rows(values_only=True)}
    assert rows["救助需求", "medical_assistance_applied"][:2] == list(WORDS.needs["medical_assistance_applied"])
    assert rows["地区", "360803"][0] == "青原区"
    assert rows["材料", "identity_document"][0] == "身份证"
    assert rows["所需同意", "medical_data"][0] == "医疗信息单独同意"
    assert {code for kind, code in rows if kind == "情况"} == set(FACTS)
    assert rows["情况", "residence"][2] == "城镇(urban)、农村(rural)"
    assert rows["情况", "age"][2] == "整数,0 至 150"


# What is read


def test_cells_that_a_spreadsheet_made_numbers_and_days_of_are_read_where_such_are_meant() -> None:
    def edit(sheet: Any) -> None:
        for column, value in (("area", 360803), ("step", 2.0), ("number", 77)):
            sheet[f"{LETTERS[column]}2"].value = value
        for column, value in (
            ("effective_from", date(2026, 3, 1)),
            ("effective_to", datetime.combine(date(2027, 12, 31), time())),
        ):
            cell = sheet[f"{LETTERS[column]}2"]
            cell.value, cell.number_format = value, 'yyyy"年"m"月"d"日"'

    rule = read_table(edited(edit))[0]
    assert (rule.number, rule.area, rule.step) == (77, "360803", 2)
    assert (rule.effective_from, rule.effective_to) == (date(2026, 3, 1), date(2027, 12, 31))


@pytest.mark.parametrize("epoch_of_1904", [False, True])
def test_a_day_is_the_same_whenever_the_workbook_counts_from(epoch_of_1904: bool) -> None:
    book = load_workbook(io.BytesIO(EXPORT))
    if epoch_of_1904:
        book.epoch = CALENDAR_MAC_1904
    book.worksheets[0][f"{LETTERS['effective_from']}2"].value = date(2026, 3, 1)
    assert read_table(saved(book))[0].effective_from == date(2026, 3, 1)


@pytest.mark.parametrize("style", [14, 31, 57])
def test_a_day_in_a_format_that_only_chinese_spreadsheets_have_is_a_day(style: int) -> None:
    day = '<c r="Z2" s="1"><v>46082</v></c>'
    row = re.sub(r'(<c t="inlineStr"><is><t>){26}', "", a_row(RULE, ' r="2"'))
    cells = row.split("</c>")
    cells[25] = day.removesuffix("</c>")
    styles = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf/><xf numFmtId="{style}"/></cellXfs></styleSheet>'
    (rule,) = read_table(zipped(a_package(HEAD + "</c>".join(cells), book__styles=styles)))
    assert rule.effective_from == date(2026, 3, 1)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("effective_from", datetime.combine(date(2026, 3, 1), time(12, 30)), "write it as in 2026-01-31"),
        ("effective_from", time(12, 30), "write it as in 2026-01-31"),
        ("effective_from", 46082, "takes it for the number 46082"),
        ("step", 1.5, "whole number from 1 to 99"),
        ("number", -3, "whole number from 1"),
        ("complete_limit", 5, "takes it for the number 5: set the cell's format to text"),
        ("condition", date(2026, 3, 1), "has made a date of it, 2026-03-01: set the cell's format to text"),
        ("area", date(2026, 3, 1), "has made a date of it"),
        ("mandatory", True, "'TRUE' is unknown, write one of yes, no"),
        ("note", "#REF!", "shows the error #REF!: write it anew"),
        ("note", "=A1&B1", "holds a formula: write its result instead"),
        ("role", '="牵头"', "holds a formula"),
        ("role", ArrayFormula("F3", "=G3:G3"), "holds a formula"),
        ("department", "county_civil_afairs!", "is no code"),
        ("legal_basis", "x" * 32_767, "at most 4000 characters"),
    ],
)
def test_a_broken_cell_is_refused_with_sheet_row_heading_and_letter(column: str, value: object, said: str) -> None:
    heading, letter = HEADINGS[COLUMNS.index(column)].zh, LETTERS[column]
    fault = the_fault(written(column, value))
    assert fault.text("en").startswith(f"sheet 分办规则, row 3, column {heading} ({letter}): ")
    assert fault.text("zh").startswith(f"工作表“分办规则”第 3 行“{heading}”列({letter} 列):")
    assert said in fault.en


def test_merged_cells_are_refused_and_told_first() -> None:
    def edit(sheet: Any) -> None:
        sheet["E2"].value = "nowhere!"
        sheet.merge_cells("B3:C4")
        sheet.merge_cells("A5:A6")

    merged, too, *others = faults_of(read_table, edited(edit))
    assert merged.text("en") == (
        "sheet 分办规则, row 3, column B: the cells B3:C4 are merged: unmerge them and write into each"
    )
    assert merged.text("zh") == "工作表“分办规则”第 3 行 B 列:单元格 B3:C4 是合并的。取消合并,每一格各写各的。"
    assert (too.row, too.letter) == (5, "A")
    assert [(fault.row, fault.letter) for fault in others] == [(2, "E"), (3, "C"), (4, "B"), (4, "C")]


def test_a_formula_is_refused_wherever_it_stands_in_the_sheet() -> None:
    beside = the_fault(edited(lambda sheet: sheet.__setitem__("AD3", "=NOW()")))
    assert (beside.row, beside.column, beside.letter) == (3, None, "AD")
    assert "holds a formula" in beside.en
    heading, missing = faults_of(read_table, written("note", '="备注"', row=1))
    assert (heading.row, heading.letter) == (1, "AB")
    assert "column note (备注) is missing" in missing.en


def test_a_cell_without_a_heading_is_refused_and_one_that_is_only_coloured_is_not() -> None:
    def colour(sheet: Any) -> None:
        sheet["AD3"].number_format = "@"
        sheet["A900000"].number_format = "@"

    assert read_table(edited(colour)) == RULES[:3]
    fault = the_fault(edited(lambda sheet: sheet.__setitem__("AD3", "to be checked")))
    assert fault.text("en").startswith("sheet 分办规则, row 3, column AD: has no heading above it")


def test_rows_keep_the_numbers_that_the_spreadsheet_shows() -> None:
    def edit(sheet: Any) -> None:
        sheet.insert_rows(3, 5)
        sheet["G9"].value = "one"

    fault = the_fault(edited(edit))
    assert (fault.row, fault.letter) == (9, "G")


def test_hidden_rows_and_columns_are_rules_like_others() -> None:
    def hide(sheet: Any) -> None:
        sheet.row_dimensions[3].hidden = True
        sheet.column_dimensions["C"].hidden = True

    assert read_table(edited(hide)) == RULES[:3]


def test_words_in_several_fonts_and_strings_that_cells_share_are_read_whole() -> None:
    rich = CellRichText("可延长", TextBlock(InlineFont(b=True), " 15 个"), "工作日")
    content = written("note", rich, row=2)
    assert read_table(content)[0].note == "可延长 15 个工作日"
    shared = f'<sst xmlns="{MAIN}"><si><t>a_x000a_b</t></si><si><r><t>汉</t></r><rPh sb="0" eb="1"><t>han</t></rPh></si></sst>'
    row = a_row(replace(RULE, note="", legal_basis=""))
    cells = row.split("</c>")
    cells[24], cells[27] = '<c t="s"><v>0</v>', '<c t="s"><v>1</v>'
    (rule,) = read_table(zipped(a_package(HEAD + "</c>".join(cells), book__strings=shared)))
    assert (rule.legal_basis, rule.note) == ("a\nb", "汉")


def test_a_row_that_stands_there_twice_and_a_number_that_does_are_told_with_both_rows() -> None:
    def edit(sheet: Any) -> None:
        values = [cell.value for cell in sheet[2]]
        sheet.append(values)
        sheet.append([99, *values[1:]])
        sheet.append([3, *values[1:-1], "another"])

    same, but_number, number = faults_of(read_table, edited(edit))
    assert same.text("zh") == "工作表“分办规则”第 5 行:与第 2 行完全相同,删去其中一行。"
    assert but_number.text("zh") == "工作表“分办规则”第 6 行:除编号外与第 2 行完全相同,删去其中一行。"
    assert number.text("zh") == "工作表“分办规则”第 7 行“编号”列(A 列):编号 3 已用于第 4 行,换一个没有用过的编号。"


# Which sheet


def test_the_sheet_is_found_by_its_name_wherever_it_stands_or_is_the_only_one() -> None:
    book = load_workbook(io.BytesIO(EXPORT))
    book.create_sheet("说明", 0).append(["看这里"])
    assert read_table(saved(book)) == RULES[:3]
    book["分办规则"].title = "Rules "
    assert read_table(saved(book)) == RULES[:3]
    for name in ("说明", "代码表"):
        del book[name]
    book.worksheets[0].title = "2026 年"
    book.create_chartsheet("图")
    assert read_table(saved(book)) == RULES[:3]


@pytest.mark.parametrize("names", [["甲", "乙"], ["分办规则", "rules"]])
def test_of_several_sheets_that_may_be_it_none_is_guessed(names: list[str]) -> None:
    book = load_workbook(io.BytesIO(EXPORT))
    for sheet, name in zip(book.worksheets, names, strict=True):
        sheet.title = name
    fault = the_fault(saved(book))
    assert ", ".join(names) in fault.en
    assert "命名为“分办规则”" in fault.zh


# What is no workbook, or wants to be more than one


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500)
SHEET_AT = EXPORT.index(b"xl/worksheets/sheet1.xml") + 100
NO_BOOK = {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (OLE, "an old .xls file: save it as XLSX"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "has a password"),
        (b"PK\x03\x04", "damaged or no XLSX workbook"),
        (EXPORT[: len(EXPORT) // 2], "damaged or no XLSX workbook"),
        (EXPORT[:SHEET_AT] + bytes(200) + EXPORT[SHEET_AT + 200 :], "damaged or no XLSX workbook"),
        (zipped({}), "damaged or no XLSX workbook"),
        (zipped(NO_BOOK), "damaged or no XLSX workbook"),
        (zipped({**parts_of(EXPORT), "xl/worksheets/sheet1.xml": "<worksheet><sheetData><row>"}), "damaged"),
        (zipped({**parts_of(EXPORT), "xl/workbook.xml": "<workbook/>"}), "damaged"),
        (zipped({k: v for k, v in parts_of(EXPORT).items() if "sheet1.xml" not in k}), "damaged"),
        (zipped(parts_of(EXPORT), zipfile.ZIP_LZMA), "damaged or no XLSX workbook"),
        (zipped(a_package('<row r="5"/><row r="5"/>')), "damaged"),
        (zipped(a_package('<row r="1048577"/>')), "damaged"),
        (zipped(a_package('<row><c r="B1"/><c r="A1"/></row>')), "damaged"),
        (zipped(a_package('<row><c r="XFE1"/></row>')), "damaged"),
        (zipped(a_package('<row><c t="s"><v>7</v></c></row>')), "damaged"),
        (zipped(a_package("<a>" * 100_000)), "damaged"),
        (zipped(a_package('<?xml version="1.0" encoding="klingon"?>')), "damaged"),
        (zipped(a_package("")), "is empty"),
    ],
)
def test_what_is_no_workbook_is_refused_in_one_sentence(content: bytes, said: str) -> None:
    fault = the_fault(content)
    assert said in fault.en
    assert fault.row is None


def test_a_workbook_with_a_part_twice_is_refused_because_nobody_can_say_which_one_counts() -> None:
    out = io.BytesIO(EXPORT)
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    assert "damaged" in the_fault(out.getvalue()).en


def test_a_workbook_with_a_password_on_its_parts_is_refused() -> None:
    flag_of_first_entry = EXPORT.index(b"PK\x01\x02") + 8
    locked = bytearray(EXPORT)
    locked[flag_of_first_entry] |= 1
    assert "has a password" in the_fault(bytes(locked)).en


@pytest.mark.parametrize(
    "definition",
    [
        '<!DOCTYPE a [<!ENTITY b "b">]>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY b0 "ha"><!ENTITY b "&b0;&b0;&b0;&b0;">]>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">',
    ],
)
@pytest.mark.parametrize("part", ["_rels/.rels", "book/main.xml", "book/sheet.xml", "book/strings.xml"])
def test_a_part_that_defines_or_fetches_anything_is_refused(part: str, definition: str) -> None:
    parts = a_package(HEAD + a_row(RULE), book__strings="<sst/>")
    fault = the_fault(zipped({**parts, part: definition + str(parts[part])}))
    assert "document type definition" in fault.en


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A few MB that unpack to more than a gigabyte."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, part in a_package("").items():
            if name != "book/sheet.xml":
                archive.writestr(name, part)
        with archive.open("book/sheet.xml", "w", force_zip64=True) as part:
            part.write(f'<worksheet xmlns="{MAIN}"><sheetData>'.encode())
            for _ in range(1100):
                part.write(b" " * (1 << 20))
    return out.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(bomb: bytes) -> None:
    assert len(bomb) < LARGEST
    assert f"unpacks to more than {UNPACKED >> 20} MiB" in the_fault(bomb).en


def test_a_zip_bomb_that_lies_about_its_size_is_refused(bomb: bytes) -> None:
    size = (1100 << 20) + len(f'<worksheet xmlns="{MAIN}"><sheetData>')
    assert size.to_bytes(4, "little") in bomb
    liar = bomb.replace(size.to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert "damaged" in the_fault(liar).en


def test_a_workbook_of_countless_parts_is_refused() -> None:
    parts = {f"xl/{number}.xml": "" for number in range(2000)}
    assert "too many pieces" in the_fault(zipped({**parts_of(EXPORT), **parts}, zipfile.ZIP_STORED)).en


def test_a_sheet_of_countless_empty_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = ("<row>" + "<c/>" * 30 + "</row>") * 1000
    assert "no rule" in the_fault(zipped(a_package(HEAD + cells))).en
    monkeypatch.setattr("app.routing.package._MOST_TAGS", 31_000)
    assert "too many pieces" in the_fault(zipped(a_package(HEAD + cells))).en


@pytest.mark.parametrize(
    "parts",
    [
        {"book/main.xml": "<w>" + '<sheet name="a" id="r1"/>' * 2000 + "</w>"},
        {"_rels/.rels": "<w>" + "<Relationship/>" * 2000 + "</w>"},
        {"book/strings.xml": "<w>" + "<si/>" * 1_100_000 + "</w>"},
        {"book/styles.xml": "<w><cellXfs>" + "<xf/>" * 70_000 + "</cellXfs></w>"},
    ],
)
def test_a_workbook_that_lists_without_end_is_refused(parts: dict[str, bytes | str]) -> None:
    assert "damaged" in the_fault(zipped({**a_package(HEAD + a_row(RULE)), **parts})).en


def test_a_file_that_is_too_large_is_refused() -> None:
    assert "larger than 10 MiB" in the_fault(EXPORT + bytes(LARGEST)).en


def test_a_hundred_thousand_rows_are_refused() -> None:
    short = zipped(a_package(HEAD + "<row><c><v>1</v></c></row>" * 100_000))
    faults = faults_of(read_table, short)
    assert faults[0].text("en") == f"sheet one, row {MOST_RULES + 2}: more than 20000 rules, the rest was not read"
    assert len(faults) == MOST_FAULTS + 1
    assert "no more than 20000 rules" in the_fault(zipped(a_package(HEAD + a_row(RULE) * 100_000))).en


def test_a_sheet_that_says_it_is_as_large_as_can_be_is_read_as_large_as_it_is() -> None:
    content = parts_of(zipped(a_package(HEAD + a_row(RULE) + '<row r="1048576"><c r="XFD1048576"/></row>')))
    sheet = str(content["book/sheet.xml"], "utf-8").replace(
        "<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>'
    )
    assert read_table(zipped({**content, "book/sheet.xml": sheet})) == (RULE,)


def test_any_number_of_empty_rows_below_the_rules_are_passed_over() -> None:
    assert read_table(zipped(a_package(HEAD + a_row(RULE) + "<row/>" * 200_000))) == (RULE,)


def test_more_faults_than_anybody_reads_are_counted_merged_cells_first() -> None:
    merges = "".join(f'<mergeCell ref="A{row}:B{row}"/>' for row in range(2, 152))
    rows = "".join(a_row(replace(RULE, number=number, need="?"), "") for number in range(1, 101))
    parts = a_package(HEAD + rows)
    sheet = str(parts["book/sheet.xml"]).replace("</sheetData>", f"</sheetData><mergeCells>{merges}</mergeCells>")
    faults = faults_of(read_table, zipped({**parts, "book/sheet.xml": sheet}))
    assert [fault.en[:9] for fault in faults[:150]] == ["the cells"] * 150
    assert faults[-1].en == "50 more faults are not listed"


SMALL = parts_of(write_xlsx([RULE]))


@given(st.integers(0, len(EXPORT) - 1), st.binary(min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused_and_breaks_nothing(at: int, damage: bytes) -> None:
    content = EXPORT[:at] + damage + EXPORT[at + len(damage) :]
    try:
        rules = read_table(content)
    except SheetError:
        return
    assert rules == RULES[:3]


@given(
    st.sampled_from(sorted(name for name in SMALL if name.endswith((".xml", ".rels")))),
    st.floats(0, 1),
    st.sampled_from([b"", b"<", b"/>", b'"', b"-1", b"99999999999", b"\xff", b"&#0;", b"<f/>", b"nan", b"inf", b"'"]),
    st.integers(0, 3),
)
def test_a_workbook_with_damaged_parts_is_read_or_refused_and_breaks_nothing(
    name: str, where: float, damage: bytes, length: int
) -> None:
    part = bytes(SMALL[name]) if isinstance(SMALL[name], bytes) else b""
    at = int(where * len(part))
    try:
        read_table(zipped({**SMALL, name: part[:at] + damage + part[at + length :]}))
    except SheetError as refused:
        told = refused.faults
        assert told


def test_a_workbook_and_a_csv_of_the_same_table_hold_the_same() -> None:
    assert read_table(write_xlsx(RULES, WORDS)) == read_table(write_csv(RULES))
