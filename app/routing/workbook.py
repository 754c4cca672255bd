"""The routing table as an XLSX workbook that a clerk can fill in: drop-downs, a comment on every heading, the codes.

Everything but whole numbers is text, so that a spreadsheet makes neither dates nor formulas of it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

from app.routing.cells import write_cell
from app.routing.facts import FACTS
from app.routing.grammar import wanted
from app.routing.headings import HEADINGS, Heading
from app.routing.package import MOST_RULES
from app.routing.parts import escaped
from app.routing.rules import Rule
from app.routing.words import VOCABULARIES, Language, Pair, SheetWords, Vocabulary, pick
from app.routing.worksheet import SHEET_NAMES, letter_of

_CODES: Pair = ("代码表", "codes")
_CODE_HEADINGS: tuple[Pair, ...] = (
    *(("类别", "kind"), ("代码", "code"), ("中文", "Chinese")),
    *(("英文", "English"), ("可写的值", "values")),
)
_CODE_WIDTHS = (14, 36, 36, 44, 80)
_KINDS: dict[str, Pair] = {
    "needs": ("救助需求", "need"),
    "departments": ("部门", "department"),
    "areas": ("地区", "area"),
    "materials": ("材料", "material"),
    "discloses": ("可见信息", "discloses"),
    "consent": ("所需同意", "consent"),
    "consent_of": ("由谁同意", "consent_of"),
    "publicity": ("公示", "publicity"),
    "role": ("承办角色", "role"),
    "complete_certainty": ("时限可靠性", "certainty"),
}
_FACT: Pair = ("情况", "fact")
_LISTED_CODES = {"need": "needs", "area": "areas", "department": "departments", "emergency_variant": "needs"}
_LISTED_WORDS = (
    *("role", "mandatory", "consent_of"),
    *("sign_in_certainty", "accept_certainty", "complete_certainty"),
)
_OPTIONAL = {"emergency_variant", "consent_of", "sign_in_certainty", "accept_certainty", "complete_certainty"}
_NUMBERS = {"number", "step"}
_TEXT = "@"


def write_xlsx(rules: Iterable[Rule], words: SheetWords | None = None, language: Language = "zh") -> bytes:
    """A workbook with the sheets 分办规则 and 代码表 (or rules and codes); the words name the codes to choose from.

    `read_table` reads back equal rules.
    """
    words, listed = words or SheetWords(), list(rules)
    book = Workbook(write_only=True)
    book.properties.creator = "One Window"
    sheet = book.create_sheet(SHEET_NAMES[language])
    _lay_out(sheet, len(listed), language)
    for drop_down in _drop_downs(words, language):
        sheet.data_validations.append(drop_down)
    sheet.append([heading_cell(sheet, heading.of(language), heading.comment(language)) for heading in HEADINGS])
    writer = Writer(sheet)
    for rule in listed:
        writer.append(_written(rule, language))
    _write_codes(book.create_sheet(pick(_CODES, language)), words, language)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _lay_out(sheet: Any, rows: int, language: Language) -> None:
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{letter_of(len(HEADINGS) - 1)}{rows + 1}"
    for index, heading in enumerate(HEADINGS):
        column = sheet.column_dimensions[letter_of(index)]
        # Twice a letter's width for a Chinese character, and room for the arrow of the filter.
        column.width = max(heading.width, len(heading.of(language)) * (2 if language == "zh" else 1) + 4)
        if heading.name not in _NUMBERS:
            column.number_format = _TEXT


def heading_cell(sheet: Any, text: str, comment: str = "") -> Any:
    cell = WriteOnlyCell(sheet, text)
    cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DDE8F3")
    cell.alignment = Alignment(vertical="center", wrap_text=True)
    if comment:
        cell.comment = Comment(comment, "One Window", width=320, height=150)
    return cell


class Writer:
    """Appends rows. A cell is written as it is handed over, so the same two serve every row: styling is what takes long."""

    def __init__(self, sheet: Any) -> None:
        self._sheet = sheet
        self._plain, self._guarded = self._styled(), self._styled()
        self._guarded.quotePrefix = True

    def append(self, values: Iterable[int | str]) -> None:
        self._sheet.append(self._cell(value) for value in values)

    def _cell(self, value: int | str) -> Any:
        if isinstance(value, int):
            return value
        if not value:
            return None
        cell = self._guarded if value[0] in "=+-@" else self._plain
        cell.value = escaped(value)
        # What begins with = or reads #N/A is taken for a formula or an error otherwise.
        cell.data_type = "s"
        return cell

    def _styled(self) -> Any:
        cell = WriteOnlyCell(self._sheet)
        cell.number_format = _TEXT
        cell.alignment = Alignment(vertical="top", wrap_text=True)
        return cell


def _written(rule: Rule, language: Language) -> Iterator[int | str]:
    for heading in HEADINGS:
        value = getattr(rule, heading.name)
        yield value if heading.name in _NUMBERS else write_cell(heading.name, value, language)


def _drop_downs(words: SheetWords, language: Language) -> Iterator[DataValidation]:
    ranges = _ranges(words)
    for index, heading in enumerate(HEADINGS):
        if heading.name in _LISTED_WORDS:
            choices = (pick(pair, "zh") if language == "zh" else str(code) for code, pair in _words_of(heading))
            formula = f'"{",".join(choices)}"'
        elif rows := ranges.get(_LISTED_CODES.get(heading.name, "")):
            formula = f"'{pick(_CODES, language)}'!$B${rows[0]}:$B${rows[1]}"
        else:
            continue
        drop_down = DataValidation("list", formula, allow_blank=heading.name in _OPTIONAL, showErrorMessage=True)
        drop_down.errorTitle, drop_down.error = heading.of(language), pick(_CHOOSE, language)
        letter = letter_of(index)
        drop_down.add(f"{letter}2:{letter}{MOST_RULES + 1}")
        yield drop_down


_CHOOSE: Pair = ("请从下拉列表中选择。", "Choose from the list.")


def _words_of(heading: Heading) -> Iterable[tuple[str, Pair]]:
    return VOCABULARIES[heading.name].items()


def _sections(words: SheetWords) -> Iterator[tuple[str, Vocabulary]]:
    for kind in _KINDS:
        yield kind, getattr(words, kind) if kind in SheetWords.__slots__ else VOCABULARIES[kind]


def _ranges(words: SheetWords) -> dict[str, tuple[int, int]]:
    """The first and the last row that each kind of code takes on the sheet of codes; none for a kind without codes."""
    ranges, row = {}, 2
    for kind, names in _sections(words):
        if names:
            ranges[kind] = (row, row + len(names) - 1)
        row += len(names)
    return ranges


def _write_codes(sheet: Any, words: SheetWords, language: Language) -> None:
    sheet.freeze_panes = "A2"
    for index, width in enumerate(_CODE_WIDTHS):
        sheet.column_dimensions[letter_of(index)].width = width
    sheet.append([heading_cell(sheet, pick(heading, language)) for heading in _CODE_HEADINGS])
    writer = Writer(sheet)
    for kind, names in _sections(words):
        for code, (zh, en) in names.items():
            writer.append((pick(_KINDS[kind], language), code, zh, en))
    for fact in FACTS.values():
        values = wanted(fact)
        if fact.words:
            values = ("、".join(f"{zh}({code})" for code, (zh, _) in fact.words.items()), ", ".join(fact.words))
        writer.append((pick(_FACT, language), fact.name, fact.name_zh, fact.name_en, pick(values, language)))
