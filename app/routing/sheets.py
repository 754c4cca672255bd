"""The routing table as a sheet, one row a rule, in CSV or XLSX: read whole, or refused whole with every fault in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import Any

from app.routing.cells import Cell, Known, Row, read_cell, refuse_computed, write_cell
from app.routing.commas import csv_of, csv_rows
from app.routing.faults import CellError, Faults, SheetError, refused
from app.routing.headings import COLUMNS, HEADINGS, Heading, heading_called
from app.routing.package import LARGEST, MOST_RULES, OLE, ZIP, refuse_ole
from app.routing.rules import Rule
from app.routing.words import Language

__all__ = ["COLUMNS", "Known", "SheetError", "read_rules", "read_table", "row_of", "write_csv"]
_LONGEST_HEADING = 40
_REMEMBERED = 8192
_EMPTY = Cell("")
_but_for_its_number = itemgetter(*(name for name in COLUMNS if name != "number"))


def read_table(content: bytes, known: Known | None = None) -> tuple[Rule, ...]:
    """The rules of an XLSX or CSV file, in the order of their rows. Raises SheetError."""
    if len(content) > LARGEST:
        size = LARGEST >> 20
        raise refused(f"文件超过 {size} MiB,请删去与规则无关的内容。", f"the file is larger than {size} MiB")
    if content.startswith(OLE):
        refuse_ole(content)
    if content.startswith(ZIP):
        from app.routing.worksheet import letter_of, open_worksheet  # with a library that a service seldom needs

        worksheet = open_worksheet(content)
        faults = Faults(worksheet.name)
        rules = _Table(faults, known, letter_of).read(worksheet.rows())
        for reference, row, letter in sorted(worksheet.merged, key=lambda each: each[1:]):
            faults.add_of_all(_merged(reference), row, letter)
    else:
        faults = Faults()
        rules = _Table(faults, known, lambda index: None).read(csv_rows(content, faults))
    faults.check()
    return rules


def read_rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """`read_table` of the lines of a CSV."""
    return read_table("".join(lines).encode())


def row_of(rule: Rule) -> dict[str, str]:
    """A rule by codes, as the English sheet has it."""
    return {column: write_cell(column, getattr(rule, column), "en") for column in COLUMNS}


def write_csv(rules: Iterable[Rule], language: Language = "zh") -> bytes:
    """UTF-8 without a byte order mark, lines ended by LF. `read_table` reads back equal rules."""
    headings = [[heading.of(language) for heading in HEADINGS]]
    texts = ([write_cell(column, getattr(rule, column), language) for column in COLUMNS] for rule in rules)
    return csv_of(chain(headings, texts))


class _Table:
    """Reads rows of cells, the headings first; `letter` names a column by its index as the spreadsheet does."""

    def __init__(self, faults: Faults, known: Known | None, letter: Callable[[int], str | None]) -> None:
        self._faults, self._letter = faults, letter
        # A sheet says the same things in most of its rows.
        self._read: Mapping[str, Callable[[Cell], Any]] = {
            name: lru_cache(_REMEMBERED)(partial(read_cell, name, known=known)) for name in COLUMNS
        }
        self._columns: dict[int, Heading | None] = {}
        self._names: dict[int, str] = {}
        self._headings: dict[int, str] = {}
        self._rules: list[Rule] = []
        self._numbers: dict[int, tuple[int, Rule | None]] = {}
        self._contents: dict[tuple[Any, ...], int] = {}

    def read(self, rows: Iterator[Row]) -> tuple[Rule, ...]:
        first = next(rows, None)
        if first is None:
            self._faults.add_of_all(
                CellError("表是空的,第一行应为标题。", "the table is empty: its first row holds the headings")
            )
        elif self._read_headings(*first):
            self._read_rows(rows)
        return tuple(self._rules)

    def _read_rows(self, rows: Iterator[Row]) -> None:
        count = 0
        for count, (number, cells) in enumerate(rows, start=1):
            if count > MOST_RULES:
                zh, en = (
                    f"超过 {MOST_RULES} 条规则,未再往下读。",
                    f"more than {MOST_RULES} rules, the rest was not read",
                )
                self._faults.add_of_all(CellError(zh, en), number)
                return
            if cells:
                self._read_row(number, cells)
        if not count:
            self._faults.add_of_all(CellError("标题下面没有规则。", "there is no rule under the headings"))

    def _read_headings(self, row: int, cells: Mapping[int, Cell]) -> bool:
        """False when nothing in it is a heading, so that no row below can be understood."""
        seen: dict[str, str] = {}
        wrong: list[tuple[int, CellError]] = []
        for index, cell in sorted(cells.items()):
            self._headings[index], self._columns[index] = cell.text.strip()[:_LONGEST_HEADING], None
            try:
                self._columns[index] = _heading(cell, seen)
            except CellError as error:
                wrong.append((index, error))
        if not seen:
            self._faults.add_of_all(_no_headings(cells), row)
            return False
        self._names = {index: heading.name for index, heading in self._columns.items() if heading}
        for index, fault in wrong:
            self._add(row, index, fault)
        for heading in (each for each in HEADINGS if each.name not in seen):
            zh, en = f"缺少标题为“{heading.zh}”的列。", f"the column {heading.name} ({heading.zh}) is missing: add it"
            self._faults.add(CellError(zh, en), row)
        return True

    def _read_row(self, row: int, cells: Mapping[int, Cell]) -> None:
        values: dict[str, Any] = {}
        for index, name in self._names.items():
            try:
                values[name] = self._read[name](cells.get(index, _EMPTY))
            except CellError as error:
                self._add(row, index, error)
        for index in sorted(cells.keys() - self._columns.keys()):
            self._add(row, index, _without_heading(cells[index]))
        self._check_days(row, values)
        rule = Rule(**values) if len(values) == len(COLUMNS) else None
        self._check_repeated(row, values, rule)
        if rule is not None:
            self._rules.append(rule)

    def _check_days(self, row: int, values: Mapping[str, Any]) -> None:
        begins, ends = values.get("effective_from"), values.get("effective_to")
        if isinstance(begins, date) and isinstance(ends, date) and ends < begins:
            zh = f"早于生效日期 {begins},规则永远不会有效;写晚些的日期或空着。"
            error = CellError(zh, f"is before {begins}, the rule would never be in force: write a later day or none")
            self._add(row, self._index_of("effective_to"), error)

    def _check_repeated(self, row: int, values: Mapping[str, Any], rule: Rule | None) -> None:
        number = values.get("number")
        content = _but_for_its_number(values) if rule is not None else None
        first, same = self._numbers.get(number or 0, (None, None))
        if first is not None and rule is not None and rule == same:
            error = CellError(
                f"与第 {first} 行完全相同,删去其中一行。", f"is the same as row {first}: delete one of them"
            )
            self._faults.add(error, row)
        elif first is not None:
            zh = f"编号 {number} 已用于第 {first} 行,换一个没有用过的编号。"
            error = CellError(zh, f"number {number} is used in row {first} already: write one that is not used")
            self._add(row, self._index_of("number"), error)
        elif content is not None and content in self._contents:
            first = self._contents[content]
            zh = f"除编号外与第 {first} 行完全相同,删去其中一行。"
            self._faults.add(CellError(zh, f"is the same as row {first} but for its number: delete one of them"), row)
        if number is not None:
            self._numbers.setdefault(number, (row, rule))
        if content is not None:
            self._contents.setdefault(content, row)

    def _index_of(self, name: str) -> int:
        return next(index for index, heading in self._columns.items() if heading and heading.name == name)

    def _add(self, row: int, index: int, error: CellError) -> None:
        self._faults.add(error, row, self._headings.get(index), self._letter(index))


def _heading(cell: Cell, seen: dict[str, str]) -> Heading:
    """The column that a heading begins, which joins those that were `seen`. Raises CellError."""
    refuse_computed(cell)
    text = cell.text.strip()
    heading = heading_called(text)
    if heading is None and not text:
        raise CellError("标题空着。写上标题,或删去这一列。", "the heading is empty: write it, or delete the column")
    if heading is None:
        choices = [*COLUMNS, *(heading.zh for heading in HEADINGS)]
        zh, en = (
            "没有这个标题。改用原表的标题,或删去这一列。",
            "there is no such heading: delete the column or rename it",
        )
        raise CellError(zh, en, written=text, choices=choices)
    if heading.name in seen:
        zh = f"与“{seen[heading.name]}”是同一列,删去其中一列。"
        raise CellError(zh, f"is the same column as {seen[heading.name]}: delete one of them")
    seen[heading.name] = text
    return heading


def _no_headings(cells: Mapping[int, Cell]) -> CellError:
    if len(cells) == 1 and re.search("[;\t\uff1b|]", cells[min(cells)].text):
        return CellError("各单元格要用英文逗号隔开。", "the cells have to be separated by commas")
    zh, en = "、".join(heading.zh for heading in HEADINGS), ", ".join(COLUMNS)
    return CellError(f"没有认得的标题。标题应为:{zh}。", f"holds no heading that is known; they are {en}")


def _without_heading(cell: Cell) -> CellError:
    try:
        refuse_computed(cell)
    except CellError as error:
        return error
    return CellError("上面没有标题,请删去或补上标题。", "has no heading above it: delete it or write one")


def _merged(reference: str) -> CellError:
    return CellError(
        f"单元格 {reference} 是合并的。取消合并,每一格各写各的。",
        f"the cells {reference} are merged: unmerge them and write into each",
    )
